package journal

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/windrow-go/windrow"
)

// flight is an intent of this process whose keys have not all ended.
type flight struct {
	intent record
	made   int64 // offset of the intent
	last   int64 // offset of its last repetition with a handle, else made: the last record of each key in flight
	left   int   // keys that have not ended
}

// asIntent returns an intent in the caller's form.
func (r *record) asIntent() windrow.JournalIntent {
	return windrow.JournalIntent{Keys: r.keys, IdempotencyKey: r.idem, Attempt: r.tries, Handle: r.handle}
}

// Intend implements [windrow.Journal]. It returns when the intent is synced. Calls that arrive during a sync share the next
// one. An intent that is Repeatable is written and not synced.
func (j *Journal) Intend(ctx context.Context, in windrow.JournalIntent) error {
	if err := checkIntent(in); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	g, err := j.intend(in)
	switch {
	case err != nil:
		return err
	case in.Repeatable: // may be lost by a power failure, but not by a kill of the process
		return j.w.flush()
	}
	return g.wait(ctx)
}

func (j *Journal) intend(in windrow.JournalIntent) (*group, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.writable(); err != nil {
		return nil, err
	}
	r := record{intent: true, keys: slices.Clone(in.Keys), tries: in.Attempt, idem: in.IdempotencyKey, handle: in.Handle}
	for i, key := range r.keys {
		before, err := j.lastOf(key, j.book.hash(key))
		if err != nil {
			return nil, err
		}
		if before != 0 && r.before == nil {
			r.before = make([]int64, len(r.keys))
		}
		if before != 0 {
			r.before[i] = before
		}
	}
	at, g, err := j.write(&r, !in.Repeatable)
	if err != nil {
		return nil, err
	}
	f := &flight{intent: r, made: at, last: at, left: len(r.keys)}
	for _, key := range r.keys {
		j.ended(key)
		j.open[key] = f
	}
	if r.idem != "" {
		j.idem[r.idem] = f
	}
	return g, nil
}

// ended removes a key from those in flight. The lock is held.
func (j *Journal) ended(key string) {
	f := j.open[key]
	if f == nil {
		return
	}
	delete(j.open, key)
	if f.left--; f.left == 0 && j.idem[f.intent.idem] == f {
		delete(j.idem, f.intent.idem)
	}
}

// Save implements [windrow.Journal].
func (j *Journal) Save(ctx context.Context, idempotencyKey, handle string) error {
	switch {
	case idempotencyKey == "":
		return errors.New("journal: Save: the idempotency key (\"\") must be that of an intent")
	case handle == "":
		return errors.New("journal: Save: the handle (\"\") must not be empty")
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	g, err := j.save(idempotencyKey, handle)
	if err != nil {
		return err
	}
	return g.wait(ctx)
}

func (j *Journal) save(idempotencyKey, handle string) (*group, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.writable(); err != nil {
		return nil, err
	}
	f := j.idem[idempotencyKey]
	var r record
	if f != nil {
		r = f.intent
		r.made = f.made
	} else {
		var err error
		if r, err = j.earlier(idempotencyKey); err != nil {
			return nil, err
		}
	}
	r.handle, r.before = handle, make([]int64, len(r.keys))
	moved := false
	for i, key := range r.keys {
		if f != nil && j.open[key] == f {
			r.before[i], moved = f.last, true
			continue
		}
		at, err := j.book.last(key, j.book.hash(key))
		if err != nil {
			return nil, err
		}
		made, _, err := j.book.intentOf(at)
		if err != nil {
			return nil, err
		}
		if r.before[i] = notMoved; made == r.made { // the key is still Unknown by this intent
			r.before[i], moved = at, true
		}
	}
	if !moved {
		return nil, errNoIntent(idempotencyKey)
	}
	at, g, err := j.write(&r, true)
	if err == nil && f != nil {
		f.last = at
	}
	return g, err
}

// earlier returns the last unfinished intent with that idempotency key that is not in flight: one of an earlier process, or
// one whose items have all ended, some as Unknown. The lock is held.
func (j *Journal) earlier(idempotencyKey string) (last record, _ error) {
	for r, err := range j.book.unfinished(j.book.open()) {
		if err != nil {
			return record{}, err
		}
		if r.idem == idempotencyKey {
			last = r
		}
	}
	if !last.intent {
		return record{}, errNoIntent(idempotencyKey)
	}
	return last, nil
}

func errNoIntent(idempotencyKey string) error {
	return fmt.Errorf("journal: Save: there is no unfinished intent with the idempotency key %q", idempotencyKey)
}
