package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/bench/child"
	"github.com/windrow-go/windrow/bench/ratio"
)

const peak ratio.Metric = "peak MiB"

// parts are what the command runs in processes of their own.
var parts = map[string]child.Part{
	"stream": func(ctx context.Context, argument string) (any, error) {
		items, err := strconv.Atoi(argument)
		if err != nil {
			return nil, err
		}
		return items, drain(ctx, items)
	},
}

// streamMemory is how much memory streams of two lengths take, each in a process of its own.
func streamMemory() workload {
	of := func(part int) func(int) (ratio.Work, error) {
		return func(items int) (ratio.Work, error) {
			few := max(1, items/part)
			var got int64
			return ratio.Work{
				Items: few,
				Run: func() (err error) {
					got, err = child.Run(context.Background(), "stream", strconv.Itoa(few), nil)
					return err
				},
				Figures: func() map[ratio.Metric]float64 { return map[ratio.Metric]float64{peak: float64(got) / (1 << 20)} },
			}, nil
		}
	}
	return workload{
		name:  "memory",
		about: "Stream of small records in the order of the input, the memory of a process of its own",
		items: 10_000_000,
		contenders: []contender{
			{"a tenth of the items", false, of(10)},
			{"all items", false, of(1)},
		},
		goals: []ratio.Goal{{Case: "all items", Metric: peak, Baseline: "a tenth of the items", Max: 1.05}},
	}
}

// entry is about as large as a small record.
type entry struct {
	id   int
	name string
	tags []string
}

// drain streams that many entries through a processor and checks that they come back in order.
func drain(ctx context.Context, n int) error {
	p := windrow.NewBatchProcessor(func(_ context.Context, e entry) (entry, error) { return e, nil })
	source := func(yield func(entry, error) bool) {
		for i := range n {
			if !yield(entry{id: i, name: fmt.Sprint("record ", i), tags: []string{"a", "b"}}, nil) {
				return
			}
		}
	}
	next := 0
	for res, err := range p.Stream(ctx, source).All() {
		if err != nil {
			return err
		}
		if res.Index != next || res.Value.id != next {
			return fmt.Errorf("got item %d with the value of %d, want item %d", res.Index, res.Value.id, next)
		}
		next++
	}
	if next != n {
		return fmt.Errorf("got %d results, want %d", next, n)
	}
	return nil
}
