package appery_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/appery"
	"github.com/windrow-go/windrow/adapters/appery/apperytest"
	"github.com/windrow-go/windrow/adapters/internal/intercept"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/windrowtest"
)

const databaseID = "58a59358975a4fa00e0ff50f"

// label is an object of the tests.
type label struct {
	ID        string      `json:"_id,omitempty"`
	Name      string      `json:"name"`
	CreatedAt appery.Time `json:"_createdAt,omitzero"`
	UpdatedAt appery.Time `json:"_updatedAt,omitzero"`
}

// world is a fake server and a client of it.
type world struct {
	fake   *apperytest.Server
	api    *intercept.API
	http   *windrowtest.Server
	client *appery.Client
	labels *appery.Collection[label, label]
}

func start(t *testing.T, fake *apperytest.Server, opts ...rest.Option) *world {
	t.Helper()
	fake.DatabaseID = databaseID
	fake.Add("Labels")
	w := &world{fake: fake, api: &intercept.API{Handler: fake}}
	w.http = windrowtest.NewServer(t, w.api)
	var err error
	if w.client, err = appery.New(w.http.URL+"/rest/1/db", databaseID, w.http.Client(), opts...); err != nil {
		t.Fatal(err)
	}
	w.labels = appery.NewCollection[label, label](w.client, "Labels")
	return w
}

// paths returns the methods and paths that the server has seen.
func (w *world) paths() []string {
	var all []string
	for _, r := range w.http.Requests() {
		all = append(all, r.Method+" "+strings.TrimPrefix(r.Target, "/rest/1/db"))
	}
	return all
}

// sizes returns how many operations each batch had.
func (w *world) sizes(t *testing.T) []int {
	t.Helper()
	var all []int
	for _, r := range w.http.Requests() {
		if strings.HasSuffix(r.Target, "/batch") {
			all = append(all, len(testkit.JSON(t, r.Body).([]any)))
		}
	}
	return all
}

// always answers every request to a path with the handler.
func (w *world) always(path string, handler http.HandlerFunc) {
	w.api.Intercept(func(req *http.Request) http.HandlerFunc {
		if strings.Contains(req.URL.Path, path) {
			return handler
		}
		return nil
	})
}

func at(text string) time.Time {
	t, err := time.Parse("2006-01-02 15:04:05.000", text)
	if err != nil {
		panic(err)
	}
	return t
}

const (
	ok   = windrow.Succeeded
	bad  = windrow.Failed
	no   = windrow.NotAttempted
	lost = windrow.Unknown
	skip = windrow.Skipped
)
