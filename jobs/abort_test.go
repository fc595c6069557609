package jobs_test

import (
	"strings"
	"testing"

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
