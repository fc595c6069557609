package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
)

// The test's own program runs the job, too, when it is told so.
func TestMain(m *testing.M) {
	if isChild() {
		os.Exit(runChild(context.Background(), os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

func TestJobs(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	if err := demonstrate(t.Context(), 200, 200, &stdout, &stderr); err != nil {
		t.Fatalf("%v\n%s%s", err, &stdout, &stderr)
	}
	for _, want := range []string{
		"paused, after ", "killed, when the server had changed 1", "\nStart 2:\n  the job is ", `"status": "completed"`, `"total_operations": 200`,
		`"completed": 200`, `"failed": 5`, `"code": "VALIDATION_ERROR"`, "Invalid irrigation duration",
		"Read back: 195 fields have the new schedule, each was changed exactly once; 25 others are as they were.",
	} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("the output does not hold %q:\n%s", want, &stdout)
		}
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-n", "19"}, {"-rate", "0"}, {"more"}, {"-nonsense"}} {
		var stdout, stderr bytes.Buffer
		if status := run(t.Context(), args, &stdout, &stderr); status != 2 || stderr.Len() == 0 || stdout.Len() > 0 {
			t.Errorf("%q: status %d, %q, %q", args, status, &stdout, &stderr)
		}
	}
}
