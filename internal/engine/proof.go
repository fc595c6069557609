package engine

import (
	"fmt"
	"slices"
)

// This file decides what proves that an item was applied, or was not. After an attempt that may have been applied, a refusal
// proves little: the server may refuse the repetition because the first attempt was applied.

// ErrContradiction is the error of a chunk that the server applies as a whole, when its response says that some items were
// applied and others were not. It matches [ErrProtocol].
var ErrContradiction = fmt.Errorf("%w: some items succeeded and some failed, where all or none are applied", ErrProtocol)

// judgeItem is [Run.judge] for the error of one item in a response.
func (r *Run) judgeItem(a *Attempt, err error) Judgement {
	if r.cfg.JudgeItem == nil {
		return r.judge(a, err)
	}
	return r.judgedBy(r.cfg.JudgeItem, a, err)
}

// noProof reports whether a refusal does not prove whether an earlier attempt applied the item. A repeated create finds the
// record that it made, and a repeated delete no longer finds it; servers report that in many ways. An update or upsert that
// is invalid was invalid the first time too. A delete whose chunk was refused is sent alone, and that response counts.
func (r *Run) noProof(j *job, t Traits, by Judgement) bool {
	switch {
	case by.Cut, by.Conflict:
		return true
	case t.Delete:
		return by.Invalid && !j.maybeByRefusal
	default:
		return t.Create && (by.Exists || by.Invalid || by.Plain)
	}
}

// mayBeOld reports whether an earlier run may have made the item although no record says that it was sent: a run with the
// same idempotency key, or one that lost its intents to a power loss, since those of repeatable writes need not be durable.
// The second case is rare, so there "invalid" is taken literally unless the item can be looked up.
func (r *Run) mayBeOld(j *job, t Traits, by Judgement) bool {
	switch {
	case !by.Exists || !t.Create || !t.Repeatable:
		return false
	case r.cfg.Resumed != nil && r.cfg.Resumed():
		return !by.Invalid || r.mayLook()
	}
	return t.Keyed && r.cfg.KeptKey != nil && r.cfg.KeptKey(j.item)
}

// stepWithoutProof returns the step for an item about which a refusal proves nothing.
func (r *Run) stepWithoutProof(t Traits, by Judgement, left bool) step {
	switch {
	case left && by.Cut && t.Repeatable:
		return again
	case r.mayLook() && !by.Final:
		return lookUp // most likely the record is the item's own
	case left && by.Conflict && t.Keyed: // the first request may still be under way
		return again
	default:
		return end
	}
}

// repeats reports whether a refused chunk is sent again unchanged, or would be if it had attempts left, instead of being
// sent in parts.
func (r *Run) repeats(u *unit, by Judgement) bool {
	if by.Cut && slices.ContainsFunc(u.jobs, func(j *job) bool { return j.maybeApplied && !r.traits(j.item).Read }) {
		return true
	}
	return !slices.ContainsFunc(u.jobs, func(j *job) bool { do, _, _ := r.decide(j, by); return do != again })
}

// mayBePartlyApplied reports whether the server may have applied some items of a chunk that it refused.
func (r *Run) mayBePartlyApplied(by Judgement) bool {
	return !r.cfg.AllOrNothing && !by.Whole && !by.NotFound
}

// movable reports whether an item may be sent again in a different request from the one that may have applied it. An
// idempotency key protects a create only in the identical request.
func movable(t Traits) bool { return t.Repeatable && !(t.WholeOnly && t.Create) }

// doubtful notes that the items of a refused chunk may have been applied. Items that must not be sent again in parts of the
// chunk leave the unit: they are looked up, or end.
func (r *Run) doubtful(u *unit, by Judgement) {
	u.jobs = slices.DeleteFunc(slices.Clone(u.jobs), func(j *job) bool {
		t := r.traits(j.item)
		if t.Read {
			return false
		}
		j.maybeByRefusal = j.maybeByRefusal || !j.maybeApplied
		if j.maybeApplied = true; movable(t) {
			return false
		}
		j.bound = t.WholeOnly
		if !r.mayLook() || by.Final {
			j.charged++ // it is not sent again
			r.finish(j, Unknown, NoReason)
			return true
		}
		r.queueLookUp(j)
		return true
	})
}

// contradicts reports whether a response says that some items of a chunk were applied and others were not, though the
// server applies all or none. A success with a warning is no contradiction, since the client is aware of it.
func (r *Run) contradicts(u *unit, a *Attempt, re reply) bool {
	if !r.cfg.AllOrNothing || len(u.jobs) < 2 || re.answers.good() {
		return false
	}
	applied, refused := false, false
	for k, j := range u.jobs[:re.results] {
		answer := re.answers.of(k)
		if answer.Err == nil {
			applied = applied || answer.Reason == NoReason && len(answer.Warnings) == 0
			continue
		}
		by := r.judgeItem(a, answer.Err)
		refused = refused || by.Skip == NoReason && !(by.NotFound && r.traits(j.item).Delete)
	}
	return applied && refused
}
