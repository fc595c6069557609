package sqlitestore

import (
	"context"
	"fmt"
	"iter"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/windrow-go/windrow/jobs/internal/store"
)

var start = time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC)

func mustOpen(tb testing.TB, path string, opts ...Option) *db {
	tb.Helper()
	s, err := open(path, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func mustClose(tb testing.TB, s *db) {
	tb.Helper()
	if err := s.Close(); err != nil {
		tb.Fatal(err)
	}
}

// fresh opens a new store that is closed when the test ends.
func fresh(tb testing.TB, opts ...Option) *db {
	tb.Helper()
	s := mustOpen(tb, filepath.Join(tb.TempDir(), "jobs.db"), opts...)
	tb.Cleanup(func() { mustClose(tb, s) })
	return s
}

// aJob is a queued job with operations in some phases.
func aJob(id string, phases ...store.Phase) store.Job {
	j := store.Job{ID: id, Tenant: "t", Actor: "a", Type: "update", State: store.Queued, Run: 1, Created: start, Queued: start,
		Resources: []string{"fields"}, Spec: []byte(`{}`)}
	for i, p := range phases {
		j.Operations = append(j.Operations, store.Operation{Index: i, Phase: p})
	}
	return j
}

func key(i int64) string { return "field-" + strconv.FormatInt(i, 10) }

// fields yields n items of operation 0.
func fields(n int64) iter.Seq2[store.Item, error] {
	return func(yield func(store.Item, error) bool) {
		for i := range n {
			if !yield(store.Item{Index: i, Key: key(i)}, nil) {
				return
			}
		}
	}
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// insert stores a job with n items in operation 0, whose phase is Ready.
func insert(tb testing.TB, s *db, id string, n int64) store.Job {
	tb.Helper()
	j, inserted, err := s.Insert(tb.Context(), aJob(id, store.Ready), fields(n))
	if err != nil || !inserted {
		tb.Fatal(inserted, err)
	}
	return j
}

// claim leases the job that is next.
func claim(tb testing.TB, s *db) (store.Job, store.JobLease) {
	tb.Helper()
	now := time.Now()
	j, err := s.Claim(tb.Context(), store.Claim{Owner: "me", Now: now, Until: now.Add(time.Hour), Resources: []string{"fields"}})
	must(tb, err)
	return j, store.JobLease{Job: j.Number, Epoch: j.Epoch}
}

// done returns results of the items from from to to-1.
func done(from, to int64, state uint8) []store.Result {
	var results []store.Result
	for i := from; i < to; i++ {
		r := store.Result{Index: i, State: state, Attempts: 1, Elapsed: 20 * time.Millisecond, Run: 1, At: start.Add(time.Duration(i)), ID: key(i)}
		if state == store.ItemFailed {
			r.Code, r.Message = "INVALID", "it is invalid"
		}
		results = append(results, r)
	}
	return results
}

// balanced fails unless the counts of a job are those of its rows.
func balanced(tb testing.TB, s *db, ctx context.Context, number int64, tenant, id string) store.Counts {
	tb.Helper()
	j, err := s.Get(ctx, tenant, id)
	must(tb, err)
	n, err := s.Recount(ctx, number)
	must(tb, err)
	if n != j.Counts {
		tb.Errorf("the rows say %s, the job %s", fmt.Sprint(n), fmt.Sprint(j.Counts))
	}
	return n
}
