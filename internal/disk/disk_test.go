package disk_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/windrow-go/windrow/internal/disk"
	"github.com/windrow-go/windrow/internal/disk/disktest"
)

// The disk in memory behaves as the real one does, as long as nothing fails.
func TestDisks(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]disk.Disk{"operating system": disk.OS{}, "memory": new(disktest.Disk)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "file")
			if _, err := d.View(path); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("View of nothing: %v", err)
			}
			f := open(t, d, path)
			content(t, f, "")
			write(t, f, "hello", 0)
			write(t, f, "world", 7)
			content(t, f, "hello\x00\x00world")
			if _, err := d.Open(path); !errors.Is(err, disk.ErrLocked) {
				t.Errorf("Open of an open file: %v", err)
			}
			view, err := d.View(path)
			if err != nil {
				t.Fatal(err)
			}
			content(t, view, "hello\x00\x00world")
			if err := errors.Join(f.Truncate(4), f.Sync(), d.SyncDir(path)); err != nil {
				t.Error(err)
			}
			content(t, view, "hell")
			var p [3]byte
			if n, err := view.ReadAt(p[:], 2); n != 2 || err != io.EOF {
				t.Errorf("ReadAt at the end: %d, %v", n, err)
			}
			if n, err := view.ReadAt(p[:], 9); n != 0 || err != io.EOF {
				t.Errorf("ReadAt beyond the end: %d, %v", n, err)
			}
			if err := errors.Join(f.Close(), view.Close()); err != nil {
				t.Error(err)
			}
			if f.Close() == nil || f.Sync() == nil {
				t.Error("a closed file works")
			}
			f = open(t, d, path) // is free again
			content(t, f, "hell")
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// Both kinds of folder make, rename and remove files in the same way.
func TestFolders(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]interface {
		disk.Disk
		disk.Folder
	}{"operating system": disk.OS{}, "memory": new(disktest.Disk)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			a, b := filepath.Join(folder, "a"), filepath.Join(folder, "b")
			create := func(path string) {
				t.Helper()
				f, err := d.Create(path)
				if err != nil {
					t.Fatal(err)
				}
				write(t, f, path, 0)
				if err := errors.Join(f.Sync(), f.Close()); err != nil {
					t.Error(err)
				}
			}
			holds := func(path, want string) {
				t.Helper()
				view, err := d.View(path)
				if err != nil {
					t.Fatal(err)
				}
				content(t, view, want)
				if err := view.Close(); err != nil {
					t.Error(err)
				}
			}
			create(a)
			if _, err := d.Create(a); !errors.Is(err, os.ErrExist) {
				t.Errorf("Create of a file that exists: %v", err)
			}
			create(b)
			if err := errors.Join(d.Rename(a, b), d.SyncDir(b)); err != nil {
				t.Error(err)
			}
			holds(b, a)
			if _, err := d.View(a); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("a file that was renamed: %v", err)
			}
			if err := d.Rename(a, b); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("Rename of nothing: %v", err)
			}
			holds(b, a)
			if err := d.Remove(b); err != nil {
				t.Error(err)
			}
			if err := d.Remove(b); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("Remove of nothing: %v", err)
			}
		})
	}
}

// A file that is removed between opening and locking is not the one that has the name: only one of those who open at the
// same time as somebody removes it may believe to have it.
func TestOpenWhileItIsRemoved(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	var stop atomic.Bool
	var remover, openers sync.WaitGroup
	remover.Go(func() {
		for !stop.Load() {
			_ = os.Remove(path) // it may not be there
		}
	})
	for range 2 {
		openers.Go(func() {
			for range 300 {
				f, err := disk.OS{}.Open(path)
				if err != nil {
					if _, ok := errors.AsType[*os.PathError](err); !ok {
						t.Error(err)
					}
					continue
				}
				if err := f.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	openers.Wait()
	stop.Store(true)
	remover.Wait()
	f := open(t, disk.OS{}, path)
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the file that was opened has no name: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

// What is not a file.
func TestOpenOfOtherThings(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := (disk.OS{}).Open(os.DevNull); err == nil {
		t.Error("a device is opened")
	}
	if _, err := (disk.OS{}).Open(dir); err == nil {
		t.Error("a folder is opened")
	}
	if err := (disk.OS{}).SyncDir(filepath.Join(dir, "no", "file")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("SyncDir of nothing: %v", err)
	}
	path, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	f := open(t, disk.OS{}, path)
	if err := errors.Join(f.Close(), os.Symlink(path, link)); err != nil {
		t.Fatal(err)
	}
	f = open(t, disk.OS{}, link)
	if err := errors.Join(disk.OS{}.SyncDir(link), f.Close()); err != nil {
		t.Error(err)
	}
}

func open(t *testing.T, d disk.Disk, path string) disk.File {
	t.Helper()
	f, err := d.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func write(t *testing.T, f disk.File, text string, at int64) {
	t.Helper()
	if n, err := f.WriteAt([]byte(text), at); n != len(text) || err != nil {
		t.Fatalf("WriteAt: %d, %v", n, err)
	}
}

func content(t *testing.T, f disk.File, want string) {
	t.Helper()
	size, err := f.Size()
	if err != nil || size != int64(len(want)) {
		t.Errorf("size %d, %v; want %d", size, err, len(want))
	}
	got, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<20))
	if err != nil || string(got) != want {
		t.Errorf("content %q, %v; want %q", got, err, want)
	}
}
