package adapt

import (
	"testing"
	"time"
)

// moment is so many seconds into a test.
func moment(seconds float64) time.Time {
	return time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC).Add(time.Duration(seconds * float64(time.Second)))
}

// into is the reverse of moment.
func into(t time.Time) float64 { return t.Sub(moment(0)).Seconds() }

// expect compares between which times the current window ends.
func (c *cycle) expect(t *testing.T, from, until float64) {
	t.Helper()
	if got := [2]float64{into(c.from), into(c.until)}; got != [2]float64{from, until} {
		t.Errorf("the window ends between %v and %v, want %v and %v", got[0], got[1], from, until)
	}
}

// What is told of the end is true together: the window ends in all intervals, as long as it is the same window.
func TestCycleEnds(t *testing.T) {
	t.Parallel()
	var c cycle
	c.ends(moment(2), moment(3.1), moment(0))
	c.expect(t, 2, 3.1)
	c.ends(moment(2.5), moment(3.6), moment(0.5))
	c.expect(t, 2.5, 3.1)
	c.ends(moment(1.8), moment(2.9), moment(0.8))
	c.expect(t, 2.5, 2.9)
	c.ends(moment(4), moment(5), moment(1)) // which cannot be true, too: the latest counts
	c.expect(t, 4, 5)
	c.ends(moment(7), moment(8), moment(6)) // of the next window
	c.expect(t, 7, 8)
}

// Two windows tell the period; whole seconds make it sharp; and the next end follows from the last beginning.
func TestCyclePeriod(t *testing.T) {
	t.Parallel()
	var c cycle
	c.begins(moment(0), moment(0.5))
	c.expect(t, into(time.Time{}), into(time.Time{}))
	c.begins(moment(5), moment(6))
	if c.period != 0 || c.shortest != 4500*time.Millisecond || c.longest != 6*time.Second {
		t.Errorf("period %v, between %v and %v, want 4.5 s to 6 s", c.period, c.shortest, c.longest)
	}
	c.expect(t, 9.5, 12)
	c.begins(moment(10.2), moment(10.6)) // 5.1 to 5.3 from the beginning: only 5 is whole
	if c.period != 5*time.Second {
		t.Fatalf("period %v, between %v and %v, want 5 s", c.period, c.shortest, c.longest)
	}
	c.expect(t, 15.2, 15.6)
	c.begins(moment(25.1), moment(25.5)) // two windows went by unseen
	if c.period != 5*time.Second || c.count != 5 {
		t.Errorf("period %v after %d windows, want 5 s after 5", c.period, c.count)
	}
	c.expect(t, 30.1, 30.5)
	c.narrow(moment(25.3), moment(26))
	c.expect(t, 30.3, 30.5)
	c.narrow(moment(27), moment(28)) // which cannot be
	c.expect(t, 30.3, 30.5)
	c.begins(moment(25.2), moment(25.4)) // the same window once more
	c.expect(t, 30.3, 30.4)
	if c.count != 5 {
		t.Errorf("%d windows, want 5", c.count)
	}
}

// The period is a whole second if there is only one between its bounds, the bounds included.
func TestCycleOfWholeSeconds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		from, until float64 // when the second window began
		want        time.Duration
	}{
		{5.5, 5.9, 5 * time.Second}, // 5 to 5.9
		{5.6, 5.9, 0},
		{5.6, 6, 6 * time.Second}, // 5.1 to 6
		{4.5, 5.5, 0},             // 4 and 5
		{4.6, 5.5, 5 * time.Second},
		{0.6, 0.9, 0},
	} {
		var c cycle
		c.begins(moment(0), moment(0.5))
		c.begins(moment(tt.from), moment(tt.until))
		if c.period != tt.want {
			t.Errorf("between %v and %v: period %v, want %v", c.shortest, c.longest, c.period, tt.want)
		}
	}
	var c cycle // moments that are known exactly
	for _, at := range []float64{0, 5, 10, 15} {
		c.begins(moment(at), moment(at))
	}
	if c.period != 5*time.Second || c.count != 3 {
		t.Errorf("period %v after %d windows, want 5 s after 3", c.period, c.count)
	}
}

// An end that is known to a fiftieth of the period can be counted on.
func TestCycleThatIsBlurred(t *testing.T) {
	t.Parallel()
	for width, want := range map[float64]bool{0.1: false, 0.2: false, 0.3: true} {
		c := cycle{longest: 10 * time.Second, from: moment(0), until: moment(width)}
		if got := c.blurred(); got != want {
			t.Errorf("within %v s of 10: blurred %v, want %v", width, got, want)
		}
	}
}

// A window that begins when none can have begun makes an end of the period that was known.
func TestCycleOfAnotherPeriod(t *testing.T) {
	t.Parallel()
	var c cycle
	for _, at := range []float64{0, 10, 20} {
		c.begins(moment(at), moment(at+0.1))
	}
	if c.period != 10*time.Second {
		t.Fatalf("period %v, want 10 s", c.period)
	}
	c.from, c.until = time.Time{}, time.Time{} // no more is known
	c.begins(moment(24), moment(24.1))
	if c.period != 4*time.Second || c.count != 1 {
		t.Errorf("period %v after %d windows, want 4 s after one", c.period, c.count)
	}
	c.expect(t, 28, 28.1)
}

// A window that is said to begin again soon after is the same one: the last that was heard of it counts.
func TestCycleOfAWindowThatBeganLater(t *testing.T) {
	t.Parallel()
	var c cycle
	for _, at := range []float64{0, 10, 20} {
		c.begins(moment(at), moment(at+0.1))
	}
	c.from, c.until = time.Time{}, time.Time{}
	c.begins(moment(20.3), moment(20.4))
	if c.period != 10*time.Second || c.count != 2 {
		t.Errorf("period %v after %d windows, want 10 s after two", c.period, c.count)
	}
	c.expect(t, 30.3, 30.4)
}

// Several windows narrow a long period down better than the last two do.
func TestCycleFromAfar(t *testing.T) {
	t.Parallel()
	var c cycle
	for k := range 9 {
		at := 7.5 * float64(k) // no whole seconds
		c.begins(moment(at-0.4), moment(at+0.4))
	}
	if width := c.longest - c.shortest; width > 250*time.Millisecond || c.shortest > 7500*time.Millisecond || c.longest < 7500*time.Millisecond {
		t.Errorf("period between %v and %v, want 7.5 s within a tenth of a second or so", c.shortest, c.longest)
	}
}

// A call is counted a quarter of its time after it left, at the latest.
func TestCounted(t *testing.T) {
	t.Parallel()
	if got := into(counted(Signal{Sent: moment(1), At: moment(1.4)})); got != 1.1 {
		t.Errorf("counted at %v, want 1.1", got)
	}
}
