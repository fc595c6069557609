package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/jobs"
)

// B1, B6, B7, B9, B10, B40: one operation with a filter becomes one item for each record that the filter selects.
func TestB9AFilterBecomesManyItems(t *testing.T) {
	t.Parallel()
	f := newFarm(1000)
	m := start(t, f)
	j := m.run(daily(30))
	want(t, j, jobs.Completed, 900, 0, 0, 0, 0)
	if j.Outcome != jobs.OutcomeAll || len(j.Errors) > 0 {
		t.Errorf("outcome %s, errors %v", j.Outcome, j.Errors)
	}
	for id, field := range f.fields {
		switch active := field.Status == "active"; {
		case active && (f.updates[id] != 1 || field.Schedule == nil || field.Schedule.Minutes != 30):
			t.Fatalf("%s was updated %d times, schedule %v", id, f.updates[id], field.Schedule)
		case !active && f.updates[id] != 0:
			t.Fatalf("%s is fallow, and was updated", id)
		}
	}
	items := m.items(j.ID, jobs.ItemQuery{})
	if len(items) != 900 {
		t.Fatalf("%d items", len(items))
	}
	for k, item := range items {
		if item.Index != int64(k) || item.State != windrow.Succeeded || item.ResourceID() != item.Key || item.Attempts != 1 || item.Run != 1 || item.EndedAt.IsZero() {
			t.Fatalf("item %d: %+v", k, item)
		}
	}
	if got := m.events(j.ID); !slices.Equal(got, []string{jobs.EventQueued, jobs.EventStarted, jobs.EventExpanded, jobs.EventCompleted}) {
		t.Errorf("events: %v", got)
	}
}

// B38: create, with records in order, ids of what was made, and inputs that can be read.
func TestB38Create(t *testing.T) {
	t.Parallel()
	f := newFarm(0)
	m := start(t, f)
	spec := jobs.Spec{Operations: []jobs.Operation{{Type: jobs.Create, Resource: "fields", Records: []any{
		Patch{Status: "new", Area: 1}, jobs.Fields{"status": "newer", "area": 2}, map[string]any{"status": "newest", "colour": "red"}, jobs.Fields{"area": "many"},
	}}}}
	j := m.run(spec)
	want(t, j, jobs.Completed, 2, 2, 0, 0, 0)
	items := m.items(j.ID, jobs.ItemQuery{Inputs: true})
	for k, text := range []string{"", "", "unknown field colour", "the field area must be int, not a JSON string"} {
		item := items[k]
		if item.Message != text || (text == "") != strings.HasPrefix(item.ID, "new0000") || len(item.Input) == 0 {
			t.Errorf("item %d: %q, id %q, input %s", k, item.Message, item.ID, item.Input)
		}
		if text != "" && (item.Code != jobs.CodeValidation || item.Attempts != 0 || item.Pile() != jobs.AfterCorrected) {
			t.Errorf("item %d: %+v", k, item)
		}
	}
}

// B39, B40: update and delete by ids; an id that does not exist is a resource error of its own, or nothing to do.
func TestB39ByIDs(t *testing.T) {
	t.Parallel()
	f := newFarm(20)
	m := start(t, f)
	ids := []string{"field00003", "nowhere", "field00001"}
	j := m.run(jobs.Spec{Operations: []jobs.Operation{{Type: jobs.Update, Resource: "fields", IDs: ids, Update: jobs.Fields{"area": 77}}}})
	want(t, j, jobs.Completed, 2, 1, 0, 0, 0)
	if e := j.Errors[0]; e.Key != "nowhere" || e.Code != jobs.CodeResource || e.Index != 1 {
		t.Errorf("the error is %+v", e)
	}
	j = m.run(jobs.Spec{Operations: []jobs.Operation{{Type: jobs.Delete, Resource: "fields", IDs: ids}}})
	want(t, j, jobs.Completed, 2, 0, 1, 0, 0)
	if len(f.fields) != 18 || f.deletes != 2 {
		t.Errorf("%d fields are left", len(f.fields))
	}
	j = m.run(jobs.Spec{Operations: []jobs.Operation{{Type: jobs.Delete, Resource: "fields", Filter: jobs.Fields{"status": "fallow"}}}})
	want(t, j, jobs.Completed, 2, 0, 0, 0, 0)
}

// Several operations run one after the other, and items are numbered over all of them.
func TestOperationsRunOneAfterTheOther(t *testing.T) {
	t.Parallel()
	f := newFarm(50)
	m := start(t, f)
	j := m.run(jobs.Spec{Operations: []jobs.Operation{
		{Type: jobs.Update, Resource: "fields", Filter: jobs.Fields{"status": "active"}, Update: jobs.Fields{"status": "fallow"}},
		{Type: jobs.Delete, Resource: "fields", Filter: jobs.Fields{"status": "fallow"}},
		{Type: jobs.Create, Resource: "fields", Records: []any{Patch{Status: "new"}}},
	}})
	want(t, j, jobs.Completed, 45+50+1, 0, 0, 0, 0)
	items := m.items(j.ID, jobs.ItemQuery{})
	if last := items[95]; last.Operation != 2 || last.Index != 95 || len(f.fields) != 1 {
		t.Errorf("the last item is %+v; %d fields", last, len(f.fields))
	}
}

// Records that the patch would not change are Skipped without a call.
func TestUnchangedRecordsAreSkipped(t *testing.T) {
	t.Parallel()
	f := newFarm(100)
	m := start(t, f)
	want(t, m.run(daily(30)), jobs.Completed, 90, 0, 0, 0, 0)
	j := m.run(daily(30))
	want(t, j, jobs.Completed, 0, 0, 90, 0, 0)
	if items := m.items(j.ID, jobs.ItemQuery{}); items[0].Reason != windrow.ReasonUnchanged {
		t.Errorf("%+v", items[0])
	}
	want(t, m.run(daily(31)), jobs.Completed, 90, 0, 0, 0, 0)
}

// A server that ignores the filter fails the job before anything is sent.
func TestAFilterThatTheServerIgnores(t *testing.T) {
	t.Parallel()
	f := newFarm(100)
	f.ignore = "status"
	m := start(t, f)
	j := m.run(daily(30))
	if j.State != jobs.Failed || !strings.Contains(j.Reason, "the server ignores the filter: record 10 of the list has another status") || len(f.updates) > 0 {
		t.Errorf("%s: %s; %d updates", j.State, j.Reason, len(f.updates))
	}
	if j.Outcome != jobs.OutcomeNone {
		t.Errorf("outcome %s", j.Outcome)
	}
}

// B11, B12, B87: calls at once are bounded by max_concurrent, over all parts; sequential jobs make one call after the
// other, in order.
func TestB12MaxConcurrent(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		options jobs.Options
		most    int
	}{{jobs.Options{}, 5}, {jobs.Options{MaxConcurrent: 3}, 3}, {jobs.Options{Sequential: true}, 1}} {
		synctest.Test(t, func(t *testing.T) {
			f := newFarm(1500) // two parts
			f.answer = func(_ context.Context, _, id string) error {
				time.Sleep(10*time.Millisecond + time.Duration(len(id)+int(id[9]))*time.Microsecond)
				return nil
			}
			m := start(t, f)
			spec := daily(20)
			spec.Options = test.options
			want(t, m.run(spec), jobs.Completed, 1350, 0, 0, 0, 0)
			if f.most != test.most {
				t.Errorf("%+v: %d calls at once", test.options, f.most)
			}
			if test.options.Sequential && !slices.IsSorted(f.order) {
				t.Errorf("the calls were not in order")
			}
		})
	}
}

// A part whose items wait to be repeated does not keep the next one waiting, also when some of its items are refused.
func TestPartsOverlap(t *testing.T) {
	t.Parallel()
	update := daily(20)
	create := jobs.Spec{Operations: []jobs.Operation{{Type: jobs.Create, Resource: "fields"}}}
	for i := range 1350 {
		p := Patch{Status: fmt.Sprintf("field%05d", i)}
		if i == 500 {
			p.Schedule = &Schedule{Minutes: 500}
		}
		create.Operations[0].Records = append(create.Operations[0].Records, p)
	}
	for _, test := range []struct {
		spec    jobs.Spec
		last    string
		refused int64
	}{{update, "field01498", 0}, {create, "field01349", 1}} {
		synctest.Test(t, func(t *testing.T) {
			f := newFarm(1500)
			began := time.Now()
			var last time.Duration // when the last record was sent first
			failed := map[string]bool{}
			f.answer = func(_ context.Context, _, id string) error {
				time.Sleep(time.Millisecond)
				f.mu.Lock()
				defer f.mu.Unlock()
				if id == test.last {
					last = time.Since(began)
				}
				if id < "field00100" && !failed[id] {
					failed[id] = true
					return windrow.Transient(errors.New("broken"))
				}
				return nil
			}
			m := start(t, f)
			test.spec.Options.Retry = jobs.RetryOptions{Backoff: jobs.BackoffLinear, Delay: time.Hour}
			want(t, m.run(test.spec), jobs.Completed, 1350-test.refused, test.refused, 0, 0, 0)
			if took := time.Since(began); last == 0 || last > time.Minute || took < time.Hour {
				t.Errorf("%s: the last record was sent after %v, the job took %v", test.spec.Operations[0].Type, last, took)
			}
		})
	}
}

// B13, B33, B34, B60 to B63: attempts, and the types of errors.
func TestB60ErrorTypes(t *testing.T) {
	t.Parallel()
	f := newFarm(6)
	f.answer = func(_ context.Context, _, id string) error {
		switch id {
		case "field00000":
			return windrow.Classified(errors.New("Invalid irrigation duration"), windrow.Classification{Kind: windrow.KindValidation})
		case "field00001":
			return windrow.Permanent(errors.New("locked"))
		case "field00002":
			return windrow.Transient(errors.New("broken"))
		case "field00003":
			return fmt.Errorf("no response: %w", context.DeadlineExceeded)
		}
		return nil
	}
	m := start(t, f, func(c *jobs.Config, _ *jobs.Resource[Patch, Field]) {
		c.Strategies = map[string]windrow.Strategy{"now": windrow.Constant(0)}
	})
	spec := daily(30)
	spec.Options.Retry = jobs.RetryOptions{Attempts: 3, Backoff: jobs.BackoffImmediate}
	j := m.run(spec)
	if j.State != jobs.Completed || j.Outcome != jobs.OutcomeSome {
		t.Errorf("%s, %s", j.State, j.Outcome)
	}
	for k, w := range []struct {
		code     string
		attempts int
		pile     jobs.Pile
		state    windrow.State
	}{
		{jobs.CodeValidation, 1, jobs.AfterCorrected, windrow.Failed}, {jobs.CodeResource, 1, jobs.AfterCorrected, windrow.Failed},
		{jobs.CodeSystem, 3, jobs.SafeNow, windrow.Failed}, {jobs.CodeTimeout, 3, jobs.AfterLookUp, windrow.Unknown},
	} {
		if e := j.Errors[k]; e.Code != w.code || e.Attempts != w.attempts || e.Pile() != w.pile || e.State != w.state || e.Message == "" {
			t.Errorf("error %d: %+v, want %+v", k, e, w)
		}
	}
	groups, err := m.Errors(t.Context(), j.ID)
	if err != nil || len(groups) != 4 {
		t.Errorf("groups: %+v, %v", groups, err)
	}
}

// B15, B16, B92: what is not valid is not sent; on_error says what becomes of the others.
func TestB16OnError(t *testing.T) {
	t.Parallel()
	f := newFarm(40)
	m := start(t, f)
	spec := daily(500)
	j := m.run(spec)
	want(t, j, jobs.Completed, 0, 36, 0, 0, 0)
	if len(f.updates) > 0 || j.Errors[0].Message != "Invalid irrigation duration" || j.Outcome != jobs.OutcomeNone {
		t.Errorf("%+v", j.Errors[0])
	}
	spec.Options.Validation.Mode = jobs.ValidationNone
	want(t, m.run(spec), jobs.Completed, 36, 0, 0, 0, 0)

	f = newFarm(4000)
	f.answer = func(_ context.Context, _, id string) error {
		if id == "field00100" {
			return windrow.Permanent(errors.New("locked"))
		}
		return nil
	}
	m = start(t, f)
	spec = daily(30)
	spec.Options.Validation.OnError = jobs.OnErrorAbort
	j = m.run(spec)
	if j.State != jobs.Failed || j.Progress.Failed != 1 || j.Progress.NotAttempted == 0 || j.Outcome != jobs.OutcomeSome || !strings.Contains(j.Reason, "on_error") {
		t.Errorf("%s (%s) %+v", j.State, j.Reason, j.Progress)
	}
}

// B51 to B55: the states, and that completed may contain items that failed.
func TestB51States(t *testing.T) {
	t.Parallel()
	f := newFarm(30)
	gate := make(chan struct{})
	var once sync.Once
	entered := make(chan struct{})
	f.answer = func(context.Context, string, string) error {
		once.Do(func() { close(entered) })
		<-gate
		return nil
	}
	m := start(t, f, func(c *jobs.Config, _ *jobs.Resource[Patch, Field]) { c.MaxRunning = 1 })
	first := m.submit(daily(30))
	<-entered
	second := m.submit(daily(31)) // B96: it waits for its turn
	for id, state := range map[string]jobs.State{first.ID: jobs.Running, second.ID: jobs.Queued} {
		if j, err := m.Get(t.Context(), id); err != nil || j.State != state {
			t.Errorf("%s is %s (%v), want %s", id, j.State, err, state)
		}
	}
	stats, err := m.Stats(t.Context())
	if err != nil || stats.Queued != 1 || stats.Running != 1 || stats.StoreBytes == 0 || stats.MemoryBytes == 0 || stats.Goroutines == 0 { // B89, B95
		t.Errorf("%+v, %v", stats, err)
	}
	running, err := m.Get(t.Context(), first.ID)
	if c := running.Progress.Current; err != nil || c == nil || c.Type != jobs.Update || !strings.HasPrefix(c.ResourceID, "field0000") || c.StartedAt.IsZero() {
		t.Errorf("B25: the current operation is %+v", c)
	}
	close(gate)
	want(t, m.wait(first.ID), jobs.Completed, 27, 0, 0, 0, 0)
	want(t, m.wait(second.ID), jobs.Completed, 27, 0, 0, 0, 0)
}

// B25: the current operation is the lowest item that is being worked on, also when its call began last.
func TestB25TheLowestItemIsCurrent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFarm(20)
		again, gate := false, make(chan struct{})
		f.answer = func(_ context.Context, _, id string) error {
			time.Sleep(time.Second)
			f.mu.Lock()
			defer f.mu.Unlock()
			if id == "field00000" && !again {
				again = true
				return windrow.Transient(errors.New("broken"))
			}
			if id <= "field00001" {
				f.mu.Unlock()
				defer f.mu.Lock()
				<-gate
			}
			return nil
		}
		m := start(t, f)
		spec := daily(20)
		spec.Options.Retry.Backoff = jobs.BackoffImmediate
		j := m.submit(spec)
		time.Sleep(time.Minute)
		j, err := m.Get(t.Context(), j.ID)
		if c := j.Progress.Current; err != nil || c == nil || c.ResourceID != "field00000" || c.Index != 0 {
			t.Errorf("%+v, %v", c, err)
		}
		close(gate)
		m.wait(j.ID)
	})
}

// B53: pause and resume; nothing is cut, nothing repeated, and a paused job stays paused over a restart.
func TestB53PauseAndResume(t *testing.T) {
	t.Parallel()
	f := newFarm(2000)
	var calls atomic.Int64
	half, paused := make(chan struct{}), make(chan struct{})
	f.answer = func(ctx context.Context, _, _ string) error {
		n := calls.Add(1)
		if n == 500 {
			close(half)
		}
		if n >= 500 {
			<-paused
		}
		return ctx.Err()
	}
	path := filepath.Join(t.TempDir(), "jobs.db")
	m := open(t, path, f)
	j := m.submit(daily(30))
	<-half
	if p, err := m.Pause(jobs.WithCaller(t.Context(), jobs.Caller{Actor: "ann"}), j.ID); err != nil || p.State != jobs.Paused {
		t.Fatalf("Pause: %s, %v", p.State, err)
	}
	close(paused)
	j = m.wait(j.ID) // when the calls in flight have ended
	now := calls.Load()
	if p := j.Progress; j.Reason != jobs.ReasonPaused || p.Succeeded != now || p.Failed+p.Unknown > 0 || now > 505 {
		t.Errorf("after %d calls: %+v (%s)", now, p, j.Reason)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	m = open(t, path, f)
	if p := m.wait(j.ID); p.State != jobs.Paused || calls.Load() != now {
		t.Errorf("after a restart it is %s, %d calls more", p.State, calls.Load()-now)
	}
	if p, err := m.Resume(t.Context(), j.ID); err != nil || p.State != jobs.Queued {
		t.Errorf("Resume: %s, %v", p.State, err)
	}
	want(t, m.wait(j.ID), jobs.Completed, 1800, 0, 0, 0, 0)
	if calls.Load() != 1800 {
		t.Errorf("%d calls for 1800 items", calls.Load())
	}
	wantEvents := []string{jobs.EventQueued, jobs.EventStarted, jobs.EventExpanded, jobs.EventPaused, jobs.EventResumed, jobs.EventCompleted}
	if got := m.events(j.ID); !slices.Equal(got, wantEvents) {
		t.Errorf("events %v", got)
	}
	for e, err := range m.Events(t.Context(), j.ID, 0) { // B94
		if err != nil || (e.Type == jobs.EventPaused) != (e.Actor == "ann") {
			t.Errorf("%+v, %v", e, err)
		}
	}
}

// Cancel: calls in flight finish, the rest is not attempted, and there is one end event.
func TestCancel(t *testing.T) {
	t.Parallel()
	f := newFarm(2000)
	var calls atomic.Int64
	half, cancelled := make(chan struct{}), make(chan struct{})
	f.answer = func(ctx context.Context, _, _ string) error {
		n := calls.Add(1)
		if n == 300 {
			close(half)
		}
		if n >= 300 {
			<-cancelled
		}
		return ctx.Err()
	}
	m := start(t, f)
	j := m.submit(daily(30))
	<-half
	if c, err := m.Cancel(t.Context(), j.ID); err != nil || c.State != jobs.Running || c.Reason != jobs.ReasonCancelling {
		t.Fatalf("%s (%s), %v", c.State, c.Reason, err)
	}
	close(cancelled)
	j = m.wait(j.ID)
	n := calls.Load()
	if n > 305 {
		t.Errorf("%d calls", n)
	}
	want(t, j, jobs.Cancelled, n, 0, 0, 0, 1800-n)
	if got := m.events(j.ID); !slices.Equal(got, []string{jobs.EventQueued, jobs.EventStarted, jobs.EventExpanded, jobs.EventCancelled}) {
		t.Errorf("events %v", got)
	}
	if again, err := m.Cancel(t.Context(), j.ID); err != nil || again.State != jobs.Cancelled {
		t.Errorf("cancelled again: %v", err)
	}
	if _, err := m.Resume(t.Context(), j.ID); err == nil || !strings.Contains(err.Error(), "a job that is cancelled cannot be resumed") {
		t.Errorf("resumed: %v", err)
	}
	if err := m.Delete(t.Context(), j.ID); err != nil { // B98
		t.Fatal(err)
	}
	if _, err := m.Get(t.Context(), j.ID); !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("after Delete: %v", err)
	}
}
