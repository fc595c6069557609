package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/internal/segment"
	"github.com/windrow-go/windrow/clients"
)

// Resource is a collection of records at one path. In is sent, and Out is read. The verbs of windrow take a Resource as a
// client for records with ids of type string. Make one with [NewResource]. It may be used from many goroutines.
//
// An id is one segment of the path, escaped. An id that is empty or has a dot segment is refused before anything is sent:
// servers decode a path before they resolve its dot segments.
//
// Each method sends one request, and does not repeat it, except after a 401 with [WithTokenSource]. For errors see
// [Client.Do].
type Resource[In, Out any] struct {
	client       *Client
	path         string // without a slash at its end
	slash        string // "/" if the path had one
	method       string // of updates
	items        string // name of the field that holds the items of a page; "" tries itemFields
	capabilities windrow.Capabilities
	err          error // what is wrong with the arguments
}

// ResourceOption configures a [Resource].
type ResourceOption interface{ applyTo(*resourceConfig) }

type resourceOptionFunc func(*resourceConfig)

func (f resourceOptionFunc) applyTo(c *resourceConfig) { f(c) }

type resourceConfig struct {
	method       string
	items        string
	capabilities windrow.Capabilities
	err          error
}

// WithUpdateMethod sets the method of updates: PATCH, which is the default, or PUT.
func WithUpdateMethod(method string) ResourceOption {
	return resourceOptionFunc(func(c *resourceConfig) {
		if method != http.MethodPatch && method != http.MethodPut {
			c.err = errors.Join(c.err, fmt.Errorf("rest: WithUpdateMethod (%q) must be PATCH or PUT", method))
		}
		c.method = method
	})
}

// WithItemsField names the field of a page that holds its items, such as "articles" or "result.rows": names are joined by
// dots, and a name may have dots itself. Without it a page is a bare array, or the items are in the first of the fields
// items, data, results and records that holds an array. A page in which no items are found is not retried.
func WithItemsField(name string) ResourceOption {
	return resourceOptionFunc(func(c *resourceConfig) {
		if name == "" {
			c.err = errors.Join(c.err, errors.New("rest: WithItemsField must name a field"))
		}
		c.items = name
	})
}

// WithCapabilities says what the API can do, such as IdempotencyKeys if it honours the key that the [Transport] sends: only
// then are creates sent again after a lost response. Without it no capability is assumed.
func WithCapabilities(capabilities windrow.Capabilities) ResourceOption {
	return resourceOptionFunc(func(c *resourceConfig) { c.capabilities = capabilities })
}

// NewResource returns the resource at a path below the client's base URL, such as "/articles". The path is escaped where
// needed. If it ends in a slash, so does every path of the resource. Invalid arguments are the error of every call, which
// stops a run before anything is sent.
func NewResource[In, Out any](client *Client, path string, opts ...ResourceOption) *Resource[In, Out] {
	c := resourceConfig{method: http.MethodPatch}
	if client.empty() {
		c.err = errors.New("rest: NewResource: the client is nil or empty: make one with New")
	} else if _, err := client.url(path, nil); err != nil {
		c.err = err
	}
	for i, opt := range opts {
		if opt == nil {
			c.err = errors.Join(c.err, fmt.Errorf("rest: NewResource: option %d is nil: remove it", i))
			continue
		}
		opt.applyTo(&c)
	}
	r := &Resource[In, Out]{client: client, method: c.method, items: c.items, capabilities: c.capabilities, err: windrow.Fatal(c.err)}
	r.path = strings.TrimRight(path, "/")
	if strings.HasSuffix(path, "/") {
		r.slash = "/"
	}
	return r
}

// Capabilities implements [clients.Describer].
func (r *Resource[In, Out]) Capabilities() windrow.Capabilities { return r.capabilities }

// Create sends a record with POST, and returns the record of the response.
func (r *Resource[In, Out]) Create(ctx context.Context, in In) (Out, error) {
	return r.one(ctx, http.MethodPost, r.path+r.slash, in)
}

// Update changes the record with that id, with the method of [WithUpdateMethod]. After an empty response the value is zero.
func (r *Resource[In, Out]) Update(ctx context.Context, id string, in In) (Out, error) {
	path, err := r.pathOf(id)
	if err != nil {
		var none Out
		return none, err
	}
	return r.one(ctx, r.method, path, in)
}

// Get reads the record with that id.
func (r *Resource[In, Out]) Get(ctx context.Context, id string) (Out, error) {
	path, err := r.pathOf(id)
	if err != nil {
		var none Out
		return none, err
	}
	return r.one(ctx, http.MethodGet, path, nil)
}

// Delete deletes the record with that id. The content of the response is ignored.
func (r *Resource[In, Out]) Delete(ctx context.Context, id string) error {
	path, err := r.pathOf(id)
	if err == nil {
		_, err = r.client.Do(ctx, Request{Method: http.MethodDelete, Path: path}, nil)
	}
	return err
}

// Upserter returns a client that sends each record to the path of its id with PUT, which creates or replaces it (RFC 9110
// section 9.3.4). It is for APIs that let the caller choose the ids.
func (r *Resource[In, Out]) Upserter(id func(in In) string) windrow.Upserter[In, Out] {
	return upserter[In, Out]{r, id}
}

type upserter[In, Out any] struct {
	resource *Resource[In, Out]
	id       func(In) string
}

// Upsert implements [windrow.Upserter].
func (u upserter[In, Out]) Upsert(ctx context.Context, in In) (out Out, err error) {
	if u.id == nil {
		return out, windrow.Fatal(errors.New("rest: Upserter (nil) must have a function that returns an item's id"))
	}
	path, err := u.resource.pathOf(u.id(in))
	if err != nil {
		return out, err
	}
	return u.resource.one(ctx, http.MethodPut, path, in)
}

// Capabilities implements [clients.Describer].
func (u upserter[In, Out]) Capabilities() windrow.Capabilities { return u.resource.capabilities }

// one sends a request whose response is one record.
func (r *Resource[In, Out]) one(ctx context.Context, method, path string, in any) (out Out, err error) {
	if err := r.ready(); err != nil {
		return out, err
	}
	into := any(&out)
	if _, none := into.(*struct{}); none {
		into = nil
	}
	if _, err = r.client.Do(ctx, Request{Method: method, Path: path, In: in}, into); err != nil {
		var none Out
		return none, err // not a half-decoded record
	}
	return out, nil
}

// ready returns what is wrong with the resource.
func (r *Resource[In, Out]) ready() error {
	if r.client == nil && r.err == nil {
		return windrow.Fatal(errors.New("rest: the Resource is empty: make one with NewResource"))
	}
	return r.err
}

// pathOf returns the path of a record.
func (r *Resource[In, Out]) pathOf(id string) (string, error) {
	if err := r.ready(); err != nil {
		return "", err
	}
	if problem := segment.Problem(id); problem != "" {
		return "", invalid(errors.New("rest: the id " + problem))
	}
	return r.path + "/" + url.PathEscape(id) + r.slash, nil
}

var (
	_ windrow.Creator[int, bool]         = (*Resource[int, bool])(nil)
	_ windrow.Updater[string, int, bool] = (*Resource[int, bool])(nil)
	_ windrow.Deleter[string]            = (*Resource[int, bool])(nil)
	_ windrow.Getter[string, bool]       = (*Resource[int, bool])(nil)
	_ clients.Describer                  = (*Resource[int, bool])(nil)
	_ clients.Describer                  = upserter[int, bool]{}
)
