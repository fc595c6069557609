package engine

import (
	"errors"
	"slices"
)

// Of the items with one key, each is sent when the item before it has ended. If the server applies the items of a request
// in order ([Config.Together]), they may share a chunk. When one of them has to be sent again, its followers are parked
// until it has ended.

// ErrOvertaken is the error of an item that was not applied, and must not be sent again because a later item with its key
// was applied.
var ErrOvertaken = errors.New("it was not applied, and a later one with its key was: sending it again would undo that")

// after returns the follower of an item.
func (r *Run) after(item int) (next int, ok bool) {
	if r.cfg.followerRead != nil {
		r.cfg.followerRead()
	}
	next, ok = r.cfg.Follower[item]
	return next, ok
}

// takeFollowers adds the followers of an item to its chunk, as far as there is room.
func (r *Run) takeFollowers(item int, c *chunk) {
	r.chains.Lock()
	defer r.chains.Unlock()
	n := 0
	for next, ok := r.after(item); ok && c.add(next); next, ok = r.after(next) {
		r.taken[next] = true
		n++
	}
	if n > 0 {
		r.batchGrew(n)
	}
}

// batchGrew adds followers to the open batch.
func (r *Run) batchGrew(n int) {
	r.mu.Lock()
	r.batchLeft += n
	r.mu.Unlock()
}

// follow queues a follower whose preceding item has ended, unless both went in one chunk.
func (r *Run) follow(item int) {
	r.chains.Lock()
	taken, j := r.taken[item], r.parked[item]
	delete(r.parked, item)
	r.chains.Unlock()
	switch {
	case j != nil:
		r.resend(&unit{jobs: []*job{j}})
	case taken:
	case r.cfg.Together: // it goes with its own followers
		c := chunk{run: r, keep: r.sizes.limits(), known: r.cfg.Size != nil}
		c.add(item)
		r.takeFollowers(item, &c)
		u := &unit{}
		for _, item := range c.items {
			u.jobs = append(u.jobs, r.jobFor(item))
		}
		r.batchGrew(1)
		r.resend(u)
	default:
		r.batchGrew(1)
		r.free(item)
	}
}

// free queues an item to be sent for the first time, since the item before it has ended.
func (r *Run) free(item int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.freeLocked(item)
}

func (r *Run) freeLocked(item int) {
	if j := r.jobFor(item); j.lookUp || r.cfg.InOrder || r.singles() {
		r.pushReady(&unit{jobs: []*job{j}})
		return
	}
	r.followers = append(r.followers, item)
	r.freed.Add(1)
	r.idle.Signal()
}

// park takes jobs out of a unit that follow another of its jobs, until that one has ended.
func (r *Run) park(u *unit) {
	if !r.cfg.Together {
		return
	}
	waits := make(map[int]bool, len(u.jobs))
	for _, j := range u.jobs {
		waits[j.item] = true
	}
	r.chains.Lock()
	defer r.chains.Unlock()
	u.jobs = slices.DeleteFunc(slices.Clone(u.jobs), func(j *job) bool {
		before, follows := r.before[j.item]
		if follows && waits[before] {
			r.parked[j.item] = j
			return true
		}
		return false
	})
}

// overtaken returns the items of a unit that must not be sent again, since a follower in the same request has already
// changed the record.
func (r *Run) overtaken(u *unit, succeeded map[int]bool) map[int]bool {
	if len(succeeded) == 0 {
		return nil
	}
	changed, over := map[int]bool{}, map[int]bool{}
	for _, j := range slices.Backward(u.jobs) {
		next, ok := r.after(j.item)
		if !ok {
			continue
		}
		changed[j.item] = changed[next] || succeeded[next] && !r.traits(next).Read
		if changed[j.item] && !r.traits(j.item).Read {
			over[j.item] = true
		}
	}
	return over
}
