package rest

import (
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
)

// An id is one segment below its resource, also where the resource's path has to be escaped.
func TestIDsStayInTheirResource(t *testing.T) {
	t.Parallel()
	resources := map[string]string{
		"/articles": "/api/articles", "/my articles": "/api/my%20articles", "/préférences": "/api/pr%C3%A9f%C3%A9rences",
		"/a|b": "/api/a%7Cb", "/a%7Cb/é": "/api/a%7Cb/%C3%A9", "/é%2Fb/": "/api/%C3%A9%2Fb",
	}
	ids := map[string]string{
		"1": "1", "a/b": "a%2Fb", "a b": "a%20b", "é": "%C3%A9", "%2e%2e": "%252e%252e", "?q": "%3Fq", "...": "...", "/a": "%2Fa",
		"": "", ".": "", "..": "", "/": "", "../users/admin": "", "a/../../users": "", "./a": "", `..\users`: "", "a/..": "",
	}
	for path, base := range resources {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, good)
				articles := NewResource[draft, article](s.client(t), path)
				slash := ""
				if strings.HasSuffix(path, "/") {
					slash = "/"
				}
				var want []string
				for id, segment := range ids {
					_, err := articles.Get(t.Context(), id)
					if segment == "" {
						if c := windrow.Classify(err); err == nil || c.Class != windrow.ClassPermanent || c.Kind != windrow.KindValidation {
							t.Errorf("%q: error %v", id, err)
						}
						continue
					}
					if err != nil {
						t.Errorf("%q: %v", id, err)
					}
					want = append(want, base+"/"+segment+slash)
				}
				var got []string
				for _, r := range s.requests() {
					got = append(got, r.Target)
				}
				testkit.Check(t, "targets", want, got)
			})
		})
	}
}

// A dot segment in a path is refused, however it is written, and so is one in the base URL.
func TestDotSegmentsAreRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, good)
		c := s.client(t)
		for _, path := range []string{"/..", "/users/..", "/users/%2e%2E", "/users/..%2Fadmin", "/users/.", "/é/../a", `/users/..%5Cadmin`} {
			_, err := c.Do(t.Context(), Request{Path: path}, nil)
			if err == nil || !strings.Contains(err.Error(), "dot segment") {
				t.Errorf("%s: error %v", path, err)
			}
			if _, err := NewResource[draft, article](c, path).Create(t.Context(), draft{"a"}); windrow.Classify(err).Class != windrow.ClassFatal {
				t.Errorf("resource %s: error %v", path, err)
			}
		}
		testkit.Check(t, "requests", 0, len(s.requests()))
	})
	for _, base := range []string{"http://cms.test/a/../b", "http://cms.test/%2e%2e/b", "http://cms.test/."} {
		if _, err := New(base); err == nil || !strings.Contains(err.Error(), "dot segment") {
			t.Errorf("%s: error %v", base, err)
		}
	}
}

// The longest bound that can be said is no bound, and not one of nothing.
func TestMaxBodyWithoutBound(t *testing.T) {
	t.Parallel()
	for _, bound := range []int64{math.MaxInt64, math.MaxInt64 - 1} {
		synctest.Test(t, func(t *testing.T) {
			res, err := windrow.CreateMany(t.Context(), articlesOf(serve(t, good).client(t, WithMaxBody(bound))), []draft{{"a"}})
			if err != nil {
				t.Fatal(err)
			}
			testkit.Check(t, "value", article{ID: "1"}, res.At(0).Value)
		})
	}
}

// What an answer says of its length is not believed before it has come: no room for an exabyte is made.
func TestMaxBodyMakesNoRoomForAClaim(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			conn, buf, _ := http.NewResponseController(w).Hijack()
			_, _ = buf.WriteString("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1152921504606846976\r\n\r\n{}")
			_ = buf.Flush()
			_ = conn.Close()
		})
		_, err := articlesOf(s.client(t, WithMaxBody(math.MaxInt64))).Get(t.Context(), "1")
		if err == nil || !strings.Contains(err.Error(), "broke off") {
			t.Errorf("error %v", err)
		}
	})
}
