// Package gate decides when a call may leave: how many at once, how fast, and not at all while the server
// throttles. It is the mechanics behind windrow's Limiter.
//
// Callers queue first in, first out. Only the head of the queue holds a reservation of the rate limiter, since
// cancelling many reservations leaves x/time/rate in debt. Nobody waits with the lock held.
package gate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

const (
	// MinPause is the shortest time the gate stays shut after a throttle, whatever the server asked for.
	MinPause = 100 * time.Millisecond
	// MaxPause caps the pauses that the gate chooses itself, when nobody knows how long they should be.
	MaxPause = 10 * time.Second

	// longOutage is after which time shut it no longer helps to wait ever longer.
	longOutage = time.Minute
	// maxJitter is the longest time by which a pause that is known is lengthened at random.
	maxJitter = 250 * time.Millisecond

	// minLooseWait is how long the answer to a probe is waited for of which nobody may tell the gate.
	minLooseWait = 10 * time.Second

	forever = time.Duration(1<<63 - 1)
	longest = 100 * 365 * 24 * time.Hour // a longer hint is taken for this one, so that no sum overflows
)

// ErrTooLong is matched by the error of a wait that would outlast the caller's patience.
var ErrTooLong = errors.New("the server asks for a longer pause than allowed")

// A PauseError says how long a shut gate has made the caller wait, or would have.
type PauseError struct {
	Wait     time.Duration // since the server took its last call, until the gate may open
	Patience time.Duration // how long the caller would have waited
	Trouble  Trouble       // of an outage; NoTrouble when the server throttles
}

// Error implements error.
func (e *PauseError) Error() string {
	return fmt.Sprintf("%v: %v, at most %v", ErrTooLong, e.Wait.Round(time.Millisecond), e.Patience)
}

// Unwrap makes the error match [ErrTooLong].
func (e *PauseError) Unwrap() error { return ErrTooLong }

// A Claim is asked for work at the moment in which its caller is first in the queue and a slot is free. It
// answers what the call costs in quota units, 0 when there is nothing to do after all. The gate's lock is held:
// a Claim must not call the gate and must not block. With probe it should take no more than one call's work. It is asked
// again if the server throttles before the call has left, and may put back then what it has taken, for older work.
type Claim func(probe bool) (cost int)

// A Permit is the right to make one call. The zero Permit holds nothing.
type Permit struct {
	gate    *Gate
	Sent    time.Time // when it was granted
	GiveUp  time.Time // of a probe: when its caller's patience ends; zero when it has no end
	version uint64
	slot    bool
	probe   bool
	alone   bool
	entry   entry
}

// Held reports whether the permit was granted and not yet released.
func (p *Permit) Held() bool { return p.gate != nil }

// Alone reports, of a permit that [Gate.Done] has taken back, whether nobody waited for its slot.
func (p *Permit) Alone() bool { return p.alone }

// Probe reports whether the permit is for the one call that tries whether a shut gate may open.
func (p *Permit) Probe() bool { return p.probe }

// Leased reports whether the permit may be used for one more call without asking the gate: there is no rate
// limit, nobody else uses the gate, and nothing has changed since the permit was granted. It costs one atomic load.
func (p *Permit) Leased() bool {
	return p.gate != nil && !p.probe && p.version == p.gate.version.Load()
}

// A waiter is one caller in the queue.
type waiter struct {
	number   uint64 // in the order of arrival
	claim    Claim
	slot     bool
	inProbe  bool // part of the call that is the probe
	outside  bool // of no run: an outage does not hold it
	patience time.Duration
	deadline time.Time // zero when the caller has none
	cost     int       // 0 until the claim was asked
	ready    chan struct{}
	permit   Permit
	err      error
	dropped  bool // left the queue, granted or not
	paced    bool // it had to wait for its tokens
}

// A Gate lets calls through. Make one with [New].
type Gate struct {
	version atomic.Uint64 // changes whenever a leased permit has to come back
	easy    atomic.Bool   // an answer that somebody else counts teaches nothing: it is open, and keeps no rate
	isDown  atomic.Bool   // byOutage
	isShut  atomic.Bool   // halfOpen

	mu         sync.Mutex
	ceiling    Setting
	now        Setting
	controller Controller
	rate       *rate.Limiter
	users      int
	listeners  []*Listener
	arrivals   uint64

	ledger   ledger // of what was let through
	slow     bool   // calls take long enough for each to come to the gate
	onAdjust func() // called without the lock after a change that has a reason
	adjusted bool   // and is due

	outageNews *string // what the listeners are to hear; nil when that is nothing

	inFlight int
	urgent   []*waiter // requests that need no slot
	queue    []*waiter
	held     *rate.Reservation // of the head of the queue
	holder   *waiter
	timer    *time.Timer
	wakeAt   time.Time
	drained  chan struct{}

	paused    bool      // by hand
	resumeAt  time.Time // shut by hand until then
	until     time.Time // shut by a throttle or an outage until then
	cut       time.Time // when the gate was last shut by one
	halfOpen  bool      // shut, but for one probe, until a call sent after the cut is answered
	byOutage  bool      // and that is because the server takes no calls: see downtime
	down      downtime
	troubled  time.Time // since when all calls failed or were throttled; zero when the last one was not
	reached   bool      // one of them reached the server
	took      bool      // a call has succeeded, ever
	probing   bool
	loose     time.Time     // when a probe without a permit to give back was let through; zero when there is none
	looseWait time.Duration // how long its answer is waited for
	interval  time.Duration // the mean of the next pause that nobody knows the length of
	throttles int64         // how often it was shut by one
	shutFor   time.Duration // total time shut, but for a closure under way
	shutSince time.Time
}

// New returns a gate that starts with the setting and never passes the ceiling. A nil controller keeps the setting.
func New(start, ceiling Setting, c Controller) *Gate {
	g := &Gate{now: start, ceiling: ceiling, controller: c, rate: rate.NewLimiter(start.Rate, max(1, start.Burst)), interval: 2 * MinPause}
	return g
}

// Listener is a user of a gate who wants to know what the gate allows.
type Listener struct {
	// Raised is called, without the gate's lock, when more calls may be in flight than before.
	Raised func(ceiling int)
	// Outage is called, without the gate's lock, when an outage begins and when it ends; nil when it need not be.
	Outage func(down bool, why string)
}

// Attach registers a user of the gate, so that permits are leased only while there is one. l is nil for a user who does
// not listen. It returns how many calls may be in flight at most.
func (g *Gate) Attach(l *Listener) (ceiling int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.users++; g.users == 1 { // what happened before it came does not count against its patience
		if g.reached = false; g.halfOpen {
			g.troubled = time.Now()
		} else {
			g.troubled = time.Time{}
		}
	}
	if l != nil {
		g.listeners = append(g.listeners, l)
	}
	g.version.Add(1)
	return g.ceiling.Concurrency
}

// Detach ends what [Gate.Attach] began.
func (g *Gate) Detach(l *Listener) {
	g.mu.Lock()
	g.users--
	g.listeners = slices.DeleteFunc(g.listeners, func(other *Listener) bool { return other == l })
	g.version.Add(1)
	g.mu.Unlock()
}

// Acquire waits for a slot and for as many tokens as the claim costs. It returns a zero Permit and no error when
// the claim had nothing to do. The error is the context's, a [PauseError] when the server has taken no call, or would
// not, for longer than patience (0: no bound), or, at once, one that matches [context.DeadlineExceeded] when the wait
// would outlast the context's deadline.
func (g *Gate) Acquire(ctx context.Context, patience time.Duration, claim Claim) (Permit, error) {
	return g.acquire(ctx, patience, &waiter{claim: claim, slot: true})
}

// AcquireOutside is [Gate.Acquire] for a call of no run: an outage does not hold it.
func (g *Gate) AcquireOutside(ctx context.Context, claim Claim) (Permit, error) {
	return g.acquire(ctx, 0, &waiter{claim: claim, slot: true, outside: true})
}

// TryAcquire is [Gate.Acquire] for a caller who gets a permit at once or none: there is none while anybody else uses the
// gate or waits, while it is not fully open, and under a rate. It is for those whose last permit was [Permit.Alone]:
// others would overtake whom their slot was given to, and the laws take those for sent before.
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

// Wait waits for the gate and for tokens, but for no slot: it is for requests whose end the gate is not told of by a
// permit. probing says that the request is part of a call that is the gate's probe already, and may pass while it is
// half-open. Errors are as with [Gate.Acquire].
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

// refuseLate ends the wait of a newcomer whom the rate cannot serve before its deadline: the head waits for its
// tokens, and those in between need theirs. Whoever lacks a slot may yet be overtaken by one who needs none.
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

// Ended returns why a context that has ended did: the error matches the context's error and its cause.
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

// Observe tells the gate what a call taught. A throttle shuts the gate at once.
func (g *Gate) Observe(s Signal) {
	if s.Outside && s.Answered > 0 && !s.Throttled && len(s.Quotas) == 0 && g.easy.Load() {
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
func (g *Gate) Done(p *Permit, s Signal) {
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

func (g *Gate) observe(s Signal, e entry) {
	s.InFlight, s.Waiting = g.inFlight, len(g.queue)
	s.Level, s.Paced, s.Index = e.level, e.paced, e.total
	s.Granted, s.Accepted = g.ledger.granted, g.ledger.granted-g.ledger.refused
	s.Shut = g.halfOpen && !g.byOutage
	if slow := s.Latency >= slowCall; slow && !g.slow {
		g.slow = true
		g.version.Add(1)
	} else if s.Latency > 0 && !s.Throttled && !s.Outside && !slow {
		g.slow = false
	}
	if !g.loose.IsZero() && !s.Sent.Before(g.loose) {
		g.endLoose()
	}
	// A call that was sent before the gate was cut says nothing about what came after.
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
	case s.Trouble != NoTrouble && !s.Outside:
		g.trouble(s, fresh, &next)
	}
	g.apply(next)
}

// succeeded notes that the server took a call.
func (g *Gate) succeeded(s Signal) {
	if g.took = true; s.Outside {
		return // the attempt that it is part of counts
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

// endLoose ends a probe that has no permit to give back.
func (g *Gate) endLoose() { g.loose, g.probing = time.Time{}, false }

// apply puts a setting into force, within the ceiling.
func (g *Gate) apply(s Setting) {
	s.Concurrency = max(1, min(s.Concurrency, g.ceiling.Concurrency))
	if s.Rate > g.ceiling.Rate {
		s.Rate = g.ceiling.Rate
	}
	s.Burst = max(1, s.Burst)
	if s.Rate != g.now.Rate || s.Burst != g.now.Burst {
		g.unreserve() // whoever waits is given a new place under the new rate
		g.rate.SetLimit(s.Rate)
		g.rate.SetBurst(s.Burst)
		g.version.Add(1)
	}
	if s.Concurrency < g.now.Concurrency {
		g.version.Add(1)
	}
	g.now = s
	_, adaptive := g.controller.(*Adaptive)
	g.isShut.Store(g.halfOpen)
	g.easy.Store(adaptive && s.Rate == rate.Inf && !g.halfOpen && g.loose.IsZero())
}

// spent returns how long the head of the queue has to wait because the quota of the server is used up.
func (g *Gate) spent(w *waiter, now time.Time) time.Duration {
	if h := g.now.Hold; h.Until.After(now) && g.ledger.granted+int64(w.cost) > h.After {
		return h.Until.Sub(now)
	}
	return 0
}

// news returns what tells the users of a change that has a reason.
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

// OnAdjust makes the gate call f, without holding its lock, after each change that the controller gives a reason for.
// It must be called before the gate is used.
func (g *Gate) OnAdjust(f func()) { g.onAdjust = f }
