package jobs_test

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/jobs"
)

// whole is a server whose updates replace the record.
type whole struct {
	mu      sync.Mutex
	records map[string]jobs.Fields
	writes  []string
	refuse  error
}

func (w *whole) Get(_ context.Context, id string) (jobs.Fields, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r, ok := w.records[id]
	if !ok {
		return nil, windrow.ErrNotFound
	}
	return r, nil
}

func (w *whole) Update(_ context.Context, id string, in jobs.Fields) (jobs.Fields, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refuse != nil {
		return nil, w.refuse
	}
	w.records[id] = in
	w.writes = append(w.writes, id)
	return in, nil
}

// An update of a resource that Replaces reads the record, merges the patch into it, and writes it; what the patch does not
// name stays, and what it does not change is not written.
func TestReplaces(t *testing.T) {
	t.Parallel()
	w := &whole{records: map[string]jobs.Fields{
		"a": {"name": "A", "area": json.Number("12345678901234567890.5"), "deep": map[string]any{"x": json.Number("1"), "y": "keep"}, "old": true},
		"b": {"name": "B", "deep": map[string]any{"x": json.Number("2")}},
		"c": {"name": "C", "locked": true},
	}}
	m := prepare(t, filepath.Join(t.TempDir(), "jobs.db"), newFarm(0))
	err := jobs.Register(m.Manager, "whole", jobs.Resource[jobs.Fields, jobs.Fields]{
		Client: w, Replaces: true,
		Validate: func(f jobs.Fields) error {
			if f["locked"] == true {
				return errors.New("it is locked")
			}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	op := jobs.Operation{
		Type: jobs.Update, Resource: "whole", IDs: []string{"a", "b", "c", "nowhere"},
		Update: jobs.Fields{"deep": jobs.Fields{"x": 2}, "old": nil},
	}
	j := m.run(jobs.Spec{Operations: []jobs.Operation{op}})
	want(t, j, jobs.Completed, 1, 2, 1, 0, 0)
	got, err := json.Marshal(w.records["a"])
	if err != nil || string(got) != `{"area":12345678901234567890.5,"deep":{"x":2,"y":"keep"},"name":"A"}` {
		t.Errorf("%s, %v", got, err)
	}
	if len(w.writes) != 1 {
		t.Errorf("written: %v", w.writes)
	}
	items := m.items(j.ID, jobs.ItemQuery{})
	if items[1].State != windrow.Skipped || items[1].Reason != windrow.ReasonUnchanged {
		t.Errorf("b: %+v", items[1])
	}
	if c := items[2]; c.Code != jobs.CodeValidation || c.Message != "it is locked" || c.Pile() != jobs.AfterCorrected {
		t.Errorf("c: %+v", c)
	}
	if n := items[3]; n.Code != jobs.CodeResource {
		t.Errorf("nowhere: %+v", n)
	}
	op.IDs = []string{"c"}
	spec := jobs.Spec{Operations: []jobs.Operation{op}, Options: jobs.Options{Validation: jobs.ValidationOptions{Mode: jobs.ValidationNone}}}
	want(t, m.run(spec), jobs.Completed, 1, 0, 0, 0, 0)
}

// A field of the record that the input has no place for would be lost, so the record is not written.
func TestReplacesLosesNoField(t *testing.T) {
	t.Parallel()
	f := newFarm(1)
	m := prepare(t, filepath.Join(t.TempDir(), "jobs.db"), f)
	if err := jobs.Register(m.Manager, "whole", jobs.Resource[Patch, Field]{Client: readable{f}, Replaces: true}); err != nil {
		t.Fatal(err)
	}
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	j := m.run(jobs.Spec{
		Operations: []jobs.Operation{{Type: jobs.Update, Resource: "whole", IDs: []string{"field00000"}, Update: jobs.Fields{"area": 9}}},
		Options:    jobs.Options{Validation: jobs.ValidationOptions{Mode: jobs.ValidationNone}},
	})
	want(t, j, jobs.Completed, 0, 1, 0, 0, 0)
	if e := j.Errors[0]; !strings.HasPrefix(e.Message, "unknown field ") || e.Code != jobs.CodeValidation || len(f.updates) > 0 {
		t.Errorf("%+v", e)
	}
}

// readable is a farm whose fields can be read.
type readable struct{ *farm }

func (r readable) Get(_ context.Context, id string) (Field, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	field, ok := r.fields[id]
	if !ok {
		return field, windrow.ErrNotFound
	}
	return field, nil
}
