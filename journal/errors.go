package journal

import (
	"errors"
	"fmt"
	"io/fs"
)

var (
	// ErrLocked is matched by the error of [Open] for a journal that is already open, in this process or another.
	ErrLocked = errors.New("another process, or another Open in this process, has it open: wait until it is closed")
	// ErrCorrupt is matched by a [*CorruptError].
	ErrCorrupt = errors.New("the journal is corrupt")
	// ErrMismatch is matched by a [*MismatchError].
	ErrMismatch = errors.New("the journal belongs to another job")
	// ErrClosed is the error of a journal that was closed.
	ErrClosed = errors.New("journal: closed")
)

// CorruptError says that a journal does not hold what was written to it, or that the file is not a journal. The file was not
// changed. It matches [ErrCorrupt].
type CorruptError struct {
	Path    string // of the file
	Offset  int64  // of the bad line, in bytes
	Line    uint64 // its number, from 1; 0 when that is not known
	Problem string // what is wrong with it
}

// Error implements error.
func (e *CorruptError) Error() string {
	if e.Offset == 0 {
		return fmt.Sprintf("journal: %s: at byte 0: %s: is it a journal? Name another file, or put the journal back from a backup", e.Path, e.Problem)
	}
	line := ""
	if e.Line > 0 {
		line = fmt.Sprintf(" (line %d)", e.Line)
	}
	return fmt.Sprintf("journal: %s: at byte %d%s: %s: put the file back from a backup; "+
		"to give up what was recorded from there on, cut it to %d bytes and check with the server", e.Path, e.Offset, line, e.Problem, e.Offset)
}

// Unwrap makes the error match [ErrCorrupt].
func (e *CorruptError) Unwrap() error { return ErrCorrupt }

// MismatchError says that a journal belongs to another job than it was opened for. The file was not changed. It matches
// [ErrMismatch].
type MismatchError struct {
	Path  string // of the file
	What  string // what differs: "job", "verb", "key scheme", "version" or "format version"
	Has   string // in the journal
	Wants string // given to Open or Begin
}

// Error implements error.
func (e *MismatchError) Error() string {
	return fmt.Sprintf("journal: %s: its %s is %s, not %s: name another file, or remove this one if its records are no longer needed",
		e.Path, e.What, e.Has, e.Wants)
}

// Unwrap makes the error match [ErrMismatch].
func (e *MismatchError) Unwrap() error { return ErrMismatch }

// DiskError says that the file could not be opened, read, written or synced. After a failed write or sync the journal takes
// no more records, and every later call returns the same error: records that were not durable may be lost, even if a later
// sync succeeded. Remove the cause and open the journal again.
type DiskError struct {
	Path string // of the file
	Op   string // "open", "read", "write", "sync" or "close"
	Err  error  // of the operating system
}

// Error implements error.
func (e *DiskError) Error() string {
	err := e.Err
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		err = p.Err // without the file name, which the text has already
	}
	text := fmt.Sprintf("journal: %s: %s: %v", e.Path, e.Op, err)
	if e.Op == "write" || e.Op == "sync" {
		text += ": nothing more is recorded; remove the cause and open it again"
	}
	return text
}

// Unwrap returns the error of the operating system.
func (e *DiskError) Unwrap() error { return e.Err }

// errNotBegun is the error of calls that need the header.
var errNotBegun = errors.New("journal: Begin must be called first: the journal has no header yet")

// errFull is the error of a record that exceeds the size of a file.
var errFull = errors.New("journal: the file has reached its maximum of 32 TiB: finish the job, and begin another journal")
