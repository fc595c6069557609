package sqlitestore

import (
	"context"
	"fmt"
	"slices"

	"github.com/windrow-go/windrow/jobs/internal/store"
)

// phaseOf returns the phase of an operation and the number of its items.
func phaseOf(c *conn, job int64, op int) (phase store.Phase, total, next int64, err error) {
	const read = "select phase, total, next from operations where job = ? and op = ?"
	found, err := c.one(context.Background(), read, []any{job, op}, func(r *row) {
		phase, total, next = store.Phase(r.uint8()), r.int64(), r.int64()
	})
	if err == nil && !found {
		err = fmt.Errorf("the job has no operation %d: %w", op, store.ErrNotFound)
	}
	return phase, total, next, err
}

// BeginExpansion implements the store of jobs. ErrConflict for an operation that is Ready or Done.
func (s *db) BeginExpansion(ctx context.Context, lease store.JobLease, op int) error {
	return s.write(ctx, func(c *conn) error {
		if err := holdJob(c, lease); err != nil {
			return err
		}
		phase, _, _, err := phaseOf(c, lease.Job, op)
		if err != nil {
			return err
		}
		if phase > store.Expanding {
			return store.ErrConflict
		}
		for _, text := range [...]string{
			"delete from items where job = ? and op = ?",
			"delete from inputs where job = ? and op = ?",
		} {
			if _, err := c.execContext(ctx, text, lease.Job, op); err != nil {
				return err
			}
		}
		const begin = `update operations set phase = ?, next = 0, total = 0, succeeded = 0, failed = 0, skipped = 0, unknown = 0,
			elapsed = 0 where job = ? and op = ?`
		_, err = c.exec(begin, uint8(store.Expanding), lease.Job, op)
		return err
	})
}

// AddItems implements the store of jobs. ErrConflict for an operation that is not expanding.
func (s *db) AddItems(ctx context.Context, lease store.JobLease, op int, items []store.Item) error {
	return s.write(ctx, func(c *conn) error {
		if err := holdJob(c, lease); err != nil {
			return err
		}
		phase, total, _, err := phaseOf(c, lease.Job, op)
		if err != nil {
			return err
		}
		if phase != store.Expanding {
			return store.ErrConflict
		}
		if stored, err := store.Stored(total, items); stored || err != nil {
			return err
		}
		rows := inserter{c: c}
		for some := range slices.Chunk(items, 8*insertRows) {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := rows.insert(lease.Job, op, total, some); err != nil {
				return err
			}
			total += int64(len(some))
		}
		return addTally(c, lease.Job, op, &rows.tally)
	})
}

// SetItems implements the store of jobs. ErrConflict if an item is not in the state that it was in.
func (s *db) SetItems(ctx context.Context, lease store.JobLease, op int, set []store.Result) error {
	return s.write(ctx, func(c *conn) error {
		if err := holdJob(c, lease); err != nil {
			return err
		}
		return results(ctx, c, lease.Job, op, set)
	})
}

// Repeated implements the store of jobs. The keys are sorted on disk.
func (s *db) Repeated(ctx context.Context, number int64, op, limit int) (indexes []int64, err error) {
	const text = `select idx from (
			select idx, state, row_number() over (partition by key order by idx) as nth from items where job = ? and op = ?
		) where nth > 1 and state = 0 order by idx limit ?`
	err = s.read(ctx, func(c *conn) error {
		return c.query(ctx, text, []any{number, op, sqlLimit(limit)}, func(r *row) error {
			indexes = append(indexes, r.int64())
			return nil
		})
	})
	return indexes, err
}

// SetPhase implements the store of jobs. ErrConflict if the operation is in a later phase.
func (s *db) SetPhase(ctx context.Context, lease store.JobLease, op int, phase store.Phase, events ...store.Event) error {
	return s.write(ctx, func(c *conn) error {
		if err := holdJob(c, lease); err != nil {
			return err
		}
		was, _, _, err := phaseOf(c, lease.Job, op)
		if err != nil {
			return err
		}
		if was > phase {
			return store.ErrConflict
		}
		if was == phase {
			return nil
		}
		if _, err := c.exec("update operations set phase = ? where job = ? and op = ?", uint8(phase), lease.Job, op); err != nil {
			return err
		}
		return addEvents(ctx, c, lease.Job, events)
	})
}
