package part

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/jobs/internal/store"
	"github.com/windrow-go/windrow/windrowtest"
)

// fake is a store in memory with one part. Its other methods panic.
type fake struct {
	store.Store
	part store.Part
	wait time.Duration // that each Checkpoint takes

	mu          sync.Mutex
	epoch       int64
	items       []store.Item
	intents     []store.Intent
	counts      [5]int64 // by state, kept from Was
	checkpoints int
}

func newFake(keys ...string) *fake {
	f := &fake{part: store.Part{PartLease: store.PartLease{Job: 1, Part: 1}, From: 70, To: 70 + int64(len(keys))}}
	for k, key := range keys {
		f.items = append(f.items, store.Item{Index: f.part.From + int64(k), Key: key})
	}
	f.counts[windrow.NotAttempted] = int64(len(keys))
	return f
}

// lease fences the holder so far.
func (f *fake) lease() store.Part {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.epoch++
	p := f.part
	p.Epoch = f.epoch
	return p
}

// open leases the part and opens its journal. What an earlier journal has not stored is lost.
func (f *fake) open(tb testing.TB, cfg Config) *Journal {
	tb.Helper()
	cfg.Scope, cfg.Op, cfg.Run = fmt.Sprintf("%p/0", f), windrow.OpCreate, 1
	j, err := Open(context.WithoutCancel(tb.Context()), f, f.lease(), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return j
}

func (f *fake) PartItems(_ context.Context, p store.PartLease) ([]store.Item, []store.Intent, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p.Epoch != f.epoch {
		return nil, nil, store.ErrFenced
	}
	intents := slices.Clone(f.intents)
	for k := range intents {
		intents[k].Indexes = slices.Clone(intents[k].Indexes)
	}
	return slices.Clone(f.items), intents, nil
}

func (f *fake) Checkpoint(_ context.Context, p store.PartLease, b store.Batch) error {
	time.Sleep(f.wait)
	f.mu.Lock()
	defer f.mu.Unlock()
	if p.Epoch != f.epoch {
		return store.ErrFenced
	}
	f.checkpoints++
	for _, in := range b.Intents {
		if want := int64(len(f.intents) + 1); in.Number != want {
			return fmt.Errorf("intent %d is stored as %d", want, in.Number)
		}
		in.Indexes = slices.Clone(in.Indexes)
		f.intents = append(f.intents, in)
	}
	for _, h := range b.Handles {
		f.intents[h.Intent-1].Handle = h.Handle
	}
	for _, r := range b.Results {
		item := &f.items[r.Index-f.part.From]
		if r.Was != item.State {
			return fmt.Errorf("item %d was %d, not %d", r.Index, item.State, r.Was)
		}
		f.counts[r.Was]--
		f.counts[r.State]++
		item.Result = r
		item.Was = 0
	}
	return nil
}

// made returns how many checkpoints were made.
func (f *fake) made() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.checkpoints
}

// checkCounts compares the counts kept from Was with the rows.
func (f *fake) checkCounts(tb testing.TB) {
	tb.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	var rows [5]int64
	for k := range f.items {
		rows[f.items[k].State]++
	}
	if rows != f.counts {
		tb.Errorf("the rows are %v by state, the counts %v", rows, f.counts)
	}
}

func TestJournalOfARangeOfItems(t *testing.T) {
	t.Parallel()
	var parts sync.Map
	windrowtest.TestJournal(t, func(tb testing.TB, name string) windrow.Journal {
		f, _ := parts.LoadOrStore(name, newFake(conformanceKeys()...))
		return f.(*fake).open(tb, Config{})
	})
}

// Results that nothing waits for are stored soon, many at a time.
func TestResultsAreStoredTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const together = 10_000
		f := newFake(numbered(together + 3)...)
		j := f.open(t, Config{})
		for k, item := range j.Items() {
			if err := j.Record(windrow.JournalEntry{Key: item.Key, State: windrow.Succeeded}); err != nil {
				t.Fatal(err)
			}
			if k < together {
				time.Sleep(time.Microsecond)
				continue
			}
			time.Sleep(time.Second) // the last ones come singly
			f.mu.Lock()
			succeeded := f.counts[windrow.Succeeded]
			f.mu.Unlock()
			if succeeded != int64(k+1) {
				t.Errorf("%d of %d results are stored after a second", succeeded, k+1)
			}
		}
		if n := f.made(); n > 50 {
			t.Errorf("%d checkpoints were made", n)
		}
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
}

// Record does not wait for the store until too many results are in memory.
func TestRecordWaitsForAStoreThatCannotKeepUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(numbered(mostQueued)...)
		f.wait = time.Minute
		j := f.open(t, Config{})
		items, start := j.Items(), time.Now()
		record := func() {
			entries := make([]windrow.JournalEntry, len(items))
			for k, item := range items {
				entries[k] = windrow.JournalEntry{Key: item.Key, State: windrow.Failed}
			}
			if err := j.Record(entries...); err != nil {
				t.Fatal(err)
			}
		}
		record()
		if d := time.Since(start); d != 0 {
			t.Errorf("Record waited %v for %d results", d, len(items))
		}
		record()
		record()
		if d := time.Since(start); d < time.Minute {
			t.Errorf("Record waited %v for %d results", d, 3*len(items))
		}
		if err := j.Close(); err != nil {
			t.Error(err)
		}
		f.checkCounts(t)
	})
}

// numbered returns n keys.
func numbered(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("item%06d", i)
	}
	return keys
}

// BenchmarkRecordAlone measures what Record costs a run whose store keeps up.
func BenchmarkRecordAlone(b *testing.B) {
	for _, size := range []int{1, 100} {
		b.Run(fmt.Sprintf("%d at a time", size), func(b *testing.B) {
			b.ReportAllocs()
			keys := numbered(20_000)
			j := newNull(b, keys)
			entries := make([]windrow.JournalEntry, size)
			for n := 0; b.Loop(); {
				for k := range entries {
					entries[k] = windrow.JournalEntry{Key: keys[n%len(keys)], State: windrow.Succeeded, ID: "4711", Attempts: 1}
					n++
				}
				if err := j.Record(entries...); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*size), "ns/item")
			if err := j.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// null is a store that stores nothing.
type null struct{ *fake }

func (null) Checkpoint(context.Context, store.PartLease, store.Batch) error { return nil }

func newNull(tb testing.TB, keys []string) *Journal {
	f := newFake(keys...)
	j, err := Open(tb.Context(), null{f}, f.lease(), Config{Op: windrow.OpCreate})
	if err != nil {
		tb.Fatal(err)
	}
	return j
}
