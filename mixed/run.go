package mixed

import (
	"context"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/internal/inspect"
	"github.com/windrow-go/windrow/internal/refusal"
	"github.com/windrow-go/windrow/internal/seam"
)

// Executor carries out operations of several kinds with one request, and returns one outcome for each, in their order.
// [Clients] is one over clients that take one record at a time.
type Executor interface {
	Execute(ctx context.Context, ops []Operation) ([]windrow.Outcome[any], error)
}

// Run carries out operations of several kinds. Those that name the same record are carried out in their order: one after the
// other, or within one request when the client's [windrow.Capabilities] are Ordered. See [windrow.BatchProcessor.Run] for
// what it returns.
func Run(ctx context.Context, client Executor, ops []Operation, opts ...windrow.Option) (*windrow.BulkResult[Operation, any], error) {
	return NewProcessor(client, refusal.ForRun(opts)...).Run(ctx, ops)
}

// NewProcessor returns the processor behind [Run].
func NewProcessor(client Executor, opts ...windrow.Option) *windrow.BatchProcessor[Operation, any] {
	p := windrow.NewBatchProcessor[Operation, any](nil, opts...)
	p.Validate = Operation.Validate
	hooks := &seam.Hooks[Operation, any, windrow.OpKind, windrow.Capabilities]{Client: client, Op: windrow.OpExecute, Identity: Operation.identity}
	hooks.TraitsOf = func(o Operation) (windrow.OpKind, windrow.Capabilities) { return o.Kind, p.Capabilities }
	if c, ok := client.(Clients); ok && c != nil {
		p.Do, p.Validate, p.Reconcile, hooks.Typed = c.do, c.validate, c.reconcile, c.typed
		hooks.TraitsOf = func(o Operation) (windrow.OpKind, windrow.Capabilities) { return o.Kind, c[o.Resource].caps }
	} else if !inspect.IsNil(client) {
		p.Batch = client.Execute
	}
	seam.Adopt(p, hooks)
	return p
}
