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
)

// FromSlice returns the items of a slice as the input of a stream.
func FromSlice[In any](items []In) iter.Seq2[In, error] {
	return func(yield func(In, error) bool) {
		for _, item := range items {
			if !yield(item, nil) {
				return
			}
		}
	}
}

// FromSeq returns a sequence of items that cannot fail, such as [maps.Keys], [slices.Values] or that of a channel, as
// the input of a stream. For a sequence that can fail, give [BatchProcessor.Stream] an [iter.Seq2] of items and errors.
// The sequence is pulled as the stream goes, from one goroutine, and need not end: a break out of the stream ends it at
// its next item. A nil sequence is refused like a nil source.
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
	// Cause is what ended the stream: the error of the source, the end of the context, or what stops a run.
	Cause error
	// Pulled is how many items were pulled from the source. Each of them had its result.
	Pulled int
}

// Error implements error.
func (e *StopError) Error() string {
	return fmt.Sprintf("windrow: the stream ended early, after %d items: %v", e.Pulled, e.Cause)
}

// Unwrap returns the cause.
func (e *StopError) Unwrap() error { return e.Cause }

// ResultStream yields the outcomes of a stream of items. Range over [ResultStream.All].
type ResultStream[In, Out any] struct {
	p    *BatchProcessor[In, Out]
	ctx  context.Context
	src  iter.Seq2[In, error]
	used atomic.Bool

	_       [128]byte                   // keeps ended, which changes with each item, on a cache line of its own
	ended   [engine.States]atomic.Int64 // counted items by state
	_       [128]byte
	mu      sync.Mutex
	run     *engine.Run // nil before the range statement
	began   time.Time
	elapsed time.Duration                            // set when the stream has ended
	shut    func() (throttled, outage time.Duration) // how long the limiter was shut since the start
}

// Stream runs the operation for every item that the source yields, in bounded memory, whatever the length of the
// source. Nothing happens before the result is ranged over.
//
// The source is pulled from one goroutine, as fast as the work and the consumer allow, and at most a [Window] ahead of
// the oldest result that was not handed over. An error from the source ends the stream: items pulled before are
// finished and handed over first. Validate and Key are called from that goroutine. Items with the same Key, or id, are
// sent one after the other while they are in the window together; rejecting duplicates needs the whole input, so only
// [BatchProcessor.Run] does it.
func (p *BatchProcessor[In, Out]) Stream(ctx context.Context, source iter.Seq2[In, error]) *ResultStream[In, Out] {
	return &ResultStream[In, Out]{p: p, ctx: ctx, src: source}
}

// Stats returns the counts of the items whose results were handed over so far and, when the range statement has ended,
// of all items that were pulled. It may be called at any time.
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

// check returns errors for what a run takes and a stream does not.
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

// All yields each result once, with nil or its [*ItemError]. When the stream ended early, it yields last a [*StopError]
// with a zero Result. It can be ranged over once.
//
// Breaking out of the loop cancels the calls in flight and waits for them. When the range statement ends nothing of the
// run is still running, except a source that is producing an item; it ends after that item. A panic of the source is
// passed on to the caller, as a [*PanicError], after the items pulled before are handed over, and so is a panic of an
// [Observer] at the end of the run.
func (s *ResultStream[In, Out]) All() iter.Seq2[Result[In, Out], error] {
	return func(yield func(Result[In, Out], error) bool) {
		var none Result[In, Out]
		costs, cause := s.p.check(s.ctx)
		if errs := s.check(); len(errs) > 0 {
			cause = errors.Join(append([]error{cause}, errs...)...)
		}
		if s.used.Swap(true) {
			cause = &OptionError{Option: "Stream", Problem: "has a result that can be ranged over once: call Stream again"}
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
				panic(err) // the loop has ended, so no error can be yielded
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
