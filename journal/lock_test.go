package journal_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/journal"
)

// holder is the environment variable that makes the test program hold a journal instead of running tests.
const holder = "WINDROW_TEST_HOLDS_JOURNAL"

func TestMain(m *testing.M) {
	if path := os.Getenv(holder); path != "" {
		hold(path)
	}
	os.Exit(m.Run())
}

// hold records something, says so, and waits to be killed.
func hold(path string) {
	j, err := journal.Open(path, "import")
	if err == nil {
		err = j.Begin(windrow.OpCreate)
	}
	if err == nil {
		err = j.Record(windrow.JournalEntry{Key: "a", State: windrow.Succeeded})
	}
	if err == nil {
		err = j.Sync()
	}
	fmt.Println("holds:", err)
	_, _ = io.Copy(io.Discard, os.Stdin) // until the test ends, however it does
	os.Exit(1)
}

// F56: another process has the journal. It is free as soon as that one is killed.
func TestF56_AnotherProcess(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "journal")
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), holder+"="+path)
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "holds: <nil>\n" {
		t.Fatal(line, err)
	}
	locked(t, path)
	i, err := journal.Inspect(path) // does not need the lock
	if err != nil || i.Count(windrow.Succeeded) != 1 {
		t.Errorf("Inspect: %+v, %v", i, err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // says that it was killed
	j := mustOpen(t, path, "import")
	if e, err := j.Find("a"); err != nil || e.State != windrow.Succeeded {
		t.Errorf("after the other was killed: %+v, %v", e, err)
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
}

// F56: this process has it already, under another name too.
func TestF56_TheSameProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, link := filepath.Join(dir, "journal"), filepath.Join(dir, "link")
	j := mustOpen(t, path, "import")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	locked(t, path)
	locked(t, link)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = mustOpen(t, link, "import")
	locked(t, path)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

func locked(t *testing.T, path string) {
	t.Helper()
	_, err := journal.Open(path, "import")
	if !errors.Is(err, journal.ErrLocked) || !strings.Contains(err.Error(), path) {
		t.Errorf("opening it again: %v", err)
	}
}

// What the operating system refuses.
func TestOpenRefusals(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for path, want := range map[string]string{
		dir:                                 "is a directory",
		filepath.Join(dir, "no", "journal"): "no such file or directory",
		"":                                  "no such file or directory",
		os.DevNull:                          "not a regular file",
		filepath.Join(dir, strings.Repeat("x", 300)): "file name too long",
	} {
		_, err := journal.Open(path, "import")
		if _, ok := errors.AsType[*journal.DiskError](err); !ok || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	path := filepath.Join(dir, "journal")
	for _, open := range []func() (*journal.Journal, error){
		func() (*journal.Journal, error) { return journal.Open(path, "") },
		func() (*journal.Journal, error) { return journal.Open(path, "import", journal.Version(-1)) },
	} {
		if _, err := open(); err == nil || !strings.HasPrefix(err.Error(), "journal: ") {
			t.Errorf("bad arguments: %v", err)
		}
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("bad arguments made a file: %v", err)
		}
	}
	j := mustOpen(t, path, "import", nil, journal.Version(0))
	if err := j.Close(); err != nil {
		t.Error(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others may read the keys: %v, %v", info.Mode(), err)
	}
}
