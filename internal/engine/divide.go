package engine

import (
	"slices"
	"time"
)

// uncharge takes back what the attempt cost: it was no fault of the items.
func (r *Run) uncharge(u *unit) {
	for _, j := range u.jobs {
		j.charged--
	}
}

// learnCap lowers the size of chunks to what the server names, or else to half of what it refused.
func (r *Run) learnCap(named, refused int) {
	if named <= 0 || named >= refused {
		named = refused / 2
	}
	r.chunkCap.Store(max(1, min(r.chunkCap.Load(), int64(named))))
}

// split sends the jobs of a unit again, in chunks of the size that is allowed now.
func (r *Run) split(u *unit) {
	n := len(u.jobs)
	r.park(u)
	for part := range slices.Chunk(u.jobs, max(1, min(int(r.chunkCap.Load()), n-1))) {
		r.resend(&unit{jobs: slices.Clone(part)})
	}
}

// refused finds the items for which a chunk was refused: the one that the server names, or those that are there
// already because an earlier attempt made them, or else by halves.
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
		r.settleEach(u, by)
		return
	}
	if r.uncharge(u); r.partly(by) {
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
	for _, j := range own.jobs { // what is not found is sent alone: the refusal may have been another item's fault
		r.look(j)
	}
	half := 0
	if len(own.jobs) == 0 {
		half = len(rest.jobs) / 2
	}
	r.resend(&unit{jobs: rest.jobs[:half:half]})
	r.resend(&unit{jobs: rest.jobs[half:]})
}

// resend puts a unit where workers find it before anything fresh, if there is anything in it.
func (r *Run) resend(u *unit) {
	if u.size() == 0 {
		return
	}
	r.mu.Lock()
	r.soon(u)
	r.mu.Unlock()
}

// sizeOf is how many items of a unit are sent at once.
func (r *Run) sizeOf(u *unit) int {
	if r.whole(u) {
		return u.size()
	}
	return min(u.size(), int(r.chunkCap.Load()))
}

// fit makes a unit that is about to be sent as large as the server was found to take since it was put together, and
// puts the rest where workers find it first.
func (r *Run) fit(u *unit) {
	most := int(r.chunkCap.Load())
	if u.size() <= most || r.whole(u) {
		return
	}
	if r.cfg.Together {
		r.makeJobs(u, time.Time{})
	}
	rest := &unit{}
	if u.fresh != nil {
		u.fresh, rest.fresh = u.fresh[:most:most], u.fresh[most:]
		u.full = true
	} else {
		r.park(u)
		n := min(most, len(u.jobs))
		u.jobs, rest.jobs = u.jobs[:n:n], slices.Clone(u.jobs[n:])
	}
	u.intended = false
	if rest.size() > 0 {
		r.mu.Lock()
		r.first(rest)
		r.mu.Unlock()
	}
}
