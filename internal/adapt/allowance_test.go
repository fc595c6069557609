package adapt

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// told is an answer to a call that was sent at once when it was seen, and what it tells of a limit of 60.
func told(at float64, index, remaining int64) (Quota, Signal) {
	return Quota{Limit: 60, Remaining: remaining, RemainingKnown: true},
		Signal{Sent: moment(at), At: moment(at), Answered: 1, InFlight: 1, Index: index, Granted: index}
}

// refusal is one that was refused, since nothing remains.
func refusal(at float64, index int64) (Quota, Signal) {
	q, s := told(at, index, 0)
	s.Answered, s.Throttled = 0, true
	return q, s
}

// The limit is what was told last: an answer that does not tell it takes nothing back.
func TestTheLimitIsToldOnce(t *testing.T) {
	t.Parallel()
	var a allowance
	a.observe(told(0, 1, 59))
	q, s := told(1, 2, 58)
	q.Limit = 0
	a.observe(q, s)
	if a.limit != 60 || a.left != 58 {
		t.Errorf("limit %d, left %d, want 60 and 58", a.limit, a.left)
	}
}

// Of calls that were sent at the same instant the one that was counted last says most, in whatever order the answers come.
func TestAnswersToCallsOfOneInstant(t *testing.T) {
	t.Parallel()
	for _, remaining := range [][]int64{{40, 39, 38}, {38, 40, 39}, {39, 38, 40}} {
		var a allowance
		for _, r := range remaining {
			a.observe(told(0, 3, r))
		}
		if a.left != 38 {
			t.Errorf("%d remain after %v, want 38", a.left, remaining)
		}
	}
}

// What remains after a refusal has come back since: the refused calls are no part of the sum.
func TestWhatComesBackAfterARefusal(t *testing.T) {
	t.Parallel()
	var a allowance
	a.observe(told(0, 1, 0))
	a.observe(refusal(0.1, 2))
	a.observe(refusal(0.2, 3))
	if !a.lost || a.refusals != 1 {
		t.Errorf("lost %v after %d blackouts, want one", a.lost, a.refusals)
	}
	a.observe(told(1, 4, 2)) // three have come back: this call had the third
	if a.returned != 3 || a.lost || a.top != 6 {
		t.Errorf("%d came back, lost %v, sum %d; want 3 and 6", a.returned, a.lost, a.top)
	}
	a.observe(refusal(1.1, 5))
	if a.refusals != 2 {
		t.Errorf("%d blackouts, want two", a.refusals)
	}
}

// A refusal after the end of a window contradicts it only if the period is known and the next window cannot have been used
// up by the calls that were sent since.
func TestRefusalsThatContradict(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		period time.Duration
		at     float64
		since  int64 // calls
		want   int
	}{
		{"after the end", 5 * time.Second, 6, 1, 1},
		{"as one call less than the limit was sent", 5 * time.Second, 6, 59, 1},
		{"as the whole limit was sent", 5 * time.Second, 6, 60, 0},
		{"at the end", 5 * time.Second, 5, 1, 0},
		{"of a period that is not known", 0, 6, 1, 0},
	} {
		a := allowance{limit: 60, sent: moment(4), index: 10, cycle: cycle{from: moment(5), until: moment(5), period: tt.period}}
		a.observe(refusal(tt.at, 10+tt.since))
		if a.wrong != tt.want {
			t.Errorf("%s: %d contradictions, want %d", tt.name, a.wrong, tt.want)
		}
	}
}

// How fast a bucket fills up is measured from what came back, as soon as that says enough. While it is full, the refill
// is thought to be more, the less often a call was refused.
func TestRefillOfABucket(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		remaining int64
		back      int64 // since the anchor
		at        float64
		refusals  int
		refill    float64
		anchored  bool // anew
	}{
		{"one in a second", 30, 1, 1, 0, 1, false},
		{"none in a second", 30, 0, 1, 0, 8, false},
		{"one in less", 30, 1, 0.9, 0, 8, false},
		{"many in less", 30, goodEstimate, 0.5, 0, 32, false},
		{"not so many in less", 30, goodEstimate - 1, 0.5, 0, 8, false},
		{"enough to begin anew", 30, 2 * goodEstimate, 5, 0, 6.4, true},
		{"too few to begin anew", 30, 2*goodEstimate - 1, 5, 0, 6.2, false},
		{"too soon to begin anew", 30, 2 * goodEstimate, 4, 0, 8, false},
		{"full for a second", 59, 2, 1, 0, 10.4, true},
		{"full for two", 60, 2, 2, 0, 12.8, true},
		{"full for a second after a refusal", 59, 2, 1, 1, 9.2, true},
		{"full for a second after two", 59, 2, 1, 2, 8.8, true},
		{"almost full", 58, 2, 1, 0, 2, false},
	} {
		a := allowance{limit: 60, bucket: true, refill: 8, sent: moment(0), refusals: tt.refusals, anchor: anchor{moment(0), 100}}
		_, s := told(tt.at, 1, tt.remaining)
		a.measure(tt.remaining, 100+tt.back, s)
		if diff := a.refill - tt.refill; diff > 1e-9 || diff < -1e-9 {
			t.Errorf("%s: %v/s, want %v/s", tt.name, a.refill, tt.refill)
		}
		want := anchor{moment(0), 100}
		if tt.anchored {
			want = anchor{moment(tt.at), 100 + tt.back}
		}
		if diff := cmp.Diff(want, a.anchor, cmp.AllowUnexported(anchor{})); diff != "" {
			t.Errorf("%s: anchor (-want +got):\n%s", tt.name, diff)
		}
	}
}

// What little is known is not steered by.
func TestWhatIsSteeredBy(t *testing.T) {
	t.Parallel()
	ends := cycle{until: moment(1)}
	for _, tt := range []struct {
		name string
		allowance
		want bool
	}{
		{"a window", allowance{limit: 4, cycle: ends}, true},
		{"a window of few calls", allowance{limit: 3, cycle: ends}, false},
		{"a window of few calls that began once", allowance{limit: 3, cycle: ends, fresh: 1}, false},
		{"a window of few calls that began twice", allowance{limit: 3, cycle: ends, fresh: 2}, true},
		{"a window without an end", allowance{limit: 60}, false},
		{"a window that was contradicted once", allowance{limit: 60, cycle: ends, wrong: 1}, true},
		{"a window that was contradicted twice", allowance{limit: 60, cycle: ends, wrong: 2}, false},
		{"a bucket", allowance{limit: 3, bucket: true, refill: 0.1}, true},
		{"a bucket of few calls", allowance{limit: 2, bucket: true, refill: 0.1}, false},
		{"a bucket without a refill", allowance{limit: 60, bucket: true}, false},
	} {
		if got := tt.steers(); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// A window that is used up holds from the call that has the last unit until just after its end; what is left lasts until
// the end, for ten seconds at most; of the next window only the limit is known.
func TestLimitsOfAWindow(t *testing.T) {
	t.Parallel()
	a := allowance{limit: 60, told: true, sent: moment(0), index: 10, left: 20, cycle: cycle{from: moment(5), until: moment(6), period: 30 * time.Second}}
	hold := Hold{After: 30, Until: moment(6).Add(time.Millisecond)}
	for _, tt := range []struct {
		at      float64
		granted int64
		rate    float64
		hold    Hold
	}{
		{1, 10, 5, hold},
		{1, 18, 3, hold},
		{1, 30, 2, hold}, // nothing is left
		{4.99, 10, 1000, hold},
		{5.5, 10, 1000, hold},
		{6, 10, 2, Hold{}},
		{-15, 10, 2, hold},
	} {
		rate, got := a.limits(Signal{At: moment(tt.at), Granted: tt.granted})
		if diff := float64(rate) - tt.rate; diff > 1e-9 || diff < -1e-9 || got != tt.hold {
			t.Errorf("at %v with %d let through: %v/s and hold %+v, want %v/s and %+v", tt.at, tt.granted, rate, got, tt.rate, tt.hold)
		}
	}
}

// A throttle is no surprise if what the headers told of is used up by now, the refused call included.
func TestWhatHeadersExplain(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		left, since int64 // calls since the one that told
		want        bool
	}{
		{0, 0, true}, {0, -5, true}, {1, 0, true}, {3, 2, true}, {3, 5, true},
		{3, 1, false}, {2, 0, false}, {60, 10, false},
	} {
		a := &allowance{limit: 60, index: 100, left: tt.left, cycle: cycle{until: moment(1)}}
		b := budget{limits: []*allowance{{limit: 60, left: 0}, a}} // the first is not steered by
		if got := b.explains(Signal{Index: 100 + tt.since}); got != tt.want {
			t.Errorf("%d left, %d calls later: %v, want %v", tt.left, tt.since, got, tt.want)
		}
	}
}
