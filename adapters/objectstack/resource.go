package objectstack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/clients"
	"github.com/windrow-go/windrow/internal/exact"
)

// Resource is the records of one object. In is sent, as a JSON object, and Out is read; it may be struct{}. It is a client
// for the verbs of windrow, and sends a batch with one request. Make one with [NewResource]; set the fields before the first
// use. It may be used from many goroutines.
//
// With [windrow.MaxFailures] the server stops a batch at the first error, too; with [windrow.Atomic] it rolls back the
// batch.
type Resource[In, Out any] struct {
	// ExternalID is the caller's own id of a record, by which an upsert finds it. Upserts need it or ID.
	ExternalID func(in In) string
	// ID is the server's id of a record to upsert, "" when it has none yet.
	ID func(in In) string

	client *Client
	object string
	max    int
	whole  bool // the response holds records, not only ids
	err    error
}

// ResourceOption configures a [Resource].
type ResourceOption interface{ applyTo(*resourceConfig) }

type resourceConfig struct {
	max   int
	whole bool
	err   error
}

type resourceOptionFunc func(*resourceConfig)

func (f resourceOptionFunc) applyTo(c *resourceConfig) { f(c) }

// WithMaxRecords sets how many records one batch holds at most, from 1 to MaxRecords. Defaults to DefaultMaxRecords. A lower
// number in a refusal of the server replaces it.
func WithMaxRecords(n int) ResourceOption {
	return resourceOptionFunc(func(c *resourceConfig) {
		if n < 1 || n > MaxRecords {
			c.err = errors.Join(c.err, fmt.Errorf("objectstack: WithMaxRecords (%d) must be from 1 to %d", n, MaxRecords))
		}
		c.max = n
	})
}

// WithoutRecords makes the server return only ids. Out is then read from {"id": "…"}. Without it the response holds the
// records, unless Out is struct{}.
func WithoutRecords() ResourceOption {
	return resourceOptionFunc(func(c *resourceConfig) { c.whole = false })
}

// NewResource returns the records of an object, such as "account". Invalid arguments are the error of every call, which
// stops a run before anything is sent.
func NewResource[In, Out any](client *Client, object string, opts ...ResourceOption) *Resource[In, Out] {
	_, nothing := any(new(Out)).(*struct{})
	c := resourceConfig{max: DefaultMaxRecords, whole: !nothing}
	if client == nil {
		c.err = errors.New("objectstack: NewResource: the client is nil: make one with New")
	}
	for i, opt := range opts {
		if opt == nil {
			c.err = errors.Join(c.err, fmt.Errorf("objectstack: NewResource: option %d is nil: remove it", i))
			continue
		}
		opt.applyTo(&c)
	}
	return &Resource[In, Out]{client: client, object: object, max: c.max, whole: c.whole, err: windrow.Fatal(c.err)}
}

// Capabilities implements [clients.Describer].
func (r *Resource[In, Out]) Capabilities() windrow.Capabilities {
	c := windrow.Capabilities{MaxItems: r.max, Atomicity: windrow.AtomicitySelectable, Ordered: true, BatchOfOne: true}
	if r.client == nil {
		return c
	}
	c.MaxItems, c.VerifiedDryRun = r.client.maxRecords(r.max), r.client.dryRunVerified()
	if can, known := r.client.transactions(); known && !can {
		c.Atomicity = windrow.AtomicityPartial
	}
	return c
}

// Create creates one record with POST /data/{object}.
func (r *Resource[In, Out]) Create(ctx context.Context, in In) (Out, error) {
	return r.write(ctx, http.MethodPost, "", OperationCreate, in)
}

// Update changes fields of one record with PATCH /data/{object}/{id}.
func (r *Resource[In, Out]) Update(ctx context.Context, id string, in In) (Out, error) {
	return r.write(ctx, http.MethodPatch, id, OperationUpdate, in)
}

// Upsert creates or updates one record by its ExternalID or its ID. There is no endpoint for a single upsert: it sends a
// batch.
func (r *Resource[In, Out]) Upsert(ctx context.Context, in In) (out Out, err error) {
	outcomes, err := r.UpsertBatch(ctx, []In{in})
	if err != nil {
		return out, err
	}
	return outcomes[0].Value, outcomes[0].Err
}

// Get reads one record with GET /data/{object}/{id}.
func (r *Resource[In, Out]) Get(ctx context.Context, id string) (Out, error) {
	return r.one(ctx, http.MethodGet, id, nil)
}

// Delete deletes one record with DELETE /data/{object}/{id}.
func (r *Resource[In, Out]) Delete(ctx context.Context, id string) error {
	path, err := r.path(id)
	if err == nil {
		_, err = r.client.rest.Do(ctx, deletion(path), nil)
	}
	return err
}

func deletion(path string) rest.Request { return rest.Request{Method: http.MethodDelete, Path: path} }

// path returns the path of a record.
func (r *Resource[In, Out]) path(id string) (string, error) {
	if err := r.ready(); err != nil {
		return "", err
	}
	return dataPath(r.object, id)
}

// ready returns an error if the resource is invalid.
func (r *Resource[In, Out]) ready() error {
	if r.client == nil && r.err == nil {
		return windrow.Fatal(errors.New("objectstack: the Resource is empty: make one with NewResource"))
	}
	return r.err
}

// write sends a record, unless it is not a JSON object.
func (r *Resource[In, Out]) write(ctx context.Context, method, id string, operation BatchOperationType, in In) (out Out, err error) {
	if err := r.ready(); err != nil {
		return out, err
	}
	if err := (BatchRecord{Data: in}).validateData(operation); err != nil {
		return out, invalid(err)
	}
	return r.one(ctx, method, id, in)
}

// one sends a request whose response is {"object", "id", "record"}.
func (r *Resource[In, Out]) one(ctx context.Context, method, id string, in any) (out Out, err error) {
	if err := r.ready(); err != nil {
		return out, err
	}
	var path string
	if method == http.MethodPost {
		path, err = dataPath(r.object)
	} else {
		path, err = dataPath(r.object, id)
	}
	if err != nil {
		return out, err
	}
	data, err := r.client.do(ctx, method, path, in)
	if err != nil {
		return out, err
	}
	var response struct {
		ID     string          `json:"id"`
		Record json.RawMessage `json:"record"`
	}
	if err := json.Unmarshal(data, &response); err != nil || response.ID == "" && len(response.Record) == 0 {
		return out, windrow.Ambiguous(errUnreadable)
	}
	if method != http.MethodGet && !r.whole {
		response.Record = nil
	}
	return read[Out](response.Record, response.ID)
}

var errUnreadable = errors.New("objectstack: the record in the response cannot be read")

// read decodes an Out from a record, or from its id alone.
func read[Out any](record json.RawMessage, id string) (out Out, err error) {
	if _, nothing := any(&out).(*struct{}); nothing {
		return out, nil
	}
	if len(record) == 0 || string(record) == "null" {
		record, _ = json.Marshal(map[string]string{"id": id}) // which cannot fail
	}
	if err := exact.Unmarshal(record, &out); err != nil {
		var none Out
		return none, windrow.Ambiguous(errUnreadable) // without the error, whose text may show the content
	}
	return out, nil
}

var (
	_ windrow.Creator[int, bool]              = (*Resource[int, bool])(nil)
	_ windrow.Updater[string, int, bool]      = (*Resource[int, bool])(nil)
	_ windrow.Upserter[int, bool]             = (*Resource[int, bool])(nil)
	_ windrow.Deleter[string]                 = (*Resource[int, bool])(nil)
	_ windrow.Getter[string, bool]            = (*Resource[int, bool])(nil)
	_ clients.BatchCreator[int, bool]         = (*Resource[int, bool])(nil)
	_ clients.BatchUpdater[string, int, bool] = (*Resource[int, bool])(nil)
	_ clients.BatchUpserter[int, bool]        = (*Resource[int, bool])(nil)
	_ clients.BatchDeleter[string]            = (*Resource[int, bool])(nil)
	_ clients.Describer                       = (*Resource[int, bool])(nil)
	_ clients.DryRunner[int]                  = (*Resource[int, bool])(nil)
)
