package housekeeping

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// record has the exported API of every package that users can import.
const record = root + "/docs/api.txt"

// recordHead is how it begins.
const recordHead = `# Every name that users can import, with its type: one a line, by package.
# Write it anew with: go test ./internal/housekeeping -run TestAPI -update
`

var update = flag.Bool("update", false, "write docs/api.txt anew")

// The API changes where somebody means it to: what is exported, and with what types, is as docs/api.txt has it.
// With -v it says how many names each package exports.
func TestAPI(t *testing.T) {
	t.Parallel()
	got := exported(t)
	if testing.Verbose() {
		var counts strings.Builder
		for _, name := range slices.Sorted(maps.Keys(got)) {
			fmt.Fprintf(&counts, "\n%4d %s", len(got[name]), name)
		}
		t.Logf("exported names:%s", &counts)
	}
	if *update {
		if err := os.WriteFile(record, []byte(formatRecord(got)), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	text, err := os.ReadFile(record)
	if err != nil {
		t.Fatal(err)
	}
	want := parseRecord(string(text))
	both := maps.Clone(want)
	maps.Copy(both, got)
	for _, name := range slices.Sorted(maps.Keys(both)) {
		if diff := gocmp.Diff(strings.Join(want[name], "\n"), strings.Join(got[name], "\n")); diff != "" {
			t.Errorf("package %s exports other names than docs/api.txt says (-want +got):\n%s", name, diff)
		}
	}
	if !t.Failed() && string(text) != formatRecord(got) {
		t.Error("docs/api.txt has the names, but not in the form in which it is written")
	}
	if t.Failed() {
		t.Log("if that is meant: go test ./internal/housekeeping -run TestAPI -update")
	}
}

// exported returns the names that each public package exports, by its folder, in the order of the record.
func exported(t *testing.T) map[string][]string {
	t.Helper()
	var paths []string
	for _, f := range folders(t) {
		if f.isImportable() {
			paths = append(paths, path.Join(modulePath, f.path))
		}
	}
	work, err := filepath.Abs(root + "/go.work")
	if err != nil {
		t.Fatal(err)
	}
	// The compiler's own account of the packages has the types that are only inferred, and needs no requirement.
	command := exec.CommandContext(t.Context(), "go", append([]string{"list", "-export", "-deps", "-json=ImportPath,Export"}, paths...)...)
	command.Dir = root
	command.Env = append(os.Environ(), "GOWORK="+work) // also where the module is tested alone: nested modules are found by it
	var stderr bytes.Buffer
	command.Stderr = &stderr
	text, err := command.Output()
	if err != nil {
		t.Fatalf("go list -export: %v\n%s", err, &stderr)
	}
	files := map[string]string{}
	for decoder := json.NewDecoder(bytes.NewReader(text)); ; {
		var p struct{ ImportPath, Export string }
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		files[p.ImportPath] = p.Export
	}
	compiled := importer.ForCompiler(token.NewFileSet(), "gc", func(name string) (io.ReadCloser, error) { return os.Open(files[name]) })
	found := map[string][]string{}
	for _, name := range paths {
		pkg, err := compiled.Import(name)
		if err != nil {
			t.Fatal(err)
		}
		found[cmp.Or(strings.TrimPrefix(strings.TrimPrefix(name, modulePath), "/"), pkg.Name())] = namesOf(pkg)
	}
	return found
}

// isImportable says whether the folder has a package that is made for users: it has code, and is no program, example or
// benchmark.
func (f *folder) isImportable() bool {
	return f.isPublic() && !within(f.path, "examples") && !within(f.path, "bench") && slices.ContainsFunc(f.files, func(file *ast.File) bool { return !f.isTest(file) })
}

// namesOf returns what a package exports, one name a line: constants, variables, functions, and types with their fields
// and methods.
func namesOf(pkg *types.Package) []string {
	var constants, variables, functions, named []string
	for _, name := range pkg.Scope().Names() {
		object := pkg.Scope().Lookup(name)
		if !object.Exported() {
			continue
		}
		typ := show(pkg, object.Type())
		switch object := object.(type) {
		case *types.Const:
			if basic, ok := object.Type().(*types.Basic); ok && basic.Info()&types.IsUntyped != 0 {
				typ = ""
			}
			constants = append(constants, strings.Join(strings.Fields("const "+name+" "+typ), " ")+" = "+object.Val().ExactString())
		case *types.Var:
			variables = append(variables, "var "+name+" "+typ)
		case *types.Func:
			functions = append(functions, "func "+name+strings.TrimPrefix(typ, "func"))
		case *types.TypeName:
			named = append(named, typeNames(pkg, object)...)
		}
	}
	return slices.Concat(constants, variables, functions, named)
}

// typeNames returns a type, and its exported fields and methods.
func typeNames(pkg *types.Package, object *types.TypeName) []string {
	if object.IsAlias() {
		return []string{"type " + object.Name() + " = " + show(pkg, types.Unalias(object.Type()))}
	}
	named := object.Type().(*types.Named)
	switch body := named.Underlying().(type) {
	case *types.Interface:
		return interfaceNames(pkg, named, body)
	case *types.Struct:
		return slices.Concat([]string{"type " + show(pkg, named) + " struct"}, fieldNames(pkg, object.Name(), body), methodNames(pkg, named))
	default:
		return slices.Concat([]string{"type " + show(pkg, named) + " " + show(pkg, body)}, methodNames(pkg, named))
	}
}

// interfaceNames returns an interface and its methods. What it embeds, and what nobody else can implement, stands beside
// its name.
func interfaceNames(pkg *types.Package, named *types.Named, body *types.Interface) []string {
	var beside, methods []string
	for embedded := range body.EmbeddedTypes() {
		beside = append(beside, show(pkg, embedded))
	}
	for method := range body.ExplicitMethods() {
		if method.Exported() {
			methods = append(methods, "method "+named.Obj().Name()+"."+method.Name()+signature(pkg, method))
		} else {
			beside = append(beside, method.Name()+signature(pkg, method))
		}
	}
	line := "type " + show(pkg, named) + " interface"
	if len(beside) > 0 {
		line += " { " + strings.Join(beside, "; ") + " }"
	}
	return append([]string{line}, methods...)
}

// fieldNames returns the exported fields of a struct.
func fieldNames(pkg *types.Package, name string, body *types.Struct) []string {
	var fields []string
	for k := range body.NumFields() {
		field := body.Field(k)
		if inner, ok := pointedTo(field.Type()).Underlying().(*types.Struct); ok && field.Embedded() && isHidden(pkg, field.Type()) {
			fields = append(fields, fieldNames(pkg, name, inner)...)
		}
		if !field.Exported() {
			continue
		}
		line := "field " + name + "." + field.Name() + " " + show(pkg, field.Type())
		if field.Embedded() {
			line += " embedded"
		}
		if tag := body.Tag(k); tag != "" {
			line += " `" + tag + "`"
		}
		fields = append(fields, line)
	}
	slices.Sort(fields)
	return fields
}

// methodNames returns the exported methods of a type. Those of what it embeds are left out, unless nobody can see them
// there.
func methodNames(pkg *types.Package, named *types.Named) []string {
	var methods []string
	for selection := range types.NewMethodSet(types.NewPointer(named)).Methods() {
		method := selection.Obj().(*types.Func)
		if !method.Exported() {
			continue
		}
		receiver, listed := show(pkg, method.Signature().Recv().Type()), true
		for typ, path := types.Type(named), selection.Index(); len(path) > 1; path = path[1:] {
			typ = pointedTo(typ).Underlying().(*types.Struct).Field(path[0]).Type()
			receiver, listed = "*"+named.Obj().Name(), listed && isHidden(pkg, typ)
		}
		if listed {
			methods = append(methods, "method ("+receiver+") "+method.Name()+signature(pkg, method))
		}
	}
	return methods
}

// isHidden says whether users cannot name a type, and so find what it has only where it is embedded.
func isHidden(pkg *types.Package, typ types.Type) bool {
	named, ok := types.Unalias(pointedTo(typ)).(*types.Named)
	if !ok {
		return true
	}
	object := named.Obj()
	foreign := object.Pkg() != nil && object.Pkg() != pkg
	return !object.Exported() || foreign && isInternal(object.Pkg())
}

func pointedTo(typ types.Type) types.Type {
	if pointer, ok := types.Unalias(typ).(*types.Pointer); ok {
		return pointer.Elem()
	}
	return typ
}

// show writes a type as its package does, and those of others with the name of theirs, or with all of its path where users
// cannot import it.
func show(pkg *types.Package, typ types.Type) string {
	return types.TypeString(typ, func(other *types.Package) string {
		switch {
		case other == pkg:
			return ""
		case isInternal(other):
			return other.Path()
		}
		return other.Name()
	})
}

func isInternal(pkg *types.Package) bool {
	return slices.Contains(strings.Split(pkg.Path(), "/"), "internal")
}

// What users can name must not need a type that they cannot: none is of an internal package.
func TestNoInternalTypeIsPublic(t *testing.T) {
	t.Parallel()
	for name, lines := range exported(t) {
		for _, line := range lines {
			if strings.Contains(line, "internal/") {
				t.Errorf("package %s: %s", name, line)
			}
		}
	}
}

func signature(pkg *types.Package, method *types.Func) string {
	return strings.TrimPrefix(show(pkg, method.Signature()), "func")
}

// formatRecord writes the record.
func formatRecord(names map[string][]string) string {
	var s strings.Builder
	s.WriteString(recordHead)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		s.WriteString("\npackage " + name + "\n\n")
		for _, line := range names[name] {
			if strings.HasPrefix(line, "field ") || strings.HasPrefix(line, "method ") {
				s.WriteString("\t")
			}
			s.WriteString(line + "\n")
		}
	}
	return s.String()
}

// parseRecord reads what formatRecord writes.
func parseRecord(text string) map[string][]string {
	names, at := map[string][]string{}, ""
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "package "); ok {
			at = name
		} else if line != "" && !strings.HasPrefix(line, "#") {
			names[at] = append(names[at], line)
		}
	}
	return names
}

// The record itself must show what there is.
func TestNamesOf(t *testing.T) {
	t.Parallel()
	const source = `package p

const (
	A Kind = iota + 1
	B
	c
)

const D = "d"

var E = F("", 0)

func F(text string, more ...int) error { return nil }

func G[In, Out any, K comparable](in In, key func(In) K) map[K]Out { return nil }

func h() {}

type Kind uint8

func (k Kind) String() string { return "" }
func (k Kind) hidden()        {}

type Alias = map[string]any

type List[T any] []T

type Pair[K comparable, V any] struct {
	Key   K ${TICK}json:"key"${TICK}
	value V
	Open
	*closed
	With struct{ X int }
}

func (p *Pair[A, B]) Get(key A) (B, bool)           { panic(0) }
func (p Pair[K, _]) Len() int                       { return 0 }
func (p *Pair[K, V]) All(yield func(K, V) bool)     {}

type Outer struct{ Pair[int, string] }

type Open struct{ Seen int }

func (Open) Shown() {}

type closed struct {
	Promoted int
	inner
}

func (*closed) FromClosed() {}

type inner struct{ Deep Kind }

func (inner) FromInner(x Kind) {}

type Doer interface {
	Do(x int) error
	Stringer
	seal()
}

type Stringer interface{ String() string }

type Number interface{ ~int | ~float64 }

type Func func(x int) (n int, err error)

func (f Func) Do(x int) error { return nil }

type unseen struct{ X int }

func (unseen) Y() {}
`
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, "p.go", strings.ReplaceAll(source, "${TICK}", "`"), parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	pkg, err := new(types.Config).Check("example.test/p", set, []*ast.File{file}, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{"p": namesOf(pkg)}
	want := map[string][]string{"p": {
		"const A Kind = 1",
		"const B Kind = 2",
		`const D = "d"`,
		"var E error",
		"func F(text string, more ...int) error",
		"func G[In, Out any, K comparable](in In, key func(In) K) map[K]Out",
		"type Alias = map[string]any",
		"type Doer interface { Stringer; seal() }",
		"method Doer.Do(x int) error",
		"type Func func(x int) (n int, err error)",
		"method (Func) Do(x int) error",
		"type Kind uint8",
		"method (Kind) String() string",
		"type List[T any] []T",
		"type Number interface { ~int | ~float64 }",
		"type Open struct",
		"field Open.Seen int",
		"method (Open) Shown()",
		"type Outer struct",
		"field Outer.Pair Pair[int, string] embedded",
		"type Pair[K comparable, V any] struct",
		"field Pair.Deep Kind",
		"field Pair.Key K `json:\"key\"`",
		"field Pair.Open Open embedded",
		"field Pair.Promoted int",
		"field Pair.With struct{X int}",
		"method (*Pair[K, V]) All(yield func(K, V) bool)",
		"method (*Pair) FromClosed()",
		"method (*Pair) FromInner(x Kind)",
		"method (*Pair[A, B]) Get(key A) (B, bool)",
		"method (Pair[K, _]) Len() int",
		"type Stringer interface",
		"method Stringer.String() string",
	}}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if diff := gocmp.Diff(want, parseRecord(formatRecord(want))); diff != "" {
		t.Errorf("names that were written and read (-want +got):\n%s", diff)
	}
}
