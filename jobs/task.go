package jobs

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/clients"
	"github.com/windrow-go/windrow/jobs/internal/part"
	"github.com/windrow-go/windrow/jobs/internal/store"
	"github.com/windrow-go/windrow/plan"
)

// task is a part of a job that is carried out.
type task struct {
	op      *Operation
	options Options
	journal *part.Journal
	prefix  string        // of the keys
	items   []*store.Item // those to be sent
	with    []windrow.Option
	flight  *flight
}

// run carries out a part. The error is that of the run.
func (t *typed[In, Out]) run(ctx context.Context, k *task) error {
	switch k.op.Type {
	case Create:
		return t.runCreate(ctx, k)
	case Update:
		return t.runUpdate(ctx, k)
	default:
		p := windrow.NewDeleteProcessor(t.deleter, k.with...)
		ids := make([]string, len(k.items))
		for i := range k.items {
			ids[i] = k.items[i].Key
		}
		return carryOut(ctx, k, p, ids, func(id string) string { return id })
	}
}

// row is the input of a create, with the key that the job knows it by.
type row[In any] struct {
	key string
	in  In
}

// MarshalJSON makes the size of a row that of its input.
func (r row[In]) MarshalJSON() ([]byte, error) { return json.Marshal(r.in) }

func (t *typed[In, Out]) runCreate(ctx context.Context, k *task) error {
	p := t.creates(k.with)
	if t.Validate != nil && k.options.Validation.Mode != ValidationNone {
		p.Validate = func(r row[In]) error { return t.Validate(r.in) }
	}
	rows := make([]row[In], 0, len(k.items))
	for i := range k.items {
		item := k.items[i]
		in, err := t.input(item.Input, k.options.Validation.Mode)
		if err != nil {
			if err := k.refuse(k.prefix+item.Key, err); err != nil {
				return err
			}
			continue
		}
		rows = append(rows, row[In]{k.prefix + item.Key, in})
	}
	return carryOut(ctx, k, p, rows, func(r row[In]) string { return r.key })
}

// creates returns a processor of rows that has all that the client can do.
func (t *typed[In, Out]) creates(with []windrow.Option) *windrow.BatchProcessor[row[In], Out] {
	q := windrow.NewCreateProcessor(t.creator)
	p := windrow.NewCreateProcessor(windrow.CreateFunc(func(ctx context.Context, r row[In]) (Out, error) { return q.Do(ctx, r.in) }), with...)
	p.Capabilities, p.ResultID = q.Capabilities, t.ID
	inputs := func(rows []row[In]) []In {
		in := make([]In, len(rows))
		for i := range rows {
			in[i] = rows[i].in
		}
		return in
	}
	if q.Batch != nil {
		p.Batch = func(ctx context.Context, rows []row[In]) ([]windrow.Outcome[Out], error) {
			return q.Batch(ctx, inputs(rows))
		}
	}
	if t.Reconcile != nil {
		q.Reconcile, q.ReconcileBatch = t.Reconcile, nil
	}
	if q.Reconcile != nil {
		p.Reconcile = func(ctx context.Context, r row[In]) (Out, bool, error) { return q.Reconcile(ctx, r.in) }
	}
	if q.ReconcileBatch != nil {
		p.ReconcileBatch = func(ctx context.Context, rows []row[In]) ([]windrow.Outcome[Out], error) {
			return q.ReconcileBatch(ctx, inputs(rows))
		}
	}
	return p
}

func (t *typed[In, Out]) named(op *Operation) bool { return op.Type != Create || t.Key != nil }

func (t *typed[In, Out]) decides(op *Operation) bool {
	if op.Type != Create {
		return true
	}
	p := t.creates(nil)
	return p.Capabilities.IdempotencyKeys || p.Capabilities.ClientIDs || p.Reconcile != nil || p.ReconcileBatch != nil
}

func (t *typed[In, Out]) runUpdate(ctx context.Context, k *task) error {
	p := windrow.NewUpdateProcessor(t.updater, k.with...)
	patch, err := json.Marshal(k.op.Update)
	if err != nil {
		return errNoJSON
	}
	var in In
	if t.Replaces {
		p.Batch = nil
		p.Do = func(ctx context.Context, u windrow.Update[string, In]) (Out, error) {
			return t.replace(ctx, u.ID, patch, k.options)
		}
	} else {
		if in, err = t.input(patch, k.options.Validation.Mode); err != nil {
			return k.refuseAll(err)
		}
		if t.Validate != nil && k.options.Validation.Mode != ValidationNone {
			if err := guard("Validate", func() error { return t.Validate(in) }); err != nil {
				return k.refuseAll(err)
			}
		}
	}
	updates := make([]windrow.Update[string, In], len(k.items))
	for i := range k.items {
		updates[i] = windrow.Update[string, In]{ID: k.items[i].Key, Data: in}
	}
	return carryOut(ctx, k, p, updates, func(u windrow.Update[string, In]) string { return u.ID })
}

// replace reads a record, applies the patch, and writes the whole record.
func (t *typed[In, Out]) replace(ctx context.Context, id string, patch []byte, o Options) (out Out, err error) {
	invalid := func(err error) error {
		return windrow.Classified(err, windrow.Classification{Kind: windrow.KindValidation})
	}
	if out, err = t.getter.Get(ctx, id); err != nil {
		return out, err
	}
	before, err := json.Marshal(out)
	if err != nil {
		return out, invalid(errNoJSON)
	}
	after, err := merge(before, patch)
	if err != nil {
		return out, invalid(err)
	}
	if changes, err := plan.Diff(json.RawMessage(before), json.RawMessage(after)); err == nil && len(changes) == 0 {
		return out, clients.Skip(windrow.ReasonUnchanged)
	}
	in, err := t.input(after, ValidationStrict) // a field that In lacks would be lost
	if err != nil {
		return out, invalid(err)
	}
	if t.Validate != nil && o.Validation.Mode != ValidationNone {
		if err := t.Validate(in); err != nil {
			return out, invalid(err)
		}
	}
	return t.updater.Update(ctx, id, in)
}

// carryOut runs the items, and records in the journal what the run itself has not recorded.
func carryOut[In, Out any](ctx context.Context, k *task, p *windrow.BatchProcessor[In, Out], items []In, key func(In) string) error {
	if len(items) == 0 {
		return nil
	}
	p.Key = key
	if validate := p.Validate; validate != nil {
		p.Validate = func(in In) error {
			err := validate(in)
			if err != nil {
				k.journal.Sending(key(in))
			}
			return err
		}
	}
	if do := p.Do; do != nil {
		p.Do = func(ctx context.Context, in In) (Out, error) {
			k.journal.Sending(key(in))
			defer k.flight.leave(k.flight.enter(k.journal, key(in)))
			return do(ctx, in)
		}
	}
	if batch := p.Batch; batch != nil {
		p.Batch = func(ctx context.Context, in []In) ([]windrow.Outcome[Out], error) {
			keys := make([]string, len(in))
			for i := range in {
				keys[i] = key(in[i])
			}
			k.journal.Sending(keys...)
			defer k.flight.leave(k.flight.enter(k.journal, keys[0]))
			return batch(ctx, in)
		}
	}
	res, err := p.Run(ctx, items)
	for r := range res.All(windrow.Failed, windrow.Skipped, windrow.Unknown) { // only an item that was sent succeeds: it is recorded
		late := k.journal.Settle(windrow.JournalEntry{
			Key: r.Key, State: r.State, Reason: r.Reason, ID: r.ID,
			Kind: r.Kind, Err: r.Err, Resend: r.Resend, Attempts: r.Attempts, Elapsed: r.Elapsed, Warnings: r.Warnings,
		})
		if late != nil {
			return late
		}
	}
	if bulk, ok := errors.AsType[*windrow.BulkError](err); ok {
		return bulk.Cause
	}
	return err
}

// refuse ends an item that is not sent, since its input is not valid. The error stops the run.
func (k *task) refuse(key string, err error) error {
	err = k.journal.Settle(windrow.JournalEntry{Key: key, State: windrow.Failed, Kind: windrow.KindValidation, Err: err})
	if err == nil && k.options.Validation.OnError == OnErrorAbort {
		err = windrow.ErrTooManyFailures
	}
	return err
}

// refuseAll ends all items for one reason.
func (k *task) refuseAll(err error) error {
	for i := range k.items {
		if err := k.refuse(k.prefix+k.items[i].Key, err); err != nil {
			return err
		}
	}
	return nil
}
