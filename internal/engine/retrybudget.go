package engine

import (
	"container/heap"
	"time"
)

// Budget bounds retries other than those after a throttle. It refills by time as well as by success, since a budget that
// only successes refill never recovers from an outage.
type Budget struct {
	Size       float64 // tokens at the start and at most; a retry costs one
	PerSecond  float64
	PerSuccess float64
}

// retryTokens are the tokens of a retry budget in use.
type retryTokens struct {
	Budget
	tokens float64
	at     time.Time
	seen   int64 // successes that are counted in tokens
}

// take spends a token and returns 0, or returns how long it takes until there is one without further successes.
func (p *retryTokens) take(now time.Time, successes int64) time.Duration {
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

// armTimer sets the timer for the first delayed unit, or for the next token. The lock is held.
func (r *Run) armTimer() {
	if r.stopped.Load() {
		return
	}
	var at time.Time
	if len(r.delayed) > 0 {
		at = r.delayed[0].at
	}
	if len(r.awaitingToken) > 0 && (at.IsZero() || r.tokenAt.Before(at)) {
		at = r.tokenAt
	}
	if at.IsZero() {
		return
	}
	wait := time.Until(at)
	if r.timer == nil {
		r.timer = time.AfterFunc(wait, r.queueDue)
		return
	}
	r.timer.Reset(wait)
}

// spend queues as many waiting retries as there are tokens. A run without tokens for longer than MaxThrottleWait, or that
// cannot get one within that time, stops. The lock is held.
func (r *Run) spend(now time.Time) {
	defer func() { r.tokensShort.Store(len(r.awaitingToken) > 0) }()
	limit := r.cfg.Policy.MaxThrottleWait
	for len(r.awaitingToken) > 0 && !r.stopped.Load() {
		var wait time.Duration
		if !r.costsNoToken(r.awaitingToken[0]) {
			wait = r.retryTokens.take(now, r.counts[Succeeded].Load())
		}
		if wait == 0 {
			r.awaitingToken[0].noToken, r.awaitingToken[0].mayHasten, r.awaitingToken[0].waitsForOthers = false, false, false
			r.ready = append(r.ready, r.awaitingToken[0])
			r.queued.Add(1)
			r.awaitingToken[0] = nil
			r.awaitingToken = r.awaitingToken[1:]
			r.outOfTokensSince = time.Time{}
			continue
		}
		if r.outOfTokensSince.IsZero() {
			r.outOfTokensSince = now
		}
		left := limit - now.Sub(r.outOfTokensSince)
		if left <= 0 || wait > limit && r.retryTokens.PerSuccess <= 0 {
			r.stopLocked(&BudgetError{Wait: wait})
			return
		}
		r.tokenAt = now.Add(min(wait, left))
		return
	}
}

// hasten queues one delayed unit now, if it is only held back for others, or if minPassedToHasten items have succeeded since it
// failed. It is called when there is no other work, so that sporadic failures do not delay a run. The lock is held.
func (r *Run) hasten() bool {
	if r.throttling.Load() || r.cfg.Gate.Down() {
		return false
	}
	passed := r.counts[Succeeded].Load()
	for k, u := range r.delayed[:min(len(r.delayed), maxHastenScan)] {
		if u.waitsForOthers || u.mayHasten && passed-u.jobs[0].passedTrouble >= minPassedToHasten {
			heap.Remove(&r.delayed, k)
			r.awaitingToken = append(r.awaitingToken, u)
			r.spend(time.Now())
			r.armTimer()
			return len(r.ready) > 0
		}
	}
	return false
}

// costsNoToken reports whether a unit needs no token of the budget: a look-up sends no item again, and in an outage the gate
// bounds the load.
func (r *Run) costsNoToken(u *unit) bool { return u.noToken || u.jobs[0].lookUp || r.cfg.Gate.Down() }

// spendEarned queues retries for which successes have added tokens.
func (r *Run) spendEarned() {
	r.mu.Lock()
	if len(r.awaitingToken) > 0 {
		r.spend(time.Now())
		r.armTimer()
		r.idle.Broadcast()
	}
	r.mu.Unlock()
}
