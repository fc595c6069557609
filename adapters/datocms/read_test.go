package datocms_test

import (
	"context"
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
	"github.com/windrow-go/windrow/adapters/datocms"
	"github.com/windrow-go/windrow/adapters/datocms/datocmstest"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/pages"
	"github.com/windrow-go/windrow/plan"
)

// targets returns the paths and queries of the requests, as a person reads them.
func targets(server *datocmstest.Server) []string {
	var all []string
	for _, r := range server.Seen() {
		plain, err := url.QueryUnescape(r.Target)
		if err != nil {
			plain = err.Error()
		}
		all = append(all, plain)
	}
	return all
}

// Many are read by their ids, as many at once as a URL takes; those that are not in the answer do not exist. None is read
// twice, and each has its own outcome.
func TestA40_GetManyByIDs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		ids := fill(server, 650)
		gone := datocms.NewID()
		asked := slices.Concat(ids[:300], []string{gone}, ids[300:], []string{ids[5]})
		res, err := windrow.GetMany(t.Context(), articlesOf(client), asked)
		accounts(t, 652, res)
		testkit.Check(t, "failed", []int{300}, indexes(res))
		if !errors.Is(err, windrow.ErrNotFound) || !errors.Is(res.At(300).Err, windrow.ErrNotFound) {
			t.Errorf("error %v", err)
		}
		for r := range res.Succeeded() {
			if r.Value.ID != r.Input {
				t.Fatalf("item %d is %s, want %s", r.Index, r.Value.ID, r.Input)
			}
		}
		longest := 0
		for _, r := range server.Seen() {
			longest = max(longest, len(r.Target))
			query, err := url.ParseQuery(strings.TrimPrefix(r.Target, "/items?"))
			if err != nil || query.Has("filter[type]") || query.Get("version") != "current" || query.Get("page[limit]") != "500" {
				if !strings.HasPrefix(r.Target, "/items/"+ids[5]) { // the one that is named twice goes alone
					t.Errorf("request %s", r.Target)
				}
			}
		}
		if longest > 8000 || longest < 7000 {
			t.Errorf("the longest URL has %d bytes, want not much less than 8,000 and no more", longest)
		}
		testkit.Check(t, "requests", 3, server.Count(http.MethodGet, "/items?"))
	})
}

// Ids that are too long for a URL together are read in smaller chunks, and a server that takes less is believed.
func TestGetManyOfLongIDs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		ids := fill(server, 40)
		long := make([]string, 60)
		for k := range long {
			long[k] = strings.Repeat("x", 400) + strconv.Itoa(k)
		}
		res, _ := windrow.GetMany(t.Context(), articlesOf(client), append(ids, long...))
		accounts(t, 100, res)
		testkit.Check(t, "succeeded", 40, res.Stats().Succeeded)
		for _, r := range server.Seen() {
			if len(r.Target) > 8190 {
				t.Errorf("a request with %d bytes", len(r.Target))
			}
		}
		if n := len(server.Seen()); n > 15 { // halves fit, and each is sent once
			t.Errorf("%d requests", n)
		}
		server.Fault(func(r datocmstest.Request) *datocmstest.Fault {
			if strings.Count(r.Query.Get("filter[ids]"), ",") > 9 {
				return &datocmstest.Fault{Status: http.StatusRequestURITooLong, HTML: true}
			}
			return nil
		})
		if _, err := windrow.GetMany(t.Context(), articlesOf(client), ids); err != nil {
			t.Error(err)
		}
	})
}

// Ids that a list cannot hold are read alone, and are their own error.
func TestGetManyOfBadIDs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		ids := fill(server, 2)
		res, _ := windrow.GetMany(t.Context(), articlesOf(client), []string{ids[0], "", "a,b", "..", "a/b?c", ids[1]})
		testkit.Check(t, "ends", []string{"succeeded", "failed", "failed", "failed", "failed", "succeeded"}, ends(res))
		testkit.Check(t, "records", 2, server.Len(""))
	})
}

// An answer with what nobody asked for, or with something twice, tells nothing of any record.
func TestForeignRecords(t *testing.T) {
	t.Parallel()
	for _, ids := range [][]string{{"1", "3"}, {"1", "1"}} {
		client := handled(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"data":[{"id":%q,"type":"item"},{"id":%q,"type":"item"}],"meta":{"total_count":2}}`, ids[0], ids[1])
		})
		res, err := windrow.GetMany(t.Context(), articlesOf(client), []string{"1", "2"}, fast)
		testkit.Check(t, "ends", []string{"failed", "failed"}, ends(res))
		if !errors.Is(err, windrow.ErrProtocol) {
			t.Errorf("error %v", err)
		}
	}
}

// A list: filtered by the model, drafts too, in pages of 100, and ended by a short page.
func TestA27_A28_A66_A67_PagesOfAList(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		ids := fill(server, 230)
		server.Add(authorModel, map[string]any{"name": "x"}, true)
		var got []string
		for a, err := range pages.Read(t.Context(), articlesOf(client).Pager(datocms.Query{}), pages.Prefetch(0)) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, a.ID)
		}
		testkit.Check(t, "records", ids, got)
		want := []string{
			"/items?filter[type]=" + articleModel + "&page[limit]=100&page[offset]=0&version=current",
			"/items?filter[type]=" + articleModel + "&page[limit]=100&page[offset]=100&version=current",
			"/items?filter[type]=" + articleModel + "&page[limit]=100&page[offset]=200&version=current",
		}
		testkit.Check(t, "requests", want, targets(server))
	})
}

// Filters, order, size and version of a query.
func TestQueries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		for k := range 12 {
			server.Add(articleModel, map[string]any{"title": fmt.Sprintf("T%02d", 11-k), "slug": fmt.Sprint(k), "pages": k % 3}, k%2 == 0)
		}
		items := articlesOf(client)
		titles := func(q datocms.Query) (all []string) {
			for a, err := range pages.Read(t.Context(), items.Pager(q)) {
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, a.Title)
			}
			return all
		}
		testkit.Check(t, "where", []string{"T11", "T08", "T05", "T02"}, titles(datocms.Query{PageSize: 3}.Where("pages", "eq", "0")))
		testkit.Check(t, "two conditions", []string{"T05"}, titles(datocms.Query{}.Where("pages", "eq", "0").Where("slug", "eq", "6")))
		q := datocms.Query{Values: url.Values{"order_by": {"title_ASC"}, "version": {"published"}, "filter[type]": {"article"}}, PageSize: 500}
		testkit.Check(t, "order", []string{"T01", "T03", "T05", "T07", "T09", "T11"}, titles(q))
		if q.Where("a", "eq", "b"); len(q.Values) != 3 {
			t.Error("Where changes its query")
		}
		ids, err := items.IDs(t.Context(), datocms.Query{}.Where("pages", "eq", "1"))
		if err != nil || len(ids) != 4 {
			t.Errorf("ids %v, error %v", ids, err)
		}
		some, err := items.IDs(t.Context(), datocms.Query{Values: url.Values{"filter[ids]": {strings.Join(ids[:2], ",")}}})
		testkit.Check(t, "by ids", ids[:2], some)
		if err != nil {
			t.Error(err)
		}
		n := len(server.Seen())
		for _, bad := range []datocms.Query{
			{PageSize: -1}, {PageSize: 501}, {Values: url.Values{"page[limit]": {"5"}}}, {Values: url.Values{"page[offset]": {"5"}}},
			{Values: url.Values{"filter[ids]": {"a"}, "filter[type]": {"article"}}},
		} {
			if _, err := items.IDs(t.Context(), bad); err == nil {
				t.Errorf("no error of %+v", bad)
			}
		}
		testkit.Check(t, "requests of bad queries", n, len(server.Seen()))
		if _, err := items.IDs(t.Context(), datocms.Query{Values: url.Values{"unknown": {"x"}}}); err == nil {
			t.Error("no error of a parameter that DatoCMS does not know")
		}
		if _, err := items.IDs(t.Context(), datocms.Query{Run: []windrow.Option{windrow.DryRun()}}); err == nil {
			t.Error("no error of a dry run of a page")
		}
	})
}

// A page that is throttled or lost is asked for again.
func TestPagesAreAskedForAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limiter := &windrow.Limiter{}
		server, client := start(t, datocmstest.Config{}, rest.WithLimiter(limiter))
		ids := fill(server, 1200)
		faults := []datocmstest.Fault{{Status: 429}, {Lose: true}, {}, {Status: 500}, {Status: 200, HTML: true}, {Status: 422, Transient: true}, {}, {Cut: true}}
		server.Fault(func(r datocmstest.Request) *datocmstest.Fault {
			if r.N <= len(faults) {
				return &faults[r.N-1]
			}
			return nil
		})
		got, err := articlesOf(client).IDs(t.Context(), datocms.Query{})
		if err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "ids", ids, got)
		server.Fault(func(datocmstest.Request) *datocmstest.Fault { return &datocmstest.Fault{Status: 500} })
		if _, err = articlesOf(client).IDs(t.Context(), datocms.Query{Run: []windrow.Option{fast}}); err == nil {
			t.Error("no error of a server that is down")
		}
	})
}

// The list shrinks while what it lists is changed. By offset every other page would be missed; with the ids read first
// nothing is.
func TestA36_IDsAreReadBeforeTheWrites(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		for k := range 120 {
			server.Add(authorModel, map[string]any{"state": "old", "n": k}, false)
		}
		authors := datocms.NewItems[map[string]any, datocms.Record](client, authorModel)
		old := datocms.Query{}.Where("state", "eq", "old")
		inPages := old
		inPages.PageSize = 50
		ids, err := authors.IDs(t.Context(), inPages)
		if err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "ids", 120, len(ids))
		if _, err := windrow.UpdateMany(t.Context(), authors, updatesOf(ids, map[string]any{"state": "new"})); err != nil {
			t.Fatal(err)
		}
		left, err := authors.IDs(t.Context(), old)
		testkit.Check(t, "left", 0, len(left))
		if err != nil {
			t.Error(err)
		}
		seen := server.Seen()
		testkit.Check(t, "ids on a page", "500", pageSize(t, seen[len(seen)-1].Target))
		testkit.Check(t, "one request for ids in three pages and an empty list", 4, server.Count(http.MethodGet, "/items?"))
	})
}

// pageSize returns what a request asks for.
func pageSize(t *testing.T, target string) string {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query().Get("page[limit]")
}

// MaxItems of the guide's conditional update: no more is mapped or read.
func TestA26_A29_MaxItemsOnTheWire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		fill(server, 1000)
		mapped := 0
		p, err := plan.Updates(t.Context(), pages.Read(t.Context(), articlesOf(client).Pager(datocms.Query{}), pages.Prefetch(0)),
			func(a article) string { return a.ID }, func(a article) (article, error) { mapped++; return prefix(a) }, plan.MaxItems(150))
		if err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "planned and mapped", []int{150, 150}, []int{p.Len(), mapped})
		testkit.Check(t, "pages", 2, server.Count(http.MethodGet, "/items?"))
	})
}

// A large list as a stream, with what is done for each record, in bounded memory: no more pages are read than the work
// needs.
func TestA66_A68_A74_AStreamOfRecords(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limiter := windrow.NewLimiter(windrow.Concurrency(8))
		server, client := start(t, datocmstest.Config{Latency: latency}, rest.WithLimiter(limiter))
		fill(server, 1200)
		items := articlesOf(client)
		p := windrow.NewBatchProcessor(func(_ context.Context, a article) (int, error) {
			time.Sleep(10 * time.Millisecond)
			return len(a.Title), nil
		}, windrow.Window(200), windrow.Concurrency(4))
		processed, most := 0, 0
		for r, err := range p.Stream(t.Context(), pages.Read(t.Context(), items.Pager(datocms.Query{}))).All() {
			if err != nil {
				t.Fatal(err)
			}
			processed++
			most = max(most, 100*server.Count(http.MethodGet, "/items?")-processed)
			if r.Index != processed-1 {
				t.Fatalf("result %d is that of item %d", processed-1, r.Index)
			}
		}
		testkit.Check(t, "processed", 1200, processed)
		if most > 600 {
			t.Errorf("%d records were read ahead", most)
		}
	})
}

// A record is what the caller makes of it, or whatever the API sends.
func TestRecordsOfAnyType(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		id := server.Add(authorModel, map[string]any{"name": map[string]any{"en": "Ann", "it": nil}, "born": 12345678901234567}, true)
		got, err := datocms.NewItems[any, map[string]any](client, authorModel).Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "type and name", "item Ann", fmt.Sprint(got["type"], " ", got["name"].(map[string]any)["en"]))
		type number struct {
			Born int64 `json:"born"`
		}
		n, err := datocms.NewItems[any, number](client, authorModel).Get(t.Context(), id)
		if err != nil || n.Born != 12345678901234567 {
			t.Errorf("%+v, error %v", n, err)
		}
		if _, err := datocms.NewItems[any, struct{}](client, authorModel).Get(t.Context(), id); err != nil {
			t.Error(err)
		}
		type wrong struct {
			Born string `json:"born"`
		}
		_, err = datocms.NewItems[any, wrong](client, authorModel).Get(t.Context(), id)
		if err == nil || strings.Contains(err.Error(), "123") || !strings.Contains(err.Error(), "born") {
			t.Errorf("error %v", err)
		}
	})
}

// A list that grows in front while it is read brings records again. No id comes twice.
func TestIDsOfAListThatGrows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		ids := fill(server, 30)
		server.Fault(func(r datocmstest.Request) *datocmstest.Fault {
			if r.N > 1 {
				server.Add(articleModel, map[string]any{"title": fmt.Sprintf("ZZ %d", r.N)}, false)
			}
			return nil
		})
		got, err := articlesOf(client).IDs(t.Context(), datocms.Query{PageSize: 10, Values: url.Values{"order_by": {"title_DESC"}}})
		if err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "requests", true, server.Count(http.MethodGet, "/items?") > 3)
		slices.Sort(got)
		slices.Sort(ids)
		testkit.Check(t, "ids", ids, got)
	})
}
