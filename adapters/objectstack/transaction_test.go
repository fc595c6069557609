package objectstack_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
	"github.com/windrow-go/windrow/adapters/objectstack"
	"github.com/windrow-go/windrow/adapters/objectstack/objectstacktest"
	"github.com/windrow-go/windrow/mixed"
)

type record = map[string]any

func op(kind windrow.OpKind, object, id, external string, data any) mixed.Operation {
	return mixed.Operation{Kind: kind, Resource: object, ID: id, ExternalID: external, Data: data}
}

// C-n8: operations on several objects as a whole, with references to what earlier ones create.
func TestC_n8_TransactionWithReferences(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t, &objectstacktest.Server{ReadOnly: []string{"code"}})
		old := w.fake.Add("project", record{"name": "old"})
		gone := w.fake.Add("project", record{"name": "gone"})
		type task struct {
			Title   string `json:"title"`
			Project any    `json:"project"`
			Watches []any  `json:"watches,omitempty"`
			Points  uint64 `json:"points"`
		}
		res, err := mixed.Run(t.Context(), w.client.Transaction(), []mixed.Operation{
			op(windrow.OpCreate, "project", "", "apollo", record{"name": "Apollo", "code": "A11"}),
			op(windrow.OpCreate, "task", "", "", task{"Kickoff", objectstack.Ref("apollo"), []any{objectstack.Ref("apollo")}, 9007199254740993}),
			op(windrow.OpUpdate, "project", old, "", record{"name": "Gemini", "next": objectstack.Ref("apollo")}),
			op(windrow.OpDelete, "project", gone, "", nil),
		}, windrow.Atomic())
		if err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "request", testkit.JSON(t, `{"operations":[
			{"object":"project","action":"create","data":{"name":"Apollo","code":"A11"}},
			{"object":"task","action":"create","data":{"title":"Kickoff","project":{"$ref":0},"watches":[{"$ref":0}],"points":9007199254740993}},
			{"object":"project","action":"update","id":"1","data":{"name":"Gemini","next":{"$ref":0}}},
			{"object":"project","action":"delete","id":"2"}],"atomic":true}`), w.body(t, 0))
		if !strings.Contains(w.http.Requests()[0].Body, "9007199254740993") {
			t.Error("a number has changed on the way")
		}
		var created struct{ ID, Name string }
		if err := json.Unmarshal(res.At(0).Value.(json.RawMessage), &created); err != nil || created.ID != "3" || created.Name != "Apollo" {
			t.Errorf("%+v, %v", created, err)
		}
		testkit.Check(t, "warnings", []string{"the server dropped code (readonly)"}, res.At(0).Warnings)
		if res.At(3).Value != nil {
			t.Errorf("a delete has the value %v", res.At(3).Value)
		}
		testkit.Check(t, "task", []record{{"id": "4", "title": "Kickoff", "project": "3", "watches": []any{"3"}, "points": 9007199254740992.0}}, w.fake.Records("task"))
		testkit.Check(t, "projects", []record{{"id": "1", "name": "Gemini", "next": "3"}, {"id": "3", "name": "Apollo"}}, w.fake.Records("project"))
	})
}

// C-n8: all or nothing, and the error is that of the request.
func TestC_n8_TransactionIsRolledBack(t *testing.T) {
	t.Parallel()
	ops := []mixed.Operation{
		op(windrow.OpCreate, "project", "", "", record{"name": "Apollo"}), op(windrow.OpCreate, "contact", "", "", record{"email": "none"}),
	}
	for _, tt := range []struct {
		name string
		fake *objectstacktest.Server
		code string
	}{
		{"refused", &objectstacktest.Server{}, "VALIDATION_ERROR"},
		{"cannot roll back", &objectstacktest.Server{NoTransactions: true}, "NOT_IMPLEMENTED"},
		{"too many", &objectstacktest.Server{MaxRecords: 1}, "BATCH_TOO_LARGE"},
		{"old", &objectstacktest.Server{Old: true}, "ENDPOINT_NOT_FOUND"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := start(t, tt.fake)
			res, err := mixed.Run(t.Context(), w.client.Transaction(), ops, windrow.Atomic())
			testkit.Check(t, tt.name, []windrow.State{no, no}, testkit.States(t, res))
			testkit.Check(t, tt.name, tt.code, testkit.ErrorOf[*objectstack.Error](t, err).Code)
			testkit.Check(t, "records", 0, len(w.fake.Records("project")))
		})
	}
	// Without Atomic the server's whole is found by halves, as with any client that is all or nothing.
	synctest.Test(t, func(t *testing.T) {
		w := start(t, &objectstacktest.Server{})
		res, _ := mixed.Run(t.Context(), w.client.Transaction(), ops)
		testkit.Check(t, "states", []windrow.State{ok, bad}, testkit.States(t, res))
	})
	for name, body := range map[string]string{"short": `{"results":[{"id":"1"}]}`, "none": `{"results":7}`} {
		synctest.Test(t, func(t *testing.T) {
			w := start(t, &objectstacktest.Server{})
			w.always("/batch", testkit.Respond(200, body))
			res, err := mixed.Run(t.Context(), w.client.Transaction(), ops, windrow.Atomic(), testkit.Quick)
			testkit.Check(t, name, []windrow.State{lost, lost}, testkit.States(t, res))
			if !errors.Is(err, windrow.ErrProtocol) {
				t.Errorf("%s: error %v", name, err)
			}
		})
	}
}

// What a transaction cannot do is said before anything is sent.
func TestC_n8_TransactionRefuses(t *testing.T) {
	t.Parallel()
	good := op(windrow.OpCreate, "project", "", "apollo", record{"name": "Apollo"})
	for _, tt := range []struct {
		name string
		o    mixed.Operation
		opts []windrow.Option
		want string
	}{
		{"read", op(windrow.OpGet, "project", "1", "", nil), nil, "Kind: must be create, update or delete in a transaction, not get"},
		{"upsert", op(windrow.OpUpsert, "project", "", "x", record{}), nil, "Kind: must be create, update or delete in a transaction, not upsert"},
		{"no object", op(windrow.OpCreate, "", "", "", record{}), nil, "Resource: is required: the name of the object"},
		{"no record", op(windrow.OpCreate, "task", "", "", "hidden content"), nil, "Data: must be something whose JSON is an object"},
		{"no JSON", op(windrow.OpCreate, "task", "", "", record{"f": func() {}}), nil, "Data: must be something whose JSON is an object"},
		{"nobody", op(windrow.OpCreate, "task", "", "", record{"project": objectstack.Ref("hidden content")}), nil, "Data: holds a Ref to what no earlier create of the transaction has as its ExternalID"},
		{"itself", op(windrow.OpCreate, "task", "", "self", record{"task": objectstack.Ref("self")}), nil, "Data: holds a Ref to what no earlier create"},
		{"in parts", op(windrow.OpCreate, "task", "", "", record{"project": objectstack.Ref("apollo")}), []windrow.Option{windrow.BatchSize(50)}, "Data: holds a Ref, which needs the option windrow.Atomic"},
	} {
		w := start(t, &objectstacktest.Server{})
		opts := tt.opts
		if opts == nil {
			opts = []windrow.Option{windrow.Atomic()}
		}
		res, err := mixed.Run(t.Context(), w.client.Transaction(), []mixed.Operation{good, tt.o}, opts...)
		if err == nil || !strings.Contains(res.At(1).Err.Error(), tt.want) || res.At(1).State != bad || res.At(1).Kind != windrow.KindValidation {
			t.Errorf("%s: %v, %v", tt.name, res.At(1).State, err)
		}
		if strings.Contains(fmt.Sprint(err), "hidden content") {
			t.Errorf("%s: the error shows the data: %v", tt.name, err)
		}
		sent := 0
		if tt.name == "in parts" { // the other one is on its own
			sent = 1
		}
		testkit.Check(t, tt.name+": requests", sent, len(w.http.Requests()))
	}
	// Outside a run the request is one in any case.
	w := start(t, &objectstacktest.Server{})
	out, err := w.client.Transaction().Execute(t.Context(), []mixed.Operation{good, op(windrow.OpCreate, "task", "", "", record{"project": objectstack.Ref("apollo")})})
	if err != nil || out[1].Err != nil {
		t.Errorf("%v, %+v", err, out)
	}
	testkit.Check(t, "cap", 1000, w.client.Transaction().Capabilities().MaxItems)
}
