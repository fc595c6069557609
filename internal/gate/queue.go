package gate

import (
	"time"

	"golang.org/x/time/rate"
)

// advance lets the waiters through that may leave, in order, and sets the timer for the next one.
func (g *Gate) advance() {
	if g.drained == nil && g.waitProbeAt.IsZero() && len(g.queue)+len(g.urgent) == 0 {
		return // the most frequent case
	}
	now := time.Now() // not an earlier time: x/time/rate would credit the time in between twice
	if !g.waitProbeAt.IsZero() && now.Sub(g.waitProbeAt) >= g.waitProbeTimeout {
		g.endWaitProbe()
	}
	giveUp := g.endPatience(now)
	for {
		w := g.head(now)
		if w == nil {
			break
		}
		if g.paused {
			return // Resume advances
		}
		if until := g.heldUntil(w); until.After(now) {
			g.wake(earlier(until, giveUp))
			return
		}
		if g.halfOpen && g.probing && g.holds(w) && !w.inProbe {
			if at := giveUp; !g.waitProbeAt.IsZero() {
				g.wake(earlier(g.waitProbeAt.Add(g.waitProbeTimeout), at))
			} else if !at.IsZero() {
				g.wake(at)
			}
			return // the probe's response advances
		}
		if w.slot && g.inFlight >= g.now.Concurrency {
			return // a release advances
		}
		if w.cost == 0 {
			if w.cost = w.claim(g.halfOpen && g.holds(w)); w.cost == 0 {
				g.finish(w, nil)
				continue
			}
		}
		if wait := g.spent(w, now); wait > 0 {
			if !w.deadline.IsZero() && now.Add(wait).After(w.deadline) {
				g.finish(w, deadlineError(wait))
				continue
			}
			if exceeds(wait, w.patience) {
				g.finish(w, &PauseError{Wait: wait, Patience: w.patience})
				continue
			}
			g.wake(now.Add(wait))
			return
		}
		if wait := g.reserve(w, now); wait > 0 {
			w.waitedForRate = true
			if !w.deadline.IsZero() && now.Add(wait).After(w.deadline) {
				g.finish(w, deadlineError(wait))
				continue
			}
			g.wake(now.Add(wait))
			return
		}
		g.grant(w, now)
	}
	if g.drained != nil && g.inFlight == 0 {
		close(g.drained)
		g.drained = nil
	}
}

// heldUntil returns the time before which the waiter may not leave.
func (g *Gate) heldUntil(w *waiter) time.Time {
	if !g.holds(w) {
		return g.resumeAt
	}
	return g.shutUntil()
}

// earlier returns the earlier of two times. A zero b is ignored.
func earlier(a, b time.Time) time.Time {
	if b.IsZero() || a.Before(b) {
		return a
	}
	return b
}

// head returns the waiter to let through next: the one that has waited longest, except that waiters without need of a slot
// do not wait for one, and waiters outside of runs do not wait for the end of an outage.
func (g *Gate) head(now time.Time) *waiter {
	if g.byOutage && (g.probing || g.until.After(now)) {
		for _, w := range g.urgent {
			return w
		}
		for _, w := range g.queue {
			if w.outside {
				return w
			}
		}
	}
	if g.halfOpen && g.probing {
		for _, w := range g.urgent {
			if w.inProbe {
				return w
			}
		}
	}
	switch {
	case len(g.urgent) == 0 && len(g.queue) == 0:
		return nil
	case len(g.urgent) == 0:
		return g.queue[0]
	case len(g.queue) == 0 || g.inFlight >= g.now.Concurrency || g.urgent[0].number < g.queue[0].number:
		return g.urgent[0]
	}
	return g.queue[0]
}

// reserve reserves the head's tokens and returns how long the head must wait for them.
func (g *Gate) reserve(w *waiter, now time.Time) time.Duration {
	if g.now.Rate == rate.Inf {
		return 0
	}
	if g.holder != w {
		g.unreserve()
		r := g.rate.ReserveN(now, min(w.cost, g.rate.Burst()))
		g.held, g.holder = r, w
	}
	return g.held.DelayFrom(now)
}

// unreserve cancels the head's reservation.
func (g *Gate) unreserve() {
	if g.held != nil {
		g.held.Cancel()
	}
	g.held, g.holder = nil, nil
}

func (g *Gate) grant(w *waiter, now time.Time) {
	g.held, g.holder = nil, nil // the tokens are spent
	w.permit = Permit{gate: g, Sent: now, slot: w.slot, probe: g.halfOpen && g.holds(w) && !w.inProbe}
	if w.permit.probe {
		g.probing = true
		w.permit.GiveUp = g.giveUp(w)
		if !w.slot {
			g.waitProbeAt = now
		}
	}
	g.enter(&w.permit, w.cost, w.waitedForRate)
	g.finish(w, nil)
}

// enter counts the call that a permit is for.
func (g *Gate) enter(p *Permit, cost int, waitedForRate bool) {
	if p.slot {
		g.inFlight++
	}
	p.entry = g.ledger.grant(p.Sent, cost, g.inFlight, waitedForRate)
	p.version = g.version.Load()
	if g.now.Rate != rate.Inf || g.users > 1 || g.slow {
		p.version-- // never leased
	}
}

// finish takes the waiter out of the queue and wakes its caller.
func (g *Gate) finish(w *waiter, err error) {
	w.err = err
	g.drop(w)
	close(w.ready)
}

// drop takes the waiter out of the queue.
func (g *Gate) drop(w *waiter) {
	w.dropped = true
	if g.holder == w {
		g.unreserve()
	}
	queue := &g.urgent
	if w.slot {
		queue = &g.queue
	}
	for i, other := range *queue {
		if other == w {
			*queue = append((*queue)[:i], (*queue)[i+1:]...)
			return
		}
	}
}

// wake sets the timer that calls advance.
func (g *Gate) wake(at time.Time) {
	if g.timer != nil && g.wakeAt.Equal(at) {
		return
	}
	g.wakeAt = at
	if g.timer == nil {
		g.timer = time.AfterFunc(time.Until(at), g.onTimer)
		return
	}
	g.timer.Reset(time.Until(at))
}

func (g *Gate) onTimer() {
	g.mu.Lock()
	g.wakeAt = time.Time{}
	g.advance()
	g.mu.Unlock()
}
