package jobs_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/jobs"
)

// Events are followed by many while the job runs, from a number on, and over a restart: each sees all of them once, in
// order.
func TestFollowingEvents(t *testing.T) {
	t.Parallel()
	f := newFarm(200)
	entered, gate := make(chan struct{}, 200), make(chan struct{})
	f.answer = func(context.Context, string, string) error {
		entered <- struct{}{}
		<-gate
		return nil
	}
	path := filepath.Join(t.TempDir(), "jobs.db")
	m := open(t, path, f)
	j := m.submit(daily(30))
	var group sync.WaitGroup
	heard := make([][]jobs.Event, 5)
	var paused sync.WaitGroup // until each has heard of the pause
	paused.Add(len(heard))
	for k := range heard {
		group.Go(func() {
			for e, err := range m.Events(t.Context(), j.ID, int64(k/4)) { // the last one from number 1 on
				if errors.Is(err, jobs.ErrClosed) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				if heard[k] = append(heard[k], e); e.Type == jobs.EventPaused {
					paused.Done()
				}
			}
		})
	}
	<-entered
	if _, err := m.Pause(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	close(gate)
	m.wait(j.ID)
	paused.Wait()
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	group.Wait()
	m = open(t, path, f)
	after := heard[0][len(heard[0])-1].Number
	rest := make(chan []string)
	go func() {
		var all []string
		for e, err := range m.Events(t.Context(), j.ID, after) {
			if err != nil {
				t.Error(err)
				break
			}
			if e.Type != jobs.EventProgress {
				all = append(all, e.Type)
			}
		}
		rest <- all
	}()
	if _, err := m.Resume(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	if got := <-rest; !slices.Equal(got, []string{jobs.EventResumed, jobs.EventCompleted}) {
		t.Errorf("after the restart: %v", got)
	}
	for k, events := range heard {
		var types []string
		number := int64(0)
		for _, e := range events {
			if e.Number <= number {
				t.Errorf("number %d comes after %d", e.Number, number)
			}
			number = e.Number
			if e.Type != jobs.EventProgress {
				types = append(types, e.Type)
			}
		}
		all := []string{jobs.EventQueued, jobs.EventStarted, jobs.EventExpanded, jobs.EventPaused}
		if !slices.Equal(types, all[k/4:]) {
			t.Errorf("%d: %v", k, types)
		}
	}
}

// One who has heard enough stops; one whose context ends hears why.
func TestFollowingEnds(t *testing.T) {
	t.Parallel()
	m := prepare(t, filepath.Join(t.TempDir(), "jobs.db"), newFarm(1))
	j := m.submit(daily(30))
	for e, err := range m.Events(t.Context(), j.ID, -5) {
		if err != nil || e.Type != jobs.EventQueued {
			t.Errorf("%+v, %v", e, err)
		}
		break
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	defer cancel(nil)
	var got []error
	for _, err := range m.Events(ctx, j.ID, 0) {
		got = append(got, err)
		cancel(enough)
	}
	if len(got) != 2 || got[0] != nil || !errors.Is(got[1], enough) {
		t.Errorf("%v", got)
	}
}

// An export has all items in the order of the input, with their inputs; a text that a spreadsheet would take for a formula
// is none.
func TestExport(t *testing.T) {
	t.Parallel()
	f := newFarm(3)
	f.answer = func(_ context.Context, _, status string) error {
		if strings.HasPrefix(status, "=") {
			return windrow.Permanent(fmt.Errorf("@%s, %q", status, "quoted"))
		}
		return nil
	}
	m := start(t, f, func(_ *jobs.Config, r *jobs.Resource[Patch, Field]) { r.Key = func(p Patch) string { return p.Status } })
	j := m.run(jobs.Spec{Operations: []jobs.Operation{
		{Type: jobs.Update, Resource: "fields", IDs: []string{"field00002", "-1+2", "field00000"}, Update: jobs.Fields{"area": 7}},
		{Type: jobs.Create, Resource: "fields", Records: []any{Patch{Status: "a,b\n\"c\""}, Patch{Status: "=HYPERLINK(1)"}, Patch{Status: "+x"}, Patch{Status: "\tx"}}},
	}})
	var table, lines bytes.Buffer
	if err := errors.Join(m.Export(t.Context(), j.ID, &table, jobs.CSV), m.Export(t.Context(), j.ID, &lines, jobs.JSONLines)); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&table).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"index", "key", "input", "id", "state", "reason", "code", "message", "attempts"},
		{"0", "field00002", "", "field00002", "succeeded", "", "", "", "1"},
		{"1", "'-1+2", "", "'-1+2", "failed", "", "RESOURCE_ERROR", "not found", "1"},
		{"2", "field00000", "", "field00000", "succeeded", "", "", "", "1"},
		{"3", "a,b\n\"c\"", `{"status":"a,b\n\"c\""}`, "", "succeeded", "", "", "", "1"},
		{"4", "'=HYPERLINK(1)", `{"status":"=HYPERLINK(1)"}`, "'=HYPERLINK(1)", "failed", "", "RESOURCE_ERROR", "'@=HYPERLINK(1), \"quoted\"", "1"},
		{"5", "'+x", `{"status":"+x"}`, "", "succeeded", "", "", "", "1"},
		{"6", "'\tx", `{"status":"\tx"}`, "", "succeeded", "", "", "", "1"},
	}
	for k, row := range want {
		if row[3] == "" { // the ids are given by the server
			if !strings.HasPrefix(rows[k][3], "new") {
				t.Errorf("row %d has the id %q", k, rows[k][3])
			}
			row[3] = rows[k][3]
		}
		if !slices.Equal(rows[k], row) {
			t.Errorf("row %d: %q, want %q", k, rows[k], row)
		}
	}
	d := json.NewDecoder(&lines)
	for k := 0; d.More(); k++ {
		var item struct {
			Index  int64 `json:"operation_index"`
			Key    string
			Status string
			Input  json.RawMessage
		}
		if err := d.Decode(&item); err != nil {
			t.Fatal(err)
		}
		if item.Index != int64(k+1) || item.Status != want[k+1][4] || string(item.Input) != want[k+1][2] || strings.HasPrefix(item.Key, "'") {
			t.Errorf("line %d: %+v", k, item)
		}
	}
}

// An export that cannot be written returns the writer's error; one of a job that runs has what is known.
func TestExportWhileTheJobRuns(t *testing.T) {
	t.Parallel()
	m := prepare(t, filepath.Join(t.TempDir(), "jobs.db"), newFarm(0))
	ids := make([]string, 3000)
	for k := range ids {
		ids[k] = fmt.Sprint(k)
	}
	j := m.submit(jobs.Spec{Operations: []jobs.Operation{{Type: jobs.Delete, Resource: "fields", IDs: ids}}})
	var out bytes.Buffer
	if err := m.Export(t.Context(), j.ID, &out, jobs.CSV); err != nil || strings.Count(out.String(), "not_attempted") != 3000 {
		t.Errorf("%d bytes, %v", out.Len(), err)
	}
	for _, format := range []jobs.Format{jobs.CSV, jobs.JSONLines} {
		if err := m.Export(t.Context(), j.ID, &full{room: 10_000}, format); !errors.Is(err, errFull) {
			t.Errorf("%s: %v", format, err)
		}
	}
}

var errFull = errors.New("no space left")

// full is a writer with little room.
type full struct{ room int }

func (f *full) Write(p []byte) (int, error) {
	if f.room -= len(p); f.room < 0 {
		return 0, errFull
	}
	return len(p), nil
}
