package windrowtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/windrowtest"
)

// resultOf makes a result in which items ended in these ways, and which counts them in the other.
func resultOf(t *testing.T, ends string, stats string) *windrow.BulkResult[note, note] {
	t.Helper()
	items := []string{}
	for i, end := range strings.Fields(ends) {
		key, state, _ := strings.Cut(end, "=")
		state, reason, _ := strings.Cut(state, ":")
		failure := ""
		if state != "succeeded" && state != "skipped" {
			failure = `,"error":{"kind":"system","message":"oh"}`
		}
		index, _ := json.Marshal(i)
		items = append(items, `{"index":`+string(index)+`,"state":"`+state+`","reason":"`+reason+`","input":{"key":"`+key+`"}`+failure+`}`)
	}
	var res windrow.BulkResult[note, note]
	if err := json.Unmarshal([]byte(`{"operation":"create","stats":`+stats+`,"items":[`+strings.Join(items, ",")+`]}`), &res); err != nil {
		t.Fatal(err)
	}
	return &res
}

func TestVerify(t *testing.T) {
	t.Parallel()
	const create, update = windrow.OpCreate, windrow.OpUpdate
	type applied struct {
		op  windrow.OpKind
		key string
	}
	for _, test := range []struct {
		name    string
		applied []applied
		ends    string
		stats   string
		wrong   []string
	}{
		{"all well", []applied{{create, "a"}, {create, "u"}, {create, "s"}}, "a=succeeded b=failed c=not_attempted u=unknown v=unknown s=skipped:done_before d=skipped:dry_run",
			`{"total":7,"succeeded":1,"failed":1,"skipped":2,"not_attempted":1,"unknown":2}`, nil},
		{"applied twice", []applied{{create, "a"}, {create, "a"}}, "a=succeeded", `{"total":1,"succeeded":1}`, []string{`item 0 ("a") was applied 2 times`}},
		{"done twice", []applied{{windrow.OpDo, "a"}, {windrow.OpDo, "a"}}, "a=unknown", `{"total":1,"unknown":1}`, []string{`item 0 ("a") was applied 2 times`}},
		{"updated twice", []applied{{update, "a"}, {update, "a"}}, "a=succeeded", `{"total":1,"succeeded":1}`, nil},
		{"never applied", nil, "a=succeeded b=skipped:done_before", `{"total":2,"succeeded":1,"skipped":1}`,
			[]string{`item 0 ("a") is Succeeded, and was never applied`, `item 1 ("b") is Skipped since it was done before, and was never applied`}},
		{"applied even so", []applied{{create, "a"}, {update, "b"}, {create, "c"}}, "a=failed b=not_attempted c=skipped:dry_run", `{"total":3,"failed":1,"not_attempted":1,"skipped":1}`,
			[]string{`item 0 ("a") is failed, and was applied`, `item 1 ("b") is not_attempted, and was applied`, `item 2 ("c") is Skipped in a dry run, and was applied`}},
		{"other skips", []applied{{create, "a"}}, "a=skipped:already_exists b=skipped:not_found", `{"total":2,"skipped":2}`, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var l windrowtest.Ledger
			for _, a := range test.applied {
				l.Apply(a.op, a.key)
			}
			var got []string
			if err := windrowtest.Verify(&l, resultOf(t, test.ends, test.stats), keyOf); err != nil {
				got = strings.Split(err.Error(), "\n")
				slices.Sort(got)
			}
			slices.Sort(test.wrong)
			check(t, "wrong", test.wrong, got)
		})
	}
	var l windrowtest.Ledger
	if err := windrowtest.Verify[note, note](&l, nil, keyOf); err == nil {
		t.Error("a result that is nil is well")
	}
	l.Absent("gone")
	if err := windrowtest.Verify(&l, resultOf(t, "gone=succeeded", `{"total":1}`), keyOf); err != nil {
		t.Error(err)
	}
	if err := windrowtest.Verify(&l, resultOf(t, "gone=failed", `{"total":1}`), keyOf); err != nil {
		t.Error(err)
	}
	check(t, "times of nothing", 0, l.Times("a"))
	check(t, "times of what is gone", 0, l.Times("gone"))
	l.Apply(create, "b")
	l.Apply(update, "b")
	l.Apply(create, "a")
	check(t, "times", 2, l.Times("b"))
	check(t, "items", []string{"a", "b"}, l.Items())
	if err := windrowtest.VerifyResults(&l, func(yield func(windrow.Result[note, note]) bool) {
		_ = yield(windrow.Result[note, note]{Index: 1, Input: note{Key: "a"}, State: windrow.Succeeded}) &&
			yield(windrow.Result[note, note]{Index: 0, Input: note{Key: "a"}, State: windrow.Succeeded})
	}, keyOf); err == nil || err.Error() != "result 0 has the index 1\nresult 1 has the index 0" {
		t.Error(err)
	}
}

// A run is held against the ledger. The client forgets its idempotency keys, and lies about them.
func TestVerifyFindsALie(t *testing.T) {
	served(t, func(t *testing.T, s *windrowtest.Server, r *windrowtest.Records) {
		s.Script(windrowtest.LostAnswer())
		client := newNotes(s.URL, s.Client(), "forgets the idempotency key", windrow.Capabilities{MaxItems: 1, IdempotencyKeys: true})
		res, err := windrow.CreateMany(t.Context(), client, []note{{Key: "a"}, {Key: "b"}})
		if err != nil {
			t.Fatal(err)
		}
		if err := windrowtest.Verify(&r.Ledger, res, keyOf); err == nil || !strings.Contains(err.Error(), "was applied 2 times") {
			t.Errorf("applied %d and %d times: %v", r.Ledger.Times("a"), r.Ledger.Times("b"), err)
		}
	})
}

// Records keep what they are sent.
func TestRecords(t *testing.T) {
	served(t, func(t *testing.T, s *windrowtest.Server, r *windrowtest.Records) {
		client := newNotes(s.URL, s.Client(), "", windrow.Capabilities{})
		ctx := t.Context()
		must := func(n note, err error) note {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		a := must(client.Create(ctx, note{ID: "mine", Key: "a", Text: "x"}))
		check(t, "created", note{ID: "1", Key: "a", Text: "x"}, a)
		check(t, "updated", note{ID: "1", Key: "a", Text: "y"}, must(client.Update(ctx, "1", note{ID: "2", Key: "a", Text: "y"})))
		check(t, "read", note{ID: "1", Key: "a", Text: "y"}, must(client.Get(ctx, "1")))
		check(t, "put", note{ID: "b", Key: "b"}, must(client.Upsert(ctx, note{Key: "b"})))
		check(t, "put again", note{ID: "b", Key: "b", Text: "z"}, must(client.Upsert(ctx, note{Key: "b", Text: "z"})))
		check(t, "all", []windrowtest.Fields{{"id": "1", "key": "a", "text": "y"}, {"id": "b", "key": "b", "text": "z"}}, r.All(notes))
		if err := client.Delete(ctx, "1"); err != nil {
			t.Error(err)
		}
		check(t, "left", 1, r.Len(notes))
		check(t, "in the ledger", []int{3, 2}, []int{r.Ledger.Times("a"), r.Ledger.Times("b")})
		for _, test := range []struct {
			method, path string
			body         any
			want         int
		}{
			{"GET", notes + "/1", nil, 404}, {"PATCH", notes + "/1", "{}", 404}, {"DELETE", notes + "/1", nil, 404}, {"DELETE", notes + "/b/", nil, 204},
			{"POST", notes, "[]", 400}, {"POST", notes, "null", 400}, {"PUT", notes + "/c", "x", 400}, {"PATCH", notes + "/c", "", 400},
			{"POST", notes + "/batch", "{}", 400}, {"POST", notes + "/batch", `{"operation":"fly"}`, 400}, {"POST", notes, map[string]any{"bad": true}, 422},
			{"PUT", notes + "/d", map[string]any{"bad": true}, 422}, {"TRACE", notes + "/d", nil, 405}, {"DELETE", notes, nil, 405}, {"GET", "/", nil, 200},
			{"GET", notes + "?limit=x&offset=-1", nil, 200},
		} {
			if got := ask(t, s, test.method, test.path, test.body).status; got != test.want {
				t.Errorf("%s %s %v: %d, want %d", test.method, test.path, test.body, got, test.want)
			}
		}
	})
}

// Idempotency keys: the answer is that of the first request, whatever it was, and another request with the key is refused.
func TestRecordsIdempotency(t *testing.T) {
	served(t, func(t *testing.T, s *windrowtest.Server, r *windrowtest.Records) {
		r.IdempotencyKeys = true
		for _, body := range []any{note{Key: "a"}, map[string]any{"bad": true}} {
			key := []string{"Idempotency-Key", mustJSON(body)}
			first := ask(t, s, "POST", notes, body, key...)
			second := ask(t, s, "POST", notes, body, key...)
			check(t, "answer", []any{first.status, first.body}, []any{second.status, second.body})
			check(t, "another request", 422, ask(t, s, "POST", notes, note{Key: "other"}, key...).status)
		}
		check(t, "records", 1, r.Len(notes))
		check(t, "applied", 1, r.Ledger.Times("a"))
		check(t, "key of the request", `{"key":"a"}`, (&s.Requests()[0]).Key())
		check(t, "without a key", 201, ask(t, s, "POST", notes, note{Key: "a"}).status)
		check(t, "records", 2, r.Len(notes))
	})
}

func mustJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// Ids that the client chooses, the function that refuses, and batches: partial, atomic, too large.
func TestRecordsRules(t *testing.T) {
	served(t, func(t *testing.T, s *windrowtest.Server, r *windrowtest.Records) {
		r.ClientIDs, r.Atomic, r.MaxItems = true, true, 3
		r.Refuse = func(op windrow.OpKind, fields windrowtest.Fields) int {
			if op == windrow.OpUpdate || fields["key"] == "never" {
				return 403
			}
			return 0
		}
		check(t, "own id", 201, ask(t, s, "POST", notes, note{ID: "x", Key: "a"}).status)
		check(t, "again", 409, ask(t, s, "POST", notes, note{ID: "x", Key: "a"}).status)
		check(t, "refused", 403, ask(t, s, "POST", notes, note{Key: "never"}).status)
		check(t, "refused update", 403, ask(t, s, "PATCH", notes+"/x", note{Key: "b"}).status)
		batch := func(op string, records ...string) int {
			return ask(t, s, "POST", notes+"/batch", `{"operation":"`+op+`","records":[`+strings.Join(records, ",")+`]}`).status
		}
		check(t, "too large", 400, batch("create", "{}", "{}", "{}", "{}"))
		check(t, "one exists", 400, batch("create", `{"data":{"id":"y"}}`, `{"data":{"id":"x"}}`))
		check(t, "twice", 400, batch("create", `{"data":{"id":"y"}}`, `{"data":{"id":"y"}}`))
		check(t, "deleted twice", 400, batch("delete", `{"id":"x"}`, `{"id":"x"}`))
		check(t, "records", 1, r.Len(notes))
		check(t, "read twice", 200, batch("get", `{"id":"x"}`, `{"id":"x"}`))
		check(t, "put twice", 200, batch("upsert", `{"id":"z"}`, `{"id":"z"}`))
		check(t, "well", 200, batch("create", `{"data":{"id":"y"}}`, `{}`))
		check(t, "records", 4, r.Len(notes))
	})
}

// Requests are kept as they came, rules are asked in order, and steps are used up.
func TestServerRules(t *testing.T) {
	served(t, func(t *testing.T, s *windrowtest.Server, _ *windrowtest.Records) {
		s.On(windrowtest.Holds("x"), windrowtest.Status(418), windrowtest.Pass)
		s.Script(windrowtest.Status(500), windrowtest.Status(501))
		s.Script(windrowtest.Status(502))
		s.Always(windrowtest.Is("DELETE", ""), windrowtest.Status(503))
		var got []int
		for _, request := range []struct{ method, path, body string }{
			{"POST", notes, `{"key":"x"}`}, {"POST", notes, `{"key":"x"}`}, {"POST", notes, `{"key":"x"}`}, {"POST", notes, `{}`}, {"POST", notes, `{}`},
			{"DELETE", notes + "/1", ""}, {"DELETE", notes + "/2?x=y", ""}, {"POST", notes, `{}`},
		} {
			got = append(got, ask(t, s, request.method, request.path, request.body).status)
		}
		check(t, "statuses", []int{418, 201, 500, 501, 502, 503, 503, 201}, got)
		all := s.Requests()
		check(t, "request", []any{7, "DELETE", notes + "/2?x=y", ""}, []any{all[6].Number, all[6].Method, all[6].Target, all[6].Body})
		check(t, "body", `{"key":"x"}`, all[2].Body)
		s.Reset()
		check(t, "after Reset", 404, ask(t, s, "DELETE", notes+"/99", nil).status)
	})
}

// A server that clients of other processes reach, with the same faults.
func TestLoopbackServer(t *testing.T) {
	t.Parallel()
	r := &windrowtest.Records{}
	s := windrowtest.NewLoopbackServer(t, r)
	check(t, "status", 201, ask(t, s, "POST", notes, note{Key: "a"}).status)
	s.Script(windrowtest.LostAnswer(), windrowtest.CutAnswer(5))
	for range 2 {
		if a := ask(t, s, "POST", notes, note{Key: "b"}); a.err == nil {
			t.Errorf("the answer was to be lost: %+v", a)
		}
	}
	s.FailDials(1, nil)
	s.Transport().CloseIdleConnections()
	if a := ask(t, s, "GET", notes, nil); a.err == nil {
		t.Error("the connection was to be refused")
	}
	check(t, "records", 3, r.Len(notes))
	s.Script(windrowtest.NeverAnswers(true))
	ctx, cancel := context.WithCancel(t.Context())
	go cancel()
	if a := askFor(ctx, t, s, "POST", notes, note{Key: "c"}); !errors.Is(a.err, context.Canceled) {
		t.Error(a.err)
	}
	check(t, "nothing behind it", 404, ask(t, windrowtest.NewLoopbackServer(t, nil), "GET", "/x", nil).status)
}

func TestEndingNames(t *testing.T) {
	t.Parallel()
	var got []string
	for e := windrowtest.Whole; e <= windrowtest.HangUp+1; e++ {
		got = append(got, e.String())
	}
	check(t, "names", []string{"Whole", "CutHead", "CutBody", "StallBody", "Silence", "HangUp", "Ending(6)"}, got)
}
