package windrowtest

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"

	"github.com/windrow-go/windrow"
)

// Ledger records what a server really applied, item by item, to check the result of a run against it. The zero Ledger is
// empty. It may be used from many goroutines. [Records] keeps one; other servers call Apply.
type Ledger struct {
	mu    sync.Mutex
	items map[string]*applied
}

// applied is what was done to an item.
type applied struct {
	total  int
	made   int  // by creates and OpDo, each of which makes a new record
	absent bool // a delete found nothing
}

// Apply records that an operation for an item took effect, such as that its record was created. Call it when the state of
// the server changes, not when a response is sent, and not when a repetition with the same idempotency key changes nothing.
func (l *Ledger) Apply(op windrow.OpKind, item string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.of(item)
	a.total++
	if op == windrow.OpCreate || op == windrow.OpDo {
		a.made++
	}
}

// Absent records that a delete found no record. Then a run may report the delete as Succeeded although nothing took effect,
// as it does after a lost response.
func (l *Ledger) Absent(item string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.of(item).absent = true
}

// of returns what was done to an item. The lock is held.
func (l *Ledger) of(item string) *applied {
	if l.items == nil {
		l.items = map[string]*applied{}
	}
	a := l.items[item]
	if a == nil {
		a = &applied{}
		l.items[item] = a
	}
	return a
}

// Times returns how often an operation for the item took effect.
func (l *Ledger) Times(item string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a := l.items[item]; a != nil {
		return a.total
	}
	return 0
}

// Items returns the items for which something took effect, sorted.
func (l *Ledger) Items() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	items := []string{}
	for item, a := range l.items {
		if a.total > 0 {
			items = append(items, item)
		}
	}
	slices.Sort(items)
	return items
}

// check returns an error if the ledger contradicts that state of an item.
func (l *Ledger) check(item string, state windrow.State, reason windrow.Reason) error {
	l.mu.Lock()
	var a applied
	if found := l.items[item]; found != nil {
		a = *found
	}
	l.mu.Unlock()
	done := a.total > 0
	settled := done || a.absent
	switch {
	case a.made > 1:
		return fmt.Errorf("was applied %d times", a.made)
	case state == windrow.Succeeded && !settled:
		return errors.New("is Succeeded, and was never applied")
	case (state == windrow.Failed || state == windrow.NotAttempted) && done:
		return fmt.Errorf("is %v, and was applied", state)
	case state == windrow.Skipped && reason == windrow.ReasonDoneBefore && !settled:
		return errors.New("is Skipped since it was done before, and was never applied")
	case state == windrow.Skipped && reason == windrow.ReasonDryRun && done:
		return errors.New("is Skipped in a dry run, and was applied")
	}
	return nil
}

// Verify checks the result of a run of writes against the ledger: no create was applied twice, every Succeeded item was
// applied, no Failed or NotAttempted item was, and every item has exactly one result. key returns the ledger's name of an
// item. The error has a line for each item with a wrong result; nil means that all are right.
func Verify[In, Out any](l *Ledger, res *windrow.BulkResult[In, Out], key func(in In) string) error {
	if res == nil {
		return errors.New("windrowtest: Verify: the result is nil")
	}
	counts := map[windrow.State]int{}
	for r := range res.All() {
		counts[r.State]++
	}
	return errors.Join(VerifyResults(l, res.All(), key), accounts(res.Stats(), counts, res.Len()))
}

// accounts returns an error if stats differ from the counts of items in each state, or from n, the number of all.
func accounts(stats windrow.RunStats, counts map[windrow.State]int, n int) error {
	var errs []error
	for state, n := range map[windrow.State]int{
		windrow.Succeeded: stats.Succeeded, windrow.Failed: stats.Failed, windrow.Skipped: stats.Skipped,
		windrow.NotAttempted: stats.NotAttempted, windrow.Unknown: stats.Unknown,
	} {
		if counts[state] != n {
			errs = append(errs, fmt.Errorf("%d items are %v, and the stats count %d", counts[state], state, n))
		}
	}
	if n != stats.Total {
		errs = append(errs, fmt.Errorf("there are %d items, and the stats count %d", n, stats.Total))
	}
	return errors.Join(errs...)
}

// VerifyResults is like [Verify] for a sequence of results, such as those of a stream, which must be in the order of their
// indexes.
func VerifyResults[In, Out any](l *Ledger, results iter.Seq[windrow.Result[In, Out]], key func(in In) string) error {
	var errs []error
	next := 0
	for r := range results {
		if r.Index != next {
			errs = append(errs, fmt.Errorf("result %d has the index %d", next, r.Index))
		}
		next++
		if err := l.check(key(r.Input), r.State, r.Reason); err != nil {
			errs = append(errs, fmt.Errorf("item %d (%q) %w", r.Index, key(r.Input), err))
		}
	}
	return errors.Join(errs...)
}
