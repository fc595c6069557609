package appery_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/appery"
	"github.com/windrow-go/windrow/adapters/appery/apperytest"
	"github.com/windrow-go/windrow/mixed"
	"github.com/windrow-go/windrow/windrowtest"
)

// conforms is the test of a collection for the verbs that return an Out.
func conforms[Out any](id func(Out) string, same func(label, Out) bool, ops ...windrow.OpKind) windrowtest.ClientTest[string, label, Out] {
	ops = append(ops, windrow.OpDelete) // which returns nothing
	return windrowtest.ClientTest[string, label, Out]{
		API: func(testing.TB) http.Handler {
			s := &apperytest.Server{DatabaseID: databaseID, SessionToken: "session-secret", Refuse: func(_, _, _ string, data apperytest.Object) *apperytest.Refusal {
				if name, _ := data["name"].(string); strings.HasPrefix(name, "bad") {
					return &apperytest.Refusal{Code: "DBSU110", Description: "bad"}
				}
				return nil
			}}
			s.Add("Labels")
			return s
		},
		New: func(tb testing.TB, url string, hc *http.Client) any {
			c, err := appery.New(url+"/rest/1/db", databaseID, hc, appery.WithSessionToken("session-secret"))
			if err != nil {
				tb.Fatal(err)
			}
			return appery.NewCollection[label, label](c, "Labels")
		},
		Verbs: ops, Batches: ops,
		Input: func(n int) label { return label{Name: fmt.Sprint("label ", n)} },
		Same:  same, ID: id,
		Put: func(_ testing.TB, api http.Handler, in label) string {
			s := api.(*apperytest.Server)
			id := fmt.Sprintf("%024d", len(s.Objects("Labels"))+1)
			s.Add("Labels", apperytest.Object{"_id": id, "name": in.Name})
			return id
		},
		Missing: noID,
		Bad:     func(n int) label { return label{Name: fmt.Sprint("bad ", n)} },
		Count:   func(api http.Handler) int { return len(api.(*apperytest.Server).Objects("Labels")) },
		Secrets: []string{databaseID, "session-secret"},
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	t.Run("create", func(t *testing.T) {
		t.Parallel()
		windrowtest.TestClient(t, conforms(func(c appery.Created) string { return c.ID }, func(_ label, c appery.Created) bool { return c.ID != "" && !c.CreatedAt.IsZero() }, windrow.OpCreate))
	})
	t.Run("update", func(t *testing.T) {
		t.Parallel()
		windrowtest.TestClient(t, conforms(nil, func(_ label, u appery.Updated) bool { return !u.UpdatedAt.IsZero() }, windrow.OpUpdate))
	})
	t.Run("read", func(t *testing.T) {
		t.Parallel()
		windrowtest.TestClient(t, conforms(func(l label) string { return l.ID }, func(in, out label) bool { return in.Name == out.Name }, windrow.OpGet))
	})
}

// Client is tested with operations of all kinds, whose values have different types.
func TestConformanceOfClient(t *testing.T) {
	t.Parallel()
	of := conforms[label](nil, nil)
	windrowtest.TestClient(t, windrowtest.ClientTest[string, label, any]{
		API: of.API,
		New: func(tb testing.TB, url string, hc *http.Client) any {
			c, err := appery.New(url+"/rest/1/db", databaseID, hc, appery.WithSessionToken("session-secret"))
			if err != nil {
				tb.Fatal(err)
			}
			return c
		},
		Batches: []windrow.OpKind{windrow.OpCreate, windrow.OpUpdate, windrow.OpDelete, windrow.OpGet},
		Operation: func(op windrow.OpKind, id string, in label) mixed.Operation {
			return mixed.Operation{Kind: op, Resource: "Labels", ID: id, Data: in}
		},
		Input: of.Input,
		Same: func(in label, out any) bool {
			switch v := out.(type) {
			case appery.Created:
				return v.ID != "" && !v.CreatedAt.IsZero()
			case appery.Updated:
				return !v.UpdatedAt.IsZero()
			case json.RawMessage:
				var got label
				return json.Unmarshal(v, &got) == nil && got.Name == in.Name
			}
			return false
		},
		Put: of.Put, Missing: of.Missing, Bad: of.Bad, Count: of.Count, Secrets: of.Secrets,
	})
}
