package window_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow/internal/window"
)

func TestSlotsAreAPowerOfTwoAndHoldTheWindow(t *testing.T) {
	t.Parallel()
	for width, want := range map[int]int{1: 64, 2: 64, 63: 64, 64: 64, 65: 128, 100: 128, 128: 128, 129: 256, 4096: 4096} {
		if got := window.New(width).Slots(); got != want {
			t.Errorf("a window of %d items has %d slots, want %d", width, got, want)
		}
	}
}

func TestItemsComeInOrderOnceTheyHaveEnded(t *testing.T) {
	t.Parallel()
	w := window.New(200)
	over := make(chan struct{})
	w.Ended(1, 5)
	w.Ended(130, 140)
	w.Ended(0, 1)
	w.Ended(5, 130)
	next := 0
	for next < 140 {
		first, n := w.Next(over)
		if first != next || n < 1 || n > 16 {
			t.Fatalf("got %d items from %d on, want 1 to 16 from %d on", n, first, next)
		}
		next = first + n
		w.Take(first, n)
	}
	close(over)
	if first, n := w.Next(over); first != 140 || n != 0 {
		t.Errorf("got %d items from %d on, want none from 140 on", n, first)
	}
}

// Whatever ended before over was closed is handed out, although over is closed.
func TestNextPrefersItemsToTheEnd(t *testing.T) {
	t.Parallel()
	over := make(chan struct{})
	close(over)
	for range 100 { // select picks at random
		w := window.New(10)
		w.Ended(0, 1)
		if _, n := w.Next(over); n != 1 {
			t.Fatal("an item that had ended was not handed out")
		}
		w = window.New(10)
		w.Ended(3, 4)
		if item, ok := w.NextAny(over); !ok || item != 3 {
			t.Fatalf("got item %d, %v, want item 3", item, ok)
		}
	}
}

func TestNextWaitsForTheHead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := window.New(10)
		start := time.Now()
		go func() {
			time.Sleep(time.Second)
			w.Ended(1, 4)
			time.Sleep(time.Second)
			w.Ended(0, 1)
		}()
		first, n := w.Next(nil)
		if took := time.Since(start); first != 0 || n != 4 || took != 2*time.Second {
			t.Errorf("got %d items from %d on after %v, want 4 from 0 on after 2s", n, first, took)
		}
	})
}

func TestNextAnyTakesWhateverHasEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := window.New(100)
		go func() {
			for _, item := range []int{70, 3, 99, 0} {
				time.Sleep(time.Second)
				w.Ended(item, item+1)
			}
		}()
		var got []int
		for range 4 {
			item, ok := w.NextAny(nil)
			if !ok {
				t.Fatal("no item")
			}
			got = append(got, item)
			w.TakeAny(item)
		}
		if diff := cmp.Diff([]int{70, 3, 99, 0}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		var left []int
		w.Left(5, func(item int) { left = append(left, item) })
		if diff := cmp.Diff([]int{1, 2, 4}, left); diff != "" {
			t.Errorf("left of 5 (-want +got):\n%s", diff)
		}
	})
}

// The search for items that have ended goes through the whole window: on from the item that was taken last, then from
// the oldest.
func TestNextAnySearchesTheWholeWindow(t *testing.T) {
	t.Parallel()
	over := make(chan struct{})
	close(over) // no consumer waits
	for _, tt := range []struct {
		name        string
		width       int
		ended, want []int // in turns; -1 is nothing
	}{
		{"the last slot", 64, []int{63}, []int{63}},
		{"the last slots of two words", 128, []int{127, 126}, []int{127, 126}},
		{"the beginning of the next word", 128, []int{4, 64}, []int{4, 64}},
		{"the word after the next", 192, []int{4, 130}, []int{4, 130}},
		{"the oldest, after the last", 128, []int{127, 0}, []int{127, 0}},
		{"nothing", 64, []int{5, -1}, []int{5, -1}},
	} {
		w := window.New(tt.width)
		for i, item := range tt.ended {
			if item >= 0 {
				w.Ended(item, item+1)
			}
			got, ok := w.NextAny(over)
			if !ok {
				got = -1
			}
			if got != tt.want[i] {
				t.Errorf("%s: item %d, want %d", tt.name, got, tt.want[i])
				break
			}
			if ok {
				w.TakeAny(got)
			}
		}
	}
	w := window.New(64)
	w.Ended(10, 11)
	if item, _ := w.NextAny(over); item != 10 {
		t.Fatalf("item %d, want 10", item)
	}
	w.TakeAny(10)
	w.Ended(9, 10)
	w.Ended(12, 13)
	for _, want := range []int{12, 9} {
		item, _ := w.NextAny(over)
		if item != want {
			t.Errorf("item %d, want %d: those behind the last one come first", item, want)
		}
		w.TakeAny(item)
	}
}

func TestTheSourceWaitsForRoom(t *testing.T) {
	t.Parallel()
	for _, any := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := window.New(3)
			for i := range 3 {
				if !w.Wait(i, nil) {
					t.Fatalf("no room for item %d of 3", i)
				}
			}
			stop := make(chan struct{})
			start := time.Now()
			go func() {
				time.Sleep(time.Second)
				w.Ended(1, 2)
				if any {
					w.TakeAny(1) // the oldest is still there: no room yet
				}
				time.Sleep(time.Second)
				w.Ended(0, 1)
				if any {
					w.TakeAny(0)
				} else {
					w.Take(0, 1)
				}
			}()
			if !w.Wait(3, stop) || time.Since(start) != 2*time.Second {
				t.Errorf("room after %v, want it after 2s", time.Since(start))
			}
			if !any {
				w.Take(1, 1)
			}
			if !w.Wait(4, stop) {
				t.Error("no room for item 4 after two were taken")
			}
			close(stop)
			if w.Wait(5, stop) {
				t.Error("room for item 5 in a window of 3 of which two were taken")
			}
		})
	}
}

// Many workers end items in random order and pieces, through many turns of the ring.
func TestEveryItemComesExactlyOnce(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		width int
		any   bool
	}{{"in order", 100, false}, {"in order, narrow", 1, false}, {"any", 100, true}, {"any, whole words", 128, true}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const items = 5_000
				w := window.New(tt.width)
				over := make(chan struct{})
				work := make(chan [2]int)
				ended := make(chan struct{})
				for seed := range uint64(4) {
					go func() {
						rng := rand.New(rand.NewPCG(seed, 1))
						for span := range work {
							time.Sleep(time.Duration(rng.IntN(5)) * time.Millisecond)
							w.Ended(span[0], span[1])
						}
						ended <- struct{}{}
					}()
				}
				go func() {
					rng := rand.New(rand.NewPCG(9, 9))
					for i := 0; i < items; {
						n := 0
						for n < 1+rng.IntN(20) && i+n < items && (n == 0 || n < tt.width/2) {
							w.Wait(i+n, nil)
							n++
						}
						work <- [2]int{i, i + n}
						i += n
					}
					close(work)
					for range 4 {
						<-ended
					}
					close(over)
				}()
				var got []int
				for {
					if tt.any {
						item, ok := w.NextAny(over)
						if !ok {
							break
						}
						got = append(got, item)
						w.TakeAny(item)
						continue
					}
					first, n := w.Next(over)
					if n == 0 {
						break
					}
					for i := range n {
						got = append(got, first+i)
					}
					w.Take(first, n)
				}
				if sorted := slices.IsSorted(got); !tt.any && !sorted {
					t.Error("not in order")
				}
				slices.Sort(got)
				for i := range items {
					if len(got) != items || got[i] != i {
						t.Fatalf("%d items, at %d: want each of %d once", len(got), i, items)
					}
				}
			})
		})
	}
}
