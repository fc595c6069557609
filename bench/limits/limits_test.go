package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// The model itself has to keep the promises that it is used to check.
func TestServers(t *testing.T) {
	t.Parallel()
	for _, s := range append(named, draw(7, 40)...) {
		if err := s.check(); err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
		if s.Items < 1000 || s.capacity() <= 0 || s.ideal(0) <= 0 {
			t.Errorf("%s: %d items, %v/s, ideal %v", s.Name, s.Items, s.capacity(), s.ideal(0))
		}
	}
}

// No law beats the ideal by more than what the start of its last call can explain, and windrow keeps its promises.
func TestSimulation(t *testing.T) {
	for _, s := range append(slices.Clone(named), draw(11, 30)...) {
		s.Items = 600
		if err := s.check(); err != nil {
			t.Fatal(err)
		}
		r := measure(t, s, laws[0], 1, 1)
		if r.Lost > 0 || len(r.Wrong) > 0 {
			t.Errorf("%s: %d lost, %q", s.Name, r.Lost, r.Wrong)
		}
		if r.Utilisation <= 0 || r.Worst > 1.05 {
			t.Errorf("%s: utilisation %v", s.Name, r.Utilisation)
		}
	}
}

// A run that another client keeps out for longer than MaxThrottleWait is gone on with: nothing is lost.
func TestAStarvedClientGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		end := runWindrow(10, 1, func(item int) answer {
			time.Sleep(refusalTakes)
			return answer{throttled: item >= 3 && time.Since(began) < 12*time.Minute}
		})
		if end.lost != 0 || end.err != nil || end.stops < 1 || end.stops > 3 {
			t.Errorf("%+v, want nothing lost after two stops", end)
		}
	})
}

// The server sees a client that does not wait.
func TestABrokenPromiseIsSeen(t *testing.T) {
	s := spec{Name: "bucket", Kind: bucket, Rate: 5, Burst: 5, Items: 100}
	if err := s.check(); err != nil {
		t.Fatal(err)
	}
	hasty := laws[2]
	hasty.strict = true
	if r := measure(t, s, hasty, 1, 1); len(r.Wrong) == 0 {
		t.Error("20 workers went on after a 429, and nobody saw it")
	}
}

func TestGoals(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		row  row
		want int
	}{
		{row{spec: spec{Goal: "bucket"}, Utilisation: 0.98, Throttled: 0.01, P99: 0.5}, 0},
		{row{spec: spec{Goal: "bucket"}, Utilisation: 0.9, Throttled: 0.06, P99: 0.7}, 3},
		{row{spec: spec{Goal: "drawn", Factor: 1.8}, Utilisation: 0.9, Throttled: 0.2, P99: 1.8}, 0},
		{row{spec: spec{}, Throttled: 1}, 0},
	} {
		if got := missed(tt.row); len(got) != tt.want {
			t.Errorf("%s: missed %q, want %d", tt.row.spec.Goal, got, tt.want)
		}
	}
}

func TestSpecFiles(t *testing.T) {
	t.Parallel()
	write := func(text string) string {
		name := filepath.Join(t.TempDir(), "spec.json")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	example := specHelp[strings.LastIndex(specHelp, "[{"):]
	specs, err := readSpecs(write(example))
	if err != nil || len(specs) != 1 || specs[0].Latency != 0.12 || specs[0].Items != 3000 {
		t.Errorf("the example of -spec-help: %+v, %v", specs, err)
	}
	for name, text := range map[string]string{
		"no JSON":    `{`,
		"no kind":    `[{}]`,
		"no rate":    `[{"kind":"bucket"}]`,
		"no quota":   `[{"kind":"window","period":3}]`,
		"no slots":   `[{"kind":"soft"}]`,
		"headers":    `[{"kind":"unlimited","headers":"some"}]`,
		"goal":       `[{"kind":"unlimited","goal":"moon"}]`,
		"shift back": `[{"kind":"bucket","rate":1,"burst":1,"shifts":[{"after":5,"rate":1},{"after":4,"rate":1}]}]`,
	} {
		if _, err := readSpecs(write(text)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"x"}, {"-seeds", "-1"}, {"-draw", "1", "-spec", "f"}, {"-nonsense"}} {
		if _, err := parse(args, new(bytes.Buffer)); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
	set, err := parse([]string{"-draw", "5", "-n", "3"}, new(bytes.Buffer))
	if err != nil || set.seeds != 1 {
		t.Fatalf("%+v, %v", set, err)
	}
	if specs, err := set.specs(); err != nil || len(specs) != 3 {
		t.Errorf("%d drawn, %v", len(specs), err)
	}
}

func TestJSON(t *testing.T) {
	set, err := parse([]string{"-server", "soft", "-law", "windrow", "-seeds", "1", "-json"}, new(bytes.Buffer))
	if err != nil {
		t.Fatal(err)
	}
	specs, err := set.specs()
	if err != nil {
		t.Fatal(err)
	}
	specs[0].Items = 200
	var stdout, stderr bytes.Buffer
	if status := run(t, set, specs, &stdout, &stderr); status != 0 {
		t.Fatalf("status %d: %s", status, stderr.String())
	}
	var out struct{ Rows []row }
	if err := json.Unmarshal(stdout.Bytes(), &out); err != nil || len(out.Rows) != 1 || out.Rows[0].Server != "soft 8" {
		t.Errorf("%+v, %v", out, err)
	}
}

// What the laws learn depends on the order in which the engine's workers get their slots: a call that overtakes another
// makes them take a bound on calls in flight for a rate.
func TestTheEngineKeepsTheOrderThatTheLawsRelyOn(t *testing.T) {
	for _, s := range named {
		if s.Name != "concurrency 8 bare" && s.Name != "soft 8" {
			continue
		}
		if err := s.check(); err != nil {
			t.Fatal(err)
		}
		if r := measure(t, s, laws[0], 557311, 3); r.Lost > 0 || len(r.Missed)+len(r.Wrong) > 0 {
			t.Errorf("%s: %d lost, missed %q, wrong %q", s.Name, r.Lost, r.Missed, r.Wrong)
		}
	}
}
