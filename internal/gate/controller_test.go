package gate_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/windrow-go/windrow/internal/adapt"
	"github.com/windrow-go/windrow/internal/gate"
)

// controllerFunc is a controller made of a function.
type controllerFunc func(current adapt.Setting, s adapt.Signal) adapt.Setting

func (f controllerFunc) Adjust(current, _ adapt.Setting, s adapt.Signal) adapt.Setting {
	return f(current, s)
}

func (controllerFunc) Learned(int64) adapt.Learned { return adapt.Learned{} }

func (controllerFunc) HeedsOutside() bool { return true }

// controlled returns a gate with a controller and no limits to speak of.
func controlled(f controllerFunc) *gate.Gate {
	s := adapt.Setting{Concurrency: 64, Rate: rate.Inf, Burst: 1}
	return gate.New(s, s, f)
}

// succeed makes a call that takes that long.
func succeed(t *testing.T, g *gate.Gate, takes time.Duration) {
	t.Helper()
	p := acquire(t, g)
	sent := time.Now()
	time.Sleep(takes)
	g.Done(p, adapt.Signal{Sent: sent, At: time.Now(), Answered: 1, Latency: takes})
}

// What the controller says is obeyed, within what the user allows.
func TestTheCeilingHolds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var says adapt.Setting
		ceiling := adapt.Setting{Concurrency: 8, Rate: 10, Burst: 1}
		g := gate.New(ceiling, ceiling, controllerFunc(func(adapt.Setting, adapt.Signal) adapt.Setting { return says }))
		for _, tt := range []struct{ says, want adapt.Setting }{
			{adapt.Setting{Concurrency: 4, Rate: 5, Burst: 2}, adapt.Setting{Concurrency: 4, Rate: 5, Burst: 2}},
			{adapt.Setting{Concurrency: 9, Rate: 10.5, Burst: 1}, adapt.Setting{Concurrency: 8, Rate: 10, Burst: 1}},
			{adapt.Setting{Rate: rate.Inf}, adapt.Setting{Concurrency: 1, Rate: 10, Burst: 1}},
		} {
			says = tt.says
			g.Observe(adapt.Signal{Sent: time.Now(), At: time.Now(), Answered: 1})
			if got := g.Stats().Setting; got != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		}
	})
}

// A quota that is used up holds the gate until it is renewed, and not before it is used up.
func TestHold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		until := began.Add(10 * time.Second)
		g := controlled(func(s adapt.Setting, _ adapt.Signal) adapt.Setting {
			s.Hold = adapt.Hold{After: 3, Until: until}
			return s
		})
		for range 3 {
			succeed(t, g, 0)
		}
		soon, cancel := context.WithDeadline(t.Context(), began.Add(9*time.Second))
		defer cancel()
		if _, err := g.Acquire(soon, 0, one); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 0 {
			t.Errorf("error %v after %v, want %v at once", err, time.Since(began), context.DeadlineExceeded)
		}
		pause, ok := errors.AsType[*gate.PauseError](func() error { _, err := g.Acquire(t.Context(), time.Second, one); return err }())
		if !ok || pause.Wait != 10*time.Second || pause.Patience != time.Second || time.Since(began) > 0 {
			t.Errorf("error %v after %v, want a wait of 10 s at once", pause, time.Since(began))
		}
		if want := "the limiter stays shut for longer than the caller waits: 10s, at most 1s"; ok && pause.Error() != want {
			t.Errorf("error %q, want %q", pause, want)
		}
		p, err := g.Acquire(t.Context(), 10*time.Second, one) // just enough patience
		if waited := time.Since(began); err != nil || waited != 10*time.Second {
			t.Errorf("error %v after %v, want a permit after 10 s", err, waited)
		}
		g.Release(&p)
	})
}

// A call that costs more than what is left waits too, although cheaper ones would pass.
func TestHoldCountsUnits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		g := controlled(func(s adapt.Setting, _ adapt.Signal) adapt.Setting {
			s.Hold = adapt.Hold{After: 5, Until: began.Add(time.Minute)}
			return s
		})
		succeed(t, g, 0)
		_, err := g.Acquire(t.Context(), time.Second, func(bool) int { return 5 }) // of which 4 are left
		if pause, ok := errors.AsType[*gate.PauseError](err); !ok || pause.Wait != time.Minute {
			t.Errorf("5 units: error %v, want a wait of 1m", err)
		}
		for _, tt := range []struct {
			cost int
			want time.Duration
		}{{4, 0}, {1, time.Minute}} {
			p, err := g.Acquire(t.Context(), 0, func(bool) int { return tt.cost })
			if waited := time.Since(began); err != nil || waited != tt.want {
				t.Errorf("%d units: error %v after %v, want a permit after %v", tt.cost, err, waited, tt.want)
			}
			g.Release(&p)
		}
	})
}

// After a throttle without a hint the gate opens when the controller says, else no sooner than it says.
func TestPauseByTheController(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		set      adapt.Setting // Reopen is added to the time of the throttle
		reopen   time.Duration
		from, to time.Duration
	}{
		{"a known time", adapt.Setting{}, 20 * time.Second, 20 * time.Second, 20*time.Second + adapt.MinPause},
		{"a known time that is near", adapt.Setting{}, time.Millisecond, adapt.MinPause, 2 * adapt.MinPause},
		{"a known time that is over", adapt.Setting{}, -time.Second, adapt.MinPause, 3 * adapt.MinPause},
		{"a known pause", adapt.Setting{Pause: 10 * time.Second}, 0, 10 * time.Second, 10*time.Second + 250*time.Millisecond},
		{"a short pause", adapt.Setting{Pause: time.Millisecond}, 0, adapt.MinPause, adapt.MinPause * 5 / 4},
		{"nothing known", adapt.Setting{}, 0, adapt.MinPause, 3 * adapt.MinPause},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				for range 20 {
					g := controlled(func(s adapt.Setting, sig adapt.Signal) adapt.Setting {
						s.Pause, s.Reopen = tt.set.Pause, time.Time{}
						if tt.reopen != 0 {
							s.Reopen = sig.At.Add(tt.reopen)
						}
						return s
					})
					throttle(g, 0)
					began := time.Now()
					p, err := g.Acquire(t.Context(), 0, one)
					if waited := time.Since(began); err != nil || waited < tt.from || waited > tt.to {
						t.Errorf("error %v after %v, want %v to %v", err, waited, tt.from, tt.to)
					}
					g.Release(&p)
				}
			})
		})
	}
}

// When the server has refused for more than a minute, it is tried often: no pause is longer than any before, and most are
// much shorter.
func TestALongOutageIsTriedOften(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := fixed(64, rate.Inf, 1)
		p := acquire(t, g)
		began, tries := time.Now(), 0
		for time.Since(began) < 6*time.Minute {
			cut := time.Now()
			g.Done(p, adapt.Signal{Sent: cut, At: cut, Throttled: true})
			next, err := g.Acquire(t.Context(), 0, one)
			if err != nil {
				t.Fatal(err)
			}
			if pause := time.Since(cut); pause > gate.MaxPause*3/2 {
				t.Fatalf("a pause of %v", pause)
			}
			if p = &next; time.Since(began) > time.Minute {
				tries++
			}
		}
		g.Release(p)
		if tries < 60 || tries > 150 {
			t.Errorf("%d tries in five minutes, want about 90", tries)
		}
	})
}

// What was refused leaves before what others had taken meanwhile: a claim is asked again after a throttle.
func TestAClaimIsAskedAgainAfterAThrottle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := fixed(64, 1, 1)
		first := acquire(t, g)
		var asked []bool
		done := make(chan struct{})
		go func() {
			defer close(done)
			p, _ := g.Acquire(t.Context(), 0, func(probe bool) int { asked = append(asked, probe); return 1 })
			g.Release(&p)
		}()
		synctest.Wait() // it waits for its token, with its work taken
		now := time.Now()
		g.Done(first, adapt.Signal{Sent: now, At: now, Throttled: true})
		<-done
		if len(asked) != 2 || asked[0] || !asked[1] {
			t.Errorf("asked %v, want once before the throttle and once for the probe", asked)
		}
	})
}

// The user is told of a change that has a reason, once and without the lock; of others not.
func TestOnAdjustTellsReasons(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		why := ""
		g := controlled(func(s adapt.Setting, _ adapt.Signal) adapt.Setting { s.Why = why; return s })
		told := []string{}
		g.OnAdjust(func() { told = append(told, g.Stats().Why) })
		succeed(t, g, 0)
		why = "first"
		succeed(t, g, 0)
		succeed(t, g, 0)
		why = "second"
		g.Observe(adapt.Signal{Sent: time.Now(), At: time.Now(), Answered: 1, Outside: true})
		if len(told) != 2 || told[0] != "first" || told[1] != "second" {
			t.Errorf("told %q, want first and second", told)
		}
	})
}

// What the gate tells of a call: how many were in flight when it left, how many units had been let through, and whether it
// had to wait for its token.
func TestSignalsOfACall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var seen []adapt.Signal
		s := adapt.Setting{Concurrency: 64, Rate: 1, Burst: 2}
		g := gate.New(s, s, controllerFunc(func(s adapt.Setting, sig adapt.Signal) adapt.Setting {
			seen = append(seen, sig)
			return s
		}))
		var permits []gate.Permit
		var sent []time.Time
		for range 3 { // the third waits for a second
			p, err := g.Acquire(t.Context(), 0, one)
			if err != nil {
				t.Fatal(err)
			}
			permits, sent = append(permits, p), append(sent, time.Now())
		}
		g.Done(&permits[0], adapt.Signal{Sent: sent[0], At: time.Now(), Throttled: true})
		g.Done(&permits[1], adapt.Signal{Sent: sent[1], At: time.Now(), Throttled: true})
		g.Done(&permits[2], adapt.Signal{Sent: sent[2], At: time.Now(), Answered: 1})
		g.Observe(adapt.Signal{Sent: sent[2].Add(-time.Hour), At: time.Now(), Answered: 1, Outside: true})
		for i, want := range []adapt.Signal{
			{Level: 1, Index: 1, Granted: 3, Accepted: 2, InFlight: 3, NewEpoch: true},
			{Level: 2, Index: 2, Granted: 3, Accepted: 1, InFlight: 2, Shut: true},
			{Level: 3, Index: 3, Granted: 3, Accepted: 1, InFlight: 1, Shut: true, WaitedForRate: true},
			{Level: 1, Index: 1, Granted: 3, Accepted: 1, Shut: true}, // the oldest that is remembered
		} {
			got := adapt.Signal{Level: seen[i].Level, Index: seen[i].Index, Granted: seen[i].Granted, Accepted: seen[i].Accepted,
				InFlight: seen[i].InFlight, NewEpoch: seen[i].NewEpoch, Shut: seen[i].Shut, WaitedForRate: seen[i].WaitedForRate}
			if got.Level != want.Level || got.Index != want.Index || got.Granted != want.Granted || got.Accepted != want.Accepted ||
				got.InFlight != want.InFlight || got.NewEpoch != want.NewEpoch || got.Shut != want.Shut || got.WaitedForRate != want.WaitedForRate {
				t.Errorf("signal %d: %+v, want %+v", i, got, want)
			}
		}
	})
}

// counting is a controller that counts what it is told, and knows what it is asked for.
type counting struct {
	heeds bool
	told  int
}

func (c *counting) Adjust(current, _ adapt.Setting, _ adapt.Signal) adapt.Setting {
	c.told++
	return current
}

func (c *counting) Learned(accepted int64) adapt.Learned { return adapt.Learned{Quota: accepted} }

func (c *counting) HeedsOutside() bool { return c.heeds }

// What a controller does not heed is dropped, but only as long as the gate is open and there is no rate.
func TestSignalsThatAreNotHeeded(t *testing.T) {
	t.Parallel()
	accepted := func(g *gate.Gate) {
		g.Observe(adapt.Signal{Sent: time.Now(), At: time.Now(), Answered: 1, Outside: true})
	}
	for _, tt := range []struct {
		name  string
		heeds bool
		rate  rate.Limit
		then  func(g *gate.Gate)
		want  int
	}{
		{"not heeded", false, rate.Inf, accepted, 1},
		{"heeded", true, rate.Inf, accepted, 2},
		{"with a rate", false, 100, accepted, 2},
		{"a throttle, and what comes after", false, rate.Inf, func(g *gate.Gate) { throttle(g, time.Second); accepted(g) }, 3},
		{"of a quota", false, rate.Inf, func(g *gate.Gate) {
			g.Observe(adapt.Signal{Sent: time.Now(), At: time.Now(), Answered: 1, Outside: true, Quotas: []adapt.Quota{{}}})
		}, 2},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := &counting{heeds: tt.heeds}
			s := adapt.Setting{Concurrency: 4, Rate: tt.rate, Burst: 1}
			g := gate.New(s, s, c)
			succeed(t, g, time.Millisecond)
			tt.then(g)
			if c.told != tt.want {
				t.Errorf("%s: told of %d signals, want %d", tt.name, c.told, tt.want)
			}
			if got := g.Stats().Learned.Quota; got != 1 {
				t.Errorf("%s: learned %d from the units that were accepted, want 1", tt.name, got)
			}
		})
	}
}
