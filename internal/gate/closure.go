package gate

import (
	"slices"
	"time"
)

// maxClosures bounds how many closures are remembered, and maxRefused how many were refused in one of them.
const maxClosures, maxRefused = 16, 64

// A closure is a time in which the gate was shut by throttles. What the laws have learned from them is taken back when all
// that were refused in it turn out to be throttled alone.
type closure struct {
	before  learned   // what was known
	refused []Subject // in it, that may yet have been refused for what the server takes
	unknown bool      // so was somebody whom nobody can tell of
}

// learned is what the laws that a throttle teaches know.
type learned struct {
	pace    pace
	windows windows
	slots   slots
	blamed  blame
	top     int
	above   int
}

// void reports whether the closure says nothing of what the server takes.
func (c *closure) void() bool { return !c.unknown && len(c.refused) == 0 }

// add notes who was refused.
func (c *closure) add(s Subject) {
	switch {
	case s == Subject{} || len(c.refused) == maxRefused:
		c.unknown = true
	case !slices.Contains(c.refused, s):
		c.refused = append(c.refused, s)
	}
}

// closures are the last ones, the oldest first.
type closures struct {
	all      []closure
	cut      time.Time // when the last one began
	answered time.Time // when the last answer was seen before that
	passed   int       // calls that were in flight then, or just before, with the first that was refused, and were answered
}

// last is the closure that began last, nil when there was none.
func (c *closures) last() *closure {
	if len(c.all) == 0 {
		return nil
	}
	return &c.all[len(c.all)-1]
}

// note notes what was refused, and what was answered nevertheless. It is asked before the laws learn.
func (c *Adaptive) note(s Signal) {
	l := &c.closures
	switch {
	case s.Throttled && s.NewEpoch && !s.Shut:
		if len(l.all) == maxClosures {
			l.all = slices.Delete(l.all, 0, 1)
		}
		before := learned{c.pace, c.windows, c.slots, c.blamed, c.top, c.above}
		before.pace.history.openings = slices.Clone(before.pace.history.openings)
		l.all = append(l.all, closure{before: before})
		l.last().add(s.Subject)
		l.cut, l.passed = s.At, 0
		if l.answered.After(s.Sent) {
			l.passed = 1
		}
	case s.Throttled && s.Shut && len(l.all) > 0:
		l.last().add(s.Subject)
	case s.Throttled || s.Answered == 0 || s.Outside:
	case !s.Shut:
		l.answered = s.At
	case !s.Sent.After(l.cut):
		l.passed += s.Answered
	}
}

// takeBack takes back what was learned from closures in which only those were refused that are throttled alone.
func (c *Adaptive) takeBack(s Signal) {
	l := &c.closures
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
	c.slots.why = "what was throttled is throttled alone: it says nothing of the others"
}

// reopened corrects what was learned of the calls in flight when the gate opens: as many as were answered are allowed, and
// when none was, although so many were refused, it is not their number that the server minds.
func (c *Adaptive) reopened(s Signal) {
	switch l := &c.closures; {
	case c.blamed != blameSlots || l.last() == nil:
	case l.passed == 0:
		c.slots.takeBack(l.last().before.slots, s.At)
		c.slots.why = "all calls were throttled: their number in flight is not what the server minds"
	default:
		c.slots.leave(l.passed)
	}
}
