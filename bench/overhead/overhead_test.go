package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow/bench/child"
	"github.com/windrow-go/windrow/bench/ratio"
	"github.com/windrow-go/windrow/pages"
)

func TestMain(m *testing.M) {
	child.Main(parts)
	os.Exit(m.Run())
}

// BenchmarkOverhead runs each contender by itself, at a hundredth of the full size. To compare two use the command, which
// runs them in turns.
func BenchmarkOverhead(b *testing.B) {
	for _, w := range workloads([]int{8, 64}) {
		items := w.size(0.01)
		for _, c := range w.contenders {
			b.Run(benchmarkName("case", w.name)+"/"+benchmarkName("by", c.name), func(b *testing.B) {
				work, err := c.prepare(items)
				if err != nil {
					b.Fatal(err)
				}
				if work.Close != nil {
					defer work.Close()
				}
				b.ReportAllocs()
				for b.Loop() {
					if err := work.Run(); err != nil {
						b.Fatal(err)
					}
				}
				if work.Items > 0 {
					items = work.Items
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(items), "ns/item")
				if work.Figures != nil {
					for metric, value := range work.Figures() {
						b.ReportMetric(value, strings.ReplaceAll(string(metric), " ", "-"))
					}
				}
			})
		}
	}
}

// benchmarkName is a name in the form that benchstat takes apart.
func benchmarkName(key, name string) string {
	return key + "=" + strings.NewReplacer(" ", "-", ",", "", "/", ":").Replace(name)
}

func TestContendersHandleEveryItem(t *testing.T) {
	t.Parallel()
	for _, w := range workloads([]int{3}) {
		for _, c := range w.contenders {
			t.Run(w.name+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				for _, items := range []int{1, 65, 300} {
					work, err := c.prepare(max(items, w.least))
					if err != nil {
						t.Fatal(err)
					}
					if work.Close != nil {
						defer work.Close()
					}
					if work.Check != nil && work.Check() == nil {
						t.Error("the check passes before anything was run")
					}
					for range 2 {
						if err := work.Run(); err != nil {
							t.Fatal(err)
						}
						if work.Check == nil {
							continue
						}
						if err := work.Check(); err != nil {
							t.Fatal(err)
						}
					}
				}
			})
		}
	}
}

// A contender whose call fails must not pass its check, whichever way it reports the failure.
func TestContendersNoticeAFailedCall(t *testing.T) {
	t.Parallel()
	j := newJob(3, 2, func(context.Context, int) (int, error) { return 0, errors.New("refused") })
	for name, prepare := range map[string]func(job) ratio.Work{
		"limit": limit, "errgroup": group, "conc pool": concPool, "conc iter": concIter, "pond": pondGroup,
		"futures": futures, "pipeline": pipeline, "windrow": bulkRun(), "windrow with policies": withPolicies(),
	} {
		work := prepare(j)
		if err := errors.Join(work.Run(), work.Check()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestConsumerNoticesWhatIsMissingOrOutOfTurn(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		inTurn bool
		values []int
		err    error
		want   bool
	}{
		{"all in turn", true, []int{0, 1, 2}, nil, true},
		{"all out of turn", false, []int{2, 0, 1}, nil, true},
		{"out of turn", true, []int{1, 0, 2}, nil, false},
		{"one missing", true, []int{0, 1}, nil, false},
		{"one twice", false, []int{0, 1, 1}, nil, false},
		{"an error", true, []int{0, 1, 2}, errors.New("refused"), false},
	} {
		c := consumer{inTurn: test.inTurn}
		for _, value := range test.values {
			c.take(value, test.err)
		}
		if err := c.check(3); (err == nil) != test.want {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func TestCheckIDs(t *testing.T) {
	t.Parallel()
	ids := []string{"id-0", "id-1"}
	if err := checkIDs(ids); err != nil {
		t.Error(err)
	}
	if checkIDs(ids) == nil {
		t.Error("the ids of the last run were kept")
	}
}

func TestRecordsHaveTheirSize(t *testing.T) {
	t.Parallel()
	for _, r := range newRecords(11) {
		if data, err := json.Marshal(r); err != nil || len(data) != recordSize {
			t.Errorf("record %d has %d bytes, %v", r.Number, len(data), err)
		}
	}
}

func TestSlotSize(t *testing.T) {
	t.Parallel()
	if got := unsafe.Sizeof(slot{}); got != 32 {
		t.Errorf("a slot has %d bytes, want 32", got)
	}
}

func TestMostInASecond(t *testing.T) {
	t.Parallel()
	start := time.Now()
	var at []time.Time
	for _, ms := range []int{1999, 0, 500, 999, 1000, 1001, 3000} {
		at = append(at, start.Add(time.Duration(ms)*time.Millisecond))
	}
	if got := mostInASecond(at); got != 4 { // from 500 to 1001
		t.Errorf("%d in a second, want 4", got)
	}
	if got := mostInASecond(nil); got != 0 {
		t.Errorf("%d in a second of none", got)
	}
}

// The ideals are those of the goals, and no contender can do better: in virtual time, where nothing but waiting takes
// time and an item is handled by sleeping, windrow takes exactly as long.
func TestIdealsOfPages(t *testing.T) {
	t.Parallel()
	if got, want := ideal(100), 2010*time.Millisecond; got != want {
		t.Errorf("ideal: %v, want %v", got, want)
	}
	if got, want := idealParallel(100), 1020*time.Millisecond; got != want {
		t.Errorf("ideal parallel: %v, want %v", got, want)
	}
	for _, count := range []int{1, 2, 3, 100} {
		for _, test := range []struct {
			ideal time.Duration
			opts  []pages.Option
		}{
			{ideal(count), nil},
			{time.Duration(count) * (fetchTime + pageTime), []pages.Option{pages.Prefetch(0)}},
		} {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				if err := byPages(test.opts...)(&list{pages: count}, func(int) { time.Sleep(itemTime) }); err != nil {
					t.Fatal(err)
				}
				if got := time.Since(start); got != test.ideal {
					t.Errorf("%d pages: %v, want %v", count, got, test.ideal)
				}
			})
		}
	}
}

func TestWorkloadsAreWellFormed(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, w := range workloads([]int{8, 64}) {
		if seen[w.name] || w.about == "" || w.items < 1 {
			t.Errorf("%q: %+v", w.name, w)
		}
		seen[w.name] = true
		names, peers := map[string]bool{"": true}, 0
		for _, c := range w.contenders {
			if names[c.name] {
				t.Errorf("%s: two contenders are called %q", w.name, c.name)
			}
			names[c.name] = true
			if c.peer {
				peers++
			}
		}
		names[ratio.BestPeer] = peers > 0
		for _, name := range w.baselines {
			if !names[name] {
				t.Errorf("%s: baseline %q is no contender", w.name, name)
			}
		}
		for _, goal := range w.goals {
			if goal.Case == "" || !names[goal.Case] || !names[goal.Baseline] {
				t.Errorf("%s: goal %q names a contender that is not there", w.name, goal)
			}
		}
	}
}

func TestSize(t *testing.T) {
	t.Parallel()
	w := workload{items: 1000, least: 100}
	for share, want := range map[float64]int{1: 1000, 0.5: 500, 0.001: 100, 2: 2000} {
		if got := w.size(share); got != want {
			t.Errorf("size(%v) = %d, want %d", share, got, want)
		}
	}
	if got := (workload{items: 10}).size(0.001); got != 1 {
		t.Errorf("size = %d, want 1", got)
	}
}

// The tests below measure, so they are not parallel.

func TestRunPrintsATableForEachWorkload(t *testing.T) {
	var stdout, stderr strings.Builder
	status := run(t.Context(), []string{"-n", "500", "-reps", "1", "-concurrency", "2,3", "-case", "run"}, &stdout, &stderr)
	if status != 0 || stderr.Len() > 0 {
		t.Fatalf("status %d, stderr %q", status, &stderr)
	}
	for _, want := range []string{
		"run-2: Run, calls that do nothing, concurrency 2\n500 items, medians of 2 rounds", "run-3: ", "x limit", "(best peer)", "\nerrgroup ",
	} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("the output lacks %q:\n%s", want, &stdout)
		}
	}
}

func TestRunPrintsJSON(t *testing.T) {
	var stdout, stderr strings.Builder
	status := run(t.Context(), []string{"-n", "500", "-reps", "2", "-concurrency", "4,5", "-json", "-case", "policies-4,work"}, &stdout, &stderr)
	if status != 0 || stderr.Len() > 0 {
		t.Fatalf("status %d, stderr %q", status, &stderr)
	}
	var got output
	if err := json.Unmarshal([]byte(stdout.String()), &got); err != nil {
		t.Fatalf("%v in %s", err, &stdout)
	}
	if len(got.Results) != 2 || got.Results[0].Workload != "policies-4" || got.Results[1].Workload != "work" {
		t.Fatalf("got %+v, want the two workloads", got)
	}
	row := got.Results[0].Report.Rows[0]
	if row.Name != "windrow" || row.Cost.Wall <= 0 || len(row.Runs) != 2 {
		t.Errorf("got %+v, want two measured runs of windrow", row)
	}
}

func TestCheckNamesEachMissedGoal(t *testing.T) {
	set := settings{share: 1, rounds: 1, check: true}
	w := noopRun(2)
	w.items, w.goals = 500, []ratio.Goal{
		{Case: "errgroup", Metric: ratio.Allocs, Max: 1e-9},
		{Case: "limit", Metric: ratio.Wall, Max: 1e12},
		{Case: "errgroup", Metric: ratio.Wall, Baseline: "limit", Max: 1e-9},
	}
	set.workloads = []workload{w}
	var stdout, stderr strings.Builder
	if status := set.measureAll(t.Context(), &stdout, &stderr); status != 1 {
		t.Errorf("status = %d, want 1", status)
	}
	var missed []string
	for line := range strings.Lines(stderr.String()) {
		missed = append(missed, line[:strings.Index(line, "  (measured")])
	}
	want := []string{
		"run-2: MISSED  errgroup: allocs/item <= 1e-09",
		"run-2: MISSED  errgroup: wall ns/item <= 1e-09 x limit",
	}
	if diff := cmp.Diff(want, missed); diff != "" {
		t.Errorf("standard error (-want +got):\n%s", diff)
	}
	if want := "run-2: met  limit: wall ns/item"; !strings.Contains(stdout.String(), want) {
		t.Errorf("standard output lacks %q:\n%s", want, &stdout)
	}

	set.workloads[0].goals = w.goals[1:2]
	stderr.Reset()
	if status := set.measureAll(t.Context(), &stdout, &stderr); status != 0 || stderr.Len() > 0 {
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
		{[]string{"-concurrency", "8,8"}, `each once`},
		{[]string{"-case", "run,other"}, `"other"`},
		{[]string{"-case", "run,"}, `""`},
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
