package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/windrow-go/windrow/jobs/internal/store"
)

// db is a store of jobs in an SQLite file. Those of its methods that write wait for each other; those that read do not wait
// for a write. A method that returns an error has changed nothing.
type db struct {
	path    string
	lock    *os.File
	writer  chan *conn // holds the one connection that writes while it is not in use
	readers chan *conn
	closed  chan struct{} // closed by Close
}

var _ store.Store = (*db)(nil)

// open opens the store in the file path: see [Open].
func open(path string, opts ...Option) (*db, error) {
	set := settings{readers: 4, busy: 5 * time.Second}
	for _, o := range opts {
		if o != nil {
			o(&set)
		}
	}
	real, exists, err := resolve(path)
	if err != nil {
		return nil, openError(path, err)
	}
	if exists { // refused without a trace
		if _, err := inspect(real); err != nil && !held(real) {
			return nil, openError(path, err)
		}
	}
	lock, err := lockFile(real + ".lock")
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		err = fmt.Errorf("its folder cannot be written: files are needed beside it: allow that, or use another folder: %w", plain(err))
	}
	if err != nil {
		return nil, openError(path, err)
	}
	s, err := openLocked(real, lock, set)
	if err != nil {
		return nil, openError(path, errors.Join(err, lock.Close()))
	}
	return s, nil
}

// held reports whether another Store has the file open.
func held(path string) bool {
	if _, err := os.Stat(path + ".lock"); err != nil {
		return false
	}
	f, err := lockFile(path + ".lock")
	if err == nil {
		_ = f.Close() // nothing was written to it
	}
	return errors.Is(err, ErrInUse)
}

// openLocked opens the file of which the caller has the lock.
func openLocked(path string, lock *os.File, set settings) (_ *db, err error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if err := create(path); err != nil {
			return nil, err
		}
	}
	h, err := inspect(path)
	if err != nil {
		return nil, err
	}
	if err := upgrade(path, h.version); err != nil {
		return nil, err
	}
	s := &db{path: path, lock: lock, writer: make(chan *conn, 1), readers: make(chan *conn, set.readers), closed: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.closeConns())
		}
	}()
	busy := "busy_timeout = " + strconv.FormatInt(set.busy.Milliseconds(), 10)
	w, err := connect(path, busy, "journal_mode = wal", "synchronous = full", "temp_store = memory", "cache_size = -4000",
		"wal_autocheckpoint = "+strconv.Itoa(walPages), "journal_size_limit = "+strconv.Itoa(walLimit))
	if err != nil {
		return nil, err
	}
	s.writer <- w
	for range set.readers {
		r, err := connect(path, busy, "query_only = on", "temp_store = file", "cache_size = -4000")
		if err != nil {
			return nil, err
		}
		s.readers <- r
	}
	return s, leftovers(w)
}

// leftovers clears what a process that was killed has left. The lock says that it is no longer there.
func leftovers(c *conn) error {
	for _, text := range [...]string{
		"update jobs set hidden = 1 where hidden = 2", // an Insert leaves what it had stored so far
		"update jobs set owner = '', lease_until = 0 where state in (1, 2, 3) and lease_until <> 0",
		"update parts set owner = '', lease_until = 0 where done = 0 and lease_until <> 0",
	} {
		if _, err := c.exec(text); err != nil {
			return err
		}
	}
	return nil
}

const (
	walPages = 4000     // pages in the WAL from which on they are moved to the file
	walLimit = 64 << 20 // bytes that the WAL keeps when its pages have been moved
)

// write runs f in a transaction that writes. It waits for its turn until the context ends.
func (s *db) write(ctx context.Context, f func(*conn) error) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	var c *conn
	select {
	case c = <-s.writer:
	case <-s.closed:
		return store.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { s.writer <- c }()
	if _, err := c.exec("begin immediate"); err != nil {
		return wrap(err)
	}
	ended := false
	defer func() {
		if !ended { // after a panic, too
			_, _ = c.exec("rollback") // SQLite has done it already after some errors, and refuses then
		}
	}()
	if err := f(c); err != nil {
		return wrap(err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	_, err = c.exec("commit")
	ended = err == nil
	return wrap(err)
}

// read runs f in a transaction that reads: all that f reads is of one moment.
func (s *db) read(ctx context.Context, f func(*conn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var c *conn
	select {
	case c = <-s.readers:
	case <-s.closed:
		return store.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { s.readers <- c }()
	if _, err := c.exec("begin"); err != nil {
		return wrap(err)
	}
	defer func() { _, _ = c.exec("rollback") }() // nothing was written
	return wrap(f(c))
}

// Close ends the use of the store and gives the lock back. It is called once. Calls that are under way end before; later
// ones return ErrClosed.
func (s *db) Close() error {
	close(s.closed)
	var errs []error
	for range cap(s.readers) { // the last connection that is closed empties the WAL, and a reader could not
		errs = append(errs, (<-s.readers).close())
	}
	errs = append(errs, (<-s.writer).close())
	return errors.Join(wrap(errors.Join(errs...)), s.lock.Close())
}

// closeConns closes the connections of a store that could not be opened.
func (s *db) closeConns() error {
	var errs []error
	for len(s.readers) > 0 {
		errs = append(errs, (<-s.readers).close())
	}
	if len(s.writer) > 0 {
		errs = append(errs, (<-s.writer).close())
	}
	return errors.Join(errs...)
}

// Size implements the store of jobs: bytes of the file, its WAL and the index of that.
func (s *db) Size(ctx context.Context) (int64, error) {
	var total int64
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(s.path + suffix)
		if errors.Is(err, fs.ErrNotExist) && suffix != "" {
			continue
		}
		if err != nil {
			return 0, wrap(err)
		}
		total += info.Size()
	}
	return total, ctx.Err()
}
