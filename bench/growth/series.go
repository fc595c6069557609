package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/bench/child"
	"github.com/windrow-go/windrow/journal"
)

// series is one way of handling items.
type series struct {
	name      string
	stream    bool
	journaled bool
}

// The names of the series that have goals of their own.
const (
	plainRun    = "Run"
	plainStream = "Stream"
)

var allSeries = []series{
	{name: plainRun},
	{name: plainStream, stream: true},
	{name: "Run with journal", journaled: true},
	{name: "Stream with journal", stream: true, journaled: true},
}

func seriesNames() string {
	var names []string
	for _, s := range allSeries {
		names = append(names, s.name)
	}
	return strings.Join(names, ", ")
}

// parts are what the command runs in processes of their own.
var parts = map[string]child.Part{"series": measureOnce, "storm": stormOnce}

// task is the argument of the part.
type task struct {
	Series string `json:"series"`
	Items  int    `json:"items"`
}

// sample is what one process has measured.
type sample struct {
	Wall   time.Duration `json:"wall_ns"`
	Allocs uint64        `json:"allocs"`
	Held   int64         `json:"held_bytes"`
	Peak   int64         `json:"-"`
}

// oftener is how often the smaller sizes are measured in a round. They take less time, and so more of the noise.
const oftener = 3

// measure takes the medians of several rounds. All sizes have their turn in each, so that what slows the machine down for
// a while does not make one of them look slow.
func (s series) measure(ctx context.Context, sizes []int, rounds int) ([]point, error) {
	last := len(sizes) - 1
	round := append(slices.Repeat(sizes[:last], oftener), sizes[last])
	samples := map[int][]sample{} // by the size
	for _, items := range slices.Repeat(round, rounds) {
		one, err := s.inChild(ctx, items)
		if err != nil {
			return nil, err
		}
		samples[items] = append(samples[items], one)
	}
	points := make([]point, len(sizes))
	for i, items := range sizes {
		points[i] = medians(items, samples[items])
	}
	return points, nil
}

// inChild measures once.
func (s series) inChild(ctx context.Context, items int) (got sample, err error) {
	argument, err := json.Marshal(task{s.name, items})
	if err != nil {
		return got, err
	}
	got.Peak, err = child.Run(ctx, "series", string(argument), &got)
	return got, err
}

// medians is the point of a size.
func medians(items int, samples []sample) point {
	n := float64(items)
	return point{
		Items:  items,
		Wall:   float64(median(samples, func(s sample) int64 { return int64(s.Wall) })) / n,
		Allocs: float64(median(samples, func(s sample) int64 { return int64(s.Allocs) })) / n,
		Held:   float64(median(samples, func(s sample) int64 { return s.Held })) / n,
		Peak:   median(samples, func(s sample) int64 { return s.Peak }),
	}
}

// median is the middle one of the figures.
func median[T any](samples []T, figure func(T) int64) int64 {
	values := make([]int64, 0, len(samples))
	for _, s := range samples {
		values = append(values, figure(s))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// measureOnce is the part that measures one series with one number of items.
func measureOnce(ctx context.Context, argument string) (any, error) {
	var t task
	if err := json.Unmarshal([]byte(argument), &t); err != nil {
		return nil, err
	}
	i := slices.IndexFunc(allSeries, func(s series) bool { return s.name == t.Series })
	if i < 0 {
		return nil, fmt.Errorf("no series is called %q", t.Series)
	}
	s := allSeries[i]
	// What may be repeated needs no line in the journal before it is sent.
	opts := []windrow.Option{windrow.Concurrency(concurrency), windrow.Repeatable()}
	var got sample
	if s.journaled {
		dir, err := os.MkdirTemp("", "growth")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir)
		j, err := journal.Open(filepath.Join(dir, "journal"), "growth")
		if err != nil {
			return nil, err
		}
		defer j.Close()
		opts = append(opts, windrow.WithJournal(j))
	}
	p := windrow.NewBatchProcessor(call, opts...)
	if s.journaled {
		p.Key = strconv.Itoa
	}
	err := got.measure(func() (any, error) {
		if s.stream {
			return nil, stream(ctx, p, t.Items)
		}
		return bulk(ctx, p, t.Items)
	})
	return got, err
}

// measure runs a function and notes what it costs, and what the result that it returns holds.
func (s *sample) measure(run func() (any, error)) error {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start := time.Now()
	result, err := run()
	s.Wall = time.Since(start)
	runtime.ReadMemStats(&after)
	s.Allocs = after.Mallocs - before.Mallocs
	runtime.GC()
	runtime.ReadMemStats(&after)
	s.Held = int64(after.HeapAlloc) - int64(before.HeapAlloc)
	runtime.KeepAlive(result)
	return err
}

const (
	concurrency = 8
	oneFails    = 100 // one call in so many is refused
)

var errRefused = errors.New("refused")

// call does nothing, and is refused for 1 % of the items.
func call(_ context.Context, in int) (int, error) {
	if in%oneFails == 0 {
		return 0, errRefused
	}
	return in, nil
}

// failures is how many of so many items are refused.
func failures(items int) int { return (items + oneFails - 1) / oneFails }

// held is what a run leaves: its inputs and its result.
type held struct {
	inputs []int
	result *windrow.BulkResult[int, int]
}

// bulk hands all items to Run, and returns what a caller then has in memory.
func bulk(ctx context.Context, p *windrow.BatchProcessor[int, int], items int) (held, error) {
	h := held{inputs: make([]int, items)}
	for i := range h.inputs {
		h.inputs[i] = i
	}
	var err error
	h.result, err = p.Run(ctx, h.inputs)
	if bulk, ok := errors.AsType[*windrow.BulkError](err); !ok || bulk.Cause != nil {
		return h, fmt.Errorf("the run ended with %w", err)
	}
	return h, checkCounts(h.result.Stats(), items, failures(items))
}

// checkCounts says whether every item ended as it should have.
func checkCounts(got windrow.RunStats, items, failed int) error {
	if got.Total != items || got.Failed != failed || got.Succeeded != items-failed {
		return fmt.Errorf("of %d items %d succeeded and %d failed, want %d to fail", got.Total, got.Succeeded, got.Failed, failed)
	}
	return nil
}

// stream hands the items to Stream one at a time.
func stream(ctx context.Context, p *windrow.BatchProcessor[int, int], items int) error {
	next := 0
	results := p.Stream(ctx, numbers(items, func(int) {}))
	for r, err := range results.All() {
		if stop, ok := errors.AsType[*windrow.StopError](err); ok {
			return stop
		}
		if r.Index != next {
			return fmt.Errorf("got item %d, want %d", r.Index, next)
		}
		next++
	}
	return checkCounts(results.Stats(), items, failures(items))
}

// numbers yields so many numbers, and tells pulled of each before.
func numbers(n int, pulled func(i int)) func(yield func(int, error) bool) {
	return func(yield func(int, error) bool) {
		for i := range n {
			if pulled(i); !yield(i, nil) {
				return
			}
		}
	}
}
