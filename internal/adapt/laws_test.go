package adapt_test

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/windrow-go/windrow/internal/adapt"
)

// start is the instant at which the tests of the laws begin.
var start = time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)

// after returns an instant that many seconds into a test.
func after(seconds float64) time.Time {
	return start.Add(time.Duration(seconds * float64(time.Second)))
}

// learner feeds signals to the laws, as a gate does.
type learner struct {
	law     *adapt.Laws
	now     adapt.Setting
	ceiling adapt.Setting
}

func newLearner(concurrency, ceiling int) *learner {
	return &learner{
		law:     adapt.New(),
		now:     adapt.Setting{Concurrency: concurrency, Rate: rate.Inf, Burst: 1},
		ceiling: adapt.Setting{Concurrency: ceiling, Rate: rate.Inf, Burst: 1},
	}
}

func (l *learner) see(s adapt.Signal) adapt.Setting {
	l.now.Why = ""
	l.now = l.law.Adjust(l.now, l.ceiling, s)
	return l.now
}

// round answers as many calls as may be in flight.
func (l *learner) round(at float64, latency time.Duration) {
	for range l.now.Concurrency {
		n := l.now.Concurrency
		l.see(adapt.Signal{Sent: after(at).Add(-latency), At: after(at), Answered: 1, InFlight: n, Level: n, Latency: latency})
	}
}

// Concurrency doubles for as long as that brings throughput.
func TestConcurrencyClimbs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		ceiling int
		latency func(inFlight int) time.Duration
		want    int
	}{
		{"to the ceiling while latency stays", 50, func(int) time.Duration { return 10 * time.Millisecond }, 50},
		{"past growing latency that still pays", 64, func(n int) time.Duration { return 150*time.Millisecond + time.Duration(n)*5*time.Millisecond }, 64},
		{"not into a queue", 64, func(n int) time.Duration { return time.Duration(max(8, n)) * 10 * time.Millisecond }, 8},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := newLearner(4, tt.ceiling)
			for k := range 40 {
				l.round(float64(k), tt.latency(l.now.Concurrency))
			}
			if l.now.Concurrency != tt.want || l.now.Rate != rate.Inf {
				t.Errorf("concurrency %d, rate %v, want %d without a rate", l.now.Concurrency, l.now.Rate, tt.want)
			}
		})
	}
}

// What is allowed but not used is no evidence for more, and neither is what another signal counts too.
func TestConcurrencyGrowsOnEvidenceOnly(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]adapt.Signal{
		"not in use":       {Answered: 1, InFlight: 3, Level: 3},
		"seen from beside": {Answered: 1, InFlight: 4, Level: 4, Outside: true},
		"no answer":        {InFlight: 4, Level: 4},
	} {
		l := newLearner(4, 64)
		for k := range 100 {
			s.Sent, s.At = after(float64(k)), after(float64(k)+0.1)
			l.see(s)
		}
		if l.now.Concurrency != 4 {
			t.Errorf("%s: concurrency %d, want 4", name, l.now.Concurrency)
		}
	}
}

// A throttle is blamed on what there is evidence for, and moves only that.
func TestBlame(t *testing.T) {
	t.Parallel()
	t.Run("more in flight than ever", func(t *testing.T) {
		t.Parallel()
		l := newLearner(8, 64)
		l.see(adapt.Signal{Sent: after(0), At: after(0.1), Answered: 1, InFlight: 7, Level: 7})
		s := l.see(adapt.Signal{Sent: after(0), At: after(0.1), Throttled: true, NewEpoch: true, InFlight: 8, Level: 8})
		if s.Concurrency != 7 || s.Rate != rate.Inf || !strings.Contains(s.Why, "8 in flight") {
			t.Errorf("concurrency %d, rate %v, because %q: want 7 without a rate", s.Concurrency, s.Rate, s.Why)
		}
	})
	t.Run("as many were answered before", func(t *testing.T) {
		t.Parallel()
		l := newLearner(8, 64)
		for range 3 {
			l.see(adapt.Signal{Sent: after(0), At: after(0.1), Answered: 1, InFlight: 8, Level: 8})
		}
		s := l.see(adapt.Signal{Sent: after(0.2), At: after(0.3), Throttled: true, NewEpoch: true, InFlight: 8, Level: 8})
		if s.Concurrency != 8 || !strings.Contains(s.Why, "rate") {
			t.Errorf("concurrency %d because %q: want 8", s.Concurrency, s.Why)
		}
	})
	t.Run("the quota is used up", func(t *testing.T) {
		t.Parallel()
		l := newLearner(8, 64)
		quota := []adapt.Quota{{Limit: 60, RemainingKnown: true, Reset: 3 * time.Second, ResetUnit: time.Second}}
		s := l.see(adapt.Signal{Sent: after(0), At: after(0.1), Throttled: true, NewEpoch: true, InFlight: 8, Level: 8, Quotas: quota})
		if s.Concurrency != 8 || s.Pause != 0 || !strings.Contains(s.Why, "quota") {
			t.Errorf("concurrency %d, pause %v because %q: want 8", s.Concurrency, s.Pause, s.Why)
		}
	})
}

// busy answers a call each second.
func (l *learner) busy(from, to float64) {
	for at := from; at < to; at++ {
		l.see(adapt.Signal{Sent: after(at), At: after(at), Answered: 1, InFlight: 2, Level: 2})
	}
}

// blackout is a throttle blamed on the rate, and the answer to the probe that ends it.
func (l *learner) blackout(from, to float64, accepted int64) adapt.Setting {
	l.see(adapt.Signal{Sent: after(from), At: after(from), Throttled: true, NewEpoch: true, InFlight: 2, Level: 1, WaitedForRate: true, Accepted: accepted})
	return l.see(adapt.Signal{Sent: after(to), At: after(to), Answered: 1, Opened: true, Shut: true, InFlight: 1, Level: 1, Accepted: accepted + 1})
}

// The server's rate is what it accepted between two moments at which it had refused.
func TestRateIsWhatWasAcceptedBetweenBlackouts(t *testing.T) {
	t.Parallel()
	l := newLearner(8, 64)
	l.see(adapt.Signal{Sent: after(0), At: after(0), Answered: 1, InFlight: 2, Level: 2})
	if s := l.blackout(1, 1.2, 30); s.Rate != rate.Inf {
		t.Fatalf("rate %v after the first blackout: nothing is known yet", s.Rate)
	}
	l.busy(1.5, 11)
	s := l.blackout(11, 11.2, 130)
	if s.Rate < 7 || s.Rate > 11 || s.Pause <= 0 {
		t.Fatalf("rate %v, pause %v: 100 were accepted in 10 s", s.Rate, s.Pause)
	}
	known := s.Rate

	// While it is in use it comes back to what is known, stays, and goes beyond; out of use it does not.
	paced := adapt.Signal{Answered: 1, InFlight: 2, Level: 2, WaitedForRate: true}
	at := 11.2
	use := func(seconds float64, paced adapt.Signal) rate.Limit {
		for range int(seconds * 10) {
			at += 0.1
			paced.Sent, paced.At = after(at), after(at)
			s = l.see(paced)
		}
		return s.Rate
	}
	idle := paced
	idle.WaitedForRate, idle.Level, idle.InFlight = false, 1, 1
	if r := use(100, idle); r != known {
		t.Errorf("rate %v after 100 s out of use, want the %v of before", r, known)
	}
	at += 1e4
	if r := use(1, paced); r > 2*known {
		t.Errorf("rate %v after a long silence, want no more than two seconds of use make of %v", r, known)
	}
	if r := use(200, paced); r < 2*known {
		t.Errorf("rate %v after 200 s in use, want far more than %v: nothing was refused", r, known)
	}
}

// A rate that never binds is let go.
func TestRateThatDoesNotBindIsLetGo(t *testing.T) {
	t.Parallel()
	l := newLearner(4, 4)
	l.busy(0, 1)
	l.blackout(1, 1.2, 30)
	l.busy(1.5, 11)
	s := l.blackout(11, 11.2, 130)
	if s.Rate == rate.Inf {
		t.Fatal("no rate after two blackouts")
	}
	for k := range 200 {
		at := after(11.2 + float64(k)/10)
		s = l.see(adapt.Signal{Sent: at, At: at, Answered: 1, InFlight: 4, Level: 4})
	}
	if s.Rate != rate.Inf {
		t.Errorf("rate %v after 20 s in which the calls in flight were what bound", s.Rate)
	}
}

// A rate that is blamed again and again for calls with more in flight than any that are answered is not what is exceeded.
func TestABlameIsTakenBack(t *testing.T) {
	t.Parallel()
	l := newLearner(8, 64)
	l.round(0, 100*time.Millisecond) // 8 in flight are answered
	l.busy(0.2, 1)
	l.blackout(1, 1.2, 30)
	l.busy(1.5, 11)
	l.blackout(11, 11.2, 130)
	for k := range 5 {
		at := 20 + float64(k)
		for range 4 { // whatever has fewer is answered
			l.see(adapt.Signal{Sent: after(at), At: after(at), Answered: 1, InFlight: 4, Level: 4, WaitedForRate: true, Accepted: 200})
		}
		// What has no answer, and what another signal counts, is no evidence.
		l.see(adapt.Signal{Sent: after(at), At: after(at), InFlight: 8, Level: 8, WaitedForRate: true, Accepted: 200})
		l.see(adapt.Signal{Sent: after(at), At: after(at), Answered: 1, Outside: true, InFlight: 8, Level: 8, WaitedForRate: true, Accepted: 200})
		before := l.now
		s := l.see(adapt.Signal{Sent: after(at + 0.1), At: after(at + 0.1), Throttled: true, NewEpoch: true, InFlight: 7, Level: 7, WaitedForRate: true, Accepted: 200})
		switch {
		case k < 3 && (s.Concurrency < before.Concurrency || !strings.Contains(s.Why, "at a rate of")):
			t.Errorf("throttle %d: concurrency %d because %q, want the rate to be blamed", k, s.Concurrency, s.Why)
		case k == 3 && (s.Concurrency > 6 || !strings.Contains(s.Why, "7 in flight")):
			t.Errorf("throttle %d: concurrency %d because %q, want 6 at most because of 7 in flight", k, s.Concurrency, s.Why)
		}
		l.see(adapt.Signal{Sent: after(at + 0.2), At: after(at + 0.3), Answered: 1, Opened: true, Shut: true, InFlight: 1, Level: 1, Accepted: 201})
	}
}

// A learned rate lets ten milliseconds' worth leave at once, one call at least; what the user allows is kept as it is.
func TestBurstOfALearnedRate(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		remaining int64
		ceiling   rate.Limit
		burst     int
		want      int
	}{
		{900, rate.Inf, 1, 4}, // 450/s
		{90, rate.Inf, 1, 1},
		{900, rate.Inf, 20, 20},
		{900, 100, 3, 3}, // the ceiling is lower
		{900, 450, 1, 1}, // the ceiling is the same
	} {
		l := newLearner(8, 64)
		l.ceiling.Rate, l.ceiling.Burst = tt.ceiling, tt.burst
		s := l.see(adapt.Signal{Sent: after(0), At: after(0), Answered: 1, Outside: true, Index: 1, Granted: 1, Quotas: []adapt.Quota{
			{Limit: 1000, Remaining: tt.remaining, RemainingKnown: true, Reset: 3 * time.Second, ResetUnit: time.Second},
		}})
		if s.Burst != tt.want {
			t.Errorf("%d in 2 s, ceiling %v and %d: burst %d at %v/s, want %d", tt.remaining, tt.ceiling, tt.burst, s.Burst, s.Rate, tt.want)
		}
	}
}
