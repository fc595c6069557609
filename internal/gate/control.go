package gate

import (
	"context"
	"slices"
	"time"

	"github.com/windrow-go/windrow/internal/adapt"
)

// Set changes the ceiling. Changed values apply at once; what was learned about the others stays.
func (g *Gate) Set(change func(ceiling *adapt.Setting)) {
	g.mu.Lock()
	before, next := g.ceiling, g.now
	change(&g.ceiling)
	if g.ceiling.Concurrency != before.Concurrency {
		next.Concurrency = g.ceiling.Concurrency
	}
	if g.ceiling.Rate != before.Rate {
		next.Rate = g.ceiling.Rate
	}
	if g.ceiling.Burst != before.Burst {
		next.Burst = g.ceiling.Burst
	}
	g.apply(next)
	g.advance()
	var told []*Listener
	ceiling := g.ceiling.Concurrency
	if ceiling > before.Concurrency {
		told = slices.Clone(g.listeners)
	}
	g.mu.Unlock()
	for _, l := range told {
		l.Raised(ceiling)
	}
}

// Pause shuts the gate until [Gate.Resume].
func (g *Gate) Pause() {
	g.mu.Lock()
	g.paused = true
	g.version.Add(1)
	g.mu.Unlock()
}

// Resume ends [Gate.Pause] and [Gate.PauseUntil]. It does not open a gate that a throttle or an outage has shut.
func (g *Gate) Resume() {
	g.mu.Lock()
	g.paused, g.resumeAt = false, time.Time{}
	g.advance()
	g.mu.Unlock()
}

// Paused reports whether the gate is shut by [Gate.Pause].
func (g *Gate) Paused() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.paused
}

// PauseUntil shuts the gate until a time. It never opens a gate sooner than it would open anyway.
func (g *Gate) PauseUntil(t time.Time) {
	g.mu.Lock()
	now := time.Now()
	if t.After(g.resumeAt) && t.After(now) {
		g.resumeAt = t
		g.version.Add(1)
		g.unreserve()
		g.refuseImpatient(now)
	}
	g.advance()
	g.mu.Unlock()
}

// Drain waits until no call is in flight or queued. Queued calls proceed meanwhile.
func (g *Gate) Drain(ctx context.Context) error {
	for {
		g.mu.Lock()
		if g.inFlight == 0 && len(g.queue) == 0 && len(g.urgent) == 0 {
			g.mu.Unlock()
			return nil
		}
		if g.drained == nil {
			g.drained = make(chan struct{})
		}
		drained := g.drained
		g.mu.Unlock()
		select {
		case <-drained:
		case <-ctx.Done():
			return Ended(ctx)
		}
	}
}

// Stats is a snapshot of the gate.
type Stats struct {
	adapt.Setting
	Ceiling   adapt.Setting
	InFlight  int
	Waiting   int
	Paused    bool          // by [Gate.Pause]
	Until     time.Time     // zero when the gate is not shut by time
	Probing   bool          // half-open
	Throttles int64         // how often a throttle shut the gate
	ShutFor   time.Duration // time shut because the server throttled, until now
	Down      bool          // shut by an outage
	Outages   int64         // how often an outage shut the gate
	DownFor   time.Duration // time shut by outages, until now
	Learned   adapt.Learned // by its controller
}

// Stats returns a snapshot.
func (g *Gate) Stats() Stats {
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	s := Stats{
		Setting: g.now, Ceiling: g.ceiling, InFlight: g.inFlight, Waiting: len(g.queue) + len(g.urgent),
		Paused: g.paused, Probing: g.halfOpen, Throttles: g.throttles, ShutFor: g.shutFor,
		Down: g.byOutage, Outages: g.down.count, DownFor: g.down.total,
	}
	if g.controller != nil {
		s.Learned = g.controller.Learned(g.ledger.granted - g.ledger.refused)
	}
	if until := g.shutUntil(); until.After(now) {
		s.Until = until
	}
	switch {
	case g.shutSince.IsZero():
	case g.byOutage:
		s.DownFor += now.Sub(g.shutSince)
	default:
		s.ShutFor += now.Sub(g.shutSince)
	}
	return s
}
