package windrow_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/windrow-go/windrow"
)

// labels is a client of an endpoint that takes operations of all kinds in one request, and of single ones as well.
type labels struct{ names map[string]string }

func (l *labels) Capabilities() windrow.Capabilities {
	return windrow.Capabilities{Ordered: true, MaxItems: 50, Cost: func(n int) int { return n }}
}

func (l *labels) Execute(_ context.Context, ops []windrow.Operation) ([]windrow.Outcome[any], error) {
	out := make([]windrow.Outcome[any], len(ops))
	for i, op := range ops {
		switch _, there := l.names[op.ID]; {
		case op.Kind == windrow.OpCreate:
			id := fmt.Sprint("label-", len(l.names)+1)
			l.names[id] = op.Data.(string)
			out[i].Value = id
		case !there:
			out[i].Err = windrow.ErrNotFound
		case op.Kind == windrow.OpUpdate:
			l.names[op.ID] = op.Data.(string)
		case op.Kind == windrow.OpDelete:
			delete(l.names, op.ID)
		case op.Kind == windrow.OpGet:
			out[i].Value = l.names[op.ID]
		}
	}
	return out, nil
}

func ExampleExecute() {
	client := &labels{names: map[string]string{"label-1": "max", "label-2": "moritz"}}
	res, err := windrow.Execute(context.Background(), client, []windrow.Operation{
		{Kind: windrow.OpCreate, Data: "nick"},
		{Kind: windrow.OpUpdate, ID: "label-1", Data: "max updated"},
		{Kind: windrow.OpDelete, ID: "label-2"},
		{Kind: windrow.OpGet, ID: "label-1"}, // sees the update: the endpoint keeps the order
		{Kind: windrow.OpUpdate, ID: "label-9", Data: "nobody"},
	})
	for r := range res.All() {
		fmt.Println(r.Input.Kind, r.State, r.Value)
	}
	fmt.Println(res.Stats().Requests, "request")
	fmt.Println(err)
	// Output:
	// create succeeded label-3
	// update succeeded <nil>
	// delete succeeded <nil>
	// get succeeded max updated
	// update failed <nil>
	// 1 request
	// windrow: of 5 items 1 failed; first: item 4 (key "label-9") failed: not found
}

// Where there is no endpoint for several kinds of operation, there is a client for each kind of record.
func ExampleResources() {
	users := windrow.CreateFunc(func(_ context.Context, name string) (int, error) { return len(name), nil })
	client := windrow.Resources{"users": windrow.ResourceOf[string, int](users)}
	res, err := windrow.Execute(context.Background(), client, []windrow.Operation{
		{Kind: windrow.OpCreate, Resource: "users", Data: "ada"},
		{Kind: windrow.OpDelete, Resource: "users", ID: "7"},
	})
	fmt.Println(res.At(0).State, res.At(0).Value)
	fmt.Println(err)
	// Output:
	// succeeded 3
	// windrow: of 2 items 1 failed; first: item 1 (key "users/7") failed: Kind: delete is nothing that the client of this Resource can do
}

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
