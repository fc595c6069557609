package plan_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/plan"
)

// deletion is a plan to delete three records of five, and one that does not exist.
func deletion(t *testing.T, s *server) *plan.DeletePlan[string, article] {
	t.Helper()
	p, err := plan.Deletes(t.Context(), s, []string{"a3", "none", "a1", "a3", "a0"})
	if err != nil {
		t.Fatalf("Deletes: %v", err)
	}
	return p
}

// A43, A41, A45: fetch, notice, confirm, backup, delete.
func TestA37_A41_A43_A45_TheOrderOfASafeDelete(t *testing.T) {
	t.Parallel()
	s := newServer(t, 5)
	p := deletion(t, s)
	note := func(format string, args ...any) {
		s.mu.Lock()
		s.log = append(s.log, fmt.Sprintf(format, args...))
		s.mu.Unlock()
	}
	p.OnStage = func(step plan.StageReport) { note("%s", step) }
	p.Confirm = func(_ context.Context, seen *plan.DeletePlan[string, article]) (bool, error) {
		note("confirm %d", seen.Len())
		return seen == p, nil
	}
	p.Backup = func(_ context.Context, records []article) error {
		for _, a := range records {
			note("back up %s", a.Title)
		}
		return nil
	}
	res, err := plan.ApplyDeletes(t.Context(), p, s, windrow.PreserveOrder())
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(s.log[:4]) // the reads are not in order
	want := []string{
		"get a0", "get a1", "get a3", "get none",
		"found 3 records to delete, 1 missing", "confirm 3",
		"backing up 3 records", "back up Title 3", "back up Title 1", "back up Title 0",
		"deleting 3 records", "delete a3", "delete a1", "delete a0",
	}
	if diff := cmp.Diff(want, s.log); diff != "" {
		t.Errorf("what was done (-want +got):\n%s", diff)
	}
	if res.Stats().Succeeded != 3 || res.Cancelled {
		t.Errorf("stats %+v", res.Stats())
	}
}

func TestA38_A48_BatchesOfTen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, 25)
		p, err := plan.Deletes(t.Context(), s, s.order[:25:25])
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		var last windrow.Progress
		_, err = plan.ApplyDeletes(t.Context(), p, s, windrow.BatchDelay(time.Second), windrow.OnProgress(func(p windrow.Progress) { last = p }))
		if err != nil || time.Since(start) != 2*time.Second || last.Done != 25 || last.Total != 25 {
			t.Errorf("took %v, progress %+v, error %v", time.Since(start), last, err)
		}
	})
}

// A39: only "not found" means missing. Any other error ends the run before anything is deleted.
func TestA39_OnlyNotFoundMeansMissing(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err     error
		missing bool
	}{
		{status(404), true},
		{status(410), true},
		{fmt.Errorf("get: %w", windrow.ErrNotFound), true},
		{windrow.Permanent(windrow.ErrNotFound), true},
		{status(400), false},
		{status(401), false},
		{status(403), false},
		{status(429), false},
		{status(500), false},
		{windrow.Fatal(windrow.ErrNotFound), false},
		{context.DeadlineExceeded, false},
		{errors.New("no such host"), false},
	} {
		t.Run(tt.err.Error(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				for _, batch := range []bool{false, true} {
					s := newServer(t, 3)
					s.readOnly = true
					s.fail = func(call string) error {
						if call == "get a1" {
							return tt.err
						}
						return nil
					}
					var client windrow.Getter[string, article] = s
					if batch {
						client = batchGetter{s}
					}
					p, err := plan.Deletes(t.Context(), client, []string{"a0", "a1", "a2"})
					if tt.missing {
						if err != nil || !cmp.Equal(p.Missing, []string{"a1"}) || p.Len() != 2 {
							t.Errorf("batch %t: plan %+v, error %v", batch, p, err)
						}
						continue
					}
					if p != nil || !errors.Is(err, tt.err) && statusOf(err) != statusOf(tt.err) {
						t.Errorf("batch %t: plan %+v, error %v", batch, p, err)
					}
				}
			})
		})
	}
}

// The first such error ends the reading: the other ids are not asked for.
func TestA39_TheFirstErrorEndsTheReading(t *testing.T) {
	t.Parallel()
	s := newServer(t, 500)
	s.fail = func(call string) error {
		if call == "get a1" {
			return status(400)
		}
		return nil
	}
	if p, err := plan.Deletes(t.Context(), s, s.snapshotIDs(), windrow.Concurrency(1)); p != nil || !errors.Is(err, status(400)) || len(s.calls("get")) > 3 {
		t.Errorf("%d reads, error %v", len(s.calls("get")), err)
	}
}

func statusOf(err error) int {
	if e, ok := errors.AsType[status](err); ok {
		return int(e)
	}
	return 0
}

// batchGetter has a native batch request for reading.
type batchGetter struct{ *server }

func (c batchGetter) GetBatch(ctx context.Context, ids []string) ([]windrow.Outcome[article], error) {
	all := make([]windrow.Outcome[article], len(ids))
	for k, id := range ids {
		all[k].Value, all[k].Err = c.Get(ctx, id)
	}
	return all, nil
}

// A40: a thousand ids are not a thousand requests at once.
func TestA40_ThePrefetchIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, 1000)
		var mu sync.Mutex
		now, most := 0, 0
		client := windrow.GetFunc(func(ctx context.Context, id string) (article, error) {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			now--
			mu.Unlock()
			return s.Get(ctx, id)
		})
		limiter := windrow.NewLimiter(windrow.Concurrency(8))
		p, err := plan.Deletes(t.Context(), client, s.order, windrow.WithLimiter(limiter))
		if err != nil || p.Len() != 1000 || most != 8 {
			t.Errorf("%d at once, error %v", most, err)
		}
		if diff := cmp.Diff(s.order, ids(p)); diff != "" {
			t.Errorf("ids (-want +got):\n%s", diff)
		}
	})
}

func ids(p *plan.DeletePlan[string, article]) []string {
	var all []string
	for _, item := range p.Items {
		all = append(all, item.ID)
	}
	return all
}

func TestA42_ConfirmSaysNo(t *testing.T) {
	t.Parallel()
	s := newServer(t, 5)
	s.readOnly = true
	p := deletion(t, s)
	p.Confirm = func(context.Context, *plan.DeletePlan[string, article]) (bool, error) { return false, nil }
	p.Backup = func(context.Context, []article) error { panic("a backup of what is not deleted") }
	res, err := plan.ApplyDeletes(t.Context(), p, s)
	if err != nil || !res.Cancelled || res.Stats().NotAttempted != 3 || !errors.Is(res.Err(), plan.ErrCancelled) || errors.Is(res.Err(), context.Canceled) {
		t.Errorf("cancelled %t, stats %+v, error %v", res.Cancelled, res.Stats(), err)
	}
	boom := errors.New("boom")
	p.Confirm = func(context.Context, *plan.DeletePlan[string, article]) (bool, error) { return true, boom }
	if res, err := plan.ApplyDeletes(t.Context(), p, s); !errors.Is(err, boom) || res.Cancelled {
		t.Errorf("cancelled %t, error %v", res.Cancelled, err)
	}
}

func TestA44_AFailingBackupDeletesNothing(t *testing.T) {
	t.Parallel()
	s := newServer(t, 5)
	s.readOnly = true
	p := deletion(t, s)
	boom := errors.New("disk full")
	p.Backup = func(context.Context, []article) error { return boom }
	res, err := plan.ApplyDeletes(t.Context(), p, s)
	bulk, ok := errors.AsType[*windrow.BulkError](err)
	if !ok || !errors.Is(bulk.Cause, boom) || res.Cancelled || res.Stats().NotAttempted != 3 {
		t.Errorf("stats %+v, error %v", res.Stats(), err)
	}
}

// A46: ids that do not exist are neither deleted nor failures.
func TestA46_MissingIDsAreTheirOwn(t *testing.T) {
	t.Parallel()
	s := newServer(t, 5)
	p := deletion(t, s)
	if diff := cmp.Diff([]string{"a3", "a1", "a0"}, ids(p)); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"none"}, p.Missing); diff != "" {
		t.Errorf("missing (-want +got):\n%s", diff)
	}
	delete(s.records, "a1") // somebody else was faster
	res, err := plan.ApplyDeletes(t.Context(), p, s)
	if err != nil || res.Stats().Succeeded != 2 || res.At(1).Reason != windrow.ReasonNotFound {
		t.Errorf("stats %+v, error %v", res.Stats(), err)
	}
	if slices.Contains(s.calls("delete"), "delete none") {
		t.Error("a missing id was sent")
	}
	var b strings.Builder
	if err := p.Print(&b); err != nil || b.String() != "3 records to delete, 1 missing\n  a3\n  a1\n  a0\n  none (missing)\n" {
		t.Errorf("printed with %v:\n%s", err, &b)
	}

	none, err := plan.Deletes(t.Context(), s, []string{"none"})
	if err != nil {
		t.Fatal(err)
	}
	none.Confirm = func(context.Context, *plan.DeletePlan[string, article]) (bool, error) { panic("nothing to confirm") }
	none.Backup = func(context.Context, []article) error { panic("nothing to back up") }
	var steps []string
	none.OnStage = func(step plan.StageReport) { steps = append(steps, step.String()) }
	if res, err := plan.ApplyDeletes(t.Context(), none, s); err != nil || res.Len() != 0 || !cmp.Equal(steps, []string{"found 0 records to delete, 1 missing"}) {
		t.Errorf("steps %q, error %v", steps, err)
	}
}

func TestA47_A49_AnOutcomeForEachID(t *testing.T) {
	t.Parallel()
	s := newServer(t, 5)
	p := deletion(t, s)
	s.fail = func(call string) error {
		if call == "delete a1" {
			return status(409)
		}
		return nil
	}
	res, err := plan.ApplyDeletes(t.Context(), p, s)
	var deleted []string
	for r := range res.Succeeded() {
		deleted = append(deleted, r.Input)
	}
	if diff := cmp.Diff([]string{"a3", "a0"}, deleted); diff != "" {
		t.Errorf("deleted (-want +got):\n%s", diff)
	}
	failed := slices.Collect(res.All(windrow.Failed))
	if len(failed) != 1 || failed[0].Input != "a1" || failed[0].Index != 1 || !errors.Is(failed[0].Err, status(409)) || !errors.Is(err, status(409)) {
		t.Errorf("failed %+v, error %v", failed, err)
	}
	if _, gone := s.snapshot()["a0"]; gone {
		t.Error("a0 is still there")
	}
}

func TestDeletesRefuses(t *testing.T) {
	t.Parallel()
	s := newServer(t, 2)
	if p, err := plan.Deletes(t.Context(), s, []string{"a0"}, windrow.DryRun()); p != nil || err == nil || !strings.Contains(err.Error(), "leave DryRun out") {
		t.Errorf("plan %v, error %v of a dry run", p, err)
	}
	if _, err := plan.Deletes[string, article](t.Context(), nil, []string{"a0"}); !errors.Is(err, windrow.ErrNilClient) {
		t.Errorf("error %v without a client", err)
	}
	p := deletion(t, newServer(t, 5))
	if res, err := plan.ApplyDeletes(noContext, p, s); !errors.Is(err, windrow.ErrNilContext) || res.Len() != 3 {
		t.Errorf("%d results, error %v without a context", res.Len(), err)
	}
}

func TestDeletePlanAsJSON(t *testing.T) {
	t.Parallel()
	p := deletion(t, newServer(t, 5))
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var back plan.DeletePlan[string, article]
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p, &back); diff != "" {
		t.Errorf("a plan, and what its JSON form holds (-want +got):\n%s", diff)
	}
	for _, text := range []string{`{"format":2,"items":[]}`, `{"format":1,"changes":[]}`, `{"format":1,"items":[{"id":3}]}`} {
		if err := json.Unmarshal([]byte(text), &back); err == nil || back.Len() != 3 {
			t.Errorf("%s: %d items, error %v", text, back.Len(), err)
		}
	}
}
