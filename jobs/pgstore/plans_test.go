package pgstore

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/windrow-go/windrow/jobs/internal/store"
)

// A page of a long list reads no more jobs than it returns, with labels too.
func TestListOfManyJobs(t *testing.T) {
	t.Parallel()
	pool := database(t)
	s := opened(t, pool)
	for i := range 30 {
		job := queued(fmt.Sprint("job", i))
		if i%10 == 0 {
			job.Labels = map[string]string{"team": "blue"}
		}
		_, _, err := s.Insert(t.Context(), job, nil)
		must(t, err)
	}
	_, err := pool.Exec(t.Context(), `insert into windrow_jobs.jobs (id, tenant, actor, type, description, key, priority, state, reason, run, created, queued,
		started, ended, epoch, owner, lease_until) select 'x' || n, 'other', '', '', '', '', 0, 4, '', 1, n, 0, 0, 0, 0, '', 0 from generate_series(1, 20000) n`)
	must(t, err)
	_, err = pool.Exec(t.Context(), "analyze windrow_jobs.jobs")
	must(t, err)
	for _, q := range []store.JobQuery{{AllTenants: true, Limit: 20}, {Tenant: "t", Limit: 20}, {Tenant: "t", Limit: 3, Labels: map[string]string{"team": "blue"}}} {
		before := rowsRead(t, pool, "jobs")
		list, err := s.List(t.Context(), q)
		if err != nil || len(list) != q.Limit {
			t.Errorf("%+v: %d, %v", q, len(list), err)
		}
		if n := rowsRead(t, pool, "jobs") - before; n > 100 {
			t.Errorf("%+v read %d rows", q, n)
		}
	}
}

// rowsRead returns how many rows of a table were read so far.
func rowsRead(t *testing.T, pool *pgxpool.Pool, table string) (n int64) {
	t.Helper()
	for _, c := range pool.AcquireAllIdle(t.Context()) { // each connection reports what it has read
		_, err := c.Exec(t.Context(), "select pg_stat_force_next_flush()")
		must(t, err)
		c.Release()
	}
	const text = "select coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) from pg_stat_user_tables where schemaname = 'windrow_jobs' and relname = $1"
	must(t, pool.QueryRow(t.Context(), text, table).Scan(&n))
	return n
}

// A Checkpoint reads the rows of its items, and not all those of the operation, whatever Postgres knows of the table.
func TestCheckpointReadsItsItems(t *testing.T) {
	t.Parallel()
	pool := database(t)
	s := opened(t, pool)
	_, err := pool.Exec(t.Context(), "alter table windrow_jobs.items set (autovacuum_enabled = off)")
	must(t, err)
	const n, each, calls = 10_000, 100, 20
	for _, known := range []string{"nothing", "a small table", "all"} {
		j := insert(t, s, known, n)
		if known == "all" {
			_, err := pool.Exec(t.Context(), "analyze windrow_jobs.items")
			must(t, err)
		}
		lease := claim(t, s)
		p := part(t, s, lease, n)
		before := rowsRead(t, pool, "items")
		for lo := int64(0); lo < calls*each; lo += each {
			must(t, s.Checkpoint(t.Context(), p.PartLease, store.Batch{Results: done(lo, lo+each)}))
		}
		if read := rowsRead(t, pool, "items") - before; read < calls*each || read > 5*calls*each {
			t.Errorf("with %s known: %d rows were read for %d results", known, read, calls*each)
		}
		if err := s.Checkpoint(t.Context(), p.PartLease, store.Batch{Results: done(n, n+1)}); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("an item that does not exist: %v", err)
		}
		balanced(t, s, j.Number, known)
		if known == "nothing" {
			_, err := pool.Exec(t.Context(), "analyze windrow_jobs.items")
			must(t, err)
		}
	}
}

// Parts and pages of items with inputs are read in time that grows with their size, whatever Postgres knows of the tables.
func TestInputsAreReadOnce(t *testing.T) {
	t.Parallel()
	pool := database(t)
	s := opened(t, pool)
	for _, table := range []string{"items", "inputs"} {
		_, err := pool.Exec(t.Context(), "alter table windrow_jobs."+table+" set (autovacuum_enabled = off)")
		must(t, err)
	}
	const n, each = 4000, 500
	for _, known := range []string{"nothing", "a small table"} {
		_, _, err := s.Insert(t.Context(), queued(known), func(yield func(store.Item, error) bool) {
			for i := range int64(n) {
				if !yield(store.Item{Index: i, Key: "k", Input: fmt.Append(nil, i)}, nil) {
					return
				}
			}
		})
		must(t, err)
		lease := claim(t, s)
		before := rowsRead(t, pool, "inputs")
		for from := int64(0); from < n; from += each {
			rows, _, err := s.PartItems(t.Context(), part(t, s, lease, each).PartLease)
			if err != nil || len(rows) != each || string(rows[7].Input) != fmt.Sprint(from+7) {
				t.Fatalf("%d items, %v", len(rows), err)
			}
			q := store.ItemQuery{Op: 0, Limit: each, Input: true, After: &store.ItemCursor{Index: from - 1}}
			rows, err = s.Items(t.Context(), lease.Job, q)
			if err != nil || len(rows) != each || string(rows[7].Input) != fmt.Sprint(from+7) {
				t.Fatalf("%d items, %v", len(rows), err)
			}
		}
		if read := rowsRead(t, pool, "inputs") - before; read < 2*n || read > 4*n {
			t.Errorf("with %s known: %d inputs were read for %d", known, read, 2*n)
		}
		_, err = pool.Exec(t.Context(), "analyze windrow_jobs.items; analyze windrow_jobs.inputs")
		must(t, err)
	}
}

// Results are stored in time that grows with their number, also when Postgres keeps a plan for any number of them, which it
// does from the sixth call of a connection on.
func TestLargeCheckpoints(t *testing.T) {
	t.Parallel()
	s := opened(t, database(t))
	const each, calls = 4000, 8
	insert(t, s, "a", each*calls)
	p := part(t, s, claim(t, s), each*calls)
	for lo := int64(0); lo < each*calls; lo += each {
		begun := time.Now()
		must(t, s.Checkpoint(t.Context(), p.PartLease, store.Batch{Results: done(lo, lo+each)}))
		if took := time.Since(begun); took > 3*time.Second {
			t.Errorf("results from %d on took %v", lo, took)
		}
	}
}
