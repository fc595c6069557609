// Package resume continues an earlier run: it reads the state of each item from a journal, decides what to send, and records
// in the journal what is begun and ended.
package resume

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/windrow-go/windrow/internal/contain"
	"github.com/windrow-go/windrow/internal/engine"
	"github.com/windrow-go/windrow/internal/parallel"
)

var (
	// ErrBegun is the error of an item that was begun, and can be neither repeated nor looked up.
	ErrBegun = errors.New("windrow: an earlier run has begun it, and may have applied it")
	// ErrContentChanged is the error of an item whose fingerprint differs from the journal's.
	ErrContentChanged = errors.New("windrow: the journal has this key with another content: give the item a new key, or undo the change")

	errNoKey = errors.New("windrow: the item has no key, which a journal needs")
)

// Entry is how an item ended. Of an entry that was found only the first five fields are set.
type Entry struct {
	Key         string
	State       engine.State
	Reason      engine.Reason
	ID          string
	Fingerprint string

	Kind     engine.Kind
	Err      error
	Resend   bool
	Attempts int
	Elapsed  time.Duration
	Warnings []string
}

// Intent is the items about to be sent with one request.
type Intent struct {
	Keys           []string
	IdempotencyKey string
	Attempt        int
	Handle         string
	Repeatable     bool // it need not be durable
}

// Journal is the interface of a journal.
type Journal interface {
	Find(key string) (Entry, error)
	Unfinished() iter.Seq2[Intent, error]
	Intend(ctx context.Context, intent Intent) error
	Save(ctx context.Context, idempotencyKey, handle string) error
	Record(entries []Entry) error
	Sync() error
}

// Resumption is a run with a journal.
type Resumption struct {
	Journal     Journal
	Table       *engine.Table
	Key         func(item int) string
	Fingerprint func(item int) string // nil: content is not compared
	Validate    func(item int) error  // nil: no check; called for an item without a key, which is not checked elsewhere
	ID          func(item int) string // id of the result of an item that has ended
	KeyFor      func(items []int) string
	Traits      func(item int) engine.Traits
	MayLook     bool // the run can look up whether an item was applied
	Atomic      bool
	ChunkItems  int // in one request
	Lost        contain.Lost
	Reopened    bool // the journal is one of an earlier process

	seen atomic.Bool // the journal has one of the items
}

// Resumed reports whether an earlier run may have sent items without a record in the journal.
func (r *Resumption) Resumed() bool { return r.Reopened || r.seen.Load() }

// Past is the state that an earlier run left, from its result or the journal.
type Past struct {
	Pending  []bool          // by item: to be sent anew; nil means all
	Doubtful []bool          // of Pending: may have been applied by an earlier run; nil means none
	Settled  []int           // items that need nothing, or for which nothing can be done
	Replay   []engine.Replay // requests to be sent again unchanged; their items are not Pending
	IDs      []string        // of items that are done
}

// failed wraps an error of the journal.
func failed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("windrow: the journal: %w", err)
}

// known reads an item's entry from the journal, and settles its slot if the entry decides. open reports that it does not:
// the item was never begun, or is Unknown.
func (r *Resumption) known(item int, doubt engine.State) (entry Entry, open bool, _ error) {
	key := r.Key(item)
	if key == "" {
		err := errNoKey
		if r.Validate != nil {
			if broken := r.ask("Validate", func() { err = errors.Join(errNoKey, r.Validate(item)) }); broken != nil {
				err = errors.Join(errNoKey, broken)
			}
		}
		r.Table.Put(item, engine.Slot{State: engine.Failed}, engine.Detail{Err: err, Kind: engine.Validation})
		return entry, false, nil
	}
	entry, err := r.Journal.Find(key)
	if err != nil {
		return entry, false, failed(err)
	}
	if entry.State != engine.NotAttempted {
		r.seen.Store(true)
	}
	fresh := entry.State == engine.NotAttempted || entry.State == engine.Failed
	now := entry.Fingerprint
	if !fresh && r.Fingerprint != nil && now != "" {
		if err := r.ask("Fingerprint", func() { now = r.Fingerprint(item) }); err != nil {
			return entry, false, err
		}
	}
	if now != entry.Fingerprint {
		r.Table.Put(item, engine.Slot{State: engine.Failed}, engine.Detail{Err: ErrContentChanged, Kind: engine.Validation})
		return entry, false, nil
	}
	switch {
	case fresh:
		return Entry{}, true, nil
	case entry.State == engine.Unknown:
		r.Table.Put(item, engine.Slot{State: doubt}, engine.Detail{Err: ErrBegun})
		return entry, true, nil
	default:
		*r.Table.At(item) = engine.Slot{State: engine.Skipped, Reason: engine.DoneBefore}
		return entry, false, nil
	}
}

// Recall reads the entry of one item of a stream. id is that of a finished item. If fresh is false the item's slot says how
// to proceed.
func (r *Resumption) Recall(item int) (id string, fresh bool, _ error) {
	doubt := engine.Unknown
	if r.mayTakeUp(item) {
		doubt = engine.Doubtful
	}
	entry, open, err := r.known(item, doubt)
	if err != nil {
		return "", false, err
	}
	return entry.ID, open && entry.State != engine.Unknown, nil
}

// RecallAll reads the entries of all pending items of a run.
func (r *Resumption) RecallAll(ctx context.Context, pending, doubtful []bool) (*Past, error) {
	n := len(pending)
	past := &Past{Pending: make([]bool, n), Doubtful: make([]bool, n), IDs: make([]string, n)}
	copy(past.Doubtful, doubtful)
	begun := make([]bool, n)
	var failure atomic.Pointer[error]
	fail := func(err error) { failure.CompareAndSwap(nil, &err) }
	parallel.For(n, func() bool { return ctx.Err() != nil || failure.Load() != nil }, func(i int) {
		if !pending[i] {
			return
		}
		entry, open, err := r.known(i, engine.Unknown)
		if err != nil {
			fail(err)
			return
		}
		begun[i] = open && entry.State == engine.Unknown
		past.Pending[i] = open && !begun[i]
		past.IDs[i] = entry.ID
	}, func(_ int, value any, stack []byte) {
		fail(fmt.Errorf("windrow: Fingerprint: %w", r.Lost(value, stack)))
	})
	if err := failure.Load(); err != nil {
		return nil, *err
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	open := map[string]int{}
	for i := range n {
		switch {
		case begun[i]:
			open[r.Key(i)] = i
		case pending[i] && !past.Pending[i]:
			past.Settled = append(past.Settled, i)
		}
	}
	return past, r.takeUp(past, open)
}

// takeUp decides about items that an earlier run has begun and not ended: replay them, repeat or look them up, or leave them
// as Unknown.
func (r *Resumption) takeUp(past *Past, begun map[string]int) error {
	if len(begun) == 0 {
		return nil
	}
	for intent, err := range r.Journal.Unfinished() {
		if err != nil {
			return failed(err)
		}
		items := make([]int, 0, len(intent.Keys))
		for _, key := range intent.Keys {
			if i, ok := begun[key]; ok {
				items = append(items, i)
			}
		}
		if len(items) < len(intent.Keys) || !r.mayReplay(intent, items) {
			continue
		}
		past.Replay = append(past.Replay, engine.Replay{Items: items, Handle: intent.Handle})
		for _, key := range intent.Keys {
			delete(begun, key)
		}
	}
	for _, i := range slices.Sorted(maps.Values(begun)) {
		if !r.mayTakeUp(i) || r.Atomic && r.MayLook {
			past.Settled = append(past.Settled, i)
			continue
		}
		past.Pending[i], past.Doubtful[i] = true, true
	}
	return nil
}

// mayReplay reports whether an intent's items may be sent again together: the server recognizes them by the handle of a job,
// or by the idempotency key.
func (r *Resumption) mayReplay(intent Intent, items []int) bool {
	if intent.Handle != "" {
		return true
	}
	return len(items) <= r.ChunkItems && r.Traits(items[0]).WholeOnly && r.KeyFor(items) == intent.IdempotencyKey
}

// mayTakeUp reports whether an item that an earlier run has begun can be repeated or looked up.
func (r *Resumption) mayTakeUp(item int) bool {
	t := r.Traits(item)
	return t.Repeatable && !t.WholeOnly || r.MayLook
}

// Keep makes the engine record in the journal what it begins and ends. An error of the journal stops the run.
func (r *Resumption) Keep(hooks *engine.Hooks, stop func(error)) {
	hooks.Intend = func(a *engine.Attempt, items []int) error { return failed(r.Journal.Intend(a, r.intent(a, items))) }
	hooks.Settled = func(lo, hi int) {
		entries := make([]Entry, 0, hi-lo)
		for i := lo; i < hi; i++ {
			e, err := r.entry(i)
			if err != nil {
				stop(err)
			}
			entries = append(entries, e)
		}
		if err := r.Journal.Record(entries); err != nil {
			stop(failed(err))
		}
	}
}

func (r *Resumption) intent(a *engine.Attempt, items []int) Intent {
	keys, repeatable := make([]string, len(items)), true
	for k, i := range items {
		keys[k] = r.Key(i)
		t := r.Traits(i)
		repeatable = repeatable && t.Repeatable && !t.WholeOnly
	}
	return Intent{Keys: keys, IdempotencyKey: r.KeyFor(items), Attempt: a.Number(), Repeatable: repeatable}
}

// entry returns the entry of an item that has ended. The entry is valid even if a hook panics, which the error reports.
func (r *Resumption) entry(item int) (Entry, error) {
	slot := r.Table.At(item)
	d := r.Table.Detail(item)
	e := Entry{
		Key: r.Key(item), State: slot.State, Reason: slot.Reason,
		Kind: d.Kind, Err: d.Err, Resend: d.Resend, Attempts: int(slot.Attempts), Elapsed: slot.Elapsed, Warnings: d.Warnings,
	}
	err := r.ask("ResultID", func() { e.ID = r.ID(item) })
	if r.Fingerprint != nil {
		err = errors.Join(err, r.ask("Fingerprint", func() { e.Fingerprint = r.Fingerprint(item) }))
	}
	return e, err
}

// ask calls a hook and turns its panic into an error.
func (r *Resumption) ask(hook string, f func()) error {
	if value, stack, ok := contain.Call(f); !ok {
		return fmt.Errorf("windrow: %s: %w", hook, r.Lost(value, stack))
	}
	return nil
}

// SaveHandle stores the handle of a job that an attempt has started in the journal.
func (r *Resumption) SaveHandle(a *engine.Attempt, handle string) error {
	items := a.Items()
	if items == nil {
		items = []int{a.Item()}
	}
	ctx := context.WithoutCancel(a) // store it even after a cancel: the job runs
	intent := r.intent(a, items)
	if a.Intended() {
		return failed(r.Journal.Save(ctx, intent.IdempotencyKey, handle))
	}
	intent.Handle, intent.Repeatable = handle, false
	return failed(r.Journal.Intend(ctx, intent))
}

// Close records the items that the journal has as begun but that were not attempted, and syncs the journal.
func (r *Resumption) Close(left []int) error {
	var errs []error
	for _, i := range left {
		if entry, err := r.Journal.Find(r.Key(i)); err == nil && entry.State == engine.Unknown {
			errs = append(errs, r.Journal.Record([]Entry{{Key: r.Key(i)}}))
		}
	}
	return failed(errors.Join(append(errs, r.Journal.Sync())...))
}
