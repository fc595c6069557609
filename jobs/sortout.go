package jobs

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/windrow-go/windrow/jobs/internal/store"
)

// sortOut pauses the jobs that lack a resource here, and lets those go on that have it again.
func (m *Manager) sortOut(ctx context.Context) error {
	for again := true; again; {
		again = false
		for _, state := range []store.State{store.Queued, store.Running, store.Paused} {
			q := store.JobQuery{AllTenants: true, States: []store.State{state}, Limit: 100}
			for {
				list, err := m.store.List(ctx, q)
				if err != nil {
					return failure(ctx, err)
				}
				for _, j := range list {
					c, events := m.sorted(ctx, j)
					if c.State == nil {
						continue
					}
					switch _, err := m.store.Change(ctx, j.Number, c, events...); {
					case err == nil:
						again = true
					case !errors.Is(err, store.ErrConflict): // another manager has changed it
						return failure(ctx, err)
					}
				}
				if len(list) < q.Limit {
					break
				}
				last := list[len(list)-1]
				q.Before = &store.JobCursor{Created: last.Created, Number: last.Number}
			}
		}
	}
	return nil
}

// sorted returns the change that a job needs when a manager starts; one without a State if it needs none.
func (m *Manager) sorted(ctx context.Context, j store.Job) (c store.Change, events []store.Event) {
	now := time.Now()
	missing := slices.ContainsFunc(j.Resources, func(name string) bool { return m.resource(name) == nil })
	switch {
	case missing && j.Reason == ReasonCancelling: // nothing is left to be sent
		c = change(Cancelled, "", j.State)
		c.Free, c.Ended = true, &now
		events = append(events, m.event(ctx, EventCancelled, j, ""))
	case missing && j.State != store.Paused:
		c = change(Paused, ReasonNotRegistered, j.State)
		c.Unless = ReasonCancelling
		events = append(events, m.event(ctx, EventPaused, j, ReasonNotRegistered))
	case !missing && j.State == store.Paused && j.Reason == ReasonNotRegistered:
		c = change(Queued, "", store.Paused)
		c.Queued = &now
		events = append(events, m.event(ctx, EventResumed, j, ""))
	}
	return c, events
}
