// Package disk is the file system for journals and backups: a file that is locked by one process and can be made durable,
// and a file that is complete or absent. Package disktest has a disk that fails and loses power.
package disk

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// ErrLocked is matched by the error of a file that is already open.
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
	// Sync makes all writes, and the length, durable. After an error it is not known which writes are durable: the system
	// may have dropped some, and a later Sync would succeed nevertheless.
	Sync() error
}

// Disk opens files.
type Disk interface {
	// Open opens a file for reading and writing, and creates it if there is none. Until it is closed, another Open of it, in
	// any process, fails with ErrLocked.
	Open(path string) (File, error)
	// View opens a file for reading, also one that is already open.
	View(path string) (File, error)
	// SyncDir makes the file's entry in its folder durable.
	SyncDir(path string) error
}

// Folder creates files that are complete or absent: they are written under another name and renamed.
type Folder interface {
	// Create creates an empty file for writing, which only its owner may read. If it exists the error matches [os.ErrExist].
	// The file is not locked.
	Create(path string) (File, error)
	// Rename renames a file, and replaces a file of the new name.
	Rename(from, to string) error
	// Remove removes a file.
	Remove(path string) error
	// SyncDir makes the entries of a file's folder durable.
	SyncDir(path string) error
}

// On returns a journal.Option for a journal whose file is on another disk, so that only this module can have one. Package
// journal sets it.
var On func(Disk) any

// OS is the disk of the operating system.
type OS struct{}

// maxOpens bounds how often Open retries if the file is being replaced.
const maxOpens = 10

// Open implements [Disk].
func (OS) Open(path string) (File, error) {
	for range maxOpens {
		f, err := openLocked(path)
		if err != nil {
			return nil, err
		}
		// Between opening and locking another process may have removed or replaced the file: the lock of a file without a
		// name does not exclude other processes.
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
	path, err := filepath.EvalSymlinks(path) // sync the folder of the file itself, not of a link
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
