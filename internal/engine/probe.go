package engine

import (
	"math"
	"slices"
	"time"

	"github.com/windrow-go/windrow/internal/gate"
)

// While the gate is shut one call at a time tries whether it may open. A probe that is refused, or fails, is followed by
// another item: perhaps it is that one item that the server does not take, and the others need not wait for it.

const (
	// harmlessTries is how often what costs nothing goes as a probe before an item does that may be lost with it.
	harmlessTries = 3
	// farthest is how often the distance doubles at which a probe is taken among the fresh items.
	farthest = 10
	// minOwnWait and maxOwnWait bound the delays of an item that alone is throttled.
	minOwnWait, maxOwnWait = 200 * time.Millisecond, time.Minute
	// othersPassed is how many others succeed between two failures of an item for them to be its own matter.
	othersPassed = 3
	// manyOvertaken is how often in a row others have to pass an item between two throttles for those to be its own matter
	// although others are throttled, too.
	manyOvertaken = 3
	// manyPassed is how many succeed after an item failed for that to have been bad luck.
	manyPassed = 8
	// mayHasten is how many of the delayed units are looked at for one that need not wait.
	mayHasten = 64
)

// A rank orders what may be sent as a probe: the lowest goes.
type rank int

const (
	harmless      rank = iota // looks only, or was not sent so far
	harmlessAgain             // the same, and has been a probe
	freshItem
	charged
	triedBefore
)

// rank is where a unit stands among those that may be the probe of an outage, or of a throttle.
func (r *Run) rank(u *unit, down, tried bool) rank {
	if !down {
		if tried || r.suspect(u) {
			return triedBefore
		}
		return harmless // what was refused goes first
	}
	if len(u.jobs) == 0 {
		return freshItem
	}
	j := u.jobs[0]
	costsNothing := j.lookUp || j.sent && j.charged == 0 && !j.maybe
	switch t := r.traits(j.item); {
	case tried && costsNothing && !t.Read && !t.Repeatable && u.tries < harmlessTries:
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
	if down && r.unsentLast && r.ahead%2 == 1 { // what is not sent costs nothing: perhaps those that failed are for another host
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
		r.extra.Add(-1)
	case w.draft == nil:
		w.span = r.freshProbe()
	case down && r.atRisk() && len(w.draft.fresh) > 1:
		// No more may be lost than one item.
		w.unit = &unit{fresh: w.draft.fresh[:1:1], full: true}
		w.draft.fresh, w.draft.full = w.draft.fresh[1:], true
	default:
		w.unit, w.draft = w.draft, nil
	}
}

// atRisk reports whether items whose response is lost must not be sent again, and each can be sent by itself.
func (r *Run) atRisk() bool {
	return !r.cfg.Traits.Read && !r.cfg.Traits.Repeatable && !r.cfg.Together && !r.cfg.Atomic
}

// anyFresh reports whether there are fresh items for single calls. The lock is held.
func (r *Run) anyFresh() bool { return len(r.returned) > 0 || r.front.Load() < r.openTo.Load() }

// freshProbe takes one fresh item. With each probe that failed it is taken from farther ahead, so that a stretch of items
// that the server never takes is soon left behind. The lock is held.
func (r *Run) freshProbe() span {
	s := r.fresh(1 << min(r.ahead, farthest))
	if s.lo >= s.hi {
		return r.nextReturned(1)
	}
	if last := s.hi - 1; s.lo < last {
		r.returned = append(r.returned, span{s.lo, last})
		r.extra.Add(1)
		s.lo = last
	}
	return s
}

// tryAnother keeps a unit that failed as a probe until the gate opens, or there is nothing else to try. The lock is held.
func (r *Run) tryAnother(u *unit) {
	u.tries++
	r.ahead++
	r.tried = append(r.tried, u)
	r.extra.Add(1)
	r.throttling.Store(true)
	r.idle.Signal()
}

// suspect reports whether a unit may be the only one that the server throttles: it is a single item, it was told when to
// come back or was refused as a probe, too, and nothing else was throttled since the gate was open. The lock is held.
func (r *Run) suspect(u *unit) bool {
	return r.refusals == 1 && len(u.jobs) == 1 && u.jobs[0].last.Class == Throttled && (u.jobs[0].hint > 0 || u.tries > 0)
}

// releaseTried lets go what failed as probes: the gate is open. A single item that alone was refused waits a little, so that
// it shows whether others pass. The lock is held.
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
				r.extra.Add(-1)
				r.delayOwn(u, time.Now(), 0)
				u.held = true
			}
		}
	}
	r.ahead, r.refusals = 0, 0
	if len(r.tried) == 0 {
		return
	}
	for _, u := range r.tried {
		u.tries = 0
	}
	r.ready = append(r.tried, r.ready...)
	r.tried = nil
	r.idle.Broadcast()
}

// ownThrottle reports whether a throttle is about this unit alone: it was throttled before, and since then others passed
// and none was throttled.
func (r *Run) ownThrottle(u *unit) bool {
	j := u.jobs[0]
	since := max(j.passedThen, r.passedAtOpening.Load())
	if j.refusals == 0 || j.alone == 0 && r.openings.Load() == j.refusedIn || r.counts[Succeeded].Load()-since < othersPassed {
		j.overtaken = 0
		return false
	}
	j.overtaken++ // others passed it
	return r.throttled.Load() == j.refusedAs || j.overtaken >= manyOvertaken
}

// noteThrottle remembers when a job was throttled, among others, and reports whether that is the first time since the gate
// was open. The throttle was counted already.
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

// subject is what the gate knows an item by.
func (r *Run) subject(item int) gate.Subject { return gate.Subject{Of: r.name, Item: item} }

// concerns tells the gate whom a throttle concerns. When it is the unit's own, what earlier ones have taught was wrong.
func (r *Run) concerns(s *gate.Signal, u *unit) {
	of := r.subject(u.jobs[0].item)
	if s.Throttled {
		s.Subject = of
	} else {
		s.Own = []gate.Subject{of}
	}
}

// delayOwn has a unit wait by itself, longer each time. The lock is held.
func (r *Run) delayOwn(u *unit, now time.Time, hint time.Duration) {
	j := u.jobs[0]
	j.ownWait = min(max(2*j.ownWait, hint, minOwnWait), maxOwnWait)
	u.at = now.Add(j.ownWait)
	u.free = true
	r.later(u)
}

// gaveUp reports whether the server has throttled an item, and it alone, for as long as a run waits, while there is more to
// come from the source of a stream: one item does not end that.
func (r *Run) gaveUp(j *job, at time.Time) bool {
	return j.alone >= 2 && at.Sub(j.refusedFrom) > r.cfg.Policy.MaxThrottleWait && r.cfg.Stream && r.total.Load() == math.MaxInt64
}
