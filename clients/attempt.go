package clients

import (
	"context"
	"net/http"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/internal/adapt"
	"github.com/windrow-go/windrow/internal/classify"
	"github.com/windrow-go/windrow/internal/engine"
	"github.com/windrow-go/windrow/internal/idem"
	"github.com/windrow-go/windrow/internal/identity"
)

// Attempt is one call of a client's method by a run, as the client or its transport sees it. Get it with [AttemptFrom]. Its
// methods may be called from many goroutines; outside a run they do nothing, and return zero values.
type Attempt struct {
	windrow.Attempt
	// Atomic says that the call has to be carried out as a whole or not at all: see the option [windrow.Atomic]. A client
	// whose Atomicity is selectable asks its server for that, or else for the opposite.
	Atomic bool
	// StopOnError says that the run stops at the first error. A client whose server can do so within a batch asks for it.
	StopOnError bool

	attempt *engine.Attempt
}

// AttemptFrom returns the attempt that ctx belongs to. ok is false outside a run.
func AttemptFrom(ctx context.Context) (a Attempt, ok bool) {
	e := engine.AttemptFrom(ctx)
	if e == nil {
		return Attempt{}, false
	}
	run := identity.Of(e)
	seen := windrow.Attempt(identity.Describe[windrow.OpKind](e))
	return Attempt{Attempt: seen, Atomic: run.Atomic, StopOnError: run.StopOnError, attempt: e}, true
}

// RunID returns the unique name of the run, which a [windrow.BatchProcessor.Rerun] of its result shares; "" outside a run.
func (a Attempt) RunID() string {
	if a.attempt == nil {
		return ""
	}
	return identity.Of(a.attempt).ID
}

// Limiter returns the limiter of the run. The run reports the attempt's outcome to it. A transport with the same
// limiter reports each response with [Attempt.Observe]: the response does not count a second time; a success can open
// the limiter once the attempt makes its next request.
func (a Attempt) Limiter() *windrow.Limiter {
	if a.attempt == nil {
		return nil
	}
	l, _ := identity.Of(a.attempt).Limiter.(*windrow.Limiter)
	return l
}

// Handle returns the handle that this attempt or the previous one stored with [Attempt.SetHandle]; "" when there is none. See
// [SubmitAndPoll].
func (a Attempt) Handle() string {
	if a.attempt == nil {
		return ""
	}
	return a.attempt.Handle()
}

// SetHandle stores a handle for the next attempt, such as the name of a job that the server has started: the same items stay
// together, and the next attempt asks for the job instead of starting another. So does a [windrow.BatchProcessor.Rerun] of
// Unknown items, and a run that is started again with the same [windrow.Journal]. The handle is dropped when the items have
// an outcome.
func (a Attempt) SetHandle(handle string) {
	if a.attempt == nil {
		return
	}
	a.attempt.SetHandle(handle)
	if save := identity.Of(a.attempt).Save; save != nil {
		save(a.attempt, handle)
	}
}

// IdempotencyKey returns what to send as an idempotency key: the same for every attempt of the item, also in a
// [windrow.BatchProcessor.Rerun] and in a run that goes on with a [windrow.Journal], and another for every other item and in
// every other run. The idempotency key is a UUID derived from the scope ([windrow.IdempotencyScope], else the journal's,
// else the run's), the operation and the item's Key. Without a Key, and under [windrow.KeepAllInOrder], where Keys are not
// unique, it is derived from the run, the operation and the index. A chunk of several items has a key of its own, for
// exactly those items.
//
// With a journal or stored result from before scopes, the idempotency key is the item's Key itself if that fits into a
// header (at most 255 visible ASCII characters).
func (a Attempt) IdempotencyKey() string {
	if a.attempt == nil {
		return ""
	}
	return identity.Of(a.attempt).IdempotencyKey(a.attempt)
}

// RecordName returns a name from which a client that chooses the ids of new records ([windrow.Capabilities].ClientIDs) can
// derive an id. It is the same for every attempt of the item, and in every run if the item has a unique Key. Without one it
// belongs to the run, as [Attempt.IdempotencyKey] does. It is "" outside a run and for a chunk of several items.
func (a Attempt) RecordName() string {
	if a.attempt == nil || a.Items > 1 {
		return ""
	}
	return identity.Of(a.attempt).Name(a.Index)
}

// IdempotencyKeyFor returns the idempotency key for a request of the attempt to target, its method and URL: that of
// [Attempt.IdempotencyKey] for the first target, and a key derived from it for any other. So a call that makes several
// requests does not send one key with two payloads, and a repeated request has the key of the first.
func (a Attempt) IdempotencyKeyFor(target string) string {
	key := a.IdempotencyKey()
	if a.attempt == nil || a.attempt.FirstTarget(target) {
		return key
	}
	return idem.Hash(key, target)
}

// Engage says that a transport tracks this attempt: without a call of [Attempt.Sending], the run concludes that nothing
// was sent. Transports call it before they wait or dial.
func (a Attempt) Engage() {
	if a.attempt != nil {
		a.attempt.Engage()
	}
}

// Sending says that a request that changes something leaves now.
func (a Attempt) Sending() {
	if a.attempt != nil {
		a.attempt.Sending()
	}
}

// Answered says that the headers of a response have arrived. changes tells whether [Attempt.Sending] was called for the
// request. The status classifies errors of SDKs that do not carry it. A transport that recognizes a response as a throttle
// reports the status 429 whatever the real one is: nothing was changed.
func (a Attempt) Answered(status int, changes bool) {
	if a.attempt != nil {
		a.attempt.Answer(status, changes)
	}
}

// AnsweredAs is [Attempt.Answered] for a response whose class the transport knows better than its status shows. That class
// becomes the class of the attempt's error, unless the error was made by [windrow.Classified] or one of its short forms, or
// [windrow.RetryPolicy].Classify decides. A throttle is ambiguous if an earlier request of the attempt changed something.
func (a Attempt) AnsweredAs(c windrow.Classification, status int, changes bool) {
	if a.attempt == nil {
		return
	}
	switch refused := status >= 400 && status < 500; {
	case c.Class == windrow.ClassThrottled:
		status = http.StatusTooManyRequests
	case c.Class == windrow.ClassAmbiguous && refused:
		status = http.StatusInternalServerError
	case c.Class != windrow.ClassAmbiguous && !refused: // nothing was changed
		status = http.StatusBadRequest
	}
	a.attempt.Answer(status, changes)
	a.attempt.Tell(classify.Classification[windrow.Class, windrow.ErrorKind](c).Judgement())
}

// Observe reports a response of the attempt to a limiter, as the function [Observe] does. Quotas are reported at once, and so
// is a throttle, unless it may concern the item alone, which the run judges. A success is reported when the attempt makes
// its next request, or has ended and the run agrees, since only the client and its classifier see a throttle in the body of
// a success. Transports use it. Outside a run everything is reported at once.
func (a Attempt) Observe(l *windrow.Limiter, f Feedback) {
	switch {
	case l == nil:
		return
	case a.attempt == nil:
		Observe(l, f)
		return
	case f.Throttled && !a.attempt.Alone():
		observe(l, f, a.attempt.Subject())
		return
	case len(f.Quotas) > 0:
		Observe(l, Feedback{Sent: f.Sent, Failed: true, Quotas: f.Quotas})
	}
	if f.Failed && !f.Throttled {
		return
	}
	own := identity.Of(a.attempt).Limiter == any(l) // of its own throttles the run tells
	a.attempt.Keep(func(s adapt.Signal) {
		switch {
		case s.Throttled && !own:
			observe(l, Feedback{Sent: f.Sent, Throttled: true, RetryAfter: s.Hint}, a.attempt.Subject())
		case !s.Throttled && !f.Throttled:
			Observe(l, Feedback{Sent: f.Sent})
		}
	})
}
