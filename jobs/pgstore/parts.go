package pgstore

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/windrow-go/windrow/jobs/internal/store"
)

// BeginExpansion implements the store of jobs. ErrConflict for an operation that is Ready or Done.
func (s *db) BeginExpansion(ctx context.Context, lease store.JobLease, op int) error {
	return s.held(ctx, lease, func(tx pgx.Tx) error {
		phase, _, _, err := phaseOf(ctx, tx, lease.Job, op)
		if err != nil {
			return err
		}
		if phase > store.Expanding {
			return store.ErrConflict
		}
		for _, text := range [...]string{"delete from items where job = $1 and op = $2", "delete from inputs where job = $1 and op = $2"} {
			if _, err := tx.Exec(ctx, text, lease.Job, op); err != nil {
				return err
			}
		}
		const begin = `update operations set phase = $3, next = 0, total = 0, succeeded = 0, failed = 0, skipped = 0, unknown = 0, elapsed = 0
			where job = $1 and op = $2`
		_, err = tx.Exec(ctx, begin, lease.Job, op, int64(store.Expanding))
		return err
	})
}

// held runs f in a transaction in which the lease of a job is held.
func (s *db) held(ctx context.Context, lease store.JobLease, f func(tx pgx.Tx) error) error {
	return s.write(ctx, func(tx pgx.Tx) error {
		if err := holdJob(ctx, tx, lease); err != nil {
			return err
		}
		return f(tx)
	})
}

// AddItems implements the store of jobs. ErrConflict for an operation that is not expanding.
func (s *db) AddItems(ctx context.Context, lease store.JobLease, op int, items []store.Item) error {
	return s.held(ctx, lease, func(tx pgx.Tx) error {
		phase, total, _, err := phaseOf(ctx, tx, lease.Job, op)
		if err != nil {
			return err
		}
		if phase != store.Expanding {
			return store.ErrConflict
		}
		if stored, err := store.Stored(total, items); stored || err != nil {
			return err
		}
		return copyItems(ctx, tx, lease.Job, op, total, items)
	})
}

// SetItems implements the store of jobs. ErrConflict if an item is not in the state that it was in.
func (s *db) SetItems(ctx context.Context, lease store.JobLease, op int, results []store.Result) error {
	return s.held(ctx, lease, func(tx pgx.Tx) error { return storeResults(ctx, tx, lease.Job, op, results) })
}

// Repeated implements the store of jobs.
func (s *db) Repeated(ctx context.Context, number int64, op, limit int) (indexes []int64, err error) {
	const text = `select idx from (
			select idx, state, row_number() over (partition by key order by idx) as nth from items where job = $1 and op = $2
		) as keys where nth > 1 and state = 0 order by idx limit $3`
	err = s.read(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, text, number, op, all(limit))
		if err != nil {
			return err
		}
		indexes, err = pgx.CollectRows(rows, pgx.RowTo[int64])
		return err
	})
	return indexes, err
}

// SetPhase implements the store of jobs. ErrConflict if the operation is in a later phase.
func (s *db) SetPhase(ctx context.Context, lease store.JobLease, op int, phase store.Phase, events ...store.Event) error {
	return s.held(ctx, lease, func(tx pgx.Tx) error {
		was, _, _, err := phaseOf(ctx, tx, lease.Job, op)
		if err != nil {
			return err
		}
		switch {
		case was > phase:
			return store.ErrConflict
		case was == phase:
			return nil
		}
		if _, err := tx.Exec(ctx, "update operations set phase = $3 where job = $1 and op = $2", lease.Job, op, int64(phase)); err != nil {
			return err
		}
		return addEvents(ctx, tx, lease.Job, events)
	})
}

// holdPart locks the row of the job of a part. ErrFenced if the lease of the part is not held.
func holdPart(ctx context.Context, tx pgx.Tx, p store.PartLease) error {
	var one int
	if err := tx.QueryRow(ctx, "select 1 from jobs "+byNumber+"for update", p.Job).Scan(&one); err != nil {
		return none(err, store.ErrFenced)
	}
	return partHeld(ctx, tx, p)
}

func partHeld(ctx context.Context, tx pgx.Tx, p store.PartLease) error {
	const held = "select 1 from parts where job = $1 and op = $2 and part = $3 and epoch = $4 and lease_until <> 0"
	var one int
	return none(tx.QueryRow(ctx, held, p.Job, p.Op, p.Part, p.Epoch).Scan(&one), store.ErrFenced)
}

// NextPart implements the store of jobs. Whether a lease has expired is judged by the clock of this process.
func (s *db) NextPart(ctx context.Context, lease store.JobLease, op int, size int64, owner string, until time.Time) (p store.Part, err error) {
	if size < 1 {
		return store.Part{}, errors.New("pgstore: NextPart needs a size of at least 1")
	}
	err = s.held(ctx, lease, func(tx pgx.Tx) error {
		phase, total, next, err := phaseOf(ctx, tx, lease.Job, op)
		if err != nil {
			return err
		}
		if phase != store.Ready {
			return store.ErrNotFound
		}
		p = store.Part{PartLease: store.PartLease{Job: lease.Job, Op: op}}
		const free = `select part, first, behind, epoch + 1 from parts where job = $1 and op = $2 and done = 0 and lease_until <= $3
			order by part limit 1`
		err = tx.QueryRow(ctx, free, lease.Job, op, micros(time.Now())).Scan(&p.Part, &p.From, &p.To, &p.Epoch)
		if err == nil {
			const take = "update parts set epoch = $4, owner = $5, lease_until = $6 where job = $1 and op = $2 and part = $3"
			_, err := tx.Exec(ctx, take, lease.Job, op, p.Part, p.Epoch, textOf(owner), micros(until))
			return err
		}
		if err := none(err, nil); err != nil {
			return err
		}
		if next >= total {
			return store.ErrNotFound
		}
		p.From, p.To, p.Epoch = next, min(next+size, total), 1
		const insert = `insert into parts (job, op, part, first, behind, epoch, owner, lease_until)
			select $1, $2, coalesce(max(part), 0) + 1, $3, $4, 1, $5, $6 from parts where job = $1 and op = $2 returning part`
		if err := tx.QueryRow(ctx, insert, lease.Job, op, p.From, p.To, textOf(owner), micros(until)).Scan(&p.Part); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "update operations set next = $3 where job = $1 and op = $2", lease.Job, op, p.To)
		return err
	})
	if err != nil {
		return store.Part{}, err
	}
	return p, nil
}

// PartItems implements the store of jobs. ErrFenced.
func (s *db) PartItems(ctx context.Context, p store.PartLease) (items []store.Item, intents []store.Intent, err error) {
	err = s.read(ctx, func(tx pgx.Tx) error {
		if err := partHeld(ctx, tx, p); err != nil {
			return err
		}
		var from, to int64
		const bounds = "select first, behind from parts where job = $1 and op = $2 and part = $3"
		if err := tx.QueryRow(ctx, bounds, p.Job, p.Op, p.Part).Scan(&from, &to); err != nil {
			return err
		}
		const text = selectItems + selectInput + " from items where job = $1 and op = $2 and idx >= $3 and idx < $4 order by idx"
		if items, err = readItems(ctx, tx, true, int(to-from), text, p.Job, p.Op, from, to); err != nil {
			return err
		}
		const made = `select number, indexes, idempotency_key, attempt, handle, repeatable <> 0 from intents
			where job = $1 and op = $2 and part = $3 order by number`
		rows, err := tx.Query(ctx, made, p.Job, p.Op, p.Part)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var in store.Intent
			var key, handle []byte
			if err := rows.Scan(&in.Number, &in.Indexes, &key, &in.Attempt, &handle, &in.Repeatable); err != nil {
				return err
			}
			in.IdempotencyKey, in.Handle = string(key), string(handle)
			intents = append(intents, in)
		}
		return rows.Err()
	})
	return items, intents, err
}

// Checkpoint implements the store of jobs. ErrConflict if an item is not in the state that it was in.
func (s *db) Checkpoint(ctx context.Context, p store.PartLease, b store.Batch) error {
	return s.write(ctx, func(tx pgx.Tx) error {
		if err := holdPart(ctx, tx, p); err != nil {
			return err
		}
		if len(b.Intents) > 0 {
			columns := []string{"job", "op", "part", "number", "indexes", "idempotency_key", "attempt", "handle", "repeatable"}
			_, err := tx.CopyFrom(ctx, pgx.Identifier{"intents"}, columns, pgx.CopyFromSlice(len(b.Intents), func(i int) ([]any, error) {
				in := &b.Intents[i]
				return []any{p.Job, p.Op, p.Part, in.Number, in.Indexes, []byte(in.IdempotencyKey), in.Attempt, []byte(in.Handle), int64(number16(in.Repeatable))}, nil
			}))
			if err != nil {
				return err
			}
		}
		for _, h := range b.Handles {
			const update = "update intents set handle = $5 where job = $1 and op = $2 and part = $3 and number = $4"
			if _, err := tx.Exec(ctx, update, p.Job, p.Op, p.Part, h.Intent, []byte(h.Handle)); err != nil {
				return err
			}
		}
		return storeResults(ctx, tx, p.Job, p.Op, b.Results)
	})
}

// RenewPart implements the store of jobs.
func (s *db) RenewPart(ctx context.Context, p store.PartLease, until time.Time) error {
	return s.write(ctx, func(tx pgx.Tx) error {
		if err := holdPart(ctx, tx, p); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "update parts set lease_until = $4 where job = $1 and op = $2 and part = $3", p.Job, p.Op, p.Part, micros(until))
		return err
	})
}

// EndPart implements the store of jobs.
func (s *db) EndPart(ctx context.Context, p store.PartLease, done bool) error {
	return s.write(ctx, func(tx pgx.Tx) error {
		if err := holdPart(ctx, tx, p); err != nil {
			return err
		}
		const end = "update parts set done = $4, owner = '', lease_until = 0 where job = $1 and op = $2 and part = $3"
		if _, err := tx.Exec(ctx, end, p.Job, p.Op, p.Part, int64(number16(done))); err != nil || !done {
			return err
		}
		_, err := tx.Exec(ctx, "delete from intents where job = $1 and op = $2 and part = $3", p.Job, p.Op, p.Part)
		return err
	})
}

// OpenParts implements the store of jobs.
func (s *db) OpenParts(ctx context.Context, number int64, op int) (n int, err error) {
	err = s.read(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, "select count(*) from parts where job = $1 and op = $2 and done = 0", number, op).Scan(&n)
	})
	return n, err
}
