package appery_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/appery"
	"github.com/windrow-go/windrow/adapters/appery/apperytest"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/mixed"
)

const (
	maxID  = "58a59386975a4fa00e0ff513"
	goneID = "58a59381975a4fa00e0ff512"
	noID   = "000000000000000000000000"
)

// The documentation's example: its five operations and its five results.
const (
	documentedRequest = `[
    {"method": "post", "collection": "Labels", "data": {"name": "nick"}},
    {"method": "put", "collection": "Labels", "_id": "58a59386975a4fa00e0ff513", "data": {"name": "max updated"}},
    {"method": "delete", "collection": "Labels", "_id": "58a59381975a4fa00e0ff512"},
    {"method": "get", "collection": "Labels", "_id": "58a59386975a4fa00e0ff513"},
    {"method": "put", "collection": "Labels", "_id": "000000000000000000000000",
     "data": {"name": "unexisting label with _id 000000000000000000000000"}}
]`
	documentedResults = `[
  {"success": {"_id": "58a5962d0a975a799b278abd", "_createdAt": "2017-02-16 12:08:13.327"}},
  {"success": {"_updatedAt": "2017-02-16 12:08:13.337"}},
  {"success": {}},
  {"success": {"_id": "58a59386975a4fa00e0ff513", "name": "max updated",
    "_createdAt": "2017-02-16 11:56:54.725", "_updatedAt": "2017-02-16 12:08:13.337"}},
  {"error": {"code": "DBSU205", "description": "Collection 'Labels' doesn't contain object with id 000000000000000000000000."}}
]`
)

// documented are the operations of the example.
func documented() []mixed.Operation {
	type data struct {
		Name string `json:"name"`
	}
	return []mixed.Operation{
		{Kind: windrow.OpCreate, Resource: "Labels", Data: data{"nick"}},
		{Kind: windrow.OpUpdate, Resource: "Labels", ID: maxID, Data: data{"max updated"}},
		{Kind: windrow.OpDelete, Resource: "Labels", ID: goneID},
		{Kind: windrow.OpGet, Resource: "Labels", ID: maxID},
		{Kind: windrow.OpUpdate, Resource: "Labels", ID: noID, Data: data{"unexisting label with _id " + noID}},
	}
}

// sample is a server as the example finds it.
func sample() *apperytest.Server {
	times := []time.Time{at("2017-02-16 12:08:13.327"), at("2017-02-16 12:08:13.337")}
	n := 0
	s := &apperytest.Server{
		Now:   func() time.Time { n++; return times[min(n, len(times))-1] },
		NewID: func() string { return "58a5962d0a975a799b278abd" },
	}
	s.Add("Labels",
		apperytest.Object{"_id": maxID, "name": "max", "_createdAt": "2017-02-16 11:56:54.725", "_updatedAt": "2017-02-16 11:56:54.725"},
		apperytest.Object{"_id": goneID, "name": "gone", "_createdAt": "2017-02-16 11:56:49.000", "_updatedAt": "2017-02-16 11:56:49.000"})
	return s
}

// resultsOf writes results as the server does.
func resultsOf(t *testing.T, res *windrow.BulkResult[mixed.Operation, any]) any {
	t.Helper()
	var all []any
	for r := range res.All() {
		if e, ok := errors.AsType[*appery.Error](r.Err); ok {
			all = append(all, map[string]any{"error": map[string]string{"code": e.Code, "description": e.Description}})
			continue
		}
		v := r.Value
		if v == nil {
			v = struct{}{}
		}
		all = append(all, map[string]any{"success": v})
	}
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return testkit.JSON(t, string(text))
}

// E1 to E9, E13 to E20, E22: the request and the results are those of the documentation.
func TestE1_E5_E13_E19_E22_TheDocumentedExample(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t, sample())
		res, err := mixed.Run(t.Context(), w.client, documented())
		testkit.Check(t, "request", testkit.JSON(t, documentedRequest), testkit.JSON(t, w.http.Requests()[0].Body))
		testkit.Check(t, "path", []string{"POST /batch"}, w.paths())
		testkit.Check(t, "results", testkit.JSON(t, documentedResults), resultsOf(t, res))
		testkit.Check(t, "states", []windrow.State{ok, ok, ok, ok, bad}, testkit.States(t, res))
		want := "windrow: of 5 items 1 failed; first: item 4 (key \"Labels/000000000000000000000000\") failed: appery: DBSU205"
		testkit.Check(t, "error", want, err.Error())
		// E16, E17, E19: the values have types.
		testkit.Check(t, "created", appery.Created{ID: "58a5962d0a975a799b278abd", CreatedAt: appery.Time{Time: at("2017-02-16 12:08:13.327")}}, res.At(0).Value.(appery.Created))
		testkit.Check(t, "updated", appery.Updated{UpdatedAt: appery.Time{Time: at("2017-02-16 12:08:13.337")}}, res.At(1).Value.(appery.Updated))
		var got label
		if err := json.Unmarshal(res.At(3).Value.(json.RawMessage), &got); err != nil || got.Name != "max updated" || !got.CreatedAt.Equal(at("2017-02-16 11:56:54.725")) {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

// E2, E3, E4: the headers.
func TestE2_E3_E4_Headers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		opts []rest.Option
		want map[string]string
		ok   bool
	}{
		{"none", nil, map[string]string{}, false},
		{"session", []rest.Option{appery.WithSessionToken("session-secret")}, map[string]string{"X-Appery-Session-Token": "session-secret"}, true},
		{"master", []rest.Option{appery.WithMasterKey("master-secret")}, map[string]string{"X-Appery-Master-Key": "master-secret"}, true},
		{"wrong", []rest.Option{appery.WithSessionToken("other")}, map[string]string{"X-Appery-Session-Token": "other"}, false},
	} {
		w := start(t, &apperytest.Server{SessionToken: "session-secret", MasterKey: "master-secret"}, tt.opts...)
		res, err := windrow.CreateMany(t.Context(), w.labels, make([]label, 200), windrow.Concurrency(1))
		if (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
		if !tt.ok && (!errors.Is(err, windrow.ErrFatal) || len(w.http.Requests()) != 1 || res.Stats().NotAttempted != 100) {
			t.Errorf("%s: the run went on: %v", tt.name, err)
		}
		h := w.http.Requests()[0].Header
		testkit.Check(t, tt.name, "application/json", h.Get("Content-Type"))
		testkit.Check(t, tt.name, databaseID, h.Get("X-Appery-Database-Id"))
		for _, name := range []string{"X-Appery-Session-Token", "X-Appery-Master-Key"} {
			testkit.Check(t, tt.name+" "+name, tt.want[name], h.Get(name))
		}
		testkit.Check(t, tt.name, "", h.Get("Authorization"))
	}
}

// E6: methods are written as in the example, and the fake takes any case as the server does.
func TestE6_MethodsInAnyCase(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"post", "POST", "Post"} {
		w := start(t, &apperytest.Server{})
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.http.URL+"/rest/1/db/batch", strings.NewReader(`[{"method":"`+method+`","collection":"Labels","data":{"name":"a"}}]`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-Appery-Database-Id", databaseID)
		res, err := w.http.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		testkit.Check(t, method, 1, len(w.fake.Objects("Labels")))
	}
}

// E7, E8, E9: what an operation lacks is said before it is sent, and the others are sent.
func TestE7_E8_E9_InvalidOperations(t *testing.T) {
	t.Parallel()
	good := mixed.Operation{Kind: windrow.OpCreate, Resource: "Labels", Data: label{Name: "a"}}
	for _, tt := range []struct {
		o    mixed.Operation
		want string
	}{
		{mixed.Operation{Kind: windrow.OpCreate, Data: label{}}, "Resource: is required: the name of the collection"},
		{mixed.Operation{Kind: windrow.OpGet, Resource: "Labels"}, "ID: is required for get"},
		{mixed.Operation{Kind: windrow.OpUpdate, Resource: "Labels", Data: label{}}, "ID: is required for update"},
		{mixed.Operation{Kind: windrow.OpDelete, Resource: "Labels"}, "ID: is required for delete"},
		{mixed.Operation{Kind: windrow.OpCreate, Resource: "Labels"}, "Data: is required for create"},
		{mixed.Operation{Kind: windrow.OpUpdate, Resource: "Labels", ID: maxID}, "Data: is required for update"},
		{mixed.Operation{Kind: windrow.OpUpsert, Resource: "Labels", Data: label{}}, "Kind: must be create, update, delete or get: the server knows no upsert"},
		{mixed.Operation{Kind: windrow.OpCreate, Resource: "Labels", ID: maxID, Data: label{}}, "ID: must be empty: the server chooses the _id"},
	} {
		w := start(t, &apperytest.Server{})
		res, err := mixed.Run(t.Context(), w.client, []mixed.Operation{good, tt.o, good})
		testkit.Check(t, tt.want, []windrow.State{ok, bad, ok}, testkit.States(t, res))
		if r := res.At(1); !strings.Contains(fmt.Sprint(r.Err), tt.want) || r.Kind != windrow.KindValidation {
			t.Errorf("%v, want %s", err, tt.want)
		}
		testkit.Check(t, tt.want, []int{2}, w.sizes(t))
		out, err := w.client.Execute(t.Context(), []mixed.Operation{tt.o})
		if err != nil || out[0].Err == nil || len(w.sizes(t)) != 1 {
			t.Errorf("directly: %v, %v", out, err)
		}
	}
}

// E10: a batch of n operations is n calls to the quota, and to the limiter.
func TestE10_CostIsPerOperation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limiter := windrow.NewLimiter(windrow.Rate(50, time.Second), windrow.Burst(25), windrow.Concurrency(4))
		w := start(t, &apperytest.Server{}, rest.WithLimiter(limiter))
		w.client.MaxItems = 25
		began := time.Now()
		res, err := windrow.CreateMany(t.Context(), w.labels, make([]label, 500), windrow.WithLimiter(limiter))
		if err != nil || res.Stats().Requests != 20 {
			t.Errorf("%+v, %v", res.Stats(), err)
		}
		testkit.Check(t, "calls", 500, w.fake.Calls())
		if took := time.Since(began); took < 9500*time.Millisecond || took > 10*time.Second {
			t.Errorf("500 operations at 50 a second, 25 of them at once, took %v", took)
		}
	})
	testkit.Check(t, "of 5", 5, (&appery.Client{}).Capabilities().Cost(5))
}

// E11, E12, E14: the status says nothing, one failure stops no other, and a result is a success or an error.
func TestE11_E12_E14_PartialWithStatus200(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t, &apperytest.Server{Refuse: func(_, _, _ string, data apperytest.Object) *apperytest.Refusal {
			if data["name"] == "bad" {
				return &apperytest.Refusal{Code: "DBSU110", Description: "hidden content"}
			}
			return nil
		}})
		res, err := windrow.CreateMany(t.Context(), w.labels, []label{{Name: "a"}, {Name: "bad"}, {Name: "c"}}, testkit.Quick)
		testkit.Check(t, "states", []windrow.State{ok, bad, ok}, testkit.States(t, res))
		testkit.Check(t, "requests", 1, len(w.http.Requests()))
		testkit.Check(t, "objects", 2, len(w.fake.Objects("Labels")))
		if e := testkit.ErrorOf[*appery.Error](t, err); e.Code != "DBSU110" || e.Description != "hidden content" || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%+v: %v", e, err)
		}
	})
	for _, tt := range []struct {
		body string
		want []windrow.State
	}{
		{`[{"success":{"_id":"1"}},{"success":{"_id":"2"}}]`, []windrow.State{ok, ok}},
		{`[{"success":{"_id":"1"}},{}]`, []windrow.State{ok, lost}},
		{`[{"success":{"_id":"1"}},{"success":{"_id":"2"},"error":{"code":"X"}}]`, []windrow.State{ok, lost}},
		{`[{"success":null},{"error":null}]`, []windrow.State{lost, lost}},
		{`[{"success":{"_id":"1"}},{"error":"oops"}]`, []windrow.State{ok, bad}},
		{`[{"success":{"_id":"1"}},{"error":{"code":17}}]`, []windrow.State{ok, bad}},
		{`[{"success":{"_id":1}},{"success":{"_createdAt":"yesterday"}}]`, []windrow.State{lost, lost}},
		{`[{"success":{"_id":"1"}}]`, []windrow.State{lost, lost}},                      // E13: which of the two?
		{`[{"success":{}},{"success":{}},{"success":{}}]`, []windrow.State{lost, lost}}, // E13
		{`[]`, []windrow.State{lost, lost}},
		{`{}`, []windrow.State{lost, lost}},
		{`<html>`, []windrow.State{lost, lost}},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := start(t, &apperytest.Server{})
			w.always("/batch", testkit.Respond(200, tt.body))
			res, err := windrow.CreateMany(t.Context(), w.labels, make([]label, 2), testkit.Quick)
			testkit.Check(t, tt.body, tt.want, testkit.States(t, res))
			testkit.Check(t, "requests", 1, len(w.http.Requests())) // a create is not repeated
			if strings.Contains(fmt.Sprint(err), "yesterday") {
				t.Errorf("the error shows content: %v", err)
			}
		})
	}
}

// E13, E14: outside a run, too, what a result does not tell is left open, and results that do not fit the operations are those
// of none.
func TestE13_E14_UnclearResults(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`{}`, `{"success":null}`, `{"success":{},"error":{"code":"X"}}`} {
		w := start(t, &apperytest.Server{})
		w.always("/batch", testkit.Respond(200, `[`+text+`]`))
		out, err := w.client.Execute(t.Context(), documented()[:1])
		if err != nil || windrow.Classify(out[0].Err).Class != windrow.ClassAmbiguous {
			t.Errorf("%s is %+v, %v", text, out, err)
		}
	}
	for _, text := range []string{`[]`, `[{"success":{}}]`, `[{"success":{}},{"success":{}},{"success":{}}]`} {
		w := start(t, &apperytest.Server{})
		w.always("/batch", testkit.Respond(200, text))
		if out, err := w.client.Execute(t.Context(), documented()[:2]); out != nil || !errors.Is(err, windrow.ErrProtocol) {
			t.Errorf("%s is %+v, %v", text, out, err)
		}
	}
}

// E13: what is refused before sending does not shift the results.
func TestE13_PositionsWithInvalidOperations(t *testing.T) {
	t.Parallel()
	w := start(t, &apperytest.Server{})
	var ids []string
	for i := range 5 {
		ids = append(ids, fmt.Sprint("id", i))
		w.fake.Add("Labels", apperytest.Object{"_id": ids[i], "name": fmt.Sprint("n", i)})
	}
	out, err := w.labels.GetBatch(t.Context(), []string{"", ids[0], ids[1], "", "nobody", ids[4]})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range out {
		got = append(got, fmt.Sprint(o.Value.Name, " ", o.Err))
	}
	testkit.Check(t, "values", []string{" ID: is required for get", "n0 <nil>", "n1 <nil>", " ID: is required for get", " appery: DBSU205", "n4 <nil>"}, got)
}

// E18: each verb, in batches and alone.
func TestE16_E17_E18_Verbs(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 3} {
		synctest.Test(t, func(t *testing.T) {
			w := start(t, &apperytest.Server{})
			in := make([]label, n)
			created, err1 := windrow.CreateMany(t.Context(), w.labels, in)
			var ids []string
			var updates []windrow.Update[string, label]
			for v := range slices.Values(created.Values()) {
				ids = append(ids, v.ID)
				updates = append(updates, windrow.Update[string, label]{ID: v.ID, Data: label{Name: "new"}})
				if v.CreatedAt.IsZero() {
					t.Error("no time of creation")
				}
			}
			updated, err2 := windrow.UpdateMany(t.Context(), w.labels, updates)
			got, err3 := windrow.GetMany(t.Context(), w.labels, ids)
			deleted, err4 := windrow.DeleteMany(t.Context(), w.labels, ids)
			if err := errors.Join(err1, err2, err3, err4); err != nil {
				t.Fatal(err)
			}
			for i, v := range got.Values() {
				if v.ID != ids[i] || v.Name != "new" || !v.UpdatedAt.Equal(updated.At(i).Value.UpdatedAt.Time) {
					t.Errorf("object %d is %+v", i, v)
				}
			}
			testkit.Check(t, "deleted", slices.Repeat([]windrow.State{ok}, n), testkit.States(t, deleted))
			again, err := windrow.DeleteMany(t.Context(), w.labels, ids)
			testkit.Check(t, "deleted again", slices.Repeat([]windrow.State{skip}, n), testkit.States(t, again))
			gone, err5 := windrow.GetMany(t.Context(), w.labels, ids, testkit.Quick)
			testkit.Check(t, "read again", slices.Repeat([]windrow.State{bad}, n), testkit.States(t, gone))
			if err != nil || !errors.Is(err5, windrow.ErrNotFound) {
				t.Errorf("%v, %v", err, err5)
			}
			want := slices.Repeat([]string{"POST /batch"}, 6)
			if n == 1 {
				one := "/collections/Labels/" + ids[0]
				want = []string{"POST /collections/Labels", "PUT " + one, "GET " + one, "DELETE " + one, "DELETE " + one, "GET " + one}
			}
			testkit.Check(t, "requests", want, w.paths())
		})
	}
}

// No size is documented: the caller sets one, and what is refused as too large is halved.
func TestE_CallerSetCap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t, &apperytest.Server{MaxOperations: 10})
		w.client.MaxItems = 40
		res, err := windrow.CreateMany(t.Context(), w.labels, make([]label, 60), windrow.Concurrency(1))
		if err != nil || res.Stats().Succeeded != 60 || len(w.fake.Objects("Labels")) != 60 {
			t.Errorf("%+v, %v", res.Stats(), err)
		}
		sizes := w.sizes(t)
		testkit.Check(t, "first", 40, sizes[0])
		if most := slices.Max(sizes[3:]); most > 10 {
			t.Errorf("requests with %v operations", sizes)
		}
	})
}

// Each kind keeps its own rule when the answer is lost: a create is not sent again, the others are.
func TestE22_LostAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t, sample())
		turn := 0
		w.api.Intercept(func(*http.Request) http.HandlerFunc {
			if turn++; turn > 1 {
				return nil
			}
			return w.api.Applied
		})
		res, _ := mixed.Run(t.Context(), w.client, documented(), testkit.Quick)
		// The delete is repeated, and the first attempt had deleted it.
		testkit.Check(t, "states", []windrow.State{lost, ok, ok, ok, bad}, testkit.States(t, res))
		sizes, sum := w.sizes(t), 0
		for _, n := range sizes {
			sum += n
		}
		if sizes[0] != 5 || sum != 5+4 {
			t.Errorf("requests with %v operations, want all five and then the four that may be repeated", sizes)
		}
	})
}
