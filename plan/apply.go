package plan

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/clients"
	"github.com/windrow-go/windrow/internal/inspect"
	"github.com/windrow-go/windrow/internal/neterr"
	"github.com/windrow-go/windrow/internal/refusal"
)

var (
	// ErrChanged is matched by the error of a record, or of a whole plan, that is not applied because a record was changed
	// or deleted after the plan was made. Make the plan again.
	ErrChanged = errors.New("plan: the record has changed since the plan was made")
	// ErrCancelled is matched by the error of [windrow.BulkResult.Err] if Confirm returned false.
	ErrCancelled = errors.New("plan: cancelled: Confirm returned false")
)

var errNoPlan = &windrow.OptionError{Option: "Apply", Value: "nil", Problem: "needs a plan: make one with Updates or Deletes"}

// ChangedError says that a plan was refused because some of its records have changed. It matches [ErrChanged].
type ChangedError struct {
	// IDs are the ids of the changed records, as text, in the order of the plan.
	IDs []string
	// Planned is the number of records in the plan.
	Planned int
}

// Error says how many records have changed, and names the first.
func (e *ChangedError) Error() string {
	return fmt.Sprintf("plan: %d of %s changed since the plan was made, the first is %q: make the plan again, or set LeaveChanged",
		len(e.IDs), count(e.Planned, "record"), e.IDs[0])
}

// Unwrap makes the error match [ErrChanged].
func (e *ChangedError) Unwrap() error { return ErrChanged }

// ApplyResult is the result of applying a plan: one result for each record, in the order of the plan.
type ApplyResult[In, Out any] struct {
	// BulkResult holds the results. It is never nil. If nothing was written, all of them are NotAttempted.
	*windrow.BulkResult[In, Out]
	// Cancelled says that Confirm returned false: nothing was written, no backup was made, and there is no error.
	Cancelled bool
}

// ApplyUpdates applies a plan with a client that takes whole records. Prefer [ApplyPatches] for a client that takes only the
// changed fields: it does not overwrite fields that other writers change.
//
// It takes these steps, in this order, before it writes anything:
//  1. [UpdatePlan.Confirm] sees the plan.
//  2. [UpdatePlan.Current] reads the records again. One that has the new values already ends as Skipped (unchanged), so
//     that a plan can be applied again after it was interrupted. One that is neither as it was nor as it is to be refuses
//     the plan with a [*ChangedError], or itself with [ErrChanged] when LeaveChanged is set. One that is gone, too. An
//     error of the reading refuses the plan.
//  3. [UpdatePlan.Backup] gets the originals of those that are left.
//
// Then the records are updated as by [windrow.UpdateMany], with its options, such as [windrow.Canary] to update some first,
// its result and its errors. A response with the status 412 (RFC 9110 section 15.5.13) to a client that sends [VersionFrom]
// is an ErrChanged. [windrow.DryRun] skips the updates, but not the steps before them. A plan without changes does nothing.
//
// The error is nil if all records were updated or needed no update, or if Confirm returned false. Otherwise it is a
// [*windrow.BulkError], whose Cause is the error of the step that refused the plan, if one did.
func ApplyUpdates[ID comparable, T, Out any](ctx context.Context, p *UpdatePlan[ID, T], client windrow.Updater[ID, T, Out], opts ...windrow.Option) (*ApplyResult[windrow.Update[ID, T], Out], error) {
	processor := windrow.NewUpdateProcessor(client, refusal.ForRun(opts)...)
	if p == nil {
		return refuse[windrow.Update[ID, T]](ctx, processor, nil, errNoPlan)
	}
	items := make([]windrow.Update[ID, T], p.Len())
	for i, c := range p.Changes {
		items[i] = windrow.Update[ID, T]{ID: c.ID, Data: c.Updated}
	}
	if inspect.IsNil(client) {
		return run(ctx, processor, items) // returns the error of a nil client, before Confirm
	}
	return apply(ctx, p, processor, items)
}

// ApplyPatches applies a plan with a client that takes only the changed fields of a record, as PATCH requests do. Otherwise
// it is like [ApplyUpdates].
func ApplyPatches[ID comparable, T, Out any](ctx context.Context, p *UpdatePlan[ID, T], client windrow.Updater[ID, Patch, Out], opts ...windrow.Option) (*ApplyResult[windrow.Update[ID, Patch], Out], error) {
	processor := windrow.NewUpdateProcessor(client, refusal.ForRun(opts)...)
	if p == nil {
		return refuse[windrow.Update[ID, Patch]](ctx, processor, nil, errNoPlan)
	}
	items := make([]windrow.Update[ID, Patch], p.Len())
	if inspect.IsNil(client) {
		return run(ctx, processor, items)
	}
	for i, c := range p.Changes {
		patch, err := c.Patch()
		if err != nil {
			return refuse(ctx, processor, items, err)
		}
		items[i] = windrow.Update[ID, Patch]{ID: c.ID, Data: patch}
	}
	return apply(ctx, p, processor, items)
}

// apply takes the steps of ApplyUpdates.
func apply[ID comparable, T, In, Out any](ctx context.Context, p *UpdatePlan[ID, T], processor *windrow.BatchProcessor[windrow.Update[ID, In], Out], items []windrow.Update[ID, In]) (*ApplyResult[windrow.Update[ID, In], Out], error) {
	if inspect.IsNil(ctx) || len(items) == 0 {
		return run(ctx, processor, items)
	}
	p.step(StageConfirm, len(items))
	if p.Confirm != nil {
		if yes, err := p.Confirm(ctx, p); err != nil {
			return refuse(ctx, processor, items, fmt.Errorf("plan: confirm: %w", err))
		} else if !yes {
			res, _ := refuse(ctx, processor, items, ErrCancelled)
			res.Cancelled = true
			return res, nil
		}
	}
	now, err := p.check(ctx)
	if err != nil {
		return refuse(ctx, processor, items, err)
	}
	if originals := p.originals(now); p.Backup != nil && len(originals) > 0 {
		p.step(StageBackup, len(originals))
		if err := p.Backup(ctx, originals); err != nil {
			return refuse(ctx, processor, items, fmt.Errorf("plan: backup: %w", err))
		}
	}
	p.step(StageWrite, len(items)-len(now.applied)-len(now.changed))
	if p.Version != nil {
		ctx = context.WithValue(ctx, versionKey{}, p.versions())
	}
	guard(p, processor, now)
	return run(ctx, processor, items)
}

// guard makes the processor skip records that are done, refuse records that have changed, and map the status 412 to
// ErrChanged.
func guard[ID comparable, T, In, Out any](p *UpdatePlan[ID, T], processor *windrow.BatchProcessor[windrow.Update[ID, In], Out], now *state[ID]) {
	if p.Version == nil && len(now.applied) == 0 && len(now.changed) == 0 {
		return
	}
	var lost sync.Map // ids of updates whose response was lost
	judge := func(ctx context.Context, id ID, err error) error {
		switch {
		case err == nil:
			return nil
		case neterr.Status(err) != http.StatusPreconditionFailed:
			if windrow.Classify(err).Class == windrow.ClassAmbiguous {
				lost.Store(id, true)
			}
			return err
		}
		err = fmt.Errorf("%w: %w", ErrChanged, err)
		if _, maybe := lost.Load(id); maybe && p.Version != nil {
			if p.isApplied(ctx, id) {
				return nil // by the attempt whose response was lost
			}
			return windrow.Ambiguous(err)
		}
		return err
	}
	if do := processor.Do; do != nil {
		processor.Do = func(ctx context.Context, in windrow.Update[ID, In]) (out Out, err error) {
			if now.applied[in.ID] {
				return out, clients.Skip(windrow.ReasonUnchanged)
			}
			if err := now.changed[in.ID]; err != nil {
				return out, windrow.Permanent(err)
			}
			out, err = do(ctx, in)
			return out, judge(ctx, in.ID, err)
		}
	}
	if batch := processor.Batch; batch != nil {
		processor.Batch = func(ctx context.Context, in []windrow.Update[ID, In]) ([]windrow.Outcome[Out], error) {
			all := make([]windrow.Outcome[Out], len(in))
			var send []windrow.Update[ID, In]
			var places []int
			for k := range in {
				if now.applied[in[k].ID] {
					all[k].Reason = windrow.ReasonUnchanged
					continue
				}
				if err := now.changed[in[k].ID]; err != nil {
					all[k].Err = windrow.Permanent(err)
					continue
				}
				send, places = append(send, in[k]), append(places, k)
			}
			if len(send) == 0 {
				return all, nil
			}
			outcomes, err := batch(ctx, send)
			if err != nil {
				return nil, err
			}
			for k, outcome := range outcomes {
				if k >= len(send) {
					return outcomes, nil // too many outcomes: the run reports ErrProtocol
				}
				outcome.Err = judge(ctx, send[k].ID, outcome.Err)
				all[places[k]] = outcome
			}
			if len(outcomes) == len(send) {
				return all, nil
			}
			if len(send) == len(in) {
				return all[:len(outcomes)], nil
			}
			return all[:places[len(outcomes)]], nil // without the tail from the first missing outcome on
		}
	}
}
