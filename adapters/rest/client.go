package rest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/internal/segment"
	"github.com/windrow-go/windrow/clients"
	"github.com/windrow-go/windrow/internal/inspect"
)

// Client sends requests to one JSON API. Make one with [New]. It may be used from many goroutines.
type Client struct {
	base      string // escaped path, without a slash at its end
	root      url.URL
	cfg       *config
	http      *http.Client // without a Timeout
	timeout   time.Duration
	transport *Transport
	tokens    *tokens // nil without a token source
}

// New returns a client for the API at the URL, which may have a path. The error says what is wrong with the URL or the
// options; nothing is sent.
func New(baseURL string, opts ...Option) (*Client, error) {
	root, err := parseBase(baseURL)
	cfg, optErr := newConfig(opts)
	if err := errors.Join(err, optErr); err != nil {
		return nil, err
	}
	c := &Client{root: *root, base: strings.TrimRight(root.EscapedPath(), "/"), cfg: cfg, http: &http.Client{}}
	policy := redirectPolicy(nil)
	if cfg.http != nil {
		*c.http = *cfg.http
		// The Timeout of net/http would include the time that the transport waits for the limiter.
		c.timeout, c.http.Timeout = c.http.Timeout, 0
		policy = redirectPolicy(cfg.http.CheckRedirect)
	}
	if c.transport, err = cfg.transport(c.http.Transport); err != nil {
		return nil, err
	}
	c.http.Transport, c.http.CheckRedirect = c.transport, policy
	if cfg.source != nil {
		c.tokens = newTokens(cfg.source)
	}
	return c, nil
}

func parseBase(baseURL string) (*url.URL, error) {
	root, err := url.Parse(strings.TrimSpace(baseURL))
	if urlErr, ok := errors.AsType[*url.Error](err); ok {
		return nil, fmt.Errorf("rest: the base URL cannot be read: %w", urlErr.Err) // without the URL: it may hold a password
	}
	problem := ""
	switch {
	case err != nil:
		problem = "cannot be read"
	case *root == url.URL{}:
		problem = "is empty: give one such as https://cms.example/api"
	case root.Scheme != "http" && root.Scheme != "https":
		problem = fmt.Sprintf("has the scheme %q: it must begin with https:// or http://", root.Scheme)
	case root.Hostname() == "":
		problem = "has no host"
	case root.User != nil:
		problem = "holds a user name: use WithHeader or WithToken for credentials"
	case root.RawQuery != "" || root.ForceQuery || root.Fragment != "":
		problem = "has a query or a fragment: give these with each request"
	case segment.HasDots(root.Path):
		problem = "has a dot segment in its path: write out the path that it names"
	default:
		root.Host = strings.TrimSuffix(root.Host, ":") // an empty port
		return root, nil
	}
	return nil, errors.New("rest: the base URL " + problem)
}

// transport wraps the transport that the http.Client has, or returns it if it is a [Transport] already.
func (c *config) transport(given http.RoundTripper) (*Transport, error) {
	t := &Transport{Base: given, Limiter: c.limiter, Dialect: c.dialect}
	windrows, ok := given.(*Transport)
	if isNilBase(given) || ok && isNilBase(windrows.Base) {
		return nil, errors.New("rest: WithHTTPClient: its transport is a nil pointer: give one, or none")
	}
	if ok {
		if windrows.Limiter != nil && c.limiter != nil && windrows.Limiter != c.limiter {
			return nil, errors.New("rest: WithLimiter and the transport of WithHTTPClient have two limiters: requests would be counted twice; set only one of them")
		}
		if c.limiter == nil || c.limiter == windrows.Limiter {
			return windrows, nil
		}
		t.Base, t.KeyHeader, t.QuoteKey = windrows.base(), windrows.KeyHeader, windrows.QuoteKey
		t.Dialect, t.Window, t.Classify = cmp.Or(c.dialect, windrows.Dialect), windrows.Window, windrows.Classify
	}
	if t.Base == nil {
		connections := c.connections
		if connections == 0 {
			connections = connectionsFor(c.limiter)
		}
		t.Base = NewBase(connections)
	}
	return t, nil
}

// maxRedirects is how many redirects a read follows, as in net/http.
const maxRedirects = 10

// redirectPolicy follows redirects of reads within the API's own server, so that no header goes elsewhere. A write is never
// redirected: net/http would turn it into a GET on a 301, 302 or 303.
func redirectPolicy(ask func(*http.Request, []*http.Request) error) func(*http.Request, []*http.Request) error {
	return func(req *http.Request, via []*http.Request) error {
		first := via[0]
		if first.Method != http.MethodGet && first.Method != http.MethodHead || len(via) > maxRedirects || !sameServer(first.URL, req.URL) {
			return http.ErrUseLastResponse
		}
		if ask != nil {
			return ask(req, via)
		}
		return nil
	}
}

// sameServer reports whether a request to one URL, with its headers, may be sent to the other.
func sameServer(from, to *url.URL) bool {
	if from.Hostname() != to.Hostname() {
		return false
	}
	upgrade := from.Scheme == "http" && to.Scheme == "https" && from.Port() == "" && to.Port() == ""
	return upgrade || from.Scheme == to.Scheme && from.Port() == to.Port()
}

// Limiter returns the limiter of the client's requests, nil when there is none. Give it to the runs with
// [windrow.WithLimiter].
func (c *Client) Limiter() *windrow.Limiter {
	if c.empty() {
		return nil
	}
	return c.transport.Limiter
}

// empty says that there is no client, or one that New has not made.
func (c *Client) empty() bool { return c == nil || c.cfg == nil }

var errNoClient = errors.New("rest: the Client is nil or empty: make one with New")

// CloseIdleConnections closes the idle connections.
func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }

// url returns the URL of a path. Characters of the path that must be escaped and are not, are escaped.
func (c *Client) url(path string, query url.Values) (*url.URL, error) {
	if !strings.HasPrefix(path, "/") && (path != "" || c.base == "") {
		path = "/" + path
	}
	plain, err := url.PathUnescape(c.base + path)
	switch {
	case err != nil || strings.ContainsAny(path, "?#"):
		return nil, invalid(errors.New("rest: the path is not valid: escape ids with url.PathEscape, and give the query separately"))
	case segment.HasDots(plain):
		return nil, invalid(errors.New("rest: the path has a dot segment: it would name another path (RFC 3986 section 5.2.4)"))
	}
	u := c.root
	u.Path, u.RawPath, u.RawQuery = plain, c.base+segment.Escape(path), query.Encode()
	return &u, nil
}

// invalid marks an error of the input, before anything was sent.
func invalid(err error) error {
	return windrow.Classified(err, windrow.Classification{Kind: windrow.KindValidation})
}

// Request is a call of [Client.Do].
type Request struct {
	// Method defaults to GET.
	Method string
	// Path follows the base URL, escaped where needed (see [url.PathEscape]) and without a query. A path with a dot segment,
	// escaped or not, is refused.
	Path string
	// Query is the query of the URL.
	Query url.Values
	// Header is sent in addition to the client's own header fields, and replaces those of the same name except the token.
	Header http.Header
	// In is sent as JSON, or in its own form if it is a [Raw] or [Lines]. Nil means no body.
	In any
}

// Response is a response with a status from 200 to 299.
type Response struct {
	// Status is the HTTP status.
	Status int
	// Header is the response header.
	Header http.Header
	// Body is the whole body, unpacked. Empty when there is none, or when out is nil.
	Body []byte
}

// Do sends one request, and reads the response into out, which is a pointer, or nil when only success matters. An empty
// response leaves *out as it is; it is an error for a GET, and for a POST with the status 200.
//
// A success whose body holds nothing but an error is an [*Error], too, unless out is a [*Raw]: [Error] has the rules.
//
// A refusal, and a success that cannot be read, is an [*Error]. [windrow.Classify] tells what each error means. Use Do for
// endpoints that do not fit a [Resource].
func (c *Client) Do(ctx context.Context, r Request, out any) (*Response, error) {
	if c.empty() {
		return nil, windrow.Fatal(errNoClient)
	}
	u, err := c.url(r.Path, r.Query)
	if err != nil {
		return nil, err
	}
	return c.do(ctx, u, r, out)
}

// do is [Client.Do] with a URL instead of the request's path and query.
func (c *Client) do(ctx context.Context, u *url.URL, r Request, out any) (_ *Response, err error) {
	if inspect.IsNil(ctx) {
		return nil, invalid(windrow.ErrNilContext)
	}
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	if attempt, ok := clients.AttemptFrom(ctx); ok {
		attempt.Engage() // only the transport sends
	}
	var body *payload
	if r.In != nil {
		if body, err = c.cfg.codec.payload(r.In); err != nil {
			return nil, invalid(&encodeError{method: r.Method, path: u.EscapedPath(), err: err})
		}
		defer body.release()
	}
	token := c.cfg.token
	if c.tokens != nil {
		if token, err = c.tokens.get(ctx, ""); err != nil {
			return nil, err
		}
	}
	x, err := c.send(ctx, r, u, body, token, out)
	if err != nil {
		return nil, err
	}
	if x.res.StatusCode == http.StatusUnauthorized && c.tokens != nil {
		refusal := c.refusal(x)
		fresh, err := c.tokens.get(ctx, token)
		if err != nil {
			return nil, err
		}
		if fresh == token {
			return nil, c.judge(x, refusal)
		}
		if x, err = c.send(ctx, r, u, body, fresh, out); err != nil {
			return nil, err
		}
	}
	return c.receive(x)
}
