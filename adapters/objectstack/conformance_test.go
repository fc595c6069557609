package objectstack_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/objectstack"
	"github.com/windrow-go/windrow/adapters/objectstack/objectstacktest"
	"github.com/windrow-go/windrow/mixed"
	"github.com/windrow-go/windrow/windrowtest"
)

// conforms is the test of a client of the account object.
func conforms(old bool, client func(*objectstack.Resource[account, account]) any) windrowtest.ClientTest[string, account, account] {
	return windrowtest.ClientTest[string, account, account]{
		API: func(testing.TB) http.Handler { return &objectstacktest.Server{Token: token, Old: old} },
		New: func(tb testing.TB, url string, hc *http.Client) any {
			c, err := objectstack.New(url+"/api/v1", token, hc)
			if err != nil {
				tb.Fatal(err)
			}
			r := objectstack.NewResource[account, account](c, "account")
			r.ExternalID = func(a account) string { return a.Name }
			return client(r)
		},
		Input:   func(n int) account { return account{Name: fmt.Sprint("account ", n)} },
		Same:    func(in, out account) bool { return in.Name == out.Name && out.ID != "" },
		ID:      func(out account) string { return out.ID },
		Missing: "nobody",
		Bad:     func(n int) account { return account{Name: fmt.Sprint("bad ", n), Email: "none"} },
		Count:   func(api http.Handler) int { return len(api.(*objectstacktest.Server).Records("account")) },
		Secrets: []string{token},
		Classes: map[int]windrow.Class{http.StatusNotImplemented: windrow.ClassPermanent}, // C-n2
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	t.Run("Resource", func(t *testing.T) {
		t.Parallel()
		c := conforms(false, func(r *objectstack.Resource[account, account]) any { return r })
		c.Verbs = []windrow.OpKind{windrow.OpCreate, windrow.OpUpdate, windrow.OpUpsert, windrow.OpDelete, windrow.OpGet}
		c.Batches = []windrow.OpKind{windrow.OpCreate, windrow.OpUpdate, windrow.OpUpsert, windrow.OpDelete}
		windrowtest.TestClient(t, c)
	})
	t.Run("Resource of an old server", func(t *testing.T) {
		t.Parallel()
		c := conforms(true, func(r *objectstack.Resource[account, account]) any { return r })
		c.Verbs = []windrow.OpKind{windrow.OpCreate, windrow.OpUpdate, windrow.OpUpsert, windrow.OpDelete, windrow.OpGet}
		c.Batches = []windrow.OpKind{windrow.OpCreate, windrow.OpUpdate, windrow.OpUpsert, windrow.OpDelete}
		windrowtest.TestClient(t, c)
	})
	t.Run("Inserter", func(t *testing.T) {
		t.Parallel()
		c := conforms(false, func(r *objectstack.Resource[account, account]) any { return r.Inserter() })
		c.Verbs, c.Batches = []windrow.OpKind{windrow.OpCreate}, []windrow.OpKind{windrow.OpCreate}
		windrowtest.TestClient(t, c)
	})
	t.Run("Transaction", func(t *testing.T) {
		t.Parallel()
		of := conforms(false, nil)
		windrowtest.TestClient(t, windrowtest.ClientTest[string, account, any]{
			API: of.API,
			New: func(tb testing.TB, url string, hc *http.Client) any {
				c, err := objectstack.New(url+"/api/v1", token, hc)
				if err != nil {
					tb.Fatal(err)
				}
				return c.Transaction()
			},
			Batches: []windrow.OpKind{windrow.OpCreate, windrow.OpUpdate, windrow.OpDelete},
			Operation: func(op windrow.OpKind, id string, in account) mixed.Operation {
				return mixed.Operation{Kind: op, Resource: "account", ID: id, Data: in}
			},
			Input: of.Input,
			Same: func(in account, out any) bool {
				var got account
				record, _ := out.(json.RawMessage)
				return json.Unmarshal(record, &got) == nil && got.Name == in.Name && got.ID != ""
			},
			Put: func(_ testing.TB, api http.Handler, in account) string {
				return api.(*objectstacktest.Server).Add("account", objectstacktest.Record{"name": in.Name})
			},
			Missing: of.Missing, Bad: of.Bad, Count: of.Count, Secrets: of.Secrets, Classes: of.Classes,
		})
	})
}
