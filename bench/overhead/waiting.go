package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/bench/ratio"
)

const (
	waitConcurrency = 50
	quickTime       = time.Millisecond
	headTime        = 20 * quickTime
	slowTime        = 5 * time.Millisecond
)

// slowHeads is a stream 1 % of whose calls take 20 times as long: the order of the results must not make the work wait.
func slowHeads() workload {
	of := func(run func(items int, c *consumer)) func(int) (ratio.Work, error) {
		return func(items int) (ratio.Work, error) { return streaming(run)(items), nil }
	}
	return workload{
		name:   "slow",
		about:  "Stream in order, 1 % of the calls take 20 times as long as the others (1 ms), concurrency 50",
		items:  20_000,
		longer: true,
		contenders: []contender{
			{"unordered hand loop", false, of(slowLoop)},
			{"windrow", false, of(func(items int, c *consumer) {
				streamOf(numbers(items), waiting, c, windrow.Concurrency(waitConcurrency))
			})},
			{"channel of futures", true, of(func(items int, c *consumer) {
				futuresOf(numbers(items), waitConcurrency, waiting, c)
			})},
		},
		goals: []ratio.Goal{{Case: "windrow", Metric: ratio.Wall, Baseline: "unordered hand loop", Max: 1.05}},
	}
}

// waiting is a call that waits, for 1 % of the items 20 times as long.
func waiting(_ context.Context, i int) (int, error) {
	if i%100 == 0 {
		time.Sleep(headTime)
	} else {
		time.Sleep(quickTime)
	}
	return i, nil
}

// slowLoop is what one writes by hand when the order does not matter.
func slowLoop(items int, c *consumer) {
	c.inTurn = false
	results := make(chan answer, waitConcurrency)
	var next atomic.Int64
	var workers sync.WaitGroup
	for range waitConcurrency {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < items; i = int(next.Add(1)) - 1 {
				value, err := waiting(context.Background(), i)
				results <- answer{value, err}
			}
		})
	}
	go func() {
		workers.Wait()
		close(results)
	}()
	for r := range results {
		c.take(r.value, r.err)
	}
}

// slowCalls is a Run whose calls take 5 ms: blocks of indexes, which are good for calls that do nothing, must not leave
// workers without work.
func slowCalls() workload {
	of := func(prepare func(j job) ratio.Work) func(int) (ratio.Work, error) {
		return func(items int) (ratio.Work, error) { return prepare(newJob(items, waitConcurrency, slowCall)), nil }
	}
	return workload{
		name:  "blocks",
		about: "Run, calls that take 5 ms, give or take a tenth, concurrency 50",
		items: 16_000,
		contenders: []contender{
			{"blocks of 1", false, of(func(j job) ratio.Work { return blocks(j, 1) })},
			{"blocks of 64", false, of(func(j job) ratio.Work { return blocks(j, 64) })},
			{"errgroup", true, of(group)},
			{"windrow", false, of(bulkRun(windrow.Concurrency(waitConcurrency)))},
		},
		goals: []ratio.Goal{{Case: "windrow", Metric: ratio.Wall, Baseline: "blocks of 1", Max: 1.02}},
	}
}

// slowCall is a call that takes 5 ms, give or take a tenth. With equal times, calls that begin together would stay in step,
// with all timers due at once: that makes a call 5 % shorter here, and no server behaves like that.
func slowCall(_ context.Context, in int) (int, error) {
	const steps = 1 << 16
	step := uint32(in) * 0x9E3779B1 % steps
	time.Sleep(slowTime*9/10 + slowTime/5*time.Duration(step)/steps)
	return in, nil
}
