package engine

import (
	"errors"
	"slices"
)

// Items with one key follow each other: an item is sent when the one before it has ended. Where the server carries out
// the items of a request in their order ([Config.Together]) they may share a chunk. As soon as one of them has to be sent
// again, those behind it are parked until it has ended.

// ErrOvertaken is the error of an item that was not applied, and must not be sent again: a later one of its key was.
var ErrOvertaken = errors.New("it was not applied, and a later one with its key was: sending it again would undo that")

// takeFollowers puts the items that follow one into its chunk, as far as there is room. The lock is held.
func (r *Run) takeFollowers(item int, c *chunk) {
	for next, ok := r.cfg.Follower[item]; ok && c.add(next); next, ok = r.cfg.Follower[next] {
		r.taken[next] = true
		r.batchLeft++
	}
}

// follow sends an item when the one before it has ended, unless both went together.
func (r *Run) follow(item int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.taken[item] {
		r.batchLeft++
		c := chunk{run: r}
		if c.add(item); r.cfg.Together {
			r.takeFollowers(item, &c)
		}
		u := &unit{}
		for _, item := range c.items {
			u.jobs = append(u.jobs, r.jobFor(item))
		}
		r.soon(u)
	} else if j := r.parked[item]; j != nil {
		delete(r.parked, item)
		r.soon(&unit{jobs: []*job{j}})
	}
}

// park takes the jobs out of a unit that follow another of its jobs.
func (r *Run) park(u *unit) {
	if !r.cfg.Together {
		return
	}
	r.mu.Lock()
	r.parkLocked(u)
	r.mu.Unlock()
}

func (r *Run) parkLocked(u *unit) {
	if !r.cfg.Together {
		return
	}
	waits := map[int]bool{}
	for _, j := range u.jobs {
		waits[j.item] = true
	}
	u.jobs = slices.DeleteFunc(slices.Clone(u.jobs), func(j *job) bool {
		before, follows := r.before[j.item]
		if follows && waits[before] {
			r.parked[j.item] = j
			return true
		}
		return false
	})
}

// overtaken reports whether an item that changes something must not be sent again, since one that follows it in the
// same chunk has changed it already.
func (r *Run) overtaken(item int, succeeded map[int]bool) bool {
	if len(succeeded) == 0 || r.traits(item).Read {
		return false
	}
	for next, ok := r.cfg.Follower[item]; ok; next, ok = r.cfg.Follower[next] {
		if succeeded[next] && !r.traits(next).Read {
			return true
		}
	}
	return false
}
