package journal_test

import (
	"bufio"
	"context"
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

// These environment variables make the test program use a journal, and not run tests: hold it until it is killed, or
// fill it until then.
const (
	holder = "WINDROW_TEST_HOLDS_JOURNAL"
	filler = "WINDROW_TEST_FILLS_JOURNAL"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(holder); path != "" {
		hold(path)
	}
	if path := os.Getenv(filler); path != "" {
		fill(path)
	}
	os.Exit(m.Run())
}

// fill makes intents from several goroutines and says of each that it is durable, then that its item has ended.
func fill(path string) {
	j, err := journal.Open(path, "import")
	if err == nil {
		err = j.Begin(windrow.OpCreate)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	said := make(chan string)
	for w := range 4 {
		go func() {
			for i := 0; ; i++ {
				key := fmt.Sprintf("%d-%d-%d", os.Getpid(), w, i)
				if err := j.Intend(context.Background(), windrow.JournalIntent{Keys: []string{key}, IdempotencyKey: key, Attempt: 1}); err != nil {
					said <- err.Error()
				}
				said <- "unknown " + key
				if err := j.Record(windrow.JournalEntry{Key: key, State: windrow.Succeeded}); err != nil {
					said <- err.Error()
				}
				if i%20 == 19 {
					if err := j.Sync(); err != nil {
						said <- err.Error()
					}
					said <- "succeeded " + key
				}
			}
		}()
	}
	for line := range said {
		fmt.Println(line)
	}
}

// Killed at any moment, a process leaves all that it was promised. (A kill loses nothing that was written, synced or not;
// for that see the tests with a disk that loses power.)
func TestF58_Killed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "journal")
	promised := map[string]windrow.State{}
	for _, lines := range []int{1, 2, 5, 17, 60, 150} {
		child := exec.CommandContext(t.Context(), os.Args[0])
		child.Env = append(os.Environ(), filler+"="+path)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		read := bufio.NewScanner(out)
		for n := 0; read.Scan(); n++ {
			if n == lines {
				if err := child.Process.Kill(); err != nil { // what it has said meanwhile is read as well
					t.Fatal(err)
				}
			}
			var state windrow.State
			name, key, _ := strings.Cut(read.Text(), " ")
			if err := state.UnmarshalText([]byte(name)); err != nil {
				t.Fatalf("the child says %q", read.Text())
			}
			promised[key] = state
		}
		_ = child.Wait() // says that it was killed
		j := mustOpen(t, path, "import")
		for key, state := range promised {
			e, err := j.Find(key)
			if err != nil || e.State != state && (state != windrow.Unknown || e.State != windrow.Succeeded) {
				t.Errorf("%s was promised to be %v: %+v, %v", key, state, e, err)
			}
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(promised) < 200 {
		t.Errorf("the children said only %d things", len(promised))
	}
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
