package objectstack_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
	"github.com/windrow-go/windrow/adapters/objectstack"
	"github.com/windrow-go/windrow/adapters/objectstack/objectstacktest"
)

// notRecords are values whose JSON is no object, and what is said of each as the data of a create.
var notRecords = map[string]any{
	"is required": nil, "is required ": map[string]any(nil), "is required  ": (*account)(nil), "is required   ": json.RawMessage("null"),
	"must be an object": "hidden content", "must be an object ": json.RawMessage(`["hidden content"]`), "must be an object  ": []account{{Name: "hidden content"}},
}

// C18, C19: what is no record is not sent, in whichever way.
func TestC18_C19_OnlyObjectsAreSent(t *testing.T) {
	t.Parallel()
	for want, bad := range notRecords {
		want = strings.TrimSpace(want)
		w := start(t, &objectstacktest.Server{})
		r := objectstack.NewResource[any, account](w.client, "account")
		r.ExternalID = func(any) string { return "x" }
		ctx, good := t.Context(), any(account{Name: "A"})
		one := func(_ any, err error) error { return err }
		records := []objectstack.BatchRecord{{ID: "1", Data: good}, {ID: "2", Data: bad}}
		for field, err := range map[string]error{
			"data": one(r.Create(ctx, bad)), "data ": one(r.Update(ctx, "1", bad)), "data  ": one(r.Upsert(ctx, bad)), "data   ": one(r.Inserter().Create(ctx, bad)),
			"records[1].data":   one(w.client.Batch(ctx, "account", objectstack.BatchUpdateRequest{Operation: "upsert", Records: records})),
			"records[1].data ":  one(w.client.UpdateMany(ctx, "account", objectstack.UpdateManyRequest{Records: records})),
			"records[1].data  ": one(w.client.CreateMany(ctx, "account", []any{good, bad})),
		} {
			said := fmt.Sprint(err)
			if !strings.Contains(said, strings.TrimSpace(field)+": "+want) || strings.Contains(said, "hidden") || windrow.Classify(err).Kind != windrow.KindValidation {
				t.Errorf("%T at %s: %v", bad, field, err)
			}
		}
		testkit.Check(t, "requests", 0, len(w.http.Requests()))
	}
}

// C-n9: one that is no record keeps a createMany from being sent. The run finds who it is, and sends the other.
func TestC_n9_InserterSendsRecordsOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t, &objectstacktest.Server{})
		r := objectstack.NewResource[map[string]any, account](w.client, "account")
		in := []map[string]any{nil, {"name": "A"}, {"name": "B"}}
		res, err := windrow.CreateMany(t.Context(), r.Inserter(), in, testkit.Quick)
		testkit.Check(t, "states", []windrow.State{bad, ok, ok}, testkit.States(t, res))
		if f := windrow.FieldErrors(err); len(f) != 1 || f[0].Field != "data" {
			t.Errorf("%v", err)
		}
		testkit.Check(t, "accounts", []record{{"id": "1", "name": "A"}, {"id": "2", "name": "B"}}, w.fake.Records("account"))
		out, err := r.Inserter().CreateBatch(t.Context(), in)
		if err != nil || out[0].Err == nil || !errors.Is(out[1].Err, windrow.ErrRolledBack) || !errors.Is(out[2].Err, windrow.ErrRolledBack) {
			t.Errorf("%v, %+v", err, out)
		}
		testkit.Check(t, "accounts", 2, len(w.fake.Records("account")))
	})
}

// C20, C31, C32: the methods that are named after endpoints send nothing that their requests' Validate refuses, and no more
// records than the server takes.
func TestC20_C31_C32_InvalidRequestsAreNotSent(t *testing.T) {
	t.Parallel()
	w := start(t, &objectstacktest.Server{MaxRecords: 300})
	ctx := t.Context()
	one := func(_ any, err error) error { return err }
	many := func(n int) []objectstack.BatchRecord {
		return slices.Repeat([]objectstack.BatchRecord{{ID: "1", Data: account{Name: "A"}}}, n)
	}
	for want, err := range map[string]error{
		"records[1].id: is required for update":              one(w.client.UpdateMany(ctx, "account", objectstack.UpdateManyRequest{Records: append(many(1), objectstack.BatchRecord{Data: account{}})})),
		"ids[1]: is empty":                                   one(w.client.DeleteMany(ctx, "account", objectstack.DeleteManyRequest{IDs: []string{"1", ""}})),
		"operation: must be":                                 one(w.client.Batch(ctx, "account", objectstack.BatchUpdateRequest{Operation: "merge", Records: many(1)})),
		"records: are 1500, where a batch holds at most 200": one(w.client.Batch(ctx, "account", objectstack.BatchUpdateRequest{Operation: "create", Records: many(1500)})),
		"records: are 201, where a batch holds at most 200":  one(w.client.UpdateMany(ctx, "account", objectstack.UpdateManyRequest{Records: many(201)})),
		"records: are 202, where a batch holds at most 200":  one(w.client.DeleteMany(ctx, "account", objectstack.DeleteManyRequest{IDs: slices.Repeat([]string{"1"}, 202)})),
		"records: are 203, where a batch holds at most 200":  one(w.client.CreateMany(ctx, "account", slices.Repeat([]any{account{}}, 203))),
	} {
		if err == nil || !strings.Contains(err.Error(), want) || windrow.Classify(err).Kind != windrow.KindValidation {
			t.Errorf("%v, want %s", err, want)
		}
		if c := windrow.Classify(err); strings.HasPrefix(want, "records: are") && (c.Class != windrow.ClassTooLarge || c.MaxItems != 200) {
			t.Errorf("%v is %+v", err, c)
		}
	}
	testkit.Check(t, "requests", 0, len(w.http.Requests()))
	// What the server said counts, also when it is more.
	big := objectstack.NewResource[account, account](w.client, "account", objectstack.WithMaxRecords(1000))
	if _, err := big.CreateBatch(ctx, make([]account, 301)); windrow.Classify(err).MaxItems != 300 {
		t.Errorf("%v", err)
	}
	if _, err := w.client.CreateMany(ctx, "account", slices.Repeat([]any{account{Name: "A"}}, 300)); err != nil {
		t.Error(err)
	}
	if _, err := w.client.CreateMany(ctx, "account", slices.Repeat([]any{account{Name: "A"}}, 301)); err == nil || !strings.Contains(err.Error(), "at most 300") {
		t.Errorf("%v", err)
	}
	testkit.Check(t, "requests", 2, len(w.http.Requests()))
	testkit.Check(t, "the resource's own choice, which is less", 200, w.accounts.Capabilities().MaxItems)
	testkit.Check(t, "what the server said, which is less", 300, big.Capabilities().MaxItems)
	// What a resource was told counts, too: of this one a run of 250 records is one request.
	if res, err := windrow.CreateMany(ctx, big, make([]account, 250)); err != nil || res.Stats().Requests != 1 {
		t.Errorf("%+v, %v", res.Stats(), err)
	}
}
