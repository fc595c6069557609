package engine

import (
	"errors"
	"math"
	"slices"
	"time"

	"github.com/windrow-go/windrow/internal/gate"
)

// While the server takes no calls the gate is shut, and items wait for it. What was provably not sent is not charged, and
// goes when the gate opens; what may have been carried out is charged once, and sent again or looked up then, if it may
// be. The retry budget has no part in it: one probe at a time does not multiply the load.

// manyForbidden is how many distinct requests are refused with 403, and not one answered otherwise, when the caller is
// what is refused, and not the items.
const manyForbidden = 3

// putOffFor is how long the halves of a chunk wait that was forbidden while there was no other response. It is longer than
// what one request takes more than another.
const putOffFor = time.Second

const (
	// lastFew is how many requests a run has left at most when nobody can tell an outage from their own failures: others
	// have passed, and no more than these can fail.
	lastFew = 2
	// lastPatience is how long these are waited for, and openPatience while more may come from the source of a stream: it
	// may be held up by them.
	lastPatience, openPatience = 15 * time.Second, time.Minute
)

// troubleOf is what a request that failed without proof that the server takes calls teaches the gate.
func (r *Run) troubleOf(u *unit, by Judgement, re reply) gate.Signal {
	s := gate.Signal{Trouble: by.Trouble, Detail: by.Detail, Host: by.Host, Between: re.between}
	if s.Trouble == gate.NoTrouble {
		return s
	}
	first := u.jobs[0]
	if by.Class == Ambiguous && r.ownTrouble(first) && !re.permit.Probe() { // a connection that is refused is no item's fault
		return gate.Signal{Between: re.between}
	}
	t := r.traits(first.item)
	s.Subject = gate.Subject{Of: r, Item: first.item}
	s.Each = first.lookUp
	s.Looked = first.lookUp
	s.Unsent = by.Class == Transient
	s.Left = r.chunksOf(r.unended())
	if r.cfg.InOrder || r.canary.Load() {
		s.Left = 1 // at a time
	}
	s.Burns = by.Class == Ambiguous && !first.lookUp && !t.Read
	return s
}

// ownTrouble reports whether the failure of an item is likely to be its own: it failed before, and others passed between
// two of its failures. It stays so, since there may be no others in the end.
func (r *Run) ownTrouble(j *job) bool {
	passed := r.counts[Succeeded].Load()
	j.ownTrouble = j.ownTrouble || j.troubled && r.chunksOf(int(passed-j.passedTrouble)) >= othersPassed
	j.troubled, j.passedTrouble = true, passed
	return j.ownTrouble
}

// overdue reports whether a unit is of the last few requests of a run whose others passed, and fails for so long that it
// is given up. What was not sent costs nothing, and waits as long as the run does.
func (r *Run) overdue(u *unit, at time.Time) bool {
	left, patience := r.chunksOf(r.unended()), lastPatience
	if r.total.Load() == math.MaxInt64 {
		patience = openPatience
	}
	return left <= lastFew && r.chunksOf(int(r.counts[Succeeded].Load())) > left && !u.jobs[0].lookUp && at.Sub(u.jobs[0].began) > patience
}

// unended is how many items have not ended, of those that are known.
func (r *Run) unended() int {
	total := r.total.Load()
	if r.cfg.Stream {
		total = min(total, max(r.openTo.Load()&^closedBit, 0))
	}
	return int(total - r.ended.Load())
}

// chunksOf is how many requests it takes to send so many items.
func (r *Run) chunksOf(items int) int {
	size := max(1, r.cfg.ChunkItems)
	return (items + size - 1) / size
}

// waitOut keeps a unit until the gate opens, if the server takes no calls and the unit may be sent then as if nothing had
// happened. It reports false when the attempt counts. A server that takes no calls for longer than the run waits ends the
// run.
func (r *Run) waitOut(u *unit, by Judgement, re reply, probe bool) bool {
	if !r.cfg.Gate.Down() {
		return false
	}
	r.noteTrouble(re.err)
	since, limit := r.cfg.Gate.Troubled(r.cfg.Policy.MaxThrottleWait)
	if waited := re.at.Sub(since); !since.IsZero() && waited >= limit {
		r.mu.Lock()
		r.stopLocked(&OutageError{Wait: waited, Max: limit, Err: r.lastTrouble})
		r.mu.Unlock()
	}
	for _, j := range u.jobs {
		if r.refund(j); j.unsent > 0 { // it began before the outage
			j.charged--
			j.unsent--
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unsentLast = by.Class == Transient
	unsent := by.Class == Transient && !by.Undone && !by.Final
	if !unsent && r.overdue(u, re.at) {
		for _, j := range u.jobs {
			j.spent = true
		}
		return false
	}
	if !unsent && !u.jobs[0].lookUp && !r.chargedOnce(u, by) {
		if probe {
			r.ahead++
			r.throttling.Store(true)
		}
		return false
	}
	switch {
	case r.cfg.InOrder:
		r.first(u)
	case probe:
		r.tryAnother(u)
	default:
		r.soon(u)
	}
	return true
}

// noteTrouble remembers why the server takes no calls. That a probe was cut short as the run gave up says less than what
// was known before.
func (r *Run) noteTrouble(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lastTrouble == nil || !errors.Is(err, errNoResponse) {
		r.lastTrouble = err
	}
}

// chargedOnce reports whether the items of a unit may be sent again and were charged before: an outage charges them once, and
// is waited for then. The attempt at hand is taken back. One that brought no response in time counts: it may be the item
// that takes so long; and so does one of an item that failed by itself before.
func (r *Run) chargedOnce(u *unit, by Judgement) bool {
	if u.jobs[0].ownTrouble || u.handle != "" || r.cfg.Atomic && len(u.jobs) > 1 || by.Trouble == gate.Silent || by.Trouble == gate.Erring {
		return false
	}
	for _, j := range u.jobs {
		if t := r.traits(j.item); j.charged < 2 || !t.Read && !t.Repeatable {
			return false
		}
	}
	for _, j := range u.jobs {
		j.charged--
		j.bound = j.bound || r.cfg.Traits.WholeOnly && len(u.jobs) > 1
	}
	return true
}

// noteUnsent counts the attempts that failed in a row before anything was sent.
func (j *job) noteUnsent(by Judgement) {
	if by.Class != Transient || by.Trouble == gate.NoTrouble {
		j.unsent = 0
		return
	}
	if j.unsent == 0 {
		j.unsentFrom = j.ended
	}
	j.unsent++
}

// refund takes back what attempts cost that failed before anything was sent, if that was in an outage: when it began, it
// was not known to be one.
func (r *Run) refund(j *job) {
	if j.unsent == 0 {
		return
	}
	from, until := r.cfg.Gate.Outage()
	if !from.IsZero() && !j.unsentFrom.Before(from) && (until.IsZero() || !j.unsentFrom.After(until)) {
		j.charged -= min(j.charged, j.unsent)
		j.unsent, j.troubled = 0, false
	}
}

// allowed reports whether there was a response that was no 403.
func (r *Run) allowed() bool {
	return r.counts[Succeeded].Load() > 0 || r.counts[Skipped].Load() > 0 || r.responded.Load()
}

// noteResponse notes what an error tells of what the server makes of the caller.
func (r *Run) noteResponse(by Judgement, err error) {
	switch {
	case by.Class == Fatal && by.BeforeSuccess:
		r.forbid(err)
	case by.Responded && !by.BeforeSuccess:
		r.responded.Store(true)
	}
}

// forbid notes that a request was refused with 403 before there was any other response.
func (r *Run) forbid(err error) {
	if r.forbidden.Add(1) == 1 {
		r.mu.Lock()
		r.forbiddenErr = err
		r.mu.Unlock()
	}
}

// oneMayBeToBlame reports whether a chunk that was refused with 403 before any other response may have been refused for one
// of its items, and can be divided.
func (r *Run) oneMayBeToBlame(u *unit) bool {
	return !r.allowed() && r.forbidden.Load() < manyForbidden && !r.cfg.InOrder && !r.whole(u)
}

// putOff divides such a chunk. Other requests come first, and the other half before a part of a half: they show whether all
// are refused.
func (r *Run) putOff(u *unit, by Judgement) {
	r.uncharge(u)
	r.park(u)
	for half := range slices.Chunk(u.jobs, (len(u.jobs)+1)/2) {
		r.delay(&unit{jobs: slices.Clone(half)}, putOffFor, by)
	}
}

// allForbidden returns what stops a run all of whose requests were refused with 403, nil when there was another response.
func (r *Run) allForbidden() error {
	if r.forbidden.Load() == 0 || r.allowed() {
		return nil
	}
	return &FatalError{Err: r.forbiddenErr}
}

// outageFor makes the error of a wait for the gate that has been, or would be, too long.
func (r *Run) outageFor(pause *gate.PauseError) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if pause.Trouble != gate.NoTrouble {
		_, limit := r.cfg.Gate.Troubled(r.cfg.Policy.MaxThrottleWait)
		return &OutageError{Wait: pause.Wait, Max: limit, Err: r.lastTrouble}
	}
	return &ThrottledError{Wait: pause.Wait, Max: r.cfg.Policy.MaxThrottleWait, Err: r.lastTrouble}
}

// noResponseError is the error of a probe that brings no response as long as the run waits for the server.
type noResponseError struct{}

var errNoResponse error = noResponseError{}

func (noResponseError) Error() string { return "no response as long as the run waits for the server" }

// Timeout has it judged as any other time-out.
func (noResponseError) Timeout() bool { return true }

// giveUp is when the attempt is cut short, zero when it is not.
func (a *Attempt) giveUp() time.Time { return a.read().giveUp }
