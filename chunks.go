package windrow

import (
	"cmp"
	"slices"

	"github.com/windrow-go/windrow/internal/contain"
	"github.com/windrow-go/windrow/internal/inspect"
	"github.com/windrow-go/windrow/internal/schedule"
)

const defaultMaxItems = 100

// maxPriced bounds MaxItems beside a Cost, which is called for each number of items.
const maxPriced = 1 << 20

// chunkItems returns how many items one request holds at most; 1 for single calls.
func (p *BatchProcessor[In, Out]) chunkItems() int {
	if p.Batch == nil && !p.asksServer() {
		return 1
	}
	n := cmp.Or(p.Capabilities.MaxItems, defaultMaxItems)
	if p.op == OpGet {
		n = cmp.Or(p.Capabilities.MaxReads, n)
	}
	if p.opts.batchSize > 0 {
		n = min(n, p.opts.batchSize)
	}
	return n
}

// batchSize returns the number of items between two delays.
func (p *BatchProcessor[In, Out]) batchSize() int {
	switch {
	case p.opts.batchSize > 0:
		return p.opts.batchSize
	case p.Batch != nil:
		return p.chunkItems()
	case p.op == OpCreate:
		return 20
	default:
		return 10
	}
}

// sizeOf returns the function that measures items for MaxBytes, nil when only their number counts.
func (p *BatchProcessor[In, Out]) sizeOf() func(In) int {
	switch {
	case p.Batch == nil || p.Capabilities.MaxBytes == 0 || p.opts.dryRun:
		return nil
	case p.Size == nil:
		return inspect.JSONSize[In]
	}
	return p.Size
}

// measure returns the size of an item, called after a request was too large; 0 when Size panics.
func (p *BatchProcessor[In, Out]) measure(in In) (size int) {
	measure := p.Size
	if measure == nil {
		measure = inspect.JSONSize[In]
	}
	_ = guarded(func() error { size = max(0, measure(in)); return nil })
	return size
}

// costs returns the costs of requests for 1, 2 and more items, nil when each costs 1, and raises the burst for them.
// They are computed in advance, since no hook may be called while others wait for the limiter.
func (p *BatchProcessor[In, Out]) costs() ([]int, error) {
	const source = "Capabilities.Cost"
	if p.Capabilities.Cost == nil {
		return nil, p.limiter.admits(1, source)
	}
	if n := p.chunkItems(); n > maxPriced {
		return nil, &OptionError{Option: "Capabilities", Field: "MaxItems", Value: n, Problem: "must be at most 1,048,576 beside a Cost, which is asked for each number of items"}
	}
	costs := make([]int, p.chunkItems())
	if value, stack, ok := contain.Go(func() {
		for i := range costs {
			costs[i] = max(1, p.Capabilities.Cost(i+1))
		}
	}); !ok {
		return nil, &schedule.HookError{Hook: "Cost", Err: lost(value, stack)}
	}
	return costs, p.limiter.admits(slices.Max(costs), source)
}
