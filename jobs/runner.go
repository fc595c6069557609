package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/jobs/internal/store"
)

// What ends the work on a job before its end.
var (
	errPaused    = errors.New("the job was paused")
	errCancelled = errors.New("the job was cancelled")
	errClosing   = errors.New("the manager is being closed")
	errLeaseLost = errors.New("the lease of the job was lost")
)

// failedError ends a job as failed.
type failedError struct{ reason string }

func (e *failedError) Error() string { return e.reason }

var errAborted = &failedError{"an item failed, and on_error is abort"}

// needsPerson pauses a job.
type needsPerson struct{ reason string }

func (e *needsPerson) Error() string { return e.reason }

// storePause is how long a runner waits before it asks a store again that has failed: at first, and at most.
const (
	firstStorePause = 100 * time.Millisecond
	mostStorePause  = 5 * time.Second
)

// A runner carries out one job.
type runner struct {
	m       *Manager
	job     store.Job // as it was leased; it is not changed
	lease   store.JobLease
	spec    saved
	options Options
	control windrow.Control
	flight  flight
	going   context.Context // ends by halt, with its cause
	stop    context.CancelCauseFunc
	done    chan struct{} // closed when the work has ended

	mu      sync.Mutex
	trouble string // why it does not go on for now; "" when it does
	parts   map[store.PartLease]bool
	pace    float64 // items a second of the last part; 0 before
}

func newRunner(m *Manager, j store.Job) *runner {
	r := &runner{m: m, job: j, lease: store.JobLease{Job: j.Number, Epoch: j.Epoch}, done: make(chan struct{}), parts: map[store.PartLease]bool{}}
	r.going, r.stop = context.WithCancelCause(m.ctx)
	return r
}

// halt stops the sending; calls in flight finish. Only the first cause counts.
func (r *runner) halt(cause error) {
	r.stop(cause)
	r.control.Stop(r.halting())
}

// halting returns the cause of halt, nil before.
func (r *runner) halting() error { return context.Cause(r.going) }

// run carries out the job, and gives the lease back.
func (r *runner) run() {
	defer close(r.done)
	defer r.stop(nil)
	var keepers sync.WaitGroup
	ctx, cancel := context.WithCancel(r.m.ctx)
	keepers.Go(func() { r.keepLease(ctx) })
	keepers.Go(func() { r.report(ctx) })
	err := r.carryOut()
	cancel()
	keepers.Wait()
	r.conclude(err)
}

// carryOut carries out the operations one after the other.
func (r *runner) carryOut() error {
	if err := json.Unmarshal(r.job.Spec, &r.spec); err != nil {
		return &failedError{"its spec, as it was stored, cannot be read"}
	}
	if r.job.Reason == ReasonCancelling {
		return errCancelled
	}
	r.options = r.spec.Spec.Options.withDefaults()
	if r.options.Sequential {
		r.options.MaxConcurrent = 1
	}
	if err := r.control.SetConcurrency(r.options.MaxConcurrent); err != nil {
		return &failedError{err.Error()}
	}
	if err := r.begin(); err != nil {
		return err
	}
	if r.job.Counts.Failed > 0 && r.options.Validation.OnError == OnErrorAbort { // before the process was killed
		return errAborted
	}
	for k := range r.job.Operations {
		phase := r.job.Operations[k].Phase
		if phase < store.Ready {
			if err := r.expand(k); err != nil {
				return err
			}
		}
		if phase < store.Done {
			if err := r.operate(k); err != nil {
				return err
			}
		}
	}
	return nil
}

// begin notes that the work has begun.
func (r *runner) begin() error {
	now := time.Now()
	c := change(Running, "", store.Queued, store.Running)
	c.Lease, c.Started, c.Unless = &r.lease, &now, ReasonCancelling
	var events []store.Event
	if r.job.Started.IsZero() {
		events = append(events, r.m.event(r.m.ctx, EventStarted, r.job, ""))
	}
	return r.persist(func() error {
		j, err := r.m.store.Change(r.m.ctx, r.job.Number, c, events...)
		if err != nil {
			return r.stopped(j, err)
		}
		r.m.changed(j.Number)
		r.m.log.Info("jobs: job begun", "job", j.ID, "type", j.Type)
		return nil
	})
}

// stopped returns what ends the work, when a change of the job was refused.
func (r *runner) stopped(j store.Job, err error) error {
	switch {
	case errors.Is(err, store.ErrFenced), errors.Is(err, store.ErrNotFound):
		return errLeaseLost
	case !errors.Is(err, store.ErrConflict):
		return err
	case j.Reason == ReasonCancelling:
		return errCancelled
	case j.State == store.Paused:
		return errPaused
	}
	return errLeaseLost
}

// persist calls f again as long as the store fails, and returns another error, or the cause of a halt.
func (r *runner) persist(f func() error) error {
	pause := firstStorePause
	for {
		err := f()
		if err == nil || r.final(err) {
			r.setTrouble("")
			return err
		}
		r.setTrouble("the store fails: " + plain(err))
		r.m.log.Warn("jobs: the store failed, and is asked again", "job", r.job.ID, "error", err)
		select {
		case <-time.After(pause):
		case <-r.going.Done():
			return r.halting()
		}
		pause = min(2*pause, mostStorePause)
	}
}

// final reports whether an error ends the work, so that nothing is tried again.
func (r *runner) final(err error) bool {
	for _, end := range []error{errPaused, errCancelled, errClosing, errLeaseLost, store.ErrFenced} {
		if errors.Is(err, end) {
			return true
		}
	}
	if _, ok := errors.AsType[*failedError](err); ok {
		return true
	}
	_, ok := errors.AsType[*needsPerson](err)
	return ok
}

func (r *runner) setTrouble(why string) {
	r.mu.Lock()
	r.trouble = why
	r.mu.Unlock()
}

// conclude writes how the work ended into the store.
func (r *runner) conclude(err error) {
	if errors.Is(err, store.ErrFenced) {
		err = errLeaseLost
	}
	if errors.Is(err, errLeaseLost) {
		r.m.log.Warn("jobs: the lease of a job was lost; another holder goes on", "job", r.job.ID)
		return
	}
	pause := firstStorePause
	for {
		late := r.end(err)
		if late == nil {
			return
		}
		r.m.log.Warn("jobs: the store failed, and is asked again", "job", r.job.ID, "error", late)
		r.setTrouble("the store fails: " + plain(late))
		r.m.mu.Lock()
		closing := r.m.closing
		r.m.mu.Unlock()
		if closing {
			return // the lease expires, and the next manager goes on
		}
		time.Sleep(pause)
		pause = min(2*pause, mostStorePause)
	}
}

// end writes how the work ended. The error is one of the store's.
func (r *runner) end(err error) error {
	ctx := r.m.ctx
	give := func() error {
		_, late := r.m.store.Change(ctx, r.job.Number, store.Change{Lease: &r.lease, Release: true})
		return late
	}
	now := time.Now()
	finish := func(state State, event, reason string) error {
		if state != Completed {
			if late := r.settleDoubts(ctx); late != nil {
				return ignoreFenced(late)
			}
		}
		counts, late := r.m.store.Recount(ctx, r.job.Number)
		if late != nil {
			return late
		}
		j, late := r.m.store.Get(ctx, r.job.Tenant, r.job.ID)
		if late != nil {
			return late
		}
		if counts != j.Counts {
			r.m.log.Error("jobs: the counts of a job differ from its items", "job", j.ID, "counts", fmt.Sprint(j.Counts), "items", fmt.Sprint(counts))
		}
		if state == Completed && counts.Done() != counts.Total {
			state, event, reason = Failed, EventFailed, fmt.Sprintf("%d items have no outcome", counts.Total-counts.Done())
		}
		c := change(state, reason, store.Running)
		c.Lease, c.Release, c.Ended = &r.lease, true, &now
		j, late = r.m.store.Change(ctx, r.job.Number, c, r.m.event(ctx, event, j, reason))
		switch {
		case errors.Is(late, store.ErrConflict): // it was paused after its last item, and perhaps resumed
			late = give()
		case late == nil:
			r.m.log.Info("jobs: job ended", "job", j.ID, "state", state, "reason", reason, "total", counts.Total,
				"succeeded", counts.Succeeded, "skipped", counts.Skipped, "failed", counts.Failed, "unknown", counts.Unknown)
		}
		return ignoreFenced(late)
	}
	failed, isFailed := errors.AsType[*failedError](err)
	person, isPerson := errors.AsType[*needsPerson](err)
	switch {
	case err == nil:
		return finish(Completed, EventCompleted, "")
	case errors.Is(err, errCancelled):
		return finish(Cancelled, EventCancelled, "")
	case isFailed:
		return finish(Failed, EventFailed, failed.reason)
	case isPerson:
		j, late := r.m.store.Get(ctx, r.job.Tenant, r.job.ID)
		if late != nil {
			return ignoreFenced(late)
		}
		c := change(Paused, person.reason, store.Running)
		c.Lease, c.Release, c.Unless = &r.lease, true, ReasonCancelling
		_, late = r.m.store.Change(ctx, r.job.Number, c, r.m.event(ctx, EventPaused, j, person.reason))
		r.m.log.Warn("jobs: job paused", "job", r.job.ID, "reason", person.reason)
		if errors.Is(late, store.ErrConflict) {
			late = give()
		}
		return ignoreFenced(late)
	default: // paused, or closing
		return ignoreFenced(give())
	}
}

// ignoreFenced drops the error that says that another holder goes on.
func ignoreFenced(err error) error {
	if errors.Is(err, store.ErrFenced) || errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// keepLease renews the leases until ctx ends. When one is lost, or could not be renewed in time, the sending stops.
func (r *runner) keepLease(ctx context.Context) {
	timer := time.NewTicker(leaseTime / 6)
	defer timer.Stop()
	renewed := time.Now()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		until := time.Now().Add(leaseTime)
		err := r.m.store.Renew(ctx, r.lease, until)
		r.mu.Lock()
		parts := make([]store.PartLease, 0, len(r.parts))
		for p := range r.parts {
			parts = append(parts, p)
		}
		r.mu.Unlock()
		for _, p := range parts {
			if late := r.m.store.RenewPart(ctx, p, until); late != nil && !errors.Is(late, store.ErrFenced) { // a part that has ended is fenced
				err = errors.Join(err, late)
			}
		}
		switch {
		case err == nil:
			renewed = time.Now()
		case errors.Is(err, store.ErrFenced), time.Since(renewed) > leaseTime*2/3:
			r.halt(errLeaseLost)
			return
		}
	}
}

// report stores the progress about once a second, and notices what other managers have done to the job.
func (r *runner) report(ctx context.Context) {
	timer := time.NewTicker(time.Second)
	defer timer.Stop()
	var last store.Counts
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		j, err := r.m.store.Get(ctx, r.job.Tenant, r.job.ID)
		switch {
		case err != nil:
			continue
		case j.Reason == ReasonCancelling:
			r.halt(errCancelled)
		case j.State == store.Paused:
			r.halt(errPaused)
		case j.State == store.Running && j.Counts != last:
			last = j.Counts
			if r.m.store.AddEvents(ctx, j.Number, r.m.event(ctx, EventProgress, j, "")) == nil {
				r.m.changed(j.Number)
			}
		}
	}
}

// resource returns the resource of an operation.
func (r *runner) resource(op int) resource { return r.m.resource(r.spec.Spec.Operations[op].Resource) }

// inFlight returns the call for the lowest item of those being made, and what keeps the job from going on.
func (r *runner) inFlight() (c call, ok bool, trouble string) {
	r.mu.Lock()
	trouble = r.trouble
	r.mu.Unlock()
	c, ok = r.flight.lowest()
	return c, ok, trouble
}

// holds notes that a part is being carried out, until the function it returns is called.
func (r *runner) holds(p store.PartLease) (release func()) {
	r.mu.Lock()
	r.parts[p] = true
	r.mu.Unlock()
	return func() {
		r.mu.Lock()
		delete(r.parts, p)
		r.mu.Unlock()
	}
}

// plain is the text of an error on one line.
func plain(err error) string { return clean(err.Error(), maxMessage) }
