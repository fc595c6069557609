package sqlitestore

import (
	"context"
	"time"

	"github.com/windrow-go/windrow/jobs/internal/store"
)

// sealed hides the methods that only package jobs calls.
type sealed = store.Sealed

// Store is a store of jobs in an SQLite file, for the Config of package jobs. The zero value is not usable: call [Open]. Its
// methods may be called from many goroutines. When a full disk or a failing one was the cause of an error, the Store can be
// used again as soon as that has passed. No error contains what an item holds.
type Store struct {
	sealed
	db *db
}

// Option is an option of [Open].
type Option func(*settings)

type settings struct {
	readers int
	busy    time.Duration
}

// Readers sets how many calls may read at the same time. Defaults to 4; less than 1 means 1.
func Readers(n int) Option { return func(s *settings) { s.readers = max(n, 1) } }

// BusyTimeout sets how long a write waits for another program that has locked the file, such as a shell. Defaults to 5 s.
func BusyTimeout(d time.Duration) Option { return func(s *settings) { s.busy = max(d, 0) } }

// Open opens the store in the file path, and creates it when there is no such file; its folder must exist. A store of an
// earlier version is brought to the current one. The error matches [ErrInUse], [ErrNotStore], [ErrNewer] or [ErrDamaged]
// when one of these was the reason, and then the file is as it was. Open checks the header and the number of pages; for a
// check of all that the file holds see [Store.Check]. Close the Store when it is no longer used.
func Open(path string, opts ...Option) (*Store, error) {
	db, err := open(path, opts...)
	if err != nil {
		return nil, err
	}
	return &Store{store.Seal(db), db}, nil
}

// Close ends the use of the store, when the calls that are under way have ended, and gives the lock back. It is called once:
// the manager of the jobs does it.
func (s *Store) Close() error { return s.db.Close() }

// Size returns the bytes that the store takes on disk: those of the file, its WAL and the index of that.
func (s *Store) Size(ctx context.Context) (int64, error) { return s.db.Size(ctx) }

// Backup writes a copy of the store, as it is at one moment, to a new file, and makes it durable. The store can be used
// meanwhile. The copy appears whole or not at all. The error matches [fs.ErrExist] for a file that exists. [Open] opens the
// copy as a store of its own.
func (s *Store) Backup(ctx context.Context, path string) error { return s.db.Backup(ctx, path) }

// Check reads all of the store and checks it: the pages, and that indexes and tables agree. It takes a second for some
// 50 MB. The store can be used meanwhile. The error matches [ErrDamaged] if something is wrong.
func (s *Store) Check(ctx context.Context) error { return s.db.Check(ctx) }
