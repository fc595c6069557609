// Command appery sends the example of Appery.io's documentation of batch operations: five operations in one request, the
// last of which is refused. It prints the request and the results as the documentation does. The server is a fake in this
// program.
//
//	go run ./examples/appery
//
// Then it does what a program with more than one batch needs: the cost of a batch is that of its operations.
//
// The documentation is right in all that it prints. What it leaves out: a size limit, so that the caller sets one (rows E1 to
// E22), and that the status 200 says nothing of the operations (E11).
//
// The exit status is 1 when something is not as it should be.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/appery"
	"github.com/windrow-go/windrow/adapters/appery/apperytest"
	"github.com/windrow-go/windrow/mixed"
)

// databaseID is the documentation's.
const databaseID = "58a59358975a4fa00e0ff50f"

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "appery: %v\n", err)
		os.Exit(1)
	}
}

// run is the program.
func run(ctx context.Context, out io.Writer) error {
	fake := collection()
	recorder := &recorder{next: fake}
	server := httptest.NewServer(recorder)
	defer server.Close()
	client, err := appery.New(server.URL+"/rest/1/db", databaseID, nil)
	if err != nil {
		return err
	}

	ops := operations()
	res, err := mixed.Run(ctx, client, ops)
	if bulk, ok := errors.AsType[*windrow.BulkError](err); err != nil && (!ok || bulk.Cause != nil) {
		return err
	}
	fmt.Fprintf(out, "POST /rest/1/db/batch\n%s\n\n", indent(recorder.body))
	results, err := json.Marshal(resultsOf(res))
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s\n\n", indent(results))
	fmt.Fprintf(out, "%d operations: %d succeeded, %d failed. The API counted %d calls.\n", res.Len(), res.Stats().Succeeded, res.Stats().Failed, fake.Calls())

	return importMany(ctx, client, fake, out)
}

// label is an object of the collection.
type label struct {
	Name string `json:"name"`
}

// operations are those of the documentation.
func operations() []mixed.Operation {
	const max, gone, nobody = "58a59386975a4fa00e0ff513", "58a59381975a4fa00e0ff512", "000000000000000000000000"
	return []mixed.Operation{
		{Kind: windrow.OpCreate, Resource: "Labels", Data: label{"nick"}},
		{Kind: windrow.OpUpdate, Resource: "Labels", ID: max, Data: label{"max updated"}},
		{Kind: windrow.OpDelete, Resource: "Labels", ID: gone},
		{Kind: windrow.OpGet, Resource: "Labels", ID: max},
		{Kind: windrow.OpUpdate, Resource: "Labels", ID: nobody, Data: label{"unexisting label with _id " + nobody}},
	}
}

// resultsOf returns the results in the form of the documentation.
func resultsOf(res *windrow.BulkResult[mixed.Operation, any]) []map[string]any {
	var all []map[string]any
	for r := range res.All() {
		switch e, refused := errors.AsType[*appery.Error](r.Err); {
		case refused:
			all = append(all, map[string]any{"error": map[string]string{"code": e.Code, "description": e.Description}})
		case r.Value == nil: // a delete
			all = append(all, map[string]any{"success": struct{}{}})
		default:
			all = append(all, map[string]any{"success": r.Value})
		}
	}
	return all
}

// importMany creates more objects than fit into one batch, at the pace that the caller's plan allows.
func importMany(ctx context.Context, client *appery.Client, fake *apperytest.Server, out io.Writer) error {
	client.MaxItems = 50 // the API documents no limit, so that the caller sets one
	limiter := windrow.NewLimiter(windrow.Rate(1000, time.Second), windrow.Burst(50))
	labels := appery.NewCollection[label, label](client, "Labels")
	drafts := make([]label, 120)
	for i := range drafts {
		drafts[i].Name = fmt.Sprint("label ", i)
	}
	before := fake.Calls()
	res, err := windrow.CreateMany(ctx, labels, drafts, windrow.WithLimiter(limiter))
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d objects in %d requests, which the API counted as %d calls.\n", res.Stats().Succeeded, res.Stats().Requests, fake.Calls()-before)
	return nil
}

// collection is the sample collection of the documentation, as its example finds it.
func collection() *apperytest.Server {
	times := []time.Time{
		time.Date(2017, 2, 16, 12, 8, 13, 327e6, time.UTC), // of the create
		time.Date(2017, 2, 16, 12, 8, 13, 337e6, time.UTC), // of the update
	}
	looked := 0
	ids := []string{"58a5962d0a975a799b278abd"}
	s := &apperytest.Server{
		DatabaseID: databaseID,
		Now:        func() time.Time { looked++; return times[min(looked, len(times))-1] },
		NewID: func() string {
			ids = append(ids, fmt.Sprintf("%024x", len(ids)))
			return ids[len(ids)-2]
		},
	}
	s.Add("Labels",
		apperytest.Object{"_id": "58a59386975a4fa00e0ff513", "name": "max", "_createdAt": "2017-02-16 11:56:54.725", "_updatedAt": "2017-02-16 11:56:54.725"},
		apperytest.Object{"_id": "58a59381975a4fa00e0ff512", "name": "gone", "_createdAt": "2017-02-16 11:56:49.000", "_updatedAt": "2017-02-16 11:56:49.000"})
	return s
}

// recorder keeps the body of the first request.
type recorder struct {
	next http.Handler
	body []byte
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if r.body == nil { // and nothing else is under way yet
		r.body, _ = io.ReadAll(req.Body)
		req.Body = io.NopCloser(bytes.NewReader(r.body))
	}
	r.next.ServeHTTP(w, req)
}

// indent lays JSON out as the documentation does.
func indent(text []byte) string {
	var b bytes.Buffer
	if err := json.Indent(&b, text, "", "  "); err != nil {
		return string(text)
	}
	return b.String()
}
