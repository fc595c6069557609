package engine

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/windrow-go/windrow/internal/adapt"
)

// lookTogether is how long a look-up waits, so that others may join its request and the server may finish the write.
const lookTogether = 5 * time.Millisecond

// looksUp reports whether the unit is a look-up.
func (u *unit) looksUp() bool { return len(u.jobs) > 0 && u.jobs[0].lookUp }

// mayLook reports whether the client can look up whether an item was applied.
func (r *Run) mayLook() bool { return r.cfg.Reconcile != nil || r.cfg.ReconcileBatch != nil }

// queueLookUp queues the first look-up of an item. It does not count as sending, so it is made even if the backoff strategy
// allows no further attempt.
func (r *Run) queueLookUp(j *job) {
	j.lookUp = true
	if j.delays == nil {
		j.delays = r.cfg.Policy.NewBackOff()
	}
	d := j.delays.NextBackOff()
	if j.pause = max(0, d); d < 0 {
		j.noResend = true
		if f, ok := j.delays.(interface{ Failure() error }); ok {
			r.joinFailure(j, f.Failure())
		}
	}
	r.delay(&unit{jobs: []*job{j}}, max(j.last.After, lookTogether), j.last)
}

// gatherLookUps merges queued look-ups into a unit, up to the size of one request, and queues the jobs that exceed it.
func (r *Run) gatherLookUps(u *unit) {
	if r.cfg.ReconcileBatch == nil || r.cfg.Cost != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	most := r.cfg.LookItems
	if r.maxLookUp > 0 {
		most = min(most, r.maxLookUp)
	}
	if len(u.jobs) > most {
		r.pushReady(&unit{jobs: slices.Clone(u.jobs[most:]), noToken: u.noToken, part: u.part})
		u.jobs = u.jobs[:most:most]
	}
	for len(r.ready) > 0 && !u.part && r.ready[0].looksUp() && !r.ready[0].part && len(u.jobs)+len(r.ready[0].jobs) <= most {
		u.jobs = append(u.jobs, r.nextReady().jobs...)
	}
}

// lookUpAll makes the request of a look-up.
func (r *Run) lookUpAll(a *Attempt, items []int, re *reply) error {
	re.lookedUp = true
	if r.cfg.ReconcileBatch == nil {
		return r.watched(a, func(ctx context.Context) (err error) {
			re.found, err = r.cfg.Reconcile(ctx, items[0])
			return err
		})
	}
	a.write().items = items
	re.answers = &Answers{items: len(items)}
	return r.watched(a, func(ctx context.Context) (err error) {
		re.results, err = r.cfg.ReconcileBatch(ctx, items, re.answers)
		return err
	})
}

// settleLookUp handles the response to a look-up.
func (r *Run) settleLookUp(u *unit, a *Attempt, re reply) {
	if re.err == nil && re.answers != nil && re.results != len(u.jobs) {
		re.err = &CountError{Want: len(u.jobs), Got: re.results}
	}
	if re.err != nil {
		by := r.judge(a, re.err)
		probe := re.permit.Probe()
		s := r.signalOf(u, by, re)
		s.Looked = true
		r.report(re, s)
		if by.Trouble != adapt.NoTrouble && r.waitOut(u, by, re, probe) {
			return
		}
		r.noteResponse(by, re.err)
		r.lookUpFailed(u, by, re, probe, s.Throttled)
		return
	}
	r.report(re, adapt.Signal{Answered: 1, Looked: true})
	r.mu.Lock()
	r.passedLookUp = max(r.passedLookUp, len(u.jobs))
	r.mu.Unlock()
	later := &unit{noToken: true}
	for k, j := range u.jobs {
		found := re.found
		if re.answers != nil {
			err := re.answers.of(k).Err
			if found = err == nil; !found {
				if by := r.judgeItem(a, err); !by.NotFound {
					one := re
					one.err, one.answers = err, nil
					r.lookUpFailed(&unit{jobs: []*job{j}}, by, one, false, false)
					continue
				}
			}
		}
		switch due := j.doubted.Add(r.cfg.SettlingTime); {
		case found:
			r.finish(j, Succeeded, NoReason)
		case re.sent.Before(due): // the write may still be under way, or the search index may lag behind
			later.jobs = append(later.jobs, j)
			if later.at.Before(due) {
				later.at = due
			}
		default:
			r.notThere(j)
		}
	}
	if len(later.jobs) > 0 {
		r.mu.Lock()
		r.pushDelayed(later)
		r.mu.Unlock()
	}
}

// notThere continues with an item that was not applied, as a look-up has proved.
func (r *Run) notThere(j *job) {
	switch {
	case j.last.Conflict && r.traits(j.item).Keyed && !j.bound: // the first request may still be under way
		if j.lookUp = false; j.exhausted || int(j.charged) >= r.cfg.Policy.MaxAttempts {
			r.finish(j, Unknown, NoReason)
			return
		}
		r.retry(&unit{jobs: []*job{j}}, j.last)
	case j.noResend:
		if !j.last.mayExist() || j.bound {
			j.err = errors.Join(ErrNotApplied, j.err)
			j.last.Class = Transient
		}
		r.finish(j, Failed, NoReason)
	default:
		j.lookUp, j.maybeApplied, j.maybeByRefusal, j.bound, j.exhausted = false, false, false, false, false
		r.mu.Lock()
		if u := (&unit{jobs: []*job{j}, noToken: true, at: j.doubted.Add(j.pause)}); u.at.After(time.Now()) {
			r.pushDelayed(u)
		} else {
			r.pushReady(u)
		}
		r.mu.Unlock()
	}
}

// lookUpFailed handles an error of a look-up, which tells nothing about the items.
func (r *Run) lookUpFailed(u *unit, by Judgement, re reply, probe, gateTold bool) {
	if by.Class == TooLarge && len(u.jobs) > 1 {
		r.lookInParts(u, by.MaxItems)
		return
	}
	for _, j := range u.jobs {
		j.failedLookUps++
	}
	switch {
	case by.Class == Throttled:
		r.throttle(u, by, re, probe, gateTold)
		return
	case by.Class == Fatal && !(by.BeforeSuccess && r.forbidden.Load() < manyForbidden):
		r.stop(&FatalError{Err: re.err})
		for _, j := range u.jobs {
			r.finish(j, Unknown, NoReason)
		}
		return
	}
	again := &unit{}
	for _, j := range u.jobs {
		if by.Class == Permanent || by.Class == TooLarge || by.Class == Fatal || by.Final || j.failedLookUps >= r.cfg.Policy.MaxAttempts {
			j.err = errors.Join(j.err, re.err)
			r.joinFailure(j, by.Err)
			r.finish(j, Unknown, NoReason)
			continue
		}
		again.jobs = append(again.jobs, j)
	}
	if len(again.jobs) > 0 {
		r.retry(again, by)
	}
}

// lookInParts divides a look-up that was refused as too large. No later look-up is larger than its parts, or than the
// largest that has passed: if more has passed, a single item was too large.
func (r *Run) lookInParts(u *unit, named int) {
	part := len(u.jobs) / 2
	if named > 0 && named < len(u.jobs) {
		part = named
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if most := max(part, r.passedLookUp); r.maxLookUp == 0 || most < r.maxLookUp {
		r.maxLookUp = most
	}
	for jobs := range slices.Chunk(u.jobs, part) {
		r.pushReady(&unit{jobs: slices.Clone(jobs), noToken: true, part: true})
	}
}

// takeUp makes units of the items that an earlier run may have applied. Items of a journal that may be sent again together
// share a unit.
func (r *Run) takeUp(items []int) (units []*unit) {
	together, bytes := &unit{}, 0
	for _, i := range items {
		j, size := r.jobFor(i), 0
		if j.lookUp || r.cfg.Resumed == nil || r.cfg.ChunkItems <= 1 || r.cfg.Batch == nil || r.cfg.Follower != nil || r.cfg.InOrder && !r.cfg.Atomic {
			units = append(units, &unit{jobs: []*job{j}})
			continue
		}
		if r.cfg.Size != nil {
			size = r.cfg.Size(i)
		}
		if n := len(together.jobs); n >= r.cfg.ChunkItems || n > 0 && r.cfg.Size != nil && bytes+size > r.cfg.ChunkBytes {
			units, together, bytes = append(units, together), &unit{}, 0
		}
		together.jobs, bytes = append(together.jobs, j), bytes+size
	}
	if len(together.jobs) > 0 {
		units = append(units, together)
	}
	return units
}
