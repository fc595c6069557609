package bloomy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/internal/refusal"
)

// BaseURL is the URL of the API.
const BaseURL = "https://app.bloomgrowth.com/api/v1"

// The numbers of concurrent calls that the vendor's guide to bulk operations advises.
const (
	DefaultConcurrency = 5  // "conservative and safe"
	SmallPayloads      = 20 // todos and issues: 10 to 20
	ComplexOperations  = 10 // meetings with attendees: 5 to 10
	RateLimited        = 3  // with a rate limit: 3 to 5
)

// requestTimeout is how long the vendor's own client waits for a response.
const requestTimeout = 30 * time.Second

// NewLimiter returns a limiter for up to that many concurrent calls, at least 1, such as SmallPayloads. A server that
// throttles gets fewer.
func NewLimiter(concurrency int) *windrow.Limiter {
	return windrow.NewLimiter(windrow.Concurrency(concurrency))
}

// Chunks is the vendor's advice for long lists: a pause of a second after every 50 items. A rate ([windrow.Rate]) is nearly
// always better.
func Chunks() windrow.Option {
	return windrow.Options(windrow.BatchSize(50), windrow.BatchDelay(time.Second))
}

// Client sends requests for one user. Make one with [New]. It may be used from many goroutines.
type Client struct {
	Issues    *Issues    // of meetings
	Todos     *Todos     // of meetings
	UserTodos *UserTodos // of users
	Goals     *Goals     // of meetings; the API calls them rocks
	Meetings  *Meetings  // the API calls them L10

	rest    *rest.Client
	limiter *windrow.Limiter
	turn    chan struct{} // holds one value: the caller that has taken it may ask for the user

	mu   sync.Mutex
	user int // 0 until it is known
}

// New returns a client. An empty baseURL means BaseURL, and a nil httpClient one of its own, with a timeout of 30 seconds.
// The key is sent as a bearer token. The option [rest.WithTokenSource] replaces the key, and [rest.WithLimiter] the default
// limiter, [NewLimiter] with DefaultConcurrency: every request waits for the given limiter, also where an item takes several
// requests.
func New(baseURL, apiKey string, httpClient *http.Client, opts ...rest.Option) (*Client, error) {
	if baseURL == "" {
		baseURL = BaseURL
	}
	if httpClient == nil {
		httpClient = newHTTPClient()
	}
	all := append([]rest.Option{
		rest.WithToken(apiKey), rest.WithHTTPClient(httpClient),
		rest.WithHeader("Accept", "*/*"), rest.WithHeader("Content-Type", "application/json"),
	}, opts...)
	r, err := rest.New(baseURL, all...)
	if err != nil {
		return nil, fmt.Errorf("bloomy: %w", err)
	}
	c := &Client{rest: r, limiter: r.Limiter(), turn: make(chan struct{}, 1)}
	if c.limiter == nil { // it has no rate: a slot for each item is enough
		c.limiter = NewLimiter(DefaultConcurrency)
	}
	c.turn <- struct{}{}
	c.Issues, c.Todos, c.UserTodos, c.Goals = &Issues{c}, &Todos{c}, &UserTodos{c}, &Goals{c}
	c.Meetings = &Meetings{client: c, half: newHalfMade()}
	return c, nil
}

// newHTTPClient returns the default http.Client.
func newHTTPClient() *http.Client { return &http.Client{Timeout: requestTimeout} }

// Limiter returns the limiter of the client.
func (c *Client) Limiter() *windrow.Limiter {
	if c == nil {
		return nil
	}
	return c.limiter
}

// Options returns an option with the client's limiter, which CreateMany uses.
func (c *Client) Options() windrow.Option { return windrow.WithLimiter(c.Limiter()) }

var errEmpty = errors.New("bloomy: the Client is nil or empty: make one with New")

// UserID returns the id of the user of the key. It is requested once.
func (c *Client) UserID(ctx context.Context) (int, error) {
	if c == nil || c.rest == nil {
		return 0, windrow.Fatal(errEmpty)
	}
	c.mu.Lock()
	user := c.user
	c.mu.Unlock()
	if user != 0 {
		return user, nil
	}
	select {
	case <-c.turn:
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	defer func() { c.turn <- struct{}{} }()
	c.mu.Lock()
	user = c.user
	c.mu.Unlock()
	if user != 0 { // by another caller meanwhile
		return user, nil
	}
	var response struct{ ID int }
	if err := c.get(ctx, "/users/mine", nil, &response); err != nil {
		return 0, err
	}
	if response.ID == 0 {
		return 0, fmt.Errorf("%w: users/mine has no Id", windrow.ErrProtocol)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.user = response.ID
	return response.ID, nil
}

// userOr returns user, or the current user if it is 0. It is called before a write.
func (c *Client) userOr(ctx context.Context, user int) (int, error) {
	if user != 0 {
		return user, nil
	}
	user, err := c.UserID(ctx)
	return user, unwritten(err)
}

// unwritten marks an error of a read before any write.
func unwritten(err error) error {
	if err != nil && windrow.Classify(err).Class == windrow.ClassAmbiguous {
		return windrow.Transient(err)
	}
	return err
}

// get reads the record at a path.
func (c *Client) get(ctx context.Context, path string, query url.Values, out any) error {
	_, err := c.rest.Do(ctx, rest.Request{Path: path, Query: query}, out)
	return err
}

// post sends a body to a path.
func (c *Client) post(ctx context.Context, path string, in, out any) error {
	_, err := c.rest.Do(ctx, rest.Request{Method: http.MethodPost, Path: path, In: in}, out)
	return err
}

// put sends a change to a path.
func (c *Client) put(ctx context.Context, path string, in any) error {
	_, err := c.rest.Do(ctx, rest.Request{Method: http.MethodPut, Path: path, In: in}, nil)
	return err
}

// remove deletes the record at a path.
func (c *Client) remove(ctx context.Context, path string) error {
	_, err := c.rest.Do(ctx, rest.Request{Method: http.MethodDelete, Path: path}, nil)
	return err
}

// createMany implements CreateMany of the resources.
func createMany[In, Out any](ctx context.Context, c *Client, client windrow.Creator[In, Out], validate func(In) error, items []In, opts []windrow.Option) (*windrow.BulkResult[In, Out], error) {
	p := windrow.NewCreateProcessor(client, append([]windrow.Option{c.Options()}, refusal.ForRun(opts)...)...)
	p.Validate = validate
	return p.Run(ctx, items)
}

// Each calls a method of a resource for many ids, such as [Todos.Complete], with the client's limiter. The method must be
// idempotent, as all methods of this package that take an id are. Wrap a method that returns only an error with
// [windrow.NoOutput].
func Each[Out any](ctx context.Context, c *Client, ids []int, do func(ctx context.Context, id int) (Out, error), opts ...windrow.Option) (*windrow.BulkResult[int, Out], error) {
	p := windrow.NewBatchProcessor(do, append([]windrow.Option{c.Options(), windrow.Repeatable()}, refusal.ForRun(opts)...)...)
	return p.Run(ctx, ids)
}

// invalid marks an error of the input, before anything was sent.
func invalid(err error) error {
	return windrow.Classified(err, windrow.Classification{Kind: windrow.KindValidation})
}

// errNoChange is the error of an update that changes nothing.
var errNoChange = invalid(errors.New("bloomy: the update changes nothing: set at least one field"))
