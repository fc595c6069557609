package datocms_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/datocms"
	"github.com/windrow-go/windrow/adapters/datocms/datocmstest"
	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/pages"
	"github.com/windrow-go/windrow/plan"
	"github.com/windrow-go/windrow/upload"
)

// Article is a record of the examples' model.
type Article struct {
	datocms.Record
	Title string `json:"title"`
}

// Draft is an article that is to be created. What it does not have is not sent.
type Draft struct {
	Title string `json:"title,omitempty"`
}

// project is a DatoCMS with that model, and n articles.
func project(n int) *datocmstest.Server {
	server := datocmstest.New(datocmstest.Config{JobTime: 1, Models: []datocmstest.Model{
		{ID: "UZyfjdBES8y2W2ruMEHSoA", APIKey: "article", Fields: []datocmstest.Field{{APIKey: "title", Required: true}}},
	}})
	for k := range n {
		server.Add("UZyfjdBES8y2W2ruMEHSoA", map[string]any{"title": fmt.Sprintf("Title %d", k+1)}, false)
	}
	return server
}

// connect is what an application does, but for the HTTP client, which leads to the examples' server.
func connect(server *datocmstest.Server) (*datocms.Client, *windrow.Limiter) {
	limiter := &windrow.Limiter{}
	client, err := datocms.New("", server.Token(), server.Client(), rest.WithLimiter(limiter))
	if err != nil {
		panic(err)
	}
	return client, limiter
}

// The usage of the guide's BatchProcessor. The model is named by its id.
func Example() {
	server := project(0)
	defer server.Close()
	client, limiter := connect(server)
	articles := datocms.NewItems[Draft, Article](client, "UZyfjdBES8y2W2ruMEHSoA")

	articlesData := []Draft{{"Hello"}, {""}, {"World"}}
	result, err := windrow.CreateMany(context.Background(), articles, articlesData, windrow.WithLimiter(limiter))

	fmt.Printf("Created: %d items\n", result.Stats().Succeeded)
	fmt.Printf("Failed: %d items\n", result.Stats().Failed)
	for r := range result.Failed() {
		fmt.Println(r.Index, windrow.FieldErrors(r.Err)[0].Field, windrow.FieldErrors(r.Err)[0].Code)
	}
	fmt.Println(err)
	// Output:
	// Created: 2 items
	// Failed: 1 items
	// 1 title VALIDATION_REQUIRED
	// windrow: of 3 items 1 failed; first: item 1 failed: datocms: POST /items: status 422 (INVALID_FIELD title VALIDATION_REQUIRED)
}

// The usage of the guide's conditional update: a dry run first. The plan is what a real run applies.
func ExampleItems_Pager() {
	server := project(3)
	defer server.Close()
	client, limiter := connect(server)
	articles := datocms.NewItems[Draft, Article](client, "UZyfjdBES8y2W2ruMEHSoA")

	ctx := context.Background()
	p, err := plan.Updates(ctx, pages.Read(ctx, articles.Pager(datocms.Query{})),
		func(a Article) string { return a.ID },
		func(a Article) (Article, error) { a.Title = "[Updated] " + a.Title; return a, nil },
		plan.MaxItems(1000))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("Dry run - would update:", p.Len())

	p.Version = func(a Article) string { return a.Meta.CurrentVersion } // nobody else's change is overwritten
	res, err := plan.ApplyPatches(ctx, p, datocms.NewItems[plan.Patch, Article](client, "UZyfjdBES8y2W2ruMEHSoA"), windrow.WithLimiter(limiter))
	for _, a := range res.Values() {
		fmt.Println(a.Title)
	}
	fmt.Println(err)
	// Output:
	// Dry run - would update: 3
	// [Updated] Title 1
	// [Updated] Title 2
	// [Updated] Title 3
	// <nil>
}

func ExampleItems_IDs() {
	server := project(12)
	defer server.Close()
	client, _ := connect(server)
	articles := datocms.NewItems[Draft, Article](client, "UZyfjdBES8y2W2ruMEHSoA")

	ids, err := articles.IDs(context.Background(), datocms.Query{Values: url.Values{"order_by": {"title_ASC"}}}.Where("title", "matches", "title 1"))
	fmt.Println(len(ids), err)
	// Output: 4 <nil>
}

// Records are deleted in bulk, which only counts: those that failed are found, and have their own errors.
func ExampleItems_DeleteBatch() {
	server := project(10)
	defer server.Close()
	client, limiter := connect(server)
	articles := datocms.NewItems[Draft, Article](client, "UZyfjdBES8y2W2ruMEHSoA")
	ids := server.IDs()
	server.Refuse("destroy", "REQUIRED_BY_ASSOCIATION", ids[3])

	res, _ := windrow.DeleteMany(context.Background(), articles, ids, windrow.WithLimiter(limiter))
	fmt.Println(res.Stats().Succeeded, "deleted")
	for r := range res.Failed() {
		if e, ok := errors.AsType[*datocms.Error](r.Err); ok {
			fmt.Println("item", r.Index, "failed:", e.Code())
		}
	}
	// Output:
	// 9 deleted
	// item 3 failed: REQUIRED_BY_ASSOCIATION
}

func ExampleItems_PublishProcessor() {
	server := project(3)
	defer server.Close()
	client, limiter := connect(server)
	articles := datocms.NewItems[Draft, Article](client, "UZyfjdBES8y2W2ruMEHSoA")

	res, err := articles.PublishProcessor(windrow.WithLimiter(limiter)).Run(context.Background(), server.IDs())
	fmt.Println(res.Stats().Succeeded, err, server.Status(server.IDs()[0]))
	// Output: 3 <nil> published
}

// The usage of the guide's BatchUploadProcessor. What is there already is known by its content.
func ExampleNewUploader() {
	server := project(0)
	defer server.Close()
	client, _ := connect(server)

	uploader := datocms.NewUploader(datocms.NewUploads[datocms.Asset](client))
	for _, name := range []string{"hero.jpg", "team.jpg", "copy of hero.jpg"} {
		file := upload.FromBytes(name, []byte("pixels of "+name[max(0, len(name)-8):]))
		file.Metadata = map[string]any{"en": map[string]any{"alt": "Image description", "title": name}}
		uploader.Add(file)
	}
	results, err := uploader.Process(context.Background())
	fmt.Printf("Uploaded: %d\n", results.Stats().Succeeded)
	fmt.Printf("Skipped: %d\n", results.Stats().Skipped)
	fmt.Printf("Failed: %d\n", results.Stats().Failed)
	fmt.Println(err)
	// Output:
	// Uploaded: 2
	// Skipped: 1
	// Failed: 0
	// <nil>
}
