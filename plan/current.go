package plan

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/clients"
	"github.com/windrow-go/windrow/internal/neterr"
	"github.com/windrow-go/windrow/internal/refusal"
)

// state is the current state of the records of a plan.
type state[ID comparable] struct {
	applied map[ID]bool  // records that have the new values already
	changed map[ID]error // records that have neither the old nor the new values
}

// check reads the records again, if Current is set.
func (p *UpdatePlan[ID, T]) check(ctx context.Context) (*state[ID], error) {
	now := &state[ID]{applied: map[ID]bool{}, changed: map[ID]error{}}
	if p.Current == nil {
		return now, nil
	}
	p.step(StageCheck, p.Len())
	ids := make([]ID, p.Len())
	for i, c := range p.Changes {
		ids[i] = c.ID
	}
	res, err := fetch(ctx, p.Current, ids, p.CurrentOptions)
	if err != nil {
		return nil, fmt.Errorf("plan: read the records again: %w", err)
	}
	refused := &ChangedError{Planned: p.Len()}
	for r := range res.All() {
		c := p.Changes[r.Index]
		var why error
		if r.State == windrow.Skipped {
			why = fmt.Errorf("%w: %w", ErrChanged, windrow.ErrNotFound)
		} else if fresh, applied, err := p.compare(c, r.Value); err != nil {
			return nil, fmt.Errorf("plan: compare record %v with the original: %w", c.ID, err)
		} else if applied {
			now.applied[c.ID] = true
		} else if !fresh {
			why = ErrChanged
		}
		if why != nil {
			now.changed[c.ID] = why
			refused.IDs = append(refused.IDs, fmt.Sprint(c.ID))
		}
	}
	if len(refused.IDs) > 0 && !p.LeaveChanged {
		return nil, refused
	}
	return now, nil
}

// compare reports whether a record is still the original (fresh), or has the plan's new values (applied).
func (p *UpdatePlan[ID, T]) compare(c Change[ID, T], current T) (fresh, applied bool, err error) {
	before, err := encode(c.Original)
	if err != nil {
		return false, false, err
	}
	is, err := encode(current)
	if err != nil {
		return false, false, err
	}
	if p.Version != nil {
		fresh = p.Version(current) == p.Version(c.Original)
	} else {
		fresh = len(differences(before, is)) == 0
	}
	return fresh, !fresh && hasAll(is, c.Differences), nil
}

// hasAll reports whether a record has the new values of all fields that a plan changes.
func hasAll(record []byte, changes []Difference) bool {
	fields, isObject := fieldsOf(record)
	return !slices.ContainsFunc(changes, func(d Difference) bool {
		if !isObject {
			return d.Field != "" || !equal(record, d.After)
		}
		value, there := fields[d.Field]
		return there != (d.After != nil) || there && !equal(value, d.After)
	})
}

// isApplied reads one record again, and reports whether it has the new values.
func (p *UpdatePlan[ID, T]) isApplied(ctx context.Context, id ID) bool {
	if p.Current == nil {
		return false
	}
	current, err := p.Current.Get(ctx, id)
	if err != nil {
		return false
	}
	data, err := encode(current)
	if err != nil {
		return false
	}
	i := slices.IndexFunc(p.Changes, func(c Change[ID, T]) bool { return c.ID == id })
	return i >= 0 && hasAll(data, p.Changes[i].Differences)
}

// originals returns the records that will be overwritten.
func (p *UpdatePlan[ID, T]) originals(now *state[ID]) []T {
	var all []T
	for _, c := range p.Changes {
		if !now.applied[c.ID] && now.changed[c.ID] == nil {
			all = append(all, c.Original)
		}
	}
	return all
}

// versionKey is the context key of the versions for [VersionFrom].
type versionKey struct{}

// versions returns the versions of the originals, by id.
func (p *UpdatePlan[ID, T]) versions() map[ID]string {
	all := make(map[ID]string, len(p.Changes))
	for _, c := range p.Changes {
		all[c.ID] = p.Version(c.Original)
	}
	return all
}

// VersionFrom returns the version of the original, by [UpdatePlan.Version]. A client's Update or UpdateBatch method calls it
// with its context, and sends the version, such as in an If-Match header (RFC 9110 section 13.1.1): then the server refuses
// to overwrite another version. ok is false outside of [ApplyUpdates], and if the plan has no Version.
func VersionFrom[ID comparable](ctx context.Context, id ID) (version string, ok bool) {
	versions, _ := ctx.Value(versionKey{}).(map[ID]string)
	version, ok = versions[id]
	return version, ok
}

// fetch reads records. A record that does not exist ends as Skipped (not found); any other error ends the reading.
func fetch[ID comparable, T any](ctx context.Context, client windrow.Getter[ID, T], ids []ID, opts []windrow.Option) (*windrow.BulkResult[ID, T], error) {
	processor := windrow.NewGetProcessor(client, append(refusal.ForRun(opts), windrow.MaxFailures(0))...)
	if do := processor.Do; do != nil {
		processor.Do = func(ctx context.Context, id ID) (T, error) {
			record, err := do(ctx, id)
			if isMissing(err) {
				return *new(T), clients.Skip(windrow.ReasonNotFound)
			}
			return record, err
		}
	}
	if batch := processor.Batch; batch != nil {
		processor.Batch = func(ctx context.Context, ids []ID) ([]windrow.Outcome[T], error) {
			outcomes, err := batch(ctx, ids)
			for k := range outcomes {
				if isMissing(outcomes[k].Err) {
					outcomes[k] = windrow.Outcome[T]{Reason: windrow.ReasonNotFound, Warnings: outcomes[k].Warnings}
				}
			}
			return outcomes, err
		}
	}
	res, err := processor.Run(ctx, ids)
	if err != nil {
		return nil, err
	}
	for r := range res.Skipped() {
		if r.Reason != windrow.ReasonNotFound {
			return nil, fmt.Errorf("a record was not read (%v): leave DryRun out, making a plan writes nothing", r.Reason)
		}
	}
	return res, nil
}

// isMissing reports whether an error proves that there is no such record.
func isMissing(err error) bool {
	if err == nil || windrow.Classify(err).Class != windrow.ClassPermanent {
		return false
	}
	status := neterr.Status(err)
	return errors.Is(err, windrow.ErrNotFound) || status == http.StatusNotFound || status == http.StatusGone
}
