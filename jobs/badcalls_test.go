package jobs_test

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/windrow-go/windrow/jobs"
	"github.com/windrow-go/windrow/jobs/sqlitestore"
)

// calls are all calls of a manager for one job.
func calls(m *jobs.Manager, id string) map[string]func(context.Context) error {
	ofJob := func(f func(context.Context, string) (jobs.Job, error)) func(context.Context) error {
		return func(ctx context.Context) error { _, err := f(ctx, id); return err }
	}
	return map[string]func(context.Context) error{
		"Submit": func(ctx context.Context) error { _, err := m.Submit(ctx, daily(30)); return err },
		"Get":    ofJob(m.Get), "Wait": ofJob(m.Wait), "Pause": ofJob(m.Pause), "Resume": ofJob(m.Resume), "Cancel": ofJob(m.Cancel),
		"Delete": func(ctx context.Context) error { return m.Delete(ctx, id) },
		"Errors": func(ctx context.Context) error { _, err := m.Errors(ctx, id); return err },
		"Stats":  func(ctx context.Context) error { _, err := m.Stats(ctx); return err },
		"Export": func(ctx context.Context) error { return m.Export(ctx, id, io.Discard, jobs.CSV) },
		"List": func(ctx context.Context) (err error) {
			for _, err = range m.List(ctx, jobs.Query{}) {
			}
			return err
		},
		"Items": func(ctx context.Context) (err error) {
			for _, err = range m.Items(ctx, id, jobs.ItemQuery{}) {
			}
			return err
		},
		"Events": func(ctx context.Context) (err error) {
			for _, err = range m.Events(ctx, id, 0) {
			}
			return err
		},
	}
}

// Calls without a context, for a job that does not exist, of a caller with a long name, and after Close return the error
// that says so.
func TestCallsThatAreRefused(t *testing.T) {
	t.Parallel()
	m := start(t, newFarm(3))
	j := m.run(daily(30))
	for name, call := range calls(m.Manager, j.ID) {
		if err := call(noContext); err == nil || !strings.Contains(err.Error(), "the context is nil") {
			t.Errorf("%s without a context: %v", name, err)
		}
		long := jobs.WithCaller(t.Context(), jobs.Caller{Tenant: strings.Repeat("x", 201)})
		if err := call(long); err == nil || !strings.Contains(err.Error(), "must have at most 200 bytes") {
			t.Errorf("%s with a long tenant: %v", name, err)
		}
		ended, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New("enough"))
		if err := call(ended); err == nil {
			t.Errorf("%s with a context that has ended: no error", name)
		}
	}
	for _, id := range []string{"", "nothing", "../" + j.ID, j.ID + "\x00"} {
		for name, call := range calls(m.Manager, id) {
			if err := call(t.Context()); name != "Submit" && name != "Stats" && name != "List" && !errors.Is(err, jobs.ErrNotFound) {
				t.Errorf("%s of %q: %v", name, id, err)
			}
		}
	}
	for range 2 {
		if err := m.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "started already") {
			t.Errorf("Start again: %v", err)
		}
	}
	for want, err := range map[string]error{
		`there is no state "asleep"`:         last(m.List(t.Context(), jobs.Query{States: []jobs.State{"asleep"}})),
		"there is no item state 77":          last(m.Items(t.Context(), j.ID, jobs.ItemQuery{States: states(77)})),
		"there is no export format \"xlsx\"": m.Export(t.Context(), j.ID, io.Discard, "xlsx"),
		"the writer of the export is nil":    m.Export(t.Context(), j.ID, nil, jobs.CSV),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	for name, call := range calls(m.Manager, j.ID) {
		if err := call(t.Context()); !errors.Is(err, jobs.ErrClosed) {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
	if err := jobs.Register(m.Manager, "late", newFarm(0).resource()); !errors.Is(err, jobs.ErrClosed) {
		t.Errorf("Register after Close: %v", err)
	}
	if err := m.Start(t.Context()); !errors.Is(err, jobs.ErrClosed) {
		t.Errorf("Start after Close: %v", err)
	}
	if err := m.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
}

// Before Start jobs are taken and kept, and nothing is sent.
func TestCallsBeforeStart(t *testing.T) {
	t.Parallel()
	f := newFarm(10)
	m := prepare(t, filepath.Join(t.TempDir(), "jobs.db"), f, func(_ *jobs.Config, r *jobs.Resource[Patch, Field]) { r.Limiter = nil })
	j := m.submit(daily(30))
	second := m.submit(daily(31))
	if got, err := m.Get(t.Context(), j.ID); err != nil || got.State != jobs.Queued || got.Progress.Total != 9 {
		t.Errorf("%s %+v, %v", got.State, got.Progress, err)
	}
	if s, err := m.Stats(t.Context()); err != nil || s.Queued != 2 {
		t.Errorf("%+v, %v", s, err)
	}
	if c, err := m.Cancel(t.Context(), second.ID); err != nil || c.State != jobs.Cancelled || c.Outcome != jobs.OutcomeNone {
		t.Errorf("%s, %v", c.State, err)
	}
	if p, err := m.Pause(t.Context(), j.ID); err != nil || p.State != jobs.Paused {
		t.Errorf("%s, %v", p.State, err)
	}
	if p, err := m.Resume(t.Context(), j.ID); err != nil || p.State != jobs.Queued {
		t.Errorf("%s, %v", p.State, err)
	}
	if len(f.order) > 0 {
		t.Errorf("%d calls", len(f.order))
	}
	if err := m.Start(noContext); err == nil {
		t.Error("Start without a context: no error")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.Start(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("Start with a context that has ended: %v", err)
	}
	if err := m.Start(t.Context()); err != nil { // once more
		t.Fatal(err)
	}
	want(t, m.wait(j.ID), jobs.Completed, 9, 0, 0, 0, 0)
}

// A manager that was never started, or could not be, is closed like any other.
func TestCloseWithoutStart(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, begin := range []bool{false, true} {
		m := prepare(t, filepath.Join(t.TempDir(), "jobs.db"), newFarm(0), func(_ *jobs.Config, r *jobs.Resource[Patch, Field]) { r.Limiter = nil })
		if begin {
			if err := m.Start(ended); err == nil {
				t.Error("Start: no error")
			}
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Calls that are under way when a manager is closed end, with what they were for or with ErrClosed.
func TestCloseWhileOthersCall(t *testing.T) {
	t.Parallel()
	f := newFarm(500)
	m := start(t, f)
	j := m.run(daily(30))
	running := m.submit(daily(31))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var group sync.WaitGroup
	for _, id := range []string{j.ID, running.ID} {
		for name, call := range calls(m.Manager, id) {
			if name == "Delete" {
				continue
			}
			group.Go(func() {
				for {
					err := call(ctx)
					if errors.Is(err, jobs.ErrClosed) {
						return
					}
					if _, refused := errors.AsType[*jobs.StateError](err); err != nil && !refused {
						t.Errorf("%s: %v", name, err)
						return
					}
				}
			})
		}
	}
	time.Sleep(30 * time.Millisecond)
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	group.Wait()
	if s, err := sqlitestore.Open(m.path); err != nil {
		t.Error(err)
	} else if err := errors.Join(s.Check(t.Context()), s.Close()); err != nil {
		t.Error(err)
	}
}

// B89: a store that is full takes no job; one that has room again does.
func TestAFullStore(t *testing.T) {
	t.Parallel()
	m := start(t, newFarm(1), func(c *jobs.Config, _ *jobs.Resource[Patch, Field]) { c.MaxStoreBytes = 1 })
	if _, err := m.Submit(t.Context(), daily(30)); !errors.Is(err, jobs.ErrStoreFull) {
		t.Errorf("Submit: %v", err)
	}
	m.nothingStored()
}
