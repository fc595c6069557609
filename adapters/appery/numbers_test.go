package appery_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/appery"
	"github.com/windrow-go/windrow/adapters/appery/apperytest"
	"github.com/windrow-go/windrow/mixed"
)

// Numbers that no float64 holds come back as they are in objects without a type, from a single call and from a batch, and
// from operations that were stored.
func TestF77_NumbersInObjectsWithoutAType(t *testing.T) {
	t.Parallel()
	const object = `{"_id":"7","n":9007199254740993}`
	w := start(t, &apperytest.Server{})
	w.api.Intercept(func(req *http.Request) http.HandlerFunc {
		return func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if req.Method == http.MethodGet {
				_, _ = io.WriteString(w, object)
				return
			}
			_, _ = fmt.Fprintf(w, `[{"success":%s},{"success":%[1]s}]`, object)
		}
	})
	c := appery.NewCollection[map[string]any, map[string]any](w.client, "Labels")
	one, err := c.Get(t.Context(), "7")
	if err != nil || fmt.Sprint(one["n"]) != "9007199254740993" {
		t.Errorf("Get: %v, %v", one, err)
	}
	many, err := c.GetBatch(t.Context(), []string{"7", "8"})
	if err != nil || fmt.Sprint(many[1].Value["n"]) != "9007199254740993" {
		t.Errorf("GetBatch: %v, %v", many, err)
	}
	res, err := mixed.Run(t.Context(), w.client, []mixed.Operation{
		{Kind: windrow.OpGet, Resource: "Labels", ID: "7"}, {Kind: windrow.OpGet, Resource: "Labels", ID: "8"},
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(res)
	if err != nil {
		t.Fatal(err)
	}
	var back windrow.BulkResult[mixed.Operation, any]
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if got, err := json.Marshal(back.At(0).Value); err != nil || string(got) != object {
		t.Errorf("stored: %s, %v", got, err)
	}
}
