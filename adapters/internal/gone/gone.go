// Package gone distinguishes the 404 of a missing record from those of a proxy and of a wrong URL, for clients with error
// types of their own.
package gone

import (
	"bytes"
	"encoding/json"
	"net/http"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/rest"
)

// Says reports whether the status of a response means "not found".
func Says(r *rest.Error) bool {
	return r != nil && (r.Status == http.StatusNotFound || r.Status == http.StatusGone)
}

// IsPage reports whether a response says "not found" with HTML, most likely from a proxy.
func IsPage(r *rest.Error) bool { return Says(r) && !r.Is(windrow.ErrNotFound) }

// IsRecord reports whether a response without a code says that the record in the URL of its request does not exist: it is
// JSON, and not of a POST, whose URL names no record.
func IsRecord(r *rest.Error) bool {
	return Says(r) && !IsPage(r) && r.Method != http.MethodPost && json.Valid(bytes.TrimPrefix(r.Body, []byte("\ufeff")))
}

// Inner returns the error of the response, to which a client's error unwraps. If it says "not found" it does not match
// [windrow.ErrNotFound]: only the client's error decides that.
func Inner(r *rest.Error) error {
	if Says(r) {
		return &inner{r}
	}
	return r
}

// inner is the error of a response whose meaning the client's error decides.
type inner struct{ response *rest.Error }

// Error implements error.
func (i *inner) Error() string { return i.response.Error() }

// As makes [errors.As] find the error of the response.
func (i *inner) As(target any) bool {
	if to, ok := target.(**rest.Error); ok {
		*to = i.response
		return true
	}
	return false
}

// Unwrap returns what the error of the response unwraps to.
func (i *inner) Unwrap() []error { return i.response.Unwrap() }

// Judge gives a client's error for a response with "not found" its class. HTML proves nothing: a harmless request is
// repeated. Any other error that does not match [windrow.ErrNotFound], such as for a wrong URL, is permanent, but is no
// statement about records.
func Judge(err error, r *rest.Error, harmless bool) error {
	if IsPage(r) && harmless {
		return windrow.Transient(err)
	}
	return windrow.Classified(err, windrow.Classify(err)) // fixed, so that the status alone does not decide
}

// Harmless reports whether a method is idempotent (RFC 9110 section 9.2.2).
func Harmless(method string) bool {
	return method == http.MethodGet || method == http.MethodPut || method == http.MethodDelete
}
