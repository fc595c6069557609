package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
)

// BenchmarkPages reads a list of 20 pages. The metric x-ideal is the time by that which it must take.
func BenchmarkPages(b *testing.B) {
	const pages = 20
	for _, c := range candidates {
		must := ideal(pages)
		if strings.Contains(c.name, "parallel") {
			must = idealParallel(pages)
		}
		b.Run("case="+strings.ReplaceAll(strings.ReplaceAll(c.name, ",", ""), " ", "-"), func(b *testing.B) {
			work := c.prepare(pages)
			b.ReportAllocs()
			for b.Loop() {
				if err := work.Run(); err != nil {
					b.Fatal(err)
				}
				if work.Check != nil {
					if err := work.Check(); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(must), "x-ideal")
		})
	}
}

// The ideals are those of the goals, and no case can do better: in virtual time, where nothing but waiting takes time
// and an item is handled by sleeping, windrow takes exactly as long.
func TestIdeals(t *testing.T) {
	t.Parallel()
	if got, want := ideal(100), 2010*time.Millisecond; got != want {
		t.Errorf("ideal: %v, want %v", got, want)
	}
	if got, want := idealParallel(100), 1020*time.Millisecond; got != want {
		t.Errorf("ideal parallel: %v, want %v", got, want)
	}
	for _, pages := range []int{1, 2, 3, 100} {
		for _, test := range []struct {
			ideal time.Duration
			opts  []windrow.PageOption
		}{
			{ideal(pages), nil},
			{time.Duration(pages) * (fetch + page), []windrow.PageOption{windrow.Prefetch(0)}},
		} {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				if err := byPages(test.opts...)(&list{pages: pages}, func(int) { time.Sleep(item) }); err != nil {
					t.Fatal(err)
				}
				if got := time.Since(start); got != test.ideal {
					t.Errorf("%d pages: %v, want %v", pages, got, test.ideal)
				}
			})
		}
	}
}

func TestCasesHandleEveryItem(t *testing.T) {
	t.Parallel()
	for _, c := range candidates {
		for _, pages := range []int{1, 3} {
			work := c.prepare(pages)
			if err := work.Run(); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			if work.Check == nil {
				continue
			}
			if err := work.Check(); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			if work.Check() == nil {
				t.Errorf("%s: the check keeps the results of the last run", c.name)
			}
		}
	}
}

func TestGoalsAndBaselinesNameCases(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
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

// The test below measures, so it is not parallel.
func TestRunPrintsATableOrJSON(t *testing.T) {
	var stdout, stderr strings.Builder
	if status := run(t.Context(), []string{"-n", "2", "-reps", "1"}, &stdout, &stderr); status != 0 || stderr.Len() > 0 {
		t.Fatalf("status %d, stderr %q", status, &stderr)
	}
	for _, want := range []string{"2 pages; 50ms is ideal", "wall x ideal", "\nwindrow parallel "} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("the output lacks %q:\n%s", want, &stdout)
		}
	}
	stdout.Reset()
	if status := run(t.Context(), []string{"-n", "1", "-reps", "1", "-json"}, &stdout, &stderr); status != 0 || stderr.Len() > 0 {
		t.Fatalf("status %d, stderr %q", status, &stderr)
	}
	var got output
	if err := json.Unmarshal([]byte(stdout.String()), &got); err != nil {
		t.Fatalf("%v in %s", err, &stdout)
	}
	if got.Pages != 1 || len(got.Report.Rows) != len(candidates) {
		t.Errorf("got %+v, want %d cases", got, len(candidates))
	}
}

func TestRunStopsWithItsContext(t *testing.T) {
	t.Parallel()
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
		{[]string{"-n", "3", "-check"}, "want 100 with -check"},
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
