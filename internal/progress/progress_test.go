package progress

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func unlost(t *testing.T) func(any, []byte) {
	return func(value any, _ []byte) { t.Errorf("the function did not return: %v", value) }
}

func TestEvery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var at []time.Duration
		stop := Every(time.Second, func() { at = append(at, time.Since(start)) }, unlost(t))
		time.Sleep(3500 * time.Millisecond)
		stop()
		want := []time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 3500 * time.Millisecond}
		if diff := cmp.Diff(want, at); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
	})
}

// A function that is too slow for the ticks misses some; stop waits for it, and has it called once more.
func TestEverySlow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var at []time.Duration
		stop := Every(time.Second, func() {
			at = append(at, time.Since(start))
			time.Sleep(2500 * time.Millisecond)
		}, unlost(t))
		time.Sleep(4 * time.Second)
		stop()
		if took := time.Since(start); took < 8500*time.Millisecond {
			t.Errorf("stop returned after %v, while the function ran", took)
		}
		if len(at) < 3 || len(at) > 4 || at[0] != time.Second || at[1] != 3500*time.Millisecond {
			t.Errorf("calls at %v", at)
		}
	})
}

func TestEveryStoppedAtOnce(t *testing.T) {
	t.Parallel()
	calls := 0
	Every(time.Hour, func() { calls++ }, unlost(t))()
	if calls != 1 {
		t.Errorf("%d calls, want the last one", calls)
	}
}

// A function that does not return is not called again.
func TestEveryLost(t *testing.T) {
	t.Parallel()
	for name, blow := range map[string]func(){"panic": func() { panic("no") }, "exit": runtime.Goexit} {
		synctest.Test(t, func(t *testing.T) {
			calls, lost := 0, 0
			stop := Every(time.Second, func() { calls++; blow() }, func(value any, stack []byte) {
				lost++
				if (value == "no") != (name == "panic") || (len(stack) > 0) != (name == "panic") {
					t.Errorf("%s: value %v, stack of %d bytes", name, value, len(stack))
				}
			})
			time.Sleep(5 * time.Second)
			stop()
			if calls != 1 || lost != 1 {
				t.Errorf("%s: %d calls, %d lost", name, calls, lost)
			}
			calls, lost = 0, 0
			Every(time.Hour, func() { calls++; blow() }, func(any, []byte) { lost++ })() // in the last call
			if calls != 1 || lost != 1 {
				t.Errorf("%s: %d last calls, %d lost", name, calls, lost)
			}
		})
	}
}

func TestMeter(t *testing.T) {
	t.Parallel()
	start := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	type reading struct {
		Rate float64
		ETA  time.Duration
	}
	const s = time.Second
	type read struct {
		at          time.Duration
		done, total int
		paused      time.Duration
		want        reading
	}
	for _, test := range []struct {
		name  string
		reads []read
	}{
		{"a steady pace", []read{
			{0, 0, 100, 0, reading{0, -1}},
			{10 * s, 20, 100, 0, reading{2, 40 * s}},
			{20 * s, 40, 100, 0, reading{2, 30 * s}},
			{50 * s, 100, 100, 0, reading{2, 0}},
			{60 * s, 120, 100, 0, reading{2, 0}},
		}},
		{"nothing done", []read{
			{10 * s, 0, 100, 0, reading{0, -1}},
			{10 * s, 0, 0, 0, reading{0, 0}},
		}},
		{"no total", []read{
			{10 * s, 20, -1, 0, reading{2, -1}},
		}},
		// While a pause is under way the rate stands, and what is left of the pause is added. When it is over it was
		// part of the pace.
		{"a pause", []read{
			{10 * s, 20, 100, 0, reading{2, 40 * s}},
			{20 * s, 40, 100, 60 * s, reading{2, 90 * s}},
			{40 * s, 40, 100, 40 * s, reading{2, 70 * s}},
			{70 * s, 40, 100, 10 * s, reading{2, 40 * s}},
			{80 * s, 40, 100, 0, reading{0.5, 120 * s}},
			{100 * s, 40, 100, 30 * s, reading{0.4, 180 * s}},
			{120 * s, 40, 100, 10 * s, reading{0.4, 160 * s}},
		}},
		{"paused from the start", []read{
			{0, 0, 100, 60 * s, reading{0, -1}},
			{30 * s, 0, 100, 30 * s, reading{0, -1}},
		}},
		{"for ever", []read{
			{1 << 62, 1, 1 << 62, 0, reading{1 / (time.Duration(1 << 62)).Seconds(), 1 << 62}},
		}},
	} {
		m := Meter{Start: start}
		for _, read := range test.reads {
			var got reading
			got.Rate, got.ETA = m.Read(start.Add(read.at), read.done, read.total, read.paused, false)
			if diff := cmp.Diff(read.want, got); diff != "" {
				t.Errorf("%s, after %v (-want +got):\n%s", test.name, read.at, diff)
			}
		}
	}
}
