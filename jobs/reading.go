package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"slices"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/jobs/internal/store"
)

// mostRemaining bounds the time that a job is said to take: a longer one is no estimate.
const mostRemaining = 10 * 365 * 24 * time.Hour

// maxErrors is how many items a job's Errors hold.
const maxErrors = 100

// Get returns a job as it is now. The error matches [ErrNotFound] when the caller has no such job.
func (m *Manager) Get(ctx context.Context, id string) (Job, error) {
	j, err := m.find(ctx, id)
	if err != nil {
		return Job{}, err
	}
	return m.showAll(ctx, j)
}

// find reads a job of the caller's.
func (m *Manager) find(ctx context.Context, id string) (store.Job, error) {
	if err := m.usable(ctx); err != nil {
		return store.Job{}, err
	}
	j, err := m.store.Get(ctx, CallerFrom(ctx).Tenant, id)
	if err != nil {
		return j, failure(ctx, err)
	}
	return j, nil
}

// Wait returns a job when it has ended, or is paused, since a paused job goes on only when [Manager.Resume] is called.
// The error is nil however the job ended: see its State and its Outcome. Any number of callers may wait for a job.
func (m *Manager) Wait(ctx context.Context, id string) (Job, error) {
	for {
		j, changed, err := m.look(ctx, id)
		if err != nil {
			return Job{}, err
		}
		if j.State.Ended() || j.State == store.Paused && m.runnerOf(j.Number) == nil {
			return m.showAll(ctx, j)
		}
		if err := m.pause(ctx, changed); err != nil {
			return Job{}, err
		}
	}
}

// Query selects jobs. The zero Query selects all jobs of the caller's tenant.
type Query struct {
	States []State           // empty: all
	Type   string            // "": all
	Labels map[string]string // that a job must have
}

// List yields the jobs of the caller's tenant, newest first, without their Errors. An error is the last pair.
func (m *Manager) List(ctx context.Context, q Query) iter.Seq2[Job, error] {
	return func(yield func(Job, error) bool) {
		if err := m.list(ctx, q, yield); err != nil {
			yield(Job{}, err)
		}
	}
}

func (m *Manager) list(ctx context.Context, q Query, yield func(Job, error) bool) error {
	if err := m.usable(ctx); err != nil {
		return err
	}
	in := store.JobQuery{Tenant: CallerFrom(ctx).Tenant, Type: q.Type, Labels: q.Labels, Limit: 100}
	for _, s := range q.States {
		if s.number() == 0 {
			return fmt.Errorf("jobs: there is no state %q", shorten(string(s)))
		}
		in.States = append(in.States, s.number())
	}
	for {
		if err := m.usable(ctx); err != nil {
			return err
		}
		list, err := m.store.List(ctx, in)
		if err != nil {
			return failure(ctx, err)
		}
		for _, row := range list {
			j, err := m.show(ctx, row)
			if err != nil {
				return err
			}
			if !yield(j, nil) {
				return nil
			}
		}
		if len(list) < in.Limit {
			return nil
		}
		last := list[len(list)-1]
		in.Before = &store.JobCursor{Created: last.Created, Number: last.Number}
	}
}

// ItemQuery selects items of a job. The zero ItemQuery selects all.
type ItemQuery struct {
	States []windrow.State // empty: all
	Code   string          // of the error; "": all
	Key    string          // "": all
	Run    int             // that they ended in; 0: all
	Inputs bool            // read the inputs of creates, too
}

// Items yields items of a job in the order of its input, in every state of the job. They are read page by page: what ends
// meanwhile may be seen or not. An error is the last pair.
func (m *Manager) Items(ctx context.Context, id string, q ItemQuery) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		j, err := m.find(ctx, id)
		if err == nil {
			err = m.items(ctx, j, q, 0, yield)
		}
		if err != nil {
			yield(Item{}, err)
		}
	}
}

// items yields at most limit items, 0: all.
func (m *Manager) items(ctx context.Context, j store.Job, q ItemQuery, limit int, yield func(Item, error) bool) error {
	const page = 1000
	in := store.ItemQuery{Op: -1, Code: q.Code, Run: q.Run, Key: q.Key, Limit: page, Input: q.Inputs}
	for _, s := range q.States {
		if s > windrow.Unknown {
			return fmt.Errorf("jobs: there is no item state %d", s)
		}
		in.States = append(in.States, uint8(s))
	}
	offsets := offsetsOf(j)
	for n := 0; ; {
		if err := m.usable(ctx); err != nil {
			return err
		}
		if limit > 0 {
			in.Limit = min(page, limit-n)
		}
		rows, err := m.store.Items(ctx, j.Number, in)
		if err != nil {
			return failure(ctx, err)
		}
		for k := range rows {
			if !yield(shownItem(&rows[k], offsets), nil) {
				return nil
			}
		}
		if n += len(rows); len(rows) < in.Limit || limit > 0 && n >= limit {
			return nil
		}
		last := rows[len(rows)-1]
		in.After = &store.ItemCursor{Op: last.Op, Index: last.Index}
	}
}

// offsetsOf returns the index in the job of the first item of each operation.
func offsetsOf(j store.Job) []int64 {
	offsets, sum := make([]int64, len(j.Operations)), int64(0)
	for k, op := range j.Operations {
		offsets[k] = sum
		sum += op.Counts.Total
	}
	return offsets
}

func shownItem(row *store.Item, offsets []int64) Item {
	return Item{
		Operation: row.Op, Index: offsets[row.Op] + row.Index, Key: row.Key, Input: row.Input,
		State: windrow.State(row.State), Reason: windrow.Reason(row.Reason), Kind: windrow.ErrorKind(row.Kind),
		Code: row.Code, Message: row.Message, Resend: row.Resend, Attempts: row.Attempts, Elapsed: row.Elapsed, ID: row.ID,
		Warnings: row.Warnings, Run: row.Run, EndedAt: row.At,
	}
}

// Errors returns the items that ended as Failed or Unknown by how they ended, the largest group first, at most 1,000.
func (m *Manager) Errors(ctx context.Context, id string) ([]ErrorGroup, error) {
	j, err := m.find(ctx, id)
	if err != nil {
		return nil, err
	}
	rows, err := m.store.ErrorGroups(ctx, j.Number, 1000)
	if err != nil {
		return nil, failure(ctx, err)
	}
	offsets := offsetsOf(j)
	groups := make([]ErrorGroup, len(rows))
	for k, g := range rows {
		groups[k] = ErrorGroup{
			State: windrow.State(g.State), Kind: windrow.ErrorKind(g.Kind), Code: g.Code, Message: g.Message, Items: g.Items,
			First: offsets[g.First.Op] + g.First.Index, Pile: pileOf(windrow.State(g.State), g.Resend),
		}
	}
	return groups, nil
}

// showAll returns a job with its first errors.
func (m *Manager) showAll(ctx context.Context, row store.Job) (Job, error) {
	j, err := m.show(ctx, row)
	if err != nil {
		return j, err
	}
	if row.Counts.Failed+row.Counts.Unknown == 0 {
		return j, nil
	}
	err = m.items(ctx, row, ItemQuery{States: []windrow.State{windrow.Failed, windrow.Unknown}}, maxErrors, func(i Item, _ error) bool {
		j.Errors = append(j.Errors, i)
		return true
	})
	return j, err
}

// show returns a job as users see it, with what its runner and the limiters know if it is carried out here.
func (m *Manager) show(ctx context.Context, row store.Job) (Job, error) {
	var spec saved
	if err := json.Unmarshal(row.Spec, &spec); err != nil {
		return Job{}, fmt.Errorf("jobs: the spec of job %s, as it was stored, cannot be read", row.ID)
	}
	spec.Spec.IdempotencyKey = row.Key
	c := row.Counts
	j := Job{
		ID: row.ID, Type: row.Type, Description: row.Description, Tenant: row.Tenant, Actor: row.Actor,
		State: states[row.State], Reason: row.Reason, Run: row.Run, Spec: spec.Spec,
		CreatedAt: row.Created, StartedAt: row.Started, EndedAt: row.Ended,
		Progress: Progress{Succeeded: c.Succeeded, Failed: c.Failed, Skipped: c.Skipped, Unknown: c.Unknown},
	}
	known := true
	for k, op := range row.Operations {
		n := op.Counts.Total
		if op.Phase < store.Ready && !row.State.Ended() {
			j.Progress.Expanding = j.Progress.Expanding || op.Phase == store.Expanding
			if k < len(spec.Expected) && spec.Expected[k] >= 0 {
				n = max(n, spec.Expected[k])
			} else {
				known, j.Progress.Expanding = false, true
			}
		}
		j.Progress.Total += n
	}
	j.Progress.NotAttempted = j.Progress.Total - j.Progress.Completed()
	if row.State.Ended() {
		j.Outcome = outcomeOf(j.State, c)
	}
	m.measure(&j, row, known)
	return j, nil
}

func outcomeOf(s State, c store.Counts) Outcome {
	switch done := c.Succeeded + c.Skipped; {
	case done == c.Total && (done > 0 || s == Completed):
		return OutcomeAll
	case done > 0:
		return OutcomeSome
	}
	return OutcomeNone
}

// measure sets the statistics of a job.
func (m *Manager) measure(j *Job, row store.Job, known bool) {
	s, done := &j.Statistics, j.Progress.Completed()
	s.SuccessRate = 100
	if done > 0 {
		s.SuccessRate = 100 * float64(j.Progress.Succeeded+j.Progress.Skipped) / float64(done)
		s.AverageTime = row.Elapsed / time.Duration(done)
	}
	now := time.Now()
	end := row.Ended
	if end.IsZero() {
		end = now
	}
	if took := end.Sub(row.Started).Seconds(); done > 0 && !row.Started.IsZero() && took > 0 {
		s.ItemsPerSecond = float64(done) / took
	}
	r := m.runnerOf(row.Number)
	if row.State.Ended() || r == nil {
		return
	}
	op := slices.IndexFunc(row.Operations, func(op store.Operation) bool { return op.Phase < store.Done })
	if op < 0 {
		return
	}
	spec := &j.Spec.Operations[op]
	call, ok, trouble := r.inFlight()
	if ok {
		j.Progress.Current = &CurrentOperation{Index: offsetsOf(row)[op] + call.index, Type: spec.Type, ResourceID: call.key, StartedAt: call.at}
	}
	s.Waiting = trouble
	if res := m.resource(spec.Resource); res != nil && res.limiter() != nil {
		l := res.limiter().Stats()
		limit := Limit{Resource: spec.Resource, Concurrency: l.Concurrency, Why: l.Why, InFlight: l.InFlight, ShutUntil: l.PausedUntil, Waiting: waiting(l)}
		if !math.IsInf(l.Rate, 0) {
			limit.Rate = l.Rate
		}
		j.Limits = append(j.Limits, limit)
		s.ThrottledSeconds = l.ThrottledFor.Seconds()
		if limit.Waiting != "" {
			s.Waiting, s.ThrottledUntil = limit.Waiting, limit.ShutUntil
		}
	}
	if left := j.Progress.Total - done; known && s.ItemsPerSecond > 0 && row.State == store.Running {
		if seconds := float64(left) / s.ItemsPerSecond; seconds < mostRemaining.Seconds() {
			s.RemainingTime = time.Duration(seconds * float64(time.Second))
			j.EstimatedCompletion = now.Add(s.RemainingTime)
		}
	}
}

// waiting says why a limiter lets no calls begin, "" when it does.
func waiting(l windrow.LimiterStats) string {
	switch {
	case l.Outage:
		return "the server takes no calls: " + l.Why
	case l.Probing:
		return "the server throttles"
	case l.Paused, !l.PausedUntil.IsZero():
		return "the limiter is paused"
	}
	return ""
}
