package rest

import (
	"context"
	"errors"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
)

// What waits for the limiter has not begun: the Timeout of the caller's http.Client counts from when it may.
func TestTheTimeoutLeavesTheLimiterOut(t *testing.T) {
	t.Parallel()
	for _, inside := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			limiter := windrow.NewLimiter(windrow.Rate(1, time.Minute))
			s := serve(t, good)
			c := s.client(t, WithHTTPClient(&http.Client{Transport: s.base, Timeout: 30 * time.Second}), WithLimiter(limiter))
			began := time.Now()
			three := func(ctx context.Context, _ int) (int, error) {
				for range 3 {
					if _, err := c.Do(ctx, Request{Path: "/articles/1"}, nil); err != nil {
						return 0, err
					}
				}
				return 0, nil
			}
			if inside {
				res, err := windrow.NewBatchProcessor(three, windrow.WithLimiter(limiter), windrow.Repeatable()).Run(t.Context(), []int{0})
				if err != nil {
					t.Error(err)
				}
				testkit.Check(t, "attempts", 1, res.At(0).Attempts)
			} else if _, err := three(t.Context(), 0); err != nil {
				t.Error(err)
			}
			testkit.Check(t, "requests", 3, len(s.requests()))
			testkit.Check(t, "time", 2*time.Minute, time.Since(began))
		})
	}
}

// F6: an exchange that takes longer ends, be it the headers that do not come or the rest of the body, and a write may have
// been carried out. It is no deadline of the caller's.
func TestF6_TimeoutOfTheHTTPClient(t *testing.T) {
	t.Parallel()
	for name, slow := range map[string]http.HandlerFunc{
		"headers": func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() },
		"body": func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"id":`))
			_ = http.NewResponseController(w).Flush()
			<-req.Context().Done()
		},
	} {
		for _, limiter := range []*windrow.Limiter{nil, {}} {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, slow)
				opts := []Option{WithHTTPClient(&http.Client{Transport: s.base, Timeout: 30 * time.Second})}
				if limiter != nil {
					opts = append(opts, WithLimiter(&windrow.Limiter{})) // of this bubble
				}
				articles := articlesOf(s.client(t, opts...))
				began := time.Now()
				_, err := articles.Get(t.Context(), "1")
				testkit.Check(t, "time", 30*time.Second, time.Since(began))
				timeout, ok := errors.AsType[net.Error](err)
				if name == "headers" && (!ok || !timeout.Timeout()) || errors.Is(err, context.DeadlineExceeded) || windrow.Classify(err).Class != windrow.ClassAmbiguous {
					t.Errorf("%s: error %v", name, err)
				}
				res, err := windrow.CreateMany(t.Context(), articles, []draft{{"a"}})
				testkit.Check(t, name, []end{{windrow.Unknown, 1}}, ends(res))
				if name == "headers" {
					testkit.Check(t, "kind", windrow.KindTimeout, res.At(0).Kind)
				}
				if errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s: error %v", name, err)
				}
			})
		}
	}
}
