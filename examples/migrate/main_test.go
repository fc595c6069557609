package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/windrow-go/windrow/examples/internal/readback"
	"github.com/windrow-go/windrow/examples/internal/site"
	"github.com/windrow-go/windrow/examples/internal/stdlib"
	"github.com/windrow-go/windrow/plan"
)

// symbols returns made-up input, every third of it deprecated.
func symbols(n int) []stdlib.Symbol {
	list := make([]stdlib.Symbol, n)
	for i := range list {
		name := fmt.Sprintf("F%d", i)
		list[i] = stdlib.Symbol{FullName: "p." + name, ImportPath: "p", Name: name, Kind: "func", Synopsis: "Synopsis.", Doc: "d\n", Deprecated: i%3 == 0}
	}
	return list
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	var stdout bytes.Buffer
	if err := demonstrate(t.Context(), symbols(360), 200, false, &stdout); err != nil {
		t.Fatalf("%v\n%s", err, &stdout)
	}
	for _, want := range []string{
		"Page 1 of what is not marked yet, with 100 records: 100 to update.\n", "Page 2 of what is not marked yet, with 20 records: 20 to update.\n", "360 rows compared before and after, none changed.",
		`synopsis: "`, "exactly those of the plan", "no row changed; a new plan has 0 records.",
	} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("the output does not hold %q:\n%s", want, &stdout)
		}
	}
}

// The server's own count: a dry run sends nothing but reads.
func TestDryRunSendsOnlyReads(t *testing.T) {
	t.Parallel()
	s, err := site.Start(t.Context(), symbols(150), 0)
	if err != nil {
		t.Fatal(err)
	}
	created := s.Server.Traffic(http.MethodPost).Requests
	var stdout bytes.Buffer
	if err := migrate(t.Context(), s, true, &stdout); err != nil {
		t.Errorf("migrate: %v\n%s", err, &stdout)
	}
	if got := s.Server.Traffic(http.MethodPost).Requests; got != created || s.Server.Traffic(http.MethodPatch).Requests > 0 ||
		s.Server.Traffic(http.MethodPut).Requests > 0 || s.Server.Traffic(http.MethodDelete).Requests > 0 {
		t.Error("the dry run sent a write")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestCheckSeesWhatIsNotPlanned(t *testing.T) {
	t.Parallel()
	row := func(s string) json.RawMessage { return json.RawMessage(s) }
	p := &plan.UpdatePlan[string, readback.Record]{Changes: []plan.Change[string, readback.Record]{{
		ID: "a", Differences: []plan.Difference{{Field: "n", Before: row(`"x"`), After: row(`"y"`)}},
	}}}
	before := site.Rows{"a": row(`{"n":"x"}`), "b": row(`{"n":"x"}`)}
	for name, after := range map[string]site.Rows{
		"right":         {"a": row(`{"n":"y"}`), "b": row(`{"n":"x"}`)},
		"nothing":       {"a": row(`{"n":"x"}`), "b": row(`{"n":"x"}`)},
		"another":       {"a": row(`{"n":"x"}`), "b": row(`{"n":"y"}`)},
		"both":          {"a": row(`{"n":"y"}`), "b": row(`{"n":"y"}`)},
		"another value": {"a": row(`{"n":"z"}`), "b": row(`{"n":"x"}`)},
		"more fields":   {"a": row(`{"n":"y","m":1}`), "b": row(`{"n":"x"}`)},
	} {
		if err := check(p, before, after); (err == nil) != (name == "right") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]int{"-help": 0, "-n=-1": 2, "-rate=-1": 2, "-bad": 2, "extra": 2} {
		if got := run(t.Context(), []string{args}, &bytes.Buffer{}, &bytes.Buffer{}); got != want {
			t.Errorf("%s: status %d, want %d", args, got, want)
		}
	}
}
