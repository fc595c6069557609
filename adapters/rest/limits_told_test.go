package rest

import (
	"testing"
	"time"

	"github.com/windrow-go/windrow/adapters/rest/internal/dialect"
	"github.com/windrow-go/windrow/adapters/rest/internal/retryafter"
	"github.com/windrow-go/windrow/windrowtest"
)

// What windrowtest says that a response tells is what the transport reads from it.
func TestReadsWhatWindrowtestTells(t *testing.T) {
	t.Parallel()
	now := time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC)
	for _, d := range windrowtest.Dialects(now, 30*time.Second) {
		after, known := retryafter.Wait(d.Header, now)
		if reading, ok := dialect.Parse(d.Header, now, dialect.Auto); ok && !known {
			after, known = reading.Hint()
		}
		if known != d.Tells || known && (after < 30*time.Second || after > 31*time.Second) {
			t.Errorf("%s: the headers tell %v, %v; want %v", d.Name, after, known, d.Tells)
		}
	}
	for _, form := range windrowtest.RetryAfters(now, 37*time.Second) {
		after, known := retryafter.Wait(map[string][]string{"Retry-After": {form.Value}}, now)
		if (known && after == 37*time.Second) != form.Tells {
			t.Errorf("%s: %q tells %v, %v; want %v", form.Name, form.Value, after, known, form.Tells)
		}
	}
}
