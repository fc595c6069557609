package windrow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"
	"golang.org/x/time/rate"

	"github.com/windrow-go/windrow/internal/delays"
	"github.com/windrow-go/windrow/internal/engine"
	"github.com/windrow-go/windrow/internal/gate"
	"github.com/windrow-go/windrow/internal/idem"
	"github.com/windrow-go/windrow/internal/inspect"
	"github.com/windrow-go/windrow/internal/resume"
	"github.com/windrow-go/windrow/internal/schedule"
	"github.com/windrow-go/windrow/internal/sink"
	"github.com/windrow-go/windrow/internal/verdict"
)

// BatchProcessor runs one operation for many items. Make one with [NewCreateProcessor] and its siblings for a client,
// or with [NewBatchProcessor] for any function; then set the hooks that are wanted, before the first run.
//
// A processor may be used for several runs, also at the same time, and keeps its limiter between them.
type BatchProcessor[In, Out any] struct {
	// Do makes a single call. It is called from many goroutines at once, and with a context that ends when the run is
	// cancelled or the attempt takes longer than [AttemptTimeout]. [AttemptFrom] tells what it is called for.
	Do func(ctx context.Context, in In) (Out, error)
	// Batch makes one request for several items, and returns one outcome for each, in their order: see [BatchCreator] for
	// what its error and theirs mean. Where both are
	// set, Do serves a single item, unless the Capabilities say BatchOfOne. Nil means that there is no such request.
	Batch func(ctx context.Context, in []In) ([]Outcome[Out], error)
	// Capabilities is what Do and Batch can do. The constructors take it from a client that is a [Describer].
	Capabilities Capabilities
	// Key is the identity of an item: its name in errors, what makes two items duplicates of each other (see
	// [Duplicates]), and what its idempotency key is derived from. It does not make anything repeatable by itself. An item
	// whose key is "" has none. Nil means that no item has one; updates, deletes and reads are named by their id then,
	// and those of one id are kept in their order.
	Key func(in In) string
	// ResultID names what the server made of an item, such as the id of the record: see [Result.ID]. It is what a [Journal]
	// stores. Nil means that nothing is stored but how the item ended. A panic names nothing, and stops a run with a
	// journal.
	ResultID func(out Out) string
	// Fingerprint is a short text that changes with the content of an item, such as a checksum. A [Journal] stores it, and
	// an item that was done under the same Key with another content is refused. Nil means that nobody looks.
	Fingerprint func(in In) string
	// Validate says what is wrong with an item, in one error or several by [errors.Join]. It is called for every item
	// before anything is sent, from several goroutines. A bad item ends as Failed and never reaches the client.
	Validate func(in In) error
	// Size measures an item for the client's MaxBytes. Defaults to the length of its JSON form and a separator.
	Size func(in In) int
	// Reconcile looks up whether an item whose answer was lost was applied. The constructors take it from a client
	// that is a [Reconciler]. Nil means that there is no way to know.
	// [SettlingTime] says when a look-up that finds nothing is believed.
	Reconcile func(ctx context.Context, in In) (out Out, applied bool, err error)
	// ReconcileBatch looks up several items with one request, up to MaxReads, and returns one outcome for each, in their
	// order: one whose error matches [ErrNotFound] was not applied, and of one with another error nobody knows. The
	// constructors take it from a client that is a [BatchReconciler]. Nil means that each item is looked up by itself.
	ReconcileBatch func(ctx context.Context, in []In) ([]Outcome[Out], error)
	// OnResult is called once with each result, as soon as the item has ended, from one goroutine. When it is slow
	// the run waits for it. A panic in it stops the run.
	OnResult func(Result[In, Out])

	op       OpKind
	same     func(a, b In) bool                                  // of reads: both ask for the same; nil otherwise
	identity func(in In) string                                  // of verbs whose input names a record; nil otherwise
	traitsOf func(in In) (OpKind, Capabilities)                  // of Execute; nil when all items have those of the processor
	tryOut   func(ctx context.Context, in []In) ([]error, error) // of a DryRunner; nil otherwise
	typed    func(in *In, value *Out)                            // gives what was read from JSON its types again; nil when it has them
	opts     *options
	clientOK error

	once    sync.Once
	limiter *Limiter
	sizes   engine.Sizes // what its runs have learned of how large requests may be
}

// NewBatchProcessor returns a processor that calls do. Nothing is known of what do does: it is not repeated after an
// ambiguous error, unless the option [Repeatable] says that this is harmless.
func NewBatchProcessor[In, Out any](do func(ctx context.Context, in In) (Out, error), opts ...Option) *BatchProcessor[In, Out] {
	return &BatchProcessor[In, Out]{Do: do, opts: newOptions(opts)}
}

// NewCreateProcessor returns the processor behind [CreateMany].
func NewCreateProcessor[In, Out any](client Creator[In, Out], opts ...Option) *BatchProcessor[In, Out] {
	p := newProcessor[In, Out](OpCreate, client, opts)
	if p.clientOK == nil {
		p.Do = client.Create
		if b, ok := client.(BatchCreator[In, Out]); ok {
			p.Batch = b.CreateBatch
		}
	}
	return p
}

// NewUpdateProcessor returns the processor behind [UpdateMany].
func NewUpdateProcessor[ID comparable, In, Out any](client Updater[ID, In, Out], opts ...Option) *BatchProcessor[Update[ID, In], Out] {
	p := newProcessor[Update[ID, In], Out](OpUpdate, client, opts)
	p.identity = func(u Update[ID, In]) string { return inspect.Text(u.ID) }
	if p.clientOK == nil {
		p.Do = func(ctx context.Context, u Update[ID, In]) (Out, error) { return client.Update(ctx, u.ID, u.Data) }
		if b, ok := client.(BatchUpdater[ID, In, Out]); ok {
			p.Batch = b.UpdateBatch
		}
	}
	return p
}

// NewUpsertProcessor returns the processor behind [UpsertMany].
func NewUpsertProcessor[In, Out any](client Upserter[In, Out], opts ...Option) *BatchProcessor[In, Out] {
	p := newProcessor[In, Out](OpUpsert, client, opts)
	if p.clientOK == nil {
		p.Do = client.Upsert
		if b, ok := client.(BatchUpserter[In, Out]); ok {
			p.Batch = b.UpsertBatch
		}
	}
	return p
}

// NewDeleteProcessor returns the processor behind [DeleteMany].
func NewDeleteProcessor[ID comparable](client Deleter[ID], opts ...Option) *BatchProcessor[ID, struct{}] {
	p := newProcessor[ID, struct{}](OpDelete, client, opts)
	p.identity = inspect.Text[ID]
	if p.clientOK == nil {
		p.Do = NoOutput(client.Delete)
		if b, ok := client.(BatchDeleter[ID]); ok {
			p.Batch = b.DeleteBatch
		}
	}
	return p
}

// NewGetProcessor returns the processor behind [GetMany].
func NewGetProcessor[ID comparable, Out any](client Getter[ID, Out], opts ...Option) *BatchProcessor[ID, Out] {
	p := newProcessor[ID, Out](OpGet, client, opts)
	p.identity, p.same = inspect.Text[ID], func(a, b ID) bool { return a == b }
	if p.clientOK == nil {
		p.Do = client.Get
		if b, ok := client.(BatchGetter[ID, Out]); ok {
			p.Batch = b.GetBatch
		}
	}
	return p
}

// NewExecuteProcessor returns the processor behind [Execute].
func NewExecuteProcessor(client Executor, opts ...Option) *BatchProcessor[Operation, any] {
	p := newProcessor[Operation, any](OpExecute, client, opts)
	p.identity, p.Validate = Operation.identity, Operation.Validate
	p.traitsOf = func(o Operation) (OpKind, Capabilities) { return o.Kind, p.Capabilities }
	if p.clientOK != nil {
		return p
	}
	r, ok := client.(Resources)
	if !ok {
		p.Batch = client.Execute
		return p
	}
	p.Do, p.Validate, p.Reconcile, p.typed = r.do, r.validate, r.reconcile, r.typed
	p.traitsOf = func(o Operation) (OpKind, Capabilities) { return o.Kind, r[o.Resource].caps }
	return p
}

func newProcessor[In, Out any](op OpKind, client any, opts []Option) *BatchProcessor[In, Out] {
	p := &BatchProcessor[In, Out]{op: op, opts: newOptions(opts)}
	if inspect.IsNil(client) {
		p.clientOK = ErrNilClient
		return p
	}
	if d, ok := client.(Describer); ok {
		p.Capabilities = d.Capabilities()
	}
	if r, ok := client.(Reconciler[In, Out]); ok {
		p.Reconcile = r.Reconcile
	}
	if r, ok := client.(BatchReconciler[In, Out]); ok {
		p.ReconcileBatch = r.ReconcileBatch
	}
	if d, ok := client.(DryRunner[In]); ok {
		p.tryOut = d.DryRun
	}
	return p
}

// OptionError says what is wrong with an option, a parameter, or a field of one. Nothing was sent.
type OptionError struct {
	Option  string // its name
	Field   string // of the option's value; "" when it has none
	Value   any    // what was given; nil when the problem is another
	Problem string // what is wrong, and what to do
}

// Error implements error.
func (e *OptionError) Error() string {
	var b strings.Builder
	b.WriteString("windrow: " + e.Option)
	if e.Field != "" {
		b.WriteString(": " + e.Field)
	}
	if e.Value != nil {
		fmt.Fprintf(&b, " (%v)", e.Value)
	}
	return b.String() + " " + e.Problem
}

// Option is a policy of a processor or a [Limiter] that does not depend on the type of the items.
type Option interface{ apply(*options) }

type optionFunc func(*options)

func (f optionFunc) apply(o *options) { f(o) }

// options is what the options of a processor say.
type options struct {
	given map[string]bool // by name
	errs  []error

	concurrency    int
	rate           rate.Limit
	rateSet        bool
	burst          int
	batchSize      int
	batchDelay     time.Duration
	retry          RetryPolicy
	attemptTimeout time.Duration
	preserveOrder  bool
	maxFailures    int // -1: no bound
	maxFailureRate float64
	minFailureRate int
	dryRun         bool
	atomic         bool
	settling       time.Duration
	canary         int
	repeatable     bool
	keepPanics     bool
	duplicates     DuplicatePolicy
	onProgress     func(Progress)
	limiter        *Limiter
	onAdjust       func(LimiterStats)
	logger         *slog.Logger
	observer       Observer
	journal        Journal
	scope          string // "" when none was given
	unordered      bool   // of a stream, as the next two
	window         int
	linger         time.Duration
}

func newOptions(opts []Option) *options {
	o := &options{given: map[string]bool{}, maxFailures: -1, maxFailureRate: -1, settling: defaultSettlingTime}
	Options(opts...).apply(o)
	return o
}

// option makes an Option of that name, which applies set when the value is good, and is refused with the problem
// otherwise.
func option(name string, good bool, value any, problem string, set func(*options)) Option {
	return optionFunc(func(o *options) {
		o.given[name] = true
		if !good {
			o.errs = append(o.errs, &OptionError{Option: name, Value: value, Problem: problem})
			return
		}
		set(o)
	})
}

// Options joins several options into one that can be named and shared. A later option overrides an earlier one, and a
// nil one says nothing.
func Options(opts ...Option) Option {
	return optionFunc(func(o *options) {
		for _, opt := range opts {
			if opt != nil {
				opt.apply(o)
			}
		}
	})
}

// Atomic makes the run all or nothing: all items go in one request, which the server applies as a whole or not at all.
// When one is refused, it ends as Failed where the server names it, and the others as NotAttempted with an error that
// matches [ErrRolledBack]. The run is refused, and nothing sent, when the client's [Atomicity] is partial, when the items
// do not fit into one request of it, and when one of them is not valid.
func Atomic() Option {
	return option("Atomic", true, nil, "", func(o *options) { o.atomic = true })
}

// DryRun validates the items, checks their keys, and sends nothing: good items end as Skipped. When the client is a
// [DryRunner] whose dry run was verified, the server is asked, too; Do and Batch are not called in any case.
func DryRun() Option {
	return option("DryRun", true, nil, "", func(o *options) { o.dryRun = true })
}

// WithLogger makes runs log their start and end, with what stopped them, that the server throttles, and when it takes no
// calls. Nothing of the items is logged but their number. Without it nothing is logged.
func WithLogger(l *slog.Logger) Option {
	return option("WithLogger", l != nil, "nil", "must be a logger", func(o *options) { o.logger = l })
}

// IdempotencyScope names what the idempotency keys of runs belong to. Two runs with one scope send the same key for items
// with the same operation and Key, so that a server which honours keys carries out the second only once. It is for a program
// that has no [Journal], and may be started again in the middle: name what it is about, such as "import 2031-05-06", and
// nothing that a later import has too. Any text but "" will do, and none of it is sent. Without it every run has a scope of
// its own, a Rerun that of its run; it is refused beside [WithJournal]: a journal has its own. Items without a Key have keys
// of their run in any case. A create that is refused since its key is in use, or since there is such a record, may meet what
// an earlier run has begun: it is looked up, or repeated with its key, or is Unknown.
func IdempotencyScope(scope string) Option {
	return option("IdempotencyScope", scope != "", `""`, "must not be empty", func(o *options) { o.scope = scope })
}

// scopeOf returns the scope of the idempotency keys of a run with that id. A journal has its own.
func (p *BatchProcessor[In, Out]) scopeOf(runID string) string {
	p.once.Do(p.prime) // it may be a literal
	return cmp.Or(p.opts.scope, runID)
}

// check returns what is wrong with the processor, and what its requests cost.
func (p *BatchProcessor[In, Out]) check(ctx context.Context) (costs []int, _ error) {
	p.once.Do(p.prime)
	o := p.opts
	errs := append([]error(nil), o.errs...)
	if ctx == nil {
		errs = append(errs, ErrNilContext)
	}
	switch {
	case p.clientOK != nil:
		errs = append(errs, p.clientOK)
	case p.Do == nil && p.Batch == nil:
		errs = append(errs, ErrNilClient)
	}
	errs = append(errs, o.checkLimiter()...)
	if o.journal != nil && p.keyOf() == nil {
		errs = append(errs, &OptionError{Option: "WithJournal", Problem: "needs a Key: it is by their keys that the items are known again"})
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

// prime makes what all runs share.
func (p *BatchProcessor[In, Out]) prime() {
	if p.opts == nil { // a literal, not made by a constructor
		p.opts = newOptions(nil)
	}
	if p.limiter = p.opts.limiter; p.limiter == nil {
		o := p.opts
		p.limiter = &Limiter{concurrency: o.concurrency, limit: o.rate, limited: o.rateSet, burst: o.burst, onAdjust: o.onAdjust}
	}
}

// asksServer reports whether a dry run asks the server.
func (p *BatchProcessor[In, Out]) asksServer() bool {
	return p.opts.dryRun && p.tryOut != nil && p.Capabilities.VerifiedDryRun
}

// Run runs the operation for every item, and returns the outcome of each, in their order. It never returns a nil
// result. The error is nil when every item Succeeded or was Skipped, and a [*BulkError] otherwise: it holds the error
// of each item, and as its Cause what stopped the run, if something did.
//
// One item's failure never stops the others, unless [StopOnError] or a sibling says so. When ctx ends, calls in flight
// get a context that has ended and are waited for; what they answer still counts. What was not sent ends as
// NotAttempted, and a write without an answer as Unknown. Run blocks until all its goroutines have ended; a function
// that ignores its context delays it.
//
// The result refers to items: do not change the slice while the result is in use.
func (p *BatchProcessor[In, Out]) Run(ctx context.Context, items []In) (*BulkResult[In, Out], error) {
	n := len(items)
	res := &BulkResult[In, Out]{
		op: p.op, runID: idem.RunID(), inputs: items, values: make([]Out, n), table: engine.NewTable(n), mask: -1,
	}
	res.scope = p.scopeOf(res.runID)
	return p.run(ctx, res, &resume.Past{})
}

// Rerun sends what may be sent again of an earlier run's result, and returns one result for all items, with the
// indexes they had: items that were NotAttempted; those that Failed without having been refused, such as when their
// attempts ran out; those that [BulkResult.Correct] gave a new input; and Unknown ones when repeating is harmless, when
// there is a Reconcile, which is asked first, or when they left a job on the server ([Attempt.SetHandle]), which is asked
// for. To repeat is not harmless for a client with batches whose creates only an idempotency key protects: the key belongs
// to the request, and the items are not sent together again. The others keep their outcome. Attempts and the counts of requests add
// up. The earlier result, which must be of the same operation and may come from its JSON form, is not changed.
func (p *BatchProcessor[In, Out]) Rerun(ctx context.Context, earlier *BulkResult[In, Out]) (*BulkResult[In, Out], error) {
	if earlier == nil || earlier.table == nil {
		res := &BulkResult[In, Out]{op: p.op, cause: &OptionError{Option: "Rerun", Value: "nil", Problem: "needs the result of an earlier run"}}
		return res, res.Err()
	}
	res := &BulkResult[In, Out]{
		op: p.op, runID: earlier.runID, inputs: earlier.inputs, keys: earlier.keys,
		values: slices.Clone(earlier.values), table: earlier.table.Clone(), mask: -1, stats: earlier.stats, ids: slices.Clone(earlier.ids),
		revisions: maps.Clone(earlier.revisions),
	}
	if res.scope = earlier.scope; earlier.stats.Requests == 0 { // nothing was sent in it
		res.scope = p.scopeOf(res.runID)
	}
	if earlier.ownInputs { // and may be corrected again
		res.inputs, res.ownInputs = slices.Clone(earlier.inputs), true
	}
	if earlier.stored && p.typed != nil {
		for i := range res.inputs {
			p.typed(&res.inputs[i], &res.values[i])
		}
	}
	if earlier.op != p.op {
		res.cause = &OptionError{Option: "Rerun", Value: "a result of " + earlier.op.String(),
			Problem: "needs a processor of the same operation, not of " + p.op.String()}
		return res, res.Err()
	}
	before := &resume.Earlier{Table: earlier.table, Keys: earlier.keys, Corrected: earlier.corrected, MayRepeat: func(i int) bool {
		return p.traitsFor(res.inputs[i]).Repeatable && !p.wholeOnly() || p.mayLook() && !p.opts.atomic
	}}
	mayReplay := p.opts.journal == nil && !p.opts.dryRun // a journal knows the requests by itself, and a dry run sends nothing
	pending, past := before.Past(mayReplay)
	for i := range earlier.corrected {
		if pending[i] {
			res.revise(i)
		}
	}
	_, err := p.run(ctx, res, past)
	for _, i := range before.Join(res.table, pending) { // the run was stopped before they were sent: the next one sends them
		res.revisions[i]--
		res.correct(i)
	}
	return res, err
}

// run fills res with what comes of the items that the past leaves to be sent.
func (p *BatchProcessor[In, Out]) run(ctx context.Context, res *BulkResult[In, Out], past *resume.Past) (*BulkResult[In, Out], error) {
	began := time.Now()
	costs, err := p.check(ctx)
	if err != nil {
		res.cause = p.stopped(err)
		res.recount()
		return res, res.Err()
	}
	ctx, end, err := p.begin(ctx, res.Len())
	res.idOf = p.ResultID
	if res.cause = p.stopped(err); err == nil {
		res.cause = p.perform(ctx, res, past, costs)
	}
	res.recount()
	res.stats.Elapsed += time.Since(began)
	err = res.Err()
	if late := end(res.stats, err); late != nil && res.cause == nil {
		res.cause = p.stopped(late)
		err = res.Err()
	}
	return res, err
}

// begin tells the observer and the logger that a run begins, and returns its context and what tells them that it ended.
// items is -1 when their number is not known. The errors are their panics.
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
					stopped = []any{"cause", plain(cause)}
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

// logOutages returns what logs that the server takes no calls, and that it does again; nil without a logger.
func (p *BatchProcessor[In, Out]) logOutages(ctx context.Context) func(down bool, why string) {
	logger := p.opts.logger
	if logger == nil {
		return nil
	}
	return func(down bool, why string) {
		_ = guarded(func() error {
			if down {
				logger.WarnContext(ctx, "windrow: the server takes no calls", "operation", p.op.String(), "why", why)
			} else {
				logger.InfoContext(ctx, "windrow: the outage has ended", "operation", p.op.String(), "why", why)
			}
			return nil
		})
	}
}

// stopCause returns what stopped a run or a stream, as a log may show it: without the keys of items. It is nil for one that
// ran to its end.
func stopCause(err error) error {
	if bulk, ok := errors.AsType[*BulkError](err); ok {
		err = bulk.Cause
	}
	if errors.Is(err, ErrDuplicateKey) {
		return ErrDuplicateKey
	}
	return err
}

// perform does the work of a run and tells those who listen, and returns what stopped it.
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
	cfg.Hooks.Outage = p.logOutages(ctx)
	l.TellEach(plan.settled)
	var r *engine.Run
	if journal != nil {
		keepJournal(journal, cfg, func(err error) { r.Stop(err) })
	}
	r = engine.New(ctx, cfg)
	if o.onProgress != nil {
		failed := len(plan.Invalid)
		for i, pending := range past.Pending {
			if s := res.table.Slots[i].State; !pending && (s == engine.Failed || s == engine.Unknown) {
				failed++ // in an earlier run
			}
		}
		defer p.watch(r, g, l, res.Len(), res.Len()-plan.Todo, failed)()
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

// stopped names what stopped a run, or panics with it where that is wanted.
func (p *BatchProcessor[In, Out]) stopped(err error) error {
	if panicked, ok := errors.AsType[*PanicError](err); ok && p.opts.keepPanics {
		panic(panicked)
	}
	return causeOf(err)
}

// prepared is what a run is going to do.
type prepared struct {
	*schedule.Plan
	settled []int // items that ended without being sent
	replay  []engine.Replay
	costs   []int // of requests for 1, 2 and more items; nil when each costs 1
}

// prepare calls the hooks that look at every item, before anything is sent.
func (p *BatchProcessor[In, Out]) prepare(ctx context.Context, res *BulkResult[In, Out], past *resume.Past, journal *resume.Resumption) (*prepared, error) {
	if ctx.Err() != nil {
		return nil, gate.Ended(ctx)
	}
	hooks := schedule.Hooks{Lost: lost, Invalid: res.invalid}
	key, policy := p.keyOf(), p.opts.duplicates
	if p.Key == nil && policy == DuplicatesDefault {
		policy = KeepAllInOrder
	}
	known := past // or what the journal knows of it
	if journal != nil {
		if policy == KeepAllInOrder {
			policy = RejectDuplicates // the journal knows an item by nothing but its key
		}
		hooks.Recall = func(keys []string, pending, doubtful []bool) ([]bool, []bool, error) {
			res.keys = keys
			var err error
			if known, err = journal.RecallAll(ctx, pending, doubtful); err != nil {
				return nil, nil, err
			}
			for i, id := range res.ids { // of an earlier result
				known.IDs[i] = cmp.Or(known.IDs[i], id)
			}
			res.ids = known.IDs
			return known.Pending, known.Doubtful, nil
		}
	}
	if key != nil {
		hooks.Key = func(i int) string { return key(res.inputs[i]) }
	}
	if p.Validate != nil {
		hooks.Validate = func(i int) error { return p.Validate(res.inputs[i]) }
	}
	if size := p.sizeOf(); size != nil {
		hooks.Size = func(i int) int { return size(res.inputs[i]) }
	}
	plan, err := schedule.Prepare(ctx, res.Len(), past.Pending, past.Doubtful, map[DuplicatePolicy]schedule.Policy{
		KeepFirst: schedule.First, KeepLast: schedule.Last, KeepAllInOrder: schedule.InOrder, FailDuplicates: schedule.Fail,
	}[policy], p.opts.preserveOrder || p.opts.atomic, hooks)
	if ctx.Err() != nil {
		err = gate.Ended(ctx)
	}
	if err != nil {
		return nil, err
	}
	if plan.Keys != nil {
		res.keys = plan.Keys
	}
	if plan.Panic != nil && p.opts.keepPanics {
		return nil, plan.Panic
	}
	if plan.Rejected {
		return nil, duplicateKeys(res.keys, plan)
	}
	if policy != KeepAllInOrder && len(res.revisions) > 0 { // Correct can give an item the key of another
		if first, second, twice := resume.SentBefore(res.table, plan.Keys, past.Pending); twice {
			return nil, &DuplicateKeyError{Key: plan.Keys[second], First: first, Second: second}
		}
	}
	res.failDuplicates(plan.Clashes)
	plan.Invalid = append(plan.Invalid, plan.Clashes...)
	for _, i := range plan.Losers {
		res.table.Slots[i] = engine.Slot{State: engine.Skipped, Reason: engine.Duplicate}
	}
	settled := slices.Concat(plan.Invalid, plan.Losers, known.Settled)
	if p.same != nil && !p.opts.atomic && !p.asksServer() {
		plan.Share(res.Len(), func(a, b int) bool { return p.same(res.inputs[a], res.inputs[b]) })
	}
	for _, replay := range known.Replay {
		plan.Todo += len(replay.Items)
	}
	if p.opts.atomic {
		if err := p.fitsOne(plan, res); err != nil {
			return nil, err
		}
	}
	if p.opts.dryRun && !p.asksServer() {
		for i := range res.slots() {
			if res.table.Slots[i].State == engine.NotAttempted {
				res.table.Slots[i] = engine.Slot{State: engine.Skipped, Reason: engine.DryRun}
				settled = append(settled, i)
			}
		}
		plan.Schedule = schedule.Schedule{}
	}
	return &prepared{Plan: plan, settled: settled, replay: known.Replay}, nil
}

// fitsOne says why the items cannot go in one request, if they cannot.
func (p *BatchProcessor[In, Out]) fitsOne(plan *schedule.Plan, res *BulkResult[In, Out]) error {
	if n := len(plan.Invalid); n > 0 {
		return &namedError{ErrTooManyFailures, fmt.Errorf("too many failures: an Atomic run needs all items to be valid, and %d are not", n)}
	}
	refuse := func(problem string, args ...any) error {
		return &OptionError{Option: "Atomic", Value: plan.Todo, Problem: fmt.Sprintf("items need one request, and "+problem, args...)}
	}
	if most := p.chunkItems(); plan.Todo > most {
		return refuse("one holds at most %d: send fewer at once, or leave Atomic out", most)
	}
	if most, bytes := p.Capabilities.MaxBytes, plan.Bytes(); plan.Sizes != nil && bytes > most {
		return refuse("they have %d bytes where one holds at most %d: send fewer at once, or leave Atomic out", bytes, most)
	}
	for first, second := range plan.Follower {
		if !p.together() {
			return refuse("items %d and %d have the same key, which one cannot hold", first, second)
		}
	}
	return nil
}

// together reports whether items with one key may share a request.
func (p *BatchProcessor[In, Out]) together() bool {
	return p.Capabilities.Ordered && !p.Capabilities.DistinctKeys
}

// keyOf returns what names items: the Key, or the id of a verb that has one; nil when there is neither.
func (p *BatchProcessor[In, Out]) keyOf() func(In) string {
	if p.Key != nil {
		return p.Key
	}
	return p.identity
}

// engineConfig says to the engine what is to be done.
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
		Judge:     judge(p.op, retry.Classify, o.logger, verdict.Verdict.WithRecord),
		JudgeItem: judge(p.op, retry.Classify, o.logger, verdict.Verdict.OfItem), Gate: g,
		AllOrNothing: p.Batch != nil && (p.Capabilities.Atomicity == AtomicityAll || p.Capabilities.Atomicity == AtomicitySelectable && o.atomic),
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
			} else if _, ok := errors.AsType[*SkipError](err); ok {
				values[i&mask] = out // what was found
			}
			return err
		}
	}
	if p.Batch != nil {
		cfg.Batch = p.batchCall(res)
	}
	p.lookUps(cfg, res)
	if o.scope != "" {
		cfg.KeptKey = func(i int) bool { return cfg.Owner.(*owner).ownKey(i) != "" }
	}
	if o.observer != nil {
		cfg.Hooks.Attempt = func(ctx context.Context, _ *engine.Attempt) (context.Context, func(error)) {
			a, _ := AttemptFrom(ctx)
			watched, end := o.observer.StartAttempt(ctx, a)
			if watched == nil {
				watched = ctx
			}
			if end == nil {
				end = func(error) {}
			}
			return watched, end
		}
	}
	return cfg
}

// mayLook reports whether there is a way to look up whether an item was applied.
func (p *BatchProcessor[In, Out]) mayLook() bool {
	return p.Reconcile != nil || p.ReconcileBatch != nil
}

// lookUps tells the engine how to look up whether items were applied.
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

// tryCall returns the engine's form of a server's dry run.
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

// batchCall returns the engine's form of Batch.
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
