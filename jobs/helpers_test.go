package jobs_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/jobs"
	"github.com/windrow-go/windrow/jobs/sqlitestore"
)

// Field is a record of the farm.
type Field struct {
	ID       string    `json:"id"`
	Status   string    `json:"status"`
	Enabled  bool      `json:"irrigation_enabled"`
	Schedule *Schedule `json:"irrigation_schedule,omitempty"`
	Area     int       `json:"area"`
}

// Patch is what an update may change.
type Patch struct {
	Status   string    `json:"status,omitempty"`
	Schedule *Schedule `json:"irrigation_schedule,omitempty"`
	Area     int       `json:"area,omitempty"`
}

// Schedule says when a field is watered.
type Schedule struct {
	Frequency string `json:"frequency"`
	Start     string `json:"start_time"`
	Minutes   int    `json:"duration_minutes"`
}

// farm is a server with fields. It remembers each call.
type farm struct {
	mu       sync.Mutex
	fields   map[string]Field
	next     int
	updates  map[string]int // by id
	creates  int
	deletes  int
	inFlight int
	most     int // calls in flight at once
	order    []string

	answer func(ctx context.Context, call, id string) error // before a call is carried out; nil: all succeed
	ignore string                                           // a filter field that the server ignores
}

// newFarm returns a farm with n fields, every tenth of which is fallow.
func newFarm(n int) *farm {
	f := &farm{fields: map[string]Field{}, updates: map[string]int{}}
	for i := range n {
		status := "active"
		if i%10 == 9 {
			status = "fallow"
		}
		id := fmt.Sprintf("field%05d", i)
		f.fields[id] = Field{ID: id, Status: status, Enabled: true, Area: i}
	}
	return f
}

// begin notes a call; the function it returns notes its end.
func (f *farm) begin(ctx context.Context, call, id string) (end func(), err error) {
	f.mu.Lock()
	f.inFlight++
	f.most = max(f.most, f.inFlight)
	f.order = append(f.order, id)
	f.mu.Unlock()
	if f.answer != nil {
		err = f.answer(ctx, call, id)
	}
	f.mu.Lock()
	return func() { f.inFlight--; f.mu.Unlock() }, err
}

func (f *farm) Update(ctx context.Context, id string, p Patch) (Field, error) {
	end, err := f.begin(ctx, "update", id)
	defer end()
	if err != nil {
		return Field{}, err
	}
	field, ok := f.fields[id]
	if !ok {
		return Field{}, windrow.ErrNotFound
	}
	field.Status = cmp.Or(p.Status, field.Status)
	field.Area = cmp.Or(p.Area, field.Area)
	field.Schedule = cmp.Or(p.Schedule, field.Schedule)
	f.fields[id] = field
	f.updates[id]++
	return field, nil
}

func (f *farm) Create(ctx context.Context, p Patch) (Field, error) {
	end, err := f.begin(ctx, "create", p.Status)
	defer end()
	if err != nil {
		return Field{}, err
	}
	f.next++
	field := Field{ID: fmt.Sprintf("new%05d", f.next), Status: p.Status, Schedule: p.Schedule, Area: p.Area}
	f.fields[field.ID] = field
	f.creates++
	return field, nil
}

func (f *farm) Delete(ctx context.Context, id string) error {
	end, err := f.begin(ctx, "delete", id)
	defer end()
	if err != nil {
		return err
	}
	if _, ok := f.fields[id]; !ok {
		return windrow.ErrNotFound
	}
	delete(f.fields, id)
	f.deletes++
	return nil
}

func (f *farm) List(_ context.Context, filter jobs.Fields) iter.Seq2[Field, error] {
	return func(yield func(Field, error) bool) {
		f.mu.Lock()
		ids := slices.Sorted(maps.Keys(f.fields))
		f.mu.Unlock()
		for _, id := range ids {
			f.mu.Lock()
			field := f.fields[id]
			f.mu.Unlock()
			if want, ok := filter["status"]; ok && f.ignore != "status" && want != field.Status {
				continue
			}
			if !yield(field, nil) {
				return
			}
		}
	}
}

// count returns how many fields have a status.
func (f *farm) count(status string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, field := range f.fields {
		if field.Status == status {
			n++
		}
	}
	return n
}

// resource is the farm as jobs see it.
func (f *farm) resource() jobs.Resource[Patch, Field] {
	return jobs.Resource[Patch, Field]{
		Client: f, Limiter: windrow.NewLimiter(windrow.Concurrency(64)), List: f.List, ID: func(f Field) string { return f.ID },
		Count: func(_ context.Context, filter jobs.Fields) (n int, err error) {
			for range f.List(context.Background(), filter) {
				n++
			}
			return n, nil
		},
		Validate: func(p Patch) error {
			if p.Schedule != nil && (p.Schedule.Minutes < 1 || p.Schedule.Minutes > 120) {
				return errors.New("Invalid irrigation duration")
			}
			return nil
		},
	}
}

// managed is a manager in a test.
type managed struct {
	*jobs.Manager
	t    *testing.T
	path string
}

// open opens a manager of the store at path, with the farm as "fields", and starts it.
func open(t *testing.T, path string, f *farm, change ...func(*jobs.Config, *jobs.Resource[Patch, Field])) *managed {
	t.Helper()
	m := prepare(t, path, f, change...)
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return m
}

// prepare opens a manager that does not work yet.
func prepare(t *testing.T, path string, f *farm, change ...func(*jobs.Config, *jobs.Resource[Patch, Field])) *managed {
	t.Helper()
	s, err := sqlitestore.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	cfg, res := jobs.Config{Store: s}, f.resource()
	for _, c := range change {
		c(&cfg, &res)
	}
	m, err := jobs.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	if err := jobs.Register(m, "fields", res); err != nil {
		t.Fatal(err)
	}
	return &managed{m, t, path}
}

// start opens a manager of a new store.
func start(t *testing.T, f *farm, change ...func(*jobs.Config, *jobs.Resource[Patch, Field])) *managed {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "jobs.db"), f, change...)
}

// submit submits a job that must be accepted.
func (m *managed) submit(s jobs.Spec) jobs.Job {
	m.t.Helper()
	j, err := m.Submit(m.t.Context(), s)
	if err != nil {
		m.t.Fatalf("Submit: %v", err)
	}
	return j
}

// run submits a job and waits for it.
func (m *managed) run(s jobs.Spec) jobs.Job {
	m.t.Helper()
	return m.wait(m.submit(s).ID)
}

func (m *managed) wait(id string) jobs.Job {
	m.t.Helper()
	j, err := m.Wait(m.t.Context(), id)
	if err != nil {
		m.t.Fatalf("Wait: %v", err)
	}
	return j
}

// items returns the items of a job.
func (m *managed) items(id string, q jobs.ItemQuery) (all []jobs.Item) {
	m.t.Helper()
	for item, err := range m.Items(m.t.Context(), id, q) {
		if err != nil {
			m.t.Fatalf("Items: %v", err)
		}
		all = append(all, item)
	}
	return all
}

// events returns the types of the events of a job that has ended, without its progress.
func (m *managed) events(id string) (types []string) {
	m.t.Helper()
	for e, err := range m.Events(m.t.Context(), id, 0) {
		if err != nil {
			m.t.Fatalf("Events: %v", err)
		}
		if e.Type != jobs.EventProgress {
			types = append(types, e.Type)
		}
	}
	return types
}

// want checks the counts of a job.
func want(t *testing.T, j jobs.Job, state jobs.State, succeeded, failed, skipped, unknown, notAttempted int64) {
	t.Helper()
	p := j.Progress
	got := fmt.Sprintf("%s %d %d %d %d %d", j.State, p.Succeeded, p.Failed, p.Skipped, p.Unknown, p.NotAttempted)
	if w := fmt.Sprintf("%s %d %d %d %d %d", state, succeeded, failed, skipped, unknown, notAttempted); got != w {
		t.Errorf("the job is %s (%s), want %s (succeeded, failed, skipped, unknown, not attempted)", got, j.Reason, w)
	}
	if p.Total != p.Succeeded+p.Failed+p.Skipped+p.Unknown+p.NotAttempted {
		t.Errorf("the counts do not add up to %d: %s", p.Total, got)
	}
}

// daily updates the schedules of the active fields.
func daily(minutes int) jobs.Spec {
	return jobs.Spec{
		Type: "field_update", Description: "Update irrigation schedules for all active fields",
		Operations: []jobs.Operation{{
			Type: jobs.Update, Resource: "fields", Filter: jobs.Fields{"status": "active"},
			Update: jobs.Fields{"irrigation_schedule": jobs.Fields{"frequency": "daily", "start_time": "06:00", "duration_minutes": minutes}},
		}},
	}
}

// last returns the last error of an iterator.
func last[T any](all iter.Seq2[T, error]) (err error) {
	for _, err = range all {
	}
	return err
}

// states is a list of item states.
func states(all ...windrow.State) []windrow.State { return all }

// noContext is what callers pass that have none.
var noContext context.Context
