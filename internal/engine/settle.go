package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/windrow-go/windrow/internal/gate"
)

var (
	// ErrOmitted is the error of an item that a short answer left out, where that means that it was not attempted.
	ErrOmitted = errors.New("the server's answer ended before this item: it was not attempted")
	// ErrNotApplied is the error of an item whose answer was lost and which a look-up did not find.
	ErrNotApplied = errors.New("the answer was lost, and a look-up shows that the item was not applied")
)

var (
	// ErrProtocol is matched by the error of a chunk whose answer cannot be matched to its items.
	ErrProtocol = errors.New("windrow: the answer does not fit the request")
	// ErrRolledBack is matched by the error of an item that was not applied because of another item of its request.
	ErrRolledBack = errors.New("windrow: not applied because of another item of the same request")
)

// CountError is the error of a chunk whose answer has the wrong length. It matches [ErrProtocol].
type CountError struct{ Want, Got int }

// Error implements error.
func (e *CountError) Error() string {
	return fmt.Sprintf("the server answered %d results for %d items: no result can be told from another", e.Got, e.Want)
}

// Unwrap makes the error match [ErrProtocol].
func (e *CountError) Unwrap() error { return ErrProtocol }

// reply is what came of sending a unit.
type reply struct {
	attempt  *Attempt
	err      error    // of the request
	handle   string   // what the attempt left for the next one
	answers  *Answers // nil for a single call
	got      int      // how many answers the server gave
	lookedUp bool
	found    bool
	sent, at time.Time
	permit   *gate.Permit
	between  bool // calls have succeeded since the last failure that the gate is told of later
}

// A step is what is done with a job after an attempt.
type step uint8

const (
	end     step = iota // in the state
	again               // after a delay, an attempt charged
	wait                // when the gate opens, no attempt charged
	divide              // in smaller chunks
	lookUp              // ask whether it was applied
	stopRun             // in the state, and so does the run
	soon                // at once, no attempt charged
	unbind              // as one whose chunk may not be sent again
)

// judge asks the configuration what an error is, and applies what only the run knows.
func (r *Run) judge(a *Attempt, err error) Judgement {
	return r.judgedBy(r.cfg.Judge, a, err)
}

// judgedBy asks one of the judges.
func (r *Run) judgedBy(judge func(*Attempt, error) Judgement, a *Attempt, err error) Judgement {
	j := judge(a, err)
	if j.Class == Fatal && j.BeforeSuccess && r.allowed() {
		j.Class = Permanent
	}
	return j
}

// traits returns what the operation on an item is.
func (r *Run) traits(item int) Traits {
	if r.cfg.TraitsOf != nil {
		return r.cfg.TraitsOf(item)
	}
	return r.cfg.Traits
}

// decide is the table of what follows from an error. It changes nothing.
func (r *Run) decide(j *job, by Judgement) (step, State, Reason) {
	t := r.traits(j.item)
	left := int(j.charged) < r.cfg.Policy.MaxAttempts && !j.spent && !by.Final
	maybe := j.maybe && !t.Read
	lost := Failed // what an item ends as when nobody can say whether it was applied
	if maybe || by.Class == Ambiguous && !t.Read || by.Conflict && t.Keyed && by.Class != Permanent {
		lost = Unknown
	}
	switch {
	case by.Skip != NoReason:
		return end, Skipped, by.Skip
	case by.Class != Permanent: // what it was classed as comes before what is guessed
	case (maybe || r.mayBeOld(j, t, by)) && r.noProof(j, t, by):
		return r.doubt(t, by, left), Unknown, NoReason
	case by.NotFound && t.Delete && maybe:
		return end, Succeeded, NoReason // an earlier attempt deleted it
	case by.NotFound && t.Delete:
		return end, Skipped, NotFound
	}
	switch by.Class {
	case Throttled:
		return wait, lost, NoReason
	case Transient:
		if left {
			return again, lost, NoReason
		}
		if lost == Unknown && r.mayLook() && !by.Final {
			return lookUp, Unknown, NoReason
		}
		if by.StopWhenSpent {
			return stopRun, lost, NoReason
		}
		return end, lost, NoReason
	case Ambiguous:
		switch {
		case left && (t.Read || t.Repeatable):
			return again, lost, NoReason
		case lost == Unknown && r.mayLook() && !by.Final:
			return lookUp, Unknown, NoReason
		}
		return end, lost, NoReason
	case TooLarge:
		return divide, Failed, NoReason
	case Fatal:
		if by.BeforeSuccess && r.forbidden.Load() < manyForbidden {
			return end, lost, NoReason // perhaps it is this item only
		}
		return stopRun, lost, NoReason
	default:
		if by.Final || by.BeforeSuccess { // the call broke off before anything was sent, or the caller was refused: not the item
			return end, lost, NoReason
		}
		return end, Failed, NoReason
	}
}

// settle decides what becomes of the items of a unit that was sent.
func (r *Run) settle(u *unit, a *Attempt, re reply) {
	re.attempt = a
	if r.allWell(u, re) {
		r.weigh(u)
		r.noteTaken(u, re)
		r.settleFresh(u, re)
		return
	}
	r.makeJobs(u, re.sent)
	for _, j := range u.jobs {
		j.sent, j.ended, j.open = true, re.at, nil
		r.refund(j)
		if !re.lookedUp {
			j.doubted = re.at
		}
	}
	u.handle = re.handle
	switch {
	case re.lookedUp:
		r.settleLookUp(u, a, re)
	case re.err != nil:
		by := r.judge(a, re.err)
		r.endTrialOf(u, by.Class == TooLarge || by.Class == Throttled)
		r.settleRequest(u, by, re)
	case re.answers == nil:
		r.weigh(u)
		r.noteTaken(u, re)
		r.report(re, gate.Signal{Answered: 1})
		u.jobs[0].charged++
		r.finish(u.jobs[0], Succeeded, NoReason)
	case re.got != len(u.jobs) && !(r.cfg.OmitsTail && re.got < len(u.jobs)):
		re.err, u.handle = &CountError{Want: len(u.jobs), Got: re.got}, ""
		r.settleRequest(u, Judgement{Class: Ambiguous, Kind: System, Final: true}, re)
	case r.contradicts(u, a, re):
		re.err, u.handle = ErrContradiction, ""
		r.settleRequest(u, Judgement{Class: Ambiguous, Kind: System, Final: true}, re)
	default:
		u.handle = ""
		if r.cfg.Atomic {
			r.settleAtomicAnswers(u, a, re)
		} else {
			r.settleAnswers(u, a, re)
		}
	}
}

// report tells the gate what the reply taught.
func (r *Run) report(re reply, s gate.Signal) {
	s.Sent, s.At, s.Latency = re.sent, re.at, re.at.Sub(re.sent)
	r.signal(re.permit, s)
	re.attempt.read().conclude(s)
}

// signalOf is what the error of a request teaches the gate: any response but a throttle shows that the server takes calls.
func (r *Run) signalOf(u *unit, by Judgement, re reply) gate.Signal {
	switch by.Class {
	case Throttled:
		return gate.Signal{Throttled: !r.ownThrottle(u), Hint: by.After}
	case Permanent, TooLarge:
		return gate.Signal{Answered: 1}
	case Transient, Ambiguous:
		return r.troubleOf(u, by, re)
	default:
		return gate.Signal{}
	}
}

// note remembers the error of an attempt, and charges it.
func (r *Run) note(j *job, by Judgement, err error) {
	j.last, j.err = by, err
	r.lost(j, by.Err)
	if by.Class != Throttled {
		j.charged++
	}
	j.noteUnsent(by)
	if by.Class == Ambiguous {
		j.maybe, j.partly = true, false
	}
}

// lost puts beside the error of a job that a function of the caller's did not return, if it did not.
func (r *Run) lost(j *job, failure error) {
	if failure == nil {
		return
	}
	j.err = errors.Join(failure, j.err)
	if r.cfg.KeepPanics && failure != r.cfg.Lost(nil, nil) {
		r.mu.Lock()
		if r.panicked == nil {
			r.panicked = failure
		}
		r.stopLocked(failure)
		r.mu.Unlock()
	}
}

// settleRequest deals with an error of the whole request.
func (r *Run) settleRequest(u *unit, by Judgement, re reply) {
	probe := re.permit.Probe()
	s := r.signalOf(u, by, re)
	if by.Class == Throttled {
		r.concerns(&s, u)
	}
	r.report(re, s)
	if by.Class == Throttled {
		r.throttle(u, by, re, probe, s.Throttled)
		return
	}
	for _, j := range u.jobs {
		r.note(j, by, re.err)
	}
	if by.Trouble != gate.NoTrouble && r.waitOut(u, by, re, probe) {
		return
	}
	r.noteResponse(by, re.err)
	switch n := len(u.jobs); {
	case u.handle != "" && (by.Class == Transient || by.Class == Ambiguous):
		r.settleHandle(u, by)
		return
	case r.cfg.Atomic && n > 1:
		r.settleAtomicRequest(u, by)
		return
	case n > 1 && r.cfg.Traits.WholeOnly && (by.Class == Ambiguous || u.jobs[0].bound):
		r.settleBound(u, by)
		return
	case n > 1 && by.Class == Permanent && by.Skip == NoReason:
		r.refused(u, by)
		return
	case n > 1 && by.BeforeSuccess && r.oneMayBeToBlame(u):
		r.putOff(u, by)
		return
	case n > 1 && by.Class == TooLarge:
		r.uncharge(u)
		r.tooLarge(u, by.MaxItems)
		return
	}
	r.settleEach(u, by)
}

// settleEach decides for each item of a unit by itself.
func (r *Run) settleEach(u *unit, by Judgement) {
	retry := &unit{}
	for _, j := range u.jobs { // jobs of one unit may differ in what happened to them before
		if do, state, reason := r.decide(j, by); do != again {
			r.take(j, do, state, reason)
		} else {
			retry.jobs = append(retry.jobs, j)
		}
	}
	r.park(retry)
	r.retry(retry, by)
}

// settleHandle deals with the error of an attempt that left something for the next one, such as the handle of a job on
// the server: the unit goes on as a whole, whether it may be sent twice or not, since nothing is.
func (r *Run) settleHandle(u *unit, by Judgement) {
	open := &Replay{Handle: u.handle}
	for _, j := range u.jobs {
		open.Items = append(open.Items, j.item)
		j.open = open
	}
	for _, j := range u.jobs {
		if int(j.charged) >= r.cfg.Policy.MaxAttempts || by.Final {
			for _, j := range u.jobs {
				j.spent, j.maybe = true, !r.traits(j.item).Read
				do, state, reason := r.decide(j, by)
				r.take(j, do, state, reason)
			}
			return
		}
	}
	r.retry(u, by)
}

// settleBound deals with an error of a chunk that may have been applied, when only the very same chunk may be sent
// again: it is, or its items are looked up one by one.
func (r *Run) settleBound(u *unit, by Judgement) {
	whole := true
	for _, j := range u.jobs {
		j.bound = true
		do, _, _ := r.decide(j, by)
		whole = whole && do == again
	}
	if whole {
		r.retry(u, by)
		return
	}
	for _, j := range u.jobs {
		r.unbind(j, by)
	}
}

// unbind goes on with one job of a chunk that may not be sent again.
func (r *Run) unbind(j *job, by Judgement) {
	j.spent = true
	if do, state, reason := r.decide(j, by); do == lookUp || by.Skip != NoReason || by.Class == Fatal {
		r.take(j, do, state, reason)
	} else if r.mayLook() && !by.Final {
		r.take(j, lookUp, Unknown, NoReason)
	} else {
		r.finish(j, Unknown, NoReason)
	}
}

// take carries out a step for one job alone.
func (r *Run) take(j *job, do step, state State, reason Reason) {
	switch do {
	case lookUp:
		j.lastWord = j.last.refused() && !j.bound || j.spent && !j.bound || int(j.charged) >= r.cfg.Policy.MaxAttempts
		r.look(j)
	case stopRun:
		r.stop(&FatalError{Err: j.err})
		r.finish(j, state, reason)
	default:
		r.finish(j, state, reason)
	}
}

// throttle puts a unit that the server throttled where it goes first when the gate opens. A server that throttles for
// longer than the run waits ends the run. A chunk that is throttled twice, each time as the first request of a fresh
// window, can never pass: it goes on in halves. heard says that the gate was told: else the throttle is this unit's own.
func (r *Run) throttle(u *unit, by Judgement, re reply, probe, heard bool) {
	r.throttled.Add(1)
	for _, j := range u.jobs {
		j.sent = true
		if !j.lookUp {
			j.last = by
			if re.err != nil {
				j.err = re.err
			}
		}
	}
	r.responded.Store(true)
	limit := r.cfg.Policy.MaxThrottleWait
	first := r.noteThrottle(u.jobs[0], by, re.at)
	if !heard {
		u.jobs[0].alone++
	}
	if r.gaveUp(u.jobs[0], re.at) {
		for _, j := range u.jobs {
			_, state, reason := r.decide(j, by)
			r.finish(j, state, reason)
		}
		return
	}
	since, _ := r.cfg.Gate.Troubled(limit)
	if since.IsZero() || since.After(re.at) { // another call has succeeded meanwhile
		since = re.at
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	last := re.err
	if last == nil {
		last = u.jobs[0].err
	}
	r.lastTrouble = last
	if wait := max(by.After, re.at.Sub(since)+min(by.After, limit)); wait > limit {
		r.stopLocked(&ThrottledError{Wait: wait, Max: limit, Err: last})
	}
	if !heard {
		r.delayOwn(u, re.at, by.After)
		return
	}
	r.throttledUnit(u, probe)
	if first {
		r.refusals++
	}
	r.throttling.Store(true)
	if probe && !r.cfg.InOrder && (len(u.jobs) == 1 || r.whole(u)) {
		r.tryAnother(u)
	} else {
		r.first(u) // and in parts, if it is larger than what may pass by now
	}
}

// notThrottled notes that the server took something.
func (r *Run) notThrottled() {
	r.mu.Lock()
	r.releaseTried()
	r.mu.Unlock()
}

// retry sends jobs again after the longest of their delays and the server's hint.
func (r *Run) retry(u *unit, by Judgement) {
	delay := by.After
	var jobs, spent []*job
	whole := r.whole(u)
	for _, j := range u.jobs {
		if j.delays == nil {
			j.delays = r.cfg.Policy.NewBackOff()
		}
		d := j.delays.NextBackOff()
		if f, ok := j.delays.(interface{ Failure() error }); ok && d < 0 {
			r.lost(j, f.Failure())
		}
		switch {
		case d >= 0:
		case j.lookUp && j.looks == 0: // to look is not to send
			j.lastWord = true
		default: // the strategy has enough: [backoff.Stop]
			spent = append(spent, j)
			continue
		}
		delay = max(delay, d)
		jobs = append(jobs, j)
	}
	if whole && len(spent) > 0 { // as a whole, or not at all
		for _, j := range u.jobs {
			if j.bound {
				r.unbind(j, by)
			} else {
				r.giveUp(j)
			}
		}
		return
	}
	u.intended = u.intended && len(spent) == 0
	if u.jobs = jobs; len(jobs) > 0 {
		r.delay(u, delay, by)
	}
	for _, j := range spent {
		r.giveUp(j)
	}
}

// delay sends a unit after a delay, unless that is longer than the run may wait.
func (r *Run) delay(u *unit, delay time.Duration, by Judgement) {
	limit := r.cfg.Policy.MaxThrottleWait
	r.mu.Lock()
	defer r.mu.Unlock()
	u.at = time.Now().Add(delay)
	u.hasty = r.cfg.Policy.Hasty && by.After == 0 && by.Trouble != gate.NoTrouble && by.Class == Ambiguous
	// The server said when to come back: nothing is gained by waiting for what cannot come in time.
	if by.After > limit {
		r.stopLocked(&ThrottledError{Wait: by.After, Max: limit, Err: u.jobs[0].err})
	} else if deadline, ok := r.ctx.Deadline(); ok && by.After > 0 && deadline.Before(u.at) {
		r.stopLocked(fmt.Errorf("the server asks to wait %v, which would exceed the deadline: %w", by.After, context.DeadlineExceeded))
	}
	r.later(u)
}

// giveUp ends a job whose strategy allows no further attempt.
func (r *Run) giveUp(j *job) {
	if j.lookUp {
		r.finish(j, Unknown, NoReason)
		return
	}
	j.spent = true
	do, state, reason := r.decide(j, j.last)
	r.take(j, do, state, reason)
}

// finish ends a job.
func (r *Run) finish(j *job, s State, reason Reason) {
	if j.last.Class == Ambiguous && (s == Unknown || s == Failed) {
		if r.ctx.Err() != nil {
			r.stop(gate.Ended(r.ctx))
		}
		if r.stopped.Load() {
			r.interrupted.Add(1)
		}
	}
	refused := (j.last.Class == Permanent || j.last.Class == TooLarge) && !j.last.Final
	r.write(j, s, reason, s == Failed && !refused)
	r.conclude(j.item, j.item+1)
	r.tally(s, 1)
}

// abandon ends a job that a stopped run left.
func (r *Run) abandon(j *job) {
	switch {
	case !j.sent: // fresh, or what an earlier run left: its slot says so
		return
	case j.last.BeforeSuccess && !j.maybe: // its chunk was forbidden, as all were
		r.write(j, Failed, NoReason, true)
	case !j.maybe:
		r.write(j, NotAttempted, NoReason, false)
		return
	case r.cfg.Traits.Read:
		r.write(j, Failed, NoReason, true)
	default:
		r.write(j, Unknown, NoReason, false)
	}
	r.counts[r.cfg.Table.At(j.item).State].Add(1)
	r.settled(j.item, j.item+1)
	r.final(j.item, j.item+1)
}

// write fills the job's slot. resend says that the item failed without having been refused.
func (r *Run) write(j *job, s State, reason Reason, resend bool) {
	slot := Slot{State: s, Reason: reason, Attempts: Attempts(j.charged), Elapsed: j.ended.Sub(j.began)}
	switch {
	case s != Succeeded && s != Skipped:
		d := Detail{Err: j.err, Kind: j.last.Kind, Resend: resend, Warnings: j.warnings}
		if s == Unknown {
			d.Open = j.open
		}
		r.cfg.Table.Put(j.item, slot, d)
	case len(j.warnings) > 0:
		r.cfg.Table.Put(j.item, slot, Detail{Warnings: j.warnings})
	default:
		*r.cfg.Table.At(j.item) = slot
	}
}
