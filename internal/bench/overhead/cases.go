package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/internal/bench/ratio"
)

// job is what every case does: call do for each input, that many at a time.
type job struct {
	concurrency int
	inputs      []int
	do          func(ctx context.Context, in int) (int, error)
}

// candidate is a way of doing a job.
type candidate struct {
	name    string
	prepare func(j job) ratio.Work
}

// candidates are the cases in the order of the table.
var candidates = []candidate{
	{"limit", limit},
	{"errgroup", group},
	{"windrow", bulk},
}

// baselines are the candidates that the others are compared with.
var baselines = []string{"limit", "errgroup"}

// goals are checked at every concurrency. Those of limit guard the measurement
// itself: if the floor is not far below errgroup, then the machine was too busy
// for the other figures to mean anything.
var goals = []ratio.Goal{
	{Case: "windrow", Metric: ratio.Wall, Baseline: "errgroup", Max: 0.25},
	{Case: "windrow", Metric: ratio.Allocs, Max: 0.01},
	{Case: "limit", Metric: ratio.Wall, Baseline: "errgroup", Max: 0.1},
	{Case: "limit", Metric: ratio.Allocs, Max: 0.01},
}

// noop is the call that does nothing. It is not inlined, as a client's method
// behind an interface would not be.
//
//go:noinline
func noop(_ context.Context, in int) (int, error) { return in, nil }

// slot is what the hand-written cases keep of an item: 32 bytes, the size of a
// slim result. They get their slots ready made, while a library pays for the
// results that it returns.
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

// check says whether every input got its own answer, and empties the slots for
// the next run.
func (s slots) check(inputs []int) error {
	for i, in := range inputs {
		if want := (slot{value: in, state: done, attempts: 1}); s[i] != want {
			return fmt.Errorf("item %d: got %+v, want %+v", i, s[i], want)
		}
	}
	clear(s)
	return nil
}

// limit is the floor: a fixed set of goroutines that take blocks of 64 indexes
// by an atomic add.
func limit(j job) ratio.Work {
	const block = 64
	results := make(slots, len(j.inputs))
	return ratio.Work{
		Run: func() error {
			ctx := context.Background()
			var next atomic.Int64
			var workers sync.WaitGroup
			for range j.concurrency {
				workers.Go(func() {
					for {
						end := int(next.Add(block))
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

// group is what most programs do today: errgroup with a limit, one goroutine an
// item.
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

// bulk is windrow's Run as it comes: a new processor, its own limiter, retries on.
func bulk(j job) ratio.Work {
	var result *windrow.BulkResult[int, int]
	return ratio.Work{
		Run: func() (err error) {
			result, err = windrow.NewBatchProcessor(j.do, windrow.Concurrency(j.concurrency)).Run(context.Background(), j.inputs)
			return err
		},
		Check: func() error {
			if result == nil {
				return errors.New("nothing was run")
			}
			defer func() { result = nil }()
			if result.Len() != len(j.inputs) {
				return fmt.Errorf("got %d results for %d items", result.Len(), len(j.inputs))
			}
			for i, in := range j.inputs {
				r := result.At(i)
				if r.State != windrow.Succeeded || r.Value != in || r.Input != in || r.Index != i || r.Attempts != 1 {
					return fmt.Errorf("item %d: got %+v", i, r)
				}
			}
			return nil
		},
	}
}
