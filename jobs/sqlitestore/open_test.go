package sqlitestore

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/windrow-go/windrow/jobs/internal/store"
)

// These environment variables make the test program use a store, and not run tests.
const (
	holder = "WINDROW_TEST_HOLDS_STORE"
	filler = "WINDROW_TEST_FILLS_STORE"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(holder); path != "" {
		s, err := Open(path)
		fmt.Println("holds:", s != nil, err)
		_, _ = io.Copy(io.Discard, os.Stdin) // until the test ends, however it does
		os.Exit(1)
	}
	if path := os.Getenv(filler); path != "" {
		fmt.Println(fill(path))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// fill stores results until it is killed, and says after each call how many are durable.
func fill(path string) error {
	ctx := context.Background()
	s, err := open(path)
	if err != nil {
		return err
	}
	now := time.Now()
	j, err := s.Claim(ctx, store.Claim{Owner: "child", Now: now.Add(2 * time.Hour), Until: now.Add(time.Hour), Resources: []string{"fields"}})
	if err != nil {
		return err
	}
	for {
		p, err := s.NextPart(ctx, store.JobLease{Job: j.Number, Epoch: j.Epoch}, 0, 300, "child", now.Add(time.Hour))
		if errors.Is(err, store.ErrNotFound) {
			break
		}
		if err != nil {
			return err
		}
		items, intents, err := s.PartItems(ctx, p.PartLease)
		if err != nil {
			return err
		}
		number := int64(len(intents)) // of a child before this one
		for _, it := range items {
			if it.State != 0 {
				continue
			}
			i := it.Index
			number++
			b := store.Batch{Intents: []store.Intent{{Number: number, Indexes: []int64{i}}}, Results: done(i, i+1, uint8(1+i%2))}
			if err := s.Checkpoint(ctx, p.PartLease, b); err != nil {
				return err
			}
			fmt.Println(i)
		}
		if err := s.EndPart(ctx, p.PartLease, true); err != nil {
			return err
		}
	}
	select {} // until it is killed
}

func child(t *testing.T, variable, path string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0])
	c.Env = append(os.Environ(), variable+"="+path)
	_, err := c.StdinPipe()
	must(t, err)
	out, err := c.StdoutPipe()
	must(t, err)
	must(t, c.Start())
	return c, bufio.NewScanner(out)
}

func TestAnotherProcess(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "jobs.db")
	c, out := child(t, holder, path)
	if !out.Scan() || out.Text() != "holds: true <nil>" {
		t.Fatal(out.Text())
	}
	inUse(t, path)
	must(t, c.Process.Kill())
	_ = c.Wait() // says that it was killed
	mustClose(t, mustOpen(t, path))
}

func TestTheSameProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, link := filepath.Join(dir, "jobs.db"), filepath.Join(dir, "link")
	s := mustOpen(t, path)
	must(t, os.Symlink(path, link))
	inUse(t, path)
	inUse(t, link)
	mustClose(t, s)
	s = mustOpen(t, link)
	inUse(t, path)
	mustClose(t, s)
}

func inUse(t *testing.T, path string) {
	t.Helper()
	_, err := Open(path)
	if !errors.Is(err, ErrInUse) || !errors.Is(err, store.ErrInUse) || !strings.Contains(err.Error(), path) {
		t.Errorf("opening it again: %v", err)
	}
}

// Killed at any moment, a process leaves all that it was promised, and counts that agree with the rows.
func TestKilled(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "jobs.db")
	s := mustOpen(t, path)
	j := insert(t, s, "a", 3000)
	mustClose(t, s)
	promised := int64(0)
	for _, lines := range []int{1, 3, 10, 40, 120} {
		c, out := child(t, filler, path)
		for n := 0; out.Scan(); n++ {
			if n == lines {
				must(t, c.Process.Kill()) // what it has said meanwhile is read as well
			}
			if strings.ContainsAny(out.Text(), " :") {
				t.Fatalf("the child says %q", out.Text())
			}
			promised++
		}
		_ = c.Wait() // says that it was killed
		s := mustOpen(t, path)
		must(t, s.Check(t.Context()))
		if n := balanced(t, s, t.Context(), j.Number, "t", "a"); n.Done() < promised || n.Total != 3000 {
			t.Errorf("%d results were promised: %+v", promised, n)
		}
		mustClose(t, s)
	}
}

// What cannot be opened is refused with a reason, and stays as it was.
func TestOpenRefusals(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	whole := filepath.Join(dir, "whole")
	s := mustOpen(t, whole)
	insert(t, s, "a", 1000)
	mustClose(t, s)
	content, err := os.ReadFile(whole)
	must(t, err)
	changed := func(at int, value uint32) []byte {
		b := append([]byte(nil), content...)
		binary.BigEndian.PutUint32(b[at:], value)
		return b
	}
	foreign := filepath.Join(dir, "foreign-made")
	db, err := sql.Open("sqlite", foreign)
	must(t, err)
	_, err = db.Exec("create table a (b)")
	must(t, err)
	must(t, db.Close())
	other, err := os.ReadFile(foreign)
	must(t, err)
	for name, test := range map[string]struct {
		content []byte
		want    error
		says    string
	}{
		"empty":        {[]byte{}, ErrNotStore, "it is empty"},
		"text":         {[]byte("this is not a database, but a text that somebody has written"), ErrNotStore, "not an SQLite database"},
		"foreign":      {other, ErrNotStore, "application id"},
		"newer":        {changed(atVersion, schemaVersion+1), ErrNewer, "newer version"},
		"version 0":    {changed(atVersion, 0), ErrDamaged, "version is 0"},
		"header only":  {content[:50], ErrDamaged, "only 50 bytes"},
		"truncated":    {content[:len(content)-1], ErrDamaged, "pages"},
		"half of it":   {content[:len(content)/2/pageSize*pageSize], ErrDamaged, "pages"},
		"bad pagesize": {changed(atPageSize, 0), ErrDamaged, "page size"},
	} {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, test.content, 0o600))
		_, err := Open(path)
		if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
		after, err := os.ReadFile(path)
		if err != nil || string(after) != string(test.content) {
			t.Errorf("%s has changed: %v", name, err)
		}
		if beside, _ := filepath.Glob(path + ".*"); len(beside) > 0 {
			t.Errorf("%s: files were made: %v", name, beside)
		}
	}
	for path, says := range map[string]string{
		"":                               "the path is empty",
		dir:                              "it is a folder",
		filepath.Join(dir, "no", "jobs"): "folder does not exist",
		os.DevNull:                       "not a regular file",
		"a\x00b":                         "NUL",
	} {
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", path, err)
		}
	}
}

// A file or a folder that cannot be written is refused. The superuser can write all of them.
func TestOpenReadOnly(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("the superuser may write everything")
	}
	path := filepath.Join(t.TempDir(), "jobs.db")
	mustClose(t, mustOpen(t, path))
	must(t, os.Chmod(path, 0o400))
	if _, err := Open(path); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "cannot be written") {
		t.Error(err)
	}
	must(t, os.Chmod(path, 0o600))
	must(t, os.Remove(path+".lock"))
	must(t, os.Chmod(filepath.Dir(path), 0o500))
	defer os.Chmod(filepath.Dir(path), 0o700)
	if _, err := Open(path); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "its folder") {
		t.Error(err)
	}
}

// Names that a URI would take apart are names of files.
func TestNames(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"a?b", "a#b", "a%41b", "a b", "ü", "a'b", "a&_pragma=x"} {
		path := filepath.Join(dir, name)
		mustClose(t, mustOpen(t, path))
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%q: %v, %v", name, info, err)
		}
		mustClose(t, mustOpen(t, path))
	}
}
