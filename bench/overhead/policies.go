package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/ratelimiter"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/failsafe-go/failsafe-go/timeout"
	"golang.org/x/time/rate"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/bench/ratio"
)

const (
	maxAttempts    = 5
	firstDelay     = 100 * time.Millisecond
	maxDelay       = 10 * time.Second
	attemptTimeout = 30 * time.Second
)

// policies is what retries, a limiter without a limit, and progress cost beside the defaults.
func policies(concurrency int) workload {
	of := func(prepare func(j job) ratio.Work) func(int) (ratio.Work, error) {
		return func(items int) (ratio.Work, error) { return prepare(newJob(items, concurrency, noop)), nil }
	}
	return workload{
		name:  fmt.Sprintf("policies-%d", concurrency),
		about: fmt.Sprintf("Run with retries, a limiter without a limit, and progress; calls that do nothing, concurrency %d", concurrency),
		items: 1_000_000,
		contenders: []contender{
			{"windrow", false, of(bulkRun(windrow.Concurrency(concurrency)))},
			{"windrow, policies", false, of(withPolicies())},
			{"by hand", true, of(stack(false))},
			{"failsafe-go", true, of(failsafeStack(false))},
		},
		goals: []ratio.Goal{
			{Case: "windrow, policies", Metric: ratio.Wall, Baseline: "windrow", Max: 1.5},
			{Case: "windrow, policies", Metric: ratio.Wall, Baseline: ratio.BestPeer, Max: 1},
			{Case: "windrow, policies", Metric: ratio.Allocs, Max: 0.01},
		},
	}
}

// timeouts is the same with a timeout for each attempt.
func timeouts() workload {
	const concurrency = 8
	of := func(prepare func(j job) ratio.Work) func(int) (ratio.Work, error) {
		return func(items int) (ratio.Work, error) { return prepare(newJob(items, concurrency, noop)), nil }
	}
	return workload{
		name:  "timeout",
		about: "the same and a timeout for each attempt, concurrency 8",
		items: 500_000,
		contenders: []contender{
			{"by hand", true, of(stack(true))},
			{"failsafe-go", true, of(failsafeStack(true))},
			{"windrow", false, of(withPolicies(windrow.AttemptTimeout(attemptTimeout)))},
		},
		baselines: []string{"by hand", "failsafe-go"},
		goals: []ratio.Goal{
			{Case: "windrow", Metric: ratio.Wall, Baseline: "by hand", Max: 0.75},
			{Case: "windrow", Metric: ratio.Wall, Baseline: "failsafe-go", Max: 0.5},
		},
	}
}

// withPolicies is windrow with the policies, and those that are given beside.
func withPolicies(opts ...windrow.Option) func(j job) ratio.Work {
	return func(j job) ratio.Work {
		var seen atomic.Int64
		return bulkRun(append(opts,
			windrow.Retry(windrow.RetryPolicy{MaxAttempts: maxAttempts, Strategy: windrow.Exponential(firstDelay, maxDelay)}),
			windrow.WithLimiter(windrow.NewLimiter(windrow.Concurrency(j.concurrency))),
			windrow.OnProgress(func(p windrow.Progress) { seen.Store(int64(p.Done)) }),
		)...)(j)
	}
}

// perItem is the loop of the hand-written stacks: a fixed set of goroutines, and each item goes through call.
func perItem(j job, call func(ctx context.Context, in int) (int, error)) ratio.Work {
	results := make(slots, len(j.inputs))
	var mu sync.Mutex
	succeeded := 0
	progress := func() { // what a callback for progress needs at the least
		mu.Lock()
		defer mu.Unlock()
		succeeded++
	}
	return ratio.Work{
		Run: func() error {
			succeeded = 0
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			var next atomic.Int64
			var workers sync.WaitGroup
			for range j.concurrency {
				workers.Go(func() {
					for i := int(next.Add(1)) - 1; i < len(j.inputs); i = int(next.Add(1)) - 1 {
						value, err := call(ctx, j.inputs[i])
						results.set(i, value, err)
						progress()
					}
				})
			}
			workers.Wait()
			return nil
		},
		Check: func() error {
			if succeeded != len(j.inputs) {
				return fmt.Errorf("progress says %d items of %d", succeeded, len(j.inputs))
			}
			return results.check(j.inputs)
		},
	}
}

// stack is what one writes by hand: a retry loop around a limiter, a timeout and the call.
func stack(timed bool) func(j job) ratio.Work {
	return func(j job) ratio.Work {
		limiter := rate.NewLimiter(rate.Inf, 1)
		return perItem(j, func(ctx context.Context, in int) (value int, err error) {
			delays := backoff.NewExponentialBackOff(backoff.WithInitialInterval(firstDelay), backoff.WithMaxInterval(maxDelay))
			err = backoff.Retry(func() (err error) {
				if err := limiter.Wait(ctx); err != nil {
					return backoff.Permanent(err)
				}
				ctx := ctx
				if timed {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, attemptTimeout)
					defer cancel()
				}
				value, err = j.do(ctx, in)
				return err
			}, backoff.WithContext(backoff.WithMaxRetries(delays, maxAttempts-1), ctx))
			return value, err
		})
	}
}

// failsafeStack is the same with the policies of github.com/failsafe-go/failsafe-go. Its limiter has no setting for no
// limit: this one is out of reach.
func failsafeStack(timed bool) func(j job) ratio.Work {
	return func(j job) ratio.Work {
		retry := retrypolicy.NewBuilder[int]().WithMaxAttempts(maxAttempts).WithBackoff(firstDelay, maxDelay).WithJitterFactor(0.5).Build()
		limiter := ratelimiter.NewBursty[int](1<<40, time.Second)
		policies := []failsafe.Policy[int]{retry, limiter}
		if timed {
			policies = append(policies, timeout.New[int](attemptTimeout))
		}
		executor := failsafe.With(policies...)
		return perItem(j, func(ctx context.Context, in int) (int, error) {
			return executor.WithContext(ctx).GetWithExecution(func(e failsafe.Execution[int]) (int, error) {
				if e.IsCanceled() {
					return 0, errors.New("cancelled before the call")
				}
				return j.do(e.Context(), in)
			})
		})
	}
}
