package stdlib

import (
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/doc"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
)

// The kinds of symbols.
const (
	kindPackage = "package"
	kindConst   = "const"
	kindVar     = "var"
	kindType    = "type"
	kindFunc    = "func"
	kindMethod  = "method"
)

// readPackage returns the symbols of one package in no particular order; none
// if no file of the folder belongs to the build.
func readPackage(bc *build.Context, path string) ([]Symbol, error) {
	dir := filepath.Join(bc.GOROOT, "src", filepath.FromSlash(path))
	found, err := bc.ImportDir(dir, build.IgnoreVendor)
	if _, none := errors.AsType[*build.NoGoError](err); none {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("choose its files: %w", err)
	}
	if found.IsCommand() {
		return nil, nil
	}

	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range slices.Concat(found.GoFiles, found.CgoFiles) {
		file, err := parser.ParseFile(fset, filepath.Join(dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, fmt.Errorf("parse: %w", err)
		}
		files = append(files, file)
	}

	var mode doc.Mode
	if path == "builtin" {
		mode = doc.AllDecls // its names, such as append, only look unexported
	}
	pkg, err := doc.NewFromFiles(fset, files, path, mode)
	if err != nil {
		return nil, fmt.Errorf("read its documentation: %w", err)
	}

	c := collector{pkg: pkg, all: mode == doc.AllDecls}
	c.addAs(path, kindPackage, pkg.Name, pkg.Doc)
	c.values(kindConst, pkg.Consts)
	c.values(kindVar, pkg.Vars)
	c.funcs(pkg.Funcs)
	for _, t := range pkg.Types {
		c.add(kindType, t.Name, t.Doc)
		c.values(kindConst, t.Consts)
		c.values(kindVar, t.Vars)
		c.funcs(t.Funcs)
		for _, m := range t.Methods {
			c.add(kindMethod, t.Name+"."+m.Name, m.Doc)
		}
	}
	return c.symbols, nil
}

// collector gathers the symbols of one package.
type collector struct {
	pkg     *doc.Package
	all     bool // unexported names too
	symbols []Symbol
}

func (c *collector) add(kind, name, text string) {
	c.addAs(c.pkg.ImportPath+"."+name, kind, name, text)
}

func (c *collector) addAs(fullName, kind, name, text string) {
	c.symbols = append(c.symbols, Symbol{
		FullName:   fullName,
		ImportPath: c.pkg.ImportPath,
		Name:       name,
		Kind:       kind,
		Synopsis:   c.pkg.Synopsis(text),
		Doc:        text,
		Deprecated: deprecated(text),
	})
}

func (c *collector) funcs(funcs []*doc.Func) {
	for _, f := range funcs {
		c.add(kindFunc, f.Name, f.Doc)
	}
}

// values adds each name of each const or var declaration, with its own comment
// where it has one and the group's otherwise.
func (c *collector) values(kind string, groups []*doc.Value) {
	for _, group := range groups {
		for _, spec := range group.Decl.Specs {
			value, ok := spec.(*ast.ValueSpec)
			if !ok {
				continue
			}
			text := value.Doc.Text()
			if text == "" {
				text = value.Comment.Text()
			}
			if text == "" {
				text = group.Doc
			}
			for _, name := range value.Names {
				if name.Name != "_" && (c.all || name.IsExported()) {
					c.add(kind, name.Name, text)
				}
			}
		}
	}
}

// deprecated follows https://go.dev/wiki/Deprecated: a paragraph that begins
// with "Deprecated: ".
func deprecated(text string) bool {
	return strings.HasPrefix(text, "Deprecated: ") || strings.Contains(text, "\n\nDeprecated: ")
}
