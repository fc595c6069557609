package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/bench/ratio"
)

// noopRun is a Run whose calls do nothing: what is left is the cost of the engine.
func noopRun(concurrency int) workload {
	of := func(prepare func(j job) ratio.Work) func(int) (ratio.Work, error) {
		return func(items int) (ratio.Work, error) { return prepare(newJob(items, concurrency, noop)), nil }
	}
	return workload{
		name:   fmt.Sprintf("run-%d", concurrency),
		about:  fmt.Sprintf("Run, calls that do nothing, concurrency %d", concurrency),
		items:  1_000_000,
		longer: true,
		contenders: []contender{
			{"limit", false, of(limit)},
			{"errgroup", true, of(group)},
			{"conc pool", true, of(concPool)},
			{"conc iter", true, of(concIter)},
			{"pond", true, of(pondGroup)},
			{"channel of futures", true, of(futures)},
			{"channel pipeline", true, of(pipeline)},
			{"windrow", false, of(bulkRun(windrow.Concurrency(concurrency)))},
			{"windrow, default limiter", false, of(bulkRun())},
		},
		baselines: []string{"limit", "errgroup"},
		// Those of limit guard the measurement itself: if the floor is not far below errgroup, then the machine was too
		// busy for the other figures to mean anything.
		goals: []ratio.Goal{
			{Case: "limit", Metric: ratio.Wall, Baseline: "errgroup", Max: 0.1},
			{Case: "limit", Metric: ratio.Allocs, Max: 0.01},
			{Case: "windrow", Metric: ratio.Wall, Baseline: "limit", Max: 3},
			{Case: "windrow", Metric: ratio.Wall, Baseline: "errgroup", Max: 0.15},
			{Case: "windrow", Metric: ratio.Wall, Baseline: ratio.BestPeer, Max: 1},
			{Case: "windrow", Metric: ratio.Allocs, Max: 0.01},
			{Case: "windrow, default limiter", Metric: ratio.Wall, Baseline: "errgroup", Max: 0.25},
			{Case: "windrow, default limiter", Metric: ratio.Allocs, Max: 0.01},
		},
	}
}

// shortWork is a Run whose calls take about a microsecond.
func shortWork() workload {
	const concurrency = 8
	of := func(prepare func(j job) ratio.Work) func(int) (ratio.Work, error) {
		return func(items int) (ratio.Work, error) { return prepare(newJob(items, concurrency, microsecond)), nil }
	}
	return workload{
		name:  "work",
		about: "Run, about 1 µs of work in each call, concurrency 8",
		items: 200_000,
		contenders: []contender{
			{"limit", false, of(limit)},
			{"errgroup", true, of(group)},
			{"conc pool", true, of(concPool)},
			{"conc iter", true, of(concIter)},
			{"pond", true, of(pondGroup)},
			{"channel of futures", true, of(futures)},
			{"channel pipeline", true, of(pipeline)},
			{"windrow", false, of(bulkRun(windrow.Concurrency(concurrency)))},
		},
		goals: []ratio.Goal{{Case: "windrow", Metric: ratio.Wall, Baseline: "limit", Max: 1.15}},
	}
}

// job is what a contender does: call do for each input, that many at a time.
type job struct {
	concurrency int
	inputs      []int
	do          func(ctx context.Context, in int) (int, error)
}

// newJob has the inputs from 1.
func newJob(items, concurrency int, do func(ctx context.Context, in int) (int, error)) job {
	j := job{concurrency: concurrency, inputs: make([]int, items), do: do}
	for i := range j.inputs {
		j.inputs[i] = i + 1
	}
	return j
}

// noop is the call that does nothing. It is not inlined, as a client's method behind an interface would not be.
//
//go:noinline
func noop(_ context.Context, in int) (int, error) { return in, nil }

// microsecond is a call that computes for about a microsecond.
//
//go:noinline
func microsecond(_ context.Context, in int) (int, error) {
	hash := uint64(in)
	for range 800 {
		hash = hash*0x9E3779B97F4A7C15 + 1
	}
	if hash == 0 {
		return 0, errors.New("the one hash in 2^64")
	}
	return in, nil
}

// slot is what the hand-written cases keep of an item: 32 bytes, the size of a slim result. They get their slots ready
// made, while a library pays for the results that it returns.
type slot struct {
	value    int
	err      error
	state    uint32
	attempts uint32
}

// done is the state of a handled item.
const done = 1

// slots are the results of a hand-written case, one for each input.
type slots []slot

// set records the end of the call for the item at index i.
func (s slots) set(i, value int, err error) {
	s[i] = slot{value: value, err: err, state: done, attempts: 1}
}

// check reports whether every input got its own response, and empties the slots for the next run.
func (s slots) check(inputs []int) error {
	for i, in := range inputs {
		if want := (slot{value: in, state: done, attempts: 1}); s[i] != want {
			return fmt.Errorf("item %d: got %+v, want %+v", i, s[i], want)
		}
	}
	clear(s)
	return nil
}

// limit is the floor: a fixed set of goroutines that take blocks of 64 indexes by an atomic add.
func limit(j job) ratio.Work { return blocks(j, 64) }

// blocks is the hand-written loop with blocks of that many indexes.
func blocks(j job, block int) ratio.Work {
	results := make(slots, len(j.inputs))
	return ratio.Work{
		Run: func() error {
			ctx := context.Background()
			var next atomic.Int64
			var workers sync.WaitGroup
			for range j.concurrency {
				workers.Go(func() {
					for {
						end := int(next.Add(int64(block)))
						start := end - block
						if start >= len(j.inputs) {
							return
						}
						for i := start; i < min(end, len(j.inputs)); i++ {
							value, err := j.do(ctx, j.inputs[i])
							results.set(i, value, err)
						}
					}
				})
			}
			workers.Wait()
			return nil
		},
		Check: func() error { return results.check(j.inputs) },
	}
}

// group is what most programs do today: errgroup with a limit, one goroutine an item.
func group(j job) ratio.Work {
	results := make(slots, len(j.inputs))
	return ratio.Work{
		Run: func() error {
			workers, ctx := errgroup.WithContext(context.Background())
			workers.SetLimit(j.concurrency)
			for i, in := range j.inputs {
				workers.Go(func() error {
					value, err := j.do(ctx, in)
					results.set(i, value, err)
					return err
				})
			}
			return workers.Wait()
		},
		Check: func() error { return results.check(j.inputs) },
	}
}

// bulkRun is windrow's Run as it comes, with a new processor and its own limiter, retries on.
func bulkRun(opts ...windrow.Option) func(j job) ratio.Work {
	return func(j job) ratio.Work {
		var result *windrow.BulkResult[int, int]
		return ratio.Work{
			Run: func() (err error) {
				result, err = windrow.NewBatchProcessor(j.do, opts...).Run(context.Background(), j.inputs)
				return err
			},
			Check: func() error {
				defer func() { result = nil }()
				return checkResult(result, j.inputs)
			},
		}
	}
}

// checkResult reports whether every input got its own response, at the first attempt.
func checkResult(result *windrow.BulkResult[int, int], inputs []int) error {
	if result == nil {
		return errors.New("nothing was run")
	}
	if result.Len() != len(inputs) {
		return fmt.Errorf("got %d results for %d items", result.Len(), len(inputs))
	}
	for i, in := range inputs {
		r := result.At(i)
		if r.State != windrow.Succeeded || r.Value != in || r.Input != in || r.Index != i || r.Attempts != 1 {
			return fmt.Errorf("item %d: got %+v", i, r)
		}
	}
	return nil
}
