package windrow_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/windrow-go/windrow"
)

// The examples work with the articles of a little content API. Articles stands for the client that an SDK would give;
// its server is in memory.

// Draft is an article that is to be created.
type Draft struct{ Slug, Title string }

// Article is what the server makes of it.
type Article struct{ ID, Slug, Title string }

// APIError is the API's error. Its StatusCode is how windrow learns what to do about it.
type APIError struct {
	Status  int
	Message string
}

func (e *APIError) Error() string   { return fmt.Sprintf("%d: %s", e.Status, e.Message) }
func (e *APIError) StatusCode() int { return e.Status }

// Articles is the client of the articles.
type Articles struct {
	mu     sync.Mutex
	stored map[string]Article
	busy   int // how many more calls the server refuses for now
}

// NewArticles returns a client of a server that has those articles.
func NewArticles(slugs ...string) *Articles {
	a := &Articles{stored: map[string]Article{}}
	for _, slug := range slugs {
		a.stored["id-"+slug] = Article{ID: "id-" + slug, Slug: slug, Title: "The old " + slug}
	}
	return a
}

func (a *Articles) put(d Draft) (Article, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.busy > 0 {
		a.busy--
		return Article{}, &APIError{http.StatusServiceUnavailable, "busy"}
	}
	if d.Title == "" {
		return Article{}, &APIError{http.StatusUnprocessableEntity, "the title is missing"}
	}
	stored := Article{ID: "id-" + d.Slug, Slug: d.Slug, Title: d.Title}
	a.stored[stored.ID] = stored
	return stored, nil
}

// Create creates an article.
func (a *Articles) Create(_ context.Context, d Draft) (Article, error) { return a.put(d) }

// Upsert creates an article, or updates the one with that slug.
func (a *Articles) Upsert(_ context.Context, d Draft) (Article, error) { return a.put(d) }

// Update changes an article.
func (a *Articles) Update(ctx context.Context, id string, d Draft) (Article, error) {
	before, err := a.Get(ctx, id)
	if err != nil {
		return before, err
	}
	return a.put(Draft{Slug: before.Slug, Title: d.Title})
}

// Delete deletes an article.
func (a *Articles) Delete(ctx context.Context, id string) error {
	_, err := a.Get(ctx, id)
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.stored, id)
	return err
}

// Get reads an article.
func (a *Articles) Get(_ context.Context, id string) (Article, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	stored, ok := a.stored[id]
	if !ok {
		return stored, &APIError{http.StatusNotFound, "no such article"}
	}
	return stored, nil
}

// The code of the package's comment.
func Example() {
	ctx := context.Background()
	var sdk struct{ Articles *Articles } // a client that windrow knows nothing of
	sdk.Articles = NewArticles()
	drafts := []Draft{{"tea", "On tea"}, {"rice", ""}, {"salt", "On salt"}}

	articles := windrow.CreateFunc(sdk.Articles.Create) // func(context.Context, Draft) (Article, error)

	res, err := windrow.CreateMany(ctx, articles, drafts)
	for r := range res.Succeeded() {
		fmt.Println(r.Index, r.Value.ID)
	}
	for r := range res.Failed() {
		fmt.Println(r.Index, r.Err)
	}
	if err != nil {
		res, err = windrow.NewCreateProcessor(articles).Rerun(ctx, res) // sends what may be sent again
	}

	fmt.Println(len(res.Values()), "of", res.Len(), "created:", err)
	// Output:
	// 0 id-tea
	// 2 id-salt
	// 1 422: the title is missing
	// 2 of 3 created: windrow: of 3 items 1 failed; first: item 1 failed: 422: the title is missing
}

func ExampleCreateMany() {
	ctx := context.Background()
	articles := NewArticles()
	drafts := []Draft{{"tea", "On tea"}, {"rice", "On rice"}, {"salt", "On salt"}}

	res, err := windrow.CreateMany(ctx, articles, drafts, windrow.Rate(60, 3*time.Second), windrow.Burst(10))
	if err != nil {
		fmt.Println(err)
	}
	for _, article := range res.Values() { // in the order of the drafts
		fmt.Println(article.ID, article.Title)
	}
	// Output:
	// id-tea On tea
	// id-rice On rice
	// id-salt On salt
}

func ExampleUpdateMany() {
	ctx := context.Background()
	articles := NewArticles("tea", "rice")

	// Two updates of one article are made one after the other, in their order.
	res, err := windrow.UpdateMany(ctx, articles, []windrow.Update[string, Draft]{
		{ID: "id-tea", Data: Draft{Title: "Tea"}},
		{ID: "id-rice", Data: Draft{Title: "Rice"}},
		{ID: "id-tea", Data: Draft{Title: "Green tea"}},
		{ID: "id-salt", Data: Draft{Title: "Salt"}},
	})
	fmt.Println(err)
	for r := range res.Succeeded() {
		fmt.Println(r.Input.ID, "is now called", r.Value.Title)
	}
	// Output:
	// windrow: of 4 items 1 failed; first: item 3 (key "id-salt") failed: 404: no such article
	// id-tea is now called Tea
	// id-rice is now called Rice
	// id-tea is now called Green tea
}

func ExampleUpsertMany() {
	ctx := context.Background()
	articles := NewArticles("tea")

	res, err := windrow.UpsertMany(ctx, articles, []Draft{{"tea", "Green tea"}, {"rice", "On rice"}})
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println(res.Values())
	// Output:
	// [{id-tea tea Green tea} {id-rice rice On rice}]
}

func ExampleDeleteMany() {
	ctx := context.Background()
	articles := NewArticles("tea", "rice")

	// What is not there needs no deleting: it is no failure.
	res, err := windrow.DeleteMany(ctx, articles, []string{"id-tea", "id-salt", "id-rice"})
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println("deleted:", res.Inputs(windrow.Succeeded))
	fmt.Println("not there:", res.Inputs(windrow.Skipped))
	// Output:
	// deleted: [id-tea id-rice]
	// not there: [id-salt]
}

func ExampleGetMany() {
	ctx := context.Background()
	articles := NewArticles("tea", "rice")

	res, err := windrow.GetMany(ctx, articles, []string{"id-rice", "id-salt", "id-tea"})
	if err != nil {
		fmt.Println(err)
	}
	for r := range res.Succeeded() {
		fmt.Println(r.Input, r.Value.Title)
	}
	// Output:
	// windrow: of 3 items 1 failed; first: item 1 (key "id-salt") failed: 404: no such article
	// id-rice The old rice
	// id-tea The old tea
}
