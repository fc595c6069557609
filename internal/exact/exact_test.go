package exact_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow/internal/exact"
)

type inner struct{ N any }

type nested struct {
	inner
	List []*inner
	Next *nested
	M    map[string]map[string]any
	A    [1]any
}

type plain struct {
	N    int64
	Next *plain
}

const big = "9007199254740993" // 2^53+1, which no float64 is

func TestUnmarshal(t *testing.T) {
	t.Parallel()
	n := json.Number(big)
	for text, test := range map[string]struct{ into, want any }{
		big:                                {new(any), any(n)},
		`{"a":[` + big + `,1.10]}`:         {new(map[string]any), map[string]any{"a": []any{n, json.Number("1.10")}}},
		`[{"n":` + big + `}] `:             {new([]inner), []inner{{N: n}}},
		`{"N":` + big + `}`:                {new(nested), nested{inner: inner{N: n}}},
		`{"List":[{"N":` + big + `}]}`:     {new(nested), nested{List: []*inner{{N: n}}}},
		`{"Next":{"A":[` + big + `]}}`:     {new(nested), nested{Next: &nested{A: [1]any{n}}}},
		`{"M":{"a":{"b":` + big + `}}}`:    {new(nested), nested{M: map[string]map[string]any{"a": {"b": n}}}},
		`{"N":` + big + `,"Next":{"N":7}}`: {new(plain), plain{N: 1<<53 + 1, Next: &plain{N: 7}}},
		`true`:                             {new(any), any(true)},
	} {
		if err := exact.Unmarshal([]byte(text), test.into); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		got, _ := json.Marshal(test.into)
		want, _ := json.Marshal(test.want)
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

// What cannot be read is refused as json.Unmarshal refuses it.
func TestUnmarshalRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", " ", "{", `{"a":1`, `{"a":1}}`, `{} 1`, "nul", `{"a":}`, `[1]`, `"a"`, "\x00"} {
		var got, want map[string]any
		err, wanted := exact.Unmarshal([]byte(text), &got), json.Unmarshal([]byte(text), &want)
		if wanted == nil || fmt.Sprintf("%T %v", err, err) != fmt.Sprintf("%T %v", wanted, wanted) {
			t.Errorf("%q: %T %v, want %T %v", text, err, err, wanted, wanted)
		}
	}
	var nothing *map[string]any
	for _, into := range []any{nil, nothing, map[string]any{}, plain{}} {
		err, wanted := exact.Unmarshal([]byte("{}"), into), json.Unmarshal([]byte("{}"), into)
		if wanted == nil || fmt.Sprint(err) != fmt.Sprint(wanted) {
			t.Errorf("into a %T: %v, want %v", into, err, wanted)
		}
	}
}

// A type without interfaces is read without a decoder of its own.
func TestUnmarshalAllocates(t *testing.T) {
	data := []byte(`{"N":7}`)
	var into plain
	plainly := testing.AllocsPerRun(100, func() { _ = json.Unmarshal(data, &into) })
	if got := testing.AllocsPerRun(100, func() { _ = exact.Unmarshal(data, &into) }); got > plainly {
		t.Errorf("%v allocations, want %v", got, plainly)
	}
}

func TestAs(t *testing.T) {
	t.Parallel()
	read := map[string]any{"N": json.Number(big)}
	for _, test := range []struct{ got, want any }{
		{exact.As[plain](read), plain{N: 1<<53 + 1}},
		{exact.As[*plain](read), &plain{N: 1<<53 + 1}},
		{exact.As[plain](plain{N: 1}), plain{N: 1}},
		{exact.As[plain](nil), nil},
		{exact.As[plain]("text"), "text"},
		{exact.As[any](read), read},
		{exact.As[int](json.Number("7")), 7},
	} {
		if diff := cmp.Diff(test.want, test.got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	if v, is := exact.As[plain](func() {}).(func()); !is || v == nil {
		t.Error("what has no JSON form did not come back")
	}
}
