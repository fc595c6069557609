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
	"github.com/windrow-go/windrow/internal/dialect"
)

const (
	// keptBody is how much of the body of a refusal an [Error] keeps.
	keptBody = 64 << 10
	// drainedBody is how much of an answer is read for nothing, so that its connection can be used again.
	drainedBody = 256 << 10
)

// exchange is a request and its answer.
type exchange struct {
	client  *Client
	method  string
	path    string // escaped
	dialect Dialect
	units   *dialect.Units
	sent    time.Time
	body    *payload // nil when there is none
	out     any      // what the answer is read into

	res     *http.Response
	meaning *windrow.Classification // of the answer, by the classifier of the transport

	// Of an answer that was read before the limiter was told of it:
	settled bool
	answer  *Response
	err     error
}

// bom is the mark with which some servers begin a text (RFC 8259 section 8.1 has readers leave it out).
var bom = []byte("\ufeff")

// exchangeKey is that of the context value that is the [exchange] of a request.
type exchangeKey struct{}

// exchangeOf returns the exchange that a request of a [Client] belongs to, nil for other requests.
func exchangeOf(ctx context.Context) *exchange {
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	return x
}

// settle reads an answer and returns its error, if it is the last one of the exchange.
func (x *exchange) settle(res *http.Response) error {
	if res.StatusCode >= 300 && res.StatusCode <= 399 || res.StatusCode == http.StatusUnauthorized {
		return nil
	}
	x.res = res
	x.answer, x.err = x.client.receive(x)
	x.settled = true
	return x.err
}

// send makes one request. Its error is one of the network, the limiter or the context.
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
	req.URL, req.Host = u, u.Host // as it would be after writing and reading it
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

// withoutQuery takes the query out of the URL that an error of net/http shows.
func withoutQuery(err error, u *url.URL) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		clean := *u
		clean.RawQuery = ""
		return &url.Error{Op: e.Op, URL: clean.String(), Err: e.Err}
	}
	return err
}

// receive reads the answer.
func (c *Client) receive(x *exchange) (*Response, error) {
	if x.settled {
		return x.answer, x.err
	}
	status, out := x.res.StatusCode, x.out
	if status < 200 || status > 299 {
		return nil, c.judge(x, c.refusal(x))
	}
	answer := &Response{Status: status, Header: x.res.Header}
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
	case len(body) > 0 && isHTML && !isRaw: // a proxy or a login page has answered
		cause = ErrContentType
	case err == nil && !isRaw && isErrorBody(body):
		cause = errErrorBody
	case out == nil: // the status says it all
		return answer, nil
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
		e := newError(x, body[:min(len(body), keptBody)])
		e.Err = cause
		return nil, c.judge(x, e)
	}
	answer.Body = body
	return answer, nil
}

// read reads the body of an answer, drains it and closes it. What was read is returned beside an error, too.
func (c *Client) read(res *http.Response) ([]byte, error) {
	defer res.Body.Close()
	from := unpacked(res)
	var buf bytes.Buffer
	if n := res.ContentLength; n > 0 && n <= min(c.cfg.maxBody, defaultMaxBody) { // more than that has to come first
		buf.Grow(int(n) + bytes.MinRead) // ReadFrom wants room to see the end
	}
	limit := c.cfg.maxBody
	if limit < math.MaxInt64 {
		limit++ // to see that there is more
	}
	n, err := buf.ReadFrom(io.LimitReader(from, limit))
	if n > c.cfg.maxBody {
		return buf.Bytes(), ErrAnswerTooLong // closing it without draining cuts the connection: the rest may be endless
	}
	if err != nil {
		return buf.Bytes(), &readError{err}
	}
	return buf.Bytes(), nil
}

// refusal makes an error of an answer, and closes it. What the status says holds also if the body cannot be read.
func (c *Client) refusal(x *exchange) *Error {
	defer x.res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(unpacked(x.res), min(keptBody, c.cfg.maxBody)))
	_, _ = io.CopyN(io.Discard, x.res.Body, drainedBody)
	e := newError(x, body)
	if err != nil { // after an earlier attempt the status alone proves nothing
		e.Err = &readError{err}
	}
	return e
}

// judge gives an error the class that its method and status do not show, and asks the API's own classifier.
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
	case e.isPage() && repeatable(e.Method):
		return windrow.Transient(e) // nothing was changed, and whether there is such a record it does not say
	case write && (e.Status == http.StatusFound || e.Status == http.StatusSeeOther):
		return windrow.Ambiguous(e) // many servers answer so when they have carried it out
	case !write && errors.Is(e.Err, ErrAnswerTooLong):
		return windrow.Classified(e, windrow.Classification{}) // it will be as long the next time
	}
	return e
}

// learn tells the limiter of a throttle, or of how long it lasts, that only the API's classifier sees. It does not of a part of
// a response, which was not sent by itself.
func (c *Client) learn(x *exchange, judged error) {
	if j := windrow.Classify(judged); j.Class == windrow.ClassThrottled && c.transport.Limiter != nil && !x.sent.IsZero() {
		c.transport.Limiter.Observe(windrow.Feedback{Sent: x.sent, Throttled: true, RetryAfter: j.After})
	}
}

// mayBeEmpty reports whether an answer without a body is a whole one.
func mayBeEmpty(method string, status int) bool {
	switch method {
	case http.MethodGet:
		return false
	case http.MethodPost:
		return status != http.StatusOK
	}
	return true
}

// contentType looks at the Content-Type of an answer. One that has none may be JSON.
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

// unpacked returns the body of an answer as it was before it was packed, which net/http leaves to those who have asked for
// that themselves.
func unpacked(res *http.Response) io.Reader {
	if !isPacked(res) {
		return res.Body
	}
	res.Uncompressed, res.ContentLength = true, -1
	res.Header.Del("Content-Encoding")
	res.Header.Del("Content-Length")
	return &unpacker{from: res.Body}
}
