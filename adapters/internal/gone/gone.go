// Package gone tells the 404 of a record that is not there from those of a proxy and of a wrong address, for the clients of
// APIs that have errors of their own.
package gone

import (
	"bytes"
	"encoding/json"
	"net/http"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/rest"
)

// Says reports whether an answer says "not found", of whatever.
func Says(r *rest.Error) bool {
	return r != nil && (r.Status == http.StatusNotFound || r.Status == http.StatusGone)
}

// IsPage reports whether an answer that says "not found" is a page, most likely that of a proxy.
func IsPage(r *rest.Error) bool { return Says(r) && !r.Is(windrow.ErrNotFound) }

// IsRecord reports whether an answer without a code says that the record is not there that the URL of its request names: it
// is JSON, and no POST, which names none.
func IsRecord(r *rest.Error) bool {
	return Says(r) && !IsPage(r) && r.Method != http.MethodPost && json.Valid(bytes.TrimPrefix(r.Body, []byte("\ufeff")))
}

// Inner is what the error of a client unwraps to: the answer. One that says "not found" does not match
// [windrow.ErrNotFound] by itself, because the client's error knows what is not there.
func Inner(r *rest.Error) error {
	if Says(r) {
		return &inner{r}
	}
	return r
}

// inner is an answer whose meaning its client tells.
type inner struct{ answer *rest.Error }

// Error implements error.
func (i *inner) Error() string { return i.answer.Error() }

// As makes [errors.As] find the answer.
func (i *inner) As(target any) bool {
	if to, ok := target.(**rest.Error); ok {
		*to = i.answer
		return true
	}
	return false
}

// Unwrap returns what the answer does.
func (i *inner) Unwrap() []error { return i.answer.Unwrap() }

// Judge returns the error that a client has made of an answer that says "not found", with its class. A page is no proof of
// anything: what is harmless to repeat is. What else does not match [windrow.ErrNotFound] is a refusal of the request for
// good, such as that of an address that is wrong, and says nothing of its records.
func Judge(err error, r *rest.Error, harmless bool) error {
	if IsPage(r) && harmless {
		return windrow.Transient(err)
	}
	return windrow.Classified(err, windrow.Classify(err)) // which says that its status is not all
}

// Harmless reports whether a method does no harm when it is repeated (RFC 9110 section 9.2.2).
func Harmless(method string) bool {
	return method == http.MethodGet || method == http.MethodPut || method == http.MethodDelete
}
