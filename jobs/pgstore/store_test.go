package pgstore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/windrow-go/windrow/jobs"
	"github.com/windrow-go/windrow/jobs/internal/store"
	"github.com/windrow-go/windrow/jobs/internal/storetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Test(t, func(tb testing.TB) store.Store {
		s, err := Open(tb.Context(), database(tb))
		if err != nil {
			tb.Fatal(err)
		}
		return s.db
	})
}

// Many processes may open a new database at the same time.
func TestOpenAtTheSameTime(t *testing.T) {
	t.Parallel()
	pool := database(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := Open(t.Context(), pool); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestOpenRefusals(t *testing.T) {
	t.Parallel()
	if _, err := Open(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "the pool is nil") {
		t.Errorf("no pool: %v", err)
	}
	pool := database(t)
	if _, err := Open(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), "update windrow_jobs.version set version = 2"); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), pool); !errors.Is(err, ErrNewer) {
		t.Errorf("a newer schema: %v", err)
	}
}

// record is what the client's lists are made of.
type record struct {
	ID string `json:"id"`
}

// counter is a client that counts its calls by id.
type counter struct {
	mu    sync.Mutex
	calls map[string]int
}

func (c *counter) Delete(_ context.Context, id string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls[id]++
	return nil
}

func list(context.Context, jobs.Fields) iter.Seq2[record, error] {
	return func(yield func(record, error) bool) {
		for i := range 3000 {
			if !yield(record{fmt.Sprintf("field%05d", i)}, nil) {
				return
			}
		}
	}
}

// Two managers of one database carry out each item of their jobs once.
func TestTwoManagers(t *testing.T) {
	t.Parallel()
	pool := database(t)
	c := &counter{calls: map[string]int{}}
	var managers []*jobs.Manager
	for range 2 {
		m := manager(t, pool, c)
		managers = append(managers, m)
	}
	var ids []string
	for k := range 4 {
		j, err := managers[k%2].Submit(t.Context(), jobs.Spec{Operations: []jobs.Operation{{Type: jobs.Delete, Resource: "fields", Filter: jobs.Fields{}}}})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, j.ID)
	}
	for _, id := range ids {
		j, err := managers[0].Wait(t.Context(), id)
		if err != nil || j.State != jobs.Completed || j.Progress.Succeeded != 3000 {
			t.Errorf("%s: %s %+v, %v", id, j.State, j.Progress, err)
		}
	}
	for id, n := range c.calls {
		if n != 4 {
			t.Fatalf("%s was deleted %d times by 4 jobs", id, n)
		}
	}
}

func manager(t *testing.T, pool *pgxpool.Pool, c *counter) *jobs.Manager {
	t.Helper()
	s, err := Open(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	m, err := jobs.Open(t.Context(), jobs.Config{Store: s})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := jobs.Register(m, "fields", jobs.Resource[struct{}, record]{Client: c, List: list, ID: func(r record) string { return r.ID }}); err != nil {
		t.Fatal(err)
	}
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return m
}
