package adapt

import (
	"fmt"
	"time"

	"golang.org/x/time/rate"
)

const (
	// provenAfter is how long a restored rate must have been in use, and provenUnits how many units must have been
	// accepted meanwhile, for a throttle to show that the rate is about right. Otherwise the rate is forgotten.
	provenAfter = time.Second
	provenUnits = goodEstimate
	// provenPart is the part of the restored rate that must have been accepted meanwhile.
	provenPart = 0.7
	// restoredPlateau is how long a restored rate is kept before a higher one is tried.
	restoredPlateau = 15 * time.Second
	// restoredUnits is how many units are used at least before more than a restored quota is tried.
	restoredUnits = 50
	// exactFor is for how many periods the end of a window can be predicted if its period is not known exactly.
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

// StartFrom restores what was learned before, which may be wrong by now, and returns the setting to begin with. It must
// be called before anything else.
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
		start.Why = "restored by StartFrom"
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

// startFrom starts as low as without it and adds one call per response up to the known number, so that an outdated
// value costs few refusals.
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

// startFrom restores a rate, which is not proven yet.
func (l *pace) startFrom(known float64) {
	*l = pace{granted: max(leastRate, known), startBelow: wobble, factor: 1, restored: true}
	l.accepted = l.granted
	l.plateau = min(maxPlateau, max(restoredPlateau, seconds(plateauUnits/l.granted)))
	l.grow()
}

// proven reports, when a restored rate is throttled, whether the server has accepted about as much for a while. A rate
// that is not proven is forgotten: it says nothing about where the limit lies.
func (l *pace) proven(s Signal) bool {
	took := s.Sent.Sub(l.first)
	return took >= provenAfter && s.Accepted >= provenUnits && float64(s.Accepted) >= provenPart*l.rate*took.Seconds()
}

// prove learns that the server has accepted a restored rate for a while, and throttles now: the rate is about right.
func (l *pace) prove() {
	l.granted = max(leastRate, min(l.granted, belowThrottled*l.refusal))
	l.startBelow, l.plateau = wobble, min(maxPlateau, max(minPlateau, plateauBlackouts*l.blackouts, seconds(plateauUnits/l.granted)))
}

// startFrom restores windows, and begins in the middle of one.
func (w *windows) startFrom(known Learned, now time.Time) {
	*w = windows{limit: known.Quota, step: 1, interval: max(restoredUnits, known.Quota), restored: 2}
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

// adopt restores a period. exact reports whether the period is in whole seconds, as measured periods are.
func (c *cycle) adopt(period time.Duration) (exact bool) {
	if c.fix(period); period%time.Second == 0 {
		return true
	}
	within := time.Duration(blurred * float64(period))
	c.period, c.shortest, c.longest = 0, period-within, period+within
	return false
}

// prove compares the end of a blackout with the restored windows, and corrects them at once.
func (w *windows) prove(s Signal, from, until time.Time, units int64) {
	astray := until.Before(w.cycle.from) || w.surprise && from.After(w.cycle.until)
	w.restored--
	switch {
	case !astray && !w.surprise:
		w.restored = 0
		w.confirm(s, from, until, units)
		return
	case astray && w.restored == 0:
		*w = windows{opened: s.Sent, accepted: s.Accepted, why: "the restored windows were wrong: no windows are assumed"}
		return
	case astray: // the restored windows may be right, but begin at other times
		period := w.about()
		w.cycle = cycle{}
		w.cycle.adopt(period)
		w.why = fmt.Sprintf("%d in each %v: restored, with a new start time", w.limit, period)
	default:
		w.restored, w.limit, w.interval = 0, max(1, s.Accepted-1-w.base), 1
		w.why = fmt.Sprintf("%d in each %v: lower than the restored quota", w.limit, w.about())
	}
	w.extra, w.used, w.step, w.base = 0, 0, 1, s.Accepted-1
	w.cycle.begins(from, until)
}
