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

// CodeNotFound is the code of an object that does not exist.
const CodeNotFound = "DBSU205"

// Error is the server's error for a refused operation or request. Its text holds the code, never the description, which may
// show the object's content.
//
// It matches [windrow.ErrNotFound] by its code. The error of a single call that names an object also does by the status 404,
// if there is no other code and the response is JSON. Any other 404, such as that of a wrong base URL, only refuses the
// request. The error of a request or a single call unwraps to an [*rest.Error], and its class follows from the status. An
// operation of a batch has no status: its error is permanent, unless the Classify of a [windrow.RetryPolicy] recognizes its
// code, and returns windrow.Classify(windrow.Transient(err)) for an operation that may be sent again.
type Error struct {
	// Code is the server's code, such as DBSU205; "" when it has none.
	Code string
	// Description is for people.
	Description string

	request *rest.Error // the error of the response; nil for the error of an operation
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

// isMissing reports whether the error says that the object does not exist.
func (e *Error) isMissing() bool {
	switch e.Code {
	case CodeNotFound:
		return true
	case "", "404", "410": // these repeat the status
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

// requestError makes an Error from a response that is not a success.
func requestError(r *rest.Error) error {
	e := &Error{request: r}
	_ = json.Unmarshal(r.Body, e) // HTML of a proxy is not JSON
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
	_ = json.Unmarshal(data, e) // unreadable data is an error without a code
	if err := user.Ask(&rest.Error{Method: http.MethodPost, Path: "/batch", Code: e.Code, Body: data}); err != nil {
		return err
	}
	kind := windrow.KindValidation
	if e.Code == CodeNotFound {
		kind = windrow.KindResource
	}
	return windrow.Classified(e, windrow.Classification{Kind: kind})
}
