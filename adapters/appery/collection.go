package appery

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/clients"
	"github.com/windrow-go/windrow/mixed"
)

// Collection is the objects of one collection. In is sent, as a JSON object, and Out is read. It is a client for the verbs
// of windrow; runs with several items send batches. Make one with [NewCollection]. It may be used from many goroutines.
type Collection[In, Out any] struct {
	client *Client
	name   string
	err    error
}

// NewCollection returns a collection, such as "Labels". Invalid arguments are the error of every call, which stops a run
// before anything is sent.
func NewCollection[In, Out any](client *Client, name string) *Collection[In, Out] {
	c := &Collection[In, Out]{client: client, name: name}
	if client == nil {
		c.err = windrow.Fatal(errors.New("appery: NewCollection: the client is nil: make one with New"))
	} else if _, err := path(name); err != nil {
		c.err = err
	}
	return c
}

// ready returns an error if the collection is invalid.
func (c *Collection[In, Out]) ready() error {
	if c.err == nil && (c.client == nil || c.client.rest == nil) {
		return windrow.Fatal(errors.New("appery: the Collection is empty: make one with NewCollection"))
	}
	return c.err
}

// Capabilities implements [clients.Describer].
func (c *Collection[In, Out]) Capabilities() windrow.Capabilities {
	if c.client == nil {
		return windrow.Capabilities{}
	}
	return c.client.Capabilities()
}

// Create creates one object with POST /collections/{name}.
func (c *Collection[In, Out]) Create(ctx context.Context, in In) (Created, error) {
	if err := c.sendable(in, windrow.OpCreate); err != nil {
		return Created{}, err
	}
	return one[Created](ctx, c.client, http.MethodPost, c.ready, in, c.name)
}

// Update changes columns of one object with PUT /collections/{name}/{id}.
func (c *Collection[In, Out]) Update(ctx context.Context, id string, in In) (Updated, error) {
	if err := c.sendable(in, windrow.OpUpdate); err != nil {
		return Updated{}, err
	}
	return one[Updated](ctx, c.client, http.MethodPut, c.ready, in, c.name, id)
}

// Get reads one object with GET /collections/{name}/{id}.
func (c *Collection[In, Out]) Get(ctx context.Context, id string) (Out, error) {
	return one[Out](ctx, c.client, http.MethodGet, c.ready, nil, c.name, id)
}

// Delete deletes one object with DELETE /collections/{name}/{id}.
func (c *Collection[In, Out]) Delete(ctx context.Context, id string) error {
	_, err := one[struct{}](ctx, c.client, http.MethodDelete, c.ready, nil, c.name, id)
	return err
}

// sendable returns an error if the data of a single call is invalid.
func (c *Collection[In, Out]) sendable(in In, kind windrow.OpKind) error {
	if err := c.ready(); err != nil {
		return err
	}
	if err := checkData(in, kind); err != nil {
		return invalid(err)
	}
	return nil
}

// one makes a single call.
func one[T any](ctx context.Context, client *Client, method string, ready func() error, in any, collection string, id ...string) (v T, err error) {
	if err := ready(); err != nil {
		return v, err
	}
	path, err := path(collection, id...)
	if err != nil {
		return v, err
	}
	var data json.RawMessage
	into := any(&data)
	if method == http.MethodDelete {
		into = nil
	}
	if _, err := client.rest.Do(ctx, rest.Request{Method: method, Path: path, In: in}, into); err != nil {
		return v, err
	}
	return read[T](data)
}

// CreateBatch creates many objects with POST /batch.
func (c *Collection[In, Out]) CreateBatch(ctx context.Context, in []In) ([]windrow.Outcome[Created], error) {
	return many[Created](ctx, c.client, c.ready, len(in), func(i int) mixed.Operation {
		return mixed.Operation{Kind: windrow.OpCreate, Resource: c.name, Data: in[i]}
	})
}

// UpdateBatch changes columns of many objects with POST /batch.
func (c *Collection[In, Out]) UpdateBatch(ctx context.Context, in []windrow.Update[string, In]) ([]windrow.Outcome[Updated], error) {
	return many[Updated](ctx, c.client, c.ready, len(in), func(i int) mixed.Operation {
		return mixed.Operation{Kind: windrow.OpUpdate, Resource: c.name, ID: in[i].ID, Data: in[i].Data}
	})
}

// GetBatch reads many objects with POST /batch.
func (c *Collection[In, Out]) GetBatch(ctx context.Context, ids []string) ([]windrow.Outcome[Out], error) {
	return many[Out](ctx, c.client, c.ready, len(ids), func(i int) mixed.Operation {
		return mixed.Operation{Kind: windrow.OpGet, Resource: c.name, ID: ids[i]}
	})
}

// DeleteBatch deletes many objects with POST /batch.
func (c *Collection[In, Out]) DeleteBatch(ctx context.Context, ids []string) ([]windrow.Outcome[struct{}], error) {
	return many[struct{}](ctx, c.client, c.ready, len(ids), func(i int) mixed.Operation {
		return mixed.Operation{Kind: windrow.OpDelete, Resource: c.name, ID: ids[i]}
	})
}

// many applies n operations of one kind.
func many[T any](ctx context.Context, client *Client, ready func() error, n int, op func(i int) mixed.Operation) ([]windrow.Outcome[T], error) {
	if err := ready(); err != nil {
		return nil, err
	}
	ops, out := make([]mixed.Operation, n), make([]windrow.Outcome[T], n)
	for i := range ops {
		ops[i] = op(i)
	}
	err := client.batch(ctx, ops, func(i int, success json.RawMessage, err error) {
		if err == nil {
			out[i].Value, err = read[T](success)
		}
		out[i].Err = err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

var (
	_ windrow.Creator[int, Created]              = (*Collection[int, bool])(nil)
	_ windrow.Updater[string, int, Updated]      = (*Collection[int, bool])(nil)
	_ windrow.Deleter[string]                    = (*Collection[int, bool])(nil)
	_ windrow.Getter[string, bool]               = (*Collection[int, bool])(nil)
	_ clients.BatchCreator[int, Created]         = (*Collection[int, bool])(nil)
	_ clients.BatchUpdater[string, int, Updated] = (*Collection[int, bool])(nil)
	_ clients.BatchDeleter[string]               = (*Collection[int, bool])(nil)
	_ clients.BatchGetter[string, bool]          = (*Collection[int, bool])(nil)
	_ clients.Describer                          = (*Collection[int, bool])(nil)
)
