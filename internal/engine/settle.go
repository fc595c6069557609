package engine

import (
	"errors"
	"time"

	"github.com/windrow-go/windrow/internal/adapt"
	"github.com/windrow-go/windrow/internal/gate"
)

// reply is the result of sending a unit.
type reply struct {
	attempt  *Attempt
	err      error    // of the request
	handle   string   // what the attempt left for the next one
	answers  *Answers // nil for a single call
	results  int      // for how many items the response has a result
	lookedUp bool
	found    bool
	sent, at time.Time
	permit   *gate.Permit
	between  bool // calls have succeeded since the last failure; the gate is told of them later
}

// settle decides what happens to the items of a unit that was sent.
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
		r.report(re, adapt.Signal{Answered: 1})
		u.jobs[0].charged++
		r.finish(u.jobs[0], Succeeded, NoReason)
	case re.results != len(u.jobs) && !(r.cfg.OmitsTail && re.results < len(u.jobs)):
		re.err, u.handle = &CountError{Want: len(u.jobs), Got: re.results}, ""
		r.settleRequest(u, Judgement{Class: Ambiguous, Kind: System, Final: true}, re)
	case r.contradicts(u, a, re):
		re.err, u.handle = ErrContradiction, ""
		r.settleRequest(u, Judgement{Class: Ambiguous, Kind: System, Final: true}, re)
	default:
		u.handle = ""
		if r.cfg.Atomic {
			r.settleAtomicResults(u, a, re)
		} else {
			r.settleResults(u, a, re)
		}
	}
}

// report passes the signal of a reply to the gate.
func (r *Run) report(re reply, s adapt.Signal) {
	s.Sent, s.At, s.Latency = re.sent, re.at, re.at.Sub(re.sent)
	r.signal(re.permit, s)
	re.attempt.read().conclude(s)
}

// signalOf returns the signal for the error of a request. Any response but a throttle shows that the server takes calls.
func (r *Run) signalOf(u *unit, by Judgement, re reply) adapt.Signal {
	switch by.Class {
	case Throttled:
		return adapt.Signal{Throttled: !r.ownThrottle(u), Hint: by.After}
	case Permanent, TooLarge:
		return adapt.Signal{Answered: 1}
	case Transient, Ambiguous:
		return r.troubleOf(u, by, re)
	default:
		return adapt.Signal{}
	}
}

// note records the error of an attempt in its job, and charges the attempt unless it was throttled.
func (r *Run) note(j *job, by Judgement, err error) {
	j.last, j.err = by, err
	r.joinFailure(j, by.Err)
	if by.Class != Throttled {
		j.charged++
	}
	j.noteUnsent(by)
	if by.Class == Ambiguous {
		j.maybeApplied, j.maybeByRefusal = true, false
	}
}

// joinFailure joins the failure of a function of the caller's, such as a panic, to the error of a job.
func (r *Run) joinFailure(j *job, failure error) {
	if failure == nil {
		return
	}
	j.err = errors.Join(failure, j.err)
	if failure != r.cfg.Lost(nil, nil) {
		r.keepPanic(failure)
	}
}

// settleRequest handles an error of the whole request.
func (r *Run) settleRequest(u *unit, by Judgement, re reply) {
	probe := re.permit.Probe()
	s := r.signalOf(u, by, re)
	if by.Class == Throttled {
		r.setSubject(&s, u)
	}
	r.report(re, s)
	if by.Class == Throttled {
		r.throttle(u, by, re, probe, s.Throttled)
		return
	}
	for _, j := range u.jobs {
		r.note(j, by, re.err)
	}
	if by.Trouble != adapt.NoTrouble && r.waitOut(u, by, re, probe) {
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

// settleEach decides for each item of a unit separately.
func (r *Run) settleEach(u *unit, by Judgement) {
	retry := &unit{}
	for _, j := range u.jobs { // jobs of one unit may have different histories
		if do, state, reason := r.decide(j, by); do != again {
			r.take(j, do, state, reason)
		} else {
			retry.jobs = append(retry.jobs, j)
		}
	}
	r.park(retry)
	r.retry(retry, by)
}

// settleHandle handles the error of an attempt that left a handle for the next one, such as a job's ID on the server. The
// unit goes on as a whole even if it must not be sent twice, since the next attempt sends nothing twice.
func (r *Run) settleHandle(u *unit, by Judgement) {
	open := &Replay{Handle: u.handle}
	for _, j := range u.jobs {
		open.Items = append(open.Items, j.item)
		j.open = open
	}
	for _, j := range u.jobs {
		if int(j.charged) >= r.cfg.Policy.MaxAttempts || by.Final {
			for _, j := range u.jobs {
				j.exhausted, j.maybeApplied = true, !r.traits(j.item).Read
				do, state, reason := r.decide(j, by)
				r.take(j, do, state, reason)
			}
			return
		}
	}
	r.retry(u, by)
}

// settleBound handles an error of a chunk that may have been applied and may be sent again only with the same items. The
// chunk is sent again, or else its items are looked up one by one.
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

// unbind goes on with one job of a chunk that may not be sent again: it is looked up, or ends.
func (r *Run) unbind(j *job, by Judgement) {
	j.exhausted = true
	if do, state, reason := r.decide(j, by); do == lookUp || by.Skip != NoReason || by.Class == Fatal {
		r.take(j, do, state, reason)
	} else if r.mayLook() && !by.Final {
		r.take(j, lookUp, Unknown, NoReason)
	} else {
		r.finish(j, Unknown, NoReason)
	}
}

// take carries out a step for one job.
func (r *Run) take(j *job, do step, state State, reason Reason) {
	switch do {
	case lookUp:
		j.noResend = j.last.mayExist() && !j.bound || j.exhausted && !j.bound || int(j.charged) >= r.cfg.Policy.MaxAttempts
		r.queueLookUp(j)
	case stopRun:
		r.stop(&FatalError{Err: j.err})
		r.finish(j, state, reason)
	default:
		r.finish(j, state, reason)
	}
}
