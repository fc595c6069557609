package windrow_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/windrow-go/windrow"
)

// Page is a record of the SDK.
type Page struct{ ID, Title string }

// SDK has its methods in the shapes that generated clients have.
type SDK struct{}

// CallOption changes one call.
type CallOption func(*http.Request)

// CreatePage returns the record alone.
func (SDK) CreatePage(_ context.Context, title string) (*Page, error) {
	return &Page{ID: "1", Title: title}, nil
}

// CreateMenu takes call options, as the clients of many clouds do.
func (SDK) CreateMenu(_ context.Context, title string, _ ...CallOption) (*Page, error) {
	return &Page{ID: "2", Title: title}, nil
}

// CreateLink returns the raw response, too.
func (SDK) CreateLink(_ context.Context, title string) (*Page, *http.Response, error) {
	return &Page{ID: "3", Title: title}, new(http.Response), nil
}

// Publish returns nothing.
func (SDK) Publish(context.Context, string) error { return nil }

// A method of an SDK is a client in one word. The types are inferred.
func ExampleCreateFunc() {
	ctx := context.Background()
	sdk := SDK{}

	pages, err := windrow.CreateMany(ctx, windrow.CreateFunc(sdk.CreatePage), []string{"Home", "Contact"})
	fmt.Println(len(pages.Values()), err)

	menus, err := windrow.CreateMany(ctx, windrow.CreateFunc(windrow.Variadic(sdk.CreateMenu)), []string{"Main"})
	fmt.Println(menus.Values()[0].Title, err)

	links, err := windrow.CreateMany(ctx, windrow.CreateFunc(windrow.WithResponse(sdk.CreateLink)), []string{"Imprint"})
	fmt.Println(links.Values()[0].Title, err)

	published, err := windrow.NewBatchProcessor(windrow.NoOutput(sdk.Publish)).Run(ctx, []string{"1", "2", "3"})
	fmt.Println(published.Stats().Succeeded, err)
	// Output:
	// 2 <nil>
	// Main <nil>
	// Imprint <nil>
	// 3 <nil>
}
