package gate

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// cutFor shuts the gate after a throttle, for as long as the server asks, else as the controller knows, else for a random
// time that grows. A throttle of an old epoch can only lengthen the pause under way.
func (g *Gate) cutFor(s Signal, fresh bool, next Setting) {
	if !fresh && !g.halfOpen {
		return
	}
	var pause time.Duration
	switch {
	case s.Hint > 0:
		// Jitter comes after the hint and only upwards, so that not all clients return in the same instant.
		pause = min(max(s.Hint, MinPause), longest)
		pause += random(pause / 10)
	case fresh && next.Reopen.After(s.At):
		pause = max(next.Reopen.Sub(s.At), MinPause) + random(MinPause)
	case fresh && next.Pause > 0 && !g.halfOpen:
		pause = max(next.Pause, MinPause)
		pause += random(min(pause/4, maxJitter))
	case fresh:
		pause = max(g.growing(s.At), next.Pause)
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

// growing returns the next pause that nobody knows the length of. In a long outage it is mostly short and sometimes long:
// where a quicker client takes each unit at once, it takes many tries to get one.
func (g *Gate) growing(now time.Time) time.Duration {
	pause := max(MinPause, g.interval/2+random(g.interval))
	g.interval = min(g.interval*3/2, MaxPause)
	if g.halfOpen && now.Sub(g.shutSince) > longOutage {
		u := rand.Float64()
		pause = MinPause + time.Duration(u*u*float64(MaxPause))
	}
	return pause
}

// random returns a time up to d.
func random(d time.Duration) time.Duration { return time.Duration(rand.Int64N(int64(d) + 1)) }

// open ends a closure.
func (g *Gate) open(at time.Time) {
	g.halfOpen = false
	g.endLoose()
	g.interval = 2 * MinPause
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
