package bloomy_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/bloomy"
	"github.com/windrow-go/windrow/adapters/bloomy/bloomytest"
	"github.com/windrow-go/windrow/adapters/internal/intercept"
	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/windrowtest"
)

const apiKey = "bloom-secret-key"

// world is a fake server with the meeting 456, and a client of it.
type world struct {
	fake   *bloomytest.Server
	api    *intercept.API
	http   *windrowtest.Server
	client *bloomy.Client
}

func start(t *testing.T, opts ...rest.Option) *world {
	t.Helper()
	w := &world{fake: &bloomytest.Server{Key: apiKey, Now: func() time.Time { return time.Date(2026, 11, 21, 23, 40, 0, 0, time.UTC) }}}
	w.fake.AddMeeting(bloomytest.Meeting{ID: 456, Name: "Weekly Team Meeting", Attendees: []int{bloomytest.Me, 789}})
	w.api = &intercept.API{Handler: w.fake}
	w.http = windrowtest.NewServer(t, w.api)
	var err error
	if w.client, err = bloomy.New(w.http.URL+"/api/v1", apiKey, w.http.Client(), opts...); err != nil {
		t.Fatal(err)
	}
	return w
}

// calls returns the methods, paths and bodies that the server has seen.
func (w *world) calls() []string {
	var all []string
	for _, r := range w.http.Requests() {
		all = append(all, strings.TrimSpace(r.Method+" "+strings.TrimPrefix(r.Target, "/api/v1")+" "+r.Body))
	}
	return all
}

// count returns how many requests there were whose method and path begin so.
func (w *world) count(prefix string) int {
	n := 0
	for _, call := range w.calls() {
		if strings.HasPrefix(call, prefix) {
			n++
		}
	}
	return n
}

// script answers the requests whose method and path begin so with the handlers, one after the other. A nil handler lets a
// request pass, as do all requests after the last one.
func (w *world) script(prefix string, handlers ...http.HandlerFunc) {
	var mu sync.Mutex
	n := 0
	w.api.Intercept(func(req *http.Request) http.HandlerFunc {
		if !strings.HasPrefix(req.Method+" "+strings.TrimPrefix(req.URL.Path, "/api/v1"), prefix) {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		if n++; n > len(handlers) {
			return nil
		}
		return handlers[n-1]
	})
}

func reply(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

func check[T any](t *testing.T, what string, want, got T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// states returns how the items of a result ended, after looking that all of them are there.
func states[In, Out any](t *testing.T, res *windrow.BulkResult[In, Out]) []windrow.State {
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

// quick makes three attempts, and none wait.
var quick = windrow.Retry(windrow.RetryPolicy{MaxAttempts: 3, Strategy: windrow.Constant(0)})

const (
	ok   = windrow.Succeeded
	bad  = windrow.Failed
	no   = windrow.NotAttempted
	lost = windrow.Unknown
	skip = windrow.Skipped
)

// handlers is a response with a status, for slices.Repeat.
func handlers(status int) []http.HandlerFunc { return handlersOf(status, `{"Message":"m"}`) }

func handlersOf(status int, body string) []http.HandlerFunc {
	return []http.HandlerFunc{reply(status, body)}
}
