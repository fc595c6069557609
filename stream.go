package windrow

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"github.com/windrow-go/windrow/internal/engine"
	"github.com/windrow-go/windrow/internal/pages"
)

// ErrStreamUsed is the Cause of a stream that is ranged over a second time.
var ErrStreamUsed = errors.New("windrow: a ResultStream can be ranged over once: call Stream again")

// FromSlice makes the input of a stream of a slice.
func FromSlice[In any](items []In) iter.Seq2[In, error] {
	return func(yield func(In, error) bool) {
		for _, item := range items {
			if !yield(item, nil) {
				return
			}
		}
	}
}

// FromSeq makes the input of a stream of any sequence of items that cannot fail, such as [maps.Keys], [slices.Values] or
// a channel's. For a sequence that can, give [BatchProcessor.Stream] an [iter.Seq2] of items and errors. The sequence is
// pulled as the stream goes, from one goroutine, and need not end: a break out of the stream ends it at its next item. nil
// is refused as no source is.
func FromSeq[In any](items iter.Seq[In]) iter.Seq2[In, error] {
	if items == nil {
		return nil
	}
	return func(yield func(In, error) bool) {
		for item := range items {
			if !yield(item, nil) {
				return
			}
		}
	}
}

// StopError is the last error of a stream that ended early.
type StopError struct {
	// Cause is what ended it: the error of the source, the end of the context, or what stops a run.
	Cause error
	// Pulled is how many items had been pulled from the source. Each of them had its result.
	Pulled int
}

// Error implements error.
func (e *StopError) Error() string {
	return fmt.Sprintf("windrow: the stream ended early, after %d items: %v", e.Pulled, e.Cause)
}

// Unwrap returns the cause.
func (e *StopError) Unwrap() error { return e.Cause }

// ResultStream is the outcome of a stream of items, as it comes. Range over [ResultStream.All].
type ResultStream[In, Out any] struct {
	p    *BatchProcessor[In, Out]
	ctx  context.Context
	src  iter.Seq2[In, error]
	used atomic.Bool

	_       [128]byte                   // what the consumer changes with each item stands on a cache line of its own
	ended   [engine.States]atomic.Int64 // items by state, of those that count
	_       [128]byte
	mu      sync.Mutex
	run     *engine.Run // nil before the range statement
	began   time.Time
	elapsed time.Duration                            // of a stream that has ended
	shut    func() (throttled, outage time.Duration) // how long the limiter was shut since
}

// Stream runs the operation for every item that the source yields, in bounded memory, whatever the length of the
// source. Nothing happens before the result is ranged over.
//
// The source is pulled from one goroutine, as fast as the work and the consumer allow, and at most a [Window] ahead of
// the oldest result that was not handed over. An error that it yields ends the stream: what was pulled before is
// finished and handed over first. Validate and Key are called from that goroutine. Items with the same Key, or id, are
// sent one after the other while they are in the window together; rejecting duplicates needs the whole input and
// belongs to [BatchProcessor.Run].
func (p *BatchProcessor[In, Out]) Stream(ctx context.Context, source iter.Seq2[In, error]) *ResultStream[In, Out] {
	return &ResultStream[In, Out]{p: p, ctx: ctx, src: source}
}

// Stats returns the counts of the items that were pulled so far and whose results were handed over; when the range
// statement has ended, of all that were pulled. It may be called at any time.
func (s *ResultStream[In, Out]) Stats() RunStats {
	var stats RunStats
	for state := range s.ended {
		n := int(s.ended[state].Load())
		*stats.count(State(state)) = n
		stats.Total += n
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run == nil {
		return stats
	}
	r := s.run.Stats()
	stats.Requests, stats.Retries, stats.Throttled = int(r.Requests), int(r.Retries), int(r.Throttled)
	if stats.Elapsed = s.elapsed; stats.Elapsed == 0 {
		stats.Elapsed = time.Since(s.began)
	}
	stats.ThrottledFor, stats.OutageFor = s.shut()
	return stats
}

// check returns what a run would take and a stream cannot.
func (s *ResultStream[In, Out]) check() (errs []error) {
	p := s.p
	if s.src == nil {
		errs = append(errs, &OptionError{Option: "Stream", Value: "nil", Problem: "needs a source"})
	}
	if p.opts.given["Linger"] && p.Batch == nil && !p.asksServer() {
		errs = append(errs, &OptionError{Option: "Linger", Problem: "has no effect on single calls: leave it out, or use a client with batches"})
	}
	if p.opts.atomic {
		errs = append(errs, &OptionError{Option: "Atomic", Problem: "needs the whole input: use Run"})
	}
	switch p.opts.duplicates {
	case RejectDuplicates, KeepFirst, KeepLast, FailDuplicates:
		errs = append(errs, &OptionError{Option: "Duplicates", Value: p.opts.duplicates, Problem: "needs the whole input: use Run, or KeepAllInOrder"})
	}
	return errs
}

// All yields each result once, with nil or its [*ItemError]; and last, when the stream ended early, a [*StopError]
// with a zero Result. It can be ranged over once.
//
// Breaking out of the loop cancels the calls in flight and waits for them: when the range statement ends nothing of
// the run is still running, but for a source that is in the middle of producing an item. That one ends when it has.
// A panic of the source goes on to the caller, as a [*PanicError], when what was pulled before is handed over, and so
// does one of an [Observer] that is told of the end.
func (s *ResultStream[In, Out]) All() iter.Seq2[Result[In, Out], error] {
	return func(yield func(Result[In, Out], error) bool) {
		var none Result[In, Out]
		costs, cause := s.p.check(s.ctx)
		if errs := s.check(); len(errs) > 0 {
			cause = errors.Join(append([]error{cause}, errs...)...)
		}
		if s.used.Swap(true) {
			cause = ErrStreamUsed
		}
		if cause != nil {
			yield(none, &StopError{Cause: cause})
			return
		}
		ctx, end, err := s.p.begin(s.ctx, -1)
		var f *flow[In, Out]
		if err == nil {
			f, err = newFlow(ctx, s, costs)
		}
		if err != nil {
			_ = end(s.Stats(), err)
			yield(none, &StopError{Cause: err})
			return
		}
		defer func() {
			f.join()
			if err := end(s.Stats(), f.cause); err != nil {
				panic(err) // there is nobody else left to be told
			}
		}()
		f.start()
		if !f.deliver(yield) {
			return
		}
		if f.panicked != nil {
			panic(f.panicked)
		}
		if f.cause != nil {
			yield(none, &StopError{Cause: f.cause, Pulled: f.pulled})
		}
	}
}

// Pages yields the items of a list one at a time, with nil; and when the reading ends before the list, once and last a
// [*PageError] with a zero item. Each range over it starts again from the first page. It can be the input of
// [BatchProcessor.Stream].
//
// While the caller handles a page, the next is being fetched ([Prefetch]). The fetch function is called from other
// goroutines, one call at a time unless [ParallelPages] says otherwise. Nothing is retried or limited here: let fetch
// do it, with [Limiter.Do] for one, or a client that does.
//
// When the range statement ends, for whatever reason, the fetches on their way are cancelled by their context and have
// returned. A fetch that takes no notice of its context is waited for. When ctx ends, so does the reading, at once,
// also in the middle of a page. A panic of the fetch function goes on to the caller, as a [*PanicError], when the items
// before were handed over.
func Pages[T any](ctx context.Context, pager *Pager[T], opts ...PageOption) iter.Seq2[T, error] {
	o := pageOptions{prefetch: 1, parallel: 1, empty: 100}
	for _, opt := range opts {
		if opt != nil {
			opt.applyPages(&o)
		}
	}
	if o.runs && pager != nil && pager.fetch != nil {
		byRuns := *pager
		byRuns.fetch = pagesByRuns(pager.fetch, o.run)
		pager = &byRuns
	}
	return func(yield func(T, error) bool) {
		at, err := readPages(ctx, pager, o, func(item T) bool { return yield(item, nil) })
		if panicked, ok := err.(*pages.Panic); ok {
			if err = ErrGoexit; panicked.Value != nil {
				panic(&PanicError{Value: panicked.Value, Stack: panicked.Stack})
			}
		}
		if err != nil {
			var none T
			yield(none, &PageError{Position: at, Err: err})
		}
	}
}
