package clients

import (
	"context"

	"github.com/windrow-go/windrow"
)

// BatchCreator creates many records with one request. It returns one Outcome for each item, in the order of the items. These
// rules hold for all batch methods:
//
//   - The error is about the request, and is classified once for all items; outcomes returned beside an error are ignored.
//   - The error of an [windrow.Outcome] is about its item. A plain error, without a class of its own ([windrow.Classified],
//     a status), is a refusal: the item is Failed, and not sent again.
//   - A batch that is too large ([windrow.ClassTooLarge]) is halved, down to single items. A refused batch is bisected if
//     the Atomicity is AtomicityAll, since nothing was applied. With any other Atomicity a part may have been applied: items
//     that must not be sent twice are looked up, or are Unknown, unless the refusal is about the request as such. This
//     includes creates with idempotency keys: a part of the batch has another key, with which the server would create the
//     records again.
//   - More or fewer outcomes than items are [windrow.ErrProtocol], and writes are Unknown, unless
//     [windrow.Capabilities].OmitsTail says that items missing at the end were not attempted. Return an [windrow.Ambiguous]
//     error for an item that the response does not mention, and an error that matches [windrow.ErrRolledBack] for an item
//     that the server undid or never began.
//   - [MatchByID] orders a response with ids, [MatchByCount] reads a response that has only counts.
type BatchCreator[In, Out any] interface {
	CreateBatch(ctx context.Context, in []In) ([]windrow.Outcome[Out], error)
}

// BatchUpdater updates many records with one request. Outcomes and errors are as with [BatchCreator].
type BatchUpdater[ID comparable, In, Out any] interface {
	UpdateBatch(ctx context.Context, in []windrow.Update[ID, In]) ([]windrow.Outcome[Out], error)
}

// BatchUpserter creates or updates many records with one request. Outcomes and errors are as with [BatchCreator].
type BatchUpserter[In, Out any] interface {
	UpsertBatch(ctx context.Context, in []In) ([]windrow.Outcome[Out], error)
}

// BatchDeleter deletes many records with one request. Outcomes and errors are as with [BatchCreator].
type BatchDeleter[ID comparable] interface {
	DeleteBatch(ctx context.Context, ids []ID) ([]windrow.Outcome[struct{}], error)
}

// BatchGetter reads many records with one request. Outcomes and errors are as with [BatchCreator].
type BatchGetter[ID comparable, Out any] interface {
	GetBatch(ctx context.Context, ids []ID) ([]windrow.Outcome[Out], error)
}

// Reconciler looks up whether an item whose response was lost was applied, and returns its record. It is only called when
// the response to a write was lost, or when a repeated create conflicts with a record that an earlier attempt may have
// created.
type Reconciler[In, Out any] interface {
	Reconcile(ctx context.Context, in In) (out Out, applied bool, err error)
}

// BatchReconciler is a [Reconciler] of several items with one request. It returns one outcome for each item, in the order of
// the items. An error that matches [windrow.ErrNotFound] means that the item was not applied; any other error, that it is
// not known.
type BatchReconciler[In, Out any] interface {
	ReconcileBatch(ctx context.Context, in []In) ([]windrow.Outcome[Out], error)
}

// DryRunner is a client whose server can try a request without changing anything. It returns one error for each item, nil
// for one that the server would accept. [windrow.DryRun] uses it only if [windrow.Capabilities.VerifiedDryRun] is set: some
// servers are known to apply dry runs.
type DryRunner[In any] interface {
	DryRun(ctx context.Context, in []In) ([]error, error)
}

// Describer is a client that says what it can do.
type Describer interface {
	Capabilities() windrow.Capabilities
}
