package windrowtest

import (
	"context"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/mixed"
)

// executor returns the client as an Executor; nil if Operation is not set.
func (r *clientRun[ID, In, Out]) executor() mixed.Executor {
	if r.Operation == nil {
		return nil
	}
	e, _ := r.client.(mixed.Executor) // that it is none is found elsewhere
	return e
}

// operations returns operations of one kind, for items with those ids and inputs.
func (r *clientRun[ID, In, Out]) operations(op windrow.OpKind, ids []ID, inputs []In) []mixed.Operation {
	ops := make([]mixed.Operation, max(len(ids), len(inputs)))
	if byID(op) {
		ops = ops[:len(ids)]
	}
	for i := range ops {
		var id ID
		var in In
		if byID(op) {
			id = ids[i]
		}
		if op != windrow.OpGet && op != windrow.OpDelete {
			in = inputs[i]
		}
		ops[i] = r.Operation(op, id, in)
	}
	return ops
}

// execution returns a request for operations.
func (r *clientRun[ID, In, Out]) execution(e mixed.Executor, ops []mixed.Operation) batchCall[Out] {
	return func(ctx context.Context) ([]windrow.Outcome[Out], error) {
		executed, err := e.Execute(ctx, ops)
		var outcomes []windrow.Outcome[Out]
		for i, x := range executed {
			o := windrow.Outcome[Out]{Err: x.Err, Reason: x.Reason, Warnings: x.Warnings}
			if value, ok := x.Value.(Out); ok {
				o.Value = value
			} else if x.Value != nil {
				r.Errorf("Execute: the value of outcome %d is a %T, which is not the Out of the test", i, x.Value)
			}
			outcomes = append(outcomes, o)
		}
		return outcomes, err
	}
}

// mixed: with operations of all kinds in one request each has its own outcome, in their order.
func (r *clientRun[ID, In, Out]) mixed() {
	const n = 2
	e := r.executor()
	type item struct {
		op   windrow.OpKind
		want In
	}
	var ops []mixed.Operation
	var items []item
	ofKind, wants := map[windrow.OpKind][]mixed.Operation{}, map[windrow.OpKind][]In{}
	for _, op := range r.Batches {
		from := 100 * int(op)
		stored, changed := r.inputs(from, n), r.inputs(from+n, n)
		ofKind[op], wants[op] = r.operations(op, r.storedFor(op, from, n), changed), changed
		if op == windrow.OpGet {
			wants[op] = stored
		}
	}
	for i := range n {
		for _, op := range r.Batches {
			ops, items = append(ops, ofKind[op][i]), append(items, item{op, wants[op][i]})
		}
	}
	outcomes, err := r.execution(e, ops)(r.Context())
	if r.note(err); err != nil || len(outcomes) != len(ops) {
		r.Fatalf("Execute of %d operations has %d outcomes: %v", len(ops), len(outcomes), err)
	}
	for i, o := range outcomes {
		r.note(o.Err)
		switch {
		case o.Err != nil || o.Reason != windrow.NoReason:
			r.Errorf("Execute: operation %d, a %v: %v, reason %q", i, items[i].op, o.Err, o.Reason)
		case items[i].op != windrow.OpDelete && !r.Same(items[i].want, o.Value):
			r.Errorf("Execute: the value of outcome %d is not that of operation %d, a %v: %s", i, i, items[i].op, show(o.Value))
		}
	}
}
