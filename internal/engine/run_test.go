package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/time/rate"

	"github.com/windrow-go/windrow/internal/adapt"
	"github.com/windrow-go/windrow/internal/gate"
)

var (
	errRefused = errors.New("refused")
	errUnsent  = errors.New("never sent")
	errLost    = errors.New("the answer was lost")
	errGoexit  = errors.New("exit")
)

// log is what calls were made, and when.
type log struct {
	mu    sync.Mutex
	start time.Time
	items []int
	at    []time.Duration
}

func newLog() *log { return &log{start: time.Now()} }

func (l *log) add(item int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.items = append(l.items, item)
	l.at = append(l.at, time.Since(l.start))
}

// openGate is a gate that lets so many through at once.
func openGate(concurrency int) *gate.Gate {
	s := adapt.Setting{Concurrency: concurrency, Rate: rate.Inf, Burst: 1}
	return gate.New(s, s, nil)
}

// config is a run of n single calls that judges the errors above.
func config(n int, call func(item int) error) *Config {
	return &Config{
		Table: NewTable(n), Todo: n, Workers: 4, Gate: openGate(4), MaxFailures: -1, MaxFailureRate: -1,
		Policy: Policy{
			MaxAttempts: 3, MaxThrottleWait: time.Hour, Budget: Budget{Size: 1e9},
			NewBackOff: func() backoff.BackOff { return backoff.NewConstantBackOff(time.Second) },
		},
		Call: func(_ context.Context, item int) error { return call(item) },
		Judge: func(_ *Attempt, err error) Judgement {
			switch err {
			case errUnsent:
				return Judgement{Class: Transient}
			case errLost:
				return Judgement{Class: Ambiguous}
			case errGoexit:
				return Judgement{Class: Ambiguous, Final: true}
			}
			return Judgement{Class: Permanent}
		},
		Lost: func(value any, _ []byte) error {
			if value == nil {
				return errGoexit
			}
			return fmt.Errorf("panic: %v", value)
		},
	}
}

// states returns the states of a table.
func states(t *Table) []State {
	var all []State
	for _, s := range t.Slots {
		all = append(all, s.State)
	}
	return all
}

func all(n int, s State) []State { return slices.Repeat([]State{s}, n) }

func TestRunCallsEachOnce(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 3, 64, 1000} {
		var mu sync.Mutex
		calls := make([]int, n)
		told := make([]int, n)
		cfg := config(n, func(item int) error {
			mu.Lock()
			defer mu.Unlock()
			calls[item]++
			if item%7 == 3 {
				return errRefused
			}
			return nil
		})
		cfg.Hooks.Final = func(lo, hi int) {
			mu.Lock()
			defer mu.Unlock()
			for i := lo; i < hi; i++ {
				told[i]++
				if cfg.Table.At(i).State == NotAttempted {
					t.Errorf("n = %d: item %d was told before it had ended", n, i)
				}
			}
		}
		r := New(t.Context(), cfg)
		if err := r.Wait(); err != nil {
			t.Fatal(err)
		}
		refused := int64(0)
		for i, s := range cfg.Table.Slots {
			want := Succeeded
			if i%7 == 3 {
				want = Failed
				refused++
			}
			if s.State != want || s.Attempts != 1 || calls[i] != 1 || told[i] != 1 {
				t.Errorf("n = %d, item %d: %+v, %d calls, told %d times", n, i, s, calls[i], told[i])
			}
		}
		if r.Count(Failed) != refused || r.Count(Succeeded) != int64(n)-refused {
			t.Errorf("n = %d: counts %d and %d", n, r.Count(Failed), r.Count(Succeeded))
		}
		if diff := cmp.Diff(Stats{Requests: int64(n)}, r.Stats()); diff != "" {
			t.Errorf("n = %d: stats (-want +got):\n%s", n, diff)
		}
	}
}

// Only what is in Order is sent; the rest keeps its slot.
func TestRunSomeItems(t *testing.T) {
	t.Parallel()
	l := newLog()
	cfg := config(6, func(item int) error { l.add(item); return nil })
	cfg.Order, cfg.Todo = []int{1, 4}, 2
	*cfg.Table.At(0) = Slot{State: Skipped, Reason: Duplicate}
	if err := New(t.Context(), cfg).Wait(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(l.items)
	if diff := cmp.Diff([]int{1, 4}, l.items); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	want := []State{Skipped, Succeeded, NotAttempted, NotAttempted, Succeeded, NotAttempted}
	if diff := cmp.Diff(want, states(cfg.Table)); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
}

// An item goes when the one it follows has ended, however that ended.
func TestRunFollowers(t *testing.T) {
	t.Parallel()
	for _, leader := range []error{nil, errRefused, errUnsent, errLost} {
		synctest.Test(t, func(t *testing.T) {
			l := newLog()
			cfg := config(5, func(item int) error {
				l.add(item)
				time.Sleep(time.Second)
				if item == 0 {
					return leader
				}
				return nil
			})
			cfg.Order, cfg.Follower = []int{0, 2}, map[int]int{0: 1, 1: 3, 2: 4}
			if err := New(t.Context(), cfg).Wait(); err != nil {
				t.Fatal(err)
			}
			last := map[int]time.Duration{}
			for i, item := range l.items {
				last[item] = l.at[i]
			}
			for before, after := range cfg.Follower {
				if last[after] < last[before]+time.Second {
					t.Errorf("%v: item %d was sent after %v, item %d after %v", leader, after, last[after], before, last[before])
				}
			}
			for i, s := range cfg.Table.Slots {
				if i > 0 && s.State != Succeeded {
					t.Errorf("%v: item %d is %d", leader, i, s.State)
				}
			}
		})
	}
}

// The delay lies between two batches: when all of the first has ended, retries and followers included, and before
// anything of the second.
func TestRunBatchDelay(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{1, 4} {
		synctest.Test(t, func(t *testing.T) {
			l := newLog()
			failed := map[int]bool{}
			cfg := config(9, nil)
			cfg.Call = func(_ context.Context, item int) error {
				l.add(item)
				time.Sleep(time.Second)
				l.mu.Lock()
				defer l.mu.Unlock()
				if item == 1 && !failed[item] {
					failed[item] = true
					return errUnsent
				}
				return nil
			}
			cfg.Workers, cfg.BatchSize, cfg.BatchDelay = workers, 3, 10*time.Second
			cfg.Order, cfg.Follower = []int{0, 1, 2, 4, 5, 6, 7, 8}, map[int]int{0: 3} // 3 belongs to the first batch
			if err := New(t.Context(), cfg).Wait(); err != nil {
				t.Fatal(err)
			}
			took := time.Since(l.start)
			first, end := map[int]time.Duration{}, map[int]time.Duration{}
			for i, item := range l.items {
				if _, ok := first[item]; !ok {
					first[item] = l.at[i]
				}
				end[item] = l.at[i] + time.Second
			}
			batches := [][]int{{0, 1, 2, 3}, {4, 5, 6}, {7, 8}}
			for k, batch := range batches[1:] {
				ended := time.Duration(0)
				for _, item := range batches[k] {
					ended = max(ended, end[item])
				}
				for _, item := range batch {
					if first[item] < ended+10*time.Second {
						t.Errorf("%d workers: item %d was sent after %v, the batch before ended after %v", workers, item, first[item], ended)
					}
				}
				if begun := min(first[batch[0]], first[batch[1]]); begun != ended+10*time.Second {
					t.Errorf("%d workers: batch %d began after %v, the one before ended after %v", workers, k+1, begun, ended)
				}
			}
			if last := max(end[7], end[8]); took != last {
				t.Errorf("%d workers: the run ended after %v, its last call after %v", workers, took, last)
			}
		})
	}
}

// Items that an earlier run may have applied come first, and are looked up where repeating them is not harmless.
func TestRunDoubtful(t *testing.T) {
	t.Parallel()
	for _, harmless := range []bool{false, true} {
		l := newLog()
		looked := newLog()
		cfg := config(5, func(item int) error { l.add(item); return nil })
		cfg.Workers, cfg.Traits.Repeatable = 1, harmless
		cfg.Order, cfg.Doubtful = []int{0, 4}, []int{1, 2, 3}
		cfg.Reconcile = func(_ context.Context, item int) (bool, error) {
			looked.add(item)
			return item == 2, nil
		}
		for _, i := range cfg.Doubtful {
			cfg.Table.Put(i, Slot{State: Unknown}, Detail{Err: errLost})
		}
		r := New(t.Context(), cfg)
		if err := r.Wait(); err != nil {
			t.Fatal(err)
		}
		calls, looks := []int{1, 2, 3, 0, 4}, []int(nil)
		if !harmless {
			calls, looks = []int{1, 3, 0, 4}, []int{1, 2, 3}
		}
		if diff := cmp.Diff(looks, looked.items); diff != "" {
			t.Errorf("harmless %v: look-ups (-want +got):\n%s", harmless, diff)
		}
		slices.Sort(l.items)
		slices.Sort(calls)
		if diff := cmp.Diff(calls, l.items); diff != "" {
			t.Errorf("harmless %v: calls (-want +got):\n%s", harmless, diff)
		}
		if diff := cmp.Diff(all(5, Succeeded), states(cfg.Table)); diff != "" {
			t.Errorf("harmless %v: states (-want +got):\n%s", harmless, diff)
		}
	}
}

// What a run that is stopped leaves keeps its earlier slot, or says what is known.
func TestRunStopped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		because := errors.New("because")
		var r *Run
		cfg := config(8, func(item int) error {
			switch item {
			case 0:
				time.Sleep(time.Second)
				r.Stop(because)
				r.Stop(errors.New("too late"))
				time.Sleep(time.Second)
				return nil // an answer that comes late still counts
			case 1:
				time.Sleep(time.Millisecond) // a worker whose call was quick would take two of the next
				return errUnsent             // waits for its retry when the run is stopped
			case 2:
				time.Sleep(2 * time.Millisecond)
				return errLost // the same, and may have been applied
			default:
				time.Sleep(10 * time.Second)
				return errRefused
			}
		})
		cfg.Traits.Repeatable = true
		cfg.Workers, cfg.Gate = 4, openGate(4)
		cfg.Policy.NewBackOff = func() backoff.BackOff { return backoff.NewConstantBackOff(time.Hour) }
		cfg.Order, cfg.Todo = []int{0, 1, 2, 3, 4, 5, 6}, 8
		cfg.Follower = map[int]int{1: 7}
		cfg.Table.Put(7, Slot{State: Unknown}, Detail{Err: errLost})
		told := map[int]int{}
		var mu sync.Mutex
		cfg.Hooks.Final = func(lo, hi int) {
			mu.Lock()
			defer mu.Unlock()
			for i := lo; i < hi; i++ {
				told[i]++
			}
		}
		r = New(t.Context(), cfg)
		if err := r.Wait(); err != because {
			t.Errorf("stopped by %v", err)
		}
		// 0 to 3 are sent at once; two of the next three take the slots of 1 and 2.
		next := states(cfg.Table)[4:7]
		slices.Sort(next)
		want := []State{Succeeded, NotAttempted, Unknown, Failed, NotAttempted, Failed, Failed, Unknown}
		if diff := cmp.Diff(want, slices.Concat(states(cfg.Table)[:4], next, states(cfg.Table)[7:])); diff != "" {
			t.Errorf("states (-want +got):\n%s", diff)
		}
		if err := cfg.Table.Detail(1).Err; err != errUnsent {
			t.Errorf("the error of item 1 is %v", err)
		}
		for i, s := range cfg.Table.Slots {
			if ended := s.State != NotAttempted && i != 7; ended != (told[i] == 1) || told[i] > 1 {
				t.Errorf("item %d is %d, and was told %d times", i, s.State, told[i])
			}
		}
		if r.Count(Unknown) != 1 {
			t.Errorf("%d unknown are counted", r.Count(Unknown))
		}
	})
}

// Reads that a run leaves in the middle have failed, and may be sent again.
func TestRunStoppedReads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := config(2, func(int) error { return errLost })
		cfg.Traits = Traits{Read: true, Repeatable: true}
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		if err := New(ctx, cfg).Wait(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("stopped by %v", err)
		}
		for i := range 2 {
			if s, d := cfg.Table.At(i), cfg.Table.Detail(i); s.State != Failed || !d.Resend || d.Err != errLost {
				t.Errorf("item %d: %+v, %+v", i, *s, d)
			}
		}
	})
}

// An error that comes from outside stops the run, also when it comes with the last item.
func TestRunBroken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		because := errors.New("because")
		broken := make(chan error, 1)
		cfg := config(10, func(item int) error {
			time.Sleep(time.Second)
			if item == 1 {
				broken <- because
				synctest.Wait()
			}
			return nil
		})
		cfg.Workers, cfg.Broken = 1, broken
		if err := New(t.Context(), cfg).Wait(); err != because {
			t.Errorf("stopped by %v", err)
		}
		want := append(all(2, Succeeded), all(8, NotAttempted)...)
		if diff := cmp.Diff(want, states(cfg.Table)); diff != "" {
			t.Errorf("states (-want +got):\n%s", diff)
		}
	})
}

// The run is not stopped by a context that ends when all items have.
func TestRunEndsBeforeItsContext(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		last    error
		stopped bool
	}{{nil, false}, {errRefused, false}, {errLost, true}} {
		ctx, cancel := context.WithCancel(t.Context())
		cfg := config(5, func(item int) error {
			if item == 4 {
				cancel()
				return test.last
			}
			return nil
		})
		cfg.Workers = 1
		if err := New(ctx, cfg).Wait(); errors.Is(err, context.Canceled) != test.stopped {
			t.Errorf("the last call returned %v, and the run was stopped by %v", test.last, err)
		}
	}
}

// Calls that panic or exit cost their item; every worker may be hit.
func TestRunLosesCalls(t *testing.T) {
	t.Parallel()
	const n = 300
	cfg := config(n, func(item int) error {
		switch item % 5 {
		case 1:
			panic("no")
		case 2:
			runtime.Goexit()
		}
		return nil
	})
	r := New(t.Context(), cfg)
	if err := r.Wait(); err != nil {
		t.Fatal(err)
	}
	for i, s := range cfg.Table.Slots {
		want := map[int]State{1: Failed, 2: Unknown}[i%5] // as the judge of the tests has it
		if i%5 == 0 || i%5 > 2 {
			want = Succeeded
		}
		if s.State != want {
			t.Errorf("item %d: %+v, want state %d", i, s, want)
		}
	}
	if s := cfg.Gate.Stats(); s.InFlight != 0 || s.Waiting != 0 {
		t.Errorf("the gate still has %+v", s)
	}
	if r.Stats().Requests != n {
		t.Errorf("%d requests", r.Stats().Requests)
	}
}

// A panic that is to be kept stops the run, and is what Wait returns.
func TestRunKeepsPanics(t *testing.T) {
	t.Parallel()
	cfg := config(100, func(item int) error {
		if item == 5 {
			panic("no")
		}
		return nil
	})
	cfg.Workers, cfg.KeepPanics = 1, true
	if err := New(t.Context(), cfg).Wait(); err == nil || err.Error() != "panic: no" {
		t.Errorf("Wait = %v", err)
	}
	if s := cfg.Table.At(99).State; s != NotAttempted {
		t.Errorf("the last item is %d", s)
	}
}

// The gate is asked for what a request costs, and for no more than one request at a time.
func TestRunPaysForRequests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLog()
		cfg := config(9, nil)
		cfg.Call, cfg.ChunkItems = nil, 3
		cfg.Batch = func(_ context.Context, items []int, _ *Answers) (int, error) {
			l.add(len(items))
			return len(items), nil
		}
		cfg.Cost = func(items int) int { return 10 * items }
		s := adapt.Setting{Concurrency: 4, Rate: 10, Burst: 30}
		cfg.Gate = gate.New(s, s, nil)
		if err := New(t.Context(), cfg).Wait(); err != nil {
			t.Fatal(err)
		}
		var at []time.Duration
		for _, d := range l.at {
			at = append(at, d.Round(time.Millisecond))
		}
		if diff := cmp.Diff([]time.Duration{0, 3 * time.Second, 6 * time.Second}, at); diff != "" {
			t.Errorf("30 units each, 10 a second (-want +got):\n%s", diff)
		}
	})
}

// Calls of less than 10 µs share their time; longer ones have their own.
func TestRunMeasuresCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := config(50, func(item int) error {
			if item >= 40 {
				time.Sleep(time.Duration(item) * time.Millisecond)
			}
			return nil
		})
		cfg.Workers = 1
		if err := New(t.Context(), cfg).Wait(); err != nil {
			t.Fatal(err)
		}
		slow := 0
		for i := 40; i < 50; i++ {
			if cfg.Table.At(i).Elapsed == time.Duration(i)*time.Millisecond {
				slow++
			}
		}
		// The first one comes in the middle of a span of fast ones.
		if slow < 9 {
			t.Errorf("only %d of 10 slow calls have their own time", slow)
		}
	})
}

// What a batch says nothing of has succeeded; what it gives a reason for was skipped, and counts as such.
func TestBatchCountsWhatItSkips(t *testing.T) {
	t.Parallel()
	cfg := config(5, nil)
	cfg.Call, cfg.ChunkItems = nil, 5
	cfg.Batch = func(_ context.Context, items []int, answers *Answers) (int, error) {
		answers.Set(1, Answer{Reason: Unchanged})
		answers.Set(3, Answer{Reason: AlreadyExists})
		return len(items), nil
	}
	r := New(t.Context(), cfg)
	if err := r.Wait(); err != nil {
		t.Fatal(err)
	}
	if skipped, succeeded := r.Count(Skipped), r.Count(Succeeded); skipped != 2 || succeeded != 3 {
		t.Errorf("%d skipped and %d succeeded, want 2 and 3", skipped, succeeded)
	}
}
