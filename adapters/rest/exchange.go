package rest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/rest/internal/dialect"
	"github.com/windrow-go/windrow/clients"
)

const (
	// maxErrorBody is how many bytes of the body of a refusal an [Error] keeps.
	maxErrorBody = 64 << 10
	// maxDrain is how many bytes of a refusal are read and dropped, so that its connection can be reused.
	maxDrain = 256 << 10
)

// exchange is a request and its response.
type exchange struct {
	client  *Client
	method  string
	path    string // escaped
	dialect Dialect
	units   *dialect.Units
	sent    time.Time
	body    *payload // nil when there is none
	out     any      // what the response is read into

	res     *http.Response
	meaning *windrow.Classification // by the classifier of the transport; nil when it has none

	// Set when the response was read before the limiter was told about it:
	settled  bool
	response *Response
	err      error
}

// bom is the byte order mark with which some servers begin a text. RFC 8259 section 8.1 allows readers to ignore it.
var bom = []byte("\ufeff")

// exchangeKey is the context key of a request's [exchange].
type exchangeKey struct{}

// exchangeOf returns the exchange that a request of a [Client] belongs to, nil for other requests.
func exchangeOf(ctx context.Context) *exchange {
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	return x
}

// settle reads a response and returns its error, unless another request of the exchange follows (a redirect, or a 401).
func (x *exchange) settle(res *http.Response) error {
	if res.StatusCode >= 300 && res.StatusCode <= 399 || res.StatusCode == http.StatusUnauthorized {
		return nil
	}
	x.res = res
	x.response, x.err = x.client.receive(x)
	x.settled = true
	return x.err
}

// send sends one request. Its error is one of the network, the limiter or the context.
func (c *Client) send(ctx context.Context, r Request, u *url.URL, body *payload, token string, out any) (*exchange, error) {
	failed := func(err error) error {
		return &transportError{method: r.Method, path: u.EscapedPath(), err: withoutQuery(err, u)}
	}
	if c.timeout > 0 {
		ctx = context.WithValue(ctx, timeoutKey{}, c.timeout)
	}
	x := &exchange{client: c, method: r.Method, path: u.EscapedPath(), dialect: c.transport.Dialect, units: &c.transport.units, body: body, out: out}
	ctx = context.WithValue(ctx, exchangeKey{}, x)
	req, err := http.NewRequestWithContext(ctx, r.Method, "", nil)
	if err != nil {
		return nil, invalid(failed(err))
	}
	req.URL, req.Host = u, u.Host // as after formatting and parsing it
	req.Header.Set("Accept", "application/json")
	if own, ok := out.(receiver); ok {
		req.Header.Set("Accept", own.accept())
	}
	if body != nil {
		body.attach(req)
		req.Header.Set("Content-Type", body.contentType)
	}
	for _, h := range []http.Header{c.cfg.header, r.Header} {
		for name, values := range h {
			req.Header[http.CanonicalHeaderKey(name)] = values
		}
	}
	if token != "" {
		req.Header.Set("Authorization", strings.TrimSpace(c.cfg.scheme+" "+token))
	}
	x.sent = time.Now()
	if x.res, err = c.http.Do(req); err != nil {
		return nil, failed(err)
	}
	return x, nil
}

// withoutQuery removes the query from the URL that an error of net/http shows.
func withoutQuery(err error, u *url.URL) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		clean := *u
		clean.RawQuery = ""
		return &url.Error{Op: e.Op, URL: clean.String(), Err: e.Err}
	}
	return err
}

// receive reads the response.
func (c *Client) receive(x *exchange) (*Response, error) {
	if x.settled {
		return x.response, x.err
	}
	status, out := x.res.StatusCode, x.out
	if status < 200 || status > 299 {
		return nil, c.judge(x, c.refusal(x))
	}
	response := &Response{Status: status, Header: x.res.Header}
	body, err := c.read(x.res)
	isHTML, isJSON := c.cfg.contentType(x.res.Header)
	own, isOwn := out.(receiver)
	_, isRaw := out.(*Raw)
	field := x.res.Header.Get("Content-Type")
	if !isRaw {
		body = bytes.TrimPrefix(body, bom)
	}
	var cause error
	switch {
	case x.meaning != nil:
		cause = errMeaning
	case len(body) > 0 && isHTML && !isRaw: // from a proxy or a login page
		cause = ErrContentType
	case err == nil && !isRaw && isErrorBody(body):
		cause = errErrorBody
	case out == nil: // the status is enough
		return response, nil
	case err != nil:
		cause = err
	case len(body) == 0 && (isRaw || isOwn && isLines(field) || mayBeEmpty(x.method, status)):
		if isRaw {
			cause = own.receive(field, isJSON, body, c.cfg.codec)
		}
	case len(body) == 0:
		cause = errEmpty
	case isOwn:
		cause = own.receive(field, isJSON, body, c.cfg.codec)
	case !isJSON:
		cause = ErrContentType
	default:
		if err := c.cfg.codec.Unmarshal(body, out); err != nil {
			cause = &decodeError{err}
		}
	}
	if cause != nil {
		e := newError(x, body[:min(len(body), maxErrorBody)])
		e.Err = cause
		return nil, c.judge(x, e)
	}
	response.Body = body
	return response, nil
}

// read reads the body of a response and closes it. On an error it returns what was read, too.
func (c *Client) read(res *http.Response) ([]byte, error) {
	defer res.Body.Close()
	from := unpacked(res)
	var buf bytes.Buffer
	if n := res.ContentLength; n > 0 && n <= min(c.cfg.maxBody, defaultMaxBody) { // above that, Content-Length is not trusted
		buf.Grow(int(n) + bytes.MinRead) // ReadFrom needs room to see the end
	}
	limit := c.cfg.maxBody
	if limit < math.MaxInt64 {
		limit++ // to see that there is more
	}
	n, err := buf.ReadFrom(io.LimitReader(from, limit))
	if n > c.cfg.maxBody {
		return buf.Bytes(), ErrResponseTooLong // closing without draining cuts the connection: the rest may be endless
	}
	if err != nil {
		return buf.Bytes(), &readError{err}
	}
	return buf.Bytes(), nil
}

// refusal makes an error from a response, and closes it. The status counts even if the body cannot be read.
func (c *Client) refusal(x *exchange) *Error {
	defer x.res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(unpacked(x.res), min(maxErrorBody, c.cfg.maxBody)))
	_, _ = io.CopyN(io.Discard, x.res.Body, maxDrain)
	e := newError(x, body)
	if err != nil { // after an earlier attempt the status alone is no proof
		e.Err = &readError{err}
	}
	return e
}

// judge gives an error its class where method and status do not show it, after asking the API's own classifier.
func (c *Client) judge(x *exchange, e *Error) error {
	if c.cfg.classify != nil {
		if err := c.cfg.classify(e); err != nil {
			c.learn(x, err)
			return err
		}
	}
	write := changes(e.Method)
	switch {
	case x.meaning != nil:
		return windrow.Classified(e, *x.meaning)
	case e.Status == http.StatusBadRequest && tooMany(e.Code):
		return windrow.TooLarge(e, 0)
	case e.isNotFoundPage() && repeatable(e.Method):
		return windrow.Transient(e) // nothing was changed, and the record may exist
	case write && (e.Status == http.StatusFound || e.Status == http.StatusSeeOther):
		return windrow.Ambiguous(e) // many servers redirect after they have applied a write
	case !write && errors.Is(e.Err, ErrResponseTooLong):
		return windrow.Classified(e, windrow.Classification{}) // a repetition would be as long
	}
	return e
}

// learn reports a throttle that only the API's classifier sees, and its duration, to the limiter. It ignores parts of a
// batch response, which were not requests of their own (sent is zero).
func (c *Client) learn(x *exchange, judged error) {
	if j := windrow.Classify(judged); j.Class == windrow.ClassThrottled && c.transport.Limiter != nil && !x.sent.IsZero() {
		clients.Observe(c.transport.Limiter, clients.Feedback{Sent: x.sent, Throttled: true, RetryAfter: j.After})
	}
}

// mayBeEmpty reports whether a response may have no body.
func mayBeEmpty(method string, status int) bool {
	switch method {
	case http.MethodGet:
		return false
	case http.MethodPost:
		return status != http.StatusOK
	}
	return true
}

// contentType reads the Content-Type of a response. A response without one may be JSON.
func (c *config) contentType(h http.Header) (isHTML, isJSON bool) {
	t := mediaType(h.Get("Content-Type"))
	if t == "" {
		return false, true
	}
	isJSON = t == "application/json" || t == "text/json" || strings.HasSuffix(t, "+json") || slices.Contains(c.jsonTypes, t)
	return isHTMLType(t), isJSON
}

func isHTMLType(mediaType string) bool {
	return mediaType == "text/html" || mediaType == "application/xhtml+xml"
}

// unpacked returns the unpacked body of a response. net/http does not unpack when the request sets Accept-Encoding itself.
func unpacked(res *http.Response) io.Reader {
	if !isPacked(res) {
		return res.Body
	}
	res.Uncompressed, res.ContentLength = true, -1
	res.Header.Del("Content-Encoding")
	res.Header.Del("Content-Length")
	return &unpacker{from: res.Body}
}
