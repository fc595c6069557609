package rest

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/windrowtest"
)

// Items of several requests: one throttle holds them up once. The next request that succeeds opens the limiter for all
// of them, not the end of its attempt.
func TestARequestOpensTheLimiterOfItsRun(t *testing.T) {
	t.Parallel()
	for _, shared := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var requests atomic.Int64
			s := windrowtest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if requests.Add(1) == 7 {
					w.Header().Set("Retry-After", "60")
					w.WriteHeader(http.StatusTooManyRequests)
					return
				}
				w.Header().Set("Content-Type", "application/json")
				_, _ = w.Write([]byte(`{}`))
			}))
			limiter := windrow.NewLimiter(windrow.Concurrency(4))
			opts := []Option{WithHTTPClient(s.Client())}
			if shared {
				opts = append(opts, WithLimiter(limiter))
			}
			client, err := New(s.URL, opts...)
			if err != nil {
				t.Fatal(err)
			}
			p := windrow.NewBatchProcessor(func(ctx context.Context, item int) (int, error) {
				for part := range 4 {
					path := fmt.Sprintf("/%d/%d", item, part)
					if _, err := client.Do(ctx, Request{Method: http.MethodPut, Path: path, In: part}, nil); err != nil {
						return 0, err
					}
				}
				return item, nil
			}, windrow.WithLimiter(limiter), windrow.Repeatable())
			began := time.Now()
			if _, err := p.Run(t.Context(), []int{1, 2, 3}); err != nil {
				t.Error(err)
			}
			if took := time.Since(began); took < time.Minute || took > 70*time.Second {
				t.Errorf("shared %t: took %v with one pause of a minute", shared, took)
			}
		})
	}
}

// A client without a limiter teaches the run's what the headers say: nothing is throttled.
func TestHeadersTeachTheLimiterOfTheRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const limit, window, n = 10, 2 * time.Second, 100
		var mu sync.Mutex
		began, used, current, throttled := time.Now(), 0, 0, 0
		s := windrowtest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			into := time.Since(began)
			if k := int(into / window); k != current {
				current, used = k, 0
			}
			reset := (window - into%window + time.Second - 1) / time.Second
			refused := used >= limit
			if !refused {
				used++
			}
			w.Header().Set("X-RateLimit-Limit", fmt.Sprint(limit))
			w.Header().Set("X-RateLimit-Remaining", fmt.Sprint(limit-used))
			w.Header().Set("X-RateLimit-Reset", fmt.Sprint(int(reset)))
			if refused {
				throttled++
				w.Header().Set("Retry-After", fmt.Sprint(int(reset)))
				w.WriteHeader(http.StatusTooManyRequests)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusCreated)
			_, _ = w.Write([]byte(`{}`))
		}))
		client, err := New(s.URL, WithHTTPClient(s.Client()))
		if err != nil {
			t.Fatal(err)
		}
		things := NewResource[map[string]int, map[string]int](client, "/things")
		var items []map[string]int
		for k := range n {
			items = append(items, map[string]int{"k": k})
		}
		if _, err := windrow.CreateMany(t.Context(), things, items); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); throttled > 0 || took > n/limit*window*11/10 {
			t.Errorf("%d throttled, took %v; the limit allows %v", throttled, took, n/limit*window)
		}
	})
}
