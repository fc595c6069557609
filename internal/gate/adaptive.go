package gate

import (
	"time"

	"golang.org/x/time/rate"
)

// Adaptive is the controller that learns a server's limit from its answers. It is made of three laws, each of which
// moves one knob, and none before there is evidence for it:
//
//   - budget: the headers tell what remains. Moves Rate and Hold.
//   - pace: the server throttled, and told nothing. Moves Rate and Pause.
//   - slots: answers and their latency. Moves Concurrency.
//
// A throttle is blamed on the quota if the headers say that it is used up; else on the rate, if the call had to wait
// for the rate, or if as many calls in flight were answered before; else on the number of calls in flight.
type Adaptive struct {
	budget  budget
	outage  outage
	windows windows
	pace    pace
	slots   slots
	blamed  blame // for the last cut
	top     int   // most calls in flight of which one was answered since that cut
	above   int   // cuts in a row by a call with more in flight than that
}

// blame is what a throttle is put down to.
type blame uint8

const (
	noBlame blame = iota
	blameQuota
	blameRate
	blameSlots
)

// NewAdaptive returns a controller that knows nothing yet.
func NewAdaptive() *Adaptive { return &Adaptive{} }

// Adjust implements [Controller].
func (c *Adaptive) Adjust(current, ceiling Setting, s Signal) Setting {
	next := current
	c.slots.adopt(current.Concurrency)
	c.outage.observe(s)
	c.windows.observe(s, &c.outage)
	c.pace.notice(s)
	c.budget.observe(s)
	switch {
	case s.Throttled:
		c.throttled(s)
	case s.Answered > 0:
		if !s.Outside {
			c.top = max(c.top, s.Level)
		}
		c.slots.answered(s, ceiling.Concurrency)
		if s.Opened {
			c.pace.opened(s, &c.outage)
		}
		c.pace.answered(s, s.Level >= current.Concurrency, !c.windows.on())
		if s.Opened && c.pace.off() && !c.windows.on() {
			c.slots.restart()
		}
	}
	next.Concurrency = c.slots.allowed
	next.Rate, next.Hold = c.budget.limit(s)
	next.Pause, next.Reopen = c.pace.pause(), time.Time{}
	if c.windows.on() {
		limit, hold := c.windows.limits(s)
		next.Rate, next.Pause, next.Reopen = min(next.Rate, limit), 0, c.windows.reopen()
		if next.Hold.Until.IsZero() {
			next.Hold = hold
		}
	} else {
		next.Rate = min(next.Rate, c.pace.limit())
	}
	if even := rate.Limit(c.slots.paced); even > 0 {
		next.Rate = min(next.Rate, even)
	}
	next.Burst = ceiling.Burst
	if next.Rate < ceiling.Rate {
		next.Burst = max(ceiling.Burst, int(float64(next.Rate)*burstTime.Seconds()))
	}
	for _, why := range []*string{&c.budget.why, &c.windows.why, &c.pace.why, &c.slots.why} {
		if *why != "" {
			next.Why, *why = *why, ""
		}
	}
	return next
}

// throttled blames a throttle. Those of an old epoch only tell more about the last cut.
func (c *Adaptive) throttled(s Signal) {
	blamed := blameSlots
	switch {
	case c.budget.explains(s) || c.windows.on():
		blamed = blameQuota
	case s.Paced && !c.pace.off() || s.Level <= c.slots.good:
		blamed = blameRate
	}
	if !s.NewEpoch && (c.blamed != blameSlots || s.Level == 0 || !s.Shut) {
		return
	}
	if s.NewEpoch && !s.Shut {
		if c.above++; s.Level <= c.top {
			c.above = 0
		}
		// A rate is exceeded with few calls in flight, too. What always has more of them is no matter of the rate.
		if blamed == blameRate && c.above >= mistaken {
			c.above, c.slots.good, blamed = 0, c.top, blameSlots
		}
		c.top = 0
	}
	switch c.blamed = blamed; blamed {
	case blameQuota:
		switch {
		case !s.NewEpoch:
		case c.windows.on():
			c.windows.why = c.windows.blame(s)
		default:
			c.budget.why = "throttled: the quota is used up, as the headers say"
		}
	case blameRate:
		c.slots.cleared()
		c.pace.refused(s)
	case blameSlots:
		c.slots.refusedAt(s)
	}
}

// burstTime is how much of a learned rate may leave at one instant: timers wake about a millisecond late.
const burstTime = 10 * time.Millisecond

// mistaken is after how many throttles of calls with more in flight than any answered the rate is no longer blamed.
const mistaken = 4

// noLimit is the rate of a law that knows of no limit.
const noLimit = rate.Inf
