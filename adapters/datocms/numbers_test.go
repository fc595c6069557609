package datocms_test

import (
	"encoding/json"
	"testing"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/datocms"
	"github.com/windrow-go/windrow/adapters/datocms/datocmstest"
)

// Numbers that no float64 holds are written and come back as they are in records without a type.
func TestF77_NumbersInRecordsWithoutAType(t *testing.T) {
	t.Parallel()
	_, client := start(t, datocmstest.Config{})
	type object = map[string]any
	items := datocms.NewItems[object, object](client, articleModel)
	first, err := items.Create(t.Context(), object{"title": "tea", "pages": int64(1<<53 + 1)})
	if err != nil || first["pages"] != json.Number("9007199254740993") {
		t.Fatalf("%v, %v", first, err)
	}
	id, _ := first["id"].(string)
	res, err := windrow.GetMany(t.Context(), items, []string{id})
	if err != nil || res.At(0).Value["pages"] != json.Number("9007199254740993") {
		t.Fatalf("%v, %v", res.At(0).Value, err)
	}
	again, err := items.Update(t.Context(), id, object{"pages": res.At(0).Value["pages"]}) // as a plan does
	if err != nil || again["pages"] != json.Number("9007199254740993") {
		t.Errorf("%v, %v", again, err)
	}
}
