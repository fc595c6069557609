package jobs_test

import (
	"context"
	"errors"
	"iter"
	"math"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/jobs"
	"github.com/windrow-go/windrow/jobs/sqlitestore"
)

// Each Config is refused with an error that names what is wrong.
func TestConfigsThatAreRefused(t *testing.T) {
	t.Parallel()
	s, err := sqlitestore.Open(filepath.Join(t.TempDir(), "jobs.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for want, cfg := range map[string]jobs.Config{
		"Config.Store is nil":                                   {},
		"Config.Store (*sqlitestore.Store) is no store":         {Store: &sqlitestore.Store{}},
		"Config.Store (jobs_test.notStore) is no store":         {Store: notStore{}},
		"Config.MaxRunning is -1: it must be at least 1":        {Store: s, MaxRunning: -1},
		"Config.MaxRecords is -2: it must be at least 1":        {Store: s, MaxRecords: -2},
		"Config.MaxSpecBytes is -3: it must be at least 1":      {Store: s, MaxSpecBytes: -3},
		"Config.MaxStoreBytes is -4: it must be positive":       {Store: s, MaxStoreBytes: -4},
		`Config.Strategies["a"] is nil`:                         {Store: s, Strategies: map[string]windrow.Strategy{"a": nil}},
		"jobs: Config.Store is nil: open one with package sqli": {Store: (*sqlitestore.Store)(nil)},
	} {
		m, err := jobs.Open(t.Context(), cfg)
		if err == nil || !strings.Contains(err.Error(), want) || m != nil {
			t.Errorf("Open: %v, want %s", err, want)
		}
	}
	if _, err := jobs.Open(noContext, jobs.Config{Store: s}); err == nil || !strings.Contains(err.Error(), "the context is nil") {
		t.Errorf("Open without a context: %v", err)
	}
}

// notStore is a store of another program.
type notStore struct{}

func (notStore) Size(context.Context) (int64, error) { return 0, nil }
func (notStore) Close() error                        { return nil }

// Each Resource is refused by Register with an error that says why.
func TestResourcesThatAreRefused(t *testing.T) {
	t.Parallel()
	m := prepare(t, filepath.Join(t.TempDir(), "jobs.db"), newFarm(0))
	f := newFarm(0)
	type resource = jobs.Resource[Patch, Field]
	for want, test := range map[string]struct {
		name string
		r    resource
	}{
		"must have from 1 to 200 bytes":               {"", resource{Client: f}},
		"from 1 to 200 bytes of UTF-8":                {"\xff", resource{Client: f}},
		`xxx…": its name must have from 1 to 200 byt`: {strings.Repeat("x", 201), resource{Client: f}},
		`resource "nil": its Client is nil`:           {"nil", resource{}},
		`resource "typed": its Client is nil`:         {"typed", resource{Client: (*farm)(nil)}},
		"its Client (int) is no windrow.Creator[jobs_test.Patch, jobs_test.Field], windrow.Updater": {"int", resource{Client: 7}},
		"its Client (jobs_test.otherTypes) is no windrow.Creator":                                   {"other", resource{Client: otherTypes{}}},
		"Replaces needs a Client that is a windrow.Updater and a windrow.Getter":                    {"r", resource{Client: f, Replaces: true}},
		"a List needs an ID":                    {"l", resource{Client: f, List: f.List}},
		`resource "fields" is registered twice`: {"fields", resource{Client: f}},
	} {
		if err := jobs.Register(m.Manager, test.name, test.r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Register: %v, want %s", err, want)
		}
	}
	if err := jobs.Register(nil, "x", resource{Client: f}); err == nil {
		t.Error("a nil manager is taken")
	}
	for _, name := range []string{"a/b", "..", "a.b"} {
		if err := jobs.Register(m.Manager, name, resource{Client: f}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := jobs.Register(m.Manager, "late", resource{Client: f}); err == nil || !strings.Contains(err.Error(), "too late") {
		t.Errorf("late: %v", err)
	}
	j := m.run(jobs.Spec{Operations: []jobs.Operation{{Type: jobs.Create, Resource: "a/b", Records: []any{Patch{Area: 1}}}}})
	want(t, j, jobs.Completed, 1, 0, 0, 0, 0)
}

// otherTypes creates other things.
type otherTypes struct{}

func (otherTypes) Create(context.Context, int) (string, error) { return "", nil }

// An operation that the client or the resource is not able to do is refused by Submit.
func TestOperationsThatAResourceCannotDo(t *testing.T) {
	t.Parallel()
	m := prepare(t, filepath.Join(t.TempDir(), "jobs.db"), newFarm(0))
	create := windrow.CreateFunc(func(context.Context, Patch) (Field, error) { return Field{}, nil })
	if err := jobs.Register(m.Manager, "log", jobs.Resource[Patch, Field]{Client: create}); err != nil {
		t.Fatal(err)
	}
	if err := jobs.Register(m.Manager, "unlisted", jobs.Resource[Patch, Field]{Client: newFarm(0)}); err != nil {
		t.Fatal(err)
	}
	for want, op := range map[string]jobs.Operation{
		"the resource log cannot update records: its client is not a windrow.Updater":       {Type: jobs.Update, Resource: "log", IDs: []string{"a"}, Update: jobs.Fields{"area": 1}},
		"the resource log cannot delete records: its client is not a windrow.Deleter":       {Type: jobs.Delete, Resource: "log", IDs: []string{"a"}},
		"the resource unlisted cannot select records by a filter: it has no List; give ids": {Type: jobs.Delete, Resource: "unlisted", Filter: jobs.Fields{}},
	} {
		if _, err := m.Submit(t.Context(), jobs.Spec{Operations: []jobs.Operation{op}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Submit: %v, want %s", err, want)
		}
	}
	m.nothingStored()
}

// A resource of maps has the fields that it declares, and no others.
func TestAResourceOfMaps(t *testing.T) {
	t.Parallel()
	m := prepare(t, filepath.Join(t.TempDir(), "jobs.db"), newFarm(0))
	records := map[string]jobs.Fields{"a": {"id": "a", "kind": "x"}, "b": {"id": "b", "kind": "y"}}
	var updated atomic.Value
	for name, fields := range map[string][]string{"declared": {"kind"}, "open": nil} {
		err := jobs.Register(m.Manager, name, jobs.Resource[jobs.Fields, jobs.Fields]{
			Fields: fields,
			Client: windrow.UpdateFunc(func(_ context.Context, id string, in jobs.Fields) (jobs.Fields, error) {
				updated.Store(id)
				return in, nil
			}),
			ID: func(f jobs.Fields) string { return f["id"].(string) },
			List: func(_ context.Context, filter jobs.Fields) iter.Seq2[jobs.Fields, error] {
				return func(yield func(jobs.Fields, error) bool) {
					for _, id := range []string{"a", "b"} {
						if records[id]["kind"] == filter["kind"] && !yield(records[id], nil) {
							return
						}
					}
				}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	op := jobs.Operation{Type: jobs.Update, Resource: "declared", Filter: jobs.Fields{"kind": "y"}, Update: jobs.Fields{"colour": "red"}}
	want(t, m.run(jobs.Spec{Operations: []jobs.Operation{op}}), jobs.Completed, 1, 0, 0, 0, 0)
	if updated.Load() != "b" {
		t.Errorf("%v was updated", updated.Load())
	}
	op.Resource = "open"
	_, err := m.Submit(t.Context(), jobs.Spec{Operations: []jobs.Operation{op}})
	if err == nil || !strings.Contains(err.Error(), "operations[0].filter.kind: is no field of the resource open, whose records (jobs.Fields) show no fields: declare them in Resource.Fields") {
		t.Errorf("maps without Fields: %v", err)
	}
}

// B91: functions of the application's that panic fail the items or the job that they are called for, and nothing else.
func TestB91PanicsAreContained(t *testing.T) {
	t.Parallel()
	type change = func(r *jobs.Resource[Patch, Field])
	update := daily(30)
	create := jobs.Spec{Operations: []jobs.Operation{{Type: jobs.Create, Resource: "fields", Records: []any{Patch{Area: 1}, Patch{Area: 2}}}}}
	for name, test := range map[string]struct {
		spec   jobs.Spec
		change change
		state  jobs.State // "": Submit refuses it
		text   string     // in its reason, its first error or that of Submit
		failed int64
	}{
		"List": {update, func(r *jobs.Resource[Patch, Field]) {
			r.List = func(context.Context, jobs.Fields) iter.Seq2[Field, error] { panic("oh no") }
		}, jobs.Failed, "List panicked with a value of type string", 0},
		"a List that ends early": {update, func(r *jobs.Resource[Patch, Field]) {
			r.List = func(context.Context, jobs.Fields) iter.Seq2[Field, error] {
				return func(yield func(Field, error) bool) { yield(Field{ID: "a", Status: "active"}, nil); panic("oh no") }
			}
		}, jobs.Failed, "List panicked with a value of type string", 0},
		"a List that does not stop": {update, func(r *jobs.Resource[Patch, Field]) {
			r.List = func(context.Context, jobs.Fields) iter.Seq2[Field, error] {
				return func(yield func(Field, error) bool) {
					for range 10 {
						yield(Field{ID: "a", Status: "fallow"}, nil)
					}
				}
			}
		}, jobs.Failed, "the server ignores the filter", 0},
		"a nil List": {update, func(r *jobs.Resource[Patch, Field]) {
			r.List = func(context.Context, jobs.Fields) iter.Seq2[Field, error] { return nil }
		}, jobs.Failed, "List panicked: runtime error: invalid memory address", 0},
		"ID": {update, func(r *jobs.Resource[Patch, Field]) {
			r.ID = func(Field) string { panic("oh no") }
		}, jobs.Failed, "List panicked with a value of type string", 0},
		"Count": {update, func(r *jobs.Resource[Patch, Field]) {
			r.Count = func(context.Context, jobs.Fields) (int, error) { panic("oh no") }
		}, jobs.Completed, "", 0},
		"Count fails": {update, func(r *jobs.Resource[Patch, Field]) {
			r.Count = func(context.Context, jobs.Fields) (int, error) { return 0, errors.New("oh no") }
		}, jobs.Completed, "", 0},
		"Count of too many": {update, func(r *jobs.Resource[Patch, Field]) {
			r.Count = func(context.Context, jobs.Fields) (int, error) { return math.MaxInt, nil }
		}, jobs.Completed, "", 0},
		"Count of less than none": {update, func(r *jobs.Resource[Patch, Field]) {
			r.Count = func(context.Context, jobs.Fields) (int, error) { return math.MinInt, nil }
		}, jobs.Completed, "", 0},
		"Validate": {update, func(r *jobs.Resource[Patch, Field]) {
			r.Validate = func(Patch) error { panic("oh no") }
		}, jobs.Completed, "Validate panicked with a value of type string", 9},
		"Validate of a create": {create, func(r *jobs.Resource[Patch, Field]) {
			r.Validate = func(Patch) error { panic("oh no") }
		}, jobs.Completed, "panicked with a value of type string", 2},
		"Key": {create, func(r *jobs.Resource[Patch, Field]) {
			r.Key = func(Patch) string { panic("oh no") }
		}, "", "operations[0].records[0]: Key panicked with a value of type string; operations[0].records[1]: Key panicked with a value of type string", 0},
		"two records of one Key": {create, func(r *jobs.Resource[Patch, Field]) {
			r.Key = func(Patch) string { return "same" }
		}, "", "operations[0].records[1]: has the same key as records[0]", 0},
		"the client": {update, func(r *jobs.Resource[Patch, Field]) {
			r.Client = windrow.UpdateFunc(func(context.Context, string, Patch) (Field, error) { panic("oh no") })
		}, jobs.Completed, "panicked with a value of type string", 9},
		"a record without an id": {update, func(r *jobs.Resource[Patch, Field]) {
			r.ID = func(Field) string { return "" }
		}, jobs.Failed, "record 1 of the list has no id", 0},
		"a record with a long id": {update, func(r *jobs.Resource[Patch, Field]) {
			r.ID = func(Field) string { return strings.Repeat("x", 1001) }
		}, jobs.Failed, "record 1 of the list has an id of 1001 bytes", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := start(t, newFarm(10), func(_ *jobs.Config, r *jobs.Resource[Patch, Field]) { test.change(r) })
			j, err := m.Submit(t.Context(), test.spec)
			if test.state == "" {
				if err == nil || !strings.Contains(err.Error(), test.text) {
					t.Errorf("Submit: %v, want %s", err, test.text)
				}
				m.nothingStored()
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if j.Progress.Total < 0 || j.Progress.Percentage() < 0 {
				t.Errorf("%+v", j.Progress)
			}
			j = m.wait(j.ID)
			text := j.Reason
			if len(j.Errors) > 0 {
				text = j.Errors[0].Message
			}
			if j.State != test.state || !strings.Contains(text, test.text) || j.Progress.Failed+j.Progress.Unknown != test.failed {
				t.Errorf("it is %s with %d failed and %d unknown: %s", j.State, j.Progress.Failed, j.Progress.Unknown, text)
			}
			if j.State == jobs.Failed && j.Progress.Succeeded > 0 {
				t.Errorf("%d were sent", j.Progress.Succeeded)
			}
		})
	}
}

// A List that never ends, or yields one page for ever, is stopped by Cancel and by Close within a second.
func TestAListThatNeverEnds(t *testing.T) {
	t.Parallel()
	endless := map[string]func(context.Context, jobs.Fields) iter.Seq2[Field, error]{
		"one record for ever": func(context.Context, jobs.Fields) iter.Seq2[Field, error] {
			return func(yield func(Field, error) bool) {
				for yield(Field{ID: "a", Status: "active"}, nil) {
				}
			}
		},
		"pages without records": func(ctx context.Context, _ jobs.Fields) iter.Seq2[Field, error] {
			return func(yield func(Field, error) bool) {
				<-ctx.Done()
				yield(Field{}, ctx.Err())
			}
		},
	}
	for name, list := range endless {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFarm(0)
			m := start(t, f, func(_ *jobs.Config, r *jobs.Resource[Patch, Field]) { r.List, r.Count = list, nil })
			for _, end := range []string{"cancel", "close"} {
				j := m.submit(daily(30))
				time.Sleep(50 * time.Millisecond)
				if got, err := m.Get(t.Context(), j.ID); err != nil || !got.Progress.Expanding || got.State == jobs.Completed {
					t.Errorf("%s, %+v, %v", got.State, got.Progress, err)
				}
				began := time.Now()
				if end == "close" {
					if err := m.Close(); err != nil {
						t.Error(err)
					}
				} else {
					if _, err := m.Cancel(t.Context(), j.ID); err != nil {
						t.Fatal(err)
					}
					if j = m.wait(j.ID); j.State != jobs.Cancelled {
						t.Errorf("it is %s", j.State)
					}
				}
				if took := time.Since(began); took > time.Second {
					t.Errorf("%s took %v", end, took)
				}
			}
			if len(f.order) > 0 {
				t.Errorf("%d calls", len(f.order))
			}
		})
	}
}

// B87: a job that is estimated to take for ever has no estimate, and a JSON form.
func TestAJobOfVeryManyRecords(t *testing.T) {
	t.Parallel()
	f := newFarm(20)
	gate := make(chan struct{})
	m := start(t, f, func(_ *jobs.Config, r *jobs.Resource[Patch, Field]) {
		r.Count = func(context.Context, jobs.Fields) (int, error) { return math.MaxInt, nil }
		list := r.List
		r.List = func(ctx context.Context, filter jobs.Fields) iter.Seq2[Field, error] {
			if filter["status"] == "fallow" {
				select {
				case <-gate:
				case <-ctx.Done():
				}
			}
			return list(ctx, filter)
		}
	})
	spec := daily(30)
	spec.Operations = append(spec.Operations, spec.Operations[0])
	spec.Operations[1].Filter = jobs.Fields{"status": "fallow"}
	j := m.submit(spec)
	if j.Progress.Total < math.MaxInt32 || j.Progress.Percentage() != 0 {
		t.Errorf("%+v", j.Progress)
	}
	for j.Progress.Succeeded < 18 {
		time.Sleep(5 * time.Millisecond)
		var err error
		if j, err = m.Get(t.Context(), j.ID); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := j.MarshalJSON(); err != nil || !j.EstimatedCompletion.IsZero() || j.Statistics.RemainingTime != 0 {
		t.Errorf("%v; it ends at %v, in %v", err, j.EstimatedCompletion, j.Statistics.RemainingTime)
	}
	close(gate)
	want(t, m.wait(j.ID), jobs.Completed, 20, 0, 0, 0, 0)
}
