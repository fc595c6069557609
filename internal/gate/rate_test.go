package gate_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/time/rate"

	"github.com/windrow-go/windrow/internal/adapt"
	"github.com/windrow-go/windrow/internal/gate"
)

// offer lets workers make calls that take no time, for that long, and returns when each was let through.
func offer(t *testing.T, g *gate.Gate, workers int, span time.Duration) []time.Time {
	var mu sync.Mutex
	var times []time.Time
	ctx, cancel := context.WithTimeout(t.Context(), span)
	defer cancel()
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for {
				p, err := g.Acquire(ctx, 0, one)
				if err != nil {
					return
				}
				mu.Lock()
				times = append(times, time.Now())
				mu.Unlock()
				g.Release(&p)
			}
		})
	}
	wg.Wait()
	slices.SortFunc(times, time.Time.Compare)
	return times
}

// most returns the largest number of calls in any window of that length.
func most(times []time.Time, window time.Duration) int {
	n, lo := 0, 0
	for hi := range times {
		for times[hi].Sub(times[lo]) >= window {
			lo++
		}
		n = max(n, hi-lo+1)
	}
	return n
}

func TestAKnownRateIsKept(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ perSecond, burst, seconds int }{{1000, 10, 5}, {10000, 100, 1}, {10, 1, 60}} {
		for _, workers := range []int{1, 4, 50} {
			synctest.Test(t, func(t *testing.T) {
				g := fixed(64, rate.Limit(tt.perSecond), tt.burst)
				times := offer(t, g, workers, time.Duration(tt.seconds)*time.Second)
				want := tt.seconds * tt.perSecond
				if n := len(times); n < want*99/100 || n > want*101/100+tt.burst {
					t.Errorf("%d/s with %d workers: %d calls in %d s, want %d", tt.perSecond, workers, n, tt.seconds, want)
				}
				if n := most(times, time.Second); n > tt.perSecond+tt.burst {
					t.Errorf("%d/s with %d workers: %d calls in one second, burst %d", tt.perSecond, workers, n, tt.burst)
				}
			})
		}
	}
}

func TestAnIdleGateStoresNoMoreThanTheBurst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := fixed(64, 10, 3)
		time.Sleep(24 * time.Hour)
		times := offer(t, g, 20, 10*time.Second)
		if n := most(times, 99*time.Millisecond); n != 3 {
			t.Errorf("%d calls at one instant after a day of rest, want the burst of 3", n)
		}
		if n := most(times, time.Second); n > 13 {
			t.Errorf("%d calls in a second, want at most 10 and the burst", n)
		}
	})
}

// An answer is seen before the gate is told of it. The clock of the tokens must not go back to that time: what was
// refilled since would be refilled once more.
func TestALateReportDoesNotRefillTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := fixed(4, 10, 1)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var calls atomic.Int32
		var wg sync.WaitGroup
		for worker := range 8 {
			wg.Go(func() {
				for {
					p, err := g.Acquire(ctx, 0, one)
					if err != nil {
						return
					}
					calls.Add(1)
					seen := time.Now()
					time.Sleep(time.Duration(worker) * 60 * time.Millisecond) // between the answer and the report
					g.Done(&p, adapt.Signal{Sent: seen, At: seen, Answered: 1})
				}
			})
		}
		wg.Wait()
		if n := calls.Load(); n > 101 {
			t.Errorf("%d calls in 10 s at 10/s", n)
		}
	})
}

// x/time/rate hands out reservations in a row and does not take back those in the middle: a thousand callers who give
// up would leave a debt of a thousand tokens if each held one.
func TestCancelledWaitersLeaveNoDebt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := fixed(64, 1, 1)
		began := time.Now()
		g.Release(acquire(t, g))
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				p, err := g.Acquire(ctx, 0, one)
				if !errors.Is(err, context.Canceled) {
					t.Errorf("Acquire: held %t, error %v, want %v", p.Held(), err, context.Canceled)
				}
			})
		}
		synctest.Wait()
		time.Sleep(time.Second / 2)
		cancel()
		wg.Wait()
		if s := g.Stats(); s.Waiting != 0 {
			t.Errorf("%d still wait", s.Waiting)
		}
		p, err := g.Acquire(t.Context(), 0, one)
		if err != nil {
			t.Fatal(err)
		}
		g.Release(&p)
		if took := time.Since(began); took != time.Second {
			t.Errorf("the next call left after %v, want 1s", took)
		}
	})
}

// A caller that gives up as the first in the queue leaves its token to those that come later.
func TestACancelledHeadTakesNoToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := fixed(64, 1, 1)
		g.Release(acquire(t, g))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(500*time.Millisecond, cancel)
		if _, err := g.Acquire(ctx, 0, one); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want %v", err, context.Canceled)
		}
		time.Sleep(time.Second) // 1.5 s after the first token
		g.Release(acquire(t, g))
	})
}

func TestTheNextInTheQueueTakesOverFromACancelledHead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, fixed(64, 1, 1))
		q.gate.Release(acquire(t, q.gate))
		ctx, cancel := context.WithCancel(t.Context())
		q.join(ctx, 1, 0)
		q.join(t.Context(), 2, 0)
		time.Sleep(900 * time.Millisecond)
		cancel()
		time.Sleep(99 * time.Millisecond)
		if got := q.served(); len(got) != 0 {
			t.Fatalf("%v got a permit before its time", got)
		}
		time.Sleep(2 * time.Millisecond)
		if diff := cmp.Diff([]int{2}, q.served()); diff != "" {
			t.Errorf("served (-want +got):\n%s", diff)
		}
	})
}

// A wait that cannot end in time is known at once: no caller waits for a deadline only to learn it.
func TestDeadlines(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		shut func(t *testing.T, g *gate.Gate)
	}{
		{"the rate", func(t *testing.T, g *gate.Gate) {
			g.Release(acquire(t, g))
			g.Release(acquire(t, g))
		}},
		{"a throttle", func(_ *testing.T, g *gate.Gate) { throttle(g, time.Minute) }},
		{"a pause", func(_ *testing.T, g *gate.Gate) { g.PauseUntil(time.Now().Add(time.Minute)) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := fixed(64, 0.1, 2)
				tt.shut(t, g)
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				began := time.Now()
				_, err := g.Acquire(ctx, 0, one)
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("error %v, want one that matches %v", err, context.DeadlineExceeded)
				}
				if took := time.Since(began); took != 0 {
					t.Errorf("it took %v to learn", took)
				}
				if s := g.Stats(); s.Waiting != 0 {
					t.Errorf("%d wait", s.Waiting)
				}
			})
		})
	}
}

func TestADeadlineIsKnownWhenTheGateShuts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, fixed(1, rate.Inf, 1))
		acquire(t, q.gate)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		q.join(ctx, 0, 0)
		q.join(t.Context(), 1, 0)
		throttle(q.gate, time.Minute)
		synctest.Wait()
		q.mu.Lock()
		defer q.mu.Unlock()
		if !errors.Is(q.errs[0], context.DeadlineExceeded) {
			t.Errorf("error %v, want one that matches %v", q.errs[0], context.DeadlineExceeded)
		}
		if q.errs[1] != nil {
			t.Errorf("who has no deadline got %v", q.errs[1])
		}
	})
}

// Those behind in the queue have to wait for all who are before them.
func TestADeadlineIsKnownFarBackInTheQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, fixed(64, 1, 1))
		q.gate.Release(acquire(t, q.gate))
		for i := range 10 {
			q.join(t.Context(), i, 0)
		}
		for _, seconds := range []float64{5, 10.5} { // his own token comes after eleven
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(seconds*float64(time.Second)))
			defer cancel()
			began := time.Now()
			_, err := q.gate.Acquire(ctx, 0, one)
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 0 {
				t.Errorf("error %v after %v, want one that matches %v at once", err, time.Since(began), context.DeadlineExceeded)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 11500*time.Millisecond)
		defer cancel()
		if _, err := q.gate.Acquire(ctx, 0, one); err != nil {
			t.Errorf("who has the time got %v", err)
		}
	})
}

// Who needs no slot overtakes those who wait for one: their tokens do not count.
func TestADeadlineDoesNotCountThoseWhoLackASlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, fixed(1, 10, 1))
		acquire(t, q.gate)
		for i := range 100 {
			q.join(t.Context(), i, 0)
		}
		go func() { _ = q.gate.Wait(t.Context(), 0, 1, false) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 250*time.Millisecond)
		defer cancel()
		began := time.Now()
		if err := q.gate.Wait(ctx, 0, 1, false); err != nil || time.Since(began) != 200*time.Millisecond {
			t.Errorf("error %v after %v, want the tokens after 200ms", err, time.Since(began))
		}
	})
}

func TestAnEndedContextIsNotServed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := fixed(64, rate.Inf, 1)
		why := errors.New("the operator said stop")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(why)
		p, err := g.Acquire(ctx, 0, one)
		if p.Held() || !errors.Is(err, context.Canceled) || !errors.Is(err, why) {
			t.Errorf("held %t, error %v, want one that matches %v and its cause", p.Held(), err, context.Canceled)
		}

		ctx, cancel = context.WithCancelCause(t.Context())
		throttle(g, time.Hour)
		time.AfterFunc(time.Second, func() { cancel(why) })
		began := time.Now()
		_, err = g.Acquire(ctx, 0, one)
		if !errors.Is(err, context.Canceled) || !errors.Is(err, why) || time.Since(began) != time.Second {
			t.Errorf("error %v after %v, want one that matches %v and its cause after 1s", err, time.Since(began), context.Canceled)
		}
	})
}

func TestPatience(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := fixed(64, rate.Inf, 1)
		throttle(g, time.Minute)
		began := time.Now()
		_, err := g.Acquire(t.Context(), 10*time.Second, one)
		pause, ok := errors.AsType[*gate.PauseError](err)
		if !ok || !errors.Is(err, gate.ErrTooLong) {
			t.Fatalf("error %v, want a *PauseError", err)
		}
		if pause.Patience != 10*time.Second || pause.Wait < time.Minute || pause.Wait > 66*time.Second || time.Since(began) != 0 {
			t.Errorf("%+v after %v, want about a minute against 10s, at once", *pause, time.Since(began))
		}
		if p, err := g.Acquire(t.Context(), 2*time.Minute, one); err != nil || !p.Held() {
			t.Errorf("who has the patience got %v", err)
		}
		g = fixed(64, rate.Inf, 1)
		g.PauseUntil(time.Now().Add(time.Minute))
		if _, err := g.Acquire(t.Context(), time.Minute, one); err != nil {
			t.Errorf("who has just the patience got %v", err)
		}
	})
}

// A call inside an attempt holds a slot already: waiting for another would be waiting for itself.
func TestTokensNeedNoSlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, fixed(1, 1, 1))
		slot := acquire(t, q.gate)
		q.join(t.Context(), 0, 0)
		began := time.Now()
		err := q.gate.Wait(t.Context(), 0, 1, false)
		if err != nil || time.Since(began) != time.Second {
			t.Errorf("tokens after %v with error %v, want them after 1s", time.Since(began), err)
		}
		if s := q.gate.Stats(); s.InFlight != 1 {
			t.Errorf("%d in flight, want 1: tokens take no slot", s.InFlight)
		}
		q.gate.Release(slot)
		if s := q.gate.Stats(); s.InFlight != 0 {
			t.Errorf("%d in flight, want 0", s.InFlight)
		}
		time.Sleep(time.Minute)
	})
}

// Those who want tokens only and those who want a slot, too, share the rate: neither keeps the other out.
func TestNeitherQueueStarvesTheOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := fixed(4, 10, 1)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		var wg sync.WaitGroup
		var calls, tokens int
		var mu sync.Mutex
		for range 5 {
			wg.Go(func() {
				for {
					p, err := g.Acquire(ctx, 0, one)
					if err != nil {
						return
					}
					mu.Lock()
					calls++
					mu.Unlock()
					time.Sleep(10 * time.Millisecond)
					g.Release(&p)
				}
			})
			wg.Go(func() {
				for {
					if g.Wait(ctx, 0, 1, false) != nil {
						return
					}
					mu.Lock()
					tokens++
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if calls < 50 || tokens < 50 || calls+tokens > 201 {
			t.Errorf("%d calls with a slot and %d without in 20 s at 10/s, want a fair share of 200 each", calls, tokens)
		}
	})
}
