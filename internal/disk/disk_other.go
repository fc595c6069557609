//go:build !darwin && !dragonfly && !freebsd && !linux && !netbsd && !openbsd && !windows

package disk

import (
	"errors"
	"os"
	"runtime"
)

// openLocked refuses: without a lock two processes could write to one file.
func openLocked(path string) (*os.File, error) {
	return nil, &os.PathError{Op: "lock", Path: path, Err: errors.Join(errors.ErrUnsupported, errors.New("no file locks on "+runtime.GOOS))}
}

func syncDir(string) error { return nil }
