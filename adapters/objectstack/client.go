package objectstack

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/internal/segment"
	"github.com/windrow-go/windrow/adapters/internal/users"
	"github.com/windrow-go/windrow/adapters/rest"
)

// Client sends requests to the data API of one server. Make one with [New]. It may be used from many goroutines.
//
// The methods named after endpoints send one request each. The verbs of windrow take a [Resource] or a [Transaction].
type Client struct {
	rest *rest.Client
	user users.Classifier
	max  atomic.Int64 // records in a batch, as a BATCH_TOO_LARGE said; 0 before that

	mu       sync.Mutex
	known    bool
	features Features
}

// New returns a client for the server whose API is at the URL, such as https://crm.example/api/v1. The token is sent as a
// bearer token. A nil httpClient means one of its own. The option [rest.WithTokenSource] replaces the token, and the
// function of [rest.WithClassifier] is called before the package's own, also for each refused record of a batch: with an
// [*rest.Error] whose Body is the record's error, and whose Status is its HTTPStatus, which may be 0. The server documents
// no rate limit, so there is no limiter without [rest.WithLimiter].
func New(baseURL, token string, httpClient *http.Client, opts ...rest.Option) (*Client, error) {
	c := &Client{user: users.ClassifierOf(opts)}
	all := []rest.Option{rest.WithToken(token)}
	if httpClient != nil {
		all = append(all, rest.WithHTTPClient(httpClient))
	}
	all = append(append(all, opts...), c.user.Before(c.refusal))
	var err error
	if c.rest, err = rest.New(baseURL, all...); err != nil {
		return nil, fmt.Errorf("objectstack: %w", err)
	}
	return c, nil
}

// Limiter returns the limiter of the client, nil when there is none.
func (c *Client) Limiter() *windrow.Limiter { return c.rest.Limiter() }

// refusal makes an Error from a response that is not a success.
func (c *Client) refusal(r *rest.Error) error { return c.learn(requestError(r)) }

// learn stores the batch size that an error tells.
func (c *Client) learn(err error) error {
	if e, ok := errors.AsType[*Error](err); ok && e.Code == CodeBatchTooLarge && e.Max > 0 {
		c.max.Store(int64(e.Max))
	}
	return err
}

// maxRecords returns how many records a batch may hold, as far as it is known.
func (c *Client) maxRecords(chosen int) int {
	if learned := int(c.max.Load()); learned > 0 {
		return min(chosen, learned)
	}
	return chosen
}

// Batch applies one operation to many records of an object with POST /data/{object}/batch. A request without records is not
// sent, nor is one that is not valid or holds too many records: more than DefaultMaxRecords, or than the server's last
// refusal said. (For a [Resource] see [WithMaxRecords].) The error is about the request; the errors of the records are in
// the response.
func (c *Client) Batch(ctx context.Context, object string, request BatchUpdateRequest) (BatchUpdateResponse, error) {
	if err := c.check(len(request.Records), request.validate()); err != nil {
		return BatchUpdateResponse{}, err
	}
	return c.batch(ctx, object, request)
}

// UpdateMany updates many records of an object with POST /data/{object}/updateMany, as [Client.Batch] does.
func (c *Client) UpdateMany(ctx context.Context, object string, request UpdateManyRequest) (BatchUpdateResponse, error) {
	if err := c.check(len(request.Records), request.validate()); err != nil {
		return BatchUpdateResponse{}, err
	}
	return c.updateMany(ctx, object, request)
}

// DeleteMany deletes many records of an object with POST /data/{object}/deleteMany, as [Client.Batch] does.
func (c *Client) DeleteMany(ctx context.Context, object string, request DeleteManyRequest) (BatchUpdateResponse, error) {
	if err := c.check(len(request.IDs), request.validate()); err != nil {
		return BatchUpdateResponse{}, err
	}
	return c.deleteMany(ctx, object, request)
}

// check returns an error if a request must not be sent: wrong, or the number n of its records.
func (c *Client) check(n int, wrong error) error {
	if wrong != nil {
		return invalid(wrong)
	}
	config := BatchConfig{Enabled: true, MaxRecordsPerBatch: cmp.Or(int(c.max.Load()), DefaultMaxRecords)}
	return windrow.Classified(config.Admits(n), windrow.Classification{
		Class: windrow.ClassTooLarge, MaxItems: config.MaxRecordsPerBatch, Kind: windrow.KindValidation,
	})
}

func (c *Client) batch(ctx context.Context, object string, request BatchUpdateRequest) (BatchUpdateResponse, error) {
	return c.request(ctx, object, "batch", request.Operation, len(request.Records), request.Options, request)
}

func (c *Client) updateMany(ctx context.Context, object string, request UpdateManyRequest) (BatchUpdateResponse, error) {
	return c.request(ctx, object, "updateMany", OperationUpdate, len(request.Records), request.Options, request)
}

func (c *Client) deleteMany(ctx context.Context, object string, request DeleteManyRequest) (BatchUpdateResponse, error) {
	return c.request(ctx, object, "deleteMany", OperationDelete, len(request.IDs), request.Options, request)
}

// request sends a request to one of the endpoints that return a result for each record.
func (c *Client) request(ctx context.Context, object, endpoint string, operation BatchOperationType, n int, options BatchOptions, body any) (BatchUpdateResponse, error) {
	none := BatchUpdateResponse{Success: true, Operation: operation}
	path, err := dataPath(object, endpoint)
	if err != nil || n == 0 {
		return none, err // servers before 17 refuse a batch without records
	}
	if options.ValidateOnly && !c.dryRunVerified() {
		return BatchUpdateResponse{}, windrow.Permanent(errDryRun)
	}
	if options.Atomic {
		if err := c.needTransactions(ctx); err != nil {
			return BatchUpdateResponse{}, err
		}
	}
	return c.post(ctx, path, body)
}

// post sends a batch.
func (c *Client) post(ctx context.Context, path string, body any) (response BatchUpdateResponse, err error) {
	data, err := c.do(ctx, http.MethodPost, path, body)
	if err != nil {
		return BatchUpdateResponse{}, err
	}
	err = json.Unmarshal(data, &response)
	switch {
	case err == nil && response.Results != nil:
		return response, nil
	case err == nil && response.Error != nil: // a refusal with a status that says success
		return BatchUpdateResponse{}, c.learn(recordError([]*Error{response.Error}, false))
	}
	return BatchUpdateResponse{}, errNoResults
}

// CreateMany creates many records of an object with POST /data/{object}/createMany: all or none. It returns them as the
// server does, in their order. Invalid or too many records are not sent: see [Client.Batch].
func (c *Client) CreateMany(ctx context.Context, object string, records []any) ([]json.RawMessage, error) {
	var errs []error
	for i, record := range records {
		errs = append(errs, under(fmt.Sprintf("records[%d]", i), BatchRecord{Data: record}.validateData(OperationCreate)))
	}
	if err := c.check(len(records), errors.Join(errs...)); err != nil {
		return nil, err
	}
	return c.createMany(ctx, object, records)
}

func (c *Client) createMany(ctx context.Context, object string, records []any) ([]json.RawMessage, error) {
	path, err := dataPath(object, "createMany")
	if err != nil || len(records) == 0 {
		return nil, err
	}
	data, err := c.do(ctx, http.MethodPost, path, records)
	if err != nil {
		return nil, err
	}
	var response struct{ Records []json.RawMessage }
	if err := json.Unmarshal(data, &response); err != nil {
		return nil, errNoResults
	}
	if got := len(response.Records); got != len(records) {
		return nil, fmt.Errorf("%w: it has %d records for %d", windrow.ErrProtocol, got, len(records))
	}
	return response.Records, nil
}

var (
	errNoResults = fmt.Errorf("%w: it has no results", windrow.ErrProtocol)
	errDryRun    = errors.New("objectstack: validateOnly is not sent: some servers write nevertheless; see VerifyDryRun, or use windrow.DryRun without it")
)

// do sends a request, and returns the response without the envelope that some servers add.
func (c *Client) do(ctx context.Context, method, path string, body any) (json.RawMessage, error) {
	var data json.RawMessage
	if _, err := c.rest.Do(ctx, rest.Request{Method: method, Path: path, In: body}, &data); err != nil {
		return nil, err
	}
	return unwrap(data), nil
}

// unwrap returns the data of {"success": true, "data": {…}}, and anything else as it is.
func unwrap(data json.RawMessage) json.RawMessage {
	var outer map[string]json.RawMessage
	if json.Unmarshal(data, &outer) != nil {
		return data
	}
	inner, wrapped := outer["data"]
	for name := range outer {
		if name != "success" && name != "data" && name != "meta" {
			wrapped = false
		}
	}
	if wrapped && len(inner) > 0 && inner[0] == '{' {
		return inner
	}
	return data
}

// dataPath returns the path of an object, or one below it.
func dataPath(object string, below ...string) (string, error) {
	if segment.Problem(object) != "" {
		return "", windrow.Fatal(errors.New("objectstack: the object has no name: give one such as account"))
	}
	parts := []string{"/data", url.PathEscape(object)}
	for _, name := range below {
		if segment.Problem(name) != "" {
			return "", invalid(refuse("id", "is required, and no dot segment"))
		}
		parts = append(parts, url.PathEscape(name))
	}
	return strings.Join(parts, "/"), nil
}

// invalid marks an error of the input, before anything was sent.
func invalid(err error) error {
	return windrow.Classified(err, windrow.Classification{Kind: windrow.KindValidation})
}
