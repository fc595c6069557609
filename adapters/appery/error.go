package appery

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/internal/gone"
	"github.com/windrow-go/windrow/adapters/internal/users"
	"github.com/windrow-go/windrow/adapters/rest"
)

// CodeNotFound is the code of an object that is not there.
const CodeNotFound = "DBSU205"

// Error is what the server says of an operation or of a request that it refused. Its text holds the code, never the
// description: that may show what the object holds.
//
// It matches [windrow.ErrNotFound] by its code. That of a single call that names an object does by the status 404, too, when
// the server gives no other code, and the answer is JSON. Any other 404, such as that of a wrong base URL, refuses the request,
// and says nothing of its objects. The error of a request, and of a single call, unwraps to an [*rest.Error], whose status
// tells what follows. An operation of a batch has no status: it is refused for good, unless the Classify of a
// [windrow.RetryPolicy] knows its code, and returns windrow.Classify(windrow.Transient(err)) for one that may be sent again.
type Error struct {
	// Code is the server's, such as DBSU205; "" when it has none.
	Code string
	// Description is for people.
	Description string

	request *rest.Error // whose answer it is; nil for that of an operation
}

// UnmarshalJSON implements [json.Unmarshaler]. It reads both shapes: {"code", "description"} of an operation, and {"code",
// "error"} of a request. A code may be a number.
func (e *Error) UnmarshalJSON(data []byte) error {
	var got struct {
		Code        any    `json:"code"`
		Description string `json:"description"`
		Error       any    `json:"error"`
	}
	decoder := json.NewDecoder(strings.NewReader(string(data)))
	decoder.UseNumber()
	if err := decoder.Decode(&got); err != nil {
		return err
	}
	e.Code, e.Description = "", got.Description
	switch code := got.Code.(type) {
	case string:
		e.Code = code
	case json.Number:
		e.Code = code.String()
	}
	if text, ok := got.Error.(string); ok && e.Description == "" {
		e.Description = text
	}
	return nil
}

// Error implements error.
func (e *Error) Error() string {
	switch {
	case e.request != nil:
		return "appery: " + strings.TrimPrefix(e.request.Error(), "rest: ")
	case e.Code != "":
		return "appery: " + e.Code
	}
	return "appery: the server refused the operation without a code"
}

// StatusCode returns the HTTP status, for [windrow.Classify]; 0 for an operation of a batch.
func (e *Error) StatusCode() int {
	if e.request == nil {
		return 0
	}
	return e.request.Status
}

// RetryAfter returns how long the server asks to wait, 0 when it does not tell.
func (e *Error) RetryAfter() time.Duration {
	if e.request == nil {
		return 0
	}
	return e.request.RetryAfter()
}

// Is makes the error match [windrow.ErrNotFound].
func (e *Error) Is(target error) bool { return target == windrow.ErrNotFound && e.isMissing() }

// isMissing reports whether the error says that there is no such object.
func (e *Error) isMissing() bool {
	switch e.Code {
	case CodeNotFound:
		return true
	case "", "404", "410": // which say no more than the status
		return gone.IsRecord(e.request)
	}
	return false
}

// Unwrap returns the error of the request, nil when there is none.
func (e *Error) Unwrap() error {
	if e.request == nil {
		return nil
	}
	return gone.Inner(e.request)
}

// requestError makes an Error of an answer that is no success.
func requestError(r *rest.Error) error {
	e := &Error{request: r}
	_ = json.Unmarshal(r.Body, e) // the page of a proxy is not JSON
	switch {
	case e.Code == CodeNotFound:
		return windrow.Classified(e, windrow.Classification{Kind: windrow.KindResource})
	case gone.Says(r) && !e.isMissing():
		return gone.Judge(e, r, gone.Harmless(r.Method))
	}
	return e
}

// operationError makes the error of an operation.
func operationError(data json.RawMessage, user users.Classifier) error {
	e := &Error{}
	_ = json.Unmarshal(data, e) // what it is, it is an error
	if err := user.Ask(&rest.Error{Method: http.MethodPost, Path: "/batch", Code: e.Code, Body: data}); err != nil {
		return err
	}
	kind := windrow.KindValidation
	if e.Code == CodeNotFound {
		kind = windrow.KindResource
	}
	return windrow.Classified(e, windrow.Classification{Kind: kind})
}
