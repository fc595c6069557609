package windrow

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strconv"

	"github.com/windrow-go/windrow/internal/engine"
	"github.com/windrow-go/windrow/internal/enum"
	"github.com/windrow-go/windrow/internal/exact"
	"github.com/windrow-go/windrow/internal/gate"
	"github.com/windrow-go/windrow/internal/idem"
	"github.com/windrow-go/windrow/internal/inspect"
)

// Creator creates one record from an input.
type Creator[In, Out any] interface {
	Create(ctx context.Context, in In) (Out, error)
}

// Updater updates the record with that id.
type Updater[ID comparable, In, Out any] interface {
	Update(ctx context.Context, id ID, in In) (Out, error)
}

// Upserter creates a record or updates it, by a key that is part of the input.
type Upserter[In, Out any] interface {
	Upsert(ctx context.Context, in In) (Out, error)
}

// Deleter deletes the record with that id. An error that matches [ErrNotFound], or has the status 404, says that
// there was none.
type Deleter[ID comparable] interface {
	Delete(ctx context.Context, id ID) error
}

// Getter reads the record with that id.
type Getter[ID comparable, Out any] interface {
	Get(ctx context.Context, id ID) (Out, error)
}

// A client that can do more says so by implementing more of the interfaces below, as an [io.Reader] does with
// [io.WriterTo]. The verbs find out. A wrapper hides what it does not pass on.
//
// Clients translate: they never retry, sleep, chunk or log. The error of a batch is about the request; each
// [Outcome] carries its own item's error, and a plain one there is the server's refusal of that item. A refusal of the
// whole request says that none of it was applied only where the [Atomicity] says so, or where it is about the request as
// such (401, 403, 404, 405, 413, 415): otherwise items that must not be sent twice are looked up, or are Unknown.

// BatchCreator creates many records with one request. It returns one Outcome for each item, in their order. What follows
// holds for all batches:
//
//   - Its error is about the request, and is judged once for all its items; outcomes beside it are not looked at.
//   - The error of an [Outcome] is its item's. A plain one, without a class of its own ([Classified], a status), is a
//     refusal: the item is Failed, and not sent again.
//   - What is too large ([ClassTooLarge]) is halved, down to single items. A refusal of the whole request is bisected where
//     the Atomicity is AtomicityAll: nothing was applied then. Of another client it may have been applied in part: what must
//     not be sent twice is looked up, or is Unknown, unless the refusal is about the request as such. That goes for creates
//     with idempotency keys too: a part of the batch has another key, by which the server would make them again.
//   - More or fewer outcomes than items are [ErrProtocol], and writes are Unknown then; unless [Capabilities].OmitsTail says
//     that what is missing at the end was not attempted. For an item of which the answer says nothing return an [Ambiguous]
//     error, and for one that the server undid or never began, one that matches [ErrRolledBack].
//   - [MatchByID] puts an answer with ids in order, [MatchByCount] reads one that only counts.
type BatchCreator[In, Out any] interface {
	CreateBatch(ctx context.Context, in []In) ([]Outcome[Out], error)
}

// BatchUpdater updates many records with one request. Outcomes and errors are as with [BatchCreator].
type BatchUpdater[ID comparable, In, Out any] interface {
	UpdateBatch(ctx context.Context, in []Update[ID, In]) ([]Outcome[Out], error)
}

// BatchUpserter creates or updates many records with one request. Outcomes and errors are as with [BatchCreator].
type BatchUpserter[In, Out any] interface {
	UpsertBatch(ctx context.Context, in []In) ([]Outcome[Out], error)
}

// BatchDeleter deletes many records with one request. Outcomes and errors are as with [BatchCreator].
type BatchDeleter[ID comparable] interface {
	DeleteBatch(ctx context.Context, ids []ID) ([]Outcome[struct{}], error)
}

// BatchGetter reads many records with one request. Outcomes and errors are as with [BatchCreator].
type BatchGetter[ID comparable, Out any] interface {
	GetBatch(ctx context.Context, ids []ID) ([]Outcome[Out], error)
}

// Reconciler looks up whether an item whose answer was lost was applied, and what the server made of it. It is only
// called when the answer to a write was lost, or when the repetition of a create meets what may be its own work.
type Reconciler[In, Out any] interface {
	Reconcile(ctx context.Context, in In) (out Out, applied bool, err error)
}

// BatchReconciler is a [Reconciler] of several items with one request. It returns one outcome for each, in their order:
// one whose error matches [ErrNotFound] was not applied, and of one with another error nobody knows.
type BatchReconciler[In, Out any] interface {
	ReconcileBatch(ctx context.Context, in []In) ([]Outcome[Out], error)
}

// Executor carries out operations of several kinds with one request, and returns one outcome for each, in their order.
// [Resources] is one over clients that take one record at a time.
type Executor interface {
	Execute(ctx context.Context, ops []Operation) ([]Outcome[any], error)
}

// DryRunner is a client whose server can try a request without changing anything. It returns one error for each item,
// nil for one that the server would accept. [DryRun] asks it only when [Capabilities.VerifiedDryRun] is set: servers are
// known that carried out what they were asked to try.
type DryRunner[In any] interface {
	DryRun(ctx context.Context, in []In) ([]error, error)
}

// Describer is a client that says what it can do.
type Describer interface {
	Capabilities() Capabilities
}

// Atomicity says what happens to the other items of a request when one of them is refused. An item that was not applied
// because of another has an error that matches [ErrRolledBack]; it is sent again without the other, unless the run is
// [Atomic]. An answer to a request that is all or nothing, of which some items succeeded and some failed, is an
// [ErrProtocol], unless the client warns of it beside those that succeeded.
type Atomicity uint8

// The atomicities.
const (
	AtomicityPartial    Atomicity = iota // nothing: each item has its own outcome
	AtomicityAll                         // they are refused, too
	AtomicitySelectable                  // what the request asks for: see Attempt.Atomic
)

// Capabilities is what a client can do. The zero value is a client that makes single calls, which nobody may repeat
// unless the verb makes it harmless.
type Capabilities struct {
	// MaxItems bounds the items in one batch request. Zero means 100.
	MaxItems int
	// MaxReads bounds the items in one batch request that reads. Zero means MaxItems.
	MaxReads int
	// MaxBytes bounds the size of one batch request, as [BatchProcessor.Size] measures it. Zero means no bound.
	MaxBytes int
	// Atomicity says what happens when an item of a batch is refused.
	Atomicity Atomicity
	// Ordered says that the items of a batch are carried out in their order.
	Ordered bool
	// DistinctKeys says that a batch must not name a record twice. Runs put two items with one key into a batch only
	// when it is Ordered and its keys need not be distinct.
	DistinctKeys bool
	// Cost is how many quota units a request with n items uses. Nil means one, whatever n is.
	Cost func(n int) int
	// BatchOfOne says that a batch tells more of an item than a single call does, such as its warnings: a single item goes
	// in a batch, too.
	BatchOfOne bool
	// OmitsTail says that a batch answer with fewer outcomes than items means that the rest was not attempted.
	OmitsTail bool
	// IdempotencyKeys says that the client sends [Attempt.IdempotencyKey], and that the server honours it: repeating
	// a create is harmless, within a run and what goes on with it. The key of a batch belongs to exactly its items: a
	// batch that was refused and may have been applied in part is not sent again in parts, unless the Atomicity is
	// AtomicityAll.
	IdempotencyKeys bool
	// ClientIDs says that a create names the id of the record to be, so that repeating it cannot make a second one.
	ClientIDs bool
	// VerifiedDryRun says that the server's own dry run was seen to change nothing.
	VerifiedDryRun bool
}

// check returns what is wrong with the bounds.
func (c Capabilities) check() (errs []error) {
	for _, bound := range []struct {
		name string
		n    int
	}{{"MaxItems", c.MaxItems}, {"MaxReads", c.MaxReads}, {"MaxBytes", c.MaxBytes}} {
		if bound.n < 0 {
			errs = append(errs, &OptionError{Option: "Capabilities", Field: bound.name, Value: bound.n, Problem: "must not be negative"})
		}
	}
	return errs
}

// Update is the input of an update: what is to be changed in which record.
type Update[ID comparable, In any] struct {
	ID   ID // of the record
	Data In // what to change in it
}

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

// CreateMany creates a record for each item. See [BatchProcessor.Run] for what it returns.
func CreateMany[In, Out any](ctx context.Context, client Creator[In, Out], items []In, opts ...Option) (*BulkResult[In, Out], error) {
	return NewCreateProcessor(client, opts...).Run(ctx, items)
}

// UpdateMany updates a record for each item. Updates of one record are made one after the other, in their order. See
// [BatchProcessor.Run] for what it returns.
func UpdateMany[ID comparable, In, Out any](ctx context.Context, client Updater[ID, In, Out], items []Update[ID, In], opts ...Option) (*BulkResult[Update[ID, In], Out], error) {
	return NewUpdateProcessor(client, opts...).Run(ctx, items)
}

// UpsertMany creates or updates a record for each item. See [BatchProcessor.Run] for what it returns.
func UpsertMany[In, Out any](ctx context.Context, client Upserter[In, Out], items []In, opts ...Option) (*BulkResult[In, Out], error) {
	return NewUpsertProcessor(client, opts...).Run(ctx, items)
}

// DeleteMany deletes the records with those ids. One that is not there ends as Skipped. See [BatchProcessor.Run] for
// what it returns.
func DeleteMany[ID comparable](ctx context.Context, client Deleter[ID], ids []ID, opts ...Option) (*BulkResult[ID, struct{}], error) {
	return NewDeleteProcessor(client, opts...).Run(ctx, ids)
}

// GetMany reads the records with those ids. See [BatchProcessor.Run] for what it returns.
func GetMany[ID comparable, Out any](ctx context.Context, client Getter[ID, Out], ids []ID, opts ...Option) (*BulkResult[ID, Out], error) {
	return NewGetProcessor(client, opts...).Run(ctx, ids)
}

// Execute carries out operations of several kinds. Those that name the same record are carried out in their order: one
// after the other, or within one request when the client's Capabilities are Ordered. See [BatchProcessor.Run] for what it
// returns.
func Execute(ctx context.Context, client Executor, ops []Operation, opts ...Option) (*BulkResult[Operation, any], error) {
	return NewExecuteProcessor(client, opts...).Run(ctx, ops)
}

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
	if d, ok := client.(Describer); ok {
		r.caps = d.Capabilities()
	}
	if c, ok := client.(Reconciler[In, Out]); ok {
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

type (
	createFunc[In, Out any]                func(context.Context, In) (Out, error)
	updateFunc[ID comparable, In, Out any] func(context.Context, ID, In) (Out, error)
	upsertFunc[In, Out any]                func(context.Context, In) (Out, error)
	deleteFunc[ID comparable]              func(context.Context, ID) error
	getFunc[ID comparable, Out any]        func(context.Context, ID) (Out, error)
)

func (f createFunc[In, Out]) Create(ctx context.Context, in In) (Out, error) { return f(ctx, in) }
func (f updateFunc[ID, In, Out]) Update(ctx context.Context, id ID, in In) (Out, error) {
	return f(ctx, id, in)
}
func (f upsertFunc[In, Out]) Upsert(ctx context.Context, in In) (Out, error) { return f(ctx, in) }
func (f deleteFunc[ID]) Delete(ctx context.Context, id ID) error             { return f(ctx, id) }
func (f getFunc[ID, Out]) Get(ctx context.Context, id ID) (Out, error)       { return f(ctx, id) }

// CreateFunc makes a [Creator] of a function, such as the method of an SDK.
func CreateFunc[In, Out any](f func(context.Context, In) (Out, error)) Creator[In, Out] {
	return createFunc[In, Out](f)
}

// UpdateFunc makes an [Updater] of a function.
func UpdateFunc[ID comparable, In, Out any](f func(context.Context, ID, In) (Out, error)) Updater[ID, In, Out] {
	return updateFunc[ID, In, Out](f)
}

// UpsertFunc makes an [Upserter] of a function.
func UpsertFunc[In, Out any](f func(context.Context, In) (Out, error)) Upserter[In, Out] {
	return upsertFunc[In, Out](f)
}

// DeleteFunc makes a [Deleter] of a function.
func DeleteFunc[ID comparable](f func(context.Context, ID) error) Deleter[ID] {
	return deleteFunc[ID](f)
}

// GetFunc makes a [Getter] of a function.
func GetFunc[ID comparable, Out any](f func(context.Context, ID) (Out, error)) Getter[ID, Out] {
	return getFunc[ID, Out](f)
}

// Variadic drops the call options that the functions of many SDKs end with, as in CreateFunc(Variadic(api.Create)).
func Variadic[In, Out, Opt any](f func(context.Context, In, ...Opt) (Out, error)) func(context.Context, In) (Out, error) {
	if f == nil {
		return nil
	}
	return func(ctx context.Context, in In) (Out, error) { return f(ctx, in) }
}

// WithResponse drops the raw response that the functions of some SDKs return beside the record.
func WithResponse[In, Out, Response any](f func(context.Context, In) (Out, Response, error)) func(context.Context, In) (Out, error) {
	if f == nil {
		return nil
	}
	return func(ctx context.Context, in In) (Out, error) {
		out, _, err := f(ctx, in)
		return out, err
	}
}

// NoOutput adapts a function that returns nothing but an error.
func NoOutput[In any](f func(context.Context, In) error) func(context.Context, In) (struct{}, error) {
	if f == nil {
		return nil
	}
	return func(ctx context.Context, in In) (struct{}, error) { return struct{}{}, f(ctx, in) }
}

// Attempt is one call of a client's method by a run, as the client or its transport sees it. Get it with
// [AttemptFrom]. Its methods may be called from many goroutines.
type Attempt struct {
	// Op is what is done.
	Op OpKind
	// Index is the index of the item in the input of the run; of the first one in a chunk.
	Index int
	// Items is how many items the call carries: 1, or more for a native batch.
	Items int
	// Number counts the charged attempts, this one included, from 1.
	Number int
	// Atomic says that the call has to be carried out as a whole or not at all: see the option [Atomic]. A client whose
	// Atomicity is selectable asks its server for that, or else for the opposite.
	Atomic bool
	// StopOnError says that the run stops at the first error. A client whose server can do so within a batch asks for it.
	StopOnError bool

	attempt *engine.Attempt
}

// AttemptFrom returns the attempt that ctx belongs to. ok is false outside a run.
func AttemptFrom(ctx context.Context) (a Attempt, ok bool) {
	e := engine.AttemptFrom(ctx)
	if e == nil {
		return Attempt{}, false
	}
	o := ownerOf(e)
	return Attempt{
		Op: o.op, Index: e.Item(), Items: max(1, len(e.Items())), Number: e.Number(), Atomic: o.atomic, StopOnError: o.stopOnError, attempt: e,
	}, true
}

// Key returns the item's key, or the id that it names; "" when there is neither, and for a chunk of several items.
func (a Attempt) Key() string {
	if a.attempt == nil || a.Items > 1 {
		return ""
	}
	return ownerOf(a.attempt).keyOf(a.Index)
}

// RunID returns a name of the run, which no other one has but a [BatchProcessor.Rerun] of its result; "" outside a run.
func (a Attempt) RunID() string {
	if a.attempt == nil {
		return ""
	}
	return ownerOf(a.attempt).runID
}

// Limiter returns the limiter of the run, which the run tells of the attempt's outcome. A transport that feeds the same
// one tells it with [Attempt.Observe] what each request was answered: that is counted with the attempt, but opens a shut
// gate as soon as the attempt goes on.
func (a Attempt) Limiter() *Limiter {
	if a.attempt == nil {
		return nil
	}
	return ownerOf(a.attempt).limiter
}

// Handle returns what the attempt before this one left with [Attempt.SetHandle]; "" when that is nothing. See
// [SubmitAndPoll].
func (a Attempt) Handle() string {
	if a.attempt == nil {
		return ""
	}
	return a.attempt.Handle()
}

// SetHandle leaves something for the next attempt, such as the name of a job that the server has begun: the same items
// go on together, and the next attempt asks for the job instead of starting another. So does a [BatchProcessor.Rerun] of
// what ended as Unknown, and a run that is started again with the same [Journal]. It is forgotten when the items get an answer.
func (a Attempt) SetHandle(handle string) {
	if a.attempt == nil {
		return
	}
	a.attempt.SetHandle(handle)
	if save := ownerOf(a.attempt).save; save != nil {
		save(a.attempt, handle)
	}
}

// IdempotencyKey returns what to send as an idempotency key: the same for every attempt of the item, also in a
// [BatchProcessor.Rerun] and in a run that goes on with a [Journal], and another for every other item and in every other
// run. It has the form of a UUID, and is derived from the operation and the item's Key within a scope, which is that of the
// journal, or the run, or what [IdempotencyScope] says; without a Key, and under [KeepAllInOrder], where keys are not
// unique, from the run, the operation and the index. A chunk of several items has one that belongs to exactly those items.
//
// In a journal and a stored result that are older than scopes it is the item's Key itself, where that fits into a header
// (at most 255 visible ASCII characters).
func (a Attempt) IdempotencyKey() string {
	if a.attempt == nil {
		return ""
	}
	return ownerOf(a.attempt).idempotencyKey(a.attempt)
}

// RecordName returns what a client that chooses the ids of new records may derive one from ([Capabilities].ClientIDs): the
// same for every attempt of the item, and where the item has a Key that no other has, in every run, so that the same Key
// names the same record tomorrow. Otherwise it belongs to the run, as [Attempt.IdempotencyKey] does. It is "" outside a run
// and for a chunk of several items.
func (a Attempt) RecordName() string {
	if a.attempt == nil || a.Items > 1 {
		return ""
	}
	return ownerOf(a.attempt).name(a.Index)
}

// IdempotencyKeyFor returns the idempotency key for a request of the attempt to target, its method and URL: that of
// [Attempt.IdempotencyKey] for the first target that is asked for, and one derived from it for any other. So a call
// that makes several requests does not send one key with two payloads, and a repetition has the key of what it repeats.
func (a Attempt) IdempotencyKeyFor(target string) string {
	key := a.IdempotencyKey()
	if a.attempt == nil || a.attempt.FirstTarget(target) {
		return key
	}
	return idem.Hash(key, target)
}

// Engage says that a transport keeps the record of this attempt: that nothing was sent is known from now on, unless
// [Attempt.Sending] is called. Transports call it before they wait or dial.
func (a Attempt) Engage() {
	if a.attempt != nil {
		a.attempt.Engage()
	}
}

// Sending says that a request that changes something leaves now.
func (a Attempt) Sending() {
	if a.attempt != nil {
		a.attempt.Sending()
	}
}

// Answered says that the headers of the answer to a request have come. changes tells whether [Attempt.Sending] was
// called for it. The status serves to judge the errors of SDKs that do not tell it. A transport that knows an answer
// for a throttle reports it with the status 429, whatever its own: nothing was changed then.
func (a Attempt) Answered(status int, changes bool) {
	if a.attempt != nil {
		a.attempt.Answer(status, changes)
	}
}

// AnsweredAs is [Attempt.Answered] for an answer of which the transport knows what it means, whatever its status and the
// error that comes of it say. A run takes that for the class of the attempt's error, unless the error was made by
// [Classified] or one of its short forms, or [RetryPolicy].Classify judges by itself. Where an earlier request of the attempt
// has changed something, a throttle is ambiguous.
func (a Attempt) AnsweredAs(c Classification, status int, changes bool) {
	if a.attempt == nil {
		return
	}
	switch refused := status >= 400 && status < 500; {
	case c.Class == ClassThrottled:
		status = http.StatusTooManyRequests
	case c.Class == ClassAmbiguous && refused:
		status = http.StatusInternalServerError
	case c.Class != ClassAmbiguous && !refused: // nothing was changed
		status = http.StatusBadRequest
	}
	a.attempt.Answer(status, changes)
	a.attempt.Tell(c.verdict())
}

// Observe tells a limiter what the answer to a request of the attempt taught, as [Limiter.Observe] does. Quotas it tells at
// once, and a throttle too, unless that may be the item's own matter, which the run judges. That the server took the request
// it tells only when the attempt goes on to its next request, or has ended and the run has not judged otherwise: what is a
// throttle in the body of a success only the client sees, and its classifier. Transports use it. Outside a run the limiter is
// told at once.
func (a Attempt) Observe(l *Limiter, f Feedback) {
	switch {
	case l == nil:
		return
	case a.attempt == nil:
		l.Observe(f)
		return
	case f.Throttled && !a.attempt.Alone():
		l.observe(f, a.attempt.Subject())
		return
	case len(f.Quotas) > 0:
		l.Observe(Feedback{Sent: f.Sent, Failed: true, Quotas: f.Quotas})
	}
	if f.Failed && !f.Throttled {
		return
	}
	own := ownerOf(a.attempt).limiter == l // of its own throttles the run tells
	a.attempt.Keep(func(s gate.Signal) {
		switch {
		case s.Throttled && !own:
			l.observe(Feedback{Sent: f.Sent, Throttled: true, RetryAfter: s.Hint}, a.attempt.Subject())
		case !s.Throttled && !f.Throttled:
			l.Observe(Feedback{Sent: f.Sent})
		}
	})
}

// WithObserver makes runs tell an observer of their attempts, as tracing needs it.
func WithObserver(obs Observer) Option {
	return option("WithObserver", !inspect.IsNil(obs), "nil", "must be an observer", func(o *options) { o.observer = obs })
}

// Observer watches runs. Its methods are called from many goroutines at once and must not block.
type Observer interface {
	// StartRun is called before anything is sent. The context that it returns, unless it is nil, is the parent of all
	// attempts. end is called when the run is over, and may be nil.
	StartRun(ctx context.Context, op OpKind, items int) (_ context.Context, end func(RunStats, error))
	// StartAttempt is called before each call of the client. The context that it returns, unless it is nil, is what the
	// client gets. end is called with the client's error, or what came of its panic, and may be nil.
	StartAttempt(ctx context.Context, a Attempt) (_ context.Context, end func(error))
}

// owner is what the attempts of a run know of it.
type owner struct {
	op          OpKind
	atomic      bool
	stopOnError bool
	runID       string
	scope       string // of the idempotency keys; "" when they are the items' own
	keys        []string
	mask        int         // item & mask is the place of its key
	unique      bool        // the keys are the caller's, and no two items have the same one
	revisions   map[int]int // items whose input was corrected
	limiter     *Limiter
	save        func(a *engine.Attempt, handle string) // to the journal; nil when there is none
}

// owner returns what the attempts of a run that fills res know of it.
func (p *BatchProcessor[In, Out]) owner(res *BulkResult[In, Out]) *owner {
	return &owner{
		op: p.op, runID: res.runID, scope: res.scope, keys: res.keys, mask: res.mask, revisions: res.revisions, limiter: p.limiter,
		unique: p.Key != nil && p.opts.duplicates != KeepAllInOrder,
		atomic: p.opts.atomic, stopOnError: p.opts.maxFailures == 0,
	}
}

func ownerOf(a *engine.Attempt) *owner { return a.Owner().(*owner) }

func (o *owner) keyOf(item int) string {
	if o.keys == nil {
		return ""
	}
	return o.keys[item&o.mask]
}

// ownKey returns the key that the caller gave an item and no other one, "" when there is none.
func (o *owner) ownKey(item int) string {
	if !o.unique {
		return ""
	}
	return o.keyOf(item)
}

// plain reports whether an item is known by its index alone.
func (o *owner) plain(item int) bool { return o.ownKey(item) == "" && o.revisions[item] == 0 }

// itemKey returns the idempotency key of one item. A corrected input is another request, which must not have the key
// of the first one; nor must a second update of one record, today's or tomorrow's.
func (o *owner) itemKey(item int) string {
	name := o.name(item)
	if o.scope == "" || o.ownKey(item) == "" {
		return name
	}
	return idem.Scoped(o.scope, o.op.String(), name)
}

// name is what an item is called, whatever the scope. Where it has a key of its own that is the same in every run. Journals
// and results that are older than scopes have it as the idempotency key.
func (o *owner) name(item int) string {
	key, revision := o.ownKey(item), o.revisions[item]
	if revision == 0 && idem.Fits(key) {
		return key
	}
	if key == "" {
		key = o.runID + "/" + strconv.Itoa(item)
	}
	return idem.Hash(o.op.String(), key, strconv.Itoa(revision))
}

func (o *owner) idempotencyKey(a *engine.Attempt) string {
	if items := a.Items(); len(items) > 1 {
		return o.keyFor(items)
	}
	return o.itemKey(a.Item())
}

// keyFor returns the idempotency key of a request for exactly these items. Those without a key of their own that follow
// each other in the run are one part of it, since there may be many.
func (o *owner) keyFor(items []int) string {
	if len(items) == 1 {
		return o.itemKey(items[0])
	}
	d := idem.NewScoped(o.scope)
	d.Add(o.op.String())
	for k := 0; k < len(items); k++ {
		first := items[k]
		if !o.plain(first) {
			d.Add(o.name(first))
			continue
		}
		for k+1 < len(items) && items[k+1] == items[k]+1 && o.plain(items[k+1]) {
			k++
		}
		d.Add(o.runID + "/" + strconv.Itoa(first) + "-" + strconv.Itoa(items[k]))
	}
	return d.Key()
}

// MatchByID puts the results of a batch that come with ids, in any order, into the order of the items: ids are those of
// the items, and read tells the id and the outcome of a result. A result too many, or for an id that nobody asked for, is an
// error that matches [ErrProtocol], and means that nothing is known of any item. absent is what it means when there is no
// result for an id, such as [ErrNotFound] for a read; nil means that nobody knows what became of the item.
//
// Several items with one id get the results for it in their order. When these are fewer it is not known whose they are, and
// the items with that id are [ClassAmbiguous]; the others have their results.
func MatchByID[ID comparable, Res, Out any](ids []ID, results []Res, absent error, read func(Res) (ID, Outcome[Out])) ([]Outcome[Out], error) {
	if absent == nil {
		absent = Ambiguous(errNoResult)
	}
	first := make(map[ID]int, len(ids)) // the next item with an id for which there was no result
	next := make([]int, len(ids))       // and the one after it; -1 for the last
	out := make([]Outcome[Out], len(ids))
	for k := len(ids) - 1; k >= 0; k-- {
		next[k] = -1
		if later, twice := first[ids[k]]; twice {
			next[k] = later
		}
		first[ids[k]] = k
		out[k].Err = absent
	}
	some := make(map[ID]int) // where the results for an id began that several items have
	for _, res := range results {
		id, outcome := read(res)
		k, asked := first[id]
		switch {
		case !asked:
			return nil, fmt.Errorf("%w: it has a result for an id that no item has", ErrProtocol)
		case k < 0:
			return nil, fmt.Errorf("%w: it has two results for one id", ErrProtocol)
		}
		if _, began := some[id]; !began && next[k] >= 0 {
			some[id] = k
		}
		first[id], out[k] = next[k], outcome
	}
	for id, k := range some {
		if first[id] < 0 {
			continue // each has its own
		}
		for ; k >= 0; k = next[k] {
			out[k] = Outcome[Out]{Err: Ambiguous(errFewResults)}
		}
	}
	return out, nil
}

var (
	errNoResult   = errors.New("windrow: the answer has no result for this item")
	errFewResults = errors.New("windrow: the answer has fewer results for this id than there are items with it")
)

// MatchByCount makes outcomes for n items of an answer that says how many succeeded and how many failed, and not which.
// When all succeeded, so did each. Otherwise look has to find out, item by item, which were applied; those that were not
// are sent again alone, so that each gets its own error.
func MatchByCount[Out any](n, succeeded, failed int, look func() (applied []bool, err error)) ([]Outcome[Out], error) {
	out := make([]Outcome[Out], n)
	if failed == 0 && succeeded == n {
		return out, nil
	}
	applied, err := look()
	if err == nil && len(applied) != n {
		err = fmt.Errorf("%w: %d items were looked up and %d found out", ErrProtocol, n, len(applied))
	}
	for k := range out {
		switch {
		case err != nil:
			out[k].Err = Ambiguous(fmt.Errorf("the answer says that %d of %d items failed, and which could not be found out: %w", failed, n, err))
		case !applied[k]:
			out[k].Err = TooLarge(fmt.Errorf("it is one of the items of which the answer says that %d of %d succeeded", succeeded, n), 1)
		}
	}
	return out, nil
}
