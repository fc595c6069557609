package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/examples/internal/pocket"
	"github.com/windrow-go/windrow/upload"
)

// folder holds n files, the last two of which have the same content.
func folder(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		text := fmt.Sprintf("file %d %s", min(i, n-2), strings.Repeat("x", i%5*10_000))
		if i == n-1 {
			text = fmt.Sprintf("file %d %s", n-2, strings.Repeat("x", (n-2)%5*10_000))
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%03d.txt", i)), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestUploadTwice(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	if status := run(t.Context(), []string{"-rate", "40", filepath.Join(folder(t, 60), "*.txt")}, &stdout, &stderr); status != 0 {
		t.Fatalf("status %d\n%s%s", status, &stdout, &stderr)
	}
	for _, want := range []string{
		"takes 40 requests of each action (look up, create) in each second of its clock.\n", "First run: 59 uploaded (", "1 skipped, 0 failed",
		"Second run: 0 uploaded (0 bytes), 60 skipped, 0 failed", "  The server counted 0 uploads, 0 of them refused as too many.\n", "all 60 files",
	} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("the output does not hold %q:\n%s", want, &stdout)
		}
	}
}

// A changed file has another checksum, and is sent; by name it is not.
func TestChangedFile(t *testing.T) {
	t.Parallel()
	server, err := pocket.Start(t.Context(), pocket.Config{})
	if err != nil {
		t.Fatal(err)
	}
	client, err := newLibrary(server.URL(), server.Token(), &windrow.Limiter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		text string
		by   upload.Match
		want windrow.State
	}{
		{"one", upload.SameMD5, windrow.Succeeded}, {"two", upload.SameName, windrow.Skipped},
		{"two", upload.SameMD5, windrow.Succeeded}, {"one", upload.SameMD5, windrow.Skipped},
	} {
		u := upload.New(client)
		u.SkipExisting = step.by
		u.Add(upload.FromBytes("a.txt", []byte(step.text)))
		if res, err := u.Process(t.Context()); err != nil || res.At(0).State != step.want || res.At(0).Value.Name != "a.txt" {
			t.Errorf("%q by %v: %v, error %v", step.text, step.by, res.At(0).State, err)
		}
	}
	if err := server.Close(); err != nil {
		t.Error(err)
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	none := filepath.Join(t.TempDir(), "*")
	for args, want := range map[string]int{"-help": 0, "-concurrency=0": 2, "-rate=-1": 2, "-bad": 2, none: 1, "[": 1} {
		if got := run(t.Context(), []string{args}, &bytes.Buffer{}, &bytes.Buffer{}); got != want {
			t.Errorf("%s: status %d, want %d", args, got, want)
		}
	}
	if patterns := ownFiles(t.Context()); len(patterns) == 0 {
		t.Error("no files of its own")
	}
}
