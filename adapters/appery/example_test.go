package appery_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/appery"
	"github.com/windrow-go/windrow/adapters/appery/apperytest"
	"github.com/windrow-go/windrow/mixed"
)

// Label is an object of the example.
type Label struct {
	Name string `json:"name"`
}

func Example() {
	fake := &apperytest.Server{ // in place of https://api.appery.io
		Now:   func() time.Time { return time.Date(2017, 2, 16, 12, 8, 13, 327e6, time.UTC) },
		NewID: func() string { return "58a5962d0a975a799b278abd" },
	}
	fake.Add("Labels", apperytest.Object{"_id": "58a59386975a4fa00e0ff513", "name": "max"}, apperytest.Object{"_id": "58a59381975a4fa00e0ff512", "name": "gone"})
	server := httptest.NewServer(fake)
	defer server.Close()

	client, err := appery.New(server.URL+"/rest/1/db", "58a59358975a4fa00e0ff50f", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	res, err := mixed.Run(context.Background(), client, []mixed.Operation{
		{Kind: windrow.OpCreate, Resource: "Labels", Data: Label{"nick"}},
		{Kind: windrow.OpUpdate, Resource: "Labels", ID: "58a59386975a4fa00e0ff513", Data: Label{"max updated"}},
		{Kind: windrow.OpDelete, Resource: "Labels", ID: "58a59381975a4fa00e0ff512"},
		{Kind: windrow.OpGet, Resource: "Labels", ID: "58a59386975a4fa00e0ff513"},
		{Kind: windrow.OpUpdate, Resource: "Labels", ID: "000000000000000000000000", Data: Label{"nobody"}},
	})
	for r := range res.All() {
		switch v := r.Value.(type) {
		case appery.Created:
			fmt.Println(r.Index, r.State, v.ID, v.CreatedAt)
		case appery.Updated:
			fmt.Println(r.Index, r.State, v.UpdatedAt)
		default:
			fmt.Println(r.Index, r.State)
		}
	}
	if e, ok := errors.AsType[*appery.Error](err); ok {
		fmt.Println(e.Code, e.Description)
	}
	// Output:
	// 0 succeeded 58a5962d0a975a799b278abd 2017-02-16 12:08:13.327
	// 1 succeeded 2017-02-16 12:08:13.327
	// 2 succeeded
	// 3 succeeded
	// 4 failed
	// DBSU205 Collection 'Labels' doesn't contain object with id 000000000000000000000000.
}

// The objects of one collection are what the verbs take.
func ExampleCollection() {
	fake := &apperytest.Server{}
	fake.Add("Labels")
	server := httptest.NewServer(fake)
	defer server.Close()
	ctx := context.Background()

	client, err := appery.New(server.URL+"/rest/1/db", "58a59358975a4fa00e0ff50f", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	labels := appery.NewCollection[Label, Label](client, "Labels")
	created, err := windrow.CreateMany(ctx, labels, []Label{{"nick"}, {"max"}}) // one request, two calls to the quota
	fmt.Println(created.Stats().Succeeded, err)
	var ids []string
	for _, c := range created.Values() {
		ids = append(ids, c.ID)
	}
	read, err := windrow.GetMany(ctx, labels, ids)
	fmt.Println(read.Values(), err)
	fmt.Println(fake.Calls())
	// Output:
	// 2 <nil>
	// [{nick} {max}] <nil>
	// 4
}
