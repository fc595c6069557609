package appery_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/appery/apperytest"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/mixed"
)

// A 404 says that an object is gone only where it speaks of that object.
func TestDeletesThatMeetA404(t *testing.T) {
	t.Parallel()
	const page = `<html><body>404 Not Found<hr>nginx</body></html>`
	for _, tt := range []struct {
		name, contentType, body string
		single                  windrow.State // of DELETE /collections/Labels/1
		execute                 windrow.State // of each of POST /batch
		requests                int           // for three operations
	}{
		{"a page", "text/html", page, bad, bad, 3},
		{"text", "text/plain", "default backend - 404", bad, bad, 5},
		{"nothing", "", "", bad, bad, 5},
		{"no code", "application/json", `{}`, skip, bad, 5},
		{"no code but the status", "application/json", `{"code":"404","error":"Not found"}`, skip, bad, 5},
		{"no such collection", "application/json", `{"code":"DBSC105","error":"m"}`, bad, bad, 5},
		{"no such object", "application/json", `{"code":"DBSU205","description":"d"}`, skip, skip, 5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := start(t, &apperytest.Server{})
				w.always("", func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Type", tt.contentType)
					w.WriteHeader(404)
					_, _ = w.Write([]byte(tt.body))
				})
				res, err := windrow.DeleteMany(t.Context(), w.labels, []string{"1"}, testkit.Quick)
				testkit.Check(t, "a single call", []windrow.State{tt.single}, testkit.States(t, res))
				testkit.Check(t, "its error", tt.single == skip, err == nil)
				many, _ := windrow.DeleteMany(t.Context(), w.labels, []string{"1", "2"}, testkit.Quick)
				if tt.execute == tt.single {
					testkit.Check(t, "a batch", []windrow.State{tt.single, tt.single}, testkit.States(t, many))
				}
				var ops []mixed.Operation
				for _, id := range []string{"1", "2", "3"} {
					ops = append(ops, mixed.Operation{Kind: windrow.OpDelete, Resource: "Labels", ID: id})
				}
				before := len(w.http.Requests())
				all, err := mixed.Run(t.Context(), w.client, ops, testkit.Quick)
				testkit.Check(t, "operations", []windrow.State{tt.execute, tt.execute, tt.execute}, testkit.States(t, all))
				testkit.Check(t, "their error", tt.execute == skip, err == nil)
				testkit.Check(t, "requests", tt.requests, len(w.http.Requests())-before)
				one, _ := mixed.Run(t.Context(), w.client, ops[:1], testkit.Quick)
				testkit.Check(t, "one operation", []windrow.State{tt.execute}, testkit.States(t, one))
				_, err = w.labels.Get(t.Context(), "1")
				testkit.Check(t, "a read", tt.single == skip, errors.Is(err, windrow.ErrNotFound))
				if r, ok := errors.AsType[*rest.Error](err); !ok || r.Status != 404 {
					t.Errorf("error %v holds no *rest.Error", err)
				}
				before = len(w.http.Requests())
				made, _ := mixed.Run(t.Context(), w.client, []mixed.Operation{{Kind: windrow.OpCreate, Resource: "Labels", Data: label{}}}, testkit.Quick)
				testkit.Check(t, "a create", []windrow.State{bad}, testkit.States(t, made))
				testkit.Check(t, "its requests", 1, len(w.http.Requests())-before)
			})
		})
	}
}

// The user's classifier is asked first, of answers and of operations, and the package's own of what it leaves as it is.
func TestTheUsersClassifierComesFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked []string
		w := start(t, &apperytest.Server{}, rest.WithClassifier(func(e *rest.Error) error {
			asked = append(asked, fmt.Sprint(e.Method, " ", e.Status, " ", e.Code))
			if e.Code == "QUOTA" {
				return windrow.Throttled(e, time.Second)
			}
			return nil
		}))
		calls := 0
		w.api.Intercept(func(*http.Request) http.HandlerFunc {
			switch calls++; calls {
			case 1:
				return testkit.Respond(403, `{"code":"QUOTA","error":"m"}`)
			case 2:
				return testkit.Respond(200, `[{"error":{"code":"QUOTA","description":"d"}},{"error":{"code":"DBSU205","description":"d"}}]`)
			}
			return nil
		})
		w.fake.Add("Labels", apperytest.Object{"_id": "1"})
		res, err := windrow.DeleteMany(t.Context(), w.labels, []string{"1", "2"}, testkit.Quick)
		testkit.Check(t, "states", []windrow.State{ok, skip}, testkit.States(t, res))
		testkit.Check(t, "error", nil, err)
		testkit.Check(t, "asked", []string{"POST 403 QUOTA", "POST 0 QUOTA", "POST 0 DBSU205"}, asked)
	})
}
