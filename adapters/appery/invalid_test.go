package appery_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/appery"
	"github.com/windrow-go/windrow/adapters/appery/apperytest"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
	"github.com/windrow-go/windrow/mixed"
)

// E9: what is no object is not sent, in whichever way, and keeps nothing else of a batch from being sent.
func TestE9_OnlyObjectsAreSent(t *testing.T) {
	t.Parallel()
	for want, data := range map[string]any{
		"is required for ": nil, "is required for": map[string]any(nil), "is required": (*label)(nil), "is": json.RawMessage("null"),
		"must be something whose JSON is an object": "hidden content", "must be something": []string{"hidden content"}, "must be": json.RawMessage(`["hidden content"]`), "must": 7,
	} {
		w := start(t, &apperytest.Server{})
		c := appery.NewCollection[any, label](w.client, "Labels")
		ctx, good := t.Context(), any(label{Name: "a"})
		refused := func(how string, err error) {
			t.Helper()
			if f := windrow.FieldErrors(err); len(f) != 1 || f[0].Field != "Data" || !strings.HasPrefix(f[0].Message, want) || windrow.Classify(err).Kind != windrow.KindValidation {
				t.Errorf("%s of %T: %v, want Data: %s", how, data, err, want)
			}
			if strings.Contains(fmt.Sprint(err), "hidden") {
				t.Errorf("%s shows the data: %v", how, err)
			}
		}
		_, err := c.Create(ctx, data)
		refused("Create", err)
		_, err = c.Update(ctx, maxID, data)
		refused("Update", err)
		for _, kind := range []windrow.OpKind{windrow.OpCreate, windrow.OpUpdate} {
			o := mixed.Operation{Kind: kind, Resource: "Labels", Data: data}
			if kind == windrow.OpUpdate {
				o.ID = maxID
			}
			out, err := w.client.Execute(ctx, []mixed.Operation{o})
			refused("Execute", errors.Join(err, out[0].Err))
		}
		testkit.Check(t, "requests", 0, len(w.http.Requests()))
		created, err1 := c.CreateBatch(ctx, []any{good, data})
		updated, err2 := c.UpdateBatch(ctx, []windrow.Update[string, any]{{ID: created[0].Value.ID, Data: good}, {ID: maxID, Data: data}})
		if err := errors.Join(err1, err2, created[0].Err, updated[0].Err); err != nil {
			t.Error(err)
		}
		refused("CreateBatch", created[1].Err)
		refused("UpdateBatch", updated[1].Err)
		testkit.Check(t, "operations", []int{1, 1}, w.sizes(t))
	}
}

// E7, E8: what no single call can name is not named in a batch either.
func TestE7_E8_DotSegmentsAreNotSent(t *testing.T) {
	t.Parallel()
	w := start(t, &apperytest.Server{})
	for _, name := range []string{".", ".."} {
		for want, o := range map[string]mixed.Operation{
			"Resource": {Kind: windrow.OpCreate, Resource: name, Data: label{}},
			"ID":       {Kind: windrow.OpGet, Resource: "Labels", ID: name},
		} {
			out, err := w.client.Execute(t.Context(), []mixed.Operation{o})
			if f := windrow.FieldErrors(errors.Join(err, out[0].Err)); len(f) != 1 || f[0].Field != want {
				t.Errorf("%q as %s: %v, %v", name, want, err, out[0].Err)
			}
		}
		many, err := appery.NewCollection[label, label](w.client, name).CreateBatch(t.Context(), make([]label, 2))
		if err == nil {
			t.Errorf("%q as the name of a collection: %+v", name, many)
		}
	}
	testkit.Check(t, "requests", 0, len(w.http.Requests()))
}
