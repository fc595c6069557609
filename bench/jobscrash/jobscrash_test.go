package main

import (
	"bytes"
	"os"
	"regexp"
	"testing"

	"github.com/windrow-go/windrow/bench/child"
)

// The test's own program is the one that is killed, too, when it is told so.
func TestMain(m *testing.M) {
	child.Main(parts)
	os.Exit(m.Run())
}

// A kill at any moment loses nothing, and doubles nothing.
func TestJobsCrash(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	if status := run(t.Context(), []string{"-kills", "12", "-seed", "1"}, &stdout, &stderr); status != 0 {
		t.Fatalf("status %d\n%s%s", status, &stdout, &stderr)
	}
	if line := regexp.MustCompile(`(?m)^ +12 +24 +\d{4,} +\d+ +\d+ +\d+ +\d+ +0 +0 +0 +0 `); !line.MatchString(stdout.String()) {
		t.Errorf("not %v:\n%s", line, &stdout)
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-kills", "-1"}, {"more"}, {"-nonsense"}} {
		var stdout, stderr bytes.Buffer
		if status := run(t.Context(), args, &stdout, &stderr); status != 2 || stderr.Len() == 0 {
			t.Errorf("%q: status %d, %q", args, status, &stderr)
		}
	}
}
