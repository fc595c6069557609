package jobs_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/windrow-go/windrow/jobs"
	"github.com/windrow-go/windrow/jobs/internal/store"
)

// meddled is a store in which something happens right before a job is ended.
type meddled struct {
	store.Store
	before func()
	done   atomic.Bool
}

func (m *meddled) Change(ctx context.Context, number int64, c store.Change, events ...store.Event) (store.Job, error) {
	if c.State != nil && c.State.Ended() && m.done.CompareAndSwap(false, true) {
		m.before()
	}
	return m.Store.Change(ctx, number, c, events...)
}

// A job that is paused, or paused and resumed, after its last item is left to its next holder, which ends it.
func TestPausedAfterTheLastItem(t *testing.T) {
	t.Parallel()
	for _, resumed := range []bool{false, true} {
		f := newFarm(20)
		var m *managed
		id := make(chan string, 1)
		m = start(t, f, func(c *jobs.Config, _ *jobs.Resource[Patch, Field]) {
			inner, _ := store.Of(c.Store)
			c.Store = &meddled{Store: inner, before: func() {
				job := <-id
				if _, err := m.Pause(t.Context(), job); err != nil {
					t.Error(err)
				}
				if resumed {
					if _, err := m.Resume(t.Context(), job); err != nil {
						t.Error(err)
					}
				}
			}}
		})
		j := m.submit(daily(30))
		id <- j.ID
		began := time.Now()
		j = m.wait(j.ID)
		if !resumed {
			if j.State != jobs.Paused {
				t.Fatalf("it is %s", j.State)
			}
			if _, err := m.Resume(t.Context(), j.ID); err != nil {
				t.Fatal(err)
			}
			j = m.wait(j.ID)
		}
		want(t, j, jobs.Completed, 18, 0, 0, 0, 0)
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("it took %v", took)
		}
		events := m.events(j.ID)
		if got := events[3:]; !slices.Equal(got, []string{jobs.EventPaused, jobs.EventResumed, jobs.EventCompleted}) {
			t.Errorf("events %v", events)
		}
	}
}
