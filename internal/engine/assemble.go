package engine

import (
	"slices"
	"time"
)

// A worker puts a chunk of fresh items together before it asks the gate, and fills the chunk up when it has a permit. No
// work per item is done under the gate's lock, since every other user of the gate would wait for it.

// chunk is a request that is being put together.
type chunk struct {
	run   *Run
	items []int
	bytes int
	full  bool   // no more items are added
	known bool   // bytes is known
	keep  limits // the learned limits
	more  limits // with trial: the larger limits to try instead
	trial bool
	tight bool         // the learned limits kept more items out
	later map[int]bool // in order: followers of these items
}

// newChunk returns a chunk with the fresh items of u, an empty one if u is nil.
func (r *Run) newChunk(u *unit) *chunk {
	c := &chunk{run: r, keep: r.sizes.limits(), known: r.cfg.Size != nil || r.cfg.Measure != nil && r.sizes.measuring.Load()}
	if u != nil {
		c.items, c.bytes, c.known = u.fresh, u.bytes, c.known && u.bytes > 0
		return c
	}
	if c.more, c.trial = r.sizes.larger(); c.trial {
		r.trying.Store(true)
	}
	ready := r.openTo.Load() - r.front.Load()
	c.items = make([]int, 0, max(0, min(int64(r.most()), ready, maxSpan)))
	return c
}

// freshUnit makes a unit of fresh items, up to the limits of one request; nil when there are none.
func (r *Run) freshUnit() *unit {
	if r.stopped.Load() {
		return nil
	}
	r.assembling.Lock()
	defer r.assembling.Unlock()
	c := r.newChunk(nil)
	c.fill()
	if len(c.items) == 0 {
		if c.trial {
			r.endTrial()
		}
		return nil
	}
	u := c.unit()
	if slices.ContainsFunc(c.items, func(item int) bool { return r.cfg.Table.At(item).State == Unknown }) {
		r.makeJobs(u, time.Time{})
	}
	return u
}

// fillUp adds items to a unit that became available since it was put together. It does nothing if the cost depends on the
// number of items, since the gate already knows the cost.
func (r *Run) fillUp(u *unit) {
	if u.fresh == nil || u.full || r.cfg.Cost != nil || !r.hasFresh() {
		return
	}
	r.assembling.Lock()
	defer r.assembling.Unlock()
	c, n := r.newChunk(u), len(u.fresh)
	c.fill()
	for k := n; k < len(c.items); k++ {
		if r.cfg.Table.At(c.items[k]).State == Unknown {
			u.fresh = c.items
			r.makeJobs(u, time.Time{})
			return
		}
	}
	u.fresh, u.bytes, u.full, u.tight = c.items, c.bytes, c.full, c.tight
}

// unit makes a unit of the chunk. If the chunk turned out to keep to the learned limits, it is no trial.
func (c *chunk) unit() *unit {
	u := &unit{fresh: c.items, bytes: c.bytes, full: c.full, tight: c.tight, trial: c.trial}
	if c.trial && c.keep.allow(measure{len(c.items), c.bytes}) {
		u.trial = false
		c.run.endTrial()
	}
	return u
}

// endTrialOf ends the trial of a unit whose result tells nothing about its size. tells says that it does.
func (r *Run) endTrialOf(u *unit, tells bool) {
	if u.trial && !tells {
		u.trial = false
		r.endTrial()
	}
}

// endTrial ends the trial of a larger chunk without a result.
func (r *Run) endTrial() {
	r.trying.Store(false)
	r.sizes.endTrial(false)
}

// hasFresh reports whether there may be fresh items that no worker has taken.
func (r *Run) hasFresh() bool {
	return r.front.Load() < r.openTo.Load() || r.freed.Load() > 0
}

// fill takes fresh items up to the limits of one request, released followers first. With InOrder, an item to be looked up
// goes alone, and a chunk ends before the second item with one key, unless the server applies items in order. The caller
// holds assembling.
func (c *chunk) fill() {
	r := c.run
	c.addFreed()
	pos, open := r.front.Load(), r.openTo.Load()
	for ; pos < open && !c.full; pos++ {
		item := r.item(int(pos))
		alone := r.cfg.InOrder && r.goesAlone(item)
		if len(c.items) > 0 && (alone || c.later[item]) {
			c.full = true
			break
		}
		if r.cfg.Stream && r.skipIfSettled(item) {
			c.full = alone // what skipping the item has released comes first
			continue
		}
		if !c.add(item) {
			break
		}
		if r.cfg.Together && !r.cfg.InOrder {
			r.takeFollowers(item, c)
		}
		c.full = c.full || alone
	}
	r.front.Store(pos)
	if (r.cfg.Together || r.cfg.Order != nil) && !slices.IsSorted(c.items) {
		slices.Sort(c.items)
	}
}

// addFreed adds followers whose preceding items have ended.
func (c *chunk) addFreed() {
	r := c.run
	if r.freed.Load() == 0 {
		return
	}
	r.mu.Lock()
	freed := r.followers[r.followed:] // other goroutines only append
	r.mu.Unlock()
	n := 0
	for n < len(freed) && c.add(freed[n]) {
		n++
	}
	r.mu.Lock()
	r.freed.Add(-int32(n))
	if r.followed += n; r.followed == len(r.followers) {
		r.followers, r.followed = nil, 0
	}
	r.mu.Unlock()
}

// add adds an item, and reports whether there was room. An item larger than the limit goes alone: the server decides.
func (c *chunk) add(item int) bool {
	r, size := c.run, 0
	if c.known {
		size, _ = r.sizeOfItem(item)
	}
	n, keep := len(c.items), c.keep
	if c.trial {
		keep = c.more
	}
	if c.full = c.full || n >= max(1, r.cfg.ChunkItems) || n > 0 && r.cfg.Size != nil && c.bytes+size > r.cfg.ChunkBytes; c.full {
		return false
	}
	if !keep.allow(measure{n + 1, c.bytes + size}) {
		c.full, c.tight = true, true
		return false
	}
	c.items = append(c.items, item)
	c.bytes += size
	if next, ok := r.after(item); ok && r.cfg.InOrder && !r.cfg.Together {
		if c.later == nil {
			c.later = map[int]bool{}
		}
		c.later[next] = true
	}
	return true
}

// goesAlone reports whether, with InOrder, the item must be sent alone.
func (r *Run) goesAlone(item int) bool {
	switch r.cfg.Table.At(item).State {
	case held:
		return r.isHeld(item)
	case Doubtful:
		return true
	case Unknown:
		return r.jobFor(item).lookUp
	}
	return false
}

// item returns the item at a position in the sending order.
func (r *Run) item(pos int) int {
	if r.cfg.Order == nil {
		return pos
	}
	return r.cfg.Order[pos]
}
