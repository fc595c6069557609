package plan

import (
	"context"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/internal/refusal"
)

// run runs the items.
func run[In, Out any](ctx context.Context, processor *windrow.BatchProcessor[In, Out], items []In) (*Result[In, Out], error) {
	bulk, err := processor.Run(ctx, items)
	return &Result[In, Out]{BulkResult: bulk}, err
}

// refuse ends all items as NotAttempted: a run whose context has ended sends nothing.
func refuse[In, Out any](ctx context.Context, processor *windrow.BatchProcessor[In, Out], items []In, cause error) (*Result[In, Out], error) {
	if ctx == nil {
		return run(ctx, processor, items)
	}
	return run(refusal.Context(ctx, cause), processor, items)
}
