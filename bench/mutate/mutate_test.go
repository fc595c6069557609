package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Each kind of change, as the file is with it.
func TestMutantsOf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		body string // of a function of the ints a and b, the bool ok and an error err, which returns an int and an error
		want []string
	}{
		{"return 0, nil", []string{"return 1, nil"}},
		{"return a, nil", []string{"return *new(int), *new(error)"}},
		{"if ok { a++ }", []string{"if !(ok) { a++ }", "if ok { {} }", "if ok { a-- }"}},
		{"if !ok { a = b }", []string{"if ok { a = b }", "if !ok { {} }"}},
		{"for a < b { a += 1 }", []string{
			"for !(a < b) { a += 1 }", "for a <= b { a += 1 }", "for a < b { {} }", "for a < b { a -= 1 }", "for a < b { a += 2 }",
		}},
		{"ok = a == b && err != nil || a >= b", []string{
			"{}", "ok = (a == b && err != nil && a >= b)", "ok = (a == b || err != nil) || a >= b", "ok = a != b && err != nil || a >= b",
			"ok = a == b && err == nil || a >= b", "ok = a == b && err != nil || a > b",
		}},
		{"a = min(a+b, max(b, 0x10))", []string{
			"{}", "a = max(a+b, max(b, 0x10))", "a = min(a-b, max(b, 0x10))", "a = min(a+b, min(b, 0x10))", "a = min(a+b, max(b, 17))",
		}},
		{"c := make([]int, a, 3)", nil},
		{"var c [3]int", nil},
		{"_ = a", nil},
		{"_ = f()", []string{"{}"}},
		{"c := true", []string{"c := false"}},
		{"d := time.Second", []string{"d := (3 * time.Second)"}},
		{"switch { case ok: f(); continue }", []string{"switch { case ok: {}; continue }", "switch { case ok: f(); break }"}},
		{"g := func() int { return a }", []string{"g := func() int { return *new(int) }"}},
	} {
		const before, after = "package p\n\nfunc f(a, b int, ok bool, err error) (int, error) { ", " }\n"
		src := []byte(before + tt.body + after)
		found, err := mutantsOf("p.go", src)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range found {
			text := string(m.changed())
			if !strings.HasPrefix(text, before) { // the function returns at once
				if !strings.Contains(text, "(int, error) {return *new(int), *new(error); ") {
					t.Errorf("%s: %s", m, text)
				}
				continue
			}
			got = append(got, strings.TrimSuffix(strings.TrimPrefix(text, before), after))
			if m.line != 3 || !strings.HasPrefix(m.diff(), "- func f(") {
				t.Errorf("%s: line %d, diff %s", m, m.line, m.diff())
			}
		}
		slices.Sort(got)
		slices.Sort(tt.want)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.body, diff)
		}
	}
}

// module writes a module whose tests leave some changes unnoticed.
func module(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module example.com/m\n\ngo 1.26.0\n",
		"one/one.go": `package one

// Least returns the lesser of two.
func Least(a, b int) int {
	if a < b {
		return a
	}
	return b
}
`,
		"one/one_test.go": `package one

import "testing"

func TestLeast(t *testing.T) {
	if Least(1, 2) != 1 {
		t.Error("not 1")
	}
}
`,
		"two/two_test.go": `package two

import (
	"testing"

	"example.com/m/one"
)

func TestTwo(t *testing.T) {
	if one.Least(4, 3) != 3 {
		t.Error("not 3")
	}
}
`,
	} {
		path := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// The tests of a package and of those that depend on it notice a change, or none does, and then it is named.
func TestRun(t *testing.T) {
	t.Setenv("GOWORK", "off")
	t.Setenv("GOFLAGS", "")
	folder := module(t)
	var out bytes.Buffer
	noticed, err := run(t.Context(), folder, settings{n: 100, seed: 1, only: "./one", tests: "./..."}, &out)
	if err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	text := out.String()
	if noticed != 4 || !strings.Contains(text, "4 of 5 changes noticed, 1 survive; 0 did not compile") {
		t.Errorf("%d noticed", noticed)
	}
	for _, want := range []string{
		"noticed by one: TestLeast", "noticed by two: TestTwo",
		"\nSURVIVES one/one.go:5 boundary: < -> <=\n- \tif a < b {\n+ \tif a <= b {\n", // equal ones are the same
	} {
		if !strings.Contains(text, filepath.FromSlash(want)) {
			t.Errorf("%q is missing", want)
		}
	}
	if t.Failed() {
		t.Log(text)
	}

	// The same seed draws the same.
	list := func(seed uint64) string {
		var out bytes.Buffer
		if _, err := run(t.Context(), folder, settings{n: 3, seed: seed, only: "./one", tests: "./...", list: true}, &out); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	if once, again := list(7), list(7); once != again {
		t.Error("a seed draws other changes the second time")
	}

	// Tests that fail without a change say nothing of one.
	if err := os.WriteFile(filepath.Join(folder, "two", "more_test.go"), []byte("package two\n\nimport \"testing\"\n\nfunc TestMore(t *testing.T) { t.Error(\"no\") }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := run(t.Context(), folder, settings{n: 100, seed: 1, only: "./one", tests: "./..."}, io.Discard); err == nil || err.Error() != "example.com/m/two fails without a change: TestMore" {
		t.Errorf("error %v", err)
	}
	if _, err := run(t.Context(), folder, settings{n: 1, seed: 1, only: "./two", tests: "./..."}, io.Discard); err == nil {
		t.Error("no error where there is nothing to change")
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args string
		want string // "" when there is no error
	}{
		{"", ""},
		{"-n 10 -least 10 -seed 3 -only ./a,./b", ""},
		{"-n 0", "-n 0: there must be at least one"},
		{"-n 10 -least 11", "-least 11 is more than -n 10"},
		{"all", `unexpected argument "all"`},
	} {
		got := ""
		if _, err := parse(strings.Fields(tt.args), io.Discard); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s: error %q, want %q", tt.args, got, tt.want)
		}
	}
}
