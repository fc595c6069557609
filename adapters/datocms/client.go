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

// BaseURL is that of the Content Management API.
const BaseURL = "https://site-api.datocms.com"

const (
	// apiVersion is sent with each request.
	apiVersion = "3"
	// limitRequests may be made in each limitWindow of the server's clock
	// (https://www.datocms.com/docs/content-management-api/technical-limits). Answers tell the first, and how many are
	// left; when a window ends only those that refuse do.
	limitRequests = 60
	limitWindow   = 3 * time.Second
)

// NewLimiter returns a limiter that keeps the documented limit: 60 requests in 3 seconds. It is for one API token: share
// it among all who use that. Options may change it, such as windrow.Concurrency. A zero windrow.Limiter finds the limit by
// itself: it is faster, since it need not spread the requests evenly, and now and then one is refused.
func NewLimiter(opts ...windrow.Option) *windrow.Limiter {
	return windrow.NewLimiter(slices.Concat([]windrow.Option{windrow.Rate(limitRequests, limitWindow)}, opts)...)
}

// Client makes requests to one project, in one environment. Make one with [New]. It may be used from many goroutines.
// Printing it does not show the token.
type Client struct {
	// Poll says how often and how long the server's jobs are asked for. The zero value is that of [clients.PollPolicy]:
	// 10 minutes at most. Set it before the first request.
	Poll clients.PollPolicy

	rest   *rest.Client
	user   users.Classifier
	bucket *http.Client // for the files themselves, which go elsewhere
}

// WithEnvironment is the environment of the project that requests are about, which is sent as X-Environment. Without it,
// or with "", that is the primary one.
func WithEnvironment(name string) rest.Option {
	if name == "" {
		return withVersion // which is sent in any case
	}
	return rest.WithHeader("X-Environment", name)
}

var withVersion = rest.WithHeader("X-Api-Version", apiVersion)

// New returns a client with an API token. An empty baseURL means [BaseURL], and a nil httpClient one of its own; the
// options of package rest may follow, other than rest.WithHTTPClient: rest.WithTokenSource takes the place of the token, and
// the function of rest.WithClassifier is asked before the package's own, also about a job that failed, that of an
// upload apart. With rest.WithLimiter every
// request asks the limiter first, and teaches it, while files that are put into the bucket do not count; give the same one
// to the runs. Without it requests count against the limiter of the run that makes them. The error says what is wrong
// with the arguments; nothing is sent.
func New(baseURL, token string, httpClient *http.Client, opts ...rest.Option) (*Client, error) {
	// No idempotency key: DatoCMS does not know it, and records have their ids.
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

// CloseIdleConnections closes the connections that no request uses.
func (c *Client) CloseIdleConnections() { c.rest.CloseIdleConnections() }

// runOptions are those of a run by the client itself.
func (c *Client) runOptions() []windrow.Option {
	if limiter := c.rest.Limiter(); limiter != nil {
		return []windrow.Option{windrow.WithLimiter(limiter)}
	}
	return nil
}

// ask makes one request, and returns its answer as it is: a job has only begun then.
func (c *Client) ask(ctx context.Context, r rest.Request) (*document, error) {
	doc := &document{method: cmp.Or(r.Method, http.MethodGet), path: r.Path}
	answer, err := c.rest.Do(ctx, r, doc)
	if err != nil {
		return nil, err
	}
	doc.status = answer.Status
	return doc, nil
}
