package datocms

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/rest"
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
	rest    *rest.Client
	limiter *windrow.Limiter // that requests ask; nil when that is the run's
	poll    windrow.PollPolicy
	bucket  *http.Client // for the files themselves, which go elsewhere
}

// Option is a choice for a [Client]. Of several for one thing the last counts.
type Option interface{ apply(*config) }

type optionFunc func(*config)

func (f optionFunc) apply(c *config) { f(c) }

type config struct {
	base        string
	environment string
	http        *http.Client
	limiter     *windrow.Limiter
	poll        windrow.PollPolicy
	errs        []error
}

func (c *config) refuse(format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf("datocms: "+format, args...))
}

// WithBaseURL is where the API is. Defaults to [BaseURL].
func WithBaseURL(url string) Option { return optionFunc(func(c *config) { c.base = url }) }

// WithEnvironment is the environment of the project that requests are about, which is sent as X-Environment. Without it
// that is the primary one.
func WithEnvironment(name string) Option {
	return optionFunc(func(c *config) {
		if name == "" {
			c.refuse("WithEnvironment must name an environment: leave it out for the primary one")
		}
		c.environment = name
	})
}

// WithHTTPClient makes the requests with that client, whose transport, timeout and cookies are used as with
// [rest.WithHTTPClient]. Without it there is one that keeps enough connections.
func WithHTTPClient(h *http.Client) Option {
	return optionFunc(func(c *config) {
		if h == nil {
			c.refuse("WithHTTPClient (nil) must be a client")
		}
		c.http = h
	})
}

// WithLimiter makes every request ask the limiter first, and teach it; files that are put into the bucket do not count.
// Give the same one to the runs. Without it requests count against the limiter of the run that makes them.
func WithLimiter(l *windrow.Limiter) Option {
	return optionFunc(func(c *config) {
		if l == nil {
			c.refuse("WithLimiter (nil) must be a limiter")
		}
		c.limiter = l
	})
}

// WithPoll says how often and how long the server's jobs are asked for. Defaults to the zero [windrow.PollPolicy]: 10
// minutes at most.
func WithPoll(policy windrow.PollPolicy) Option {
	return optionFunc(func(c *config) {
		if policy.First < 0 || policy.Longest < 0 || policy.Deadline < 0 {
			c.refuse("WithPoll (%+v) must not hold a negative time", policy)
		}
		c.poll = policy
	})
}

// New returns a client with an API token. The error says what is wrong with the arguments; nothing is sent.
func New(token string, opts ...Option) (*Client, error) {
	cfg := &config{base: BaseURL}
	if token == "" {
		cfg.refuse("the token is empty: make one in the project's settings")
	}
	for i, opt := range opts {
		if opt == nil {
			cfg.refuse("option %d is nil: remove it", i)
			continue
		}
		opt.apply(cfg)
	}
	if err := errors.Join(cfg.errs...); err != nil {
		return nil, err
	}
	// No idempotency key: DatoCMS does not know it, and records have their ids.
	transport := &rest.Transport{KeyHeader: "-", Dialect: rest.DialectDeltaSeconds, Window: limitWindow, Limiter: cfg.limiter}
	api := &http.Client{}
	if cfg.http != nil {
		*api = *cfg.http
		transport.Base = cfg.http.Transport
		if given, ok := cfg.http.Transport.(*rest.Transport); ok {
			if given.Limiter != nil && cfg.limiter != nil && given.Limiter != cfg.limiter {
				return nil, errors.New("datocms: WithLimiter and the transport of WithHTTPClient have two limiters: requests would count twice; give one of them")
			}
			transport.Base, transport.Limiter = given.Base, cmp.Or(cfg.limiter, given.Limiter)
		}
	}
	if transport.Base == nil {
		transport.Base = rest.NewBase(64)
	}
	bucket := *api
	bucket.Transport = &rest.Transport{KeyHeader: "-", Dialect: rest.DialectOff, Base: transport.Base}
	bucket.Jar = nil
	bucket.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	api.Transport = transport
	options := []rest.Option{
		rest.WithToken(token), rest.WithHTTPClient(api), rest.WithHeader("X-Api-Version", apiVersion), rest.WithClassifier(classify),
	}
	if cfg.environment != "" {
		options = append(options, rest.WithHeader("X-Environment", cfg.environment))
	}
	client, err := rest.New(cfg.base, options...)
	if err != nil {
		return nil, err
	}
	return &Client{rest: client, limiter: transport.Limiter, poll: cfg.poll, bucket: &bucket}, nil
}

// CloseIdleConnections closes the connections that no request uses.
func (c *Client) CloseIdleConnections() { c.rest.CloseIdleConnections() }

// runOptions are those of a run by the client itself.
func (c *Client) runOptions() []windrow.Option {
	if c.limiter == nil {
		return nil
	}
	return []windrow.Option{windrow.WithLimiter(c.limiter)}
}

// ask makes one request, and returns its answer as it is: a job has only begun then.
func (c *Client) ask(ctx context.Context, r rest.Request) (*document, error) {
	if attempt, ok := windrow.AttemptFrom(ctx); ok && c.limiter == nil {
		// The attempt has paid for one request. The others count, too.
		attempt.Engage()
		if err := attempt.Limiter().Wait(ctx, 1); err != nil {
			return nil, err
		}
	}
	doc := &document{method: cmp.Or(r.Method, http.MethodGet), path: r.Path}
	answer, err := c.rest.Do(ctx, r, doc)
	if err != nil {
		return nil, err
	}
	doc.status = answer.Status
	return doc, nil
}
