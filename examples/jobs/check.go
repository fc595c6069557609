package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/examples/internal/pocket"
	"github.com/windrow-go/windrow/jobs"
)

// check compares what the job says, what the server has, and what it has counted.
func check(ctx context.Context, path string, server *pocket.Server, fields []pocket.Field, stdout io.Writer) error {
	job, events, err := readJob(ctx, path)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(map[string]any{"data": job}, "", "  ")
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "\nThe job, read from its store:\n%s\nIts events: %v\n", text, events)
	var selected, refused []string // ids
	for _, f := range fields {
		if f.Status == "active" && f.Enabled {
			selected = append(selected, f.ID)
			if f.MostMinutes < daily.Minutes {
				refused = append(refused, f.ID)
			}
		}
	}
	if err := checkJob(job, events, len(selected), refused); err != nil {
		return err
	}
	updated := slices.DeleteFunc(selected, func(id string) bool { return slices.Contains(refused, id) })
	if err := checkFields(ctx, server, fields, updated); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "\nRead back: %d fields have the new schedule, and each was changed once; the %d others are as they were.\n",
		len(updated), len(fields)-len(updated))
	traffic := server.Traffic(http.MethodPatch)
	taken := traffic.Requests - traffic.Throttled
	fmt.Fprintf(stdout, "Updates: the server took %d, and throttled %d. %d came again after the kill, since their ends were not stored: these changed nothing.\n",
		taken, traffic.Throttled, taken-len(updated)-len(refused))
	return nil
}

// readJob reads the only job of a store, and the types of its events.
func readJob(ctx context.Context, path string) (job jobs.Job, events []string, err error) {
	m, err := openManager(ctx, path) // not started: it only reads
	if err != nil {
		return job, nil, err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	for found, err := range m.List(ctx, jobs.Query{}) {
		switch {
		case err != nil:
			return job, nil, err
		case job.ID != "":
			return job, nil, errors.New("the store has more than one job")
		}
		job = found
	}
	if job, err = m.Get(ctx, job.ID); err != nil { // with its errors
		return job, nil, err
	}
	for event, err := range m.Events(ctx, job.ID, 0) {
		if err != nil {
			return job, nil, err
		}
		if event.Type != jobs.EventProgress {
			events = append(events, event.Type)
		}
	}
	return job, events, nil
}

// checkJob compares the job with what must have become of so many fields.
func checkJob(job jobs.Job, events []string, selected int, refused []string) error {
	want := jobs.Progress{Total: int64(selected), Succeeded: int64(selected - len(refused)), Failed: int64(len(refused))}
	if job.State != jobs.Completed || job.Progress != want {
		return fmt.Errorf("the job is %s (%s) with %+v, want %s with %+v", job.State, job.Reason, job.Progress, jobs.Completed, want)
	}
	var failed []string
	for _, item := range job.Errors {
		if item.State != windrow.Failed || item.Code != jobs.CodeValidation || item.Message != "Invalid irrigation duration" {
			return fmt.Errorf("%s is %s with %s: %s", item.Key, item.State, item.Code, item.Message)
		}
		failed = append(failed, item.ResourceID())
	}
	if !slices.Equal(failed, refused) {
		return fmt.Errorf("the fields %v failed, want %v", failed, refused)
	}
	course := []string{jobs.EventQueued, jobs.EventStarted, jobs.EventExpanded, jobs.EventPaused, jobs.EventResumed, jobs.EventCompleted}
	if !slices.Equal(events, course) {
		return fmt.Errorf("the events of the job are %v, want %v: if it was not paused, let the server take fewer requests a second", events, course)
	}
	return nil
}

// checkFields reads every field back. Those that are not updated must be as they
// were.
func checkFields(ctx context.Context, server *pocket.Server, fields []pocket.Field, updated []string) error {
	farm, err := openFarm(server.URL(), server.Token(), windrow.NewLimiter())
	if err != nil {
		return err
	}
	held := map[string]Field{}
	for f, err := range farm.list(ctx, jobs.Fields{}) {
		if err != nil {
			return err
		}
		held[f.ID] = f
	}
	if len(held) != len(fields) {
		return fmt.Errorf("the server has %d fields, want %d", len(held), len(fields))
	}
	changes := server.Changes()
	for _, f := range fields {
		schedule, times := weekly, 0
		if slices.Contains(updated, f.ID) {
			schedule, times = daily, 1
		}
		got, found := held[f.ID]
		switch {
		case !found || got.Schedule == nil:
			return fmt.Errorf("%s is missing, or has no schedule", f.ID)
		case *got.Schedule != schedule || got.Status != f.Status || got.Enabled != f.Enabled:
			return fmt.Errorf("%s is %+v with the schedule %+v, want %+v with %+v", f.ID, got, *got.Schedule, f, schedule)
		case changes[f.ID] != times:
			return fmt.Errorf("%s was changed %d times, want %d", f.ID, changes[f.ID], times)
		}
	}
	return nil
}
