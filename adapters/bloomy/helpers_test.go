package bloomy_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/bloomy"
	"github.com/windrow-go/windrow/adapters/bloomy/bloomytest"
	"github.com/windrow-go/windrow/adapters/internal/intercept"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
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
	return []http.HandlerFunc{testkit.Respond(status, body)}
}
