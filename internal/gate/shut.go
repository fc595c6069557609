package gate

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// cutFor shuts the gate after a throttle, for as long as the server asks, else as what is known of it says, else for a
// random time that grows. A throttle of an old epoch can only lengthen the pause under way.
func (g *Gate) cutFor(s Signal, fresh bool, known time.Duration) {
	if !fresh && !g.halfOpen {
		return
	}
	var pause time.Duration
	switch {
	case s.Hint > 0:
		// Jitter comes after the hint and only upwards, so that not all clients return in the same instant.
		pause = min(max(s.Hint, MinPause), longest)
		pause += time.Duration(rand.Int64N(int64(pause)/10 + 1))
	case fresh && known > 0:
		pause = max(known, MinPause)
		pause += time.Duration(rand.Int64N(int64(min(pause/4, maxJitter)) + 1))
	case fresh:
		pause = max(g.backoff.NextBackOff(), MinPause)
	}
	if fresh {
		g.throttles++
		if !g.halfOpen {
			g.shutSince = s.At
		}
		g.cut, g.looseWait = s.At, max(pause, minLooseWait)
		g.halfOpen = true
	}
	if until := s.At.Add(pause); until.After(g.until) {
		g.until = until
	}
	g.version.Add(1)
	g.unreserve()
	for _, queue := range [][]*waiter{g.urgent, g.queue} {
		for _, w := range queue {
			w.cost = 0 // what was refused should leave before what this one has taken
		}
	}
	g.refuseImpatient(s.At)
}

// open ends a closure.
func (g *Gate) open(at time.Time) {
	g.halfOpen = false
	g.endLoose()
	g.backoff.Reset()
	if !g.shutSince.IsZero() {
		g.shutFor += at.Sub(g.shutSince)
		g.shutSince = time.Time{}
	}
}

// shut reports whether nothing at all may leave.
func (g *Gate) shut(now time.Time) bool { return g.paused || g.shutUntil().After(now) }

// shutUntil is the time before which nothing may leave.
func (g *Gate) shutUntil() time.Time {
	if g.resumeAt.After(g.until) {
		return g.resumeAt
	}
	return g.until
}

// refuseImpatient ends the waits that a closure outlasts: "would exceed the deadline" is known now, not later.
func (g *Gate) refuseImpatient(now time.Time) {
	until := g.shutUntil()
	if !until.After(now) {
		return
	}
	wait := until.Sub(now)
	for _, queue := range [][]*waiter{append([]*waiter(nil), g.urgent...), append([]*waiter(nil), g.queue...)} {
		for _, w := range queue {
			switch {
			case !w.deadline.IsZero() && w.deadline.Before(until):
				g.finish(w, deadlineError(wait))
			case wait > w.patience:
				g.finish(w, &PauseError{Wait: wait, Patience: w.patience})
			}
		}
	}
}

func deadlineError(wait time.Duration) error {
	return fmt.Errorf("a wait of %v for the rate limit would exceed the deadline: %w", wait.Round(time.Millisecond), context.DeadlineExceeded)
}
