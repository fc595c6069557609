package sqlitestore

import (
	"context"

	"github.com/windrow-go/windrow/jobs/internal/store"
)

// AddEvents implements the store of jobs.
func (s *db) AddEvents(ctx context.Context, number int64, events ...store.Event) error {
	return s.write(ctx, func(c *conn) error {
		found, err := c.one(ctx, "select 1 from jobs "+byNumber, []any{number}, func(*row) {})
		if err != nil {
			return err
		}
		if !found {
			return store.ErrNotFound
		}
		return addEvents(ctx, c, number, events)
	})
}

// addEvents stores events of a job. The last event is never removed without one behind it, so numbers only rise.
func addEvents(ctx context.Context, c *conn, number int64, events []store.Event) error {
	for _, e := range events {
		replaced := int64(0)
		if e.Replaces {
			const last = "select number from events where job = ? and type = ? order by number desc limit 1"
			if _, err := c.one(ctx, last, []any{number, e.Type}, func(r *row) { replaced = r.int64() }); err != nil {
				return err
			}
		}
		const insert = `insert into events (job, number, type, at, actor, run, data)
			select ?1, coalesce(max(number), 0) + 1, ?2, ?3, ?4, ?5, ?6 from events where job = ?1`
		if _, err := c.exec(insert, number, e.Type, e.At, e.Actor, e.Run, e.Data); err != nil {
			return err
		}
		if replaced == 0 {
			continue
		}
		if _, err := c.exec("delete from events where job = ? and number = ?", number, replaced); err != nil {
			return err
		}
	}
	return nil
}

// Events implements the store of jobs.
func (s *db) Events(ctx context.Context, number int64, after int64, limit int) (events []store.Event, err error) {
	const text = "select number, type, at, actor, run, data from events where job = ? and number > ? order by number limit ?"
	err = s.read(ctx, func(c *conn) error {
		return c.query(ctx, text, []any{number, after, sqlLimit(limit)}, func(r *row) error {
			events = append(events, store.Event{Number: r.int64(), Type: r.string(), At: r.time(), Actor: r.string(),
				Run: r.int(), Data: r.bytes()})
			return nil
		})
	})
	return events, err
}

// sqlLimit returns a limit as SQLite takes it: all rows when it is 0.
func sqlLimit(limit int) int {
	if limit <= 0 {
		return -1
	}
	return limit
}

// Value implements the store of jobs.
func (s *db) Value(ctx context.Context, name string) (value []byte, err error) {
	err = s.read(ctx, func(c *conn) error {
		found, err := c.one(ctx, `select value from "values" where name = ?`, []any{name}, func(r *row) { value = r.bytes() })
		if err == nil && !found {
			err = store.ErrNotFound
		}
		return err
	})
	return value, err
}

// SetValue implements the store of jobs.
func (s *db) SetValue(ctx context.Context, name string, value []byte) error {
	return s.write(ctx, func(c *conn) error {
		const text = `insert into "values" (name, value) values (?, ?) on conflict (name) do update set value = excluded.value`
		_, err := c.exec(text, name, value)
		return err
	})
}
