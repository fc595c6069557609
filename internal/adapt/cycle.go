package adapt

import "time"

// shortestPeriod is the shortest possible window, since periods are whole seconds.
const shortestPeriod = time.Second

// countDelay is the part of a call's latency by which the server may count it later than other calls.
const countDelay = 0.25

// cycle is what is known about when the windows of a limit begin and end. Each time is known as an interval, the tightest
// that was observed.
type cycle struct {
	from, until time.Time     // interval in which the current window ends; zero: unknown
	begun       [2]time.Time  // interval in which it began; zero: unknown
	period      time.Duration // 0: unknown
	shortest    time.Duration // lower bound of the period
	longest     time.Duration // upper bound of the period; 0: unknown

	origin [2]time.Time // interval in which the first window that was seen began
	count  int          // windows since origin
}

// fix sets the period, which is known exactly.
func (c *cycle) fix(period time.Duration) { c.period, c.shortest, c.longest = period, period, period }

// ends learns that the current window ends between two times. seen is when that was known.
func (c *cycle) ends(from, until, seen time.Time) {
	if !c.until.IsZero() && c.until.After(seen) {
		if lo, hi := latest(from, c.from), earliest(until, c.until); !lo.After(hi) {
			from, until = lo, hi
		}
	}
	c.from, c.until = from, until
}

// begins learns that a window has begun between two times.
func (c *cycle) begins(from, until time.Time) {
	if !c.until.IsZero() {
		if lo, hi := latest(from, c.from), earliest(until, c.until); !lo.After(hi) {
			from, until = lo, hi
		}
	}
	now := [2]time.Time{from, until}
	switch {
	case !until.After(c.begun[1]): // the current window, whose start is known already
		c.narrow(from, until)
		return
	case c.begun[0].IsZero():
		c.origin, c.count = now, 0
	case c.longest > 0 && until.Sub(c.begun[0]) < c.shortest/4: // the current window too, which began at another time than assumed
	default:
		c.measure(now)
	}
	c.begun = now
	c.foresee()
}

// narrow narrows the interval in which the current window began.
func (c *cycle) narrow(from, until time.Time) {
	if lo, hi := latest(from, c.begun[0]), earliest(until, c.begun[1]); !lo.After(hi) {
		c.begun = [2]time.Time{lo, hi}
		c.foresee()
	}
}

// foresee computes when the current window ends.
func (c *cycle) foresee() {
	c.from, c.until = time.Time{}, time.Time{}
	if c.longest > 0 {
		c.from, c.until = c.begun[0].Add(max(c.period, c.shortest)), c.begun[1].Add(c.longest)
	}
}

// measure narrows the period by the times since the last window and since the first one began. When only one whole number
// of seconds is possible, that is the period.
func (c *cycle) measure(now [2]time.Time) {
	n := 1
	if c.longest > 0 { // some windows may have passed unseen
		took := now[0].Add(now[1].Sub(now[0]) / 2).Sub(c.begun[0].Add(c.begun[1].Sub(c.begun[0]) / 2))
		n = max(1, int(2*took.Seconds()/(c.shortest+c.longest).Seconds()+0.5))
	}
	c.count += n
	if !c.fits(c.begun, now, n) || !c.fits(c.origin, now, c.count) {
		c.period, c.shortest, c.longest = 0, 0, 0
		c.origin, c.count = c.begun, 1
		c.fits(c.begun, now, 1)
	}
	if whole := c.longest.Truncate(time.Second); c.period == 0 && whole >= c.shortest && whole-time.Second < c.shortest && whole > 0 {
		c.fix(whole)
	}
}

// fits narrows the period by the starts of two windows that are n apart, and reports whether they fit the period.
func (c *cycle) fits(before, now [2]time.Time, n int) bool {
	shortest, longest := now[0].Sub(before[1])/time.Duration(n), now[1].Sub(before[0])/time.Duration(n)
	if shortest > c.longest && c.longest > 0 || longest < c.shortest {
		return false
	}
	c.shortest = max(c.shortest, shortest)
	if c.longest == 0 || longest < c.longest {
		c.longest = longest
	}
	return true
}

// blurred reports whether the end of the current window is not known well enough.
func (c *cycle) blurred() bool {
	return c.until.Sub(c.from) > time.Duration(blurred*float64(c.longest))
}

// blurred is the largest part of the period by which the end of a window may be uncertain.
const blurred = 0.02

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
