package segment

import (
	"net/url"
	"strings"
	"testing"
)

func TestProblem(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"": empty, ".": dots, "..": dots, "/": slashes, "//": slashes, `\`: slashes, `/\/`: slashes,
		"../users": within, "a/..": within, "a/./b": within, `..\users`: within, "/..": within, "/.": within,
		"...": "", "a": "", "a/b": "", "/a": "", "a/": "", "..a": "", "a..": "", ".hidden": "", "%2e%2e": "", "%2F": "", "é": "",
		"a b": "", "..;": "", "?": "", "#": "", "\x00": "",
	} {
		if got := Problem(id); got != want {
			t.Errorf("%q: %q, want %q", id, got, want)
		}
	}
}

// What Escape makes is a path that package net/url takes as it is, and that says the same.
func TestEscape(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"":                       "",
		"/articles":              "/articles",
		"/my articles":           "/my%20articles",
		"/préférences/..%2Fuser": "/pr%C3%A9f%C3%A9rences/..%2Fuser",
		"/a|b":                   "/a%7Cb",
		"/a%7cb|%2f":             "/a%7cb%7C%2f",
		"/a;v=1/(b)!$&'*+,:@~":   "/a;v=1/(b)!$&'*+,:@~",
		"/[x]\"<>^`{}\\\x01\x7f": "/%5Bx%5D%22%3C%3E%5E%60%7B%7D%5C%01%7F",
	} {
		if got := Escape(path); got != want {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
	}
}

func FuzzEscape(f *testing.F) {
	for _, seed := range []string{"/préférences/a%2Fb", "/a|b/%7c", "/\xff%ff", "/K", "/ſ"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		plain, err := url.PathUnescape(path)
		if err != nil || !strings.HasPrefix(path, "/") {
			return
		}
		u := url.URL{Path: plain, RawPath: Escape(path)}
		if got := u.EscapedPath(); got != u.RawPath {
			t.Errorf("%q: %q becomes %q", path, u.RawPath, got)
		}
	})
}
