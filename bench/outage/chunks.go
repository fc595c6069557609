package main

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
)

// chunks are the cases of native batches.
func (b *bench) chunks() []row {
	const section = "chunks"
	throttled := row{section: section, name: "chunks of 50, Retry-After 1 for 15 s, 20,000 items, Concurrency(4)", goal: "<= 1.1 x 404 requests"}
	for _, at := range []struct {
		name string
		from time.Duration
	}{{"from the start", 0}, {"after 3 s", 3 * time.Second}} {
		for _, stream := range []bool{false, true} {
			j := job{items: 20_000, stream: stream, opts: []windrow.Option{windrow.Concurrency(4), windrow.BatchSize(50)}}
			throttled.variants = append(throttled.variants, variant{at.name + ", " + j.String(), func(t *testing.T) []figure {
				busy := status(429)
				busy.err = &statusError{code: 429, after: time.Second}
				end, w := b.batches(t, j, windrow.Capabilities{}, nil, fault{from: at.from, until: at.from + 15*time.Second, fail: busy})
				return append([]figure{
					atMost("requests", float64(w.requests), 1.1*404, ""),
					exactly("Succeeded", end.states[windrow.Succeeded], j.items),
				}, broken(j, w, end)...)
			}})
		}
	}
	const limit = 200_000
	size := func(item int) int {
		if item%351 == 175 { // 12 of 4,212
			return 100 << 10
		}
		return 1 << 10
	}
	large := row{
		section: section, name: "4,212 items of 1 kB, 12 of them of 100 kB, chunks of 100, a limit of 200 kB",
		goal: "<= 1.3 x the requests with MaxBytes declared",
	}
	for _, stream := range []bool{false, true} {
		j := job{items: 4_212, stream: stream, opts: []windrow.Option{windrow.BatchSize(100)}}
		large.variants = append(large.variants, variant{j.String(), func(t *testing.T) []figure {
			_, told := b.batches(t, j, windrow.Capabilities{MaxBytes: limit}, size)
			end, w := b.batches(t, j, windrow.Capabilities{}, size)
			return append([]figure{
				atMost(fmt.Sprintf("%d requests for %d:", w.requests, told.requests), float64(w.requests)/float64(told.requests), 1.3, "x"),
				exactly("Succeeded", end.states[windrow.Succeeded], j.items),
			}, broken(j, w, end)...)
		}})
	}
	return []row{throttled, large}
}

// batches runs a job in native batches. With sizes the server takes no more than 200,000 bytes in one.
func (b *bench) batches(t *testing.T, j job, can windrow.Capabilities, size func(int) int, faults ...fault) (end ending, w *world) {
	synctest.Test(t, func(*testing.T) {
		w = newWorld(b.seed, j.items, faults...)
		ctx, cancel := context.WithTimeout(context.Background(), maxRun)
		defer cancel()
		p := windrow.NewBatchProcessor(func(ctx context.Context, item int) (int, error) { return item, w.call(ctx, item) }, j.opts...)
		p.Capabilities, p.Size = can, size
		p.Batch = func(ctx context.Context, items []int) ([]windrow.Outcome[int], error) {
			if size != nil {
				total := 0
				for _, item := range items {
					total += size(item)
				}
				if total > 200_000 {
					w.mu.Lock()
					w.requests++
					w.mu.Unlock()
					if err := sleep(ctx, 20*time.Millisecond); err != nil {
						return nil, err
					}
					return nil, &statusError{code: 413}
				}
			}
			if err := w.call(ctx, items...); err != nil {
				return nil, err
			}
			out := make([]windrow.Outcome[int], len(items))
			for k, item := range items {
				out[k].Value = item
			}
			return out, nil
		}
		end = j.run(ctx, p)
	})
	return end, w
}
