package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/jobs"
	"github.com/windrow-go/windrow/jobs/sqlitestore"
)

// verify compares all jobs with what the server did.
func (c *crash) verify(ctx context.Context) (t tally, err error) {
	s, err := sqlitestore.Open(c.path)
	if err != nil {
		return t, err
	}
	m, err := jobs.Open(ctx, jobs.Config{Store: s, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return t, errors.Join(err, s.Close())
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	if err := s.Check(ctx); err != nil {
		t.fault("the store: %v", err)
	}
	if err := register(m, c.server.url); err != nil {
		return t, err
	}
	all := map[int]jobs.Job{}
	for j, err := range m.List(ctx, jobs.Query{}) {
		if err != nil {
			return t, err
		}
		number, err := numberOf(j)
		if err != nil {
			return t, err
		}
		if _, twice := all[number]; twice {
			t.states++
			t.fault("job %d is there twice", number)
		}
		all[number] = j
	}
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	for _, p := range c.jobs {
		j, ok := all[p.number]
		if !ok {
			t.states++
			t.fault("job %d is not there", p.number)
			continue
		}
		v := verifier{tally: &t, server: c.server, job: p, shown: j, history: c.history(p.number)}
		if err := v.verify(ctx, m); err != nil {
			return t, err
		}
	}
	for _, wrong := range append(c.wrong, c.server.late...) {
		t.states++
		t.fault("%s", wrong)
	}
	return t, nil
}

func (t *tally) fault(format string, args ...any) {
	t.faults = append(t.faults, fmt.Sprintf(format, args...))
}

// verifier compares one job with what the server did.
type verifier struct {
	*tally
	*history
	server *server
	job    job
	shown  jobs.Job
	counts map[windrow.State]int64
}

// wrong notes a fault of the job as a whole.
func (v *verifier) wrong(format string, args ...any) {
	v.states++
	v.fault("job %d (%s): %s", v.job.number, v.job.kind.name, fmt.Sprintf(format, args...))
}

func (v *verifier) verify(ctx context.Context, m *jobs.Manager) error {
	v.counts = map[windrow.State]int64{}
	rows := make([][]jobs.Item, len(v.job.ops))
	next := int64(0)
	for item, err := range m.Items(ctx, v.shown.ID, jobs.ItemQuery{Inputs: true}) {
		if err != nil {
			return err
		}
		if item.Index != next {
			v.wrong("item %d comes where item %d should", item.Index, next)
		}
		next++
		v.counts[item.State]++
		rows[item.Operation] = append(rows[item.Operation], item)
	}
	v.items += int(next)
	for k := range v.job.ops {
		if err := v.operation(&v.job.ops[k], rows[k]); err != nil {
			return err
		}
	}
	v.state(next)
	return v.events(ctx, m)
}

// state checks the state and the counts.
func (v *verifier) state(rows int64) {
	p := v.shown.Progress
	got := map[windrow.State]int64{
		windrow.Succeeded: p.Succeeded, windrow.Failed: p.Failed, windrow.Skipped: p.Skipped, windrow.Unknown: p.Unknown, windrow.NotAttempted: p.NotAttempted,
	}
	maps.DeleteFunc(got, func(_ windrow.State, n int64) bool { return n == 0 })
	if !maps.Equal(got, v.counts) || p.Total != rows {
		v.wrong("its counts are %v of %d, and its %d items are %v", got, p.Total, rows, v.counts)
	}
	abort := v.job.spec.Options.Validation.OnError == jobs.OnErrorAbort && v.counts[windrow.Failed]+v.counts[windrow.Unknown] > 0
	allowed := []jobs.State{jobs.Completed}
	switch {
	case v.ordered:
		allowed = []jobs.State{jobs.Cancelled, jobs.Completed} // its last item had ended when it was cancelled
		v.cancels++
	case v.cancelled:
		allowed = []jobs.State{jobs.Cancelled, jobs.Completed}
	}
	if abort && !v.ordered {
		allowed = append(allowed, jobs.Failed)
	}
	if !slices.Contains(allowed, v.shown.State) {
		v.wrong("it is %s (%s), and may be %v", v.shown.State, v.shown.Reason, allowed)
	}
	if v.shown.State == jobs.Completed && v.counts[windrow.NotAttempted] > 0 {
		v.wrong("it is completed, and %d items were not attempted", v.counts[windrow.NotAttempted])
	}
	if v.over != "" && v.over != string(v.shown.State) {
		v.wrong("it ended as %s, and is %s", v.over, v.shown.State)
	}
}

var ends = map[string]jobs.State{jobs.EventCompleted: jobs.Completed, jobs.EventFailed: jobs.Failed, jobs.EventCancelled: jobs.Cancelled}

// events checks the events.
func (v *verifier) events(ctx context.Context, m *jobs.Manager) error {
	n := map[string]int{}
	last, end := int64(0), jobs.Event{}
	for e, err := range m.Events(ctx, v.shown.ID, 0) {
		if err != nil {
			return err
		}
		if e.Number <= last {
			v.wrong("event %d comes after event %d", e.Number, last)
		}
		last = e.Number
		n[e.Type]++
		if _, ok := ends[e.Type]; ok {
			n["end"]++
		}
		end = e
	}
	if n["end"] != 1 || ends[end.Type] != v.shown.State {
		v.wrong("%d events say that it has ended, the last event is %s, and it is %s", n["end"], end.Type, v.shown.State)
	}
	if d := end.Details; d.Total != v.shown.Progress.Total || d.Succeeded != v.shown.Progress.Succeeded+v.shown.Progress.Skipped {
		v.wrong("its last event says %d of %d", d.Succeeded, d.Total)
	}
	filters := 0
	for _, op := range v.shown.Spec.Operations {
		if op.Filter != nil {
			filters++
		}
	}
	switch {
	case n[jobs.EventQueued] != 1, n[jobs.EventStarted] > 1, n[jobs.EventExpanded] > filters, n[jobs.EventProgress] > 1,
		v.shown.State == jobs.Completed && (n[jobs.EventStarted] != 1 || n[jobs.EventExpanded] != filters):
		v.wrong("its events are %v, with %d filters", n, filters)
	case v.history.pauses > 0 && n[jobs.EventPaused] == 0, n[jobs.EventResumed] > n[jobs.EventPaused], n[jobs.EventResumed] < n[jobs.EventPaused]-1:
		v.wrong("after %d pauses its events are %v", v.history.pauses, n)
	}
	v.tally.pauses += n[jobs.EventPaused]
	return nil
}

// operation checks the items of an operation.
func (v *verifier) operation(o *operation, rows []jobs.Item) error {
	var names []string
	for k := range rows {
		item := &rows[k]
		name := item.Key
		if item.Reason == windrow.ReasonDuplicate {
			continue // the list named it twice
		}
		if o.op == jobs.Create {
			var in input
			if err := json.Unmarshal(item.Input, &in); err != nil {
				return err
			}
			name = in.Serial
		}
		names = append(names, name)
		v.item(o, name, item)
	}
	listed := v.shown.State == jobs.Completed || len(rows) > 0 && v.shown.State != jobs.Cancelled
	if slices.Sort(names); !slices.Equal(names, o.chosen) && listed {
		v.lost += max(1, len(o.chosen)-len(names))
		v.fault("job %d (%s), %s %s: %d items of %d records", v.job.number, v.shown.State, o.op, o.group, len(names), len(o.chosen))
	}
	if o.op == jobs.Create && len(rows) == 0 {
		for _, serial := range o.chosen {
			if v.server.made[serial] > 0 {
				v.untrue++
				v.fault("%s was made, and is no item", serial)
			}
		}
	}
	return nil
}

// item compares an item with what the server did.
func (v *verifier) item(o *operation, name string, item *jobs.Item) {
	applied := 0
	switch o.op {
	case jobs.Create:
		applied = v.server.made[name]
	case jobs.Update:
		applied = v.server.marked[name+" "+o.mark]
	default:
		applied = v.server.gone[name]
	}
	say := func(count *int, what string) {
		*count++
		v.fault("job %d (%s, %s), %s %s is %v (%v, %s %s), and was applied %d times: %s", v.job.number, v.job.kind.name,
			v.shown.State, o.op, name, item.State, item.Reason, item.Code, item.Message, applied, what)
	}
	if applied > 1 {
		if o.op == jobs.Create {
			say(&v.doubled, "doubled")
		} else {
			v.repeated += applied - 1
		}
	}
	switch item.State {
	case windrow.Unknown:
		v.unknown++
		if o.op != jobs.Create || v.job.kind.careful() {
			v.doubtful++
		}
	case windrow.Succeeded:
		if applied == 0 {
			say(&v.lost, "lost")
		}
	case windrow.Skipped:
		// An update that changes nothing, or a record that is there or gone already.
		unchanged := o.op == jobs.Update && item.Reason == windrow.ReasonUnchanged
		if applied == 0 && !unchanged {
			say(&v.lost, "lost")
		}
	case windrow.Failed:
		if applied > 0 {
			say(&v.untrue, "untrue")
		} else if !refused(name) && !item.Resend {
			say(&v.lost, "refused by nothing")
		}
	default:
		switch {
		case applied == 0:
		case o.op == jobs.Create:
			say(&v.untrue, "untrue")
		default:
			v.late++
		}
	}
}
