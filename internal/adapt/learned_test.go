package adapt

import (
	"testing"
	"time"

	"golang.org/x/time/rate"
)

// Windows go on where they were, also when some have gone by unseen. A clock that was set, or a period that is hardly known,
// does not stop the gate for long: then one begins now.
func TestWindowsGoOnWhereTheyWere(t *testing.T) {
	t.Parallel()
	const minute = time.Minute
	for _, tt := range []struct {
		name    string
		learned Learned
		ends    float64 // seconds from now on
		left    int64
	}{
		{"under way", Learned{Quota: 60, Window: minute, Ends: moment(20), Left: 7}, 20, 7},
		{"used up", Learned{Quota: 60, Window: minute, Ends: moment(20)}, 20, 0},
		{"just over", Learned{Quota: 60, Window: minute, Ends: moment(0), Left: 7}, 60, 60},
		{"over", Learned{Quota: 60, Window: minute, Ends: moment(-70), Left: 7}, 50, 60},
		{"over for a year", Learned{Quota: 60, Window: minute, Ends: moment(-365*24*3600 - 10), Left: 7}, 50, 60},
		{"hardly known, over", Learned{Quota: 60, Window: minute + 1, Ends: moment(-70), Left: 7}, 50, 60},
		{"hardly known, over for long", Learned{Quota: 60, Window: minute + 1, Ends: moment(-3610)}, 60, 60},
		{"not told when", Learned{Quota: 60, Window: minute, Left: 7}, 60, 60},
		{"beyond a period", Learned{Quota: 60, Window: minute, Ends: moment(3600)}, 60, 60},
		{"more left than there are", Learned{Quota: 60, Window: minute, Ends: moment(20), Left: 90}, 20, 60},
	} {
		c := New()
		ceiling := Setting{Concurrency: 64, Rate: rate.Inf, Burst: 1}
		start := c.StartFrom(tt.learned, Setting{Concurrency: 4, Rate: rate.Inf, Burst: 1}, ceiling, moment(0))
		got := c.Learned(0)
		if off := got.Ends.Sub(moment(tt.ends)).Abs(); off > 2*time.Second || got.Left != tt.left || got.Quota != tt.learned.Quota {
			t.Errorf("%s: %+v, want %d of %d left and the end %vs from now", tt.name, got, tt.left, tt.learned.Quota, tt.ends)
		}
		if start.Rate == rate.Inf || tt.left == 0 && (start.Hold.After != 0 || start.Hold.Until.Before(moment(tt.ends-2))) {
			t.Errorf("%s: it starts with %+v", tt.name, start)
		}
	}
}

// What was learned comes back as it was.
func TestLearnedComesBack(t *testing.T) {
	t.Parallel()
	for _, want := range []Learned{
		{}, {Concurrency: 12, Rate: 20}, {Concurrency: 5, Refused: 6}, {Rate: 0.5}, {Concurrency: 2, Quota: 60, Window: time.Minute, Ends: moment(20), Left: 7},
	} {
		c := New()
		c.StartFrom(want, Setting{Concurrency: 4, Rate: rate.Inf, Burst: 1}, Setting{Concurrency: 64, Rate: rate.Inf, Burst: 1}, moment(0))
		if got := c.Learned(0); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}
