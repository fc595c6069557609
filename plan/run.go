package plan

import (
	"context"

	"github.com/windrow-go/windrow"
)

// run sends the items.
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
