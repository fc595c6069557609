// Package window passes items from a source to workers and their results to a consumer, through a ring of slots: memory is
// bounded by the size of the ring, whatever the length of the stream.
//
// Items are numbered from 0, and item i uses slot i modulo the size of the ring. The source may be at most the width of the
// window ahead of the oldest item that was not taken. There is one source, one consumer, and any number of workers.
package window

import (
	"math/bits"
	"runtime"
	"sync/atomic"
)

const (
	noItem  = -1
	anyItem = -2
)

// maxYields is how often the source yields before it blocks to wait for room: the consumer may make room soon, and a wake-up
// takes longer.
const maxYields = 64

// AtOnce is how many items [Window.Next] returns at most.
const AtOnce = 16

// Window is the ring's bookkeeping: which items have ended, and which were taken.
type Window struct {
	width int64 // items in the window
	mask  int64 // slots in the ring, a power of two, less one
	done  []atomic.Uint64
	worth int64    // taken items after which the source is woken
	owed  int64    // taken items since the last wake-up
	ahead int64    // unordered: how far the consumer has searched
	gone  []uint64 // unordered: items beyond the tail that were taken

	_      [128]byte     // fields changed by several goroutines have cache lines of their own, which processors fetch in pairs
	end    int64         // of the source: the items before it fit
	_      [128]byte     //
	tail   atomic.Int64  // items before it were taken
	full   atomic.Bool   // the source waits for room
	_      [128]byte     //
	wanted atomic.Int64  // the item that the consumer waits for
	_      [128]byte     //
	ended  chan struct{} // wakes the consumer
	room   chan struct{} // wakes the source
}

// New returns a window that is width items wide, at least 1.
func New(width int) *Window {
	slots := max(64, 1<<bits.Len(uint(width-1)))
	w := &Window{
		width: int64(width), worth: max(1, int64(width)/8), mask: int64(slots - 1), done: make([]atomic.Uint64, slots/64), gone: make([]uint64, slots/64),
		ended: make(chan struct{}, 1), room: make(chan struct{}, 1),
	}
	w.wanted.Store(noItem)
	return w
}

// Slots returns how many slots the ring has.
func (w *Window) Slots() int { return int(w.mask) + 1 }

// Wait blocks the source until there is room for the item. It returns false if stop is closed before.
func (w *Window) Wait(item int, stop <-chan struct{}) bool {
	for range maxYields {
		if w.fits(item) {
			return true
		}
		runtime.Gosched()
	}
	for !w.fits(item) {
		w.full.Store(true)
		if w.fits(item) {
			w.full.Store(false)
			return true
		}
		select {
		case <-w.room:
		case <-stop:
			return false
		}
	}
	return true
}

// fits reports whether there is room for the item. It loads the tail, which the consumer moves, only if needed.
func (w *Window) fits(item int) bool {
	if int64(item) >= w.end {
		w.end = w.tail.Load() + w.width
	}
	return int64(item) < w.end
}

// Room returns how many items from that one on fit, as of the last [Window.Wait] of the source.
func (w *Window) Room(item int) int { return int(w.end) - item }

// Ended marks the items from lo to hi-1 as ended. Workers call it, once for each item.
func (w *Window) Ended(lo, hi int) {
	for at := int64(lo); at < int64(hi); {
		word, bit := at&w.mask/64, uint(at%64)
		n := min(64-bit, uint(int64(hi)-at))
		w.done[word].Or((1<<n - 1) << bit)
		at += int64(n)
	}
	if want := w.wanted.Load(); want == anyItem || want >= int64(lo) && want < int64(hi) {
		select {
		case w.ended <- struct{}{}:
		default:
		}
	}
}

// Next waits for the item at the tail to end, and returns it and the number of ended items from it on. n is 0 if over is
// closed before.
func (w *Window) Next(over <-chan struct{}) (first, n int) {
	at := w.tail.Load()
	for {
		if n := w.run(at); n > 0 {
			return int(at), n
		}
		if !w.park(at, over, func() bool { return w.run(at) > 0 }) {
			return int(at), w.run(at)
		}
	}
}

// park waits until a worker marks the wanted item as ended. It returns false if over is closed before.
func (w *Window) park(wanted int64, over <-chan struct{}, ended func() bool) bool {
	w.wake()
	w.wanted.Store(wanted)
	defer w.wanted.Store(noItem)
	if ended() {
		return true
	}
	select {
	case <-w.ended:
		return true
	case <-over:
		return false
	}
}

// run returns how many items from at on have ended, up to the end of a word.
func (w *Window) run(at int64) int {
	bit := uint(at % 64)
	word := w.done[at&w.mask/64].Load() >> bit
	return min(AtOnce, bits.TrailingZeros64(^word), int(64-bit))
}

// Take marks the n items from first on, which is at the tail, as taken.
func (w *Window) Take(first, n int) {
	at := int64(first)
	w.done[at&w.mask/64].And(^((1<<uint(n) - 1) << uint(at%64)))
	w.advance(at + int64(n))
}

// advance moves the tail.
func (w *Window) advance(tail int64) {
	w.owed += tail - w.tail.Load()
	w.tail.Store(tail)
	if w.owed >= w.worth && w.wake() {
		// The woken source is next on this processor, and other processors do not steal it for a while. Yield, so that they
		// take the consumer instead.
		runtime.Gosched()
	}
}

// wake wakes a source that waits for room. A wake-up is slow, so it is done if there is room for many items, or if the
// consumer has nothing else to do.
func (w *Window) wake() (woken bool) {
	w.owed = 0
	if woken = w.full.CompareAndSwap(true, false); woken {
		select {
		case w.room <- struct{}{}:
		default:
		}
	}
	return woken
}

// NextAny waits for any item that has ended and was not taken. It returns false if over is closed and there is none.
func (w *Window) NextAny(over <-chan struct{}) (item int, ok bool) {
	for {
		if item, ok = w.any(); ok {
			return item, true
		}
		if !w.park(anyItem, over, func() bool { item, ok = w.any(); return ok }) {
			return w.any()
		}
	}
}

// Left calls do for the items before end that were not taken, in order.
func (w *Window) Left(end int, do func(item int)) {
	for at := w.tail.Load(); at < int64(end); at++ {
		if w.gone[at&w.mask/64]&(1<<uint(at%64)) == 0 {
			do(int(at))
		}
	}
}

// any returns an item that has ended. It searches from the last one on, and then from the tail.
func (w *Window) any() (int, bool) {
	tail := w.tail.Load()
	from := max(tail, w.ahead)
	item, ok := w.search(from, tail+w.mask+1)
	if !ok {
		item, ok = w.search(tail, from)
	}
	return int(item), ok
}

// search returns the first item from lo on that has ended.
func (w *Window) search(lo, hi int64) (int64, bool) {
	for at := lo; at < hi; {
		bit := uint(at % 64)
		if word := w.done[at&w.mask/64].Load() >> bit; word != 0 {
			item := at + int64(bits.TrailingZeros64(word))
			return item, item < hi
		}
		at += int64(64 - bit)
	}
	return 0, false
}

// TakeAny marks an item of [Window.NextAny] as taken: its slot may be reused.
func (w *Window) TakeAny(item int) {
	at := int64(item)
	word, mask := at&w.mask/64, uint64(1)<<uint(at%64)
	w.done[word].And(^mask)
	w.gone[word] |= mask
	w.ahead = at + 1
	tail := w.tail.Load()
	moved := tail
	for w.gone[moved&w.mask/64]&(1<<uint(moved%64)) != 0 {
		w.gone[moved&w.mask/64] &^= 1 << uint(moved%64)
		moved++
	}
	if moved != tail {
		w.advance(moved)
	}
}
