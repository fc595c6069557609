package plan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/internal/inspect"
)

// UpdatePlan is the plan of a conditional update. Make one with [Updates], or read one from its JSON form; set its hooks;
// then apply it with [ApplyUpdates] or [ApplyPatches]. The zero value changes nothing. Applying does not change a plan, which must
// not be changed meanwhile. Changes may be removed before.
type UpdatePlan[ID comparable, T any] struct {
	// Changes are the records to update, in the order in which they were read.
	Changes []Change[ID, T]
	// Read is how many records were read: the sum of Changes, Unchanged and Repeated.
	Read int
	// Unchanged is how many records need no update.
	Unchanged int
	// Repeated is how many records were read again, as happens when a list changes meanwhile. The first reading counts.
	Repeated int
	// Limited says that [MaxItems] ended the reading, so that there may be more records.
	Limited bool

	// Confirm gets the plan before anything is written. False cancels: nothing is written, and no backup is made. An error
	// stops, too. It is not called for an empty plan. Nil confirms.
	Confirm func(ctx context.Context, p *UpdatePlan[ID, T]) (bool, error)
	// Backup gets the originals of all records to be written, before the first write. An error stops everything.
	// [BackupFile] returns one. Nil makes no backup.
	Backup func(ctx context.Context, originals []T) error
	// Current reads the records again before the first write, so that records that were changed meanwhile are not
	// overwritten: see [ApplyUpdates]. Nil means no check, or only the server's, with [VersionFrom].
	Current windrow.Getter[ID, T]
	// CurrentOptions are those of the run that reads the records again, such as [windrow.WithLimiter].
	CurrentOptions []windrow.Option
	// Version returns the version of a record, such as an ETag or the time of its last change: two states with one version
	// are equal. The client gets the original's version with [VersionFrom]. Nil compares records field by field.
	Version func(record T) string
	// LeaveChanged applies the rest of the plan if some records have changed meanwhile. These end as Failed, with
	// [ErrChanged]. By default the whole plan is refused.
	LeaveChanged bool
	// OnStage is called before each step, from the goroutine of Apply. It may be nil.
	OnStage func(StageReport)
}

// Change is the update of one record.
type Change[ID comparable, T any] struct {
	// ID is the id of the record.
	ID ID `json:"id"`
	// Original is the record as it was read.
	Original T `json:"original"`
	// Updated is the record after the update.
	Updated T `json:"updated"`
	// Differences are the fields in which Original and Updated differ, in the order of their names.
	Differences []Difference `json:"differences"`
}

// Patch holds only the changed fields of a record, by name, for an API that leaves all other fields as they are. A value is
// the type that [encoding/json] decodes into an any, numbers as [json.Number]; it is nil for a field that is removed, as in
// a JSON merge patch (RFC 7396), but a nested object is given as a whole.
type Patch map[string]any

// Patch returns the changed fields. It returns an error if the JSON form of the record is not an object.
func (c Change[ID, T]) Patch() (Patch, error) {
	patch := make(Patch, len(c.Differences))
	for _, d := range c.Differences {
		if d.Field == "" && d.Before != nil && d.After != nil {
			if _, isObject := fieldsOf(d.Before); !isObject {
				return nil, fmt.Errorf("plan: record %v: its JSON form is no object, so it has no fields to send alone: use ApplyUpdates", c.ID)
			}
		}
		var value any
		if d.After != nil {
			if err := decode(d.After, &value); err != nil {
				return nil, fmt.Errorf("plan: record %v, field %q: %w", c.ID, d.Field, err)
			}
		}
		patch[d.Field] = value
	}
	return patch, nil
}

// Updates plans a conditional update: it reads the source to its end, calls change with each record, and returns the
// differences. Nothing is written.
//
// id returns a record's id, which change must leave as it is. change may return its argument, and may change it in place.
// Both are called from the calling goroutine, one record at a time.
//
// An error of the source or of change, a record without an id, and the end of ctx end the planning without a plan, since a
// partial plan would look complete. It keeps the records that change, and all ids, in memory.
func Updates[ID comparable, T any](ctx context.Context, source iter.Seq2[T, error], id func(record T) ID, change func(record T) (T, error), opts ...Option) (*UpdatePlan[ID, T], error) {
	cfg, err := newConfig(opts)
	switch {
	case err != nil:
		return nil, err
	case inspect.IsNil(ctx):
		return nil, windrow.ErrNilContext
	case source == nil || id == nil || change == nil:
		return nil, errors.New("plan: Updates needs a source, a function that returns a record's id, and a change")
	}
	p := &UpdatePlan[ID, T]{}
	seen := map[ID]struct{}{}
	pages := pageCounter{size: cfg.pageSize, notify: cfg.onPage}
	for record, err := range source {
		if err != nil {
			return nil, fmt.Errorf("plan: read record %d: %w", p.Read, err)
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("plan: stopped before record %d: %w", p.Read, context.Cause(ctx))
		}
		key := id(record)
		if key == *new(ID) {
			return nil, fmt.Errorf("plan: record %d has no id", p.Read)
		}
		if _, again := seen[key]; again {
			p.Repeated++
		} else {
			seen[key] = struct{}{}
			if err := p.consider(key, record, id, change); err != nil {
				return nil, fmt.Errorf("plan: record %d, id %v: %w", p.Read, key, err)
			}
		}
		p.Read++
		pages.count(p.Read, len(p.Changes))
		if p.Read == cfg.maxItems {
			p.Limited = true
			break
		}
	}
	pages.end(p.Read, len(p.Changes))
	if ctx.Err() != nil {
		return nil, fmt.Errorf("plan: stopped after record %d: %w", p.Read, context.Cause(ctx))
	}
	return p, nil
}

// consider adds a record to the plan if change changes it.
func (p *UpdatePlan[ID, T]) consider(key ID, record T, id func(T) ID, change func(T) (T, error)) error {
	before, err := encode(record)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	updated, err := change(record)
	if err != nil {
		return fmt.Errorf("change: %w", err)
	}
	if id(updated) != key {
		return errors.New("the change sets another id, which an update cannot do")
	}
	after, err := encode(updated)
	if err != nil {
		return fmt.Errorf("encode the changed record: %w", err)
	}
	found := differences(before, after)
	if len(found) == 0 {
		p.Unchanged++
		return nil
	}
	// A change in a map, or through a pointer, has changed the original, too.
	if now, err := encode(record); err != nil || !equal(before, now) {
		var original T
		if err := decode(before, &original); err != nil {
			return fmt.Errorf("the change modifies the original, which cannot be restored from its JSON form: %w", err)
		}
		record = original
	}
	p.Changes = append(p.Changes, Change[ID, T]{ID: key, Original: record, Updated: updated, Differences: found})
	return nil
}

// Len returns the number of records to update.
func (p *UpdatePlan[ID, T]) Len() int { return len(p.Changes) }

// planForm is the JSON form of an UpdatePlan.
type planForm[ID comparable, T any] struct {
	Format    int             `json:"format"`
	Read      int             `json:"read"`
	Unchanged int             `json:"unchanged"`
	Repeated  int             `json:"repeated,omitempty"`
	Limited   bool            `json:"limited,omitempty"`
	Changes   []Change[ID, T] `json:"changes"`
}

// format is the version of the JSON form.
const format = 1

// MarshalJSON implements [json.Marshaler]. The hooks are left out.
func (p *UpdatePlan[ID, T]) MarshalJSON() ([]byte, error) {
	changes := p.Changes
	if changes == nil {
		changes = []Change[ID, T]{}
	}
	return json.Marshal(planForm[ID, T]{format, p.Read, p.Unchanged, p.Repeated, p.Limited, changes})
}

// UnmarshalJSON implements [json.Unmarshaler]. The hooks stay as they are. The differences are computed again from the
// records, which are authoritative. A change without a difference and a repeated id are errors. Numbers keep all their
// digits: in a map[string]any they are of the type [json.Number].
func (p *UpdatePlan[ID, T]) UnmarshalJSON(data []byte) error {
	var form planForm[ID, T]
	if err := decode(data, &form); err != nil {
		return fmt.Errorf("plan: read a plan: %w", err)
	}
	if form.Format != format {
		return fmt.Errorf("plan: read a plan: its format is %d, not %d", form.Format, format)
	}
	seen := make(map[ID]struct{}, len(form.Changes))
	for i := range form.Changes {
		c := &form.Changes[i]
		before, err := encode(c.Original)
		if err != nil {
			return fmt.Errorf("plan: read a plan: change %d: %w", i, err)
		}
		after, err := encode(c.Updated)
		if err != nil {
			return fmt.Errorf("plan: read a plan: change %d: %w", i, err)
		}
		if c.Differences = differences(before, after); len(c.Differences) == 0 {
			return fmt.Errorf("plan: read a plan: change %d, id %v: it changes nothing", i, c.ID)
		}
		if _, again := seen[c.ID]; again || c.ID == *new(ID) {
			return fmt.Errorf("plan: read a plan: change %d, id %v: the id is missing, or repeated", i, c.ID)
		}
		seen[c.ID] = struct{}{}
	}
	p.Changes, p.Read, p.Unchanged, p.Repeated, p.Limited = form.Changes, form.Read, form.Unchanged, form.Repeated, form.Limited
	return nil
}
