package ratio

import (
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// script is an observer that plays given wall times, one for each run, in place
// of measuring. The CPU time is twice the wall time.
func script(walls ...time.Duration) observer {
	return func(run func() error) (Sample, error) {
		wall := walls[0]
		walls = walls[1:]
		return Sample{Wall: wall, CPU: 2 * wall, Allocs: 5, Bytes: 1000}, run()
	}
}

// recorder makes cases that write down what is called.
type recorder struct{ calls []string }

func (r *recorder) add(call string) { r.calls = append(r.calls, call) }

func (r *recorder) newCase(name string) Case {
	return Case{Name: name, Prepare: func(int) (Work, error) {
		r.add("prepare " + name)
		return Work{
			Run:   func() error { r.add("run " + name); return nil },
			Check: func() error { r.add("check " + name); return nil },
		}, nil
	}}
}

func idle(name string) Case {
	return Case{Name: name, Prepare: func(int) (Work, error) {
		return Work{Run: func() error { return nil }}, nil
	}}
}

func TestMeasureRunsCasesInTurns(t *testing.T) {
	t.Parallel()
	var r recorder
	cases := []Case{r.newCase("a"), r.newCase("b")}
	report, err := measure(t.Context(), cases, Config{Items: 1, Rounds: 2}, script(1, 1, 1, 1, 1, 1))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"prepare a", "prepare b",
		"run a", "check a", "run b", "check b",
		"run a", "check a", "run b", "check b",
		"run a", "check a", "run b", "check b",
	}
	if diff := cmp.Diff(want, r.calls); diff != "" {
		t.Errorf("calls, with one round to warm up (-want +got):\n%s", diff)
	}
	if got := len(report.Rows[0].Runs); got != 2 {
		t.Errorf("measured runs = %d, want 2", got)
	}
}

func TestMeasureDefaults(t *testing.T) {
	t.Parallel()
	report, err := Measure(t.Context(), []Case{idle("first"), idle("second")}, Config{Items: 1})
	if err != nil {
		t.Fatal(err)
	}
	if report.Rounds != DefaultRounds || len(report.Rows[1].Runs) != DefaultRounds {
		t.Errorf("rounds = %d with %d runs, want %d", report.Rounds, len(report.Rows[1].Runs), DefaultRounds)
	}
	if v := report.Rows[1].Versus; len(v) != 1 || v[0].Baseline != "first" {
		t.Errorf("versus = %+v, want the first case as the baseline", v)
	}
}

// The ratio of a round is what counts: a machine that gets ten times slower
// half-way moves both sides of every round and no ratio.
func TestReportRatiosAreFormedWithinARound(t *testing.T) {
	t.Parallel()
	walls := []time.Duration{
		9, 9, // warm-up
		100, 200,
		1000, 2000,
		1000, 4000,
	}
	report, err := measure(t.Context(), []Case{idle("base"), idle("slow")}, Config{Items: 10, Rounds: 3}, script(walls...))
	if err != nil {
		t.Fatal(err)
	}
	want := Row{
		Name:   "slow",
		Cost:   Cost{Wall: 200, CPU: 400, Allocs: 0.5, Bytes: 100},
		Versus: []Versus{{Baseline: "base", Wall: Spread{2, 2, 4}, CPU: Spread{2, 2, 4}}},
		Runs: []Sample{
			{Wall: 200, CPU: 400, Allocs: 5, Bytes: 1000},
			{Wall: 2000, CPU: 4000, Allocs: 5, Bytes: 1000},
			{Wall: 4000, CPU: 8000, Allocs: 5, Bytes: 1000},
		},
	}
	if diff := cmp.Diff(want, report.Rows[1]); diff != "" {
		t.Errorf("row (-want +got):\n%s", diff)
	}

	var table strings.Builder
	if err := report.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	wantTable := strings.Join([]string{
		"10 items, medians of 3 rounds in turns, ratios with (smallest..largest)",
		"case  wall ns/item  cpu ns/item  allocs/item  bytes/item  wall x base           cpu x base",
		"base  100.0         200.0        0.5000       100.0       1.000 (1.000..1.000)  1.000 (1.000..1.000)",
		"slow  200.0         400.0        0.5000       100.0       2.000 (2.000..4.000)  2.000 (2.000..4.000)",
		"",
	}, "\n")
	if diff := cmp.Diff(wantTable, table.String()); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

func TestReportShowsWhatWasNotMeasured(t *testing.T) {
	t.Parallel()
	noCPU := func(run func() error) (Sample, error) { return Sample{Wall: 3}, run() }
	report, err := measure(t.Context(), []Case{idle("a"), idle("b")}, Config{Items: 1, Rounds: 1}, noCPU)
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	if err := report.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(table.String(), "\n")
	want := "b     3.0           -            0.0000       0.0         1.000 (1.000..1.000)  -"
	if got := lines[len(lines)-2]; got != want {
		t.Errorf("last line = %q, want %q", got, want)
	}
	if _, err := json.Marshal(report); err != nil {
		t.Errorf("a report without CPU times does not marshal: %v", err)
	}
	for _, goal := range []Goal{
		{Case: "b", Metric: CPU, Max: 1},
		{Case: "b", Metric: CPU, Baseline: "a", Max: 1},
	} {
		if verdicts, err := report.Judge([]Goal{goal}); err == nil {
			t.Errorf("Judge(%v) = %v, want an error: no CPU time was measured", goal, verdicts)
		}
	}
}

// A round in which one side took no measurable time has no ratio, whichever side
// it is, and a ratio over only some of the rounds would mislead.
func TestReportHasNoRatioWithAZeroOnEitherSide(t *testing.T) {
	t.Parallel()
	for _, walls := range [][]time.Duration{
		{1, 1, 2, 4, 0, 4},
		{1, 1, 2, 4, 2, 0},
	} {
		report, err := measure(t.Context(), []Case{idle("a"), idle("b")}, Config{Items: 1, Rounds: 2}, script(walls...))
		if err != nil {
			t.Fatal(err)
		}
		if got := report.Rows[1].Versus[0].Wall; got != (Spread{}) {
			t.Errorf("wall times %v: ratio = %v, want none", walls, got)
		}
	}
}

func TestReportJSON(t *testing.T) {
	t.Parallel()
	report, err := measure(t.Context(), []Case{idle("a")}, Config{Items: 2, Rounds: 1}, script(7, 8))
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"items":2,"rounds":1,"cases":[{"name":"a",` +
		`"cost":{"wall_ns":4,"cpu_ns":8,"allocs":2.5,"bytes":500},` +
		`"versus":[{"baseline":"a","wall":{"median":1,"min":1,"max":1},"cpu":{"median":1,"min":1,"max":1}}],` +
		`"samples":[{"wall_ns":8,"cpu_ns":16,"allocs":5,"bytes":1000}]}]}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
}

func TestMedian(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{4}, 4},
		{[]float64{9, 1}, 5},
		{[]float64{9, 1, 2}, 2},
		{[]float64{1000, 3, 1, 4}, 3.5},
		{[]float64{7, 6, 5, 4, 3, 2, 1}, 4},
	} {
		if got := median(test.values); got != test.want {
			t.Errorf("median(%v) = %v, want %v", test.values, got, test.want)
		}
	}
}

func TestMeasureErrors(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	cancelled, cancel := context.WithCancelCause(t.Context())
	cancel(broken)
	work := func(work Work, err error) []Case {
		return []Case{{Name: "a", Prepare: func(int) (Work, error) { return work, err }}}
	}
	fine := func() error { return nil }
	fails := func() error { return broken }

	for _, test := range []struct {
		name   string
		ctx    context.Context
		cases  []Case
		config Config
		want   string
	}{
		{"no case", t.Context(), nil, Config{Items: 1}, "no case"},
		{"no items", t.Context(), []Case{idle("a")}, Config{}, "Items is 0"},
		{"negative rounds", t.Context(), []Case{idle("a")}, Config{Items: 1, Rounds: -1}, "Rounds is -1"},
		{"no name", t.Context(), []Case{idle("")}, Config{Items: 1}, "needs a Name"},
		{"no Prepare", t.Context(), []Case{{Name: "a"}}, Config{Items: 1}, "needs a Name"},
		{"no Run", t.Context(), work(Work{}, nil), Config{Items: 1}, "no Run"},
		{"same name", t.Context(), []Case{idle("a"), idle("a")}, Config{Items: 1}, `two cases are named "a"`},
		{"unknown baseline", t.Context(), []Case{idle("a")}, Config{Items: 1, Baselines: []string{"b"}}, `baseline "b"`},
		{"prepare fails", t.Context(), work(Work{Run: fine}, broken), Config{Items: 1}, "prepare: broken"},
		{"run fails", t.Context(), work(Work{Run: fails}, nil), Config{Items: 1}, "run: broken"},
		{"check fails", t.Context(), work(Work{Run: fine, Check: fails}, nil), Config{Items: 1}, "check: broken"},
		{"cancelled", cancelled, []Case{idle("a")}, Config{Items: 1}, "stopped in round 0: broken"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			report, err := Measure(test.ctx, test.cases, test.config)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Measure = %v, %v; want an error with %q", report, err, test.want)
			}
		})
	}
}

// keep makes allocations escape to the heap.
var keep []*[64]byte

// The counters are the process's own, so this test is not parallel.
func TestObserveCountsOnlyTheRun(t *testing.T) {
	busy, err := observe(func() error {
		for start := time.Now(); time.Since(start) < 50*time.Millisecond; {
			keep = append(keep[:len(keep)%1000], new([64]byte))
		}
		return nil
	})
	keep = nil
	if err != nil {
		t.Fatal(err)
	}
	if busy.Wall < 50*time.Millisecond || busy.Allocs < 1000 || busy.Bytes < 64*busy.Allocs/2 {
		t.Errorf("50 ms of allocating 64 bytes at a time cost %+v", busy)
	}
	if runtime.GOOS == "linux" && (busy.CPU <= 0 || busy.CPU > processCPU()) {
		t.Errorf("50 ms of work took %v of CPU time, of %v in all", busy.CPU, processCPU())
	}

	idle, err := observe(func() error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if idle.Allocs > 100 || idle.Bytes > 64_000 || idle.CPU > 25*time.Millisecond {
		t.Errorf("doing nothing cost %+v after a run that cost %+v", idle, busy)
	}

	if _, err := observe(func() error { return errors.ErrUnsupported }); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("observe lost the error of the run: %v", err)
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	report := &Report{Rows: []Row{{
		Name:   "a",
		Cost:   Cost{Wall: 10, CPU: 20, Allocs: 0.5, Bytes: 100},
		Versus: []Versus{{Baseline: "b", Wall: Spread{0.25, 0.2, 0.9}, CPU: Spread{0.5, 0.1, 0.6}}},
	}}}
	for _, test := range []struct {
		goal Goal
		want string // the verdict, or what the error contains
	}{
		{Goal{"a", Wall, "b", 0.25}, "met  a: wall ns/item <= 0.25 x b  (measured 0.25)"},
		{Goal{"a", Wall, "b", 0.24}, "MISSED  a: wall ns/item <= 0.24 x b  (measured 0.25)"},
		{Goal{"a", CPU, "b", 0.4}, "MISSED  a: cpu ns/item <= 0.4 x b  (measured 0.5)"},
		{Goal{"a", Wall, "", 10}, "met  a: wall ns/item <= 10  (measured 10)"},
		{Goal{"a", CPU, "", 10}, "MISSED  a: cpu ns/item <= 10  (measured 20)"},
		{Goal{"a", Allocs, "", 0.01}, "MISSED  a: allocs/item <= 0.01  (measured 0.5)"},
		{Goal{"a", Bytes, "", 128}, "met  a: bytes/item <= 128  (measured 100)"},
		{Goal{"c", Wall, "", 1}, `case "c" was not measured, only a`},
		{Goal{"a", Wall, "c", 1}, `"c" is not a baseline`},
		{Goal{"a", Allocs, "b", 1}, `"allocs/item" has no ratio`},
		{Goal{"a", "speed", "", 1}, `unknown metric "speed"`},
	} {
		var got string
		verdicts, err := report.Judge([]Goal{test.goal})
		if err != nil {
			got = err.Error()
		} else {
			got = verdicts[0].String()
		}
		if err != nil && !strings.Contains(got, test.want) || err == nil && got != test.want {
			t.Errorf("Judge(%v) = %q, want %q", test.goal, got, test.want)
		}
	}
}
