package adapt

import (
	"slices"
	"time"
)

// maxShutPeriods is how many shut periods are kept, and maxRefused how many subjects in each.
const maxShutPeriods, maxRefused = 16, 64

// shutPeriod is one time in which a throttle shut the gate. If all items that were throttled in it turn out to be
// throttled alone, what the laws learned from it is taken back.
type shutPeriod struct {
	before  learned   // state of the laws before it
	refused []Subject // throttled in it, and not known to be throttled alone
	unknown bool      // a call with an unknown subject was throttled too
}

// learned is the state of the laws that learn from throttles.
type learned struct {
	pace    pace
	windows windows
	slots   slots
	blamed  blame
	top     int
	above   int
}

// void reports whether the shut period says nothing about the server's limits.
func (c *shutPeriod) void() bool { return !c.unknown && len(c.refused) == 0 }

// add notes the subject of a throttled call.
func (c *shutPeriod) add(s Subject) {
	switch {
	case s == Subject{} || len(c.refused) == maxRefused:
		c.unknown = true
	case !slices.Contains(c.refused, s):
		c.refused = append(c.refused, s)
	}
}

// shutPeriods are the last shut periods, the oldest first.
type shutPeriods struct {
	all          []shutPeriod
	cut          time.Time // when the last one began
	lastAccepted time.Time // when the last accepted call before that was seen
	passed       int       // calls that were in flight together with the first throttled one, and were accepted
}

// last returns the shut period that began last, nil when there was none.
func (c *shutPeriods) last() *shutPeriod {
	if len(c.all) == 0 {
		return nil
	}
	return &c.all[len(c.all)-1]
}

// note records which calls were throttled in a shut period, and how many were accepted. It is called before the laws
// learn.
func (c *Laws) note(s Signal) {
	l := &c.shutPeriods
	switch {
	case s.Throttled && s.NewEpoch && !s.Shut:
		if len(l.all) == maxShutPeriods {
			l.all = slices.Delete(l.all, 0, 1)
		}
		before := learned{c.pace, c.windows, c.slots, c.blamed, c.top, c.above}
		before.pace.history.openings = slices.Clone(before.pace.history.openings)
		l.all = append(l.all, shutPeriod{before: before})
		l.last().add(s.Subject)
		l.cut, l.passed = s.At, 0
		if l.lastAccepted.After(s.Sent) {
			l.passed = 1
		}
	case s.Throttled && s.Shut && len(l.all) > 0:
		l.last().add(s.Subject)
	case s.Throttled || s.Answered == 0 || s.Outside:
	case !s.Shut:
		l.lastAccepted = s.At
	case !s.Sent.After(l.cut):
		l.passed += s.Answered
	}
}

// takeBack takes back what was learned from shut periods in which only items that are throttled alone were throttled.
func (c *Laws) takeBack(s Signal) {
	l := &c.shutPeriods
	for k := range l.all {
		of := &l.all[k]
		of.refused = slices.DeleteFunc(of.refused, func(other Subject) bool { return slices.Contains(s.Own, other) })
	}
	k := len(l.all)
	for k > 0 && l.all[k-1].void() {
		k--
	}
	if k == len(l.all) {
		return
	}
	was := l.all[k].before
	l.all = slices.Delete(l.all, k, len(l.all))
	last := c.pace.last
	c.pace, c.windows, c.blamed, c.top, c.above = was.pace, was.windows, was.blamed, was.top, was.above
	c.pace.last = last
	c.slots.takeBack(was.slots, s.At)
	c.slots.why = "the throttled items are throttled alone, which says nothing about the others"
}

// reopened corrects the limit of calls in flight when the gate opens. As many are allowed as were accepted; if none
// was, their number is not the cause.
func (c *Laws) reopened(s Signal) {
	switch l := &c.shutPeriods; {
	case c.blamed != blameSlots || l.last() == nil:
	case l.passed == 0:
		c.slots.takeBack(l.last().before.slots, s.At)
		c.slots.why = "all calls were throttled, so the number in flight is not the cause"
	default:
		c.slots.allowAccepted(l.passed)
	}
}
