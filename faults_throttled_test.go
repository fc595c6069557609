package windrow_test

import (
	"context"
	"errors"
	"math"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
)

// F9: a 429 with a hint shuts the limiter for all workers, and costs the item nothing.
func TestF9RetryAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const hint = 20 * time.Second
		var throttled atomic.Bool
		f := newFake(t, func(c *call) error {
			time.Sleep(time.Second)
			if c.at >= 3*time.Second && throttled.CompareAndSwap(false, true) {
				return &statusError{429, hint}
			}
			return nil
		})
		s := createVerb.run(t.Context(), f, ids(100), windrow.Concurrency(4))
		if diff := cmp.Diff(repeat(100, windrow.Succeeded), s.states); diff != "" {
			t.Errorf("states (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(repeat(100, 1), s.attempts); diff != "" {
			t.Errorf("attempts (-want +got):\n%s", diff)
		}
		const shut = 4 * time.Second
		for _, c := range f.calls {
			if c.at > shut && c.at < shut+hint {
				t.Errorf("a call was made after %v, with the limiter shut from %v for %v", c.at, shut, hint)
			}
		}
		// After the pause one call tries, and the others wait for its answer.
		var after []time.Duration
		for _, c := range f.calls {
			if c.at >= shut+hint {
				after = append(after, c.at)
			}
		}
		if after[1]-after[0] != time.Second {
			t.Errorf("after the pause calls were made after %v and %v: the first one had not been answered", after[0], after[1])
		}
		if s.stats.Throttled != 1 || s.stats.Requests != 101 || s.stats.ThrottledFor < hint {
			t.Errorf("stats %+v", s.stats)
		}
	})
}

// F10: a hint that is over, or next to nothing, still means a short pause.
func TestF10HintInThePast(t *testing.T) {
	t.Parallel()
	for _, hint := range []time.Duration{-time.Hour, 0, 1, time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t, func(c *call) error {
				if c.nth == 1 && c.id() == "i0" {
					return &statusError{429, hint}
				}
				return nil
			})
			s := createVerb.run(t.Context(), f, ids(3), windrow.Concurrency(1))
			if diff := cmp.Diff(repeat(3, windrow.Succeeded), s.states); diff != "" {
				t.Errorf("states (-want +got):\n%s", diff)
			}
			if got := f.calls[1].at; got < 100*time.Millisecond || got > time.Second {
				t.Errorf("with a hint of %v the next call was made after %v", hint, got)
			}
		})
	}
}

// F11: a hint beyond MaxThrottleWait, however large, ends the run at once with an error that says so.
func TestF11HintFarAhead(t *testing.T) {
	t.Parallel()
	for _, hint := range []time.Duration{5*time.Minute + 1, time.Hour, math.MaxInt64} {
		for _, class := range []windrow.Class{windrow.ClassThrottled, windrow.ClassTransient} {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, func(c *call) error {
					return windrow.Classified(errServer, windrow.Classification{Class: class, After: hint})
				})
				s := createVerb.run(t.Context(), f, ids(10), windrow.Concurrency(1))
				if diff := cmp.Diff(repeat(10, windrow.NotAttempted), s.states); diff != "" {
					t.Errorf("states (-want +got):\n%s", diff)
				}
				if !errors.Is(s.cause, windrow.ErrThrottled) || !errors.Is(s.cause, errServer) {
					t.Errorf("the run was stopped by %v", s.cause)
				}
				if len(f.calls) != 1 || time.Since(f.started) > 0 {
					t.Errorf("%d calls in %v", len(f.calls), time.Since(f.started))
				}
			})
		}
	}
}

// F14: a 503 without a header says nothing about whether the item was applied.
func TestF14ServiceUnavailable(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		verb  verb
		want  windrow.State
		calls int
	}{
		{createVerb, windrow.Unknown, 1},
		{updateVerb, windrow.Succeeded, 3},
		{getVerb, windrow.Succeeded, 3},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t, func(c *call) error {
				if c.id() == "i0" && c.nth < 3 {
					return &statusError{status: 503}
				}
				return nil
			})
			s := test.verb.run(t.Context(), f, ids(2))
			if s.states[0] != test.want || len(f.of("i0")) != test.calls {
				t.Errorf("%s: %v after %d calls, want %v after %d", test.verb.name, s.states[0], len(f.of("i0")), test.want, test.calls)
			}
			if s.stats.Throttled > 0 {
				t.Errorf("%s: the limiter was shut", test.verb.name)
			}
		})
	}
}

// F15: a vendor's throttle in other clothes is for the classifier to see.
func TestF15Classifier(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		classify := func(err error) windrow.Classification {
			if e, ok := errors.AsType[*statusError](err); ok && e.status == 403 {
				return windrow.Classification{Class: windrow.ClassThrottled, After: time.Minute}
			}
			return windrow.Classify(err)
		}
		f := newFake(t, func(c *call) error {
			if len(c.attempt.Key) > 0 {
				t.Errorf("there is a key %q", c.attempt.Key)
			}
			if c.nth == 1 && c.id() == "i0" {
				return &statusError{status: 403}
			}
			return nil
		})
		s := createVerb.run(t.Context(), f, ids(3), windrow.Concurrency(1), windrow.Retry(windrow.RetryPolicy{Classify: classify}))
		if diff := cmp.Diff(repeat(3, windrow.Succeeded), s.states); diff != "" {
			t.Errorf("states (-want +got):\n%s", diff)
		}
		if f.calls[1].at < time.Minute {
			t.Errorf("the second call was made after %v", f.calls[1].at)
		}
	})
}

// F30: a wait for the rate that would outlast the deadline is known at once, and is the caller's deadline.
func TestF30RateAndDeadline(t *testing.T) {
	t.Parallel()
	for _, bulk := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			f := newFake(t, nil)
			run := createVerb.run
			if bulk {
				run = createVerb.runBulk
			}
			s := run(ctx, f, ids(4), windrow.Rate(1, time.Minute), windrow.BatchSize(2))
			if !errors.Is(s.cause, context.DeadlineExceeded) {
				t.Errorf("the run was stopped by %v", s.cause)
			}
			if took := time.Since(f.started); took > 0 {
				t.Errorf("the run took %v", took)
			}
			if len(f.calls) != 1 || s.stats.Succeeded+s.stats.NotAttempted != 4 || s.stats.NotAttempted == 0 {
				t.Errorf("%d calls, states %v", len(f.calls), s.states)
			}
		})
	}
}

// F30: so is a pause that the server asks for.
func TestF30HintAndDeadline(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		windrow.Throttled(errServer, time.Minute),
		windrow.Classified(errServer, windrow.Classification{Class: windrow.ClassTransient, After: time.Minute}),
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			f := newFake(t, func(*call) error { return err })
			s := createVerb.run(ctx, f, ids(4), windrow.Concurrency(1))
			if !errors.Is(s.cause, context.DeadlineExceeded) {
				t.Errorf("the run was stopped by %v", s.cause)
			}
			if took := time.Since(f.started); took > 0 {
				t.Errorf("the run took %v", took)
			}
			if diff := cmp.Diff(repeat(4, windrow.NotAttempted), s.states); diff != "" {
				t.Errorf("states (-want +got):\n%s", diff)
			}
		})
	}
}

// F31: MaxAttempts bounds the attempts, and nothing else does.
func TestF31NoSilentLimit(t *testing.T) {
	t.Parallel()
	for _, strategy := range []windrow.Strategy{windrow.Exponential(0, 0), windrow.Exponential(time.Minute, time.Hour), windrow.Constant(10 * time.Minute)} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t, func(c *call) error {
				if c.nth < 200 {
					return windrow.Transient(errServer)
				}
				return nil
			})
			s := createVerb.run(t.Context(), f, ids(1), windrow.Retry(windrow.RetryPolicy{MaxAttempts: 200, Strategy: strategy}))
			if s.states[0] != windrow.Succeeded || s.attempts[0] != 200 {
				t.Errorf("%v after %d attempts", s.states[0], s.attempts[0])
			}
			if took := time.Since(f.started); took < 20*time.Minute {
				t.Errorf("200 attempts took %v only", took)
			}
		})
	}
}

// F40: a request that costs more than the burst could never leave. It is refused before anything is sent.
func TestF40BurstBelowCost(t *testing.T) {
	t.Parallel()
	costs := windrow.Capabilities{MaxItems: 5, Cost: func(n int) int { return 2 * n }}
	for _, test := range []struct {
		name    string
		options []windrow.Option
		refused bool
	}{
		{"too small", []windrow.Option{windrow.Rate(1000, time.Second), windrow.Burst(9)}, true},
		{"enough", []windrow.Option{windrow.Rate(1000, time.Second), windrow.Burst(10)}, false},
		{"by default", []windrow.Option{windrow.Rate(1, time.Second)}, false},
		{"before a rate is known", []windrow.Option{windrow.Burst(1)}, true},
		{"smaller batches", []windrow.Option{windrow.Rate(1000, time.Second), windrow.Burst(9), windrow.BatchSize(4)}, false},
		{"shared", []windrow.Option{windrow.WithLimiter(windrow.NewLimiter(windrow.Rate(1000, time.Second), windrow.Burst(9)))}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, nil)
				s := createVerb.with("costs", costs).runBulk(t.Context(), f, ids(20), test.options...)
				option, refused := errors.AsType[*windrow.OptionError](s.cause)
				if refused != test.refused || refused && option.Option != "Burst" {
					t.Errorf("refused with %v", s.cause)
				}
				if test.refused != (len(f.calls) == 0) {
					t.Errorf("%d calls", len(f.calls))
				}
			})
		})
	}
}

// F41: a long sleep does not save up more than a burst.
func TestF41NoCreditForSleep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := windrow.NewLimiter(windrow.Rate(10, time.Second), windrow.Burst(3))
		createVerb.run(t.Context(), newFake(t, nil), ids(1), windrow.WithLimiter(l))
		time.Sleep(10 * time.Hour)
		f := newFake(t, nil)
		createVerb.run(t.Context(), f, ids(33), windrow.WithLimiter(l))
		if took := time.Since(f.started); took < 3*time.Second-time.Millisecond || took > 3*time.Second+time.Millisecond {
			t.Errorf("33 calls at 10 a second, 3 of them at once, took %v", took)
		}
	})
}

// F43: after an outage the retries of all workers come neither together nor faster than the budget allows.
func TestF43NoRetryStorm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const outage = time.Minute
		f := newFake(t, func(c *call) error {
			if c.at < outage {
				return windrow.Transient(errServer)
			}
			return nil
		})
		s := createVerb.run(t.Context(), f, ids(1000), windrow.Concurrency(64), windrow.Retry(windrow.RetryPolicy{MaxAttempts: 100}))
		if diff := cmp.Diff(repeat(1000, windrow.Succeeded), s.states); diff != "" {
			t.Errorf("states (-want +got):\n%s; %v", diff, s.cause)
		}
		perSecond := map[time.Duration]int{}
		together := map[time.Duration]int{}
		retries := 0
		for _, c := range f.calls {
			if c.nth > 1 && c.at < outage {
				retries++
				perSecond[c.at/time.Second]++
				together[c.at]++
			}
		}
		// The default budget holds 100, and gets 10 a second.
		if most := 100 + 10*int(outage/time.Second); retries > most {
			t.Errorf("%d retries in %v of outage, want at most %d", retries, outage, most)
		}
		for at, n := range perSecond {
			if n > 111 {
				t.Errorf("%d retries in second %d", n, at)
			}
		}
		for at, n := range together {
			if n > 5 {
				t.Errorf("%d retries at the same instant, after %v", n, at)
			}
		}
	})
}

// F43: a server that throttled is tried by one call, again and again until one succeeds.
func TestF43HalfOpen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const outage = 30 * time.Second
		f := newFake(t, func(c *call) error {
			time.Sleep(50 * time.Millisecond)
			if c.at < outage {
				return windrow.Throttled(errServer, 0)
			}
			return nil
		})
		s := createVerb.run(t.Context(), f, ids(200), windrow.Concurrency(20))
		if diff := cmp.Diff(repeat(200, windrow.Succeeded), s.states); diff != "" {
			t.Errorf("states (-want +got):\n%s; %v", diff, s.cause)
		}
		var last *call
		for i, c := range f.calls[20:] {
			if last != nil && last.at < outage && c.at < last.end {
				t.Errorf("call %d was made after %v, while another one tried", 20+i, c.at)
			}
			last = c
		}
		if throttled := s.stats.Throttled; throttled > 20+20 {
			t.Errorf("%d calls were throttled", throttled)
		}
	})
}
