package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/internal/classify"
)

// Error is a response that is not a success, or a success that cannot be read. Its text holds the method, the path, the
// status and the server's code. It never holds what may show an item's content or a secret: the body, the query, the header,
// the server's message. %#v and JSON leave Header and Body out, too: some servers send back what they were sent, credentials
// included.
//
// It matches [windrow.ErrNotFound] for the status 404 and 410, unless the body is HTML (whatever its Content-Type): HTML
// most likely comes from a proxy and does not prove that the record is gone, so repeatable requests are repeated. It matches
// [windrow.ErrAlreadyExists] for a POST with status 409, unless the response has a Retry-After and is a throttle.
// [windrow.FieldErrors] returns its Fields.
//
// A success whose body holds nothing but an error is an Error, too. Such a body is an object with a member fault or one
// whose name begins with error; with ok, success or successful that is false, "false" or 0; or with a status such as
// "error" or "fail" beside a message, a code, errors or data. The case and the order of names do not matter. A body
// with a value in any other member is a record, except
//   - members of envelopes, such as meta and request_id;
//   - null, "", {}, [] and nestings of these;
//   - texts and numbers beside "ok": false and an error, as Slack has them.
//
// A body is no error if its error is false or 0 or has the code "ok" or 0, if errors stand beside an empty list, as for
// a batch in which no item succeeded, or if it is {}, null, a status alone or {"code": 429, "message": "…"}.
type Error struct {
	// Method and Path are those of the request. The path is escaped, begins with the path of the base URL, and has no query.
	Method, Path string
	// Status is the HTTP status.
	Status int
	// Code is the server's code for the error, as JSON APIs and RFC 9457 send it; "" when there is none.
	Code string
	// Fields are the fields that the server names, at most 100.
	Fields []*windrow.FieldError
	// Header is the response header.
	Header http.Header `json:"-"`
	// Body is the beginning of the response body, at most 64 KiB.
	Body []byte `json:"-"`
	// Err is why a response with a status from 200 to 299 cannot be used, or why reading the body of any other one failed.
	// Nil otherwise.
	Err error

	after time.Duration
	html  bool
}

// newError makes an error from a response whose body was read.
func newError(x *exchange, body []byte) *Error {
	e := &Error{
		Method: x.method, Path: x.path, Status: x.res.StatusCode, Header: x.res.Header, Body: body,
		after: limitsOf(x.res.StatusCode, x.res.Header, time.Now(), x.dialect, x.units).after,
	}
	isHTML, isJSON := x.client.cfg.contentType(x.res.Header)
	e.html = isHTML || beginsAsHTML(body)
	if isJSON {
		e.Code, e.Fields = readEnvelope(bytes.TrimPrefix(body, bom), e.Status)
	}
	return e
}

// beginsAsHTML reports whether a text is HTML, whatever its Content-Type says.
func beginsAsHTML(body []byte) bool {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, bom))
	for _, tag := range []string{"<!doctype html", "<html"} {
		if len(body) >= len(tag) && strings.EqualFold(string(body[:len(tag)]), tag) {
			return true
		}
	}
	return false
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "rest: %s %s: status %d", e.Method, e.Path, e.Status)
	if e.Code != "" {
		fmt.Fprintf(&b, " (%s)", e.Code)
	}
	if e.Err != nil {
		b.WriteString(": " + strings.TrimPrefix(e.Err.Error(), "rest: "))
	}
	return b.String()
}

// Format implements [fmt.Formatter]: %#v shows the fields except the contents of Header and Body, and every other verb the
// text. Its receiver is a value, so that an Error and an *Error print alike.
func (e Error) Format(s fmt.State, verb rune) {
	if verb != 'v' || !s.Flag('#') {
		_, _ = fmt.Fprintf(s, fmt.FormatString(s, verb), e.Error()) // Format cannot return an error
		return
	}
	fields := make([]string, len(e.Fields))
	for k, field := range e.Fields {
		fields[k] = field.Field
	}
	_, _ = fmt.Fprintf(s, "&rest.Error{Method:%q, Path:%q, Status:%d, Code:%q, Fields:%q, Header:(%d fields), Body:(%d bytes), Err:%v}",
		e.Method, e.Path, e.Status, e.Code, fields, len(e.Header), len(e.Body), e.Err)
}

// StatusCode returns the HTTP status, for [windrow.Classify].
func (e *Error) StatusCode() int { return e.Status }

// RetryAfter returns how long the server asked to wait, counted from the response; 0 when it did not say. "At once" is 1 ns.
func (e *Error) RetryAfter() time.Duration { return e.after }

// Is makes the error match [windrow.ErrNotFound] and [windrow.ErrAlreadyExists].
func (e *Error) Is(target error) bool {
	switch target {
	case windrow.ErrNotFound:
		return e.isMissing() && !e.html
	case windrow.ErrAlreadyExists:
		return e.Status == http.StatusConflict && e.Method == http.MethodPost && !classify.Throttles(e.Status, e.after)
	}
	return false
}

func (e *Error) isMissing() bool {
	return e.Status == http.StatusNotFound || e.Status == http.StatusGone
}

// isNotFoundPage reports whether the response is HTML that says "not found", such as that of a proxy without a server for
// the path: it does not prove that the record is gone.
func (e *Error) isNotFoundPage() bool { return e.html && e.isMissing() }

// Unwrap returns Err, if there is one, and the Fields.
func (e *Error) Unwrap() []error {
	errs := make([]error, 0, len(e.Fields)+1)
	if e.Err != nil {
		errs = append(errs, e.Err)
	}
	for _, field := range e.Fields {
		errs = append(errs, field)
	}
	return errs
}

var (
	// ErrResponseTooLong is matched by the error of a response that is longer than [WithMaxBody] allows. A read is not
	// repeated; a write was applied, and counts as one whose response was lost.
	ErrResponseTooLong = errors.New("rest: the response is longer than WithMaxBody allows")
	// ErrContentType is matched by the error of a response that is not JSON, such as the HTML of a proxy.
	ErrContentType = errors.New("rest: the response is not JSON")

	errEmpty     = errors.New("the response is empty")
	errErrorBody = errors.New("the response holds nothing but an error")
	errMeaning   = errors.New("the classifier of the transport returned an error for the response")
)

// transportError is the error of a request without a response.
type transportError struct {
	method, path string
	err          error
}

// Error leaves out the URL, which net/http puts before an error: the path is enough.
func (e *transportError) Error() string {
	text := e.err.Error()
	if err, ok := e.err.(*url.Error); ok {
		text = strings.TrimPrefix(err.Err.Error(), "windrow: ")
	}
	return "rest: " + e.method + " " + e.path + ": " + text
}

func (e *transportError) Unwrap() error { return e.err }

// readError is the error of a body that could not be read to its end.
type readError struct{ err error }

func (e *readError) Error() string {
	if errors.Is(e.err, io.ErrUnexpectedEOF) {
		return "the response broke off"
	}
	return "the response broke off: " + e.err.Error()
}

func (e *readError) Unwrap() error { return e.err }

// decodeError is the error of a response that does not decode. Its text does not show the response.
type decodeError struct{ err error }

func (e *decodeError) Error() string {
	if err, ok := errors.AsType[*json.UnmarshalTypeError](e.err); ok {
		if err.Field == "" {
			return fmt.Sprintf("the response does not fit into a %v", err.Type)
		}
		return fmt.Sprintf("the response's %s does not fit into a %v", err.Field, err.Type)
	}
	if err, ok := errors.AsType[*itemsError](e.err); ok {
		return err.Error()
	}
	return "the response is not the JSON that was expected"
}

func (e *decodeError) Unwrap() error { return e.err }

// encodeError is the error of an input that cannot be sent. Its text does not show the input.
type encodeError struct {
	method, path string
	err          error
}

func (e *encodeError) Error() string {
	text := "rest: " + e.method + " " + e.path + ": the input cannot be turned into JSON"
	if err, ok := errors.AsType[*json.UnsupportedTypeError](e.err); ok {
		text += ": it holds a " + err.Type.String()
	}
	return text
}

func (e *encodeError) Unwrap() error { return e.err }
