// Command rate shows how exactly a known rate is kept in real time: how many
// calls that take no time leave in some seconds, and how many at most in any one.
//
//	go run ./internal/bench/rate [flags]
//
//	-seconds s   how long each case runs (default 5)
//	-reps n      how often; the median is shown, and the most of all (default 3)
//	-check       exit 1 unless each case reaches 99 to 101 % of its rate and
//	             never passes rate + burst within one second
//
// The machine should have little else to do: a timer that wakes later than the
// burst lasts, 10 milliseconds, loses tokens for good.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/windrow-go/windrow"
)

// The goals of -check.
const (
	leastShare = 0.99
	mostShare  = 1.01
)

func main() {
	set := flag.Float64("seconds", 5, "how long each case runs, in `seconds`")
	reps := flag.Int("reps", 3, "how often each case runs")
	check := flag.Bool("check", false, "compare with the goals")
	flag.Parse()
	if *set <= 1 || *reps < 1 || flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "rate: -seconds must be above 1, -reps at least 1, and nothing else is taken")
		os.Exit(2)
	}
	met, err := run(time.Duration(*set*float64(time.Second)), *reps, os.Stdout)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "rate:", err)
		os.Exit(1)
	case *check && !met:
		fmt.Fprintln(os.Stderr, "rate: MISSED 99 to 101 % of the rate, and at most rate + burst in any second")
		os.Exit(1)
	}
}

// run measures all cases and reports whether each meets its goals.
func run(span time.Duration, reps int, w io.Writer) (met bool, err error) {
	cases := []result{}
	for _, rate := range []int{1000, 10_000} {
		for _, workers := range []int{1, 4, 50} {
			cases = append(cases, result{rate: rate, workers: workers, span: span})
		}
	}
	for range reps { // in turns, so that all meet the same weather
		for i := range cases {
			if err := cases[i].measure(); err != nil {
				return false, err
			}
		}
	}
	met = true
	fmt.Fprintf(w, "%9s %8s %8s %9s %18s %7s\n", "rate", "workers", "burst", "reached", "most in a second", "goal")
	for _, c := range cases {
		word := "met"
		if !c.met() {
			met, word = false, "MISSED"
		}
		fmt.Fprintf(w, "%7d/s %8d %8d %7.2f %% %18d %7s\n", c.rate, c.workers, c.burst, 100*c.share(), c.most, word)
	}
	return met, nil
}

// A result is one case.
type result struct {
	rate, workers int
	span          time.Duration
	burst         int
	sent          []int // in each repetition
	most          int   // sent within any second of them
}

// share is the part of the rate that was reached, the median of all repetitions. The burst that leaves at once is no part
// of the rate.
func (r *result) share() float64 {
	sent := slices.Sorted(slices.Values(r.sent))
	return float64(sent[len(sent)/2]-r.burst) / (float64(r.rate) * r.span.Seconds())
}

func (r *result) met() bool {
	return r.share() >= leastShare && r.share() <= mostShare && r.most <= r.rate+r.burst
}

// measure sends as many calls as the rate lets through.
func (r *result) measure() error {
	limiter := windrow.NewLimiter(windrow.Rate(r.rate, time.Second), windrow.Concurrency(r.workers))
	items := make([]int, int(2*r.span.Seconds()*float64(r.rate)))
	times := make([]time.Duration, 0, len(items))
	var mu sync.Mutex
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	began := time.Now()
	p := windrow.NewBatchProcessor(func(context.Context, int) (struct{}, error) {
		at := time.Since(began)
		if at > r.span {
			cancel()
			return struct{}{}, nil
		}
		mu.Lock()
		times = append(times, at)
		mu.Unlock()
		return struct{}{}, nil
	}, windrow.WithLimiter(limiter))
	r.burst = limiter.Stats().Burst
	if _, err := p.Run(ctx, items); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	slices.Sort(times)
	r.sent = append(r.sent, len(times))
	r.most = max(r.most, most(times))
	return nil
}

// most returns the largest number of calls within a second.
func most(times []time.Duration) int {
	n, lo := 0, 0
	for hi := range times {
		for times[hi]-times[lo] >= time.Second {
			lo++
		}
		n = max(n, hi-lo+1)
	}
	return n
}
