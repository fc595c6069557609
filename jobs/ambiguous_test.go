package jobs_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/windrow-go/windrow/jobs"
	"github.com/windrow-go/windrow/jobs/internal/store"
	"github.com/windrow-go/windrow/jobs/sqlitestore"
)

// breaking is a store whose connection breaks after a call was committed, once for each kind of call.
type breaking struct {
	store.Store
	added, moved atomic.Bool
}

var errBroke = errors.New("the connection broke")

func (b *breaking) AddItems(ctx context.Context, l store.JobLease, op int, items []store.Item) error {
	err := b.Store.AddItems(ctx, l, op, items)
	if err == nil && items[0].Index > 0 && b.added.CompareAndSwap(false, true) {
		err = errBroke
	}
	return err
}

func (b *breaking) SetPhase(ctx context.Context, l store.JobLease, op int, p store.Phase, events ...store.Event) error {
	err := b.Store.SetPhase(ctx, l, op, p, events...)
	if err == nil && b.moved.CompareAndSwap(false, true) {
		err = errBroke
	}
	return err
}

// A call that was committed and not heard of is made again: no item is stored twice, and no event.
func TestACommitThatIsNotHeardOf(t *testing.T) {
	t.Parallel()
	f := newFarm(3000)
	s, err := sqlitestore.Open(filepath.Join(t.TempDir(), "jobs.db"))
	if err != nil {
		t.Fatal(err)
	}
	b := &breaking{Store: contract(t, s)}
	m := start(t, f, func(c *jobs.Config, _ *jobs.Resource[Patch, Field]) {
		_ = c.Store.Close()
		c.Store = b
	})
	j := m.run(daily(30))
	want(t, j, jobs.Completed, 2700, 0, 0, 0, 0)
	if !b.added.Load() || !b.moved.Load() {
		t.Error("nothing broke")
	}
	for id, n := range f.updates {
		if n != 1 {
			t.Fatalf("%s was updated %d times", id, n)
		}
	}
	if got := m.events(j.ID); !slices.Equal(got, []string{jobs.EventQueued, jobs.EventStarted, jobs.EventExpanded, jobs.EventCompleted}) {
		t.Errorf("events %v", got)
	}
}
