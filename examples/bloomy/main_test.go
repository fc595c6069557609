package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow/windrowtest"
)

// In virtual time the whole output is known, the comparison of the guide's two clients included.
func TestD1_D38_TheGuide(t *testing.T) {
	t.Parallel()
	wanted, err := os.ReadFile("testdata/output.txt")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		server := windrowtest.NewServer(t, newServer(100*time.Millisecond))
		var out bytes.Buffer
		if err := demonstrate(t.Context(), server.URL+"/api/v1", server.Client(), &out); err != nil {
			t.Errorf("%v\n%s", err, &out)
		}
		if diff := cmp.Diff(string(wanted), out.String()); diff != "" {
			t.Errorf("output (-want +got):\n%s", diff)
		}
	})
}

// With real time and a real network the program does the same.
func TestRun(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	if status := run(t.Context(), []string{"-latency", "0s"}, &stdout, &stderr); status != 0 {
		t.Fatalf("status %d\n%s%s", status, &stdout, &stderr)
	}
	for _, want := range []string{"Created 3 issues", "Completed the same meeting (ID: 112): it has the attendees [456 321]", "Created 20 todos concurrently", "setup complete:"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("the output does not hold %q:\n%s", want, &stdout)
		}
	}
	for args, want := range map[string]int{"-help": 0, "-latency=-1s": 2, "-other": 2} {
		if status := run(t.Context(), []string{args}, &stdout, &stderr); status != want {
			t.Errorf("%s: status %d, want %d", args, status, want)
		}
	}
}
