package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/clients"
	"github.com/windrow-go/windrow/jobs"
)

// client is a client of one kind.
type client struct {
	kind
	api *rest.Client
}

func (c client) Capabilities() windrow.Capabilities {
	return windrow.Capabilities{IdempotencyKeys: c.keys, ClientIDs: c.ids, MaxItems: 20}
}

// call sends a request that writes.
func (c client) call(ctx context.Context, verb string, q request, out any) error {
	_, err := c.api.Do(ctx, rest.Request{Method: http.MethodPost, Path: "/" + url.PathEscape(c.name) + "/" + verb, In: q}, out)
	return err
}

// idOf is the id that a client with ids gives to a record.
func (c client) idOf(in input) string { return "r" + in.Serial }

func (c client) Create(ctx context.Context, in input) (record, error) {
	q := request{Inputs: []input{in}}
	if c.ids {
		q.IDs = []string{c.idOf(in)}
	}
	var out record
	return out, c.call(ctx, "create", q, &out)
}

func (c client) Update(ctx context.Context, id string, in input) (record, error) {
	var out record
	return out, c.call(ctx, "update", request{IDs: []string{id}, Inputs: []input{in}}, &out)
}

func (c client) Delete(ctx context.Context, id string) error {
	var out record
	return c.call(ctx, "delete", request{IDs: []string{id}}, &out)
}

// find looks a record up by its serial.
func (c client) find(ctx context.Context, in input) (out record, applied bool, err error) {
	_, err = c.api.Do(ctx, rest.Request{
		Path: "/" + url.PathEscape(c.name) + "/find", Query: url.Values{"serial": {in.Serial}, "group": {in.Group}},
	}, &out)
	if errors.Is(err, windrow.ErrNotFound) {
		return out, false, nil
	}
	return out, err == nil, err
}

// list reads a list page by page.
func (c client) list(ctx context.Context, filter jobs.Fields) iter.Seq2[record, error] {
	return func(yield func(record, error) bool) {
		for after := ""; ; {
			query := url.Values{"after": {after}}
			for name, value := range filter {
				query.Set(name, fmt.Sprint(value))
			}
			var page []record
			if _, err := c.api.Do(ctx, rest.Request{Path: "/" + url.PathEscape(c.name) + "/list", Query: query}, &page); err != nil {
				yield(record{}, err)
				return
			}
			for _, r := range page {
				if !yield(r, nil) {
					return
				}
			}
			if len(page) < pageSize {
				return
			}
			after = page[len(page)-1].ID
		}
	}
}

// batchClient is a client with native batches.
type batchClient struct{ client }

func outcomes[Out any](in []outcome, value func(record) Out) []windrow.Outcome[Out] {
	out := make([]windrow.Outcome[Out], len(in))
	for i, o := range in {
		out[i].Value = value(o.Record)
		switch o.Status {
		case http.StatusOK:
		case http.StatusNotFound:
			out[i].Err = windrow.ErrNotFound
		case http.StatusConflict:
			out[i].Err = windrow.ErrAlreadyExists
		default:
			out[i].Err = windrow.Permanent(fmt.Errorf("status %d", o.Status))
		}
	}
	return out
}

func same(r record) record { return r }

func (c batchClient) CreateBatch(ctx context.Context, in []input) ([]windrow.Outcome[record], error) {
	q := request{Inputs: in}
	if c.ids {
		for _, i := range in {
			q.IDs = append(q.IDs, c.idOf(i))
		}
	}
	var out []outcome
	err := c.call(ctx, "create", q, &out)
	return outcomes(out, same), err
}

func (c batchClient) UpdateBatch(ctx context.Context, in []windrow.Update[string, input]) ([]windrow.Outcome[record], error) {
	var q request
	for _, u := range in {
		q.IDs, q.Inputs = append(q.IDs, u.ID), append(q.Inputs, u.Data)
	}
	var out []outcome
	err := c.call(ctx, "update", q, &out)
	return outcomes(out, same), err
}

func (c batchClient) DeleteBatch(ctx context.Context, ids []string) ([]windrow.Outcome[struct{}], error) {
	var out []outcome
	err := c.call(ctx, "delete", request{IDs: ids}, &out)
	return outcomes(out, func(record) (none struct{}) { return none }), err
}

// A single call is a batch of one.
func (c batchClient) Create(ctx context.Context, in input) (out record, err error) {
	all, err := c.CreateBatch(ctx, []input{in})
	return one(all, err)
}

func (c batchClient) Update(ctx context.Context, id string, in input) (record, error) {
	return one(c.UpdateBatch(ctx, []windrow.Update[string, input]{{ID: id, Data: in}}))
}

func (c batchClient) Delete(ctx context.Context, id string) error {
	_, err := one(c.DeleteBatch(ctx, []string{id}))
	return err
}

func one[Out any](all []windrow.Outcome[Out], err error) (out Out, _ error) {
	if err != nil || len(all) != 1 {
		return out, errors.Join(err)
	}
	return all[0].Value, all[0].Err
}

// register registers all kinds.
func register(m *jobs.Manager, base string) error {
	for _, k := range kinds {
		limiter := windrow.NewLimiter(windrow.Concurrency(32))
		api, err := rest.New(base, rest.WithLimiter(limiter))
		if err != nil {
			return err
		}
		c := client{k, api}
		res := jobs.Resource[input, record]{
			Client: c, Limiter: limiter, List: c.list, ID: func(r record) string { return r.ID }, Key: func(in input) string { return in.Serial },
		}
		if k.batches {
			res.Client = batchClient{c}
		}
		if k.reconcile {
			res.Reconcile = c.find
		}
		if err := jobs.Register(m, k.name, res); err != nil {
			return err
		}
	}
	return nil
}

var _ clients.BatchCreator[input, record] = batchClient{}
