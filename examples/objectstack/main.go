// Command objectstack uses every part of ObjectStack's batch protocol, against fakes of both generations of servers in this
// program.
//
//	go run ./examples/objectstack
//
// It reads values of the protocol as the documentation does (BatchConfig.parse), sends the documented batch, and then makes
// the same batch of four accounts, of which the second is refused, of a server of each generation, as a whole and in parts,
// stopping and going on. For each it prints how the accounts ended and what the server has.
//
// Where the documentation and the servers differ, the servers decide: validateOnly is not sent, since it wrote (row C-n1);
// all options are sent, since their defaults changed (C-n2, C-n11, C-n13); the cap of 200 is the deployment's (C-n5); an empty
// batch is no error (C-n6).
//
// The exit status is 1 when something is not as it should be.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/objectstack"
	"github.com/windrow-go/windrow/adapters/objectstack/objectstacktest"
	"github.com/windrow-go/windrow/mixed"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "objectstack: %v\n", err)
		os.Exit(1)
	}
}

// account is a record.
type account struct {
	ID    string `json:"id,omitempty"`
	Name  string `json:"name,omitempty"`
	Email string `json:"email,omitempty"`
}

// run is the program.
func run(ctx context.Context, out io.Writer) error {
	for _, part := range []func(context.Context, io.Writer) error{parse, documented, matrix, transaction} {
		if err := part(ctx, out); err != nil {
			return err
		}
		fmt.Fprintln(out)
	}
	return nil
}

// start starts a fake server, and returns a client of it and what stops it.
func start(fake *objectstacktest.Server) (*objectstack.Client, func(), error) {
	server := httptest.NewServer(fake)
	client, err := objectstack.New(server.URL+"/api/v1", "token", nil)
	return client, server.Close, err
}

// parse reads values as the documentation does: const result = BatchConfig.parse(data).
func parse(_ context.Context, out io.Writer) error {
	config, err := objectstack.Parse[objectstack.BatchConfig]([]byte(`{"enabled": true, "maxRecordsPerBatch": 500}`))
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "BatchConfig: enabled %t, maxRecordsPerBatch %d\n", config.Enabled, config.MaxRecordsPerBatch)
	_, err = objectstack.Parse[objectstack.BatchUpdateRequest]([]byte(`{"operation": "update", "records": [{"data": {"name": "A"}}, {"id": "2"}]}`))
	fmt.Fprintln(out, "BatchUpdateRequest:")
	for _, f := range windrow.FieldErrors(err) {
		fmt.Fprintf(out, "  %s\n", f)
	}
	return nil
}

// documented sends the batch of the protocol's own example, and prints its answer.
func documented(ctx context.Context, out io.Writer) error {
	fake := &objectstacktest.Server{}
	fake.Add("account", objectstacktest.Record{"name": "old"})
	fake.Add("account", objectstacktest.Record{"name": "old"})
	client, stop, err := start(fake)
	defer stop()
	if err != nil {
		return err
	}
	answer, err := client.Batch(ctx, "account", objectstack.BatchUpdateRequest{
		Operation: objectstack.OperationUpdate,
		Records:   []objectstack.BatchRecord{{ID: "1", Data: account{Name: "A"}}, {ID: "2", Data: account{Email: "x"}}},
		Options:   objectstack.BatchOptions{ContinueOnError: true},
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "success %t, operation %s, total %d, succeeded %d, failed %d\n", answer.Success, answer.Operation, answer.Total, answer.Succeeded, answer.Failed)
	for _, r := range answer.Results {
		fmt.Fprintf(out, "  record %d: success %t", *r.Index, r.Success)
		for _, e := range r.Errors {
			fmt.Fprintf(out, ", %s: %s", e.Code, e.Message)
		}
		fmt.Fprintln(out)
	}
	return nil
}

// matrix makes the same batch in each way.
func matrix(ctx context.Context, out io.Writer) error {
	fmt.Fprintln(out, "server  atomic  on error  A              B              C              D              on the server")
	for _, old := range []bool{false, true} {
		for _, atomic := range []bool{false, true} {
			for _, stop := range []bool{false, true} {
				if err := cell(ctx, out, old, atomic, stop); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func cell(ctx context.Context, out io.Writer, old, atomic, stop bool) error {
	fake := &objectstacktest.Server{Old: old}
	client, end, err := start(fake)
	defer end()
	if err != nil {
		return err
	}
	generation, onError := "new", "go on"
	var opts []windrow.Option
	if old {
		generation = "old"
	}
	if atomic {
		opts = append(opts, windrow.Atomic())
	}
	if stop {
		onError = "stop"
		opts = append(opts, windrow.MaxFailures(0))
	}
	accounts := objectstack.NewResource[account, account](client, "account")
	res, err := windrow.CreateMany(ctx, accounts, []account{{Name: "A"}, {Name: "B", Email: "none"}, {Name: "C"}, {Name: "D"}}, opts...)
	fmt.Fprintf(out, "%-7s %-7t %-9s", generation, atomic, onError)
	for r := range res.All() {
		fmt.Fprintf(out, " %-14s", r.State)
	}
	var kept []string
	for _, r := range fake.Records("account") {
		kept = append(kept, fmt.Sprint(r["name"]))
	}
	if kept == nil {
		kept = []string{"nothing"}
	}
	fmt.Fprintf(out, " %s", strings.Join(kept, " "))
	if errors.Is(err, objectstack.ErrNoTransactions) {
		fmt.Fprint(out, " (it cannot roll back: not sent)")
	}
	fmt.Fprintln(out)
	return nil
}

// transaction creates a project and a task that refers to it.
func transaction(ctx context.Context, out io.Writer) error {
	client, stop, err := start(&objectstacktest.Server{})
	defer stop()
	if err != nil {
		return err
	}
	res, err := mixed.Run(ctx, client.Transaction(), []mixed.Operation{
		{Kind: windrow.OpCreate, Resource: "project", ExternalID: "apollo", Data: map[string]any{"name": "Apollo"}},
		{Kind: windrow.OpCreate, Resource: "task", Data: map[string]any{"title": "Kickoff", "project": objectstack.Ref("apollo")}},
	}, windrow.Atomic())
	if err != nil {
		return err
	}
	for r := range res.All() {
		fmt.Fprintf(out, "%s: %s\n", r.Input.Resource, r.Value.(json.RawMessage))
	}
	return nil
}
