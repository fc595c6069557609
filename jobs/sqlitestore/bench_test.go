package sqlitestore

import (
	"database/sql"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/windrow-go/windrow/jobs/internal/store"
)

// benchItems is how many items the benchmarks store. WINDROW_BENCH_ITEMS sets another number.
func benchItems() int64 {
	if n, err := strconv.ParseInt(os.Getenv("WINDROW_BENCH_ITEMS"), 10, 64); err == nil {
		return n
	}
	return 1_000_000
}

const benchGroup = 1000

// byHand does with database/sql what expansion and results need at least: ids inserted in groups, then results.
func byHand(b *testing.B, path string, n int64) (insert, update time.Duration) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate")
	must(b, err)
	defer db.Close()
	db.SetMaxOpenConns(1)
	_, err = db.Exec(`create table item(job integer not null, idx integer not null, key text not null, state integer not null default 0,
		reason integer not null default 0, attempts integer not null default 0, id text, fp text, err text, ended integer,
		primary key(job,idx)) without rowid`)
	must(b, err)
	groups := func(query string, args func(i int64) []any) time.Duration {
		begun := time.Now()
		for lo := int64(0); lo < n; lo += benchGroup {
			tx, err := db.Begin()
			must(b, err)
			st, err := tx.Prepare(query)
			must(b, err)
			for i := lo; i < lo+benchGroup; i++ {
				_, err := st.Exec(args(i)...)
				must(b, err)
			}
			must(b, st.Close())
			must(b, tx.Commit())
		}
		return time.Since(begun)
	}
	insert = groups("insert into item(job,idx,key) values(3,?,?)", func(i int64) []any { return []any{i, key(i)} })
	update = groups("update item set state=1,attempts=1,id=?,ended=? where job=3 and idx=?",
		func(i int64) []any { return []any{key(i), 1764500000000 + i, i} })
	return insert, update
}

// byStore does the same with the store.
func byStore(b *testing.B, s *db, n int64) (insert, update time.Duration) {
	_, _, err := s.Insert(b.Context(), aJob("a", store.Waiting), nil)
	must(b, err)
	_, lease := claim(b, s)
	must(b, s.BeginExpansion(b.Context(), lease, 0))
	begun := time.Now()
	items := make([]store.Item, benchGroup)
	for lo := int64(0); lo < n; lo += benchGroup {
		for i := range items {
			items[i] = store.Item{Key: key(lo + int64(i))}
		}
		must(b, s.AddItems(b.Context(), lease, 0, items))
	}
	insert = time.Since(begun)
	must(b, s.SetPhase(b.Context(), lease, 0, store.Ready))
	begun = time.Now()
	p, err := s.NextPart(b.Context(), lease, 0, n, "me", begun.Add(time.Hour))
	must(b, err)
	for lo := int64(0); lo < n; lo += benchGroup {
		must(b, s.Checkpoint(b.Context(), p.PartLease, store.Batch{Results: done(lo, lo+benchGroup, store.ItemSucceeded)}))
	}
	update = time.Since(begun)
	must(b, s.EndPart(b.Context(), p.PartLease, true))
	return insert, update
}

// BenchmarkFloor stores items and their results by the store and by hand, and prints the ratio of the times.
func BenchmarkFloor(b *testing.B) {
	n := benchItems()
	var store, hand [2]time.Duration
	var bytes int64
	for b.Loop() {
		dir := b.TempDir()
		i, u := byHand(b, filepath.Join(dir, "hand.db"), n)
		hand[0], hand[1] = hand[0]+i, hand[1]+u
		s := mustOpen(b, filepath.Join(dir, "jobs.db"))
		i, u = byStore(b, s, n)
		store[0], store[1] = store[0]+i, store[1]+u
		mustClose(b, s)
		info, err := os.Stat(filepath.Join(dir, "jobs.db"))
		must(b, err)
		bytes = info.Size()
	}
	b.ReportMetric(float64(store[0]+store[1])/float64(hand[0]+hand[1]), "ratio")
	b.ReportMetric(float64(store[0])/float64(hand[0]), "ratio-insert")
	b.ReportMetric(float64(store[1])/float64(hand[1]), "ratio-update")
	b.ReportMetric(float64(n)*float64(b.N)/(store[0]+store[1]).Seconds(), "items/s")
	b.ReportMetric(float64(n)*float64(b.N)/(hand[0]+hand[1]).Seconds(), "hand-items/s")
	b.ReportMetric(float64(bytes)/float64(n), "B/item")
}

// BenchmarkGetUnderLoad reads a job while another goroutine stores results as fast as it can.
func BenchmarkGetUnderLoad(b *testing.B) {
	s := fresh(b)
	n := benchItems()
	j := insert(b, s, "a", n)
	_, lease := claim(b, s)
	p, err := s.NextPart(b.Context(), lease, 0, n, "me", time.Now().Add(time.Hour))
	must(b, err)
	stop, stopped := make(chan bool), make(chan error)
	go func() {
		var err error
		was := uint8(0)
		for lo := int64(0); err == nil; lo += benchGroup {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			if lo >= n {
				lo, was = 0, store.ItemSucceeded
			}
			results := done(lo, lo+benchGroup, store.ItemSucceeded)
			for i := range results {
				results[i].Was = was
			}
			err = s.Checkpoint(b.Context(), p.PartLease, store.Batch{Results: results})
		}
		stopped <- err
	}()
	var took []time.Duration
	for b.Loop() {
		begun := time.Now()
		_, err := s.Get(b.Context(), j.Tenant, j.ID)
		must(b, err)
		took = append(took, time.Since(begun))
		time.Sleep(500 * time.Microsecond)
	}
	close(stop)
	must(b, <-stopped)
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}

// BenchmarkRepeated looks for repeated keys, and finds few.
func BenchmarkRepeated(b *testing.B) {
	s := fresh(b)
	n := benchItems()
	j, _, err := s.Insert(b.Context(), aJob("a", store.Ready), func(yield func(store.Item, error) bool) {
		for i := range n {
			if !yield(store.Item{Index: i, Key: key(i * 7919 % (n - 10))}, nil) {
				return
			}
		}
	})
	must(b, err)
	for b.Loop() {
		repeated, err := s.Repeated(b.Context(), j.Number, 0, 100)
		if err != nil || len(repeated) != 10 {
			b.Fatal(len(repeated), err)
		}
	}
}

// BenchmarkStore stores items and their results.
func BenchmarkStore(b *testing.B) {
	for b.Loop() {
		i, u := byStore(b, fresh(b), benchItems())
		b.ReportMetric(i.Seconds(), "insert-s")
		b.ReportMetric(u.Seconds(), "update-s")
	}
}
