package windrow_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// failureModes is how many rows the table of failure modes has.
const failureModes = 88

// Each row of the table of failure modes has a case: a test whose name begins with it, or a row of the sixty that does
// it to a server.
func TestEveryFailureModeHasACase(t *testing.T) {
	t.Parallel()
	covered := map[int]bool{}
	for _, row := range sixty {
		if row.do != nil {
			covered[rowsIn("Test" + row.row)[0]] = true
		}
	}
	for name := range testNames(t) {
		for _, n := range rowsIn(name[strings.LastIndex(name, ".")+1:]) {
			covered[n] = true
		}
	}
	for n := 1; n <= failureModes; n++ {
		if !covered[n] {
			t.Errorf("F%d has no case", n)
		}
		delete(covered, n)
	}
	if len(covered) > 0 {
		t.Errorf("the table has no rows %v", covered)
	}
}

var (
	rowsAtFront = regexp.MustCompile(`^Test(?:F\d+(?:To|And)?)+`)
	oneRow      = regexp.MustCompile(`F(\d+)(To)?`)
)

// rowsIn returns the rows that the name of a test begins with: TestF7…, TestF32F33…, TestF1ToF6….
func rowsIn(test string) (rows []int) {
	to := 0
	for _, m := range oneRow.FindAllStringSubmatch(rowsAtFront.FindString(test), -1) {
		n, _ := strconv.Atoi(m[1])
		for ; to > 0 && to < n; to++ {
			rows = append(rows, to)
		}
		rows = append(rows, n)
		if to = 0; m[2] != "" {
			to = n + 1
		}
	}
	return rows
}

// The names of tests are read as they are meant.
func TestRowsInNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]int{
		"TestF7Exists":                {7},
		"TestF17":                     {17},
		"TestF54_JournalThatFails":    {54},
		"TestF32F33Hooks":             {32, 33},
		"TestF1ToF4LostAnswers":       {1, 2, 3, 4},
		"TestF3ToF5AndF9More":         {3, 4, 5, 9},
		"TestFlags":                   nil,
		"TestFormatF7":                nil,
		"TestThatF8IsSomewhereInside": nil,
	} {
		if diff := cmp.Diff(fmt.Sprint(want), fmt.Sprint(rowsIn(name))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
