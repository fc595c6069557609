package jobs

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/windrow-go/windrow/jobs/internal/store"
)

// Pause lets a job begin no further call until [Manager.Resume]. It returns at once: within a second nothing more is sent,
// and calls in flight finish and count. No call is cut, and none is repeated because of it. An item whose response was lost
// counts as Unknown meanwhile; Resume sends it again where that is harmless, or looks it up. A paused job stays paused over
// restarts. Pausing a paused job changes nothing. The error is a [*StateError] for a job that has ended.
func (m *Manager) Pause(ctx context.Context, id string) (Job, error) {
	return m.act(ctx, id, callPause, func(j store.Job) (store.Job, error) {
		switch {
		case j.State == store.Paused:
			return j, nil
		case j.Reason == ReasonCancelling:
			return j, &StateError{callPause, Cancelled}
		}
		c := change(Paused, ReasonPaused, j.State)
		c.Unless = ReasonCancelling
		next, err := m.store.Change(ctx, j.Number, c, m.event(ctx, EventPaused, j, ReasonPaused))
		if r := m.runnerOf(j.Number); err == nil && r != nil {
			r.halt(errPaused)
		}
		return next, err
	})
}

// Resume queues a paused job again. Resuming a job that is not paused changes nothing. The error is a [*StateError] for a
// job that has ended.
func (m *Manager) Resume(ctx context.Context, id string) (Job, error) {
	return m.act(ctx, id, callResume, func(j store.Job) (store.Job, error) {
		switch {
		case j.Reason == ReasonCancelling:
			return j, &StateError{callResume, Cancelled}
		case j.State != store.Paused:
			return j, nil
		}
		now := time.Now()
		c := change(Queued, "", store.Paused)
		c.Queued = &now
		next, err := m.store.Change(ctx, j.Number, c, m.event(ctx, EventResumed, j, ""))
		m.nudge()
		return next, err
	})
}

// Cancel ends a job early. Within a second nothing more is sent; calls in flight finish and count, and the job is
// cancelled when they have: until then it is running, with [ReasonCancelling]. Items that were not sent stay NotAttempted;
// so do, after a kill, updates and deletes that were sent and whose end was not stored. A job whose last item has ended is
// completed.
// Cancelling a cancelled job changes nothing. The error is a [*StateError] for a job that has ended otherwise.
func (m *Manager) Cancel(ctx context.Context, id string) (Job, error) {
	return m.act(ctx, id, callCancel, func(j store.Job) (store.Job, error) {
		if j.State == store.Cancelled || j.Reason == ReasonCancelling {
			return j, nil
		}
		begun := sending(j) && !slices.ContainsFunc(j.Resources, func(name string) bool { return m.resource(name) == nil })
		if j.State != store.Running && !begun {
			now := time.Now()
			c := change(Cancelled, "", j.State)
			c.Free, c.Ended = true, &now
			next, err := m.store.Change(ctx, j.Number, c, m.event(ctx, EventCancelled, j, ""))
			if !errors.Is(err, store.ErrConflict) || next.State != j.State {
				return next, err
			}
		}
		// The one who carries it out ends it, when its calls in flight have ended and what a killed process has begun is
		// counted.
		next, err := m.store.Change(ctx, j.Number, change(Running, ReasonCancelling, j.State))
		if r := m.runnerOf(j.Number); err == nil && r != nil {
			r.halt(errCancelled)
		}
		m.nudge()
		return next, err
	})
}

// act does what depends on the state of a job. When the state changes meanwhile it is looked at again.
func (m *Manager) act(ctx context.Context, id, what string, do func(store.Job) (store.Job, error)) (Job, error) {
	for {
		j, err := m.find(ctx, id)
		if err != nil {
			return Job{}, err
		}
		if !allows(what, states[j.State]) {
			shown, err := m.show(ctx, j)
			return shown, errors.Join(&StateError{what, states[j.State]}, err)
		}
		next, err := do(j)
		switch {
		case errors.Is(err, store.ErrConflict):
			continue
		case err != nil:
			if _, ok := errors.AsType[*StateError](err); ok {
				return Job{}, err
			}
			return Job{}, failure(ctx, err)
		}
		m.changed(next.Number)
		return m.show(ctx, next)
	}
}

// deleteStep is how many rows one step of a Delete removes, so that no other use of the store waits for long.
const deleteStep = 10_000

// Delete removes a job that has ended, with its items and events. It is invisible when Delete returns, and its idempotency
// key is free; its rows go in small steps afterwards. The error is a [*StateError] for a job that has not ended.
func (m *Manager) Delete(ctx context.Context, id string) error {
	j, err := m.find(ctx, id)
	if err != nil {
		return err
	}
	if !allows(callDelete, states[j.State]) {
		return &StateError{callDelete, states[j.State]}
	}
	if _, err := m.store.Delete(ctx, j.Tenant, j.ID, 1); err != nil {
		if errors.Is(err, store.ErrConflict) {
			return &StateError{callDelete, states[j.State]}
		}
		return failure(ctx, err)
	}
	m.log.Info("jobs: job deleted", "job", j.ID, "actor", CallerFrom(ctx).Actor)
	m.changed(j.Number)
	return nil
}

// finishDeletes removes what deleted jobs have left.
func (m *Manager) finishDeletes() {
	list, err := m.store.Doomed(m.ctx)
	for _, j := range list {
		for more := err == nil; more && err == nil; {
			more, err = m.store.Delete(m.ctx, j.Tenant, j.ID, deleteStep)
		}
	}
	if err != nil && m.ctx.Err() == nil {
		m.log.Warn("jobs: deleted jobs could not be removed yet", "error", err)
	}
}
