package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/windrow-go/windrow/internal/adapt"
)

// throttle queues a throttled unit to go first when the gate opens. Throttling for longer than MaxThrottleWait stops the
// run. A chunk that is throttled twice as the first request of a fresh window goes on in halves, since it may never pass.
// gateTold says that the gate was told of the throttle; otherwise the throttle concerns the unit alone.
func (r *Run) throttle(u *unit, by Judgement, re reply, probe, gateTold bool) {
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
	if !gateTold {
		u.jobs[0].aloneThrottles++
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
	if !gateTold {
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
		r.pushFront(u) // [Run.fit] divides it if it is too large
	}
}

// notThrottled notes that the server took a call.
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
			r.joinFailure(j, f.Failure())
		}
		switch {
		case d >= 0:
		case j.lookUp && j.failedLookUps == 0: // the first look-up is always allowed
			j.noResend = true
		default: // [backoff.Stop]
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
	u.mayHasten = r.cfg.Policy.Hasty && by.After == 0 && by.Trouble != adapt.NoTrouble && by.Class == Ambiguous
	// The server said when to come back. A wait that cannot end in time is not begun.
	if by.After > limit {
		r.stopLocked(&ThrottledError{Wait: by.After, Max: limit, Err: u.jobs[0].err})
	} else if deadline, ok := r.ctx.Deadline(); ok && by.After > 0 && deadline.Before(u.at) {
		r.stopLocked(fmt.Errorf("the server asks to wait %v, which would exceed the deadline: %w", by.After, context.DeadlineExceeded))
	}
	r.pushDelayed(u)
}

// giveUp ends a job whose backoff strategy allows no further attempt, or looks it up.
func (r *Run) giveUp(j *job) {
	if j.lookUp {
		r.finish(j, Unknown, NoReason)
		return
	}
	j.exhausted = true
	do, state, reason := r.decide(j, j.last)
	r.take(j, do, state, reason)
}
