package engine

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
