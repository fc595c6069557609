package main

import (
	"bytes"
	"context"
	"os"
	"regexp"
	"testing"
)

// The test's own program is the import, too, when it is told so.
func TestMain(m *testing.M) {
	if isChild() {
		os.Exit(runChild(context.Background(), os.Stderr))
	}
	os.Exit(m.Run())
}

var lines = map[string]*regexp.Regexp{
	"plain":            regexp.MustCompile(`plain +5 +300 +0 +0 +\d+ `),
	"idempotency keys": regexp.MustCompile(`idempotency keys +5 +300 +0 +0 +0 `),
	"look-ups":         regexp.MustCompile(`look-ups +5 +300 +0 +0 +0 `),
	"all":              regexp.MustCompile(`all +15 +900 +0 +0 `),
}

// Whatever may be known is known, and what must not be sent twice is not.
func TestCrash(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	if status := run(t.Context(), []string{"-kills", "15", "-items", "900", "-servers", "plain,idempotency keys,look-ups"}, &stdout, &stderr); status != 0 {
		t.Fatalf("status %d\n%s%s", status, &stdout, &stderr)
	}
	for name, line := range lines {
		if !line.MatchString(stdout.String()) {
			t.Errorf("%s: not %v:\n%s", name, line, &stdout)
		}
	}
}

// Creates that may be repeated are never said to have failed when they are there (F73), and what arrives late is not made
// twice (F72).
func TestCrashOfRepeatableCreates(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	args := []string{"-kills", "12", "-items", "900", "-late", "2", "-servers", "client ids,keys and look-ups,ids and look-ups,late"}
	if status := run(t.Context(), args, &stdout, &stderr); status != 0 {
		t.Fatalf("status %d\n%s%s", status, &stdout, &stderr)
	}
	for _, line := range []string{
		`client ids +3 +225 +0 +0 +\d+ +0 `, `keys and look-ups +3 +225 +0 +0 +0 +0 `, `ids and look-ups +3 +225 +0 +0 +0 +0 `, `late +2 +\d+ +0 +0 +0 +0 `,
	} {
		if !regexp.MustCompile(line).MatchString(stdout.String()) {
			t.Errorf("not %s:\n%s", line, &stdout)
		}
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-kills", "-1"}, {"-items", "2"}, {"more"}, {"-nonsense"}} {
		var stdout, stderr bytes.Buffer
		if status := run(t.Context(), args, &stdout, &stderr); status != 2 || stderr.Len() == 0 {
			t.Errorf("%q: status %d, %q", args, status, &stderr)
		}
	}
}
