package windrow_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/windrow-go/windrow"
)

// books is a client whose server takes all records of a request or none.
type books struct{}

func (books) Capabilities() windrow.Capabilities {
	return windrow.Capabilities{MaxItems: 200, Atomicity: windrow.AtomicityAll}
}

func (books) Create(context.Context, string) (int, error) { return 1, nil }

func (books) CreateBatch(_ context.Context, titles []string) ([]windrow.Outcome[int], error) {
	for i, title := range titles {
		if title == "" { // the server names the first bad one
			return nil, windrow.Classified(errors.New("title is required"), windrow.Classification{BadItem: i + 1})
		}
	}
	return make([]windrow.Outcome[int], len(titles)), nil
}

func ExampleAtomic() {
	res, err := windrow.CreateMany(context.Background(), books{}, []string{"Walden", "", "Emma"}, windrow.Atomic())
	for r := range res.All() {
		fmt.Println(r.Index, r.State, r.Err)
	}
	fmt.Println(errors.Is(err, windrow.ErrRolledBack))
	// Output:
	// 0 not_attempted the server refused the items as a whole, and applied none: title is required
	// 1 failed title is required
	// 2 not_attempted the server refused the items as a whole, and applied none: title is required
	// true
}

// The first of three shows that there is a mistake in all of them, and 999 are left as they were.
func ExampleCanary() {
	rename := windrow.UpdateFunc(func(context.Context, int, string) (string, error) { return "", errors.New("no such field") })
	updates := make([]windrow.Update[int, string], 1000)
	for i := range updates {
		updates[i].ID = i
	}
	res, err := windrow.UpdateMany(context.Background(), rename, updates, windrow.Canary(3))
	fmt.Println(res.Stats().Failed, "failed,", res.Stats().NotAttempted, "not attempted")
	fmt.Println(errors.Is(err, windrow.ErrTooManyFailures))
	// Output:
	// 1 failed, 999 not attempted
	// true
}
