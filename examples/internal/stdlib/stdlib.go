// Package stdlib reads the documentation of the Go standard library from the
// installed Go sources: some eleven thousand records of real text, on every
// machine that has Go.
package stdlib

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"go/build"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// Symbol is one documented name of the standard library. The JSON names are
// the fields of the collection that the examples fill.
type Symbol struct {
	// FullName is unique: "net/http" for a package, "net/http.Client" for what
	// it declares, "net/http.Client.Do" for a method.
	FullName string `json:"key"`

	// ImportPath is the package's, such as "net/http".
	ImportPath string `json:"import_path"`

	// Name is the declared name, "Client.Do" for a method and the package's
	// own name for a package.
	Name string `json:"name"`

	// Kind is package, const, var, type, func or method.
	Kind string `json:"kind"`

	// Synopsis is the first sentence of Doc.
	Synopsis string `json:"synopsis"`

	// Doc is the comment's text as it stands in the source, without the
	// comment markers. It can be empty.
	Doc string `json:"doc"`

	// Deprecated says whether Doc has a paragraph that begins "Deprecated: ".
	Deprecated bool `json:"deprecated"`
}

// Key is the symbol's unique name, [Symbol.FullName].
func (s Symbol) Key() string { return s.FullName }

// String names the symbol, such as "method net/http.Client.Do", and leaves its
// text out.
func (s Symbol) String() string { return s.Kind + " " + s.FullName }

// Library is the documentation of one Go installation.
type Library struct {
	// Version is the installation's, such as "go1.26.0".
	Version string

	// Symbols are sorted by import path, then by full name.
	Symbols []Symbol
}

// Read reads the Go installation that runs the caller: the one that the go
// command names (`go env GOROOT`), or, without a go command, the one that built
// the program. It takes a few seconds and uses all processors.
func Read(ctx context.Context) (*Library, error) {
	root, err := findRoot(ctx)
	if err != nil {
		return nil, err
	}
	return ReadRoot(ctx, root)
}

// ReadRoot reads the Go installation in the folder root. What is read is what
// `go doc` shows for linux/amd64, whatever the system, so that one Go version
// gives the same symbols everywhere. Left out are commands, vendored and
// internal packages.
func ReadRoot(ctx context.Context, root string) (*Library, error) {
	paths, err := importPaths(root)
	if err != nil {
		return nil, fmt.Errorf("stdlib: list the packages: %w", err)
	}
	bc := build.Default
	bc.GOROOT, bc.GOOS, bc.GOARCH = root, "linux", "amd64"
	bc.CgoEnabled = true

	perPackage := make([][]Symbol, len(paths))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, path := range paths {
		g.Go(func() error {
			if err := context.Cause(ctx); err != nil {
				return err
			}
			symbols, err := readPackage(&bc, path)
			if err != nil {
				return fmt.Errorf("package %s: %w", path, err)
			}
			perPackage[i] = symbols
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("stdlib: read %s: %w", root, err)
	}

	symbols := slices.Concat(perPackage...)
	slices.SortFunc(symbols, func(a, b Symbol) int {
		return cmp.Or(cmp.Compare(a.ImportPath, b.ImportPath), cmp.Compare(a.FullName, b.FullName))
	})
	return &Library{Version: version(root), Symbols: symbols}, nil
}

// findRoot returns the first candidate that holds the library's sources.
func findRoot(ctx context.Context) (string, error) {
	var tried []error
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		tried = append(tried, fmt.Errorf("go env GOROOT: %w", err))
	}
	for _, root := range []string{strings.TrimSpace(string(out)), build.Default.GOROOT} {
		if root == "" {
			continue
		}
		if _, err := os.Stat(filepath.Join(root, "src", "builtin", "builtin.go")); err != nil {
			tried = append(tried, err)
			continue
		}
		return root, nil
	}
	return "", fmt.Errorf("stdlib: no Go installation with sources found: %w", errors.Join(tried...))
}

// importPaths lists the folders under src that hold Go files and that a
// program may import.
func importPaths(root string) ([]string, error) {
	src := filepath.Join(root, "src")
	seen := make(map[string]bool)
	err := filepath.WalkDir(src, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			switch name := entry.Name(); {
			case path == src:
			case path == filepath.Join(src, "cmd"), // commands
				name == "internal", name == "vendor", name == "testdata",
				strings.HasPrefix(name, "_"), strings.HasPrefix(name, "."):
				return fs.SkipDir
			}
			return nil
		}
		dir := filepath.Dir(path)
		if dir != src && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			rel, err := filepath.Rel(src, dir)
			if err != nil {
				return err
			}
			seen[filepath.ToSlash(rel)] = true
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	paths := make([]string, 0, len(seen))
	for path := range seen {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	return paths, nil
}

// version is the first line of the installation's VERSION file.
func version(root string) string {
	text, err := os.ReadFile(filepath.Join(root, "VERSION"))
	if err != nil {
		return "an unnamed Go version" // a development tree has no such file
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	return string(line)
}
