package gate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/time/rate"

	"github.com/windrow-go/windrow/internal/adapt"
)

// ErrTooLong is matched by the error of a wait that would be longer than the caller's patience.
var ErrTooLong = errors.New("the limiter stays shut for longer than the caller waits")

// A PauseError says how long a shut gate has made a caller wait, or would have.
type PauseError struct {
	Wait     time.Duration // from the last call that the server took until the gate may open
	Patience time.Duration // how long the caller would have waited
	Trouble  adapt.Trouble // the trouble of an outage; NoTrouble when the server throttles
	ByUser   bool          // the gate is shut by [Gate.PauseUntil], not by the server
}

// Error implements error.
func (e *PauseError) Error() string {
	return fmt.Sprintf("%v: %v, at most %v", ErrTooLong, e.Wait.Round(time.Millisecond), e.Patience)
}

// Unwrap makes the error match [ErrTooLong].
func (e *PauseError) Unwrap() error { return ErrTooLong }

// A Claim takes work when its caller is first in the queue and a slot is free. It returns the cost of the call in quota
// units, 0 when there is no work. It must not call the gate and must not block, since the gate's lock is held. With probe
// it should take one call's work at most. If the server throttles before the call has left, the gate calls it again, and it
// may then exchange the work that it took for older work.
type Claim func(probe bool) (cost int)

// A Permit is the right to make one call. The zero Permit holds nothing.
type Permit struct {
	gate    *Gate
	Sent    time.Time // when the permit was granted
	GiveUp  time.Time // of a probe: when its caller's patience ends; zero: never
	version uint64
	slot    bool
	probe   bool
	alone   bool
	entry   entry
}

// Held reports whether the permit was granted and not yet released.
func (p *Permit) Held() bool { return p.gate != nil }

// Alone reports, for a permit that [Gate.Done] has taken back, whether no caller waited for its slot.
func (p *Permit) Alone() bool { return p.alone }

// Probe reports whether the permit is for the probe of a shut gate.
func (p *Permit) Probe() bool { return p.probe }

// Leased reports whether the permit may be used for one more call without asking the gate: there is no rate limit, the gate
// has no other user, and it has not changed since the permit was granted. Leased costs one atomic load.
func (p *Permit) Leased() bool {
	return p.gate != nil && !p.probe && p.version == p.gate.version.Load()
}

// A waiter is one caller in the queue.
type waiter struct {
	number        uint64 // in the order of arrival
	claim         Claim
	slot          bool
	inProbe       bool // a request of the call that is the probe
	outside       bool // not of a run: an outage does not hold it
	patience      time.Duration
	deadline      time.Time // zero: none
	cost          int       // 0 until the claim was called
	ready         chan struct{}
	permit        Permit
	err           error
	dropped       bool // no longer in the queue, granted or not
	waitedForRate bool // it had to wait for its tokens
}

// Acquire waits for a slot and for as many tokens as the claim costs. It returns a zero Permit and no error when the claim
// had no work. The error is that of the context; a [PauseError] when the server takes no call for longer than patience (0:
// no limit); or, at once, one that matches [context.DeadlineExceeded] when the wait would exceed the context's deadline.
func (g *Gate) Acquire(ctx context.Context, patience time.Duration, claim Claim) (Permit, error) {
	return g.acquire(ctx, patience, &waiter{claim: claim, slot: true})
}

// AcquireOutside is [Gate.Acquire] for a call outside of a run, which an outage does not hold.
func (g *Gate) AcquireOutside(ctx context.Context, claim Claim) (Permit, error) {
	return g.acquire(ctx, 0, &waiter{claim: claim, slot: true, outside: true})
}

// TryAcquire is [Gate.Acquire] without waiting. It returns a zero Permit while the gate has another user or a waiter,
// is not fully open, or has a rate limit. Only a caller whose last permit was [Permit.Alone] may call it. Otherwise the
// waiter that got the caller's slot might make its call after the caller's next one, although its permit was granted
// first; the laws take calls to be made in the order of their permits.
func (g *Gate) TryAcquire(claim Claim) (p Permit) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.users > 1 || len(g.queue)+len(g.urgent) > 0 || g.halfOpen || g.inFlight >= g.now.Concurrency || g.now.Rate != rate.Inf {
		return Permit{}
	}
	now := time.Now()
	if g.shut(now) || g.now.Hold.Until.After(now) {
		return Permit{}
	}
	if cost := claim(false); cost > 0 {
		p = Permit{gate: g, Sent: now, slot: true}
		g.enter(&p, cost, false)
	}
	return p
}

// Wait waits for the gate and for tokens, but not for a slot: it grants no permit, so the gate never hears of the end
// of the request. probing says that the request belongs to the call that is the gate's probe, so it may leave while the
// gate is half-open. Errors are those of [Gate.Acquire].
func (g *Gate) Wait(ctx context.Context, patience time.Duration, cost int, probing bool) error {
	_, err := g.acquire(ctx, patience, &waiter{claim: func(bool) int { return cost }, inProbe: probing})
	return err
}

func (g *Gate) acquire(ctx context.Context, patience time.Duration, w *waiter) (Permit, error) {
	if err := ctx.Err(); err != nil {
		return Permit{}, Ended(ctx)
	}
	w.patience, w.ready = patience, make(chan struct{})
	if patience <= 0 {
		w.patience = forever
	}
	w.deadline, _ = ctx.Deadline()
	g.mu.Lock()
	g.arrivals++
	w.number = g.arrivals
	if w.slot {
		g.queue = append(g.queue, w)
	} else {
		g.urgent = append(g.urgent, w)
	}
	now := time.Now()
	if g.shut(now) {
		g.refuseImpatient(now)
	}
	g.advance()
	if !w.dropped {
		g.refuseLate(w)
	}
	g.mu.Unlock()
	select {
	case <-w.ready:
	case <-ctx.Done():
		g.mu.Lock()
		if !w.dropped {
			g.drop(w)
			w.err = Ended(ctx)
			g.advance()
		}
		g.mu.Unlock()
	}
	return w.permit, w.err
}

// refuseLate ends the wait of a new waiter that cannot get its tokens before its deadline, after the head and the waiters
// in between got theirs. Waiters that have no free slot are not counted for one that needs none, which may overtake them.
func (g *Gate) refuseLate(w *waiter) {
	if w.deadline.IsZero() || g.holder == nil || w == g.holder {
		return
	}
	slots := len(g.queue)
	if !w.slot {
		slots = min(slots, max(0, g.now.Concurrency-g.inFlight))
	}
	tokens := 0
	for _, before := range [][]*waiter{g.urgent, g.queue[:slots]} {
		for _, other := range before {
			if other != g.holder && other.number <= w.number {
				tokens += max(1, other.cost)
			}
		}
	}
	now := time.Now()
	wait := g.held.DelayFrom(now) + time.Duration(float64(tokens)/float64(g.now.Rate)*float64(time.Second))
	if now.Add(wait).After(w.deadline) {
		g.finish(w, deadlineError(wait))
	}
}

// Ended returns the error of a context that has ended. It matches the context's error and its cause.
func Ended(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// Release gives the permit back and makes it zero.
func (g *Gate) Release(p *Permit) {
	if p.gate == nil {
		return
	}
	g.mu.Lock()
	g.release(p)
	g.advance()
	g.mu.Unlock()
}

func (g *Gate) release(p *Permit) {
	if p.slot {
		g.inFlight--
	}
	if p.probe {
		g.probing = false
	}
	*p = Permit{}
}
