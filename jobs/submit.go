package jobs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"time"

	"github.com/windrow-go/windrow/jobs/internal/store"
)

// saved is the form in which the store keeps a spec: its records and ids are items.
type saved struct {
	Spec     Spec    `json:"spec"`
	Expected []int64 `json:"expected,omitempty"` // size of each operation, as counted at first; -1 when not known
}

// Submit stores a job and returns it. It is queued when Submit returns, and survives a restart from then on. Nothing is
// sent by Submit itself but the resource's Count.
//
// The error is a [*SpecError] when the spec is wrong, and matches [ErrKeyReused] when its IdempotencyKey belongs to a job
// with another spec. With the same spec Submit returns that job, in whatever state it is.
func (m *Manager) Submit(ctx context.Context, s Spec) (Job, error) {
	if err := m.usable(ctx); err != nil {
		return Job{}, err
	}
	if err := m.check(&s); err != nil {
		return Job{}, err
	}
	form, err := json.Marshal(s)
	if err != nil {
		return Job{}, withoutForm(&s)
	}
	if len(form) > m.cfg.MaxSpecBytes {
		var found mistakes
		m.tooLarge(&found, len(form))
		return Job{}, found.err()
	}
	if m.cfg.MaxStoreBytes > 0 {
		switch size, err := m.store.Size(ctx); {
		case err != nil:
			return Job{}, failure(ctx, err)
		case size > m.cfg.MaxStoreBytes:
			return Job{}, ErrStoreFull
		}
	}
	caller, now := CallerFrom(ctx), time.Now()
	hash := sha256.Sum256(form)
	j := store.Job{
		ID: newID(), Tenant: caller.Tenant, Actor: caller.Actor, Type: s.Type, Description: s.Description, Key: s.IdempotencyKey,
		KeyHash: hash[:], Labels: s.Labels, Priority: s.Priority, State: store.Queued, Run: 1, Created: now, Queued: now,
	}
	keep := saved{Spec: s, Expected: make([]int64, len(s.Operations))}
	keep.Spec.Operations = slices.Clone(s.Operations)
	for k := range s.Operations {
		op := &s.Operations[k]
		phase := store.Ready
		if op.Filter != nil {
			phase = store.Waiting
			if keep.Expected[k], err = m.expected(ctx, op); err != nil {
				return Job{}, err
			}
		}
		j.Operations = append(j.Operations, store.Operation{Index: k, Phase: phase})
		keep.Spec.Operations[k].IDs, keep.Spec.Operations[k].Records = nil, nil
		if !slices.Contains(j.Resources, op.Resource) {
			j.Resources = append(j.Resources, op.Resource)
		}
	}
	if j.Spec, err = json.Marshal(keep); err != nil {
		return Job{}, err
	}
	var found mistakes
	known := j
	for k := range s.Operations {
		known.Counts.Total += int64(len(s.Operations[k].IDs) + len(s.Operations[k].Records))
	}
	j, inserted, err := m.store.Insert(ctx, j, m.given(&s, &found), m.event(ctx, EventQueued, known, ""))
	switch {
	case len(found.list) > 0:
		return Job{}, found.err()
	case err != nil:
		return Job{}, failure(ctx, err)
	case !inserted && !bytes.Equal(j.KeyHash, hash[:]):
		return Job{}, ErrKeyReused
	}
	if inserted {
		m.log.Info("jobs: job queued", "job", j.ID, "type", j.Type, "tenant", j.Tenant, "actor", j.Actor)
		m.nudge()
	}
	return m.show(ctx, j)
}

// withoutForm names the records of a spec that have no JSON form.
func withoutForm(s *Spec) error {
	var found mistakes
	for k := range s.Operations {
		for i, record := range s.Operations[k].Records {
			if _, err := json.Marshal(record); err != nil {
				found.add(InvalidValue, fmt.Sprintf("operations[%d].records[%d]", k, i), "%v", errNoJSON)
			}
		}
	}
	if len(found.list) == 0 {
		found.add(InvalidValue, "operations", "%v", errNoJSON)
	}
	return found.err()
}

// mostExpected bounds what a Count is believed, so that sums of counts do not overflow.
const mostExpected = 1 << 50

// expected counts the records that an operation will change, -1 when that is not known.
func (m *Manager) expected(ctx context.Context, op *Operation) (int64, error) {
	n, known, err := m.resource(op.Resource).count(ctx, op.Filter)
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	if err != nil || !known {
		return -1, nil // the listing will tell
	}
	return min(max(0, int64(n)), mostExpected), nil
}

// given yields the items that a spec names. It adds what is wrong with them to the mistakes, and ends with an error then.
func (m *Manager) given(s *Spec, found *mistakes) iter.Seq2[store.Item, error] {
	return func(yield func(store.Item, error) bool) {
		for k := range s.Operations {
			op := &s.Operations[k]
			for i, id := range op.IDs {
				if !yield(store.Item{Op: k, Index: int64(i), Key: id}, nil) {
					return
				}
			}
			first := map[string]int{}
			for i, record := range op.Records {
				field := fmt.Sprintf("operations[%d].records[%d]", k, i)
				input, err := json.Marshal(record)
				if err != nil {
					found.add(InvalidValue, field, "%v", errNoJSON)
					continue
				}
				key, err := m.resource(op.Resource).key(input)
				switch before, twice := first[key]; {
				case err != nil:
					found.add(InvalidValue, field, "%v", err)
				case key == "":
					key = strconv.Itoa(i)
				case twice:
					found.add(InvalidValue, field, "has the same key as records[%d]", before)
				default:
					first[key] = i
				}
				if len(found.list) == 0 && !yield(store.Item{Op: k, Index: int64(i), Key: key, Input: input}, nil) {
					return
				}
			}
		}
		if len(found.list) > 0 {
			yield(store.Item{}, errors.New("the spec is refused"))
		}
	}
}

// failure is the error of a call whose store failed.
func failure(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, store.ErrNotFound):
		return ErrNotFound
	case errors.Is(err, store.ErrClosed):
		return ErrClosed
	}
	return fmt.Errorf("jobs: the store: %w", err)
}
