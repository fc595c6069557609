package jobs_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/clients"
	"github.com/windrow-go/windrow/jobs"
)

// B4, B5, B86: the type and the description are the caller's, and are shown and found again.
func TestB4_B5_B86_TypeAndDescription(t *testing.T) {
	t.Parallel()
	m := start(t, newFarm(3))
	spec := daily(30)
	spec.Type, spec.Description = "anything at all", "Für alle Felder\nund mehr"
	j := m.run(spec)
	if j.Type != spec.Type || j.Description != spec.Description {
		t.Errorf("%q, %q", j.Type, j.Description)
	}
	m.run(jobs.Spec{Type: "other", Operations: spec.Operations})
	m.run(jobs.Spec{Operations: spec.Operations})
	var found []string
	for j, err := range m.List(t.Context(), jobs.Query{Type: spec.Type}) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, j.ID)
	}
	if len(found) != 1 || found[0] != j.ID {
		t.Errorf("found %v", found)
	}
}

// B8, B10: an update of a nested object replaces the fields that it names, of the resource that it names.
func TestB8_B10_NestedPatch(t *testing.T) {
	t.Parallel()
	f := newFarm(3)
	f.fields["field00001"] = Field{ID: "field00001", Status: "active", Area: 7, Schedule: &Schedule{Frequency: "weekly", Minutes: 5}}
	m := start(t, f)
	j := m.run(daily(30))
	want(t, j, jobs.Completed, 3, 0, 0, 0, 0)
	if got := f.fields["field00001"]; got.Area != 7 || *got.Schedule != (Schedule{"daily", "06:00", 30}) {
		t.Errorf("%+v %+v", got, got.Schedule)
	}
	if j.Spec.Operations[0].Resource != "fields" {
		t.Errorf("%+v", j.Spec)
	}
}

// B18 to B25, B28, B29: what a job shows on its way: before it runs, while it runs, and when it has ended.
func TestB18_B29_AJobOnItsWay(t *testing.T) {
	t.Parallel()
	f := newFarm(100)
	gate := make(chan struct{})
	var once sync.Once
	half := make(chan struct{})
	n := 0
	f.answer = func(ctx context.Context, _, id string) error {
		f.mu.Lock()
		n++
		wait := n > 40
		f.mu.Unlock()
		if wait {
			once.Do(func() { close(half) })
			<-gate
		}
		if id == "field00002" {
			return windrow.Permanent(errors.New("locked"))
		}
		time.Sleep(time.Millisecond)
		return nil
	}
	m := start(t, f)
	before := time.Now().Truncate(time.Microsecond)
	j := m.submit(daily(30))
	if !strings.HasPrefix(j.ID, "batch") || len(j.ID) != 25 || j.State != jobs.Queued || j.CreatedAt.Before(before) || !j.StartedAt.IsZero() || !j.EndedAt.IsZero() {
		t.Errorf("B18 to B20: %+v", j)
	}
	if p := j.Progress; p.Total != 90 || p.Completed() != 0 || p.Percentage() != 0 || p.Current != nil {
		t.Errorf("B22: %+v", p)
	}
	<-half
	time.Sleep(400 * time.Millisecond) // until results are stored
	j, err := m.Get(t.Context(), j.ID)
	if err != nil {
		t.Fatal(err)
	}
	if j.State != jobs.Running || j.StartedAt.Before(j.CreatedAt) || !j.EndedAt.IsZero() || !j.EstimatedCompletion.After(time.Now()) {
		t.Errorf("B21, B24: %s from %v, until %v", j.State, j.StartedAt, j.EstimatedCompletion)
	}
	if c := j.Progress.Current; c == nil || c.Index != 40 || c.Type != jobs.Update || c.ResourceID != "field00044" || c.StartedAt.Before(j.StartedAt) {
		t.Errorf("B25: %+v", c)
	}
	if p := j.Progress; p.Completed() != 40 || p.Failed != 1 || p.Percentage() != 44 {
		t.Errorf("B22, B29: %+v, %d %%", p, p.Percentage())
	}
	if s := j.Statistics; s.SuccessRate != 97.5 || s.AverageTime <= 0 || s.AverageTime > time.Second || s.RemainingTime <= 0 || s.ItemsPerSecond <= 0 {
		t.Errorf("B26 to B28: %+v", s)
	}
	if e := j.Errors; len(e) != 1 || e[0].Index != 2 || e[0].Key != "field00002" || e[0].State != windrow.Failed {
		t.Errorf("B30: %+v", e)
	}
	close(gate)
	j = m.wait(j.ID)
	want(t, j, jobs.Completed, 89, 1, 0, 0, 0)
	if j.EndedAt.Before(j.StartedAt) || !j.EstimatedCompletion.IsZero() || j.Statistics.RemainingTime != 0 || j.Progress.Percentage() != 100 || j.Progress.Current != nil {
		t.Errorf("at its end: %+v", j)
	}
}

// B23: a job is got by its id, by any caller of its tenant and no other.
func TestB23_Get(t *testing.T) {
	t.Parallel()
	m := start(t, newFarm(3))
	ctx := jobs.WithCaller(t.Context(), jobs.Caller{Tenant: "a", Actor: "ann"})
	j, err := m.Submit(ctx, daily(30))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []jobs.Caller{{Tenant: "a"}, {Tenant: "a", Actor: "ben"}} {
		if got, err := m.Get(jobs.WithCaller(t.Context(), c), j.ID); err != nil || got.ID != j.ID || got.Actor != "ann" || got.Tenant != "a" {
			t.Errorf("%+v, %v", got, err)
		}
	}
	for _, c := range []jobs.Caller{{}, {Tenant: "b"}, {Tenant: "A"}} {
		for name, call := range calls(m.Manager, j.ID) {
			if err := call(jobs.WithCaller(t.Context(), c)); name != "Submit" && name != "List" && name != "Stats" && !errors.Is(err, jobs.ErrNotFound) {
				t.Errorf("%s of %+v: %v", name, c, err)
			}
		}
	}
	if _, err := m.Wait(ctx, j.ID); err != nil {
		t.Error(err)
	}
}

// B26, B27, B29: completed includes what failed; rates have one decimal, percentages none.
func TestB26_B29_Numbers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		p    jobs.Progress
		s    jobs.Statistics
		want string
	}{
		{jobs.Progress{Total: 1000, Succeeded: 395, Failed: 5}, jobs.Statistics{SuccessRate: 98.75}, `"completed":400,"failed":5,"percentage":40 98.8`},
		{jobs.Progress{Total: 3, Succeeded: 1, Unknown: 1}, jobs.Statistics{SuccessRate: 100.0 / 3}, `"completed":2,"failed":1,"percentage":66 33.3`},
		{jobs.Progress{Total: 1000, Skipped: 999}, jobs.Statistics{SuccessRate: 100}, `"completed":999,"failed":0,"percentage":99 100`},
		{jobs.Progress{}, jobs.Statistics{}, `"completed":0,"failed":0,"percentage":100 0`},
		{jobs.Progress{Expanding: true}, jobs.Statistics{}, `"completed":0,"failed":0,"percentage":0 0`},
	} {
		text, err := json.Marshal(jobs.Job{Progress: test.p, Statistics: test.s, StartedAt: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		numbers, rate, _ := strings.Cut(test.want, " ")
		if got := string(text); !strings.Contains(got, numbers) || !strings.Contains(got, `"success_rate":`+rate+"}") {
			t.Errorf("%s, want %s", got, test.want)
		}
	}
}

// B27, B28: durations are in the short form of the API's document.
func TestB27_B28_Durations(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		20 * time.Minute: "20m", 1204 * time.Millisecond: "1.2s", time.Hour: "1h", 65 * time.Minute: "1h5m", 90 * time.Second: "1m30s",
		3 * time.Second: "3s", 1499 * time.Microsecond: "1.499ms", 25 * time.Hour: "25h", time.Hour + 3*time.Second: "1h0m3s",
		59*time.Second + 960*time.Millisecond: "1m", 20*time.Minute + 300*time.Millisecond: "20m",
	} {
		text, err := json.Marshal(jobs.Job{StartedAt: time.Now(), Statistics: jobs.Statistics{AverageTime: d, RemainingTime: d}})
		if err != nil || !strings.Contains(string(text), `"average_operation_time":"`+want+`","estimated_remaining_time":"`+want+`"`) {
			t.Errorf("%v is %s (%v), want %s", d, text, err, want)
		}
	}
}

// B30 to B34: an error has its index in the job, the record, code, message, attempts and status; there are at most 100.
func TestB30_B34_Errors(t *testing.T) {
	t.Parallel()
	f := newFarm(300)
	f.answer = func(_ context.Context, _, id string) error {
		return windrow.Classified(fmt.Errorf("Invalid irrigation duration\x00 of\n%s", id), windrow.Classification{Kind: windrow.KindValidation})
	}
	m := start(t, f)
	spec := daily(30)
	spec.Operations = append([]jobs.Operation{{Type: jobs.Update, Resource: "fields", IDs: []string{"field00299"}, Update: jobs.Fields{"area": 1}}}, spec.Operations...)
	j := m.run(spec)
	want(t, j, jobs.Completed, 0, 271, 0, 0, 0)
	if len(j.Errors) != 100 {
		t.Fatalf("%d errors", len(j.Errors))
	}
	for k, e := range j.Errors {
		text, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		w := fmt.Sprintf(`{"operation_index":%d,"resource_id":%q,"error":{"code":"VALIDATION_ERROR","message":"Invalid irrigation duration  of %s"},"attempts":1,"status":"failed",`,
			k+1, e.Key, e.Key)
		if !strings.HasPrefix(string(text), w) || k > 0 && e.Operation != 1 {
			t.Fatalf("%s, want %s", text, w)
		}
	}
	groups, err := m.Errors(t.Context(), j.ID)
	if err != nil || len(groups) != 1 || groups[0].Items != 271 || groups[0].First != 0 || groups[0].Pile != jobs.AfterCorrected {
		t.Errorf("%+v, %v", groups, err)
	}
}

// batching is a farm that creates many records with one request, and notes their idempotency keys.
type batching struct {
	*farm
	sizes []int
	keys  []string
}

func (b *batching) Capabilities() windrow.Capabilities {
	return windrow.Capabilities{MaxItems: 20, IdempotencyKeys: true}
}

func (b *batching) CreateBatch(ctx context.Context, in []Patch) ([]windrow.Outcome[Field], error) {
	a, _ := clients.AttemptFrom(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sizes = append(b.sizes, len(in))
	b.keys = append(b.keys, a.IdempotencyKey())
	out := make([]windrow.Outcome[Field], len(in))
	for k := range in {
		b.next++
		out[k].Value = Field{ID: fmt.Sprintf("new%d", b.next), Area: in[k].Area}
	}
	return out, nil
}

// B83, B85: a large job is sent in batches of the size that the client takes. B84: each has an idempotency key of its own,
// which another job never has.
func TestB83_B84_B85_BatchesAndKeys(t *testing.T) {
	t.Parallel()
	b := &batching{farm: newFarm(0)}
	m := start(t, b.farm, func(_ *jobs.Config, r *jobs.Resource[Patch, Field]) { r.Client = b })
	records := make([]any, 2500)
	for k := range records {
		records[k] = Patch{Area: k}
	}
	spec := jobs.Spec{Operations: []jobs.Operation{{Type: jobs.Create, Resource: "fields", Records: records}}}
	want(t, m.run(spec), jobs.Completed, 2500, 0, 0, 0, 0)
	first := slices.Clone(b.keys)
	if largest := slices.Max(b.sizes); largest != 20 || len(b.sizes) < 125 || len(b.sizes) > 150 {
		t.Errorf("%d batches of up to %d", len(b.sizes), largest)
	}
	want(t, m.run(spec), jobs.Completed, 2500, 0, 0, 0, 0)
	slices.Sort(b.keys)
	if all := len(b.keys); len(slices.Compact(b.keys)) != all || slices.Contains(first, "") {
		t.Errorf("of %d keys some are the same, or empty", all)
	}
}

// B83: a job is carried out in parts, so that what it has done is stored on the way and its memory is bounded.
func TestB83_ALargeJob(t *testing.T) {
	t.Parallel()
	f := newFarm(20_000)
	m := start(t, f)
	spec := daily(30)
	spec.Options.MaxConcurrent = 64
	want(t, m.run(spec), jobs.Completed, 18_000, 0, 0, 0, 0)
	for id, n := range f.updates {
		if n != 1 {
			t.Errorf("%s was updated %d times", id, n)
		}
	}
}

// B94: every change is an event with its actor, time and counts: the audit log of a job.
func TestB94_AuditLog(t *testing.T) {
	t.Parallel()
	m := prepare(t, t.TempDir()+"/jobs.db", newFarm(10))
	as := func(actor string) context.Context { return jobs.WithCaller(t.Context(), jobs.Caller{Actor: actor}) }
	j, err := m.Submit(as("ann"), daily(30))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Pause(as("ben"), j.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Resume(as("cleo"), j.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Cancel(as("dan"), j.ID); err != nil {
		t.Fatal(err)
	}
	var got []string
	var number int64
	for e, err := range m.Events(t.Context(), j.ID, 0) {
		if err != nil || e.Number <= number || e.Time.IsZero() || e.Run != 1 {
			t.Errorf("%+v, %v", e, err)
		}
		number = e.Number
		got = append(got, e.Type+" by "+e.Actor)
	}
	if want := []string{"job_queued by ann", "job_paused by ben", "job_resumed by cleo", "job_cancelled by dan"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
