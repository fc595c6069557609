package engine

import (
	"math"
	"runtime"
	"time"
)

// closedBit in openTo says that no more items are fed. It is part of openTo so that Feed adds an item and checks the bit
// in one atomic step.
const closedBit = math.MinInt64

// maxIdleYields is how often a scout yields without new input before it proceeds.
const maxIdleYields = 4

// maxYields is how often a scout yields between two reads of openTo.
const maxYields = 16

// follower is an item of a stream that waits for the previous item with its key.
type follower struct {
	before   int // the item that it waits for
	item     int
	skipped  bool // a worker has skipped it among the fresh items
	released bool // before has ended

	ended  bool // it ended, as before did, without being sent
	slot   Slot // with ended and not skipped: its outcome, since its own slot must not be written yet
	detail Detail
}

// Feed adds the next item of a stream. Its slot must be zero, or hold the outcome of an item that is not to be sent. Only
// one goroutine may feed. Feed reports false when the run takes no more items.
func (r *Run) Feed(item int) bool {
	if r.live != nil && !r.cfg.KeysOnce && r.cfg.Table.At(item).State == NotAttempted {
		r.chain(item)
	}
	if r.cfg.BatchDelay > 0 || r.cfg.Linger > 0 || r.cfg.Canary > 0 {
		return r.feedHeld()
	}
	if !r.openTo.CompareAndSwap(int64(item), int64(item)+1) {
		return false // closed
	}
	r.wakeOne()
	return true
}

// wakeOne wakes a worker for fresh items, unless one is about to take them: that worker wakes the next if it leaves any.
func (r *Run) wakeOne() {
	if r.sleepers.Load() == 0 || r.waking.Load() || r.scouting.Load() {
		return
	}
	r.mu.Lock()
	if r.sleepers.Load() > 0 && !r.waking.Load() {
		r.waking.Store(true)
		r.idle.Signal()
	}
	r.mu.Unlock()
}

// scout makes the worker the one that takes the next fresh items of a stream. It reports false when another worker is.
func (w *worker) scout() bool {
	if w.run.cfg.Stream && !w.scouting {
		w.scouting = w.run.scouting.CompareAndSwap(false, true)
		return w.scouting
	}
	return true
}

// gather lets the source run ahead while calls are fast, since the overhead of a span is larger than a call. It returns
// when there are as many items as the worker takes at once, or the source feeds no more for the moment.
func (w *worker) gather() {
	r := w.run
	if !w.scouting || w.size == 1 {
		return
	}
	fed, pause := int64(-1), 1
	for range maxIdleYields {
		for now := r.openTo.Load(); now != fed; now = r.openTo.Load() {
			if fed = now; fed-r.front.Load() >= int64(w.size) {
				return
			}
			for range pause {
				runtime.Gosched()
			}
			pause = min(2*pause, maxYields) // each read takes the cache line from the source
		}
		runtime.Gosched()
	}
}

// scouted ends what [worker.scout] began.
func (w *worker) scouted() {
	r := w.run
	if !w.scouting {
		return
	}
	w.scouting = false
	r.scouting.Store(false)
	if r.front.Load() < r.openTo.Load() {
		r.wakeOne()
	}
}

// feedHeld is [Run.Feed] for runs in which an item may have to wait for others before it is taken.
func (r *Run) feedHeld() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.openTo.Load() < 0 {
		return false
	}
	r.fed++
	switch waiting := r.fed - r.openTo.Load(); {
	case r.cfg.Linger <= 0 || waiting >= int64(r.most()):
		if r.lingerTimer != nil {
			r.lingerTimer.Stop()
		}
		r.openFresh()
		r.idle.Signal()
	case waiting == 1:
		r.lingerTimer = time.AfterFunc(r.cfg.Linger, r.lingered)
	}
	return true
}

// lingered opens the items of a chunk that did not fill up within Linger.
func (r *Run) lingered() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.openFresh()
	r.idle.Signal()
}

// EndFeed says that n items were fed and no more will be. The run ends when these items have ended.
func (r *Run) EndFeed(n int) {
	if r.cfg.Linger > 0 {
		r.lingered()
	}
	r.total.Store(int64(n))
	if r.isOver() {
		r.over()
	}
}

// CloseFeed makes Feed take no more items, and returns how many were fed. It is for a run that was stopped.
func (r *Run) CloseFeed() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.endHeld()
	for {
		open := r.openTo.Load()
		if open < 0 {
			open &^= closedBit
		} else if !r.openTo.CompareAndSwap(open, open|closedBit) {
			continue
		}
		return int(max(open, r.fed))
	}
}

// chain makes an item wait for the previous item with its key, if that has not ended.
func (r *Run) chain(item int) {
	key := r.cfg.KeyOf(item)
	if key == "" { // no key
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if before, ok := r.live[key]; ok {
		f := &follower{before: before, item: item}
		r.waitingFor[before], r.heldBack[item] = f, f
		r.cfg.Table.At(item).State = held
	}
	r.live[key] = item
}

// Claim registers an item of a stream as the only one with its key, and returns it. If another item has claimed the key,
// Claim returns that one; the caller then feeds the item with the outcome in its slot. Claim is for runs with KeysOnce.
func (r *Run) Claim(item int) int {
	key := r.cfg.KeyOf(item)
	r.mu.Lock()
	defer r.mu.Unlock()
	if first, taken := r.live[key]; taken {
		return first
	}
	r.live[key] = item
	return item
}

// release releases the items that wait for one of the items from lo to hi-1, which have ended.
func (r *Run) release(lo, hi int) {
	for _, item := range r.releaseAll(lo, hi) {
		r.endShared(item)
	}
}

// releaseAll is the part of [Run.release] that needs the lock. It returns the items that ended as their predecessors did.
func (r *Run) releaseAll(lo, hi int) (ended []int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for item := lo; item < hi; item++ {
		key := r.cfg.KeyOf(item)
		if key == "" {
			continue
		}
		last, f := item, r.waitingFor[item]
		for ; f != nil && r.cfg.Same != nil && r.cfg.Same(item, f.item); last, f = f.item, r.waitingFor[f.item] {
			r.cfg.Copy(item, f.item)
			delete(r.waitingFor, f.before)
			if f.skipped {
				delete(r.heldBack, f.item)
				r.cfg.Table.Copy(item, f.item)
				ended = append(ended, f.item)
			} else {
				f.ended, f.slot, f.detail = true, *r.cfg.Table.At(item), r.cfg.Table.Detail(item)
			}
		}
		if r.live[key] == last {
			delete(r.live, key)
		}
		if f != nil {
			f.released = true
			r.queueIfReleased(f)
		}
	}
	return ended
}

// queueIfReleased queues a follower if it was both skipped and released. The lock is held.
func (r *Run) queueIfReleased(f *follower) {
	if f.skipped && f.released {
		delete(r.waitingFor, f.before)
		delete(r.heldBack, f.item)
		r.cfg.Table.At(f.item).State = NotAttempted
		r.freeLocked(f.item)
	}
}

// skipIfSettled reports whether a worker skips a fresh item of a stream instead of sending it. An item that ended
// before it was sent is counted and handed to Final, after which its slot may be reused. An item that an earlier run
// may have applied is queued by itself, unless it goes in a chunk. An item that waits for another one is queued when it
// is released.
func (r *Run) skipIfSettled(item int) bool {
	switch s := r.cfg.Table.At(item).State; s {
	case NotAttempted:
		return false
	case Doubtful:
		r.mu.Lock()
		defer r.mu.Unlock()
		r.cfg.Table.At(item).State = Unknown // until it is sent
		j := r.jobFor(item)
		if !j.lookUp && !r.singles() {
			return false // it is sent in its chunk
		}
		r.pushReady(&unit{jobs: []*job{j}})
		return true
	case held:
		if r.cfg.InOrder && r.unhold(item) {
			return false
		}
		if r.skipHeld(item) {
			r.endShared(item)
		}
		return true
	default:
		if r.cfg.KeysOnce {
			r.release(item, item+1)
		}
		r.final(item, item+1)
		r.tallyUnsent(s)
		return true
	}
}

// isHeld reports whether the item that a held item waits for has not ended.
func (r *Run) isHeld(item int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.heldBack[item]
	return !f.released && !f.ended
}

// unhold ends the waiting of a held item if the item before it has ended, and reports whether it has.
func (r *Run) unhold(item int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.heldBack[item]
	if !f.released {
		return false
	}
	delete(r.waitingFor, f.before)
	delete(r.heldBack, item)
	r.cfg.Table.At(item).State = NotAttempted
	return true
}

// skipHeld notes that a worker has skipped a held item, and reports whether the item has ended as its predecessor did.
func (r *Run) skipHeld(item int) (ended bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.heldBack[item]
	f.skipped = true
	if f.ended {
		delete(r.heldBack, item)
		r.cfg.Table.set(item, f.slot, f.detail)
		return true
	}
	r.queueIfReleased(f)
	return false
}

// endHeld marks the items that are still held when the run is stopped as not attempted.
func (r *Run) endHeld() {
	for item := range r.heldBack {
		r.cfg.Table.At(item).State = NotAttempted
	}
}
