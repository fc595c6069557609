package rest

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
)

// The first request of an attempt is paid for; the others wait for the rate, and never for a slot.
func TestTransportTakesTokensInsideARun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limiter := windrow.NewLimiter(windrow.Concurrency(1), windrow.Rate(1, time.Second))
		transport := &Transport{Limiter: limiter, Base: roundTripper(func(*http.Request) (*http.Response, error) { return reply(200), nil })}
		began := time.Now()
		if _, err := inRun(t, func(ctx context.Context) error {
			for range 3 {
				req, _ := request(ctx, http.MethodGet, "http://cms.test")
				if _, err := transport.RoundTrip(req); err != nil {
					return err
				}
			}
			return nil
		}, windrow.WithLimiter(limiter)); err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "time", 2*time.Second, time.Since(began))
	})
}

// A transport without a limiter teaches that of the run, for which it is the only one that sees headers.
func TestTransportWithoutALimiterTeachesTheRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limiter := &windrow.Limiter{}
		status := http.StatusOK
		transport := &Transport{Base: roundTripper(func(*http.Request) (*http.Response, error) {
			res := reply(status)
			res.Header.Set("X-RateLimit-Limit", "60")
			res.Header.Set("X-RateLimit-Remaining", "30")
			res.Header.Set("X-RateLimit-Reset", "10")
			return res, nil
		})}
		ask := func(ctx context.Context) error {
			req, _ := request(ctx, http.MethodGet, "http://cms.test")
			res, err := transport.RoundTrip(req)
			if err != nil {
				return err
			}
			return res.Body.Close()
		}
		for range 2 {
			if _, err := inRun(t, ask, windrow.WithLimiter(limiter)); err != nil {
				t.Fatal(err)
			}
		}
		if s := limiter.Stats(); s.Rate > 6 {
			t.Errorf("%v requests a second, with 30 for the next 10 seconds: %s", s.Rate, s.Why)
		}
		status = http.StatusTooManyRequests
		if _, err := inRun(t, ask, windrow.WithLimiter(limiter)); err != nil { // nobody tells the run of it
			t.Fatal(err)
		}
		if s := limiter.Stats(); s.Throttled != 1 {
			t.Errorf("%d throttles, want that which an SDK keeps to itself", s.Throttled)
		}
	})
}

// Outside a run each request takes a slot and a token until its headers come.
func TestTransportTakesSlotsOutsideARun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limiter := windrow.NewLimiter(windrow.Concurrency(2))
		var now, most atomic.Int32
		transport := &Transport{Limiter: limiter, Base: roundTripper(func(*http.Request) (*http.Response, error) {
			most.Store(max(most.Load(), now.Add(1)))
			time.Sleep(time.Second)
			now.Add(-1)
			return reply(200), nil
		})}
		began := time.Now()
		var group sync.WaitGroup
		for range 6 {
			group.Go(func() {
				req, _ := request(t.Context(), http.MethodPost, "http://cms.test")
				if _, err := transport.RoundTrip(req); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		testkit.Check(t, "requests at once", int32(2), most.Load())
		testkit.Check(t, "time", 3*time.Second, time.Since(began))
	})
}

// What the limiter learns from an answer outside a run.
func TestTransportFeedsTheLimiter(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		res   *http.Response
		pause time.Duration // least
	}{
		{"200", reply(200), 0},
		{"200 with Retry-After", reply(200, "Retry-After", "60"), 0},
		{"301 with Retry-After", reply(301, "Retry-After", "60"), 0},
		{"429", reply(429), 100 * time.Millisecond},
		{"429 with Retry-After", reply(429, "Retry-After", "60"), time.Minute},
		{"429 with two", reply(429, "Retry-After", "60", "Retry-After", "90"), 90 * time.Second},
		{"429 with 0", reply(429, "Retry-After", "0"), 100 * time.Millisecond},
		{"503", reply(503), 0},
		{"503 with Retry-After", reply(503, "Retry-After", "60"), time.Minute},
		{"503 with 0", reply(503, "Retry-After", "0"), 100 * time.Millisecond},
		{"503 with garbage", reply(503, "Retry-After", "soon"), 0},
		{"500 with Retry-After", reply(500, "Retry-After", "60"), 0},
		{"no answer", nil, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, inside := range []bool{false, true} {
				synctest.Test(t, func(t *testing.T) {
					limiter := &windrow.Limiter{}
					transport := &Transport{Limiter: limiter, Base: roundTripper(func(*http.Request) (*http.Response, error) {
						if test.res == nil {
							return nil, io.EOF
						}
						return test.res, nil
					})}
					send := func(ctx context.Context) error {
						req, _ := request(ctx, http.MethodPost, "http://cms.test")
						res, err := transport.RoundTrip(req)
						if res != test.res || (err == nil) != (test.res != nil) {
							t.Errorf("RoundTrip returned %v, %v", res, err)
						}
						return nil
					}
					if inside { // a run with a limiter of its own
						_, _ = inRun(t, send)
					} else {
						_ = send(t.Context())
					}
					stats := limiter.Stats()
					testkit.Check(t, "throttled", test.pause > 0, stats.Throttled > 0)
					var pause time.Duration
					if !stats.PausedUntil.IsZero() {
						pause = time.Until(stats.PausedUntil)
					}
					if pause < test.pause || pause > 3*test.pause {
						t.Errorf("inside %v: paused for %v, want %v and some jitter", inside, pause, test.pause)
					}
				})
			}
		})
	}
}

// Answers that say nothing about whether the server takes more do not let the limiter grow, nor open its gate.
func TestTransportGrowsOnAnswersAlone(t *testing.T) {
	t.Parallel()
	for code, grows := range map[int]bool{200: true, 404: true, 422: true, 408: false, 500: false, 502: false, 503: false, 0: false} {
		synctest.Test(t, func(t *testing.T) {
			limiter := &windrow.Limiter{}
			transport := &Transport{Limiter: limiter, Base: roundTripper(func(*http.Request) (*http.Response, error) {
				time.Sleep(time.Second)
				if code == 0 {
					return nil, io.EOF
				}
				return reply(code), nil
			})}
			var group sync.WaitGroup
			for range 60 {
				group.Go(func() {
					req, _ := request(t.Context(), http.MethodPost, "http://cms.test")
					_, _ = transport.RoundTrip(req)
				})
			}
			group.Wait()
			if got := limiter.Stats().Concurrency > 4; got != grows {
				t.Errorf("status %d: concurrency %d", code, limiter.Stats().Concurrency)
			}
		})
	}
}

// After a throttle an answer opens the limiter again, for runs that have another one, too.
func TestTransportOpensTheLimiter(t *testing.T) {
	t.Parallel()
	for code, opens := range map[int]bool{200: true, 404: true, 500: false} {
		for _, inside := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				answers := []*http.Response{reply(429), reply(code)}
				limiter := &windrow.Limiter{}
				transport := &Transport{Limiter: limiter, Base: roundTripper(func(*http.Request) (*http.Response, error) {
					res := answers[0]
					answers = answers[1:]
					return res, nil
				})}
				twice := func(ctx context.Context) error {
					for range 2 {
						req, _ := request(ctx, http.MethodGet, "http://cms.test")
						if _, err := transport.RoundTrip(req); err != nil {
							return err
						}
					}
					return nil
				}
				if inside {
					_, _ = inRun(t, twice)
				} else {
					_ = twice(t.Context())
				}
				testkit.Check(t, "answers left", 0, len(answers))
				testkit.Check(t, "open", opens, !limiter.Stats().Probing)
			})
		}
	}
}

// Requests that left together and were all throttled shut the limiter once: what the later ones say is no news.
func TestTransportThrottledTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limiter := &windrow.Limiter{}
		var n atomic.Int32
		transport := &Transport{Limiter: limiter, Base: roundTripper(func(*http.Request) (*http.Response, error) {
			time.Sleep(time.Second + time.Duration(n.Add(1))*time.Millisecond)
			return reply(429), nil
		})}
		_, _ = windrow.CreateMany(t.Context(), windrow.CreateFunc(windrow.NoOutput(func(ctx context.Context, _ int) error {
			req, _ := request(ctx, http.MethodPost, "http://cms.test")
			_, err := transport.RoundTrip(req)
			return err
		})), make([]int, 8), windrow.Concurrency(8))
		testkit.Check(t, "requests", int32(8), n.Load())
		testkit.Check(t, "throttles", 1, limiter.Stats().Throttled)
	})
}

// A run and a transport that share a limiter do not tell it everything twice.
func TestTransportAndRunShareALimiter(t *testing.T) {
	t.Parallel()
	run := func(t *testing.T, limiter *windrow.Limiter, ofTransport *windrow.Limiter) windrow.LimiterStats {
		first := atomic.Bool{}
		transport := &Transport{Limiter: ofTransport, Base: roundTripper(func(*http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			if !first.Swap(true) {
				return reply(429, "Retry-After", "5"), nil
			}
			return reply(200), nil
		})}
		_, err := windrow.CreateMany(t.Context(), windrow.CreateFunc(windrow.NoOutput(func(ctx context.Context, _ int) error {
			req, _ := request(ctx, http.MethodPost, "http://cms.test")
			res, err := transport.RoundTrip(req)
			if err == nil && res.StatusCode != 200 {
				err = &Error{Status: res.StatusCode, after: retryAfter(res.Header, time.Now())}
			}
			return err
		})), make([]int, 50), windrow.WithLimiter(limiter))
		if err != nil {
			t.Error(err)
		}
		return limiter.Stats()
	}
	synctest.Test(t, func(t *testing.T) {
		shared := &windrow.Limiter{}
		testkit.Check(t, "throttles", run(t, &windrow.Limiter{}, nil).Throttled, run(t, shared, shared).Throttled)
		testkit.Check(t, "throttles", 1, shared.Stats().Throttled)
	})
}

// The body of a request that is not sent is closed, too.
func TestTransportClosesTheBody(t *testing.T) {
	t.Parallel()
	limiter := windrow.NewLimiter(windrow.Rate(0, 0)) // refuses everything
	transport := &Transport{Limiter: limiter, Base: roundTripper(func(*http.Request) (*http.Response, error) {
		t.Error("a request was sent")
		return reply(200), nil
	})}
	send := func(ctx context.Context) error {
		req, body := request(ctx, http.MethodPost, "http://cms.test")
		res, err := transport.RoundTrip(req)
		if res != nil || err == nil {
			t.Errorf("RoundTrip returned %v, %v", res, err)
		}
		testkit.Check(t, "closed", true, body.closed.Load())
		return err
	}
	_ = send(t.Context())
	if _, err := inRun(t, send); err == nil {
		t.Error("no error")
	}
	get, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://cms.test", nil)
	if _, err := transport.RoundTrip(get); err == nil {
		t.Error("no error")
	}
}

func TestTransportBase(t *testing.T) {
	t.Parallel()
	connections := func(l *windrow.Limiter) int {
		return (&Transport{Limiter: l}).base().(*http.Transport).MaxIdleConnsPerHost
	}
	testkit.Check(t, "without a limiter", 64, connections(nil))
	testkit.Check(t, "a limiter's default", 64, connections(&windrow.Limiter{}))
	testkit.Check(t, "more calls", 200, connections(windrow.NewLimiter(windrow.Concurrency(200))))
	testkit.Check(t, "NewBase of nothing", 1, NewBase(0).MaxIdleConnsPerHost)
	transport := &Transport{}
	if transport.base() != transport.base() {
		t.Error("a new base for each request")
	}
	transport.CloseIdleConnections()
	(&Transport{Base: roundTripper(nil)}).CloseIdleConnections() // which has none
}

// No more connections are made than there are calls at once, in waves of work too.
func TestTransportKeepsConnections(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, func(w http.ResponseWriter, req *http.Request) {
			time.Sleep(time.Second)
			good(w, req)
		})
		const workers = 8
		articles := articlesOf(s.client(t))
		for range 3 {
			if _, err := windrow.CreateMany(t.Context(), articles, make([]draft, 100), windrow.Concurrency(workers)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if n := s.dials.Load(); n > workers {
			t.Errorf("%d connections for %d workers", n, workers)
		}
	})
}

// A refusal is read to its end, too, so that its connection serves again.
func TestRefusalsAreDrained(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusUnprocessableEntity)
			_, _ = w.Write(bytes.Repeat([]byte("x"), maxErrorBody+maxDrain-1))
		})
		_, _ = windrow.CreateMany(t.Context(), articlesOf(s.client(t)), make([]draft, 10), windrow.PreserveOrder())
		testkit.Check(t, "requests", 10, len(s.requests()))
		testkit.Check(t, "connections", int32(1), s.dials.Load())
	})
}
