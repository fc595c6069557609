package jobs_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/jobs"
)

// An input that cannot be read is a failure as any other: with abort nothing more is sent.
func TestAbortAtAnInputThatIsNotValid(t *testing.T) {
	t.Parallel()
	f := newFarm(0)
	m := start(t, f)
	spec := jobs.Spec{Operations: []jobs.Operation{
		{Type: jobs.Create, Resource: "fields", Records: []any{jobs.Fields{"colour": "red"}, Patch{Status: "new"}}},
		{Type: jobs.Create, Resource: "fields", Records: []any{Patch{Status: "new"}}},
	}}
	spec.Options.Validation.OnError = jobs.OnErrorAbort
	j := m.run(spec)
	want(t, j, jobs.Failed, 0, 1, 0, 0, 2)
	if f.creates > 0 || !strings.Contains(j.Reason, "on_error") {
		t.Errorf("%d creates: %s", f.creates, j.Reason)
	}
}

// A failure that was stored before a kill ends the job as it would have: nothing more is sent.
func TestAbortAfterAKill(t *testing.T) {
	t.Parallel()
	f := newFarm(100)
	block := make(chan struct{})
	f.answer = func(_ context.Context, _, id string) error {
		if id == "field00000" {
			return windrow.Permanent(errors.New("locked"))
		}
		<-block
		return nil
	}
	m := start(t, f)
	spec := daily(30)
	spec.Options.Validation.OnError = jobs.OnErrorAbort
	spec.Options.MaxConcurrent = 2
	j := m.submit(spec)
	for {
		now, err := m.Get(t.Context(), j.ID)
		if err != nil {
			t.Fatal(err)
		}
		if now.Progress.Failed > 0 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	path := m.crash()
	close(block)
	m.wait(j.ID)
	f.mu.Lock()
	before := len(f.order)
	f.mu.Unlock()
	again := open(t, path, f)
	j = again.wait(j.ID)
	if j.State != jobs.Failed || !strings.Contains(j.Reason, "on_error") || len(f.order) != before {
		t.Errorf("%s (%s), %d calls more", j.State, j.Reason, len(f.order)-before)
	}
}
