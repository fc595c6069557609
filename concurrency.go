package windrow

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/windrow-go/windrow/internal/engine"
	"github.com/windrow-go/windrow/internal/enum"
	"github.com/windrow-go/windrow/internal/gate"
	"github.com/windrow-go/windrow/internal/inspect"
	"github.com/windrow-go/windrow/internal/neterr"
	"github.com/windrow-go/windrow/internal/parallel"
	"github.com/windrow-go/windrow/internal/schedule"
	"github.com/windrow-go/windrow/internal/verdict"
)

const (
	defaultStart   = 4  // calls in flight at the start, when nobody said how many
	defaultCeiling = 64 // calls in flight at most, when nobody said how many
	// burstTime is how much of the rate may leave at one instant by default: timers wake about a millisecond late.
	burstTime = 10 * time.Millisecond
)

const defaultMaxItems = 100

// Concurrency is how many calls may be in flight at once, at least 1. It is a ceiling: when the server throttles because
// of it, fewer are. Without it a run starts with 4 and grows to 64. Beside [WithLimiter] it is a lower ceiling for this
// processor alone.
func Concurrency(n int) Option {
	return option("Concurrency", n >= 1, n, "must be at least 1", func(o *options) { o.concurrency = n })
}

// Rate is how many quota units may be used in each period: a unit is a request, unless the client's Cost says
// otherwise. It is a ceiling. Without it there is no rate, until the server shows one. It is refused beside
// [WithLimiter]: the limiter has its own.
func Rate(n int, per time.Duration) Option {
	return option("Rate", n >= 1 && per > 0, fmt.Sprintf("%d, %v", n, per), "must be at least 1 in a positive period",
		func(o *options) { o.rate, o.rateSet = rateOf(n, per), true })
}

// Burst is how many quota units may leave at one instant after a quiet time, at least 1 and not less than the cost of
// one request. Defaults to 10 milliseconds' worth of the [Rate], or to the cost of one request if that is more.
func Burst(n int) Option {
	return option("Burst", n >= 1, n, "must be at least 1", func(o *options) { o.burst = n })
}

// BatchSize is how many items a batch holds, at least 1: the items of one request where the client has native
// batches (not more than its MaxItems, which is the default), and the items between two delays of [BatchDelay].
// For single calls it matters only with BatchDelay, and defaults to 20 for creates and 10 otherwise.
func BatchSize(n int) Option {
	return option("BatchSize", n >= 1, n, "must be at least 1", func(o *options) { o.batchSize = n })
}

// BatchDelay makes a pause after each batch but the last, when every item of the batch has ended. Without it there
// is no barrier between batches: the limiter alone sets the pace. A [Rate] is nearly always the better choice.
func BatchDelay(d time.Duration) Option {
	return option("BatchDelay", d >= 0, d, "must not be negative", func(o *options) { o.batchDelay = d })
}

// PreserveOrder makes the calls one at a time, in the order of the input. While an item waits for its retry nothing
// else is sent. The run goes on after an error. Without it only results are in order.
func PreserveOrder() Option {
	return option("PreserveOrder", true, nil, "", func(o *options) { o.preserveOrder = true })
}

// DuplicatePolicy says what is done with items whose keys are equal.
type DuplicatePolicy uint8

// The policies.
const (
	// DuplicatesDefault is RejectDuplicates for items with a Key. Updates, deletes and reads without a Key are
	// KeepAllInOrder by their id.
	DuplicatesDefault DuplicatePolicy = iota
	// RejectDuplicates refuses the whole run with a [*DuplicateKeysError] before anything is sent.
	RejectDuplicates
	// KeepFirst sends the first item with a key; the others end as Skipped.
	KeepFirst
	// KeepLast sends the last item with a key; the others end as Skipped.
	KeepLast
	// KeepAllInOrder sends all of them, one after the other in the order of the input. Reads of one id are sent once: what
	// comes of the first one goes for the others.
	KeepAllInOrder
	// FailDuplicates sends none of the items that share a key: each ends as Failed, with a [*DuplicateKeyError] that names
	// it and the first other one. The other items are sent. A [BatchProcessor.Rerun] sends one that shares its key no more.
	FailDuplicates
)

var policies = enum.New("policy", "DuplicatesDefault", "RejectDuplicates", "KeepFirst", "KeepLast", "KeepAllInOrder", "FailDuplicates")

// String returns the name of the policy.
func (p DuplicatePolicy) String() string { return policies.Name(uint8(p)) }

// Duplicates says what is done with items whose keys are equal. Two items with one key are never in flight together. Beside
// [WithJournal], which knows an item by nothing but its key, [KeepAllInOrder] is RejectDuplicates.
func Duplicates(policy DuplicatePolicy) Option {
	return option("Duplicates", policy <= FailDuplicates, policy,
		"must be RejectDuplicates, KeepFirst, KeepLast, KeepAllInOrder or FailDuplicates", func(o *options) { o.duplicates = policy })
}

// OnAdjust calls f after each change of what the limiter believes about the server, with the reason in Why. Steady growth
// is no change of belief. Without [WithLimiter] it is about the processor's own limiter. f is called by the goroutine that
// saw the evidence, several at once if need be; it may use the limiter, and should return soon. When it panics the call is
// lost, and nothing else.
func OnAdjust(f func(LimiterStats)) Option {
	return option("OnAdjust", f != nil, "nil", "must be a function", func(o *options) { o.onAdjust = f })
}

// WithLimiter makes the processor share a limiter with others. Without it the processor has one of its own.
func WithLimiter(l *Limiter) Option {
	return option("WithLimiter", l != nil, "nil", "must be a limiter", func(o *options) { o.limiter = l })
}

var limiterOptions = []string{"Concurrency", "Rate", "Burst", "OnAdjust"}

// foreignTo returns the names of options that were given and are not in the list.
func (o *options) foreignTo(list []string) []string {
	var foreign []string
	for name := range o.given {
		if !slices.Contains(list, name) {
			foreign = append(foreign, name)
		}
	}
	slices.Sort(foreign)
	return foreign
}

// checkLimiter returns what is wrong with the limiter that was given, or beside it.
func (o *options) checkLimiter() (errs []error) {
	if o.limiter == nil {
		return nil
	}
	for _, name := range []string{"Rate", "Burst", "OnAdjust"} {
		if o.given[name] {
			errs = append(errs, &OptionError{Option: name, Problem: "is refused beside WithLimiter: set it on the limiter, for all who share it"})
		}
	}
	if o.limiter.err != nil {
		errs = append(errs, o.limiter.err)
	}
	return errs
}

// Limiter bounds the calls to one account or API key: how many are in flight at once, how fast they start, and that
// none starts while the server throttles. Share one among all processors, transports and goroutines that use the
// account: two limiters in front of one key let twice as much through.
//
// The zero Limiter is ready to use: it starts with 4 calls at once, grows to 64 while that brings throughput, and has no
// rate until the server shows one. It learns from answers: from the quotas that headers tell ([Feedback]), and from
// throttles, which it blames on a window's quota, on the rate or on the number of calls in flight. [LimiterStats] tells
// what it believes, and [OnAdjust] each change. Idle time neither forgets nor saves anything up. [NewLimiter] sets other
// bounds.
//
// All methods may be called from many goroutines. A Limiter must not be copied after first use.
//
// A server that takes no calls at all (refused connections, time-outs, 502, 503 and 504 on everything) shuts it for runs,
// without a success among as many failures as bad luck does not explain. One call at a time tries then, after pauses that
// grow from a tenth of a second to 2 seconds, or to 10 where a try may cost an item; the first success opens it, and the
// pace of before comes back within a second or two. Calls of no run ([Limiter.Do], and requests of a transport) pass all
// the same, and their success opens it, too. [LimiterStats] tells, and so does [OnAdjust].
//
// Any throttle, reported by a run or through [Limiter.Observe], shuts it for everybody until the time that the server
// named, or for as long as it has learned, or for a random time that grows to about 10 seconds. Then a single call tries, of
// those that were refused first; only its success opens the limiter again.
type Limiter struct {
	once sync.Once
	gate *gate.Gate
	err  error

	concurrency int // given by the caller; 0 means not given
	limit       rate.Limit
	limited     bool // limit was given
	burst       int  // given by the caller; 0 means not given
	onAdjust    func(LimiterStats)

	dearest atomic.Int64 // what the most expensive request so far has cost
}

// NewLimiter returns a limiter with the bounds that the options [Concurrency], [Rate] and [Burst] set, and [OnAdjust]. Any other
// option, and any bad value, is an error that the first use of the limiter returns, before anything is sent.
func NewLimiter(opts ...Option) *Limiter {
	o := newOptions(opts)
	l := &Limiter{concurrency: o.concurrency, limit: o.rate, limited: o.rateSet, burst: o.burst, onAdjust: o.onAdjust}
	errs := o.errs
	for _, foreign := range o.foreignTo(limiterOptions) {
		errs = append(errs, &OptionError{Option: foreign, Problem: "is not for a Limiter, which takes Concurrency, Rate, Burst and OnAdjust"})
	}
	l.err = errors.Join(errs...)
	return l
}

// start makes the gate at first use.
func (l *Limiter) start() *gate.Gate {
	l.once.Do(func() {
		ceiling := gate.Setting{Concurrency: defaultCeiling, Rate: rate.Inf, Burst: 1}
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
		l.gate = gate.New(start, ceiling, gate.NewAdaptive())
		if l.onAdjust != nil {
			l.gate.OnAdjust(func() {
				_ = guarded(func() error { l.onAdjust(l.Stats()); return nil }) // it stands in the way of nobody's work
			})
		}
	})
	return l.gate
}

// burstFor is how many quota units may leave at one instant: no fewer than the dearest request so far has cost.
func (l *Limiter) burstFor(limit rate.Limit) int {
	dearest := int(l.dearest.Load())
	switch {
	case l.burst > 0:
		return l.burst
	case limit == rate.Inf:
		return dearest
	}
	return max(dearest, int(float64(limit)*burstTime.Seconds()))
}

// admits makes room for requests of that cost, or says why there is none.
func (l *Limiter) admits(cost int, source string) error {
	if l.err != nil {
		return l.err
	}
	if l.burst > 0 && cost > l.burst {
		return &OptionError{Option: "Burst", Value: l.burst, Problem: fmt.Sprintf(
			"is below the cost of one request (%s: %d): such a request could never leave; raise Burst or lower the cost", source, cost)}
	}
	g := l.start()
	if int64(cost) > l.dearest.Load() {
		g.Set(func(c *gate.Setting) { // one after the other
			l.dearest.Store(max(int64(cost), l.dearest.Load()))
			c.Burst = l.burstFor(c.Rate)
		})
	}
	return nil
}

// Do waits for a slot and for cost quota units, calls fn, and returns its error. It waits as long as it takes, first
// come first served; the wait ends with ctx, and at once, with an error that matches [context.DeadlineExceeded], when
// it would outlast ctx's deadline. An error of fn that [Classify] takes for a throttle shuts the limiter. The slot is
// freed when fn returns, panics or calls [runtime.Goexit]. Costs below 1 are refused, and so are those above [Burst].
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
	if a := engine.AttemptFrom(ctx); a != nil && ownerOf(a).limiter == l {
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
	if ctx.Err() != nil { // the caller did not wait for the server
		s.Trouble = gate.NoTrouble
	}
	l.gate.Done(&permit, s)
	return err
}

// call calls fn inside an attempt, and learns from its error.
func (l *Limiter) call(ctx context.Context, fn func(context.Context) error) error {
	sent := time.Now()
	err := fn(ctx)
	s := signalOf(err, sent)
	s.Outside = true // the attempt counts its own
	l.gate.Observe(s)
	return err
}

// signalOf is what the outcome of a call teaches the limiter.
func signalOf(err error, sent time.Time) gate.Signal {
	s := gate.Signal{Sent: sent, At: time.Now()}
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
		s.Trouble, s.Detail = verdict.Trouble(err)
		s.Host, s.Unsent, s.Each = neterr.Host(err), c.Class == ClassTransient, true
	}
	return s
}

// Wait waits for the gate and for cost quota units, but for no slot: it is for transports. Inside an attempt of a run
// that uses this limiter, as many quota units as the attempt has cost are paid, and pass at once. Errors are as with
// [Limiter.Do].
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
		if ownerOf(a).limiter == l {
			if cost = a.UseCredit(cost); cost == 0 {
				return nil
			}
			probing = a.Probe()
		}
		patience = a.Patience()
	}
	return limiterError(l.gate.Wait(ctx, patience, cost, probing))
}

// check refuses what could never pass.
func (l *Limiter) check(ctx context.Context, cost int) error {
	if ctx == nil {
		return ErrNilContext
	}
	if cost < 1 {
		return &OptionError{Option: "Limiter", Field: "cost", Value: cost, Problem: "must be at least 1"}
	}
	return l.admits(cost, "cost")
}

// limiterError gives an error of the gate the package's name.
func limiterError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("windrow: waiting for the limiter: %w", err)
}

// Feedback is what one answer taught whoever saw it.
type Feedback struct {
	// Sent is when the request was sent. The zero time means now. Feedback about a request that was sent before the
	// last throttle is stale, and shuts nothing.
	Sent time.Time
	// Throttled says that the server refused the request because there were too many.
	Throttled bool
	// RetryAfter is how long the server asks to wait, 0 when it did not say.
	RetryAfter time.Duration
	// Failed says that there was no answer, or one that says nothing about whether the server can take more.
	Failed bool
	// Quotas is what the headers of the answer tell of the server's limits. The tightest is obeyed.
	Quotas []Quota
}

// Quota is what an answer tells of one limit of the server, which counts requests. Only what remains is steered by, so
// that a Quota without RemainingKnown changes nothing.
type Quota struct {
	// Name tells the limits of one server apart, and is the same in all answers. "" will do for the only one.
	Name string
	// Limit is how many requests a whole window has, or a bucket holds. 0 means that it is not known.
	Limit int64
	// Remaining is how many are left.
	Remaining int64
	// RemainingKnown says that Remaining was told, since it may be 0.
	RemainingKnown bool
	// Reset is how long after the answer some or all of the quota is renewed, as the server says.
	Reset time.Duration
	// ResetUnit is what Reset was rounded up to, such as a second: the truth lies in (Reset-ResetUnit, Reset]. 0 means
	// that no Reset was told.
	ResetUnit time.Duration
	// Window is how long Limit lasts. 0 means that it is not known.
	Window time.Duration
}

// Observe tells the limiter what an answer taught. Runs and transports do so by themselves.
func (l *Limiter) Observe(f Feedback) { l.observe(f, gate.Subject{}) }

// observe tells the limiter what an answer taught, and for what the request was made.
func (l *Limiter) observe(f Feedback, of gate.Subject) {
	if l.err != nil {
		return
	}
	s := gate.Signal{Sent: f.Sent, At: time.Now(), Throttled: f.Throttled, Hint: max(0, f.RetryAfter), Outside: true, Subject: of}
	for _, q := range f.Quotas {
		s.Quotas = append(s.Quotas, gate.Quota(q))
	}
	if s.Sent.IsZero() {
		s.Sent = s.At
	} else {
		s.Latency = s.At.Sub(s.Sent)
	}
	if !f.Throttled && !f.Failed {
		s.Answered = 1
	}
	l.start().Observe(s)
}

// SetConcurrency changes how many calls may be in flight, at least 1. Calls that wait are let through at once; those
// in flight go on.
func (l *Limiter) SetConcurrency(n int) error {
	if l.err != nil {
		return l.err
	}
	if n < 1 {
		return &OptionError{Option: "SetConcurrency", Value: n, Problem: "must be at least 1"}
	}
	l.start().Set(func(c *gate.Setting) { c.Concurrency = n })
	return nil
}

// SetRate changes the rate to n quota units each per; n = 0 ends the rate limit. Whoever waits for its turn is given
// a new one under the new rate.
func (l *Limiter) SetRate(n int, per time.Duration) error {
	if l.err != nil {
		return l.err
	}
	limit := rate.Inf
	if n != 0 {
		if n < 0 || per <= 0 {
			return &OptionError{Option: "SetRate", Value: fmt.Sprintf("%d, %v", n, per), Problem: "must be positive, or 0 for no rate"}
		}
		limit = rateOf(n, per)
	}
	l.start().Set(func(c *gate.Setting) { c.Rate, c.Burst = limit, l.burstFor(limit) })
	return nil
}

func rateOf(n int, per time.Duration) rate.Limit { return rate.Limit(float64(n) / per.Seconds()) }

// PauseUntil lets nothing through before t. It never shortens a pause.
func (l *Limiter) PauseUntil(t time.Time) {
	if l.err == nil {
		l.start().PauseUntil(t)
	}
}

// Pause lets nothing through until [Limiter.Resume]. Calls in flight go on.
func (l *Limiter) Pause() {
	if l.err == nil {
		l.start().Pause()
	}
}

// Resume ends what [Limiter.Pause] and [Limiter.PauseUntil] began.
func (l *Limiter) Resume() {
	if l.err == nil {
		l.start().Resume()
	}
}

// Drain waits until nothing is in flight and nothing waits, or until ctx ends, and returns ctx's error then. Nothing
// is refused meanwhile.
func (l *Limiter) Drain(ctx context.Context) error {
	if l.err != nil {
		return l.err
	}
	if ctx == nil {
		return ErrNilContext
	}
	return limiterError(l.start().Drain(ctx))
}

// LimiterStats is a snapshot of what a limiter does.
type LimiterStats struct {
	Concurrency  int           `json:"concurrency"`  // calls that may be in flight now
	InFlight     int           `json:"in_flight"`    // calls that are
	Waiting      int           `json:"waiting"`      // calls that wait to be let through
	Rate         float64       `json:"rate"`         // quota units a second; +Inf when there is no rate
	Burst        int           `json:"burst"`        // quota units that may leave at one instant
	Paused       bool          `json:"paused"`       // by Pause
	PausedUntil  time.Time     `json:"paused_until"` // by PauseUntil, a throttle or an outage; zero when none shuts it for a time
	Probing      bool          `json:"probing"`      // the server throttled or took no calls, and no call has succeeded since
	Throttled    int           `json:"throttled"`    // how often it was shut by a throttle
	ThrottledFor time.Duration `json:"throttled_ns"` // how long it was shut by them
	Outage       bool          `json:"outage"`       // shut for runs, since the server takes no calls; one call at a time tries
	Outages      int           `json:"outages"`      // how often it was
	OutageFor    time.Duration `json:"outage_ns"`    // how long it was
	Why          string        `json:"why"`          // the evidence behind the last change of Concurrency or Rate, for the last throttle, or of an outage
}

// MarshalJSON implements [json.Marshaler]. The rate of a limiter that has none is null, and so is the end of a pause that
// has none; times are in nanoseconds.
func (s LimiterStats) MarshalJSON() ([]byte, error) {
	type plain LimiterStats
	form := struct {
		plain
		Rate        *float64   `json:"rate"`
		PausedUntil *time.Time `json:"paused_until"`
	}{plain: plain(s)}
	if !math.IsInf(s.Rate, 0) {
		form.Rate = &s.Rate
	}
	if !s.PausedUntil.IsZero() {
		form.PausedUntil = &s.PausedUntil
	}
	return json.Marshal(form)
}

// UnmarshalJSON implements [json.Unmarshaler].
func (s *LimiterStats) UnmarshalJSON(data []byte) error {
	type plain LimiterStats
	form := struct {
		*plain
		Rate        *float64   `json:"rate"`
		PausedUntil *time.Time `json:"paused_until"`
	}{plain: (*plain)(s)}
	*s = LimiterStats{Rate: math.Inf(1)}
	if err := json.Unmarshal(data, &form); err != nil {
		return err
	}
	if form.Rate != nil {
		s.Rate = *form.Rate
	}
	if form.PausedUntil != nil {
		s.PausedUntil = *form.PausedUntil
	}
	return nil
}

// Stats returns a snapshot. That of a limiter with bad options is zero.
func (l *Limiter) Stats() LimiterStats {
	if l.err != nil {
		return LimiterStats{}
	}
	s := l.start().Stats()
	stats := LimiterStats{
		Concurrency: s.Concurrency, InFlight: s.InFlight, Waiting: s.Waiting, Rate: float64(s.Rate), Burst: s.Burst,
		Paused: s.Paused, PausedUntil: s.Until, Probing: s.Probing, Throttled: int(s.Throttles), ThrottledFor: s.ShutFor,
		Outage: s.Down, Outages: int(s.Outages), OutageFor: s.DownFor, Why: s.Why,
	}
	if s.Rate == rate.Inf {
		stats.Rate = math.Inf(1)
	}
	return stats
}

// chunkItems is how many items one request holds at most; 1 for single calls.
func (p *BatchProcessor[In, Out]) chunkItems() int {
	if p.Batch == nil && !p.asksServer() {
		return 1
	}
	n := cmp.Or(p.Capabilities.MaxItems, defaultMaxItems)
	if p.op == OpGet {
		n = cmp.Or(p.Capabilities.MaxReads, n)
	}
	if p.opts.batchSize > 0 {
		n = min(n, p.opts.batchSize)
	}
	return n
}

// batchSize is how many items lie between two delays.
func (p *BatchProcessor[In, Out]) batchSize() int {
	switch {
	case p.opts.batchSize > 0:
		return p.opts.batchSize
	case p.Batch != nil:
		return p.chunkItems()
	case p.op == OpCreate:
		return 20
	default:
		return 10
	}
}

// sizeOf returns what measures items for MaxBytes, nil when only their number counts.
func (p *BatchProcessor[In, Out]) sizeOf() func(In) int {
	switch {
	case p.Batch == nil || p.Capabilities.MaxBytes == 0 || p.opts.dryRun:
		return nil
	case p.Size == nil:
		return inspect.JSONSize[In]
	}
	return p.Size
}

// measure measures an item for a bound that the server did not tell, 0 when Size panics.
func (p *BatchProcessor[In, Out]) measure(in In) (size int) {
	measure := p.Size
	if measure == nil {
		measure = inspect.JSONSize[In]
	}
	_ = guarded(func() error { size = max(0, measure(in)); return nil })
	return size
}

// costs returns what requests for 1, 2 and more items cost, nil when each costs 1, and makes room for them. The limiter
// needs to know while others wait for it, which is no time to call a function of the caller's.
func (p *BatchProcessor[In, Out]) costs() ([]int, error) {
	const source = "Capabilities.Cost"
	if p.Capabilities.Cost == nil {
		return nil, p.limiter.admits(1, source)
	}
	costs := make([]int, p.chunkItems())
	if value, stack, ok := parallel.Call(func() {
		for i := range costs {
			costs[i] = max(1, p.Capabilities.Cost(i+1))
		}
	}); !ok {
		return nil, &schedule.HookError{Hook: "Cost", Err: lost(value, stack)}
	}
	return costs, p.limiter.admits(slices.Max(costs), source)
}

// PollPolicy says how often and how long a job of a server is asked for. The zero value is the default.
type PollPolicy struct {
	// First is the time between the first and the second question; it doubles from one to the next. Defaults to a second.
	First time.Duration
	// Longest is the longest time between two questions, unless the server asks for more. Defaults to 10 seconds.
	Longest time.Duration
	// Deadline is how long the job is waited for. Then nobody knows how it ended: a write ends as Unknown without another
	// attempt, and a Rerun goes on asking for the same job. An attempt that ends earlier, such as by [AttemptTimeout], is
	// followed by one that goes on asking. Defaults to 10 minutes.
	Deadline time.Duration
}

// ErrPending is matched by the error of a job that has not ended.
var ErrPending = errors.New("windrow: the job has not ended")

// Pending is what a function given to [Poll] returns while the job has not ended. after is how long the server asks to
// wait before the next question, 0 when it does not say.
func Pending(after time.Duration) error { return Throttled(ErrPending, after) }

// JobError is the error of a job of the server of which it is not known how it ended.
type JobError struct {
	Handle string // the server's name for it; "" when it is not known here
	Err    error  // the last answer, ErrPending as long as it has not ended
}

// Error implements error.
func (e *JobError) Error() string {
	if e.Handle == "" {
		return "the end of the job is not known: " + plain(e.Err)
	}
	return fmt.Sprintf("the end of the job %q is not known: %s", e.Handle, plain(e.Err))
}

// Unwrap returns the last answer.
func (e *JobError) Unwrap() error { return e.Err }

// Poll asks until the job has ended: at once, and then less and less often. ask returns what came of the job; or
// [Pending]; or an error. A throttle, a lost answer and anything else that says nothing of the job only means that it is
// asked again. Every question but the first counts against the limiter of the run, and the slot of the attempt stays
// taken. When the deadline is over, Poll returns a [*JobError] that is [ClassAmbiguous], and after which a run makes no
// further attempt: for a write, nobody knows.
func Poll[T any](ctx context.Context, policy PollPolicy, ask func(ctx context.Context) (T, error)) (T, error) {
	policy = PollPolicy{
		First: cmp.Or(max(0, policy.First), time.Second), Longest: cmp.Or(max(0, policy.Longest), 10*time.Second),
		Deadline: cmp.Or(max(0, policy.Deadline), 10*time.Minute),
	}
	var none T
	end := time.Now().Add(policy.Deadline)
	for pause := min(policy.First, policy.Longest); ; pause = min(2*pause, policy.Longest) {
		out, err := ask(ctx)
		if err == nil {
			return out, nil
		}
		if ctx.Err() != nil {
			return none, Ambiguous(&JobError{Err: err})
		}
		c := Classify(err)
		if c.Class == ClassPermanent || c.Class == ClassTooLarge {
			return none, err
		}
		wait := max(pause, c.After)
		if time.Now().Add(wait).After(end) {
			last := Classification{Class: ClassAmbiguous}
			last.more.Final = true // or each attempt would wait as long
			return none, Classified(&JobError{Err: err}, last)
		}
		if c.Class == ClassFatal {
			return none, Ambiguous(&JobError{Err: err})
		}
		if a := engine.AttemptFrom(ctx); a != nil && errors.Is(err, ErrPending) {
			a.GoOn()
		}
		if err := pollAgain(ctx, wait); err != nil {
			return none, Ambiguous(&JobError{Err: err})
		}
	}
}

// pollAgain waits until a job may be asked for again.
func pollAgain(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return gate.Ended(ctx)
	case <-timer.C:
	}
	a := engine.AttemptFrom(ctx)
	if a == nil {
		return nil
	}
	if err := ownerOf(a).limiter.start().Wait(ctx, a.Patience(), 1, a.Probe()); err != nil {
		return limiterError(err)
	}
	a.Prepay(1) // a transport that has the same limiter does not take it once more
	return nil
}

// SubmitAndPoll starts a job of the server and waits for its end as [Poll] does. submit returns the server's name for the
// job, which stays with the attempt ([Attempt.SetHandle]): when the end of the job cannot be found out, the next attempt
// goes on asking and does not submit again, and neither does a [BatchProcessor.Rerun] of items that ended as Unknown.
func SubmitAndPoll[T any](ctx context.Context, policy PollPolicy, submit func(ctx context.Context) (handle string, err error), ask func(ctx context.Context, handle string) (T, error)) (T, error) {
	a, _ := AttemptFrom(ctx)
	handle := a.Handle()
	if handle == "" {
		var err error
		if handle, err = submit(ctx); err != nil {
			return *new(T), err
		}
		a.SetHandle(handle)
	}
	out, err := Poll(ctx, policy, func(ctx context.Context) (T, error) { return ask(ctx, handle) })
	if job, ok := errors.AsType[*JobError](err); ok {
		job.Handle = handle
	}
	return out, err
}
