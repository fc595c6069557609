package objectstack

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/internal/gone"
	"github.com/windrow-go/windrow/adapters/rest"
)

// The codes with a meaning for this package. Servers before 17 write them in lower case; [Error] always has them in upper
// case.
const (
	CodeBatchTooLarge  = "BATCH_TOO_LARGE" // Max tells how many records are allowed
	CodeNotImplemented = "NOT_IMPLEMENTED" // the server cannot roll back, or lacks the feature
	CodeRolledBack     = "ROLLED_BACK"     // the record was written, and rolled back because of another record
	CodeNotAttempted   = "NOT_ATTEMPTED"   // the batch ended before the record
	CodeRecordNotFound = "RECORD_NOT_FOUND"
	CodeNotAtomic      = "BATCH_NOT_ATOMIC"     // a transaction without atomic
	CodeUnresolvedRef  = "BATCH_UNRESOLVED_REF" // a reference to a record that no earlier operation creates
)

// Error is the server's error for a refused record or request. Its text holds codes and the names of fields, never the
// server's message, which may show the record's content.
//
// It matches [windrow.ErrNotFound], [windrow.ErrAlreadyExists] and [windrow.ErrRolledBack] by its code, and
// [windrow.FieldErrors] returns its FieldErrors. Without a code the status 404 of a record, or of a request whose URL names
// one, matches ErrNotFound, too, if the response is JSON. Any other 404, such as that of a wrong base URL or object, only
// refuses the request. The error of a request unwraps to an [*rest.Error].
type Error struct {
	// Code is the server's code, in upper case; "" when it has none.
	Code string `json:"code"`
	// Message is for people.
	Message string `json:"message"`
	// Category is such as validation, authorization, rate_limit, server.
	Category string `json:"category,omitempty"`
	// HTTPStatus is the status of the error; 0 when the server does not tell.
	HTTPStatus int `json:"httpStatus,omitempty"`
	// Retryable says that a repetition may succeed later. Nil means that the server does not tell.
	Retryable *bool `json:"retryable,omitempty"`
	// RetryStrategy is no_retry, retry_immediate, retry_backoff or retry_after; "" when the server does not tell.
	RetryStrategy string `json:"retryStrategy,omitempty"`
	// RetryAfterSeconds is how long the server asks to wait; 0 when it does not tell.
	RetryAfterSeconds float64 `json:"retryAfter,omitempty"`
	// FieldErrors are the fields that the server names.
	FieldErrors []*windrow.FieldError `json:"fieldErrors,omitempty"`
	// Details is the rest of the error.
	Details json.RawMessage `json:"details,omitempty"`
	// RequestID is for the server's support.
	RequestID string `json:"requestId,omitempty"`
	// Max is how many records a BATCH_TOO_LARGE allows.
	Max int `json:"max,omitempty"`

	request *rest.Error // the error of the response; nil for the error of a record
}

// UnmarshalJSON implements [json.Unmarshaler].
func (e *Error) UnmarshalJSON(data []byte) error {
	type plain Error
	got := struct {
		*plain
		FieldErrors json.RawMessage `json:"fieldErrors"`
		Fields      json.RawMessage `json:"fields"`
	}{plain: (*plain)(e)}
	*e = Error{request: e.request}
	if err := json.Unmarshal(data, &got); err != nil {
		return err
	}
	e.Code = strings.ToUpper(e.Code)
	var details struct {
		FieldErrors json.RawMessage `json:"fieldErrors"`
	}
	_ = json.Unmarshal(e.Details, &details) // Details may be any JSON
	for _, list := range []json.RawMessage{got.FieldErrors, got.Fields, details.FieldErrors} {
		var fields []fieldJSON
		_ = json.Unmarshal(list, &fields) // anything but a list has no fields
		for _, f := range fields {
			e.FieldErrors = append(e.FieldErrors, &windrow.FieldError{Field: f.Field, Code: strings.ToUpper(f.Code), Message: f.Message})
		}
	}
	return nil
}

// MarshalJSON implements [json.Marshaler].
func (e *Error) MarshalJSON() ([]byte, error) {
	type plain Error
	got := struct {
		*plain
		FieldErrors []fieldJSON `json:"fieldErrors,omitempty"`
	}{plain: (*plain)(e)}
	for _, f := range e.FieldErrors {
		got.FieldErrors = append(got.FieldErrors, fieldJSON(*f))
	}
	return json.Marshal(got)
}

// fieldJSON is a field error on the wire, without the value, which the server repeats.
type fieldJSON struct {
	Field   string `json:"field"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("objectstack: ")
	if e.request != nil {
		b.WriteString(strings.TrimPrefix(e.request.Error(), "rest: "))
	} else if e.Code != "" {
		b.WriteString(e.Code)
	} else {
		b.WriteString("the server refused the record without a code")
	}
	for i, f := range e.FieldErrors {
		if i == 0 {
			b.WriteString(" at ")
		} else {
			b.WriteString(", ")
		}
		b.WriteString(f.Field)
	}
	return b.String()
}

// StatusCode returns the HTTP status, for [windrow.Classify]; 0 when there is none.
func (e *Error) StatusCode() int { return e.HTTPStatus }

// RetryAfter returns how long the server asks to wait, 0 when it does not tell.
func (e *Error) RetryAfter() time.Duration {
	if e.RetryAfterSeconds > 0 {
		return time.Duration(e.RetryAfterSeconds * float64(time.Second))
	}
	if e.request != nil {
		return e.request.RetryAfter()
	}
	return 0
}

// Is makes the error match the sentinel errors of its documentation.
func (e *Error) Is(target error) bool {
	switch target {
	case windrow.ErrNotFound:
		return e.isMissing()
	case windrow.ErrAlreadyExists:
		return e.Code == "DUPLICATE_RECORD" || e.Code == "DUPLICATE_VALUE"
	case windrow.ErrRolledBack:
		return e.request == nil && (e.Code == CodeRolledBack || e.Code == CodeNotAttempted)
	}
	return false
}

// isMissing reports whether the error says that there is no such record.
func (e *Error) isMissing() bool {
	switch e.Code {
	case CodeRecordNotFound:
		return true
	case "RESOURCE_NOT_FOUND":
		return e.request == nil || gone.IsRecord(e.request)
	case "":
		return e.request == nil && e.HTTPStatus == http.StatusNotFound || gone.IsRecord(e.request)
	}
	return false
}

// Unwrap returns the error of the request, if there is one, and the FieldErrors.
func (e *Error) Unwrap() []error {
	var errs []error
	if e.request != nil {
		errs = append(errs, gone.Inner(e.request))
	}
	for _, f := range e.FieldErrors {
		errs = append(errs, f)
	}
	return errs
}

// requestError makes an Error from a response that is not a success, with any envelope, and gives it a class.
func requestError(r *rest.Error) error {
	e := &Error{request: r}
	var outer struct{ Error json.RawMessage }
	_ = json.Unmarshal(r.Body, &outer) // HTML of a proxy is not JSON
	if len(outer.Error) > 0 && outer.Error[0] == '{' {
		_ = json.Unmarshal(outer.Error, e) // {"success": false, "error": {"code", "message"}}
	} else {
		_ = json.Unmarshal(r.Body, e) // {"error": "text", "code"}
		_ = json.Unmarshal(outer.Error, &e.Message)
	}
	e.Code, e.HTTPStatus = strings.ToUpper(r.Code), r.Status
	if len(e.FieldErrors) == 0 {
		e.FieldErrors = r.Fields
	}
	switch {
	case r.Status < 300 && e.Code != "": // a status of success with an error in the body
		return recordError([]*Error{e}, false)
	case e.Code == CodeBatchTooLarge:
		return windrow.TooLarge(e, e.Max)
	case e.Code == CodeNotImplemented || r.Status == http.StatusNotImplemented:
		return windrow.Permanent(e) // nothing was applied
	case e.throttles():
		return windrow.Throttled(e, e.RetryAfter())
	case r.Status >= 400 && r.Status < 500 && windrow.Classify(r).Class == windrow.ClassPermanent && e.mayRetry():
		return windrow.Classified(e, windrow.Classification{Class: windrow.ClassTransient, After: e.RetryAfter(), Kind: e.kind()})
	}
	if gone.Says(r) && !e.isMissing() {
		return gone.Judge(e, r, gone.Harmless(r.Method) || strings.HasSuffix(r.Path, "/updateMany") || strings.HasSuffix(r.Path, "/deleteMany"))
	}
	return e // by its status: a retryable server error does not prove that nothing was written
}

// recordError returns the error of a record with its class. A record with an error was not written. Only after a timeout
// that is not known, unless the batch was rolled back.
func recordError(errs []*Error, atomic bool) error {
	if len(errs) == 0 {
		errs = []*Error{{}}
	}
	first := errs[0]
	var err error = first
	if len(errs) > 1 {
		all := make([]error, len(errs))
		for i, e := range errs {
			all[i] = e
		}
		err = errors.Join(all...)
	}
	c := windrow.Classification{Kind: first.kind(), After: first.RetryAfter()}
	switch {
	case first.Is(windrow.ErrRolledBack):
		return first
	case first.Code == CodeBatchTooLarge:
		return windrow.TooLarge(first, first.Max)
	case first.throttles():
		c.Class = windrow.ClassThrottled
	case first.HTTPStatus == http.StatusUnauthorized || first.Category == "authentication":
		c.Class = windrow.ClassFatal
	case first.timedOut() && !atomic:
		c.Class = windrow.ClassAmbiguous
	case first.timedOut(), first.mayRetry(), first.Retryable == nil && first.unavailable():
		c.Class = windrow.ClassTransient
	}
	return windrow.Classified(err, c)
}

func (e *Error) timedOut() bool {
	return e.Code == "TIMEOUT" || e.HTTPStatus == http.StatusGatewayTimeout || e.HTTPStatus == http.StatusRequestTimeout
}

func (e *Error) unavailable() bool {
	return e.Code == "SERVICE_UNAVAILABLE" || e.Category == "maintenance" || e.HTTPStatus == http.StatusServiceUnavailable
}

// throttles reports whether the server refused because of a rate limit.
func (e *Error) throttles() bool {
	switch e.Code {
	case "RATE_LIMIT_EXCEEDED", "QUOTA_EXCEEDED", "CONCURRENT_LIMIT_EXCEEDED":
		return true
	}
	return e.Category == "rate_limit" || e.HTTPStatus == http.StatusTooManyRequests
}

// mayRetry reports whether the server says that a repetition may succeed later.
func (e *Error) mayRetry() bool {
	return e.RetryStrategy != "no_retry" && (e.Retryable != nil && *e.Retryable || e.Retryable == nil && strings.HasPrefix(e.RetryStrategy, "retry_"))
}

// kind returns the kind of the error by its category, its code or its status.
func (e *Error) kind() windrow.ErrorKind {
	switch e.Category {
	case "validation":
		return windrow.KindValidation
	case "authentication", "authorization", "not_found", "conflict":
		return windrow.KindResource
	case "rate_limit", "server", "external", "maintenance":
		return windrow.KindSystem
	}
	for _, word := range []string{"NOT_FOUND", "DUPLICATE", "CONFLICT", "LOCK", "PERMISSION", "PRIVILEGES", "ACCESSIBLE"} {
		if strings.Contains(e.Code, word) {
			return windrow.KindResource
		}
	}
	for _, word := range []string{"VALIDATION", "INVALID", "MISSING", "REQUIRED", "VALUE_", "FIELD"} {
		if strings.Contains(e.Code, word) {
			return windrow.KindValidation
		}
	}
	switch {
	case e.Code == "TIMEOUT":
		return windrow.KindTimeout
	case e.HTTPStatus == http.StatusUnauthorized || e.HTTPStatus == http.StatusForbidden || e.HTTPStatus == http.StatusNotFound || e.HTTPStatus == http.StatusConflict:
		return windrow.KindResource
	case e.HTTPStatus >= 400 && e.HTTPStatus < 500:
		return windrow.KindValidation
	}
	return windrow.KindSystem
}
