package mixed_test

import (
	"context"
	"fmt"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/mixed"
)

// labels is a client of an endpoint that takes operations of all kinds in one request, and of single ones as well.
type labels struct{ names map[string]string }

func (l *labels) Capabilities() windrow.Capabilities {
	return windrow.Capabilities{Ordered: true, MaxItems: 50, Cost: func(n int) int { return n }}
}

func (l *labels) Execute(_ context.Context, ops []mixed.Operation) ([]windrow.Outcome[any], error) {
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

func ExampleRun() {
	client := &labels{names: map[string]string{"label-1": "max", "label-2": "moritz"}}
	res, err := mixed.Run(context.Background(), client, []mixed.Operation{
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
func ExampleClients() {
	users := windrow.CreateFunc(func(_ context.Context, name string) (int, error) { return len(name), nil })
	client := mixed.Clients{"users": mixed.ClientOf[string, int](users)}
	res, err := mixed.Run(context.Background(), client, []mixed.Operation{
		{Kind: windrow.OpCreate, Resource: "users", Data: "ada"},
		{Kind: windrow.OpDelete, Resource: "users", ID: "7"},
	})
	fmt.Println(res.At(0).State, res.At(0).Value)
	fmt.Println(err)
	// Output:
	// succeeded 3
	// windrow: of 2 items 1 failed; first: item 1 (key "users/7") failed: Kind: delete is nothing that the client of this Resource can do
}
