package inspect_test

import (
	"math"
	"testing"
	"time"

	"github.com/windrow-go/windrow/internal/inspect"
)

type client struct{}

func TestIsNil(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		client any
		want   bool
	}{
		{"nothing", nil, true},
		{"a nil pointer", (*client)(nil), true},
		{"a nil function", (func())(nil), true},
		{"a nil map", map[string]int(nil), true},
		{"a nil slice", []int(nil), true},
		{"a nil channel", (chan int)(nil), true},
		{"a pointer", &client{}, false},
		{"a function", func() {}, false},
		{"an empty map", map[string]int{}, false},
		{"a zero struct", client{}, false},
		{"a zero number", 0, false},
	} {
		if got := inspect.IsNil(test.client); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

type pair struct{ A, B string }

func TestText(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ got, want string }{
		{inspect.Text("a b"), "a b"},
		{inspect.Text(""), ""},
		{inspect.Text(-7), "-7"},
		{inspect.Text(1500 * time.Millisecond), "1.5s"},
		{inspect.Text([2]int{1, 2}), "[2]int{1, 2}"},
		{inspect.Text(pair{"a", "b"}), `inspect_test.pair{A:"a", B:"b"}`},
	} {
		if test.got != test.want {
			t.Errorf("%q, want %q", test.got, test.want)
		}
	}
	if a, b := inspect.Text(pair{"a b", "c"}), inspect.Text(pair{"a", "b c"}); a == b {
		t.Errorf("two ids have the same text: %q", a)
	}
}

func TestJSONSize(t *testing.T) {
	t.Parallel()
	if got := inspect.JSONSize(pair{"a", "b"}); got != len(`{"A":"a","B":"b"},`) {
		t.Errorf("%d bytes", got)
	}
	if got := inspect.JSONSize(math.Inf(1)); got != 0 {
		t.Errorf("%d bytes of what has no JSON form", got)
	}
}
