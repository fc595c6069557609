package pgstore

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
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
// same time. The pool stays the caller's, who closes it after the Store; it should have at least 10 connections. The error
// matches [ErrNewer] when that is the reason.
func Open(ctx context.Context, pool *pgxpool.Pool) (*Store, error) {
	if pool == nil {
		return nil, errors.New("pgstore: the pool is nil")
	}
	if err := migrate(ctx, pool); err != nil {
		return nil, fmt.Errorf("pgstore: %w", err)
	}
	d := &db{pool}
	return &Store{store.Seal(d), d}, nil
}

// Close ends the use of the store: the manager of the jobs calls it. It does not close the pool.
func (s *Store) Close() error { return s.db.Close() }

// Size returns the bytes that the tables and their indexes take on disk.
func (s *Store) Size(ctx context.Context) (int64, error) { return s.db.Size(ctx) }

//go:embed schema.sql
var schema string

const schemaVersion = 1

// migrationLock is the key of the advisory lock that migrations hold.
const migrationLock = 0x77696e64726f77 // "windrow"

// migrate makes the schema, or checks its version.
func migrate(ctx context.Context, pool *pgxpool.Pool) error {
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
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
		_, err := tx.Exec(ctx, "create schema windrow_jobs; set local search_path = windrow_jobs; create table version (version integer not null);"+
			"insert into version values (1);"+schema)
		return err
	})
}

// db implements the store of jobs.
type db struct{ pool *pgxpool.Pool }

var _ store.Store = (*db)(nil)

// Close implements the store of jobs.
func (s *db) Close() error { return nil }

// Size implements the store of jobs.
func (s *db) Size(ctx context.Context) (n int64, err error) {
	const text = `select coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where n.nspname = 'windrow_jobs' and c.relkind = 'r'`
	return n, wrap(s.pool.QueryRow(ctx, text).Scan(&n))
}

// write runs f in a transaction.
func (s *db) write(ctx context.Context, f func(tx pgx.Tx) error) error {
	return wrap(pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "set local search_path = windrow_jobs"); err != nil {
			return err
		}
		return f(tx)
	}))
}

// read runs f in a transaction that sees one moment.
func (s *db) read(ctx context.Context, f func(tx pgx.Tx) error) error {
	return wrap(pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "set local search_path = windrow_jobs"); err != nil {
			return err
		}
		return f(tx)
	}))
}

// wrap says where an error comes from. Errors of the contract and of a context stay as they are.
func wrap(err error) error {
	switch {
	case err == nil, errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrFenced),
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
