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

// UpdatePlan is what a conditional update would change. Make one with [Updates], or read one from its JSON form; set the
// hooks that are wanted; then hand it to [ApplyUpdates] or [ApplyPatches]. The zero value changes nothing. A plan is not changed
// by being applied, and must not be changed meanwhile. Changes may be removed from it before.
type UpdatePlan[ID comparable, T any] struct {
	// Changes are the records that are to be updated, in the order in which they were read. Unchanged ones are not here.
	Changes []Change[ID, T]
	// Read is how many records were read. The Changes, Unchanged and Repeated add up to it.
	Read int
	// Unchanged is how many of them are as they should be.
	Unchanged int
	// Repeated is how many came a second time, as they do when a list moves while it is read. The first counts.
	Repeated int
	// Limited says that [MaxItems] ended the reading, so that there may be more records.
	Limited bool

	// Confirm is shown the plan before anything is written. False cancels: nothing is written, and no backup made. An
	// error stops, too. It is not called for an empty plan. Nil means that the plan is carried out.
	Confirm func(ctx context.Context, p *UpdatePlan[ID, T]) (bool, error)
	// Backup gets the originals of all records that are going to be written, before the first write. An error stops
	// everything. [BackupFile] makes one. Nil means that there is no backup.
	Backup func(ctx context.Context, originals []T) error
	// Current reads the records again before the first write, and refuses to overwrite what somebody else has changed
	// since: see [ApplyUpdates]. Nil means that this is not checked, or only by the server, with [VersionFrom].
	Current windrow.Getter[ID, T]
	// CurrentOptions are those of the run that reads the records again, such as [windrow.WithLimiter].
	CurrentOptions []windrow.Option
	// Version tells one state of a record from another, such as an ETag or the time of its last change: two records with
	// one version are the same. The client gets that of the original with [VersionFrom]. Nil means that records are
	// compared field by field.
	Version func(record T) string
	// LeaveChanged lets the rest of the plan be carried out when some records have changed meanwhile. These end as
	// Failed, with [ErrChanged]. By default the whole plan is refused then.
	LeaveChanged bool
	// OnStage is told of each step before it is taken, from the goroutine that applies. Nil means that nobody is.
	OnStage func(StageReport)
}

// Change is the update of one record.
type Change[ID comparable, T any] struct {
	// ID is that of the record.
	ID ID `json:"id"`
	// Original is the record as it was read.
	Original T `json:"original"`
	// Updated is the record as it is to be.
	Updated T `json:"updated"`
	// Differences are the fields in which the two differ, in the order of their names.
	Differences []Difference `json:"differences"`
}

// Patch holds the changed fields of a record alone, by their names: what an API takes that leaves all other fields as
// they are. A value is what [encoding/json] makes of it, numbers as [json.Number]; it is nil for a field that is removed,
// as in a JSON merge patch (RFC 7396), but a nested object is given as a whole.
type Patch map[string]any

// Patch returns the changed fields. The error is that the record has no fields, since its JSON form is no object.
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

// Updates plans a conditional update: it reads the source to its end, has change make of each record what it should be,
// and returns what differs. Nothing is written.
//
// id returns a record's id, which change must leave as it is. change may return its argument, and may change it in place.
// Both are called from the calling goroutine, one record at a time.
//
// An error of the source or of change, a record without an id, and the end of ctx end the planning: then there is no
// plan, since half of one would look like all of it. Memory is needed for the records that change, and for all ids.
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

// consider adds what change makes of a record to the plan, if that is anything else.
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
		return errors.New("the change gives it another id: an update cannot do that")
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
	// A change of a map, or behind a pointer, has changed the original, too.
	if now, err := encode(record); err != nil || !equal(before, now) {
		var original T
		if err := decode(before, &original); err != nil {
			return fmt.Errorf("the change changes the original, which cannot be restored from its JSON form: %w", err)
		}
		record = original
	}
	p.Changes = append(p.Changes, Change[ID, T]{ID: key, Original: record, Updated: updated, Differences: found})
	return nil
}

// Len returns how many records are to be updated.
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

// format is the number of the JSON form.
const format = 1

// MarshalJSON implements [json.Marshaler]. The hooks are left out.
func (p *UpdatePlan[ID, T]) MarshalJSON() ([]byte, error) {
	changes := p.Changes
	if changes == nil {
		changes = []Change[ID, T]{}
	}
	return json.Marshal(planForm[ID, T]{format, p.Read, p.Unchanged, p.Repeated, p.Limited, changes})
}

// UnmarshalJSON implements [json.Unmarshaler]. The hooks stay as they are. The differences are made again from the
// records, so that the plan is what they say; a change that makes no difference, and one of an id that came before, is an
// error. Numbers keep all their digits: in a map[string]any they are of the type [json.Number].
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
			return fmt.Errorf("plan: read a plan: change %d, id %v: the id is missing, or was there before", i, c.ID)
		}
		seen[c.ID] = struct{}{}
	}
	p.Changes, p.Read, p.Unchanged, p.Repeated, p.Limited = form.Changes, form.Read, form.Unchanged, form.Repeated, form.Limited
	return nil
}
