package housekeeping

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// modulePath is the path of the root module and its package.
const modulePath = "github.com/windrow-go/windrow"

// surface is the files of the root package. Each holds one subject of its public API, and what belongs to nothing else.
var surface = []string{
	"batch.go", "capabilities.go", "chunks.go", "control.go", "doc.go", "duplicates.go", "errors.go", "journal.go", "limiter.go",
	"limiterstats.go", "observer.go", "opkind.go", "options.go", "prepare.go", "processor.go",
	"progress.go", "result.go", "resultjson.go", "retry.go", "run.go", "stream.go", "streamflow.go", "summary.go",
}

// requirements are what the root module needs beside the standard library, and
// the package that says where: in code, or only in tests.
var requirements = []struct {
	module   string
	testOnly bool
}{
	{"github.com/cenkalti/backoff/v4", false},
	{"github.com/google/go-cmp", true},
	{"golang.org/x/sync", false},
	{"golang.org/x/time", false},
}

// The public API stays where a reader expects it: a file is named after its subject. Mechanics belong in internal.
func TestRootHoldsOnlyTheSurface(t *testing.T) {
	t.Parallel()
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, entry := range entries {
		name := entry.Name()
		if path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			continue
		}
		count++
		if !slices.Contains(surface, name) {
			t.Errorf("%s is in the root, which holds only %s: move it to internal, or name its subject here", name, strings.Join(surface, ", "))
		}
	}
	if count == 0 {
		t.Error("the root has no Go files")
	}
}

// What the root requires, every user of windrow downloads.
func TestRootRequirements(t *testing.T) {
	t.Parallel()
	command := exec.CommandContext(t.Context(), "go", "mod", "edit", "-json")
	command.Dir = root
	command.Env = append(os.Environ(), "GOWORK=off")
	text, err := command.Output()
	if err != nil {
		t.Fatalf("go mod edit -json: %v", err)
	}
	var mod struct {
		Module  struct{ Path string }
		Require []struct {
			Path     string
			Indirect bool
		}
		Tool, Replace, Exclude, Ignore []any
	}
	if err := json.Unmarshal(text, &mod); err != nil {
		t.Fatal(err)
	}
	if mod.Module.Path != modulePath {
		t.Errorf("module path = %q, want %q", mod.Module.Path, modulePath)
	}
	var got, want []string
	for _, require := range mod.Require {
		name := require.Path
		if require.Indirect {
			name += " // indirect"
		}
		got = append(got, name)
	}
	for _, requirement := range requirements {
		want = append(want, requirement.module)
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("requirements of the root go.mod (-want +got):\n%s", diff)
	}
	if len(mod.Tool)+len(mod.Replace)+len(mod.Exclude) > 0 {
		t.Errorf("the root go.mod has tool, replace or exclude lines: %v %v %v", mod.Tool, mod.Replace, mod.Exclude)
	}
}

// testkit is what tests of several packages share.
const testkit = "adapters/internal/testkit"

// Each requirement earns its place: used by the library, or by tests alone.
func TestRootRequirementsAreUsed(t *testing.T) {
	t.Parallel()
	nested := modules(t)
	code, tests := map[string]string{}, map[string]string{}
	for _, f := range folders(t) {
		if slices.ContainsFunc(nested, func(dir string) bool { return dir != "." && within(f.path, dir) }) {
			continue
		}
		for _, file := range f.files {
			uses := code
			if f.isTest(file) || f.path == testkit {
				uses = tests
			}
			for _, spec := range file.Imports {
				name, err := strconv.Unquote(spec.Path.Value)
				if err != nil {
					t.Fatal(err)
				}
				if strings.HasSuffix(name, "/"+testkit) && !f.isTest(file) {
					t.Errorf("%s imports %s, which is for tests", f.name(file), testkit)
				}
				for _, requirement := range requirements {
					if within(name, requirement.module) {
						uses[requirement.module] = f.name(file)
					}
				}
			}
		}
	}
	for _, requirement := range requirements {
		in := code[requirement.module]
		switch {
		case requirement.testOnly && in != "":
			t.Errorf("%s is for tests, but %s imports it", requirement.module, in)
		case requirement.testOnly && tests[requirement.module] == "":
			t.Errorf("no test of the root module imports %s", requirement.module)
		case !requirement.testOnly && in == "":
			t.Errorf("no code of the root module imports %s", requirement.module)
		}
	}
}

// Everything may import the root package, except what the root imports.
func TestInternalDoesNotImportTheRoot(t *testing.T) {
	t.Parallel()
	nested := modules(t)
	for _, f := range folders(t) {
		if !within(f.path, "internal") || slices.ContainsFunc(nested, func(dir string) bool { return dir != "." && within(f.path, dir) }) {
			continue
		}
		for _, file := range f.files {
			for _, spec := range file.Imports {
				name, err := strconv.Unquote(spec.Path.Value)
				if err != nil {
					t.Fatal(err)
				}
				if within(name, modulePath) && !within(name, modulePath+"/internal") {
					t.Errorf("%s imports %s", f.name(file), name)
				}
			}
		}
	}
}

// lawful is what internal/adapt, whose laws return numbers for observations with times, may import.
var lawful = []string{"fmt", "math", "slices", "time", "golang.org/x/time/rate"}

// The laws of adaptation neither wait nor lock nor look at a clock: that is the gate's part, which asks them.
func TestTheLawsArePure(t *testing.T) {
	t.Parallel()
	clock := []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}
	checked := 0
	for _, f := range folders(t) {
		if f.path != "internal/adapt" {
			continue
		}
		for _, file := range f.files {
			if f.isTest(file) {
				continue
			}
			checked++
			for _, spec := range file.Imports {
				if name, err := strconv.Unquote(spec.Path.Value); err != nil || !slices.Contains(lawful, name) {
					t.Errorf("%s imports %s", f.name(file), spec.Path.Value)
				}
			}
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.GoStmt, *ast.ChanType:
					t.Errorf("%s has a goroutine or a channel", f.set.Position(n.Pos()))
				case *ast.SelectorExpr:
					if pkg, ok := n.X.(*ast.Ident); ok && pkg.Name == "time" && slices.Contains(clock, n.Sel.Name) {
						t.Errorf("%s uses time.%s", f.set.Position(n.Pos()), n.Sel.Name)
					}
				}
				return true
			})
		}
	}
	if checked == 0 {
		t.Error("internal/adapt has no Go files")
	}
}

// One package turns panics into errors, and one file of module jobs, so that a Goexit is told apart from a panic and the stack is kept everywhere.
func TestRecoverIsCalledInOnePackage(t *testing.T) {
	t.Parallel()
	for _, f := range folders(t) {
		if f.path == "internal/contain" {
			continue
		}
		use := "internal/contain"
		if within(f.path, "jobs") { // a module of its own
			use = "jobs/guard.go"
		}
		for _, file := range f.files {
			if f.isTest(file) || f.name(file) == use {
				continue
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					if name, ok := call.Fun.(*ast.Ident); ok && name.Name == "recover" {
						t.Errorf("%s calls recover: use %s", f.set.Position(call.Pos()), use)
					}
				}
				return true
			})
		}
	}
}

// The commands of the README reach every module only if the workspace does.
func TestWorkspaceUsesEveryModule(t *testing.T) {
	t.Parallel()
	command := exec.CommandContext(t.Context(), "go", "work", "edit", "-json", "go.work")
	command.Dir = root
	text, err := command.Output()
	if err != nil {
		t.Fatalf("go work edit -json: %v", err)
	}
	var work struct{ Use []struct{ DiskPath string } }
	if err := json.Unmarshal(text, &work); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, use := range work.Use {
		got = append(got, path.Clean(use.DiskPath))
	}
	slices.Sort(got)
	if diff := cmp.Diff(modules(t), got); diff != "" {
		t.Errorf("folders with a go.mod, and use lines of go.work (-want +got):\n%s", diff)
	}
}

func TestEveryExportedNameIsDocumented(t *testing.T) {
	t.Parallel()
	for _, f := range folders(t) {
		missing, err := undocumented(f)
		if err != nil {
			t.Errorf("%s: %v", f.path, err)
		}
		for _, name := range missing {
			t.Errorf("%s has no doc comment", name)
		}
	}
}

// The check itself must see what it is for.
func TestUndocumented(t *testing.T) {
	t.Parallel()
	const source = `package p

const A = 1

// Group comments are enough.
const (
	B = iota
	C
)

var (
	D int // documented
	E int
	f int
)

func F() {}

// G is documented.
func G() {}

type H struct {
	// I is documented.
	I int
	J int // documented
	K, L int
	m int
}

// N is documented.
type N interface {
	O()
	// P is documented.
	P()
	q()
}

func (H) R() {}

// S has one method, which its own comment describes.
type S interface{ T() }

type u struct{ V int }

func (u) W() {}

const X H = 1

func NewH() H { return H{} }
`
	inPackage := []string{"A", "E", "F", "H", "H.R", "NewH", "X"}
	inMembers := []string{"H.K", "H.L", "N.O"}
	for _, test := range []struct {
		path string
		want []string
	}{
		{"p", slices.Concat(inPackage, inMembers)},
		{"p/internal/q", inPackage},
	} {
		f := &folder{path: test.path, set: token.NewFileSet()}
		file, err := parser.ParseFile(f.set, "p.go", source, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		f.files = append(f.files, file)
		got, err := undocumented(f)
		if err != nil {
			t.Fatal(err)
		}
		want := []string{test.path + ": package p"}
		for _, name := range test.want {
			want = append(want, test.path+"/p.go: "+name)
		}
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("undocumented names in %s (-want +got):\n%s", test.path, diff)
		}
	}
}

// modules lists the folders that have a go.mod, from the repository's root.
func modules(t *testing.T) []string {
	t.Helper()
	var dirs []string
	err := filepath.WalkDir(root, func(name string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && name != root && strings.HasPrefix(entry.Name(), ".") {
			return filepath.SkipDir
		}
		if entry.Name() == "go.mod" && !entry.IsDir() {
			dir, err := filepath.Rel(root, filepath.Dir(name))
			if err != nil {
				return err
			}
			dirs = append(dirs, filepath.ToSlash(dir))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(dirs)
	return dirs
}

// within says whether a path is a folder or lies in it.
func within(name, dir string) bool {
	return name == dir || strings.HasPrefix(name, dir+"/")
}

// A page that sends its reader to a file names one that is there.
func TestLinksLeadToFiles(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)#:, ]+)(?:#[^)]*)?\)`)
	checked := 0
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != "." && strings.HasPrefix(entry.Name(), "."):
			return fs.SkipDir
		case path.Ext(name) != ".md":
			return nil
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		for _, to := range link.FindAllStringSubmatch(string(text), -1) {
			if _, missing := os.Stat(filepath.Join(root, path.Dir(name), to[1])); missing != nil {
				t.Errorf("%s has a link to %s, which is not there", name, to[1])
			}
			checked++
		}
		return err
	})
	if err != nil || checked < 100 {
		t.Errorf("%d links were looked at, error %v", checked, err)
	}
}
