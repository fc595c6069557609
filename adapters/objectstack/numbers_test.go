package objectstack_test

import (
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/windrow-go/windrow/adapters/objectstack"
	"github.com/windrow-go/windrow/adapters/objectstack/objectstacktest"
)

// Numbers that no float64 holds come back as they are in records without a type, from a single call and from a batch.
func TestF77_NumbersInRecordsWithoutAType(t *testing.T) {
	t.Parallel()
	w := start(t, &objectstacktest.Server{})
	w.api.Intercept(func(req *http.Request) http.HandlerFunc {
		return func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if req.Method == http.MethodGet {
				_, _ = io.WriteString(w, `{"id":"7","record":{"id":"7","n":9007199254740993}}`)
				return
			}
			_, _ = io.WriteString(w, `{"success":true,"operation":"create","total":1,"succeeded":1,"failed":0,"results":[{"success":true,"id":"7","data":{"id":"7","n":9007199254740993}}]}`)
		}
	})
	records := objectstack.NewResource[map[string]any, map[string]any](w.client, "account")
	one, err := records.Get(t.Context(), "7")
	if err != nil || fmt.Sprint(one["n"]) != "9007199254740993" {
		t.Errorf("Get: %v, %v", one, err)
	}
	many, err := records.CreateBatch(t.Context(), []map[string]any{{"n": 1}})
	if err != nil || fmt.Sprint(many[0].Value["n"]) != "9007199254740993" {
		t.Errorf("CreateBatch: %v, %v", many, err)
	}
}
