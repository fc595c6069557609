package windrow

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/windrow-go/windrow/internal/engine"
	"github.com/windrow-go/windrow/internal/idem"
	"github.com/windrow-go/windrow/internal/inspect"
	"github.com/windrow-go/windrow/internal/resume"
	"github.com/windrow-go/windrow/internal/seam"
)

// BatchProcessor runs one operation for many items. Make one with [NewCreateProcessor] and its siblings for a client,
// or with [NewBatchProcessor] for any function; then set the hooks you need, before the first run.
//
// A processor may be used for several runs, also at the same time, and keeps its limiter between them.
type BatchProcessor[In, Out any] struct {
	// Do makes a single call. It is called from many goroutines at once, with a context that ends when the run is
	// cancelled or the attempt takes longer than [AttemptTimeout]. AttemptFrom of package clients returns the attempt
	// of the call.
	Do func(ctx context.Context, in In) (Out, error)
	// Batch makes one request for several items, and returns one outcome for each, in their order: see
	// clients.BatchCreator for what its error and theirs mean. With both set, Do serves a single item, unless the
	// Capabilities say BatchOfOne. Nil means that there is no such request.
	Batch func(ctx context.Context, in []In) ([]Outcome[Out], error)
	// Capabilities is what Do and Batch can do. The constructors take it from a client that is a clients.Describer.
	Capabilities Capabilities
	// Key is the identity of an item: it names the item in errors, defines duplicates (see [Duplicates]), and the
	// idempotency key is derived from it. It does not make anything repeatable by itself. An item whose key is "" has
	// none. [WithKey] sets it. Nil means that no item has a key; updates, deletes and reads are then named by their id,
	// and those of one id are kept in their order.
	Key func(in In) string
	// ResultID returns the name of what the server made of an item, such as the id of the record: see [Result.ID]. A
	// [Journal] stores it. [WithResultID] sets it. Nil means that no id is stored, only how the item ended. If it
	// panics, no id is stored, and a run with a journal stops.
	ResultID func(out Out) string
	// Fingerprint returns a short text that changes with the content of an item, such as a checksum. A [Journal] stores
	// it, and an item that was done under the same Key with another content is refused. Nil means no check.
	Fingerprint func(in In) string
	// Validate returns what is wrong with an item, in one error or several by [errors.Join]. It is called for every
	// item before anything is sent, from several goroutines. An invalid item ends as Failed and is not sent.
	Validate func(in In) error
	// Size returns the size of an item for the client's MaxBytes. Defaults to the length of its JSON form and a
	// separator.
	Size func(in In) int
	// Reconcile looks up whether an item whose response was lost was applied. The constructors take it from a client
	// that is a clients.Reconciler. Nil means that this cannot be looked up. [SettlingTime] says when a look-up that
	// finds nothing is believed.
	Reconcile func(ctx context.Context, in In) (out Out, applied bool, err error)
	// ReconcileBatch looks up several items with one request, up to MaxReads, and returns one outcome for each, in
	// their order. An error that matches [ErrNotFound] says that the item was not applied; any other error leaves it
	// unknown. The constructors take it from a client that is a clients.BatchReconciler. Nil means that each item is
	// looked up by itself.
	ReconcileBatch func(ctx context.Context, in []In) ([]Outcome[Out], error)
	// OnResult is called once with each result, as soon as the item has ended, from one goroutine. When it is slow
	// the run waits for it. A panic in it stops the run.
	OnResult func(Result[In, Out])

	op        OpKind
	same      func(a, b In) bool                                  // of reads: reports whether a and b read the same record; nil otherwise
	identity  func(in In) string                                  // of verbs whose input names a record; nil otherwise
	traitsOf  func(in In) (OpKind, Capabilities)                  // of package mixed; nil when all items have those of the processor
	tryOut    func(ctx context.Context, in []In) ([]error, error) // of a DryRunner; nil otherwise
	typed     func(in *In, value *Out)                            // restores the types of values read from JSON; nil when they have them
	opts      *options
	clientErr error // ErrNilClient; nil when the client can be used

	once    sync.Once
	limiter *Limiter
	sizes   engine.Sizes // limits on the size of requests, learned by its runs
}

// NewBatchProcessor returns a processor that calls do. It does not repeat do after an ambiguous error, unless the
// option [Repeatable] says that this is harmless.
func NewBatchProcessor[In, Out any](do func(ctx context.Context, in In) (Out, error), opts ...Option) *BatchProcessor[In, Out] {
	p := withHooks[In, Out](OpDo, opts)
	p.Do = do
	return p
}

// NewCreateProcessor returns the processor behind [CreateMany].
func NewCreateProcessor[In, Out any](client Creator[In, Out], opts ...Option) *BatchProcessor[In, Out] {
	p := newProcessor[In, Out](OpCreate, client, opts)
	if p.clientErr == nil {
		p.Do = client.Create
		if b, ok := client.(batchCreator[In, Out]); ok {
			p.Batch = b.CreateBatch
		}
	}
	return p
}

// NewUpdateProcessor returns the processor behind [UpdateMany].
func NewUpdateProcessor[ID comparable, In, Out any](client Updater[ID, In, Out], opts ...Option) *BatchProcessor[Update[ID, In], Out] {
	p := newProcessor[Update[ID, In], Out](OpUpdate, client, opts)
	p.identity = func(u Update[ID, In]) string { return inspect.Text(u.ID) }
	if p.clientErr == nil {
		p.Do = func(ctx context.Context, u Update[ID, In]) (Out, error) { return client.Update(ctx, u.ID, u.Data) }
		if b, ok := client.(batchUpdater[ID, In, Out]); ok {
			p.Batch = b.UpdateBatch
		}
	}
	return p
}

// NewUpsertProcessor returns the processor behind [UpsertMany].
func NewUpsertProcessor[In, Out any](client Upserter[In, Out], opts ...Option) *BatchProcessor[In, Out] {
	p := newProcessor[In, Out](OpUpsert, client, opts)
	if p.clientErr == nil {
		p.Do = client.Upsert
		if b, ok := client.(batchUpserter[In, Out]); ok {
			p.Batch = b.UpsertBatch
		}
	}
	return p
}

// NewDeleteProcessor returns the processor behind [DeleteMany].
func NewDeleteProcessor[ID comparable](client Deleter[ID], opts ...Option) *BatchProcessor[ID, struct{}] {
	p := newProcessor[ID, struct{}](OpDelete, client, opts)
	p.identity = inspect.Text[ID]
	if p.clientErr == nil {
		p.Do = NoOutput(client.Delete)
		if b, ok := client.(batchDeleter[ID]); ok {
			p.Batch = b.DeleteBatch
		}
	}
	return p
}

// NewGetProcessor returns the processor behind [GetMany].
func NewGetProcessor[ID comparable, Out any](client Getter[ID, Out], opts ...Option) *BatchProcessor[ID, Out] {
	p := newProcessor[ID, Out](OpGet, client, opts)
	p.identity, p.same = inspect.Text[ID], func(a, b ID) bool { return a == b }
	if p.clientErr == nil {
		p.Do = client.Get
		if b, ok := client.(batchGetter[ID, Out]); ok {
			p.Batch = b.GetBatch
		}
	}
	return p
}

func newProcessor[In, Out any](op OpKind, client any, opts []Option) *BatchProcessor[In, Out] {
	p := withHooks[In, Out](op, opts)
	p.adopt(op, client)
	return p
}

// withHooks returns a processor with the options and the hooks that they set.
func withHooks[In, Out any](op OpKind, opts []Option) *BatchProcessor[In, Out] {
	p := &BatchProcessor[In, Out]{op: op, opts: newOptions(opts)}
	p.Key = hook[func(In) string](p.opts, "WithKey", p.opts.key)
	p.ResultID = hook[func(Out) string](p.opts, "WithResultID", p.opts.resultID)
	return p
}

// adopt sets the kind of operation, and all that the client has beside the method of its verb.
func (p *BatchProcessor[In, Out]) adopt(op OpKind, client any) {
	p.op = op
	if inspect.IsNil(client) {
		p.clientErr = ErrNilClient
		return
	}
	if d, ok := client.(describer); ok {
		p.Capabilities = d.Capabilities()
	}
	if r, ok := client.(reconciler[In, Out]); ok {
		p.Reconcile = r.Reconcile
	}
	if r, ok := client.(batchReconciler[In, Out]); ok {
		p.ReconcileBatch = r.ReconcileBatch
	}
	if d, ok := client.(dryRunner[In]); ok {
		p.tryOut = d.DryRun
	}
}

// adoptHooks sets the hooks of package mixed.
func (p *BatchProcessor[In, Out]) adoptHooks(hooks any) {
	h := hooks.(*seam.Hooks[In, Out, OpKind, Capabilities])
	p.adopt(h.Op, h.Client)
	p.identity, p.traitsOf, p.typed = h.Identity, h.TraitsOf, h.Typed
}

func init() {
	seam.Adopt = func(processor, hooks any) { processor.(interface{ adoptHooks(hooks any) }).adoptHooks(hooks) }
}

// Run runs the operation for every item, and returns the outcome of each, in their order. It never returns a nil
// result. The error is nil when every item Succeeded or was Skipped, and a [*BulkError] otherwise: it holds the error
// of each other item and, as its Cause, what stopped the run, if anything did.
//
// A failed item does not stop the others, unless [MaxFailures], [MaxFailureRate] or [Canary] stops the run. When ctx ends,
// calls in flight get a context that has ended and are waited for; what they return still counts. What was not sent
// ends as NotAttempted, and a write without a response as Unknown. Run blocks until all its goroutines have ended; a
// function that ignores its context delays it.
//
// The result refers to items: do not change the slice while you use the result.
func (p *BatchProcessor[In, Out]) Run(ctx context.Context, items []In) (*BulkResult[In, Out], error) {
	n := len(items)
	res := &BulkResult[In, Out]{
		op: p.op, runID: idem.RunID(), inputs: items, values: make([]Out, n), table: engine.NewTable(n), mask: -1,
	}
	res.scope = p.scopeOf(res.runID)
	return p.run(ctx, res, &resume.Past{})
}

// Rerun sends what may be sent again of an earlier run's result, and returns one result for all items, with their
// indexes. It sends items that
//
//   - were NotAttempted;
//   - Failed without having been refused, such as when their attempts ran out;
//   - have a new input from [BulkResult.Correct];
//   - are Unknown, when repeating is harmless, when there is a Reconcile, which is called first, or when they left a job
//     on the server (Attempt.SetHandle in package clients), whose outcome is then requested.
//
// Repeating is not harmless for a client with batches whose creates only an idempotency key protects: the key belongs
// to the request, and the items are not sent together again. The other items keep their outcome. Attempts and the
// counts of requests add up. The earlier result is not changed; it must be of the same operation, and may come from its
// JSON form.
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
	if res.scope = earlier.scope; earlier.stats.Requests == 0 { // the earlier run sent nothing
		res.scope = p.scopeOf(res.runID)
	}
	if earlier.ownInputs { // copied, since either result may be corrected again
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
	mayReplay := p.opts.journal == nil && !p.opts.dryRun // a journal has the requests, and a dry run sends nothing
	pending, past := before.Past(mayReplay)
	for i := range earlier.corrected {
		if pending[i] {
			res.revise(i)
		}
	}
	_, err := p.run(ctx, res, past)
	for _, i := range before.Join(res.table, pending) { // not sent, since the run stopped before: the next Rerun sends them
		res.revisions[i]--
		res.correct(i)
	}
	return res, err
}

// run sends the items that the past leaves to be sent, and fills res with their outcomes.
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
