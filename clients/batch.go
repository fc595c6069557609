package clients

import (
	"context"

	"github.com/windrow-go/windrow"
)

// BatchCreator creates many records with one request. It returns one Outcome for each item, in their order. What follows
// holds for all batches:
//
//   - Its error is about the request, and is judged once for all its items; outcomes beside it are not looked at.
//   - The error of an [windrow.Outcome] is its item's. A plain one, without a class of its own ([windrow.Classified], a status), is a
//     refusal: the item is Failed, and not sent again.
//   - What is too large ([windrow.ClassTooLarge]) is halved, down to single items. A refusal of the whole request is bisected where
//     the Atomicity is AtomicityAll: nothing was applied then. Of another client it may have been applied in part: what must
//     not be sent twice is looked up, or is Unknown, unless the refusal is about the request as such. That goes for creates
//     with idempotency keys too: a part of the batch has another key, by which the server would make them again.
//   - More or fewer outcomes than items are [windrow.ErrProtocol], and writes are Unknown then; unless [windrow.Capabilities].OmitsTail says
//     that what is missing at the end was not attempted. For an item of which the answer says nothing return an [windrow.Ambiguous]
//     error, and for one that the server undid or never began, one that matches [windrow.ErrRolledBack].
//   - [MatchByID] puts an answer with ids in order, [MatchByCount] reads one that only counts.
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

// Reconciler looks up whether an item whose answer was lost was applied, and what the server made of it. It is only
// called when the answer to a write was lost, or when the repetition of a create meets what may be its own work.
type Reconciler[In, Out any] interface {
	Reconcile(ctx context.Context, in In) (out Out, applied bool, err error)
}

// BatchReconciler is a [Reconciler] of several items with one request. It returns one outcome for each, in their order:
// one whose error matches [windrow.ErrNotFound] was not applied, and of one with another error nobody knows.
type BatchReconciler[In, Out any] interface {
	ReconcileBatch(ctx context.Context, in []In) ([]windrow.Outcome[Out], error)
}

// DryRunner is a client whose server can try a request without changing anything. It returns one error for each item,
// nil for one that the server would accept. [windrow.DryRun] asks it only when [windrow.Capabilities.VerifiedDryRun] is set: servers are
// known that carried out what they were asked to try.
type DryRunner[In any] interface {
	DryRun(ctx context.Context, in []In) ([]error, error)
}

// Describer is a client that says what it can do.
type Describer interface {
	Capabilities() windrow.Capabilities
}
