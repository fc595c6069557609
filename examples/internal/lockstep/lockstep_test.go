package lockstep_test

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/examples/internal/lockstep"
)

func items(s string) iter.Seq2[string, error] { return windrow.FromSlice(strings.Fields(s)) }

func self(s string) string { return s }

func TestPairs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ want, got, pairs string }{
		{"", "", ""},
		{"a b", "", "a- b-"},
		{"", "a b", "-a -b"},
		{"a b c", "a b c", "aa bb cc"},
		{"a c e", "b c d", "a- -b cc -d e-"},
		{"x", "a b", "-a -b x-"},
	} {
		var pairs []string
		for p, err := range lockstep.Pairs(items(tt.want), items(tt.got), self) {
			if err != nil {
				t.Fatal(err)
			}
			show := func(s *string) string {
				if s == nil {
					return "-"
				}
				if *s != p.Key {
					t.Errorf("%q is paired under %q", *s, p.Key)
				}
				return *s
			}
			pairs = append(pairs, show(p.Want)+show(p.Got))
		}
		if diff := cmp.Diff(strings.Fields(tt.pairs), slices.Clip(append([]string{}, pairs...))); diff != "" {
			t.Errorf("%q and %q (-want +got):\n%s", tt.want, tt.got, diff)
		}
	}
}

func TestPairsErrors(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	broken := func(yield func(string, error) bool) { _ = yield("a", nil) && yield("", boom) }
	for _, tt := range []struct {
		want, got iter.Seq2[string, error]
		pairs     int
		message   string
	}{
		{broken, items("a b"), 1, "boom"},
		{items("a b"), broken, 1, "boom"},
		{items("a c b"), items(""), 2, `the first list is not sorted: "b" comes after "c"`},
		{items(""), items("a a"), 1, `the second list is not sorted: "a" comes after "a"`},
	} {
		n := 0
		var last error
		for _, err := range lockstep.Pairs(tt.want, tt.got, self) {
			if last = err; err == nil {
				n++
			}
		}
		if n != tt.pairs || !strings.Contains(fmt.Sprint(last), tt.message) {
			t.Errorf("%d pairs and the error %v, want %d and %q", n, last, tt.pairs, tt.message)
		}
	}
}

func TestPairsEndTheListsOnBreak(t *testing.T) {
	t.Parallel()
	ended := 0
	endless := func(yield func(string, error) bool) {
		defer func() { ended++ }()
		for i := 0; yield(fmt.Sprintf("%09d", i), nil); i++ {
		}
	}
	for range lockstep.Pairs(endless, endless, self) {
		break
	}
	if ended != 2 {
		t.Errorf("%d lists have ended, want 2", ended)
	}
}
