package gate_test

import (
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/time/rate"

	"github.com/windrow-go/windrow/internal/adapt"
	"github.com/windrow-go/windrow/internal/gate"
)

// throttle reports a throttled call that was sent now.
func throttle(g *gate.Gate, hint time.Duration) {
	now := time.Now()
	g.Observe(adapt.Signal{Sent: now, At: now, Throttled: true, Hint: hint})
}

// Whatever it asks for, a server that throttles is left alone for a while: at least for the minimum, and for longer
// than its hint by up to a tenth, never shorter.
func TestPausesFollowTheHintAndJitterOnlyUpwards(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ hint, low, high time.Duration }{
		{time.Nanosecond, adapt.MinPause, adapt.MinPause * 11 / 10},
		{2 * time.Second, 2 * time.Second, 2200 * time.Millisecond},
		{time.Hour, time.Hour, 66 * time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			longer := 0
			for range 100 {
				g := fixed(64, rate.Inf, 1)
				began := time.Now()
				throttle(g, tt.hint)
				p, err := g.Acquire(t.Context(), 0, one)
				if err != nil {
					t.Fatal(err)
				}
				g.Release(&p)
				pause := time.Since(began)
				if pause < tt.low || pause > tt.high {
					t.Fatalf("hint %v: shut for %v, want %v to %v", tt.hint, pause, tt.low, tt.high)
				}
				if pause > tt.low+tt.low/100 {
					longer++
				}
			}
			if longer < 50 {
				t.Errorf("hint %v: only %d of 100 pauses have a visible jitter", tt.hint, longer)
			}
		})
	}
}

func TestAHugeHintShutsTheGate(t *testing.T) {
	t.Parallel()
	for _, hint := range []time.Duration{100 * 365 * 24 * time.Hour, math.MaxInt64 / 2, math.MaxInt64 - 1, math.MaxInt64} {
		synctest.Test(t, func(t *testing.T) {
			g := fixed(64, rate.Inf, 1)
			throttle(g, hint)
			began := time.Now()
			_, err := g.Acquire(t.Context(), 24*time.Hour, one)
			if !errors.Is(err, gate.ErrTooLong) || time.Since(began) != 0 {
				t.Errorf("hint %v: error %v after %v, want %v at once", hint, err, time.Since(began), gate.ErrTooLong)
			}
		})
	}
}

// Without a hint the pauses grow while one probe after the other is throttled, and start again after a success.
func TestPausesWithoutAHintGrow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		longer := 0 // first pauses after a success
		for range 20 {
			g := fixed(64, rate.Inf, 1)
			p := acquire(t, g)
			step := 2 * adapt.MinPause
			for k := range 12 {
				cut := time.Now()
				g.Done(p, adapt.Signal{Sent: cut, At: cut, Throttled: true})
				next, err := g.Acquire(t.Context(), 0, one)
				if err != nil {
					t.Fatal(err)
				}
				p = &next
				low, high := max(adapt.MinPause, step/2), step*3/2
				if pause := time.Since(cut); pause < low || pause > high {
					t.Fatalf("pause %d lasted %v, want %v to %v", k, pause, low, high)
				}
				step = min(step*3/2, gate.MaxPause)
			}
			now := time.Now()
			g.Done(p, adapt.Signal{Sent: now, At: now, Answered: 1})
			throttle(g, 0) // sent at the instant of the last success, after the last cut
			again, err := g.Acquire(t.Context(), 0, one)
			if err != nil {
				t.Fatal(err)
			}
			g.Release(&again)
			pause := time.Since(now)
			if pause > 3*adapt.MinPause {
				t.Fatalf("the first pause after a success lasted %v", pause)
			}
			if pause > adapt.MinPause {
				longer++
			}
		}
		if longer < 10 {
			t.Errorf("only %d of 20 first pauses after a success are longer than the shortest", longer)
		}
	})
}

// After the pause one call tries. Only an answer to a call that was sent after the cut opens the gate.
func TestHalfOpenLetsOneProbeThrough(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, fixed(64, rate.Inf, 1))
		g := q.gate
		early := acquire(t, g) // in flight when the server throttles another call
		sent := time.Now()
		time.Sleep(time.Millisecond)
		throttle(g, time.Second)
		for i := range 10 {
			q.join(t.Context(), i, time.Hour)
		}
		time.Sleep(500 * time.Millisecond)
		if got := q.served(); len(got) != 0 {
			t.Fatalf("%v got through a shut gate", got)
		}
		time.Sleep(time.Minute)
		if diff := cmp.Diff([]int{0}, q.served()); diff != "" {
			t.Fatalf("through the half-open gate (-want +got):\n%s", diff)
		}
		if s := g.Stats(); !s.Probing || s.Waiting != 9 {
			t.Errorf("probing %t, waiting %d, want true and 9", s.Probing, s.Waiting)
		}

		// The answer to a call sent before the cut says nothing of the time after it.
		g.Done(early, adapt.Signal{Sent: sent, At: time.Now(), Answered: 1})
		time.Sleep(time.Minute)
		if diff := cmp.Diff([]int{0}, q.served()); diff != "" {
			t.Fatalf("after a stale success (-want +got):\n%s", diff)
		}

		// The answer to the probe opens it for all.
		now := time.Now()
		g.Observe(adapt.Signal{Sent: now, At: now, Answered: 1})
		time.Sleep(time.Millisecond)
		if n := len(q.served()); n != 10 {
			t.Errorf("%d of 10 got through the open gate", n)
		}
		if g.Stats().Probing {
			t.Error("still probing after a success")
		}
	})
}

// A probe that ends without an answer leaves its place to the next one.
func TestAProbeWithoutAnAnswerIsFollowedByAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, fixed(64, rate.Inf, 1))
		throttle(q.gate, time.Second)
		for i := range 5 {
			q.join(t.Context(), i, time.Second)
		}
		time.Sleep(1200 * time.Millisecond)
		for probe := range 5 {
			if n := len(q.served()); n != probe+1 {
				t.Fatalf("%d got through when probe %d was out", n, probe)
			}
			if s := q.gate.Stats(); s.InFlight != 1 {
				t.Fatalf("%d in flight, want the probe alone", s.InFlight)
			}
			time.Sleep(time.Second)
		}
	})
}

// A probe that failed without an answer of the server, such as a broken connection, opens nothing.
func TestAFailedProbeDoesNotOpen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := fixed(64, rate.Inf, 1)
		throttle(g, time.Second)
		for answered := range 2 {
			p, err := g.Acquire(t.Context(), 0, one)
			if err != nil || !p.Probe() {
				t.Fatalf("probe %v, error %v", p.Probe(), err)
			}
			g.Done(&p, adapt.Signal{Sent: time.Now(), At: time.Now(), Answered: answered})
			if open := !g.Stats().Probing; open != (answered > 0) {
				t.Errorf("open %v after %d answers", open, answered)
			}
		}
	})
}

// A probe of whose end the gate may not be told is waited for, for ten seconds at least, and as long as the gate was
// shut.
func TestAProbeThatIsLoose(t *testing.T) {
	t.Parallel()
	for _, hint := range []time.Duration{time.Second, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			g := fixed(64, rate.Inf, 1)
			began := time.Now()
			throttle(g, hint)
			if err := g.Wait(t.Context(), 0, 1, false); err != nil {
				t.Fatal(err)
			}
			pause := time.Since(began)
			began = time.Now()
			p, err := g.Acquire(t.Context(), 0, one)
			if waited, want := time.Since(began), max(pause, 10*time.Second); err != nil || !p.Probe() || waited != want {
				t.Errorf("another probe %v after %v, error %v, want one after %v", p.Probe(), waited, err, want)
			}
		})
	}
}

func TestAThrottledProbeShutsTheGateAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, fixed(64, rate.Inf, 1))
		throttle(q.gate, time.Second)
		p, err := q.gate.Acquire(t.Context(), 0, one)
		if err != nil || !p.Probe() {
			t.Fatalf("probe %t, error %v", p.Probe(), err)
		}
		for i := range 3 {
			q.join(t.Context(), i, 0)
		}
		now := time.Now()
		q.gate.Done(&p, adapt.Signal{Sent: p.Sent, At: now, Throttled: true, Hint: 10 * time.Second})
		time.Sleep(10*time.Second - 1)
		if got := q.served(); len(got) != 0 {
			t.Fatalf("%v got through before the second pause was over", got)
		}
		time.Sleep(2 * time.Second)
		if len(q.served()) == 0 {
			t.Error("nothing got through after the second pause")
		}
	})
}

// Of the calls that were in flight when the gate was cut, many come back throttled. They are news of the past.
func TestStaleThrottlesChangeNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := adapt.Setting{Concurrency: 16, Rate: rate.Inf, Burst: 1}
		g := gate.New(s, s, adapt.New())
		sent := time.Now()
		for range 16 {
			acquire(t, g)
		}
		stale := func(hint time.Duration) {
			g.Observe(adapt.Signal{Sent: sent, At: time.Now(), Throttled: true, Hint: hint})
		}
		time.Sleep(time.Millisecond)
		throttle(g, time.Second)
		want := g.Stats()
		if want.Concurrency != 15 {
			t.Fatalf("concurrency %d after the first throttle, want 15", want.Concurrency)
		}
		for range 15 {
			stale(0)
			stale(500 * time.Millisecond)
		}
		if diff := cmp.Diff(want, g.Stats()); diff != "" {
			t.Errorf("after stale throttles while shut (-want +got):\n%s", diff)
		}

		// The same after the gate has opened again.
		time.Sleep(2 * time.Second)
		now := time.Now()
		g.Observe(adapt.Signal{Sent: now, At: now, Answered: 1})
		want = g.Stats()
		stale(0)
		stale(time.Minute)
		if diff := cmp.Diff(want, g.Stats()); diff != "" {
			t.Errorf("after stale throttles while open (-want +got):\n%s", diff)
		}
		time.Sleep(time.Hour)
		if diff := cmp.Diff(want, g.Stats()); diff != "" {
			t.Errorf("an hour later (-want +got):\n%s", diff)
		}
	})
}

func TestShutForCountsThrottlesOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := fixed(4, rate.Inf, 1)
		g.PauseUntil(time.Now().Add(time.Hour))
		time.Sleep(2 * time.Hour)
		g.Pause()
		time.Sleep(time.Hour)
		g.Resume()
		if s := g.Stats(); s.ShutFor != 0 {
			t.Errorf("shut for %v by throttles, want 0: its user paused it", s.ShutFor)
		}
		throttle(g, time.Second)
		time.Sleep(3 * time.Second)
		if s := g.Stats(); s.ShutFor != 3*time.Second {
			t.Errorf("shut for %v so far, want 3s", s.ShutFor)
		}
		now := time.Now()
		g.Observe(adapt.Signal{Sent: now, At: now, Answered: 1})
		time.Sleep(time.Hour)
		if s := g.Stats(); s.ShutFor != 3*time.Second || s.Throttles != 1 {
			t.Errorf("shut for %v by %d throttles, want 3s by 1", s.ShutFor, s.Throttles)
		}
	})
}

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, fixed(64, rate.Inf, 1))
		flying := acquire(t, q.gate)
		q.gate.Pause()
		for i := range 5 {
			q.join(t.Context(), i, 0)
		}
		q.gate.Release(flying) // calls in flight go on
		time.Sleep(time.Hour)
		if got := q.served(); len(got) != 0 || !q.gate.Stats().Paused {
			t.Fatalf("%v got through a paused gate", got)
		}
		q.gate.Resume()
		synctest.Wait()
		if n := len(q.served()); n != 5 {
			t.Errorf("%d of 5 got through after Resume", n)
		}
	})
}

func TestPauseUntilNeverShortens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, fixed(64, rate.Inf, 1))
		began := time.Now()
		q.gate.PauseUntil(began.Add(-time.Hour)) // the past
		q.join(t.Context(), 0, 0)
		if len(q.served()) != 1 {
			t.Fatal("a pause until the past shut the gate")
		}
		q.gate.PauseUntil(began.Add(time.Minute))
		q.gate.PauseUntil(began.Add(time.Second))
		if until := q.gate.Stats().Until; !until.Equal(began.Add(time.Minute)) {
			t.Errorf("shut until %v, want a minute", until.Sub(began))
		}
		q.join(t.Context(), 1, 0)
		time.Sleep(time.Minute - 1)
		if len(q.served()) != 1 {
			t.Fatal("the pause was shortened")
		}
		time.Sleep(time.Millisecond)
		if len(q.served()) != 2 {
			t.Error("the pause did not end")
		}

		q.gate.PauseUntil(time.Now().Add(time.Hour))
		q.join(t.Context(), 2, 0)
		q.gate.Resume()
		synctest.Wait()
		if len(q.served()) != 3 {
			t.Error("Resume did not end PauseUntil")
		}
	})
}

// Resume takes back what the user did, not what the server asked for.
func TestResumeDoesNotEndAThrottle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, fixed(64, rate.Inf, 1))
		began := time.Now()
		throttle(q.gate, time.Minute)
		q.gate.Pause()
		q.gate.PauseUntil(began.Add(time.Hour))
		q.gate.Resume()
		q.join(t.Context(), 0, time.Hour)
		q.join(t.Context(), 1, time.Hour)
		if len(q.served()) != 0 {
			t.Fatal("Resume let a call through before the time that the server named")
		}
		time.Sleep(time.Minute - 1)
		if len(q.served()) != 0 {
			t.Fatal("a call left before the time that the server named")
		}
		time.Sleep(10 * time.Second)
		if diff := cmp.Diff([]int{0}, q.served()); diff != "" {
			t.Errorf("after the server's pause (-want +got):\n%s", diff)
		}
	})
}
