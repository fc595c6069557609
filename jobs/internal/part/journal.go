// Package part keeps the journal of a part of a job: the rows of its items are what package windrow asks for and
// records.
package part

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/jobs/internal/store"
)

// Config says how a journal reads and writes.
type Config struct {
	Scope  string         // what idempotency keys belong to
	Op     windrow.OpKind // of the part
	Run    int            // of the job
	Prefix string         // of the keys by which package windrow knows the items
	// Undecided is a number of attempts. An item that is Unknown after fewer has not ended: the run was stopped before it
	// was sent again or looked up. 0 means that Unknown is an end.
	Undecided int
	Describe  func(windrow.JournalEntry) (code, message string)
	// AtTail is called when each of the Items was sent once or has ended, if there are any. It must not block. Nil means
	// that it is not called.
	AtTail func()
}

// A Journal is a [windrow.Journal] of one part. It answers from memory, and writes by one goroutine, so that those who
// wait for the disk at the same time share its time. After an error of the store every method returns that error.
type Journal struct {
	cfg   Config
	store store.Store
	part  store.Part
	ctx   context.Context // of the writes

	mu      sync.Mutex
	moved   sync.Cond // stored, queue, err or closed has changed
	kick    chan struct{}
	done    chan struct{} // closed when the writer has ended
	items   []store.Item
	at      map[string]int // position of a key in items and states
	states  []state
	intents []*store.Intent
	queue   store.Batch
	queued  uint64 // writes so far
	stored  uint64 // writes that are durable
	waiters int    // that wait for a write
	unsent  int    // of the Items, those that were neither sent nor recorded since the journal was opened
	closed  bool
	err     error
}

// state is what the journal knows of an item.
type state struct {
	id, fingerprint string // as they were recorded last
	last            int64  // number of its last intent; 0: none
	settled         int64  // number of the last intent whose outcome is known
	state, reason   uint8  // as they were recorded last; the store counts it in that state
	sent, recorded  bool   // since the journal was opened; what is recorded counts as sent
}

// begun reports whether the item was begun, and its end is not known.
func (s *state) begun() bool { return s.last > s.settled }

var errClosed = errors.New("the journal of the part is closed")

// Open reads the items and the intents of a part.
func Open(ctx context.Context, s store.Store, p store.Part, cfg Config) (*Journal, error) {
	items, intents, err := s.PartItems(ctx, p.PartLease)
	if err != nil {
		return nil, err
	}
	j := &Journal{
		cfg: cfg, store: s, part: p, ctx: ctx, kick: make(chan struct{}, 1), done: make(chan struct{}),
		items: items, at: make(map[string]int, len(items)), states: make([]state, len(items)),
	}
	j.moved.L = &j.mu
	for k := range items {
		item := &items[k]
		if _, twice := j.at[cfg.Prefix+item.Key]; !twice { // a list may name a record twice: the later ones were Skipped
			j.at[cfg.Prefix+item.Key] = k
		}
		if j.open(item) {
			j.unsent++
		}
		j.states[k] = state{id: item.ID, fingerprint: item.Fingerprint, settled: item.Settled, state: item.State, reason: item.Reason}
	}
	for k := range intents {
		in := &intents[k]
		j.intents = append(j.intents, in)
		for _, index := range in.Indexes {
			j.state(index).last = in.Number
		}
	}
	go j.write()
	return j, nil
}

// state returns the state of the item with an index in the operation.
func (j *Journal) state(index int64) *state { return &j.states[index-j.part.From] }

// Items returns the items that had not ended when the journal was opened, in order. They must not be changed.
func (j *Journal) Items() []*store.Item {
	open := make([]*store.Item, 0, len(j.items))
	for k := range j.items {
		if item := &j.items[k]; j.open(item) {
			open = append(open, item)
		}
	}
	return open
}

// open reports whether an item had not ended when the journal was opened.
func (j *Journal) open(item *store.Item) bool {
	return item.State == uint8(windrow.NotAttempted) || item.State == uint8(windrow.Unknown) && item.Attempts < j.cfg.Undecided
}

// Sending notes that items are being sent, or will not be.
func (j *Journal) Sending(keys ...string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, key := range keys {
		if k, ok := j.at[key]; ok {
			j.sending(k)
		}
	}
}

// sending notes that the item at a position is sent or recorded. The lock is held.
func (j *Journal) sending(k int) {
	if s := &j.states[k]; !s.sent && j.open(&j.items[k]) {
		s.sent = true
		if j.unsent--; j.unsent == 0 && j.cfg.AtTail != nil {
			j.cfg.AtTail()
		}
	}
}

// Item returns the item with a key.
func (j *Journal) Item(key string) (item *store.Item, ok bool) {
	k, ok := j.at[key] // it does not change
	if !ok {
		return nil, false
	}
	return &j.items[k], true
}

// Resumed reports whether an earlier holder of the part may have sent something.
func (j *Journal) Resumed() bool { return j.part.Epoch > 1 }

// Begin implements [windrow.Journal].
func (j *Journal) Begin(op windrow.OpKind) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if op != j.cfg.Op {
		return fmt.Errorf("the part is of operation %v, not %v", j.cfg.Op, op)
	}
	return j.usable()
}

// usable returns the error after which nothing goes on. The lock is held.
func (j *Journal) usable() error {
	if j.err == nil && j.closed {
		return errClosed
	}
	return j.err
}

// Scope implements [windrow.Journal].
func (j *Journal) Scope() string { return j.cfg.Scope }

// Find implements [windrow.Journal].
func (j *Journal) Find(key string) (windrow.JournalEntry, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.usable(); err != nil {
		return windrow.JournalEntry{Key: key}, err
	}
	k, ok := j.at[key]
	if !ok {
		return windrow.JournalEntry{Key: key}, nil
	}
	s := &j.states[k]
	if s.begun() {
		return windrow.JournalEntry{Key: key, State: windrow.Unknown, Fingerprint: s.fingerprint}, nil
	}
	return windrow.JournalEntry{Key: key, State: windrow.State(s.state), Reason: windrow.Reason(s.reason), ID: s.id, Fingerprint: s.fingerprint}, nil
}

// Unfinished implements [windrow.Journal].
func (j *Journal) Unfinished() iter.Seq2[windrow.JournalIntent, error] {
	return func(yield func(windrow.JournalIntent, error) bool) {
		j.mu.Lock()
		var open []windrow.JournalIntent
		err := j.usable()
		for _, in := range j.intents {
			if !j.unfinished(in) {
				continue
			}
			keys := make([]string, len(in.Indexes))
			for k, index := range in.Indexes {
				keys[k] = j.cfg.Prefix + j.items[index-j.part.From].Key
			}
			open = append(open, windrow.JournalIntent{
				Keys: keys, IdempotencyKey: in.IdempotencyKey, Attempt: in.Attempt, Handle: in.Handle, Repeatable: in.Repeatable,
			})
		}
		j.mu.Unlock()
		if err != nil {
			yield(windrow.JournalIntent{}, err)
			return
		}
		for _, in := range open {
			if !yield(in, nil) {
				return
			}
		}
	}
}

// unfinished reports whether the intent is the last one of an item whose end is not known. The lock is held.
func (j *Journal) unfinished(in *store.Intent) bool {
	return slices.ContainsFunc(in.Indexes, func(index int64) bool {
		s := j.state(index)
		return s.last == in.Number && s.begun()
	})
}

// Intend implements [windrow.Journal].
func (j *Journal) Intend(ctx context.Context, intent windrow.JournalIntent) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if len(intent.Keys) == 0 {
		return errors.New("an intent needs at least one key")
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.usable(); err != nil {
		return err
	}
	in := &store.Intent{
		Number: 1, Indexes: make([]int64, len(intent.Keys)), IdempotencyKey: intent.IdempotencyKey, Attempt: intent.Attempt,
		Handle: intent.Handle, Repeatable: intent.Repeatable,
	}
	if n := len(j.intents); n > 0 {
		in.Number = j.intents[n-1].Number + 1
	}
	for k, key := range intent.Keys {
		at, ok := j.at[key]
		if !ok || key == "" {
			return errors.New("an intent names an item that the part does not have")
		}
		in.Indexes[k] = j.part.From + int64(at)
	}
	if sorted := slices.Sorted(slices.Values(in.Indexes)); len(slices.Compact(sorted)) != len(intent.Keys) {
		return errors.New("an intent names an item twice")
	}
	j.intents = append(j.intents, in)
	for _, index := range in.Indexes {
		j.state(index).last = in.Number
	}
	stored := *in
	stored.Indexes = slices.Clone(in.Indexes)
	j.queue.Intents = append(j.queue.Intents, stored)
	return j.await(ctx, j.push())
}

// Save implements [windrow.Journal].
func (j *Journal) Save(ctx context.Context, idempotencyKey, handle string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if handle == "" {
		return errors.New("a handle must not be empty")
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.usable(); err != nil {
		return err
	}
	for _, in := range slices.Backward(j.intents) {
		if in.IdempotencyKey == idempotencyKey && j.unfinished(in) {
			in.Handle = handle
			j.queue.Handles = append(j.queue.Handles, store.Handle{Intent: in.Number, Handle: handle})
			return j.await(ctx, j.push())
		}
	}
	return errors.New("no unfinished intent has that idempotency key")
}

// Record implements [windrow.Journal].
func (j *Journal) Record(entries ...windrow.JournalEntry) error {
	described := j.describe(entries)
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.usable(); err != nil {
		return err
	}
	for i := range entries {
		e := &entries[i]
		if _, ok := j.at[e.Key]; !ok || e.Key == "" || e.State > windrow.Unknown || e.Reason > windrow.ReasonDuplicate {
			return errors.New("an entry names an item that the part does not have, or a state that does not exist")
		}
	}
	if len(entries) == 0 {
		return nil // a push of nothing is never stored, and Sync would wait for it
	}
	now := time.Now()
	for i := range entries {
		r := j.record(&entries[i], now)
		if described != nil {
			r.Code, r.Message = described[i].code, described[i].message
		}
	}
	j.push()
	for len(j.queue.Results) > mostQueued && j.err == nil {
		j.moved.Wait()
	}
	return j.err
}

// description is what Describe returns.
type description struct{ code, message string }

// describe describes the entries with errors, or returns nil when there are none. It is called before anything is
// queued and without the lock, since an Error method may panic or take long.
func (j *Journal) describe(entries []windrow.JournalEntry) (described []description) {
	if j.cfg.Describe == nil {
		return nil
	}
	for i := range entries {
		if entries[i].Err == nil {
			continue
		}
		if described == nil {
			described = make([]description, len(entries))
		}
		described[i].code, described[i].message = j.cfg.Describe(entries[i])
	}
	return described
}

// record queues the result of an item, and returns it. The lock is held.
func (j *Journal) record(e *windrow.JournalEntry, now time.Time) *store.Result {
	k := j.at[e.Key]
	s := &j.states[k]
	if e.State != windrow.Unknown {
		s.settled = s.last
	}
	r := store.Result{
		Index: j.part.From + int64(k), State: uint8(e.State), Was: s.state, Reason: uint8(e.Reason), Kind: uint8(e.Kind),
		Resend: e.Resend, Attempts: e.Attempts, Elapsed: e.Elapsed, ID: e.ID, Fingerprint: e.Fingerprint,
		Warnings: slices.Clone(e.Warnings), Settled: s.settled,
	}
	if e.State != windrow.NotAttempted {
		r.Run, r.At = j.cfg.Run, now
	}
	j.sending(k)
	s.id, s.fingerprint, s.state, s.reason, s.recorded = e.ID, e.Fingerprint, uint8(e.State), uint8(e.Reason), true
	j.queue.Results = append(j.queue.Results, r)
	return &j.queue.Results[len(j.queue.Results)-1]
}

// Settle records an item's end, unless it was recorded since the journal was opened.
func (j *Journal) Settle(e windrow.JournalEntry) error {
	j.mu.Lock()
	k, ok := j.at[e.Key]
	recorded := ok && j.states[k].recorded
	err := j.usable()
	j.mu.Unlock()
	if recorded || err != nil {
		return err
	}
	return j.Record(e)
}

// Abandon records as Unknown the items that were begun and that have not ended, since the part is not gone on with.
func (j *Journal) Abandon() error {
	j.mu.Lock()
	var doubts []windrow.JournalEntry
	for k := range j.states {
		if s := &j.states[k]; s.begun() && s.state == uint8(windrow.NotAttempted) {
			doubts = append(doubts, windrow.JournalEntry{Key: j.cfg.Prefix + j.items[k].Key, State: windrow.Unknown, Fingerprint: s.fingerprint, Err: windrow.ErrBegun})
		}
	}
	j.mu.Unlock()
	return j.Record(doubts...)
}

// Sync implements [windrow.Journal].
func (j *Journal) Sync() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.usable(); err != nil {
		return err
	}
	return j.await(context.Background(), j.queued)
}

// Close writes what is queued, and ends the use of the journal. It returns the first error of the store.
func (j *Journal) Close() error {
	j.mu.Lock()
	j.closed = true
	j.moved.Broadcast()
	j.mu.Unlock()
	j.hurry()
	<-j.done
	return j.err
}
