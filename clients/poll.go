package clients

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/internal/classify"
	"github.com/windrow-go/windrow/internal/engine"
	"github.com/windrow-go/windrow/internal/gate"
	"github.com/windrow-go/windrow/internal/identity"
	"github.com/windrow-go/windrow/internal/message"
	"github.com/windrow-go/windrow/internal/seam"
)

// PollPolicy says how often and how long Poll asks for a job of a server. The zero value is the default.
type PollPolicy struct {
	// First is the pause between the first and the second question; it doubles each time. Defaults to a second.
	First time.Duration
	// Longest is the longest pause between two questions, unless the server asks for more. Defaults to 10 seconds.
	Longest time.Duration
	// Deadline is how long to wait for the job. After it a write ends as Unknown without another attempt, and a Rerun goes
	// on asking for the same job. An attempt that ends earlier, such as by [windrow.AttemptTimeout], is followed by one that
	// goes on asking. Defaults to 10 minutes.
	Deadline time.Duration
}

// ErrPending is matched by the error of a job that has not ended.
var ErrPending = errors.New("windrow: the job has not ended")

// Pending is what a function given to [Poll] returns while the job has not ended. after is how long the server asks to
// wait before the next question, 0 when it does not say.
func Pending(after time.Duration) error { return windrow.Throttled(ErrPending, after) }

// JobError is the error of a job of the server whose end is not known.
type JobError struct {
	Handle string // the server's name for it; "" when it is not known here
	Err    error  // the last error of ask; ErrPending if the job had not ended
}

// Error implements error.
func (e *JobError) Error() string {
	if e.Handle == "" {
		return "the end of the job is not known: " + message.Plain(e.Err)
	}
	return fmt.Sprintf("the end of the job %q is not known: %s", e.Handle, message.Plain(e.Err))
}

// Unwrap returns the last error of ask.
func (e *JobError) Unwrap() error { return e.Err }

// Poll calls ask until the job has ended: at once, and then less and less often. ask returns the job's result, [Pending], or
// an error. After a throttle, a lost response or any other error that says nothing about the job, Poll asks again. Every
// question except the first counts against the limiter of the run, and the attempt keeps its slot. After the deadline Poll
// returns a [*JobError] that is [windrow.ClassAmbiguous], and the run makes no further attempt: a write is Unknown.
func Poll[T any](ctx context.Context, policy PollPolicy, ask func(ctx context.Context) (T, error)) (T, error) {
	policy = PollPolicy{
		First: cmp.Or(max(0, policy.First), time.Second), Longest: cmp.Or(max(0, policy.Longest), 10*time.Second),
		Deadline: cmp.Or(max(0, policy.Deadline), 10*time.Minute),
	}
	var none T
	end := time.Now().Add(policy.Deadline)
	for pause := min(policy.First, policy.Longest); ; pause = min(2*pause, policy.Longest) {
		out, err := ask(ctx)
		if err == nil {
			return out, nil
		}
		if ctx.Err() != nil {
			return none, windrow.Ambiguous(&JobError{Err: err})
		}
		c := windrow.Classify(err)
		if c.Class == windrow.ClassPermanent || c.Class == windrow.ClassTooLarge {
			return none, err
		}
		wait := max(pause, c.After)
		if time.Now().Add(wait).After(end) {
			last := classify.Judgement{Judgement: engine.Judgement{Class: engine.Ambiguous, Final: true}, Marked: true} // final: a further attempt would wait as long again
			return none, &classify.Marked{Err: &JobError{Err: err}, As: last}
		}
		if c.Class == windrow.ClassFatal {
			return none, windrow.Ambiguous(&JobError{Err: err})
		}
		if a := engine.AttemptFrom(ctx); a != nil && errors.Is(err, ErrPending) {
			a.GoOn()
		}
		if err := pollAgain(ctx, wait); err != nil {
			return none, windrow.Ambiguous(&JobError{Err: err})
		}
	}
}

// pollAgain waits until the next question may be sent.
func pollAgain(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return gate.Ended(ctx)
	case <-timer.C:
	}
	a := engine.AttemptFrom(ctx)
	if a == nil {
		return nil
	}
	if g := seam.Gate(identity.Of(a).Limiter); g == nil {
		return nil
	} else if err := g.Wait(ctx, a.Patience(), 1, a.Probe()); err != nil {
		return fmt.Errorf("windrow: waiting for the limiter: %w", err)
	}
	a.Prepay(1) // so that a transport with the same limiter does not charge the request again
	return nil
}

// SubmitAndPoll starts a job of the server and waits for its end as [Poll] does. submit returns the server's name for the
// job, which is stored with [Attempt.SetHandle]: if the end of the job stays unknown, the next attempt, or a
// [windrow.BatchProcessor.Rerun] of Unknown items, goes on asking and does not submit again.
func SubmitAndPoll[T any](ctx context.Context, policy PollPolicy, submit func(ctx context.Context) (handle string, err error), ask func(ctx context.Context, handle string) (T, error)) (T, error) {
	a, _ := AttemptFrom(ctx)
	handle := a.Handle()
	if handle == "" {
		var err error
		if handle, err = submit(ctx); err != nil {
			return *new(T), err
		}
		a.SetHandle(handle)
	}
	out, err := Poll(ctx, policy, func(ctx context.Context) (T, error) { return ask(ctx, handle) })
	if job, ok := errors.AsType[*JobError](err); ok {
		job.Handle = handle
	}
	return out, err
}
