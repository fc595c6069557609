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

// defaultMaxBody is how long an answer may be.
const defaultMaxBody = 32 << 20

// Option is a choice for a [Client]. Of several for one thing the last counts.
type Option interface{ apply(*config) }

type optionFunc func(*config)

func (f optionFunc) apply(c *config) { f(c) }

// config is what the options of a client say.
type config struct {
	dialect     Dialect
	limiter     *windrow.Limiter
	http        *http.Client
	connections int
	source      func(context.Context) (string, error)
	token       string
	fixed       bool // token is what is sent
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
	if c.fixed && (c.token == "" || !isFieldValue(c.token)) { // of the one that counts
		c.refuse("WithToken: the token is empty, or holds characters that no header can")
	}
	if c.connections > 0 && c.http != nil && c.http.Transport != nil {
		c.refuse("WithConnections does not go with the transport of WithHTTPClient, which has its own: give one of them")
	}
	return c, errors.Join(c.errs...)
}

func (c *config) refuse(format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf("rest: "+format, args...))
}

// WithLimiter makes every request ask the limiter first, and teach it. Give the same one to the runs. Without it
// the requests of a run ask and teach the run's limiter, and others none.
func WithLimiter(l *windrow.Limiter) Option {
	return optionFunc(func(c *config) {
		if l == nil {
			c.refuse("WithLimiter (nil) must be a limiter")
		}
		c.limiter = l
	})
}

// WithHTTPClient makes the requests with a copy of that client: its transport becomes the Base of a [Transport] unless
// it is one, its redirect policy is only asked about reads, and its Timeout bounds each exchange from when the limiter lets
// it pass until the answer is read; the time that it waits for the limiter does not count. Without it there is a client with a transport of
// [NewBase] and without a timeout.
func WithHTTPClient(h *http.Client) Option {
	return optionFunc(func(c *config) {
		if h == nil {
			c.refuse("WithHTTPClient (nil) must be a client")
		}
		c.http = h
	})
}

// WithDialect pins how the API's headers tell when a limit is renewed. Defaults to [DialectAuto].
func WithDialect(d Dialect) Option {
	return optionFunc(func(c *config) {
		if d > DialectOff {
			c.refuse("WithDialect (%d) is not one of the dialects", d)
		}
		c.dialect = d
	})
}

// WithConnections is how many idle connections are kept, at least 1. Defaults to as many as the limiter allows calls,
// at least 64.
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

// WithTokenSource asks a function for the token, at the first request and once more after an answer with status 401.
// The request is then made once more, too; a second 401 is its error. Of many calls that need a token at once one asks,
// and the others wait for it. Its context is that of the request that asks. It must not use this client, nor its
// transport. It takes the place of an earlier [WithToken], which may be empty then.
//
// Its errors are judged by [windrow.Classify]. What may pass is tried again, as nothing of the item was sent: an error of the
// network or of its own time, a status such as 429 or 503 that an error such as [*Error] tells, [windrow.Throttled],
// [windrow.Transient] and [windrow.Ambiguous]. Any other error, a plain one included, is fatal, and stops the run; so does an
// empty token.
func WithTokenSource(source func(ctx context.Context) (string, error)) Option {
	return optionFunc(func(c *config) {
		if source == nil {
			c.refuse("WithTokenSource (nil) must be a function")
		}
		c.token, c.fixed, c.source = "", false, source
	})
}

// WithAuthScheme is what stands before the token (RFC 9110 section 11.4). Defaults to "Bearer". With "" the token
// stands alone, as PocketBase and others take it.
func WithAuthScheme(scheme string) Option {
	return optionFunc(func(c *config) {
		if scheme != "" && !isFieldName(scheme) {
			c.refuse("WithAuthScheme (%q) must be one word, or empty", scheme)
		}
		c.scheme = scheme
	})
}

// WithHeader sends a header field with each request. It replaces what the client would send under that name, the token
// apart.
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

// WithMaxBody is how many bytes an answer may have when it is unpacked. Defaults to 32 MiB. The error of a longer one
// matches [ErrAnswerTooLong].
func WithMaxBody(bytes int64) Option {
	return optionFunc(func(c *config) {
		if bytes < 1 {
			c.refuse("WithMaxBody (%d) must be at least 1", bytes)
		}
		c.maxBody = bytes
	})
}

// WithJSONTypes says which other media types of answers are JSON, such as text/plain for a server that does not say what it
// sends, or application/x-amz-json-1.0. Without it these are application/json, text/json, all that end in +json, and
// answers that have none. What bodies are sent as, a header Content-Type of [WithHeader] or of a [Request] says.
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

// Codec turns values into JSON and back. Its functions are called from many goroutines at once, and must not keep
// what they are given.
type Codec struct {
	// Marshal must be set where Encode is not.
	Marshal func(v any) ([]byte, error)
	// Encode takes the place of Marshal: it writes v, and perhaps a newline, as the Encoders of JSON packages do. A run's
	// writes are encoded into buffers that are used again, where Marshal makes a new slice for each request.
	Encode func(w io.Writer, v any) error
	// Unmarshal must be set.
	Unmarshal func(data []byte, v any) error
}

// WithCodec replaces encoding/json by a faster one. Without it a number of an answer keeps all its digits where it goes into
// an interface, as in a map[string]any: it is a [json.Number]. A codec of one's own should keep them, too.
func WithCodec(codec Codec) Option {
	return optionFunc(func(c *config) {
		if codec.Marshal == nil && codec.Encode == nil || codec.Unmarshal == nil {
			c.refuse("WithCodec: Unmarshal must be a function, and so must Encode or Marshal")
		}
		c.codec = codec
	})
}

// WithClassifier lets an API say what its refusals mean where the status does not: the function is called with each
// [*Error], from many goroutines at once, and returns the error to use in its place, such as
// windrow.Throttled(e, time.Minute) for a 403 whose body speaks of a limit; or nil to leave it as it is. It is not called
// for answers that are accepted; [Client.Do] says which bodies of a success are errors. The parts of a batch reach it by
// [Client.ReadPart].
func WithClassifier(classify func(e *Error) error) Option {
	return optionFunc(func(c *config) {
		if classify == nil {
			c.refuse("WithClassifier (nil) must be a function")
		}
		c.classify = classify
	})
}

// ClassifierOf is for authors of clients that have a classifier of their own: it returns the function of the last
// [WithClassifier] among the options of their users, which is to be asked first, or nil when there is none.
func ClassifierOf(opts ...Option) func(e *Error) error {
	c := &config{header: http.Header{}}
	for _, opt := range opts {
		if opt != nil { // which New refuses
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
