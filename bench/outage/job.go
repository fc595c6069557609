package main

import (
	"context"
	"errors"
	"time"

	"github.com/windrow-go/windrow"
)

// A job is work for a run.
type job struct {
	items      int
	repeatable bool // upserts in place of creates
	stream     bool
	opts       []windrow.Option
	limiter    *windrow.Limiter // nil: one of its own
}

// String names the job, such as "20,000 upserts, Stream".
func (j job) String() string {
	verb, way := " creates", ", Run"
	if j.repeatable {
		verb = " upserts"
	}
	if j.stream {
		way = ", Stream"
	}
	return thousands(j.items) + verb + way
}

// An ending is what came of a job.
type ending struct {
	elapsed time.Duration
	states  [5]int // by windrow.State
	charged int    // items with more than one attempt that was charged
	most    int    // attempts that were charged for one item
	cause   error  // what stopped the run
	err     error  // that cannot be: the result is not whole
	stats   windrow.RunStats
	results int
	state   []windrow.State // by item
	errs    []error         // of the items that are Failed or Unknown
}

// maxRun is how long a run may take in virtual time before it is given up.
const maxRun = time.Hour

// do runs the job against the server.
func (j job) do(w *world) ending {
	ctx, cancel := context.WithTimeout(context.Background(), maxRun)
	defer cancel()
	opts := j.opts
	if j.limiter != nil {
		opts = append(opts[:len(opts):len(opts)], windrow.WithLimiter(j.limiter))
	}
	call := func(ctx context.Context, item int) (int, error) { return item, w.call(ctx, item) }
	p := windrow.NewCreateProcessor(windrow.CreateFunc(call), opts...)
	if j.repeatable {
		p = windrow.NewUpsertProcessor(windrow.UpsertFunc(call), opts...)
	}
	return j.run(ctx, p)
}

// run sends the items through the processor.
func (j job) run(ctx context.Context, p *windrow.BatchProcessor[int, int]) (end ending) {
	items := make([]int, j.items)
	for i := range items {
		items[i] = i
	}
	end.state = make([]windrow.State, j.items) // what a stream does not pull is NotAttempted
	began := time.Now()
	if j.stream {
		results := p.Stream(ctx, windrow.FromSlice(items))
		for r, err := range results.All() {
			if stop, ok := errors.AsType[*windrow.StopError](err); ok {
				end.cause = stop.Cause
				continue
			}
			end.count(r)
		}
		end.elapsed, end.stats = time.Since(began), results.Stats()
		end.states[windrow.NotAttempted] += j.items - end.results
		return end
	}
	res, err := p.Run(ctx, items)
	end.elapsed, end.stats = time.Since(began), res.Stats()
	for r := range res.All() {
		end.count(r)
	}
	if bulk, ok := errors.AsType[*windrow.BulkError](err); ok {
		end.cause = bulk.Cause
	} else {
		end.err = err
	}
	if end.results != j.items {
		end.err = errors.Join(end.err, errors.New("the result does not account for every item"))
	}
	return end
}

// count adds the result of an item.
func (e *ending) count(r windrow.Result[int, int]) {
	e.states[r.State]++
	e.state[r.Index] = r.State
	e.results++
	if r.Attempts > 1 {
		e.charged++
	}
	e.most = max(e.most, r.Attempts)
	if r.State == windrow.Failed || r.State == windrow.Unknown {
		e.errs = append(e.errs, r.Err)
	}
}
