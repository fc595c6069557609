package engine

import (
	"container/heap"
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func nothingFound(context.Context, int) (bool, error) { return false, nil }

func TestPurse(t *testing.T) {
	t.Parallel()
	start := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	type step struct {
		at        time.Duration
		successes int64
		want      time.Duration
	}
	const s, nano = time.Second, time.Nanosecond
	for _, test := range []struct {
		name   string
		budget Budget
		steps  []step
	}{
		{"full at the start", Budget{Size: 2}, []step{{0, 0, 0}, {0, 0, 0}, {0, 0, forever}, {100 * s, 0, forever}}},
		{"by time", Budget{Size: 1, PerSecond: 0.5}, []step{{0, 0, 0}, {0, 0, 2*s + nano}, {s, 0, s + nano}, {2 * s, 0, 0}, {2 * s, 0, 2*s + nano}}},
		{"no more than its size", Budget{Size: 2, PerSecond: 1}, []step{{0, 0, 0}, {0, 0, 0}, {100 * s, 0, 0}, {100 * s, 0, 0}, {100 * s, 0, s + nano}}},
		{"by success", Budget{Size: 1, PerSuccess: 0.5}, []step{{0, 10, 0}, {0, 11, forever}, {0, 12, 0}, {0, 12, forever}, {0, 30, 0}, {0, 30, forever}}},
		{"no bound", Budget{Size: math.Inf(1)}, []step{{0, 0, 0}, {0, 0, 0}, {0, 0, 0}}},
		{"hardly ever", Budget{Size: 1, PerSecond: 1e-30}, []step{{0, 0, 0}, {0, 0, forever}}},
	} {
		p := retryTokens{Budget: test.budget}
		for i, step := range test.steps {
			if got := p.take(start.Add(step.at), step.successes); got != step.want {
				t.Errorf("%s, step %d: %v, want %v", test.name, i, got, step.want)
			}
		}
	}
}

func TestUnitHeap(t *testing.T) {
	t.Parallel()
	start := time.Now()
	var h unitHeap
	for _, d := range []time.Duration{5, 3, 9, 1, 7, 3} {
		heap.Push(&h, &unit{at: start.Add(d)})
	}
	var got []time.Duration
	for h.Len() > 0 {
		got = append(got, heap.Pop(&h).(*unit).at.Sub(start))
	}
	if diff := cmp.Diff([]time.Duration{1, 3, 3, 5, 7, 9}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// call is a Call that is never made.
func noCall(context.Context, int) error { return nil }

func TestFreshItems(t *testing.T) {
	t.Parallel()
	r := New(t.Context(), &Config{Table: NewTable(10), Todo: 10, ChunkItems: 1, Call: noCall})
	take := func(size int) [2]int {
		u, s := r.next(size)
		if u != nil {
			t.Error("a unit of fresh single calls")
		}
		return [2]int{s.lo, s.hi}
	}
	for i, step := range []struct {
		size int
		back *span
		want [2]int
	}{
		{3, nil, [2]int{0, 3}},
		{4, nil, [2]int{3, 7}},
		{1, &span{5, 7}, [2]int{5, 6}}, // what comes back goes first
		{9, &span{1, 2}, [2]int{1, 2}},
		{9, nil, [2]int{6, 7}},
		{1, &span{3, 4}, [2]int{3, 4}},
		{9, nil, [2]int{7, 10}},
		{1, &span{4, 4}, [2]int{0, 0}},
		{1, nil, [2]int{0, 0}},
	} {
		if step.back != nil {
			r.giveBack(*step.back)
		}
		if got := take(step.size); got != step.want {
			t.Errorf("step %d: %v, want %v", i, got, step.want)
		}
	}
	if r.queued.Load() != 0 {
		t.Errorf("%d pieces of work are counted, and there are none", r.queued.Load())
	}
	r.mu.Lock()
	r.pushReady(&unit{jobs: []*job{{item: 4}}})
	r.mu.Unlock()
	if u, _ := r.next(5); u == nil || u.jobs[0].item != 4 || r.queued.Load() != 0 {
		t.Errorf("the unit was not found: %v", u)
	}
	r.giveBack(span{2, 3})
	r.stop(nil)
	if u, s := r.next(5); u != nil || s != (span{}) {
		t.Errorf("work of a run that was stopped: %v, %v", u, s)
	}
}

// chunksOf returns the items of the fresh chunks of a run.
func chunksOf(cfg *Config) [][]int {
	r := New(context.Background(), cfg)
	var chunks [][]int
	for range 100 {
		u, _ := r.next(1)
		if u == nil {
			break
		}
		chunks = append(chunks, u.items())
	}
	return chunks
}

func TestFreshChunks(t *testing.T) {
	t.Parallel()
	sizes := func(all ...int) func(int) int { return func(i int) int { return all[i] } }
	unknown := func(n int, items ...int) *Table {
		table := NewTable(n)
		for _, i := range items {
			table.Put(i, Slot{State: Unknown}, Detail{})
		}
		return table
	}
	for _, test := range []struct {
		name string
		cfg  Config
		want [][]int
	}{
		{"by number", Config{Table: NewTable(7), ChunkItems: 3}, [][]int{{0, 1, 2}, {3, 4, 5}, {6}}},
		{"no Call", Config{Table: NewTable(3), ChunkItems: 1}, [][]int{{0}, {1}, {2}}},
		{"in order", Config{Table: NewTable(3), ChunkItems: 1, Call: noCall, InOrder: true}, [][]int{{0}, {1}, {2}}},
		{"some", Config{Table: NewTable(9), ChunkItems: 2, Order: []int{1, 4, 8}}, [][]int{{1, 4}, {8}}},
		{"by size", Config{Table: NewTable(6), ChunkItems: 9, ChunkBytes: 10, Size: sizes(4, 6, 1, 9, 5, 6)}, [][]int{{0, 1}, {2, 3}, {4}, {5}}},
		{"one too large", Config{Table: NewTable(4), ChunkItems: 9, ChunkBytes: 10, Size: sizes(3, 11, 10, 1)}, [][]int{{0}, {1}, {2}, {3}}},
		{"size and number", Config{Table: NewTable(4), ChunkItems: 2, ChunkBytes: 10, Size: sizes(0, 0, 0, 11)}, [][]int{{0, 1}, {2}, {3}}},
		{"equal keys in order", Config{Table: NewTable(7), ChunkItems: 4, InOrder: true, Follower: map[int]int{0: 2, 2: 3, 4: 6}}, [][]int{{0, 1}, {2}, {3, 4, 5}, {6}}},
		{"equal keys", Config{Table: NewTable(7), ChunkItems: 4, Order: []int{0, 1, 4, 5}, Follower: map[int]int{0: 2, 2: 3, 4: 6}}, [][]int{{0, 1, 4, 5}}},
		{"to be looked up, in order", Config{Table: unknown(6, 2, 3), ChunkItems: 4, InOrder: true, Reconcile: nothingFound}, [][]int{{0, 1}, {2}, {3}, {4, 5}}},
		{"harmless, in order", Config{Table: unknown(5, 2), ChunkItems: 4, InOrder: true, Reconcile: nothingFound, Traits: Traits{Repeatable: true}}, [][]int{{0, 1, 2, 3}, {4}}},
	} {
		if diff := cmp.Diff(test.want, chunksOf(&test.cfg)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

// In order nothing is taken while something waits.
func TestNothingFreshWhileSomethingWaits(t *testing.T) {
	t.Parallel()
	for _, inOrder := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			r := New(t.Context(), &Config{Table: NewTable(5), Todo: 5, ChunkItems: 2, InOrder: inOrder, Policy: Policy{MaxThrottleWait: time.Hour, Budget: Budget{Size: 1, PerSecond: 0.1}}})
			looks := func(want bool) {
				t.Helper()
				r.mu.Lock()
				got := (&worker{run: r}).finds()
				r.mu.Unlock()
				u, _ := r.next(1)
				if got != want || (u != nil) != want {
					t.Errorf("in order %v, after %v: available %v, unit %v, want %v", inOrder, time.Now(), got, u, want)
				}
			}
			r.mu.Lock()
			for range 2 {
				r.pushDelayed(&unit{jobs: []*job{{}}, at: time.Now().Add(time.Second)})
			}
			r.mu.Unlock()
			looks(!inOrder)
			time.Sleep(2 * time.Second)
			synctest.Wait()
			looks(true)     // one of the two
			looks(!inOrder) // the other waits for the budget
			time.Sleep(10 * time.Second)
			synctest.Wait()
			looks(true)
			looks(true)
		})
	}
}

// An item of which an earlier run does not know whether it was applied is looked up first, where that is possible and
// repeating it is not harmless.
func TestJobFor(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name      string
		state     State
		traits    Traits
		reconcile bool
		maybe     bool
		lookUp    bool
	}{
		{name: "fresh", state: NotAttempted, reconcile: true},
		{name: "failed before", state: Failed, reconcile: true},
		{name: "unknown", state: Unknown, maybe: true},
		{name: "unknown, can be looked up", state: Unknown, reconcile: true, maybe: true, lookUp: true},
		{name: "unknown, harmless", state: Unknown, reconcile: true, traits: Traits{Repeatable: true}, maybe: true},
		{name: "unknown, harmless as a whole", state: Unknown, reconcile: true, traits: Traits{Repeatable: true, WholeOnly: true}, maybe: true, lookUp: true},
	} {
		cfg := &Config{Table: NewTable(2), Traits: test.traits}
		cfg.Table.Put(1, Slot{State: test.state}, Detail{Err: context.Canceled, Kind: Timeout})
		if test.reconcile {
			cfg.Reconcile = nothingFound
		}
		j := New(t.Context(), cfg).jobFor(1)
		if j.item != 1 || j.maybeApplied != test.maybe || j.lookUp != test.lookUp || j.sent {
			t.Errorf("%s: %+v", test.name, j)
		}
		if test.maybe && (j.err != context.Canceled || j.last.Kind != Timeout || j.last.Class != Ambiguous) {
			t.Errorf("%s: the earlier error is lost: %+v", test.name, j)
		}
	}
}

// Retries that the budget does not allow wait for time or successes, and for no longer than MaxThrottleWait.
func TestSpend(t *testing.T) {
	t.Parallel()
	const limit = 10 * time.Second
	for _, test := range []struct {
		name      string
		budget    Budget
		retries   int
		successes time.Duration // between two successes; 0: none
		want      int           // retries that went within a minute
		stopped   time.Duration // when the run was; 0: not at all
	}{
		{"enough", Budget{Size: 3}, 3, 0, 3, 0},
		{"by time", Budget{Size: 1, PerSecond: 0.5}, 4, 0, 4, 0},
		{"as slow as may be", Budget{Size: 1, PerSecond: 0.1000001}, 3, 0, 3, 0},
		{"too slow", Budget{Size: 1, PerSecond: 0.099}, 3, 0, 1, 1},
		{"never", Budget{Size: 2}, 3, 0, 2, 1},
		{"by success", Budget{Size: 1, PerSuccess: 0.5}, 4, time.Second, 4, 0},
		{"too few successes", Budget{Size: 1, PerSuccess: 0.05}, 4, time.Second, 1, limit},
		{"successes and time", Budget{Size: 1, PerSuccess: 0.05, PerSecond: 0.06}, 3, time.Second, 3, 0},
		{"no successes", Budget{Size: 1, PerSuccess: 1}, 2, 0, 1, limit},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := &Config{Table: NewTable(1), MaxFailures: -1, MaxFailureRate: -1}
				cfg.Policy.MaxThrottleWait, cfg.Policy.Budget = limit, test.budget
				r := New(t.Context(), cfg)
				r.total.Store(1000)
				start := time.Now()
				r.mu.Lock()
				for range test.retries {
					r.pushDelayed(&unit{jobs: []*job{{}}, at: start})
				}
				r.mu.Unlock()
				stopped := time.Duration(0)
				for range 600 {
					time.Sleep(100 * time.Millisecond)
					if test.successes > 0 && time.Since(start)%test.successes == 0 {
						r.tally(Succeeded, 1)
					}
					synctest.Wait()
					if r.stopped.Load() && stopped == 0 {
						if stopped = time.Since(start); stopped == 100*time.Millisecond {
							stopped = 1 // at once
						}
					}
				}
				r.mu.Lock()
				defer r.mu.Unlock()
				if len(r.ready) != test.want || len(r.ready)+len(r.awaitingToken)+len(r.delayed) != test.retries {
					t.Errorf("%d went, %d and %d wait, want %d of %d", len(r.ready), len(r.awaitingToken), len(r.delayed), test.want, test.retries)
				}
				if stopped != test.stopped {
					t.Errorf("stopped after %v, want %v", stopped, test.stopped)
				}
				if _, ok := r.cause.(*BudgetError); ok != (test.stopped > 0) {
					t.Errorf("stopped by %v", r.cause)
				}
				if r.tokensShort.Load() != (len(r.awaitingToken) > 0) {
					t.Errorf("tokensShort is %v, with %d that wait", r.tokensShort.Load(), len(r.awaitingToken))
				}
			})
		})
	}
}
