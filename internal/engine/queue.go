package engine

import (
	"container/heap"
	"time"
)

// later puts the unit on the heap until its time has come. The lock is held.
func (r *Run) later(u *unit) {
	heap.Push(&r.delayed, u)
	r.arm()
}

// due moves the units whose time has come to where workers find them, as far as the budget allows.
func (r *Run) due() {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	for len(r.delayed) > 0 && !r.delayed[0].at.After(now) {
		r.broke = append(r.broke, heap.Pop(&r.delayed).(*unit))
	}
	r.spend(now)
	r.arm()
	r.idle.Broadcast()
}

// soon puts the unit where workers find it before anything fresh. The lock is held.
func (r *Run) soon(u *unit) {
	r.ready = append(r.ready, u)
	r.extra.Add(1)
	r.idle.Signal()
}

// next takes work: what was sent before first, then what is fresh. size is how many fresh items a worker wants
// at once; a chunk takes as many as fit. It may be called with the gate's lock held.
func (r *Run) next(size int) (u *unit, s span) {
	if r.stopped.Load() {
		return nil, span{}
	}
	if r.singles() {
		if r.extra.Load() == 0 {
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

// nextChunk takes a unit that was sent before, or was put together for a worker that found another one.
func (r *Run) nextChunk() *unit {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.nextReady()
}

// waitsInOrder reports whether nothing fresh may be sent, since the item that waits comes first.
func (r *Run) waitsInOrder() bool {
	if !r.cfg.InOrder {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.delayed)+len(r.broke) > 0
}

// first puts the unit where workers find it before anything else. The lock is held.
func (r *Run) first(u *unit) {
	r.ready = append([]*unit{u}, r.ready...)
	r.extra.Add(1)
	r.idle.Signal()
}

// nextReady takes a unit that was sent before, nil when none may go. The lock is held.
func (r *Run) nextReady() *unit {
	if len(r.ready) == 0 {
		if len(r.tried) == 0 {
			return nil
		}
		r.releaseTried() // another run has opened the gate, or there is nothing else to try
		if len(r.ready) == 0 {
			return nil
		}
	}
	u := r.ready[0]
	r.ready[0] = nil
	r.ready = r.ready[1:]
	r.extra.Add(-1)
	return u
}

// nextReturned takes a fresh item that another worker gave back, since calls are slow or must not be made at once; and up
// to size others when there is none. The lock is held.
func (r *Run) nextReturned(size int) span {
	n := len(r.returned)
	if n == 0 {
		return r.fresh(size)
	}
	s := r.returned[n-1]
	if s.hi-s.lo > 1 {
		r.returned[n-1].lo++
		r.idle.Signal() // there is some for another
	} else {
		r.returned = r.returned[:n-1]
		r.extra.Add(-1)
	}
	return span{s.lo, s.lo + 1}
}

// singles reports whether fresh items are sent the short way, by single calls. Those that are to be sent in order are
// not: one that fails must be sent again before anything else, and one that an earlier run may have applied comes in
// its place among the others.
func (r *Run) singles() bool { return r.cfg.ChunkItems <= 1 && r.cfg.Call != nil && !r.cfg.InOrder }

// fresh takes up to size items that nobody has looked at.
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

// giveBack returns fresh items that were taken and not sent.
func (r *Run) giveBack(s span) {
	if s.lo >= s.hi {
		return
	}
	r.mu.Lock()
	r.returned = append(r.returned, s)
	r.extra.Add(1)
	r.idle.Signal()
	r.mu.Unlock()
}

// await blocks until there is work; false means that there will be none.
func (w *worker) await() bool {
	r := w.run
	r.mu.Lock()
	defer r.mu.Unlock()
	for !r.stopped.Load() && !r.isOver() {
		r.sleepers.Add(1) // before looking, so that whoever feeds an item in between sees it
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

// finds reports whether [Run.next] would find something for the worker. The lock is held.
func (w *worker) finds() bool {
	r := w.run
	switch {
	case len(r.ready)+len(r.tried) > 0:
		return true
	case r.cfg.InOrder && len(r.delayed)+len(r.broke) > 0:
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
