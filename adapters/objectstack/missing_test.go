package objectstack_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
	"github.com/windrow-go/windrow/adapters/objectstack"
	"github.com/windrow-go/windrow/adapters/objectstack/objectstacktest"
	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/mixed"
)

const notFoundPage = `<html><body>404 Not Found<hr>nginx</body></html>`

// A 404 says that a record is gone only where it speaks of that record.
func TestDeletesThatMeetA404(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, contentType, body string
		status                  int
		single                  windrow.State // of DELETE /data/account/1
		batch                   windrow.State // of each of POST /data/account/deleteMany
		requests                int           // of a batch of three
	}{
		{"a page", "text/html", notFoundPage, 404, bad, bad, 3},
		{"a page, in capitals", "Text/HTML; charset=utf-8", notFoundPage, 404, bad, bad, 3},
		{"a page that says 410", "text/html", notFoundPage, 410, bad, bad, 3},
		{"text", "text/plain", "404 page not found\n", 404, bad, bad, 5},
		{"nothing", "", "", 404, bad, bad, 5},
		{"no code", "application/json", `{}`, 404, skip, bad, 5},
		{"no code, but a text", "application/json", `{"error":"Not Found"}`, 404, skip, bad, 5},
		{"no such route", "application/json", `{"error":{"code":"ROUTE_NOT_FOUND","message":"no route"}}`, 404, bad, bad, 5},
		{"no such object", "application/json", `{"error":"m","code":"object_not_found"}`, 404, bad, bad, 5},
		{"no such resource, whatever that is", "application/json", `{"error":"m","code":"RESOURCE_NOT_FOUND"}`, 404, skip, bad, 5},
		{"no such record", "application/json", `{"success":false,"error":{"code":"RECORD_NOT_FOUND"}}`, 404, skip, skip, 5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := start(t, &objectstacktest.Server{})
				w.always("", testkit.Respond(tt.status, tt.body, "Content-Type", tt.contentType))
				one := windrow.NewDeleteProcessor(windrow.DeleteFunc(w.accounts.Delete), testkit.Quick)
				res, err := one.Run(t.Context(), []string{"1"})
				testkit.Check(t, "a single call", []windrow.State{tt.single}, testkit.States(t, res))
				testkit.Check(t, "its error", tt.single == skip, err == nil)
				before := len(w.http.Requests())
				many, err := windrow.DeleteMany(t.Context(), w.accounts, []string{"1", "2", "3"}, testkit.Quick)
				testkit.Check(t, "a batch", []windrow.State{tt.batch, tt.batch, tt.batch}, testkit.States(t, many))
				testkit.Check(t, "its error", tt.batch == skip, err == nil)
				testkit.Check(t, "requests", tt.requests, len(w.http.Requests())-before)
				alone, _ := windrow.DeleteMany(t.Context(), w.accounts, []string{"1"}, testkit.Quick)
				testkit.Check(t, "a batch of one", []windrow.State{tt.batch}, testkit.States(t, alone))
				_, err = w.accounts.Get(t.Context(), "1")
				testkit.Check(t, "a read", tt.single == skip, errors.Is(err, windrow.ErrNotFound))
				if r, ok := errors.AsType[*rest.Error](err); !ok || r.Status != tt.status {
					t.Errorf("error %v holds no *rest.Error", err)
				}
			})
		})
	}
}

// A transaction whose address is wrong has deleted nothing, and creates that meet a page are not sent again.
func TestOtherRequestsThatMeetA404(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t, &objectstacktest.Server{})
		w.client.Assume(objectstack.Features{Transactions: true})
		for _, answer := range []struct{ contentType, body string }{{"text/html", notFoundPage}, {"application/json", `{}`}} {
			w.always("", testkit.Respond(404, answer.body, "Content-Type", answer.contentType))
			ops := []mixed.Operation{{Kind: windrow.OpDelete, Resource: "a", ID: "1"}, {Kind: windrow.OpDelete, Resource: "b", ID: "2"}}
			res, err := mixed.Run(t.Context(), w.client.Transaction(), ops, windrow.Atomic(), testkit.Quick)
			testkit.Check(t, "a transaction", []windrow.State{no, no}, testkit.States(t, res))
			testkit.Check(t, "its error", false, err == nil)
			res, err = mixed.Run(t.Context(), w.client.Transaction(), ops[:1], windrow.Atomic(), testkit.Quick)
			testkit.Check(t, "a transaction of one", []windrow.State{bad}, testkit.States(t, res))
			testkit.Check(t, "its error", false, err == nil)
			before := len(w.http.Requests())
			made, _ := windrow.CreateMany(t.Context(), w.accounts, make([]account, 1), testkit.Quick)
			testkit.Check(t, "a create", []windrow.State{bad}, testkit.States(t, made))
			testkit.Check(t, "requests", 1, len(w.http.Requests())-before)
		}
		// What a page says of /discovery is not remembered.
		fresh := start(t, &objectstacktest.Server{})
		fresh.first("/discovery", testkit.Respond(404, notFoundPage, "Content-Type", "text/html"))
		if _, err := fresh.client.Probe(context.Background()); err == nil {
			t.Error("Probe believes a page")
		}
	})
}

// The user's classifier is asked first, of answers and of records, and the package's own of what it leaves as it is.
func TestTheUsersClassifierComesFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked []rest.Error
		w := start(t, &objectstacktest.Server{}, rest.WithClassifier(func(e *rest.Error) error {
			if asked = append(asked, *e); e.Code == "QUOTA" {
				return windrow.Throttled(e, time.Second)
			}
			return nil
		}))
		w.first("/batch", testkit.Respond(403, `{"error":"m","code":"QUOTA"}`))
		res, err := windrow.CreateMany(t.Context(), w.accounts, make([]account, 2), testkit.Quick)
		testkit.Check(t, "a request", []windrow.State{ok, ok}, testkit.States(t, res))
		testkit.Check(t, "its error", nil, err)
		w.first("/batch", testkit.Respond(200, `{"success":false,"results":[{"success":false,"errors":[{"code":"QUOTA","httpStatus":403,"message":"m"}]},{"success":false,"errors":[{"code":"VALIDATION_FAILED"}]}]}`))
		res, err = windrow.CreateMany(t.Context(), w.accounts, make([]account, 2), testkit.Quick)
		testkit.Check(t, "records", []windrow.State{ok, bad}, testkit.States(t, res))
		testkit.Check(t, "the package's own", "VALIDATION_FAILED", testkit.ErrorOf[*objectstack.Error](t, err).Code)
		testkit.Check(t, "asked", 3, len(asked))
		testkit.Check(t, "status", 403, asked[1].Status)
		testkit.Check(t, "path", "/data/account", asked[1].Path)
		testkit.Check(t, "body", any(map[string]any{"code": "QUOTA", "httpStatus": 403.0, "message": "m"}), testkit.JSON(t, string(asked[1].Body)))
		w.first("/batch", testkit.Respond(200, `{"success":false,"results":[{"success":false,"errors":[{"code":"ROLLED_BACK"}]},{"success":false,"errors":[{"code":"X"}]}]}`))
		if _, err := w.accounts.CreateBatch(t.Context(), make([]account, 2)); err != nil || len(asked) != 4 {
			t.Errorf("asked %d times: %v", len(asked), err) // and not of what was rolled back
		}
	})
}
