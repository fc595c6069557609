package main

import (
	"bytes"
	"context"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/examples/internal/pocket"
	"github.com/windrow-go/windrow/jobs"
)

// The test's own program runs the job, too, when it is told so.
func TestMain(m *testing.M) {
	if isChild() {
		os.Exit(runChild(context.Background(), os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// numbers are what the program says of its course.
var numbers = regexp.MustCompile(`(?s)Start 1:
  the job is queued, 0 of its 120 items have ended
.*  paused, when (\d+) of 120 items had ended; and resumed
.*
Killed, when the server had changed (\d+) fields.

Start 2:
  the job is (?:running|queued), (\d+) of its 120 items have ended
.*
Updates: the server took (\d+), and throttled \d+. (\d+) came again after the kill`)

func TestJobs(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	if err := demonstrate(t.Context(), 120, 30, &stdout, &stderr); err != nil { // it checks the job and every field
		t.Fatalf("%v\n%s%s", err, &stdout, &stderr)
	}
	found := numbers.FindStringSubmatch(stdout.String())
	if found == nil {
		t.Fatalf("the output is not as it should be:\n%s", &stdout)
	}
	var n [6]int
	for k := range found[1:] {
		n[k+1], _ = strconv.Atoi(found[k+1])
	}
	if paused, killed, resumed, taken, again := n[1], n[2], n[3], n[4], n[5]; paused < 36 || paused >= 72 ||
		killed < 72 || killed >= 115 || resumed < paused || resumed >= 120 || taken != 120+again {
		t.Errorf("paused at %d, killed at %d, gone on at %d, %d updates, %d again:\n%s", paused, killed, resumed, taken, again, &stdout)
	}
	for _, want := range []string{
		`"status": "completed"`, `"total_operations": 120`, `"completed": 120`, `"failed": 5`, `"succeeded": 115`,
		"Its events: [job_queued job_started job_expanded job_paused job_resumed job_completed]",
		"Read back: 115 fields have the new schedule, and each was changed once; the 17 others are as they were.",
	} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("the output does not hold %q:\n%s", want, &stdout)
		}
	}
	if n := strings.Count(stdout.String(), `"code": "VALIDATION_ERROR"`); n != refused {
		t.Errorf("%d validation errors, want %d", n, refused)
	}
	if stderr.Len() > 0 {
		t.Errorf("on the other output: %s", &stderr)
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-n", "19"}, {"-rate", "-1"}, {"more"}, {"-nonsense"}} {
		var stdout, stderr bytes.Buffer
		if status := run(t.Context(), args, &stdout, &stderr); status != 2 || stderr.Len() == 0 || stdout.Len() > 0 {
			t.Errorf("%q: status %d, %q, %q", args, status, &stdout, &stderr)
		}
	}
	var stderr bytes.Buffer
	if status := run(t.Context(), []string{"-help"}, &stderr, &stderr); status != 0 {
		t.Errorf("help: status %d", status)
	}
}

// Five of the fields are refused, however many there are.
func TestSow(t *testing.T) {
	t.Parallel()
	for n := 20; n < 130; n++ {
		strict := 0
		for _, f := range sow(n) {
			if f.MostMinutes < daily.Minutes {
				strict++
			}
		}
		if strict != refused {
			t.Errorf("of %d fields %d are refused, want %d", n, strict, refused)
		}
	}
}

// The check sees each way in which the fields or the job may be wrong.
func TestChecksThatFail(t *testing.T) {
	t.Parallel()
	server, client := serve(t)
	if err := server.Sow(sow(20)...); err != nil {
		t.Fatal(err)
	}
	all := sow(20)
	if err := checkFields(t.Context(), server, all, nil); err != nil {
		t.Fatalf("fields that nothing has changed: %v", err)
	}
	id := all[0].ID
	fails := func(what, want string, fields []pocket.Field, updated ...string) {
		t.Helper()
		if err := checkFields(t.Context(), server, fields, updated); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", what, err, want)
		}
	}
	change := func(s Schedule) {
		t.Helper()
		if _, err := client.Update(t.Context(), id, Patch{Schedule: s}); err != nil {
			t.Fatal(err)
		}
	}
	fails("a field that is not updated", "weekly", all, id)
	fails("a field too few", "22 fields, want 23", append(sow(20), pocket.Field{ID: "more"}))
	change(daily)
	if err := checkFields(t.Context(), server, all, []string{id}); err != nil {
		t.Errorf("a field that is updated: %v", err)
	}
	fails("a field that should be as it was", "daily", all)
	change(daily) // changes nothing
	if err := checkFields(t.Context(), server, all, []string{id}); err != nil {
		t.Errorf("a field that was updated again, to what it was: %v", err)
	}
	change(weekly)
	fails("a field that was changed and changed back", "changed 2 times, want 0", all)

	course := []string{jobs.EventQueued, jobs.EventStarted, jobs.EventExpanded, jobs.EventPaused, jobs.EventResumed, jobs.EventCompleted}
	good := jobs.Job{State: jobs.Completed, Progress: jobs.Progress{Total: 2, Succeeded: 1, Failed: 1}, Errors: []jobs.Item{
		{Key: "a", State: windrow.Failed, Code: jobs.CodeValidation, Message: "Invalid irrigation duration"},
	}}
	for _, test := range []struct {
		change func(*jobs.Job)
		events []string
		want   string
	}{
		{func(*jobs.Job) {}, course, ""},
		{func(j *jobs.Job) { j.State = jobs.Failed }, course, "the job is failed"},
		{func(j *jobs.Job) { j.Progress.Unknown++ }, course, "the job is completed"},
		{func(j *jobs.Job) { j.Errors = nil }, course, "failed, want [a]"},
		{func(j *jobs.Job) { j.Errors = []jobs.Item{{Key: "a", Code: jobs.CodeSystem}} }, course, jobs.CodeSystem},
		{func(*jobs.Job) {}, course[:3], "if it was not paused"},
	} {
		job := good
		test.change(&job)
		err := checkJob(job, test.events, 2, []string{"a"})
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v, want %q", err, test.want)
		}
	}
}
