package windrow_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
)

var errServer = errors.New("the server's error")

// ending is what a test of the table looks at.
type ending struct {
	State      windrow.State
	Attempts   int
	Calls      int
	LookUps    int
	Throttled  int           // throttles that the limiter saw
	ShutFor    time.Duration // how long it was shut
	OthersWait bool          // the other items were sent after that only
	Others     windrow.State
	Cause      error // what the cause of the run matches
}

// The table of what follows from an error: what becomes of an item, of the limiter and of the rest of the run, by the class of the
// item's error and by whether repeating it is harmless. An item meets the error once, or each time it is sent.
func TestRetryTable(t *testing.T) {
	t.Parallel()
	const (
		repeatable = iota
		notRepeatable
		foundLater    // not repeatable, but a look-up finds that it was applied
		notFoundLater // not repeatable, and a look-up finds that it was not applied
		repeatableFound
		repeatableNotFound
		read
		columns
	)
	const hint = 10 * time.Second
	classes := map[string]func(error) error{
		"permanent":    windrow.Permanent,
		"unrecognised": func(err error) error { return err },
		"transient":    windrow.Transient,
		"throttled":    func(err error) error { return windrow.Throttled(err, hint) },
		"too large":    func(err error) error { return windrow.TooLarge(err, 0) },
		"ambiguous":    windrow.Ambiguous,
		"fatal":        windrow.Fatal,
	}
	all := func(e ending) (row [columns]ending) {
		for i := range row {
			row[i] = e
		}
		return row
	}
	failed := func(attempts int) ending {
		return ending{State: windrow.Failed, Attempts: attempts, Calls: attempts, Others: windrow.Succeeded}
	}
	succeeded := func(attempts, calls, lookUps int) ending {
		return ending{State: windrow.Succeeded, Attempts: attempts, Calls: calls, LookUps: lookUps, Others: windrow.Succeeded}
	}
	unknown := func(attempts int) ending {
		return ending{State: windrow.Unknown, Attempts: attempts, Calls: attempts, Others: windrow.Succeeded}
	}
	throttled := succeeded(1, 2, 0)
	throttled.Throttled, throttled.OthersWait = 1, true
	fatal := ending{State: windrow.Failed, Attempts: 1, Calls: 1, Others: windrow.NotAttempted, Cause: windrow.ErrFatal}
	notApplied := func(lookUps int) ending {
		e := failed(3)
		e.LookUps = lookUps
		return e
	}
	// With MaxAttempts of 3.
	table := []struct {
		class string
		once  [columns]ending
		each  [columns]ending
	}{
		{class: "permanent", once: all(failed(1)), each: all(failed(1))},
		{class: "unrecognised", once: all(failed(1)), each: all(failed(1))},
		{class: "transient", once: all(succeeded(2, 2, 0)), each: all(failed(3))},
		{class: "throttled", once: all(throttled)}, // each: see TestThrottledForTooLong
		{class: "too large", once: all(failed(1)), each: all(failed(1))},
		{
			class: "ambiguous",
			once: [columns]ending{
				repeatable: succeeded(2, 2, 0), notRepeatable: unknown(1), foundLater: succeeded(1, 1, 1), notFoundLater: succeeded(2, 2, 1),
				repeatableFound: succeeded(2, 2, 0), repeatableNotFound: succeeded(2, 2, 0), read: succeeded(2, 2, 0),
			},
			each: [columns]ending{
				repeatable: unknown(3), notRepeatable: unknown(1), foundLater: succeeded(1, 1, 1), notFoundLater: notApplied(3),
				repeatableFound: succeeded(3, 3, 1), repeatableNotFound: notApplied(1), read: failed(3),
			},
		},
		{class: "fatal", once: all(fatal), each: all(fatal)},
	}
	found := func(string) (bool, error) { return true, nil }
	notFound := func(string) (bool, error) { return false, nil }
	verbs := []struct {
		verb
		column int
		lookUp func(string) (bool, error)
	}{
		{verb: doVerb, column: notRepeatable},
		{verb: doVerb.with("keys alone", windrow.Capabilities{IdempotencyKeys: true}), column: notRepeatable},
		{verb: doVerb.with("repeatable", windrow.Capabilities{}, windrow.Repeatable()), column: repeatable},
		{verb: doVerb.with("found", windrow.Capabilities{}), column: foundLater, lookUp: found},
		{verb: doVerb.with("not found", windrow.Capabilities{}), column: notFoundLater, lookUp: notFound},
		{verb: createVerb, column: notRepeatable},
		{verb: createVerb.with("idempotency keys", windrow.Capabilities{IdempotencyKeys: true}), column: repeatable},
		{verb: createVerb.with("ids of the client", windrow.Capabilities{ClientIDs: true}), column: repeatable},
		{verb: createVerb.with("repeatable", windrow.Capabilities{}, windrow.Repeatable()), column: repeatable},
		{verb: createVerb.with("found", windrow.Capabilities{}), column: foundLater, lookUp: found},
		{verb: createVerb.with("not found", windrow.Capabilities{}), column: notFoundLater, lookUp: notFound},
		{verb: createVerb.with("ids of the client, found", windrow.Capabilities{ClientIDs: true}), column: repeatableFound, lookUp: found},
		{verb: createVerb.with("ids of the client, not found", windrow.Capabilities{ClientIDs: true}), column: repeatableNotFound, lookUp: notFound},
		{verb: updateVerb, column: repeatable},
		{verb: updateVerb.with("found", windrow.Capabilities{}), column: repeatableFound, lookUp: found},
		{verb: updateVerb.with("not found", windrow.Capabilities{}), column: repeatableNotFound, lookUp: notFound},
		{verb: upsertVerb, column: repeatable},
		{verb: deleteVerb, column: repeatable},
		{verb: getVerb, column: read},
	}
	for _, v := range verbs {
		for _, row := range table {
			for _, each := range []bool{false, true} {
				want, name := row.once[v.column], v.name+"/"+row.class+" once"
				if each {
					want, name = row.each[v.column], v.name+"/"+row.class+" each time"
				}
				if want == (ending{}) {
					continue
				}
				t.Run(name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						var got ending
						err := classes[row.class](errServer)
						f := newFake(t, func(c *call) error {
							if c.id() == "i0" && (each || c.nth == 1) {
								return err
							}
							return nil
						})
						f.lookUp = v.lookUp
						l := windrow.NewLimiter(windrow.Concurrency(1))
						s := v.run(t.Context(), f, ids(4), windrow.WithLimiter(l), windrow.Concurrency(1), windrow.Retry(windrow.RetryPolicy{
							MaxAttempts: 3, Strategy: windrow.Constant(time.Second),
						}))
						stats := l.Stats()
						got = ending{
							State: s.states[0], Attempts: s.attempts[0], Calls: len(f.of("i0")), LookUps: len(f.lookUps),
							Throttled: stats.Throttled, ShutFor: stats.ThrottledFor, Others: s.states[1],
						}
						if want.Throttled > 0 { // jitter makes it a little longer than the hint
							if got.ShutFor < hint || got.ShutFor > 2*hint {
								t.Errorf("the limiter was shut for %v, want %v and a little", got.ShutFor, hint)
							}
							got.ShutFor = 0
						}
						for i, state := range s.states[1:] {
							if state != got.Others {
								t.Errorf("item %d is %v, item 1 is %v", i+1, state, got.Others)
							}
						}
						for i, c := range f.calls {
							switch {
							case c.id() == "i0" && i > 0 && c.at < time.Second:
								t.Errorf("the item is sent again after %v, want a second at least", c.at)
							case c.id() != "i0" && c.at >= hint:
								got.OthersWait = true
							case c.id() != "i0" && c.at > 0:
								t.Errorf("an item that never failed was sent after %v only", c.at)
							}
						}
						if s.cause != nil && errors.Is(s.cause, want.Cause) {
							got.Cause = want.Cause
						} else if s.cause != nil {
							t.Errorf("the run was stopped by %v", s.cause)
						}
						if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b error) bool { return a == b })); diff != "" {
							t.Errorf("(-want +got):\n%s", diff)
						}
						if got.State == windrow.Failed || got.State == windrow.Unknown {
							if !errors.Is(s.errs[0], errServer) {
								t.Errorf("the item's error is %v, want the server's in it", s.errs[0])
							}
						}
					})
				})
			}
		}
	}
}

// fastRetries is a policy whose delays are a second.
var fastRetries = windrow.Retry(windrow.RetryPolicy{MaxAttempts: 3, Strategy: windrow.Constant(time.Second)})

// A server that throttles for longer than MaxThrottleWait ends the run with what is left as NotAttempted, for an item
// as for a chunk, with hints and without.
func TestThrottledForTooLong(t *testing.T) {
	t.Parallel()
	for _, bulk := range []bool{false, true} {
		for _, hint := range []time.Duration{0, 10 * time.Second, 59 * time.Second, 61 * time.Second, time.Hour} {
			t.Run(fmt.Sprintf("bulk %v, hint %v", bulk, hint), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					err := windrow.Throttled(errServer, hint)
					f := newFake(t, func(*call) error { return err })
					f.batch = func(*call) ([]windrow.Outcome[string], error) { return nil, err }
					l := windrow.NewLimiter()
					run := createVerb.run
					if bulk {
						run = createVerb.runBulk
					}
					s := run(t.Context(), f, ids(10), windrow.WithLimiter(l), windrow.BatchSize(3), windrow.Retry(windrow.RetryPolicy{MaxThrottleWait: time.Minute}))
					if diff := cmp.Diff(repeat(10, windrow.NotAttempted), s.states); diff != "" {
						t.Errorf("states (-want +got):\n%s", diff)
					}
					if diff := cmp.Diff(repeat(10, 0), s.attempts); diff != "" {
						t.Errorf("attempts (-want +got):\n%s", diff)
					}
					if !errors.Is(s.cause, windrow.ErrThrottled) {
						t.Errorf("the run was stopped by %v", s.cause)
					}
					elapsed := time.Since(f.started)
					if elapsed > 66*time.Second { // the tenth is for the jitter of the last pause
						t.Errorf("the run took %v", elapsed)
					}
					if hint > time.Minute && elapsed > 0 {
						t.Errorf("the run took %v although the hint was too long at once", elapsed)
					}
				})
			})
		}
	}
}

// As long as the server takes something now and then, throttling is no reason to stop.
func TestThrottledWithProgress(t *testing.T) {
	t.Parallel()
	for _, byItem := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			window := time.Now()
			taken := 0
			take := func() bool { // one in ten seconds
				if now := time.Now(); now.Sub(window) >= 10*time.Second {
					window, taken = now, 0
				}
				taken++
				return taken <= 1
			}
			err := windrow.Throttled(errServer, 10*time.Second)
			f := newFake(t, func(*call) error {
				if take() {
					return nil
				}
				return err
			})
			f.batch = func(c *call) ([]windrow.Outcome[string], error) {
				out := outcomes(c.ids)
				for k := range out {
					if !take() {
						out[k] = windrow.Outcome[string]{Err: err}
					}
				}
				return out, nil
			}
			run := createVerb.run
			if byItem {
				run = createVerb.runBulk
			}
			s := run(t.Context(), f, ids(30), windrow.Concurrency(1), windrow.BatchSize(5), windrow.Retry(windrow.RetryPolicy{MaxThrottleWait: time.Minute}))
			if diff := cmp.Diff(repeat(30, windrow.Succeeded), s.states); diff != "" {
				t.Errorf("by item %v (-want +got):\n%s", byItem, diff)
			}
		})
	}
}

// When the retry budget is empty only retries wait. It refills by time and by success.
func TestRetryBudget(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		budget  windrow.RetryBudget
		failing int // the first items fail once, and transiently
		items   int
		want    time.Duration // until the last retry
		stopped bool
	}{
		{name: "enough", budget: windrow.RetryBudget{Size: 10}, failing: 10, items: 20, want: time.Second},
		{name: "by time", budget: windrow.RetryBudget{Size: 1, PerSecond: 2}, failing: 9, items: 20, want: 5 * time.Second},
		{name: "no bound", budget: windrow.RetryBudget{Size: math.Inf(1)}, failing: 500, items: 500, want: time.Second},
		{name: "by success", budget: windrow.RetryBudget{Size: 1, PerSuccess: 1}, failing: 5, items: 20, want: time.Second},
		{name: "too slow", budget: windrow.RetryBudget{Size: 1, PerSecond: 0.001}, failing: 5, items: 20, stopped: true},
		{name: "never", budget: windrow.RetryBudget{Size: 1, PerSecond: 1e-12}, failing: 5, items: 20, stopped: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, func(c *call) error {
					if c.nth == 1 && slices.Contains(ids(test.failing), c.id()) {
						return windrow.Transient(errServer)
					}
					return nil
				})
				s := createVerb.run(t.Context(), f, ids(test.items), windrow.Concurrency(1), windrow.Retry(windrow.RetryPolicy{
					Strategy: windrow.Constant(time.Second), Budget: test.budget, MaxThrottleWait: time.Minute,
				}))
				if test.stopped {
					if !errors.Is(s.cause, windrow.ErrRetryBudget) {
						t.Errorf("the run was stopped by %v", s.cause)
					}
					for i, state := range s.states {
						if i >= test.failing && state != windrow.Succeeded {
							t.Errorf("item %d is %v: an empty budget is for retries only", i, state)
						}
					}
					return
				}
				if diff := cmp.Diff(repeat(test.items, windrow.Succeeded), s.states); diff != "" {
					t.Errorf("states (-want +got):\n%s", diff)
				}
				if got := f.calls[len(f.calls)-1].at.Round(time.Millisecond); got != test.want {
					t.Errorf("the last call was made after %v, want %v", got, test.want)
				}
				for _, c := range f.calls {
					if c.nth == 1 && c.at > 0 {
						t.Errorf("a first call was made after %v", c.at)
					}
				}
			})
		})
	}
}

// A budget that only successes refill waits for those that are under way.
func TestRetryBudgetWaitsForSuccesses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(c *call) error {
			if c.nth == 1 && slices.Contains(ids(4), c.id()) {
				return windrow.Transient(errServer)
			}
			time.Sleep(2 * time.Second)
			return nil
		})
		s := createVerb.run(t.Context(), f, ids(20), windrow.Concurrency(2), windrow.Retry(windrow.RetryPolicy{
			Strategy: windrow.Constant(time.Second), Budget: windrow.RetryBudget{Size: 1, PerSuccess: 0.5},
		}))
		if diff := cmp.Diff(repeat(20, windrow.Succeeded), s.states); diff != "" {
			t.Errorf("states (-want +got):\n%s; %v", diff, s.cause)
		}
	})
}

// How long the strategies wait before each attempt.
func TestStrategies(t *testing.T) {
	t.Parallel()
	const many = 40
	for _, test := range []struct {
		name     string
		strategy windrow.Strategy
		least    func(n int) time.Duration // before the n-th repetition
		most     func(n int) time.Duration
	}{
		{"immediate", windrow.Constant(0), func(int) time.Duration { return 0 }, func(int) time.Duration { return 0 }},
		{"constant", windrow.Constant(3 * time.Second), func(int) time.Duration { return 3 * time.Second }, func(int) time.Duration { return 3 * time.Second }},
		{"constant, negative", windrow.Constant(-time.Second), func(int) time.Duration { return 0 }, func(int) time.Duration { return 0 }},
		{
			"custom", windrow.Custom(func(n int) time.Duration { return time.Duration(n*n) * time.Second }),
			func(n int) time.Duration { return time.Duration(n*n) * time.Second }, func(n int) time.Duration { return time.Duration(n*n) * time.Second },
		},
		{
			"exponential", windrow.Exponential(time.Second, 20*time.Second),
			func(int) time.Duration { return 0 }, func(n int) time.Duration { return min(time.Second<<min(n-1, 10), 20*time.Second) },
		},
		{
			"exponential by default", windrow.Exponential(0, 0),
			func(int) time.Duration { return 0 }, func(n int) time.Duration { return min(500*time.Millisecond<<min(n-1, 10), 30*time.Second) },
		},
		{
			"the limit is below the first", windrow.Exponential(time.Minute, time.Second),
			func(int) time.Duration { return 0 }, func(int) time.Duration { return time.Second },
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var sum, most time.Duration
				f := newFake(t, func(*call) error { return windrow.Transient(errServer) })
				createVerb.run(t.Context(), f, ids(1), windrow.Retry(windrow.RetryPolicy{
					MaxAttempts: many, Strategy: test.strategy, Budget: windrow.RetryBudget{Size: math.Inf(1)},
				}))
				if len(f.calls) != many {
					t.Fatalf("%d calls, want %d", len(f.calls), many)
				}
				for n := 1; n < many; n++ {
					d := f.calls[n].at - f.calls[n-1].at
					if d < test.least(n) || d > test.most(n)+time.Microsecond {
						t.Errorf("%v before repetition %d, want between %v and %v", d, n, test.least(n), test.most(n))
					}
					sum += d
					most += test.most(n)
				}
				if test.least(1) == 0 && test.most(1) > 0 && (sum < most/4 || sum > most*3/4) {
					t.Errorf("the delays add up to %v of at most %v: that is no full jitter", sum, most)
				}
			})
		})
	}
}

// The hint of an error that is no throttle is waited for, too, when it is longer than the delay.
func TestHintOfATransientError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(c *call) error {
			if c.nth == 1 {
				return windrow.Classified(errServer, windrow.Classification{Class: windrow.ClassTransient, After: time.Minute})
			}
			return nil
		})
		createVerb.run(t.Context(), f, ids(1), fastRetries)
		if got := f.calls[1].at; got != time.Minute {
			t.Errorf("the item was sent again after %v, want a minute", got)
		}
	})
}

// A strategy that stops ends the item's attempts, but not the look-up of what became of them.
func TestStrategyStops(t *testing.T) {
	t.Parallel()
	never := windrow.Retry(windrow.RetryPolicy{Strategy: windrow.Custom(func(n int) time.Duration {
		if n < 3 {
			return time.Second
		}
		return -1
	})})
	for _, test := range []struct {
		name    string
		verb    verb
		err     error
		found   *bool
		want    windrow.State
		calls   int
		lookUps int
	}{
		{name: "transient", verb: createVerb, err: windrow.Transient(errServer), want: windrow.Failed, calls: 3},
		{name: "ambiguous", verb: updateVerb, err: windrow.Ambiguous(errServer), want: windrow.Unknown, calls: 3},
		{name: "ambiguous read", verb: getVerb, err: windrow.Ambiguous(errServer), want: windrow.Failed, calls: 3},
		{name: "ambiguous, found", verb: updateVerb, err: windrow.Ambiguous(errServer), found: new(true), want: windrow.Succeeded, calls: 3, lookUps: 1},
		{name: "ambiguous, not found", verb: updateVerb, err: windrow.Ambiguous(errServer), found: new(false), want: windrow.Failed, calls: 3, lookUps: 1},
		{name: "once, found", verb: createVerb, err: windrow.Ambiguous(errServer), found: new(true), want: windrow.Succeeded, calls: 1, lookUps: 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, func(*call) error { return test.err })
				if test.found != nil {
					f.lookUp = func(string) (bool, error) { return *test.found, nil }
				}
				s := test.verb.run(t.Context(), f, ids(1), never)
				if s.states[0] != test.want || len(f.calls) != test.calls || len(f.lookUps) != test.lookUps {
					t.Errorf("%v after %d calls and %d look-ups, want %v after %d and %d", s.states[0], len(f.calls), len(f.lookUps), test.want, test.calls, test.lookUps)
				}
			})
		})
	}
}
