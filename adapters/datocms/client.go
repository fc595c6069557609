package datocms

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/internal/users"
	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/clients"
)

// BaseURL is the URL of the Content Management API.
const BaseURL = "https://site-api.datocms.com"

const (
	// apiVersion is sent with each request.
	apiVersion = "3"
	// limitRequests may be sent in each limitWindow of the server's clock
	// (https://www.datocms.com/docs/content-management-api/technical-limits). All responses have the limit and the remaining
	// requests; only a 429 has the end of the window.
	limitRequests = 60
	limitWindow   = 3 * time.Second
)

// NewLimiter returns a limiter that keeps the documented limit: 60 requests in 3 seconds. The limit is that of one API
// token: share the limiter among all uses of the token. Options may change it, such as windrow.Concurrency. A zero
// windrow.Limiter learns the limit: it is faster, since it need not spread the requests evenly, at the cost of a 429 now and
// then.
func NewLimiter(opts ...windrow.Option) *windrow.Limiter {
	return windrow.NewLimiter(slices.Concat([]windrow.Option{windrow.Rate(limitRequests, limitWindow)}, opts)...)
}

// Client sends requests to one project, in one environment. Make one with [New]. It may be used from many goroutines.
// Printing it does not show the token.
type Client struct {
	// Poll says how often and how long to poll the server's jobs. The zero value is that of [clients.PollPolicy]: 10 minutes
	// at most. Set it before the first request.
	Poll clients.PollPolicy

	rest   *rest.Client
	user   users.Classifier
	bucket *http.Client // for the files, which are sent to another server
}

// WithEnvironment sets the environment of the project, which is sent as X-Environment. Without it, or with "", it is the
// primary environment.
func WithEnvironment(name string) rest.Option {
	if name == "" {
		return withVersion // an option without effect: New sets it, too
	}
	return rest.WithHeader("X-Environment", name)
}

var withVersion = rest.WithHeader("X-Api-Version", apiVersion)

// New returns a client with an API token. An empty baseURL means [BaseURL], and a nil httpClient one of its own; the options
// of package rest may follow, other than rest.WithHTTPClient: rest.WithTokenSource replaces the token, and the function of
// rest.WithClassifier is called before the package's own, also for a failed job, except that of an upload. With
// rest.WithLimiter every request except those to the bucket waits for the limiter and reports to it; give the same limiter
// to the runs. Without it requests use the limiter of their run. The error says what is wrong with the arguments; nothing is
// sent.
func New(baseURL, token string, httpClient *http.Client, opts ...rest.Option) (*Client, error) {
	// No idempotency key: DatoCMS does not support it, and the client chooses the ids of records.
	transport := &rest.Transport{KeyHeader: "-", Dialect: rest.DialectDeltaSeconds, Window: limitWindow}
	api := &http.Client{}
	if httpClient != nil {
		*api = *httpClient
		transport.Base = httpClient.Transport
		if given, ok := httpClient.Transport.(*rest.Transport); ok && given != nil {
			transport.Base, transport.Limiter = given.Base, given.Limiter
		}
	}
	if transport.Base == nil {
		transport.Base = rest.NewBase(64)
	}
	bucket := *api
	bucket.Transport = &rest.Transport{KeyHeader: "-", Dialect: rest.DialectOff, Base: transport.Base, Limiter: &windrow.Limiter{}}
	bucket.Jar = nil
	bucket.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	api.Transport = transport
	user := users.ClassifierOf(opts)
	all := slices.Concat([]rest.Option{rest.WithToken(token), withVersion}, opts, []rest.Option{rest.WithHTTPClient(api), user.Before(classify)})
	client, err := rest.New(cmp.Or(baseURL, BaseURL), all...)
	if err != nil {
		return nil, fmt.Errorf("datocms: %w", err)
	}
	return &Client{rest: client, user: user, bucket: &bucket}, nil
}

// CloseIdleConnections closes the idle connections.
func (c *Client) CloseIdleConnections() { c.rest.CloseIdleConnections() }

// runOptions returns the options of the client's own runs.
func (c *Client) runOptions() []windrow.Option {
	if limiter := c.rest.Limiter(); limiter != nil {
		return []windrow.Option{windrow.WithLimiter(limiter)}
	}
	return nil
}

// ask sends one request, and returns its response, without waiting for a job.
func (c *Client) ask(ctx context.Context, r rest.Request) (*document, error) {
	doc := &document{method: cmp.Or(r.Method, http.MethodGet), path: r.Path}
	res, err := c.rest.Do(ctx, r, doc)
	if err != nil {
		return nil, err
	}
	doc.status = res.Status
	return doc, nil
}
