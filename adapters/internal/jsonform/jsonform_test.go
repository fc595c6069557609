package jsonform

import (
	"encoding/json"
	"math/big"
	"testing"
	"time"
)

// stamped is a struct whose JSON is that of the time in it: a text.
type stamped struct {
	time.Time
	Name string
}

// named writes itself as a list, where it can be addressed.
type named struct{ Name string }

func (n *named) MarshalJSON() ([]byte, error) { return json.Marshal([]string{n.Name}) }

func TestOf(t *testing.T) {
	t.Parallel()
	type plain struct{ Name string }
	var nothing *plain
	var list []int
	var table map[string]int
	for _, tt := range []struct {
		v    any
		want Form
	}{
		{nil, Null}, {nothing, Null}, {&nothing, Null}, {table, Null}, {&table, Null}, {json.RawMessage(nil), Null}, {json.RawMessage("null"), Null}, {(*named)(nil), Null},
		{plain{}, Object}, {&plain{}, Object}, {new(&plain{}), Object}, {map[string]int{}, Object}, {json.RawMessage(" {}"), Object}, {new(json.RawMessage("{}")), Object},
		{new(any(plain{})), Object}, {named{}, Object}, {new(new(any)), Null},
		{list, Other}, {[]plain{{}}, Other}, {"text", Other}, {7, Other}, {true, Other}, {json.RawMessage("[1]"), Other}, {json.RawMessage("{"), Other}, {json.RawMessage(""), Other},
		{&named{}, Other}, {stamped{}, Other}, {big.NewFloat(1), Other}, {time.Time{}, Other}, {func() {}, Other}, {new("text"), Other},
	} {
		if got := Of(tt.v); got != tt.want {
			t.Errorf("the form of %T %+v is %d, want %d", tt.v, tt.v, got, tt.want)
		}
	}
}
