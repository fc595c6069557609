package windrow_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/clients"
)

// A throttle that anybody meets shuts the limiter for everybody.
func TestLimiterAnyThrottleShutsForAll(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		throttle func(ctx context.Context, l *windrow.Limiter)
	}{
		{"an error of a function given to Do", func(ctx context.Context, l *windrow.Limiter) {
			_ = l.Do(ctx, 1, throttled(10*time.Second))
		}},
		{"what a transport observes", func(_ context.Context, l *windrow.Limiter) {
			clients.Observe(l, clients.Feedback{Throttled: true, RetryAfter: 10 * time.Second})
		}},
		{"an error of a processor's call", func(ctx context.Context, l *windrow.Limiter) {
			p := windrow.NewBatchProcessor(func(ctx context.Context, _ int) (int, error) {
				return 0, throttled(10 * time.Second)(ctx)
			}, windrow.WithLimiter(l), windrow.Retry(windrow.RetryPolicy{MaxThrottleWait: time.Second}))
			_, _ = p.Run(ctx, make([]int, 1))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var l windrow.Limiter
				start := time.Now()
				tt.throttle(t.Context(), &l)
				if s := l.Stats(); s.Throttled != 1 || !s.Probing || s.PausedUntil.Sub(start) < 10*time.Second || s.PausedUntil.Sub(start) > 11*time.Second {
					t.Errorf("stats %+v, want one throttle and a pause of 10 to 11 s", s)
				}
				var made departures
				made3 := func(context.Context) error { made.add(); return nil }
				var wg sync.WaitGroup
				wg.Go(func() { _ = l.Do(t.Context(), 1, made3) })
				wg.Go(func() {
					_ = l.Wait(t.Context(), 1)
					made.add()
					clients.Observe(&l, clients.Feedback{Sent: time.Now()})
				})
				wg.Go(func() {
					p := windrow.NewBatchProcessor(func(ctx context.Context, _ int) (int, error) { return 0, made3(ctx) }, windrow.WithLimiter(&l))
					_, _ = p.Run(t.Context(), make([]int, 1))
				})
				wg.Wait()
				for _, after := range made.after(start) {
					if after < 10*time.Second || after > 11*time.Second {
						t.Errorf("a call left after %v", after)
					}
				}
				if s := l.Stats(); s.Probing || s.Concurrency >= 4 {
					t.Errorf("probing %t, concurrency %d: want an open limiter that was cut from 4", s.Probing, s.Concurrency)
				}
			})
		})
	}
}

// However many wait, and in whatever way, one call alone tries whether the server takes calls again.
func TestLimiterHalfOpenHasOneProbe(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		call func(ctx context.Context, l *windrow.Limiter, send func())
	}{
		{"Do", func(ctx context.Context, l *windrow.Limiter, send func()) {
			_ = l.Do(ctx, 1, func(context.Context) error { send(); return nil })
		}},
		{"Wait, as a transport uses it", func(ctx context.Context, l *windrow.Limiter, send func()) {
			if l.Wait(ctx, 1) != nil {
				return
			}
			sent := time.Now()
			send()
			clients.Observe(l, clients.Feedback{Sent: sent})
		}},
		{"a processor", func(ctx context.Context, l *windrow.Limiter, send func()) {
			p := windrow.NewBatchProcessor(func(context.Context, int) (int, error) { send(); return 0, nil }, windrow.WithLimiter(l))
			_, _ = p.Run(ctx, make([]int, 1))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := windrow.NewLimiter(windrow.Concurrency(32))
				clients.Observe(l, clients.Feedback{Throttled: true, RetryAfter: time.Second})
				var made departures
				start := time.Now()
				var wg sync.WaitGroup
				for range 16 {
					wg.Go(func() {
						tt.call(t.Context(), l, func() { made.add(); time.Sleep(5 * time.Second) })
					})
				}
				wg.Wait()
				after := made.after(start)
				early := 0
				for _, d := range after {
					if d < 5*time.Second {
						early++
					}
				}
				if len(after) != 16 || early != 1 {
					t.Errorf("%d of %d calls left before the first was answered, want one: %v", early, len(after), after)
				}
			})
		})
	}
}

// Who waits for the limiter by itself may fail to say what came of it. The others must not wait for ever.
func TestLimiterProbeOfWaitWithoutFeedback(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l windrow.Limiter
		clients.Observe(&l, clients.Feedback{Throttled: true, RetryAfter: time.Second})
		for range 5 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			if err := l.Wait(ctx, 1); err != nil { // and nothing is observed
				t.Fatal(err)
			}
			cancel()
		}
	})
}

// An attempt has paid for what it costs: as many quota units pass at once, further ones are paid like any others.
func TestLimiterWaitInsideAnAttemptUsesItsCredit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		cost  int   // of the attempt
		waits []int // inside of it
		want  time.Duration
	}{
		{"the only request", 1, []int{1}, 0},
		{"one more", 1, []int{1, 1}, time.Second},
		{"as many as were paid", 5, []int{1, 1, 1, 1, 1}, 0},
		{"as many at once", 5, []int{5}, 0},
		{"a part of one that costs more", 2, []int{5}, 3 * time.Second},
		{"the last one only in part", 3, []int{2, 2}, time.Second},
		{"two more", 3, []int{1, 1, 1, 2}, 2 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := windrow.NewLimiter(windrow.Rate(1, time.Second), windrow.Burst(5))
				p := windrow.NewBatchProcessor(func(ctx context.Context, _ int) (time.Duration, error) {
					// Nothing is left of the burst, whatever the attempt has cost.
					for l.Stats(); ; {
						short, cancel := context.WithTimeout(context.Background(), time.Nanosecond)
						err := l.Wait(short, 1)
						cancel()
						if err != nil {
							break
						}
					}
					began := time.Now()
					for _, cost := range tt.waits {
						if err := l.Wait(ctx, cost); err != nil {
							return 0, err
						}
					}
					return time.Since(began), nil
				}, windrow.WithLimiter(l))
				p.Capabilities.Cost = func(int) int { return tt.cost }
				res, err := p.Run(t.Context(), make([]int, 1))
				if err != nil {
					t.Fatal(err)
				}
				if got := res.At(0).Value; got != tt.want {
					t.Errorf("requests that cost %v inside an attempt that costs %d waited %v, want %v", tt.waits, tt.cost, got, tt.want)
				}
			})
		})
	}
}

// The credit is for the limiter that was paid, not for another.
func TestLimiterWaitOnAnotherLimiterInsideAnAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		other := windrow.NewLimiter(windrow.Rate(1, time.Second))
		p := windrow.NewBatchProcessor(func(ctx context.Context, _ int) (int, error) { return 0, other.Wait(ctx, 1) })
		began := time.Now()
		if _, err := p.Run(t.Context(), make([]int, 4)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("4 requests at 1/s took %v, want 3s", took)
		}
	})
}

// An attempt may make several requests through the limiter that let it through, also while the gate is half open:
// the attempt is the probe, and must not wait for itself.
func TestLimiterProbeThatMakesSeveralRequests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := windrow.NewLimiter(windrow.Concurrency(2))
		throttles := 1
		var mu sync.Mutex
		p := windrow.NewBatchProcessor(func(ctx context.Context, _ int) (int, error) {
			mu.Lock()
			refuse := throttles > 0
			throttles--
			mu.Unlock()
			if refuse {
				return 0, throttled(time.Second)(ctx)
			}
			for range 3 {
				if err := l.Wait(ctx, 1); err != nil {
					return 0, err
				}
				time.Sleep(10 * time.Millisecond)
			}
			return 0, nil
		}, windrow.WithLimiter(l))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		if _, err := p.Run(ctx, make([]int, 4)); err != nil {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

// Do inside an attempt must not wait for a slot that its own attempt holds.
func TestLimiterDoInsideAnAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := windrow.NewLimiter(windrow.Concurrency(1))
		p := windrow.NewBatchProcessor(func(ctx context.Context, _ int) (int, error) { return 0, l.Do(ctx, 1, nothing) }, windrow.WithLimiter(l))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := p.Run(ctx, make([]int, 3)); err != nil {
			t.Error(err)
		}
	})
}

// However many share a limiter, together they stay within its rate, and each gets on.
func TestLimiterIsSharedByProcessorsAndGoroutines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const perSecond, burst = 10, 3
		l := windrow.NewLimiter(windrow.Rate(perSecond, time.Second), windrow.Burst(burst))
		var all departures
		made := make([]atomic.Int32, 9)
		ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
		defer cancel()
		var wg sync.WaitGroup
		for who := range made {
			call := func(context.Context) error {
				made[who].Add(1)
				all.add()
				time.Sleep(200 * time.Millisecond)
				return nil
			}
			wg.Go(func() {
				switch who % 3 {
				case 0:
					p := windrow.NewBatchProcessor(func(ctx context.Context, _ int) (int, error) { return 0, call(ctx) }, windrow.WithLimiter(l))
					_, _ = p.Run(ctx, make([]int, 1000))
				case 1:
					for l.Do(ctx, 1, call) == nil {
					}
				default:
					for l.Wait(ctx, 1) == nil {
						_ = call(ctx)
					}
				}
			})
		}
		wg.Wait()
		if n := all.most(time.Second); n > perSecond+burst {
			t.Errorf("%d calls in one second, want at most %d", n, perSecond+burst)
		}
		if n := len(all.after(time.Now())); n < 60*perSecond*99/100 {
			t.Errorf("%d calls in a minute, want about %d", n, 60*perSecond)
		}
		for who := range made {
			if n := made[who].Load(); n < 40 {
				t.Errorf("number %d made %d of 600 calls, want about a ninth", who, n)
			}
		}
	})
}

// Over half an hour of ordinary use nobody gives more than the rate, although callers come, give up and go.
func TestLimiterLeavesNoDebtWhenWaitersGiveUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := windrow.NewLimiter(windrow.Rate(1, time.Second))
		_ = l.Do(t.Context(), 1, nothing)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 500 {
			wg.Go(func() { _ = l.Do(ctx, 1, nothing) })
			wg.Go(func() { _ = l.Wait(ctx, 1) })
		}
		synctest.Wait()
		cancel()
		wg.Wait()
		began := time.Now()
		if err := l.Do(t.Context(), 1, nothing); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("the next call waited %v, want 1s", took)
		}
	})
}

func TestLimiterDeadline(t *testing.T) {
	t.Parallel()
	for name, use := range map[string]func(context.Context, *windrow.Limiter) error{
		"Do":   func(ctx context.Context, l *windrow.Limiter) error { return l.Do(ctx, 1, nothing) },
		"Wait": func(ctx context.Context, l *windrow.Limiter) error { return l.Wait(ctx, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				for _, prepare := range []func(*windrow.Limiter){
					func(l *windrow.Limiter) { _ = l.Do(t.Context(), 1, nothing) },
					func(l *windrow.Limiter) { l.PauseUntil(time.Now().Add(time.Hour)) },
					func(l *windrow.Limiter) { clients.Observe(l, clients.Feedback{Throttled: true, RetryAfter: time.Hour}) },
				} {
					l := windrow.NewLimiter(windrow.Rate(1, time.Hour))
					prepare(l)
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					began := time.Now()
					err := use(ctx, l)
					if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 0 {
						t.Errorf("error %v after %v, want one that matches %v at once", err, time.Since(began), context.DeadlineExceeded)
					}
					cancel()
				}
			})
		})
	}
}

// A deadline of a whole run is no reason to refuse what is in time: all of the time is used.
func TestLimiterRunUnderADeadlineUsesAllOfIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, nil)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second+time.Millisecond)
		defer cancel()
		start := time.Now()
		res, err := windrow.CreateMany[string, string](ctx, client{fake: f}, ids(100), windrow.Rate(1, time.Second))
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want one that matches %v", err, context.DeadlineExceeded)
		}
		if s := res.Stats(); s.Succeeded != 11 || s.NotAttempted != 89 {
			t.Errorf("%+v, want 11 in 10 s at 1/s", s)
		}
		// And when nothing more can be in time, nobody waits to see it.
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("it took %v, want 10s", took)
		}
	})
}

// What Observe is told moves nothing that it should not.
func TestLimiterObserve(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		feedback clients.Feedback
		open     bool // it opens a limiter that was throttled
	}{
		{"a success", clients.Feedback{}, true},
		{"no answer", clients.Feedback{Failed: true}, false},
		{"a success of before the throttle", clients.Feedback{Sent: time.Unix(0, 0)}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var l windrow.Limiter
				clients.Observe(&l, clients.Feedback{Throttled: true, RetryAfter: -time.Second}) // nonsense is no hint
				if until := time.Until(l.Stats().PausedUntil); until < 100*time.Millisecond || until > 300*time.Millisecond {
					t.Fatalf("shut for %v after a throttle without a hint", until)
				}
				time.Sleep(time.Second)
				clients.Observe(&l, tt.feedback)
				if l.Stats().Probing == tt.open {
					t.Errorf("probing %t", l.Stats().Probing)
				}
			})
		})
	}
}

// An error of a function given to Do is the caller's, as it is; what it teaches depends on its class.
func TestLimiterDoReturnsTheError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := windrow.NewLimiter(windrow.Concurrency(1))
		want := errors.New("no such meeting")
		if err := l.Do(t.Context(), 1, func(context.Context) error { return want }); err != want {
			t.Errorf("error %v, want the function's own", err)
		}
		err := l.Do(t.Context(), 1, throttled(time.Second))
		if !errors.Is(err, errBusy) || l.Stats().Throttled != 1 {
			t.Errorf("error %v and %d throttles, want the function's own and one", err, l.Stats().Throttled)
		}
		// A refusal of the item is an answer: it opens the limiter. An answer that was lost does not.
		_ = l.Do(t.Context(), 1, func(context.Context) error { return windrow.Ambiguous(want) })
		if !l.Stats().Probing {
			t.Error("opened by a call without an answer")
		}
		_ = l.Do(t.Context(), 1, func(context.Context) error { return want })
		if l.Stats().Probing {
			t.Error("not opened by an answer")
		}
	})
}

// A processor keeps its limiter between runs, and so what it has learned. Two processors have two, unless they share.
func TestAProcessorKeepsItsLimiter(t *testing.T) {
	t.Parallel()
	limiterOf := func(p *windrow.BatchProcessor[string, string]) (found *windrow.Limiter) {
		p.Do = func(ctx context.Context, _ string) (string, error) {
			attempt, _ := clients.AttemptFrom(ctx)
			found = attempt.Limiter()
			return "", nil
		}
		if _, err := p.Run(t.Context(), ids(1)); err != nil {
			t.Error(err)
		}
		return found
	}
	shared := new(windrow.Limiter)
	own, other := new(windrow.BatchProcessor[string, string]), new(windrow.BatchProcessor[string, string])
	with := windrow.NewBatchProcessor[string, string](nil, windrow.WithLimiter(shared))
	first := limiterOf(own)
	if first == nil || limiterOf(own) != first {
		t.Error("another limiter in the second run")
	}
	if limiterOf(other) == first {
		t.Error("two processors share a limiter that nobody gave them")
	}
	if limiterOf(with) != shared {
		t.Error("not the limiter that was given")
	}
}

// Calls of no run tell of an outage, too: each failure counts, by its type or its status, but not when the caller did not
// wait for the server, and not one that the server answered for its own reasons.
func TestF61CallsOfNoRunTell(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		err  error
		want bool
	}{
		{"refused", refusedDial.err, true},
		{"502", &statusError{status: 502}, true},
		{"404", &statusError{status: 404}, false},
		{"three times 500", &statusError{status: 500}, false},
		{"the caller's own time is up", context.DeadlineExceeded, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := windrow.NewLimiter()
			for range 3 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				_ = l.Do(ctx, 1, func(context.Context) error {
					if errors.Is(tt.err, context.DeadlineExceeded) {
						cancel()
					}
					return tt.err
				})
				cancel()
			}
			if got := l.Stats().Outage; got != tt.want {
				t.Errorf("%s: an outage: %t, want %t", tt.name, got, tt.want)
			}
		})
	}
}
