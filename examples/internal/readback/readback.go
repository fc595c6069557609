// Package readback compares what a server holds after a bulk run with what was
// sent and with what the run said about each item.
package readback

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/examples/internal/stdlib"
)

// Record is a symbol as the server holds it.
type Record struct {
	ID string `json:"id"`
	stdlib.Symbol
}

// Verdict is what a result says about an item's presence on the server.
type Verdict int

const (
	// Absent items were never applied: failed, skipped or not attempted.
	Absent Verdict = iota
	// Present items were confirmed by the server.
	Present
	// Unsure items may or may not have been applied.
	Unsure
)

// Claim is what the run says about one input.
type Claim struct {
	Symbol  stdlib.Symbol // as it was sent
	Verdict Verdict
	Answer  Record // what the run says that the server made of it, if Present
}

// Claims returns what a result says about each input.
func Claims(res *windrow.BulkResult[stdlib.Symbol, Record]) []Claim {
	claims := make([]Claim, 0, res.Len())
	for r := range res.All() {
		claim := Claim{Symbol: r.Input}
		switch r.State {
		case windrow.Succeeded:
			claim.Verdict, claim.Answer = Present, r.Value
		case windrow.Unknown:
			claim.Verdict = Unsure
		}
		claims = append(claims, claim)
	}
	return claims
}

// Mismatch is one difference between what was said and what is there. Its
// values are cut to a readable length.
type Mismatch struct {
	Key   string
	Field string // "record" when there is one too many or too few
	Want  string
	Got   string
}

// String tells the difference in one line.
func (m Mismatch) String() string {
	return fmt.Sprintf("%s: %s: want %s, got %s", m.Key, m.Field, m.Want, m.Got)
}

// Compare matches records to claims by key and returns every difference,
// sorted by key: a record that should be there and is not, that is there and
// should not be, that is there twice or was never sent, and every field that is
// not as it was sent, or not as the run says that it was answered, the id
// included. An unsure item may be missing, but if it is there, its fields must
// be right.
func Compare(claims []Claim, records []Record) []Mismatch {
	held := make(map[string][]Record, len(records))
	for _, r := range records {
		held[r.Key()] = append(held[r.Key()], r)
	}

	var found []Mismatch
	for _, claim := range claims {
		key := claim.Symbol.Key()
		there := held[key]
		delete(held, key)
		switch {
		case len(there) > 1:
			found = append(found, Mismatch{key, "record", "one at most", fmt.Sprint(len(there))})
		case len(there) == 0 && claim.Verdict == Present:
			found = append(found, Mismatch{key, "record", "id " + claim.Answer.ID, "none"})
		case len(there) == 1 && claim.Verdict == Absent:
			found = append(found, Mismatch{key, "record", "none", "id " + there[0].ID})
		case len(there) == 1:
			found = append(found, differences(claim, there[0])...)
		}
	}
	for key, foreign := range held {
		found = append(found, Mismatch{key, "record", "none", fmt.Sprintf("%d that were not sent", len(foreign))})
	}
	slices.SortStableFunc(found, func(a, b Mismatch) int { return cmp.Compare(a.Key, b.Key) })
	return found
}

// differences compares field by field with what was sent, and with what was
// answered.
func differences(claim Claim, got Record) []Mismatch {
	key := claim.Symbol.Key()
	found := compareFields(key, "", claim.Symbol, got.Symbol)
	if claim.Verdict == Present {
		if want := claim.Answer.ID; want != got.ID {
			found = append(found, Mismatch{key, "answered id", shorten(want), shorten(got.ID)})
		}
		found = append(found, compareFields(key, "answered ", claim.Answer.Symbol, got.Symbol)...)
	}
	return found
}

// compareFields returns the fields that differ, each under its name behind the
// prefix.
func compareFields(key, prefix string, want, got stdlib.Symbol) []Mismatch {
	var found []Mismatch
	check := func(field, want, got string) {
		if want != got {
			found = append(found, Mismatch{key, prefix + field, shorten(want), shorten(got)})
		}
	}
	check("key", want.FullName, got.FullName)
	check("import_path", want.ImportPath, got.ImportPath)
	check("name", want.Name, got.Name)
	check("kind", want.Kind, got.Kind)
	check("synopsis", want.Synopsis, got.Synopsis)
	check("doc", want.Doc, got.Doc)
	check("deprecated", fmt.Sprint(want.Deprecated), fmt.Sprint(got.Deprecated))
	return found
}

// Fields returns the fields in which a record is not what it should be.
func Fields(want, got stdlib.Symbol) []Mismatch { return compareFields(want.Key(), "", want, got) }

// shorten quotes a value and names its length where it cuts it.
func shorten(s string) string {
	const longest = 60
	if r := []rune(s); len(r) > longest {
		return fmt.Sprintf("%q... (%d characters)", string(r[:longest]), len(r))
	}
	return fmt.Sprintf("%q", s)
}
