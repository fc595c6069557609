package objectstack_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/objectstack"
	"github.com/windrow-go/windrow/adapters/objectstack/objectstacktest"
	"github.com/windrow-go/windrow/mixed"
)

// Account is a record of the examples.
type Account struct {
	ID    string `json:"id,omitempty"`
	Name  string `json:"name,omitempty"`
	Email string `json:"email,omitempty"`
}

func Example() {
	server := httptest.NewServer(&objectstacktest.Server{}) // a fake, in place of https://crm.example
	defer server.Close()
	ctx := context.Background()

	client, err := objectstack.New(server.URL+"/api/v1", "token", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	accounts := objectstack.NewResource[Account, Account](client, "account")
	drafts := []Account{{Name: "Acme", Email: "info@acme.example"}, {Name: "Globex", Email: "none"}, {Name: "Initech"}}

	res, err := windrow.CreateMany(ctx, accounts, drafts) // one request
	for r := range res.All() {
		fmt.Printf("%d %v %q\n", r.Index, r.State, r.Value.ID)
	}
	fmt.Println(err)

	_, err = windrow.CreateMany(ctx, accounts, drafts, windrow.Atomic()) // all or none
	fmt.Println(err)
	// Output:
	// 0 succeeded "1"
	// 1 failed ""
	// 2 succeeded "2"
	// windrow: of 3 items 1 failed; first: item 1 failed: objectstack: VALIDATION_ERROR at email
	// windrow: the run was stopped: the server refused the items as a whole, and applied none: objectstack: VALIDATION_ERROR at email; of 3 items 1 failed, 2 not attempted; first: item 0 was not applied: objectstack: ROLLED_BACK
}

func ExampleParse() {
	config, err := objectstack.Parse[objectstack.BatchConfig]([]byte(`{"maxRecordsPerBatch": 500}`))
	fmt.Println(config.Enabled, config.MaxRecordsPerBatch, err)

	_, err = objectstack.Parse[objectstack.BatchUpdateRequest]([]byte(`{"operation": "update", "records": [{"data": {}}]}`))
	fmt.Println(err)
	// Output:
	// true 500 <nil>
	// records[0].id: is required for update
}

func ExampleClient_Transaction() {
	server := httptest.NewServer(&objectstacktest.Server{})
	defer server.Close()
	client, err := objectstack.New(server.URL+"/api/v1", "token", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	res, err := mixed.Run(context.Background(), client.Transaction(), []mixed.Operation{
		{Kind: windrow.OpCreate, Resource: "project", ExternalID: "apollo", Data: map[string]any{"name": "Apollo"}},
		{Kind: windrow.OpCreate, Resource: "task", Data: map[string]any{"title": "Kickoff", "project": objectstack.Ref("apollo")}},
	}, windrow.Atomic())
	for r := range res.All() {
		fmt.Println(string(r.Value.(json.RawMessage)))
	}
	fmt.Println(err)
	// Output:
	// {"id":"1","name":"Apollo"}
	// {"id":"2","project":"1","title":"Kickoff"}
	// <nil>
}
