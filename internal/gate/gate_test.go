package gate_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/time/rate"

	"github.com/windrow-go/windrow/internal/adapt"
	"github.com/windrow-go/windrow/internal/gate"
)

// one is the claim of a call that costs one quota unit.
func one(bool) int { return 1 }

// fixed returns a gate whose setting nothing changes but its user.
func fixed(concurrency int, limit rate.Limit, burst int) *gate.Gate {
	s := adapt.Setting{Concurrency: concurrency, Rate: limit, Burst: burst}
	return gate.New(s, s, nil)
}

// acquire takes a permit for one call, which must be there without a wait in this context.
func acquire(t *testing.T, g *gate.Gate) *gate.Permit {
	t.Helper()
	began := time.Now()
	p, err := g.Acquire(t.Context(), 0, one)
	if err != nil || !p.Held() {
		t.Fatalf("Acquire: held %t, error %v", p.Held(), err)
	}
	if waited := time.Since(began); waited != 0 {
		t.Fatalf("Acquire waited %v", waited)
	}
	return &p
}

// queue is a list of callers of one gate, in the order in which they came.
type queue struct {
	gate *gate.Gate
	over <-chan struct{} // the test is over
	mu   sync.Mutex
	log  []int // who got a permit, in order
	errs map[int]error
}

func newQueue(t *testing.T, g *gate.Gate) *queue {
	return &queue{gate: g, over: t.Context().Done(), errs: map[int]error{}}
}

// join makes one more caller wait; hold is how long it keeps its permit.
func (q *queue) join(ctx context.Context, name int, hold time.Duration) {
	go func() {
		p, err := q.gate.Acquire(ctx, 0, one)
		q.mu.Lock()
		if err == nil {
			q.log = append(q.log, name)
		} else {
			q.errs[name] = err
		}
		q.mu.Unlock()
		if hold > 0 && err == nil {
			select {
			case <-time.After(hold):
			case <-q.over:
			}
		}
		q.gate.Release(&p)
	}()
	synctest.Wait()
}

// served returns who got a permit so far.
func (q *queue) served() []int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.log)
}

func TestSlotsAreGivenInTheOrderOfTheQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, fixed(2, rate.Inf, 1))
		var want []int
		for i := range 20 {
			q.join(t.Context(), i, time.Second)
			want = append(want, i)
		}
		if s := q.gate.Stats(); s.InFlight != 2 || s.Waiting != 18 {
			t.Errorf("%d in flight and %d waiting, want 2 and 18", s.InFlight, s.Waiting)
		}
		began := time.Now()
		if err := q.gate.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("20 calls of a second, two at once, took %v", took)
		}
		// Two permits that are free at the same instant go to callers that may log in either order.
		got := q.served()
		for i := 0; i < len(got); i += 2 {
			slices.Sort(got[i : i+2])
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
	})
}

func TestReleaseIsHarmlessTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := fixed(1, rate.Inf, 1)
		p := acquire(t, g)
		g.Release(p)
		g.Release(p)
		if p.Held() {
			t.Error("a released permit says that it is held")
		}
		acquire(t, g)
		if s := g.Stats(); s.InFlight != 1 {
			t.Errorf("%d in flight, want 1", s.InFlight)
		}
	})
}

func TestAClaimWithoutWorkTakesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := fixed(1, 1, 1)
		p, err := g.Acquire(t.Context(), 0, func(bool) int { return 0 })
		if err != nil || p.Held() {
			t.Fatalf("held %t, error %v, want a zero permit", p.Held(), err)
		}
		acquire(t, g) // the slot and the token are still there
	})
}

// A claim is asked once, when its caller is first and a slot is free: what it answers is work that it has taken.
func TestAClaimIsAskedOnceAndLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := fixed(1, 1, 1)
		first := acquire(t, g)
		asked := 0
		go func() {
			p, _ := g.Acquire(t.Context(), 0, func(bool) int { asked++; return 1 })
			g.Release(&p)
		}()
		synctest.Wait()
		if asked != 0 {
			t.Fatalf("asked %d times while no slot was free", asked)
		}
		g.Release(first) // now it waits for its token
		synctest.Wait()
		for range 3 {
			g.Set(func(s *adapt.Setting) { s.Concurrency++ })
		}
		time.Sleep(time.Minute)
		if asked != 1 {
			t.Errorf("asked %d times, want once", asked)
		}
	})
}

func TestASettingThatChangesWakesTheWaiters(t *testing.T) {
	t.Parallel()
	t.Run("concurrency", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			q := newQueue(t, fixed(1, rate.Inf, 1))
			for i := range 10 {
				q.join(t.Context(), i, time.Hour)
			}
			q.gate.Set(func(s *adapt.Setting) { s.Concurrency = 4 })
			synctest.Wait()
			if n := len(q.served()); n != 4 {
				t.Errorf("%d in flight after raising the concurrency to 4", n)
			}
		})
	})
	t.Run("rate", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			q := newQueue(t, fixed(64, 0.001, 1)) // one call in a quarter of an hour
			for i := range 5 {
				q.join(t.Context(), i, 0)
			}
			q.gate.Set(func(s *adapt.Setting) { s.Rate = 10 })
			time.Sleep(450 * time.Millisecond)
			if n := len(q.served()); n != 5 {
				t.Errorf("%d of 5 left in 0.45 s at 10/s", n)
			}
		})
	})
	t.Run("no rate", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			q := newQueue(t, fixed(64, 0.001, 1))
			for i := range 5 {
				q.join(t.Context(), i, 0)
			}
			q.gate.Set(func(s *adapt.Setting) { s.Rate = rate.Inf })
			synctest.Wait()
			if n := len(q.served()); n != 5 {
				t.Errorf("%d of 5 left without a rate", n)
			}
		})
	})
}

func TestALowerConcurrencyLetsCallsInFlightGoOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, fixed(8, rate.Inf, 1))
		for i := range 20 {
			q.join(t.Context(), i, time.Second)
		}
		q.gate.Set(func(s *adapt.Setting) { s.Concurrency = 2 })
		if s := q.gate.Stats(); s.InFlight != 8 {
			t.Fatalf("%d in flight, want the 8 that were", s.InFlight)
		}
		time.Sleep(1500 * time.Millisecond)
		if s := q.gate.Stats(); s.InFlight != 2 {
			t.Errorf("%d in flight, want 2", s.InFlight)
		}
	})
}

// What may leave at one instant can be changed alone.
func TestSetBurst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := fixed(64, 1, 1)
		g.Set(func(s *adapt.Setting) { s.Burst = 3 })
		time.Sleep(time.Minute)
		for range 3 {
			g.Release(acquire(t, g))
		}
		began := time.Now()
		if p, err := g.Acquire(t.Context(), 0, one); err != nil || !p.Held() || time.Since(began) != time.Second {
			t.Errorf("the fourth after %v, %v, want it after 1 s", time.Since(began), err)
		}
	})
}

// Changing one bound leaves alone what was learned of the other.
func TestSetKeepsWhatWasLearned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := adapt.Setting{Concurrency: 4, Rate: rate.Inf, Burst: 1}
		ceiling := adapt.Setting{Concurrency: 64, Rate: rate.Inf, Burst: 1}
		g := gate.New(start, ceiling, adapt.New())
		g.Set(func(s *adapt.Setting) { s.Rate, s.Burst = 100, 5 })
		if s := g.Stats(); s.Concurrency != 4 || s.Rate != 100 || s.Burst != 5 {
			t.Errorf("concurrency %d, rate %v, burst %d after setting the rate, want 4, 100, 5", s.Concurrency, s.Rate, s.Burst)
		}
		g.Set(func(s *adapt.Setting) { s.Concurrency = 2 })
		if s := g.Stats(); s.Concurrency != 2 || s.Ceiling.Concurrency != 2 {
			t.Errorf("concurrency %d of %d, want 2 of 2", s.Concurrency, s.Ceiling.Concurrency)
		}
		g.Set(func(s *adapt.Setting) { s.Concurrency = 10 })
		if s := g.Stats(); s.Concurrency != 10 || s.Ceiling.Concurrency != 10 {
			t.Errorf("concurrency %d of %d, want 10 of 10", s.Concurrency, s.Ceiling.Concurrency)
		}
	})
}

func TestDrain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, fixed(2, rate.Inf, 1))
		if err := q.gate.Drain(t.Context()); err != nil {
			t.Fatal(err) // nothing to wait for
		}
		for i := range 5 {
			q.join(t.Context(), i, time.Second)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		if err := q.gate.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want %v", err, context.DeadlineExceeded)
		}
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if err := q.gate.Drain(t.Context()); err != nil {
					t.Error(err)
				}
				if n := len(q.served()); n != 5 {
					t.Errorf("drained after %d of 5", n)
				}
			})
		}
		wg.Wait()
		if s := q.gate.Stats(); s.InFlight+s.Waiting != 0 {
			t.Errorf("%d in flight and %d waiting after Drain", s.InFlight, s.Waiting)
		}
	})
}

// Who waits in a shut gate is waited for, too, and who gives up no longer.
func TestDrainWaitsForTheQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, fixed(2, rate.Inf, 1))
		q.gate.Pause()
		ctx, cancel := context.WithCancel(t.Context())
		q.join(ctx, 0, 0)
		time.AfterFunc(time.Minute, cancel)
		began := time.Now()
		if err := q.gate.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != time.Minute {
			t.Errorf("drained after %v, want 1m", took)
		}
	})
}

func TestStats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, fixed(2, 100, 5))
		for i := range 3 {
			q.join(t.Context(), i, time.Hour)
		}
		setting := adapt.Setting{Concurrency: 2, Rate: 100, Burst: 5}
		want := gate.Stats{Setting: setting, Ceiling: setting, InFlight: 2, Waiting: 1}
		if diff := cmp.Diff(want, q.gate.Stats()); diff != "" {
			t.Errorf("open (-want +got):\n%s", diff)
		}
		q.gate.Pause()
		q.gate.PauseUntil(time.Now().Add(time.Minute))
		want.Paused, want.Until = true, time.Now().Add(time.Minute)
		if diff := cmp.Diff(want, q.gate.Stats()); diff != "" {
			t.Errorf("paused (-want +got):\n%s", diff)
		}
		go func() { _ = q.gate.Wait(t.Context(), 0, 1, false) }() // who needs no slot waits too
		synctest.Wait()
		if n := q.gate.Stats().Waiting; n != 2 {
			t.Errorf("%d wait, want 2", n)
		}
		q.gate.Resume()
	})
}
