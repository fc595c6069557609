// Package adapt learns a server's limits from its responses. Given observations with their times it returns numbers,
// and no more: it has no clock, lock, timer, channel or goroutine, and does not know the gate that asks it. See [Laws].
package adapt

import (
	"time"

	"golang.org/x/time/rate"
)

const (
	// burstTime is how much of a learned rate may leave at one instant, since timers wake about a millisecond late.
	burstTime = 10 * time.Millisecond
	// maxRateBlames is after how many cuts in a row, each with more calls in flight than any that was accepted, the rate is no
	// longer blamed.
	maxRateBlames = 4
	// noLimit is the rate of a law that knows of no limit.
	noLimit = rate.Inf
)

// A law turns one kind of evidence into limits on the settings that it controls.
type law interface {
	learn(e evidence)
	// bound narrows a setting to what the law allows now. (A pointer parameter would allocate.)
	bound(next Setting, s Signal) Setting
	// reason returns, once, why the law's limits have changed; "" if they have not.
	reason() string
}

// evidence is a signal with what was concluded from it.
type evidence struct {
	Signal
	blamed    blame     // the cause of a throttle
	blackout  *blackout // the blackout under way, or the one that the signal ends
	full      bool      // all slots were in use when the call was sent
	ceiling   int       // upper limit of the concurrency
	rateKnown bool      // a law knows a rate
	windows   bool      // the law of windows is in effect
}

// Laws learns a server's limits from signals: it is the gate's controller. It consists of four laws, none of which
// changes a setting without evidence, and each of which says in its file when it gives up what it has learned:
//
//   - budget: headers tell what remains. Sets Rate and Hold.
//   - windows: the server throttles all calls for long times. Sets Rate, Hold and Reopen.
//   - pace: the server throttled without headers. Sets Rate and Pause.
//   - slots: responses and their latency. Sets Concurrency, and Rate while it tries a refused concurrency again.
//
// A throttle is blamed on the quota if the headers or the windows say that it is used up; else on the rate, if the call had
// to wait for the rate or as many calls in flight were accepted before; else on the number of calls in flight. What was
// learned from throttles is taken back when only items were throttled that are throttled alone: see shutPeriod.
//
// Laws must not be used by several goroutines at once.
type Laws struct {
	budget  budget
	windows windows
	pace    pace
	slots   slots

	blackout    blackout
	shutPeriods shutPeriods
	blamed      blame // cause of the last cut
	top         int   // highest number of calls in flight at which one was accepted since that cut
	above       int   // cuts in a row by a call with more in flight than top
}

// blame is the cause of a throttle.
type blame uint8

const (
	noBlame blame = iota
	blameQuota
	blameRate
	blameSlots
)

// New returns laws that know nothing yet.
func New() *Laws { return &Laws{} }

// Adjust learns from a signal and returns the setting from now on. It must be called in the order in which responses
// were seen.
func (c *Laws) Adjust(current, ceiling Setting, s Signal) Setting {
	c.slots.adopt(current.Concurrency)
	c.note(s)
	if len(s.Own) > 0 {
		c.takeBack(s)
	}
	c.blackout.observe(s)
	e := evidence{Signal: s, blackout: &c.blackout, full: s.Level >= current.Concurrency, ceiling: ceiling.Concurrency}
	c.budget.learn(e) // these two tell whether a throttle was expected
	c.windows.learn(e)
	e.blamed = c.blame(s)
	if s.Opened {
		c.reopened(s)
	}
	e.windows = c.windows.on()
	c.pace.learn(e)
	e.rateKnown = e.windows || !c.pace.off()
	c.slots.learn(e)

	next := Setting{Concurrency: current.Concurrency, Rate: noLimit, Why: current.Why}
	for _, l := range [...]law{&c.pace, &c.windows, &c.budget, &c.slots} { // a later law overrides an earlier one
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

// HeedsOutside reports whether an accepted signal with Outside that tells of no quota matters while there is no rate
// and the gate is open. It does not: another signal counts the same response.
func (c *Laws) HeedsOutside() bool { return false }

// blame returns the cause of a throttle. A throttle of an old epoch only refines a last cut that was blamed on the calls in
// flight.
func (c *Laws) blame(s Signal) blame {
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
	case s.WaitedForRate && !c.pace.off() || s.Level <= c.slots.proven:
		blamed = blameRate
	}
	if !s.NewEpoch && (c.blamed != blameSlots || s.Level == 0 || !s.Shut) {
		return noBlame
	}
	if s.NewEpoch && !s.Shut {
		if c.above++; s.Level <= c.top {
			c.above = 0
		}
		// A rate is also exceeded with few calls in flight. If the throttled calls always have more, the rate is not the cause.
		if blamed == blameRate && c.above >= maxRateBlames {
			c.above, c.slots.proven, blamed = 0, c.top, blameSlots
		}
		c.top = 0
	}
	c.blamed = blamed
	return blamed
}
