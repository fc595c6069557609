package gate

import (
	"fmt"
	"time"

	"golang.org/x/time/rate"
)

const (
	// climbGain is the part of a greater concurrency that has to come back as throughput while it doubles. It lets
	// a server pass that is slowed down by the calls in flight, but not one that only queues them.
	climbGain = 0.2
	// climbError is the error of the throughput that is put up with while doubling.
	climbError = 0.05
	// climbLeast is how many answers it takes at least to tell how much they differ.
	climbLeast = 24
	// trialGain is the same for the small steps later, of which there are many.
	trialGain = 0.35
	trialStep = 1.25
	// minHold and maxHold bound the time between two trials of more concurrency.
	minHold = 10 * time.Second
	maxHold = 2 * time.Minute
	// firstRetry is how long a concurrency that was refused is not tried again, the first time, and retryGrowth how
	// much longer each next time.
	firstRetry  = 2 * time.Second
	retryGrowth = 3
	// evenly is how much faster than they are answered the calls leave when a refused concurrency is tried again: it
	// must not be their leaving at one instant that is refused.
	evenly = 1.1
	// refuted is how many answers it takes to know that a concurrency is allowed that was refused before.
	refuted = 3
)

// slots is the law of the concurrency. It starts gently and doubles for as long as that brings throughput, goes back
// below what was refused, and tries a little more from time to time. Throughput is the number of calls in flight
// divided by their mean latency (Little's law), so that latency alone never counts against the server.
type slots struct {
	allowed int // calls in flight
	target  int // to which allowed grows by one for each answer
	good    int // calls in flight at which several were answered
	higher  int // answers with more than that
	lowest  int // calls in flight of which they were at least
	refused int // calls in flight at which one was refused; 0: none
	passed  int // answers with that many in flight since

	stage     time.Time // since when all calls were sent at this concurrency
	calls     int       // answered of them
	busy      float64   // the sum of their latencies in seconds
	squares   float64   // and of the squares of those
	climbing  bool
	trial     bool
	best      int // the concurrency to go back to
	bestFlow  float64
	hold      time.Duration
	holdUntil time.Time
	paced     float64 // calls a second while a refused concurrency is tried; 0: no limit
	why       string
}

// adopt takes over what somebody else has set.
func (l *slots) adopt(concurrency int) {
	if concurrency == l.allowed {
		return
	}
	*l = slots{allowed: concurrency, target: concurrency, good: min(l.good, concurrency), climbing: true, hold: minHold}
}

// learn implements law.
func (l *slots) learn(e evidence) {
	switch {
	case e.blamed == blameSlots:
		l.refusedAt(e.Signal)
	case e.blamed == blameRate:
		l.cleared()
	case e.Throttled || e.Answered == 0:
	default:
		l.answered(e.Signal, e.ceiling)
		if e.Opened && !e.paced || e.Recovered {
			l.restart()
		}
	}
}

// bound implements law.
func (l *slots) bound(next Setting, _ Signal) Setting {
	next.Concurrency = l.allowed
	if l.paced > 0 {
		next.Rate = min(next.Rate, rate.Limit(l.paced))
	}
	return next
}

// reason implements law.
func (l *slots) reason() string { return once(&l.why) }

// answered learns from an answer.
func (l *slots) answered(s Signal, ceiling int) {
	if s.Outside {
		return
	}
	l.allow(s.Level)
	if l.refused > 0 && s.Level >= l.refused {
		if l.passed++; l.passed >= refuted {
			l.why = fmt.Sprintf("concurrency %d: the server takes it by now", l.allowed)
			l.cleared()
			l.measure(s.At)
		}
	}
	if s.InFlight < l.allowed {
		return // what is allowed is not even used, because of the rate or for lack of work: no evidence for more
	}
	if l.allowed < l.target {
		if l.allowed = min(l.allowed+s.Answered, l.target); l.allowed == l.target {
			l.measure(s.At)
		}
		return
	}
	if s.Sent.Before(l.stage) {
		return
	}
	l.calls += s.Answered
	latency := s.Latency.Seconds()
	l.busy += latency * float64(s.Answered)
	l.squares += latency * latency * float64(s.Answered)
	if l.calls >= l.need() {
		flow := float64(l.allowed) * float64(l.calls) / max(l.busy, 1e-9)
		l.judge(flow, s.At, ceiling)
		l.measure(s.At)
	}
}

// allow notes that a call with so many in flight was answered. One alone proves little: calls that leave at one instant
// arrive in any order.
func (l *slots) allow(level int) {
	if level <= l.good {
		return
	}
	if l.higher++; l.higher == 1 || level < l.lowest {
		l.lowest = level
	}
	if l.higher >= refuted {
		l.good, l.higher = l.lowest, 0
	}
}

// need returns how many answers tell the throughput well enough: a round at least, and while doubling as many as the
// spread of the latencies asks for.
func (l *slots) need() int {
	switch {
	case l.climbing:
		mean := l.busy / float64(l.calls)
		spread := max(0, l.squares/float64(l.calls)/max(mean*mean, 1e-18)-1) // the variance relative to the mean
		return max(l.allowed, climbLeast, min(12*l.allowed, int(spread/(climbError*climbError))))
	case l.refused > 0:
		return max(16, 2*l.allowed)
	default:
		return max(100, 6*l.allowed)
	}
}

// judge decides what follows from the throughput at this concurrency.
func (l *slots) judge(flow float64, now time.Time, ceiling int) {
	gain := trialGain
	if l.climbing {
		gain = climbGain
	}
	more := float64(l.allowed)/float64(max(1, l.best)) - 1
	better := l.bestFlow == 0 || flow >= l.bestFlow*(1+gain*more)
	switch {
	case (l.climbing || l.trial) && !better:
		l.why = fmt.Sprintf("concurrency %d: %d brought no more throughput", l.best, l.allowed)
		l.allowed, l.target = l.best, l.best
		l.rest(now, l.trial)
	case l.trial:
		l.why = fmt.Sprintf("concurrency %d: more throughput than with %d", l.allowed, l.best)
		l.hold = minHold
		l.best, l.bestFlow = l.allowed, flow
		l.rest(now, false)
	case l.climbing:
		l.best, l.bestFlow = l.allowed, flow
		if l.target = l.within(2*l.allowed, ceiling); l.target == l.allowed {
			l.rest(now, false)
		}
	default:
		l.best, l.bestFlow = l.allowed, flow
		if now.Before(l.holdUntil) {
			return
		}
		step := l.within(max(l.allowed+1, int(float64(l.allowed)*trialStep)), ceiling)
		if step == l.allowed && l.refused > l.allowed {
			step = min(l.refused, ceiling) // perhaps the server allows more by now
		}
		l.target, l.trial = step, step > l.allowed
		if l.trial && l.refused > 0 {
			l.paced = evenly * flow * float64(step) / float64(l.allowed)
		}
	}
}

// within keeps clear of what was refused.
func (l *slots) within(n, ceiling int) int {
	if l.refused > 0 {
		ceiling = min(ceiling, l.refused-1)
	}
	return max(l.allowed, min(n, ceiling))
}

// rest holds this concurrency for a while, longer if a trial has failed.
func (l *slots) rest(now time.Time, failed bool) {
	l.climbing, l.trial = false, false
	l.holdUntil = now.Add(l.hold)
	if failed {
		l.hold = min(2*l.hold, maxHold)
	}
	l.paced = 0
}

func (l *slots) measure(from time.Time) { l.stage, l.calls, l.busy, l.squares = from, 0, 0, 0 }

// refusedAt learns from a throttle for which nothing but the calls in flight can be blamed.
func (l *slots) refusedAt(s Signal) {
	if l.refused == 0 {
		l.hold = firstRetry
	} else if l.trial {
		l.hold = min(retryGrowth*l.hold, maxHold)
	}
	l.refused, l.passed = max(1, s.Level), 0
	l.target = max(1, min(l.target, s.Level-1))
	l.allowed = min(l.allowed, l.target)
	l.best, l.bestFlow = l.target, 0
	l.rest(s.At, false)
	l.measure(s.At)
	l.why = fmt.Sprintf("concurrency %d: the server throttled with %d in flight", l.target, s.Level)
}

// cleared takes back what was learned from throttles that turn out to have had another reason.
func (l *slots) cleared() {
	if l.refused == 0 {
		return
	}
	l.refused, l.climbing, l.trial, l.bestFlow, l.paced, l.hold = 0, true, false, 0, 0, minHold
	l.target = max(l.target, l.good)
}

// takeBack goes back to what was known before some throttles, but for what was learned of how many are answered.
func (l *slots) takeBack(was slots, now time.Time) {
	was.good = max(was.good, l.good)
	was.allowed = max(was.allowed, l.allowed)
	was.target = max(was.target, l.target, was.allowed)
	*l = was
	l.measure(now)
}

// leave allows as many calls in flight as were answered while others were refused.
func (l *slots) leave(answered int) {
	if l.refused > 0 && l.refused <= answered {
		l.refused = answered + 1
		l.target = max(l.target, answered)
		l.best = l.target
	}
}

// restart grows from little again, after the gate was shut: many calls at once could find but few tokens.
func (l *slots) restart() {
	l.target = max(l.target, l.allowed)
	if l.allowed = min(l.allowed, 2); l.allowed == l.target {
		l.measure(time.Time{})
	}
}
