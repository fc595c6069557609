package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/windrow-go/windrow/jobs"
)

// B96: at most MaxRunning jobs are carried out at once; the others wait, and are begun by their priority, and then in the
// order in which they were queued.
func TestB96_TheQueue(t *testing.T) {
	t.Parallel()
	for _, running := range []int{1, 3} {
		f := newFarm(0)
		f.answer = func(context.Context, string, string) error {
			time.Sleep(20 * time.Millisecond) // so that calls of several jobs overlap
			return nil
		}
		m := prepare(t, t.TempDir()+"/jobs.db", f, func(c *jobs.Config, r *jobs.Resource[Patch, Field]) {
			c.MaxRunning = running
		})
		var ids []string
		for k, priority := range []int{0, -5, 1000, 0, 7, -1000} {
			j := m.submit(jobs.Spec{Priority: priority, Operations: []jobs.Operation{{
				Type: jobs.Create, Resource: "fields", Records: []any{Patch{Status: fmt.Sprint(k)}},
			}}})
			ids = append(ids, j.ID)
		}
		want := []string{"2", "4", "0", "3", "1", "5"}
		if s, err := m.Stats(t.Context()); err != nil || s.Queued != 6 || s.Running != 0 {
			t.Errorf("%+v, %v", s, err)
		}
		if err := m.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, id := range ids {
			m.wait(id)
		}
		if running == 1 && !slices.Equal(f.order, want) || len(f.order) != 6 {
			t.Errorf("the order is %v, want %v", f.order, want)
		}
		if f.most > running || running > 1 && f.most < 2 {
			t.Errorf("%d jobs at once, want %d", f.most, running)
		}
	}
}

// B98: a job that has ended is deleted, with its items and events; its idempotency key is free, and others stay.
func TestB98_Delete(t *testing.T) {
	t.Parallel()
	m := start(t, newFarm(50))
	spec := daily(30)
	spec.IdempotencyKey = "once"
	j, other := m.run(spec), m.run(daily(31))
	if err := m.Delete(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	if err := m.Delete(t.Context(), j.ID); !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("deleted again: %v", err)
	}
	for name, call := range calls(m.Manager, j.ID) {
		if err := call(t.Context()); name != "Submit" && name != "List" && name != "Stats" && !errors.Is(err, jobs.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	again := m.run(spec)
	if again.ID == j.ID || again.State != jobs.Completed {
		t.Errorf("%+v", again)
	}
	if n := len(m.items(other.ID, jobs.ItemQuery{})); n != 45 {
		t.Errorf("the other job has %d items", n)
	}
}
