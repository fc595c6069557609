package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/internal/bench/ratio"
)

// record is an item of the memory test: about as large as a small record.
type record struct {
	id   int
	name string
	tags []string
}

// drain streams n records through a processor and checks that they come back in
// order.
func drain(ctx context.Context, n int) error {
	p := windrow.NewBatchProcessor(func(_ context.Context, r record) (record, error) { return r, nil })
	source := func(yield func(record, error) bool) {
		for i := range n {
			if !yield(record{id: i, name: fmt.Sprint("record ", i), tags: []string{"a", "b"}}, nil) {
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

const (
	slowItems       = 20_000
	slowConcurrency = 50
	fastCall        = time.Millisecond
	slowCall        = 20 * fastCall

	handLoop = "unordered hand loop"
	ordered  = "windrow, in order"
	futures  = "channel of futures"
)

// call takes 20 times as long for 1 % of the items.
func call(_ context.Context, i int) (int, error) {
	if i%100 == 0 {
		time.Sleep(slowCall)
	} else {
		time.Sleep(fastCall)
	}
	return i, nil
}

// slowCases are the ways of making the calls.
var slowCases = []ratio.Case{
	{Name: handLoop, Prepare: func(items int) (ratio.Work, error) {
		return ratio.Work{Run: func() error { return loop(items) }}, nil
	}},
	{Name: ordered, Prepare: func(items int) (ratio.Work, error) {
		return ratio.Work{Run: func() error { return inOrder(items) }}, nil
	}},
	{Name: futures, Prepare: func(items int) (ratio.Work, error) {
		return ratio.Work{Run: func() error { return channelOfFutures(items) }}, nil
	}},
}

// loop is what one writes by hand when the order does not matter.
func loop(items int) error {
	results := make(chan int, slowConcurrency)
	var next atomic.Int64
	var workers sync.WaitGroup
	for range slowConcurrency {
		workers.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= items {
					return
				}
				value, _ := call(context.Background(), i)
				results <- value
			}
		})
	}
	go func() {
		workers.Wait()
		close(results)
	}()
	n := 0
	for range results {
		n++
	}
	if n != items {
		return fmt.Errorf("got %d results, want %d", n, items)
	}
	return nil
}

// inOrder is windrow's stream.
func inOrder(items int) error {
	p := windrow.NewBatchProcessor(call, windrow.Concurrency(slowConcurrency))
	source := func(yield func(int, error) bool) {
		for i := range items {
			if !yield(i, nil) {
				return
			}
		}
	}
	n := 0
	for res, err := range p.Stream(context.Background(), source).All() {
		if err != nil {
			return err
		}
		if res.Value != n {
			return fmt.Errorf("got %d, want %d", res.Value, n)
		}
		n++
	}
	if n != items {
		return fmt.Errorf("got %d results, want %d", n, items)
	}
	return nil
}

// channelOfFutures keeps the order by a channel of as many channels as there may
// be calls in flight.
func channelOfFutures(items int) error {
	pending := make(chan chan int, slowConcurrency-1)
	go func() {
		defer close(pending)
		for i := range items {
			result := make(chan int, 1)
			pending <- result
			go func() {
				value, _ := call(context.Background(), i)
				result <- value
			}()
		}
	}()
	n := 0
	for result := range pending {
		if value := <-result; value != n {
			return fmt.Errorf("got %d, want %d", value, n)
		}
		n++
	}
	return nil
}
