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
			f := windrow.Feedback{Sent: sent, Throttled: used >= limit}
			if f.Throttled {
				refused++
				f.RetryAfter = left
			} else {
				used++
			}
			f.Quotas = []windrow.Quota{{
				Limit: limit, Remaining: int64(limit - used), RemainingKnown: true,
				Reset: (left + time.Second - 1).Truncate(time.Second), ResetUnit: time.Second,
			}}
			mu.Unlock()
			time.Sleep(100 * time.Millisecond)
			l.Observe(f)
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
