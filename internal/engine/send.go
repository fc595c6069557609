package engine

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/windrow-go/windrow/internal/adapt"
	"github.com/windrow-go/windrow/internal/contain"
	"github.com/windrow-go/windrow/internal/gate"
)

// send makes the request of a unit.
func (w *worker) send(u *unit) {
	r := w.run
	if r.ending() {
		r.putBack(u)
		return
	}
	if u.looksUp() {
		r.gatherLookUps(u)
	} else {
		r.fillUp(u)
		r.fit(u, w.permit.Probe())
	}
	items, number, lookUp, sent := u.items(), uint32(1), false, false
	if u.fresh == nil {
		first := u.jobs[0]
		number, lookUp, sent = first.charged+1, first.lookUp, first.sent
	}
	a := r.newAttempt(items[0], number)
	if u.fresh == nil && u.jobs[0].ownWait > 0 {
		a.write().alone.Store(true)
	}
	if w.permit.Probe() {
		w.probing(a)
	}
	if u.handle != "" {
		a.SetHandle(u.handle)
	}
	switch {
	case r.cfg.Hooks.Intend == nil || lookUp:
	case u.intended:
		a.write().intended.Store(true)
	case !r.intend(a, items):
		r.putBack(u)
		return
	default:
		u.intended = a.Intended()
	}
	re := reply{permit: &w.permit, sent: time.Now()}
	defer func() {
		re.at = time.Now()
		r.requests.Add(1)
		if sent {
			r.retries.Add(1)
		}
		re.handle = a.Handle()
		r.settle(u, a, re)
	}()
	calling := true
	defer contain.Recover(&calling, func(value any, stack []byte) { re.err = r.lost(value, stack) })
	if !sent {
		for _, j := range u.jobs {
			j.began = re.sent
		}
	}
	switch {
	case lookUp:
		re.err = r.lookUpAll(a, items, &re)
	case r.cfg.Batch != nil && (len(items) > 1 || r.cfg.Call == nil):
		a.write().items = items
		answers := &Answers{items: len(items)}
		re.err = r.watched(a, func(ctx context.Context) (err error) {
			re.results, err = r.cfg.Batch(ctx, items, answers)
			return err
		})
		re.answers = answers
	default:
		re.err = r.single(a, items[0])
	}
	calling = false
}

// call makes a single call.
func (r *Run) call(a *Attempt, item int) error {
	return r.watched(a, func(ctx context.Context) error { return r.cfg.Call(ctx, item) })
}

// watched makes a call with its timeout and the Attempt hook.
func (r *Run) watched(a *Attempt, call func(context.Context) error) (err error) {
	var ctx context.Context = a
	calling := true
	if r.cfg.Hooks.Attempt != nil {
		var end func(error)
		ctx, end = r.cfg.Hooks.Attempt(ctx, a)
		defer func() { end(err) }()
		defer contain.Recover(&calling, func(value any, stack []byte) {
			if err = r.cfg.Lost(value, stack); value != nil {
				panic(value) // the stack is still intact for the Recover that makes the item's error
			}
		})
	}
	if r.cfg.AttemptTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, r.cfg.AttemptTimeout, r.cfg.TimeoutCause)
		defer cancel()
	}
	if at := a.giveUp(); !at.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, at, errNoResponse)
		defer cancel()
	}
	err = call(ctx)
	if cause := context.Cause(ctx); err != nil && cause != nil && (errors.Is(cause, r.cfg.TimeoutCause) || cause == errNoResponse) {
		a.write().expired.Store(true)
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
			err = cause // otherwise it looks like the caller's own deadline
		}
	}
	calling = false
	return err
}

// cost returns the quota units of a request.
func (r *Run) cost(items int) int {
	if r.cfg.Cost == nil {
		return 1
	}
	return max(1, r.cfg.Cost(items))
}

// signal passes a signal to the gate, and gives the permit back unless it is leased.
func (r *Run) signal(p *gate.Permit, s adapt.Signal) {
	if p.Held() && !p.Leased() {
		r.cfg.Gate.Done(p, s)
	} else {
		r.cfg.Gate.Observe(s)
	}
	if s.Answered > 0 && r.throttling.Load() && !r.cfg.Gate.Shut() {
		r.notThrottled()
	}
}

// needsIntent reports whether an intent is stored before an item is sent: an item that must not be sent twice, or one that
// makes a record, which its repetition after a crash may find.
func (r *Run) needsIntent(item int) bool {
	t := r.traits(item)
	return !t.Read && (!t.Repeatable || t.WholeOnly || t.Create)
}

// intend stores intents for items that are about to be sent, if any of them needs one. It reports false when that failed:
// then nothing may be sent.
func (r *Run) intend(a *Attempt, items []int) bool {
	if !slices.ContainsFunc(items, r.needsIntent) {
		return true
	}
	if err := r.cfg.Hooks.Intend(a, items); err != nil {
		if r.ctx.Err() != nil {
			err = gate.Ended(r.ctx)
		}
		r.stop(err)
		return false
	}
	a.write().intended.Store(true)
	return true
}

// putBack queues a unit that was not sent. What is still queued when the run ends is abandoned by [Run.Wait].
func (r *Run) putBack(u *unit) {
	r.makeJobs(u, time.Time{})
	r.mu.Lock()
	r.ready = append(r.ready, u)
	r.mu.Unlock()
}
