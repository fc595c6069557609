package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
	"github.com/windrow-go/windrow/pages"
)

// moreCases are servers whose lists have a short page and an empty one in the middle, each with its way to say that more
// follow.
var moreCases = []struct {
	name string
	opts []PagerOption
	say  func(w http.ResponseWriter, body jsonObject, more bool)
}{
	{"has_more", []PagerOption{WithMoreField("has_more")}, func(_ http.ResponseWriter, b jsonObject, more bool) { b["has_more"] = more }},
	{"has_more as text", []PagerOption{WithMoreField("has_more")}, func(_ http.ResponseWriter, b jsonObject, more bool) { b["has_more"] = fmt.Sprint(more) }},
	{"the next page", []PagerOption{WithMoreField("meta.next_page")}, func(_ http.ResponseWriter, b jsonObject, more bool) {
		b["meta"] = jsonObject{"next_page": map[bool]any{true: 7, false: nil}[more]}
	}},
	{"isLast", []PagerOption{WithLastField("isLast")}, func(_ http.ResponseWriter, b jsonObject, more bool) { b["isLast"] = !more }},
	{"isLast as a number", []PagerOption{WithLastField("page.last")}, func(_ http.ResponseWriter, b jsonObject, more bool) {
		b["page"] = jsonObject{"last": map[bool]int{true: 0, false: 1}[more]}
	}},
	{"header Link", nil, func(w http.ResponseWriter, _ jsonObject, more bool) {
		if more {
			w.Header().Set("Link", `</v1/base/articles?x=1>; rel="next"`)
		}
	}},
	{"links.next", nil, func(_ http.ResponseWriter, b jsonObject, more bool) {
		if more {
			b["links"] = jsonObject{"next": "/v1/base/articles?x=1"}
		}
	}},
	{"next with an href", nil, func(_ http.ResponseWriter, b jsonObject, more bool) {
		if more {
			b["next"] = jsonObject{"href": "?x=1"}
		}
	}},
}

// F76: a short or an empty page of a server that says, in whatever way, that more follow is not the last, and a full one
// of which it says that none does is the last.
func TestF76MoreLastAndNotSaid(t *testing.T) {
	t.Parallel()
	for _, test := range moreCases {
		for _, numbered := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				s, articles := based(t, func(w http.ResponseWriter, req *http.Request) {
					at := number(req.URL.Query(), "offset")
					if numbered {
						at = 10 * number(req.URL.Query(), "page")
					}
					items := (&shelf{}).cut(at, 10)
					if len(items) == 0 {
						answer(w, http.StatusNotFound, nil)
						return
					}
					body := jsonObject{}
					test.say(w, body, at+10 < shelved)
					switch at {
					case 0:
						items = slices.Delete(items, 3, 5)
					case 10:
						items = nil
					}
					body["items"] = items
					answer(w, 200, body)
				})
				pager := articles.ByNumber(0, 10, test.opts...)
				want, requests := slices.Concat(titles()[:3], titles()[5:10], titles()[20:]), 3
				if !numbered {
					pager = articles.ByOffset(10, test.opts...)
					pager.Key = func(a article) string { return a.ID }
					// It goes on behind the 8 that came, and at 18 and 26 nothing is left out.
					want, requests = slices.Concat(titles()[:3], titles()[5:]), 3
				}
				got, err := drain(t.Context(), pager)
				if err != nil || len(s.requests()) != requests {
					t.Errorf("%s, numbered %t: %d requests and the error %v", test.name, numbered, len(s.requests()), err)
				}
				testkit.Check(t, test.name, want, got)
			})
		}
	}
	// A full page that is the last: no request for one behind it, where this server answers an error.
	for _, test := range moreCases[:5] {
		synctest.Test(t, func(t *testing.T) {
			s, articles := based(t, func(w http.ResponseWriter, req *http.Request) {
				at := number(req.URL.Query(), "offset")
				body := jsonObject{"items": (&shelf{}).cut(at, 5)}
				test.say(w, body, at < 20)
				answer(w, 200, body)
			})
			got, err := drain(t.Context(), articles.ByOffset(5, test.opts...))
			if err != nil || len(s.requests()) != 5 {
				t.Errorf("%s: %d requests and the error %v", test.name, len(s.requests()), err)
			}
			testkit.Check(t, test.name, titles(), got)
		})
	}
	// What the server does not say, the kind of pager decides.
	for _, opts := range [][]PagerOption{{WithMoreField("has_more")}, {WithLastField("isLast")}} {
		for _, unsaid := range []jsonObject{{}, {"isLast": nil}} {
			synctest.Test(t, func(t *testing.T) {
				s, articles := based(t, func(w http.ResponseWriter, req *http.Request) {
					unsaid["data"] = (&shelf{}).cut(number(req.URL.Query(), "offset"), 10)
					answer(w, 200, unsaid)
				})
				got, err := drain(t.Context(), articles.ByOffset(10, opts...))
				testkit.Check(t, "titles", titles(), got)
				testkit.Check(t, "requests and error", []any{3, nil}, []any{len(s.requests()), err})
			})
		}
	}
}

// F76: by cursor, link and key an empty page that promises more is an error where it cannot be followed, and none where
// it can.
func TestF76MoreWithCursors(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		pager func(r *Resource[draft, article]) *pages.Pager[article]
		next  any
		more  bool
		bad   bool
	}{
		{"cursor, lost", func(r *Resource[draft, article]) *pages.Pager[article] {
			return r.ByCursor(WithNextField("next"), WithMoreField("more"))
		}, nil, true, true},
		{"cursor 0 that is one", func(r *Resource[draft, article]) *pages.Pager[article] {
			return r.ByCursor(WithNextField("next"), WithMoreField("more"))
		}, 0, true, false},
		{"cursor that is left over", func(r *Resource[draft, article]) *pages.Pager[article] {
			return r.ByCursor(WithNextField("next"), WithMoreField("more"))
		}, "left over", false, false},
		{"link, lost", func(r *Resource[draft, article]) *pages.Pager[article] { return r.ByLink(WithMoreField("more")) }, nil, true, true},
		{"key, lost", func(r *Resource[draft, article]) *pages.Pager[article] {
			return r.ByKey(func(a article) string { return a.ID }, WithMoreField("more"))
		}, nil, true, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			calls := 0
			_, articles := based(t, func(w http.ResponseWriter, _ *http.Request) {
				body := jsonObject{"items": []article{}, "next": test.next, "more": test.more}
				if calls++; calls > 1 {
					body = jsonObject{"items": []article{{"1", "last"}}, "more": false}
				}
				answer(w, 200, body)
			})
			got, err := drain(t.Context(), test.pager(articles))
			want := 0
			if test.more && !test.bad {
				want = 1
			}
			if (err != nil) != test.bad || len(got) != want {
				t.Errorf("%s: %v and the error %v", test.name, got, err)
			}
		})
	}
}

// F76: a cursor that is null, "null", 0, 0.0, "0" or empty ends the list, and others where WithNoNext says so.
func TestF76CursorThatIsNone(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		next any
		opts []PagerOption
		ends bool
	}{
		{nil, nil, true}, {"null", nil, true}, {0, nil, true}, {json.RawMessage("0.0"), nil, true}, {json.RawMessage("-0"), nil, true}, {0.5, nil, false}, {"0", nil, true}, {"", nil, true}, {false, nil, true},
		{"-1", nil, false}, {1, nil, false}, {"none", nil, false},
		{nil, []PagerOption{WithNoNext()}, true}, {"", []PagerOption{WithNoNext()}, true}, {false, []PagerOption{WithNoNext()}, true},
		{0, []PagerOption{WithNoNext()}, false}, {"0", []PagerOption{WithNoNext()}, false}, {"null", []PagerOption{WithNoNext()}, false},
		{"-1", []PagerOption{WithNoNext("-1", "end")}, true}, {-1, []PagerOption{WithNoNext("-1", "end")}, true},
		{"end", []PagerOption{WithNoNext("-1", "end")}, true}, {"0", []PagerOption{WithNoNext("-1", "end")}, false},
	} {
		for _, inHeader := range []bool{false, true} {
			text, isText := test.next.(string)
			if inHeader && !isText {
				continue
			}
			synctest.Test(t, func(t *testing.T) {
				s, articles := based(t, func(w http.ResponseWriter, req *http.Request) {
					body := jsonObject{"items": []article{{"1", "a"}}}
					switch {
					case req.URL.RawQuery != "":
					case inHeader:
						w.Header().Set("X-Next", text)
					default:
						body["next"] = test.next
					}
					answer(w, 200, body)
				})
				where := WithNextField("next")
				if inHeader {
					where = WithNextHeader("X-Next")
				}
				got, err := drain(t.Context(), articles.ByCursor(append(test.opts, where)...))
				want := []string{"/v1/base/articles"}
				if !test.ends {
					want = append(want, fmt.Sprintf("/v1/base/articles?cursor=%v", test.next))
				}
				testkit.Check(t, fmt.Sprintf("%#v", test.next), want, targets(s))
				if err != nil || len(got) != len(want) {
					t.Errorf("%#v: %v and the error %v", test.next, got, err)
				}
			})
		}
	}
}

// F76: a link to the address that the server has behind its proxy is followed at the client's, where the option says
// what it stands for; nothing is sent to another host, mapped or not.
func TestF76LinksToAnInnerHost(t *testing.T) {
	t.Parallel()
	const inner, other = "http://10.0.0.5:8080/v1", "http://node-2:80"
	for _, test := range []struct {
		base, link string
		bases      []string
		want       string
	}{
		{"https://cms.test/api", inner + "/articles?p=2&q=a%20b", []string{inner}, "https://cms.test/api/articles?p=2&q=a%20b"},
		{"https://cms.test/api", inner + "/articles?p=2", []string{other, inner + "/"}, "https://cms.test/api/articles?p=2"},
		{"https://cms.test/api/", "HTTP://NODE-2/articles/%2F?p=2#x", []string{other, inner}, "https://cms.test/api/articles/%2F?p=2"},
		{"https://cms.test:8443", inner + "/articles?p=2", []string{inner}, "https://cms.test:8443/articles?p=2"},
		{"https://cms.test/api", "https://cms.test/api/articles?p=2", []string{inner}, "https://cms.test/api/articles?p=2"},
		{"https://cms.test/api", "http://me:pw@10.0.0.5:8080/v1?p=2", []string{inner}, "https://cms.test/api?p=2"},
		{"https://cms.test/api", inner + "/articles?p=2", nil, ""},
		{"https://cms.test/api", inner + "/articles?p=2", []string{other}, ""},
		{"https://cms.test/api", "http://10.0.0.5:8080/v10/articles?p=2", []string{inner}, ""},
		{"https://cms.test/api", "http://10.0.0.5:8080/articles", []string{inner}, ""},
		{"https://cms.test/api", inner + "/../admin", []string{inner}, ""},
		{"https://cms.test/api", "http://10.0.0.5:8081/v1/articles", []string{inner}, ""},
		{"https://cms.test/api", "https://10.0.0.5:8080/v1/articles", []string{inner}, ""},
		{"https://cms.test/api", "http://10.0.0.5.evil.test:8080/v1/articles", []string{inner}, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			var sent []string
			base := roundTripper(func(req *http.Request) (*http.Response, error) {
				sent = append(sent, req.URL.String())
				if u, _ := url.Parse(test.base); req.URL.Host != u.Host || req.Host != u.Host {
					t.Errorf("%s: sent to %s, host %s", test.link, req.URL.Host, req.Host)
				}
				body := jsonObject{"data": []article{{Title: fmt.Sprint(len(sent))}}}
				switch len(sent) {
				case 1:
					body["next"] = test.link
				case 2:
					body["next"] = "?p=3" // relative to the link as the server wrote it
				}
				return jsonAnswer(req, body), nil
			})
			c, err := New(test.base, WithToken("token"), WithHTTPClient(&http.Client{Transport: base}))
			if err != nil {
				t.Fatal(err)
			}
			var opts []PagerOption
			if test.bases != nil {
				opts = append(opts, WithLinkBase(test.bases...))
			}
			got, err := drain(t.Context(), articlesOf(c).ByLink(opts...))
			if test.want == "" {
				if !errors.Is(err, ErrOtherServer) || len(sent) != 1 {
					t.Errorf("%s: sent %q and the error %v, want ErrOtherServer", test.link, sent, err)
				}
				return
			}
			if err != nil || len(got) != 3 || sent[1] != test.want || !strings.HasSuffix(sent[2], "?p=3") {
				t.Errorf("%s: sent %q and the error %v, want %s", test.link, sent, err, test.want)
			}
		})
	}
}

// A list whose offsets begin with 1 is read from its first record to its last.
func TestF76OffsetsFromOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, articles := based(t, func(w http.ResponseWriter, req *http.Request) {
			q := req.URL.Query()
			list := (&shelf{}).cut(number(q, "startIndex")-1, number(q, "count"))
			answer(w, 200, jsonObject{"Resources": list, "totalResults": shelved, "startIndex": number(q, "startIndex")})
		})
		scim := NewResource[draft, article](articles.client, "/articles", WithItemsField("Resources"))
		pager := scim.ByOffset(10, WithParameters("startIndex", "count"), WithFirstOffset(1), WithTotalField("totalResults"))
		var at []int
		got, err := drain(t.Context(), pager, pages.OnPage(func(p pages.Info) { at = append(at, p.Position.Offset) }))
		if err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "titles", titles(), got)
		testkit.Check(t, "offsets", []int{0, 10, 20}, at)
		testkit.Check(t, "requests", []string{
			"/v1/base/articles?count=10&startIndex=1", "/v1/base/articles?count=10&startIndex=11", "/v1/base/articles?count=10&startIndex=21",
		}, targets(s))
		got, err = drain(t.Context(), pager, pages.StartAt(pages.Position{Page: 1, Offset: 10}))
		testkit.Check(t, "from the second page", titles()[10:], got)
		testkit.Check(t, "error", nil, err)
	})
}

// A list whose items are not where they are looked for says so at once: it would be no other the next time.
func TestF76ItemsUnderAnUnknownField(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		body any
		opts []ResourceOption
		want []string
	}{
		{jsonObject{"articles": []article{{"1", "secret"}}}, nil, []string{"items, data, results, records", "WithItemsField"}},
		{jsonObject{"items": jsonObject{"a": 1}}, nil, []string{"items, data, results, records", "WithItemsField"}},
		{"secret", nil, []string{"items, data, results, records", "WithItemsField"}},
		{jsonObject{"items": []article{}}, []ResourceOption{WithItemsField("a.list")}, []string{"the field a.list", "WithItemsField"}},
		{jsonObject{"a": jsonObject{"list": []any{"secret"}}}, []ResourceOption{WithItemsField("a.list")}, []string{"does not fit into"}},
	} {
		for name, pager := range map[string]func(r *Resource[draft, article]) *pages.Pager[article]{
			"offset": func(r *Resource[draft, article]) *pages.Pager[article] { return r.ByOffset(10) },
			"cursor": func(r *Resource[draft, article]) *pages.Pager[article] { return r.ByCursor(WithNextField("next")) },
			"link":   func(r *Resource[draft, article]) *pages.Pager[article] { return r.ByLink() },
		} {
			synctest.Test(t, func(t *testing.T) {
				s, articles := based(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, test.body) })
				r := NewResource[draft, article](articles.client, "/articles", test.opts...)
				start := time.Now()
				_, err := drain(t.Context(), pager(r))
				if err == nil || len(s.requests()) != 1 || time.Since(start) > 0 {
					t.Fatalf("%s: %d requests in %v and the error %v", name, len(s.requests()), time.Since(start), err)
				}
				for _, want := range append(test.want, "GET /v1/base/articles: status 200") {
					if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
						t.Errorf("%s: the error %q, want %q in it", name, err, want)
					}
				}
			})
		}
	}
	// Where the items are is a path, as for the other fields of a page.
	synctest.Test(t, func(t *testing.T) {
		_, articles := based(t, func(w http.ResponseWriter, _ *http.Request) {
			answer(w, 200, json.RawMessage(`{"result": {"rows": [{"id": "1", "title": "a"}]}, "items": []}`))
		})
		got, err := drain(t.Context(), NewResource[draft, article](articles.client, "/articles", WithItemsField("result.rows")).ByOffset(10))
		testkit.Check(t, "titles", []string{"a"}, got)
		testkit.Check(t, "error", nil, err)
	})
}

// F81: through rest, too, a list that starts again behind its end is read once.
func TestF81ServerStartsAgain(t *testing.T) {
	t.Parallel()
	for _, total := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			_, articles := based(t, func(w http.ResponseWriter, req *http.Request) {
				if total {
					w.Header().Set("X-Total-Count", strconv.Itoa(shelved))
				}
				answer(w, 200, (&shelf{}).cut(number(req.URL.Query(), "offset")%shelved, 5))
			})
			got, err := drain(t.Context(), articles.ByOffset(5))
			if total {
				testkit.Check(t, "titles", titles(), got)
				testkit.Check(t, "error", nil, err)
			} else if !errors.Is(err, pages.ErrCursorLoop) || len(got) > shelved+10 {
				t.Errorf("%d items and the error %v, want ErrCursorLoop", len(got), err)
			}
		})
	}
}

// What makes no sense is refused before anything is sent.
func TestF76OptionsAreChecked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := based(t, status(200))
		for want, pager := range map[string]*pages.Pager[article]{
			"WithMoreField and WithLastField exclude":    r.ByOffset(10, WithMoreField("a"), WithLastField("b")),
			"WithLastField must":                         r.ByOffset(10, WithLastField("")),
			"WithNoNext is for":                          r.ByOffset(10, WithNoNext("0")),
			"WithFirstOffset (2) must":                   r.ByOffset(10, WithFirstOffset(2)),
			"WithFirstOffset is for ByOffset":            r.ByNumber(0, 10, WithFirstOffset(1)),
			"WithLinkBase is for ByLink":                 r.ByOffset(10, WithLinkBase("http://inner")),
			"WithLinkBase must have a URL":               r.ByLink(WithLinkBase()),
			"WithLinkBase must have URLs":                r.ByLink(WithLinkBase("http://inner", "10.0.0.5:8080")),
			"WithLinkBase must have URLs with http or h": r.ByLink(WithLinkBase("http://inner?x=y")),
		} {
			if _, err := drain(t.Context(), pager); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want %q", err, want)
			}
		}
		testkit.Check(t, "requests", 0, len(s.requests()))
	})
}

// F88: a list whose pages a proxy answers with 502 for 10 s is read to its end, soon after; not so where the caller says how
// often a page is to be read.
func TestF88PagesWaitForTheServer(t *testing.T) {
	t.Parallel()
	for _, code := range []int{502, 503, 504} {
		for _, limited := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				var opts []Option
				if limited {
					opts = append(opts, WithLimiter(windrow.NewLimiter()))
				}
				start := time.Now()
				_, articles := based(t, func(w http.ResponseWriter, req *http.Request) {
					time.Sleep(50 * time.Millisecond)
					if at := time.Since(start); at > 100*time.Millisecond && at < 10*time.Second {
						w.WriteHeader(code)
						return
					}
					answer(w, 200, (&shelf{}).cut(number(req.URL.Query(), "offset"), 5))
				}, opts...)
				got, err := drain(t.Context(), articles.ByOffset(5))
				testkit.Check(t, "titles", titles(), got)
				if took := time.Since(start); err != nil || took > 25*time.Second {
					t.Errorf("%d, limited %t: took %v, error %v", code, limited, took, err)
				}
			})
		}
	}
	synctest.Test(t, func(t *testing.T) { // for ever
		start := time.Now()
		_, articles := based(t, status(502))
		_, err := drain(t.Context(), articles.ByOffset(5))
		if took := time.Since(start); err == nil || took < 5*time.Minute || took > 7*time.Minute {
			t.Errorf("never up again: took %v, error %v", took, err)
		}
	})
}
