package dialect

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const ms = time.Millisecond

// absent marks values that are not read.
const absent = time.Duration(-1)

type resetTest struct {
	pin   Pin
	value string
	want  time.Duration
	unit  time.Duration
}

func runResets(t *testing.T, tests []resetTest) {
	t.Helper()
	for _, test := range tests {
		got, ok := clock{now: now}.reset(test.value, test.pin)
		want := reset{test.want, test.unit}
		if !ok {
			got.after = absent
			got.unit = 0
		}
		if want != got {
			t.Errorf("pin %d, %q: %v in units of %v, want %v in units of %v", test.pin, test.value, got.after, got.unit, want.after, want.unit)
		}
	}
}

// The vectors of the auto rule.
func TestResetAuto(t *testing.T) {
	t.Parallel()
	runResets(t, []resetTest{
		{Auto, "37", 37 * sec, sec},
		{Auto, "1795304437", 37 * sec, sec},
		{Auto, "1795304437.5", 37*sec + 500*ms, 100 * ms},
		{Auto, "1795304437000", 37 * sec, ms},
		{Auto, "1795304300", 0, sec},
		{Auto, "6m30s", 390 * sec, sec},
		{Auto, "120ms", 120 * ms, ms},
		{Auto, "0.5s", 500 * ms, 100 * ms},
		{Auto, "9h", 9 * time.Hour, sec},
		{Auto, "2026-11-21T23:40:37Z", 37 * sec, sec},
		{Auto, "Sat, 21 Nov 2026 23:40:37 GMT", 37 * sec, sec},
		{Auto, "abc", absent, 0},
	})
}

// Where a number stops to be a delay, and where it stops to be in seconds.
func TestGuess(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]Pin{
		0: DeltaSeconds, 1_000_000_000: DeltaSeconds, 1_000_000_001: EpochSeconds,
		99_999_999_999: EpochSeconds, 100_000_000_000: EpochMillis,
	} {
		if got := guess(n); got != want {
			t.Errorf("%d: pin %d, want %d", n, got, want)
		}
	}
}

func TestResetAutoTraps(t *testing.T) {
	t.Parallel()
	runResets(t, []resetTest{
		// Numbers.
		{Auto, "0", 0, sec},
		{Auto, " 007\t", 7 * sec, sec},
		{Auto, "0.249", 249 * ms, ms},
		{Auto, "2.0", 2 * sec, 100 * ms},
		{Auto, "1.0000000001", sec + 1, 1},
		{Auto, "1.9999999999", 2 * sec, 1},
		{Auto, "1.0000000000", sec, 1},
		{Auto, "90000", MaxReset, sec},
		{Auto, "90000.5", absent, 0}, // outside the window
		{Auto, "90001", absent, 0},
		{Auto, "1000000000", absent, 0}, // no epoch yet, and no delay
		{Auto, "1000000001", absent, 0}, // 2001: too far in the past to be one
		{Auto, "1795214400", 0, sec},    // 25 hours ago
		{Auto, "1795214399", absent, 0},
		{Auto, "1795394400", MaxReset, sec}, // in 25 hours
		{Auto, "1795394401", absent, 0},
		{Auto, "1795304437.123456", 37*sec + 123456*time.Microsecond, time.Microsecond},
		{Auto, "1795304437000.25", 37*sec + 250*time.Microsecond, 10 * time.Microsecond},
		{Auto, "99999999999", absent, 0}, // the last that counts as seconds
		{Auto, "99999999999999999999", absent, 0},
		{Auto, "9223372036854775807", absent, 0},
		{Auto, "9223372036854775807.999999999", absent, 0},
		// Garbage.
		{Auto, "", absent, 0},
		{Auto, " ", absent, 0},
		{Auto, "-1", absent, 0},
		{Auto, "+1", absent, 0},
		{Auto, ".5", absent, 0},
		{Auto, "5.", absent, 0},
		{Auto, "1.2.3", absent, 0},
		{Auto, "1e3", absent, 0},
		{Auto, "0x10", absent, 0},
		{Auto, "1_000", absent, 0},
		{Auto, "١٢", absent, 0},
		{Auto, "5 6", absent, 0},
		{Auto, strings.Repeat("0", maxValue-1) + "5", 5 * sec, sec},
		{Auto, strings.Repeat("0", maxValue) + "5", absent, 0},
		// Durations.
		{Auto, "1s", sec, sec},
		{Auto, "0s", 0, sec},
		{Auto, "8.64s", 8640 * ms, 10 * ms},
		{Auto, "1m26.4s", 86400 * ms, 100 * ms},
		{Auto, "1.5h30m", 2 * time.Hour, sec},
		{Auto, "6m", 6 * time.Minute, sec},
		{Auto, "300us", 300 * time.Microsecond, time.Microsecond},
		{Auto, "300µs", 300 * time.Microsecond, time.Microsecond},
		{Auto, "5.s", 5 * sec, sec},
		{Auto, "25h", MaxReset, sec},
		{Auto, "25h1ns", absent, 0},
		{Auto, "-5s", absent, 0},
		{Auto, "+5s", absent, 0},
		{Auto, "1d", absent, 0},
		{Auto, "5 s", absent, 0},
		{Auto, "9999999999h", absent, 0},
		// Dates.
		{Auto, "Saturday, 21-Nov-26 23:40:37 GMT", 37 * sec, sec},
		{Auto, "Sat Nov 21 23:40:37 2026", 37 * sec, sec},
		{Auto, "2026-11-21T23:40:37.25Z", 37*sec + 250*ms, 10 * ms},
		{Auto, "2026-11-21T23:40:37.000Z", 37 * sec, ms},
		{Auto, "2026-11-22T05:10:37+05:30", 37 * sec, sec},
		{Auto, "2026-11-21T23:42Z", 2 * time.Minute, time.Minute},
		{Auto, "Sun Nov 22 2026 00:40:37 GMT+0100 (Central European Standard Time)", 37 * sec, sec},
		{Auto, "Fri, 31 Dec 1999 23:59:59 GMT", absent, 0},
		{Auto, "Sat, 21 Nov 2026 23:39:59 GMT", 0, sec},
		{Auto, "2026-11-21", absent, 0},
		{Auto, "2026-11-21 23:40:37", absent, 0}, // in which zone?
		{Auto, "9999-12-31T23:59:59Z", absent, 0},
		{Auto, "0000-01-01T00:00:00Z", absent, 0},
	})
}

// F13: an API whose form is known is pinned, and what does not fit is ignored.
func TestResetPinned(t *testing.T) {
	t.Parallel()
	runResets(t, []resetTest{
		{DeltaSeconds, "37", 37 * sec, sec},
		{DeltaSeconds, "37.5", 37*sec + 500*ms, 100 * ms},
		{DeltaSeconds, "1795304437", absent, 0},
		{DeltaSeconds, "37s", absent, 0},
		{DeltaMillis, "60000", time.Minute, ms},
		{DeltaMillis, "0.5", 500 * time.Microsecond, 100 * time.Microsecond},
		{DeltaMillis, "90000001", absent, 0},
		{DeltaMillis, "1m", absent, 0},
		{EpochSeconds, "1795304437", 37 * sec, sec},
		{EpochSeconds, "1795304437.999999999", 37*sec + 999999999, 1},
		{EpochSeconds, "1795304437.9999999999", 38 * sec, 1},
		{EpochSeconds, "37", absent, 0}, // 1970
		{EpochSeconds, "1795304437000", absent, 0},
		{EpochSeconds, "9223372036854775807", absent, 0},
		{EpochSeconds, "2026-11-21T23:40:37Z", absent, 0},
		{EpochMillis, "1795304437250", 37*sec + 250*ms, ms},
		{EpochMillis, "1795304437", absent, 0},
		{Date, "2026-11-21T23:40:37Z", 37 * sec, sec},
		{Date, "37", absent, 0},
		{Date, "37s", absent, 0},
		{Duration, "37s", 37 * sec, sec},
		{Duration, "0", 0, sec},
		{Duration, "37", absent, 0},
		{Duration, "-37s", absent, 0},
		{Duration, "+37s", absent, 0},
		{Duration, ".5s", absent, 0},
		{Duration, "0.5s", 500 * ms, 100 * ms},
		{Duration, "9s", 9 * sec, sec},
		{Standard, "37", 37 * sec, sec},
		{Standard, "1795304437", absent, 0},
		{Off, "37", absent, 0},
		{255, "37", absent, 0},
	})
}

// A reset that was read and is written as a duration is read as the same one.
func TestResetIsDelayWithinWindow(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"37", "1795304437.5", "6m30s", "2026-11-21T23:40:37.123456Z", "1.9999999999"} {
		first, ok := clock{now: now}.reset(value, Auto)
		if !ok {
			t.Fatalf("%q is not read", value)
		}
		again, _ := clock{now: now}.reset(first.after.String(), Auto)
		if diff := cmp.Diff(first.after, again.after); diff != "" {
			t.Errorf("%q (-first +again):\n%s", value, diff)
		}
	}
}
