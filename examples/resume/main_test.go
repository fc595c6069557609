package main

import (
	"bytes"
	"context"
	"os"
	"regexp"
	"strings"
	"testing"
)

// The test's own program is the import, too, when it is told so.
func TestMain(m *testing.M) {
	if isChild() {
		os.Exit(runChild(context.Background(), os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

var skipped = regexp.MustCompile(`skipped (\d+): .* were done_before, this one with the id [a-z0-9]{15}`)

func TestResume(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	if err := demonstrate(t.Context(), 240, 300, 3, &stdout, &stderr); err != nil {
		t.Fatalf("%v\n%s%s", err, &stdout, &stderr)
	}
	if n := strings.Count(stdout.String(), "killed, when the server had "); n != 3 {
		t.Errorf("%d kills:\n%s", n, &stdout)
	}
	for _, want := range []string{
		"no journal yet: everything is to be created", "and will be skipped;", "0 failed and 0 unknown",
		"Read back: 240 records, each of the input exactly once, and each field as it was sent.",
	} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("the output does not hold %q:\n%s", want, &stdout)
		}
	}
	if skipped.FindString(stdout.String()) == "" {
		t.Errorf("nothing was skipped:\n%s", &stdout)
	}
	if stderr.Len() > 0 {
		t.Errorf("on the other output: %s", &stderr)
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-n", "-1"}, {"-rate", "0"}, {"-kills", "-1"}, {"more"}, {"-nonsense"}} {
		var stdout, stderr bytes.Buffer
		if status := run(t.Context(), args, &stdout, &stderr); status != 2 || stderr.Len() == 0 || stdout.Len() > 0 {
			t.Errorf("%q: status %d, %q, %q", args, status, &stdout, &stderr)
		}
	}
	var stderr bytes.Buffer
	if status := run(t.Context(), []string{"-help"}, &stderr, &stderr); status != 0 {
		t.Errorf("help: status %d", status)
	}
}
