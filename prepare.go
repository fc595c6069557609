package windrow

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/windrow-go/windrow/internal/engine"
	"github.com/windrow-go/windrow/internal/gate"
	"github.com/windrow-go/windrow/internal/resume"
	"github.com/windrow-go/windrow/internal/schedule"
)

// prepared is the plan of a run.
type prepared struct {
	*schedule.Plan
	settled []int // items that have ended without being sent
	replay  []engine.Replay
	costs   []int // of requests for 1, 2 and more items; nil when each costs 1
}

// prepare calls the hooks that look at every item, before anything is sent.
func (p *BatchProcessor[In, Out]) prepare(ctx context.Context, res *BulkResult[In, Out], past *resume.Past, journal *resume.Resumption) (*prepared, error) {
	if ctx.Err() != nil {
		return nil, gate.Ended(ctx)
	}
	hooks := schedule.Hooks{Lost: lost, Invalid: res.invalid}
	key, policy := p.keyOf(), p.opts.duplicates
	if p.Key == nil && policy == duplicatesDefault {
		policy = KeepAllInOrder
	}
	known := past // replaced by what the journal knows, if there is one
	if journal != nil {
		if policy == KeepAllInOrder {
			policy = RejectDuplicates // the journal knows items only by their keys
		}
		hooks.Recall = func(keys []string, pending, doubtful []bool) ([]bool, []bool, error) {
			res.keys = keys
			var err error
			if known, err = journal.RecallAll(ctx, pending, doubtful); err != nil {
				return nil, nil, err
			}
			for i, id := range res.ids { // ids of an earlier result
				known.IDs[i] = cmp.Or(known.IDs[i], id)
			}
			res.ids = known.IDs
			return known.Pending, known.Doubtful, nil
		}
	}
	if key != nil {
		hooks.Key = func(i int) string { return key(res.inputs[i]) }
	}
	if p.Validate != nil {
		hooks.Validate = func(i int) error { return p.Validate(res.inputs[i]) }
	}
	if size := p.sizeOf(); size != nil {
		hooks.Size = func(i int) int { return size(res.inputs[i]) }
	}
	plan, err := schedule.Prepare(ctx, res.Len(), past.Pending, past.Doubtful, map[DuplicatePolicy]schedule.Policy{
		KeepFirst: schedule.First, KeepLast: schedule.Last, KeepAllInOrder: schedule.InOrder, FailDuplicates: schedule.Fail,
	}[policy], p.opts.preserveOrder || p.opts.atomic, hooks)
	if ctx.Err() != nil {
		err = gate.Ended(ctx)
	}
	if err != nil {
		return nil, err
	}
	if plan.Keys != nil {
		res.keys = plan.Keys
	}
	if plan.Panic != nil && p.opts.keepPanics {
		return nil, plan.Panic
	}
	if plan.Rejected {
		return nil, duplicateKeys(res.keys, plan)
	}
	if policy != KeepAllInOrder && len(res.revisions) > 0 { // a corrected item can have the key of another one
		if first, second, twice := resume.SentBefore(res.table, plan.Keys, past.Pending); twice {
			return nil, sameKey(plan.Keys[second], first, second)
		}
	}
	res.failDuplicates(plan.Clashes)
	plan.Invalid = append(plan.Invalid, plan.Clashes...)
	for _, i := range plan.Losers {
		res.table.Slots[i] = engine.Slot{State: engine.Skipped, Reason: engine.Duplicate}
	}
	settled := slices.Concat(plan.Invalid, plan.Losers, known.Settled)
	if p.same != nil && !p.opts.atomic && !p.asksServer() {
		plan.Share(res.Len(), func(a, b int) bool { return p.same(res.inputs[a], res.inputs[b]) })
	}
	for _, replay := range known.Replay {
		plan.Todo += len(replay.Items)
	}
	if p.opts.atomic {
		if err := p.fitsOne(plan, res); err != nil {
			return nil, err
		}
	}
	if p.opts.dryRun && !p.asksServer() {
		for i := range res.slots() {
			if res.table.Slots[i].State == engine.NotAttempted {
				res.table.Slots[i] = engine.Slot{State: engine.Skipped, Reason: engine.DryRun}
				settled = append(settled, i)
			}
		}
		plan.Schedule = schedule.Schedule{}
	}
	return &prepared{Plan: plan, settled: settled, replay: known.Replay}, nil
}

// fitsOne returns why the items do not fit into one request, nil if they do.
func (p *BatchProcessor[In, Out]) fitsOne(plan *schedule.Plan, res *BulkResult[In, Out]) error {
	if n := len(plan.Invalid); n > 0 {
		return &namedError{ErrTooManyFailures, fmt.Errorf("too many failures: an Atomic run needs all items to be valid, and %d are not", n)}
	}
	refuse := func(problem string, args ...any) error {
		return &OptionError{Option: "Atomic", Value: plan.Todo, Problem: fmt.Sprintf("items need one request, and "+problem, args...)}
	}
	if most := p.chunkItems(); plan.Todo > most {
		return refuse("one holds at most %d: send fewer at once, or leave Atomic out", most)
	}
	if most, bytes := p.Capabilities.MaxBytes, plan.Bytes(); plan.Sizes != nil && bytes > most {
		return refuse("they have %d bytes where one holds at most %d: send fewer at once, or leave Atomic out", bytes, most)
	}
	for first, second := range plan.Follower {
		if !p.together() {
			return refuse("items %d and %d have the same key, which one cannot hold", first, second)
		}
	}
	return nil
}

// together reports whether items with one key may share a request.
func (p *BatchProcessor[In, Out]) together() bool {
	return p.Capabilities.Ordered && !p.Capabilities.DistinctKeys
}
