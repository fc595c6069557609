package rest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/pages"
)

// library has six articles. It pages by cursor, by link and by key, two articles a page.
func library() *httptest.Server {
	titles := []string{"Ash", "Beech", "Birch", "Elm", "Oak", "Yew"}
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		query := req.URL.Query()
		at, _ := strconv.Atoi(query.Get("cursor"))
		if after := query.Get("after"); after != "" {
			at, _ = slices.BinarySearch(titles, after+"\x00")
		}
		body := map[string]any{"total": len(titles)}
		var page []Article
		for i := at; i < min(at+2, len(titles)); i++ {
			page = append(page, Article{ID: fmt.Sprint(i + 1), Title: titles[i]})
		}
		body["data"] = page
		if at+2 < len(titles) {
			body["meta"] = map[string]any{"next_cursor": at + 2}
			w.Header().Set("Link", fmt.Sprintf(`<?cursor=%d>; rel="next"`, at+2))
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(body)
	}))
}

// articlesIn returns the resource of the examples.
func articlesIn(server *httptest.Server) *rest.Resource[Draft, Article] {
	client, err := rest.New(server.URL + "/api")
	if err != nil {
		panic(err)
	}
	return rest.NewResource[Draft, Article](client, "/articles")
}

func ExampleResource_ByCursor() {
	server := library()
	defer server.Close()

	pager := articlesIn(server).ByCursor(rest.WithNextField("meta.next_cursor"), rest.WithTotalField("total"))
	list := pages.Read(context.Background(), pager, pages.OnPage(func(p pages.Info) {
		fmt.Println(p.Items, "of", p.Total)
	}))
	for article, err := range list {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(article.Title)
	}
	// Output:
	// 2 of 6
	// Ash
	// Beech
	// 2 of 6
	// Birch
	// Elm
	// 2 of 6
	// Oak
	// Yew
}

func ExampleResource_ByLink() {
	server := library()
	defer server.Close()

	for article, err := range pages.Read(context.Background(), articlesIn(server).ByLink()) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Print(article.Title, " ")
	}
	// Output: Ash Beech Birch Elm Oak Yew
}

// What is read by key may be changed and deleted meanwhile: nothing is missed.
func ExampleResource_ByKey() {
	server := library()
	defer server.Close()

	title := func(a Article) string { return a.Title }
	pager := articlesIn(server).ByKey(title, rest.WithQuery(url.Values{"sort": {"title"}}))
	shout := windrow.NewBatchProcessor(func(_ context.Context, a Article) (string, error) {
		return a.Title + "!", nil
	})
	ctx := context.Background()
	for result, err := range shout.Stream(ctx, pages.Read(ctx, pager)).All() {
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Print(result.Value, " ")
	}
	// Output: Ash! Beech! Birch! Elm! Oak! Yew!
}

func ExampleWithAfter() {
	pocketBase := rest.WithAfter(func(query url.Values, after string) {
		query.Set("filter", fmt.Sprintf("slug > %q", after))
	})
	client, err := rest.New("https://cms.example/api")
	if err != nil {
		fmt.Println(err)
		return
	}
	articles := rest.NewResource[Draft, Article](client, "/collections/articles/records")
	_ = articles.ByKey(func(a Article) string { return a.Title },
		rest.WithQuery(url.Values{"sort": {"slug"}, "skipTotal": {"1"}}),
		rest.WithParameters("after", "perPage"), rest.WithPageSize(500), pocketBase)
	// Output:
}

// An issue tracker that takes what the caller may not see out of its pages, so that a short or an empty page says nothing:
// each page says by isLast whether it is the last.
func ExampleWithLastField() {
	bodies := []string{
		`{"startAt": 0, "isLast": false, "issues": [{"id": "1", "title": "Login fails"}]}`,
		`{"startAt": 1, "isLast": false, "issues": []}`,
		`{"startAt": 2, "isLast": true, "issues": [{"id": "5", "title": "Logout fails"}]}`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		number, _ := strconv.Atoi(req.URL.Query().Get("page"))
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprint(w, bodies[number])
	}))
	defer server.Close()

	client, err := rest.New(server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	issues := rest.NewResource[Draft, Article](client, "/search", rest.WithItemsField("issues"))
	for issue, err := range pages.Read(context.Background(), issues.ByNumber(0, 50, rest.WithLastField("isLast"))) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(issue.ID, issue.Title)
	}
	// Output:
	// 1 Login fails
	// 5 Logout fails
}
