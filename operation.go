package windrow

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/windrow-go/windrow/internal/enum"
	"github.com/windrow-go/windrow/internal/exact"
	"github.com/windrow-go/windrow/internal/inspect"
)

// OpKind is what is done to an item. The zero OpKind is [OpDo].
type OpKind uint8

// The kinds of operation.
const (
	OpDo OpKind = iota // whatever the function given to NewBatchProcessor does
	OpCreate
	OpUpdate
	OpUpsert
	OpDelete
	OpGet
	OpExecute // a run of [Operation] values, each of which has a kind of its own
)

var opKinds = enum.New("operation", "do", "create", "update", "upsert", "delete", "get", "execute")

// String returns the kind in lower case.
func (k OpKind) String() string { return opKinds.Name(uint8(k)) }

// MarshalText implements [encoding.TextMarshaler].
func (k OpKind) MarshalText() ([]byte, error) { return opKinds.Text(uint8(k)) }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (k *OpKind) UnmarshalText(text []byte) error { return opKinds.Read(text, (*uint8)(k)) }

// Operation is one of several kinds of work in one run of [Execute].
type Operation struct {
	// Kind is what is done: OpCreate, OpUpdate, OpUpsert, OpDelete or OpGet.
	Kind OpKind `json:"kind"`
	// Resource is the kind of record: a collection, a table, a type. It may be "" where the client has but one.
	Resource string `json:"resource,omitempty"`
	// ID names the record. An update, a delete and a read need it.
	ID string `json:"id,omitempty"`
	// ExternalID is the caller's own id of the record, by which an upsert finds it.
	ExternalID string `json:"external_id,omitempty"`
	// Data is the content. A create, an update and an upsert need it.
	Data any `json:"data,omitempty"`
}

// Validate says what an operation of its kind lacks. It is the Validate of a processor made by [NewExecuteProcessor]; one
// that takes its place should call it.
func (o Operation) Validate() error {
	var errs []error
	refuse := func(field, message string) { errs = append(errs, &FieldError{Field: field, Message: message}) }
	switch o.Kind {
	case OpUpdate, OpDelete, OpGet:
		if o.ID == "" {
			refuse("ID", "is required for "+o.Kind.String())
		}
	case OpCreate, OpUpsert:
	default:
		refuse("Kind", "must be create, update, upsert, delete or get, not "+o.Kind.String())
		return errors.Join(errs...)
	}
	if o.Data == nil && o.Kind != OpDelete && o.Kind != OpGet {
		refuse("Data", "is required for "+o.Kind.String())
	}
	return errors.Join(errs...)
}

// identity names the record of an operation, "" when it names none.
func (o Operation) identity() string {
	id := o.ID
	if id == "" && o.ExternalID != "" {
		id = "external:" + o.ExternalID
	}
	if id == "" || o.Resource == "" {
		return id
	}
	return o.Resource + "/" + id
}

// Executor carries out operations of several kinds with one request, and returns one outcome for each, in their order.
// [Resources] is one over clients that take one record at a time.
type Executor interface {
	Execute(ctx context.Context, ops []Operation) ([]Outcome[any], error)
}

// Execute carries out operations of several kinds. Those that name the same record are carried out in their order: one
// after the other, or within one request when the client's Capabilities are Ordered. See [BatchProcessor.Run] for what it
// returns.
func Execute(ctx context.Context, client Executor, ops []Operation, opts ...Option) (*BulkResult[Operation, any], error) {
	return NewExecuteProcessor(client, opts...).Run(ctx, ops)
}

// Resources is an [Executor] over clients that take one record at a time, by [Operation.Resource]. [Execute] calls them
// one operation a call, as the verbs do.
type Resources map[string]Resource

// Resource is what [Resources] does for one kind of record. The zero Resource does nothing. Make one with [ResourceOf].
type Resource struct {
	verbs     map[OpKind]func(ctx context.Context, o Operation) (any, error)
	typed     func(o *Operation, value *any)  // gives what was read from JSON its types again
	types     map[OpKind]func(data any) error // says what is wrong with the type of the content
	caps      Capabilities
	reconcile func(ctx context.Context, o Operation) (any, bool, error)
}

// ResourceOf returns what the client can do with records of these types: the verbs of [Creator], [Updater], [Upserter],
// [Deleter] and [Getter], with ids that are strings, which it has. [Operation.Data] must be an In.
func ResourceOf[In, Out any](client any) Resource {
	r := Resource{verbs: map[OpKind]func(context.Context, Operation) (any, error){}, types: map[OpKind]func(any) error{}}
	r.typed = func(o *Operation, value *any) { o.Data, *value = exact.As[In](o.Data), exact.As[Out](*value) }
	if inspect.IsNil(client) {
		return r
	}
	data := func(o Operation) In { in, _ := o.Data.(In); return in } // of the right type: Execute looks first
	isIn := func(data any) error {
		if _, ok := data.(In); ok || data == nil {
			return nil
		}
		return fmt.Errorf("is a %T, want %v", data, reflect.TypeFor[In]())
	}
	if c, ok := client.(Creator[In, Out]); ok {
		r.types[OpCreate] = isIn
		r.verbs[OpCreate] = func(ctx context.Context, o Operation) (any, error) { return c.Create(ctx, data(o)) }
	}
	if c, ok := client.(Updater[string, In, Out]); ok {
		r.types[OpUpdate] = isIn
		r.verbs[OpUpdate] = func(ctx context.Context, o Operation) (any, error) { return c.Update(ctx, o.ID, data(o)) }
	}
	if c, ok := client.(Upserter[In, Out]); ok {
		r.types[OpUpsert] = isIn
		r.verbs[OpUpsert] = func(ctx context.Context, o Operation) (any, error) { return c.Upsert(ctx, data(o)) }
	}
	if c, ok := client.(Deleter[string]); ok {
		r.verbs[OpDelete] = func(ctx context.Context, o Operation) (any, error) { return nil, c.Delete(ctx, o.ID) }
	}
	if c, ok := client.(Getter[string, Out]); ok {
		r.verbs[OpGet] = func(ctx context.Context, o Operation) (any, error) { return c.Get(ctx, o.ID) }
	}
	if d, ok := client.(describer); ok {
		r.caps = d.Capabilities()
	}
	if c, ok := client.(reconciler[In, Out]); ok {
		r.reconcile = func(ctx context.Context, o Operation) (any, bool, error) { return c.Reconcile(ctx, data(o)) }
	}
	return r
}

// Execute implements [Executor]: it carries out the operations one after the other.
func (r Resources) Execute(ctx context.Context, ops []Operation) ([]Outcome[any], error) {
	out := make([]Outcome[any], len(ops))
	for i, o := range ops {
		out[i].Value, out[i].Err = r.do(ctx, o)
	}
	return out, nil
}

// validate says what is wrong with an operation.
func (r Resources) validate(o Operation) error {
	if err := o.Validate(); err != nil {
		return err
	}
	resource, ok := r[o.Resource]
	if !ok {
		return &FieldError{Field: "Resource", Message: "is none of those that Resources has"}
	}
	if resource.verbs[o.Kind] == nil {
		return &FieldError{Field: "Kind", Message: o.Kind.String() + " is nothing that the client of this Resource can do"}
	}
	if check := resource.types[o.Kind]; check != nil {
		if err := check(o.Data); err != nil {
			return &FieldError{Field: "Data", Message: err.Error()}
		}
	}
	return nil
}

func (r Resources) do(ctx context.Context, o Operation) (any, error) {
	if err := r.validate(o); err != nil {
		return nil, Permanent(err)
	}
	return r[o.Resource].verbs[o.Kind](ctx, o)
}

// typed gives the content and the result of an operation that were read from JSON the types that its client has for them.
func (r Resources) typed(o *Operation, value *any) {
	if resource := r[o.Resource]; resource.typed != nil {
		resource.typed(o, value)
	}
}

// reconcile looks up whether a create or an upsert was applied, if its client can.
func (r Resources) reconcile(ctx context.Context, o Operation) (any, bool, error) {
	look := r[o.Resource].reconcile
	if look == nil || o.Kind != OpCreate && o.Kind != OpUpsert {
		return nil, false, Permanent(errors.ErrUnsupported)
	}
	return look(ctx, o)
}
