package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
	"github.com/windrow-go/windrow/pages"
)

// shelf answers lists of 25 articles, at /v1/base/articles and nowhere else.
type shelf struct {
	// write writes the page that the query asks for, with cut.
	write func(s *shelf, w http.ResponseWriter, query url.Values)
}

// shelved is how many articles a shelf has.
const shelved = 25

func titleOf(i int) string { return fmt.Sprintf("t%02d", i) }

// cut returns up to size articles from an offset on, 10 when the size is 0.
func (s *shelf) cut(offset, size int) []article {
	if size == 0 {
		size = 10
	}
	list := []article{}
	for i := offset; i < min(offset+size, shelved); i++ {
		list = append(list, article{strconv.Itoa(i), titleOf(i)})
	}
	return list
}

// ServeHTTP implements [http.Handler].
func (s *shelf) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.URL.Path != "/v1/base/articles" || req.Method != http.MethodGet {
		answer(w, http.StatusNotFound, map[string]string{"code": "not-the-base-path"})
		return
	}
	s.write(s, w, req.URL.Query())
}

func number(query url.Values, name string) int {
	n, _ := strconv.Atoi(query.Get(name))
	return n
}

// based returns the articles below a base path, of a server with that handler.
func based(t *testing.T, handler http.HandlerFunc, opts ...Option) (*server, *Resource[draft, article]) {
	t.Helper()
	s := serve(t, handler)
	opts = append([]Option{WithHTTPClient(&http.Client{Transport: s.base}), WithToken("token")}, opts...)
	c, err := New("http://cms.test/v1/base/", opts...)
	if err != nil {
		t.Fatal(err)
	}
	return s, articlesOf(c)
}

// drain reads a list to its end, or to its error.
func drain(ctx context.Context, pager *pages.Pager[article], opts ...pages.Option) (titles []string, err error) {
	for a, pageErr := range pages.Read(ctx, pager, opts...) {
		if err = pageErr; err == nil {
			titles = append(titles, a.Title)
		}
	}
	return titles, err
}

func titles() (all []string) {
	for i := range shelved {
		all = append(all, titleOf(i))
	}
	return all
}

func targets(s *server) (all []string) {
	for _, r := range s.requests() {
		target, err := url.QueryUnescape(r.Target)
		all = append(all, target)
		if err != nil {
			all = append(all, err.Error())
		}
	}
	return all
}

// pagingCases are servers that page, each in its way, and how their lists are read.
var pagingCases = []struct {
	name  string
	pager func(r *Resource[draft, article]) *pages.Pager[article]
	write func(s *shelf, w http.ResponseWriter, q url.Values)
	want  []string // queries
	total int
}{
	{
		name:  "offset and limit, total in a header",
		pager: func(r *Resource[draft, article]) *pages.Pager[article] { return r.ByOffset(10) },
		write: func(s *shelf, w http.ResponseWriter, q url.Values) {
			w.Header().Set("X-Total-Count", "25")
			answer(w, 200, s.cut(number(q, "offset"), number(q, "limit")))
		},
		want: []string{"limit=10&offset=0", "limit=10&offset=10", "limit=10&offset=20"}, total: 25,
	},
	{
		name: "page[offset] and page[limit], total in the body",
		pager: func(r *Resource[draft, article]) *pages.Pager[article] {
			return r.ByOffset(10, WithParameters("page[offset]", "page[limit]"), WithTotalField("meta.total_count"))
		},
		write: func(s *shelf, w http.ResponseWriter, q url.Values) {
			answer(w, 200, jsonObject{"data": s.cut(number(q, "page[offset]"), number(q, "page[limit]")), "meta": jsonObject{"total_count": 25}})
		},
		want: []string{"page[limit]=10&page[offset]=0", "page[limit]=10&page[offset]=10", "page[limit]=10&page[offset]=20"}, total: 25,
	},
	{
		name: "skip and take, filtered, total in another header",
		pager: func(r *Resource[draft, article]) *pages.Pager[article] {
			return r.ByOffset(20, WithParameters("skip", "take"), WithTotalHeader("X-Count"), WithQuery(url.Values{"kind": {"a", "b"}}))
		},
		write: func(s *shelf, w http.ResponseWriter, q url.Values) {
			w.Header().Set("X-Count", "25")
			answer(w, 200, s.cut(number(q, "skip"), number(q, "take")))
		},
		want: []string{"kind=a&kind=b&skip=0&take=20", "kind=a&kind=b&skip=20&take=20"}, total: 25,
	},
	{
		name:  "page number from 1",
		pager: func(r *Resource[draft, article]) *pages.Pager[article] { return r.ByNumber(1, 10) },
		write: func(s *shelf, w http.ResponseWriter, q url.Values) {
			answer(w, 200, s.cut(number(q, "per_page")*(number(q, "page")-1), number(q, "per_page")))
		},
		want: []string{"page=1&per_page=10", "page=2&per_page=10", "page=3&per_page=10"},
	},
	{
		name: "page number from 0, no size, has_more, and a 404 behind the last page",
		pager: func(r *Resource[draft, article]) *pages.Pager[article] {
			return r.ByNumber(0, 5, WithParameters("p", ""), WithMoreField("paging.has_more"))
		},
		write: func(s *shelf, w http.ResponseWriter, q url.Values) {
			p := number(q, "p")
			if p > 4 {
				answer(w, 404, nil)
				return
			}
			answer(w, 200, jsonObject{"results": s.cut(5*p, 5), "paging": jsonObject{"has_more": p < 4}})
		},
		want: []string{"p=0", "p=1", "p=2", "p=3", "p=4"},
	},
	{
		name: "cursor in the body, a number",
		pager: func(r *Resource[draft, article]) *pages.Pager[article] {
			return r.ByCursor(WithNextField("meta.next_cursor"), WithQuery(url.Values{"status": {"live"}}))
		},
		write: func(s *shelf, w http.ResponseWriter, q url.Values) {
			at := number(q, "cursor") % 1000
			next := any(nil)
			if at+10 < shelved {
				next = 9007199254740993000 + at + 10 // no float64 holds it
			}
			answer(w, 200, jsonObject{"data": s.cut(at, 0), "meta": jsonObject{"next_cursor": next}})
		},
		want: []string{"status=live", "cursor=9007199254740993010&status=live", "cursor=9007199254740993020&status=live"},
	},
	{
		name: "cursor in a header, with a size",
		pager: func(r *Resource[draft, article]) *pages.Pager[article] {
			return r.ByCursor(WithNextHeader("x-next"), WithPageSize(20), WithParameters("from", "max"))
		},
		write: func(s *shelf, w http.ResponseWriter, q url.Values) {
			at := number(q, "from")
			if at+20 < shelved {
				w.Header().Set("X-Next", strconv.Itoa(at+20))
			}
			answer(w, 200, s.cut(at, number(q, "max")))
		},
		want: []string{"max=20", "from=20&max=20"},
	},
	{
		name: "header Link, absolute",
		pager: func(r *Resource[draft, article]) *pages.Pager[article] {
			return r.ByLink(WithPageSize(10), WithQuery(url.Values{"sort": {"id"}}))
		},
		write: func(s *shelf, w http.ResponseWriter, q url.Values) {
			at := number(q, "p") * 10
			if at+10 < shelved {
				w.Header().Add("Link", `<http://cms.test/v1/base/articles?p=0>; rel="first"`)
				w.Header().Add("Link", fmt.Sprintf(`</x>; rel=prev, <http://cms.test/v1/base/articles?p=%d>; title="a, b"; rel="last next"`, at/10+1))
			}
			answer(w, 200, s.cut(at, 10))
		},
		want: []string{"limit=10&sort=id", "p=1", "p=2"},
	},
	{
		name:  "links.next, relative to the page",
		pager: func(r *Resource[draft, article]) *pages.Pager[article] { return r.ByLink(WithTotalField("total")) },
		write: func(s *shelf, w http.ResponseWriter, q url.Values) {
			at := number(q, "p") * 10
			next := any(nil)
			if at+10 < shelved {
				next = fmt.Sprintf("articles?p=%d", at/10+1)
			}
			answer(w, 200, jsonObject{"data": s.cut(at, 10), "links": jsonObject{"next": next}, "total": "25"})
		},
		want: []string{"", "p=1", "p=2"}, total: 25,
	},
	{
		name: "next with an href, an absolute path, of a name with dots",
		pager: func(r *Resource[draft, article]) *pages.Pager[article] {
			return r.ByLink(WithNextField("@odata.next.link"))
		},
		write: func(s *shelf, w http.ResponseWriter, q url.Values) {
			at := number(q, "p") * 10
			page := jsonObject{"data": s.cut(at, 10), "@odata": jsonObject{"count": 1}, "next": "http://elsewhere.test/"}
			if at+10 < shelved {
				page["@odata.next"] = jsonObject{"link": jsonObject{"href": fmt.Sprintf("/v1/base/articles?p=%d#x", at/10+1)}}
			}
			answer(w, 200, page)
		},
		want: []string{"", "p=1", "p=2"},
	},
	{
		name: "key",
		pager: func(r *Resource[draft, article]) *pages.Pager[article] {
			return r.ByKey(func(a article) string { return a.Title }, WithQuery(url.Values{"sort": {"title"}}), WithPageSize(10))
		},
		write: func(s *shelf, w http.ResponseWriter, q url.Values) {
			at := 0
			if after := q.Get("after"); after != "" {
				at, _ = strconv.Atoi(after[1:])
				at++
			}
			answer(w, 200, s.cut(at, number(q, "limit")))
		},
		want: []string{"limit=10&sort=title", "after=t09&limit=10&sort=title", "after=t19&limit=10&sort=title", "after=t24&limit=10&sort=title"},
	},
	{
		name: "key in a filter",
		pager: func(r *Resource[draft, article]) *pages.Pager[article] {
			return r.ByKey(func(a article) string { return a.Title }, WithQuery(url.Values{"filter": {"live"}}), WithMoreField("more"),
				WithAfter(func(query url.Values, after string) {
					query.Set("filter", query.Get("filter")+" && title > "+after)
				}))
		},
		write: func(s *shelf, w http.ResponseWriter, q url.Values) {
			at := 0
			if _, after, ok := strings.Cut(q.Get("filter"), "title > t"); ok {
				at, _ = strconv.Atoi(after)
				at++
			}
			answer(w, 200, jsonObject{"items": s.cut(at, 0), "more": at+10 < shelved})
		},
		want: []string{"filter=live", "filter=live && title > t09", "filter=live && title > t19"},
	},
}

type jsonObject = map[string]any

// A66: every kind of list is read to its end, below a base path, with the query that it needs, and more than once.
func TestA66PagersReadEveryKindOfList(t *testing.T) {
	t.Parallel()
	for _, test := range pagingCases {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, articles := based(t, (&shelf{test.write}).ServeHTTP)
				pager := test.pager(articles)
				total := 0
				for range 2 {
					got, err := drain(t.Context(), pager, pages.OnPage(func(p pages.Info) { total = max(total, p.Total) }))
					if err != nil {
						t.Fatal(err)
					}
					testkit.Check(t, "titles", titles(), got)
				}
				testkit.Check(t, "total", test.total, total)
				var want []string
				for _, query := range append(test.want, test.want...) {
					want = append(want, strings.TrimSuffix("/v1/base/articles?"+query, "?"))
				}
				testkit.Check(t, "requests", want, targets(s))
			})
		})
	}
}

// A pager by offset that knows the total fetches several pages at once, in order, as far as the client's limiter lets it.
func TestParallelPages(t *testing.T) {
	t.Parallel()
	for calls, want := range map[int]time.Duration{4: 3 * time.Second, 1: 9 * time.Second} { // one page, and then eight
		synctest.Test(t, func(t *testing.T) {
			test := pagingCases[0]
			_, articles := based(t, func(w http.ResponseWriter, req *http.Request) {
				time.Sleep(time.Second)
				(&shelf{test.write}).ServeHTTP(w, req)
			}, WithLimiter(windrow.NewLimiter(windrow.Concurrency(calls))))
			start := time.Now()
			got, err := drain(t.Context(), articles.ByOffset(3), pages.Parallel(4))
			if err != nil {
				t.Fatal(err)
			}
			testkit.Check(t, "titles", titles(), got)
			testkit.Check(t, "time", want, time.Since(start))
		})
	}
}

// A pager keeps the query that it was given, whatever becomes of it.
func TestWithQueryIsCopied(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, articles := based(t, (&shelf{pagingCases[0].write}).ServeHTTP)
		query := url.Values{"status": {"live"}}
		pager := articles.ByOffset(100, WithQuery(query), WithPageRun())
		query["status"][0] = "draft"
		query.Set("x", "y")
		if _, err := drain(t.Context(), pager); err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "requests", []string{"/v1/base/articles?limit=100&offset=0&status=live"}, targets(s))
	})
}

// Each page is a run of its own: one that is throttled, lost or refused at the door is asked for again, through the
// client's limiter, and the reading goes on.
func TestPagesAreAskedForAgain(t *testing.T) {
	t.Parallel()
	for _, limited := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			page := func(offset int) http.HandlerFunc {
				return func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, (&shelf{}).cut(offset, 20)) }
			}
			var opts []Option
			limiter := windrow.NewLimiter()
			if limited {
				opts = append(opts, WithLimiter(limiter))
			}
			s, articles := based(t, each(status(429, "Retry-After", "7"), page(0), status(500), status(503, "Retry-After", "2"), page(20)), opts...)
			start := time.Now()
			got, err := drain(t.Context(), articles.ByOffset(20))
			if err != nil {
				t.Fatal(err)
			}
			testkit.Check(t, "titles", titles(), got)
			testkit.Check(t, "requests", 5, len(s.requests()))
			if took := time.Since(start); took < 9*time.Second {
				t.Errorf("took %v: too short for the server's hints", took)
			}
			if limited && limiter.Stats().Throttled != 2 {
				t.Errorf("the limiter knows of %d throttles, want 2", limiter.Stats().Throttled)
			}
		})
	}
}

// The options of the run of a page count.
func TestWithPageRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, articles := based(t, status(500))
		_, err := drain(t.Context(), articles.ByOffset(20, WithPageRun(windrow.Retry(windrow.RetryPolicy{MaxAttempts: 2}))))
		if e, ok := errors.AsType[*Error](err); !ok || e.Status != 500 || len(s.requests()) != 2 {
			t.Errorf("error %v after %d requests, want a 500 after 2", err, len(s.requests()))
		}
		_, err = drain(t.Context(), articles.ByOffset(20, WithPageRun(windrow.Concurrency(-1))))
		if e, ok := errors.AsType[*windrow.OptionError](err); !ok || e.Option != "Concurrency" {
			t.Errorf("error %v, want an OptionError for Concurrency", err)
		}
		_, err = drain(t.Context(), articles.ByOffset(20, WithPageRun(windrow.DryRun())))
		if err == nil || !strings.Contains(err.Error(), "WithPageRun") {
			t.Errorf("error %v, want one about WithPageRun", err)
		}
		testkit.Check(t, "requests", 2, len(s.requests()))
	})
}
