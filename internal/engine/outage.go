package engine

import (
	"errors"
	"math"
	"slices"
	"time"

	"github.com/windrow-go/windrow/internal/adapt"
	"github.com/windrow-go/windrow/internal/gate"
)

// In an outage the gate is shut and items wait. An item that was provably not sent is not charged, and is sent when the
// gate opens. An item that may have been applied is charged once, and is then sent again or looked up, if it may be.
// Probes cost no token of the retry budget, since one at a time does not multiply the load.

// manyForbidden is how many requests must be refused with 403, before any other response, for the caller to be forbidden
// rather than the items.
const manyForbidden = 3

// forbiddenDelay delays the halves of a chunk that was refused with 403 before any other response. It exceeds the usual difference between the durations of two requests.
const forbiddenDelay = time.Second

const (
	// fewRequests is how many requests a run may have left for their failures to be ambiguous: an outage looks the same as
	// requests that fail by themselves, since no others can succeed.
	fewRequests = 2
	// lastPatience is how long such requests are retried, and openPatience the same in a stream that is still fed, whose
	// source may be waiting for them.
	lastPatience, openPatience = 15 * time.Second, time.Minute
)

// troubleOf returns the signal of a request that failed without proof that the server takes calls.
func (r *Run) troubleOf(u *unit, by Judgement, re reply) adapt.Signal {
	s := adapt.Signal{Trouble: by.Trouble, Detail: by.Detail, Host: by.Host, Between: re.between}
	if s.Trouble == adapt.NoTrouble {
		return s
	}
	first := u.jobs[0]
	if by.Class == Ambiguous && r.ownTrouble(first) && !re.permit.Probe() { // a refused connection is no item's fault
		return adapt.Signal{Between: re.between}
	}
	t := r.traits(first.item)
	s.Subject = adapt.Subject{Of: r, Item: first.item}
	s.Each = first.lookUp
	s.Looked = first.lookUp
	s.Unsent = by.Class == Transient
	s.Left = r.chunksOf(r.unended())
	if r.cfg.InOrder || r.canary.Load() {
		s.Left = 1 // one request at a time
	}
	s.Burns = by.Class == Ambiguous && !first.lookUp && !t.Read
	return s
}

// ownTrouble reports whether the item itself is likely to cause its failures: others succeeded between two of them. Once
// true it stays true, since at the end of a run there may be no others.
func (r *Run) ownTrouble(j *job) bool {
	passed := r.counts[Succeeded].Load()
	j.ownTrouble = j.ownTrouble || j.troubled && r.chunksOf(int(passed-j.passedTrouble)) >= minOthersPassed
	j.troubled, j.passedTrouble = true, passed
	return j.ownTrouble
}

// overdue reports whether a unit is one of the last few requests of a run whose others succeeded, and has failed for so
// long that it is given up. It is not asked for units that were not sent, which wait as long as the run does.
func (r *Run) overdue(u *unit, at time.Time) bool {
	left, patience := r.chunksOf(r.unended()), lastPatience
	if r.total.Load() == math.MaxInt64 {
		patience = openPatience
	}
	return left <= fewRequests && r.chunksOf(int(r.counts[Succeeded].Load())) > left && !u.jobs[0].lookUp && at.Sub(u.jobs[0].began) > patience
}

// unended returns how many items have not ended; of a stream, of the items fed so far.
func (r *Run) unended() int {
	total := r.total.Load()
	if r.cfg.Stream {
		total = min(total, max(r.openTo.Load()&^closedBit, 0))
	}
	return int(total - r.ended.Load())
}

// chunksOf returns how many requests carry so many items.
func (r *Run) chunksOf(items int) int {
	size := max(1, r.cfg.ChunkItems)
	return (items + size - 1) / size
}

// waitOut queues a unit until an outage ends, if the attempt need not count, and reports false otherwise. An outage that is
// longer than the run waits stops the run.
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
		if r.refund(j); j.unsent > 0 { // its unsent attempts began before the outage
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
			j.exhausted = true
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
		r.pushFront(u)
	case probe:
		r.tryAnother(u)
	default:
		r.pushReady(u)
	}
	return true
}

// noteTrouble records why the server takes no calls. errNoResponse does not replace an earlier error, which says more.
func (r *Run) noteTrouble(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lastTrouble == nil || !errors.Is(err, errNoResponse) {
		r.lastTrouble = err
	}
}

// chargedOnce reports whether the items of a unit may be sent again and were charged before, since an outage charges them
// once; then it takes back the charge of this attempt. An attempt without a response in time counts, since the item itself
// may take so long; so does one of an item that failed by itself before.
func (r *Run) chargedOnce(u *unit, by Judgement) bool {
	if u.jobs[0].ownTrouble || u.handle != "" || r.cfg.Atomic && len(u.jobs) > 1 || by.Trouble == adapt.Silent || by.Trouble == adapt.Erring {
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
	if by.Class != Transient || by.Trouble == adapt.NoTrouble {
		j.unsent = 0
		return
	}
	if j.unsent == 0 {
		j.unsentFrom = j.ended
	}
	j.unsent++
}

// refund takes back the charges of attempts that failed before anything was sent, if they lie in an outage: the first
// failures of an outage are charged before it is recognised.
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

// allowed reports whether a response other than 403 has come.
func (r *Run) allowed() bool {
	return r.counts[Succeeded].Load() > 0 || r.counts[Skipped].Load() > 0 || r.responded.Load()
}

// noteResponse notes whether an error shows that the server accepts or forbids the caller.
func (r *Run) noteResponse(by Judgement, err error) {
	switch {
	case by.Class == Fatal && by.BeforeSuccess:
		r.forbid(err)
	case by.Responded && !by.BeforeSuccess:
		r.responded.Store(true)
	}
}

// forbid counts a request that was refused with 403 before any other response.
func (r *Run) forbid(err error) {
	if r.forbidden.Add(1) == 1 {
		r.mu.Lock()
		r.forbiddenErr = err
		r.mu.Unlock()
	}
}

// oneMayBeToBlame reports whether a chunk that was refused with 403 before any other response can be divided, since one of
// its items may be the cause. Another response may have come since the 403 was judged.
func (r *Run) oneMayBeToBlame(u *unit) bool {
	return (r.allowed() || r.forbidden.Load() < manyForbidden) && !r.cfg.InOrder && !r.whole(u)
}

// putOff divides such a chunk and delays its halves. Other requests go first, and each half before parts of the other: they
// show whether every request is refused.
func (r *Run) putOff(u *unit, by Judgement) {
	r.uncharge(u)
	r.park(u)
	for half := range slices.Chunk(u.jobs, (len(u.jobs)+1)/2) {
		r.delay(&unit{jobs: slices.Clone(half)}, forbiddenDelay, by)
	}
}

// allForbidden returns the error of a run all of whose requests were refused with 403, nil when another response came.
func (r *Run) allForbidden() error {
	if r.forbidden.Load() == 0 || r.allowed() {
		return nil
	}
	return &FatalError{Err: r.forbiddenErr}
}

// outageFor makes the run's error from a wait for the gate that was, or would be, too long.
func (r *Run) outageFor(pause *gate.PauseError) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if pause.Trouble != adapt.NoTrouble {
		_, limit := r.cfg.Gate.Troubled(r.cfg.Policy.MaxThrottleWait)
		return &OutageError{Wait: pause.Wait, Max: limit, Err: r.lastTrouble}
	}
	return &ThrottledError{Wait: pause.Wait, Max: r.cfg.Policy.MaxThrottleWait, Err: r.lastTrouble, ByUser: pause.ByUser}
}

// noResponseError is the error of a probe that has no response within the time that the run waits for the server.
type noResponseError struct{}

var errNoResponse error = noResponseError{}

func (noResponseError) Error() string { return "no response as long as the run waits for the server" }

// Timeout makes it be judged like any other time-out.
func (noResponseError) Timeout() bool { return true }

// giveUp returns when the attempt is cut short, zero when it is not.
func (a *Attempt) giveUp() time.Time { return a.read().giveUp }
