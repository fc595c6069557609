package engine

import (
	"container/heap"
	"time"
)

// Budget bounds retries other than those after a throttle. It refills by time and by success: a budget that only
// successes refill never recovers from an outage.
type Budget struct {
	Size       float64 // tokens at the start and at most; a retry costs one
	PerSecond  float64
	PerSuccess float64
}

// purse is a budget in use.
type purse struct {
	Budget
	tokens float64
	at     time.Time
	seen   int64 // successes that were counted
}

// take spends a token, or returns how long it takes until there is one, successes apart.
func (p *purse) take(now time.Time, successes int64) time.Duration {
	if p.at.IsZero() {
		p.at, p.tokens = now, p.Size
	}
	p.tokens += p.PerSecond*now.Sub(p.at).Seconds() + p.PerSuccess*float64(successes-p.seen)
	p.tokens = min(p.tokens, p.Size)
	p.at, p.seen = now, successes
	if p.tokens >= 1 {
		p.tokens--
		return 0
	}
	if p.PerSecond <= 0 {
		return forever
	}
	seconds := (1 - p.tokens) / p.PerSecond
	if seconds > forever.Seconds() {
		return forever
	}
	return time.Duration(seconds*float64(time.Second)) + 1
}

// arm sets the timer for the first unit on the heap, or for the purse. The lock is held.
func (r *Run) arm() {
	if r.stopped.Load() {
		return
	}
	var at time.Time
	if len(r.delayed) > 0 {
		at = r.delayed[0].at
	}
	if len(r.broke) > 0 && (at.IsZero() || r.tokenAt.Before(at)) {
		at = r.tokenAt
	}
	if at.IsZero() {
		return
	}
	wait := time.Until(at)
	if r.timer == nil {
		r.timer = time.AfterFunc(wait, r.due)
		return
	}
	r.timer.Reset(wait)
}

// spend lets go the retries that there are tokens for. When there are none, successes may bring some; a run that
// would wait for longer than MaxThrottleWait stops. The lock is held.
func (r *Run) spend(now time.Time) {
	defer func() { r.poor.Store(len(r.broke) > 0) }()
	limit := r.cfg.Policy.MaxThrottleWait
	for len(r.broke) > 0 && !r.stopped.Load() {
		var wait time.Duration
		if !r.costsNoToken(r.broke[0]) {
			wait = r.purse.take(now, r.counts[Succeeded].Load())
		}
		if wait == 0 {
			r.broke[0].free, r.broke[0].hasty, r.broke[0].held = false, false, false
			r.ready = append(r.ready, r.broke[0])
			r.extra.Add(1)
			r.broke[0] = nil
			r.broke = r.broke[1:]
			r.brokeSince = time.Time{}
			continue
		}
		if r.brokeSince.IsZero() {
			r.brokeSince = now
		}
		left := limit - now.Sub(r.brokeSince)
		if left <= 0 || wait > limit && r.purse.PerSuccess <= 0 {
			r.stopLocked(&BudgetError{Wait: wait})
			return
		}
		r.tokenAt = now.Add(min(wait, left))
		return
	}
}

// hasten sends one of the delayed units now, when there is nothing else to do, and so many others have succeeded since it
// failed that it was bad luck: a server that fails now and then does not keep a run waiting. The lock is held.
func (r *Run) hasten() bool {
	if r.throttling.Load() || r.cfg.Gate.Down() {
		return false
	}
	passed := r.counts[Succeeded].Load()
	for k, u := range r.delayed[:min(len(r.delayed), mayHasten)] {
		if u.held || u.hasty && passed-u.jobs[0].passedTrouble >= manyPassed {
			heap.Remove(&r.delayed, k)
			r.broke = append(r.broke, u)
			r.spend(time.Now())
			r.arm()
			return len(r.ready) > 0
		}
	}
	return false
}

// costsNoToken reports whether a unit may go without the budget: to look is not to send, and in an outage it is the gate that
// bounds what leaves.
func (r *Run) costsNoToken(u *unit) bool { return u.free || u.jobs[0].lookUp || r.cfg.Gate.Down() }

// earned lets retries go that successes have brought tokens for.
func (r *Run) earned() {
	r.mu.Lock()
	if len(r.broke) > 0 {
		r.spend(time.Now())
		r.arm()
		r.idle.Broadcast()
	}
	r.mu.Unlock()
}
