package datocms

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/internal/gone"
	"github.com/windrow-go/windrow/adapters/rest"
)

// ErrStaleVersion is matched by the error of an update whose CurrentVersion is outdated (code STALE_ITEM_VERSION). Read the
// record again.
var ErrStaleVersion = errors.New("datocms: the record has changed since it was read")

// APIError is one of the errors in a response of DatoCMS (https://www.datocms.com/docs/content-management-api/errors).
type APIError struct {
	// Code is the server's code, such as INVALID_FIELD.
	Code string `json:"code"`
	// Details may show a record's content. Nil when there are none.
	Details json.RawMessage `json:"details,omitempty"`
	// DocURL is the page of the manual; "" when there is none.
	DocURL string `json:"doc_url,omitempty"`
	// Transient says that the same request may succeed later.
	Transient bool `json:"transient,omitempty"`
}

// Error is a refusal by DatoCMS: a response that is not a success, or a failed job. Its text holds the method, the path, the
// status and the codes, never the details, the body, the query or a header.
//
// It matches [windrow.ErrNotFound] if DatoCMS says so, but not for HTML of a proxy or for a path that DatoCMS does not have;
// [windrow.ErrAlreadyExists] if the id of a new record is taken; and [ErrStaleVersion]. [errors.As] finds the [*rest.Error]
// of the response.
type Error struct {
	// Method and Path are those of the request, or of the request that started the failed job.
	Method, Path string
	// Status is the HTTP status, or the status in the result of the failed job.
	Status int
	// Job is the id of the job that failed, "" when it was the request.
	Job string
	// Errors are the errors that DatoCMS names. Empty for a response of another server, such as a proxy.
	Errors []APIError
	// Fields are the fields that the Errors name.
	Fields []*windrow.FieldError

	refusal *rest.Error // nil for a job
}

// Code returns the code of the first of the Errors, "" when there is none.
func (e *Error) Code() string {
	if len(e.Errors) == 0 {
		return ""
	}
	return e.Errors[0].Code
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "datocms: %s %s: ", e.Method, e.Path)
	if e.Job != "" {
		fmt.Fprintf(&b, "job %s ended with ", e.Job)
	}
	fmt.Fprintf(&b, "status %d", e.Status)
	var codes []string
	for _, one := range e.Errors {
		code := one.Code
		if field := fieldOf(one); field != nil {
			code = strings.TrimSpace(code + " " + field.Field + " " + field.Code)
		}
		if code != "" && !slices.Contains(codes, code) {
			codes = append(codes, code)
		}
	}
	if len(codes) > 0 {
		fmt.Fprintf(&b, " (%s)", strings.Join(codes, ", "))
	}
	if e.refusal != nil && e.refusal.Err != nil {
		b.WriteString(": " + strings.TrimPrefix(e.refusal.Err.Error(), "rest: "))
	}
	return b.String()
}

// StatusCode returns the HTTP status, for [windrow.Classify]. For a stale version it is 412 (RFC 9110 section 15.5.13),
// which package plan recognizes, instead of DatoCMS's 422.
func (e *Error) StatusCode() int {
	if e.has("STALE_ITEM_VERSION") {
		return http.StatusPreconditionFailed
	}
	return e.Status
}

// RetryAfter returns how long DatoCMS asked to wait, 0 when it did not say.
func (e *Error) RetryAfter() time.Duration {
	if e.refusal == nil {
		return 0
	}
	return e.refusal.RetryAfter()
}

// Is makes the error match the sentinel errors of its documentation.
func (e *Error) Is(target error) bool {
	switch target {
	case windrow.ErrNotFound:
		return e.isMissing()
	case windrow.ErrAlreadyExists:
		return e.Method == http.MethodPost && slices.ContainsFunc(e.Fields, func(f *windrow.FieldError) bool {
			return f.Field == "id" && (strings.Contains(f.Code, "UNIQUE") || strings.Contains(f.Code, "TAKEN"))
		})
	case ErrStaleVersion:
		return e.has("STALE_ITEM_VERSION")
	}
	return false
}

// Unwrap returns the Fields, and the error of the response.
func (e *Error) Unwrap() []error {
	errs := make([]error, 0, len(e.Fields)+1)
	for _, field := range e.Fields {
		errs = append(errs, field)
	}
	if e.refusal != nil {
		errs = append(errs, gone.Inner(e.refusal))
	}
	return errs
}

// isMissing reports whether the record in the URL of the request does not exist. HTML of a proxy, or another code such as
// INVALID_ENDPOINT, does not prove it.
func (e *Error) isMissing() bool {
	says := e.saysNotFound() && !gone.IsPage(e.refusal)
	return says && (e.has("NOT_FOUND") || e.Code() == "" && e.namesRecord())
}

func (e *Error) saysNotFound() bool {
	return e.Status == http.StatusNotFound || e.Status == http.StatusGone
}

// namesRecord reports whether the URL of the request names a record, an asset or a job.
func (e *Error) namesRecord() bool {
	return e.Method != http.MethodPost && !strings.HasSuffix(e.Path, "/items") && !strings.HasSuffix(e.Path, "/uploads")
}

func (e *Error) has(code string) bool {
	return slices.ContainsFunc(e.Errors, func(one APIError) bool { return one.Code == code })
}

// transient reports whether DatoCMS says that the same request may succeed later, whatever the status.
func (e *Error) transient() bool {
	return slices.ContainsFunc(e.Errors, func(one APIError) bool { return one.Transient })
}

// envelope is the form of an error response, and of the payload of a failed job.
type envelope struct {
	Data []struct {
		Type       string   `json:"type"`
		Attributes APIError `json:"attributes"`
	} `json:"data"`
}

const maxErrors = 100

// read sets Errors and Fields from the body of a refusal.
func (e *Error) read(body []byte) {
	var form envelope
	if json.Unmarshal(body, &form) != nil {
		return // a response of another server
	}
	for _, one := range form.Data[:min(len(form.Data), maxErrors)] {
		if one.Type != "api_error" {
			continue
		}
		a := one.Attributes
		a.Code = name(a.Code)
		e.Errors = append(e.Errors, a)
		if field := fieldOf(a); field != nil {
			e.Fields = append(e.Fields, field)
		}
	}
}

// fieldOf returns the field that an error names, nil if there is none.
func fieldOf(e APIError) *windrow.FieldError {
	var details struct {
		Field string `json:"field"`
		Code  string `json:"code"`
	}
	if json.Unmarshal(e.Details, &details) != nil || name(details.Field) == "" {
		return nil
	}
	return &windrow.FieldError{Field: details.Field, Code: name(details.Code)}
}

// name returns text if it is an identifier, and "" for anything else, which may show a record's content.
func name(text string) string {
	for _, c := range []byte(text) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && c != '_' && c != '-' && c != '.' {
			return ""
		}
	}
	if len(text) > 128 {
		return ""
	}
	return text
}

// classify is the classifier of the client's requests. It turns a refusal into an [*Error].
func classify(refusal *rest.Error) error {
	e := &Error{Method: refusal.Method, Path: refusal.Path, Status: refusal.Status, refusal: refusal}
	e.read(refusal.Body)
	return judged(e)
}

// judged gives an error its class where the status does not show it.
func judged(e *Error) error {
	switch {
	case e.Status == http.StatusTooManyRequests:
		return e
	case e.transient():
		return windrow.Transient(e)
	case e.Status == http.StatusRequestURITooLong || e.Status == http.StatusRequestHeaderFieldsTooLarge:
		return windrow.TooLarge(e, 0) // fewer ids make a shorter URL
	case e.Method != http.MethodGet && (e.Status == http.StatusFound || e.Status == http.StatusSeeOther):
		return windrow.Ambiguous(e) // servers redirect after they have applied a write
	case e.saysNotFound() && !e.isMissing():
		return gone.Judge(e, e.refusal, gone.Harmless(e.Method) || strings.Contains(e.Path, "/bulk/"))
	case e.Method == http.MethodGet && errors.Is(e, rest.ErrResponseTooLong):
		return windrow.Classified(e, windrow.Classification{}) // a repetition would be as long
	}
	return e
}

// marked fixes the class of an error, so that the run does not change it because of the attempt's earlier requests: only the
// last request counts here.
func marked(err error) error {
	return windrow.Classified(err, windrow.Classify(err))
}

// invalid returns an error of the input, before anything was sent.
func invalid(format string, args ...any) error {
	return windrow.Classified(fmt.Errorf("datocms: "+format, args...), windrow.Classification{Kind: windrow.KindValidation})
}
