package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/windrow-go/windrow/examples/internal/site"
	"github.com/windrow-go/windrow/examples/internal/stdlib"
)

// symbols returns made-up input, every third of it deprecated.
func symbols(n int) []stdlib.Symbol {
	list := make([]stdlib.Symbol, n)
	for i := range list {
		name := fmt.Sprintf("F%d", i)
		list[i] = stdlib.Symbol{FullName: "p." + name, ImportPath: "p", Name: name, Kind: "func", Synopsis: "Synopsis.", Doc: "d\n", Deprecated: i%3 == 0}
	}
	return list
}

func TestCleanup(t *testing.T) {
	t.Parallel()
	for confirm, wants := range map[bool][]string{
		true:  {"to delete, 3 missing\n", "The list: 83 ids, 3 of which the server does not have.\n", "-confirm answers: yes.\n", "backing up ", "3 ids were missing", "all 240 rows are what they were, ids included."},
		false: {"delete 80 records? The flag -confirm answers: no.\n", "Cancelled: no backup was made, and all 240 rows are still there."},
	} {
		var stdout bytes.Buffer
		if err := demonstrate(t.Context(), symbols(240), 200, confirm, &stdout); err != nil {
			t.Fatalf("%v\n%s", err, &stdout)
		}
		for _, want := range wants {
			if !strings.Contains(stdout.String(), want) {
				t.Errorf("the output does not hold %q:\n%s", want, &stdout)
			}
		}
	}
}

// A backup that cannot be written deletes nothing: here since the file exists.
func TestABackupIsNotOverwritten(t *testing.T) {
	t.Parallel()
	s, err := site.Start(t.Context(), symbols(120), 0)
	if err != nil {
		t.Fatal(err)
	}
	before, err := s.Rows(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "backup.json")
	if err := os.WriteFile(path, []byte("yesterday's"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := cleanup(t.Context(), s, path, true, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "file exists") {
		t.Errorf("error %v", err)
	}
	after, err := s.Rows(t.Context())
	if err != nil || len(before.Differences(after)) > 0 {
		t.Errorf("rows changed, error %v", err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "yesterday's" {
		t.Errorf("the file holds %q, error %v", text, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]int{"-help": 0, "-n=-1": 2, "-rate=-1": 2, "-bad": 2, "extra": 2} {
		if got := run(t.Context(), []string{args}, &bytes.Buffer{}, &bytes.Buffer{}); got != want {
			t.Errorf("%s: status %d, want %d", args, got, want)
		}
	}
}
