package sink_test

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow/internal/sink"
)

// never is for functions that are not lost.
func never(t *testing.T) func(any, []byte) {
	return func(value any, _ []byte) { t.Errorf("lost with %v", value) }
}

func TestEachIndexIsHandedOverOnceOneAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var got []int
		busy := false
		s := sink.New(func(i int) {
			if busy {
				t.Error("called while it was busy")
			}
			busy = true
			time.Sleep(time.Millisecond)
			busy = false
			got = append(got, i)
		}, never(t))
		var wg sync.WaitGroup
		for i := range 500 {
			wg.Go(func() { s.Put(i) })
		}
		wg.Wait()
		s.Close()
		slices.Sort(got)
		for i := range 500 {
			if len(got) != 500 || got[i] != i {
				t.Fatalf("%d indexes, want each of 500 once", len(got))
			}
		}
	})
}

func TestWhoeverIsTooFastWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var put atomic.Int64
		closed := make(chan struct{})
		s := sink.New(func(int) { time.Sleep(time.Hour) }, never(t))
		go func() {
			for i := range 200 {
				put.Store(int64(i))
				s.Put(i)
			}
			s.Close()
			close(closed)
		}()
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := put.Load(); n > 70 {
			t.Errorf("%d indexes were taken while the function was busy with the first", n)
		}
		<-closed
	})
}

func TestNobodyWaitsForAFunctionThatIsGone(t *testing.T) {
	t.Parallel()
	for value, end := range map[string]func(){
		"boom":  func() { panic("boom") },
		"<nil>": runtime.Goexit,
	} {
		synctest.Test(t, func(t *testing.T) {
			calls := 0
			var losses []string
			s := sink.New(func(i int) {
				calls++
				if i == 3 {
					end()
				}
			}, func(value any, stack []byte) {
				if (value == nil) != (len(stack) == 0) {
					t.Errorf("value %v with a stack of %d bytes", value, len(stack))
				}
				losses = append(losses, fmt.Sprint(value))
			})
			for i := range 300 {
				s.Put(i)
			}
			s.Close()
			if calls != 4 {
				t.Errorf("%d calls, want 4", calls)
			}
			if diff := cmp.Diff([]string{value}, losses); diff != "" {
				t.Errorf("losses (-want +got):\n%s", diff)
			}
		})
	}
}
