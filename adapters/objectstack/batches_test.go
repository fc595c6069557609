package objectstack_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
	"github.com/windrow-go/windrow/adapters/objectstack"
	"github.com/windrow-go/windrow/adapters/objectstack/objectstacktest"
)

// C-n9, C-n10, C-n11, C-n13, wire 6.2: the endpoints, their bodies to the letter, and all options each time.
func TestC_n10_C_n11_C_n13_RequestsOnTheWire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t, &objectstacktest.Server{})
		ids := []string{w.fake.Add("account", nil), w.fake.Add("account", nil)}
		bare := objectstack.NewResource[account, account](w.client, "account", objectstack.WithoutRecords())
		bare.ExternalID = func(a account) string { return "ext-" + a.Name }
		bare.ID = func(a account) string { return a.ID }
		in := []account{{Name: "A"}, {Name: "B"}}
		_, err1 := windrow.CreateMany(t.Context(), bare, in)
		_, err2 := windrow.UpdateMany(t.Context(), bare, []windrow.Update[string, account]{{ID: ids[0], Data: in[0]}, {ID: ids[1], Data: in[1]}})
		_, err3 := windrow.UpsertMany(t.Context(), bare, []account{{Name: "A"}, {ID: ids[0], Name: "B"}})
		_, err4 := windrow.DeleteMany(t.Context(), bare, ids)
		_, err5 := windrow.CreateMany(t.Context(), bare.Inserter(), in)
		if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
			t.Fatal(err)
		}
		const options = `"options":{"atomic":false,"returnRecords":false,"continueOnError":true}`
		for i, want := range []struct{ path, body string }{
			{"/data/account/batch", `{"operation":"create","records":[{"data":{"name":"A"}},{"data":{"name":"B"}}],` + options + `}`},
			{"/data/account/updateMany", `{"records":[{"id":"1","data":{"name":"A"}},{"id":"2","data":{"name":"B"}}],` + options + `}`},
			{"/data/account/batch", `{"operation":"upsert","records":[{"data":{"name":"A"},"externalId":"ext-A"},{"id":"1","data":{"id":"1","name":"B"},"externalId":"ext-B"}],` + options + `}`},
			{"/data/account/deleteMany", `{"ids":["1","2"],` + options + `}`},
			{"/data/account/createMany", `[{"name":"A"},{"name":"B"}]`},
		} {
			r := w.http.Requests()[i]
			testkit.Check(t, "path", "POST /api/v1"+want.path, r.Method+" "+r.Target)
			testkit.Check(t, want.path, want.body, r.Body)
			testkit.Check(t, "token", "Bearer "+token, r.Header.Get("Authorization"))
			testkit.Check(t, "content type", "application/json", r.Header.Get("Content-Type"))
		}
	})
}

// The values are the records, or their ids alone, or nothing: whatever the caller's type is made for.
func TestC8_C11_C15_Values(t *testing.T) {
	t.Parallel()
	for _, old := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := start(t, &objectstacktest.Server{Old: old})
			in := []account{{Name: "A"}, {Name: "B"}}
			whole, err := windrow.CreateMany(t.Context(), w.accounts, in)
			if err != nil {
				t.Fatal(err)
			}
			testkit.Check(t, "records", []account{{ID: "1", Name: "A"}, {ID: "2", Name: "B"}}, whole.Values())
			ids, err := windrow.CreateMany(t.Context(), objectstack.NewResource[account, account](w.client, "account", objectstack.WithoutRecords()), in)
			if err != nil {
				t.Fatal(err)
			}
			testkit.Check(t, "ids", []account{{ID: "3"}, {ID: "4"}}, ids.Values())
			none, err := windrow.CreateMany(t.Context(), objectstack.NewResource[account, struct{}](w.client, "account"), in)
			if err != nil || none.Stats().Succeeded != 2 {
				t.Errorf("%+v, %v", none.Stats(), err)
			}
			for i, want := range []bool{true, false, false} {
				o := w.body(t, i).(map[string]any)["options"].(map[string]any)
				testkit.Check(t, "returnRecords", any(want), o["returnRecords"])
			}
		})
	}
}

// C-n5: the cap is the deployment's. It is learned from the refusal, and the client starts with it the next time.
func TestC6_C20_C_n5_CapIsLearned(t *testing.T) {
	t.Parallel()
	for _, nested := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := start(t, &objectstacktest.Server{MaxRecords: 30, Nested: nested})
			testkit.Check(t, "default", 200, w.accounts.Capabilities().MaxItems)
			in := make([]account, 100)
			res, err := windrow.CreateMany(t.Context(), w.accounts, in, windrow.Concurrency(1))
			if err != nil || res.Stats().Succeeded != 100 || len(w.fake.Records("account")) != 100 {
				t.Errorf("%+v, %v", res.Stats(), err)
			}
			sizes := func() (all []int) {
				for i := range w.http.Requests() {
					all = append(all, len(w.body(t, i).(map[string]any)["records"].([]any)))
				}
				return all
			}
			testkit.Check(t, "requests", []int{100, 30, 30, 30, 10}, sizes())
			testkit.Check(t, "learned", 30, w.accounts.Capabilities().MaxItems)
			if _, err := windrow.CreateMany(t.Context(), w.accounts, in[:60], windrow.Concurrency(1)); err != nil {
				t.Error(err)
			}
			testkit.Check(t, "requests of the next run", []int{30, 30}, sizes()[5:])
			_, err = w.client.Batch(t.Context(), "account", objectstack.BatchUpdateRequest{Operation: "create", Records: slices.Repeat([]objectstack.BatchRecord{{Data: account{}}}, 31)})
			if c := windrow.Classify(err); c.Class != windrow.ClassTooLarge || c.MaxItems != 30 {
				t.Errorf("%v is %+v", err, c)
			}
		})
	}
	many := objectstack.NewResource[account, account](nil, "account", objectstack.WithMaxRecords(1000))
	testkit.Check(t, "chosen", 1000, many.Capabilities().MaxItems)
}

// C-n6: a batch of nothing is answered without asking: old servers refuse it.
func TestC_n6_EmptyBatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t, &objectstacktest.Server{Old: true})
		a, err1 := w.client.Batch(t.Context(), "account", objectstack.BatchUpdateRequest{Operation: "create"})
		b, err2 := w.client.UpdateMany(t.Context(), "account", objectstack.UpdateManyRequest{})
		c, err3 := w.client.DeleteMany(t.Context(), "account", objectstack.DeleteManyRequest{})
		d, err4 := w.client.CreateMany(t.Context(), "account", nil)
		res, err5 := windrow.CreateMany(t.Context(), w.accounts, nil)
		e, err6 := w.client.Transaction().Execute(t.Context(), nil)
		f, err7 := w.accounts.CreateBatch(t.Context(), nil)
		if err := errors.Join(err1, err2, err3, err4, err5, err6, err7); err != nil {
			t.Error(err)
		}
		if !a.Success || !b.Success || !c.Success || a.Total+b.Total+c.Total+len(d)+res.Len()+len(e)+len(f) != 0 {
			t.Errorf("%+v %+v %+v %v", a, b, c, d)
		}
		testkit.Check(t, "requests", 0, len(w.http.Requests()))
	})
}

// C-n7: what the server left out of a record that it wrote is a warning, also for the last record of a run, which is alone.
func TestC_n7_DroppedFieldsAreWarnings(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t, &objectstacktest.Server{ReadOnly: []string{"website"}})
		in := []account{{Name: "A", Website: "https://secret.example"}, {Name: "B"}, {Name: "C", Website: "https://x.example"}}
		res, err := windrow.CreateMany(t.Context(), w.accounts, in, windrow.BatchSize(2))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for r := range res.All() {
			got = append(got, fmt.Sprint(r.State, r.Warnings))
		}
		testkit.Check(t, "warnings", []string{"succeeded [the server dropped website (readonly)]", "succeeded []", "succeeded [the server dropped website (readonly)]"}, got)
	})
}

// C-n9: createMany takes a bare array, is answered with 201, and applies all or none: who is to blame is found by halves.
func TestC_n9_CreateMany(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t, &objectstacktest.Server{})
		in := make([]account, 20)
		for i := range in {
			in[i].Name = fmt.Sprint(i)
		}
		in[13].Email = "none"
		res, err := windrow.CreateMany(t.Context(), w.accounts.Inserter(), in, windrow.Concurrency(1))
		if s := res.Stats(); s.Succeeded != 19 || s.Failed != 1 || res.At(13).State != bad {
			t.Errorf("%+v, %v", s, err)
		}
		for r := range res.Succeeded() {
			if r.Value.Name != r.Input.Name || r.Value.ID == "" {
				t.Errorf("item %d became %+v", r.Index, r.Value)
			}
		}
		testkit.Check(t, "records", 19, len(w.fake.Records("account")))
		if e := testkit.ErrorOf[*objectstack.Error](t, res.At(13).Err); e.Code != "VALIDATION_ERROR" || e.FieldErrors[0].Field != "email" {
			t.Errorf("%+v", e)
		}
	})
	// It is all or nothing, and one request.
	synctest.Test(t, func(t *testing.T) {
		w := start(t, &objectstacktest.Server{})
		res, _ := windrow.CreateMany(t.Context(), w.accounts.Inserter(), four, windrow.Atomic())
		testkit.Check(t, "states", []windrow.State{no, no, no, no}, testkit.States(t, res))
		testkit.Check(t, "requests", []string{"POST /data/account/createMany"}, w.paths())
	})
	// A short answer is no success.
	synctest.Test(t, func(t *testing.T) {
		w := start(t, &objectstacktest.Server{})
		w.always("/createMany", testkit.Respond(201, `{"object":"account","records":[{"id":"1"}],"count":1}`))
		res, err := windrow.CreateMany(t.Context(), w.accounts.Inserter(), four, testkit.Quick)
		testkit.Check(t, "states", []windrow.State{lost, lost, lost, lost}, testkit.States(t, res))
		if !errors.Is(err, windrow.ErrProtocol) {
			t.Errorf("error %v", err)
		}
	})
}

// Results are matched by index, or by place; an answer that fits in no way makes every record Unknown.
func TestC12_C28_C29_MatchingResults(t *testing.T) {
	t.Parallel()
	row := func(i int, id string) string { return fmt.Sprintf(`{"index":%d,"id":%q,"success":true}`, i, id) }
	for _, tt := range []struct {
		name    string
		results string
		opts    []windrow.Option
		want    []windrow.State
		values  []string
	}{
		{"in order, no index", `{"id":"a","success":true},{"id":"b","success":true},{"id":"c","success":true}`, nil, []windrow.State{ok, ok, ok}, []string{"a", "b", "c"}},
		{"shuffled, with index", row(2, "c") + "," + row(0, "a") + "," + row(1, "b"), nil, []windrow.State{ok, ok, ok}, []string{"a", "b", "c"}},
		{"one missing, with index", row(2, "c") + "," + row(0, "a"), nil, []windrow.State{ok, lost, ok}, []string{"a", "c"}},
		{"one missing, no index", `{"id":"a","success":true},{"id":"b","success":true}`, nil, []windrow.State{lost, lost, lost}, nil},
		{"one too many", row(0, "a") + "," + row(1, "b") + "," + row(2, "c") + "," + row(3, "d"), nil, []windrow.State{lost, lost, lost}, nil},
		{"twice the same", row(0, "a") + "," + row(0, "b") + "," + row(2, "c"), nil, []windrow.State{lost, lost, lost}, nil},
		{"a negative index", row(-1, "a") + "," + row(1, "b") + "," + row(2, "c"), nil, []windrow.State{lost, lost, lost}, nil},
		{"ends with a failure, though told to go on", `{"id":"a","success":true},{"success":false}`, nil, []windrow.State{lost, lost, lost}, nil},
		{"ends with a failure, as told", `{"id":"a","success":true},{"success":false}`, []windrow.Option{windrow.MaxFailures(0)}, []windrow.State{ok, bad, no}, []string{"a"}},
		{"ends with a success, though told to stop", `{"id":"a","success":true}`, []windrow.Option{windrow.MaxFailures(0)}, []windrow.State{lost, lost, lost}, nil},
		{"ends with a failure, as told, and one before is missing", `{"index":1,"success":false},` + row(2, "c"), []windrow.Option{windrow.MaxFailures(0)}, []windrow.State{lost, bad, ok}, []string{"c"}},
		{"nothing", ``, nil, []windrow.State{lost, lost, lost}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := start(t, &objectstacktest.Server{})
				w.always("/batch", testkit.Respond(200, `{"success":true,"total":3,"succeeded":3,"failed":0,"results":[`+tt.results+`]}`))
				res, err := windrow.CreateMany(t.Context(), w.accounts, make([]account, 3), append(tt.opts, testkit.Quick)...)
				testkit.Check(t, "states", tt.want, testkit.States(t, res))
				var ids []string
				for _, v := range res.Values() {
					ids = append(ids, v.ID)
				}
				testkit.Check(t, "ids", tt.values, ids)
				if allLost := res.Stats().Unknown == 3; allLost != errors.Is(err, windrow.ErrProtocol) {
					t.Errorf("error %v", err)
				}
			})
		})
	}
	// An update whose answer is about other records than were asked for.
	synctest.Test(t, func(t *testing.T) {
		w := start(t, &objectstacktest.Server{})
		w.always("/updateMany", testkit.Respond(200, `{"success":true,"total":2,"succeeded":2,"failed":0,"results":[{"id":"2","success":true},{"id":"1","success":true}]}`))
		res, _ := windrow.UpdateMany(t.Context(), w.accounts, []windrow.Update[string, account]{{ID: "1"}, {ID: "2"}}, testkit.Quick)
		testkit.Check(t, "states", []windrow.State{lost, lost}, testkit.States(t, res))
	})
	// Answers that are none.
	for _, body := range []string{`{}`, `[]`, `{"success":true}`, `{"results":null}`, `{"results":[{"success":"yes"}]}`} {
		synctest.Test(t, func(t *testing.T) {
			w := start(t, &objectstacktest.Server{})
			w.always("/batch", testkit.Respond(200, body))
			res, err := windrow.CreateMany(t.Context(), w.accounts, make([]account, 2), testkit.Quick)
			testkit.Check(t, body, []windrow.State{lost, lost}, testkit.States(t, res))
			if !errors.Is(err, windrow.ErrProtocol) {
				t.Errorf("error %v", err)
			}
		})
	}
	// An envelope around the answer.
	synctest.Test(t, func(t *testing.T) {
		w := start(t, &objectstacktest.Server{})
		w.always("/batch", testkit.Respond(200, `{"success":true,"data":{"success":true,"total":1,"succeeded":1,"failed":0,"results":[{"success":true,"id":"9"}]}}`))
		res, err := windrow.CreateMany(t.Context(), w.accounts, make([]account, 1))
		if err != nil || res.At(0).Value.ID != "9" {
			t.Errorf("%+v, %v", res.At(0), err)
		}
	})
}

// C18, C19: records that lack something never reach the server; the others do.
func TestC18_C19_InvalidRecordsAreNotSent(t *testing.T) {
	t.Parallel()
	type patch = map[string]any
	for _, tt := range []struct {
		opts  []windrow.Option
		want  []windrow.State
		sizes []int
	}{
		{nil, []windrow.State{ok, bad, bad, ok}, []int{2}},
		{[]windrow.Option{windrow.Atomic()}, []windrow.State{no, bad, bad, no}, nil},
		{[]windrow.Option{windrow.MaxFailures(0)}, []windrow.State{ok, bad, bad, no}, []int{1}},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := start(t, &objectstacktest.Server{})
			a, b := w.fake.Add("account", nil), w.fake.Add("account", nil)
			patches := objectstack.NewResource[patch, patch](w.client, "account")
			res, err := windrow.UpdateMany(t.Context(), patches, []windrow.Update[string, patch]{
				{ID: a, Data: patch{"name": "A"}}, {ID: "", Data: patch{"name": "secret"}}, {ID: b, Data: nil}, {ID: b, Data: patch{"name": "B"}},
			}, append(tt.opts, windrow.Duplicates(windrow.KeepAllInOrder))...)
			testkit.Check(t, "states", tt.want, testkit.States(t, res))
			var sizes []int
			for i, r := range w.http.Requests() {
				if r.Method == http.MethodPost {
					sizes = append(sizes, len(w.body(t, i).(map[string]any)["records"].([]any)))
				}
			}
			testkit.Check(t, "requests", tt.sizes, sizes)
			if r := res.At(1); r.Kind != windrow.KindValidation || r.Err.Error() != "id: is required for update" {
				t.Errorf("%v: %v", r.Kind, r.Err)
			}
			if strings.Contains(fmt.Sprint(err), "secret") {
				t.Errorf("the error shows what the record holds: %v", err)
			}
		})
	}
	// An upsert by no id at all would make another record each time.
	w := start(t, &objectstacktest.Server{})
	res, err := windrow.UpsertMany(t.Context(), w.accounts, []account{{Name: "A"}})
	if res.At(0).State != bad || len(w.http.Requests()) != 0 {
		t.Errorf("%v, %v", res.At(0), err)
	}
	if _, err := w.accounts.Upsert(t.Context(), account{Name: "A"}); err == nil {
		t.Error("a single upsert by no id was sent")
	}
}

// A lost answer: what may be repeated is, and a create is not.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{"create", "update", "upsert"} {
		synctest.Test(t, func(t *testing.T) {
			w := start(t, &objectstacktest.Server{})
			path := map[string]string{"create": "/batch", "update": "/updateMany", "upsert": "/batch"}[verb]
			w.first(path, w.api.Applied)
			got, _, _ := w.run(t, verb, []account{{Name: "A"}, {Name: "B"}}, testkit.Quick)
			want := []windrow.State{ok, ok}
			if verb == "create" {
				want = []windrow.State{lost, lost}
			}
			testkit.Check(t, verb, want, got)
			testkit.Check(t, "records", 2, len(w.fake.Records("account")))
		})
	}
}
