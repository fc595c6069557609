package jobs_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// built are the rows of the feature table, as ranges.
var built = [][2]int{{1, 34}, {38, 40}, {51, 63}, {67, 67}, {83, 89}, {91, 92}, {94, 98}}

var (
	tableRow  = regexp.MustCompile(`^\| (B\d+) \| ([^|]+) \| ([^|]+) \|$`)
	tableCell = regexp.MustCompile("^`(Test[A-Za-z0-9_]+)`$")
)

// Every row of the feature table in the README is there once and says what it is, and the tests that it names exist.
func TestFeatureTable(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := testNames(t)
	var want, got []string
	for _, r := range built {
		for k := r[0]; k <= r[1]; k++ {
			want = append(want, fmt.Sprint("B", k))
		}
	}
	for number, line := range strings.Split(string(text), "\n") {
		if !strings.HasPrefix(line, "| B") {
			continue
		}
		cells := tableRow.FindStringSubmatch(line)
		if cells == nil {
			t.Errorf("line %d has not the form | B1 | what | `Test`, … |: %s", number+1, line)
			continue
		}
		got = append(got, cells[1])
		for cell := range strings.SplitSeq(cells[3], ", ") {
			if name := tableCell.FindStringSubmatch(cell); name == nil || !tests[name[1]] {
				t.Errorf("line %d: row %s names %s, which is no test here", number+1, cells[1], cell)
			}
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("the rows are %v, want %v", got, want)
	}
}

// testNames returns the names of the tests in this folder.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	names := map[string]bool{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") {
				names[f.Name.Name] = true
			}
		}
	}
	return names
}

// The program of the README is that of Example, line by line.
func TestTheProgramOfTheReadmeIsCompiled(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, program, found := strings.Cut(string(readme), "```go\n")
	program, _, closed := strings.Cut(program, "```")
	if !found || !closed || strings.Count(program, "\n") < 10 {
		t.Fatalf("there is no program in the README: %q", program)
	}
	for line := range strings.Lines(program) {
		if line != "\n" && !strings.Contains(string(example), "\n\t"+line) {
			t.Errorf("example_test.go has no line %q", line)
		}
	}
}
