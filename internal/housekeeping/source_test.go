package housekeeping

import (
	"cmp"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// root is the repository's root, seen from this folder.
const root = "../.."

// folder is a folder with Go files.
type folder struct {
	path  string // from the repository's root, with slashes; "." is the root
	files []*ast.File
	set   *token.FileSet
}

// isTest says whether a file is only built for tests.
func (f *folder) isTest(file *ast.File) bool {
	return strings.HasSuffix(f.name(file), "_test.go")
}

// name is a file's path from the repository's root.
func (f *folder) name(file *ast.File) string {
	return path.Join(f.path, filepath.Base(f.set.Position(file.Package).Filename))
}

// folders parses every Go file of the repository, nested modules included.
func folders(t *testing.T) []*folder {
	t.Helper()
	byPath := map[string]*folder{}
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := entry.Name()
		if entry.IsDir() {
			if name != "." && (strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" || base == "vendor") {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(base) != ".go" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
			return nil
		}
		dir := path.Dir(name)
		f := byPath[dir]
		if f == nil {
			f = &folder{path: dir, set: token.NewFileSet()}
			byPath[dir] = f
		}
		file, err := parser.ParseFile(f.set, filepath.Join(root, filepath.FromSlash(name)), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		f.files = append(f.files, file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if byPath["internal/housekeeping"] == nil {
		t.Fatalf("found no Go files at %s: is it still the root of the repository?", root)
	}
	found := make([]*folder, 0, len(byPath))
	for _, f := range byPath {
		found = append(found, f)
	}
	slices.SortFunc(found, func(a, b *folder) int { return cmp.Compare(a.path, b.path) })
	return found
}

// isPublic says whether other modules can import the folder's package.
func (f *folder) isPublic() bool {
	return !slices.Contains(strings.Split(f.path, "/"), "internal") && f.files[0].Name.Name != "main"
}

// undocumented lists the exported names of a package that go doc would show
// without a comment: declarations and methods, and in a public package also
// fields and interface methods. For the constants and variables of a group, the
// group's comment is enough.
func undocumented(f *folder) ([]string, error) {
	var files []*ast.File
	for _, file := range f.files {
		if !f.isTest(file) {
			files = append(files, file)
		}
	}
	if len(files) == 0 {
		return nil, nil
	}
	// PreserveAST: without it, go/doc takes comments away from the syntax tree.
	pkg, err := doc.NewFromFiles(f.set, files, f.path, doc.PreserveAST)
	if err != nil {
		return nil, err
	}

	var missing []string
	report := func(pos token.Pos, what string) {
		at := f.set.Position(pos)
		missing = append(missing, path.Join(f.path, filepath.Base(at.Filename))+": "+what)
	}
	if pkg.Doc == "" {
		missing = append(missing, f.path+": package "+pkg.Name)
	}
	values := func(groups []*doc.Value) {
		for _, group := range groups {
			for _, spec := range group.Decl.Specs {
				spec := spec.(*ast.ValueSpec)
				if group.Doc != "" || spec.Doc.Text() != "" || spec.Comment.Text() != "" {
					continue
				}
				for _, name := range spec.Names {
					if name.IsExported() {
						report(name.Pos(), name.Name)
					}
				}
			}
		}
	}
	functions := func(prefix string, functions []*doc.Func) {
		for _, fn := range functions {
			if fn.Doc == "" {
				report(fn.Decl.Pos(), prefix+fn.Name)
			}
		}
	}
	values(pkg.Consts)
	values(pkg.Vars)
	functions("", pkg.Funcs)
	for _, typ := range pkg.Types {
		spec := typ.Decl.Specs[0].(*ast.TypeSpec)
		if typ.Doc == "" && spec.Comment.Text() == "" {
			report(typ.Decl.Pos(), typ.Name)
		}
		values(typ.Consts)
		values(typ.Vars)
		functions("", typ.Funcs)
		functions(typ.Name+".", typ.Methods)
		if !f.isPublic() {
			continue
		}
		members := &ast.FieldList{}
		switch body := spec.Type.(type) {
		case *ast.StructType:
			members = body.Fields
		case *ast.InterfaceType:
			members = body.Methods
		}
		single := len(members.List) == 1 && isInterface(spec)
		for _, member := range members.List {
			// An interface with one method is documented by its own comment.
			if single || member.Doc.Text() != "" || member.Comment.Text() != "" {
				continue
			}
			for _, name := range member.Names {
				if name.IsExported() {
					report(name.Pos(), typ.Name+"."+name.Name)
				}
			}
		}
	}
	return missing, nil
}

func isInterface(spec *ast.TypeSpec) bool {
	_, ok := spec.Type.(*ast.InterfaceType)
	return ok
}
