// Package adapters holds no code: it tests the feature table of the adapters.
package adapters

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// sections are the parts of the feature table: how many rows each has.
var sections = []struct {
	name string
	rows int
}{{"A", 77}, {"C", 33}, {"C-n", 13}, {"D", 38}, {"E", 22}}

var (
	row      = regexp.MustCompile(`^\| ((?:[ACDE]|C-n)\d+) \| ([^|]+) \| ([^|]+) \|$`)
	rowStart = regexp.MustCompile(`^\| *(?:[A-E]|C-n)\d`)
	test     = regexp.MustCompile("^`([a-z/]+) (Test[A-Za-z0-9_]+)`$")
)

// Every row of the table is there once and says what it is, and the tests that it names exist.
func TestFeatureTable(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	tests := map[string]map[string]bool{} // by folder
	for number, line := range strings.Split(string(text), "\n") {
		if !rowStart.MatchString(line) {
			continue
		}
		cells := row.FindStringSubmatch(line)
		if cells == nil {
			t.Errorf("line %d has not the form | A1 | what | `package Test`, … |: %s", number+1, line)
			continue
		}
		if seen[cells[1]] {
			t.Errorf("line %d: there is another row %s", number+1, cells[1])
		}
		seen[cells[1]] = true
		for cell := range strings.SplitSeq(cells[3], ", ") {
			parts := test.FindStringSubmatch(cell)
			if parts == nil {
				t.Errorf("line %d: %s is not of the form `package Test`", number+1, cell)
				continue
			}
			folder := filepath.Join("..", filepath.FromSlash(strings.TrimPrefix(parts[1], "windrow")))
			if tests[folder] == nil {
				tests[folder] = testsIn(t, folder)
			}
			if !tests[folder][parts[2]] {
				t.Errorf("line %d: row %s names %s, which is not in %s", number+1, cells[1], parts[2], folder)
			}
		}
	}
	for _, section := range sections {
		for k := range section.rows {
			if id := fmt.Sprint(section.name, k+1); !seen[id] {
				t.Errorf("there is no row %s", id)
			}
		}
	}
}

// testsIn returns the names of the tests in a folder.
func testsIn(t *testing.T, folder string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Errorf("there are no tests in %s: %v", folder, err)
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
