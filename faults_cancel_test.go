package windrow_test

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
)

// F29: whatever a run waits for, it ends with its context: at once, with what was not sent as NotAttempted and what
// was in flight as Unknown.
func TestF29CancelWhileWaiting(t *testing.T) {
	t.Parallel()
	const cancelAfter = 10 * time.Second
	answered := func(c *call) error { return nil }
	for _, test := range []struct {
		name    string
		script  func(c *call) error
		options []windrow.Option
		limiter func(l *windrow.Limiter)
		bulk    bool
		verb    verb
		want    []windrow.State // of 4 items
	}{
		{
			name: "rate", script: answered, options: []windrow.Option{windrow.Concurrency(4)},
			limiter: func(l *windrow.Limiter) { _ = l.SetRate(1, time.Hour) }, verb: createVerb,
			want: []windrow.State{windrow.Succeeded, windrow.NotAttempted, windrow.NotAttempted, windrow.NotAttempted},
		},
		{
			name: "pause", script: answered, limiter: (*windrow.Limiter).Pause, verb: createVerb,
			want: repeat(4, windrow.NotAttempted),
		},
		{
			name: "pause until", script: answered, verb: createVerb,
			limiter: func(l *windrow.Limiter) { l.PauseUntil(time.Now().Add(time.Minute)) },
			want:    repeat(4, windrow.NotAttempted),
		},
		{
			name: "throttled", script: func(c *call) error { return windrow.Throttled(errServer, time.Minute) }, verb: createVerb,
			want: repeat(4, windrow.NotAttempted),
		},
		{
			name: "throttled chunk", script: func(c *call) error { return windrow.Throttled(errServer, time.Minute) }, bulk: true, verb: createVerb,
			want: repeat(4, windrow.NotAttempted),
		},
		{
			name: "backoff after a transient error", script: func(c *call) error { return windrow.Transient(errServer) }, verb: createVerb,
			options: []windrow.Option{windrow.Retry(windrow.RetryPolicy{Strategy: windrow.Constant(time.Hour)})},
			want:    repeat(4, windrow.NotAttempted),
		},
		{
			name: "backoff after an ambiguous error", script: func(c *call) error { return windrow.Ambiguous(errServer) }, verb: updateVerb,
			options: []windrow.Option{windrow.Retry(windrow.RetryPolicy{Strategy: windrow.Constant(time.Hour)})},
			want:    repeat(4, windrow.Unknown),
		},
		{
			name: "backoff of a read", script: func(c *call) error { return windrow.Ambiguous(errServer) }, verb: getVerb,
			options: []windrow.Option{windrow.Retry(windrow.RetryPolicy{Strategy: windrow.Constant(time.Hour)})},
			want:    repeat(4, windrow.Failed),
		},
		{
			name: "backoff in order", script: func(c *call) error { return windrow.Transient(errServer) }, verb: updateVerb,
			options: []windrow.Option{windrow.PreserveOrder(), windrow.Retry(windrow.RetryPolicy{Strategy: windrow.Constant(time.Hour)})},
			want:    repeat(4, windrow.NotAttempted),
		},
		{
			name: "budget", script: func(c *call) error { return windrow.Transient(errServer) }, verb: createVerb,
			options: []windrow.Option{windrow.Retry(windrow.RetryPolicy{Strategy: windrow.Constant(0), Budget: windrow.RetryBudget{Size: 1, PerSecond: 0.01}})},
			want:    repeat(4, windrow.NotAttempted),
		},
		{
			name: "batch delay", script: answered, options: []windrow.Option{windrow.BatchSize(2), windrow.BatchDelay(time.Hour)}, verb: createVerb,
			want: []windrow.State{windrow.Succeeded, windrow.Succeeded, windrow.NotAttempted, windrow.NotAttempted},
		},
		{
			name: "slots", options: []windrow.Option{windrow.Concurrency(2)}, verb: createVerb,
			script: func(c *call) error {
				<-c.ctx.Done()
				return c.ctx.Err()
			},
			want: []windrow.State{windrow.Unknown, windrow.Unknown, windrow.NotAttempted, windrow.NotAttempted},
		},
		{
			name: "slots, never sent", options: []windrow.Option{windrow.Concurrency(2)}, verb: createVerb,
			script: func(c *call) error {
				c.attempt.Engage() // such as while dialling
				<-c.ctx.Done()
				return c.ctx.Err()
			},
			want: repeat(4, windrow.NotAttempted),
		},
		{
			name: "slots of repeatable items", options: []windrow.Option{windrow.Concurrency(2)}, verb: updateVerb,
			script: func(c *call) error {
				<-c.ctx.Done()
				return &url.Error{Op: "Put", Err: context.Cause(c.ctx)}
			},
			want: []windrow.State{windrow.Unknown, windrow.Unknown, windrow.NotAttempted, windrow.NotAttempted},
		},
		{
			name: "slots, and answers that come in spite of it", options: []windrow.Option{windrow.Concurrency(2)}, verb: createVerb,
			script: func(c *call) error {
				<-c.ctx.Done()
				return nil
			},
			want: []windrow.State{windrow.Succeeded, windrow.Succeeded, windrow.NotAttempted, windrow.NotAttempted},
		},
		{
			name: "slots, and refusals that come in spite of it", options: []windrow.Option{windrow.Concurrency(2)}, verb: createVerb,
			script: func(c *call) error {
				<-c.ctx.Done()
				return &statusError{status: 422}
			},
			want: []windrow.State{windrow.Failed, windrow.Failed, windrow.NotAttempted, windrow.NotAttempted},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, custom := range []error{nil, errors.New("the caller has had enough")} {
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithCancelCause(t.Context())
					defer time.AfterFunc(cancelAfter, func() { cancel(custom) }).Stop()
					f := newFake(t, test.script)
					f.batch = func(c *call) ([]windrow.Outcome[string], error) {
						if err := test.script(c); err != nil {
							return nil, err
						}
						return outcomes(c.ids), nil
					}
					l := windrow.NewLimiter()
					if test.limiter != nil {
						test.limiter(l)
					}
					run := test.verb.run
					if test.bulk {
						run = test.verb.runBulk
					}
					s := run(ctx, f, ids(4), append(test.options, windrow.WithLimiter(l))...)
					if took := time.Since(f.started); took != cancelAfter {
						t.Errorf("the run ended after %v, it was cancelled after %v", took, cancelAfter)
					}
					slices.Sort(s.states)
					want := slices.Sorted(slices.Values(test.want))
					if diff := cmp.Diff(want, s.states); diff != "" {
						t.Errorf("states (-want +got):\n%s", diff)
					}
					if !errors.Is(s.cause, context.Canceled) || custom != nil && !errors.Is(s.cause, custom) {
						t.Errorf("the run was stopped by %v", s.cause)
					}
					if stats := l.Stats(); stats.InFlight > 0 || stats.Waiting > 0 {
						t.Errorf("%d calls are in flight, %d wait", stats.InFlight, stats.Waiting)
					}
				})
			}
		})
	}
}

// F29: a run waits for a slot that somebody else has.
func TestF29CancelWhileAnotherHasTheSlots(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := windrow.NewLimiter(windrow.Concurrency(1))
		free := make(chan struct{})
		go func() { _ = l.Do(t.Context(), 1, func(context.Context) error { <-free; return nil }) }()
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		defer time.AfterFunc(time.Second, cancel).Stop()
		f := newFake(t, nil)
		s := createVerb.run(ctx, f, ids(3), windrow.WithLimiter(l))
		if took := time.Since(f.started); took != time.Second {
			t.Errorf("the run ended after %v", took)
		}
		if diff := cmp.Diff(repeat(3, windrow.NotAttempted), s.states); diff != "" {
			t.Errorf("states (-want +got):\n%s", diff)
		}
		close(free)
	})
}

// F29: a run whose context has ended sends nothing, whatever else is wrong.
func TestF29CancelledBefore(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	because := errors.New("because")
	cancel(because)
	f := newFake(t, nil)
	s := createVerb.run(ctx, f, ids(5))
	if diff := cmp.Diff(repeat(5, windrow.NotAttempted), s.states); diff != "" || len(f.calls) > 0 {
		t.Errorf("%d calls; states (-want +got):\n%s", len(f.calls), diff)
	}
	if !errors.Is(s.cause, context.Canceled) || !errors.Is(s.cause, because) {
		t.Errorf("the run was stopped by %v", s.cause)
	}
}

// F29: a call that ends the context itself is the last one, also where calls are fast and workers take several items
// at once.
func TestF29CancelledByACall(t *testing.T) {
	t.Parallel()
	for _, v := range []verb{createVerb, updateVerb, getVerb} {
		for _, concurrency := range []int{1, 4} {
			ctx, cancel := context.WithCancel(t.Context())
			var late atomic.Int32
			cancelled := make(chan struct{})
			f := newFake(t, func(c *call) error {
				n, _ := strconv.Atoi(c.id()[1:])
				switch err := c.ctx.Err(); {
				case n == 700:
					cancel()
					close(cancelled)
				case err != nil:
					late.Add(1)
					return err
				case n > 700:
					<-cancelled // or another worker might have come to the end before
				}
				return nil
			})
			f.calls = make([]*call, 0, 1000)
			s := v.run(ctx, f, ids(1000), windrow.Concurrency(concurrency))
			if n := int(late.Load()); n >= concurrency {
				t.Errorf("%s: %d calls were begun with a context that had ended, with %d workers", v.name, n, concurrency)
			}
			if s.states[700] != windrow.Succeeded {
				t.Errorf("%s: item 700 is %v", v.name, s.states[700])
			}
			if !errors.Is(s.cause, context.Canceled) {
				t.Errorf("%s: the run was stopped by %v", v.name, s.cause)
			}
		}
	}
}

// F29: when every item has ended before the context does, nothing stopped the run.
func TestF29CancelledByTheLastCall(t *testing.T) {
	t.Parallel()
	for range 100 {
		ctx, cancel := context.WithCancel(t.Context())
		f := newFake(t, func(c *call) error {
			if c.id() == "i4" {
				cancel()
			}
			return nil
		})
		if s := createVerb.run(ctx, f, ids(5), windrow.Concurrency(1)); s.err != nil {
			t.Fatalf("every item succeeded, and the error is %v", s.err)
		}
		// The last item was cut short by the context, so that stopped the run.
		ctx, cancel = context.WithCancel(t.Context())
		f = newFake(t, func(c *call) error {
			if c.id() == "i4" {
				cancel()
				<-c.ctx.Done()
				return c.ctx.Err()
			}
			return nil
		})
		if s := createVerb.run(ctx, f, ids(5), windrow.Concurrency(1)); !errors.Is(s.cause, context.Canceled) {
			t.Fatalf("the last item was cut short, and the run was stopped by %v", s.cause)
		}
	}
}
