package engine

import (
	"errors"
	"slices"

	"github.com/windrow-go/windrow/internal/adapt"
)

// judged is a job that did not succeed, its judgement, and what follows from it.
type judged struct {
	job     *job
	by      Judgement
	err     error
	omitted bool // the response ended before the item

	do     step
	state  State // of a job that ends
	reason Reason
}

// undone reports whether the item was not applied for a reason other than the item itself.
func (v *judged) undone() bool { return v.omitted || v.by.Undone }

// ends reports whether the job ends.
func (v *judged) ends() bool { return v.do == end || v.do == stopRun }

// readResults ends the items that succeeded, and then judges the others. Successes come first, since a 403 means something
// else after a success.
func (r *Run) readResults(u *unit, a *Attempt, re reply) (bad []*judged, succeeded map[int]bool) {
	if r.cfg.Together {
		succeeded = map[int]bool{}
	}
	var failed []int
	for k, j := range u.jobs {
		answer := re.answers.of(k)
		if k >= re.results || answer.Err != nil {
			failed = append(failed, k)
			continue
		}
		j.charged++
		j.warnings = answer.Warnings
		if succeeded != nil {
			succeeded[j.item] = true
		}
		r.finish(j, state(answer.Reason), answer.Reason)
	}
	for _, k := range failed {
		answer := re.answers.of(k)
		v := &judged{job: u.jobs[k], err: answer.Err, omitted: k >= re.results}
		v.job.warnings = answer.Warnings
		if v.omitted {
			v.err, v.by = ErrOmitted, Judgement{Class: Transient}
		} else {
			v.by = r.judgeItem(a, v.err)
		}
		bad = append(bad, v)
	}
	return bad, succeeded
}

// state returns the state of an item whose result has no error.
func state(reason Reason) State {
	if reason != NoReason {
		return Skipped
	}
	return Succeeded
}

// allWell reports whether all items of a unit are fresh and have succeeded, so that [Run.settleFresh] may end them.
func (r *Run) allWell(u *unit, re reply) bool {
	return re.err == nil && re.answers != nil && len(u.fresh) > 0 && re.results == len(u.fresh) && re.answers.good() &&
		!r.cfg.Atomic && !r.cfg.Together
}

// settleFresh ends the fresh items of a chunk that have all succeeded, without making jobs of them.
func (r *Run) settleFresh(u *unit, re reply) {
	slot, skipped := Slot{State: Succeeded, Attempts: 1, Elapsed: re.at.Sub(re.sent)}, 0
	for _, item := range u.fresh {
		*r.cfg.Table.At(item) = slot
	}
	for k, answer := range re.answers.said {
		slot := slot
		slot.State, slot.Reason = state(answer.Reason), answer.Reason
		if slot.State == Skipped {
			skipped++
		}
		if len(answer.Warnings) > 0 {
			r.cfg.Table.Put(u.fresh[k], slot, Detail{Warnings: answer.Warnings})
		} else {
			*r.cfg.Table.At(u.fresh[k]) = slot
		}
	}
	if r.mustConclude() {
		r.concludeAll(u.fresh)
	}
	if skipped > 0 {
		r.tally(Skipped, skipped)
	}
	if succeeded := len(u.fresh) - skipped; succeeded > 0 {
		r.tally(Succeeded, succeeded)
	}
	r.report(re, adapt.Signal{Answered: 1})
}

// settleResults handles the results of a batch item by item, since the HTTP status of the response says nothing about them.
func (r *Run) settleResults(u *unit, a *Attempt, re reply) {
	r.weigh(u) // before its items end, since in a stream their slots may then be reused
	bad, succeeded := r.readResults(u, a, re)
	moved := len(bad) < len(u.jobs) || slices.ContainsFunc(bad, func(v *judged) bool { return !v.undone() })
	over := r.overtaken(u, succeeded)
	var s adapt.Signal
	if len(bad) < len(u.jobs) {
		s.Answered = 1
		r.noteTaken(u, re)
	}
	r.noteResults(bad, len(u.jobs))
	r.endTrialOf(u, false)
	left := &unit{}
	for _, v := range bad {
		if v.undone() && moved && !v.job.bound { // the request made progress, so the rest is sent again at once
			v.do, v.job.last = soon, v.by
			if !v.omitted {
				v.job.err = v.err
			}
		} else {
			r.decideItem(v, len(u.jobs), over)
		}
		switch {
		case v.do == wait:
			s.Throttled, s.Hint = true, max(s.Hint, v.by.After)
		case v.do != soon && v.do != again:
			s.Answered = 1
		}
		if v.do == unbind {
			r.unbind(v.job, v.by)
		} else if v.ends() || v.do == lookUp {
			r.take(v.job, v.do, v.state, v.reason)
		} else {
			left.jobs = append(left.jobs, v.job)
		}
	}
	r.park(left)
	stays := make(map[*job]bool, len(left.jobs))
	for _, j := range left.jobs {
		stays[j] = true
	}
	groups := map[step]*unit{again: {}, wait: {}, soon: {}}
	var longest Judgement
	for _, v := range bad {
		switch {
		case !stays[v.job]:
		case v.do == divide:
			r.resend(&unit{jobs: []*job{v.job}})
		default:
			g := groups[v.do]
			if g.jobs = append(g.jobs, v.job); v.do == again && (len(g.jobs) == 1 || longest.After < v.by.After) {
				longest = v.by
			}
		}
	}
	probe, blocked := re.permit.Probe(), groups[wait]
	if s.Throttled && len(blocked.jobs) > 0 {
		s.Throttled = !r.ownThrottle(blocked)
		r.setSubject(&s, blocked)
	}
	if s.Throttled {
		if s.Answered > 0 { // only some items were throttled
			s.Partly = true
			r.notThrottled()
		}
		s.Answered = 0
	}
	r.report(re, s)
	r.resend(groups[soon])
	r.retry(groups[again], longest)
	if len(blocked.jobs) > 0 {
		r.throttle(blocked, Judgement{Class: Throttled, After: s.Hint}, re, probe, s.Throttled)
	}
}

// noteResults notes whether the errors of a batch's items show that the server accepts or forbids the caller.
func (r *Run) noteResults(bad []*judged, n int) {
	forbidden := func(v *judged) bool { return v.by.Class == Fatal && v.by.BeforeSuccess }
	if len(bad) == n && !slices.ContainsFunc(bad, func(v *judged) bool { return !forbidden(v) }) {
		r.forbid(bad[0].err)
	} else if slices.ContainsFunc(bad, func(v *judged) bool { return v.by.Responded && !v.by.BeforeSuccess }) {
		r.responded.Store(true)
	}
}

// decideItem decides what follows for a job in a chunk of n items, some of which were overtaken by others.
func (r *Run) decideItem(v *judged, n int, overtaken map[int]bool) {
	j := v.job
	r.note(j, v.by, v.err)
	if n > 1 && r.cfg.Traits.WholeOnly && v.by.Class == Ambiguous {
		j.bound = true
	}
	v.do, v.state, v.reason = r.decide(j, v.by)
	if n > 1 && r.cfg.Traits.WholeOnly && v.by.Class == Permanent && v.do == again {
		j.bound = true // sent alone it would have another idempotency key
	}
	switch {
	case v.ends():
	case overtaken[j.item]:
		j.exhausted = true // it may still be looked up
		if v.do != lookUp {
			v.do, j.err = end, errors.Join(ErrOvertaken, j.err)
		}
	case j.bound:
		v.do = unbind
	case v.do == divide && n == 1:
		v.do = end
	case v.do == divide:
		j.charged-- // it is sent alone
	}
}
