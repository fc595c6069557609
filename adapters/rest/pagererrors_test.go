package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/windrow-go/windrow/adapters/internal/testkit"
	"github.com/windrow-go/windrow/pages"
)

// F48, F12: the error of a page says which, keeps the server's answer, and shows neither query nor content. The reading
// can go on there.
func TestF48ErrorSaysWhichPage(t *testing.T) {
	t.Parallel()
	secret := url.Values{"api_key": {"hunter2"}}
	for _, test := range []struct {
		name  string
		pager func(r *Resource[draft, article]) *pages.Pager[article]
		bad   http.HandlerFunc
		want  string
	}{
		{"expired cursor", func(r *Resource[draft, article]) *pages.Pager[article] {
			return r.ByCursor(WithNextField("next"), WithQuery(secret))
		}, status(410), `windrow: page 1, offset 10, cursor "/v1/base/articles...": rest: GET /v1/base/articles: status 410 (because)`},
		{"link", func(r *Resource[draft, article]) *pages.Pager[article] { return r.ByLink(WithQuery(secret)) },
			status(403), `windrow: page 1, offset 10, cursor "http://cms.test/v1/base/articles...": rest: GET /v1/base/articles: status 403 (because)`},
		{"offset", func(r *Resource[draft, article]) *pages.Pager[article] { return r.ByOffset(10, WithQuery(secret)) },
			status(400), `windrow: page 1, offset 10: rest: GET /v1/base/articles: status 400 (because)`},
		{"key", func(r *Resource[draft, article]) *pages.Pager[article] {
			return r.ByKey(func(a article) string { return a.ID }, WithQuery(secret))
		}, status(401), `windrow: page 1, offset 10, cursor "9": rest: GET /v1/base/articles: status 401 (because)`},
		{"a cursor that is none", func(r *Resource[draft, article]) *pages.Pager[article] {
			return r.ByCursor(WithNextField("next"), WithQuery(secret))
		}, func(w http.ResponseWriter, _ *http.Request) {
			answer(w, 200, jsonObject{"items": []article{}, "next": []string{"hunter2"}})
		}, `windrow: page 1, offset 10, cursor "/v1/base/articles...": rest: GET /v1/base/articles: the field next of the page holds neither text nor a number`},
		{"a link that is none", func(r *Resource[draft, article]) *pages.Pager[article] { return r.ByLink(WithQuery(secret)) },
			func(w http.ResponseWriter, _ *http.Request) {
				answer(w, 200, jsonObject{"items": []article{}, "links": jsonObject{"next": 3}})
			},
			`windrow: page 1, offset 10, cursor "http://cms.test/v1/base/articles...": rest: GET /v1/base/articles: the field links.next of the page holds no link`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				good := func(w http.ResponseWriter, _ *http.Request) {
					answer(w, 200, jsonObject{"items": (&shelf{}).cut(0, 10), "next": "/v1/base/articles?p=1&token=hunter2"})
				}
				_, articles := based(t, each(good, test.bad, func(w http.ResponseWriter, _ *http.Request) {
					answer(w, 200, jsonObject{"items": []article{{"x", "last"}}, "next": nil})
				}))
				pager := test.pager(articles)
				got, err := drain(t.Context(), pager, pages.Prefetch(0))
				testkit.Check(t, "titles", titles()[:10], got)
				page, ok := errors.AsType[*pages.Error](err)
				if !ok || !strings.HasPrefix(err.Error(), test.want) || strings.Contains(err.Error(), "hunter2") {
					t.Fatalf("got  %v\nwant %s", err, test.want)
				}
				if strings.Contains(test.want, "cursor") && !strings.Contains(test.want, `"9"`) || strings.Contains(test.want, "offset 10:") {
					got, err = drain(t.Context(), pager, pages.StartAt(page.Position))
					testkit.Check(t, "titles after StartAt", []string{"last"}, got)
					if err != nil {
						t.Error(err)
					}
				}
			})
		})
	}
}

// F49: a server that takes no notice of the key is found out.
func TestF49ServerThatIgnoresTheKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, articles := based(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, (&shelf{}).cut(0, 10)) })
		_, err := drain(t.Context(), articles.ByKey(func(a article) string { return a.ID }))
		if !errors.Is(err, pages.ErrCursorLoop) || len(s.requests()) > 3 {
			t.Errorf("error %v after %d requests, want ErrCursorLoop", err, len(s.requests()))
		}
	})
}

// F50: an empty page that has a cursor for the next is not the last.
func TestF50EmptyPageWithNextCursor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		page := func(next string, items ...article) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, jsonObject{"data": items, "next": next}) }
		}
		_, articles := based(t, each(page("a"), page("b", article{Title: "t"}), page("c"), page("")))
		got, err := drain(t.Context(), articles.ByCursor(WithNextField("next")))
		if err != nil {
			t.Error(err)
		}
		testkit.Check(t, "titles", []string{"t"}, got)
	})
}

// F51: a total that lies costs a request, and nothing else.
func TestF51TotalThatLies(t *testing.T) {
	t.Parallel()
	for _, total := range []any{0, 3, 1000, -5, "many", nil, 1.5, true, jsonObject{"value": 3}} {
		synctest.Test(t, func(t *testing.T) {
			_, articles := based(t, (&shelf{func(s *shelf, w http.ResponseWriter, q url.Values) {
				w.Header().Set("X-Total-Count", fmt.Sprint(total))
				answer(w, 200, jsonObject{"items": s.cut(number(q, "offset"), 10), "total": total})
			}}).ServeHTTP)
			for _, opts := range [][]PagerOption{nil, {WithTotalField("total")}} {
				got, err := drain(t.Context(), articles.ByOffset(10, opts...), pages.Parallel(3))
				if err != nil {
					t.Errorf("total %v: %v", total, err)
				}
				testkit.Check(t, fmt.Sprintf("titles, total %v", total), titles(), got)
			}
		})
	}
}

// A link leads to the base URL's server or nowhere: what is sent holds the credential.
func TestLinkToAnotherServer(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		base, link string
		want       string // where it is followed to; "" for ErrOtherServer
	}{
		{"http://cms.test/v1/base", "http://other.test/v1/base/articles?p=1", ""},
		{"http://cms.test/v1/base", "//other.test/v1/base/articles", ""},
		{"http://cms.test/v1/base", "http://cms.test@other.test/", ""},
		{"http://cms.test/v1/base", "http://cms.test.other.test/", ""},
		{"http://cms.test/v1/base", "http://cms.test:81/v1/base/articles?p=1", ""},
		{"http://cms.test/v1/base", "https://cms.test/v1/base/articles?p=1", ""},
		{"http://cms.test/v1/base", "file:///etc/passwd", ""},
		{"http://cms.test/v1/base", "mailto:me@cms.test", ""},
		{"https://cms.test/v1/base", "http://cms.test:80/x", ""},
		{"https://cms.test:444/v1/base", "http://cms.test/x", ""},
		{"https://cms.test:444/v1/base", "http://cms.test:444/x", ""},
		{"http://cms.test:444/v1/base", "https://cms.test:444/x", ""},
		{"https://cms.test/v1/base", "http://cms.test/v1/base/articles?p=1", "https://cms.test/v1/base/articles?p=1"},
		{"https://cms.test/v1/base", "https://cms.test:443/x", "https://cms.test/x"},
		{"http://cms.test:80/v1/base", "http://CMS.test/x?p=1#f", "http://cms.test:80/x?p=1"},
		{"http://cms.test/v1/base", "http://me:secret@cms.test/x", "http://cms.test/x"},
		{"http://cms.test/v1/base", "?p=1", "http://cms.test/v1/base/articles?p=1"},
		{"http://cms.test/v1/base", "../articles?p=1", "http://cms.test/v1/articles?p=1"},
	} {
		synctest.Test(t, func(t *testing.T) {
			var sent []string
			base := roundTripper(func(req *http.Request) (*http.Response, error) {
				sent = append(sent, req.URL.String())
				next := test.link
				if len(sent) > 1 {
					next = ""
				}
				return jsonAnswer(req, jsonObject{"data": []article{{Title: "t"}}, "next": next}), nil
			})
			c, err := New(test.base, WithToken("token"), WithHTTPClient(&http.Client{Transport: base}))
			if err != nil {
				t.Fatal(err)
			}
			got, err := drain(t.Context(), articlesOf(c).ByLink())
			page, _ := errors.AsType[*pages.Error](err)
			if test.want == "" {
				if !errors.Is(err, ErrOtherServer) || page == nil || page.Position.Page != 1 || len(got) != 1 || len(sent) != 1 {
					t.Errorf("%s: sent %q, error %v, want ErrOtherServer for page 1", test.link, sent, err)
				}
				return
			}
			if err != nil || len(sent) != 2 || sent[1] != test.want {
				t.Errorf("%s: sent %q, error %v, want %s", test.link, sent, err, test.want)
			}
		})
	}
	for _, test := range []struct{ link, want string }{{"http://[::1/?token=hunter2", "not a URL"}, {"%zz?token=hunter2", "not a URL"}} {
		synctest.Test(t, func(t *testing.T) {
			_, articles := based(t, func(w http.ResponseWriter, _ *http.Request) {
				answer(w, 200, jsonObject{"data": []article{{}}, "next": test.link})
			})
			_, err := drain(t.Context(), articles.ByLink())
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

// What makes no sense is the error of the first page, and nothing is sent.
func TestPagersRefuseBadArguments(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := based(t, status(200))
		key := func(a article) string { return a.ID }
		set := func(url.Values, string) {}
		next := WithNextField("next")
		for want, pager := range map[string]*pages.Pager[article]{
			"pages.Offset":                             r.ByOffset(0),
			"pages.Number: first":                      r.ByNumber(2, 10),
			"pages.Keyset":                             r.ByKey(nil),
			"ByCursor: say where the next cursor is":   r.ByCursor(),
			"exclude each other":                       r.ByCursor(next, WithNextHeader("X-Next")),
			"WithNextField must":                       r.ByCursor(WithNextField("")),
			"WithNextHeader must":                      r.ByLink(WithNextHeader("")),
			"WithNextField is for":                     r.ByOffset(10, next),
			"WithNextHeader is for":                    r.ByKey(key, WithNextHeader("X-Next")),
			"WithTotalField must":                      r.ByOffset(10, WithTotalField("")),
			"WithTotalHeader must":                     r.ByOffset(10, WithTotalHeader("")),
			"WithMoreField must":                       r.ByNumber(0, 10, WithMoreField("")),
			"WithPageSize (0)":                         r.ByCursor(next, WithPageSize(0)),
			"WithPageSize is not for ByNumber":         r.ByNumber(0, 10, WithPageSize(10)),
			"WithPageSize (7) needs":                   r.ByCursor(next, WithPageSize(7), WithParameters("after", "")),
			`WithParameters ("", "n")`:                 r.ByOffset(10, WithParameters("", "n")),
			`WithParameters ("n", "n")`:                r.ByOffset(10, WithParameters("n", "n")),
			`WithParameters ("p", "n"): the links`:     r.ByLink(WithParameters("p", "n")),
			"WithAfter (nil)":                          r.ByKey(key, WithAfter(nil)),
			"WithAfter is for ByKey, not for ByOffset": r.ByOffset(10, WithAfter(set)),
			"option 1 is nil":                          r.ByCursor(next, nil),
			`has the parameter "offset"`:               r.ByOffset(10, WithQuery(url.Values{"offset": {"3"}})),
			`has the parameter "per_page"`:             r.ByNumber(0, 10, WithQuery(url.Values{"per_page": {"3"}})),
			`has the parameter "limit"`:                r.ByLink(WithPageSize(5), WithQuery(url.Values{"limit": {"3"}})),
			"make one with NewResource":                (&Resource[draft, article]{}).ByLink(),
			"the client is nil":                        NewResource[draft, article](nil, "/x").ByOffset(10),
		} {
			_, err := drain(t.Context(), pager)
			if page, ok := errors.AsType[*pages.Error](err); !ok || page.Position.Page != 0 || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want one of page 0 with %q", err, want)
			}
		}
		testkit.Check(t, "requests", 0, len(s.requests()))
	})
}

// F36: nothing is sent or kept running behind the end of the range, also when a page is in the middle of its retries.
func TestF36LeavingTheLoopEndsTheRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, articles := based(t, each((&shelf{pagingCases[0].write}).ServeHTTP, status(429, "Retry-After", "3600")))
		for range pages.Read(t.Context(), articles.ByOffset(10)) {
			synctest.Wait()
			break
		}
		testkit.Check(t, "requests", 2, len(s.requests()))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := drain(ctx, articles.ByOffset(10)); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want %v", err, context.Canceled)
		}
	})
}

func TestNextLink(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		fields []string
		want   string
	}{
		{nil, ""},
		{[]string{""}, ""},
		{[]string{`<a>; rel="next"`}, "a"},
		{[]string{`<a>;rel=next`}, "a"},
		{[]string{`< a > ; REL = "NEXT"`}, "a"},
		{[]string{`<a>; rel="prev", <b>; rel="next"`}, "b"},
		{[]string{`<a>; rel="prev"`, `<b>; rel="next"`}, "b"},
		{[]string{`<a>; rel="prev next last"`}, "a"},
		{[]string{`<a>; rel="nextish", <b>; rel="not-next"`}, ""},
		{[]string{`<a,b;c>; rel=next`}, "a,b;c"},
		{[]string{`<a>; title="x, <z>; rel=next"; rel=prev, <b>; title="\"; rel=prev"; rel=next`}, "b"},
		{[]string{`<a>; rel=prev; rel=next, <b>; rel=next`}, "b"},
		{[]string{`<a>; rel=next; rel=prev`}, "a"},
		{[]string{`<a>; anchor="#x"; rel=next, <b>; rel=next`}, "b"},
		{[]string{`<a>; rel=next; anchor="#x"`}, ""},
		{[]string{`<a>; rel, <b>; rel=next`}, "b"},
		{[]string{`<a>;; rel=next`}, "a"},
		{[]string{`<>; rel=next`}, ""},
		{[]string{`<a; rel=next`}, ""},
		{[]string{`<a> rel=next, <b>; rel=next`}, "b"},
		{[]string{`, ,<a>; rel=next`}, "a"},
		{[]string{`<a>; rel="next`}, "a"},
		{[]string{`<a>; rel="next\`}, "a"},
		{[]string{`<a>; title*=UTF-8''n%c3%a4chste; rel=next`}, "a"},
		{[]string{`<https://cms.test/x?p=2>; rel="next"; results="true", <y>; rel="last"`}, "https://cms.test/x?p=2"},
	} {
		if got := nextLink(http.Header{"Link": test.fields}); got != test.want {
			t.Errorf("%q: %q, want %q", test.fields, got, test.want)
		}
	}
}

// FuzzNextLink: whatever the header holds, reading it ends.
func FuzzNextLink(f *testing.F) {
	f.Add(`<a>; rel="prev", <b>; title="x, \"y"; rel=next`)
	f.Add(`<a> x, <b`)
	f.Fuzz(func(t *testing.T, field string) {
		if link := nextLink(http.Header{"Link": {field}}); !strings.Contains(field, link) {
			t.Errorf("%q is not in %q", link, field)
		}
	})
}

func TestDig(t *testing.T) {
	t.Parallel()
	body := []byte(`{"a": {"b": {"c": 1}, "b.c": 2, "d.e": {"f": 3}}, "a.x": {"y": 4}, "a.b.z": 5, "n": null, "l": [1]}`)
	for path, want := range map[string]string{
		"a.b.c": "2", "a.d.e.f": "3", "a.x.y": "4", "a.b.z": "5", "n": "null", "l": "[1]", "n.x": "", "l.0": "", "q": "", "a.": "", "": "",
	} {
		got, there := dig(objectOf(body), path)
		if string(got) != want || there != (want != "") {
			t.Errorf("%q: %q, %t, want %q", path, got, there, want)
		}
	}
}

// jsonAnswer is an answer without a server.
func jsonAnswer(req *http.Request, value any) *http.Response {
	w := httptest.NewRecorder()
	answer(w, http.StatusOK, value)
	res := w.Result()
	res.Request = req
	return res
}
