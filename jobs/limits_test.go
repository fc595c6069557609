package jobs_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/jobs"
)

// A server that throttles leaves the job running; its status says so, until when, and what the limiter believes.
func TestAThrottledJobSaysSo(t *testing.T) {
	t.Parallel()
	f := newFarm(100)
	var calls atomic.Int64
	f.answer = func(context.Context, string, string) error {
		if n := calls.Add(1); n > 20 && n <= 25 {
			return windrow.Throttled(errors.New("too many requests"), 1500*time.Millisecond)
		}
		return nil
	}
	m := start(t, f)
	j := m.submit(daily(30))
	var seen jobs.Job
	for range 500 {
		got, err := m.Get(t.Context(), j.ID)
		if err != nil {
			t.Fatal(err)
		}
		if got.Statistics.Waiting != "" {
			seen = got
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	until := time.Until(seen.Statistics.ThrottledUntil)
	if seen.State != jobs.Running || seen.Statistics.Waiting != "the server throttles" || until < 0 || until > 2*time.Second {
		t.Errorf("it is %s: %q for %v", seen.State, seen.Statistics.Waiting, until)
	}
	if len(seen.Limits) != 1 {
		t.Fatalf("limits: %+v", seen.Limits)
	}
	if l := seen.Limits[0]; l.Resource != "fields" || l.Concurrency < 1 || l.Waiting == "" || !l.ShutUntil.Equal(seen.Statistics.ThrottledUntil) {
		t.Errorf("%+v", l)
	}
	j = m.wait(j.ID)
	want(t, j, jobs.Completed, 90, 0, 0, 0, 0)
	if j.Statistics.Waiting != "" || len(j.Limits) > 0 {
		t.Errorf("at its end: %+v, %+v", j.Statistics, j.Limits)
	}
	if s, err := m.Stats(t.Context()); err != nil || s.ThrottledFor < time.Second {
		t.Errorf("B89: %+v, %v", s, err)
	}
}

// What the limiter of a resource has learned is kept over restarts; that of the application is its own.
func TestLearnedLimitsSurviveARestart(t *testing.T) {
	t.Parallel()
	f := newFarm(300)
	var flying atomic.Int64
	f.answer = func(context.Context, string, string) error {
		defer flying.Add(-1)
		if flying.Add(1) > 2 {
			return windrow.Throttled(errors.New("too many requests"), 0)
		}
		time.Sleep(2 * time.Millisecond)
		return nil
	}
	path := filepath.Join(t.TempDir(), "jobs.db")
	own := func(_ *jobs.Config, r *jobs.Resource[Patch, Field]) { r.Limiter = nil }
	m := open(t, path, f, own)
	spec := daily(30)
	spec.Options.MaxConcurrent = 20
	want(t, m.run(spec), jobs.Completed, 270, 0, 0, 0, 0)
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	entered, gate := make(chan struct{}, 300), make(chan struct{})
	f.answer = func(context.Context, string, string) error {
		entered <- struct{}{}
		<-gate
		return nil
	}
	m = open(t, path, f, own)
	j := m.submit(daily(31))
	<-entered
	j, err := m.Get(t.Context(), j.ID)
	if err != nil || len(j.Limits) != 1 || j.Limits[0].Why != "restored by StartFrom" {
		t.Errorf("%+v, %v", j.Limits, err)
	}
	close(gate)
	want(t, m.wait(j.ID), jobs.Completed, 270, 0, 0, 0, 0)
}

// A job whose resource is not registered is paused with that reason, and goes on by itself when a later manager has it. One
// that was paused by a person stays paused, and one that was being cancelled is cancelled.
func TestAResourceThatIsMissing(t *testing.T) {
	t.Parallel()
	f := newFarm(30)
	entered, gate := make(chan struct{}, 100), make(chan struct{})
	f.answer = func(ctx context.Context, _, _ string) error {
		entered <- struct{}{}
		<-gate
		return nil
	}
	path := filepath.Join(t.TempDir(), "jobs.db")
	m := open(t, path, f, func(c *jobs.Config, _ *jobs.Resource[Patch, Field]) { c.MaxRunning = 1 })
	running := m.submit(daily(30))
	<-entered
	queued, paused, cancelled := m.submit(daily(31)), m.submit(daily(32)), m.submit(daily(33))
	if _, err := m.Pause(t.Context(), paused.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Cancel(t.Context(), cancelled.ID); err != nil {
		t.Fatal(err)
	}
	go func() { time.Sleep(20 * time.Millisecond); close(gate) }()
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}

	without := bare(t, path)
	if err := jobs.Register(without.Manager, "other", f.resource()); err != nil {
		t.Fatal(err)
	}
	if err := without.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for id, reason := range map[string]string{running.ID: jobs.ReasonNotRegistered, queued.ID: jobs.ReasonNotRegistered, paused.ID: jobs.ReasonPaused} {
		if j := without.wait(id); j.State != jobs.Paused || j.Reason != reason {
			t.Errorf("it is %s (%s), want %s", j.State, j.Reason, reason)
		}
	}
	if err := without.Close(); err != nil {
		t.Fatal(err)
	}

	m = open(t, path, f)
	want(t, m.wait(running.ID), jobs.Completed, 27, 0, 0, 0, 0)
	if j := m.wait(queued.ID); j.State != jobs.Completed {
		t.Errorf("%s (%s)", j.State, j.Reason)
	}
	if j := m.wait(paused.ID); j.State != jobs.Paused || j.Reason != jobs.ReasonPaused {
		t.Errorf("%s (%s)", j.State, j.Reason)
	}
	if got := m.events(queued.ID); len(got) < 4 || got[1] != jobs.EventPaused || got[2] != jobs.EventResumed {
		t.Errorf("events %v", got)
	}
}

// A job that is being cancelled when its process is killed ends, also when no manager has its resource any more.
func TestCancelledWithoutItsResource(t *testing.T) {
	t.Parallel()
	f := newFarm(30)
	entered, gate := make(chan struct{}, 100), make(chan struct{})
	f.answer = func(context.Context, string, string) error {
		entered <- struct{}{}
		<-gate
		return nil
	}
	m := start(t, f)
	j := m.submit(daily(30))
	<-entered
	if c, err := m.Cancel(t.Context(), j.ID); err != nil || c.Reason != jobs.ReasonCancelling {
		t.Fatalf("%s, %v", c.Reason, err)
	}
	without := bare(t, m.crash())
	close(gate)
	if err := without.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c := without.until(j.ID, jobs.Cancelled); c.EndedAt.IsZero() || c.Outcome != jobs.OutcomeNone {
		t.Errorf("%+v", c)
	}
	if got := without.events(j.ID); got[len(got)-1] != jobs.EventCancelled {
		t.Errorf("events %v", got)
	}
}

// Without a Count the size of a job is known when its records are listed; until then it is expanding.
func TestWithoutACount(t *testing.T) {
	t.Parallel()
	for _, counted := range []bool{true, false} {
		f := newFarm(50)
		gate, entered := make(chan struct{}), make(chan struct{}, 100)
		m := prepare(t, filepath.Join(t.TempDir(), "jobs.db"), f, func(_ *jobs.Config, r *jobs.Resource[Patch, Field]) {
			if !counted {
				r.Count = nil
			}
		})
		f.answer = func(context.Context, string, string) error { entered <- struct{}{}; <-gate; return nil }
		j := m.submit(daily(30))
		if total := map[bool]int64{true: 45, false: 0}[counted]; j.Progress.Total != total || j.Progress.Expanding == counted || j.Progress.Percentage() != 0 {
			t.Errorf("counted %v: %+v", counted, j.Progress)
		}
		if err := m.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		<-entered // all records are listed
		j, err := m.Get(t.Context(), j.ID)
		if err != nil || j.Progress.Total != 45 || j.Progress.Expanding {
			t.Errorf("counted %v, running: %+v, %v", counted, j.Progress, err)
		}
		close(gate)
		want(t, m.wait(j.ID), jobs.Completed, 45, 0, 0, 0, 0)
	}
}
