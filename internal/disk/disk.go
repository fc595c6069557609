// Package disk is what a journal needs of a file system: a file that one process has for itself, and that says when what
// was written is safe. It is also what a backup needs: a file that is there as a whole or not at all. Package disktest has one that fails and loses power.
package disk

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// ErrLocked is matched by the error of a file that somebody else has open.
var ErrLocked = errors.New("in use")

// File is an open file. Its methods may be called from several goroutines.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Size returns the length in bytes.
	Size() (int64, error)
	// Truncate sets the length.
	Truncate(size int64) error
	// Sync makes what was written, and the length, durable. After an error nobody knows what is: the system may have
	// dropped what it could not write, and a second call that succeeds says nothing of that.
	Sync() error
}

// Disk opens files.
type Disk interface {
	// Open opens a file for reading and writing, and creates it when there is none. The file is the caller's alone until
	// it is closed: another Open of it, in any process, fails with ErrLocked.
	Open(path string) (File, error)
	// View opens a file for reading, also one that somebody has open.
	View(path string) (File, error)
	// SyncDir makes durable that the file is in its folder.
	SyncDir(path string) error
}

// Folder makes files that are to be there as a whole or not at all: they are written under another name and renamed.
type Folder interface {
	// Create makes an empty file for writing, which only the user may read. When there is one the error matches
	// [os.ErrExist]. It is open to others too.
	Create(path string) (File, error)
	// Rename gives a file another name, and removes the file that had that.
	Rename(from, to string) error
	// Remove removes a file.
	Remove(path string) error
	// SyncDir makes durable which files are in the folder of a file.
	SyncDir(path string) error
}

// On returns a journal.Option for a journal whose file is on another disk, so that only this module can have one. Package
// journal sets it.
var On func(Disk) any

// OS is the disk of the operating system.
type OS struct{}

// opens bounds how often Open looks for a file that is put into the place of another all the time.
const opens = 10

// Open implements [Disk].
func (OS) Open(path string) (File, error) {
	for range opens {
		f, err := openLocked(path)
		if err != nil {
			return nil, err
		}
		// Between opening and locking another process may have removed the file, or put another one into its place: the
		// lock of a file that has no name any more keeps nobody out.
		if mine, err := isAt(f, path); err != nil || mine {
			if err != nil {
				_ = f.Close()
				return nil, err
			}
			return osFile{f}, nil
		}
		_ = f.Close() // nothing was written to it
	}
	return nil, &os.PathError{Op: "open", Path: path, Err: errors.New("the file is replaced again and again")}
}

// isAt reports whether an open file is the one at path.
func isAt(f *os.File, path string) (bool, error) {
	opened, err := f.Stat()
	if err != nil {
		return false, err
	}
	if !opened.Mode().IsRegular() {
		return false, &os.PathError{Op: "open", Path: path, Err: fmt.Errorf("not a regular file (%v)", opened.Mode())}
	}
	named, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(opened, named), err
}

// View implements [Disk].
func (OS) View(path string) (File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// Create implements [Folder].
func (OS) Create(path string) (File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// Rename implements [Folder].
func (OS) Rename(from, to string) error { return os.Rename(from, to) }

// Remove implements [Folder].
func (OS) Remove(path string) error { return os.Remove(path) }

// SyncDir implements [Disk] and [Folder].
func (OS) SyncDir(path string) error {
	path, err := filepath.EvalSymlinks(path) // the entry that counts is that of the file itself
	if err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// osFile is a file of the operating system.
type osFile struct{ *os.File }

// Size implements [File].
func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
