package windrow_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/clients"
)

// departures records when calls were let through.
type departures struct {
	mu    sync.Mutex
	times []time.Time
}

func (c *departures) add() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.times = append(c.times, time.Now())
}

// after returns how long after a time each call was let through, in order.
func (c *departures) after(start time.Time) []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []time.Duration
	for _, at := range c.times {
		all = append(all, at.Sub(start))
	}
	slices.Sort(all)
	return all
}

// most returns the largest number of calls in any window of that length.
func (c *departures) most(window time.Duration) int {
	times := c.after(time.Now())
	n, lo := 0, 0
	for hi := range times {
		for times[hi]-times[lo] >= window {
			lo++
		}
		n = max(n, hi-lo+1)
	}
	return n
}

func nothing(context.Context) error { return nil }

var errBusy = errors.New("too many requests")

// throttled is a call that the server refuses, with a hint.
func throttled(after time.Duration) func(context.Context) error {
	return func(context.Context) error { return windrow.Throttled(errBusy, after) }
}

func TestLimiterZeroValue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l windrow.Limiter
		want := windrow.LimiterStats{Concurrency: 4, Rate: math.Inf(1), Burst: 1}
		if diff := cmp.Diff(want, l.Stats()); diff != "" {
			t.Errorf("stats (-want +got):\n%s", diff)
		}
		if err := l.Do(t.Context(), 1, nothing); err != nil {
			t.Error(err)
		}
		if err := l.Wait(t.Context(), 1); err != nil {
			t.Error(err)
		}
		if err := l.Drain(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Without bounds it starts with four calls at once and doubles that once it knows how much four bring, up to 64.
func TestLimiterGrowsWhileEveryCallIsAnswered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l windrow.Limiter
		var wg sync.WaitGroup
		for range 600 {
			wg.Go(func() {
				if err := l.Do(t.Context(), 1, func(context.Context) error { time.Sleep(time.Second); return nil }); err != nil {
					t.Error(err)
				}
			})
		}
		var inFlight []int
		for range 18 {
			synctest.Wait()
			inFlight = append(inFlight, l.Stats().InFlight)
			time.Sleep(time.Second)
		}
		if diff := cmp.Diff([]int{4, 4, 4, 4, 4, 4, 4, 8, 8, 8, 8, 16, 16, 24, 32, 32, 64, 64}, inFlight); diff != "" {
			t.Errorf("in flight, each second (-want +got):\n%s", diff)
		}
		wg.Wait()
	})
}

// Where the rate is what bounds the calls, there is no reason to allow more of them at once.
func TestLimiterDoesNotGrowWhileTheRateBinds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := windrow.NewLimiter(windrow.Rate(10, time.Second))
		f := newFake(t, slow(200*time.Millisecond))
		if s := createVerb.run(t.Context(), f, ids(100), windrow.WithLimiter(l)); s.err != nil {
			t.Fatal(s.err)
		}
		if s := l.Stats(); s.Concurrency != 4 {
			t.Errorf("concurrency %d although no more than %d calls were in flight, want the 4 of the start", s.Concurrency, f.most)
		}
	})
}

func TestLimiterBoundsConcurrency(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := windrow.NewLimiter(windrow.Concurrency(3))
		var now, highest atomic.Int32
		var wg sync.WaitGroup
		for range 30 {
			wg.Go(func() {
				_ = l.Do(t.Context(), 1, func(context.Context) error {
					n := now.Add(1)
					for h := highest.Load(); n > h && !highest.CompareAndSwap(h, n); h = highest.Load() {
					}
					time.Sleep(time.Second)
					now.Add(-1)
					return nil
				})
			})
		}
		wg.Wait()
		if n := highest.Load(); n != 3 {
			t.Errorf("%d calls at once, want 3", n)
		}
	})
}

// A known rate is used to the full and never passed, whatever the number of workers.
func TestLimiterKeepsAKnownRate(t *testing.T) {
	t.Parallel()
	for perSecond, seconds := range map[int]int{1000: 5, 10000: 1} {
		for _, workers := range []int{1, 4, 50} {
			t.Run(fmt.Sprintf("%d per second with %d workers", perSecond, workers), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					l := windrow.NewLimiter(windrow.Rate(perSecond, time.Second), windrow.Concurrency(workers))
					burst := perSecond / 100
					var made departures
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(seconds)*time.Second)
					defer cancel()
					p := windrow.NewBatchProcessor(func(context.Context, int) (int, error) {
						made.add()
						return 0, nil
					}, windrow.WithLimiter(l))
					res, _ := p.Run(ctx, make([]int, (seconds+1)*perSecond))
					sent, want := res.Stats().Succeeded, seconds*perSecond
					if sent < want*99/100 || sent > want+burst+1 {
						t.Errorf("%d calls in %d s, want %d and at most the burst of %d more", sent, seconds, want, burst)
					}
					if n := made.most(time.Second); n > perSecond+burst {
						t.Errorf("%d calls in one second, want at most the rate and the burst of %d", n, burst)
					}
				})
			})
		}
	}
}

func TestLimiterRateIsAnyNumberInAnyPeriod(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := windrow.NewLimiter(windrow.Rate(60, 3*time.Second)) // as DatoCMS has it
		if s := l.Stats(); s.Rate != 20 || s.Burst != 1 {
			t.Errorf("rate %v and burst %d, want 20 and 1", s.Rate, s.Burst)
		}
		start := time.Now()
		for range 61 {
			if err := l.Do(t.Context(), 1, nothing); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start).Round(time.Millisecond); took != 3*time.Second {
			t.Errorf("60 calls after the first took %v, want 3s", took)
		}
	})
}

func TestLimiterBurst(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		opts []windrow.Option
		want int
	}{
		{"ten milliseconds' worth by default", []windrow.Option{windrow.Rate(1000, time.Second)}, 10},
		{"at least one", []windrow.Option{windrow.Rate(1, time.Minute)}, 1},
		{"as set", []windrow.Option{windrow.Rate(10, time.Second), windrow.Burst(7)}, 7},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := windrow.NewLimiter(tt.opts...)
				time.Sleep(time.Hour) // rest stores no more than the burst
				start := time.Now()
				var made departures
				var wg sync.WaitGroup
				for range 3 * tt.want {
					wg.Go(func() { _ = l.Do(t.Context(), 1, func(context.Context) error { made.add(); return nil }) })
				}
				wg.Wait()
				atOnce := 0
				for _, after := range made.after(start) {
					if after == 0 {
						atOnce++
					}
				}
				if atOnce != tt.want || l.Stats().Burst != tt.want {
					t.Errorf("%d calls left at one instant, Stats says %d, want %d", atOnce, l.Stats().Burst, tt.want)
				}
			})
		})
	}
}

// A call that costs several units waits for all of them. Room for it is made unless the burst was set.
func TestLimiterCost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := windrow.NewLimiter(windrow.Rate(10, time.Second))
		start := time.Now()
		var made departures
		for range 4 {
			if err := l.Do(t.Context(), 5, func(context.Context) error { made.add(); return nil }); err != nil {
				t.Fatal(err)
			}
		}
		// The first takes what rest has stored, up to the one unit of the burst: the other four have to be earned.
		want := []time.Duration{400 * time.Millisecond, 900 * time.Millisecond, 1400 * time.Millisecond, 1900 * time.Millisecond}
		if diff := cmp.Diff(want, made.after(start)); diff != "" {
			t.Errorf("calls of 5 units at 10/s (-want +got):\n%s", diff)
		}
	})
}

// Changing the rate must not make expensive calls cheap.
func TestLimiterKeepsRoomForCostsWhenTheRateChanges(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		opts []windrow.Option
	}{
		{"from another rate", []windrow.Option{windrow.Rate(100, time.Second)}},
		{"from no rate", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := windrow.NewLimiter(tt.opts...)
				f := newFake(t, func(*call) error { time.Sleep(100 * time.Millisecond); return nil })
				dear := windrow.Capabilities{Cost: func(int) int { return 5 }}
				time.AfterFunc(time.Second, func() {
					if err := l.SetRate(10, time.Second); err != nil {
						t.Error(err)
					}
				})
				ctx, cancel := context.WithTimeout(t.Context(), 11*time.Second)
				defer cancel()
				_, _ = windrow.CreateMany[string, string](ctx, client{f, dear}, ids(2000), windrow.WithLimiter(l))
				slow := 0
				for _, c := range f.calls {
					if c.at > 1100*time.Millisecond {
						slow++
					}
				}
				if slow < 18 || slow > 20 {
					t.Errorf("%d calls of 5 units in 10 s at 10 units a second, want 19 or 20", slow)
				}
			})
		})
	}
}

func TestLimiterRefuses(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	var none context.Context
	small := windrow.NewLimiter(windrow.Rate(10, time.Second), windrow.Burst(2))
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"a nil context", new(windrow.Limiter).Do(none, 1, nothing),
			"windrow: the context is nil: pass context.Background() if there is no other"},
		{"a nil context to Wait", new(windrow.Limiter).Wait(none, 1),
			"windrow: the context is nil: pass context.Background() if there is no other"},
		{"a nil context to Drain", new(windrow.Limiter).Drain(none),
			"windrow: the context is nil: pass context.Background() if there is no other"},
		{"a nil function", new(windrow.Limiter).Do(ctx, 1, nil), "windrow: Limiter: fn (nil) must be a function"},
		{"no cost", new(windrow.Limiter).Do(ctx, 0, nothing), "windrow: Limiter: cost (0) must be at least 1"},
		{"a negative cost", new(windrow.Limiter).Wait(ctx, -3), "windrow: Limiter: cost (-3) must be at least 1"},
		{"a cost above the burst", small.Do(ctx, 3, nothing),
			"windrow: Burst (2) is below the cost of one request (cost: 3): such a request could never leave; raise Burst or lower the cost"},
		{"no concurrency", new(windrow.Limiter).SetConcurrency(0), "windrow: SetConcurrency (0) must be from 1 to 100,000"},
		{"a negative rate", new(windrow.Limiter).SetRate(-1, time.Second),
			"windrow: SetRate (-1, 1s) must be positive, or 0 for no rate"},
		{"no period", new(windrow.Limiter).SetRate(5, 0), "windrow: SetRate (5, 0s) must be positive, or 0 for no rate"},
		{"an option that is not for it", windrow.NewLimiter(windrow.MaxFailures(0)).Wait(ctx, 1),
			"windrow: MaxFailures is not for a Limiter, which takes Concurrency, Rate, Burst, OnAdjust and StartFrom"},
		{"a bad option", windrow.NewLimiter(windrow.Concurrency(-1)).SetRate(1, time.Second),
			"windrow: Concurrency (-1) must be from 1 to 100,000"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.err == nil || tt.err.Error() != tt.want {
				t.Errorf("error %v, want %s", tt.err, tt.want)
			}
		})
	}
}

// What is wrong with a limiter is said by its first use, and by the run of a processor that shares it.
func TestLimiterWithBadOptionsSendsNothing(t *testing.T) {
	t.Parallel()
	l := windrow.NewLimiter(windrow.Rate(0, time.Second), windrow.BatchSize(5))
	sent := func(context.Context) error { t.Error("a call was made"); return nil }
	want := "windrow: Rate (0, 1s) must be at least 1 in a positive period\n" +
		"windrow: BatchSize is not for a Limiter, which takes Concurrency, Rate, Burst, OnAdjust and StartFrom"
	for name, err := range map[string]error{
		"Do": l.Do(t.Context(), 1, sent), "Wait": l.Wait(t.Context(), 1), "Drain": l.Drain(t.Context()),
		"SetConcurrency": l.SetConcurrency(1), "SetRate": l.SetRate(1, time.Second),
	} {
		if err == nil || err.Error() != want {
			t.Errorf("%s: error %v, want %s", name, err, want)
		}
	}
	l.Pause()
	l.PauseUntil(time.Now().Add(time.Hour))
	l.Resume()
	clients.Observe(l, clients.Feedback{Throttled: true})
	if diff := cmp.Diff(windrow.LimiterStats{}, l.Stats()); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
	res, err := windrow.NewBatchProcessor(func(ctx context.Context, _ int) (int, error) { return 0, sent(ctx) }, windrow.WithLimiter(l)).Run(t.Context(), make([]int, 3))
	if oe, ok := errors.AsType[*windrow.OptionError](err); !ok || oe.Option != "Rate" {
		t.Errorf("error %v, want an *OptionError for Rate", err)
	}
	if res.Stats().NotAttempted != 3 {
		t.Errorf("%+v, want 3 not attempted", res.Stats())
	}
}

// A pause by PauseUntil that is longer than a run waits stops the run at once, and the error blames no server.
func TestPauseUntilBeyondMaxThrottleWait(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		pause time.Duration
		want  string // of the error; "" for none
	}{
		{time.Minute, ""},
		{time.Hour, "windrow: nothing was sent: the limiter is paused by PauseUntil: the wait of 1h0m0s exceeds MaxThrottleWait (5m0s); of 3 items 3 not attempted"},
	} {
		synctest.Test(t, func(t *testing.T) {
			l, began := windrow.NewLimiter(), time.Now()
			l.PauseUntil(began.Add(tt.pause))
			f := newFake(t, nil)
			_, err := windrow.CreateMany(t.Context(), client{f, windrow.Capabilities{}}, ids(3), windrow.WithLimiter(l))
			if tt.want == "" {
				if err != nil || time.Since(began) != tt.pause {
					t.Errorf("error %v after %v, want a run after %v", err, time.Since(began), tt.pause)
				}
				return
			}
			if err == nil || err.Error() != tt.want || !errors.Is(err, windrow.ErrThrottled) || time.Since(began) != 0 {
				t.Errorf("error %v after %v, want %q at once, matching ErrThrottled", err, time.Since(began), tt.want)
			}
		})
	}
}

func TestLimiterWaitsEndWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := windrow.NewLimiter()
		l.Pause()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		var wg sync.WaitGroup
		for _, wait := range []func() error{
			func() error { return l.Do(ctx, 1, nothing) },
			func() error { return l.Wait(ctx, 1) },
			func() error { synctest.Wait(); return l.Drain(ctx) }, // the others wait by now
		} {
			wg.Go(func() {
				began := time.Now()
				err := wait()
				if !errors.Is(err, context.Canceled) || time.Since(began) != time.Second {
					t.Errorf("error %v after %v, want %v after 1s", err, time.Since(began), context.Canceled)
				}
			})
		}
		wg.Wait()
	})
}

// Whoever waits learns at once that more is allowed now.
func TestLimiterChangesWakeWaiters(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		opts   []windrow.Option
		shut   func(l *windrow.Limiter)
		change func(l *windrow.Limiter) error
	}{
		{"SetConcurrency", []windrow.Option{windrow.Concurrency(1)}, nil, func(l *windrow.Limiter) error { return l.SetConcurrency(10) }},
		{"SetRate", []windrow.Option{windrow.Rate(1, time.Hour)}, nil, func(l *windrow.Limiter) error { return l.SetRate(1000, time.Second) }},
		{"SetRate to none", []windrow.Option{windrow.Rate(1, time.Hour)}, nil, func(l *windrow.Limiter) error { return l.SetRate(0, 0) }},
		{"Resume after Pause", nil, (*windrow.Limiter).Pause, func(l *windrow.Limiter) error { l.Resume(); return nil }},
		{"Resume after PauseUntil", nil, func(l *windrow.Limiter) { l.PauseUntil(time.Now().Add(time.Hour)) },
			func(l *windrow.Limiter) error { l.Resume(); return nil }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := windrow.NewLimiter(tt.opts...)
				if tt.shut != nil {
					tt.shut(l)
				}
				var made departures
				var wg sync.WaitGroup
				release := make(chan struct{})
				for range 4 {
					wg.Go(func() {
						_ = l.Do(t.Context(), 1, func(context.Context) error { made.add(); <-release; return nil })
					})
				}
				time.Sleep(time.Minute)
				if n := len(made.after(time.Now())); n > 1 {
					t.Fatalf("%d calls were let through before the change", n)
				}
				if err := tt.change(l); err != nil {
					t.Fatal(err)
				}
				time.Sleep(5 * time.Millisecond)
				if n := len(made.after(time.Now())); n != 4 {
					t.Errorf("%d of 4 calls were let through after the change", n)
				}
				close(release)
				wg.Wait()
			})
		})
	}
}

// A run makes use of what it is allowed while it is under way, however little that was when it began.
func TestRunUsesRaisedConcurrency(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		raise    []int
		opts     []windrow.Option
		inFlight int
	}{
		{"raised", []int{100}, nil, 100},
		{"raised twice", []int{5, 80}, nil, 80},
		{"lowered", []int{1}, nil, 2},
		{"raised above what the run allows", []int{100}, []windrow.Option{windrow.Concurrency(2)}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := windrow.NewLimiter(windrow.Concurrency(2))
				release := make(chan struct{})
				var inFlight atomic.Int64
				p := windrow.NewBatchProcessor(func(context.Context, int) (int, error) {
					inFlight.Add(1)
					<-release
					return 0, nil
				}, append(tt.opts, windrow.WithLimiter(l))...)
				done := make(chan error, 1)
				go func() {
					_, err := p.Run(t.Context(), make([]int, 200))
					done <- err
				}()
				synctest.Wait()
				if n := inFlight.Load(); n != 2 {
					t.Errorf("%d calls in flight at the start, want 2", n)
				}
				for _, n := range tt.raise {
					if err := l.SetConcurrency(n); err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
				}
				if n := inFlight.Load(); n != int64(tt.inFlight) {
					t.Errorf("%d calls in flight, want %d", n, tt.inFlight)
				}
				close(release)
				if err := <-done; err != nil {
					t.Error(err)
				}
				if err := l.SetConcurrency(150); err != nil { // nobody is there any more
					t.Fatal(err)
				}
			})
		})
	}
}

// A change of one bound leaves the other alone.
func TestLimiterSetRateKeepsTheConcurrency(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l windrow.Limiter
		if err := l.SetRate(100, time.Second); err != nil {
			t.Fatal(err)
		}
		if s := l.Stats(); s.Concurrency != 4 || s.Rate != 100 {
			t.Errorf("concurrency %d and rate %v, want the 4 of the start and 100", s.Concurrency, s.Rate)
		}
		if err := l.Do(t.Context(), 7, nothing); err != nil {
			t.Fatal(err)
		}
		if s := l.Stats(); s.Concurrency != 4 || s.Burst != 7 {
			t.Errorf("concurrency %d and burst %d after a call that costs 7, want 4 and 7", s.Concurrency, s.Burst)
		}
	})
}

func TestLimiterPauseKeepsCallsInFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l windrow.Limiter
		var made departures
		p := windrow.NewBatchProcessor(func(context.Context, int) (int, error) { made.add(); time.Sleep(time.Second); return 0, nil },
			windrow.WithLimiter(&l), windrow.Concurrency(2))
		start := time.Now()
		time.AfterFunc(1500*time.Millisecond, l.Pause)
		time.AfterFunc(time.Minute, l.Resume)
		res, err := p.Run(t.Context(), make([]int, 6))
		if err != nil {
			t.Fatal(err)
		}
		want := []time.Duration{0, 0, time.Second, time.Second, time.Minute, time.Minute}
		if diff := cmp.Diff(want, made.after(start)); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
		if s := res.Stats(); s.Succeeded != 6 || s.ThrottledFor != 0 {
			t.Errorf("%+v, want 6 succeeded and no throttle", s)
		}
	})
}

func TestLimiterDrain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := windrow.NewLimiter(windrow.Concurrency(2))
		var wg sync.WaitGroup
		for range 5 { // two in flight and three that wait: a Run between two items would be neither
			wg.Go(func() {
				_ = l.Do(t.Context(), 1, func(context.Context) error { time.Sleep(time.Second); return nil })
			})
		}
		synctest.Wait()
		began := time.Now()
		if err := l.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("drained after %v, want 3s", took)
		}
		if err := l.Do(t.Context(), 1, nothing); err != nil {
			t.Errorf("after Drain: %v", err) // nothing is refused
		}
		wg.Wait()
	})
}

// Who waits for no slot waits all the same.
func TestLimiterDrainWaitsForWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l windrow.Limiter
		l.Pause()
		go func() { _ = l.Wait(t.Context(), 1) }()
		synctest.Wait()
		time.AfterFunc(time.Minute, l.Resume)
		began := time.Now()
		if err := l.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != time.Minute {
			t.Errorf("drained after %v, want 1m", took)
		}
	})
}

func TestLimiterStats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := windrow.NewLimiter(windrow.Concurrency(2), windrow.Rate(100, time.Second), windrow.Burst(5))
		release := make(chan struct{})
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { _ = l.Do(t.Context(), 1, func(context.Context) error { <-release; return nil }) })
		}
		synctest.Wait()
		want := windrow.LimiterStats{Concurrency: 2, InFlight: 2, Waiting: 1, Rate: 100, Burst: 5}
		if diff := cmp.Diff(want, l.Stats()); diff != "" {
			t.Errorf("busy (-want +got):\n%s", diff)
		}
		close(release)
		wg.Wait()
		until := time.Now().Add(time.Minute)
		l.Pause()
		l.PauseUntil(until)
		want = windrow.LimiterStats{Concurrency: 2, Rate: 100, Burst: 5, Paused: true, PausedUntil: until, Learned: windrow.Learned{Concurrency: 2}}
		if diff := cmp.Diff(want, l.Stats()); diff != "" {
			t.Errorf("paused (-want +got):\n%s", diff)
		}
		l.Resume()
		want.Paused, want.PausedUntil = false, time.Time{}
		if diff := cmp.Diff(want, l.Stats()); diff != "" {
			t.Errorf("resumed (-want +got):\n%s", diff)
		}
		clients.Observe(l, clients.Feedback{Throttled: true, RetryAfter: time.Second})
		time.Sleep(2 * time.Second)
		s := l.Stats()
		if s.Throttled != 1 || s.ThrottledFor != 2*time.Second || !s.Probing || s.Why == "" {
			t.Errorf("throttled: %+v, want one throttle that shut it for 2s so far, for a reason", s)
		}
	})
}

// A slot comes back whatever becomes of the function.
func TestLimiterDoFreesTheSlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := windrow.NewLimiter(windrow.Concurrency(1))
		for name, fn := range map[string]func(context.Context) error{
			"error":  func(context.Context) error { return errors.New("no") },
			"panic":  func(context.Context) error { panic("no") },
			"Goexit": func(context.Context) error { runtime.Goexit(); return nil },
		} {
			var wg sync.WaitGroup
			wg.Go(func() {
				defer func() {
					if v := recover(); v != nil && v != "no" {
						t.Errorf("%s: recovered %v", name, v)
					}
				}()
				_ = l.Do(t.Context(), 1, fn)
			})
			wg.Wait()
			if s := l.Stats(); s.InFlight != 0 {
				t.Errorf("%s: %d in flight", name, s.InFlight)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if err := l.Do(ctx, 1, nothing); err != nil {
				t.Errorf("after %s: %v", name, err)
			}
			cancel()
		}
	})
}
