package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/examples/internal/pocket"
	"github.com/windrow-go/windrow/jobs"
)

// serve starts a server without fields, and returns a client of it.
func serve(t *testing.T) (*pocket.Server, *farm) {
	t.Helper()
	server, err := pocket.Start(t.Context(), pocket.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	client, err := openFarm(server.URL(), server.Token(), windrow.NewLimiter())
	if err != nil {
		t.Fatal(err)
	}
	return server, client
}

// Every text selects the records that have it, and no others: a filter cannot be
// left by what it holds.
func TestFilters(t *testing.T) {
	t.Parallel()
	server, client := serve(t)
	texts := []string{
		"active", "fallow", `a"b`, `a\"b`, `a'b`, `" || id != "`, `\" || id != "`, `x" && "a`, "a && b", "%", "a_b", "ä", "(", "// no", "@now", "null", "true", "1",
	}
	var fields []pocket.Field
	for k, text := range texts {
		fields = append(fields, pocket.Field{ID: fmt.Sprintf("field%010d", k), Status: text, Enabled: k%2 == 0})
	}
	if err := server.Sow(fields...); err != nil {
		t.Fatal(err)
	}
	for k, text := range texts {
		for _, enabled := range []bool{true, false} {
			filter := jobs.Fields{"status": text, "irrigation_enabled": enabled}
			var want []string
			if fields[k].Enabled == enabled {
				want = []string{fields[k].ID}
			}
			n, err := client.count(t.Context(), filter)
			if got := ids(t, client, filter); err != nil || n != len(want) || !slices.Equal(got, want) {
				t.Errorf("%v: %v, %d counted (%v), want %v", filter, got, n, err, want)
			}
		}
	}
	for _, value := range []any{`ends in \`, nil, []any{"active"}, map[string]any{}, 1.5} {
		for _, err := range client.list(t.Context(), jobs.Fields{"status": value}) {
			if err == nil || windrow.Classify(err).Class != windrow.ClassPermanent {
				t.Errorf("%#v: error %v, want one that ends the job", value, err)
			}
		}
		if _, err := client.count(t.Context(), jobs.Fields{"status": value}); err == nil {
			t.Errorf("%#v was counted", value)
		}
	}
	if text, err := expression(jobs.Fields{"b": json.Number("30"), "a": "x"}); text != `a = "x" && b = 30` || err != nil {
		t.Errorf("%s, %v", text, err)
	}
}

// The list has every field once, over several pages, in the order of their ids.
func TestList(t *testing.T) {
	t.Parallel()
	server, client := serve(t)
	fields := sow(500)
	if err := server.Sow(fields...); err != nil {
		t.Fatal(err)
	}
	var all, active []string
	for _, f := range fields {
		all = append(all, f.ID)
		if f.Status == "active" {
			active = append(active, f.ID)
		}
	}
	if diff := cmp.Diff(all, ids(t, client, jobs.Fields{})); diff != "" {
		t.Errorf("all (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(active, ids(t, client, jobs.Fields{"status": "active"})); diff != "" {
		t.Errorf("active ones (-want +got):\n%s", diff)
	}
}

func ids(t *testing.T, client *farm, filter jobs.Fields) (ids []string) {
	t.Helper()
	for f, err := range client.list(t.Context(), filter) {
		if err != nil {
			t.Fatalf("%v: %v", filter, err)
		}
		ids = append(ids, f.ID)
	}
	return ids
}

// The server's message becomes that of the item; other errors keep their own.
func TestDescribe(t *testing.T) {
	t.Parallel()
	server, client := serve(t)
	if err := server.Sow(pocket.Field{ID: "field0000000000", Status: "active", MostMinutes: 20}); err != nil {
		t.Fatal(err)
	}
	_, err := client.Update(t.Context(), "field0000000000", Patch{Schedule: daily})
	if code, message := describe(err); code != "" || message != "Invalid irrigation duration" {
		t.Errorf("%v: %q, %q", err, code, message)
	}
	if c := windrow.Classify(err); c.Class != windrow.ClassPermanent || c.Kind != windrow.KindValidation {
		t.Errorf("%v is %v of kind %v", err, c.Class, c.Kind)
	}
	if changes := server.Changes(); len(changes) > 0 {
		t.Errorf("changes %v", changes)
	}
	if code, message := describe(errors.New("other")); code != "" || message != "" {
		t.Errorf("%q, %q", code, message)
	}
}
