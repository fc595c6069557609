package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/windrow-go/windrow/jobs/internal/store"
)

var (
	// ErrInUse is matched by the error of [Open] for a file that another Store has open, in this process or another one.
	ErrInUse = fmt.Errorf("%w: another process, or another Open in this process, has it open: wait until it is closed", store.ErrInUse)
	// ErrNotStore is matched by the error of [Open] for a file of another program. The file was not changed.
	ErrNotStore = errors.New("it is not a store of jobs: name another file")
	// ErrNewer is matched by the error of [Open] for a store that a newer version of this package has written. The file
	// was not changed.
	ErrNewer = errors.New("a newer version of windrow/jobs has written it: use that version, or a backup made before it")
	// ErrDamaged is matched by the errors of [Open] and [Store.Check] for a store that does not hold what was written to
	// it.
	ErrDamaged = errors.New("it is damaged: put it back from a backup")
)

// openError is the error of opening path.
func openError(path string, err error) error {
	return fmt.Errorf("sqlitestore: %q: %w", path, err)
}

// wrap says where an error comes from. Errors of the contract and of a context stay as they are.
func wrap(err error) error {
	switch {
	case err == nil, errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrFenced),
		errors.Is(err, store.ErrClosed),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded),
		strings.HasPrefix(err.Error(), "sqlitestore: "):
		return err
	}
	return fmt.Errorf("sqlitestore: %w", err)
}
