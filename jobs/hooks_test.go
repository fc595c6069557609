package jobs_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/windrow-go/windrow/jobs"
	"github.com/windrow-go/windrow/jobs/internal/store"
	"github.com/windrow-go/windrow/jobs/sqlitestore"
)

// hooked is a store that lets something happen at two points that are hard to hit otherwise.
type hooked struct {
	store.Store
	claimed   func(store.Job) // a job was leased, and its manager does not know yet
	recounted func()          // all items of a job have ended, and it has not
	broken    atomic.Bool     // values cannot be read
}

var errBroken = errors.New("the disk is broken")

func (h *hooked) Value(ctx context.Context, name string) ([]byte, error) {
	if h.broken.Load() {
		return nil, errBroken
	}
	return h.Store.Value(ctx, name)
}

func (h *hooked) Claim(ctx context.Context, c store.Claim) (store.Job, error) {
	j, err := h.Store.Claim(ctx, c)
	if err == nil && h.claimed != nil {
		h.claimed(j)
	}
	return j, err
}

func (h *hooked) Recount(ctx context.Context, number int64) (store.Counts, error) {
	if h.recounted != nil {
		h.recounted()
	}
	return h.Store.Recount(ctx, number)
}

// hook returns a manager of such a store, which was not started.
func hook(t *testing.T, f *farm, change ...func(*jobs.Config, *jobs.Resource[Patch, Field])) (*managed, *hooked) {
	t.Helper()
	s, err := sqlitestore.Open(filepath.Join(t.TempDir(), "jobs.db"))
	if err != nil {
		t.Fatal(err)
	}
	below, ok := store.Of(s)
	if !ok {
		t.Fatal("the store carries no store")
	}
	h := &hooked{Store: below}
	unused := filepath.Join(t.TempDir(), "unused.db")
	change = append(change, func(c *jobs.Config, _ *jobs.Resource[Patch, Field]) {
		if err := c.Store.Close(); err != nil {
			t.Error(err)
		}
		c.Store = h
	})
	m := prepare(t, unused, f, change...)
	return m, h
}

// A job that is paused and resumed after its last item, before it has ended, ends at once when it is carried out again.
func TestPausedAndResumedAtTheEnd(t *testing.T) {
	t.Parallel()
	m, h := hook(t, newFarm(10))
	j := m.submit(daily(30))
	var once sync.Once
	h.recounted = func() {
		once.Do(func() {
			for _, call := range []string{"pause", "resume"} {
				if _, err := m.act(call, j.ID); err != nil {
					t.Errorf("%s: %v", call, err)
				}
			}
		})
	}
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	want(t, m.wait(j.ID), jobs.Completed, 9, 0, 0, 0, 0)
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("it took %v", took)
	}
	w := []string{jobs.EventQueued, jobs.EventStarted, jobs.EventExpanded, jobs.EventPaused, jobs.EventResumed, jobs.EventCompleted}
	if got := m.events(j.ID); !slices.Equal(got, w) {
		t.Errorf("events %v", got)
	}
}

// A job that is cancelled, or paused, between its lease and its begin sends nothing.
func TestCalledBetweenLeaseAndBegin(t *testing.T) {
	t.Parallel()
	for call, state := range map[string]jobs.State{"cancel": jobs.Cancelled, "pause": jobs.Paused} {
		f := newFarm(10)
		m, h := hook(t, f)
		j := m.submit(daily(30))
		var once sync.Once
		h.claimed = func(store.Job) {
			once.Do(func() {
				if _, err := m.act(call, j.ID); err != nil {
					t.Errorf("%s: %v", call, err)
				}
			})
		}
		if err := m.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if end := m.until(j.ID, state); end.Progress.Succeeded > 0 || len(f.order) > 0 {
			t.Errorf("%s: %+v after %d calls", call, end.Progress, len(f.order))
		}
	}
}

// A Start that failed for the store can be called again, and leaves a manager that can be closed.
func TestStartAfterAnError(t *testing.T) {
	t.Parallel()
	for _, again := range []bool{true, false} {
		m, h := hook(t, newFarm(10), func(_ *jobs.Config, r *jobs.Resource[Patch, Field]) { r.Limiter = nil })
		j := m.submit(daily(30))
		h.broken.Store(true)
		if err := m.Start(t.Context()); !errors.Is(err, errBroken) {
			t.Errorf("Start: %v", err)
		}
		h.broken.Store(false)
		if again {
			if err := m.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			want(t, m.wait(j.ID), jobs.Completed, 9, 0, 0, 0, 0)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
}
