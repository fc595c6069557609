package engine

// A step is what the engine does with a job after an attempt.
type step uint8

const (
	end     step = iota // end in the state
	again               // send again after a delay; an attempt was charged
	wait                // send again when the gate opens; no attempt was charged
	divide              // send again in smaller chunks
	lookUp              // ask the server whether it was applied
	stopRun             // end in the state, and stop the run
	soon                // send again at once; no attempt was charged
	unbind              // go on alone, since its chunk may not be sent again
)

// judge classifies an error by the configured Judge, and by what only the run knows.
func (r *Run) judge(a *Attempt, err error) Judgement {
	return r.judgedBy(r.cfg.Judge, a, err)
}

// judgedBy is judge with a choice of the judge.
func (r *Run) judgedBy(judge func(*Attempt, error) Judgement, a *Attempt, err error) Judgement {
	j := judge(a, err)
	if j.Class == Fatal && j.BeforeSuccess && r.allowed() {
		j.Class = Permanent
	}
	return j
}

// traits returns the traits of the operation on an item.
func (r *Run) traits(item int) Traits {
	if r.cfg.TraitsOf != nil {
		return r.cfg.TraitsOf(item)
	}
	return r.cfg.Traits
}

// decide returns the step that follows from an error, and for a job that ends its state and reason. It changes nothing.
func (r *Run) decide(j *job, by Judgement) (step, State, Reason) {
	t := r.traits(j.item)
	left := int(j.charged) < r.cfg.Policy.MaxAttempts && !j.exhausted && !by.Final
	maybe := j.maybeApplied && !t.Read
	lost := Failed // the state if the item ends: Unknown when it may have been applied
	if maybe || by.Class == Ambiguous && !t.Read || by.Conflict && t.Keyed && by.Class != Permanent {
		lost = Unknown
	}
	switch {
	case by.Skip != NoReason:
		return end, Skipped, by.Skip
	case by.Class != Permanent: // the class decides; the guesses below are for refusals
	case (maybe || r.mayBeOld(j, t, by)) && r.noProof(j, t, by):
		return r.stepWithoutProof(t, by, left), Unknown, NoReason
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
			return end, lost, NoReason // perhaps only this item is forbidden
		}
		return stopRun, lost, NoReason
	default:
		if by.Final || by.BeforeSuccess { // nothing was sent, or the caller was refused, not the item
			return end, lost, NoReason
		}
		return end, Failed, NoReason
	}
}
