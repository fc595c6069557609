package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/internal/exact"
)

// defaultMaxBody is how many bytes a response may have.
const defaultMaxBody = 32 << 20

// Option configures a [Client]. If several set the same thing, the last counts.
type Option interface{ apply(*config) }

type optionFunc func(*config)

func (f optionFunc) apply(c *config) { f(c) }

// config is what the options of a client set.
type config struct {
	dialect     Dialect
	limiter     *windrow.Limiter
	http        *http.Client
	connections int
	source      func(context.Context) (string, error)
	token       string
	fixed       bool // WithToken was the last of the token options
	scheme      string
	header      http.Header
	maxBody     int64
	codec       Codec
	jsonTypes   []string
	classify    func(*Error) error
	errs        []error
}

func newConfig(opts []Option) (*config, error) {
	c := &config{
		scheme: "Bearer", header: http.Header{}, maxBody: defaultMaxBody,
		codec: Codec{Encode: func(w io.Writer, v any) error { return json.NewEncoder(w).Encode(v) }, Unmarshal: exact.Unmarshal},
	}
	for i, opt := range opts {
		if opt == nil {
			c.refuse("option %d is nil: remove it", i)
			continue
		}
		opt.apply(c)
	}
	if c.fixed && (c.token == "" || !isFieldValue(c.token)) { // checked here, since only the last one counts
		c.refuse("WithToken: the token is empty, or holds characters that no header can")
	}
	if c.connections > 0 && c.http != nil && c.http.Transport != nil {
		c.refuse("WithConnections does not go with the transport of WithHTTPClient, which has its own: set only one of them")
	}
	return c, errors.Join(c.errs...)
}

func (c *config) refuse(format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf("rest: "+format, args...))
}

// WithLimiter makes every request wait for the limiter, and report its response to it. Give the same limiter to the runs.
// Without it the requests of a run use the run's limiter, and other requests none.
func WithLimiter(l *windrow.Limiter) Option {
	return optionFunc(func(c *config) {
		if l == nil {
			c.refuse("WithLimiter (nil) must be a limiter")
		}
		c.limiter = l
	})
}

// WithHTTPClient sends the requests with a copy of that client. Its transport becomes the Base of a [Transport] unless it is
// one; its redirect policy is used for reads only; its Timeout bounds each exchange from when the limiter lets it pass until
// the response is read. Without it there is a client with a transport of [NewBase] and without a timeout.
func WithHTTPClient(h *http.Client) Option {
	return optionFunc(func(c *config) {
		if h == nil {
			c.refuse("WithHTTPClient (nil) must be a client")
		}
		c.http = h
	})
}

// WithDialect sets how the API's headers say when a limit is renewed. Defaults to [DialectAuto].
func WithDialect(d Dialect) Option {
	return optionFunc(func(c *config) {
		if d > DialectOff {
			c.refuse("WithDialect (%d) is not one of the dialects", d)
		}
		c.dialect = d
	})
}

// WithConnections sets how many idle connections are kept, at least 1. Defaults to the number of calls that the limiter
// allows, at least 64.
func WithConnections(n int) Option {
	return optionFunc(func(c *config) {
		if n < 1 {
			c.refuse("WithConnections (%d) must be at least 1", n)
		}
		c.connections = n
	})
}

// WithToken sends a token with each request, in the header Authorization. See [WithAuthScheme] for its form.
func WithToken(token string) Option {
	return optionFunc(func(c *config) {
		c.token, c.fixed, c.source = token, true, nil
	})
}

// WithTokenSource calls source for the token, at the first request and again after a response with status 401. The request
// is then sent once more, too; a second 401 is its error. Of many calls that need a token at once, one calls source with its
// context, and the others wait for it. source must not use this client or its transport. WithTokenSource replaces an earlier
// [WithToken], even an empty one.
//
// Its errors are classified by [windrow.Classify]. An error that may pass is retried, since nothing of the item was sent: an
// error of the network, a timeout, a status such as 429 or 503 of an error such as [*Error], [windrow.Throttled],
// [windrow.Transient] and [windrow.Ambiguous]. Any other error, a plain one included, is fatal, and stops the run; so does
// an empty token.
func WithTokenSource(source func(ctx context.Context) (string, error)) Option {
	return optionFunc(func(c *config) {
		if source == nil {
			c.refuse("WithTokenSource (nil) must be a function")
		}
		c.token, c.fixed, c.source = "", false, source
	})
}

// WithAuthScheme sets the scheme before the token (RFC 9110 section 11.4). Defaults to "Bearer". With "" the token is sent
// alone, as PocketBase and others expect it.
func WithAuthScheme(scheme string) Option {
	return optionFunc(func(c *config) {
		if scheme != "" && !isFieldName(scheme) {
			c.refuse("WithAuthScheme (%q) must be one word, or empty", scheme)
		}
		c.scheme = scheme
	})
}

// WithHeader sends a header field with each request. It replaces the client's own field of that name, except the token.
func WithHeader(name, value string) Option {
	return optionFunc(func(c *config) {
		switch {
		case !isFieldName(name):
			c.refuse("WithHeader (%q) must have the name of a header field", name)
		case !isFieldValue(value):
			c.refuse("WithHeader (%q): the value holds characters that no header can", name)
		case isOneOf(name, "Host", "Content-Length", "Transfer-Encoding", "Connection", "Trailer"):
			c.refuse("WithHeader (%q) is for net/http to set", name)
		default:
			c.header.Set(name, value)
		}
	})
}

// WithMaxBody sets how many bytes an unpacked response may have. Defaults to 32 MiB. The error of a longer one matches
// [ErrResponseTooLong].
func WithMaxBody(bytes int64) Option {
	return optionFunc(func(c *config) {
		if bytes < 1 {
			c.refuse("WithMaxBody (%d) must be at least 1", bytes)
		}
		c.maxBody = bytes
	})
}

// WithJSONTypes adds media types of responses that are JSON, such as text/plain for a server that labels JSON wrongly, or
// application/x-amz-json-1.0. The types application/json, text/json, all that end in +json, and a missing type are always
// JSON. To change what requests are sent as, set the Content-Type with [WithHeader] or in a [Request].
func WithJSONTypes(types ...string) Option {
	return optionFunc(func(c *config) {
		for _, t := range types {
			t = mediaType(t)
			if major, minor, ok := strings.Cut(t, "/"); !ok || !isFieldName(major) || !isFieldName(minor) || isHTMLType(t) {
				c.refuse("WithJSONTypes (%q) must be media types such as text/plain, and not HTML", t)
			}
			c.jsonTypes = append(c.jsonTypes, t)
		}
	})
}

// Codec turns values into JSON and back. Its functions are called from many goroutines at once, and must not keep their
// arguments.
type Codec struct {
	// Marshal must be set if Encode is not.
	Marshal func(v any) ([]byte, error)
	// Encode replaces Marshal: it writes v, and perhaps a line feed, as the Encoders of JSON packages do. It writes to
	// buffers that are reused, where Marshal allocates a slice for each request.
	Encode func(w io.Writer, v any) error
	// Unmarshal must be set.
	Unmarshal func(data []byte, v any) error
}

// WithCodec replaces encoding/json, such as by a faster codec. The default decodes a number into an interface, as in a
// map[string]any, as a [json.Number] with all its digits. Another codec should do the same.
func WithCodec(codec Codec) Option {
	return optionFunc(func(c *config) {
		if codec.Marshal == nil && codec.Encode == nil || codec.Unmarshal == nil {
			c.refuse("WithCodec: Unmarshal must be a function, and so must Encode or Marshal")
		}
		c.codec = codec
	})
}

// WithClassifier classifies the refusals of an API where the status does not. The function is called with each [*Error],
// from many goroutines at once, and returns the error to use instead, such as windrow.Throttled(e, time.Minute) for a 403
// whose body names a limit; or nil to leave it as it is. It is not called for successes; [Client.Do] says which bodies of a
// success are errors. [Client.ReadPart] calls it for the parts of a batch.
func WithClassifier(classify func(e *Error) error) Option {
	return optionFunc(func(c *config) {
		if classify == nil {
			c.refuse("WithClassifier (nil) must be a function")
		}
		c.classify = classify
	})
}

// ClassifierOf is for authors of clients that have a classifier of their own. It returns the function of the last
// [WithClassifier] in their user's options, which should be called first; nil when there is none.
func ClassifierOf(opts ...Option) func(e *Error) error {
	c := &config{header: http.Header{}}
	for _, opt := range opts {
		if opt != nil { // New refuses a nil option
			opt.apply(c)
		}
	}
	return c.classify
}

func isOneOf(name string, names ...string) bool {
	for _, n := range names {
		if strings.EqualFold(name, n) {
			return true
		}
	}
	return false
}

// isFieldName reports whether s is a token (RFC 9110 section 5.6.2).
func isFieldName(s string) bool {
	for _, c := range []byte(s) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return s != ""
}

// isFieldValue reports whether s has no control characters (RFC 9110 section 5.5).
func isFieldValue(s string) bool {
	for _, c := range []byte(s) {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
