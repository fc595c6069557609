package pgstore

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/windrow-go/windrow/jobs/internal/store"
)

// AddEvents implements the store of jobs.
func (s *db) AddEvents(ctx context.Context, number int64, events ...store.Event) error {
	return s.write(ctx, func(tx pgx.Tx) error {
		var one int
		if err := tx.QueryRow(ctx, "select 1 from jobs "+byNumber+"for update", number).Scan(&one); err != nil {
			return none(err, store.ErrNotFound)
		}
		return addEvents(ctx, tx, number, events)
	})
}

// addEvents stores events of a job whose row is locked. The last event is never removed without one behind it, so numbers
// only rise.
func addEvents(ctx context.Context, tx pgx.Tx, number int64, events []store.Event) error {
	for _, e := range events {
		var replaced int64
		if e.Replaces {
			const last = "select number from events where job = $1 and type = $2 order by number desc limit 1"
			if err := none(tx.QueryRow(ctx, last, number, textOf(e.Type)).Scan(&replaced), nil); err != nil {
				return err
			}
		}
		const insert = `insert into events (job, number, type, at, actor, run, data)
			select $1, coalesce(max(number), 0) + 1, $2, $3, $4, $5, $6 from events where job = $1`
		if _, err := tx.Exec(ctx, insert, number, textOf(e.Type), micros(e.At), textOf(e.Actor), e.Run, e.Data); err != nil {
			return err
		}
		if replaced == 0 {
			continue
		}
		if _, err := tx.Exec(ctx, "delete from events where job = $1 and number = $2", number, replaced); err != nil {
			return err
		}
	}
	return nil
}

// Events implements the store of jobs.
func (s *db) Events(ctx context.Context, number int64, after int64, limit int) (events []store.Event, err error) {
	const text = "select number, type, at, actor, run, data from events where job = $1 and number > $2 order by number limit $3"
	err = s.read(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, text, number, after, all(limit))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var e store.Event
			var at int64
			if err := rows.Scan(&e.Number, read(&e.Type), &at, read(&e.Actor), &e.Run, &e.Data); err != nil {
				return err
			}
			e.At = timeOf(at)
			events = append(events, e)
		}
		return rows.Err()
	})
	return events, err
}

// Value implements the store of jobs.
func (s *db) Value(ctx context.Context, name string) (value []byte, err error) {
	err = s.read(ctx, func(tx pgx.Tx) error {
		return none(tx.QueryRow(ctx, `select value from "values" where name = $1`, textOf(name)).Scan(&value), store.ErrNotFound)
	})
	return value, err
}

// SetValue implements the store of jobs.
func (s *db) SetValue(ctx context.Context, name string, value []byte) error {
	return s.write(ctx, func(tx pgx.Tx) error {
		const text = `insert into "values" (name, value) values ($1, $2) on conflict (name) do update set value = excluded.value`
		_, err := tx.Exec(ctx, text, textOf(name), value)
		return err
	})
}
