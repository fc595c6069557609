package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/jobs"
	"github.com/windrow-go/windrow/jobs/sqlitestore"
)

// record is what the client's lists are made of.
type record struct {
	ID string `json:"id"`
}

// input is a record to be created.
type input struct {
	N int `json:"n"`
}

// noop is a client whose calls do nothing, or wait.
type noop struct {
	n       int           // records that it lists
	latency time.Duration // of a call
	calls   atomic.Int64
	cut     atomic.Int64 // calls whose context ended
	last    atomic.Int64 // when the last call began, in nanoseconds
	first   sync.Once
	begun   chan struct{} // closed at the first call; may be nil
}

func (c *noop) call(ctx context.Context) error {
	c.calls.Add(1)
	if c.begun != nil {
		c.first.Do(func() { close(c.begun) })
	}
	if c.latency == 0 {
		return nil
	}
	c.last.Store(time.Now().UnixNano())
	time.Sleep(c.latency)
	if ctx.Err() != nil {
		c.cut.Add(1)
	}
	return ctx.Err()
}

func (c *noop) Delete(ctx context.Context, _ string) error { return c.call(ctx) }

func (c *noop) Create(ctx context.Context, in input) (record, error) {
	return record{strconv.Itoa(in.N)}, c.call(ctx)
}

func (c *noop) List(context.Context, jobs.Fields) iter.Seq2[record, error] {
	return func(yield func(record, error) bool) {
		for i := range c.n {
			if !yield(record{id(i)}, nil) {
				return
			}
		}
	}
}

func id(i int) string { return fmt.Sprintf("field-%07d", i) }

// manager opens a manager of the store at path, with the client as "fields".
func manager(ctx context.Context, path string, c *noop) (*jobs.Manager, error) {
	store, err := sqlitestore.Open(path)
	if err != nil {
		return nil, err
	}
	m, err := jobs.Open(ctx, jobs.Config{Store: store})
	if err != nil {
		return nil, err
	}
	err = jobs.Register(m, "fields", jobs.Resource[input, record]{
		Client: c, Limiter: windrow.NewLimiter(windrow.Concurrency(1000)), List: c.List, ID: func(r record) string { return r.ID },
	})
	return m, err
}

// started is manager, and starts it.
func started(ctx context.Context, path string, c *noop) (*jobs.Manager, error) {
	m, err := manager(ctx, path, c)
	if err != nil {
		return nil, err
	}
	if err := m.Start(ctx); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// deletion is a job over all records.
func deletion(concurrency int) jobs.Spec {
	return jobs.Spec{
		Operations: []jobs.Operation{{Type: jobs.Delete, Resource: "fields", Filter: jobs.Fields{}}},
		Options:    jobs.Options{MaxConcurrent: concurrency},
	}
}

// finish submits a job, starts the manager and waits for the end.
func finish(ctx context.Context, m *jobs.Manager, s jobs.Spec) (jobs.Job, error) {
	j, err := m.Submit(ctx, s)
	if err != nil {
		return j, err
	}
	return waitFor(ctx, m, j.ID)
}

// waitFor waits for a job that must be completed with all its items.
func waitFor(ctx context.Context, m *jobs.Manager, id string) (jobs.Job, error) {
	j, err := m.Wait(ctx, id)
	if err == nil && (j.State != jobs.Completed || j.Outcome != jobs.OutcomeAll) {
		err = fmt.Errorf("the job is %s (%s): %+v", j.State, j.Reason, j.Progress)
	}
	return j, err
}

func median[T ~int64](all []T) T { return percentile(all, 50) }

// percentile sorts the values and returns one of them.
func percentile[T ~int64](all []T, p int) T {
	slices.Sort(all)
	return all[min(len(all)-1, len(all)*p/100)]
}
