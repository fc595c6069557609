package windrow

import "context"

// A client that can do more says so by implementing more of the interfaces below, as an [io.Reader] does with
// [io.WriterTo]. The verbs find out. A wrapper hides what it does not pass on.
//
// Clients translate: they never retry, sleep, chunk or log. The error of a batch is about the request; each
// [Outcome] carries its own item's error, and a plain one there is the server's refusal of that item. A refusal of the
// whole request says that none of it was applied only where the [Atomicity] says so, or where it is about the request as
// such (401, 403, 404, 405, 413, 415): otherwise items that must not be sent twice are looked up, or are Unknown.

// BatchCreator creates many records with one request. It returns one Outcome for each item, in their order. What follows
// holds for all batches:
//
//   - Its error is about the request, and is judged once for all its items; outcomes beside it are not looked at.
//   - The error of an [Outcome] is its item's. A plain one, without a class of its own ([Classified], a status), is a
//     refusal: the item is Failed, and not sent again.
//   - What is too large ([ClassTooLarge]) is halved, down to single items. A refusal of the whole request is bisected where
//     the Atomicity is AtomicityAll: nothing was applied then. Of another client it may have been applied in part: what must
//     not be sent twice is looked up, or is Unknown, unless the refusal is about the request as such. That goes for creates
//     with idempotency keys too: a part of the batch has another key, by which the server would make them again.
//   - More or fewer outcomes than items are [ErrProtocol], and writes are Unknown then; unless [Capabilities].OmitsTail says
//     that what is missing at the end was not attempted. For an item of which the answer says nothing return an [Ambiguous]
//     error, and for one that the server undid or never began, one that matches [ErrRolledBack].
//   - [MatchByID] puts an answer with ids in order, [MatchByCount] reads one that only counts.
type BatchCreator[In, Out any] interface {
	CreateBatch(ctx context.Context, in []In) ([]Outcome[Out], error)
}

// BatchUpdater updates many records with one request. Outcomes and errors are as with [BatchCreator].
type BatchUpdater[ID comparable, In, Out any] interface {
	UpdateBatch(ctx context.Context, in []Update[ID, In]) ([]Outcome[Out], error)
}

// BatchUpserter creates or updates many records with one request. Outcomes and errors are as with [BatchCreator].
type BatchUpserter[In, Out any] interface {
	UpsertBatch(ctx context.Context, in []In) ([]Outcome[Out], error)
}

// BatchDeleter deletes many records with one request. Outcomes and errors are as with [BatchCreator].
type BatchDeleter[ID comparable] interface {
	DeleteBatch(ctx context.Context, ids []ID) ([]Outcome[struct{}], error)
}

// BatchGetter reads many records with one request. Outcomes and errors are as with [BatchCreator].
type BatchGetter[ID comparable, Out any] interface {
	GetBatch(ctx context.Context, ids []ID) ([]Outcome[Out], error)
}

// Reconciler looks up whether an item whose answer was lost was applied, and what the server made of it. It is only
// called when the answer to a write was lost, or when the repetition of a create meets what may be its own work.
type Reconciler[In, Out any] interface {
	Reconcile(ctx context.Context, in In) (out Out, applied bool, err error)
}

// BatchReconciler is a [Reconciler] of several items with one request. It returns one outcome for each, in their order:
// one whose error matches [ErrNotFound] was not applied, and of one with another error nobody knows.
type BatchReconciler[In, Out any] interface {
	ReconcileBatch(ctx context.Context, in []In) ([]Outcome[Out], error)
}

// DryRunner is a client whose server can try a request without changing anything. It returns one error for each item,
// nil for one that the server would accept. [DryRun] asks it only when [Capabilities.VerifiedDryRun] is set: servers are
// known that carried out what they were asked to try.
type DryRunner[In any] interface {
	DryRun(ctx context.Context, in []In) ([]error, error)
}

// Describer is a client that says what it can do.
type Describer interface {
	Capabilities() Capabilities
}

// Capabilities is what a client can do. The zero value is a client that makes single calls, which nobody may repeat
// unless the verb makes it harmless.
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
	// DistinctKeys says that a batch must not name a record twice. Runs put two items with one key into a batch only
	// when it is Ordered and its keys need not be distinct.
	DistinctKeys bool
	// Cost is how many quota units a request with n items uses. Nil means one, whatever n is.
	Cost func(n int) int
	// BatchOfOne says that a batch tells more of an item than a single call does, such as its warnings: a single item goes
	// in a batch, too.
	BatchOfOne bool
	// OmitsTail says that a batch answer with fewer outcomes than items means that the rest was not attempted.
	OmitsTail bool
	// IdempotencyKeys says that the client sends [Attempt.IdempotencyKey], and that the server honours it: repeating
	// a create is harmless, within a run and what goes on with it. The key of a batch belongs to exactly its items: a
	// batch that was refused and may have been applied in part is not sent again in parts, unless the Atomicity is
	// AtomicityAll.
	IdempotencyKeys bool
	// ClientIDs says that a create names the id of the record to be, so that repeating it cannot make a second one.
	ClientIDs bool
	// VerifiedDryRun says that the server's own dry run was seen to change nothing.
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
// [Atomic]. An answer to a request that is all or nothing, of which some items succeeded and some failed, is an
// [ErrProtocol], unless the client warns of it beside those that succeeded.
type Atomicity uint8

// The atomicities.
const (
	AtomicityPartial    Atomicity = iota // nothing: each item has its own outcome
	AtomicityAll                         // they are refused, too
	AtomicitySelectable                  // what the request asks for: see Attempt.Atomic
)
