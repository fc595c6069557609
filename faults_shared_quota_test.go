package windrow_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/windrow-go/windrow"
)

// F80: a second client that joins a shared quota late is not shut out by the first, nothing is lost, and the quota is used.
// What each of them gets is not held here: without headers a client can only guess what others take.
func TestF80ASecondClientJoinsTheQuota(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const perSecond, joins, leaves = 50, 8 * time.Second, 40 * time.Second
		quota, began := rate.NewLimiter(perSecond, 10), time.Now()
		var mu sync.Mutex
		taken := [2]int{}
		lost := [2]int{}
		client := func(k int, ctx context.Context) {
			p := windrow.NewUpsertProcessor(windrow.UpsertFunc(func(ctx context.Context, i int) (int, error) {
				time.Sleep(100 * time.Millisecond)
				mu.Lock()
				defer mu.Unlock()
				if !quota.Allow() {
					return 0, &statusError{status: 429}
				}
				if at := time.Since(began); at > joins+10*time.Second && at < leaves {
					taken[k]++
				}
				return i, nil
			}))
			items := make([]int, 10_000)
			for i := range items {
				items[i] = i
			}
			res, _ := p.Run(ctx, items)
			lost[k] = res.Stats().Failed
		}
		ctx, cancel := context.WithTimeout(t.Context(), leaves)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() { client(0, ctx) })
		wg.Go(func() {
			time.Sleep(joins)
			client(1, ctx)
		})
		wg.Wait()
		seconds := (leaves - joins - 10*time.Second).Seconds()
		first, second := float64(taken[0])/seconds, float64(taken[1])/seconds
		if first < 0.02*perSecond || second < 0.02*perSecond || first+second < 0.8*perSecond {
			t.Errorf("from 10 s after the second has joined they get %.1f and %.1f of %d a second", first, second, perSecond)
		}
		if lost != [2]int{} {
			t.Errorf("%v failed", lost)
		}
	})
}
