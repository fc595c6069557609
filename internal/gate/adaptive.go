package gate

import (
	"time"

	"golang.org/x/time/rate"
)

const (
	// burstTime is how much of a learned rate may leave at one instant: timers wake about a millisecond late.
	burstTime = 10 * time.Millisecond
	// mistaken is after how many throttles of calls with more in flight than any answered the rate is no longer blamed.
	mistaken = 4
	// noLimit is the rate of a law that knows of no limit.
	noLimit = rate.Inf
)

// A law turns one kind of evidence into bounds on the knobs that it moves.
type law interface {
	learn(e evidence)
	// bound narrows a setting down to what the law allows by now. (It takes no pointer, which would allocate.)
	bound(next Setting, s Signal) Setting
	// reason returns why the law has changed its mind, once, and "" if it has not.
	reason() string
}

// evidence is a signal and what is made of it.
type evidence struct {
	Signal
	blamed  blame   // for a throttle
	outage  *outage // under way, or the one that the signal ends
	full    bool    // all slots were in use when the call was sent
	ceiling int     // calls that may ever be in flight
	paced   bool    // a law knows a rate
	windows bool    // the law of windows knows of some
}

// Adaptive is the controller that learns a server's limit from its answers. It is made of four laws, none of which
// moves anything before there is evidence for it:
//
//   - budget: the headers tell what remains. Moves Rate and Hold.
//   - windows: the server refuses everything for long times. Moves Rate, Hold and Reopen.
//   - pace: the server throttled, and told nothing. Moves Rate and Pause.
//   - slots: answers and their latency. Moves Concurrency, and Rate while it tries a refused one again.
//
// A throttle is blamed on the quota if the headers or the windows say that it is used up; else on the rate, if the call
// had to wait for the rate, or if as many calls in flight were answered before; else on the number of calls in flight.
type Adaptive struct {
	budget  budget
	windows windows
	pace    pace
	slots   slots

	outage outage
	blamed blame // for the last cut
	top    int   // most calls in flight of which one was answered since that cut
	above  int   // cuts in a row by a call with more in flight than that
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
	c.slots.adopt(current.Concurrency)
	c.outage.observe(s)
	e := evidence{Signal: s, outage: &c.outage, full: s.Level >= current.Concurrency, ceiling: ceiling.Concurrency}
	c.budget.learn(e) // these two say whether a throttle is no surprise
	c.windows.learn(e)
	e.blamed = c.blame(s)
	e.windows = c.windows.on()
	c.pace.learn(e)
	e.paced = e.windows || !c.pace.off()
	c.slots.learn(e)

	next := Setting{Concurrency: current.Concurrency, Rate: noLimit, Why: current.Why}
	for _, l := range [...]law{&c.pace, &c.windows, &c.budget, &c.slots} { // the later knows better
		next = l.bound(next, s)
		if why := l.reason(); why != "" {
			next.Why = why
		}
	}
	next.Burst = ceiling.Burst
	if next.Rate < ceiling.Rate {
		next.Burst = burstAt(next.Rate, ceiling)
	}
	return next
}

// blame blames a throttle. Those of an old epoch only tell more about the last cut, when that was blamed on the calls in
// flight.
func (c *Adaptive) blame(s Signal) blame {
	if !s.Throttled {
		if s.Answered > 0 && !s.Outside {
			c.top = max(c.top, s.Level)
		}
		return noBlame
	}
	blamed := blameSlots
	switch {
	case c.budget.explains(s) || c.windows.on():
		blamed = blameQuota
	case s.Paced && !c.pace.off() || s.Level <= c.slots.good:
		blamed = blameRate
	}
	if !s.NewEpoch && (c.blamed != blameSlots || s.Level == 0 || !s.Shut) {
		return noBlame
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
	c.blamed = blamed
	return blamed
}
