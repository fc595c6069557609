package rest

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
)

// says answers with a body of a type.
func says(contentType, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		_, _ = io.WriteString(w, body)
	}
}

func packed(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, text)
	_ = z.Close()
	return b.String()
}

// Bodies that are no JSON are sent and read as they are, when told.
func TestRawBodies(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sent, accept string
		s := serve(t, func(w http.ResponseWriter, req *http.Request) {
			sent, accept = req.Header.Get("Content-Type"), req.Header.Get("Accept")
			says("text/html", "<b>é</b>")(w, req)
		})
		var out Raw
		if _, err := s.client(t).Do(t.Context(), Request{Method: http.MethodPut, Path: "/a", In: Raw{"text/csv", []byte("a,b\n")}}, &out); err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "type", "text/csv", sent)
		testkit.Check(t, "accept", "*/*", accept)
		testkit.Check(t, "body", "a,b\n", s.requests()[0].Body)
		testkit.Check(t, "answer", Raw{"text/html", []byte("<b>é</b>")}, out)
		resource := NewResource[Raw, struct{}](serve(t, good).client(t), "/blobs")
		if _, err := windrow.CreateMany(t.Context(), resource, []Raw{{Data: []byte{1}}, {Data: []byte{2}}}); err != nil {
			t.Error(err)
		}
	})
}

// JSON Lines go both ways.
func TestJSONLines(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		want    Lines[article]
		err     string
	}{
		"lines":                 {says("application/x-ndjson", "{\"id\":\"1\"}\n{\"id\":\"2\"}\n"), Lines[article]{{ID: "1"}, {ID: "2"}}, ""},
		"no last newline":       {says("application/jsonl", "{\"id\":\"1\"}\n{\"id\":\"2\"}"), Lines[article]{{ID: "1"}, {ID: "2"}}, ""},
		"CRLF, BOM, empty ones": {says("application/ndjson; charset=utf-8", "\ufeff{\"id\":\"1\"}\r\n\r\n{\"id\":\"2\"}\r\n"), Lines[article]{{ID: "1"}, {ID: "2"}}, ""},
		"as JSON":               {says("application/json", "{\"id\":\"1\"}\n{\"id\":\"2\"}\n"), Lines[article]{{ID: "1"}, {ID: "2"}}, ""},
		"an array":              {says("application/json", `[{"id":"1"},{"id":"2"}]`), Lines[article]{{ID: "1"}, {ID: "2"}}, ""},
		"one that says error":   {says("application/x-ndjson", `{"id":"","title":""}`), Lines[article]{{}}, ""},
		"none":                  {says("application/x-ndjson", ""), nil, ""},
		"cut":                   {says("application/x-ndjson", "{\"id\":\"1\"}\n{\"id\":"), nil, "line 2"},
		"HTML":                  {says("text/html", "<html>"), nil, "not JSON"},
		"an error":              {says("application/json", `{"ok":false,"error":"busy"}`), nil, "nothing but an error"},
		"an error as line":      {says("application/x-ndjson", "\n{\"error\":\"x\"}\r\n\n"), nil, "nothing but an error"},
		"an error among lines":  {says("application/x-ndjson", "{\"id\":\"1\"}\n{\"error\":\"x\"}\n"), Lines[article]{{ID: "1"}, {}}, ""},
		"errors, one a line":    {says("application/x-ndjson", "{\"error\":\"x\"}\n{\"error\":\"x\"}\n"), Lines[article]{{}, {}}, ""},
		"text":                  {says("text/plain", "{}"), nil, "not JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, test.handler)
				var out Lines[article]
				_, err := s.client(t).Do(t.Context(), Request{Method: http.MethodPost, Path: "/import", In: Lines[draft]{{"a"}, {"b\nc"}}}, &out)
				if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
					t.Errorf("error %v, want %q", err, test.err)
				}
				testkit.Check(t, "lines", test.want, out)
				testkit.Check(t, "sent", "{\"title\":\"a\"}\n{\"title\":\"b\\nc\"}\n", s.requests()[0].Body)
			})
		})
	}
}

// Other media types are JSON when told, and a mark at the beginning is left out.
func TestJSONTypes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		opts    []Option
		ok      bool
	}{
		"text":                 {says("text/plain; charset=utf-8", `{"id":"1"}`), nil, false},
		"text, told":           {says("text/plain; charset=utf-8", `{"id":"1"}`), []Option{WithJSONTypes("Text/Plain")}, true},
		"AWS":                  {says("application/x-amz-json-1.0", `{"id":"1"}`), nil, false},
		"AWS, told":            {says("application/x-amz-json-1.0", `{"id":"1"}`), []Option{WithJSONTypes("text/plain", "application/x-amz-json-1.0")}, true},
		"+json":                {says("application/x-thing.v1+json", `{"id":"1"}`), nil, true},
		"BOM":                  {says("application/json", "\ufeff"+`{"id":"1"}`), nil, true},
		"HTML, others told":    {says("text/html", `{"id":"1"}`), []Option{WithJSONTypes("text/plain")}, false},
		"text that is no JSON": {says("text/plain", `OK`), []Option{WithJSONTypes("text/plain")}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				got, err := articlesOf(serve(t, test.handler).client(t, test.opts...)).Get(t.Context(), "1")
				if (err == nil) != test.ok || test.ok && got.ID != "1" {
					t.Errorf("%v, error %v", got, err)
				}
			})
		})
	}
	for _, bad := range []string{"", "text", "text/html", "a b/c"} {
		if _, err := New("http://cms.test", WithJSONTypes(bad)); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// Gzip that was asked for by hand is unpacked, within the bound, in answers and in refusals.
func TestGzipAskedForByHand(t *testing.T) {
	t.Parallel()
	ask := WithHeader("Accept-Encoding", "gzip")
	for name, test := range map[string]struct {
		body string
		want string // of the error; "" for none
	}{
		"good":     {packed(`{"id":"1"}`), ""},
		"BOM":      {packed("\ufeff" + `{"id":"1"}`), ""},
		"too long": {packed(`{"id":"` + strings.Repeat("1", 1<<20) + `"}`), "longer than WithMaxBody"},
		"cut":      {packed(`{"id":"1"}`)[:20], "broke off"},
		"none":     {"", "empty"},
		"no gzip":  {`{"id":"1"}`, "broke off"},
		"error":    {packed(`{"ok":false,"error":"busy"}`), "nothing but an error"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, says("application/json", test.body, "Content-Encoding", "gzip"))
				got, err := articlesOf(s.client(t, ask, WithMaxBody(100<<10))).Get(t.Context(), "1")
				if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) || err == nil && got.ID != "1" {
					t.Errorf("%v, error %v, want %q", got, err, test.want)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Encoding", "gzip")
			w.WriteHeader(422)
			_, _ = io.WriteString(w, packed(`{"code":"TITLE_TAKEN"}`))
		})
		_, err := articlesOf(s.client(t, ask)).Create(t.Context(), draft{"a"})
		if e, _ := errors.AsType[*Error](err); e == nil || e.Code != "TITLE_TAKEN" {
			t.Errorf("error %v", err)
		}
	})
}

// A page that says "not found" is no proof that the record is gone: what may be repeated is, and ends as Failed, for the
// client and for a transport under any SDK.
func TestF68APageIsNoProof(t *testing.T) {
	t.Parallel()
	page := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, "<h1>404 Not Found</h1>")
	}
	eachVerb(t, [5]end{{failed, 1}, {failed, 1}, {failed, 1}, {failed, 3}, {failed, 3}}, func(t *testing.T) *Client {
		return serve(t, page).client(t)
	})
	synctest.Test(t, func(t *testing.T) {
		_, err := articlesOf(serve(t, page).client(t)).Get(t.Context(), "1")
		if errors.Is(err, windrow.ErrNotFound) {
			t.Error("a page proves that there is no such record")
		}
	})
	for name, connect := range callers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, first := range []http.HandlerFunc{page, good} {
				synctest.Test(t, func(t *testing.T) {
					send := connect(t, serve(t, each(page, first)))
					res, _ := windrow.DeleteMany(t.Context(), windrow.DeleteFunc(func(ctx context.Context, _ int) error {
						return send(ctx, http.MethodDelete, "/a")
					}), []int{1}, again)
					got := ends(res)[0]
					if got != (end{failed, 3}) && got != (end{succeeded, 2}) {
						t.Errorf("ends %v", got)
					}
				})
			}
		})
	}
}
