package engine

import (
	"math"
	"runtime"
	"time"
)

// closedBit in openTo says that no more items are fed. It is part of openTo so that whether an item still got in is
// decided in one step.
const closedBit = math.MinInt64

// patience is how often a scout lets others run without seeing a new item before it goes with what there is.
const patience = 4

// maxPause is how often a scout lets others run between two looks at what the source has fed.
const maxPause = 16

// follower is an item of a stream that waits for the one with its key before it.
type follower struct {
	before   int
	item     int
	passed   bool // a worker has passed it among the fresh items
	released bool // the one before it has ended

	ended  bool // as the one before it
	slot   Slot // of one that has ended and was not passed: its own may not be written yet
	detail Detail
}

// Feed adds the next item of a stream, number item, whose slot must be clear, or hold the outcome of an item that
// is not to be sent. One goroutine feeds. It reports false when the run takes no more.
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

// wakeOne wakes a worker for fresh items, unless one is on its way to them: that one wakes the next if it leaves
// anything.
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

// scout makes the worker the one that takes the next fresh items of a stream. It reports false when another is.
func (w *worker) scout() bool {
	if w.run.cfg.Stream && !w.scouting {
		w.scouting = w.run.scouting.CompareAndSwap(false, true)
		return w.scouting
	}
	return true
}

// gather lets the source run ahead while calls are fast, since what a worker does for a span costs more than a call. It
// returns when there are so many items as the worker takes at once, or the source yields no more for the moment.
func (w *worker) gather() {
	r := w.run
	if !w.scouting || w.size == 1 {
		return
	}
	fed, pause := int64(-1), 1
	for range patience {
		for now := r.openTo.Load(); now != fed; now = r.openTo.Load() {
			if fed = now; fed-r.front.Load() >= int64(w.size) {
				return
			}
			for range pause {
				runtime.Gosched()
			}
			pause = min(2*pause, maxPause) // each look costs the source, who has to get the cache line back
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

// feedHeld is the end of [Run.Feed] where an item may have to wait for others before it may be taken.
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

// lingered opens a chunk that did not fill up in time.
func (r *Run) lingered() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.openFresh()
	r.idle.Signal()
}

// EndFeed says that n items were fed and no more will be. The run ends when they have.
func (r *Run) EndFeed(n int) {
	if r.cfg.Linger > 0 {
		r.lingered()
	}
	r.total.Store(int64(n))
	if r.isOver() {
		r.over()
	}
}

// CloseFeed takes no more items, and returns how many were fed. It is for a run that was stopped.
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

// chain makes an item wait for the one with its key before it, if that has not ended.
func (r *Run) chain(item int) {
	key := r.cfg.KeyOf(item)
	if key == "" { // it has none
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

// Claim says that an item of a stream is the one with its key, and returns it. It returns another one that is in the
// stream already; then the item is fed all the same, with a slot that says so. It is for runs in which no key may be sent
// twice (KeysOnce).
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

// release lets those items go that wait for one of those from lo to hi-1, which have ended.
func (r *Run) release(lo, hi int) {
	for _, item := range r.releaseAll(lo, hi) {
		r.endShared(item)
	}
}

// releaseAll is the part of [Run.release] that needs the lock. It returns the items that have ended as those before them.
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
			if f.passed {
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
			r.letGo(f)
		}
	}
	return ended
}

// letGo sends a follower that was passed and released. The lock is held.
func (r *Run) letGo(f *follower) {
	if f.passed && f.released {
		delete(r.waitingFor, f.before)
		delete(r.heldBack, f.item)
		r.cfg.Table.At(f.item).State = NotAttempted
		r.freeLocked(f.item)
	}
}

// passed reports whether a fresh item of a stream is not for the worker that came to it: it ended before it was sent,
// or waits for another. Only now that a worker has passed it may its slot be used again.
func (r *Run) passed(item int) bool {
	switch s := r.cfg.Table.At(item).State; s {
	case NotAttempted:
		return false
	case Doubtful:
		r.mu.Lock()
		defer r.mu.Unlock()
		r.cfg.Table.At(item).State = Unknown // until it is sent
		j := r.jobFor(item)
		if !j.lookUp && !r.singles() {
			return false // it stays in its chunk
		}
		r.soon(&unit{jobs: []*job{j}})
		return true
	case held:
		if r.cfg.InOrder && r.unhold(item) {
			return false
		}
		if r.passHeld(item) {
			r.endShared(item)
		}
		return true
	default:
		if r.cfg.KeysOnce {
			r.release(item, item+1)
		}
		r.final(item, item+1)
		r.tally(s, 1)
		return true
	}
}

// isHeld reports whether the one before an item has not ended.
func (r *Run) isHeld(item int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.heldBack[item]
	return !f.released && !f.ended
}

// unhold reports whether an item may be sent in its place, since the one before it has ended.
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

// passHeld notes that a worker has passed an item that waits for another, and reports whether it has ended as that one.
func (r *Run) passHeld(item int) (ended bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.heldBack[item]
	f.passed = true
	if f.ended {
		delete(r.heldBack, item)
		r.cfg.Table.set(item, f.slot, f.detail)
		return true
	}
	r.letGo(f)
	return false
}

// endHeld marks what still waits for another item when the run was stopped as not attempted.
func (r *Run) endHeld() {
	for item := range r.heldBack {
		r.cfg.Table.At(item).State = NotAttempted
	}
}
