package plan

import (
	"context"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/internal/inspect"
	"github.com/windrow-go/windrow/internal/refusal"
)

// run runs the items.
func run[In, Out any](ctx context.Context, processor *windrow.BatchProcessor[In, Out], items []In) (*ApplyResult[In, Out], error) {
	bulk, err := processor.Run(ctx, items)
	return &ApplyResult[In, Out]{BulkResult: bulk}, err
}

// refuse ends all items as NotAttempted: a run whose context has ended sends nothing.
func refuse[In, Out any](ctx context.Context, processor *windrow.BatchProcessor[In, Out], items []In, cause error) (*ApplyResult[In, Out], error) {
	if inspect.IsNil(ctx) {
		return run(ctx, processor, items)
	}
	return run(refusal.Context(ctx, cause), processor, items)
}
