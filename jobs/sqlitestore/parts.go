package sqlitestore

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/windrow-go/windrow/jobs/internal/store"
)

// holdPart returns ErrFenced if a lease is not held.
func holdPart(c *conn, p store.PartLease) error {
	const held = `select 1 from parts where job = ? and op = ? and part = ? and epoch = ? and lease_until <> 0
		and job in (select number from jobs where hidden = 0)`
	found, err := c.one(context.Background(), held, []any{p.Job, p.Op, p.Part, p.Epoch}, func(*row) {})
	if err == nil && !found {
		err = store.ErrFenced
	}
	return err
}

// NextPart implements the store of jobs. Whether a lease has expired is judged by the clock of this process.
func (s *db) NextPart(ctx context.Context, lease store.JobLease, op int, size int64, owner string, until time.Time) (p store.Part, err error) {
	if size < 1 {
		return store.Part{}, errors.New("sqlitestore: NextPart needs a size of at least 1")
	}
	err = s.write(ctx, func(c *conn) error {
		if err := holdJob(c, lease); err != nil {
			return err
		}
		phase, total, next, err := phaseOf(c, lease.Job, op)
		if err != nil {
			return err
		}
		if phase != store.Ready {
			return store.ErrNotFound
		}
		p = store.Part{PartLease: store.PartLease{Job: lease.Job, Op: op}}
		const free = `select part, first, behind, epoch + 1 from parts where job = ? and op = ? and done = 0 and lease_until <= ?
			order by part limit 1`
		found, err := c.one(ctx, free, []any{lease.Job, op, time.Now()}, func(r *row) {
			p.Part, p.From, p.To, p.Epoch = r.int64(), r.int64(), r.int64(), r.int64()
		})
		switch {
		case err != nil:
			return err
		case found:
			const take = "update parts set epoch = ?, owner = ?, lease_until = ? where job = ? and op = ? and part = ?"
			_, err := c.exec(take, p.Epoch, owner, until, lease.Job, op, p.Part)
			return err
		case next >= total:
			return store.ErrNotFound
		}
		return newPart(ctx, c, &p, next, min(next+size, total), owner, until)
	})
	if err != nil {
		return store.Part{}, err
	}
	return p, nil
}

// newPart stores a part behind the last one.
func newPart(ctx context.Context, c *conn, p *store.Part, from, to int64, owner string, until time.Time) error {
	const last = "select part from parts where job = ? and op = ? order by part desc limit 1"
	if _, err := c.one(ctx, last, []any{p.Job, p.Op}, func(r *row) { p.Part = r.int64() }); err != nil {
		return err
	}
	p.Part++
	p.From, p.To, p.Epoch = from, to, 1
	const insert = "insert into parts (job, op, part, first, behind, epoch, owner, lease_until) values (?, ?, ?, ?, ?, ?, ?, ?)"
	if _, err := c.exec(insert, p.Job, p.Op, p.Part, p.From, p.To, p.Epoch, owner, until); err != nil {
		return err
	}
	_, err := c.exec("update operations set next = ? where job = ? and op = ?", to, p.Job, p.Op)
	return err
}

// PartItems implements the store of jobs. ErrFenced.
func (s *db) PartItems(ctx context.Context, p store.PartLease) (items []store.Item, intents []store.Intent, err error) {
	err = s.read(ctx, func(c *conn) error {
		if err := holdPart(c, p); err != nil {
			return err
		}
		var from, to int64
		const bounds = "select first, behind from parts where job = ? and op = ? and part = ?"
		if _, err := c.one(ctx, bounds, []any{p.Job, p.Op, p.Part}, func(r *row) { from, to = r.int64(), r.int64() }); err != nil {
			return err
		}
		const all = itemColumns + `, input from items left join inputs using (job, op, idx)
			where job = ? and op = ? and idx >= ? and idx < ? order by idx`
		err = c.query(ctx, all, []any{p.Job, p.Op, from, to}, func(r *row) error {
			it, err := scanItem(r)
			it.Input = r.bytes()
			items = append(items, it)
			return err
		})
		if err != nil {
			return err
		}
		intents, err = intentsOf(ctx, c, p)
		return err
	})
	return items, intents, err
}

// intentsOf returns the intents of a part.
func intentsOf(ctx context.Context, c *conn, p store.PartLease) (intents []store.Intent, err error) {
	const text = `select number, indexes, idempotency_key, attempt, handle, repeatable from intents
		where job = ? and op = ? and part = ? order by number`
	err = c.query(ctx, text, []any{p.Job, p.Op, p.Part}, func(r *row) error {
		in := store.Intent{Number: r.int64()}
		for at, packed := int64(0), r.bytes(); len(packed) > 0; {
			difference, n := binary.Varint(packed)
			if n <= 0 {
				return ErrDamaged
			}
			at, packed = at+difference, packed[n:]
			in.Indexes = append(in.Indexes, at)
		}
		in.IdempotencyKey, in.Attempt, in.Handle, in.Repeatable = r.string(), r.int(), r.string(), r.bool()
		intents = append(intents, in)
		return nil
	})
	return intents, err
}

// Checkpoint implements the store of jobs. ErrConflict if an item is not in the state that it was in.
func (s *db) Checkpoint(ctx context.Context, p store.PartLease, b store.Batch) error {
	return s.write(ctx, func(c *conn) error {
		if err := holdPart(c, p); err != nil {
			return err
		}
		var packed []byte
		for _, in := range b.Intents {
			packed = packed[:0]
			at := int64(0)
			for _, i := range in.Indexes {
				packed = binary.AppendVarint(packed, i-at)
				at = i
			}
			const insert = `insert into intents (job, op, part, number, indexes, idempotency_key, attempt, handle,
				repeatable) values (?, ?, ?, ?, coalesce(?, x''), ?, ?, ?, ?)`
			_, err := c.exec(insert, p.Job, p.Op, p.Part, in.Number, packed, in.IdempotencyKey, in.Attempt, in.Handle, in.Repeatable)
			if err != nil {
				return err
			}
		}
		for _, h := range b.Handles {
			const update = "update intents set handle = ? where job = ? and op = ? and part = ? and number = ?"
			if _, err := c.exec(update, h.Handle, p.Job, p.Op, p.Part, h.Intent); err != nil {
				return err
			}
		}
		return results(ctx, c, p.Job, p.Op, b.Results)
	})
}

// RenewPart implements the store of jobs.
func (s *db) RenewPart(ctx context.Context, p store.PartLease, until time.Time) error {
	return s.write(ctx, func(c *conn) error {
		if err := holdPart(c, p); err != nil {
			return err
		}
		_, err := c.exec("update parts set lease_until = ? where job = ? and op = ? and part = ?", until, p.Job, p.Op, p.Part)
		return err
	})
}

// EndPart implements the store of jobs.
func (s *db) EndPart(ctx context.Context, p store.PartLease, done bool) error {
	return s.write(ctx, func(c *conn) error {
		if err := holdPart(c, p); err != nil {
			return err
		}
		const end = "update parts set done = ?, owner = '', lease_until = 0 where job = ? and op = ? and part = ?"
		if _, err := c.exec(end, done, p.Job, p.Op, p.Part); err != nil || !done {
			return err
		}
		_, err := c.exec("delete from intents where job = ? and op = ? and part = ?", p.Job, p.Op, p.Part)
		return err
	})
}

// OpenParts implements the store of jobs.
func (s *db) OpenParts(ctx context.Context, number int64, op int) (n int, err error) {
	err = s.read(ctx, func(c *conn) error {
		const count = "select count(*) from parts where job = ? and op = ? and done = 0"
		_, err := c.one(ctx, count, []any{number, op}, func(r *row) { n = r.int() })
		return err
	})
	return n, err
}
