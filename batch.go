package windrow

import (
	"context"
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

// Deleter deletes the record with that id. An error that matches [ErrNotFound], or has the status 404, says that there
// is no such record.
type Deleter[ID comparable] interface {
	Delete(ctx context.Context, id ID) error
}

// Getter reads the record with that id.
type Getter[ID comparable, Out any] interface {
	Get(ctx context.Context, id ID) (Out, error)
}

// Update is the input of an update: the record, and the change to it.
type Update[ID comparable, In any] struct {
	ID   ID // of the record
	Data In // the change
}

// CreateMany creates a record for each item. See [BatchProcessor.Run] for what it returns.
func CreateMany[In, Out any](ctx context.Context, client Creator[In, Out], items []In, opts ...Option) (*BulkResult[In, Out], error) {
	return NewCreateProcessor(client, forRun(opts)...).Run(ctx, items)
}

// UpdateMany updates a record for each item. Updates of one record are made one after the other, in their order. See
// [BatchProcessor.Run] for what it returns.
func UpdateMany[ID comparable, In, Out any](ctx context.Context, client Updater[ID, In, Out], items []Update[ID, In], opts ...Option) (*BulkResult[Update[ID, In], Out], error) {
	return NewUpdateProcessor(client, forRun(opts)...).Run(ctx, items)
}

// UpsertMany creates or updates a record for each item. See [BatchProcessor.Run] for what it returns.
func UpsertMany[In, Out any](ctx context.Context, client Upserter[In, Out], items []In, opts ...Option) (*BulkResult[In, Out], error) {
	return NewUpsertProcessor(client, forRun(opts)...).Run(ctx, items)
}

// DeleteMany deletes the records with those ids. An id without a record ends as Skipped. See [BatchProcessor.Run] for
// what it returns.
func DeleteMany[ID comparable](ctx context.Context, client Deleter[ID], ids []ID, opts ...Option) (*BulkResult[ID, struct{}], error) {
	return NewDeleteProcessor(client, forRun(opts)...).Run(ctx, ids)
}

// GetMany reads the records with those ids. See [BatchProcessor.Run] for what it returns.
func GetMany[ID comparable, Out any](ctx context.Context, client Getter[ID, Out], ids []ID, opts ...Option) (*BulkResult[ID, Out], error) {
	return NewGetProcessor(client, forRun(opts)...).Run(ctx, ids)
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

func (f deleteFunc[ID]) Delete(ctx context.Context, id ID) error { return f(ctx, id) }

func (f getFunc[ID, Out]) Get(ctx context.Context, id ID) (Out, error) { return f(ctx, id) }

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
