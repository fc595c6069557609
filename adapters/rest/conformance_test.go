package rest_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/windrowtest"
)

// note is a record of the conformance tests.
type note struct {
	ID   string `json:"id,omitempty"`
	Key  string `json:"key"`
	Text string `json:"text"`
	Bad  bool   `json:"bad,omitempty"`
}

func noteOf(n int) note { return note{Key: fmt.Sprint("k", n), Text: fmt.Sprintf("text <%d> ü", n)} }

func sameNote(in, out note) bool { return in.Key == out.Key && in.Text == out.Text && out.ID != "" }

const (
	token = "tok-4711-secret"
	notes = "/notes"
)

// conformance is what the tests of a resource have in common.
func conformance(records func() *windrowtest.Records, resource func(c *rest.Client) any, verbs ...windrow.OpKind) windrowtest.ClientTest[string, note, note] {
	return windrowtest.ClientTest[string, note, note]{
		API: func(testing.TB) http.Handler { return records() },
		New: func(tb testing.TB, url string, hc *http.Client) any {
			hc.Transport = &rest.Transport{Base: hc.Transport}
			c, err := rest.New(url, rest.WithHTTPClient(hc), rest.WithToken(token))
			if err != nil {
				tb.Fatal(err)
			}
			return resource(c)
		},
		Verbs: verbs,
		Input: noteOf,
		Same:  sameNote,
		Put: func(_ testing.TB, api http.Handler, in note) string {
			return api.(*windrowtest.Records).Put(notes, windrowtest.Fields{"key": in.Key, "text": in.Text})
		},
		Missing: "no such note",
		Count:   func(api http.Handler) int { return api.(*windrowtest.Records).Len(notes) },
		Secrets: []string{token},
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	crud := []windrow.OpKind{windrow.OpCreate, windrow.OpUpdate, windrow.OpDelete, windrow.OpGet}
	for _, test := range []struct {
		name    string
		records func() *windrowtest.Records
		options []rest.ResourceOption
	}{
		{"plain", func() *windrowtest.Records { return &windrowtest.Records{} }, nil},
		{"idempotency keys", func() *windrowtest.Records { return &windrowtest.Records{IdempotencyKeys: true} },
			[]rest.ResourceOption{rest.WithCapabilities(windrow.Capabilities{IdempotencyKeys: true})}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			windrowtest.TestClient(t, conformance(test.records, func(c *rest.Client) any {
				return rest.NewResource[note, note](c, notes, test.options...)
			}, crud...))
		})
	}
	t.Run("ids of the client", func(t *testing.T) {
		t.Parallel()
		c := conformance(func() *windrowtest.Records { return &windrowtest.Records{ClientIDs: true} }, func(c *rest.Client) any {
			return rest.NewResource[note, note](c, notes, rest.WithCapabilities(windrow.Capabilities{ClientIDs: true}))
		}, crud...)
		c.Input = func(n int) note {
			in := noteOf(n)
			in.ID = fmt.Sprint("id ", n)
			return in
		}
		windrowtest.TestClient(t, c)
	})
	t.Run("upserter", func(t *testing.T) {
		t.Parallel()
		windrowtest.TestClient(t, conformance(func() *windrowtest.Records { return &windrowtest.Records{} }, func(c *rest.Client) any {
			return rest.NewResource[note, note](c, notes).Upserter(func(in note) string { return in.Key })
		}, windrow.OpUpsert))
	})
}
