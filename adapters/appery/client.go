package appery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/internal/gone"
	"github.com/windrow-go/windrow/adapters/internal/jsonform"
	"github.com/windrow-go/windrow/adapters/internal/segment"
	"github.com/windrow-go/windrow/adapters/internal/users"
	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/clients"
	"github.com/windrow-go/windrow/internal/exact"
	"github.com/windrow-go/windrow/mixed"
)

// BaseURL is the URL of the API.
const BaseURL = "https://api.appery.io/rest/1/db"

const (
	databaseHeader = "X-Appery-Database-Id"
	sessionHeader  = "X-Appery-Session-Token"
	masterHeader   = "X-Appery-Master-Key"
)

// WithSessionToken sends the session token of a user, for databases with permissions for each object. It must not be empty.
func WithSessionToken(token string) rest.Option {
	return credential("WithSessionToken", sessionHeader, token)
}

// WithMasterKey sends the master key, with which every object can be read, changed and deleted. It must not be empty.
func WithMasterKey(key string) rest.Option { return credential("WithMasterKey", masterHeader, key) }

// credential returns the option that sends a credential.
func credential(option, header, value string) rest.Option {
	if value == "" {
		return noCredential{rest.WithHeader(header, value), option}
	}
	return rest.WithHeader(header, value)
}

// noCredential is an option that New refuses.
type noCredential struct {
	rest.Option
	name string
}

// Client sends requests to one database. Make one with [New]. It may be used from many goroutines. It is a
// [mixed.Executor].
type Client struct {
	// MaxItems is how many operations one request has at most. Set it before the first use. 0 means 100. The vendor
	// documents no limit; a batch that is refused as too large is halved.
	MaxItems int

	rest *rest.Client
	user users.Classifier
}

// New returns a client for a database. An empty baseURL means BaseURL, and a nil httpClient one of its own. The databaseID
// is the database's API key, which every request has. The function of [rest.WithClassifier] is called before the package's
// own, also for each refused operation of a batch: with an [*rest.Error] without a status. The vendor documents no rate
// limit, so there is no limiter without [rest.WithLimiter].
func New(baseURL, databaseID string, httpClient *http.Client, opts ...rest.Option) (*Client, error) {
	if baseURL == "" {
		baseURL = BaseURL
	}
	if databaseID == "" {
		return nil, errors.New("appery: the database id is empty: it is the API key in the settings of the database")
	}
	for _, opt := range opts {
		if empty, ok := opt.(noCredential); ok {
			return nil, fmt.Errorf("appery: %s: it is empty: give a credential, or leave the option out", empty.name)
		}
	}
	all := []rest.Option{rest.WithHeader(databaseHeader, databaseID)}
	if httpClient != nil {
		all = append(all, rest.WithHTTPClient(httpClient))
	}
	user := users.ClassifierOf(opts)
	client, err := rest.New(baseURL, append(append(all, opts...), user.Before(requestError))...)
	if err != nil {
		return nil, fmt.Errorf("appery: %w", err)
	}
	return &Client{rest: client, user: user}, nil
}

// Limiter returns the limiter of the client, nil when there is none.
func (c *Client) Limiter() *windrow.Limiter { return c.rest.Limiter() }

// Capabilities implements [clients.Describer].
func (c *Client) Capabilities() windrow.Capabilities {
	return windrow.Capabilities{MaxItems: c.MaxItems, Ordered: true, Cost: func(n int) int { return n }}
}

// methods are the methods of the kinds of operation, as in the vendor's examples.
var methods = map[windrow.OpKind]string{
	windrow.OpCreate: "post", windrow.OpUpdate: "put", windrow.OpDelete: "delete", windrow.OpGet: "get",
}

// operation is an operation on the wire.
type operation struct {
	Method     string `json:"method"`
	Collection string `json:"collection"`
	ID         string `json:"_id,omitempty"`
	Data       any    `json:"data,omitempty"`
}

// result is the server's result of one operation. Exactly one of the two is set.
type result struct {
	Success json.RawMessage `json:"success"`
	Error   json.RawMessage `json:"error"`
}

// Execute applies operations with POST /batch, in their order. The Resource of an operation is its collection. The value of
// a create is a [Created], that of an update an [Updated], and that of a read the object as a [json.RawMessage]. The server
// has no upserts. Operations that are not valid are not sent.
func (c *Client) Execute(ctx context.Context, ops []mixed.Operation) ([]windrow.Outcome[any], error) {
	out := make([]windrow.Outcome[any], len(ops))
	err := c.batch(ctx, ops, func(i int, success json.RawMessage, err error) {
		if err == nil {
			out[i].Value, err = valueOf(ops[i].Kind, success)
		}
		out[i].Err = err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// batch sends operations, and calls settle with the result of each.
func (c *Client) batch(ctx context.Context, ops []mixed.Operation, settle func(i int, success json.RawMessage, err error)) error {
	if c.rest == nil {
		return windrow.Fatal(errors.New("appery: the Client is empty: make one with New"))
	}
	places := make([]int, 0, len(ops)) // index in ops of each operation that is sent
	wire := make([]operation, 0, len(ops))
	for i, o := range ops {
		if err := check(o); err != nil {
			settle(i, nil, invalid(err))
			continue
		}
		places = append(places, i)
		wire = append(wire, operation{Method: methods[o.Kind], Collection: o.Resource, ID: o.ID, Data: o.Data})
	}
	if len(wire) == 0 {
		return nil
	}
	var results []result
	if _, err := c.rest.Do(ctx, rest.Request{Method: http.MethodPost, Path: "/batch", In: wire}, &results); err != nil {
		if e, ok := errors.AsType[*Error](err); ok && gone.IsPage(e.request) && !slices.ContainsFunc(ops, isCreate) {
			return windrow.Transient(err) // nothing was applied, and a repetition is harmless
		}
		return err
	}
	if len(results) != len(wire) {
		return fmt.Errorf("%w: it has %d results for %d operations", windrow.ErrProtocol, len(results), len(wire))
	}
	for k, r := range results {
		success, err := r.read(c.user)
		settle(places[k], success, err)
	}
	return nil
}

func isCreate(o mixed.Operation) bool { return o.Kind == windrow.OpCreate }

// check returns an error if an operation is invalid.
func check(o mixed.Operation) error {
	if o.Kind == windrow.OpUpsert {
		return &windrow.FieldError{Field: "Kind", Message: "must be create, update, delete or get: the server knows no upsert"}
	}
	err := o.Validate()
	switch {
	case o.Resource == "":
		err = errors.Join(err, &windrow.FieldError{Field: "Resource", Message: "is required: the name of the collection"})
	case segment.Problem(o.Resource) != "":
		err = errors.Join(err, &windrow.FieldError{Field: "Resource", Message: "must be the name of a collection, and no dot segment"})
	}
	if o.ID != "" && segment.Problem(o.ID) != "" {
		err = errors.Join(err, errID)
	}
	if (o.Kind == windrow.OpCreate || o.Kind == windrow.OpUpdate) && o.Data != nil {
		err = errors.Join(err, checkData(o.Data, o.Kind))
	}
	if o.Kind == windrow.OpCreate && o.ID != "" {
		err = errors.Join(err, &windrow.FieldError{Field: "ID", Message: "must be empty: the server chooses the _id"})
	}
	return err
}

// errID is the error of an id that is not valid.
var errID = &windrow.FieldError{Field: "ID", Message: "is required, and no dot segment"}

// checkData returns an error if the data of a create or an update is not an object.
func checkData(data any, kind windrow.OpKind) error {
	switch jsonform.Of(data) {
	case jsonform.Object:
		return nil
	case jsonform.Null:
		return &windrow.FieldError{Field: "Data", Message: "is required for " + kind.String()}
	}
	return &windrow.FieldError{Field: "Data", Message: "must be something whose JSON is an object, such as a struct or a map"}
}

// read returns the value or the error of an operation.
func (r result) read(user users.Classifier) (json.RawMessage, error) {
	success, failure := r.Success != nil && string(r.Success) != "null", r.Error != nil && string(r.Error) != "null"
	switch {
	case success && !failure:
		return r.Success, nil
	case failure && !success:
		return nil, operationError(r.Error, user)
	}
	return nil, windrow.Ambiguous(errNeither)
}

var (
	errNeither    = errors.New("appery: the result is neither a success nor an error")
	errUnreadable = errors.New("appery: the result of the operation cannot be read")
)

// valueOf decodes the server's value for a kind of operation.
func valueOf(kind windrow.OpKind, success json.RawMessage) (any, error) {
	switch kind {
	case windrow.OpCreate:
		return read[Created](success)
	case windrow.OpUpdate:
		return read[Updated](success)
	case windrow.OpGet:
		return success, nil
	}
	return nil, nil // a delete
}

// read decodes JSON into a T. The error is ambiguous: the operation was applied.
func read[T any](data json.RawMessage) (v T, err error) {
	if _, nothing := any(&v).(*struct{}); nothing {
		return v, nil
	}
	if err := exact.Unmarshal(data, &v); err != nil {
		var none T
		return none, windrow.Ambiguous(errUnreadable) // without the error, whose text may show the content
	}
	return v, nil
}

// Created is the server's value of a create.
type Created struct {
	ID        string `json:"_id"`        // chosen by the server
	CreatedAt Time   `json:"_createdAt"` // by the server's clock
}

// Updated is the server's value of an update.
type Updated struct {
	UpdatedAt Time `json:"_updatedAt"` // by the server's clock
}

// path returns the path of a collection, or of an object in it.
func path(collection string, id ...string) (string, error) {
	if segment.Problem(collection) != "" {
		return "", windrow.Fatal(errors.New("appery: the collection has no name: give one such as Labels"))
	}
	parts := []string{"/collections", url.PathEscape(collection)}
	for _, id := range id {
		if segment.Problem(id) != "" {
			return "", invalid(errID)
		}
		parts = append(parts, url.PathEscape(id))
	}
	return strings.Join(parts, "/"), nil
}

// invalid marks an error of the input, before anything was sent.
func invalid(err error) error {
	return windrow.Classified(err, windrow.Classification{Kind: windrow.KindValidation})
}

var (
	_ mixed.Executor    = (*Client)(nil)
	_ clients.Describer = (*Client)(nil)
)
