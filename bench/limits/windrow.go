package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/clients"
)

var errTooMany = errors.New("429 too many requests")

// trace, when set, is told each change of what a limiter believes.
var trace func(windrow.LimiterStats)

// maxStops is how often a run is gone on with that was throttled for longer than MaxThrottleWait.
const maxStops = 100

// runWindrow sends the items through a processor with all defaults: it is told nothing about the server. What headers
// there are reach the limiter as rest.Transport hands them over. What is left of a run that the server throttled for too
// long, because another client of it was quicker all the time, is sent again as a user would.
func runWindrow(n int, _ uint64, call func(int) answer) (end ending) {
	opts := []windrow.Option{}
	if trace != nil {
		opts = append(opts, windrow.OnAdjust(trace))
	}
	limiter := windrow.NewLimiter(opts...)
	p := windrow.NewBatchProcessor(func(_ context.Context, item int) (struct{}, error) {
		sent := time.Now()
		a := call(item)
		f := clients.Feedback{Sent: sent, Throttled: a.throttled, RetryAfter: a.retryAfter}
		if q := a.quota; q != nil {
			told := clients.Quota{Limit: int64(q.limit), Remaining: int64(q.remaining), RemainingKnown: true, Reset: q.reset}
			if q.reset > 0 {
				told.ResetUnit = time.Second
			}
			f.Quotas = []clients.Quota{told}
			clients.Observe(limiter, f)
		}
		if a.throttled {
			return struct{}{}, windrow.Throttled(errTooMany, a.retryAfter)
		}
		return struct{}{}, nil
	}, windrow.WithLimiter(limiter))
	items := make([]int, n)
	for i := range items {
		items[i] = i
	}
	result, err := p.Run(context.Background(), items)
	for ; errors.Is(err, windrow.ErrThrottled) && end.stops < maxStops; end.stops++ {
		result, err = p.Rerun(context.Background(), result)
	}
	s := result.Stats()
	if end.lost = n - s.Succeeded; end.lost > 0 {
		end.err = fmt.Errorf("%d of %d succeeded: %w", s.Succeeded, n, err)
	}
	return end
}
