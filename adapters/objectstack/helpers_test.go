package objectstack_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/internal/intercept"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
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
	return testkit.JSON(t, w.http.Requests()[n].Body)
}

// once makes one attempt only, and none wait.
var once = windrow.Retry(windrow.RetryPolicy{MaxAttempts: 1, Strategy: windrow.Constant(0)})

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

const (
	ok   = windrow.Succeeded
	bad  = windrow.Failed
	no   = windrow.NotAttempted
	lost = windrow.Unknown
	skip = windrow.Skipped
)
