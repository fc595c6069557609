package ratio

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
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
			Close: func() { r.add("close " + name) },
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
		"close b", "close a",
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
		Items:  10,
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
		"10 items, medians of 3 rounds in turns, those of wall time with (smallest..largest)",
		"case  wall ns/item  cpu ns/item  allocs/item  bytes/item  x base                cpu x",
		"base  100.0         200.0        0.5000       100.0       1.000 (1.000..1.000)  1.000",
		"slow  200.0         400.0        0.5000       100.0       2.000 (2.000..4.000)  2.000",
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
		`"items":2,"cost":{"wall_ns":4,"cpu_ns":8,"allocs":2.5,"bytes":500},` +
		`"versus":[{"baseline":"a","wall":{"median":1,"min":1,"max":1},"cpu":{"median":1,"min":1,"max":1}}],` +
		`"samples":[{"wall_ns":8,"cpu_ns":16,"allocs":5,"bytes":1000}]}]}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
}

func TestNumberOfDigits(t *testing.T) {
	t.Parallel()
	for ratio, want := range map[float64]string{0: "-", 0.01234: "0.012", 9.87654: "9.877", 12.345: "12.3", 123.45: "123"} {
		if got := number(ratio); got != want {
			t.Errorf("number(%v) = %q, want %q", ratio, got, want)
		}
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
	figures := map[string]map[Metric]float64{"a": {"opened": 3, "over": -2}, "b": {"opened": 12}, "c": nil}
	walls := map[string]time.Duration{"a": 100, "b": 400, "c": 200}
	var cases []Case
	for _, name := range []string{"a", "b", "c"} {
		cases = append(cases, Case{Name: name, Peer: name != "a", Prepare: func(int) (Work, error) {
			return Work{Run: func() error { return nil }, Figures: func() map[Metric]float64 { return figures[name] }}, nil
		}})
	}
	report, err := measure(t.Context(), cases, Config{Items: 10, Rounds: 1, Baselines: []string{"b"}},
		script(1, 1, 1, walls["a"], walls["b"], walls["c"]))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		goal Goal
		want string // the verdict, or what the error contains
	}{
		{Goal{Case: "a", Metric: Wall, Baseline: "b", Max: 0.25}, "met  a: wall ns/item <= 0.25 x b  (measured 0.25)"},
		{Goal{Case: "a", Metric: Wall, Baseline: "b", Max: 0.24}, "MISSED  a: wall ns/item <= 0.24 x b  (measured 0.25)"},
		{Goal{Case: "a", Metric: CPU, Baseline: BestPeer, Max: 0.4}, "MISSED  a: cpu ns/item <= 0.4 x best peer  (measured 0.5)"},
		{Goal{Case: "a", Metric: Wall, Max: 10}, "met  a: wall ns/item <= 10  (measured 10)"},
		{Goal{Case: "a", Metric: CPU, Max: 10}, "MISSED  a: cpu ns/item <= 10  (measured 20)"},
		{Goal{Case: "a", Metric: Allocs, Max: 0.01}, "MISSED  a: allocs/item <= 0.01  (measured 0.5)"},
		{Goal{Case: "a", Metric: Bytes, Max: 128}, "met  a: bytes/item <= 128  (measured 100)"},
		{Goal{Case: "a", Metric: "opened", Max: 3}, "met  a: opened <= 3  (measured 3)"},
		{Goal{Case: "a", Metric: "opened", Min: 3, Max: 4}, "met  a: opened from 3 to 4  (measured 3)"},
		{Goal{Case: "a", Metric: "opened", Min: 3.1, Max: 4}, "MISSED  a: opened from 3.1 to 4  (measured 3)"},
		{Goal{Case: "a", Metric: "opened", Baseline: "b", Max: 0.2}, "MISSED  a: opened <= 0.2 x b  (measured 0.25)"},
		{Goal{Case: "a", Metric: "over", Max: 0}, "met  a: over <= 0  (measured -2)"},
		{Goal{Case: "d", Metric: Wall, Max: 1}, `case "d" was not measured, only a, b, c`},
		{Goal{Case: "a", Metric: Wall, Baseline: "d", Max: 1}, `case "d" was not measured`},
		{Goal{Case: "a", Metric: "opened", Baseline: "c", Max: 1}, `was 0 in a round`},
		{Goal{Case: "a", Metric: "speed", Max: 1}, `"speed" was not measured, only`},
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
	if _, err := (&Report{}).Judge([]Goal{{Case: "a", Baseline: BestPeer}}); err == nil {
		t.Error("an empty report is judged")
	}
}

// Of the peers the fastest is a baseline, too, and a case may handle fewer items than the others.
func TestReportOfPeers(t *testing.T) {
	t.Parallel()
	of := func(name string, peer bool, items int, figures map[Metric]float64) Case {
		return Case{Name: name, Peer: peer, Prepare: func(int) (Work, error) {
			return Work{Run: func() error { return nil }, Items: items, Figures: func() map[Metric]float64 { return figures }}, nil
		}}
	}
	cases := []Case{of("limit", false, 0, nil), of("slow", true, 0, nil), of("few", true, 5, map[Metric]float64{"opened": 7}), of("ours", false, 0, nil)}
	report, err := measure(t.Context(), cases, Config{Items: 10, Rounds: 1}, script(1, 1, 1, 1, 100, 500, 200, 100))
	if err != nil {
		t.Fatal(err)
	}
	if report.BestPeer != "few" {
		t.Errorf("best peer %q, want few: 40 ns an item against 50", report.BestPeer)
	}
	var table strings.Builder
	if err := report.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{
		"10 items, medians of 1 rounds in turns, those of wall time with (smallest..largest)",
		"case wall ns/item cpu ns/item allocs/item bytes/item opened x limit cpu x x few (best peer) cpu x",
		"limit 10.0 20.0 0.5000 100.0 - 1.000 (1.000..1.000) 1.000 0.250 (0.250..0.250) 0.250",
		"slow 50.0 100.0 0.5000 100.0 - 5.000 (5.000..5.000) 5.000 1.250 (1.250..1.250) 1.250",
		"few 40.0 80.0 1.0000 200.0 7 4.000 (4.000..4.000) 4.000 1.000 (1.000..1.000) 1.000",
		"ours 10.0 20.0 0.5000 100.0 - 1.000 (1.000..1.000) 1.000 0.250 (0.250..0.250) 0.250",
	}, "\n")
	got := regexp.MustCompile(" +").ReplaceAllString(strings.TrimSpace(table.String()), " ")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
	if got := report.Rows[2].Figures["opened"]; got != 7 {
		t.Errorf("the case has counted 7, and the report says %v", got)
	}
}
