package plan

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A30: text that means the same is no change.
func TestA30_ComparesByMeaning(t *testing.T) {
	t.Parallel()
	raw := func(s string) json.RawMessage { return json.RawMessage(s) }
	for _, tt := range []struct {
		name, a, b string
		want       []Difference
	}{
		{"same", `{"a":1}`, `{"a":1}`, nil},
		{"key order", `{"a":1,"b":{"c":2,"d":3}}`, `{"b":{"d":3,"c":2},"a":1}`, nil},
		{"space", `{"a":[1,2]}`, `{ "a": [ 1, 2 ] }`, nil},
		{"number forms", `{"a":1,"b":100,"c":-0.5,"d":0,"e":12e2}`, `{"a":1.0,"b":1e2,"c":-5e-1,"d":-0.00,"e":1200}`, nil},
		{"long numbers", `{"a":12345678901234567890}`, `{"a":12345678901234567891}`, []Difference{{"a", raw("12345678901234567890"), raw("12345678901234567891")}}},
		{"huge exponents", `{"a":1e99999999999}`, `{"a":1e99999999998}`, []Difference{{"a", raw("1e99999999999"), raw("1e99999999998")}}},
		{"sign", `{"a":-1}`, `{"a":1}`, []Difference{{"a", raw("-1"), raw("1")}}},
		{"tens", `{"a":10}`, `{"a":1}`, []Difference{{"a", raw("10"), raw("1")}}},
		{"number and text", `{"a":1}`, `{"a":"1"}`, []Difference{{"a", raw("1"), raw(`"1"`)}}},
		{"escapes", `{"a":"ü/"}`, `{"a":"\u00fc\/"}`, nil},
		{"null is not nothing", `{"a":null}`, `{}`, []Difference{{Field: "a", Before: raw("null")}}},
		{"null and false", `{"a":null}`, `{"a":false}`, []Difference{{"a", raw("null"), raw("false")}}},
		{"array order", `{"a":[1,2]}`, `{"a":[2,1]}`, []Difference{{"a", raw("[1,2]"), raw("[2,1]")}}},
		{"array length", `{"a":[1]}`, `{"a":[1,1]}`, []Difference{{"a", raw("[1]"), raw("[1,1]")}}},
		{"array and object", `{"a":[]}`, `{"a":{}}`, []Difference{{"a", raw("[]"), raw("{}")}}},
		{"nested", `{"a":{"b":1},"z":1}`, `{"a":{"b":2},"z":1}`, []Difference{{"a", raw(`{"b":1}`), raw(`{"b":2}`)}}},
		{"by name", `{"b":1,"a":1}`, `{"c":1,"a":2}`, []Difference{{"a", raw("1"), raw("2")}, {"b", raw("1"), nil}, {"c", nil, raw("1")}}},
		{"no objects", `[1]`, `[2]`, []Difference{{"", raw("[1]"), raw("[2]")}}},
		{"no objects, equal", `[1.0]`, `[1]`, nil},
		{"an object no more", `{"a":1}`, `null`, []Difference{{"", raw(`{"a":1}`), raw("null")}}},
	} {
		if diff := cmp.Diff(tt.want, differences(raw(tt.a), raw(tt.b))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		if back := differences(raw(tt.b), raw(tt.a)); len(back) != len(tt.want) {
			t.Errorf("%s: %d differences the other way round", tt.name, len(back))
		}
	}
}

func TestHasAll(t *testing.T) {
	t.Parallel()
	changes := []Difference{{"a", json.RawMessage("1"), json.RawMessage("2")}, {"b", json.RawMessage("1"), nil}}
	for record, want := range map[string]bool{
		`{"a":2}`:              true,
		`{"a":2.0,"z":9}`:      true,
		`{"a":2,"b":1}`:        false,
		`{"a":1}`:              false,
		`{"z":1}`:              false,
		`[1]`:                  false,
		`{"a":2,"b":null}`:     false,
		`{"a":"2"}`:            false,
		`{"A":2}`:              false,
		`{"a":2,"bb":{"b":1}}`: true,
	} {
		if got := hasAll([]byte(record), changes); got != want {
			t.Errorf("%s: %t", record, got)
		}
	}
	if !hasAll([]byte("2"), []Difference{{"", json.RawMessage("1"), json.RawMessage("2.0")}}) {
		t.Error("a record that is no object")
	}
}
