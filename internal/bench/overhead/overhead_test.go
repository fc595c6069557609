package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow/internal/bench/ratio"
)

// BenchmarkOverhead runs each case by itself. An operation is one run of a
// hundred thousand items. To compare two cases use the command, which runs them
// in turns.
func BenchmarkOverhead(b *testing.B) {
	const items = 100_000
	for _, c := range candidates {
		for _, concurrency := range []int{8, 64} {
			b.Run(fmt.Sprintf("case=%s/concurrency=%d", c.name, concurrency), func(b *testing.B) {
				work := c.prepare(job{concurrency: concurrency, inputs: make([]int, items), do: noop})
				b.ReportAllocs()
				for b.Loop() {
					if err := work.Run(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/items, "ns/item")
			})
		}
	}
}

func TestCasesHandleEveryItem(t *testing.T) {
	t.Parallel()
	for _, c := range candidates {
		for _, items := range []int{1, 63, 64, 65, 1000} {
			for _, concurrency := range []int{1, 8, 100} {
				t.Run(fmt.Sprintf("%s/%d/%d", c.name, items, concurrency), func(t *testing.T) {
					t.Parallel()
					inputs := make([]int, items)
					for i := range inputs {
						inputs[i] = i + 1
					}
					work := c.prepare(job{concurrency: concurrency, inputs: inputs, do: noop})
					if err := work.Check(); err == nil {
						t.Fatal("the check passes before anything was run")
					}
					for range 2 {
						if err := work.Run(); err != nil {
							t.Fatal(err)
						}
						if err := work.Check(); err != nil {
							t.Fatal(err)
						}
					}
					if err := work.Check(); err == nil {
						t.Error("the check keeps the results of the last run")
					}
				})
			}
		}
	}
}

// A case whose call fails must not pass its check, whichever way it reports the
// failure.
func TestCasesNoticeAFailedCall(t *testing.T) {
	t.Parallel()
	fails := func(context.Context, int) (int, error) { return 0, errors.New("refused") }
	for _, c := range candidates {
		work := c.prepare(job{concurrency: 2, inputs: []int{1, 2, 3}, do: fails})
		if err := errors.Join(work.Run(), work.Check()); err == nil {
			t.Errorf("%s: no error", c.name)
		}
	}
}

func TestSlotSize(t *testing.T) {
	t.Parallel()
	if got := unsafe.Sizeof(slot{}); got != 32 {
		t.Errorf("a slot has %d bytes, want 32", got)
	}
}

func TestGoalsAndBaselinesNameCases(t *testing.T) {
	t.Parallel()
	names := map[string]bool{"": true}
	for _, c := range candidates {
		names[c.name] = true
	}
	for _, name := range baselines {
		if !names[name] {
			t.Errorf("baseline %q is not a case", name)
		}
	}
	for _, goal := range goals {
		if !names[goal.Case] || !names[goal.Baseline] {
			t.Errorf("goal %q names a case that is not there", goal)
		}
	}
}

// The tests below measure, so they are not parallel.

func TestRunPrintsATableForEachConcurrency(t *testing.T) {
	var stdout, stderr strings.Builder
	status := run(t.Context(), []string{"-n", "500", "-reps", "1", "-concurrency", "2,3"}, &stdout, &stderr)
	if status != 0 || stderr.Len() > 0 {
		t.Fatalf("status %d, stderr %q", status, &stderr)
	}
	for _, want := range []string{"concurrency 2: 500 items, medians of 1 rounds", "concurrency 3: 500 items", "wall x limit", "\nerrgroup "} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("the output lacks %q:\n%s", want, &stdout)
		}
	}
}

func TestRunPrintsJSON(t *testing.T) {
	var stdout, stderr strings.Builder
	status := run(t.Context(), []string{"-n", "500", "-reps", "2", "-concurrency", "4", "-json", "-case", "errgroup"}, &stdout, &stderr)
	if status != 0 || stderr.Len() > 0 {
		t.Fatalf("status %d, stderr %q", status, &stderr)
	}
	var got output
	if err := json.Unmarshal([]byte(stdout.String()), &got); err != nil {
		t.Fatalf("%v in %s", err, &stdout)
	}
	if len(got.Results) != 1 || got.Results[0].Concurrency != 4 || len(got.Results[0].Report.Rows) != 1 {
		t.Fatalf("got %+v, want one concurrency and one case", got)
	}
	row := got.Results[0].Report.Rows[0]
	if row.Name != "errgroup" || row.Cost.Wall <= 0 || len(row.Runs) != 2 {
		t.Errorf("got %+v, want two measured runs of errgroup", row)
	}
}

func TestRunNamesEachMissedGoal(t *testing.T) {
	was := goals
	defer func() { goals = was }()
	goals = []ratio.Goal{
		{Case: "errgroup", Metric: ratio.Allocs, Max: 1e-9},
		{Case: "limit", Metric: ratio.Wall, Max: 1e12},
		{Case: "errgroup", Metric: ratio.Wall, Baseline: "limit", Max: 1e-9},
	}
	var stdout, stderr strings.Builder
	if status := run(t.Context(), []string{"-n", "500", "-concurrency", "2", "-check"}, &stdout, &stderr); status != 1 {
		t.Errorf("status = %d, want 1", status)
	}
	var missed []string
	for line := range strings.Lines(stderr.String()) {
		missed = append(missed, line[:strings.Index(line, "  (measured")])
	}
	want := []string{
		"concurrency 2: MISSED  errgroup: allocs/item <= 1e-09",
		"concurrency 2: MISSED  errgroup: wall ns/item <= 1e-09 x limit",
	}
	if diff := cmp.Diff(want, missed); diff != "" {
		t.Errorf("standard error (-want +got):\n%s", diff)
	}
	if want := "concurrency 2: met  limit: wall ns/item"; !strings.Contains(stdout.String(), want) {
		t.Errorf("standard output lacks %q:\n%s", want, &stdout)
	}

	goals = goals[1:2]
	stderr.Reset()
	if status := run(t.Context(), []string{"-n", "500", "-concurrency", "2", "-check"}, &stdout, &stderr); status != 0 || stderr.Len() > 0 {
		t.Errorf("status, stderr = %d, %q with all goals met", status, &stderr)
	}
}

func TestRunStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr strings.Builder
	if status := run(ctx, []string{"-n", "1"}, &stdout, &stderr); status != 1 || !strings.Contains(stderr.String(), "context canceled") {
		t.Errorf("status %d, stderr %q; want 1 and the cause", status, &stderr)
	}
}

func TestRunRefusesBadFlags(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"-n", "0"}, "-n is 0"},
		{[]string{"-reps", "-1"}, "-reps is -1"},
		{[]string{"-reps", "3", "-check"}, "at least 7 with -check"},
		{[]string{"-concurrency", "8,x"}, `"x"`},
		{[]string{"-concurrency", "0"}, `"0"`},
		{[]string{"-case", "limit,other"}, `"other"`},
		{[]string{"-case", "limit", "-check"}, "leave out -case"},
		{[]string{"8"}, `unexpected argument "8"`},
		{[]string{"-unknown"}, "not defined"},
	} {
		var stdout, stderr strings.Builder
		status := run(t.Context(), test.args, &stdout, &stderr)
		if status != 2 || !strings.Contains(stderr.String(), test.want) || stdout.Len() > 0 {
			t.Errorf("%q: status %d, stderr %q; want 2 and %q", test.args, status, &stderr, test.want)
		}
	}
}
