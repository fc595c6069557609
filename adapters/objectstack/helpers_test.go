package objectstack_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/internal/intercept"
	"github.com/windrow-go/windrow/adapters/objectstack"
	"github.com/windrow-go/windrow/adapters/objectstack/objectstacktest"
	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/windrowtest"
)

const token = "os-secret-token"

// account is a record of the tests.
type account struct {
	ID      string `json:"id,omitempty"`
	Name    string `json:"name,omitempty"`
	Email   string `json:"email,omitempty"`
	Website string `json:"website,omitempty"`
}

// world is a fake server and a client of it.
type world struct {
	fake     *objectstacktest.Server
	api      *intercept.API
	http     *windrowtest.Server
	client   *objectstack.Client
	accounts *objectstack.Resource[account, account]
}

func start(t *testing.T, fake *objectstacktest.Server, opts ...rest.Option) *world {
	t.Helper()
	fake.Token = token
	w := &world{fake: fake, api: &intercept.API{Handler: fake}}
	w.http = windrowtest.NewServer(t, w.api)
	var err error
	if w.client, err = objectstack.New(w.http.URL+"/api/v1", token, w.http.Client(), opts...); err != nil {
		t.Fatal(err)
	}
	w.accounts = objectstack.NewResource[account, account](w.client, "account")
	return w
}

// paths returns the methods and paths that the server has seen.
func (w *world) paths() []string {
	var all []string
	for _, r := range w.http.Requests() {
		all = append(all, r.Method+" "+strings.TrimPrefix(r.Target, "/api/v1"))
	}
	return all
}

// body returns the body of the n-th request, as its JSON is.
func (w *world) body(t *testing.T, n int) any {
	t.Helper()
	return value(t, w.http.Requests()[n].Body)
}

func value(t *testing.T, text string) (v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return v
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

// once makes one attempt only, and none wait.
var once = windrow.Retry(windrow.RetryPolicy{MaxAttempts: 1, Strategy: windrow.Constant(0)})

// quick makes three attempts, and none wait.
var quick = windrow.Retry(windrow.RetryPolicy{MaxAttempts: 3, Strategy: windrow.Constant(0)})

// reply is a handler that answers with a JSON text.
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

// first answers the first request to a path with the handler, and lets all others pass.
func (w *world) first(path string, handler http.HandlerFunc) {
	turn := make(chan struct{}, 1)
	turn <- struct{}{}
	w.api.Intercept(func(req *http.Request) http.HandlerFunc {
		if !strings.HasSuffix(req.URL.Path, path) {
			return nil
		}
		select {
		case <-turn:
			return handler
		default:
			return nil
		}
	})
}

// always answers every request to a path with the handler.
func (w *world) always(path string, handler http.HandlerFunc) {
	w.api.Intercept(func(req *http.Request) http.HandlerFunc {
		if strings.HasSuffix(req.URL.Path, path) {
			return handler
		}
		return nil
	})
}

// errorOf returns the server's error in an error.
func errorOf(t *testing.T, err error) *objectstack.Error {
	t.Helper()
	e, ok := errors.AsType[*objectstack.Error](err)
	if !ok {
		t.Fatalf("error %v holds no *objectstack.Error", err)
	}
	return e
}

const (
	ok   = windrow.Succeeded
	bad  = windrow.Failed
	no   = windrow.NotAttempted
	lost = windrow.Unknown
	skip = windrow.Skipped
)
