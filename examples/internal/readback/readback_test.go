package readback_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow/examples/internal/readback"
	"github.com/windrow-go/windrow/examples/internal/stdlib"
)

func symbol(name string) stdlib.Symbol {
	return stdlib.Symbol{FullName: "p." + name, ImportPath: "p", Name: name, Kind: "func", Synopsis: "s", Doc: "d"}
}

// present is the claim that the server answered with the symbol under the id.
func present(s stdlib.Symbol, id string) readback.Claim {
	return readback.Claim{Symbol: s, Verdict: readback.Present, Answer: record(id, s)}
}

func absent(s stdlib.Symbol) readback.Claim {
	return readback.Claim{Symbol: s, Verdict: readback.Absent}
}

func unsure(s stdlib.Symbol) readback.Claim {
	return readback.Claim{Symbol: s, Verdict: readback.Unsure}
}

func record(id string, s stdlib.Symbol) readback.Record { return readback.Record{ID: id, Symbol: s} }

func TestCompare(t *testing.T) {
	t.Parallel()
	a, b := symbol("A"), symbol("B")
	long := symbol("A")
	long.Doc = strings.Repeat("ä", 100)

	for _, test := range []struct {
		name    string
		claims  []readback.Claim
		records []readback.Record
		want    []readback.Mismatch
	}{
		{name: "nothing"},
		{
			name:    "all as said, in another order",
			claims:  []readback.Claim{present(a, "1"), present(b, "2")},
			records: []readback.Record{record("2", b), record("1", a)},
		},
		{
			name:   "absent and not there, unsure and not there",
			claims: []readback.Claim{absent(a), unsure(b)},
		},
		{
			name:    "unsure and there",
			claims:  []readback.Claim{unsure(a)},
			records: []readback.Record{record("1", a)},
		},
		{
			name:    "unsure and there, but wrong",
			claims:  []readback.Claim{unsure(a)},
			records: []readback.Record{record("1", long)},
			want:    []readback.Mismatch{{"p.A", "doc", `"d"`, `"` + strings.Repeat("ä", 60) + `"... (100 characters)`}},
		},
		{
			name:   "present and not there",
			claims: []readback.Claim{present(a, "1")},
			want:   []readback.Mismatch{{"p.A", "record", "id 1", "none"}},
		},
		{
			name:    "absent and there",
			claims:  []readback.Claim{absent(a)},
			records: []readback.Record{record("1", a)},
			want:    []readback.Mismatch{{"p.A", "record", "none", "id 1"}},
		},
		{
			name:    "another id",
			claims:  []readback.Claim{present(a, "1")},
			records: []readback.Record{record("2", a)},
			want:    []readback.Mismatch{{"p.A", "answered id", `"1"`, `"2"`}},
		},
		{
			name:    "there twice",
			claims:  []readback.Claim{present(a, "1")},
			records: []readback.Record{record("1", a), record("2", a)},
			want:    []readback.Mismatch{{"p.A", "record", "one at most", "2"}},
		},
		{
			name:    "never sent",
			claims:  []readback.Claim{present(b, "2")},
			records: []readback.Record{record("2", b), record("1", a)},
			want:    []readback.Mismatch{{"p.A", "record", "none", "1 that were not sent"}},
		},
		{
			name:    "answered with something else",
			claims:  []readback.Claim{{Symbol: a, Verdict: readback.Present, Answer: record("1", long)}},
			records: []readback.Record{record("1", a)},
			want:    []readback.Mismatch{{"p.A", "answered doc", `"` + strings.Repeat("ä", 60) + `"... (100 characters)`, `"d"`}},
		},
		{
			name: "results shifted by one",
			claims: []readback.Claim{
				{Symbol: a, Verdict: readback.Present, Answer: record("2", b)},
				{Symbol: b, Verdict: readback.Present, Answer: record("1", a)},
			},
			records: []readback.Record{record("1", a), record("2", b)},
			want: []readback.Mismatch{
				{"p.A", "answered id", `"2"`, `"1"`}, {"p.A", "answered key", `"p.B"`, `"p.A"`}, {"p.A", "answered name", `"B"`, `"A"`},
				{"p.B", "answered id", `"1"`, `"2"`}, {"p.B", "answered key", `"p.A"`, `"p.B"`}, {"p.B", "answered name", `"A"`, `"B"`},
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, readback.Compare(test.claims, test.records)); diff != "" {
				t.Errorf("Compare (-want +got):\n%s", diff)
			}
		})
	}
}

// TestComparesEveryField changes each field of the symbol in turn, as it was
// sent and as it was answered, so that a field added later cannot be forgotten.
func TestComparesEveryField(t *testing.T) {
	t.Parallel()
	for field := range reflect.TypeFor[stdlib.Symbol]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		changed := symbol("A")
		switch v := reflect.ValueOf(&changed).Elem().FieldByIndex(field.Index); v.Kind() {
		case reflect.String:
			v.SetString("changed")
		case reflect.Bool:
			v.SetBool(!v.Bool())
		default:
			t.Fatalf("%s has kind %s", field.Name, v.Kind())
		}
		check := func(claim readback.Claim, r readback.Record, want string) {
			t.Helper()
			if got := readback.Compare([]readback.Claim{claim}, []readback.Record{r}); len(got) != 1 || got[0].Field != want {
				t.Errorf("with another %s: %v, want one mismatch of %s", field.Name, got, want)
			}
		}
		answered := present(symbol("A"), "1")
		answered.Answer.Symbol = changed
		check(answered, record("1", symbol("A")), "answered "+name)
		if name != "key" { // a changed key is a record that was not sent
			check(unsure(symbol("A")), record("1", changed), name)
		}
	}
}

func TestMismatchString(t *testing.T) {
	t.Parallel()
	m := readback.Mismatch{Key: "p.A", Field: "doc", Want: `"a"`, Got: `"b"`}
	if got, want := m.String(), `p.A: doc: want "a", got "b"`; got != want {
		t.Errorf("String() = %s, want %s", got, want)
	}
}
