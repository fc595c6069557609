package windrow

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/windrow-go/windrow/internal/adapt"
	"github.com/windrow-go/windrow/internal/classify"
	"github.com/windrow-go/windrow/internal/engine"
	"github.com/windrow-go/windrow/internal/gate"
	"github.com/windrow-go/windrow/internal/identity"
	"github.com/windrow-go/windrow/internal/inspect"
	"github.com/windrow-go/windrow/internal/neterr"
	"github.com/windrow-go/windrow/internal/seam"
)

const (
	defaultStart   = 4  // calls in flight at the start, without Concurrency
	defaultCeiling = 64 // calls in flight at most, without Concurrency
	// burstTime is how much of the rate may leave at one instant by default, since timers wake about a millisecond
	// late.
	burstTime = 10 * time.Millisecond
)

// Limiter bounds the calls to one account or API key: how many are in flight at once and how fast they start. While the
// server throttles none starts. Share one Limiter among all processors, transports and goroutines that use the account:
// two limiters for one key let twice as much through.
//
// The zero Limiter is ready to use: it starts with 4 calls at once, grows to 64 while that brings throughput, and has
// no rate until the server shows one. It learns from responses: from the quotas in headers (Feedback in package
// clients), and from throttles, which it blames on a window's quota, on the rate or on the number of calls in flight.
// [LimiterStats] has the present limits and their reason, and [OnAdjust] reports each change. Nothing is forgotten, and
// no unused rate is saved up, while idle. [NewLimiter] sets other bounds.
//
// All methods may be called from many goroutines. A Limiter must not be copied after first use.
//
// An outage is a time in which the server takes no calls: refused connections, time-outs, or 502, 503 and 504 on every
// call. It shuts the limiter for runs once more calls in a row have failed than chance explains. Then one probe at a
// time leaves, after pauses that grow from a tenth of a second to 2 seconds, or to 10 where a probe may cost an item.
// The first success opens the limiter, and the earlier pace comes back within a second or two. Calls outside a run
// ([Limiter.Do], and requests of a transport) still pass, and their success opens it, too. [LimiterStats] and
// [OnAdjust] report outages.
//
// A throttle, reported by a run or through Observe of package clients, shuts the limiter for all users: until the time
// that the server named, or for as long as the limiter has learned, or for a random time that grows to about 10
// seconds. Then a single probe leaves, and throttled calls go first; only its success opens the limiter again.
type Limiter struct {
	once sync.Once
	gate *gate.Gate
	err  error

	concurrency int // given by the caller; 0 means not given
	limit       rate.Limit
	limited     bool // limit was given
	burst       int  // given by the caller; 0 means not given
	onAdjust    func(LimiterStats)
	learned     Learned

	dearest atomic.Int64 // highest cost of a request so far
}

// NewLimiter returns a limiter with the bounds that the options [Concurrency], [Rate] and [Burst] set, [OnAdjust] and
// [StartFrom]. Any other option, and any bad value, is an error that the first use of the limiter returns, before
// anything is sent.
func NewLimiter(opts ...Option) *Limiter {
	o := newOptions(opts)
	l := &Limiter{concurrency: o.concurrency, limit: o.rate, limited: o.rateSet, burst: o.burst, onAdjust: o.onAdjust, learned: o.learned}
	errs := o.errs
	for _, foreign := range o.foreignTo(limiterOptions) {
		errs = append(errs, &OptionError{Option: foreign, Problem: "is not for a Limiter, which takes Concurrency, Rate, Burst, OnAdjust and StartFrom"})
	}
	l.err = errors.Join(errs...)
	return l
}

func init() {
	seam.Gate = func(limiter any) *gate.Gate {
		if l, ok := limiter.(*Limiter); ok && l.bad() == nil {
			return l.start()
		}
		return nil
	}
	seam.RunOnly = runOnly
	seam.Given = func(options any, name string) bool { return newOptions(options.([]Option)).given[name] }
}

// bad returns an error when the limiter is nil or has bad options.
func (l *Limiter) bad() error {
	if l == nil {
		return &OptionError{Option: "Limiter", Value: "nil", Problem: "must be a limiter: make one with NewLimiter"}
	}
	return l.err
}

// start makes the gate at first use.
func (l *Limiter) start() *gate.Gate {
	l.once.Do(func() {
		ceiling := adapt.Setting{Concurrency: defaultCeiling, Rate: rate.Inf, Burst: 1}
		if l.concurrency > 0 {
			ceiling.Concurrency = l.concurrency
		}
		if l.limited {
			ceiling.Rate = l.limit
		}
		l.dearest.Store(1)
		ceiling.Burst = l.burstFor(ceiling.Rate)
		start := ceiling
		if l.concurrency == 0 {
			start.Concurrency = defaultStart
		}
		laws := adapt.New()
		start = laws.StartFrom(adapt.Learned(l.learned), start, ceiling, time.Now())
		l.gate = gate.New(start, ceiling, laws)
		if l.onAdjust != nil {
			l.gate.OnAdjust(func() {
				_ = guarded(func() error { l.onAdjust(l.Stats()); return nil }) // a panic of the hook must not stop the run
			})
		}
	})
	return l.gate
}

// burstFor returns how many quota units may leave at one instant: at least the highest cost of a request so far.
func (l *Limiter) burstFor(limit rate.Limit) int {
	dearest := int(l.dearest.Load())
	if l.burst > 0 {
		return l.burst
	}
	return usualBurst(limit, dearest)
}

// usualBurst returns the burst of a rate when none is given.
func usualBurst(limit rate.Limit, least int) int {
	if limit == rate.Inf {
		return least
	}
	return max(least, int(float64(limit)*burstTime.Seconds()))
}

// admits raises the burst for requests of that cost, or returns why they can never leave.
func (l *Limiter) admits(cost int, source string) error {
	if err := l.bad(); err != nil {
		return err
	}
	if l.burst > 0 && cost > l.burst {
		return &OptionError{Option: "Burst", Value: l.burst, Problem: fmt.Sprintf(
			"is below the cost of one request (%s: %d): such a request could never leave; raise Burst or lower the cost", source, cost)}
	}
	g := l.start()
	if int64(cost) > l.dearest.Load() {
		g.Set(func(c *adapt.Setting) { // Set runs one function at a time
			l.dearest.Store(max(int64(cost), l.dearest.Load()))
			c.Burst = l.burstFor(c.Rate)
		})
	}
	return nil
}

// Do waits for a slot and for cost quota units, calls fn, and returns its error. The wait is first come, first served,
// and has no limit of its own: it ends with ctx, and at once, with an error that matches [context.DeadlineExceeded],
// when it would outlast ctx's deadline. An error of fn that [Classify] takes for a throttle shuts the limiter. The slot
// is freed when fn returns, panics or calls [runtime.Goexit]. Costs below 1 are refused, and so are those above
// [Burst].
//
// Inside an attempt of a run that uses this limiter, the attempt's slot is enough: Do waits as [Limiter.Wait] does.
// Otherwise calls of Do must not be nested, since the inner ones could wait for the slots of the outer ones.
func (l *Limiter) Do(ctx context.Context, cost int, fn func(context.Context) error) error {
	if err := l.check(ctx, cost); err != nil {
		return err
	}
	if fn == nil {
		return &OptionError{Option: "Limiter", Field: "fn", Value: "nil", Problem: "must be a function"}
	}
	if a := engine.AttemptFrom(ctx); a != nil && identity.Of(a).Limiter == any(l) {
		if err := l.wait(ctx, cost, a); err != nil {
			return err
		}
		return l.call(ctx, fn)
	}
	l.gate.Attach(nil)
	defer l.gate.Detach(nil)
	permit, err := l.gate.AcquireOutside(ctx, func(bool) int { return cost })
	if err != nil {
		return limiterError(err)
	}
	defer l.gate.Release(&permit)
	sent := time.Now()
	err = fn(ctx)
	s := signalOf(err, sent)
	if ctx.Err() != nil { // the caller gave up, so the server is not to blame
		s.Trouble = adapt.NoTrouble
	}
	l.gate.Done(&permit, s)
	return err
}

// call calls fn inside an attempt, and reports its outcome to the gate.
func (l *Limiter) call(ctx context.Context, fn func(context.Context) error) error {
	sent := time.Now()
	err := fn(ctx)
	s := signalOf(err, sent)
	s.Outside = true // the run reports the attempt itself
	l.gate.Observe(s)
	return err
}

// signalOf returns the signal that the outcome of a call gives the limiter.
func signalOf(err error, sent time.Time) adapt.Signal {
	s := adapt.Signal{Sent: sent, At: time.Now()}
	s.Latency = s.At.Sub(sent)
	if err == nil {
		s.Answered = 1
		return s
	}
	switch c := Classify(err); c.Class {
	case ClassThrottled:
		s.Throttled, s.Hint = true, c.After
	case ClassPermanent, ClassTooLarge:
		s.Answered = 1
	case ClassTransient, ClassAmbiguous:
		s.Trouble, s.Detail = classify.Trouble(err)
		s.Host, s.Unsent, s.Each = neterr.Host(err), c.Class == ClassTransient, true
	}
	return s
}

// Wait waits for the gate and for cost quota units, but not for a slot: it is for transports. Inside an attempt of a
// run that uses this limiter, quota units that the attempt has paid are not paid again, and pass at once. Errors are as
// with [Limiter.Do].
func (l *Limiter) Wait(ctx context.Context, cost int) error {
	if err := l.check(ctx, cost); err != nil {
		return err
	}
	return l.wait(ctx, cost, engine.AttemptFrom(ctx))
}

// wait is [Limiter.Wait] inside an attempt, or outside one when it is nil.
func (l *Limiter) wait(ctx context.Context, cost int, a *engine.Attempt) error {
	var patience time.Duration
	probing := false
	if a != nil {
		a.GoOn()
		if identity.Of(a).Limiter == any(l) {
			if cost = a.UseCredit(cost); cost == 0 {
				return nil
			}
			probing = a.Probe()
		}
		patience = a.Patience()
	}
	return limiterError(l.gate.Wait(ctx, patience, cost, probing))
}

// check refuses a call that could never pass.
func (l *Limiter) check(ctx context.Context, cost int) error {
	if inspect.IsNil(ctx) {
		return ErrNilContext
	}
	if cost < 1 {
		return &OptionError{Option: "Limiter", Field: "cost", Value: cost, Problem: "must be at least 1"}
	}
	return l.admits(cost, "cost")
}

// limiterError wraps an error of the gate.
func limiterError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("windrow: waiting for the limiter: %w", err)
}

// SetConcurrency changes how many calls may be in flight, from 1 to 100,000. Waiting calls that fit leave at once;
// calls in flight go on.
func (l *Limiter) SetConcurrency(n int) error {
	if err := l.bad(); err != nil {
		return err
	}
	if n < 1 || n > maxConcurrency {
		return &OptionError{Option: "SetConcurrency", Value: n, Problem: concurrencyProblem}
	}
	l.start().Set(func(c *adapt.Setting) { c.Concurrency = n })
	return nil
}

// SetRate sets the rate to n quota units in each period per; n = 0 removes it. Calls that wait are scheduled anew under
// the new rate.
func (l *Limiter) SetRate(n int, per time.Duration) error {
	if err := l.bad(); err != nil {
		return err
	}
	limit, err := changedRate("SetRate", n, per)
	if err == nil {
		l.start().Set(func(c *adapt.Setting) { c.Rate, c.Burst = limit, l.burstFor(limit) })
	}
	return err
}

// changedRate returns the rate that a method sets: none for n = 0.
func changedRate(method string, n int, per time.Duration) (rate.Limit, error) {
	switch {
	case n == 0:
		return rate.Inf, nil
	case n < 0 || per <= 0:
		return 0, &OptionError{Option: method, Value: fmt.Sprintf("%d, %v", n, per), Problem: "must be positive, or 0 for no rate"}
	}
	return rateOf(n, per), nil
}

func rateOf(n int, per time.Duration) rate.Limit { return rate.Limit(float64(n) / per.Seconds()) }

// PauseUntil lets nothing through before t. It never shortens a pause. A run that would wait for longer than its
// [RetryPolicy.MaxThrottleWait] stops at once, with a Cause that matches [ErrThrottled].
func (l *Limiter) PauseUntil(t time.Time) {
	if l.bad() == nil {
		l.start().PauseUntil(t)
	}
}

// Pause lets nothing through until [Limiter.Resume]. Calls in flight go on.
func (l *Limiter) Pause() {
	if l.bad() == nil {
		l.start().Pause()
	}
}

// Resume ends what [Limiter.Pause] and [Limiter.PauseUntil] began.
func (l *Limiter) Resume() {
	if l.bad() == nil {
		l.start().Resume()
	}
}

// Drain waits until no call is in flight and none waits, or until ctx ends, and then returns ctx's error. Calls are not
// refused meanwhile. A run between two of its items counts as neither: to know that it has ended, wait for Run.
func (l *Limiter) Drain(ctx context.Context) error {
	if err := l.bad(); err != nil {
		return err
	}
	if inspect.IsNil(ctx) {
		return ErrNilContext
	}
	return limiterError(l.start().Drain(ctx))
}
