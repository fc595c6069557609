package part

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/jobs/internal/store"
	"github.com/windrow-go/windrow/jobs/sqlitestore"
	"github.com/windrow-go/windrow/windrowtest"
)

// opened is a journal of the only part of the only job of a store, which it closes.
type opened struct {
	*Journal
	store store.Store
}

func (o *opened) Close() error { return errors.Join(o.Journal.Close(), o.store.Close()) }

// open opens the part of the items with these keys in the store at path, and makes them if there are none.
func open(tb testing.TB, path string, keys []string, wrap func(store.Store) store.Store) *opened {
	tb.Helper()
	ctx := tb.Context()
	db, err := sqlitestore.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	s, _ := store.Of(db)
	if wrap != nil {
		s = wrap(s)
	}
	now := time.Now()
	if _, err := s.Get(ctx, "", "job"); errors.Is(err, store.ErrNotFound) {
		_, _, err := s.Insert(ctx, store.Job{
			ID: "job", State: store.Queued, Run: 1, Created: now, Queued: now, Operations: []store.Operation{{Phase: store.Ready}},
		}, func(yield func(store.Item, error) bool) {
			for k, key := range keys {
				if !yield(store.Item{Index: int64(k), Key: key}, nil) {
					return
				}
			}
		})
		if err != nil {
			tb.Fatal(err)
		}
	}
	// An earlier holder may have been killed: its leases have expired.
	j, err := s.Claim(ctx, store.Claim{Owner: "test", Now: now.Add(time.Hour), Until: now.Add(2 * time.Hour)})
	if err != nil {
		tb.Fatal(err)
	}
	lease := store.JobLease{Job: j.Number, Epoch: j.Epoch}
	p, err := s.NextPart(ctx, lease, 0, int64(len(keys)), "test", now.Add(-time.Hour))
	if err != nil {
		tb.Fatal(err)
	}
	journal, err := Open(ctx, s, p, Config{Scope: path, Op: windrow.OpCreate, Run: 1, Describe: func(e windrow.JournalEntry) (string, string) { return "CODE", e.Err.Error() }})
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := s.Change(ctx, j.Number, store.Change{Release: true}); err != nil {
		tb.Fatal(err)
	}
	return &opened{journal, s}
}

// conformanceKeys are all keys that windrowtest.TestJournal uses.
func conformanceKeys() (keys []string) {
	for c := 'a'; c <= 'z'; c++ {
		keys = append(keys, string(c))
	}
	for w := range 8 {
		for i := range 50 {
			keys = append(keys, fmt.Sprintf("%d/%d", w, i))
		}
	}
	for _, key := range []string{
		"plain", "Grüße", "日本", "with space", `"quoted"`, `back\slash`, "line\nfeed", "tab\t", "\x00", "\x00ff", "null\x00byte", "\x7f", "\u2028", "\ufffd",
		"\xff", "\xfe", "half \xe6\x97", "<&>", "{}", strings.Repeat("long", 10_000),
	} {
		keys = append(keys, key, key+"!")
	}
	return keys
}

func TestJournal(t *testing.T) {
	t.Parallel()
	folders := sync.Map{}
	windrowtest.TestJournal(t, func(tb testing.TB, name string) windrow.Journal {
		folder, _ := folders.LoadOrStore(name, t.TempDir())
		return open(tb, filepath.Join(folder.(string), "jobs.db"), conformanceKeys(), nil)
	})
}

// slow is a store whose checkpoints wait.
type slow struct {
	store.Store
	gate        chan struct{}
	checkpoints atomic.Int64
	fail        atomic.Pointer[error]
}

func (s *slow) Checkpoint(ctx context.Context, p store.PartLease, b store.Batch) error {
	s.checkpoints.Add(1)
	if s.gate != nil {
		<-s.gate
	}
	if err := s.fail.Load(); err != nil {
		return *err
	}
	return s.Store.Checkpoint(ctx, p, b)
}

// Those who wait for the disk at the same time share its time.
func TestIntentsShareAWrite(t *testing.T) {
	t.Parallel()
	var keys []string
	for i := range 100 {
		keys = append(keys, fmt.Sprint(i))
	}
	s := &slow{gate: make(chan struct{})}
	j := open(t, filepath.Join(t.TempDir(), "jobs.db"), keys, func(real store.Store) store.Store { s.Store = real; return s })
	var wg sync.WaitGroup
	for _, key := range keys {
		wg.Go(func() {
			if err := j.Intend(t.Context(), windrow.JournalIntent{Keys: []string{key}, Attempt: 1}); err != nil {
				t.Error(err)
			}
		})
	}
	for {
		j.mu.Lock()
		n := j.waiters
		j.mu.Unlock()
		if n == 100 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	close(s.gate)
	wg.Wait()
	if n := s.checkpoints.Load(); n > 2 {
		t.Errorf("%d writes for 100 intents that waited together", n)
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
}

// After an error of the store nothing is answered any more, and all who wait hear of it.
func TestAnErrorOfTheStoreStays(t *testing.T) {
	t.Parallel()
	for _, broken := range []error{errors.New("disk full"), store.ErrFenced} {
		s := &slow{}
		j := open(t, filepath.Join(t.TempDir(), "jobs.db"), []string{"a", "b"}, func(real store.Store) store.Store { s.Store = real; return s })
		s.fail.Store(&broken)
		_, found := j.Find("a")
		for name, err := range map[string]error{
			"Intend": j.Intend(t.Context(), windrow.JournalIntent{Keys: []string{"a"}, Attempt: 1}),
			"Sync":   j.Sync(), "Record": j.Record(windrow.JournalEntry{Key: "a", State: windrow.Succeeded}),
			"Close": j.Close(),
		} {
			if !errors.Is(err, broken) {
				t.Errorf("%s returns %v after %v", name, err, broken)
			}
		}
		if found != nil {
			t.Errorf("Find before the error: %v", found)
		}
	}
}

// Whatever is recorded, and however often, each item is counted once, in the state that was recorded last.
func TestItemsAreCountedOnce(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	keys := []string{"a", "b", "c", "d", "e"}
	path := filepath.Join(t.TempDir(), "jobs.db")
	last := map[string]windrow.State{}
	for range 20 {
		j := open(t, path, keys, nil)
		for range r.IntN(30) {
			key := keys[r.IntN(len(keys))]
			switch r.IntN(4) {
			case 0:
				if err := j.Intend(t.Context(), windrow.JournalIntent{Keys: []string{key}, Attempt: 1}); err != nil {
					t.Fatal(err)
				}
			case 1:
				if err := j.Sync(); err != nil {
					t.Fatal(err)
				}
			default:
				last[key] = windrow.State(r.IntN(5))
				if err := j.Record(windrow.JournalEntry{Key: key, State: last[key]}); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := j.Sync(); err != nil {
			t.Fatal(err)
		}
		job, err := j.store.Get(t.Context(), "", "job")
		if err != nil {
			t.Fatal(err)
		}
		rows, err := j.store.Recount(t.Context(), job.Number)
		if err != nil || rows != job.Counts {
			t.Fatalf("%v; rows %+v, counts %+v", err, rows, job.Counts)
		}
		var counts [5]int64
		for _, key := range keys {
			counts[last[key]]++
		}
		c := job.Counts
		if got := []int64{c.NotAttempted, c.Succeeded, c.Failed, c.Skipped, c.Unknown}; !slices.Equal(got, counts[:]) {
			t.Fatalf("counts %v, want %v", got, counts)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Settle records what the run has not recorded, and nothing else.
func TestSettle(t *testing.T) {
	t.Parallel()
	j := open(t, filepath.Join(t.TempDir(), "jobs.db"), []string{"a", "b"}, nil)
	if err := j.Record(windrow.JournalEntry{Key: "a", State: windrow.Succeeded, ID: "1"}); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a", "b"} {
		if err := j.Settle(windrow.JournalEntry{Key: key, State: windrow.Failed, Err: errors.New("late")}); err != nil {
			t.Fatal(err)
		}
	}
	a, err := j.Find("a")
	b, late := j.Find("b")
	if err != nil || late != nil || a.State != windrow.Succeeded || b.State != windrow.Failed {
		t.Errorf("%+v %v, %+v %v", a, err, b, late)
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
}

func BenchmarkRecord(b *testing.B) {
	keys := make([]string, 20_000)
	for i := range keys {
		keys[i] = fmt.Sprintf("field%05d", i)
	}
	j := open(b, filepath.Join(b.TempDir(), "jobs.db"), keys, nil)
	for i := 0; b.Loop(); i++ {
		if err := j.Record(windrow.JournalEntry{Key: keys[i%len(keys)], State: windrow.Succeeded, Attempts: 1}); err != nil {
			b.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		b.Fatal(err)
	}
}
