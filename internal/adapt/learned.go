package adapt

import (
	"fmt"
	"time"

	"golang.org/x/time/rate"
)

const (
	// provenAfter is how long a rate that was given has to last, and provenUnits how many units have to be taken at it, to be
	// more than a mistake.
	provenAfter = time.Second
	provenUnits = goodEstimate
	// provenPart is which part of it has to be accepted meanwhile.
	provenPart = 0.7
	// givenPlateau is the plateau of a rate that was given: it is tried to be right before more is.
	givenPlateau = 15 * time.Second
	// givenUnits is how many units are used at least before more than a quota that was given is tried.
	givenUnits = 50
	// exactFor is for how many periods it can be told when a window ends whose period is not known exactly.
	exactFor = 10
	// clockError is the part of a period by which the end of a window may lie beyond it.
	clockError = 0.1
)

// Learned is what the laws know of a server beyond a single run. The zero Learned is nothing.
type Learned struct {
	Concurrency int           // calls in flight that the server takes; 0: unknown
	Refused     int           // calls in flight that were too many; 0: none were
	Rate        float64       // quota units a second that the server grants; 0: unknown
	Quota       int64         // units in each window; 0: no windows are known
	Window      time.Duration // how long one lasts
	Ends        time.Time     // the latest time at which the current one ends; zero: unknown
	Left        int64         // units that are left of it
}

// Learned returns what the laws know, when so many units were accepted.
func (c *Laws) Learned(accepted int64) (l Learned) {
	l.Concurrency, l.Refused = c.slots.learned()
	if w := &c.windows; w.on() {
		l.Quota, l.Window, l.Ends = w.limit, w.about(), w.cycle.until
		l.Left = max(0, min(w.limit, w.left(Signal{Accepted: accepted})))
		return l
	}
	l.Rate = c.pace.granted
	if c.pace.used >= 2*c.pace.plateau { // it has been above for long, and nothing was refused
		l.Rate = max(l.Rate, c.pace.rate)
	}
	return l
}

// StartFrom makes the laws begin with what was learned before, which may be wrong by now, and returns the setting to
// begin with. It must be called before anything else.
func (c *Laws) StartFrom(l Learned, start, ceiling Setting, now time.Time) Setting {
	c.slots.startFrom(l, start.Concurrency, ceiling.Concurrency, now)
	if c.slots.allowed > 0 {
		start.Concurrency = c.slots.allowed
	}
	if l.Quota > 0 && l.Window > 0 {
		c.windows.startFrom(l, now)
	} else if l.Rate > 0 {
		c.pace.startFrom(min(l.Rate, float64(ceiling.Rate)))
	}
	next := Setting{Rate: noLimit}
	for _, known := range [...]law{&c.pace, &c.windows} {
		next = known.bound(next, Signal{At: now})
	}
	start.Hold = next.Hold
	if next.Rate < start.Rate {
		start.Rate, start.Burst = next.Rate, burstAt(next.Rate, ceiling)
	}
	if l != (Learned{}) {
		start.Why = "as it was learned before"
	}
	return start
}

// burstAt is how many units may leave at one instant at a rate below the ceiling.
func burstAt(limit rate.Limit, ceiling Setting) int {
	return max(ceiling.Burst, int(float64(limit)*burstTime.Seconds()))
}

// learned returns the calls in flight that the server takes, and how many it has refused.
func (l *slots) learned() (concurrency, refused int) {
	if (l.climbing || l.trial) && l.best > 0 {
		return l.best, l.refused
	}
	return max(l.allowed, l.target), l.refused
}

// startFrom begins with as many calls in flight as without it, and grows to what is known by one for each answer: what the
// server no longer takes costs few refusals so.
func (l *slots) startFrom(known Learned, start, ceiling int, now time.Time) {
	target := min(known.Concurrency, ceiling)
	if known.Refused > 0 {
		target = min(target, max(1, known.Refused-1))
	}
	if target > 0 {
		*l = slots{
			allowed: min(start, target), target: target, refused: known.Refused, climbing: known.Refused == 0,
			hold: minHold, holdUntil: now.Add(minHold),
		}
	}
}

// startFrom begins with a rate that is to be proven.
func (l *pace) startFrom(known float64) {
	*l = pace{granted: max(leastRate, known), startBelow: wobble, factor: 1, given: true}
	l.accepted = l.granted
	l.plateau = min(maxPlateau, max(givenPlateau, seconds(plateauUnits/l.granted)))
	l.grow()
}

// proven reports, of a rate that was given and is refused now, whether the server has taken about as much for a while. What
// was not proven is forgotten: it says nothing about where the limit lies.
func (l *pace) proven(s Signal) bool {
	took := s.Sent.Sub(l.first)
	return took >= provenAfter && s.Accepted >= provenUnits && float64(s.Accepted) >= provenPart*l.rate*took.Seconds()
}

// prove learns that the server has taken a rate that was given for a while, and refuses it now: it is about right.
func (l *pace) prove() {
	l.granted = max(leastRate, min(l.granted, belowThrottled*l.refusal))
	l.startBelow, l.plateau = wobble, min(maxPlateau, max(minPlateau, plateauBlackouts*l.blackouts, seconds(plateauUnits/l.granted)))
}

// startFrom begins in the middle of a window.
func (w *windows) startFrom(known Learned, now time.Time) {
	*w = windows{limit: known.Quota, step: 1, interval: max(givenUnits, known.Quota), given: 2}
	exact := w.cycle.adopt(known.Window)
	ends, left := known.Ends, max(0, min(known.Left, known.Quota))
	latest := now.Add(known.Window + time.Duration(clockError*float64(known.Window)))
	switch {
	case ends.IsZero() || ends.After(latest) || !exact && now.Sub(ends) > known.Window*exactFor:
		ends, left = now.Add(known.Window), known.Quota
	case !ends.After(now):
		past := now.Sub(ends)
		ends, left = now.Add(known.Window-past%known.Window), known.Quota
	}
	w.base = left - w.limit
	w.cycle.begun[1] = ends.Add(-known.Window)
	w.cycle.begun[0] = w.cycle.begun[1].Add(-time.Duration(blurred * float64(known.Window)))
	w.cycle.origin = w.cycle.begun
	w.cycle.foresee()
}

// adopt takes over a period that was learned before, and reports whether it is known exactly: it is when it is one of whole
// seconds, as the law has them, once it is sure.
func (c *cycle) adopt(period time.Duration) (exact bool) {
	if c.fix(period); period%time.Second == 0 {
		return true
	}
	within := time.Duration(blurred * float64(period))
	c.period, c.shortest, c.longest = 0, period-within, period+within
	return false
}

// prove compares the end of a blackout with what was given, and corrects that at once.
func (w *windows) prove(s Signal, from, until time.Time, units int64) {
	astray := until.Before(w.cycle.from) || w.surprise && from.After(w.cycle.until)
	w.given--
	switch {
	case !astray && !w.surprise:
		w.given = 0
		w.confirm(s, from, until, units)
		return
	case astray && w.given == 0:
		*w = windows{opened: s.Sent, accepted: s.Accepted, why: "no windows as they were learned before"}
		return
	case astray: // what was learned may be right all the same, with windows that begin at other times
		period := w.about()
		w.cycle = cycle{}
		w.cycle.adopt(period)
		w.why = fmt.Sprintf("%d in each %v: as it was learned before, from another time on", w.limit, period)
	default:
		w.given, w.limit, w.interval = 0, max(1, s.Accepted-1-w.base), 1
		w.why = fmt.Sprintf("%d in each %v: fewer than it was learned before", w.limit, w.about())
	}
	w.extra, w.used, w.step, w.base = 0, 0, 1, s.Accepted-1
	w.cycle.begins(from, until)
}
