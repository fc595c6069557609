package windrow_test

import (
	"fmt"
	"os"
	"path"
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
	rowsAtFront = regexp.MustCompile(`^Test(?:[A-Z]\d+(?:To|And|_)?)+`)
	oneRow      = regexp.MustCompile(`F(\d+)(To)?`)
)

// rowsIn returns the rows that the name of a test begins with, also beside those of other tables: TestF7…, TestF32F33…,
// TestF1ToF6…, TestF19_F20_P5_….
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
		"TestF19_F20_P5_Match":        {19, 20},
		"TestA74AndF38Memory":         {38},
		"TestF46A36List":              {46},
		"TestUTF8":                    nil,
		"TestFlags":                   nil,
		"TestFormatF7":                nil,
		"TestThatF8IsSomewhereInside": nil,
	} {
		if diff := cmp.Diff(fmt.Sprint(want), fmt.Sprint(rowsIn(name))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

var (
	mapRow      = regexp.MustCompile(`^\| F(\d+) \| ([^|]+) \| ([^|]+) \|$`)
	mapRowStart = regexp.MustCompile(`^\| *F\d`)
	mapFile     = regexp.MustCompile("^(`Test\\w+`(?:, `Test\\w+`)*) in \\[([^]]+)\\]\\(\\.\\./([^)]+)\\)$")
	mapTest     = regexp.MustCompile(`Test\w+`)
)

// The map of the faults has each row once, in its place; the tests that it names are where it says, and those that show a
// row are named by it.
func TestFaultsAreMapped(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("docs/faults.md")
	if err != nil {
		t.Fatal(err)
	}
	known := testNames(t)
	var got, want []int
	named := map[string]bool{} // as row folder.Name
	for number, line := range strings.Split(string(text), "\n") {
		if !mapRowStart.MatchString(line) {
			continue
		}
		cells := mapRow.FindStringSubmatch(line)
		if cells == nil {
			t.Errorf("line %d has not the form | F1 | what | `Test`, … in [file](../file); … |: %s", number+1, line)
			continue
		}
		row, _ := strconv.Atoi(cells[1])
		got = append(got, row)
		for part := range strings.SplitSeq(cells[3], "; ") {
			tests := mapFile.FindStringSubmatch(part)
			if tests == nil || tests[2] != tests[3] {
				t.Errorf("line %d: %s is not of the form `Test`, … in [file](../file)", number+1, part)
				continue
			}
			for _, name := range mapTest.FindAllString(tests[1], -1) {
				name = strings.TrimPrefix(path.Dir(tests[2]), ".") + "." + name
				named[fmt.Sprint(row, " ", name)] = true
				if known[name] != tests[2] {
					t.Errorf("line %d: %s is not in %s", number+1, name, tests[2])
				}
			}
		}
	}
	for n := 1; n <= failureModes; n++ {
		want = append(want, n)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	must := func(row int, name string) {
		if key := fmt.Sprint(row, " ", name); !named[key] {
			named[key] = true // and is said once
			t.Errorf("row F%d does not name `%s` in [%s](../%[3]s)", row, name[strings.LastIndex(name, ".")+1:], known[name])
		}
	}
	for name := range known {
		for _, row := range rowsIn(name[strings.LastIndex(name, ".")+1:]) {
			must(row, name)
		}
	}
	for i, row := range sixty {
		if row.do != nil {
			must(i+1, ".TestSixtyFaults")
		}
		for name := range strings.FieldsSeq(row.tests) {
			if known["."+name] != "" {
				name = "." + name
			}
			must(i+1, name)
		}
	}
}
