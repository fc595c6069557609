package main

import (
	"bytes"
	"strings"
	"testing"
)

// A small soak tells the truth of all records and leaves nothing open. It runs alone: what it counts are the process's own.
func TestSoak(t *testing.T) {
	var stdout, stderr bytes.Buffer
	status := run(t.Context(), []string{"-n", "30000", "-batch", "50", "-every", "100ms"}, &stdout, &stderr)
	if status != 0 || !strings.Contains(stdout.String(), "Told the truth of all 30000 records.") || !strings.Contains(stdout.String(), "Left: 0 files and 0 goroutines") {
		t.Errorf("status %d\n%s%s", status, &stdout, &stderr)
	}
}

func TestFlags(t *testing.T) {
	for _, args := range [][]string{{"-n", "0"}, {"-batch", "0"}, {"-every", "0s"}, {"more"}, {"-nonsense"}} {
		var stdout, stderr bytes.Buffer
		if status := run(t.Context(), args, &stdout, &stderr); status != 2 || stderr.Len() == 0 {
			t.Errorf("%q: status %d, %q", args, status, &stderr)
		}
	}
}
