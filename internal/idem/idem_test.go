package idem

import (
	"regexp"
	"strings"
	"testing"
)

func TestRunID(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^[0-9a-f]{24}$`)
	seen := map[string]bool{}
	for range 1000 {
		id := RunID()
		if !form.MatchString(id) {
			t.Fatalf("run id %q", id)
		}
		if seen[id] {
			t.Fatalf("run id %q came twice", id)
		}
		seen[id] = true
	}
}

func TestFits(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		key  string
		want bool
	}{
		{"", false},
		{"a", true},
		{"order-17/line 3", false}, // a space
		{"order-17/line:3", true},
		{"!#$%&'()*+,-./:;<=>?@[]^_`{|}~", true},
		{`quoted "x"`, false},
		{`"`, false},
		{`a\b`, false},
		{"tab\t", false},
		{"line\n", false},
		{"\x7f", false},
		{"\x1f", false},
		{"grüße", false},
		{"\xff", false},
		{strings.Repeat("k", 255), true},
		{strings.Repeat("k", 256), false},
	} {
		if got := Fits(test.key); got != test.want {
			t.Errorf("Fits(%q) = %v, want %v", test.key, got, test.want)
		}
	}
}

func TestHash(t *testing.T) {
	t.Parallel()
	// Keys are kept by servers and by journals: they must never change.
	if got, want := Hash("create", "run/1", "0"), "876f3e53-8fae-8760-8c2a-602b0705b00a"; got != want {
		t.Errorf("Hash = %s, want %s", got, want)
	}
	if got, want := Scoped("import", "create", "slug"), "ffe6998e-3f00-8a67-80e0-4d924b9ff5f1"; got != want {
		t.Errorf("Scoped = %s, want %s", got, want)
	}
	version8 := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := map[string][]string{}
	for _, parts := range [][]string{
		nil, {""}, {"", ""}, {"a"}, {"a", ""}, {"", "a"}, {"a", "b"}, {"ab"}, {"b", "a"}, {"a", "b", ""}, {"\x00a"}, {strings.Repeat("a", 1000)},
	} {
		key := Hash(parts...)
		if !version8.MatchString(key) {
			t.Errorf("Hash(%q) = %s, which is no UUID of version 8", parts, key)
		}
		if !Fits(key) {
			t.Errorf("Hash(%q) = %s, which does not fit", parts, key)
		}
		if key != Hash(parts...) {
			t.Errorf("Hash(%q) differs from call to call", parts)
		}
		if other, twice := seen[key]; twice {
			t.Errorf("Hash(%q) = Hash(%q)", parts, other)
		}
		seen[key] = parts
	}
}

func TestADigestIsTheHashOfItsParts(t *testing.T) {
	t.Parallel()
	d := NewDigest()
	var parts []string
	for n := range 300 { // short parts, long ones, and empty ones
		part := strings.Repeat("x", n*n%1700)
		parts = append(parts, part)
		d.Add(part)
		if n%50 == 0 {
			if got, want := d.Key(), Hash(parts...); got != want {
				t.Fatalf("the key of %d parts is %s, want %s", len(parts), got, want)
			}
		}
	}
	if got, want := d.Key(), Hash(parts...); got != want {
		t.Errorf("the key of all parts is %s, want %s", got, want)
	}
}

func TestScopes(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, key := range []string{
		Scoped("a", "create", "x"), Scoped("b", "create", "x"), Scoped("a", "update", "x"), Scoped("a", "create", "y"), Scoped("", "create", "x"),
		Hash("create", "x"), Hash("a", "create", "x"), NewScoped("a").Key(), NewScoped("b").Key(), NewScoped("").Key(),
	} {
		if seen[key] != "" || !Fits(key) {
			t.Errorf("the key %s comes twice, or does not fit", key)
		}
		seen[key] = key
	}
	d := NewScoped("a")
	d.Add("create")
	d.Add("x")
	if got, want := d.Key(), Scoped("a", "create", "x"); got != want {
		t.Errorf("the key of a digest is %s, want %s", got, want)
	}
	if got, want := NewScoped("").Key(), NewDigest().Key(); got != want {
		t.Errorf("without a scope: %s, want %s", got, want)
	}
}
