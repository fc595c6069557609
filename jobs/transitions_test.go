package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/jobs"
)

// stage is a manager with one farm whose calls wait at a gate.
type stage struct {
	*managed
	gate chan struct{}
	mu   sync.Mutex
	sent map[string]int // calls by id of the record
}

// newStage returns a manager that carries out one job at a time.
func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{gate: make(chan struct{}), sent: map[string]int{}}
	f := newFarm(0)
	client := gated{f, s}
	s.managed = start(t, f, func(c *jobs.Config, r *jobs.Resource[Patch, Field]) { c.MaxRunning, r.Client = 1, client })
	t.Cleanup(func() { // before the manager is closed
		select {
		case <-s.gate:
		default:
			close(s.gate)
		}
	})
	return s
}

// gated is a farm whose updates wait at the gate when they are told to.
type gated struct {
	*farm
	s *stage
}

func (g gated) Update(ctx context.Context, id string, _ Patch) (Field, error) {
	g.s.mu.Lock()
	g.s.sent[id]++
	gate := g.s.gate
	g.s.mu.Unlock()
	if strings.HasPrefix(id, "wait") {
		select {
		case <-gate:
		case <-ctx.Done():
			return Field{}, ctx.Err()
		}
	}
	if strings.HasPrefix(id, "bad") {
		return Field{}, windrow.Permanent(errors.New("locked"))
	}
	return Field{ID: id}, nil
}

// job submits a job over n records whose ids begin with a text.
func (s *stage) job(prefix string, n int) jobs.Job {
	s.t.Helper()
	ids := make([]string, n)
	for k := range ids {
		ids[k] = fmt.Sprintf("%s%d", prefix, k)
	}
	return s.submit(jobs.Spec{
		Operations: []jobs.Operation{{Type: jobs.Update, Resource: "fields", IDs: ids, Update: jobs.Fields{"area": 1}}},
		Options:    jobs.Options{Validation: jobs.ValidationOptions{OnError: jobs.OnErrorAbort}},
	})
}

// until returns a job when it is in a state.
func (m *managed) until(id string, state jobs.State) jobs.Job {
	m.t.Helper()
	for range 2000 {
		j, err := m.Get(m.t.Context(), id)
		if err != nil {
			m.t.Fatal(err)
		}
		if j.State == state && (state != jobs.Running || j.Progress.Current != nil) {
			return j
		}
		time.Sleep(5 * time.Millisecond)
	}
	m.t.Fatalf("the job does not become %s", state)
	return jobs.Job{}
}

// in makes a job in a state. Other jobs wait behind it when it is Running or Queued.
func (s *stage) in(state jobs.State) jobs.Job {
	s.t.Helper()
	switch state {
	case jobs.Running:
		return s.until(s.job("wait", 10).ID, jobs.Running)
	case jobs.Queued:
		s.until(s.job("wait", 10).ID, jobs.Running)
		return s.job("field", 3)
	case jobs.Paused:
		j := s.in(jobs.Queued)
		if _, err := s.Pause(s.t.Context(), j.ID); err != nil {
			s.t.Fatal(err)
		}
		return s.until(j.ID, jobs.Paused)
	case jobs.Completed:
		return s.until(s.job("field", 3).ID, jobs.Completed)
	case jobs.Failed:
		return s.until(s.job("bad", 3).ID, jobs.Failed)
	default:
		j := s.in(jobs.Queued)
		if _, err := s.Cancel(s.t.Context(), j.ID); err != nil {
			s.t.Fatal(err)
		}
		return s.until(j.ID, jobs.Cancelled)
	}
}

// act calls pause, resume, cancel or delete.
func (m *managed) act(call, id string) (j jobs.Job, err error) {
	ctx := m.t.Context()
	switch call {
	case "pause":
		return m.Pause(ctx, id)
	case "resume":
		return m.Resume(ctx, id)
	case "cancel":
		return m.Cancel(ctx, id)
	}
	return jobs.Job{}, m.Delete(ctx, id)
}

// B51 to B55: every call in every state: which state follows, or that it is refused, with an error that names both.
func TestB51_B55_EveryCallInEveryState(t *testing.T) {
	t.Parallel()
	const gone = jobs.State("gone")
	table := map[jobs.State]map[string]jobs.State{ // "": refused
		jobs.Queued:    {"pause": jobs.Paused, "resume": jobs.Queued, "cancel": jobs.Cancelled, "delete": ""},
		jobs.Running:   {"pause": jobs.Paused, "resume": jobs.Running, "cancel": jobs.Running, "delete": ""},
		jobs.Paused:    {"pause": jobs.Paused, "resume": jobs.Queued, "cancel": jobs.Cancelled, "delete": ""},
		jobs.Completed: {"pause": "", "resume": "", "cancel": "", "delete": gone},
		jobs.Failed:    {"pause": "", "resume": "", "cancel": "", "delete": gone},
		jobs.Cancelled: {"pause": "", "resume": "", "cancel": jobs.Cancelled, "delete": gone},
	}
	for state, row := range table {
		for call, to := range row {
			t.Run(fmt.Sprintf("%s/%s", state, call), func(t *testing.T) {
				t.Parallel()
				s := newStage(t)
				before := s.in(state)
				j, err := s.act(call, before.ID)
				switch {
				case to == "":
					refused, ok := errors.AsType[*jobs.StateError](err)
					if !ok || refused.Call != call || refused.State != state || !strings.Contains(err.Error(), "a job that is "+string(state)+" cannot be "+call[:4]) {
						t.Fatalf("the error is %v", err)
					}
					if after := s.until(before.ID, state); after.Progress.Total != before.Progress.Total || after.Reason != before.Reason {
						t.Errorf("it was changed: %+v", after)
					}
				case err != nil:
					t.Fatal(err)
				case to == gone:
					if _, err := s.Get(t.Context(), before.ID); !errors.Is(err, jobs.ErrNotFound) {
						t.Errorf("after Delete: %v", err)
					}
				case j.State != to:
					t.Errorf("it is %s, want %s", j.State, to)
				case to == jobs.Running && call == "cancel" && j.Reason != jobs.ReasonCancelling:
					t.Errorf("the reason is %q", j.Reason)
				}
			})
		}
	}
	if states := slices.Sorted(maps.Keys(table)); len(states) != 6 {
		t.Errorf("%v", states)
	}
}

// A job that is being cancelled is neither paused nor resumed.
func TestCallsWhileAJobIsCancelled(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	j := s.in(jobs.Running)
	if _, err := s.Cancel(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	for _, call := range []string{"pause", "resume", "delete"} {
		if _, err := s.act(call, j.ID); err == nil {
			t.Errorf("%s: no error", call)
		}
	}
	if c, err := s.Cancel(t.Context(), j.ID); err != nil || c.Reason != jobs.ReasonCancelling {
		t.Errorf("%s, %v", c.Reason, err)
	}
	close(s.gate)
	want(t, s.wait(j.ID), jobs.Cancelled, 5, 0, 0, 0, 5)
}

// Two calls that race leave the job in a state that one of their orders leads to, with one end event, and no item is sent
// twice.
func TestPairsOfCallsThatRace(t *testing.T) {
	t.Parallel()
	rounds := 50
	if testing.Short() || raceDetector { // which makes the store slow
		rounds = 8
	}
	calls := []string{"pause", "resume", "cancel", "delete"}
	for _, state := range []jobs.State{jobs.Queued, jobs.Running, jobs.Paused} {
		for k, first := range calls {
			for _, second := range calls[k:] {
				t.Run(fmt.Sprintf("%s/%s and %s", state, first, second), func(t *testing.T) {
					t.Parallel()
					f := newFarm(0)
					s := &stage{sent: map[string]int{}}
					s.managed = start(t, f, func(c *jobs.Config, r *jobs.Resource[Patch, Field]) { c.MaxRunning, r.Client = 1, gated{f, s} })
					for round := range rounds {
						s.mu.Lock()
						s.gate = make(chan struct{})
						s.mu.Unlock()
						s.race(round, state, first, second)
					}
				})
			}
		}
	}
}

// race lets two calls race for a new job.
func (s *stage) race(round int, state jobs.State, first, second string) {
	t := s.t
	prefix := fmt.Sprintf("wait%d/", round)
	var blocker jobs.Job
	if state != jobs.Running {
		blocker = s.until(s.job(fmt.Sprintf("wait-%d/", round), 1).ID, jobs.Running)
	}
	j := s.job(prefix, 12)
	if state == jobs.Running {
		s.until(j.ID, jobs.Running)
	}
	if state == jobs.Paused {
		if _, err := s.Pause(t.Context(), j.ID); err != nil {
			t.Fatal(err)
		}
	}
	var group sync.WaitGroup
	done := map[string]int{}
	var mu sync.Mutex
	for _, call := range []string{first, second} {
		group.Go(func() {
			_, err := s.act(call, j.ID)
			if _, refused := errors.AsType[*jobs.StateError](err); err != nil && !refused && !errors.Is(err, jobs.ErrNotFound) {
				t.Errorf("%s: %v", call, err)
			}
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				done[call]++
			}
		})
	}
	if round%2 == 0 { // the calls in flight end meanwhile, or afterwards
		close(s.gate)
		group.Wait()
	} else {
		group.Wait()
		close(s.gate)
	}
	if blocker.ID != "" {
		s.wait(blocker.ID)
	}
	if done["delete"] > 0 {
		if done["cancel"] == 0 && round%2 == 1 {
			t.Errorf("a job that was not cancelled was deleted")
		}
		if _, err := s.Get(t.Context(), j.ID); !errors.Is(err, jobs.ErrNotFound) {
			t.Errorf("after Delete: %v", err)
		}
		return
	}
	end := s.wait(j.ID)
	for end.State == jobs.Paused {
		if _, err := s.Resume(t.Context(), j.ID); err != nil {
			t.Fatal(err)
		}
		end = s.wait(j.ID)
	}
	switch {
	case end.State == jobs.Cancelled && done["cancel"] > 0:
	case end.State == jobs.Completed && (done["cancel"] == 0 || round%2 == 0):
		if end.Progress.Succeeded != 12 {
			t.Errorf("round %d: %+v", round, end.Progress)
		}
	default:
		t.Errorf("round %d: it is %s (%s) after %v", round, end.State, end.Reason, done)
	}
	ends := 0
	for _, kind := range s.events(j.ID) {
		if kind == jobs.EventCompleted || kind == jobs.EventCancelled || kind == jobs.EventFailed {
			ends++
		}
	}
	if ends != 1 {
		t.Errorf("round %d: %d end events: %v", round, ends, s.events(j.ID))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, n := range s.sent {
		if n > 1 {
			t.Errorf("round %d: %s was sent %d times", round, id, n)
		}
	}
	clear(s.sent)
}
