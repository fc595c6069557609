package adapt

import (
	"fmt"
	"time"

	"golang.org/x/time/rate"
)

const (
	// climbGain is the part of an increase in concurrency that must show as throughput while doubling. A server that gets
	// slower with more calls in flight meets it; a server that only queues calls does not.
	climbGain = 0.2
	// climbError is the relative error of the throughput that is tolerated while doubling.
	climbError = 0.05
	// minClimbResponses is how many responses are needed at least to estimate the spread of their latencies.
	minClimbResponses = 24
	// trialGain is the same as climbGain for the later trials, and trialStep the factor of the concurrency in each.
	trialGain = 0.35
	trialStep = 1.25
	// minHold and maxHold bound the time between two trials of more concurrency.
	minHold = 10 * time.Second
	maxHold = 2 * time.Minute
	// firstRetry is how long a concurrency is not tried again after its first refusal, and retryGrowth the factor for each
	// further refusal.
	firstRetry  = 2 * time.Second
	retryGrowth = 3
	// retryPace is the rate of calls, relative to the throughput, while a refused concurrency is tried again. It spaces the
	// calls, so that a refusal is not due to a burst.
	retryPace = 1.1
	// concurrencyProof is how many responses prove that a concurrency is allowed, even if it was refused before.
	concurrencyProof = 3
)

// slots is the law of the concurrency. It doubles while that increases throughput, goes back below a concurrency that was
// refused, and tries a little more from time to time. Throughput is the number of calls in flight divided by their mean
// latency (Little's law), so a high latency alone never lowers the concurrency.
//
// Its evidence is the throughput at each concurrency, and throttles that are blamed on the calls in flight. A refused
// concurrency is forgotten when several calls are accepted at it, when a throttle is blamed on the rate, or when none
// of the calls in flight with the throttled one was accepted.
type slots struct {
	allowed     int // calls in flight
	target      int // up to which allowed grows by one for each response
	proven      int // highest number of calls in flight at which several were accepted
	higherCount int // responses with more calls in flight than proven
	higherLeast int // the lowest number in flight among those responses
	refused     int // number of calls in flight at which one was throttled; 0: none
	passed      int // responses since then with that many in flight

	measuredSince  time.Time     // since when all calls were sent at the current concurrency
	calls          int           // responses to these calls
	latencySum     float64       // sum of their latencies in seconds
	latencySquares float64       // sum of the squared latencies
	climbing       bool          // doubling
	trial          bool          // a higher concurrency is tried
	best           int           // the concurrency to go back to
	bestFlow       float64       // throughput at best; 0: unknown
	hold           time.Duration // until the next trial
	holdUntil      time.Time
	retryRate      float64 // calls a second while a refused concurrency is tried; 0: no limit
	why            string
}

// adopt takes over a concurrency that was set from outside.
func (l *slots) adopt(concurrency int) {
	if concurrency == l.allowed {
		return
	}
	*l = slots{allowed: concurrency, target: concurrency, proven: min(l.proven, concurrency), climbing: true, hold: minHold}
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
		l.noteAccepted(e.Signal, e.ceiling)
		if e.Opened && !e.rateKnown || e.Recovered {
			l.restart()
		}
	}
}

// bound implements law.
func (l *slots) bound(next Setting, _ Signal) Setting {
	next.Concurrency = l.allowed
	if l.retryRate > 0 {
		next.Rate = min(next.Rate, rate.Limit(l.retryRate))
	}
	return next
}

// reason implements law.
func (l *slots) reason() string { return once(&l.why) }

// noteAccepted learns from a response that was no throttle.
func (l *slots) noteAccepted(s Signal, ceiling int) {
	if s.Outside {
		return
	}
	l.allow(s.Level)
	if l.refused > 0 && s.Level >= l.refused {
		if l.passed++; l.passed >= concurrencyProof {
			l.why = fmt.Sprintf("concurrency %d: the server takes it by now", l.allowed)
			l.cleared()
			l.measure(s.At)
		}
	}
	if s.InFlight < l.allowed {
		return // not all slots are in use, because of the rate or for lack of work: no evidence for more
	}
	if l.allowed < l.target {
		if l.allowed = min(l.allowed+s.Answered, l.target); l.allowed == l.target {
			l.measure(s.At)
		}
		return
	}
	if s.Sent.Before(l.measuredSince) {
		return
	}
	l.calls += s.Answered
	latency := s.Latency.Seconds()
	l.latencySum += latency * float64(s.Answered)
	l.latencySquares += latency * latency * float64(s.Answered)
	if l.calls >= l.need() {
		flow := float64(l.allowed) * float64(l.calls) / max(l.latencySum, 1e-9)
		l.judge(flow, s.At, ceiling)
		l.measure(s.At)
	}
}

// allow notes that a call with so many in flight was accepted. One such call proves little, since calls that leave at one
// instant arrive in any order.
func (l *slots) allow(level int) {
	if level <= l.proven {
		return
	}
	if l.higherCount++; l.higherCount == 1 || level < l.higherLeast {
		l.higherLeast = level
	}
	if l.higherCount >= concurrencyProof {
		l.proven, l.higherCount = l.higherLeast, 0
	}
}

// need returns how many responses are enough to measure the throughput: at least one for each slot, and while doubling as
// many as the spread of the latencies requires.
func (l *slots) need() int {
	switch {
	case l.climbing:
		mean := l.latencySum / float64(l.calls)
		spread := max(0, l.latencySquares/float64(l.calls)/max(mean*mean, 1e-18)-1) // the variance relative to the mean
		return max(l.allowed, minClimbResponses, min(12*l.allowed, int(spread/(climbError*climbError))))
	case l.refused > 0:
		return max(16, 2*l.allowed)
	default:
		return max(100, 6*l.allowed)
	}
}

// judge sets the concurrency by the throughput that was measured at the current one.
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
			step = min(l.refused, ceiling) // the server may allow more by now
		}
		l.target, l.trial = step, step > l.allowed
		if l.trial && l.refused > 0 {
			l.retryRate = retryPace * flow * float64(step) / float64(l.allowed)
		}
	}
}

// within caps a concurrency below the refused one.
func (l *slots) within(n, ceiling int) int {
	if l.refused > 0 {
		ceiling = min(ceiling, l.refused-1)
	}
	return max(l.allowed, min(n, ceiling))
}

// rest holds the concurrency for a while, longer after a failed trial.
func (l *slots) rest(now time.Time, failed bool) {
	l.climbing, l.trial = false, false
	l.holdUntil = now.Add(l.hold)
	if failed {
		l.hold = min(2*l.hold, maxHold)
	}
	l.retryRate = 0
}

func (l *slots) measure(from time.Time) {
	l.measuredSince, l.calls, l.latencySum, l.latencySquares = from, 0, 0, 0
}

// refusedAt learns from a throttle that is blamed on the calls in flight.
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

// cleared forgets what was learned from throttles that had another cause.
func (l *slots) cleared() {
	if l.refused == 0 {
		return
	}
	l.refused, l.climbing, l.trial, l.bestFlow, l.retryRate, l.hold = 0, true, false, 0, 0, minHold
	l.target = max(l.target, l.proven)
}

// takeBack restores the state from before some throttles, but keeps what was learned about accepted concurrency.
func (l *slots) takeBack(was slots, now time.Time) {
	was.proven = max(was.proven, l.proven)
	was.allowed = max(was.allowed, l.allowed)
	was.target = max(was.target, l.target, was.allowed)
	*l = was
	l.measure(now)
}

// allowAccepted allows as many calls in flight as were accepted while others were throttled.
func (l *slots) allowAccepted(accepted int) {
	if l.refused > 0 && l.refused <= accepted {
		l.refused = accepted + 1
		l.target = max(l.target, accepted)
		l.best = l.target
	}
}

// restart grows the concurrency from 2 again after the gate was shut, since the server may have few tokens by then.
func (l *slots) restart() {
	l.target = max(l.target, l.allowed)
	if l.allowed = min(l.allowed, 2); l.allowed == l.target {
		l.measure(time.Time{})
	}
}
