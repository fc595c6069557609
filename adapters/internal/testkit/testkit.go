// Package testkit holds what the tests of the adapters share.
package testkit

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
)

// Check reports the difference when got is not what is wanted.
func Check[T any](t *testing.T, what string, want, got T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// States returns the states of the items of a result, in the order of the input. It reports counts that do not add up.
func States[In, Out any](t *testing.T, res *windrow.BulkResult[In, Out]) []windrow.State {
	t.Helper()
	s := res.Stats()
	if sum := s.Succeeded + s.Failed + s.Skipped + s.NotAttempted + s.Unknown; sum != s.Total || s.Total != res.Len() {
		t.Errorf("%+v: the states do not add up", s)
	}
	var all []windrow.State
	for r := range res.All() {
		all = append(all, r.State)
	}
	return all
}

// Quick is a policy of three attempts without a delay between them.
var Quick = windrow.Retry(windrow.RetryPolicy{MaxAttempts: 3, Strategy: windrow.Constant(0)})

// ErrorOf returns the error of type E that err holds. The test ends when it holds none.
func ErrorOf[E error](t *testing.T, err error) E {
	t.Helper()
	e, ok := errors.AsType[E](err)
	if !ok {
		t.Fatalf("error %v holds no %T", err, e)
	}
	return e
}

// JSON returns the value of a JSON text. The test ends when it is none.
func JSON(t *testing.T, text string) (v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return v
}

// Respond returns a handler whose responses have a status, a JSON text as body, and headers, given as names and values.
func Respond(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}
