package windrow

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/windrow-go/windrow/internal/engine"
	"github.com/windrow-go/windrow/internal/identity"
	"github.com/windrow-go/windrow/internal/inspect"
	"github.com/windrow-go/windrow/internal/resume"
)

// A Journal remembers across restarts what runs have begun and ended, so that a program that is started again continues
// where it was killed. Package journal keeps one in a file. Check an implementation of your own, such as one in a
// database, with windrowtest.TestJournal.
//
// It knows items by their key, and the last entry or intent of a key counts. Implementations must be safe for
// concurrent use, and must not keep or change the slices that they are given. An error of Begin, Intend, Save, Record
// or Sync says that the journal did not store the data; the run then sends nothing more.
//
// An optional method Resumed() bool reports whether an earlier process has used the journal; without the method, a
// journal that knows at least one item counts as used. In a resumed run an item that the journal does not know may also
// have been sent, since a power loss can lose Repeatable intents: when the record exists already the item is looked up,
// or Unknown. For an item with an intent, a 422 may mean that the record exists. For any other item it is a plain
// refusal: looked up if possible, else Failed.
type Journal interface {
	// Begin is called at the start of each run, with the operation of the run. It returns an error for a journal that
	// was begun with another operation.
	Begin(op OpKind) error
	// Scope is called after Begin. It returns what the idempotency keys of all runs with the journal belong to: a text
	// that no other journal has, and that stays the same as long as the journal is kept, also after a restart. So a run
	// that is continued sends the same keys again, and another import of the same items does not. "" is for a journal
	// that is older than scopes: its runs send the keys of the items themselves.
	Scope() string
	// Find returns the state of a key: NotAttempted when it was never begun, or was proved not to have been applied;
	// Unknown when it was begun and has not ended, or ended so; else its recorded State. The entry has the key in any
	// case.
	Find(key string) (JournalEntry, error)
	// Unfinished yields the intents with keys whose outcome is unknown: nothing was recorded for the key since, or
	// Unknown was. It yields them in the order in which they were made, with all their keys, also those that have
	// ended, since items that were sent together are sent again only together, with the same idempotency key, or are
	// Unknown. A key in several intents belongs to the last. Intents that are made while Unfinished is running need not
	// be yielded. An error is the last pair.
	Unfinished() iter.Seq2[JournalIntent, error]
	// Intend stores that items are about to be sent together. It returns when the intent is durable or, when it is
	// Repeatable, when it would survive a kill of the process. Concurrent calls share the time that this takes. It
	// returns early when ctx ends. After an error nothing may be sent, and the intent may or may not be stored, until
	// the outcomes of its items are recorded (NotAttempted, if nothing is known of them).
	Intend(ctx context.Context, intent JournalIntent) error
	// Save adds the handle of a job on the server to the last intent with that idempotency key, so that a run that is
	// started again asks for the job instead of submitting it again. The handle is durable when Save returns. It is an
	// error when no unfinished intent has that key.
	Save(ctx context.Context, idempotencyKey, handle string) error
	// Record stores how items ended; State NotAttempted means that they were proved not to have been applied. It may
	// keep entries in memory for a while, since losing one costs only a look-up or a harmless repetition. It returns
	// without waiting as long as the journal keeps up.
	Record(entries ...JournalEntry) error
	// Sync makes the recorded entries durable. A run calls it at its end.
	Sync() error
}

// JournalIntent is the content of one request that is about to be sent: an item that must not be sent twice or that
// makes a record, or the items of a native batch.
type JournalIntent struct {
	Keys           []string // of the items, at least one, none twice and none ""
	IdempotencyKey string   // of the request, "" when it has none
	Attempt        int      // number of the attempt, from 1
	Handle         string   // of the job on the server that carries out the request, "" as long as there is none
	// Repeatable says that sending the request twice is harmless: the intent need not be durable, but must outlive the
	// process. When the request is sent again and the record exists, the record may come from the first request.
	// Unfinished need not yield such an intent.
	Repeatable bool
}

// JournalEntry is how an item ended. The fields from Kind on are for journals that are read by people, such as a table
// of results in a database: Record is given them, and Find need not return them. They are zero for an item whose end
// was not seen by the run that records it.
type JournalEntry struct {
	Key         string // of the item, not ""
	State       State  // how it ended
	Reason      Reason // why it was Skipped
	ID          string // result of ResultID, "" for none
	Fingerprint string // of the item's content, "" without a Fingerprint

	Kind     ErrorKind     // of Err
	Err      error         // as in [Result.Err]; to be read before Record returns, not kept
	Resend   bool          // as in [Result.Resend]
	Attempts int           // as in [Result.Attempts]
	Elapsed  time.Duration // as in [Result.Elapsed]
	Warnings []string      // as in [Result.Warnings]; not to be changed
}

// WithJournal makes runs remember in a journal what they begin and end, so that a program that is started again
// continues where it was killed. An item that is done ends as Skipped ([ReasonDoneBefore], with its [Result.ID]). An
// item that failed or was never begun is sent. An item that was begun and has not ended is looked up, or sent again
// where that is harmless, or is Unknown. The input may have grown or be in another order. Items need unique keys:
// [WithKey] sets the key, and [WithResultID] the id of a result to be stored.
//
// A key stands for one item with one content: an item whose key is done is Skipped. A run in which two items have one
// key is refused, also with [KeepAllInOrder]; with [KeepFirst] and [KeepLast] one of them is sent and the other
// Skipped, and with [FailDuplicates] both are Failed. In a stream the later one ends as Failed while the first is in
// the window, and is Skipped when the first is done. A second change of a record needs a key of its own; with a
// Fingerprint, a change under the old key is refused, not Skipped.
//
// An item that must not be sent twice is sent only after the journal has it on disk. An item that makes a record and
// may be sent twice is sent after the journal has written it where a kill of the process does not lose it, without a
// sync. When the journal fails the run stops with its error, and returns all outcomes so far. A dry run does not use
// the journal.
func WithJournal(j Journal) Option {
	return option("WithJournal", !inspect.IsNil(j), "nil", "must be a journal", func(o *options) { o.journal = j })
}

// journalAdapter adapts a Journal to package resume.
type journalAdapter struct{ Journal }

func (a journalAdapter) Find(key string) (resume.Entry, error) {
	e, err := a.Journal.Find(key)
	return resume.Entry{Key: e.Key, State: engine.State(e.State), Reason: engine.Reason(e.Reason), ID: e.ID, Fingerprint: e.Fingerprint}, err
}

func (a journalAdapter) Unfinished() iter.Seq2[resume.Intent, error] {
	return func(yield func(resume.Intent, error) bool) {
		for intent, err := range a.Journal.Unfinished() {
			if !yield(resume.Intent(intent), err) {
				return
			}
		}
	}
}

func (a journalAdapter) Intend(ctx context.Context, intent resume.Intent) error {
	return a.Journal.Intend(ctx, JournalIntent(intent))
}

func (a journalAdapter) Record(entries []resume.Entry) error {
	out := make([]JournalEntry, len(entries))
	for k, e := range entries {
		out[k] = JournalEntry{
			Key: e.Key, State: State(e.State), Reason: Reason(e.Reason), ID: e.ID, Fingerprint: e.Fingerprint,
			Kind: ErrorKind(e.Kind), Err: e.Err, Resend: e.Resend, Attempts: e.Attempts, Elapsed: e.Elapsed, Warnings: e.Warnings,
		}
	}
	return a.Journal.Record(out...)
}

// resumption begins the journal of a run that fills res; it returns nil without a journal. fresh is false for a Rerun
// of a run that has sent something, whose idempotency keys stay the same.
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
		Journal: resume.Guard(journalAdapter{j}, lost), Table: res.table, Key: res.key, ID: res.recordOf,
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

// recordOf returns the id to be stored of an item that has ended.
func (r *BulkResult[In, Out]) recordOf(item int) string {
	if s := r.table.At(item); s.State == engine.Succeeded || s.State == engine.Skipped {
		return r.id(item&r.mask, Reason(s.Reason))
	}
	return ""
}

// keepJournal makes the engine record in the journal what it begins and ends.
func keepJournal(journal *resume.Resumption, cfg *engine.Config, stop func(error)) {
	journal.Keep(&cfg.Hooks, stop)
	cfg.Resumed = journal.Resumed
	cfg.Owner.(*identity.Run).Save = func(a *engine.Attempt, handle string) {
		if err := journal.SaveHandle(a, handle); err != nil {
			stop(err)
		}
	}
}
