package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"github.com/windrow-go/windrow/jobs/internal/store"
)

// Types of events.
const (
	EventQueued    = "job_queued"    // it was submitted
	EventStarted   = "job_started"   // its work began
	EventExpanded  = "job_expanded"  // the items of an operation are known
	EventProgress  = "job_progress"  // at most once a second; only the last one is kept
	EventPaused    = "job_paused"    // see the reason
	EventResumed   = "job_resumed"   // it is queued again
	EventCompleted = "job_completed" // every item has ended
	EventFailed    = "job_failed"    // see the reason
	EventCancelled = "job_cancelled"
)

// An Event is something that happened to a job. The events of a job, with their actors, are its audit log.
type Event struct {
	Number  int64        `json:"number"`          // rises within the job; some numbers are left out
	Type    string       `json:"type"`            // such as EventStarted
	Time    time.Time    `json:"time"`            // when it happened
	Actor   string       `json:"actor,omitempty"` // who caused it; "" for the manager itself
	Run     int          `json:"run"`             // of the job, from 1
	Details EventDetails `json:"details"`         // the counts at that time
}

// EventDetails are the counts at the time of an event, in the two numbers of the batch API, and why it happened.
type EventDetails struct {
	Total     int64  `json:"total_operations"`   // items that are known
	Succeeded int64  `json:"succeeded"`          // succeeded or skipped
	Failed    int64  `json:"failed"`             // all others that have ended; at the end of a job, all others
	Duration  string `json:"duration,omitempty"` // of the job, at its end, such as 30m
	Reason    string `json:"reason,omitempty"`   // of its state
}

// event makes an event of a job.
func (m *Manager) event(ctx context.Context, kind string, j store.Job, reason string) store.Event {
	now := time.Now()
	d := EventDetails{Total: j.Counts.Total, Succeeded: j.Counts.Succeeded + j.Counts.Skipped, Failed: j.Counts.Failed + j.Counts.Unknown, Reason: reason}
	switch kind {
	case EventCompleted, EventFailed, EventCancelled:
		d.Failed = d.Total - d.Succeeded
		if !j.Started.IsZero() {
			d.Duration = short(now.Sub(j.Started).Round(durationUnit))
		}
	}
	data, err := json.Marshal(d)
	if err != nil {
		panic(err) // it has texts and numbers only
	}
	return store.Event{Type: kind, At: now, Actor: CallerFrom(ctx).Actor, Run: j.Run, Data: data, Replaces: kind == EventProgress}
}

// Events yields the events of a job whose number is greater than after, in order, and then waits for more until the job
// has ended or ctx ends. Any number of callers may follow a job. An error is the last pair.
func (m *Manager) Events(ctx context.Context, id string, after int64) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		if err := m.follow(ctx, id, after, yield); err != nil {
			yield(Event{}, err)
		}
	}
}

func (m *Manager) follow(ctx context.Context, id string, after int64, yield func(Event, error) bool) error {
	for {
		j, changed, err := m.look(ctx, id)
		if err != nil {
			return err
		}
		for {
			const page = 100
			events, err := m.store.Events(ctx, j.Number, after, page)
			if err != nil {
				return failure(ctx, err)
			}
			for _, e := range events {
				after = e.Number
				out := Event{Number: e.Number, Type: e.Type, Time: e.At, Actor: e.Actor, Run: e.Run}
				if err := json.Unmarshal(e.Data, &out.Details); err != nil {
					return fmt.Errorf("jobs: event %d cannot be read", e.Number)
				}
				if !yield(out, nil) {
					return nil
				}
			}
			if len(events) < page {
				break
			}
		}
		if j.State.Ended() {
			return nil
		}
		if err := m.pause(ctx, changed); err != nil {
			return err
		}
	}
}

// look reads a job, and returns a channel that is closed at its next change; nil when it has ended.
func (m *Manager) look(ctx context.Context, id string) (j store.Job, changed <-chan struct{}, err error) {
	if j, err = m.find(ctx, id); err != nil || j.State.Ended() {
		return j, nil, err
	}
	changed = m.watch(j.Number)
	if j, err = m.find(ctx, id); err != nil || j.State.Ended() { // what changed before the watch
		m.changed(j.Number) // nothing else may: the channel must not stay
	}
	return j, changed, err
}

// pause waits for a change of a job, or until it is time to look at the store again.
func (m *Manager) pause(ctx context.Context, changed <-chan struct{}) error {
	timer := time.NewTimer(pollTime)
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return m.usable(ctx)
}
