package engine

import (
	"slices"
	"time"
)

// uncharge takes back the charge of an attempt whose failure was not the items' fault.
func (r *Run) uncharge(u *unit) {
	for _, j := range u.jobs {
		j.charged--
	}
}

// most returns how many items one request may have, by the configured and the learned limits.
func (r *Run) most() int {
	most := max(1, r.cfg.ChunkItems)
	if l := r.sizes.limits(); l.items > 0 && !l.either {
		most = min(most, l.items)
	}
	return most
}

// sizeOfItem returns the bytes of an item. ok is false when they are unknown, and not needed so far.
func (r *Run) sizeOfItem(item int) (size int, ok bool) {
	switch {
	case r.cfg.Size != nil:
		return r.cfg.Size(item), true
	case r.cfg.Measure != nil && r.sizes.measuring.Load():
		return r.cfg.Measure(item), true
	}
	return 0, false
}

// measure returns the size of a unit.
func (r *Run) measure(u *unit) measure {
	m := measure{items: u.size()}
	for _, item := range u.items() {
		size, _ := r.sizeOfItem(item)
		m.bytes += size
	}
	return m
}

// weigh stores the bytes of a unit, if they are needed and unknown.
func (r *Run) weigh(u *unit) {
	if r.cfg.ChunkItems > 1 && u.bytes == 0 && r.sizes.measuring.Load() {
		u.bytes = r.measure(u).bytes
	}
}

// noteTaken records that the server took a unit. [Run.weigh] was called for it.
func (r *Run) noteTaken(u *unit, re reply) {
	n := u.size()
	if r.cfg.ChunkItems <= 1 || re.lookedUp {
		return
	}
	r.sizes.passed(measure{items: n, bytes: u.bytes}, max(1, r.cfg.ChunkItems), u.tight, u.trial)
	u.trial = false
	if r.windowSet.Load() {
		r.mu.Lock()
		r.windowSet.Store(false)
		whole := r.window.whole
		r.window = window{}
		r.mu.Unlock()
		if re.permit.Probe() && whole >= 2*n {
			r.sizes.partPassed(whole, n)
		}
	}
}

// tooLarge divides a unit that was refused for its size.
func (r *Run) tooLarge(u *unit, named int) {
	r.sizes.measuring.Store(true)
	m := r.measure(u)
	r.sizes.tooLarge(m, named, u.trial)
	u.trial = false
	part := m.items / 2
	if named > 0 && named < m.items {
		part = named
	}
	part = max(1, min(part, r.most()))
	r.park(u)
	for jobs := range slices.Chunk(u.jobs, part) {
		r.resend(&unit{jobs: slices.Clone(jobs)})
	}
}

// window is the evidence from the first requests of fresh rate-limit windows, since a unit last passed.
type window struct {
	whole int // items of the last such request that was throttled
	times int // throttles since most was last changed
	most  int // items that the next first request may have; 0: no limit
}

// throttledUnit records a throttle of a unit. After two throttles of a probe, which is the first request of a fresh window,
// or after one where a part passed before, the next probe is smaller: the unit may never pass as a whole. The lock is held.
func (r *Run) throttledUnit(u *unit, probe bool) {
	if u.trial {
		r.sizes.endTrial(true)
		u.trial = false
	}
	n := u.size()
	if !probe || r.whole(u) || u.looksUp() || r.cfg.ChunkItems <= 1 {
		return
	}
	r.windowSet.Store(true)
	r.window.whole = n
	if part := r.sizes.passedInstead(n); part > 0 {
		r.window.times, r.window.most = 0, part
	} else if r.window.times++; r.window.times >= 2 {
		r.window.times, r.window.most = 0, max(1, n/2)
	}
}

// refused finds the items because of which a chunk was refused: the item that the response names, or the items that an
// earlier attempt may have made, or else by halving the chunk.
func (r *Run) refused(u *unit, by Judgement) {
	if k := by.BadItem - 1; k >= 0 && k < len(u.jobs) {
		bad := u.jobs[k]
		rest := &unit{jobs: slices.Delete(slices.Clone(u.jobs), k, k+1)}
		r.uncharge(rest)
		do, state, reason := r.decide(bad, by)
		r.take(bad, do, state, reason)
		r.resend(rest)
		return
	}
	if r.repeats(u, by) {
		for _, j := range u.jobs {
			j.bound = r.cfg.Traits.WholeOnly
		}
		r.settleEach(u, by)
		return
	}
	if r.uncharge(u); r.mayBePartlyApplied(by) {
		r.doubtful(u, by)
	}
	r.park(u)
	own, rest := &unit{}, &unit{}
	for _, j := range u.jobs {
		if do, _, _ := r.decide(j, by); do == lookUp {
			own.jobs = append(own.jobs, j)
		} else {
			rest.jobs = append(rest.jobs, j)
		}
	}
	for _, j := range own.jobs { // an item that is not found is sent alone, since another item may have caused the refusal
		r.queueLookUp(j)
	}
	half := 0
	if len(own.jobs) == 0 {
		half = len(rest.jobs) / 2
	}
	r.resend(&unit{jobs: rest.jobs[:half:half]})
	r.resend(&unit{jobs: rest.jobs[half:]})
}

// resend queues a unit, before fresh items, unless it is empty.
func (r *Run) resend(u *unit) {
	if u.size() == 0 {
		return
	}
	r.mu.Lock()
	r.pushReady(u)
	r.mu.Unlock()
}

// sizeOf returns how many items of a unit are sent at once.
func (r *Run) sizeOf(u *unit) int {
	if r.whole(u) || u.trial {
		return u.size()
	}
	return min(u.size(), r.most())
}

// fit cuts a unit that is about to be sent to the limits learned since it was put together, and queues the rest in front.
func (r *Run) fit(u *unit, probe bool) {
	if r.whole(u) || u.size() <= 1 {
		return
	}
	n := u.size()
	if l := r.sizes.limits(); !u.trial && l.items > 0 && n > l.items {
		n = l.items
		if l.either {
			n = r.fitting(u, l)
		}
	} else if !u.trial && u.fresh != nil && l.bytes > 0 && !l.either {
		n = r.fitting(u, l)
	}
	if probe && r.windowSet.Load() {
		r.mu.Lock()
		if most := r.window.most; most > 0 {
			n = min(n, most)
		}
		r.mu.Unlock()
	}
	if n >= u.size() {
		return
	}
	if r.cfg.Together {
		r.makeJobs(u, time.Time{})
		r.park(u)
		n = min(n, len(u.jobs))
	}
	rest := &unit{}
	if u.fresh != nil {
		u.fresh, rest.fresh = u.fresh[:n:n], u.fresh[n:]
		u.full, u.bytes = true, 0
	} else {
		u.jobs, rest.jobs = u.jobs[:n:n], slices.Clone(u.jobs[n:])
	}
	u.intended = false
	if rest.size() > 0 {
		r.mu.Lock()
		r.pushFront(rest)
		r.mu.Unlock()
	}
}

// fitting returns how many items of a unit keep to the limits.
func (r *Run) fitting(u *unit, l limits) int {
	var m measure
	for _, item := range u.items() {
		size, _ := r.sizeOfItem(item)
		if m.items, m.bytes = m.items+1, m.bytes+size; !l.allow(m) {
			return m.items - 1
		}
	}
	return m.items
}
