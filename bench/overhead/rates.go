package main

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/bench/ratio"
)

const (
	shareOfLimit ratio.Metric = "share of the limit"
	overLimit    ratio.Metric = "over the limit" // most calls in any second, beyond the limit and its burst

	highRate, lowRate = 10_000, 1_000 // calls a second
	rateTime          = 5 * time.Second
)

// rates is a run under a known limit, which is to be used to the full and never exceeded.
func rates() workload {
	w := workload{
		name:  "rate",
		about: fmt.Sprintf("Run under a known Rate for %v, calls that do nothing", rateTime),
		items: int(highRate * rateTime / time.Second), // and at a lower rate fewer
		least: 1_000,
	}
	for _, limit := range []int{lowRate, highRate} {
		for _, workers := range []int{1, 4, 50} {
			name := fmt.Sprintf("windrow, %d/s, %d workers", limit, workers)
			w.contenders = append(w.contenders, contender{name, false, limited(limit, workers, limit/100, 1, windrowLimited)})
			w.goals = append(w.goals,
				ratio.Goal{Case: name, Metric: shareOfLimit, Min: 0.99, Max: 1.01},
				ratio.Goal{Case: name, Metric: overLimit, Max: 0},
			)
		}
	}
	for _, workers := range []int{1, 4} {
		name := fmt.Sprintf("x/time/rate, burst 1, %d/s, %d workers", highRate, workers)
		w.contenders = append(w.contenders, contender{name, false, limited(highRate, workers, 1, 10, handLimited)})
	}
	return w
}

// limitedRun makes a call for each input, with so many workers and not more calls a second than the limit.
type limitedRun func(limit, workers int, inputs []int, call func(context.Context, int) (int, error)) error

// limited makes a contender of such a run. One that does not reach the limit by far handles a part of the items.
func limited(limit, workers, burst, part int, run limitedRun) func(int) (ratio.Work, error) {
	return func(items int) (ratio.Work, error) {
		items = max(1, items*limit/highRate/part)
		inputs, at := make([]int, items), make([]time.Time, items)
		var calls atomic.Int64
		call := func(_ context.Context, in int) (int, error) {
			at[calls.Add(1)-1] = time.Now()
			return in, nil
		}
		var took time.Duration
		return ratio.Work{
			Items: items,
			Run: func() error {
				calls.Store(0)
				start := time.Now()
				err := run(limit, workers, inputs, call)
				took = time.Since(start)
				return err
			},
			Figures: func() map[ratio.Metric]float64 {
				return map[ratio.Metric]float64{
					shareOfLimit: float64(items) / took.Seconds() / float64(limit),
					overLimit:    float64(mostInASecond(at[:calls.Load()]) - limit - burst),
				}
			},
			Check: func() error {
				if n := calls.Load(); n != int64(items) {
					return fmt.Errorf("%d calls for %d items", n, items)
				}
				return nil
			},
		}, nil
	}
}

// mostInASecond is the largest number of instants in any second.
func mostInASecond(at []time.Time) int {
	slices.SortFunc(at, time.Time.Compare)
	most, first := 0, 0
	for i := range at {
		for at[i].Sub(at[first]) >= time.Second {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// windrowLimited is windrow with a rate and the default burst.
func windrowLimited(limit, workers int, inputs []int, call func(context.Context, int) (int, error)) error {
	p := windrow.NewBatchProcessor(call, windrow.Rate(limit, time.Second), windrow.Concurrency(workers))
	_, err := p.Run(context.Background(), inputs)
	return err
}

// handLimited is a fixed set of goroutines that share a limiter with a burst of 1, as many programs have it.
func handLimited(limit, workers int, inputs []int, call func(context.Context, int) (int, error)) error {
	limiter, ctx := rate.NewLimiter(rate.Limit(limit), 1), context.Background()
	return fixedWorkers(workers, len(inputs), func(i int) error {
		if err := limiter.Wait(ctx); err != nil {
			return err
		}
		_, err := call(ctx, inputs[i])
		return err
	})
}
