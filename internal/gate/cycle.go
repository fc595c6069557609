package gate

import "time"

// shortestPeriod is the length of the shortest window there is: periods are whole seconds.
const shortestPeriod = time.Second

// way is the part of a call's time that may pass, more than with other calls, until the server counts it.
const way = 0.25

// cycle is when the windows of a limit begin and end, as far as it is known: each bound of each moment is the tightest of
// all that was seen.
type cycle struct {
	from, until time.Time     // between which the current window ends; zero: unknown
	begun       [2]time.Time  // between which it began; zero: unknown
	period      time.Duration // 0: unknown
	shortest    time.Duration // the bounds of the period
	longest     time.Duration // 0: unknown

	origin [2]time.Time // between which a window began long ago
	count  int          // windows since
}

// fix takes over a period that somebody was told.
func (c *cycle) fix(period time.Duration) { c.period, c.shortest, c.longest = period, period, period }

// ends learns between which times the current window ends.
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
	case !until.After(c.begun[1]): // the one that is known already
		c.narrow(from, until)
		return
	case c.begun[0].IsZero():
		c.origin, c.count = now, 0
	case c.longest > 0 && until.Sub(c.begun[0]) < c.shortest/4: // that one too, which began at another time then
	default:
		c.measure(now)
	}
	c.begun = now
	c.foresee()
}

// narrow learns more about when the current window has begun.
func (c *cycle) narrow(from, until time.Time) {
	if lo, hi := latest(from, c.begun[0]), earliest(until, c.begun[1]); !lo.After(hi) {
		c.begun = [2]time.Time{lo, hi}
		c.foresee()
	}
}

// foresee says when the window ends that has begun.
func (c *cycle) foresee() {
	c.from, c.until = time.Time{}, time.Time{}
	if c.longest > 0 {
		c.from, c.until = c.begun[0].Add(max(c.period, c.shortest)), c.begun[1].Add(c.longest)
	}
}

// measure narrows the period down by the time since the last window began, and since one long ago. When only one whole
// second is left it is that one.
func (c *cycle) measure(now [2]time.Time) {
	n := 1
	if c.longest > 0 { // some may have gone by unseen
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

// fits narrows the period down by two windows that are n apart, and reports whether that is possible.
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

// blurred reports whether the end of the current window is not known well enough to count on.
func (c *cycle) blurred() bool {
	return c.until.Sub(c.from) > time.Duration(blurred*float64(c.longest))
}

// blurred is the part of a period within which the end of a window is known well enough.
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
