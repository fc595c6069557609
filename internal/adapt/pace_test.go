package adapt

import (
	"math"
	"testing"
	"time"
)

// near reports whether two figures are the same but for rounding.
func near(a, b float64) bool { return math.Abs(a-b) < 1e-9 }

// What the server grants lies between what it accepted and what it refused: the nearer to one of them, the better that is
// known.
func TestTruth(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		law   pace
		e     estimate
		sharp bool
		want  float64
		vague bool
	}{
		{"nothing was refused", pace{}, estimate{perSecond: 7, units: 100}, false, 7, false},
		{"confirmed", pace{accepted: 10, refusal: 10}, estimate{perSecond: 9.5, units: 100}, true, 9.8, false},
		{"confirmed far below the refused rate", pace{accepted: 8, refusal: 10}, estimate{perSecond: 8, units: 100}, true, 8.48, false},
		{"confirmed, when the server opened is unknown", pace{accepted: 8, refusal: 10}, estimate{perSecond: 8, most: 9, units: 100}, false, 9.54, false},
		{"another one than before", pace{accepted: 20, refusal: 10}, estimate{perSecond: 9.5, units: 100}, true, 9.7, false},
		{"another one, far below the refused rate", pace{accepted: 20, refusal: 10}, estimate{perSecond: 8, units: 100}, true, 8.48, false},
		{"another one, hardly anything", pace{accepted: 20, refusal: 10}, estimate{perSecond: 1, units: 100}, true, 5.3, false},
		{"another one, when the server opened is unknown", pace{accepted: 20, refusal: 10}, estimate{perSecond: 4, most: 5, units: 100}, false, 7, true},
		{"from few calls", pace{rough: true, refusal: 10}, estimate{perSecond: 8, units: 5}, true, 8, false},
		{"from few calls, close to the refused rate", pace{rough: true, refusal: 10}, estimate{perSecond: 9.5, units: 5}, true, 9, false},
		{"from few calls, for the second time", pace{rough: true, refusal: 10, quick: 1}, estimate{perSecond: 8, units: 5}, true, 7, false},
		{"from few calls, hardly anything", pace{rough: true, refusal: 10}, estimate{perSecond: 1, units: 5}, true, 5, false},
		{"from no calls", pace{rough: true, refusal: 10}, estimate{}, true, 9, false},
		{"from no calls, for the second time", pace{rough: true, refusal: 10, quick: 1}, estimate{}, true, 7, false},
	} {
		if got := tt.law.truth(tt.e, tt.sharp); !near(got, tt.want) || tt.law.vague != tt.vague {
			t.Errorf("%s: %v/s, vague %v, want %v/s, %v", tt.name, got, tt.law.vague, tt.want, tt.vague)
		}
	}
}

// A rate that is refused again at the same pace is the limit, unless as much was accepted.
func TestTheSameRateIsRefusedAgain(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name                     string
		before, refusal, granted float64
		same, want               int
		known                    float64
	}{
		{"the same", 10, 10.1, 9, 0, 1, 10.1 * 0.985},
		{"the same, and as much was accepted", 10, 10.1, 10, 0, 0, 5},
		{"the same once more", 10, 10.1, 10, 1, 2, 10.1 * 0.985},
		{"another", 10, 10.3, 9, 3, 0, 5},
		{"none", 10, 0, 9, 3, 3, 5},
	} {
		l := pace{before: tt.before, refusal: tt.refusal, same: tt.same, granted: 5}
		l.steady(estimate{perSecond: tt.granted})
		before := tt.refusal
		if tt.refusal == 0 {
			before = tt.before
		}
		if l.same != tt.want || !near(l.granted, tt.known) || l.before != before {
			t.Errorf("%s: known %v/s, %d in a row, before %v; want %v/s, %d, %v", tt.name, l.granted, l.same, l.before, tt.known, tt.want, before)
		}
	}
}

// After twice the plateau the rate doubles: in the time that some units take, within bounds.
func TestTheRateDoubles(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		rate     float64
		rough    bool
		used     time.Duration
		accepted int64
		doubles  time.Duration // 0: it does not
	}{
		{"too early", 1, false, 9900 * time.Millisecond, 0, 0},
		{"in the time of eight units", 1, false, 10 * time.Second, 0, 8 * time.Second},
		{"in the time of a quarter of what was accepted", 4, false, 10 * time.Second, 80, 5 * time.Second},
		{"in two seconds at least", 100, false, 10 * time.Second, 0, 2 * time.Second},
		{"in ten at most", 0.1, false, 10 * time.Second, 0, 10 * time.Second},
		{"in the time of three units", 1, true, 10 * time.Second, 80, 3 * time.Second},
		{"in a second at least", 100, true, 10 * time.Second, 80, time.Second},
	} {
		l := pace{rate: tt.rate, rough: tt.rough, used: tt.used, plateau: 5 * time.Second, factor: 1, base: 20}
		since, want := tt.doubles, 2.0
		if tt.doubles == 0 {
			since, want = time.Second, 1
		}
		l.double(since, 20+tt.accepted)
		if !near(l.factor, want) {
			t.Errorf("%s: %v times the rate after %v, want %v", tt.name, l.factor, since, want)
		}
	}
}

// A rate that does not bind grows after two seconds and goes after ten, not before.
func TestTheRateIsReleased(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		slack, since time.Duration
		known        float64 // 0: none
	}{
		{0, time.Second, 8},
		{time.Second, time.Second, 12},
		{time.Second, 3 * time.Second, 27},
		{9 * time.Second, time.Second, 12},
		{9500 * time.Millisecond, time.Second, 0},
	} {
		l := pace{granted: 8, rate: 8, factor: 1, plateau: 5 * time.Second, slack: tt.slack}
		l.release(tt.since)
		if !near(l.granted, tt.known) || l.off() != (tt.known == 0) {
			t.Errorf("%v/s after %v and %v more, want %v/s", l.granted, tt.slack, tt.since, tt.known)
		}
		if told := l.reason() != ""; told != l.off() {
			t.Errorf("a reason is told: %v, want %v", told, l.off())
		}
	}
}

// The past counts until nothing was heard for two seconds, and for as long as two units take.
func TestThePastIsForgotten(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		law    pace
		at     float64
		forget bool
	}{
		{"no rate", pace{}, 2, false},
		{"no rate", pace{}, 2.1, true},
		{"a slow rate", pace{granted: 0.1, rate: 0.2}, 22, false},
		{"a slow rate", pace{granted: 0.1, rate: 0.2}, 22.1, true},
		{"a low rate", pace{granted: 4, rate: 0.5}, 6, false},
		{"a low rate", pace{granted: 4, rate: 0.5}, 6.1, true},
		{"in a blackout", pace{blamed: true}, 100, false},
	} {
		l := tt.law
		l.last, l.history.openings = moment(0), make([]opening, 3)
		l.notice(Signal{At: moment(tt.at)})
		if got := len(l.history.openings) == 0; got != tt.forget {
			t.Errorf("%s, %v s later: forgotten %v, want %v", tt.name, tt.at, got, tt.forget)
		}
	}
}

// Two openings at one instant say nothing of what is granted in between.
func TestNoEstimateFromOneInstant(t *testing.T) {
	t.Parallel()
	var h history
	s := Signal{Sent: moment(1), At: moment(1), Accepted: 10}
	h.add(s, &blackout{cut: moment(1)})
	s.Accepted = 30
	if e := h.add(s, &blackout{cut: moment(1)}); e != (estimate{}) {
		t.Errorf("%+v, want none", e)
	}
	s.Sent, s.At, s.Accepted = moment(11), moment(11), 110
	if e := h.add(s, &blackout{cut: moment(11)}); e.units != 80 || !near(e.perSecond, 8) {
		t.Errorf("%+v, want 80 units at 8/s", e)
	}
}

// A blackout counts the calls that it refused: those of old too, but not what another signal counts.
func TestBlackoutCountsRefusals(t *testing.T) {
	t.Parallel()
	var o blackout
	o.observe(Signal{Throttled: true, NewEpoch: true, Sent: moment(1), At: moment(2)})
	o.observe(Signal{Throttled: true, Sent: moment(0.5), At: moment(2.1)})
	o.observe(Signal{Throttled: true, Sent: moment(0.6), At: moment(2.2), Outside: true})
	o.observe(Signal{Answered: 1, Sent: moment(0.7), At: moment(2.3)})
	o.observe(Signal{Throttled: true, NewEpoch: true, Shut: true, Sent: moment(4), At: moment(4.1)})
	want := blackout{first: moment(1), last: moment(4), cut: moment(2), refusals: 3, probes: 1}
	if o != want {
		t.Errorf("%+v, want %+v", o, want)
	}
	o.observe(Signal{Throttled: true, NewEpoch: true, Sent: moment(9), At: moment(9.1)})
	if want = (blackout{first: moment(9), last: moment(9), cut: moment(9.1), refusals: 1}); o != want {
		t.Errorf("the next one is %+v, want %+v", o, want)
	}
}
