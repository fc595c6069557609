package windrow

import (
	"errors"
	"log/slog"
	"math"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/windrow-go/windrow/internal/classify"
	"github.com/windrow-go/windrow/internal/delays"
	"github.com/windrow-go/windrow/internal/engine"
	"github.com/windrow-go/windrow/internal/enum"
)

// RetryPolicy says which items are sent again, when, and how often. The zero value is the default policy.
//
// What happens to an item depends on the class of its error and on whether the operation is repeatable. Reads, deletes,
// upserts and updates by full value are; a create is when the client sends idempotency keys or ids of the caller's
// choice ([Capabilities]); a function given to [NewBatchProcessor] is with [Repeatable].
//
//	            repeatable                            not repeatable
//	transient   sent again                            sent again
//	throttled   the limiter shuts for all, then       the same
//	            sent again, no attempt charged
//	ambiguous   sent again; attempts used up: a       looked up if there is a Reconciler,
//	            write ends Unknown, a read Failed     else Unknown at once
//	too large   halved; a single item is Failed       the same
//	permanent   Failed                                Failed
//	fatal       the run stops                         the same
type RetryPolicy struct {
	// MaxAttempts bounds how often an item is sent. Attempts that were throttled, or in which an outage kept the item
	// from being sent, are repeated and do not count; nor do those of a chunk that is divided because it was too large.
	// Defaults to 5; 1 means that nothing else is sent again.
	MaxAttempts int
	// Strategy says how long an item waits before it is sent again. A waiting item holds no slot of the limiter.
	// Defaults to Exponential(500 ms, 30 s), cut short for an item that met a failing server when others have succeeded
	// since and there is nothing else to send. A longer wait that the server asks for is always kept.
	Strategy Strategy
	// Classify judges errors. Defaults to [Classify].
	Classify Classifier
	// MaxThrottleWait bounds how long the run waits for a server that throttles every call, takes no calls at all (an
	// outage), or does the two in turns, counted from the last call that succeeded; and how long it waits for the retry
	// budget. When the wait would be longer the run stops, and its other items end as NotAttempted. Before the
	// limiter's first success, an outage is waited for at most 30 seconds, since the address is likely to be wrong. A
	// server that throttles, or that gives no response in time to a request that was sent, exists and gets the whole
	// wait; for a read it is not known whether it was sent. Defaults to 5 minutes.
	MaxThrottleWait time.Duration
	// Budget bounds the retries of a whole run in proportion to its successes, so that failures do not multiply the
	// load. Retries after a throttle and in an outage are free, and so are look-ups. When the budget is empty only
	// retries wait.
	Budget RetryBudget
}

// RetryBudget is a token bucket of retries, shared by the items of a run. The zero value holds 100, and gets back 10
// each second and 1 for every success. It also refills by time, since a budget that only successes refill never
// recovers from an outage.
type RetryBudget struct {
	Size       float64 // retries at the start and at most, at least 1; math.Inf(1) means no bound
	PerSecond  float64 // retries a second; 10 when neither this nor PerSuccess is given
	PerSuccess float64 // retries for each success; 1 when neither this nor PerSecond is given
}

const (
	defaultMaxAttempts     = 5
	defaultMaxThrottleWait = 5 * time.Minute
)

const defaultSettlingTime = 2 * time.Second

// withDefaults fills the zero fields.
func (p RetryPolicy) withDefaults() RetryPolicy {
	if p.MaxAttempts == 0 {
		p.MaxAttempts = defaultMaxAttempts
	}
	if p.Strategy == nil {
		p.Strategy = Exponential(0, 0)
	}
	if p.MaxThrottleWait == 0 {
		p.MaxThrottleWait = defaultMaxThrottleWait
	}
	if p.Budget == (RetryBudget{}) {
		p.Budget.Size = 100
	}
	if p.Budget.PerSecond == 0 && p.Budget.PerSuccess == 0 {
		p.Budget.PerSecond, p.Budget.PerSuccess = 10, 1
	}
	return p
}

// check returns what is wrong with the policy.
func (p RetryPolicy) check() error {
	var errs []error
	refuse := func(field string, value any, problem string) {
		errs = append(errs, &OptionError{Option: "Retry", Field: field, Value: value, Problem: problem})
	}
	if p.MaxAttempts < 0 {
		refuse("MaxAttempts", p.MaxAttempts, "must be at least 1, or 0 for the default")
	}
	if p.MaxThrottleWait < 0 {
		refuse("MaxThrottleWait", p.MaxThrottleWait, "must be positive, or 0 for the default")
	}
	b := p.Budget
	switch {
	case b == RetryBudget{}:
	case !(b.Size >= 1):
		refuse("Budget.Size", b.Size, "must be at least 1")
	case !(b.PerSecond >= 0) || math.IsInf(b.PerSecond, 1):
		refuse("Budget.PerSecond", b.PerSecond, "must be 0 or more, and finite")
	case !(b.PerSuccess >= 0) || math.IsInf(b.PerSuccess, 1):
		refuse("Budget.PerSuccess", b.PerSuccess, "must be 0 or more, and finite")
	}
	return errors.Join(errs...)
}

// Strategy makes a [backoff.BackOff]. A run calls it once for each item, after the item's first failure, since a
// BackOff must not be shared. A BackOff that returns [backoff.Stop] ends the item's attempts early.
type Strategy func() backoff.BackOff

// Constant waits the same delay each time; none when d is 0 or negative.
func Constant(d time.Duration) Strategy {
	return func() backoff.BackOff { return backoff.NewConstantBackOff(max(0, d)) }
}

// Exponential doubles the longest delay with each attempt, from initial up to limit, and waits a random part of it
// ("full jitter", as in the AWS Architecture Blog's "Exponential Backoff And Jitter"). Non-positive arguments mean
// 500 milliseconds and 30 seconds.
func Exponential(initial, limit time.Duration) Strategy {
	if initial <= 0 {
		initial = 500 * time.Millisecond
	}
	if limit <= 0 {
		limit = 30 * time.Second
	}
	limit = min(limit, 1<<61) // beyond it the sums below overflow
	return func() backoff.BackOff {
		return backoff.NewExponentialBackOff(
			// backoff draws from [x-x*factor, x+x*factor]; with factor 1 and half the delay that is [0, delay].
			backoff.WithInitialInterval((min(initial, limit)+1)/2), backoff.WithMaxInterval((limit+1)/2),
			backoff.WithMultiplier(2), backoff.WithRandomizationFactor(1),
			backoff.WithMaxElapsedTime(0), // MaxAttempts bounds the attempts, not a silent 15 minutes
		)
	}
}

// Custom calls delay for the wait before the n-th repetition of an item, counted from 1. A negative result ends the
// item's attempts. delay is called from many goroutines at once. A nil delay means the default strategy.
func Custom(delay func(n int) time.Duration) Strategy {
	if delay == nil {
		return nil
	}
	return func() backoff.BackOff { return delays.Func(delay) }
}

// Class says what to do after an error. The zero Class is [ClassPermanent].
type Class uint8

// The classes. What follows from each also depends on the verb: see [RetryPolicy].
const (
	// ClassPermanent: the item was refused, and would be again. It is not repeated.
	ClassPermanent Class = iota
	// ClassTransient: the item was certainly not applied, and may be sent again.
	ClassTransient
	// ClassThrottled: the server takes no more calls for now. The limiter shuts for all users, and no attempt is
	// charged.
	ClassThrottled
	// ClassTooLarge: the request has too many items, or is too large.
	ClassTooLarge
	// ClassAmbiguous: the item may or may not have been applied.
	ClassAmbiguous
	// ClassFatal: every further call would fail, too. The run stops.
	ClassFatal
)

var classes = enum.New("class", "permanent", "transient", "throttled", "too large", "ambiguous", "fatal")

// String returns the class in lower case.
func (c Class) String() string { return classes.Name(uint8(c)) }

// Classification is the result of a classifier. The zero value is a permanent error of the system.
type Classification struct {
	// Class says what to do.
	Class Class
	// After is how long the server asks to wait. Zero means that it did not say.
	After time.Duration
	// MaxItems is the number of items in one request that a ClassTooLarge allows. Zero means that it is not known.
	MaxItems int
	// BadItem is the position in the chunk, counted from 1, of the item because of which the whole chunk was refused.
	// Zero means that the server named none.
	BadItem int
	// Kind groups the error for people and reports.
	Kind ErrorKind
	// Tentative says that the transport's record of the attempt may change the class: a request that was not sent is
	// not ambiguous, and one that was sent may have been applied. [Classify] sets it for errors without a [Classified]
	// mark.
	Tentative bool
}

// Classifier judges an error, and the error only: the run decides what follows from the class. It is called from many
// goroutines at once and must not block.
type Classifier func(error) Classification

// classification is a Classification for package classify.
type classification = classify.Classification[Class, ErrorKind]

// judgeOf returns what judges the errors of a run. A nil classifier is the default one. Throttles are logged, unless
// logger is nil.
func judgeOf(op OpKind, classifier Classifier, logger *slog.Logger) *classify.Judge {
	judge := &classify.Judge{Read: op == OpGet, Lost: lost, IsLost: isPanic, Throttled: logThrottles(op, logger)}
	if classifier != nil {
		judge.Classifier = func(err error) classify.Judgement { return classification(classifier(err)).Of(err) }
	}
	return judge
}

// Classify is the default classifier. In this order it takes:
//   - an error made by [Classified] or one of its short forms, one of clients.Skip, a backoff.PermanentError;
//   - [ErrRolledBack], [ErrProtocol] and [ErrAttemptTimeout], and a panic;
//   - an error with a method StatusCode() int, read as an HTTP status (RFC 9110 section 15), and RetryAfter()
//     time.Duration where it has that, too;
//   - errors of net, net/url, crypto/tls, crypto/x509, io and context;
//   - anything else: [ClassPermanent].
//
// Inside a run the transport's record of the attempt may change the class: a request that was not sent is not
// ambiguous, and one that was sent may have been applied. The record does not change a class set by a client or by the
// caller's own classifier, nor that of the items of a batch.
func Classify(err error) Classification {
	return Classification(classify.Says[Class, ErrorKind](classify.Of(err)))
}

// Classified returns err with a classification that the default classifier takes as it is. Clients use it, or one of
// its short forms, for errors that look like something else. A nil err stays nil.
func Classified(err error, c Classification) error {
	if err == nil {
		return nil
	}
	return classification(c).Mark(err)
}

// Permanent marks err as [ClassPermanent]. A nil err stays nil. As the error of a batch it does not say that no item
// was applied: see [Atomicity].
func Permanent(err error) error { return Classified(err, Classification{Kind: KindResource}) }

// Transient marks err as [ClassTransient]: the caller guarantees that nothing was applied. A nil err stays nil.
func Transient(err error) error { return Classified(err, Classification{Class: ClassTransient}) }

// Throttled marks err as [ClassThrottled]. after is how long the server asks to wait, 0 when it does not say.
// A nil err stays nil.
func Throttled(err error, after time.Duration) error {
	return Classified(err, Classification{Class: ClassThrottled, After: after})
}

// TooLarge marks err as [ClassTooLarge]. maxItems is the number of items that the server allows in one request, 0
// when it does not say. A nil err stays nil.
func TooLarge(err error, maxItems int) error {
	return Classified(err, Classification{Class: ClassTooLarge, MaxItems: maxItems, Kind: KindValidation})
}

// Ambiguous marks err as [ClassAmbiguous]. Use it also when the server still works on the first request with an
// idempotency key. A nil err stays nil.
func Ambiguous(err error) error { return Classified(err, Classification{Class: ClassAmbiguous}) }

// Fatal marks err as [ClassFatal]. A nil err stays nil.
func Fatal(err error) error { return Classified(err, Classification{Class: ClassFatal}) }

var (
	// ErrNotFound is matched by the error of a client when the server does not have the item. A delete that fails with
	// it had nothing to do.
	ErrNotFound = classify.ErrNotFound
	// ErrAlreadyExists is matched by the error of a client when the server has the item already. A repeated create that
	// fails with it may have met its own first attempt. It means this only in an error of [ClassPermanent]: another
	// class that the client sets comes first.
	ErrAlreadyExists = classify.ErrAlreadyExists
	// ErrRolledBack is matched by the error of an item that was not applied because of another item of its request: the
	// server undid it, or never began it. A client returns it, with what the server says, for all items but the refused
	// one.
	ErrRolledBack = engine.ErrRolledBack
	// ErrProtocol is matched by the error of a request whose response cannot be matched to its items: it has too many
	// or too few results, one twice, or one for an item that was not in the request. All its items end as Unknown,
	// reads as Failed.
	ErrProtocol = engine.ErrProtocol
	// ErrAttemptTimeout is the error of an attempt that took longer than [AttemptTimeout]. It does not match
	// [context.DeadlineExceeded]: that is the caller's own deadline.
	ErrAttemptTimeout = classify.ErrAttemptTimeout
)
