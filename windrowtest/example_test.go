package windrowtest_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/windrowtest"
)

// exampleT stands for the *testing.T of a test.
type exampleT struct {
	testing.TB
	cleanups []func()
}

func (t *exampleT) Helper()                  {}
func (t *exampleT) Context() context.Context { return context.Background() }
func (t *exampleT) Cleanup(f func())         { t.cleanups = append(t.cleanups, f) }

func (t *exampleT) end() {
	for _, f := range slices.Backward(t.cleanups) {
		f()
	}
}

// The answer to a create is lost after it was carried out. The API honours idempotency keys, so the run sends it again,
// and the ledger knows that it was applied once. In a testing/synctest bubble the waits of the run take no time.
func ExampleServer() {
	t := &exampleT{} // in a test, its *testing.T
	defer t.end()

	records := &windrowtest.Records{IdempotencyKeys: true}
	server := windrowtest.NewServer(t, records)
	server.Script(windrowtest.LostAnswer(), windrowtest.HTML(http.StatusBadGateway))

	client := newNotes(server.URL, server.Client(), "", windrow.Capabilities{MaxItems: 1, IdempotencyKeys: true})
	drafts := []note{{Key: "a"}, {Key: "b"}}
	res, err := windrow.CreateMany(t.Context(), client, drafts, windrow.PreserveOrder(), windrow.Retry(windrow.RetryPolicy{Strategy: windrow.Constant(0)}))
	fmt.Println("succeeded:", res.Stats().Succeeded, err)
	fmt.Println("requests:", len(server.Requests()), "applied:", records.Ledger.Times("a"), records.Ledger.Times("b"))
	fmt.Println("ledger:", windrowtest.Verify(&records.Ledger, res, func(n note) string { return n.Key }))
	// Output:
	// succeeded: 2 <nil>
	// requests: 4 applied: 1 1
	// ledger: <nil>
}

// How the author of a client tests it, in a test of the package.
func ExampleTestClient() {
	TestMyClient := func(t *testing.T) {
		windrowtest.TestClient(t, windrowtest.ClientTest[string, note, note]{
			API: func(testing.TB) http.Handler { return &windrowtest.Records{} },
			New: func(_ testing.TB, url string, hc *http.Client) any {
				return windrow.CreateFunc(newNotes(url, hc, "", windrow.Capabilities{}).Create)
			},
			Verbs:   []windrow.OpKind{windrow.OpCreate},
			Input:   func(n int) note { return note{Key: fmt.Sprint("key ", n)} },
			Same:    func(in, out note) bool { return in.Key == out.Key && out.ID != "" },
			Secrets: []string{secret},
		})
	}
	_ = TestMyClient
}
