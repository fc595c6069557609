package engine

import (
	"container/heap"
	"time"
)

// pushDelayed puts the unit on the heap until its time has come. The lock is held.
func (r *Run) pushDelayed(u *unit) {
	heap.Push(&r.delayed, u)
	r.armTimer()
}

// queueDue queues the delayed units whose time has come, as far as the retry budget allows.
func (r *Run) queueDue() {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	for len(r.delayed) > 0 && !r.delayed[0].at.After(now) {
		r.awaitingToken = append(r.awaitingToken, heap.Pop(&r.delayed).(*unit))
	}
	r.spend(now)
	r.armTimer()
	r.idle.Broadcast()
}

// pushReady queues the unit behind the ready ones, which go before fresh items. The lock is held.
func (r *Run) pushReady(u *unit) {
	r.ready = append(r.ready, u)
	r.queued.Add(1)
	r.idle.Signal()
}

// next takes work: ready units first, then fresh items. size is how many fresh items a worker wants at once; a chunk takes
// as many as fit. It may be called with the gate's lock held.
func (r *Run) next(size int) (u *unit, s span) {
	if r.stopped.Load() {
		return nil, span{}
	}
	if r.singles() {
		if r.queued.Load() == 0 {
			return nil, r.fresh(size)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if u = r.nextReady(); u == nil {
			s = r.nextReturned(size)
		}
		return u, s
	}
	if u = r.nextChunk(); u == nil && !r.waitsInOrder() {
		u = r.freshUnit()
	}
	return u, span{}
}

// nextChunk takes a ready unit: one that was sent before, or a draft that its worker put away. It returns nil when there is
// none.
func (r *Run) nextChunk() *unit {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.nextReady()
}

// waitsInOrder reports whether, with InOrder, a retry waits that must be sent before any fresh item.
func (r *Run) waitsInOrder() bool {
	if !r.cfg.InOrder {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.delayed)+len(r.awaitingToken) > 0
}

// pushFront queues the unit before all others. The lock is held.
func (r *Run) pushFront(u *unit) {
	r.ready = append([]*unit{u}, r.ready...)
	r.queued.Add(1)
	r.idle.Signal()
}

// nextReady takes the first ready unit, nil when there is none. The lock is held.
func (r *Run) nextReady() *unit {
	if len(r.ready) == 0 {
		if len(r.tried) == 0 {
			return nil
		}
		r.releaseTried() // another run has opened the gate, or no other unit is left to be a probe
		if len(r.ready) == 0 {
			return nil
		}
	}
	u := r.ready[0]
	r.ready[0] = nil
	r.ready = r.ready[1:]
	r.queued.Add(-1)
	return u
}

// nextReturned takes one fresh item that another worker gave back, or up to size fresh items when there is none. The lock
// is held.
func (r *Run) nextReturned(size int) span {
	n := len(r.returned)
	if n == 0 {
		return r.fresh(size)
	}
	s := r.returned[n-1]
	if s.hi-s.lo > 1 {
		r.returned[n-1].lo++
		r.idle.Signal() // another worker may take the rest
	} else {
		r.returned = r.returned[:n-1]
		r.queued.Add(-1)
	}
	return span{s.lo, s.lo + 1}
}

// singles reports whether fresh items are sent as spans of single calls. With InOrder they are not, since an item that
// fails must be sent again before any other, and an item that an earlier run may have applied keeps its place.
func (r *Run) singles() bool { return r.cfg.ChunkItems <= 1 && r.cfg.Call != nil && !r.cfg.InOrder }

// fresh takes up to size fresh items.
func (r *Run) fresh(size int) span {
	for {
		lo, open := r.front.Load(), r.openTo.Load()
		hi := min(lo+int64(size), open)
		if lo >= hi {
			return span{}
		}
		if r.front.CompareAndSwap(lo, hi) {
			return span{int(lo), int(hi)}
		}
	}
}

// giveBack queues fresh items that were taken and not sent.
func (r *Run) giveBack(s span) {
	if s.lo >= s.hi {
		return
	}
	r.mu.Lock()
	r.returned = append(r.returned, s)
	r.queued.Add(1)
	r.idle.Signal()
	r.mu.Unlock()
}

// await blocks until there is work. It reports false when there will be none.
func (w *worker) await() bool {
	r := w.run
	r.mu.Lock()
	defer r.mu.Unlock()
	for !r.stopped.Load() && !r.isOver() {
		r.sleepers.Add(1) // before w.finds, so that a Feed in between wakes this worker
		if w.finds() {
			r.sleepers.Add(-1)
			return true
		}
		r.idle.Wait()
		r.sleepers.Add(-1)
		r.waking.Store(false)
	}
	return false
}

// mayHaveWork is a [gate.Claim] that takes nothing: its cost is 0 while there is surely no work.
func (r *Run) mayHaveWork(bool) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.ready)+len(r.tried)+len(r.returned) > 0 || r.freed.Load() > 0 || r.front.Load() < r.openTo.Load() {
		return 1
	}
	return 0
}

// finds reports whether [Run.next] would find something for the worker. The lock is held.
func (w *worker) finds() bool {
	r := w.run
	switch {
	case len(r.ready)+len(r.tried) > 0:
		return true
	case r.cfg.InOrder && len(r.delayed)+len(r.awaitingToken) > 0:
		return false
	case len(r.returned) > 0:
		return true
	}
	if r.freed.Load() > 0 {
		return true
	}
	if r.front.Load() < r.openTo.Load() {
		return w.scout()
	}
	return r.hasten()
}
