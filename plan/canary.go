package plan

import (
	"context"
	"errors"
	"sync"

	"github.com/windrow-go/windrow"
)

// maker makes processors with more options than those of the caller.
type maker[In, Out any] func(more ...windrow.Option) *windrow.BatchProcessor[In, Out]

// errCanaryDone ends the run of the canary when all of it succeeded.
var errCanaryDone = errors.New("plan: the first records succeeded")

// runAll sends the first n items one at a time, and the others when all of these succeeded, with one result for all.
func runAll[In, Out any](ctx context.Context, processor maker[In, Out], items []In, n int) (*Result[In, Out], error) {
	if n <= 0 || n >= len(items) {
		return run(ctx, processor(), items)
	}
	first := processor(windrow.PreserveOrder(), windrow.StopOnError())
	if do := first.Do; do != nil {
		first.Batch = nil
		stop, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		var mu sync.Mutex
		done := 0
		first.Do = func(ctx context.Context, in In) (Out, error) {
			out, err := do(ctx, in)
			_, skipped := errors.AsType[*windrow.SkipError](err)
			attempt, _ := windrow.AttemptFrom(ctx)
			if err == nil || skipped || attempt.Op == windrow.OpDelete && isMissing(err) {
				mu.Lock()
				defer mu.Unlock()
				if done++; done == n {
					cancel(errCanaryDone) // the answer still counts, and nothing else is in flight
				}
			}
			return out, err
		}
		res, err := run(stop, first, items)
		if !errors.Is(err, errCanaryDone) {
			return res, err
		}
		bulk, err := processor().Rerun(ctx, res.BulkResult)
		return &Result[In, Out]{BulkResult: bulk}, err
	}
	return run(ctx, first, items)
}

func run[In, Out any](ctx context.Context, processor *windrow.BatchProcessor[In, Out], items []In) (*Result[In, Out], error) {
	bulk, err := processor.Run(ctx, items)
	return &Result[In, Out]{BulkResult: bulk}, err
}

// refuse ends all items as NotAttempted: a run whose context has ended sends nothing.
func refuse[In, Out any](ctx context.Context, processor *windrow.BatchProcessor[In, Out], items []In, cause error) (*Result[In, Out], error) {
	if ctx == nil {
		return run(ctx, processor, items)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	cancel(cause)
	return run(ctx, processor, items)
}
