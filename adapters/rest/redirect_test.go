package rest

import (
	"errors"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
)

// F23: a redirect of a write is not followed: net/http would make a GET of it.
func TestF23RedirectOfAWrite(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]windrow.State{301: failed, 302: unknown, 303: unknown, 307: failed, 308: failed} {
		for _, verb := range verbs[:4] {
			t.Run(strconv.Itoa(code)+" "+verb.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s := serve(t, func(w http.ResponseWriter, req *http.Request) {
						http.Redirect(w, req, "/elsewhere", code)
					})
					got, err := verb.run(t.Context(), s.client(t), again)
					testkit.Check(t, "state", want, got.State)
					e, ok := errors.AsType[*Error](err)
					if !ok || e.Status != code {
						t.Errorf("error %v holds no Error with status %d", err, code)
					}
					first := s.requests()[0]
					for _, r := range s.requests() {
						testkit.Check(t, "request", first, r)
					}
				})
			})
		}
	}
}

// A read follows redirects, but not to another server, which would get the headers.
func TestRedirectOfARead(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		to     string
		follow bool
	}{
		{"/api/articles/2", true},
		{"http://cms.test/api/articles/2", true},
		{"http://other.test/api/articles/2", false},
		{"http://cms.test:81/api/articles/2", false},
		{"https://cms.test:444/api/articles/2", false},
	} {
		t.Run(test.to, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, each(func(w http.ResponseWriter, req *http.Request) {
					http.Redirect(w, req, test.to, http.StatusFound)
				}, good))
				_, err := articlesOf(s.client(t, WithHeader("X-Api-Key", "secret"))).Get(t.Context(), "1")
				testkit.Check(t, "followed", test.follow, err == nil)
				testkit.Check(t, "class", windrow.ClassPermanent, windrow.Classify(err).Class)
				if e, ok := errors.AsType[*Error](err); !test.follow && (!ok || e.Status != http.StatusFound) {
					t.Errorf("error %v", err)
				}
			})
		})
	}
	t.Run("without end", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, req *http.Request) { http.Redirect(w, req, req.URL.Path, http.StatusFound) })
			if _, err := articlesOf(s.client(t)).Get(t.Context(), "1"); err == nil {
				t.Error("no error")
			}
			testkit.Check(t, "requests", 11, len(s.requests()))
		})
	})
}

func TestSameServer(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		from, to string
		want     bool
	}{
		{"http://a/x", "http://a/y", true},
		{"http://a/x", "https://a/x", true},
		{"https://a/x", "http://a/x", false},
		{"http://a:80/x", "https://a/x", false},
		{"http://a/x", "http://b/x", false},
		{"http://a:1/x", "http://a:1/y", true},
		{"http://a:1/x", "http://a:2/x", false},
	} {
		from, _ := http.NewRequest(http.MethodGet, test.from, nil)
		to, _ := http.NewRequest(http.MethodGet, test.to, nil)
		if got := sameServer(from.URL, to.URL); got != test.want {
			t.Errorf("sameServer(%s, %s) = %v, want %v", test.from, test.to, got, test.want)
		}
	}
}
