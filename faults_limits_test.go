package windrow_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/clients"
)

var errThrottled = errors.New("429 too many requests")

// F79: a run against a server whose headers always tell the same takes hardly longer than one without headers, whatever they
// tell, and the limiter says that it does not believe them.
func TestF79RunWithHeadersThatLie(t *testing.T) {
	t.Parallel()
	const items = 3000
	run := func(t *testing.T, perSecond float64, quota *clients.Quota) (took time.Duration, refused int, why []string) {
		var mu sync.Mutex
		tokens, filled := perSecond, time.Now()
		var told sync.Mutex
		limiter := windrow.NewLimiter(windrow.OnAdjust(func(s windrow.LimiterStats) {
			told.Lock()
			defer told.Unlock()
			if len(why) == 0 || why[len(why)-1] != s.Why {
				why = append(why, s.Why)
			}
		}))
		p := windrow.NewBatchProcessor(func(context.Context, int) (struct{}, error) {
			sent := time.Now()
			mu.Lock()
			tokens, filled = min(perSecond, tokens+perSecond*sent.Sub(filled).Seconds()), sent
			ok := perSecond == 0 || tokens >= 1
			if ok {
				tokens--
			} else {
				refused++
			}
			mu.Unlock()
			time.Sleep(100 * time.Millisecond)
			if quota != nil {
				clients.Observe(limiter, clients.Feedback{Sent: sent, Throttled: !ok, Quotas: []clients.Quota{*quota}})
			}
			if !ok {
				return struct{}{}, windrow.Throttled(errThrottled, 0)
			}
			return struct{}{}, nil
		}, windrow.WithLimiter(limiter))
		start := time.Now()
		if res, err := p.Run(t.Context(), make([]int, items)); err != nil {
			t.Errorf("%d succeeded: %v", res.Stats().Succeeded, err)
		}
		took = time.Since(start)
		synctest.Wait()
		return took, refused, why
	}
	for _, perSecond := range []float64{0, 50} {
		var bare time.Duration
		synctest.Test(t, func(t *testing.T) { bare, _, _ = run(t, perSecond, nil) })
		for _, remaining := range []int64{0, 10} {
			for name, reset := range map[string][2]time.Duration{"past": {0, time.Second}, "in a minute": {time.Minute, time.Second}, "not told": {}} {
				synctest.Test(t, func(t *testing.T) {
					took, refused, why := run(t, perSecond, &clients.Quota{
						Limit: 100, Remaining: remaining, RemainingKnown: true, Reset: reset[0], ResetUnit: reset[1],
					})
					at := fmt.Sprintf("%v/s, %d remaining, reset %s: %v, without headers %v, %d refused", perSecond, remaining, name, took, bare, refused)
					if t.Log(at); took > bare*12/10 || refused > items/20 {
						t.Error(at)
					}
					said := false
					for _, text := range why {
						said = said || text == fmt.Sprintf("the headers are not believed: they tell of %d left after each call", remaining)
					}
					if !said {
						t.Errorf("%s: the reasons %q", at, why)
					}
				})
			}
		}
	}
}
