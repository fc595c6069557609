package engine

import (
	"fmt"
	"slices"
)

// What proves that an item was applied, or was not. After an attempt that may have been applied a refusal says little:
// the server may refuse the repetition because the first attempt got through.

// ErrContradiction is the error of a chunk that the server was to apply as a whole, and of which it says that some items
// were applied and others were not. It matches [ErrProtocol].
var ErrContradiction = fmt.Errorf("%w: some items succeeded and some failed, where all or none are applied", ErrProtocol)

// judgeItem is [Run.judge] for the error of one item in an answer.
func (r *Run) judgeItem(a *Attempt, err error) Judgement {
	if r.cfg.JudgeItem == nil {
		return r.judge(a, err)
	}
	return r.judgedBy(r.cfg.JudgeItem, a, err)
}

// noProof reports whether a refusal leaves open what became of an item that an earlier attempt may have applied. Creates and
// deletes meet a record that their own attempt made or took away, and servers have many words for that; an update and an
// upsert that are invalid the second time were so the first time. A delete whose chunk was refused is sent by itself to
// learn whether it was to blame, and what is said of it then is taken for its answer.
func (r *Run) noProof(j *job, t Traits, by Judgement) bool {
	switch {
	case by.Cut, by.Conflict:
		return true
	case t.Delete:
		return by.Invalid && !j.partly
	default:
		return t.Create && (by.Exists || by.Invalid || by.Plain)
	}
}

// mayBeOld reports whether an item that may be sent twice may have been made by an earlier run of which nothing says that
// it was sent: one with the same idempotency key, or one whose journal has forgotten it, since a power loss takes the
// intents that need not be durable. That is rare: there "invalid" means what it says, unless it can be looked up.
func (r *Run) mayBeOld(j *job, t Traits, by Judgement) bool {
	switch {
	case !by.Exists || !t.Create || !t.Repeatable:
		return false
	case r.cfg.Resumed != nil && r.cfg.Resumed():
		return !by.Invalid || r.mayLook()
	}
	return t.Keyed && r.cfg.KeptKey != nil && r.cfg.KeptKey(j.item)
}

// doubt says how to go on with an item of which a refusal proves nothing.
func (r *Run) doubt(t Traits, by Judgement, left bool) step {
	switch {
	case left && by.Cut && t.Repeatable:
		return again
	case r.mayLook() && !by.Final:
		return lookUp // most likely its own: read it back
	case left && by.Conflict && t.Keyed: // the first request may still be at work
		return again
	default:
		return end
	}
}

// repeats reports whether a chunk that was refused is sent again as it is, or would be if it had attempts left: there is
// nothing to find out by sending parts of it.
func (r *Run) repeats(u *unit, by Judgement) bool {
	if by.Cut && slices.ContainsFunc(u.jobs, func(j *job) bool { return j.maybe && !r.traits(j.item).Read }) {
		return true
	}
	return !slices.ContainsFunc(u.jobs, func(j *job) bool { do, _, _ := r.decide(j, by); return do != again })
}

// partly reports whether the server may have applied some items of a chunk that it refused.
func (r *Run) partly(by Judgement) bool { return !r.cfg.AllOrNothing && !by.Whole && !by.NotFound }

// movable reports whether it is harmless to send an item again in another request than the one that may have applied it.
// An idempotency key protects a create in the very same request only.
func movable(t Traits) bool { return t.Repeatable && !(t.WholeOnly && t.Create) }

// doubtful notes that the items of a refused chunk may have been applied. Those that must not be sent again in parts of it
// leave the unit: they are looked up, or end.
func (r *Run) doubtful(u *unit, by Judgement) {
	u.jobs = slices.DeleteFunc(slices.Clone(u.jobs), func(j *job) bool {
		t := r.traits(j.item)
		if t.Read {
			return false
		}
		j.partly = j.partly || !j.maybe
		if j.maybe = true; movable(t) {
			return false
		}
		j.bound = t.WholeOnly
		if !r.mayLook() || by.Final {
			j.charged++ // it is not sent again
			r.finish(j, Unknown, NoReason)
			return true
		}
		r.look(j)
		return true
	})
}

// contradicts reports whether an answer says of a chunk that is applied as a whole that some items were applied and some
// were not. A client that warns of it beside an item knows what it says.
func (r *Run) contradicts(u *unit, a *Attempt, re reply) bool {
	if !r.cfg.AllOrNothing || len(u.jobs) < 2 || re.answers.good() {
		return false
	}
	applied, refused := false, false
	for k, j := range u.jobs[:re.got] {
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
