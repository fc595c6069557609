package gate_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/windrow-go/windrow/internal/adapt"
	"github.com/windrow-go/windrow/internal/gate"
)

// A leased permit saves the way to the gate, so it must end as soon as another caller could be wronged by that.
func TestLeases(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		gate func() *gate.Gate
		then func(g *gate.Gate)
		want bool
	}{
		{"alone, without a rate", nil, func(*gate.Gate) {}, true},
		{"with a rate", func() *gate.Gate { return fixed(8, 10, 1) }, func(*gate.Gate) {}, false},
		{"with a rate, after a pause", func() *gate.Gate { return fixed(8, 10, 1) }, (*gate.Gate).Pause, false},
		{"after a second user came", nil, func(g *gate.Gate) { g.Attach(nil) }, false},
		{"after a pause", nil, (*gate.Gate).Pause, false},
		{"after a pause until a time", nil, func(g *gate.Gate) { g.PauseUntil(time.Now().Add(time.Hour)) }, false},
		{"after a throttle", nil, func(g *gate.Gate) { throttle(g, time.Second) }, false},
		{"after a lower concurrency", nil, func(g *gate.Gate) { g.Set(func(s *adapt.Setting) { s.Concurrency = 1 }) }, false},
		{"after a rate was set", nil, func(g *gate.Gate) { g.Set(func(s *adapt.Setting) { s.Rate = 10 }) }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := fixed(8, rate.Inf, 1)
				if tt.gate != nil {
					g = tt.gate()
				}
				g.Attach(nil)
				p := acquire(t, g)
				tt.then(g)
				if p.Leased() != tt.want {
					t.Errorf("leased: %t, want %t", p.Leased(), tt.want)
				}
				g.Release(p)
				if p.Leased() {
					t.Error("a released permit is leased")
				}
			})
		})
	}
	t.Run("a probe", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := fixed(8, rate.Inf, 1)
			g.Attach(nil)
			throttle(g, time.Second)
			p, err := g.Acquire(t.Context(), 0, one)
			if err != nil || p.Leased() {
				t.Errorf("leased %t, error %v", p.Leased(), err)
			}
		})
	})
	t.Run("one of two users", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := fixed(8, rate.Inf, 1)
			g.Attach(nil)
			g.Attach(nil)
			if acquire(t, g).Leased() {
				t.Error("leased although another user is there")
			}
			g.Detach(nil)
			if !acquire(t, g).Leased() {
				t.Error("not leased although the other user is gone")
			}
		})
	})
}

// A listener is told when more is allowed than before, as long as it is there.
func TestListener(t *testing.T) {
	t.Parallel()
	g := fixed(8, rate.Inf, 1)
	var told []int
	l := &gate.Listener{Raised: func(ceiling int) { told = append(told, ceiling) }}
	allow := func(n int) { g.Set(func(s *adapt.Setting) { s.Concurrency = n }) }
	if n := g.Attach(l); n != 8 {
		t.Errorf("Attach returns %d, want 8", n)
	}
	g.Attach(nil)
	allow(10)
	allow(5)
	allow(6)
	g.Set(func(s *adapt.Setting) { s.Rate = 10 })
	g.Detach(nil)
	allow(20)
	g.Detach(l)
	allow(30)
	if want := []int{10, 6, 20}; !slices.Equal(told, want) {
		t.Errorf("told of %v, want %v", told, want)
	}
}

// Leases are for fast calls: each of the others comes to the gate, which then knows when it left.
func TestLeasesAreForFastCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := fixed(8, rate.Inf, 1)
		g.Attach(nil)
		held := acquire(t, g)
		report := func(latency time.Duration) {
			p := acquire(t, g)
			g.Done(p, adapt.Signal{Sent: time.Now(), At: time.Now(), Answered: 1, Latency: latency})
		}
		leased := func() bool {
			p := acquire(t, g)
			defer g.Release(p)
			return p.Leased()
		}
		report(999 * time.Microsecond)
		if !held.Leased() || !leased() {
			t.Error("no lease although calls are fast")
		}
		report(time.Millisecond)
		if held.Leased() || leased() {
			t.Error("a lease although calls take a millisecond")
		}
		report(0) // says nothing
		now := time.Now()
		g.Observe(adapt.Signal{Sent: now, At: now, Answered: 1, Latency: time.Microsecond, Outside: true})
		if leased() {
			t.Error("a lease although nothing was heard of a fast call")
		}
		report(time.Microsecond)
		if !leased() {
			t.Error("no lease although calls are fast again")
		}
	})
}

// A caller that goes on at once must pass neither one that waits, nor a gate that is shut, nor a bound.
func TestTryAcquire(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		gate  *gate.Gate
		first func(t *testing.T, g *gate.Gate)
		want  bool
	}{
		{"free", fixed(2, rate.Inf, 1), func(t *testing.T, g *gate.Gate) { acquire(t, g) }, true},
		{"no slot", fixed(1, rate.Inf, 1), func(t *testing.T, g *gate.Gate) { acquire(t, g) }, false},
		{"a second user", fixed(2, rate.Inf, 1), func(_ *testing.T, g *gate.Gate) {
			g.Attach(nil)
			g.Attach(nil)
		}, false},
		{"a rate", fixed(2, 1000, 1000), func(*testing.T, *gate.Gate) {}, false},
		{"paused", fixed(2, rate.Inf, 1), func(_ *testing.T, g *gate.Gate) { g.Pause() }, false},
		{"shut", fixed(2, rate.Inf, 1), func(_ *testing.T, g *gate.Gate) { throttle(g, time.Second) }, false},
		{"half open", fixed(2, rate.Inf, 1), func(_ *testing.T, g *gate.Gate) {
			throttle(g, time.Second)
			time.Sleep(time.Minute)
		}, false},
		{"another caller waits", fixed(2, rate.Inf, 1), func(t *testing.T, g *gate.Gate) {
			g.Pause()
			go func() { _, _ = g.Acquire(t.Context(), 0, func(bool) int { return 0 }) }()
			synctest.Wait()
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked := false
				tt.first(t, tt.gate)
				p := tt.gate.TryAcquire(func(probe bool) int { asked = true; return 1 })
				if p.Held() != tt.want || asked != tt.want {
					t.Errorf("held: %t, asked for work: %t, want %t", p.Held(), asked, tt.want)
				}
				tt.gate.Resume()
			})
		})
	}
	t.Run("nothing to do", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := fixed(1, rate.Inf, 1)
			if p := g.TryAcquire(func(bool) int { return 0 }); p.Held() {
				t.Error("a permit for nothing")
			}
			acquire(t, g) // it took no slot
		})
	})
}

// A slot that went to a caller that waited is not had again by the one that gave it back.
func TestAPermitIsAloneWhenNoCallerWaited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := fixed(1, rate.Inf, 1)
		p := acquire(t, g)
		g.Done(p, adapt.Signal{Sent: time.Now(), At: time.Now(), Answered: 1})
		if p.Held() || !p.Alone() {
			t.Errorf("held: %t, alone: %t, want a permit that was taken back, and alone", p.Held(), p.Alone())
		}
		p = acquire(t, g)
		if p.Alone() {
			t.Error("a permit that is held is alone")
		}
		go func() {
			q, _ := g.Acquire(t.Context(), 0, one)
			g.Release(&q)
		}()
		synctest.Wait()
		g.Done(p, adapt.Signal{Sent: time.Now(), At: time.Now(), Answered: 1})
		if p.Alone() {
			t.Error("it is alone although its slot went to another")
		}
	})
}
