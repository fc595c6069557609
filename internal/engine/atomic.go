package engine

import (
	"errors"
	"slices"

	"github.com/windrow-go/windrow/internal/adapt"
)

// An atomic run sends all its items in one request, of which the server applies all or none. A refused request is never
// sent in parts.

// settleAtomicRequest handles an error of the request.
func (r *Run) settleAtomicRequest(u *unit, by Judgement) {
	open := slices.ContainsFunc(u.jobs, func(j *job) bool { return j.maybeApplied && r.noProof(j, r.traits(j.item), by) })
	switch {
	case (by.Class == Permanent || by.Class == TooLarge) && !open:
		bad := by.BadItem - 1
		for k, j := range u.jobs {
			if k == bad {
				do, state, reason := r.decide(j, by)
				if do == divide { // there is no smaller request
					do = end
				}
				r.take(j, do, state, reason)
			} else {
				r.rollBack(j, j.err)
			}
		}
	default:
		if !slices.ContainsFunc(u.jobs, func(j *job) bool { do, _, _ := r.decide(j, by); return do != again }) {
			r.retry(u, by)
			return
		}
		for _, j := range u.jobs {
			j.exhausted = true
			do, state, reason := r.decide(j, by)
			r.take(j, do, state, reason)
		}
	}
}

// settleAtomicResults handles a response with a result for each item. If every item may be sent again, the request is sent
// again as a whole; otherwise the items that would have been sent again are rolled back.
func (r *Run) settleAtomicResults(u *unit, a *Attempt, re reply) {
	bad, _ := r.readResults(u, a, re)
	r.noteResults(bad, len(u.jobs))
	whole := len(bad) == len(u.jobs)
	longest := Judgement{Class: Transient}
	for _, v := range bad {
		if r.note(v.job, v.by, v.err); v.by.Class == Ambiguous && !r.traits(v.job.item).Read {
			v.job.exhausted = true // the results of the other items are final
		}
		if v.do, v.state, v.reason = r.decide(v.job, v.by); v.do == divide { // there is no smaller request
			v.do = end
		}
		whole = whole && (v.do == again || v.do == wait)
		if v.do == wait {
			longest.Class = Throttled
		}
		longest.After = max(longest.After, v.by.After)
	}
	if whole && len(bad) > 0 {
		if longest.Class == Throttled {
			probe := re.permit.Probe()
			r.report(re, adapt.Signal{Throttled: true, Hint: longest.After})
			r.throttle(u, longest, re, probe, true)
		} else {
			r.report(re, adapt.Signal{Answered: 1})
			r.retry(u, longest)
		}
		return
	}
	r.report(re, adapt.Signal{Answered: 1})
	rolledBack := func(v *judged) bool { return v.do != lookUp && (v.undone() || !v.ends()) }
	if slices.ContainsFunc(bad, rolledBack) {
		blamed := bad[max(0, slices.IndexFunc(bad, func(v *judged) bool { return !rolledBack(v) }))]
		r.stop(&RefusedError{blamed.err})
	}
	for _, v := range bad {
		if rolledBack(v) {
			r.rollBack(v.job, v.err)
		} else {
			r.take(v.job, v.do, v.state, v.reason)
		}
	}
}

// rollBack ends a job that was not applied because another was refused, and stops the run.
func (r *Run) rollBack(j *job, err error) {
	refused := &RefusedError{err}
	r.stop(refused)
	if j.err = err; !errors.Is(err, ErrRolledBack) {
		j.err = refused
	}
	r.write(j, NotAttempted, NoReason, false)
	r.tally(NotAttempted, 1)
}

// RefusedError is the error of items that were refused as a whole. It matches [ErrRolledBack].
type RefusedError struct{ Err error } // the error of the item to blame, or of the request

// Error implements error.
func (e *RefusedError) Error() string {
	return "the server refused the items as a whole, and applied none: " + e.Err.Error()
}

// Unwrap returns the error, and makes it match [ErrRolledBack].
func (e *RefusedError) Unwrap() []error { return []error{ErrRolledBack, e.Err} }
