package windrow

import (
	"context"
	"fmt"
	"iter"

	"github.com/windrow-go/windrow/internal/engine"
	"github.com/windrow-go/windrow/internal/identity"
	"github.com/windrow-go/windrow/internal/inspect"
	"github.com/windrow-go/windrow/internal/resume"
)

// A Journal remembers across restarts what runs have begun and ended, so that the same program, started again, goes on
// where it was killed. Package journal keeps one in a file; those who keep theirs elsewhere, such as in a database,
// check it with windrowtest.TestJournal.
//
// It knows items by their key. What it says of a key is what was said last: an item that is begun or ended again is
// what it has become. Implementations must be safe for concurrent use, and must not keep or change the slices that they
// are given. An error of Begin, Intend, Save, Record or Sync says that the journal does not remember; a run that gets
// one sends nothing more.
//
// One that has a method Resumed() bool says by it whether an earlier process has used it. In a run that goes on so, also
// an item of which the journal knows nothing may have been sent, since a power loss takes intents that are Repeatable:
// when it exists already it is looked up, or Unknown. A 422 says so only of an item that an intent names: of others it is
// looked up, or Failed. Without the method that is so as soon as the journal knows one item.
type Journal interface {
	// Begin is called at the start of each run, with what the run does to its items. It refuses, with an error, a
	// journal that was begun with another operation.
	Begin(op OpKind) error
	// Scope is called after Begin. It returns what the idempotency keys of all runs with the journal belong to: a text that
	// is the same for as long as the journal is kept, also after a restart, and that no other journal has. So a run that
	// goes on sends the keys that were sent, and another import with the same items does not. "" is for a journal that is
	// older than scopes: its runs send the keys of the items themselves.
	Scope() string
	// Find returns what is known of a key: State NotAttempted when it was never begun, or was proved not to have been
	// applied; Unknown when it was begun and has not ended, or ended so; else how it ended, as it was recorded. The
	// entry has the key in any case.
	Find(key string) (JournalEntry, error)
	// Unfinished yields the intents that have keys of which nobody knows how they ended: those for which nothing was
	// recorded since, and those recorded as Unknown. It yields them in the order in which they were made, with all their
	// keys, also those that have ended: what was sent together is sent again only together, with the same idempotency
	// key, or is Unknown. A key that a later intent names too belongs to that one. Intents that are made while Unfinished
	// is running need not be yielded. An error is the last pair.
	Unfinished() iter.Seq2[JournalIntent, error]
	// Intend makes it durable that items are about to be sent together, and returns when it is, or, when the intent is
	// Repeatable, when it would survive a kill of the process. Concurrent calls share the time that it takes. It returns early when ctx ends. After an error nothing may be sent, and whether the intent
	// stands is open until it is recorded how its items ended (NotAttempted, if nothing is known of them).
	Intend(ctx context.Context, intent JournalIntent) error
	// Save adds the handle of a job on the server to the last intent with that idempotency key, so that a run that is
	// started again asks for the job instead of submitting it again. It is durable when Save returns; it is an error
	// that no unfinished intent has that key.
	Save(ctx context.Context, idempotencyKey, handle string) error
	// Record notes how items ended; with State NotAttempted, that it was proved that they were not applied. It may keep
	// that in memory for a while: to lose it costs a look-up or a harmless repetition. It returns without waiting as
	// long as the journal keeps up.
	Record(entries ...JournalEntry) error
	// Sync makes durable what was recorded. A run calls it at its end.
	Sync() error
}

// JournalIntent is what is about to be sent with one request: an item that must not be sent twice or that makes a record,
// or the members of a native batch.
type JournalIntent struct {
	Keys           []string // of the items, at least one, none twice and none ""
	IdempotencyKey string   // what the request is sent with, "" when it has none
	Attempt        int      // number of the attempt, from 1
	Handle         string   // of the job on the server that carries it out, "" as long as there is none
	// Repeatable says that it is harmless to send it twice: the intent need not be durable, but has to outlive the process.
	// What is sent again then and exists already is known to be perhaps its own. Unfinished need not tell it.
	Repeatable bool
}

// JournalEntry is how an item ended.
type JournalEntry struct {
	Key         string // of the item, not ""
	State       State  // how it ended
	Reason      Reason // why it was Skipped
	ID          string // what ResultID named of the result, "" for nothing
	Fingerprint string // of the item's content, "" when none is wanted
}

// WithJournal makes runs remember in a journal what they begin and end, so that the same program, started again, goes on
// where it was killed: what is done ends as Skipped ([ReasonDoneBefore], with its [Result.ID]), what failed or was never
// begun is sent, and what was begun and has not ended is looked up, or sent again where that is harmless, or is Unknown.
// The input may have grown or be in another order. Items need keys, and no two of them the same: [WithKey] names them, and
// [WithResultID] what is to be stored of a result.
//
// A key stands for one item with one content: an item whose key is done is Skipped. Of two items with one key a run is
// refused, also with [KeepAllInOrder]; with [KeepFirst] and [KeepLast] one of them is sent and the other Skipped, and with
// [FailDuplicates] both are Failed. In a stream the later one ends as Failed while the first is in the window, and is
// Skipped when that one is done. A second change of a record needs a key of its own; with a Fingerprint it is
// refused, not Skipped, when it has the old one.
//
// Before an item leaves that must not be sent twice, the journal has it on disk. Before one leaves that makes a record and
// may be sent twice, the journal has written it down where a kill of the process does not lose it, which costs no sync.
// When the journal fails the run stops
// with its error, and returns all it knows. A dry run takes no notice of it.
func WithJournal(j Journal) Option {
	return option("WithJournal", !inspect.IsNil(j), "nil", "must be a journal", func(o *options) { o.journal = j })
}

// book is a journal as the mechanics see it.
type book struct{ Journal }

func (b book) Find(key string) (resume.Entry, error) {
	e, err := b.Journal.Find(key)
	return resume.Entry{Key: e.Key, State: engine.State(e.State), Reason: engine.Reason(e.Reason), ID: e.ID, Fingerprint: e.Fingerprint}, err
}

func (b book) Unfinished() iter.Seq2[resume.Intent, error] {
	return func(yield func(resume.Intent, error) bool) {
		for intent, err := range b.Journal.Unfinished() {
			if !yield(resume.Intent(intent), err) {
				return
			}
		}
	}
}

func (b book) Intend(ctx context.Context, intent resume.Intent) error {
	return b.Journal.Intend(ctx, JournalIntent(intent))
}

func (b book) Record(entries []resume.Entry) error {
	out := make([]JournalEntry, len(entries))
	for k, e := range entries {
		out[k] = JournalEntry{Key: e.Key, State: State(e.State), Reason: Reason(e.Reason), ID: e.ID, Fingerprint: e.Fingerprint}
	}
	return b.Journal.Record(out...)
}

// resumption begins with the journal of a run that fills res, nil when there is none to be kept. A fresh run is no Rerun of
// one that has sent something, whose idempotency keys stay as they are.
func (p *BatchProcessor[In, Out]) resumption(res *BulkResult[In, Out], fresh bool) (*resume.Resumption, error) {
	j := p.opts.journal
	if j == nil || p.opts.dryRun {
		return nil, nil
	}
	var scope string
	if err := guarded(func() error {
		err := j.Begin(p.op)
		if err == nil {
			scope = j.Scope()
		}
		return err
	}); err != nil {
		return nil, fmt.Errorf("windrow: the journal: %w", err)
	}
	if fresh {
		res.scope = scope
	}
	r := &resume.Resumption{
		Journal: resume.Guard(book{j}, lost), Table: res.table, Key: res.key, ID: res.recordOf,
		KeyFor:  func(items []int) string { return p.owner(res).KeyFor(items) },
		Traits:  func(i int) engine.Traits { return p.traitsFor(res.inputs[i&res.mask]) },
		MayLook: p.mayLook(), Atomic: p.opts.atomic, ChunkItems: p.chunkItems(), Lost: lost,
	}
	if old, ok := j.(interface{ Resumed() bool }); ok {
		if err := guarded(func() error { r.Reopened = old.Resumed(); return nil }); err != nil {
			return nil, fmt.Errorf("windrow: the journal: %w", err)
		}
	}
	if p.Validate != nil {
		r.Validate = func(i int) error { return p.Validate(res.inputs[i&res.mask]) }
	}
	if p.Fingerprint != nil {
		r.Fingerprint = func(i int) string { return p.Fingerprint(res.inputs[i&res.mask]) }
	}
	return r, nil
}

// recordOf is what the journal is to remember of the record of an item that has ended.
func (r *BulkResult[In, Out]) recordOf(item int) string {
	if s := r.table.At(item); s.State == engine.Succeeded || s.State == engine.Skipped {
		return r.id(item&r.mask, Reason(s.Reason))
	}
	return ""
}

// keepJournal has the engine tell the journal what it begins and ends.
func keepJournal(journal *resume.Resumption, cfg *engine.Config, stop func(error)) {
	journal.Keep(&cfg.Hooks, stop)
	cfg.Resumed = journal.Resumed
	cfg.Owner.(*identity.Run).Save = func(a *engine.Attempt, handle string) {
		if err := journal.SaveHandle(a, handle); err != nil {
			stop(err)
		}
	}
}
