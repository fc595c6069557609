package windrowtest

import (
	"context"
	"fmt"
	"slices"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/clients"
)

// batchCall sends one request for many items.
type batchCall[Out any] func(ctx context.Context) ([]windrow.Outcome[Out], error)

func verbOf(op windrow.OpKind) string {
	return [...]string{"Do", "Create", "Update", "Upsert", "Delete", "Get"}[op]
}

func interfaceOf(op windrow.OpKind) string {
	return [...]string{"", "Creator", "Updater", "Upserter", "Deleter", "Getter"}[op]
}

// batchOf returns a request of that kind for items. It uses ids, inputs or both, depending on op.
func (r *clientRun[ID, In, Out]) batchOf(op windrow.OpKind, ids []ID, inputs []In) batchCall[Out] {
	if e := r.executor(); e != nil {
		return r.execution(e, r.operations(op, ids, inputs))
	}
	switch c := r.client; op {
	case windrow.OpCreate:
		if c, ok := c.(clients.BatchCreator[In, Out]); ok {
			return func(ctx context.Context) ([]windrow.Outcome[Out], error) { return c.CreateBatch(ctx, inputs) }
		}
	case windrow.OpUpsert:
		if c, ok := c.(clients.BatchUpserter[In, Out]); ok {
			return func(ctx context.Context) ([]windrow.Outcome[Out], error) { return c.UpsertBatch(ctx, inputs) }
		}
	case windrow.OpUpdate:
		if c, ok := c.(clients.BatchUpdater[ID, In, Out]); ok {
			updates := make([]windrow.Update[ID, In], len(ids))
			for i, id := range ids {
				updates[i] = windrow.Update[ID, In]{ID: id, Data: inputs[i]}
			}
			return func(ctx context.Context) ([]windrow.Outcome[Out], error) { return c.UpdateBatch(ctx, updates) }
		}
	case windrow.OpGet:
		if c, ok := c.(clients.BatchGetter[ID, Out]); ok {
			return func(ctx context.Context) ([]windrow.Outcome[Out], error) { return c.GetBatch(ctx, ids) }
		}
	case windrow.OpDelete:
		if c, ok := c.(clients.BatchDeleter[ID]); ok {
			return func(ctx context.Context) ([]windrow.Outcome[Out], error) {
				deleted, err := c.DeleteBatch(ctx, ids)
				var outcomes []windrow.Outcome[Out]
				for _, d := range deleted {
					outcomes = append(outcomes, windrow.Outcome[Out]{Err: d.Err, Reason: d.Reason, Warnings: d.Warnings})
				}
				return outcomes, err
			}
		}
	}
	r.Fatalf("the client does not implement Batch%s with the types of the test", interfaceOf(op))
	return nil
}

func byID(op windrow.OpKind) bool {
	return op == windrow.OpUpdate || op == windrow.OpDelete || op == windrow.OpGet
}

// storedFor stores n inputs from number from on, if an operation needs existing records.
func (r *clientRun[ID, In, Out]) storedFor(op windrow.OpKind, from, n int) []ID {
	r.Helper()
	if !byID(op) {
		return nil
	}
	ids := make([]ID, n)
	for i := range ids {
		ids[i] = r.put(from + i)
	}
	return ids
}

// batchRoundTrip: each item has its own outcome, in the order of the items.
func (r *clientRun[ID, In, Out]) batchRoundTrip() {
	const n = 5
	for _, op := range r.Batches {
		from := 100 * int(op)
		stored, changed := r.inputs(from, n), r.inputs(from+n, n)
		ids := r.storedFor(op, from, n)
		slices.Reverse(ids) // to detect outcomes in the server's order
		slices.Reverse(stored)
		r.wellDone(op, ids, stored, changed)
		if op == windrow.OpDelete && r.capable().Atomicity == windrow.AtomicityPartial {
			for i, o := range r.allOf(op, ids, changed) { // once more
				if !r.DeletesMissing && !r.saysNotFound(o.Err, o.Reason) {
					r.Errorf("BatchDelete: item %d, which was deleted before: %v, reason %q", i, o.Err, o.Reason)
				}
			}
		}
	}
}

// wellDone sends a request that must succeed, and checks the outcomes.
func (r *clientRun[ID, In, Out]) wellDone(op windrow.OpKind, ids []ID, stored, changed []In) {
	r.Helper()
	name := "Batch" + verbOf(op)
	for i, o := range r.allOf(op, ids, changed) {
		want := changed[i]
		if op == windrow.OpGet {
			want = stored[i]
		}
		switch {
		case o.Err != nil:
			r.Errorf("%s: item %d: %v", name, i, o.Err)
		case o.Reason != windrow.NoReason:
			r.Errorf("%s: item %d: it needed a change, and its reason is %q", name, i, o.Reason)
		case op != windrow.OpDelete && !r.Same(want, o.Value):
			r.Errorf("%s: the value of outcome %d is not that of item %d: %s", name, i, i, show(o.Value))
		}
	}
}

// allOf sends a request and returns its outcomes, one for each item.
func (r *clientRun[ID, In, Out]) allOf(op windrow.OpKind, ids []ID, inputs []In) []windrow.Outcome[Out] {
	r.Helper()
	n := len(inputs)
	if byID(op) {
		n = len(ids)
	}
	outcomes, err := r.batchOf(op, ids, inputs)(r.Context())
	if err != nil {
		r.Fatalf("Batch%s of %d items: %v", verbOf(op), n, err)
	}
	if len(outcomes) != n {
		r.Fatalf("Batch%s of %d items has %d outcomes", verbOf(op), n, len(outcomes))
	}
	for i, o := range outcomes {
		r.note(o.Err)
		if o.Err != nil && o.Reason != windrow.NoReason {
			r.Errorf("Batch%s: outcome %d has an error, %v, and a reason, %q", verbOf(op), i, o.Err, o.Reason)
		}
	}
	return outcomes
}

// batchSizes: a batch may have one item, and up to MaxItems.
func (r *clientRun[ID, In, Out]) batchSizes() {
	most := min(r.capable().MaxItems, 1000)
	for _, op := range r.Batches {
		for k, n := range []int{1, 2, most} {
			if n == 0 {
				continue // MaxItems is not set
			}
			from := 10_000*int(op) + 3000*k
			r.wellDone(op, r.storedFor(op, from, n), r.inputs(from, n), r.inputs(from+n, n))
		}
	}
}

// batchNotFound: a missing record is the error of its item, and of no other.
func (r *clientRun[ID, In, Out]) batchNotFound() {
	for _, op := range r.Batches {
		if !byID(op) || r.capable().Atomicity != windrow.AtomicityPartial || op == windrow.OpDelete && r.DeletesMissing {
			continue
		}
		from := 100 * int(op)
		stored, changed := r.inputs(from, 4), r.inputs(from+10, 5)
		ids := slices.Insert(r.storedFor(op, from, 4), 2, r.Missing)
		want := slices.Insert(stored, 2, stored[0])
		if op != windrow.OpGet {
			want = changed
		}
		for i, o := range r.allOf(op, ids, changed) {
			switch {
			case i == 2 && !r.saysNotFound(o.Err, o.Reason):
				r.Errorf("Batch%s: item 2 does not exist, and its error is %v, its reason %q", verbOf(op), o.Err, o.Reason)
			case i != 2 && (o.Err != nil || o.Reason != windrow.NoReason):
				r.Errorf("Batch%s: item 2 does not exist, and the error of item %d is %v, its reason %q", verbOf(op), i, o.Err, o.Reason)
			case i != 2 && op != windrow.OpDelete && !r.Same(want[i], o.Value):
				r.Errorf("Batch%s: item 2 does not exist, and the value of outcome %d is that of another item: %s", verbOf(op), i, show(o.Value))
			}
		}
	}
}

// badItem: a bad item has its own error, and the others end as the client's Atomicity says.
func (r *clientRun[ID, In, Out]) badItem() {
	const bad = 2
	for _, op := range r.Batches {
		if op == windrow.OpGet || op == windrow.OpDelete {
			continue
		}
		name := "Batch" + verbOf(op)
		from := 100 * int(op)
		ids := r.storedFor(op, from, 5)
		inputs := r.inputs(from+10, 5)
		inputs[bad] = r.Bad(from + 10 + bad)
		before := r.count()
		outcomes, err := r.batchOf(op, ids, inputs)(r.Context())
		r.note(err)
		if err != nil {
			if class := windrow.Classify(err).Class; class != windrow.ClassPermanent && class != windrow.ClassTooLarge {
				r.Errorf("%s: item %d is bad, and the class of the error is %v: %v", name, bad, class, err)
			}
			if position := windrow.Classify(err).BadItem; position != 0 && position != bad+1 {
				r.Errorf("%s: item %d is bad, and the error names the one at position %d (from 1)", name, bad, position)
			}
			if r.capable().Atomicity == windrow.AtomicityPartial {
				r.Errorf("%s: the client says that a bad item does not affect the others, and the whole request failed: %v", name, err)
			}
			if now := r.count(); now != before {
				r.Errorf("%s: the request failed, and there are %d records more", name, now-before)
			}
			continue
		}
		r.badOutcomes(name, op, bad, inputs, outcomes)
		if want := before + 4; r.capable().Atomicity == windrow.AtomicityPartial && op != windrow.OpUpdate && r.Count != nil && r.count() != want {
			r.Errorf("%s: item %d of 5 is bad, and there are %d records more", name, bad, r.count()-before)
		}
	}
}

// badOutcomes checks the outcomes of a batch with a bad item that was not refused as a whole.
func (r *clientRun[ID, In, Out]) badOutcomes(name string, op windrow.OpKind, bad int, inputs []In, outcomes []windrow.Outcome[Out]) {
	r.Helper()
	if len(outcomes) != len(inputs) {
		r.Errorf("%s of %d items has %d outcomes", name, len(inputs), len(outcomes))
		return
	}
	partial := r.capable().Atomicity == windrow.AtomicityPartial
	for i, o := range outcomes {
		r.note(o.Err)
		switch {
		case i == bad && o.Err == nil:
			r.Errorf("%s: item %d is bad, and its outcome has no error", name, i)
		case i == bad && windrow.Classify(o.Err).Class != windrow.ClassPermanent:
			r.Errorf("%s: item %d is bad, and the class of its error is %v: %v", name, i, windrow.Classify(o.Err).Class, o.Err)
		case i == bad:
		case partial && o.Err != nil:
			r.Errorf("%s: item %d is bad, and the error of item %d is %v", name, bad, i, o.Err)
		case partial && !r.Same(inputs[i], o.Value):
			r.Errorf("%s: item %d is bad, and the value of outcome %d is that of another item: %s", name, bad, i, show(o.Value))
		case r.capable().Atomicity == windrow.AtomicityAll && o.Err == nil:
			r.Errorf("%s: the client says that one bad item makes all of them fail; item %d is bad, and item %d succeeded", name, bad, i)
		}
	}
}

// count returns how many records there are; 0 if Count is nil.
func (r *clientRun[ID, In, Out]) count() int {
	if r.Count == nil {
		return 0
	}
	return r.Count(r.api)
}

// show prints the first 200 characters of a value.
func show(v any) string { return fmt.Sprintf("%.200s", fmt.Sprintf("%+v", v)) }
