package disktest

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/windrow-go/windrow/internal/disk"
)

const path = "/a/file"

func open(t *testing.T, d *Disk) disk.File {
	t.Helper()
	f, err := d.Open(path)
	must(t, err)
	return f
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, f disk.File, text string, at int64) {
	t.Helper()
	_, err := f.WriteAt([]byte(text), at)
	must(t, err)
}

// What is left when the power fails: what was durable, and any part from the beginning of what came since.
func TestLosePower(t *testing.T) {
	t.Parallel()
	d := new(Disk)
	f := open(t, d)
	gone := 0
	for seed := range uint64(50) {
		if d.LosePower(rand.New(rand.NewPCG(seed, 1))).Bytes(path) == nil {
			gone++
		}
	}
	if gone < 5 || gone > 45 {
		t.Errorf("a file whose entry is not durable was lost %d times of 50", gone)
	}
	must(t, d.SyncDir(path))
	write(t, f, "durable", 0)
	must(t, f.Sync())
	write(t, f, "+first", 7)
	must(t, f.Truncate(10))
	write(t, f, "XY", 0)
	if got := string(d.Durable(path)); got != "durable" {
		t.Errorf("durable is %q", got)
	}
	seen := map[string]bool{}
	for seed := range uint64(500) {
		after := d.LosePower(rand.New(rand.NewPCG(seed, 1)))
		seen[string(after.Bytes(path))] = true
		if string(after.Durable(path)) != string(after.Bytes(path)) {
			t.Error("what is left is not durable")
		}
		f, err := after.Open(path) // the lock is gone with the process
		must(t, err)
		must(t, f.Close())
	}
	for _, want := range []string{"durable", "durable+", "durable+f", "durable+fi", "durable+fir", "durable+firs", "durable+first", "Xurable+fi", "XYrable+fi"} {
		if !seen[want] {
			t.Errorf("%q never happens", want)
		}
		delete(seen, want)
	}
	if len(seen) > 0 {
		t.Errorf("what cannot be: %v", seen)
	}
	after := d.Kill()
	if got := string(after.Bytes(path)); got != "XYrable+fi" {
		t.Errorf("a process that is killed leaves %q", got)
	}
	if got := string(after.Durable(path)); got != "durable" {
		t.Errorf("and %q for certain", got)
	}
	must(t, f.Close())
}

// A file that was renamed or removed may have its old name after the power failed, or its new one, or both, until the
// folder is synced; and what the new name stood for may be there still.
func TestNamesAfterAPowerFailure(t *testing.T) {
	t.Parallel()
	d := new(Disk)
	d.Put("/a/old", []byte("old"))
	d.Put("/a/file", []byte("before"))
	d.Put("/a/gone", []byte("gone"))
	d.Put("/b/gone", []byte("gone"))
	must(t, d.Rename("/a/old", "/a/file"))
	must(t, d.Remove("/a/gone"))
	must(t, d.Remove("/b/gone"))
	left := func() map[string]int {
		seen := map[string]int{}
		for seed := range uint64(50) {
			after := d.LosePower(rand.New(rand.NewPCG(seed, 1)))
			for _, name := range after.Names() {
				seen[name+" "+string(after.Bytes(name))]++
			}
		}
		return seen
	}
	seen := left()
	for _, name := range []string{"/a/old old", "/a/file old", "/a/file before", "/a/gone gone", "/b/gone gone"} {
		if n := seen[name]; n < 5 || n > 45 {
			t.Errorf("%q is there %d times of 50", name, n)
		}
		delete(seen, name)
	}
	if len(seen) > 0 {
		t.Errorf("what cannot be: %v", seen)
	}
	d = d.Kill()
	must(t, d.SyncDir("/a/file"))
	if seen = left(); seen["/a/file old"] != 50 || seen["/b/gone gone"] == 0 || len(seen) != 2 {
		t.Errorf("after a sync of the folder /a: %v", seen)
	}
}

// A sync that fails drops what it should have written; the next one succeeds, and does not bring it back.
func TestSyncThatFails(t *testing.T) {
	t.Parallel()
	oh := errors.New("oh")
	d := &Disk{Fail: func(op Op) error {
		if op.Kind == Sync && op.Nth == 2 {
			return oh
		}
		return nil
	}}
	f := open(t, d)
	must(t, d.SyncDir(path))
	write(t, f, "a", 0)
	must(t, f.Sync())
	write(t, f, "b", 1)
	if err := f.Sync(); !errors.Is(err, oh) || !strings.Contains(err.Error(), path) {
		t.Error(err)
	}
	write(t, f, "c", 2)
	must(t, f.Sync())
	if got := string(d.Bytes(path)); got != "abc" {
		t.Errorf("programs read %q", got)
	}
	if got := string(d.Durable(path)); got != "a\x00c" {
		t.Errorf("durable is %q", got)
	}
	if n := d.Count(Sync); n != 3 {
		t.Errorf("%d syncs", n)
	}
}

// A sync of a program that was killed before leaves all as it was.
func TestSyncThatNeverComes(t *testing.T) {
	t.Parallel()
	d := &Disk{Fail: func(op Op) error {
		if op.Kind == Sync && op.Nth == 1 {
			return ErrGone
		}
		return nil
	}}
	f := open(t, d)
	must(t, d.SyncDir(path))
	write(t, f, "a", 0)
	if err := f.Sync(); !errors.Is(err, ErrGone) {
		t.Error(err)
	}
	must(t, f.Sync())
	if got := string(d.Durable(path)); got != "a" {
		t.Errorf("durable is %q", got)
	}
}

// A write that fails in the middle.
func TestShortWrite(t *testing.T) {
	t.Parallel()
	oh := errors.New("oh")
	d := &Disk{Fail: func(op Op) error {
		switch {
		case op.Kind == Write && op.Size == 6:
			return &Short{Bytes: 2, Err: oh}
		case op.Kind == Write && op.Size == 7:
			return oh
		}
		return nil
	}}
	f := open(t, d)
	for text, want := range map[string]int{"sixsix": 2, "seven..": 0} {
		if n, err := f.WriteAt([]byte(text), 0); n != want || !errors.Is(err, oh) {
			t.Errorf("%q: %d, %v", text, n, err)
		}
	}
	if got := string(d.Bytes(path)); got != "si" {
		t.Errorf("%q was written", got)
	}
}
