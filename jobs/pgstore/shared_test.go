package pgstore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/windrow-go/windrow/jobs/internal/store"
)

var start = time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC)

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// opened returns the store in the database of a pool.
func opened(tb testing.TB, pool *pgxpool.Pool) *db {
	tb.Helper()
	s, err := Open(tb.Context(), pool)
	must(tb, err)
	return s.db
}

// queued is a queued job of one operation.
func queued(id string) store.Job {
	return store.Job{
		ID: id, Tenant: "t", Actor: "a", Type: "update", State: store.Queued, Run: 1, Created: start, Queued: start,
		Resources: []string{"fields"}, Spec: []byte(`{}`), Operations: []store.Operation{{Phase: store.Ready}},
	}
}

// items yields n items of operation 0.
func items(n int64) iter.Seq2[store.Item, error] {
	return func(yield func(store.Item, error) bool) {
		for i := range n {
			if !yield(store.Item{Index: i, Key: fmt.Sprint("field-", i)}, nil) {
				return
			}
		}
	}
}

// insert stores a job with n items.
func insert(tb testing.TB, s *db, id string, n int64) store.Job {
	tb.Helper()
	j, inserted, err := s.Insert(tb.Context(), queued(id), items(n))
	if err != nil || !inserted {
		tb.Fatal(inserted, err)
	}
	return j
}

// claim leases the job that is next.
func claim(tb testing.TB, s *db) store.JobLease {
	tb.Helper()
	now := time.Now()
	j, err := s.Claim(tb.Context(), store.Claim{Owner: "me", Now: now, Until: now.Add(time.Hour), Resources: []string{"fields"}})
	must(tb, err)
	return store.JobLease{Job: j.Number, Epoch: j.Epoch}
}

// part leases the next part of operation 0.
func part(tb testing.TB, s *db, lease store.JobLease, size int64) store.Part {
	tb.Helper()
	p, err := s.NextPart(tb.Context(), lease, 0, size, "me", time.Now().Add(time.Hour))
	must(tb, err)
	return p
}

// done returns results of the items from from to to-1.
func done(from, to int64) []store.Result {
	var results []store.Result
	for i := from; i < to; i++ {
		results = append(results, store.Result{Index: i, State: store.ItemSucceeded, Attempts: 1, Elapsed: time.Millisecond, Run: 1, At: start, ID: fmt.Sprint("id-", i)})
	}
	return results
}

// balanced fails unless the counts of a job are those of its rows.
func balanced(tb testing.TB, s *db, number int64, id string) store.Counts {
	tb.Helper()
	j, err := s.Get(tb.Context(), "t", id)
	must(tb, err)
	n, err := s.Recount(tb.Context(), number)
	must(tb, err)
	if n != j.Counts {
		tb.Errorf("the rows say %+v, the job %+v", n, j.Counts)
	}
	return n
}

// Two processes store results of all parts of a job, in any order, while others change the job, renew its lease and read it.
// No call waits for another one in a circle, and the counts are those of the rows.
func TestManyWritersOfOneJob(t *testing.T) {
	t.Parallel()
	pool := database(t)
	s := [2]*db{opened(t, pool), opened(t, pool)}
	const parts, each = 6, 200
	j := insert(t, s[0], "a", parts*each)
	lease := claim(t, s[0])
	ctx, stop := context.WithCancel(t.Context())
	var others, writers sync.WaitGroup
	for _, call := range []func() error{
		func() error { return s[1].Renew(ctx, lease, time.Now().Add(time.Hour)) },
		func() error {
			return s[0].AddEvents(ctx, j.Number, store.Event{Type: "progress", At: start, Replaces: true})
		},
		func() error {
			_, err := s[1].Change(ctx, j.Number, store.Change{Reason: new("r")}, store.Event{Type: "changed", At: start})
			return err
		},
		func() error { _, err := s[0].Get(ctx, "t", "a"); return err },
	} {
		others.Go(func() {
			for ctx.Err() == nil {
				if err := call(); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
			}
		})
	}
	for k := range parts {
		p := part(t, s[k%2], lease, each)
		writers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(k), 1))
			states := make([]uint8, each)
			for n := range 8 {
				b := store.Batch{Intents: []store.Intent{{Number: int64(n + 1), Indexes: []int64{p.From}, Attempt: 1}}}
				for _, i := range r.Perm(each)[:50] {
					to := uint8(r.IntN(store.ItemUnknown + 1))
					b.Results = append(b.Results, store.Result{Index: p.From + int64(i), State: to, Was: states[i]})
					states[i] = to
				}
				if err := s[n%2].Checkpoint(t.Context(), p.PartLease, b); err != nil {
					t.Error(err)
				}
			}
			if err := s[k%2].EndPart(t.Context(), p.PartLease, true); err != nil {
				t.Error(err)
			}
		})
	}
	writers.Wait()
	stop()
	others.Wait()
	if n := balanced(t, s[0], j.Number, "a"); n.Total != parts*each {
		t.Errorf("%+v", n)
	}
}

// A process that stops answering in the middle of a transaction does not keep a job for longer than stalled.
func TestATransactionThatStalls(t *testing.T) {
	t.Parallel()
	pool := database(t)
	s := opened(t, pool)
	s.stalled = 300 * time.Millisecond
	j := insert(t, s, "a", 1)
	held, end := make(chan bool), make(chan bool)
	ended := make(chan error, 1)
	go func() {
		ended <- s.write(t.Context(), func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), "select 1 from jobs where number = $1 for update", j.Number)
			close(held)
			<-end
			return err
		})
	}()
	<-held
	_, err := s.Claim(t.Context(), store.Claim{Now: time.Now(), Until: time.Now(), Resources: []string{"fields"}})
	if !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Claim of a job whose row is locked: %v", err)
	}
	if _, err := s.Change(t.Context(), j.Number, store.Change{Reason: new("r")}); err != nil { // waits for the row
		t.Error(err)
	}
	claim(t, s)
	close(end)
	if err := <-ended; err == nil {
		t.Error("the transaction that stalled was committed")
	}
}

// A database may have another isolation level as its default.
func TestOtherIsolationLevels(t *testing.T) {
	t.Parallel()
	pool := database(t)
	_, err := pool.Exec(t.Context(), "do $$ begin execute format('alter database %I set default_transaction_isolation = serializable', current_database()); end $$")
	must(t, err)
	pool.Reset()
	s := opened(t, pool)
	const n = 400
	j := insert(t, s, "a", n)
	lease := claim(t, s)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				p, err := s.NextPart(t.Context(), lease, 0, 10, "me", time.Now().Add(time.Hour))
				if errors.Is(err, store.ErrNotFound) {
					return
				}
				if err == nil {
					err = s.Checkpoint(t.Context(), p.PartLease, store.Batch{Results: done(p.From, p.To)})
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if got := balanced(t, s, j.Number, "a"); got.Succeeded != n {
		t.Errorf("%+v", got)
	}
}

// Texts that Postgres cannot hold come back as they were.
func TestTextsOfAllKinds(t *testing.T) {
	t.Parallel()
	s := opened(t, database(t))
	for k, text := range []string{"a\x00b", "\x00", "half \xe6\x97", "\x01", "\x01" + "00", "Grüße", strings.Repeat("long", 50)} {
		job := queued(fmt.Sprint("job", text))
		job.Tenant, job.Actor, job.Type, job.Description, job.Key, job.Reason, job.Owner = text, text, text, text, text, text, text
		job.Resources = []string{text}
		job.Priority = k
		if text != "half \xe6\x97" { // JSON is UTF-8
			job.Labels = map[string]string{text: text}
		} else {
			job.Resources = []string{"half"}
		}
		j, inserted, err := s.Insert(t.Context(), job, items(2), store.Event{Type: text, Actor: text, At: start})
		if err != nil || !inserted {
			t.Errorf("Insert of %q: %v, %v", text, inserted, err)
			continue
		}
		if j.ID != job.ID || j.Tenant != text || j.Actor != text || j.Type != text || j.Description != text || j.Key != text || j.Reason != text || j.Owner != text {
			t.Errorf("%q came back as %+v", text, j)
		}
		if again, inserted, err := s.Insert(t.Context(), job, items(2)); inserted || err != nil || again.Number != j.Number {
			t.Errorf("again %q: %v, %v", text, inserted, err)
		}
		if list, err := s.List(t.Context(), store.JobQuery{Tenant: text, Type: text, Labels: job.Labels, Limit: 2}); err != nil || len(list) != 1 {
			t.Errorf("List of %q: %d, %v", text, len(list), err)
		}
		claimed, err := s.Claim(t.Context(), store.Claim{Owner: text, Now: time.Now(), Until: time.Now().Add(time.Hour), Resources: job.Resources})
		if err != nil || claimed.Number != j.Number || claimed.Owner != text {
			t.Errorf("Claim of %q: %+v, %v", text, claimed, err)
			continue
		}
		lease := store.JobLease{Job: j.Number, Epoch: claimed.Epoch}
		if j, err := s.Change(t.Context(), j.Number, store.Change{Lease: &lease, Reason: new(text + "!")}); err != nil || j.Reason != text+"!" {
			t.Errorf("Change to %q: %q, %v", text, j.Reason, err)
		}
		p := part(t, s, lease, 2)
		r := store.Result{Index: 1, State: store.ItemFailed, ID: text, Code: text, Message: text, Fingerprint: text, Run: 1, At: start}
		must(t, s.Checkpoint(t.Context(), p.PartLease, store.Batch{Results: []store.Result{r}}))
		rows, err := s.Items(t.Context(), j.Number, store.ItemQuery{Op: -1, Code: text})
		if err != nil || len(rows) != 1 || rows[0].Code != text || rows[0].Message != text || rows[0].ID != text || rows[0].Fingerprint != text {
			t.Errorf("Items of %q: %+v, %v", text, rows, err)
		}
		groups, err := s.ErrorGroups(t.Context(), j.Number, 10)
		if err != nil || len(groups) != 1 || groups[0].Code != text {
			t.Errorf("ErrorGroups of %q: %+v, %v", text, groups, err)
		}
		events, err := s.Events(t.Context(), j.Number, 0, 10)
		if err != nil || len(events) != 1 || events[0].Type != text || events[0].Actor != text {
			t.Errorf("Events of %q: %+v, %v", text, events, err)
		}
		must(t, s.SetValue(t.Context(), text, []byte(text)))
		if v, err := s.Value(t.Context(), text); string(v) != text || err != nil {
			t.Errorf("Value of %q: %q, %v", text, v, err)
		}
	}
}

// An Insert that is repeated because its commit was not confirmed returns the job.
func TestInsertIsRepeated(t *testing.T) {
	t.Parallel()
	s := opened(t, database(t))
	job := queued("a")
	job.Key = "k"
	first, _, err := s.Insert(t.Context(), job, items(3))
	must(t, err)
	again, inserted, err := s.Insert(t.Context(), job, func(yield func(store.Item, error) bool) { t.Error("the items were read") })
	if err != nil || inserted || again.Number != first.Number || again.Counts.Total != 3 {
		t.Errorf("%+v, %v, %v", again, inserted, err)
	}
}

// Jobs with one key are submitted and deleted at the same time: each Insert stores a job or returns one.
func TestOneKeyIsUsedAndFreed(t *testing.T) {
	t.Parallel()
	pool := database(t)
	s := [2]*db{opened(t, pool), opened(t, pool)}
	var wg sync.WaitGroup
	for k := range 4 {
		wg.Go(func() {
			for n := range 25 {
				job := queued(fmt.Sprint(k, "-", n))
				job.Key, job.State = "k", store.Completed
				j, _, err := s[k%2].Insert(t.Context(), job, items(2))
				if err != nil || j.Key != "k" || j.Counts.Total != 2 {
					t.Errorf("%+v, %v", j, err)
				}
				if _, err := s[k%2].Delete(t.Context(), "t", j.ID, 100); err != nil && !errors.Is(err, store.ErrNotFound) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	a, b := queued("a"), queued("a")
	_, _, err := s[0].Insert(t.Context(), a, nil)
	must(t, err)
	b.Key = "b"
	if _, _, err := s[0].Insert(t.Context(), b, nil); !errors.Is(err, store.ErrConflict) {
		t.Errorf("an id that is taken: %v", err)
	}
}

// Close waits for the calls that are under way. Later ones return ErrClosed, and the pool can still be used.
func TestCallsAfterClose(t *testing.T) {
	t.Parallel()
	pool := database(t)
	s := opened(t, pool)
	entered := make(chan bool)
	var written sync.WaitGroup
	ended := false
	written.Go(func() {
		err := s.write(t.Context(), func(pgx.Tx) error {
			close(entered)
			time.Sleep(50 * time.Millisecond)
			ended = true
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-entered
	must(t, s.Close())
	if !ended {
		t.Error("Close did not wait")
	}
	written.Wait()
	_, get := s.Get(t.Context(), "t", "a")
	_, size := s.Size(t.Context())
	for name, err := range map[string]error{"Get": get, "Size": size, "SetValue": s.SetValue(t.Context(), "a", nil)} {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	must(t, pool.Ping(t.Context()))
}

// An administrator may make the schema for a role that may not make schemas.
func TestOpenInAnEmptySchema(t *testing.T) {
	t.Parallel()
	pool := database(t)
	_, err := pool.Exec(t.Context(), "create schema windrow_jobs")
	must(t, err)
	insert(t, opened(t, pool), "a", 1)
}
