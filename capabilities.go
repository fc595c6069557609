package windrow

import "context"

// Optional methods of a client, as package clients documents them. That package imports this one.
type (
	batchCreator[In, Out any] interface {
		CreateBatch(ctx context.Context, in []In) ([]Outcome[Out], error)
	}
	batchUpdater[ID comparable, In, Out any] interface {
		UpdateBatch(ctx context.Context, in []Update[ID, In]) ([]Outcome[Out], error)
	}
	batchUpserter[In, Out any] interface {
		UpsertBatch(ctx context.Context, in []In) ([]Outcome[Out], error)
	}
	batchDeleter[ID comparable] interface {
		DeleteBatch(ctx context.Context, ids []ID) ([]Outcome[struct{}], error)
	}
	batchGetter[ID comparable, Out any] interface {
		GetBatch(ctx context.Context, ids []ID) ([]Outcome[Out], error)
	}
	reconciler[In, Out any] interface {
		Reconcile(ctx context.Context, in In) (out Out, applied bool, err error)
	}
	batchReconciler[In, Out any] interface {
		ReconcileBatch(ctx context.Context, in []In) ([]Outcome[Out], error)
	}
	dryRunner[In any] interface {
		DryRun(ctx context.Context, in []In) ([]error, error)
	}
	describer interface{ Capabilities() Capabilities }
)

// Capabilities is what a client can do. The zero value is a client that makes single calls, which are repeated only
// where the verb makes that harmless.
type Capabilities struct {
	// MaxItems bounds the items in one batch request. Zero means 100.
	MaxItems int
	// MaxReads bounds the items in one batch request that reads. Zero means MaxItems.
	MaxReads int
	// MaxBytes bounds the size of one batch request, as [BatchProcessor.Size] measures it. Zero means no bound.
	MaxBytes int
	// Atomicity says what happens when an item of a batch is refused.
	Atomicity Atomicity
	// Ordered says that the items of a batch are carried out in their order.
	Ordered bool
	// DistinctKeys says that a batch must not name a record twice. A run puts two items with one key into a batch only
	// when it is Ordered and DistinctKeys is false.
	DistinctKeys bool
	// Cost returns how many quota units a request with n items uses. Nil means 1 for any n.
	Cost func(n int) int
	// BatchOfOne says that a batch request returns more about an item than a single call, such as warnings. A single
	// item is then sent as a batch, too.
	BatchOfOne bool
	// OmitsTail says that a batch response with fewer outcomes than items means that the other items were not
	// attempted.
	OmitsTail bool
	// IdempotencyKeys says that the client sends the idempotency key of its attempt (Attempt.IdempotencyKey in package
	// clients), and that the server honours it. Repeating a create is then harmless, within a run and in the runs that
	// continue it. The key of a batch belongs to exactly its items: a batch that was refused and may have been applied
	// in part is not sent again in parts, unless the Atomicity is AtomicityAll.
	IdempotencyKeys bool
	// ClientIDs says that a create contains the id of the new record, so that repeating it cannot make a second record.
	ClientIDs bool
	// VerifiedDryRun says that the server's own dry run was tested and changes nothing.
	VerifiedDryRun bool
}

// check returns what is wrong with the bounds.
func (c Capabilities) check() (errs []error) {
	for _, bound := range []struct {
		name string
		n    int
	}{{"MaxItems", c.MaxItems}, {"MaxReads", c.MaxReads}, {"MaxBytes", c.MaxBytes}} {
		if bound.n < 0 {
			errs = append(errs, &OptionError{Option: "Capabilities", Field: bound.name, Value: bound.n, Problem: "must not be negative"})
		}
	}
	return errs
}

// Atomicity says what happens to the other items of a request when one of them is refused. An item that was not applied
// because of another has an error that matches [ErrRolledBack]; it is sent again without the other, unless the run is
// [Atomic]. When the response to an all-or-nothing request reports both successes and failures, that is an
// [ErrProtocol], unless each success has Warnings.
type Atomicity uint8

// The atomicities.
const (
	AtomicityPartial    Atomicity = iota // nothing happens to them: each item has its own outcome
	AtomicityAll                         // they are refused, too: all items are applied, or none
	AtomicitySelectable                  // the request chooses one of the two: see Attempt.Atomic
)
