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

// Client makes requests to the data API of one server. Make one with [New]. It may be used from many goroutines.
//
// The methods named after endpoints make one request each. The verbs of windrow take a [Resource] or a [Transaction].
type Client struct {
	rest *rest.Client
	user users.Classifier
	max  atomic.Int64 // records in a batch, as the server said when it refused one; 0 before that

	mu       sync.Mutex
	known    bool
	features Features
}

// New returns a client for the server whose API is at the URL, such as https://crm.example/api/v1. The token is sent as a
// bearer token. A nil httpClient means one of its own. Of the options [rest.WithTokenSource] takes the place of the token, and
// the function of [rest.WithClassifier] is asked before the package's own, also about each record of a batch that was refused:
// as an [*rest.Error] with the record's error as its Body, and that one's HTTPStatus, which may be 0. The server documents no rate limit, so that there is no limiter
// unless [rest.WithLimiter] gives one.
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

// refusal makes an Error of an answer that is no success.
func (c *Client) refusal(r *rest.Error) error { return c.learn(requestError(r)) }

// learn remembers what an error says of the deployment.
func (c *Client) learn(err error) error {
	if e, ok := errors.AsType[*Error](err); ok && e.Code == CodeBatchTooLarge && e.Max > 0 {
		c.max.Store(int64(e.Max))
	}
	return err
}

// maxRecords is how many records a batch may hold, by what is known.
func (c *Client) maxRecords(chosen int) int {
	if learned := int(c.max.Load()); learned > 0 {
		return min(chosen, learned)
	}
	return chosen
}

// Batch carries out one operation on many records of an object with POST /data/{object}/batch. A request without records
// is answered here, and one that is not valid, or that holds more records than the server takes, is not sent: that is
// DefaultMaxRecords until a refusal has told another number. (A [Resource] may be told, see [WithMaxRecords].) The error is
// that of the request; those of the records are in the answer.
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

// check returns the error of a request that is not to be sent: for what is wrong with its n records, or for their number.
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

// request makes a request to one of the endpoints that answer with a result for each record.
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

// post makes the request of a batch.
func (c *Client) post(ctx context.Context, path string, body any) (answer BatchUpdateResponse, err error) {
	data, err := c.do(ctx, http.MethodPost, path, body)
	if err != nil {
		return BatchUpdateResponse{}, err
	}
	err = json.Unmarshal(data, &answer)
	switch {
	case err == nil && answer.Results != nil:
		return answer, nil
	case err == nil && answer.Error != nil: // a refusal with a status that says success
		return BatchUpdateResponse{}, c.learn(recordError([]*Error{answer.Error}, false))
	}
	return BatchUpdateResponse{}, errNoResults
}

// CreateMany creates many records of an object with POST /data/{object}/createMany: all or none. It returns them as the
// server does, in their order. What is not valid, or too much, is not sent: see [Client.Batch].
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
	var answer struct{ Records []json.RawMessage }
	if err := json.Unmarshal(data, &answer); err != nil {
		return nil, errNoResults
	}
	if got := len(answer.Records); got != len(records) {
		return nil, fmt.Errorf("%w: it has %d records for %d", windrow.ErrProtocol, got, len(records))
	}
	return answer.Records, nil
}

var (
	errNoResults = fmt.Errorf("%w: it has no results", windrow.ErrProtocol)
	errDryRun    = errors.New("objectstack: validateOnly is not sent: servers are known that write all the same; see VerifyDryRun, or use windrow.DryRun without it")
)

// do makes a request, and returns the answer without the envelope that some servers put around it.
func (c *Client) do(ctx context.Context, method, path string, body any) (json.RawMessage, error) {
	var data json.RawMessage
	if _, err := c.rest.Do(ctx, rest.Request{Method: method, Path: path, In: body}, &data); err != nil {
		return nil, err
	}
	return unwrap(data), nil
}

// unwrap returns what is in {"success": true, "data": {…}}, and anything else as it is.
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

// dataPath returns the path of an object, or of what is below it.
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

// invalid marks an error of an input for which nothing was sent.
func invalid(err error) error {
	return windrow.Classified(err, windrow.Classification{Kind: windrow.KindValidation})
}
