package parallel

import (
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func never() bool { return false }

func TestForCallsEachOnce(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 2, block - 1, block, block + 1, 10 * block, 10*block + 7} {
		calls := make([]atomic.Int32, n)
		For(n, never, func(i int) { calls[i].Add(1) }, func(i int, value any, _ []byte) {
			t.Errorf("n = %d: call %d was lost: %v", n, i, value)
		})
		for i := range calls {
			if c := calls[i].Load(); c != 1 {
				t.Errorf("n = %d: %d calls for %d", n, c, i)
			}
		}
	}
}

func TestForUsesTheProcessors(t *testing.T) {
	t.Parallel()
	if runtime.GOMAXPROCS(0) < 2 {
		return // there is nothing to share
	}
	var both sync.WaitGroup
	both.Add(2)
	For(2*block, never, func(i int) {
		if i%block == 0 { // the first call of each block waits for the other's
			both.Done()
			both.Wait()
		}
	}, nil)
}

// A call that panics or ends its goroutine is lost; the others are made.
func TestForLosesCalls(t *testing.T) {
	t.Parallel()
	const n = 3*block + 5
	panics := func(i int) bool { return i == 0 || i == 7 || i == block-1 || i == n-1 }
	exits := func(i int) bool { return i == 1 || i == 8 || i == 9 || i == 2*block }
	calls := make([]atomic.Int32, n)
	var mu sync.Mutex
	values := map[int]any{}
	For(n, never, func(i int) {
		calls[i].Add(1)
		switch {
		case panics(i):
			panic(i)
		case exits(i):
			runtime.Goexit()
		}
	}, func(i int, value any, stack []byte) {
		mu.Lock()
		defer mu.Unlock()
		if _, twice := values[i]; twice {
			t.Errorf("call %d was lost twice", i)
		}
		values[i] = value
		if (value != nil) != strings.Contains(string(stack), "TestForLosesCalls") {
			t.Errorf("call %d: value %v, stack %q", i, value, stack)
		}
	})
	for i := range calls {
		if c := calls[i].Load(); c != 1 {
			t.Errorf("%d calls for %d", c, i)
		}
		value, lost := values[i]
		switch {
		case panics(i) && value != i, exits(i) && (!lost || value != nil), lost && !panics(i) && !exits(i):
			t.Errorf("call %d: lost %v, value %v", i, lost, value)
		}
	}
}

func TestForStops(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	stopped := atomic.Bool{}
	For(1000*block, stopped.Load, func(int) {
		if calls.Add(1) == block/2 {
			stopped.Store(true)
		}
	}, nil)
	// The blocks that had been begun are ended.
	if c := int(calls.Load()); c < block || c > (runtime.GOMAXPROCS(0)+1)*block {
		t.Errorf("%d calls", c)
	}
	For(block, func() bool { return true }, func(int) { t.Error("a call of what was stopped before") }, nil)
}
