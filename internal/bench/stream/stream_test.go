package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestDrainSeesEveryRecord(t *testing.T) {
	t.Parallel()
	if err := drain(t.Context(), 10_000); err != nil {
		t.Error(err)
	}
}

func TestEveryCaseMakesItsCalls(t *testing.T) {
	t.Parallel()
	for _, c := range slowCases {
		work, err := c.Prepare(200)
		if err == nil {
			err = work.Run()
		}
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
		}
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args []string
		want int
	}{
		{[]string{"-short", "0"}, 2},
		{[]string{"-reps", "-1"}, 2},
		{[]string{"extra"}, 2},
		{[]string{"-unknown"}, 2},
		{[]string{"-help"}, 0},
		{[]string{"-memory-of", "1000"}, 0},
	} {
		var out, errs bytes.Buffer
		if got := run(t.Context(), tt.args, &out, &errs); got != tt.want {
			t.Errorf("%v: exit status %d, want %d: %s", tt.args, got, tt.want, &errs)
		}
		if tt.want == 2 && strings.TrimSpace(errs.String()) == "" {
			t.Errorf("%v: no word about what is wrong", tt.args)
		}
	}
}

func BenchmarkSlowHeads(b *testing.B) {
	for _, c := range slowCases {
		b.Run(strings.ReplaceAll(c.Name, " ", "_"), func(b *testing.B) {
			b.ReportAllocs()
			work, err := c.Prepare(5_000)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if err := work.Run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
