package plan

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/internal/inspect"
	"github.com/windrow-go/windrow/internal/refusal"
)

// DeletePlan is the plan of a deletion. Make one with [Deletes], set its hooks, and apply it with [ApplyDeletes]. The
// zero value deletes nothing.
type DeletePlan[ID comparable, T any] struct {
	// Items are the records to delete, in the order of the ids.
	Items []Item[ID, T]
	// Missing are the ids without a record, in the order of the ids. Nothing is sent for them.
	Missing []ID

	// Confirm gets the plan before anything else is done. False cancels: nothing is deleted, and no backup is made. An error
	// stops, too. It is not called for a plan without Items. Nil confirms.
	Confirm func(ctx context.Context, p *DeletePlan[ID, T]) (bool, error)
	// Backup gets the records before the first is deleted. An error stops everything. [BackupFile] returns one. Nil makes no
	// backup.
	Backup func(ctx context.Context, records []T) error
	// OnStage is called before each step, from the goroutine of Apply. It may be nil.
	OnStage func(StageReport)
}

// Item is a record to delete.
type Item[ID comparable, T any] struct {
	// ID is the id of the record.
	ID ID `json:"id"`
	// Record is the record as it was read.
	Record T `json:"record"`
}

// Deletes plans a deletion: it reads the records with those ids, as [windrow.GetMany] does and with its options, and returns
// which exist. Nothing is deleted. An id that is repeated counts once.
//
// A record is missing only if the client says so: by an error that matches [windrow.ErrNotFound] or has the status 404 or
// 410. Any other error, such as one of credentials, a throttle that does not end, or an outage, ends the reading without a
// plan. It is a [*windrow.BulkError].
func Deletes[ID comparable, T any](ctx context.Context, client windrow.Getter[ID, T], ids []ID, opts ...windrow.Option) (*DeletePlan[ID, T], error) {
	seen := make(map[ID]struct{}, len(ids))
	unique := make([]ID, 0, len(ids))
	for _, id := range ids {
		if _, again := seen[id]; !again {
			seen[id] = struct{}{}
			unique = append(unique, id)
		}
	}
	res, err := fetch(ctx, client, unique, opts)
	if err != nil {
		return nil, fmt.Errorf("plan: read the records to delete: %w", err)
	}
	p := &DeletePlan[ID, T]{}
	for r := range res.All() {
		if r.State == windrow.Skipped {
			p.Missing = append(p.Missing, r.Input)
			continue
		}
		p.Items = append(p.Items, Item[ID, T]{ID: r.Input, Record: r.Value})
	}
	return p, nil
}

// Len returns the number of records to delete.
func (p *DeletePlan[ID, T]) Len() int { return len(p.Items) }

// Records returns the records to delete.
func (p *DeletePlan[ID, T]) Records() []T {
	records := make([]T, len(p.Items))
	for i := range p.Items {
		records[i] = p.Items[i].Record
	}
	return records
}

// ApplyDeletes applies the plan: it calls OnStage with the number of records, Confirm, Backup, and then deletes, in that order.
// Nothing is deleted if an earlier step fails. The deletes are those of [windrow.DeleteMany], with its options, result and
// errors: one result for each of the Items; a record that is gone by then ends as Skipped (not found). [windrow.Canary]
// deletes some first; [windrow.DryRun] skips the deletes, but not the steps before them.
//
// The error is nil if all records are gone, or if Confirm returned false. Otherwise it is a [*windrow.BulkError], whose
// Cause is the error of the step that failed, if one did.
func ApplyDeletes[ID comparable, T any](ctx context.Context, p *DeletePlan[ID, T], client windrow.Deleter[ID], opts ...windrow.Option) (*ApplyResult[ID, struct{}], error) {
	processor := windrow.NewDeleteProcessor(client, refusal.ForRun(opts)...)
	if p == nil {
		return refuse[ID](ctx, processor, nil, errNoPlan)
	}
	ids := make([]ID, len(p.Items))
	for i := range p.Items {
		ids[i] = p.Items[i].ID
	}
	if inspect.IsNil(ctx) || inspect.IsNil(client) {
		return run(ctx, processor, ids) // returns the error of a nil ctx or client, before Confirm
	}
	p.step(StageConfirm)
	if len(ids) == 0 {
		return run(ctx, processor, ids)
	}
	if p.Confirm != nil {
		if yes, err := p.Confirm(ctx, p); err != nil {
			return refuse(ctx, processor, ids, fmt.Errorf("plan: confirm: %w", err))
		} else if !yes {
			res, _ := refuse(ctx, processor, ids, ErrCancelled)
			res.Cancelled = true
			return res, nil
		}
	}
	if p.Backup != nil {
		p.step(StageBackup)
		if err := p.Backup(ctx, p.Records()); err != nil {
			return refuse(ctx, processor, ids, fmt.Errorf("plan: backup: %w", err))
		}
	}
	p.step(StageWrite)
	return run(ctx, processor, ids)
}

func (p *DeletePlan[ID, T]) step(stage Stage) {
	if p.OnStage != nil {
		p.OnStage(StageReport{Stage: stage, Records: len(p.Items), Missing: len(p.Missing), Delete: true})
	}
}

// deleteForm is the JSON form of a DeletePlan.
type deleteForm[ID comparable, T any] struct {
	Format  int           `json:"format"`
	Items   []Item[ID, T] `json:"items"`
	Missing []ID          `json:"missing"`
}

// MarshalJSON implements [json.Marshaler]. The hooks are left out.
func (p *DeletePlan[ID, T]) MarshalJSON() ([]byte, error) {
	return json.Marshal(deleteForm[ID, T]{format, append([]Item[ID, T]{}, p.Items...), append([]ID{}, p.Missing...)})
}

// UnmarshalJSON implements [json.Unmarshaler]. The hooks stay as they are. Numbers keep all their digits: in a
// map[string]any they are of the type [json.Number].
func (p *DeletePlan[ID, T]) UnmarshalJSON(data []byte) error {
	var form deleteForm[ID, T]
	if err := decode(data, &form); err != nil {
		return fmt.Errorf("plan: read a plan: %w", err)
	}
	if form.Format != format || form.Items == nil {
		return fmt.Errorf("plan: read a plan: it is not a plan of deletes in format %d", format)
	}
	p.Items, p.Missing = form.Items, form.Missing
	return nil
}
