package gate

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/windrow-go/windrow/internal/adapt"
)

// cutFor shuts the gate after a throttle: for the pause that the server named, or else the controller, or else for a random
// pause that grows. A throttle of a call sent before the last cut can only lengthen the pause under way.
func (g *Gate) cutFor(s adapt.Signal, fresh bool, next adapt.Setting) {
	if !fresh && !g.halfOpen {
		return
	}
	var pause time.Duration
	switch {
	case s.Hint > 0:
		// Jitter is only added, so that no client returns before the hint and not all at one instant.
		pause = min(max(s.Hint, adapt.MinPause), longest)
		pause += random(pause / 10)
	case fresh && next.Reopen.After(s.At):
		pause = max(next.Reopen.Sub(s.At), adapt.MinPause) + random(adapt.MinPause)
	case fresh && next.Pause > 0 && !g.halfOpen:
		pause = max(next.Pause, adapt.MinPause)
		pause += random(min(pause/4, maxJitter))
	case fresh:
		pause = max(g.growing(s.At), next.Pause)
	}
	if fresh {
		g.throttles++
		if g.reached = true; g.troubled.IsZero() {
			g.troubled = s.At
		}
		if g.shutSince.IsZero() {
			g.shutSince = s.At
		}
		g.cut, g.waitProbeTimeout = s.At, max(pause, minWaitProbeTimeout)
		g.halfOpen = true
	}
	if until := s.At.Add(pause); until.After(g.until) {
		g.until = until
	}
	g.version.Add(1)
	g.recall()
	g.refuseImpatient(s.At)
}

// recall has the claims of all waiters called again, so that throttled work leaves before newer work.
func (g *Gate) recall() {
	g.unreserve()
	for _, queue := range [][]*waiter{g.urgent, g.queue} {
		for _, w := range queue {
			w.cost = 0
		}
	}
}

// growing returns the next pause when neither the server nor the controller names one. After longOutage it is mostly short
// and sometimes long: if a faster client takes each free unit at once, it takes many tries to get one.
func (g *Gate) growing(now time.Time) time.Duration {
	pause := max(adapt.MinPause, g.interval/2+random(g.interval))
	g.interval = min(g.interval*3/2, MaxPause)
	if g.halfOpen && now.Sub(g.shutSince) > longOutage {
		u := rand.Float64()
		pause = adapt.MinPause + time.Duration(u*u*float64(MaxPause))
	}
	return pause
}

// random returns a random duration up to d.
func random(d time.Duration) time.Duration { return time.Duration(rand.Int64N(int64(d) + 1)) }

// open ends the shut period that a throttle or an outage began.
func (g *Gate) open(at time.Time) {
	g.halfOpen, g.reached = false, false
	g.troubled = time.Time{}
	g.endWaitProbe()
	g.interval = 2 * adapt.MinPause
	g.account(at)
}

// shut reports whether no call may leave, not even a probe.
func (g *Gate) shut(now time.Time) bool { return g.paused || g.shutUntil().After(now) }

// shutUntil returns the time before which no call may leave.
func (g *Gate) shutUntil() time.Time {
	if g.resumeAt.After(g.until) {
		return g.resumeAt
	}
	return g.until
}

// refuseImpatient ends at once the waits that would exceed the waiter's deadline or patience before the gate may open.
func (g *Gate) refuseImpatient(now time.Time) {
	until := g.shutUntil()
	if !until.After(now) {
		return
	}
	wait := until.Sub(now)
	for _, queue := range [][]*waiter{append([]*waiter(nil), g.urgent...), append([]*waiter(nil), g.queue...)} {
		for _, w := range queue {
			since := now
			if !g.troubled.IsZero() {
				since = g.troubled
			}
			switch {
			case !g.holds(w) && !g.resumeAt.After(now):
			case !w.deadline.IsZero() && w.deadline.Before(until):
				g.finish(w, deadlineError(wait))
			case exceeds(until.Sub(since), w.patience):
				g.finish(w, &PauseError{Wait: until.Sub(since), Patience: w.patience, ByUser: g.resumeAt.After(g.until)})
			}
		}
	}
}

// exceeds reports whether a wait is longer than a caller's patience and the jitter that the gate adds to a server's pauses,
// which is up to a tenth.
func exceeds(wait, patience time.Duration) bool {
	return patience < forever && wait > patience+patience/10
}

// endPatience ends the waits of waiters whose patience has run out, and returns when the next waiter's patience ends; zero
// when none ends.
func (g *Gate) endPatience(now time.Time) (next time.Time) {
	if !g.halfOpen || g.troubled.IsZero() {
		return next
	}
	for _, queue := range [][]*waiter{append([]*waiter(nil), g.urgent...), append([]*waiter(nil), g.queue...)} {
		for _, w := range queue {
			switch at := g.giveUp(w); {
			case at.IsZero():
			case !at.After(now):
				var kind adapt.Trouble
				if g.byOutage {
					kind = g.down.kind
				}
				g.finish(w, &PauseError{Wait: now.Sub(g.troubled), Patience: w.patience, Trouble: kind})
			case next.IsZero() || at.Before(next):
				next = at
			}
		}
	}
	return next
}

func deadlineError(wait time.Duration) error {
	return fmt.Errorf("a wait of %v for the rate limit would exceed the deadline: %w", wait.Round(time.Millisecond), context.DeadlineExceeded)
}
