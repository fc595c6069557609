package pgstore

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/windrow-go/windrow/jobs/internal/store"
)

// ErrNewer is matched by the error of [Open] for a schema that a newer version of this package has made. Nothing was changed.
var ErrNewer = errors.New("a newer version of windrow/jobs has made the schema windrow_jobs: use that version")

// sealed hides the methods that only package jobs calls.
type sealed = store.Sealed

// Store is a store of jobs in a Postgres database, for the Config of package jobs. The zero value is not usable: call [Open].
// Its methods may be called from many goroutines. No error contains what an item holds.
type Store struct {
	sealed
	db *db
}

// Open returns the store in the database of a pool, and makes its tables when there are none. Many processes may do so at the
// same time; an empty schema windrow_jobs may be there already. The pool stays the caller's, who closes it after the Store; it
// should have at least 10 connections. The error matches [ErrNewer] when that is the reason.
func Open(ctx context.Context, pool *pgxpool.Pool) (*Store, error) {
	if pool == nil {
		return nil, errors.New("pgstore: the pool is nil")
	}
	if err := migrate(ctx, pool); err != nil {
		return nil, fmt.Errorf("pgstore: %w", err)
	}
	d := &db{pool: pool, stalled: stalledTime}
	return &Store{store.Seal(d), d}, nil
}

// Close ends the use of the store, when the calls that are under way have ended: the manager of the jobs calls it. It does not
// close the pool.
func (s *Store) Close() error { return s.db.Close() }

// Size returns the bytes that the tables and their indexes take on disk.
func (s *Store) Size(ctx context.Context) (int64, error) { return s.db.Size(ctx) }

//go:embed schema.sql
var schema string

const schemaVersion = 1

// migrationLock is the key of the advisory lock that migrations hold.
const migrationLock = 0x77696e64726f77 // "windrow"

// migrate makes the tables, or checks their version.
func migrate(ctx context.Context, pool *pgxpool.Pool) error {
	return pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", int64(migrationLock)); err != nil {
			return err
		}
		var there bool
		if err := tx.QueryRow(ctx, "select to_regclass('windrow_jobs.version') is not null").Scan(&there); err != nil {
			return err
		}
		if there {
			var version int
			if err := tx.QueryRow(ctx, "select max(version) from windrow_jobs.version").Scan(&version); err != nil {
				return err
			}
			if version > schemaVersion {
				return ErrNewer
			}
			return nil
		}
		if err := tx.QueryRow(ctx, "select to_regnamespace('windrow_jobs') is not null").Scan(&there); err != nil {
			return err
		}
		if !there { // "if not exists" would need the right to make a schema where there is one
			if _, err := tx.Exec(ctx, "create schema windrow_jobs"); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, "set local search_path = windrow_jobs; create table version (version integer not null);"+
			"insert into version values (1);"+schema)
		return err
	})
}

// stalledTime is how long a transaction may wait for its process before Postgres ends it, which frees the rows that it has
// locked. Otherwise the job of a host that has lost its power or its network would stay locked until TCP gives up, which
// takes two hours by default. It is that of a lease.
const stalledTime = 30 * time.Second

// db implements the store of jobs.
type db struct {
	pool    *pgxpool.Pool
	stalled time.Duration

	mu     sync.Mutex
	closed bool
	calls  sync.WaitGroup // under way
}

var _ store.Store = (*db)(nil)

// Close implements the store of jobs.
func (s *db) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.calls.Wait()
	return nil
}

// enter notes the begin of a call, whose end is noted by calls.Done. ErrClosed.
func (s *db) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return store.ErrClosed
	}
	s.calls.Add(1)
	return nil
}

// Size implements the store of jobs.
func (s *db) Size(ctx context.Context) (n int64, err error) {
	const text = `select coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where n.nspname = 'windrow_jobs' and c.relkind = 'r'`
	err = s.read(ctx, func(tx pgx.Tx) error { return tx.QueryRow(ctx, text).Scan(&n) })
	return n, err
}

// write runs f in a transaction in which each statement sees what others have committed: that is read after rows are locked.
func (s *db) write(ctx context.Context, f func(tx pgx.Tx) error) error {
	return s.transact(ctx, "read committed", s.stalled, f)
}

// read runs f in a transaction that sees one moment.
func (s *db) read(ctx context.Context, f func(tx pgx.Tx) error) error {
	return s.transact(ctx, "repeatable read, read only", s.stalled, f)
}

// transact runs f in a transaction of a mode, which Postgres ends when its process is silent for longer than stalled.
func (s *db) transact(ctx context.Context, mode string, stalled time.Duration, f func(tx pgx.Tx) error) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.calls.Done()
	begin := fmt.Sprintf("begin isolation level %s; set local search_path = windrow_jobs; set local idle_in_transaction_session_timeout = %d",
		mode, stalled.Milliseconds())
	return wrap(pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{BeginQuery: begin}, f))
}

// wrap says where an error comes from. Errors of the contract and of a context stay as they are.
func wrap(err error) error {
	switch {
	case err == nil, errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrFenced),
		errors.Is(err, store.ErrClosed),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	return fmt.Errorf("pgstore: %w", err)
}

// none turns the error of a row that is not there into one of the contract.
func none(err, instead error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return instead
	}
	return err
}

// micros is a time as it is stored.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// timeOf is the reverse of micros.
func timeOf(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

// all is a limit as Postgres takes it: all rows when it is 0.
func all(limit int) *int {
	if limit <= 0 {
		return nil
	}
	return &limit
}
