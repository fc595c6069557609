package windrow_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/windrow-go/windrow"
)

// Rows A18 to A23, A62 to A65 and A69 to A72 of the acceptance table: updates, the concurrency manager, and what the
// DatoCMS guide calls its best practices.

func TestA18_UpdatesByID(t *testing.T) {
	t.Parallel()
	titles := map[int]string{7: "seven", 8: "eight", 9: "nine"}
	var mu sync.Mutex
	update := func(_ context.Context, id int, title string) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		before, ok := titles[id]
		if !ok {
			return "", windrow.ErrNotFound
		}
		titles[id] = title
		return before, nil
	}
	res, err := windrow.UpdateMany(t.Context(), windrow.UpdateFunc(update), []windrow.Update[int, string]{{7, "sept"}, {9, "neuf"}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[int]string{7: "sept", 8: "eight", 9: "neuf"}, titles); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"seven", "nine"}, res.Values()); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
}

// Updates and deletes have half the batch of creates.
func TestA19_BatchSizeIs10ForOtherVerbs(t *testing.T) {
	t.Parallel()
	for _, v := range []verb{updateVerb, upsertVerb, deleteVerb, getVerb, doVerb} {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, nil)
				if s := v.run(t.Context(), f, ids(25), windrow.BatchDelay(time.Second), windrow.Concurrency(64)); s.err != nil {
					t.Fatal(s.err)
				}
				if diff := cmp.Diff([]string{"0s: 10", "1s: 10", "2s: 5"}, starts(f)); diff != "" {
					t.Errorf("calls (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestA20_OrderIsNotPreservedByDefault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, slow(time.Second))
		if s := updateVerb.run(t.Context(), f, ids(4)); s.err != nil {
			t.Fatal(s.err)
		}
		if diff := cmp.Diff([]string{"0s: 4"}, starts(f)); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
	})
}

// Strictly one at a time, in order, going on after an error, with no delay between. An item that waits for its retry
// holds up those behind it.
func TestA21_PreserveOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(c *call) error {
			time.Sleep(100 * time.Millisecond)
			switch {
			case c.id() == "i1":
				return errServer
			case c.id() == "i2" && c.nth == 1:
				return windrow.Transient(errServer)
			case c.id() == "i3" && c.nth == 1:
				return windrow.Throttled(errServer, 0)
			}
			return nil
		})
		s := updateVerb.run(t.Context(), f, ids(6), windrow.PreserveOrder(), windrow.Concurrency(8),
			windrow.Retry(windrow.RetryPolicy{Strategy: windrow.Constant(time.Minute)}))
		if diff := cmp.Diff([]string{"i0", "i1", "i2", "i2", "i3", "i3", "i4", "i5"}, f.order()); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
		if f.most != 1 {
			t.Errorf("%d calls at once", f.most)
		}
		var gaps []time.Duration
		for k := 1; k < len(f.calls); k++ {
			gaps = append(gaps, (f.calls[k].at - f.calls[k-1].end).Truncate(time.Minute))
		}
		if diff := cmp.Diff([]time.Duration{0, 0, time.Minute, 0, 0, 0, 0}, gaps); diff != "" {
			t.Errorf("gaps, in minutes (-want +got):\n%s", diff)
		}
		if gap := f.calls[1].at - f.calls[0].end; gap != 0 {
			t.Errorf("a delay of %v between two items", gap)
		}
		want := []windrow.State{windrow.Succeeded, windrow.Failed, windrow.Succeeded, windrow.Succeeded, windrow.Succeeded, windrow.Succeeded}
		if diff := cmp.Diff(want, s.states); diff != "" {
			t.Errorf("states (-want +got):\n%s", diff)
		}
	})
}

// In parallel inside a batch, with a pause between batches. Two updates of one record never race: the later one of
// the input comes later, also when the first one fails or is retried.
func TestA22_ParallelUpdatesOfOneRecordKeepTheirOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		records, active := map[string][]int{}, map[string]bool{}
		most, now := 0, 0
		update := func(_ context.Context, id string, n int) (int, error) {
			mu.Lock()
			if active[id] {
				t.Errorf("two updates of %s at once", id)
			}
			active[id] = true
			now++
			most = max(most, now)
			mu.Unlock()
			time.Sleep(rand.N(100 * time.Millisecond))
			mu.Lock()
			defer mu.Unlock()
			active[id] = false
			now--
			switch rand.N(4) {
			case 0:
				return 0, windrow.Transient(errServer)
			case 1:
				return 0, windrow.Permanent(errServer)
			}
			records[id] = append(records[id], n)
			return n, nil
		}
		var in []windrow.Update[string, int]
		for n := range 200 {
			in = append(in, windrow.Update[string, int]{ID: fmt.Sprint("r", rand.N(20)), Data: n})
		}
		res, err := windrow.UpdateMany(t.Context(), windrow.UpdateFunc(update), in, windrow.BatchDelay(time.Second), windrow.BatchSize(10))
		checkAccounts(t, len(in), res, err)
		for id, order := range records {
			if !slices.IsSorted(order) {
				t.Errorf("updates of %s in the order %v", id, order)
			}
		}
		if most < 2 {
			t.Error("nothing was parallel")
		}
	})
}

func TestA22_DelayBetweenParallelBatchesOfUpdates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, slow(100*time.Millisecond))
		if s := updateVerb.run(t.Context(), f, ids(20), windrow.BatchDelay(time.Second), windrow.Concurrency(10)); s.err != nil {
			t.Fatal(s.err)
		}
		if diff := cmp.Diff([]string{"0s: 10", "1.1s: 10"}, starts(f)); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
	})
}

// One result for each input, in order, with the id that it was about.
func TestA23_ResultsOfUpdates(t *testing.T) {
	t.Parallel()
	gone := windrow.Permanent(errors.New("gone"))
	update := func(_ context.Context, id int, title string) (string, error) {
		if id == 8 {
			return "", gone
		}
		return strings.ToUpper(title), nil
	}
	res, err := windrow.UpdateMany(t.Context(), windrow.UpdateFunc(update),
		[]windrow.Update[int, string]{{7, "seven"}, {8, "eight"}, {9, "nine"}})
	type line struct {
		Success bool
		ID      int
		Data    string
		Err     error
	}
	var got []line
	for r := range res.All() {
		got = append(got, line{r.State == windrow.Succeeded, r.Input.ID, r.Value, r.Err})
	}
	want := []line{{true, 7, "SEVEN", nil}, {false, 8, "", gone}, {true, 9, "NINE", nil}}
	if diff := cmp.Diff(want, got, cmpopts.EquateErrors()); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
	if item, ok := errors.AsType[*windrow.ItemError](err); !ok || item.Index != 1 || item.Key != "8" {
		t.Errorf("error %v, want one that names item 1 and its id 8", err)
	}
}

// A62 to A65: the guide's ConcurrencyManager is a Limiter.
func TestA62_ConcurrencyManager(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		manager := windrow.NewLimiter(windrow.Concurrency(5))
		f := newFake(t, slow(time.Second))
		var wg sync.WaitGroup
		for _, id := range ids(23) {
			wg.Go(func() {
				if err := manager.Do(t.Context(), 1, func(ctx context.Context) error { _, err := f.do(ctx, id); return err }); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if diff := cmp.Diff([]string{"0s: 5", "1s: 5", "2s: 5", "3s: 5", "4s: 3"}, starts(f)); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
	})
}

// Whoever waits is served in the order of coming, as soon as a slot is free, and gets the task's own error.
func TestA63_AddWaitsItsTurnAndReturnsTheTasksError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		manager := windrow.NewLimiter(windrow.Concurrency(1))
		f := newFake(t, slow(30*time.Millisecond))
		var wg sync.WaitGroup
		for _, id := range ids(20) {
			wg.Go(func() {
				own := errors.New(id)
				err := manager.Do(t.Context(), 1, func(ctx context.Context) error { _, _ = f.do(ctx, id); return own })
				if err != own {
					t.Errorf("task %s returned %v", id, err)
				}
			})
			synctest.Wait() // it is in the queue
		}
		wg.Wait()
		if diff := cmp.Diff(ids(20), f.order()); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
		if took := time.Since(f.started); took != 20*30*time.Millisecond {
			t.Errorf("20 tasks of 30 ms took %v: somebody polls", took)
		}
	})
}

// A slot comes back whatever ends the task.
func TestA64_SlotsAreFreed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		task func(context.Context) error
	}{
		{"a success", nothing},
		{"an error", func(context.Context) error { return errServer }},
		{"a panic", func(context.Context) error { panic("no") }},
		{"a Goexit", func(context.Context) error { runtime.Goexit(); return nil }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				manager := windrow.NewLimiter(windrow.Concurrency(2))
				for range 5 {
					done := make(chan struct{})
					go func() {
						defer close(done)
						defer func() { _ = recover() }()
						_ = manager.Do(t.Context(), 1, tt.task)
					}()
					<-done
				}
				ran := false
				if err := manager.Do(t.Context(), 1, func(context.Context) error { ran = true; return nil }); err != nil || !ran {
					t.Errorf("the sixth task: ran %t, error %v", ran, err)
				}
				if s := manager.Stats(); s.InFlight != 0 {
					t.Errorf("%d in flight", s.InFlight)
				}
			})
		})
	}
}

func TestA65_DrainWaitsForAllTasks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		manager := windrow.NewLimiter(windrow.Concurrency(5))
		f := newFake(t, slow(time.Second))
		for _, id := range ids(12) {
			go func() {
				_ = manager.Do(t.Context(), 1, func(ctx context.Context) error { _, err := f.do(ctx, id); return err })
			}()
		}
		synctest.Wait()
		if err := manager.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(f.started); took != 3*time.Second || len(f.calls) != 12 || f.inFlight != 0 {
			t.Errorf("drained after %v with %d tasks begun and %d running, want 3s, 12 and 0", took, len(f.calls), f.inFlight)
		}
	})
}

// window is a server that takes n calls in each period of its own clock, as DatoCMS does, and 429s the others.
type window struct {
	n      int
	period time.Duration
	bare   bool // no Retry-After

	mu      sync.Mutex
	began   time.Time
	used    int
	refused int
}

func (w *window) take() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if start := now.Truncate(w.period); start != w.began {
		w.began, w.used = start, 0
	}
	if w.used++; w.used <= w.n {
		return nil
	}
	w.refused++
	if w.bare {
		return &statusError{status: 429}
	}
	return &statusError{status: 429, after: w.began.Add(w.period).Sub(now)}
}

// The guide sleeps between batches in the hope that it is enough. A known rate is kept exactly; an unknown one is
// learned from what the server says, and nothing is lost on the way.
func TestA69_RespectsRateLimits(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		opts    []windrow.Option
		bare    bool
		refused int // at most
	}{
		{"known", []windrow.Option{windrow.Rate(60, 3*time.Second)}, false, 0},
		{"unknown, with Retry-After", nil, false, 300},
		{"unknown, without", nil, true, 300},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := &window{n: 60, period: 3 * time.Second, bare: tt.bare}
				f := newFake(t, func(*call) error { time.Sleep(120 * time.Millisecond); return server.take() })
				s := createVerb.run(t.Context(), f, ids(600), tt.opts...)
				if s.err != nil {
					t.Fatal(s.err)
				}
				if server.refused > tt.refused {
					t.Errorf("the server refused %d calls, want at most %d", server.refused, tt.refused)
				}
				if s.stats.Throttled != server.refused || s.stats.Requests != 600+server.refused {
					t.Errorf("%+v, and the server refused %d", s.stats, server.refused)
				}
				for i, n := range s.attempts {
					if n != 1 {
						t.Fatalf("item %d was charged %d attempts: a throttled one is not charged", i, n)
					}
				}
			})
		})
	}
}

// A failure is one item's: the others run on, with a context that lives.
func TestA70_FailuresStayWithTheirItems(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(c *call) error {
			if c.id() == "i0" {
				return errServer
			}
			time.Sleep(time.Second)
			return c.ctx.Err()
		})
		s := createVerb.run(t.Context(), f, ids(40), windrow.Concurrency(4))
		if s.stats.Failed != 1 || s.stats.Succeeded != 39 || s.cause != nil {
			t.Errorf("%+v with the cause %v, want one failure and 39 successes", s.stats, s.cause)
		}
	})
}

// Long runs tell where they are, often enough and not more.
func TestA71_ProgressOfALongRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var seen []windrow.Progress
		var at []time.Time
		f := newFake(t, slow(50*time.Millisecond))
		s := createVerb.run(t.Context(), f, ids(1000), windrow.Concurrency(4), windrow.OnProgress(func(p windrow.Progress) {
			seen, at = append(seen, p), append(at, time.Now())
		}))
		if s.err != nil {
			t.Fatal(s.err)
		}
		if n, want := len(seen), int(s.stats.Elapsed/(100*time.Millisecond)); n < want || n > want+1 {
			t.Errorf("%d calls in %v, want one each 100 ms", n, s.stats.Elapsed)
		}
		for k := 1; k < len(seen); k++ {
			if seen[k].Done < seen[k-1].Done {
				t.Fatalf("%d done after %d", seen[k].Done, seen[k-1].Done)
			}
			if gap := at[k].Sub(at[k-1]); gap < 100*time.Millisecond && k < len(seen)-1 {
				t.Fatalf("two calls within %v", gap)
			}
		}
		half, last := seen[len(seen)/2], seen[len(seen)-1]
		if half.Rate < 79 || half.Rate > 81 || half.ETA < 6*time.Second || half.ETA > 6500*time.Millisecond {
			t.Errorf("half-way: %+v, want 80 a second and 6.25s to go", half)
		}
		want := windrow.Progress{Done: 1000, Total: 1000, Succeeded: 1000, Rate: 80}
		if diff := cmp.Diff(want, last, cmpopts.EquateApprox(0.01, 0)); diff != "" {
			t.Errorf("at the end (-want +got):\n%s", diff)
		}
	})
}

// Only what failed is sent again, later each time, until it works or its attempts are used up.
func TestA72_RetriesWithExponentialBackoff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(c *call) error {
			if strings.HasSuffix(c.id(), "0") { // one of ten
				return windrow.Transient(errServer)
			}
			return nil
		})
		s := createVerb.run(t.Context(), f, ids(1000), windrow.Concurrency(64), windrow.Retry(windrow.RetryPolicy{
			MaxAttempts: 6, Strategy: windrow.Exponential(time.Second, 4*time.Second),
			Budget: windrow.RetryBudget{Size: 10000},
		}))
		if s.stats.Failed != 100 || s.stats.Succeeded != 900 || s.stats.Requests != 900+600 || s.stats.Retries != 500 {
			t.Errorf("%+v, want 100 failed after 6 attempts each", s.stats)
		}
		// Full jitter: anything up to the bound, which doubles.
		for k, bound := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 4 * time.Second, 4 * time.Second} {
			var total, longest time.Duration
			for i := 0; i < 1000; i += 10 {
				calls := f.of(fmt.Sprint("i", i))
				delay := calls[k+1].at - calls[k].end
				total += delay
				longest = max(longest, delay)
			}
			if mean := total / 100; longest > bound || mean < bound/3 || mean > bound*2/3 {
				t.Errorf("delay %d: %v on average, %v at most, want half of %v and no more than that", k+1, mean, longest, bound)
			}
		}
	})
}
