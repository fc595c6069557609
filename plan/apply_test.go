package plan_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/plan"
)

// patches is a client that takes the changed fields alone.
type patches struct{ *server }

func (c patches) Update(_ context.Context, id string, p plan.Patch) (article, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	text, err := json.Marshal(p)
	if err != nil {
		return article{}, err
	}
	if err := c.call(true, "patch %s %s", id, text); err != nil {
		return article{}, err
	}
	a := c.records[id]
	if err := json.Unmarshal(text, &a); err != nil {
		return article{}, err
	}
	c.records[id] = a
	return a, nil
}

func TestApplyPatchesSendsOnlyChangedFields(t *testing.T) {
	t.Parallel()
	s := newServer(t, 3)
	s.records["a1"] = article{ID: "a1", Title: "Title 1", Body: "long", Version: 12}
	p := s.updates(t, func(a article) (article, error) {
		if a.ID == "a1" {
			a.Title, a.Version = "new", 13
		}
		return a, nil
	})
	res, err := plan.ApplyPatches(t.Context(), p, patches{s})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{`patch a1 {"title":"new","version":13}`}, s.calls("patch")); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]article{{ID: "a1", Title: "new", Body: "long", Version: 13}}, res.Values()); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}

	bare, err := plan.Updates(t.Context(), windrow.FromSlice([]int{4}), func(n int) string { return "four" }, func(n int) (int, error) { return n + 1, nil })
	if err != nil {
		t.Fatal(err)
	}
	never := windrow.UpdateFunc(func(context.Context, string, plan.Patch) (int, error) { panic("called") })
	if res, err := plan.ApplyPatches(t.Context(), bare, never); err == nil || !strings.Contains(err.Error(), "use ApplyUpdates") || res.Stats().NotAttempted != 1 {
		t.Errorf("error %v for records without fields", err)
	}
}

// A75: the backup comes before the first write, and is of what is overwritten.
func TestA75_BackupBeforeUpdates(t *testing.T) {
	t.Parallel()
	s := newServer(t, 10)
	var steps []string
	p := s.updates(t, evenTitles)
	p.Confirm = func(_ context.Context, seen *plan.UpdatePlan[string, article]) (bool, error) {
		steps = append(steps, fmt.Sprintf("confirm %d", seen.Len()))
		return seen == p, nil
	}
	p.Backup = func(_ context.Context, originals []article) error {
		steps = append(steps, fmt.Sprintf("backup %s %s after %d updates", originals[0].Title, originals[1].Title, len(s.calls("update"))))
		return nil
	}
	p.OnStage = func(step plan.StageReport) { steps = append(steps, step.String()) }
	if _, err := plan.ApplyUpdates(t.Context(), p, s); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"found 2 records to update", "confirm 2", "backing up 2 records", "backup Title 0 Title 2 after 0 updates", "updating 2 records",
	}
	if diff := cmp.Diff(want, steps); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}

	// What was written is brought back from the file.
	s = newServer(t, 10)
	before := s.snapshot()
	path := filepath.Join(t.TempDir(), "backup.json")
	p = s.updates(t, evenTitles)
	p.Backup = plan.BackupFile[article](path)
	if _, err := plan.ApplyUpdates(t.Context(), p, s); err != nil {
		t.Fatal(err)
	}
	if cmp.Equal(before, s.snapshot()) {
		t.Fatal("nothing was updated")
	}
	if _, err := plan.RestoreUpsert(t.Context(), path, s); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, s.snapshot()); diff != "" {
		t.Errorf("restored records (-want +got):\n%s", diff)
	}
}

func TestApplyWritesNothingWhenAStepSaysNo(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	for _, tt := range []struct {
		name      string
		set       func(*plan.UpdatePlan[string, article])
		cancelled bool
		is        error
	}{
		{"confirm says no", func(p *plan.UpdatePlan[string, article]) {
			p.Confirm = func(context.Context, *plan.UpdatePlan[string, article]) (bool, error) { return false, nil }
			p.Backup = func(context.Context, []article) error { panic("a backup of what is not changed") }
		}, true, plan.ErrCancelled},
		{"confirm fails", func(p *plan.UpdatePlan[string, article]) {
			p.Confirm = func(context.Context, *plan.UpdatePlan[string, article]) (bool, error) { return true, boom }
		}, false, boom},
		{"backup fails", func(p *plan.UpdatePlan[string, article]) {
			p.Backup = func(context.Context, []article) error { return boom }
		}, false, boom},
		{"reading fails", func(p *plan.UpdatePlan[string, article]) {
			p.Current = windrow.GetFunc(func(context.Context, string) (article, error) { return article{}, status(403) })
			p.LeaveChanged = true
		}, false, status(403)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, 5)
			s.readOnly = true
			p := s.updates(t, withPrefix)
			tt.set(p)
			res, err := plan.ApplyUpdates(t.Context(), p, s)
			if tt.cancelled != (err == nil) || res.Cancelled != tt.cancelled || !errors.Is(res.Err(), tt.is) {
				t.Errorf("error %v, of the result %v, cancelled %t", err, res.Err(), res.Cancelled)
			}
			if got := res.Stats(); got.Total != 5 || got.NotAttempted != 5 || got.Requests != 0 {
				t.Errorf("stats %+v", got)
			}
		})
	}
}

func TestApplyOfAnEmptyPlanDoesNothing(t *testing.T) {
	t.Parallel()
	s := newServer(t, 3)
	s.readOnly = true
	p := s.updates(t, func(a article) (article, error) { return a, nil })
	p.Confirm = func(context.Context, *plan.UpdatePlan[string, article]) (bool, error) { panic("nothing to confirm") }
	p.Backup = func(context.Context, []article) error { panic("nothing to back up") }
	if res, err := plan.ApplyUpdates(t.Context(), p, s); err != nil || res.Len() != 0 || res.Cancelled {
		t.Errorf("%d results, error %v", res.Len(), err)
	}
	s = newServer(t, 3)
	s.readOnly = true
	p = s.updates(t, withPrefix)
	if res, err := plan.ApplyUpdates(noContext, p, s); !errors.Is(err, windrow.ErrNilContext) || res.Len() != 3 {
		t.Errorf("%d results, error %v without a context", res.Len(), err)
	}
}

// meanwhile is what somebody else did between the plan and its application.
func meanwhile(s *server) {
	a := s.records["a1"]
	a.Body = "changed by somebody else"
	s.records["a1"] = a
	delete(s.records, "a3")
}

func TestApplyRefusesAPlanWhoseRecordsChanged(t *testing.T) {
	t.Parallel()
	s := newServer(t, 5)
	p := s.updates(t, withPrefix)
	p.Current = s
	p.Backup = func(context.Context, []article) error { panic("a backup of what is not changed") }
	meanwhile(s)
	s.readOnly = true
	res, err := plan.ApplyUpdates(t.Context(), p, s)
	refused, ok := errors.AsType[*plan.ChangedError](err)
	if !ok || !errors.Is(err, plan.ErrChanged) || res.Stats().NotAttempted != 5 {
		t.Fatalf("stats %+v, error %v", res.Stats(), err)
	}
	if diff := cmp.Diff(&plan.ChangedError{IDs: []string{"a1", "a3"}, Planned: 5}, refused); diff != "" {
		t.Errorf("refused (-want +got):\n%s", diff)
	}
	if want := `plan: 2 of 5 records changed since the plan was made, the first is "a1": make the plan again, or set LeaveChanged`; refused.Error() != want {
		t.Errorf("error %q", refused)
	}

	// The rest can be had.
	s.readOnly = false
	p.LeaveChanged = true
	var backup []string
	p.Backup = func(_ context.Context, originals []article) error {
		for _, a := range originals {
			backup = append(backup, a.ID)
		}
		return nil
	}
	res, err = plan.ApplyUpdates(t.Context(), p, s)
	if got := res.Stats(); got.Succeeded != 3 || got.Failed != 2 || !errors.Is(err, plan.ErrChanged) {
		t.Errorf("stats %+v, error %v", got, err)
	}
	if !errors.Is(res.At(3).Err, windrow.ErrNotFound) || errors.Is(res.At(1).Err, windrow.ErrNotFound) {
		t.Errorf("errors %v and %v", res.At(1).Err, res.At(3).Err)
	}
	if diff := cmp.Diff([]string{"update a0", "update a2", "update a4"}, sorted(s.calls("update"))); diff != "" {
		t.Errorf("updates (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"a0", "a2", "a4"}, backup); diff != "" {
		t.Errorf("backed up (-want +got):\n%s", diff)
	}
}

// One plan, applied twice: the second time there is nothing left to do, also by batches.
func TestApplyAgainChangesNothing(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"single", "batch"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, 7)
			p := s.updates(t, withPrefix)
			p.Current = s
			var client windrow.Updater[string, article, article] = s
			if name == "batch" {
				client = batchClient{s}
			}
			s.fail = func(call string) error {
				if strings.HasPrefix(call, "update a2") || strings.HasPrefix(call, "update a5") {
					return status(422)
				}
				return nil
			}
			if res, _ := plan.ApplyUpdates(t.Context(), p, client); res.Stats().Succeeded != 5 || res.Stats().Failed != 2 {
				t.Fatalf("stats %+v", res.Stats())
			}
			s.fail, s.log = nil, nil
			res, err := plan.ApplyUpdates(t.Context(), p, client)
			if err != nil {
				t.Fatal(err)
			}
			if got := res.Stats(); got.Succeeded != 2 || got.Skipped != 5 {
				t.Errorf("stats %+v", got)
			}
			for r := range res.All() {
				skipped := r.Input.ID != "a2" && r.Input.ID != "a5"
				if skipped != (r.Reason == windrow.ReasonUnchanged) || !skipped && r.Value.ID != r.Input.ID {
					t.Errorf("%s: %v, reason %v, value of %q", r.Input.ID, r.State, r.Reason, r.Value.ID)
				}
			}
			if diff := cmp.Diff([]string{"update a2", "update a5"}, sorted(s.calls("update"))); diff != "" {
				t.Errorf("updates (-want +got):\n%s", diff)
			}
			s.readOnly = true
			p.Backup = func(context.Context, []article) error { panic("nothing to back up") }
			if res, err := plan.ApplyUpdates(t.Context(), p, client); err != nil || res.Stats().Skipped != 7 {
				t.Errorf("third time: stats %+v, error %v", res.Stats(), err)
			}
		})
	}
}

// batchClient has a native batch request, too.
type batchClient struct{ *server }

func (c batchClient) UpdateBatch(ctx context.Context, in []windrow.Update[string, article]) ([]windrow.Outcome[article], error) {
	all := make([]windrow.Outcome[article], len(in))
	for k, u := range in {
		all[k].Value, all[k].Err = c.Update(ctx, u.ID, u.Data)
	}
	return all, nil
}

// brief is a server whose batch answers end early: what they leave out was not attempted.
type brief struct {
	batchClient
	answers int // how many outcomes an answer has at most
}

func (c brief) Capabilities() windrow.Capabilities { return windrow.Capabilities{OmitsTail: true} }

func (c brief) UpdateBatch(ctx context.Context, in []windrow.Update[string, article]) ([]windrow.Outcome[article], error) {
	return c.batchClient.UpdateBatch(ctx, in[:min(c.answers, len(in))])
}

// A short answer is about the records that were sent: between them are those that needed nothing. Each ends once, and as
// what it is, and none is sent a second time.
func TestAShortAnswerKeepsItsPlaces(t *testing.T) {
	t.Parallel()
	for answers := 1; answers <= 5; answers++ {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(t, 7)
			p := s.updates(t, withPrefix)
			p.Current, p.LeaveChanged = s, true
			for _, i := range []int{0, 3} { // they are as they are to be
				s.records[p.Changes[i].ID] = p.Changes[i].Updated
			}
			s.records["a5"] = article{ID: "a5", Title: "of somebody else"}
			res, err := plan.ApplyUpdates(t.Context(), p, brief{batchClient{s}, answers})
			if !errors.Is(err, plan.ErrChanged) {
				t.Error(err)
			}
			var got []windrow.State
			for r := range res.All() {
				got = append(got, r.State)
				if r.State == windrow.Succeeded && r.Value.ID != r.Input.ID {
					t.Errorf("the value of %s is that of %s", r.Input.ID, r.Value.ID)
				}
			}
			want := []windrow.State{
				windrow.Skipped, windrow.Succeeded, windrow.Succeeded, windrow.Skipped, windrow.Succeeded, windrow.Failed, windrow.Succeeded,
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%d answers: states (-want +got):\n%s", answers, diff)
			}
			if diff := cmp.Diff([]string{"update a1", "update a2", "update a4", "update a6"}, s.calls("update")); diff != "" {
				t.Errorf("%d answers: updates (-want +got):\n%s", answers, diff)
			}
		})
	}
}

// A server that checks versions refuses by itself; a lost answer of one's own is not taken for somebody else's change.
func TestVersionFromGoesWithTheUpdate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, 4)
		for id, a := range s.records {
			a.Version = 7
			s.records[id] = a
		}
		p := s.updates(t, withPrefix)
		p.Version = func(a article) string { return fmt.Sprint(a.Version) }
		p.Current = s
		var lost sync.Map // the answers that get lost, once each
		lost.Store("a2", true)
		client := windrow.UpdateFunc(func(ctx context.Context, id string, a article) (article, error) {
			version, ok := plan.VersionFrom(ctx, id)
			if _, other := plan.VersionFrom(ctx, 17); !ok || other {
				t.Errorf("version %q of %s", version, id)
			}
			s.mu.Lock()
			current := s.records[id]
			if id == "a1" && current.Version == 7 { // somebody else comes first
				current.Body, current.Version = "theirs", 8
				s.records[id] = current
			}
			s.mu.Unlock()
			if fmt.Sprint(current.Version) != version {
				return article{}, status(http.StatusPreconditionFailed)
			}
			a.Version++
			out, err := s.Update(ctx, id, a)
			if lost.CompareAndDelete(id, true) {
				return article{}, windrow.Ambiguous(errors.New("reset"))
			}
			return out, err
		})
		res, err := plan.ApplyUpdates(t.Context(), p, client)
		if got := res.Stats(); got.Succeeded != 3 || got.Failed != 1 || !errors.Is(err, plan.ErrChanged) {
			t.Errorf("stats %+v, error %v", got, err)
		}
		if r := res.At(1); r.State != windrow.Failed || !errors.Is(r.Err, plan.ErrChanged) || r.Attempts != 1 {
			t.Errorf("changed by somebody else: %v after %d attempts, %v", r.State, r.Attempts, r.Err)
		}
		if r := res.At(2); r.State != windrow.Succeeded || r.Attempts != 2 {
			t.Errorf("changed by itself: %v after %d attempts, %v", r.State, r.Attempts, r.Err)
		}

		// Without a way to look nobody can say whose change it was.
		s = newServer(t, 1)
		p = s.updates(t, withPrefix)
		p.Version = func(article) string { return "7" }
		calls := 0
		client = windrow.UpdateFunc(func(context.Context, string, article) (article, error) {
			calls++
			if calls == 1 {
				return article{}, windrow.Ambiguous(errors.New("reset"))
			}
			return article{}, status(http.StatusPreconditionFailed)
		})
		res, _ = plan.ApplyUpdates(t.Context(), p, client)
		if r := res.At(0); r.State != windrow.Unknown {
			t.Errorf("state %v, %v", r.State, r.Err)
		}
	})
	if _, ok := plan.VersionFrom(t.Context(), "a"); ok {
		t.Error("a version outside of ApplyUpdates")
	}
}

// A version says that a record changed when its fields do not, and that it did not when they do.
func TestVersionDecidesWhatChanged(t *testing.T) {
	t.Parallel()
	s := newServer(t, 2)
	p := s.updates(t, withPrefix)
	p.Current, p.Version = s, func(a article) string { return fmt.Sprint(a.Version) }
	s.records["a0"] = article{ID: "a0", Title: "Title 0", Version: 1}
	s.records["a1"] = article{ID: "a1", Title: "Title 1", Body: "a field that has no part in versions"}
	_, err := plan.ApplyUpdates(t.Context(), p, s)
	refused, _ := errors.AsType[*plan.ChangedError](err)
	if refused == nil || !cmp.Equal(refused.IDs, []string{"a0"}) {
		t.Errorf("error %v", err)
	}
}

// The options of a run are those of the updates: here the guide's 10 at a time with a second between.
func TestApplyTakesTheOptionsOfARun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, 25)
		p := s.updates(t, withPrefix)
		var last windrow.Progress
		start := time.Now()
		_, err := plan.ApplyUpdates(t.Context(), p, s, windrow.BatchDelay(time.Second), windrow.OnProgress(func(p windrow.Progress) { last = p }))
		if err != nil || time.Since(start) != 2*time.Second || last.Done != 25 {
			t.Errorf("took %v, progress %+v, error %v", time.Since(start), last, err)
		}
	})
}
