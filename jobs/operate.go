package jobs

import (
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/jobs/internal/part"
	"github.com/windrow-go/windrow/jobs/internal/store"
)

// Parts are sized for partTime of work, by the pace of the last one.
const (
	partTime  = 10 * time.Second
	firstPart = 1000
	leastPart = 100
	mostPart  = 5_000
)

// operate sends the items of an operation, part by part. A part is begun when each item of the one before was sent once, so
// that the pace does not fall while some of them are repeated.
func (r *runner) operate(op int) error {
	for {
		if err := r.workParts(op); err != nil {
			r.halt(err)
		}
		if stop := r.halting(); stop != nil {
			return stop
		}
		open := 0
		err := r.persist(func() (err error) {
			open, err = r.m.store.OpenParts(r.m.ctx, r.job.Number, op)
			return err
		})
		if err != nil {
			return err
		}
		if open == 0 {
			return r.persist(func() error { return r.m.store.SetPhase(r.m.ctx, r.lease, op, store.Done) })
		}
		select { // of an earlier holder, until the lease ends
		case <-time.After(time.Second):
		case <-r.going.Done():
			return r.halting()
		}
	}
}

// workParts carries out parts until there are no more. The error ends the work on the job.
func (r *runner) workParts(op int) error {
	atOnce := 2
	if r.options.Sequential {
		atOnce = 1
	}
	slots := make(chan struct{}, atOnce)
	var group sync.WaitGroup
	defer group.Wait()
	for {
		select {
		case slots <- struct{}{}:
		case <-r.going.Done():
			return r.halting()
		}
		var p store.Part
		err := r.persist(func() (err error) {
			p, err = r.m.store.NextPart(r.m.ctx, r.lease, op, r.partSize(), r.m.owner, time.Now().Add(leaseTime))
			if errors.Is(err, store.ErrNotFound) {
				p, err = store.Part{}, nil
			}
			return err
		})
		if err != nil || p.From == p.To {
			return err
		}
		tail := make(chan struct{})
		atTail := sync.OnceFunc(func() { close(tail) })
		group.Go(func() {
			if err := r.workPart(op, p, atTail); err != nil {
				r.halt(err)
			}
			<-slots
			atTail()
		})
		select {
		case <-tail:
		case <-r.going.Done():
			return r.halting()
		}
	}
}

func (r *runner) partSize() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pace == 0 {
		return firstPart
	}
	return min(max(leastPart, int64(r.pace*partTime.Seconds())), mostPart)
}

// workPart carries out a part, and calls atTail when each of its items was sent once or has ended. The error ends the work on
// the job.
func (r *runner) workPart(op int, p store.Part, atTail func()) error {
	defer r.holds(p.PartLease)()
	pause := time.Second
	for {
		began := time.Now()
		n, cause, err := r.attempt(op, p, atTail)
		if err == nil && cause == nil {
			r.mu.Lock()
			if took := time.Since(began).Seconds(); n >= leastPart && took > 0 {
				r.pace = float64(n) / took
			}
			r.mu.Unlock()
			return r.endPart(p, true)
		}
		if err == nil {
			err = r.consequence(cause)
		}
		if err != nil {
			if errors.Is(err, store.ErrFenced) {
				return errLeaseLost
			}
			if !r.final(err) { // of the store
				r.setTrouble("the store fails: " + plain(err))
				r.m.log.Warn("jobs: the store failed, and is asked again", "job", r.job.ID, "error", err)
			} else {
				_ = r.endPart(p, false) // its lease expires otherwise
				return err
			}
		}
		select {
		case <-time.After(pause):
		case <-r.going.Done():
			_ = r.endPart(p, false)
			return r.halting()
		}
		pause = min(2*pause, 30*time.Second)
	}
}

func (r *runner) endPart(p store.Part, done bool) error {
	return r.persist(func() error { return r.m.store.EndPart(r.m.ctx, p.PartLease, done) })
}

// consequence returns what ends the work when a run was stopped by a cause; nil when the part is tried again.
func (r *runner) consequence(cause error) error {
	if stop := r.halting(); stop != nil && errors.Is(cause, windrow.ErrStopped) {
		return stop
	}
	switch {
	case errors.Is(cause, windrow.ErrFatal):
		return &needsPerson{plain(cause)}
	case errors.Is(cause, windrow.ErrTooManyFailures):
		return errAborted
	case errors.Is(cause, windrow.ErrThrottled), errors.Is(cause, windrow.ErrOutage), errors.Is(cause, windrow.ErrRetryBudget):
		r.setTrouble(plain(cause))
		return nil
	}
	return &failedError{plain(cause)}
}

// attempt runs the items of a part that have not ended. cause is what stopped the run, nil when every item has ended; err
// is an error of the store.
func (r *runner) attempt(op int, p store.Part, atTail func()) (n int, cause, err error) {
	spec := &r.spec.Spec.Operations[op]
	cfg := part.Config{
		Scope: r.scope(op), Op: opKind(spec.Type), Run: r.job.Run, Describe: r.resource(op).describe, AtTail: atTail,
	}
	if r.resource(op).decides(spec) {
		cfg.Undecided = r.options.Retry.Attempts
	}
	if !r.resource(op).named(spec) {
		cfg.Prefix = cfg.Scope + "/"
	}
	journal, err := part.Open(r.m.ctx, r.m.store, p, cfg)
	if err != nil {
		return 0, nil, err
	}
	k := &task{op: spec, options: r.options, journal: journal, prefix: cfg.Prefix, items: journal.Items(), flight: &r.flight, with: r.with(op, journal)}
	cause = r.resource(op).run(r.m.ctx, k)
	if err := journal.Close(); err != nil {
		return 0, nil, err
	}
	return len(k.items), cause, nil
}

// scope is what the idempotency keys of an operation's items belong to.
func (r *runner) scope(op int) string { return r.job.ID + "/" + strconv.Itoa(op) }

// with returns the options of the run of a part.
func (r *runner) with(op int, journal windrow.Journal) []windrow.Option {
	o := r.options
	res := r.resource(op)
	opts := []windrow.Option{
		windrow.WithJournal(journal), windrow.WithControl(&r.control), windrow.WithLimiter(res.limiter()),
		windrow.Concurrency(o.MaxConcurrent), windrow.Retry(r.policy(res.retry())), windrow.AttemptTimeout(o.AttemptTimeout),
	}
	if o.Sequential {
		opts = append(opts, windrow.PreserveOrder())
	}
	if o.Validation.OnError == OnErrorAbort {
		opts = append(opts, windrow.MaxFailures(0))
	}
	return opts
}

// policy returns the retry policy of the job's items.
func (r *runner) policy(p windrow.RetryPolicy) windrow.RetryPolicy {
	o := r.options.Retry
	p.MaxAttempts = o.Attempts
	switch o.Backoff {
	case BackoffImmediate:
		p.Strategy = windrow.Constant(0)
	case BackoffLinear:
		p.Strategy = windrow.Constant(o.Delay)
	case BackoffCustom:
		p.Strategy = r.m.cfg.Strategies[o.Custom]
	default:
		if o.Delay > 0 {
			p.Strategy = windrow.Exponential(o.Delay, 0)
		}
	}
	return p
}

// opKind returns the operation of package windrow.
func opKind(t OperationType) windrow.OpKind {
	switch t {
	case Create:
		return windrow.OpCreate
	case Update:
		return windrow.OpUpdate
	default:
		return windrow.OpDelete
	}
}
