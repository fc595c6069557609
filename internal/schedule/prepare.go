package schedule

import (
	"context"
	"slices"
	"sync/atomic"

	"github.com/windrow-go/windrow/internal/contain"
	"github.com/windrow-go/windrow/internal/parallel"
)

// Hooks are called with every item before anything is sent, from several goroutines; a nil hook is not called.
type Hooks struct {
	Key      func(i int) string
	Validate func(i int) error
	Size     func(i int) int
	Invalid  func(i int, err error) // an item that Validate refuses, or for which it panics
	// Recall returns which of the pending items are still to be sent, and which of those an earlier run may have applied.
	Recall func(keys []string, pending, doubtful []bool) (stillPending, stillDoubtful []bool, err error)
	Lost   contain.Lost
}

// A HookError says that Key or Size panicked: without them nothing can be sent.
type HookError struct {
	Hook string
	Err  error
}

// Error implements error.
func (e *HookError) Error() string { return e.Hook + ": " + e.Err.Error() }

// Unwrap returns the panic.
func (e *HookError) Unwrap() error { return e.Err }

// Plan is a schedule and the results of the hooks.
type Plan struct {
	Schedule
	Keys    []string // nil without Key
	Groups  []Group  // if Rejected: the first keys that several items have
	Shared  int      // number of keys that several items have
	Sizes   []int    // nil without Size
	Invalid []int    // items that Validate refused, in order
	Panic   error    // the first panic of Validate
}

// Bytes is the size of the items in Order, 0 without Size.
func (p *Plan) Bytes() (sum int) {
	switch {
	case p.Sizes == nil:
	case p.Order == nil:
		for _, size := range p.Sizes {
			sum += size
		}
	default:
		for _, i := range p.Order {
			sum += p.Sizes[i]
		}
	}
	return sum
}

// Prepare calls the hooks for the pending items and makes the schedule of those that are valid. The error is the
// context's, or a [HookError].
func Prepare(ctx context.Context, n int, pending, doubtful []bool, policy Policy, serial bool, h Hooks) (*Plan, error) {
	plan := &Plan{}
	if h.Key != nil {
		plan.Keys = make([]string, n)
		if err := forEach(ctx, n, "Key", h, func(i int) { plan.Keys[i] = h.Key(i) }); err != nil {
			return nil, err
		}
	}
	var replaced, clashes []int
	if h.Recall != nil {
		// A look-up by key needs unique keys, so duplicates are handled first.
		first := Make(n, pending, doubtful, plan.Keys, policy, serial)
		if plan.Schedule = first; first.Rejected {
			plan.Groups, plan.Shared = shared(plan.Keys, pending)
			return plan, nil
		}
		replaced, clashes = first.Losers, first.Clashes
		pending = without(n, pending, slices.Concat(replaced, clashes))
		var err error
		if pending, doubtful, err = h.Recall(plan.Keys, pending, doubtful); err != nil {
			return nil, err
		}
	}
	if h.Validate != nil {
		valid, err := plan.validate(ctx, n, pending, h)
		if err != nil {
			return nil, err
		}
		pending = valid
	}
	keys := plan.Keys
	if h.Recall != nil && policy != InOrder {
		keys = nil // the remaining keys are unique
	}
	if plan.Schedule = Make(n, pending, doubtful, keys, policy, serial); plan.Rejected {
		plan.Groups, plan.Shared = shared(keys, pending)
	}
	plan.Losers, plan.Clashes = append(plan.Losers, replaced...), append(plan.Clashes, clashes...)
	slices.Sort(plan.Clashes)
	if h.Size != nil && !plan.Rejected {
		plan.Sizes = make([]int, n)
		if err := forEach(ctx, n, "Size", h, func(i int) { plan.Sizes[i] = max(0, h.Size(i)) }); err != nil {
			return nil, err
		}
	}
	return plan, nil
}

// without returns the pending items except some.
func without(n int, pending []bool, some []int) []bool {
	rest := make([]bool, n)
	for i := range rest {
		rest[i] = pending == nil || pending[i]
	}
	for _, i := range some {
		rest[i] = false
	}
	return rest
}

// forEach calls f for each index until one panics.
func forEach(ctx context.Context, n int, hook string, h Hooks, f func(i int)) error {
	var failure atomic.Pointer[HookError]
	parallel.For(n, func() bool { return ctx.Err() != nil || failure.Load() != nil }, f, func(_ int, value any, stack []byte) {
		failure.CompareAndSwap(nil, &HookError{Hook: hook, Err: h.Lost(value, stack)})
	})
	if e := failure.Load(); e != nil {
		return e
	}
	return context.Cause(ctx)
}

// validate returns which pending items are valid.
func (p *Plan) validate(ctx context.Context, n int, pending []bool, h Hooks) ([]bool, error) {
	valid := make([]bool, n)
	errs := make([]error, n)
	var panicked atomic.Pointer[HookError]
	parallel.For(n, func() bool { return ctx.Err() != nil }, func(i int) {
		if pending != nil && !pending[i] {
			return
		}
		errs[i] = h.Validate(i)
		valid[i] = errs[i] == nil
	}, func(i int, value any, stack []byte) {
		errs[i] = h.Lost(value, stack)
		panicked.CompareAndSwap(nil, &HookError{Hook: "Validate", Err: errs[i]})
	})
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if e := panicked.Load(); e != nil {
		p.Panic = e.Err
	}
	for i, err := range errs {
		if err != nil {
			p.Invalid = append(p.Invalid, i)
			h.Invalid(i, err)
		}
	}
	return valid, nil
}
