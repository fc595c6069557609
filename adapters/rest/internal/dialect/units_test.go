package dialect

import (
	"testing"
	"time"
)

// F79: only resets that fall a thousand times as fast as the clock, for a while, are in milliseconds.
func TestF79Units(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	window := func(period time.Duration) func(after time.Duration) time.Duration {
		return func(after time.Duration) time.Duration { return period - after%period }
	}
	nodes := func(after time.Duration) time.Duration { // several servers whose windows began at other times
		n := time.Duration(after/(250*time.Millisecond)*7) % 5
		return window(time.Minute)(after + n*11*time.Second).Truncate(time.Second)
	}
	for _, test := range []struct {
		name  string
		reset func(after time.Duration) time.Duration // as it is told, in seconds
		want  bool                                    // in the end
	}{
		{"milliseconds, a minute", func(d time.Duration) time.Duration { return 1000 * window(time.Minute)(d) }, true},
		{"milliseconds, two seconds", func(d time.Duration) time.Duration { return 1000 * window(2*time.Second)(d) }, true},
		{"seconds", func(d time.Duration) time.Duration { return window(time.Minute)(d).Truncate(time.Second) }, false},
		{"seconds, an hour", func(d time.Duration) time.Duration { return window(time.Hour)(d).Truncate(time.Second) }, false},
		{"constant", func(time.Duration) time.Duration { return time.Minute }, false},
		{"over", func(time.Duration) time.Duration { return 0 }, false},
		{"several servers", nodes, false},
		{"seconds in the end", func(d time.Duration) time.Duration {
			if d < 20*time.Second {
				return 1000 * window(time.Minute)(d)
			}
			return window(time.Minute)(d).Truncate(time.Second)
		}, false},
	} {
		for _, step := range []time.Duration{3 * time.Millisecond, 50 * time.Millisecond, 300 * time.Millisecond} {
			var u Units
			var millis bool
			for after := time.Duration(0); after < 100*time.Second; after += step {
				told := test.reset(after)
				r := Reading{Policies: []Policy{
					{Name: "other", ResetKnown: true, Reset: time.Minute, ResetUnit: time.Second},
					{ResetKnown: true, Reset: told, ResetUnit: time.Second},
				}}
				u.Correct(&r, start.Add(after))
				if r.Policies[0].Reset != time.Minute {
					t.Fatalf("%s: another limit was changed to %v", test.name, r.Policies[0].Reset)
				}
				millis = r.Policies[1].ResetUnit == time.Millisecond
				if want := told / 1000; millis && r.Policies[1].Reset != want {
					t.Fatalf("%s: corrected to %v, want %v", test.name, r.Policies[1].Reset, want)
				}
				if millis && !test.want && test.name != "seconds in the end" {
					t.Fatalf("%s, step %v: taken for milliseconds after %v", test.name, step, after)
				}
			}
			if millis != test.want {
				t.Errorf("%s, step %v: milliseconds %t, want %t", test.name, step, millis, test.want)
			}
		}
	}
}
