package jobs_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/jobs"
)

var update = flag.Bool("update", false, "write testdata anew")

// document reads a file of testdata, and returns a part of it.
func document(t *testing.T, name, part string) json.RawMessage {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	return all[part]
}

// compare walks through two JSON values. It reports what want has and got has not or has otherwise, and returns the paths
// of what only got has.
func compare(t *testing.T, path string, want, got any) (more []string) {
	t.Helper()
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			t.Errorf("%s is %v, want an object", path, got)
			return nil
		}
		for _, name := range slices.Sorted(maps.Keys(g)) {
			if _, ok := w[name]; !ok {
				more = append(more, path+"."+name)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(w)) {
			if value, ok := g[name]; !ok {
				t.Errorf("%s.%s is missing", path, name)
			} else {
				more = append(more, compare(t, path+"."+name, w[name], value)...)
			}
		}
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			t.Errorf("%s is %v, want %v", path, got, want)
			return nil
		}
		for k := range w {
			more = append(more, compare(t, path+"[]", w[k], g[k])...)
		}
	default:
		if want != got {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
	return more
}

func exactly(t *testing.T, text []byte) (v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber() // 98.8 and 400 as they are written
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// additions are the fields of a job's JSON form that the API's document does not have. The README describes each.
func additions(t *testing.T) map[string]bool {
	t.Helper()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `data\\.([a-z_.\\[\\]]+)` \\|").FindAllStringSubmatch(string(readme), -1) {
		all["data."+row[1]] = true
	}
	return all
}

func instant(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at.In(time.FixedZone("", 9*3600)) // wherever the process is
}

// B2, B3, B17 to B34: a job with the values of the API's document has its JSON form: each field with its value as it is
// written there. What is added is described in the README.
func TestB17_B34_GoldenResponses(t *testing.T) {
	t.Parallel()
	queued := jobs.Job{
		ID: "batch12345", State: jobs.Queued, CreatedAt: instant(t, "2025-01-19T00:52:03Z"),
		EstimatedCompletion: instant(t, "2025-01-19T01:22:03Z"), Progress: jobs.Progress{Total: 1000, NotAttempted: 1000},
	}
	running := queued
	running.State, running.StartedAt, running.EstimatedCompletion = jobs.Running, instant(t, "2025-01-19T00:52:05Z"), time.Time{}
	running.Progress = jobs.Progress{
		Total: 1000, Succeeded: 390, Skipped: 5, Failed: 4, Unknown: 1, NotAttempted: 600,
		Current: &jobs.CurrentOperation{Index: 400, Type: jobs.Update, ResourceID: "field789", StartedAt: instant(t, "2025-01-19T01:00:00Z")},
	}
	running.Statistics = jobs.Statistics{SuccessRate: 98.75, AverageTime: 1204 * time.Millisecond, RemainingTime: 20*time.Minute + 3*time.Millisecond}
	running.Errors = []jobs.Item{{
		Index: 122, Key: "field456", State: windrow.Failed, Kind: windrow.KindValidation, Code: jobs.CodeValidation,
		Message: "Invalid irrigation duration", Attempts: 3,
	}}
	known := additions(t)
	for name, j := range map[string]jobs.Job{"create_response.json": queued, "status_response.json": running} {
		got, err := json.Marshal(j)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range compare(t, "data", exactly(t, document(t, name, "data")), exactly(t, got)) {
			if !known[path] && !known[path[:strings.LastIndex(path, ".")]] {
				t.Errorf("%s: %s is added, and README.md does not describe it", name, path)
			}
		}
	}
}

// What a real job looks like on the wire: times, ids and paces are replaced.
func TestGoldenJobs(t *testing.T) {
	t.Parallel()
	f := newFarm(20)
	delete(f.fields, "field00003")
	m := start(t, f)
	spec := daily(30)
	spec.Labels = map[string]string{"season": "dry"}
	spec.Operations = append(spec.Operations,
		jobs.Operation{Type: jobs.Update, Resource: "fields", IDs: []string{"field00003"}, Update: jobs.Fields{"area": 1}},
		jobs.Operation{Type: jobs.Create, Resource: "fields", Records: []any{Patch{Schedule: &Schedule{Minutes: 500}}}})
	ctx := jobs.WithCaller(t.Context(), jobs.Caller{Actor: "ann"})
	queued, err := m.Submit(ctx, spec)
	if err != nil {
		t.Fatal(err)
	}
	ended := m.wait(queued.ID)
	var events []jobs.Event
	for e, err := range m.Events(ctx, queued.ID, 0) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Type != jobs.EventProgress {
			events = append(events, e)
		}
	}
	groups, err := m.Errors(ctx, queued.ID)
	if err != nil {
		t.Fatal(err)
	}
	var items bytes.Buffer
	if err := m.Export(ctx, queued.ID, &items, jobs.JSONLines); err != nil {
		t.Fatal(err)
	}
	known := additions(t)
	for name, v := range map[string]any{
		"job_queued.json": map[string]any{"data": queued}, "job_completed.json": map[string]any{"data": ended},
		"events.json": events, "error_groups.json": groups, "items.jsonl": items.String(),
	} {
		text, ok := v.(string)
		if !ok {
			data, err := json.MarshalIndent(v, "", "    ")
			if err != nil {
				t.Fatal(err)
			}
			text = string(data) + "\n"
			if strings.HasPrefix(name, "job_") {
				for _, path := range compare(t, "data", map[string]any{}, exactly(t, data).(map[string]any)["data"]) {
					if !known[path] && !slices.Contains([]string{"data.job_id", "data.status", "data.created_at", "data.estimated_completion",
						"data.progress", "data.started_at", "data.statistics", "data.errors"}, path) {
						t.Errorf("%s: %s is added, and README.md does not describe it", name, path)
					}
				}
			}
		}
		text = timeless(text)
		if *update {
			if err := os.WriteFile("testdata/"+name, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), text); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// timeless replaces what differs from run to run.
func timeless(text string) string {
	for _, r := range [][2]string{
		{`"batch[a-z0-9]{20}"`, `"batch12345"`},
		{`"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\.[0-9]+)?Z"`, `"2025-01-19T00:52:03Z"`},
		{`,\s*"(average_operation_time|elapsed|duration)":\s*"[^"]*"`, ``},
		{`"items_per_second":( ?)[0-9.e+]+`, `"items_per_second":${1}12.3`},
		{`"number":( ?)[0-9]+`, `"number":${1}1`},
	} {
		text = regexp.MustCompile(r[0]).ReplaceAllString(text, r[1])
	}
	return text
}

// B3 to B16: the request of the API's document is a spec that can be submitted, and has its form again.
func TestB3_B16_GoldenRequest(t *testing.T) {
	t.Parallel()
	batch := document(t, "create_request.json", "batch")
	got, err := jobs.ParseSpec(batch)
	if err != nil {
		t.Fatal(err)
	}
	want := jobs.Spec{
		Type: "field_update", Description: "Update irrigation schedules for all active fields",
		Operations: []jobs.Operation{{
			Type: jobs.Update, Resource: "fields", Filter: jobs.Fields{"status": "active", "irrigation_enabled": true},
			Update: jobs.Fields{"irrigation_schedule": map[string]any{
				"frequency": "daily", "start_time": "06:00", "duration_minutes": json.Number("30"),
			}},
		}},
		Options: jobs.Options{
			MaxConcurrent: 5, Retry: jobs.RetryOptions{Attempts: 3, Backoff: jobs.BackoffExponential},
			Validation: jobs.ValidationOptions{Mode: jobs.ValidationStrict, OnError: jobs.OnErrorSkip},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the spec (-want +got):\n%s", diff)
	}
	f := newFarm(1000)
	m := start(t, f)
	j := m.submit(got)
	if j.State != jobs.Queued || j.Progress.Total != 900 || j.Type != "field_update" || j.Description != want.Description {
		t.Errorf("%+v", j)
	}
	if diff := cmp.Diff(want, j.Spec); diff != "" {
		t.Errorf("the spec of the job (-want +got):\n%s", diff)
	}
	if j = m.wait(j.ID); j.Progress.Succeeded != 900 || f.fields["field00000"].Schedule.Minutes != 30 {
		t.Errorf("%+v", j.Progress)
	}
}

// A Spec has the same meaning after it was written and read.
func TestSpecsSurviveJSON(t *testing.T) {
	t.Parallel()
	for k, spec := range []jobs.Spec{
		{Operations: []jobs.Operation{{Type: jobs.Delete, Resource: "fields", Filter: jobs.Fields{}}}},
		{
			Type: "a", Description: "b", IdempotencyKey: "c", Labels: map[string]string{"d": "e"}, Priority: -3,
			Operations: []jobs.Operation{
				{Type: jobs.Create, Resource: "fields", Records: []any{jobs.Fields{"area": json.Number("123456789012345678901234567890.10")}}},
				{Type: jobs.Update, Resource: "fields", IDs: []string{"a", "b/c"}, Update: jobs.Fields{"note": nil, "deep": map[string]any{"x": []any{true, "</script>"}}}},
			},
			Options: jobs.Options{
				Sequential: true, MaxConcurrent: 1, AttemptTimeout: 90 * time.Second,
				Retry:      jobs.RetryOptions{Attempts: 7, Backoff: jobs.BackoffCustom, Custom: "mine"},
				Validation: jobs.ValidationOptions{Mode: jobs.ValidationLenient, OnError: jobs.OnErrorAbort},
			},
		},
		{Operations: []jobs.Operation{{}}, Options: jobs.Options{Retry: jobs.RetryOptions{Backoff: jobs.BackoffLinear, Delay: 1500 * time.Millisecond}}},
	} {
		text, err := json.Marshal(spec)
		if err != nil {
			t.Fatal(err)
		}
		var got jobs.Spec
		if err := json.Unmarshal(text, &got); err != nil {
			t.Errorf("spec %d: %v in %s", k, err, text)
		}
		if diff := cmp.Diff(spec, got); diff != "" {
			t.Errorf("spec %d (-want +got):\n%s", k, diff)
		}
	}
}

// Text that is no spec is refused; every field that is unknown, missing a value or of the wrong type is named.
func TestTextsThatAreNoSpec(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":      "jobs: the spec: is no JSON: it ends too early",
		"{":     "jobs: the spec: is no JSON: it ends too early",
		"{]":    "jobs: the spec: is no JSON: at byte 2",
		"[]":    "jobs: the spec: must be an object",
		"{} {}": "jobs: the spec: is more than one JSON value",
		`{"type":7,"operations":{},"options":[],"labels":{"a":1},"priority":"high","description":null}`: "description,labels,operations,options,priority,type",
		`{"kind":1,"operations":[{"where":{},"type":7,"ids":[1],"filter":[],"update":"x","records":[1,{}]},7],"options":{"speed":1}}`: "kind,operations[0].filter,operations[0].ids," +
			"operations[0].records[0],operations[0].type,operations[0].update,operations[0].where,operations[1],options.speed",
		`{"options":{"parallel":"yes","max_concurrent":0,"attempt_timeout":30,"retry":{"attempts":0,"backoff":1,"delay":"soon","custom":2,"tries":3},"validation":{"mode":1,"on_error":[],"level":"x"}}}`: "options.attempt_timeout," +
			"options.max_concurrent,options.parallel,options.retry.attempts,options.retry.backoff,options.retry.custom,options.retry.delay,options.retry.tries," +
			"options.validation.level,options.validation.mode,options.validation.on_error",
		`{"options":{"max_concurrent":5.5,"retry":7,"validation":"strict"}}`: "options.max_concurrent,options.retry,options.validation",
	} {
		s, err := jobs.ParseSpec([]byte(text))
		if err == nil {
			t.Errorf("%s: %+v", text, s)
			continue
		}
		got := err.Error()
		if strings.HasPrefix(text, `{"`) {
			var fields []string
			for _, m := range mistakes(t, err) {
				field, _, _ := strings.Cut(m, " ")
				fields = append(fields, field)
			}
			slices.Sort(fields)
			got = strings.Join(slices.Compact(fields), ",")
		}
		if got != want {
			t.Errorf("%s:\n%s, want\n%s", text, got, want)
		}
	}
	var many strings.Builder
	for k := range 1000 {
		fmt.Fprintf(&many, `,"%s%d":1`, strings.Repeat("é", 500), k)
	}
	if _, err := jobs.ParseSpec([]byte(`{"x":1` + many.String() + `}`)); err == nil || len(err.Error()) > 50_000 || len(mistakes(t, err)) != 100 {
		t.Errorf("a thousand unknown fields: %v", err)
	}
}
