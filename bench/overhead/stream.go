package main

import (
	"context"
	"fmt"
	"iter"
	"sync"

	concstream "github.com/sourcegraph/conc/stream"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/bench/ratio"
)

const streamConcurrency = 8

// streamed is a Stream of calls that do nothing, in the order of the input, to a consumer.
func streamed() workload {
	// Peers that take hundreds of nanoseconds handle fewer items: costs are by the item.
	of := func(prepare func(items int) ratio.Work, part int) func(int) (ratio.Work, error) {
		return func(items int) (ratio.Work, error) {
			few := max(1, items/part)
			work := prepare(few)
			work.Items = few
			return work, nil
		}
	}
	return workload{
		name:  "stream",
		about: "Stream, calls that do nothing, results in the order of the input, concurrency 8",
		items: 10_000_000,
		contenders: []contender{
			{"hand pipeline of chunks", false, of(streaming(chunkPipeline), 1)},
			{"channel per item", true, of(streaming(channelPerItem), 5)},
			{"channel of futures", true, of(streaming(channelOfFutures), 10)},
			{"conc stream", true, of(streaming(concStream), 10)},
			{"windrow", false, of(streaming(windrowStream), 1)},
		},
		baselines: []string{"hand pipeline of chunks", "channel per item"},
		goals: []ratio.Goal{
			{Case: "windrow", Metric: ratio.Wall, Baseline: "hand pipeline of chunks", Max: 4},
			{Case: "windrow", Metric: ratio.Wall, Baseline: "channel per item", Max: 0.25},
			{Case: "windrow", Metric: ratio.Allocs, Max: 0.01},
		},
	}
}

// numbers yields so many numbers.
func numbers(n int) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for i := range n {
			if !yield(i, nil) {
				return
			}
		}
	}
}

// consumer counts results, and notices one that is not in its place.
type consumer struct {
	next   int
	err    error
	inTurn bool // results have to come in the order of the input
	sum    int
}

func (c *consumer) take(value int, err error) {
	if c.err == nil && (err != nil || c.inTurn && value != c.next) {
		c.err = fmt.Errorf("result %d is %d, %v", c.next, value, err)
	}
	c.next++
	c.sum += value
}

// check says whether all results came.
func (c *consumer) check(items int) error {
	if c.err == nil && (c.next != items || c.sum != items*(items-1)/2) {
		return fmt.Errorf("%d results of %d, with the sum %d", c.next, items, c.sum)
	}
	return c.err
}

// streaming makes a contender of a function that hands results to a consumer.
func streaming(run func(items int, c *consumer)) func(items int) ratio.Work {
	return func(items int) ratio.Work {
		var c consumer
		return ratio.Work{
			Run: func() error {
				c = consumer{inTurn: true}
				run(items, &c)
				return nil
			},
			Check: func() error {
				defer func() { c = consumer{} }()
				return c.check(items)
			},
		}
	}
}

// chunkPipeline is the floor: a hand-written pipeline whose chunks of 64 items are used again and again.
func chunkPipeline(items int, c *consumer) {
	const size = 64
	type chunk struct {
		in   [size]int
		out  [size]slot
		n    int
		done chan struct{}
	}
	free, work, order := make(chan *chunk, 2*streamConcurrency), make(chan *chunk, 2*streamConcurrency), make(chan *chunk, 2*streamConcurrency)
	for range cap(free) {
		free <- &chunk{done: make(chan struct{}, 1)}
	}
	ctx := context.Background()
	go func() {
		defer close(work)
		defer close(order)
		var filling *chunk
		send := func() {
			order <- filling
			work <- filling
			filling = nil
		}
		for in, err := range numbers(items) {
			if err != nil {
				return
			}
			if filling == nil {
				filling = <-free
				filling.n = 0
			}
			filling.in[filling.n] = in
			if filling.n++; filling.n == size {
				send()
			}
		}
		if filling != nil {
			send()
		}
	}()
	for range streamConcurrency {
		go func() {
			for chunk := range work {
				for k := range chunk.n {
					value, err := noop(ctx, chunk.in[k])
					chunk.out[k] = slot{value: value, err: err, state: done, attempts: 1}
				}
				chunk.done <- struct{}{}
			}
		}()
	}
	for chunk := range order {
		<-chunk.done
		for k := range chunk.n {
			c.take(chunk.out[k].value, chunk.out[k].err)
		}
		free <- chunk
	}
}

// channelPerItem hands each item over a channel, and each result over another, in no order: what one writes first.
func channelPerItem(items int, c *consumer) {
	c.inTurn = false
	in, out := make(chan int, streamConcurrency), make(chan slot, streamConcurrency)
	ctx := context.Background()
	go func() {
		defer close(in)
		for item := range numbers(items) {
			in <- item
		}
	}()
	var workers sync.WaitGroup
	for range streamConcurrency {
		workers.Go(func() {
			for item := range in {
				value, err := noop(ctx, item)
				out <- slot{value: value, err: err, state: done, attempts: 1}
			}
		})
	}
	go func() {
		workers.Wait()
		close(out)
	}()
	for result := range out {
		c.take(result.value, result.err)
	}
}

// channelOfFutures keeps the order by a channel of as many channels as there may be calls in flight.
func channelOfFutures(items int, c *consumer) {
	futuresOf(numbers(items), streamConcurrency, noop, c)
}

func futuresOf(source iter.Seq2[int, error], concurrency int, do func(context.Context, int) (int, error), c *consumer) {
	ctx := context.Background()
	pending := make(chan chan answer, concurrency-1)
	go func() {
		defer close(pending)
		for item := range source {
			future := make(chan answer, 1)
			pending <- future
			go func() {
				value, err := do(ctx, item)
				future <- answer{value, err}
			}()
		}
	}()
	for future := range pending {
		a := <-future
		c.take(a.value, a.err)
	}
}

// concStream is the ordered stream of github.com/sourcegraph/conc.
func concStream(items int, c *consumer) {
	s := concstream.New().WithMaxGoroutines(streamConcurrency)
	ctx := context.Background()
	for item := range numbers(items) {
		s.Go(func() concstream.Callback {
			value, err := noop(ctx, item)
			return func() { c.take(value, err) }
		})
	}
	s.Wait()
}

// windrowStream is windrow's Stream as it comes, each result with its state, attempts and index.
func windrowStream(items int, c *consumer) {
	streamOf(numbers(items), noop, c, windrow.Concurrency(streamConcurrency))
}

func streamOf(source iter.Seq2[int, error], do func(context.Context, int) (int, error), c *consumer, opts ...windrow.Option) {
	for r, err := range windrow.NewBatchProcessor(do, opts...).Stream(context.Background(), source).All() {
		if r.State != windrow.Succeeded || r.Index != c.next || r.Attempts != 1 {
			err = fmt.Errorf("got %+v, %w", r, err)
		}
		c.take(r.Value, err)
	}
}
