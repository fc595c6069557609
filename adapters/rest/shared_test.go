package rest

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
)

// A processor and a transport on one limiter share its rate: neither starves the other, whether the rate or the calls in
// flight are what is scarce.
func TestProcessorAndTransportShareALimiter(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]windrow.Option{
		"a scarce rate":  {windrow.Rate(20, time.Second), windrow.Burst(1)},
		"few at once":    {windrow.Concurrency(2)},
		"one at once":    {windrow.Concurrency(1), windrow.Rate(20, time.Second)},
		"nothing scarce": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
					time.Sleep(100 * time.Millisecond)
					answer(w, http.StatusOK, nil)
				})
				limiter := windrow.NewLimiter(opts...)
				client := &http.Client{Transport: &Transport{Base: s.base, Limiter: limiter}}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				var wg sync.WaitGroup
				for range 5 {
					wg.Go(func() {
						for {
							req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://cms.test/", nil)
							if err != nil {
								t.Error(err)
								return
							}
							res, err := client.Do(req)
							if err != nil {
								return // the minute is over
							}
							_ = res.Body.Close()
						}
					})
				}
				p := windrow.NewBatchProcessor(func(context.Context, int) (int, error) {
					time.Sleep(100 * time.Millisecond)
					return 0, nil
				}, windrow.WithLimiter(limiter))
				res, _ := p.Run(ctx, make([]int, 100_000))
				wg.Wait()
				ran, sent := res.Stats().Succeeded, len(s.requests())
				const most = 5 * 600 // of five goroutines in a minute
				if share := (ran + sent) / 10; ran < share || sent < min(share, most*4/5) || ran+sent < 500 {
					t.Errorf("the run made %d calls and the transport %d", ran, sent)
				}
			})
		})
	}
}
