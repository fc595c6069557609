package clients_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/windrow-go/windrow"
)

// Tags is a client whose API has an endpoint for many records at once. It says so by having CreateBatch, too.
type Tags struct{}

// Create creates one tag.
func (Tags) Create(_ context.Context, name string) (string, error) { return "tag-" + name, nil }

// CreateBatch creates many with one request. The error is about the request; each outcome has its own item's.
func (Tags) CreateBatch(_ context.Context, names []string) ([]windrow.Outcome[string], error) {
	fmt.Println("POST /tags/batch with", len(names), "tags")
	outcomes := make([]windrow.Outcome[string], len(names))
	for i, name := range names {
		if name == "" {
			outcomes[i].Err = errors.New("the name is missing")
		} else {
			outcomes[i].Value = "tag-" + name
		}
	}
	return outcomes, nil
}

// Capabilities tells what the endpoint can take.
func (Tags) Capabilities() windrow.Capabilities { return windrow.Capabilities{MaxItems: 3} }

// A client with a native batch is used like any other: the verbs find it out.
func ExampleBatchCreator() {
	ctx := context.Background()
	names := []string{"red", "green", "blue", "", "cyan", "pink"}

	res, err := windrow.CreateMany(ctx, Tags{}, names, windrow.PreserveOrder())
	fmt.Println(err)
	fmt.Println(res.Values())
	// Output:
	// POST /tags/batch with 3 tags
	// POST /tags/batch with 3 tags
	// windrow: of 6 items 1 failed; first: item 3 failed: the name is missing
	// [tag-red tag-green tag-blue tag-cyan tag-pink]
}
