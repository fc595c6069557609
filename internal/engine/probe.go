package engine

import (
	"math"
	"slices"
	"time"

	"github.com/windrow-go/windrow/internal/adapt"
)

// While the gate is shut, one call at a time is let through as a probe. After a probe that failed, another item is the next
// probe: perhaps the server refuses only the first item, and the others need not wait for it.

const (
	// harmlessTries is how many probes a unit is that costs no attempt, before units that may lose an attempt are tried.
	harmlessTries = 3
	// maxProbeDoublings caps the distance between two fresh probes, which doubles with each that fails.
	maxProbeDoublings = 10
	// minOwnWait and maxOwnWait bound the delays of an item that is throttled alone.
	minOwnWait, maxOwnWait = 200 * time.Millisecond, time.Minute
	// minOthersPassed is how many others must succeed between two failures of an item for the item to be the cause.
	minOthersPassed = 3
	// minTimesOvertaken is the same while others are throttled too: between so many consecutive throttles of an item,
	// minOthersPassed others must succeed.
	minTimesOvertaken = 3
	// minTimesUsual: an item's throttle is its own if this many times the run's mean number of successes per throttle
	// came since its last one, and no throttle of another item.
	minTimesUsual = 3
	// enoughPassed caps the successes required when no other item was ever throttled, so that there is no mean.
	enoughPassed = 16
	// minPassedToHasten is how many items must succeed after a failure for the failed item's delay to be cut short.
	minPassedToHasten = 8
	// maxHastenScan is how many delayed units are searched for one whose delay may be cut short.
	maxHastenScan = 64
)

// A rank orders the candidates for a probe: the lowest goes first.
type rank int

const (
	harmless      rank = iota // a look-up, or a unit that has not used an attempt
	harmlessAgain             // the same, after it has been a probe
	freshItem
	charged
	triedBefore
)

// rank returns the rank of a unit as the probe of an outage (down) or of a throttle. The lock is held.
func (r *Run) rank(u *unit, down, tried bool) rank {
	if !down {
		if tried || r.suspect(u) {
			return triedBefore
		}
		return harmless // throttled units go first
	}
	if len(u.jobs) == 0 {
		return freshItem
	}
	j := u.jobs[0]
	costsNothing := j.lookUp || j.sent && j.charged == 0 && !j.maybeApplied
	switch t := r.traits(j.item); {
	case tried && costsNothing && !t.Read && !t.Repeatable && u.failedProbes < harmlessTries:
		return harmlessAgain
	case tried:
		return triedBefore
	case costsNothing:
		return harmless
	case !j.sent:
		return freshItem
	default:
		return charged
	}
}

// takeProbe takes the work for a probe. It may be called with the gate's lock held.
func (w *worker) takeProbe() {
	r := w.run
	if r.cfg.InOrder || r.canary.Load() {
		w.take(1)
		return
	}
	if r.stopped.Load() {
		return
	}
	down := r.cfg.Gate.Down()
	r.mu.Lock()
	defer r.mu.Unlock()
	best, list, at := freshItem, (*[]*unit)(nil), 0
	if down && r.unsentLast && r.ahead%2 == 1 { // the units that failed unsent may be for another host, so every other probe is a fresh one
		best = harmless
	}
	if w.draft == nil && !(r.singles() && r.anyFresh()) {
		best = triedBefore + 1
	}
	for _, from := range []*[]*unit{&r.ready, &r.tried} {
		for k, u := range *from {
			if as := r.rank(u, down, from == &r.tried); as < best {
				best, list, at = as, from, k
			}
		}
	}
	switch {
	case list != nil:
		w.unit = (*list)[at]
		*list = slices.Delete(*list, at, at+1)
		r.queued.Add(-1)
	case w.draft == nil:
		w.span = r.freshProbe()
	case down && r.atRisk() && len(w.draft.fresh) > 1:
		// A lost response must affect one item only.
		w.unit = &unit{fresh: w.draft.fresh[:1:1], full: true}
		w.draft.fresh, w.draft.full = w.draft.fresh[1:], true
	default:
		w.unit, w.draft = w.draft, nil
	}
}

// atRisk reports whether items whose response is lost must not be sent again, and can be sent one by one.
func (r *Run) atRisk() bool {
	return !r.cfg.Traits.Read && !r.cfg.Traits.Repeatable && !r.cfg.Together && !r.cfg.Atomic
}

// anyFresh reports whether there are fresh items for single calls. The lock is held.
func (r *Run) anyFresh() bool { return len(r.returned) > 0 || r.front.Load() < r.openTo.Load() }

// freshProbe takes one fresh item, farther ahead with each probe that failed, so that a range of items that the server
// never takes is soon skipped. The lock is held.
func (r *Run) freshProbe() span {
	s := r.fresh(1 << min(r.ahead, maxProbeDoublings))
	if s.lo >= s.hi {
		return r.nextReturned(1)
	}
	if last := s.hi - 1; s.lo < last {
		r.returned = append(r.returned, span{s.lo, last})
		r.queued.Add(1)
		s.lo = last
	}
	return s
}

// tryAnother keeps a unit that failed as a probe until the gate opens, or no other unit is left to be a probe. The lock is
// held.
func (r *Run) tryAnother(u *unit) {
	u.failedProbes++
	r.ahead++
	r.tried = append(r.tried, u)
	r.queued.Add(1)
	r.throttling.Store(true)
	r.idle.Signal()
}

// suspect reports whether a unit may be the only one that the server throttles: it is a single item, the server named a
// pause for it or it also failed as a probe, and nothing else was throttled since the gate was open. The lock is held.
func (r *Run) suspect(u *unit) bool {
	return r.refusals == 1 && len(u.jobs) == 1 && u.jobs[0].last.Class == Throttled && (u.jobs[0].hint > 0 || u.failedProbes > 0)
}

// releaseTried queues the units that failed as probes, since the gate is open. If only one item was throttled, it waits a
// little, so that it shows whether others pass. The lock is held.
func (r *Run) releaseTried() {
	if r.throttling.Swap(false) {
		r.openings.Add(1)
		r.passedAtOpening.Store(r.counts[Succeeded].Load())
	}
	if r.refusals == 1 {
		for _, from := range []*[]*unit{&r.ready, &r.tried} {
			if k := slices.IndexFunc(*from, r.suspect); k >= 0 {
				u := (*from)[k]
				*from = slices.Delete(*from, k, k+1)
				r.queued.Add(-1)
				r.delayOwn(u, time.Now(), 0)
				u.waitsForOthers = true
			}
		}
	}
	r.ahead, r.refusals = 0, 0
	if len(r.tried) == 0 {
		return
	}
	for _, u := range r.tried {
		u.failedProbes = 0
	}
	r.ready = append(r.tried, r.ready...)
	r.tried = nil
	r.idle.Broadcast()
}

// ownThrottle reports whether a throttle concerns this unit alone: it was throttled before, and since then others passed
// and none was throttled, or others passed between minTimesOvertaken consecutive throttles.
func (r *Run) ownThrottle(u *unit) bool {
	j := u.jobs[0]
	since := max(j.passedThen, r.passedAtOpening.Load())
	if j.refusals == 0 || j.aloneThrottles == 0 && r.openings.Load() == j.refusedIn || r.counts[Succeeded].Load()-since < minOthersPassed {
		j.overtaken = 0
		return false
	}
	j.overtaken++
	return r.throttled.Load() == j.refusedAs && r.passedUnusuallyMany(j, since) || j.overtaken >= minTimesOvertaken
}

// passedUnusuallyMany reports whether more items have passed since then than usually pass between two throttles of other
// items. Where a throttle comes after every few items, that an item meets two of them in a row is likely to be chance.
func (r *Run) passedUnusuallyMany(j *job, since int64) bool {
	passed, others := r.counts[Succeeded].Load(), r.throttled.Load()-int64(j.refusals)
	if others <= 0 { // the first throttles of the run are the item's, so there is nothing to compare with
		return passed-since >= min(since, enoughPassed)
	}
	return (passed-since)*others >= minTimesUsual*passed
}

// noteThrottle records a throttle of a job, and reports whether it is the job's first since the gate was open. The throttle
// is already counted in r.throttled.
func (r *Run) noteThrottle(j *job, by Judgement, at time.Time) (first bool) {
	first = j.refusals == 0 || j.refusedIn != r.openings.Load()
	if j.refusals++; j.refusals == 1 {
		j.refusedFrom = at
	}
	j.refusedAs, j.passedThen = r.throttled.Load(), r.counts[Succeeded].Load()
	j.refusedIn = r.openings.Load()
	j.hint = by.After
	return first
}

// subject returns the subject by which the gate knows an item.
func (r *Run) subject(item int) adapt.Subject { return adapt.Subject{Of: r.name, Item: item} }

// setSubject adds the subject of a throttle to its signal. If the throttle concerns the unit alone, the gate drops what it
// learned from the unit's earlier throttles.
func (r *Run) setSubject(s *adapt.Signal, u *unit) {
	of := r.subject(u.jobs[0].item)
	if s.Throttled {
		s.Subject = of
	} else {
		s.Own = []adapt.Subject{of}
	}
}

// delayOwn delays a unit that is throttled alone, longer each time. The lock is held.
func (r *Run) delayOwn(u *unit, now time.Time, hint time.Duration) {
	j := u.jobs[0]
	j.ownWait = min(max(2*j.ownWait, hint, minOwnWait), maxOwnWait)
	u.at = now.Add(j.ownWait)
	u.noToken = true
	r.pushDelayed(u)
}

// gaveUp reports whether the server has throttled this item alone for longer than MaxThrottleWait in a stream that is still
// fed: then only the item ends, not the stream.
func (r *Run) gaveUp(j *job, at time.Time) bool {
	return j.aloneThrottles >= 2 && at.Sub(j.refusedFrom) > r.cfg.Policy.MaxThrottleWait && r.cfg.Stream && r.total.Load() == math.MaxInt64
}
