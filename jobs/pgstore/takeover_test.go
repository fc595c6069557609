package pgstore

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/jobs"
)

// dying is a client whose calls stop at some call until its process is gone, and fail then.
type dying struct {
	*counter
	after int
	calls int
	gone  chan struct{}
	full  chan struct{} // closed when calls stop
}

func (d *dying) Delete(ctx context.Context, id string) error {
	d.mu.Lock()
	d.calls++
	n := d.calls
	d.mu.Unlock()
	if n <= d.after {
		return d.counter.Delete(ctx, id)
	}
	if n == d.after+1 {
		close(d.full)
	}
	<-d.gone
	return context.Canceled
}

// A process that loses the database in the middle of a job of 5,000 items does not end it. Another one goes on with it when
// the leases have expired, and repeats no item whose result was stored.
func TestAnotherProcessGoesOn(t *testing.T) {
	t.Parallel()
	const n = 5000
	pool := database(t)
	mine, err := pgxpool.NewWithConfig(t.Context(), pool.Config())
	must(t, err)
	seen := &counter{calls: map[string]int{}}
	d := &dying{counter: seen, after: 2000, gone: make(chan struct{}), full: make(chan struct{})}
	all := func(context.Context, jobs.Fields) iter.Seq2[record, error] {
		return func(yield func(record, error) bool) {
			for i := range n {
				if !yield(record{fmt.Sprintf("field%05d", i)}, nil) {
					return
				}
			}
		}
	}
	start := func(pool *pgxpool.Pool, client any) *jobs.Manager {
		s, err := Open(t.Context(), pool)
		must(t, err)
		m, err := jobs.Open(t.Context(), jobs.Config{Store: s, Logger: slog.New(slog.DiscardHandler)})
		must(t, err)
		must(t, jobs.Register(m, "fields", jobs.Resource[struct{}, record]{
			Client: client, Limiter: windrow.NewLimiter(windrow.Concurrency(16)), List: all, ID: func(r record) string { return r.ID },
		}))
		must(t, m.Start(t.Context()))
		return m
	}
	first := start(mine, d)
	j, err := first.Submit(t.Context(), jobs.Spec{Operations: []jobs.Operation{{Type: jobs.Delete, Resource: "fields", Filter: jobs.Fields{}}}})
	must(t, err)
	<-d.full
	stored := func() (n int) {
		must(t, pool.QueryRow(t.Context(), "select succeeded from windrow_jobs.operations").Scan(&n))
		return n
	}
	for stored() < 1000 {
		time.Sleep(10 * time.Millisecond)
	}
	mine.Close() // the database is gone for the first process
	had := stored()
	for _, table := range []string{"jobs", "parts"} { // half a minute later
		_, err := pool.Exec(t.Context(), "update windrow_jobs."+table+" set lease_until = 1 where lease_until <> 0")
		must(t, err)
	}
	second := start(pool, seen)
	end, err := second.Wait(t.Context(), j.ID)
	if err != nil || end.State != jobs.Completed || end.Progress.Succeeded != n {
		t.Errorf("%s (%s) %+v, %v", end.State, end.Reason, end.Progress, err)
	}
	var closing sync.WaitGroup
	closing.Go(func() { _ = first.Close() }) // it cannot tell the store
	close(d.gone)
	closing.Wait()
	must(t, second.Close())
	repeated := 0
	for _, calls := range seen.calls {
		repeated += calls - 1
	}
	if len(seen.calls) != n || repeated > 2000-had {
		t.Errorf("%d items were deleted, %d of them again; %d results were stored", len(seen.calls), repeated, had)
	}
	t.Logf("%d results were stored, %d items were deleted again", had, repeated)
}
