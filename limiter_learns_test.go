package windrow_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/clients"
)

// A server without a limit, whose calls take 5 ms, gets within a tenth of 50 fixed calls in flight after two seconds.
func TestLimiterFindsAFastServersCapacity(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		done := func(opts ...windrow.Option) int {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			n, from, to := 0, time.Now().Add(2*time.Second), time.Now().Add(4*time.Second)
			var mu sync.Mutex
			p := windrow.NewBatchProcessor(func(context.Context, int) (int, error) {
				time.Sleep(5 * time.Millisecond)
				mu.Lock()
				defer mu.Unlock()
				switch now := time.Now(); {
				case now.After(to):
					cancel()
				case now.After(from):
					n++
				}
				return 0, nil
			}, opts...)
			if _, err := p.Run(ctx, make([]int, 100_000)); !errors.Is(err, context.Canceled) {
				t.Errorf("error %v, want the items to outlast the time", err)
			}
			return n
		}
		learned, fixed := done(), done(windrow.Concurrency(50))
		if learned < fixed*9/10 {
			t.Errorf("%d calls from the third second on, %d with 50 in flight from the start", learned, fixed)
		}
	})
}

// Two processors and three goroutines share one ceiling.
func TestLimiterKeepsItsCeilingForAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := windrow.NewLimiter(windrow.Rate(10, time.Second), windrow.Burst(3))
		var mu sync.Mutex
		var sent []time.Time
		call := func() {
			mu.Lock()
			sent = append(sent, time.Now())
			mu.Unlock()
			time.Sleep(120 * time.Millisecond)
		}
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				p := windrow.NewBatchProcessor(func(context.Context, int) (int, error) { call(); return 0, nil }, windrow.WithLimiter(l))
				if _, err := p.Run(t.Context(), make([]int, 60)); err != nil {
					t.Error(err)
				}
			})
		}
		for range 3 {
			wg.Go(func() {
				for range 20 {
					if err := l.Do(t.Context(), 1, func(context.Context) error { call(); return nil }); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		slices.SortFunc(sent, time.Time.Compare)
		if len(sent) != 180 {
			t.Fatalf("%d calls, want 180", len(sent))
		}
		for i := 13; i < len(sent); i++ { // 10/s and the burst of 3
			if within := sent[i].Sub(sent[i-13]); within < time.Second {
				t.Fatalf("14 calls within %v", within)
			}
		}
	})
}

// OnAdjust tells each change of belief with its reason, and without holding anything.
func TestOnAdjust(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var told []windrow.LimiterStats
		var l *windrow.Limiter
		l = windrow.NewLimiter(windrow.OnAdjust(func(s windrow.LimiterStats) {
			l.Stats() // may be used from here
			mu.Lock()
			defer mu.Unlock()
			told = append(told, s)
		}))
		tokens, filled := 5.0, time.Now() // 10/s
		p := windrow.NewBatchProcessor(func(context.Context, int) (int, error) {
			mu.Lock()
			now := time.Now()
			tokens = min(5, tokens+10*now.Sub(filled).Seconds())
			filled = now
			refused := tokens < 1
			if !refused {
				tokens--
			}
			mu.Unlock()
			time.Sleep(50 * time.Millisecond)
			if refused {
				return 0, windrow.Throttled(errors.New("too many"), 0)
			}
			return 0, nil
		}, windrow.WithLimiter(l))
		began := time.Now()
		if _, err := p.Run(t.Context(), make([]int, 600)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 75*time.Second {
			t.Errorf("600 items at 10/s took %v", took)
		}
		if len(told) == 0 {
			t.Fatal("nothing was told")
		}
		for _, s := range told {
			if s.Why == "" {
				t.Errorf("%+v: no reason", s)
			}
		}
		if r := l.Stats().Rate; math.IsInf(r, 1) || r < 5 || r > 20 {
			t.Errorf("rate %v in the end, want about 10", r)
		}

		// What was learned is still known to the next run, an hour later.
		learned, throttled := l.Stats().Rate, l.Stats().Throttled
		time.Sleep(time.Hour)
		if r := l.Stats().Rate; r != learned {
			t.Errorf("rate %v an hour later, want %v as before", r, learned)
		}
		if _, err := p.Run(t.Context(), make([]int, 100)); err != nil {
			t.Fatal(err)
		}
		// How often it looks for more by then is a matter of chance; a fresh one is throttled about as often in its first seconds.
		if more := l.Stats().Throttled - throttled; more > 10 {
			t.Errorf("throttled %d times in the second run of 100", more)
		}
	})
}

// A server whose headers tell its quota is never asked for more, and used up almost entirely.
func TestLimiterObeysHeaders(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const limit, period = 60, 3 * time.Second
		l := windrow.NewLimiter()
		var mu sync.Mutex
		began, number, used, refused := time.Now(), int64(-1), 0, 0
		p := windrow.NewBatchProcessor(func(context.Context, int) (int, error) {
			sent := time.Now()
			mu.Lock()
			into := sent.Sub(began) + time.Second // the first window has begun before
			if n := int64(into / period); n != number {
				number, used = n, 0
			}
			left := period - into%period
			f := clients.Feedback{Sent: sent, Throttled: used >= limit}
			if f.Throttled {
				refused++
				f.RetryAfter = left
			} else {
				used++
			}
			f.Quotas = []clients.Quota{{
				Limit: limit, Remaining: int64(limit - used), RemainingKnown: true,
				Reset: (left + time.Second - 1).Truncate(time.Second), ResetUnit: time.Second,
			}}
			mu.Unlock()
			time.Sleep(100 * time.Millisecond)
			clients.Observe(l, f)
			if f.Throttled {
				return 0, windrow.Throttled(errors.New("too many"), f.RetryAfter)
			}
			return 0, nil
		}, windrow.WithLimiter(l))
		if _, err := p.Run(t.Context(), make([]int, 1200)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 63*time.Second {
			t.Errorf("1200 items at 20/s took %v", took)
		}
		if refused > 2 {
			t.Errorf("%d of 1200 were refused", refused)
		}
	})
}

// bucketServer is a server with a token bucket that it tells nobody of. It may be called from many goroutines.
type bucketServer struct {
	perSecond, burst float64

	mu        sync.Mutex
	tokens    float64
	filled    time.Time
	requests  []time.Time // taken and refused
	throttled int
}

func newBucketServer(perSecond, burst float64) *bucketServer {
	return &bucketServer{perSecond: perSecond, burst: burst, tokens: burst, filled: time.Now()}
}

// call takes 100 ms, and 20 ms if it is refused.
func (s *bucketServer) call() error {
	s.mu.Lock()
	now := time.Now()
	s.tokens = min(s.burst, s.tokens+s.perSecond*now.Sub(s.filled).Seconds())
	s.filled = now
	s.requests = append(s.requests, now)
	refused := s.tokens < 1
	if refused {
		s.throttled++
	} else {
		s.tokens--
	}
	s.mu.Unlock()
	if refused {
		time.Sleep(20 * time.Millisecond)
		return windrow.Throttled(errors.New("too many"), 0)
	}
	time.Sleep(100 * time.Millisecond)
	return nil
}

// F28: a server that answers 429 for ever ends the run after MaxThrottleWait. Nothing is lost: the rest was not attempted,
// and Rerun goes on with it once the server takes calls again.
func TestF28_AServerThatThrottlesForEver(t *testing.T) {
	t.Parallel()
	for _, hint := range []time.Duration{0, 30 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			const wait = 10 * time.Minute
			var mu sync.Mutex
			taken, shut, requests := 0, false, 0
			p := windrow.NewBatchProcessor(func(context.Context, int) (int, error) {
				time.Sleep(50 * time.Millisecond)
				mu.Lock()
				defer mu.Unlock()
				requests++
				if shut = shut || taken == 40; shut {
					return 0, windrow.Throttled(errors.New("too many"), hint)
				}
				taken++
				return 0, nil
			}, windrow.Retry(windrow.RetryPolicy{MaxThrottleWait: wait}))
			began := time.Now()
			res, err := p.Run(t.Context(), make([]int, 100))
			if !errors.Is(err, windrow.ErrThrottled) {
				t.Fatalf("error %v, want %v", err, windrow.ErrThrottled)
			}
			if took := time.Since(began); took < wait-2*hint-time.Minute || took > wait+2*hint+time.Minute {
				t.Errorf("the run ended after %v, want about %v", took, wait)
			}
			if s := res.Stats(); s.Succeeded != 40 || s.NotAttempted != 60 {
				t.Errorf("%d succeeded and %d were not attempted, want 40 and 60", s.Succeeded, s.NotAttempted)
			}
			if requests > 100+int(wait/time.Second) {
				t.Errorf("%d requests in %v of refusals", requests, wait)
			}
			mu.Lock()
			shut, taken = false, -1000
			mu.Unlock()
			if res, err = p.Rerun(t.Context(), res); err != nil || res.Stats().Succeeded != 100 {
				t.Errorf("rerun: %d succeeded, %v", res.Stats().Succeeded, err)
			}
		})
	}
}

// F44: two clients with a limiter each share one quota. Neither knows of the other; both get on, and most of the quota is
// used. Which of them gets what is left of it is chance, so that the middle one of five runs counts.
func TestF44_TwoLimitersShareOneQuota(t *testing.T) {
	t.Parallel()
	const runs, items = 5, 1000
	var times []time.Duration
	for range runs {
		synctest.Test(t, func(t *testing.T) {
			s := newBucketServer(20, 20)
			began := time.Now()
			var wg sync.WaitGroup
			for range 2 {
				wg.Go(func() {
					p := windrow.NewBatchProcessor(func(context.Context, int) (int, error) { return 0, s.call() })
					if res, err := p.Run(t.Context(), make([]int, items)); err != nil || res.Stats().Succeeded != items {
						t.Errorf("%d of %d succeeded: %v", res.Stats().Succeeded, items, err)
					}
				})
			}
			wg.Wait()
			times = append(times, time.Since(began))
			if share := float64(s.throttled) / float64(len(s.requests)); share > 0.15 {
				t.Errorf("%.0f %% of the requests were refused", 100*share)
			}
		})
	}
	slices.Sort(times)
	if took, ideal := times[runs/2], 99*time.Second; took > ideal*5/4 {
		t.Errorf("took %v, want little more than the %v that the server needs", took, ideal)
	}
}

// What the caller allows is a ceiling for all that the limiter learns.
func TestLimiterLearnsBelowItsCeilings(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newBucketServer(8, 3)
		l := windrow.NewLimiter(windrow.Concurrency(5), windrow.Rate(12, time.Second), windrow.Burst(2))
		p := windrow.NewBatchProcessor(func(context.Context, int) (int, error) {
			if st := l.Stats(); st.Concurrency > 5 || st.InFlight > 5 || st.Rate > 12 {
				t.Errorf("%+v, with ceilings of 5 and 12/s", st)
			}
			return 0, s.call()
		}, windrow.WithLimiter(l))
		began := time.Now()
		if _, err := p.Run(t.Context(), make([]int, 500)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 75*time.Second {
			t.Errorf("500 items at 8/s took %v: the ceiling of 12/s should have been learned to be too high", took)
		}
		for i := 14; i < len(s.requests); i++ {
			if within := s.requests[i].Sub(s.requests[i-14]); within < time.Second {
				t.Fatalf("15 calls within %v, with a ceiling of 12/s and a burst of 2", within)
			}
		}
	})
}

// An idle limiter neither forgets nor stores up credit: after a day it lets no more through at once than before.
func TestLimiterIdle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newBucketServer(10, 1)
		l := windrow.NewLimiter()
		p := windrow.NewBatchProcessor(func(context.Context, int) (int, error) { return 0, s.call() }, windrow.WithLimiter(l))
		if _, err := p.Run(t.Context(), make([]int, 600)); err != nil {
			t.Fatal(err)
		}
		before := l.Stats()
		time.Sleep(24 * time.Hour)
		if after := l.Stats(); after.Rate != before.Rate || after.Concurrency != before.Concurrency {
			t.Errorf("a day later %+v, want %+v", after, before)
		}
		from := len(s.requests)
		if _, err := p.Run(t.Context(), make([]int, 50)); err != nil {
			t.Fatal(err)
		}
		if n := len(s.requests[from:]); n > 60 {
			t.Errorf("%d requests for 50 items", n)
		}
		for i := from + 3; i < len(s.requests); i++ {
			if within := s.requests[i].Sub(s.requests[i-3]); within < 150*time.Millisecond {
				t.Fatalf("4 requests within %v, with a rate of about 10/s learned the day before", within)
			}
		}
	})
}
