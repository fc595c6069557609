package journal

import (
	"errors"
	"fmt"
	"io/fs"
)

var (
	// ErrLocked is matched by the error of [Open] for a journal that another process has open, or this one already.
	ErrLocked = errors.New("another process, or another Open in this one, has it open: wait until it ends")
	// ErrCorrupt is matched by a [*CorruptError].
	ErrCorrupt = errors.New("the journal is corrupt")
	// ErrMismatch is matched by a [*MismatchError].
	ErrMismatch = errors.New("the journal is another's")
	// ErrClosed is the error of a journal that was closed.
	ErrClosed = errors.New("journal: closed")
)

// CorruptError says that a journal does not hold what was written to it, or that the file is no journal. Nothing of it
// was changed. It matches [ErrCorrupt].
type CorruptError struct {
	Path    string // of the file
	Offset  int64  // of the line that is wrong, in bytes
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

// MismatchError says that a journal belongs to something else than it was opened for. Nothing of it was changed. It
// matches [ErrMismatch].
type MismatchError struct {
	Path  string // of the file
	What  string // what differs: "job", "verb", "key scheme", "version" or "format version"
	Has   string // the journal's
	Wants string // that of who opened it
}

// Error implements error.
func (e *MismatchError) Error() string {
	return fmt.Sprintf("journal: %s: its %s is %s, not %s: name another file, or remove this one if what it tells is no longer wanted",
		e.Path, e.What, e.Has, e.Wants)
}

// Unwrap makes the error match [ErrMismatch].
func (e *MismatchError) Unwrap() error { return ErrMismatch }

// DiskError says that the file could not be opened, read, written or synced. After a failed write or sync the journal
// takes nothing more, and every later call has the same error: what was not yet durable may be lost, and a sync that
// succeeded later would say nothing of it. What is to be done is to remove the cause and open the journal again.
type DiskError struct {
	Path string // of the file
	Op   string // "open", "read", "write", "sync" or "close"
	Err  error  // of the operating system
}

// Error implements error.
func (e *DiskError) Error() string {
	err := e.Err
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		err = p.Err // it would name the file again
	}
	text := fmt.Sprintf("journal: %s: %s: %v", e.Path, e.Op, err)
	if e.Op == "write" || e.Op == "sync" {
		text += ": nothing more is recorded; remove the cause and open it again"
	}
	return text
}

// Unwrap returns the error of the operating system.
func (e *DiskError) Unwrap() error { return e.Err }

// errNotBegun is the error of what needs the header.
var errNotBegun = errors.New("journal: Begin must be called first: the journal does not say yet what it is of")

// errFull is the error of a record for which there is no place.
var errFull = errors.New("journal: the file is full: it has 32 TiB, which is the most; finish the job, and begin another journal")
