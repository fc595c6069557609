package windrow

import (
	"cmp"
	"context"
	"errors"
	"log/slog"

	"github.com/cenkalti/backoff/v4"

	"github.com/windrow-go/windrow/internal/classify"
	"github.com/windrow-go/windrow/internal/delays"
	"github.com/windrow-go/windrow/internal/engine"
	"github.com/windrow-go/windrow/internal/gate"
	"github.com/windrow-go/windrow/internal/identity"
	"github.com/windrow-go/windrow/internal/inspect"
	"github.com/windrow-go/windrow/internal/message"
	"github.com/windrow-go/windrow/internal/resume"
	"github.com/windrow-go/windrow/internal/sink"
)

// check returns the costs of the requests, or what is wrong with the processor.
func (p *BatchProcessor[In, Out]) check(ctx context.Context) (costs []int, _ error) {
	p.once.Do(p.prime)
	o := p.opts
	errs := append([]error(nil), o.errs...)
	if inspect.IsNil(ctx) {
		errs = append(errs, ErrNilContext)
	}
	switch {
	case p.clientErr != nil:
		errs = append(errs, p.clientErr)
	case p.Do == nil && p.Batch == nil:
		errs = append(errs, ErrNilClient)
	default:
		errs = append(errs, o.checkCalls(p.Batch == nil && !p.asksServer())...)
	}
	errs = append(errs, o.checkLimiter()...)
	if o.journal != nil && p.keyOf() == nil {
		errs = append(errs, &OptionError{Option: "WithJournal", Problem: "needs a Key, by which the items are known again: give WithKey, or set the field"})
	}
	if p.keyOf() == nil && o.duplicates != duplicatesDefault && o.duplicates != KeepAllInOrder {
		errs = append(errs, &OptionError{Option: "Duplicates", Value: o.duplicates, Problem: "needs a Key, by which the items are compared: give WithKey, or set the field"})
	}
	if o.journal != nil && o.scope != "" {
		errs = append(errs, &OptionError{Option: "IdempotencyScope", Problem: "is refused beside WithJournal: the journal has a scope of its own"})
	}
	c := p.Capabilities
	if o.atomic {
		switch {
		case p.Batch == nil || c.Atomicity == AtomicityPartial:
			errs = append(errs, &OptionError{Option: "Atomic", Problem: "needs a client with requests for many items that are all or nothing: its Capabilities say otherwise"})
		case o.canary > 0:
			errs = append(errs, &OptionError{Option: "Atomic", Problem: "cannot go with Canary, which sends some items before the others"})
		}
	}
	if errs = append(errs, c.check()...); len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return p.costs()
}

// prime sets the options and the limiter that all runs share.
func (p *BatchProcessor[In, Out]) prime() {
	if p.opts == nil { // a literal, made without a constructor
		p.opts = newOptions(nil)
	}
	if p.limiter = p.opts.limiter; p.limiter == nil {
		o := p.opts
		p.limiter = &Limiter{concurrency: o.concurrency, limit: o.rate, limited: o.rateSet, burst: o.burst, onAdjust: o.onAdjust, learned: o.learned}
	}
}

// asksServer reports whether a dry run asks the server.
func (p *BatchProcessor[In, Out]) asksServer() bool {
	return p.opts.dryRun && p.tryOut != nil && p.Capabilities.VerifiedDryRun
}

// begin tells the observer and the logger that a run begins. It returns the run's context, and a function that tells
// them of the end. items is -1 when their number is not known. The errors are panics of the observer or the logger.
func (p *BatchProcessor[In, Out]) begin(ctx context.Context, items int) (_ context.Context, end func(RunStats, error) error, err error) {
	observer, logger := p.opts.observer, p.opts.logger
	tell := func(RunStats, error) {}
	err = guarded(func() error {
		if observer != nil {
			watched, end := observer.StartRun(ctx, p.op, items)
			ctx = cmp.Or(watched, ctx)
			if end != nil {
				tell = end
			}
		}
		if logger != nil {
			logger.InfoContext(ctx, "windrow: run started", "operation", p.op.String(), "items", items)
		}
		return nil
	})
	return ctx, func(s RunStats, err error) error {
		return guarded(func() error {
			if logger != nil {
				level := slog.LevelInfo
				if err != nil {
					level = slog.LevelWarn
				}
				var stopped []any
				if cause := stopCause(err); cause != nil {
					stopped = []any{"cause", message.Plain(cause)}
				}
				logger.With(stopped...).Log(ctx, level, "windrow: run ended", "operation", p.op.String(), "succeeded", s.Succeeded, "failed", s.Failed,
					"skipped", s.Skipped, "not_attempted", s.NotAttempted, "unknown", s.Unknown, "requests", s.Requests,
					"throttled", s.Throttled, "elapsed", s.Elapsed)
			}
			tell(s, err)
			return nil
		})
	}, err
}

// stopCause returns what stopped a run or a stream, without the keys of items, for the log. It is nil when the run ran
// to its end.
func stopCause(err error) error {
	if bulk, ok := errors.AsType[*BulkError](err); ok {
		err = bulk.Cause
	}
	if errors.Is(err, ErrDuplicateKey) {
		return ErrDuplicateKey
	}
	return err
}

// perform sends the items, passes the results to OnResult, and returns what stopped the run.
func (p *BatchProcessor[In, Out]) perform(ctx context.Context, res *BulkResult[In, Out], past *resume.Past, costs []int) error {
	var told func(item int)
	if p.OnResult != nil {
		told = func(i int) { p.OnResult(res.At(i)) }
	}
	l := sink.Listen(told, lostIn("OnResult"))
	err := p.send(ctx, res, past, costs, l)
	if late := l.Close(); err == nil {
		err = late
	}
	return p.stopped(err)
}

// send prepares the items, runs the engine, and returns what stopped it.
func (p *BatchProcessor[In, Out]) send(ctx context.Context, res *BulkResult[In, Out], past *resume.Past, costs []int, l *sink.Listeners) error {
	journal, err := p.resumption(res, res.stats.Requests == 0)
	var plan *prepared
	if err == nil {
		plan, err = p.prepare(ctx, res, past, journal)
	}
	if err != nil {
		for i := range res.slots() {
			if past.Pending == nil || past.Pending[i] {
				l.Tell(i, i+1)
			}
		}
		return err
	}
	plan.costs = costs
	o, g := p.opts, p.limiter.start()
	cfg := p.engineConfig(res, plan, g)
	cfg.Owner = p.owner(res)
	if p.OnResult != nil || o.onProgress != nil {
		cfg.Broken = l.Broken()
	}
	if p.OnResult != nil {
		cfg.Hooks.Final = l.Tell
	}
	cfg.Hooks.Outage, cfg.Hooks.Attempt = p.logOutages(ctx), p.watchAttempts(ctx)
	l.TellEach(plan.settled)
	var r *engine.Run
	if journal != nil {
		keepJournal(journal, cfg, func(err error) { r.Stop(err) })
	}
	r = engine.New(ctx, cfg)
	if o.control != nil {
		defer o.control.attach(r)()
	}
	if o.onProgress != nil {
		defer p.watch(r, g, l, res.Len(), res.ended(past.Pending, plan))()
	}
	before := g.Stats()
	err = r.Wait()
	var left []int
	for i := range res.slots() {
		if res.table.Slots[i].State == engine.NotAttempted && (journal != nil || p.OnResult != nil) {
			left = append(left, i)
		}
	}
	if journal != nil {
		if late := journal.Close(left); err == nil {
			err = late
		}
	}
	l.TellEach(left)
	s := r.Stats()
	res.stats.Requests += int(s.Requests)
	res.stats.Retries += int(s.Retries)
	res.stats.Throttled += int(s.Throttled)
	after := g.Stats()
	res.stats.ThrottledFor += after.ShutFor - before.ShutFor
	res.stats.OutageFor += after.DownFor - before.DownFor
	return err
}

// stopped returns the public error for what stopped a run. With PropagatePanics it panics with a *PanicError instead of
// returning it.
func (p *BatchProcessor[In, Out]) stopped(err error) error {
	if panicked, ok := errors.AsType[*PanicError](err); ok && p.opts.keepPanics {
		panic(panicked)
	}
	return causeOf(err)
}

// engineConfig returns the configuration of the engine.
func (p *BatchProcessor[In, Out]) engineConfig(res *BulkResult[In, Out], plan *prepared, g *gate.Gate) *engine.Config {
	o, retry := p.opts, p.opts.retry.withDefaults()
	workers := o.concurrency
	if o.preserveOrder || o.atomic {
		workers = 1
	}
	cfg := &engine.Config{
		Table: res.table, Todo: plan.Todo, Order: plan.Order, Follower: plan.Follower, Twin: plan.Twin, Doubtful: plan.Doubtful, Replay: plan.replay,
		Traits: p.traits(p.op, p.Capabilities),
		Policy: engine.Policy{
			MaxAttempts: retry.MaxAttempts, NewBackOff: func() backoff.BackOff { return delays.Guard(retry.Strategy, lost) }, MaxThrottleWait: retry.MaxThrottleWait,
			Budget: engine.Budget(retry.Budget), Hasty: o.retry.Strategy == nil,
		},
		Workers: workers, InOrder: o.preserveOrder || o.atomic, Atomic: o.atomic, Together: p.together(),
		BatchSize: p.batchSize(), BatchDelay: o.batchDelay, Canary: o.canary,
		ChunkItems: p.chunkItems(), ChunkBytes: p.Capabilities.MaxBytes, OmitsTail: p.Capabilities.OmitsTail,
		AttemptTimeout: o.attemptTimeout, TimeoutCause: ErrAttemptTimeout,
		FailedBefore: len(plan.Invalid), MaxFailures: o.maxFailures, MaxFailureRate: o.maxFailureRate, MinFailureRate: o.minFailureRate,
		KeepPanics: o.keepPanics, Lost: lost,
		Judge:     judgeOf(p.op, retry.Classify, o.logger).Attempt,
		JudgeItem: judgeOf(p.op, retry.Classify, o.logger).Item, Gate: g,
		AllOrNothing: p.Batch != nil && (p.Capabilities.Atomicity == AtomicityAll || p.Capabilities.Atomicity == AtomicitySelectable && o.atomic),
	}
	if o.control != nil {
		cfg.Own = o.control.start()
	}
	if plan.costs != nil {
		cfg.Cost = func(items int) int { return plan.costs[items-1] }
	}
	cfg.Sizes, cfg.Measure = &p.sizes, func(i int) int { return p.measure(res.inputs[i&res.mask]) }
	if plan.Sizes != nil {
		cfg.Size = func(i int) int { return plan.Sizes[i&res.mask] }
	}
	if p.same != nil && !p.asksServer() {
		cfg.Same = func(a, b int) bool { return p.same(res.inputs[a&res.mask], res.inputs[b&res.mask]) }
		cfg.Copy = func(from, to int) { res.values[to&res.mask] = res.values[from&res.mask] }
	}
	if p.traitsOf != nil {
		cfg.TraitsOf = func(i int) engine.Traits { return p.traitsFor(res.inputs[i&res.mask]) }
	}
	if p.asksServer() {
		cfg.Batch = p.tryCall(res)
		return cfg
	}
	if do, inputs, values, mask := p.Do, res.inputs, res.values, res.mask; do != nil && (p.Batch == nil || !p.Capabilities.BatchOfOne) {
		cfg.Call = func(ctx context.Context, i int) error {
			out, err := do(ctx, inputs[i&mask])
			if err == nil {
				values[i&mask] = out
			} else if _, ok := errors.AsType[*classify.Skip](err); ok {
				values[i&mask] = out // the record that was found
			}
			return err
		}
	}
	if p.Batch != nil {
		cfg.Batch = p.batchCall(res)
	}
	p.lookUps(cfg, res)
	if o.scope != "" {
		cfg.KeptKey = func(i int) bool { return cfg.Owner.(*identity.Run).OwnKey(i) != "" }
	}
	return cfg
}

// mayLook reports whether the processor can look up whether an item was applied.
func (p *BatchProcessor[In, Out]) mayLook() bool {
	return p.Reconcile != nil || p.ReconcileBatch != nil
}

// lookUps sets the look-ups of the engine.
func (p *BatchProcessor[In, Out]) lookUps(cfg *engine.Config, res *BulkResult[In, Out]) {
	cfg.SettlingTime = p.opts.settling
	if p.ReconcileBatch != nil {
		cfg.LookItems = max(1, cmp.Or(p.Capabilities.MaxReads, p.Capabilities.MaxItems, defaultMaxItems))
		cfg.ReconcileBatch = func(ctx context.Context, items []int, answers *engine.Answers) (int, error) {
			out, err := p.ReconcileBatch(ctx, res.inputsOf(items))
			if err != nil || len(out) != len(items) {
				return len(out), err
			}
			for k, o := range out {
				if o.Err == nil {
					res.values[items[k]&res.mask] = o.Value
				} else {
					answers.Set(k, engine.Answer{Err: o.Err})
				}
			}
			return len(out), nil
		}
	}
	if p.Reconcile != nil {
		cfg.Reconcile = func(ctx context.Context, i int) (bool, error) {
			out, applied, err := p.Reconcile(ctx, res.inputs[i&res.mask])
			if err == nil && applied {
				res.values[i&res.mask] = out
			}
			return applied, err
		}
	}
}

// tryCall returns the server's dry run as a batch call of the engine.
func (p *BatchProcessor[In, Out]) tryCall(res *BulkResult[In, Out]) func(context.Context, []int, *engine.Answers) (int, error) {
	return func(ctx context.Context, items []int, answers *engine.Answers) (int, error) {
		in := res.inputsOf(items)
		errs, err := p.tryOut(ctx, in)
		if err == nil && len(errs) == len(items) {
			for k, err := range errs {
				answers.Set(k, engine.Answer{Err: err, Reason: engine.DryRun})
			}
		}
		return len(errs), err
	}
}

// batchCall returns Batch as a batch call of the engine.
func (p *BatchProcessor[In, Out]) batchCall(res *BulkResult[In, Out]) func(context.Context, []int, *engine.Answers) (int, error) {
	return func(ctx context.Context, items []int, answers *engine.Answers) (int, error) {
		in := res.inputsOf(items)
		out, err := p.Batch(ctx, in)
		if err != nil || len(out) > len(items) || len(out) < len(items) && !p.Capabilities.OmitsTail {
			return len(out), err
		}
		for k := range out {
			o := &out[k]
			if o.Err == nil {
				res.values[items[k]&res.mask] = o.Value
			}
			if o.Err != nil || o.Reason != NoReason || len(o.Warnings) > 0 {
				answers.Set(k, engine.Answer{Err: o.Err, Reason: engine.Reason(o.Reason), Warnings: o.Warnings})
			}
		}
		return len(out), nil
	}
}

// traits returns the properties of an operation for a client with these capabilities.
func (p *BatchProcessor[In, Out]) traits(op OpKind, c Capabilities) engine.Traits {
	if p.asksServer() {
		return engine.Traits{Read: true}
	}
	t := engine.Traits{Read: op == OpGet, Create: op == OpCreate || op == OpDo, Delete: op == OpDelete, WholeOnly: p.wholeOnly(),
		Keyed: op == OpCreate && c.IdempotencyKeys}
	switch op {
	case OpGet, OpDelete, OpUpdate, OpUpsert:
		t.Repeatable = true
	case OpCreate:
		t.Repeatable = p.opts.repeatable || c.IdempotencyKeys || c.ClientIDs
	default:
		t.Repeatable = p.opts.repeatable
	}
	return t
}

// traitsFor returns the properties of the operation on an item.
func (p *BatchProcessor[In, Out]) traitsFor(in In) engine.Traits {
	if p.traitsOf == nil {
		return p.traits(p.op, p.Capabilities)
	}
	return p.traits(p.traitsOf(in))
}

// wholeOnly reports whether a chunk may be sent twice only with the same items, since an idempotency key belongs to
// exactly those.
func (p *BatchProcessor[In, Out]) wholeOnly() bool {
	c := p.Capabilities
	return p.Batch != nil && (p.op == OpCreate || p.op == OpExecute) && c.IdempotencyKeys && !c.ClientIDs && !p.opts.repeatable
}

// owner returns the data of a run that fills res, for its attempts.
func (p *BatchProcessor[In, Out]) owner(res *BulkResult[In, Out]) *identity.Run {
	return &identity.Run{
		Op: uint8(p.op), OpName: p.op.String(), ID: res.runID, Scope: res.scope, Keys: res.keys, Mask: res.mask, Revisions: res.revisions,
		Limiter: p.limiter, Unique: p.Key != nil && p.opts.duplicates != KeepAllInOrder,
		Atomic: p.opts.atomic, StopOnError: p.opts.maxFailures == 0,
	}
}

// keyOf returns the function that names items: the Key, or the id of a verb that has one; nil without either.
func (p *BatchProcessor[In, Out]) keyOf() func(In) string {
	if p.Key != nil {
		return p.Key
	}
	return p.identity
}

// scopeOf returns the scope of the idempotency keys of a run with that id. A journal has a scope of its own.
func (p *BatchProcessor[In, Out]) scopeOf(runID string) string {
	p.once.Do(p.prime) // the processor may be a literal
	return cmp.Or(p.opts.scope, runID)
}
