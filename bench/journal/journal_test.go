package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestFlags(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args []string
		want int
	}{
		{[]string{"-n", "0"}, 2},
		{[]string{"-records", "1"}, 2},
		{[]string{"-reps", "3", "-check"}, 2},
		{[]string{"extra"}, 2},
		{[]string{"-unknown"}, 2},
		{[]string{"-dir", "/no/such/folder"}, 1},
		{[]string{"-help"}, 0},
		{[]string{"-n", "300", "-intents", "100", "-records", "1000", "-reps", "1", "-dir", t.TempDir()}, 0},
	} {
		var out, errs bytes.Buffer
		if got := run(t.Context(), tt.args, &out, &errs); got != tt.want {
			t.Errorf("%v: exit status %d, want %d: %s", tt.args, got, tt.want, &errs)
		}
		if tt.want != 0 && strings.TrimSpace(errs.String()) == "" {
			t.Errorf("%v: no word about what is wrong", tt.args)
		}
	}
}

func TestGoal(t *testing.T) {
	t.Parallel()
	for got, want := range map[float64]string{2: "met  x <= 2  (measured 2)", 2.5: "MISSED  x <= 2  (measured 2.5)"} {
		if text := (goal{"x", got, 2}).String(); text != want {
			t.Errorf("%q, want %q", text, want)
		}
	}
}
