package gate

import (
	"slices"
	"time"

	"golang.org/x/time/rate"

	"github.com/windrow-go/windrow/internal/adapt"
)

// Observe passes a signal to the gate. A throttle shuts the gate at once.
func (g *Gate) Observe(s adapt.Signal) {
	if s.Outside && s.Answered > 0 && !s.Throttled && len(s.Quotas) == 0 && g.skipOutside.Load() {
		return
	}
	g.mu.Lock()
	g.observe(s, g.ledger.at(s.Sent))
	g.advance()
	tell := g.news()
	g.mu.Unlock()
	tell()
}

// Done is [Gate.Observe] and [Gate.Release] in one step.
func (g *Gate) Done(p *Permit, s adapt.Signal) {
	g.mu.Lock()
	e := g.ledger.at(s.Sent)
	if p.gate != nil {
		e = p.entry
	}
	if s.Throttled {
		g.ledger.refused += int64(e.units)
	}
	s.Probe = p.probe
	g.observe(s, e)
	alone := len(g.queue)+len(g.urgent) == 0
	g.release(p)
	p.alone = alone
	g.advance()
	tell := g.news()
	g.mu.Unlock()
	tell()
}

func (g *Gate) observe(s adapt.Signal, e entry) {
	s.InFlight, s.Waiting = g.inFlight, len(g.queue)
	s.Level, s.WaitedForRate, s.Index = e.level, e.waitedForRate, e.total
	s.Granted, s.Accepted = g.ledger.granted, g.ledger.granted-g.ledger.refused
	s.Shut = g.halfOpen && !g.byOutage
	if slow := s.Latency >= slowCall; slow && !g.slow {
		g.slow = true
		g.version.Add(1)
	} else if s.Latency > 0 && !s.Throttled && !s.Outside && !slow {
		g.slow = false
	}
	if !g.waitProbeAt.IsZero() && !s.Sent.Before(g.waitProbeAt) {
		g.endWaitProbe()
	}
	// A call that was sent before the last cut says nothing about the time after it.
	fresh := g.cut.IsZero() || s.Sent.After(g.cut)
	success := !s.Throttled && s.Answered > 0
	s.NewEpoch = s.Throttled && fresh
	s.Opened = success && fresh && s.Shut && !g.until.After(s.At)
	s.Recovered = success && fresh && g.byOutage && !s.Outside && !(s.Looked && g.down.written) && (s.Host == "" || g.down.host == "" || s.Host == g.down.host)
	next := g.now
	if g.controller != nil {
		next = g.controller.Adjust(g.now, g.ceiling, s)
		g.adjusted = g.adjusted || next.Why != g.now.Why
	}
	if success || s.Partly {
		g.succeeded(s)
	}
	switch {
	case s.Throttled:
		if fresh && g.byOutage {
			g.endOutage(s.At, false, &next)
		}
		g.cutFor(s, fresh, next)
	case s.Opened:
		g.open(s.At)
	case s.Recovered:
		g.endOutage(s.At, true, &next)
	case s.Trouble != adapt.NoTrouble && !s.Outside:
		g.trouble(s, fresh, &next)
	}
	g.apply(next)
}

// succeeded notes that the server took a call.
func (g *Gate) succeeded(s adapt.Signal) {
	if g.took = true; s.Outside {
		return // the attempt that the request is part of counts
	}
	if s.Looked && g.down.writesFail(g.byOutage) {
		return
	}
	g.down.succeeded(s.Host, s.Answered, s.Sent, s.Latency)
	switch {
	case g.troubled.IsZero():
	case g.halfOpen:
		g.troubled = s.At
	default:
		g.troubled, g.reached = time.Time{}, false
	}
}

// endWaitProbe ends a probe let through by [Gate.Wait].
func (g *Gate) endWaitProbe() { g.waitProbeAt, g.probing = time.Time{}, false }

// apply makes a setting the current one, capped by the ceiling.
func (g *Gate) apply(s adapt.Setting) {
	s.Concurrency = max(1, min(s.Concurrency, g.ceiling.Concurrency))
	if s.Rate > g.ceiling.Rate {
		s.Rate = g.ceiling.Rate
	}
	s.Burst = max(1, s.Burst)
	if s.Rate != g.now.Rate || s.Burst != g.now.Burst {
		g.unreserve() // the head makes a new reservation at the new rate
		g.rate.SetLimit(s.Rate)
		g.rate.SetBurst(s.Burst)
		g.version.Add(1)
	}
	if s.Concurrency < g.now.Concurrency {
		g.version.Add(1)
	}
	g.now = s
	g.isShut.Store(g.halfOpen)
	g.skipOutside.Store(!g.heeds && s.Rate == rate.Inf && !g.halfOpen && g.waitProbeAt.IsZero())
}

// spent returns how long the head of the queue must wait because the server's quota is used up.
func (g *Gate) spent(w *waiter, now time.Time) time.Duration {
	if h := g.now.Hold; h.Until.After(now) && g.ledger.granted+int64(w.cost) > h.After {
		return h.Until.Sub(now)
	}
	return 0
}

// news returns the function that reports changes to OnAdjust and the listeners. It must be called without the lock.
func (g *Gate) news() func() {
	adjusted := g.adjusted && g.onAdjust != nil
	g.adjusted = false
	if g.outageNews == nil {
		if adjusted {
			return g.onAdjust
		}
		return func() {}
	}
	why, down, told := *g.outageNews, g.byOutage, slices.Clone(g.listeners)
	g.outageNews = nil
	return func() {
		if adjusted {
			g.onAdjust()
		}
		for _, l := range told {
			if l.Outage != nil {
				l.Outage(down, why)
			}
		}
	}
}

// OnAdjust makes the gate call f, without holding its lock, after each change for which the controller gives a reason.
// OnAdjust must be called before the gate is used.
func (g *Gate) OnAdjust(f func()) { g.onAdjust = f }
