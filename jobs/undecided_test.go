package jobs_test

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/jobs"
)

// What a pause keeps from being decided is decided when the job goes on: it is sent again where that is harmless, and
// looked up where the client can look. What can be neither stays Unknown, and is not sent again.
func TestAPauseLeavesNothingUndecided(t *testing.T) {
	t.Parallel()
	lost := windrow.Ambiguous(errors.New("the response was lost"))
	for name, test := range map[string]struct {
		op      jobs.Operation
		lookUp  bool
		applied bool // before the response was lost
		state   windrow.State
		calls   int
		err     error // of the first call; nil: its response is lost
	}{
		"an update":           {op: jobs.Operation{Type: jobs.Update, IDs: []string{"field00001"}, Update: jobs.Fields{"area": 7}}, state: windrow.Succeeded, calls: 2},
		"a refused update":    {op: jobs.Operation{Type: jobs.Update, IDs: []string{"field00001"}, Update: jobs.Fields{"area": 7}}, err: windrow.Transient(errors.New("busy")), state: windrow.Succeeded, calls: 2},
		"a create, there":     {op: jobs.Operation{Type: jobs.Create, Records: []any{Patch{Status: "new"}}}, lookUp: true, applied: true, state: windrow.Succeeded, calls: 1},
		"a create, not there": {op: jobs.Operation{Type: jobs.Create, Records: []any{Patch{Status: "new"}}}, lookUp: true, state: windrow.Succeeded, calls: 2},
		"a create, neither":   {op: jobs.Operation{Type: jobs.Create, Records: []any{Patch{Status: "new"}}}, state: windrow.Unknown, calls: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFarm(3)
			var mu sync.Mutex
			calls, looks := 0, 0
			failed := make(chan struct{})
			var client answering
			client.farm = f
			client.lost = func() error {
				mu.Lock()
				defer mu.Unlock()
				if calls++; calls == 1 {
					close(failed)
					return cmp.Or(test.err, lost)
				}
				return nil
			}
			client.applied = test.applied
			m := start(t, f, func(_ *jobs.Config, r *jobs.Resource[Patch, Field]) {
				r.Client = &client
				if test.lookUp {
					r.Reconcile = func(_ context.Context, p Patch) (Field, bool, error) {
						mu.Lock()
						defer mu.Unlock()
						if looks++; looks == 1 {
							return Field{}, false, windrow.Transient(errors.New("busy")) // so that the pause finds it undecided
						}
						return Field{ID: "found"}, f.count(p.Status) > 0, nil
					}
				}
			})
			test.op.Resource = "fields"
			spec := jobs.Spec{Operations: []jobs.Operation{test.op}}
			spec.Options.Retry = jobs.RetryOptions{Backoff: jobs.BackoffLinear, Delay: 30 * time.Second}
			j := m.submit(spec)
			<-failed
			time.Sleep(50 * time.Millisecond)
			if _, err := m.Pause(t.Context(), j.ID); err != nil && name != "a create, neither" {
				t.Fatal(err)
			}
			m.wait(j.ID)
			if _, err := m.Resume(t.Context(), j.ID); err != nil && name != "a create, neither" {
				t.Fatal(err)
			}
			j = m.wait(j.ID)
			if item := m.items(j.ID, jobs.ItemQuery{})[0]; j.State != jobs.Completed || item.State != test.state || calls != test.calls {
				t.Errorf("%s: the item is %v after %d calls: %s", j.State, item.State, calls, item.Message)
			}
			if p := j.Progress; p.Succeeded+p.Unknown != 1 || p.Total != 1 {
				t.Errorf("counts: %+v", p)
			}
		})
	}
}

// answering is a client of a farm whose responses are lost.
type answering struct {
	*farm
	lost    func() error
	applied bool
}

func (a *answering) Create(ctx context.Context, p Patch) (out Field, err error) {
	err = a.lost()
	if err == nil || a.applied {
		out, _ = a.farm.Create(ctx, p)
	}
	return out, err
}

func (a *answering) Update(ctx context.Context, id string, p Patch) (out Field, err error) {
	err = a.lost()
	if err == nil || a.applied {
		out, _ = a.farm.Update(ctx, id, p)
	}
	return out, err
}
