package engine

import "slices"

// uncharge takes back what the attempt cost: it was no fault of the items.
func (r *Run) uncharge(u *unit) {
	for _, j := range u.jobs {
		j.charged--
	}
}

// learnCap lowers the size of chunks to what the server names, or else to half of what it refused.
func (r *Run) learnCap(named, refused int) {
	r.mu.Lock()
	if named <= 0 || named >= refused {
		named = refused / 2
	}
	r.chunkCap = max(1, min(r.chunkCap, named))
	r.mu.Unlock()
}

// split sends the jobs of a unit again, in chunks of the size that is allowed now.
func (r *Run) split(u *unit) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(u.jobs)
	r.parkLocked(u)
	for part := range slices.Chunk(u.jobs, max(1, min(r.chunkCap, n-1))) {
		r.soon(&unit{jobs: slices.Clone(part)})
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
	r.uncharge(u)
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
		j.lookUp = true
		r.retry(&unit{jobs: []*job{j}}, by)
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
	if len(u.jobs) == 0 {
		return
	}
	r.mu.Lock()
	r.soon(u)
	r.mu.Unlock()
}
