package mixed

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/clients"
	"github.com/windrow-go/windrow/internal/exact"
	"github.com/windrow-go/windrow/internal/inspect"
)

// Clients is an [Executor] over clients that take one record at a time, by [Operation.Resource]. [Run] calls them one
// operation a call, as the verbs of package windrow do.
type Clients map[string]Client

// Client is what [Clients] has for one kind of record. The zero Client can do nothing. Make one with [ClientOf].
type Client struct {
	verbs     map[windrow.OpKind]func(ctx context.Context, o Operation) (any, error)
	typed     func(o *Operation, value *any)          // gives what was read from JSON its types again
	types     map[windrow.OpKind]func(data any) error // says what is wrong with the type of the content
	caps      windrow.Capabilities
	reconcile func(ctx context.Context, o Operation) (any, bool, error)
}

// ClientOf returns what the client can do with records of these types: the verbs of [windrow.Creator], [windrow.Updater],
// [windrow.Upserter], [windrow.Deleter] and [windrow.Getter], with ids that are strings, which it has. [Operation.Data]
// must be an In.
func ClientOf[In, Out any](client any) Client {
	r := Client{verbs: map[windrow.OpKind]func(context.Context, Operation) (any, error){}, types: map[windrow.OpKind]func(any) error{}}
	r.typed = func(o *Operation, value *any) { o.Data, *value = exact.As[In](o.Data), exact.As[Out](*value) }
	if inspect.IsNil(client) {
		return r
	}
	data := func(o Operation) In { in, _ := o.Data.(In); return in } // of the right type: Run looks first
	isIn := func(data any) error {
		if _, ok := data.(In); ok || data == nil {
			return nil
		}
		return fmt.Errorf("is a %T, want %v", data, reflect.TypeFor[In]())
	}
	if c, ok := client.(windrow.Creator[In, Out]); ok {
		r.types[windrow.OpCreate] = isIn
		r.verbs[windrow.OpCreate] = func(ctx context.Context, o Operation) (any, error) { return c.Create(ctx, data(o)) }
	}
	if c, ok := client.(windrow.Updater[string, In, Out]); ok {
		r.types[windrow.OpUpdate] = isIn
		r.verbs[windrow.OpUpdate] = func(ctx context.Context, o Operation) (any, error) { return c.Update(ctx, o.ID, data(o)) }
	}
	if c, ok := client.(windrow.Upserter[In, Out]); ok {
		r.types[windrow.OpUpsert] = isIn
		r.verbs[windrow.OpUpsert] = func(ctx context.Context, o Operation) (any, error) { return c.Upsert(ctx, data(o)) }
	}
	if c, ok := client.(windrow.Deleter[string]); ok {
		r.verbs[windrow.OpDelete] = func(ctx context.Context, o Operation) (any, error) { return nil, c.Delete(ctx, o.ID) }
	}
	if c, ok := client.(windrow.Getter[string, Out]); ok {
		r.verbs[windrow.OpGet] = func(ctx context.Context, o Operation) (any, error) { return c.Get(ctx, o.ID) }
	}
	if d, ok := client.(clients.Describer); ok {
		r.caps = d.Capabilities()
	}
	if c, ok := client.(clients.Reconciler[In, Out]); ok {
		r.reconcile = func(ctx context.Context, o Operation) (any, bool, error) { return c.Reconcile(ctx, data(o)) }
	}
	return r
}

// Execute implements [Executor]: it carries out the operations one after the other.
func (c Clients) Execute(ctx context.Context, ops []Operation) ([]windrow.Outcome[any], error) {
	out := make([]windrow.Outcome[any], len(ops))
	for i, o := range ops {
		out[i].Value, out[i].Err = c.do(ctx, o)
	}
	return out, nil
}

// validate says what is wrong with an operation.
func (c Clients) validate(o Operation) error {
	if err := o.Validate(); err != nil {
		return err
	}
	client, ok := c[o.Resource]
	if !ok {
		return &windrow.FieldError{Field: "Resource", Message: "is none of those that Clients has"}
	}
	if client.verbs[o.Kind] == nil {
		return &windrow.FieldError{Field: "Kind", Message: o.Kind.String() + " is nothing that the client of this Resource can do"}
	}
	if check := client.types[o.Kind]; check != nil {
		if err := check(o.Data); err != nil {
			return &windrow.FieldError{Field: "Data", Message: err.Error()}
		}
	}
	return nil
}

func (c Clients) do(ctx context.Context, o Operation) (any, error) {
	if err := c.validate(o); err != nil {
		return nil, windrow.Permanent(err)
	}
	return c[o.Resource].verbs[o.Kind](ctx, o)
}

// typed gives the content and the result of an operation that were read from JSON the types that its client has for them.
func (c Clients) typed(o *Operation, value *any) {
	if client := c[o.Resource]; client.typed != nil {
		client.typed(o, value)
	}
}

// reconcile looks up whether a create or an upsert was applied, if its client can.
func (c Clients) reconcile(ctx context.Context, o Operation) (any, bool, error) {
	look := c[o.Resource].reconcile
	if look == nil || o.Kind != windrow.OpCreate && o.Kind != windrow.OpUpsert {
		return nil, false, windrow.Permanent(errors.ErrUnsupported)
	}
	return look(ctx, o)
}
