package stdlib_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow/examples/internal/stdlib"
)

func TestReadsTheInstalledLibrary(t *testing.T) {
	t.Parallel()
	lib, err := stdlib.Read(t.Context())
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	if !strings.HasPrefix(lib.Version, "go") && !strings.HasPrefix(lib.Version, "devel") {
		t.Errorf("Version = %q", lib.Version)
	}
	if n := len(lib.Symbols); n < 10_000 || n > 20_000 {
		t.Errorf("%d symbols, want about eleven thousand", n)
	}

	kinds := make(map[string]int)
	byName := make(map[string]stdlib.Symbol)
	longest := 0
	for _, s := range lib.Symbols {
		kinds[s.Kind]++
		if _, twice := byName[s.Key()]; twice {
			t.Errorf("%s occurs twice", s.Key())
		}
		byName[s.Key()] = s
		longest = max(longest, utf8.RuneCountInString(s.Doc))
		for part := range strings.SplitSeq(s.ImportPath, "/") {
			if slices.Contains([]string{"cmd", "internal", "vendor", "testdata"}, part) {
				t.Errorf("%s is not for programs", s.Key())
			}
		}
		if !utf8.ValidString(s.Doc) || s.Name == "" || !strings.HasPrefix(s.Key(), s.ImportPath) {
			t.Errorf("odd symbol %+v", s)
		}
	}
	t.Logf("%d symbols of %s, %v, the longest text has %d characters", len(lib.Symbols), lib.Version, kinds, longest)
	if want := []string{"const", "func", "method", "package", "type", "var"}; !slices.Equal(slices.Sorted(maps.Keys(kinds)), want) {
		t.Errorf("kinds %v, want %v", kinds, want)
	}
	if longest < 20_000 {
		t.Errorf("the longest text has %d characters, want more than 20,000", longest)
	}

	for _, want := range []struct {
		key, kind, synopsis string
		deprecated          bool
	}{
		{"net/http", "package", "Package http provides HTTP client and server implementations.", false},
		{"net/http.StatusTeapot", "const", "RFC 9110, 15.5.19 (Unused)", false},
		{"io.EOF", "var", "EOF is the error returned by Read when no more input is available.", false},
		{"bytes.Buffer", "type", "A Buffer is a variable-sized buffer of bytes with Buffer.Read and Buffer.Write methods.", false},
		{"bytes.NewBuffer", "func", "NewBuffer creates and initializes a new Buffer using buf as its initial contents.", false},
		{"strings.Title", "func", "Title returns a copy of the string s with all Unicode letters that begin words mapped to their Unicode title case.", true},
		{"builtin.append", "func", "The append built-in function appends elements to the end of a slice.", false},
	} {
		got, ok := byName[want.key]
		if !ok {
			t.Errorf("%s is missing", want.key)
			continue
		}
		if got.Kind != want.kind || got.Synopsis != want.synopsis || got.Deprecated != want.deprecated {
			t.Errorf("%s = {kind %q, synopsis %q, deprecated %t}, want {%q, %q, %t}", want.key,
				got.Kind, got.Synopsis, got.Deprecated, want.kind, want.synopsis, want.deprecated)
		}
	}
	if s := byName["bytes.Buffer.Write"]; s.Kind != "method" || s.Name != "Buffer.Write" || s.ImportPath != "bytes" {
		t.Errorf("bytes.Buffer.Write = %+v", s)
	}
}

// tree writes a small Go installation and returns its folder.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestReadRoot(t *testing.T) {
	t.Parallel()
	root := tree(t, map[string]string{
		"VERSION":                      "go9.9\ntime 2030-01-01T00:00:00Z\n",
		"src/b/b.go":                   "// Package bee comes second.\npackage bee\n\nfunc unexported() {}\n",
		"src/b/b_test.go":              "package bee\n\nfunc InATest() {}\n",
		"src/b/b_windows.go":           "package bee\n\nfunc OnWindows() {}\n",
		"src/b/b_linux.go":             "package bee\n\nfunc OnLinux() {}\n",
		"src/b/internal/i/i.go":        "package i\n\nfunc Hidden() {}\n",
		"src/b/testdata/t.go":          "package t\n\nfunc Hidden() {}\n",
		"src/cmd/tool/tool.go":         "package main\n\nfunc Hidden() {}\n",
		"src/vendor/v/v.go":            "package v\n\nfunc Hidden() {}\n",
		"src/onlywindows/x_windows.go": "package onlywindows\n\nfunc X() {}\n",
		"src/a/z/a.go": `package z

// Levels, all of them.
const (
	// Low is the lowest.
	// Deprecated: not a paragraph of its own.
	Low = iota
	Mid // in the middle
	High
	hidden
	_
)

// T is a type.
//
// Deprecated: Use something else.
type T struct{}

// Zero is the zero T.
var Zero, One T

// NewT makes one. And so on.
func NewT() T { return T{} }

// M does.
func (T) M() {}

func (T) m() {}
`,
	})
	lib, err := stdlib.ReadRoot(t.Context(), root)
	if err != nil {
		t.Fatalf("ReadRoot: %v", err)
	}
	low := "Low is the lowest.\nDeprecated: not a paragraph of its own.\n"
	want := &stdlib.Library{Version: "go9.9", Symbols: []stdlib.Symbol{
		{"a/z", "a/z", "z", "package", "", "", false},
		{"a/z.High", "a/z", "High", "const", "Levels, all of them.", "Levels, all of them.\n", false},
		{"a/z.Low", "a/z", "Low", "const", "Low is the lowest.", low, false},
		{"a/z.Mid", "a/z", "Mid", "const", "in the middle", "in the middle\n", false},
		{"a/z.NewT", "a/z", "NewT", "func", "NewT makes one.", "NewT makes one. And so on.\n", false},
		{"a/z.One", "a/z", "One", "var", "Zero is the zero T.", "Zero is the zero T.\n", false},
		{"a/z.T", "a/z", "T", "type", "T is a type.", "T is a type.\n\nDeprecated: Use something else.\n", true},
		{"a/z.T.M", "a/z", "T.M", "method", "M does.", "M does.\n", false},
		{"a/z.Zero", "a/z", "Zero", "var", "Zero is the zero T.", "Zero is the zero T.\n", false},
		{"b", "b", "bee", "package", "Package bee comes second.", "Package bee comes second.\n", false},
		{"b.OnLinux", "b", "OnLinux", "func", "", "", false},
	}}
	if diff := cmp.Diff(want, lib); diff != "" {
		t.Errorf("ReadRoot (-want +got):\n%s", diff)
	}
}

func TestReadRootErrors(t *testing.T) {
	t.Parallel()
	broken := tree(t, map[string]string{"src/broken/x.go": "package broken\n\nfunc {\n"})
	if _, err := stdlib.ReadRoot(t.Context(), broken); err == nil || !strings.Contains(err.Error(), "package broken") {
		t.Errorf("a file that does not parse: %v, want an error that names the package", err)
	}
	if _, err := stdlib.ReadRoot(t.Context(), filepath.Join(broken, "nothing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder that does not exist: %v, want %v", err, os.ErrNotExist)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	fine := tree(t, map[string]string{"src/fine/x.go": "package fine\n"})
	if _, err := stdlib.ReadRoot(ctx, fine); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled context: %v, want %v", err, context.Canceled)
	}
}

// TestReadNeedsNoGoCommand: a program that is started where no go command can
// be found reads the installation that built it, or that GOROOT names.
func TestReadNeedsNoGoCommand(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("an empty PATH finds commands in the current folder")
	}
	t.Setenv("PATH", t.TempDir())
	lib, err := stdlib.Read(t.Context())
	if err != nil {
		if strings.Contains(err.Error(), "go env GOROOT") {
			t.Skipf("this test binary does not know where Go is: %v", err)
		}
		t.Fatalf("Read: %v", err)
	}
	if len(lib.Symbols) < 10_000 {
		t.Errorf("%d symbols", len(lib.Symbols))
	}
}

func TestSymbolStringLeavesTheTextOut(t *testing.T) {
	t.Parallel()
	s := stdlib.Symbol{FullName: "net/http.Client.Do", Name: "Client.Do", Kind: "method", Synopsis: "s", Doc: "d"}
	if got, want := s.String(), "method net/http.Client.Do"; got != want {
		t.Errorf("String() = %q, want %q", got, want)
	}
}
