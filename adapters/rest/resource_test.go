package rest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
)

func TestNewResourceRefuses(t *testing.T) {
	t.Parallel()
	c, err := New("http://cms.test")
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]*Resource[draft, article]{
		"nil client":  NewResource[draft, article](nil, "/articles"),
		"query":       NewResource[draft, article](c, "/articles?x"),
		"nil option":  NewResource[draft, article](c, "/articles", nil),
		"method":      NewResource[draft, article](c, "/articles", WithUpdateMethod(http.MethodPost)),
		"items field": NewResource[draft, article](c, "/articles", WithItemsField("")),
		"zero":        {},
	} {
		_, createErr := r.Create(t.Context(), draft{})
		_, updateErr := r.Update(t.Context(), "1", draft{})
		_, getErr := r.Get(t.Context(), "1")
		_, listErr := r.List(t.Context(), nil)
		_, upsertErr := r.Upserter(func(draft) string { return "1" }).Upsert(t.Context(), draft{})
		for _, err := range []error{createErr, updateErr, getErr, listErr, upsertErr, r.Delete(t.Context(), "1")} {
			if err == nil || windrow.Classify(err).Class != windrow.ClassFatal || !strings.HasPrefix(err.Error(), "rest: ") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	_, err = NewResource[draft, article](c, "/articles").Upserter(nil).Upsert(t.Context(), draft{})
	testkit.Check(t, "class of an upsert without a function", windrow.ClassFatal, windrow.Classify(err).Class)
	var none context.Context
	_, err = c.Do(none, Request{}, nil)
	if !errors.Is(err, windrow.ErrNilContext) {
		t.Errorf("nil context: %v", err)
	}
}

// What each method sends, and what it makes of the answer.
func TestResourceRequests(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for _, test := range []struct {
		name   string
		opts   []ResourceOption
		call   func(r *Resource[draft, article]) (article, error)
		answer http.HandlerFunc
		want   seen
		value  article
	}{
		{"create", nil, func(r *Resource[draft, article]) (article, error) { return r.Create(ctx, draft{"a"}) }, good,
			seen{Method: "POST", Target: "/api/articles", Body: `{"title":"a"}`}, article{ID: "1"}},
		{"update", nil, func(r *Resource[draft, article]) (article, error) { return r.Update(ctx, "1", draft{"a"}) }, good,
			seen{Method: "PATCH", Target: "/api/articles/1", Body: `{"title":"a"}`}, article{ID: "1"}},
		{"update with PUT", []ResourceOption{WithUpdateMethod(http.MethodPut)},
			func(r *Resource[draft, article]) (article, error) { return r.Update(ctx, "1", draft{"a"}) }, good,
			seen{Method: "PUT", Target: "/api/articles/1", Body: `{"title":"a"}`}, article{ID: "1"}},
		{"upsert", nil, func(r *Resource[draft, article]) (article, error) {
			return r.Upserter(func(d draft) string { return "id of " + d.Title }).Upsert(ctx, draft{"a"})
		}, good, seen{Method: "PUT", Target: "/api/articles/id%20of%20a", Body: `{"title":"a"}`}, article{ID: "1"}},
		{"get", nil, func(r *Resource[draft, article]) (article, error) { return r.Get(ctx, "1") }, good,
			seen{Method: "GET", Target: "/api/articles/1"}, article{ID: "1"}},
		{"delete", nil, func(r *Resource[draft, article]) (article, error) { return article{}, r.Delete(ctx, "1") }, good,
			seen{Method: "DELETE", Target: "/api/articles/1"}, article{}},
		{"delete that returns the record", nil, func(r *Resource[draft, article]) (article, error) { return article{}, r.Delete(ctx, "1") },
			func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, article{ID: "1"}) },
			seen{Method: "DELETE", Target: "/api/articles/1"}, article{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, test.answer)
				got, err := test.call(articlesOf(s.client(t), test.opts...))
				if err != nil {
					t.Fatal(err)
				}
				testkit.Check(t, "request", []seen{test.want}, s.requests())
				testkit.Check(t, "value", test.value, got)
			})
		})
	}
}

// P-6: "201 became 200 overnight", "207 loses the successes". One success is as good as another.
func TestP6_AnySuccessIsAsGood(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 201, 202, 203, 206, 207, 226} {
		synctest.Test(t, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, status, map[string]any{"id": "7"}) })
			r := articlesOf(s.client(t))
			created, err := r.Create(t.Context(), draft{})
			if err != nil || created.ID != "7" {
				t.Errorf("create answered with %d: %+v, %v", status, created, err)
			}
			updated, err := r.Update(t.Context(), "7", draft{})
			if err != nil || updated.ID != "7" {
				t.Errorf("update answered with %d: %+v, %v", status, updated, err)
			}
			if err := r.Delete(t.Context(), "7"); err != nil {
				t.Errorf("delete answered with %d: %v", status, err)
			}
		})
	}
}

// An answer without a body is whole when its status or method says so.
func TestEmptyAnswers(t *testing.T) {
	t.Parallel()
	calls := map[string]func(*Resource[draft, article]) error{
		"create": func(r *Resource[draft, article]) error { _, err := r.Create(context.Background(), draft{}); return err },
		"update": func(r *Resource[draft, article]) error {
			_, err := r.Update(context.Background(), "1", draft{})
			return err
		},
		"delete": func(r *Resource[draft, article]) error { return r.Delete(context.Background(), "1") },
		"get":    func(r *Resource[draft, article]) error { _, err := r.Get(context.Background(), "1"); return err },
	}
	for _, test := range []struct {
		status int
		good   map[string]bool
	}{
		{200, map[string]bool{"update": true, "delete": true}},
		{201, map[string]bool{"create": true, "update": true, "delete": true}},
		{202, map[string]bool{"create": true, "update": true, "delete": true}},
		{204, map[string]bool{"create": true, "update": true, "delete": true}},
	} {
		for name, call := range calls {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Type", "text/html") // some frameworks always send it
					w.WriteHeader(test.status)
				})
				err := call(articlesOf(s.client(t)))
				if (err == nil) != test.good[name] {
					t.Errorf("%s answered with %d and nothing: %v", name, test.status, err)
				}
				if err != nil && windrow.Classify(err).Class != windrow.ClassAmbiguous {
					t.Errorf("%s answered with %d and nothing: %v is not ambiguous", name, test.status, err)
				}
			})
		}
	}
}

// A resource without a value does not care what the answer holds.
func TestResourceWithoutAValue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, []int{1}) })
		if _, err := NewResource[draft, struct{}](s.client(t), "/articles").Create(t.Context(), draft{}); err != nil {
			t.Error(err)
		}
	})
}

func TestList(t *testing.T) {
	t.Parallel()
	two := []article{{ID: "1"}, {ID: "2"}}
	for _, test := range []struct {
		name, body string
		opts       []ResourceOption
		want       []article
		bad        bool
	}{
		{name: "array", body: ` [{"id":"1"},{"id":"2"}]`, want: two},
		{name: "empty array", body: `[]`, want: []article{}},
		{name: "items", body: `{"page":1,"items":[{"id":"1"},{"id":"2"}]}`, want: two},
		{name: "data", body: `{"data":[{"id":"1"},{"id":"2"}],"meta":{"total":2}}`, want: two},
		{name: "results", body: `{"results":[{"id":"1"},{"id":"2"}],"data":{"x":1}}`, want: two},
		{name: "records", body: `{"records": [{"id":"1"},{"id":"2"}]}`, want: two},
		{name: "null", body: `{"items":null}`},
		{name: "another field", body: `{"items":[{"id":"3"}],"articles":[{"id":"1"},{"id":"2"}]}`, opts: []ResourceOption{WithItemsField("articles")}, want: two},
		{name: "no such field", body: `{"items":[{"id":"3"}]}`, opts: []ResourceOption{WithItemsField("articles")}, bad: true},
		{name: "array where a field is", body: `[{"id":"3"}]`, opts: []ResourceOption{WithItemsField("articles")}, bad: true},
		{name: "no items", body: `{"id":"1"}`, bad: true},
		{name: "items that are none", body: `{"items":{"id":"1"}}`, bad: true},
		{name: "items of another type", body: `{"items":[1]}`, bad: true},
		{name: "null alone", body: `null`, bad: true},
		{name: "text", body: `"items"`, bad: true},
		{name: "nothing", body: ``, bad: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Type", "application/json")
					w.Header().Set("Link", "</next>")
					_, _ = io.WriteString(w, test.body)
				})
				page, err := articlesOf(s.client(t), test.opts...).List(t.Context(), url.Values{"page": {"1"}})
				testkit.Check(t, "target", "/api/articles?page=1", s.requests()[0].Target)
				if test.bad {
					if page != nil || windrow.Classify(err).Class != windrow.ClassAmbiguous {
						t.Errorf("page %v, error %v", page, err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				testkit.Check(t, "items", test.want, page.Items)
				testkit.Check(t, "body", test.body, string(page.Body))
				testkit.Check(t, "header", "</next>", page.Header.Get("Link"))
			})
		})
	}
}
