package rest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/rest"
)

// Post is the record of the README.
type Post struct{ Slug, Title string }

// posts is an API that refuses posts without a title.
func posts() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var in Post
		_ = json.NewDecoder(req.Body).Decode(&in)
		w.Header().Set("Content-Type", "application/json")
		if in.Title == "" {
			w.WriteHeader(http.StatusUnprocessableEntity)
			fmt.Fprint(w, `{"code":"INVALID_FIELD"}`)
			return
		}
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"id":"id-of-%s","title":%q}`, in.Slug, in.Title)
	}))
}

// The README's first example: three posts, of which the server refuses one.
func Example_readme() {
	server := posts()
	defer server.Close()
	ctx, token := context.Background(), "secret"
	drafts := []Post{{"first-post", "One"}, {"second-post", ""}, {"third-post", "Three"}}

	client, err := rest.New(server.URL, rest.WithToken(token))
	if err != nil {
		fmt.Println(err)
		return
	}
	articles := rest.NewResource[Post, Article](client, "/articles")

	p := windrow.NewCreateProcessor(articles)
	p.Key = func(d Post) string { return d.Slug }
	res, err := p.Run(ctx, drafts)
	for item := range res.Succeeded() {
		fmt.Println(item.Index, item.Value.ID)
	}
	if err != nil {
		fmt.Println(err)
		_ = res.Summary(os.Stdout)
	}
	// Output:
	// 0 id-of-first-post
	// 2 id-of-third-post
	// windrow: of 3 items 1 failed; first: item 1 (key "second-post") failed: rest: POST /articles: status 422 (INVALID_FIELD)
	// Total: 3
	// Successful: 2 (66.7%)
	// Failed: 1
	//   Item 1: rest: POST /articles: status 422 (INVALID_FIELD)
	//     Data: {Slug:second-post Title:}
}
