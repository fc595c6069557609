package pgstore

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/windrow-go/windrow/jobs/internal/store"
)

const selectItems = `select op, idx, key, state, reason, kind, resend <> 0, attempts, elapsed, run, at, id, code, message, fingerprint, warnings,
	coalesce(settled, 0)`

// selectInput reads the input of an item. It is not a join: for each item of a join Postgres may read all inputs of the
// operation.
const selectInput = ", (select input from inputs as i where i.job = items.job and i.op = items.op and i.idx = items.idx)"

// readItems reads rows of items, with the input behind the other columns or not.
func readItems(ctx context.Context, tx pgx.Tx, input bool, capacity int, text string, values ...any) ([]store.Item, error) {
	rows, err := tx.Query(ctx, text, values...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	items := make([]store.Item, 0, capacity)
	for rows.Next() {
		var it store.Item
		var key, id, message, fingerprint, warnings []byte
		var elapsed, at int64
		r := &it.Result
		to := []any{&it.Op, &it.Index, &key, &r.State, &r.Reason, &r.Kind, &r.Resend, &r.Attempts, &elapsed, &r.Run, &at, &id, read(&r.Code), &message, &fingerprint,
			&warnings, &r.Settled}
		if input {
			to = append(to, &it.Input)
		}
		if err := rows.Scan(to...); err != nil {
			return nil, err
		}
		it.Key, r.ID, r.Message, r.Fingerprint = string(key), string(id), string(message), string(fingerprint)
		r.Index, r.Elapsed, r.At = it.Index, time.Duration(elapsed)*time.Microsecond, timeOf(at)
		if err := decode(warnings, &r.Warnings); err != nil {
			return nil, err
		}
		items = append(items, it)
	}
	return items, rows.Err()
}

// anError is the condition of the index items_errors, which is used only where it stands literally.
const anError = "state in (2, 4)"

// Items implements the store of jobs.
func (s *db) Items(ctx context.Context, number int64, q store.ItemQuery) (items []store.Item, err error) {
	columns := selectItems
	if q.Input {
		columns += selectInput
	}
	const where = ` from items where job = $1 and (op, idx) > ($2::bigint, $3::bigint) and ($4 < 0 or op = $4) and ($5::bigint[] is null or state = any($5))
		and ($6 = '' or code = $6) and ($7 = 0 or run = $7) and ($8::bytea is null or key = $8)`
	const end = " order by op, idx limit $9"
	only := ""
	if len(q.States) > 0 && !slices.ContainsFunc(q.States, func(s uint8) bool { return s != store.ItemFailed && s != store.ItemUnknown }) {
		only = " and " + anError
	}
	after := store.ItemCursor{Op: -1, Index: -1}
	if q.After != nil {
		after = *q.After
	}
	err = s.read(ctx, func(tx pgx.Tx) error {
		items, err = readItems(ctx, tx, q.Input, 0, columns+where+only+end,
			number, after.Op, after.Index, int64(q.Op), numbers(q.States), textOf(q.Code), int64(q.Run), bytesOf(q.Key), all(q.Limit))
		return err
	})
	if err != nil {
		return nil, err
	}
	return items, nil
}

// Recount implements the store of jobs.
func (s *db) Recount(ctx context.Context, number int64) (n store.Counts, err error) {
	err = s.read(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "select state, count(*) from items where job = $1 group by state", number)
		if err != nil {
			return err
		}
		var state uint8
		var items int64
		_, err = pgx.ForEachRow(rows, []any{&state, &items}, func() error {
			n.Add(state, items)
			return nil
		})
		return err
	})
	return n, err
}

// ErrorGroups implements the store of jobs.
func (s *db) ErrorGroups(ctx context.Context, number int64, limit int) (groups []store.ErrorGroup, err error) {
	const text = `select state, kind, code, resend <> 0, (select message from items as i where i.job = $1 and i.op = g.first >> 48
			and i.idx = g.first & 281474976710655), n, first >> 48, first & 281474976710655 from (
			select state, kind, code, resend, count(*) as n, min(op << 48 | idx) as first from items
			where job = $1 and ` + anError + ` group by state, kind, code, resend order by n desc, first limit $2
		) as g order by n desc, first`
	err = s.read(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, text, number, all(limit))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var g store.ErrorGroup
			var message []byte
			if err := rows.Scan(&g.State, &g.Kind, read(&g.Code), &g.Resend, &message, &g.Items, &g.First.Op, &g.First.Index); err != nil {
				return err
			}
			g.Message = string(message)
			groups = append(groups, g)
		}
		return rows.Err()
	})
	return groups, err
}

// Delete implements the store of jobs.
func (s *db) Delete(ctx context.Context, tenant, id string, limit int) (more bool, err error) {
	if limit < 1 {
		return false, errors.New("pgstore: Delete needs a limit of at least 1")
	}
	err = s.write(ctx, func(tx pgx.Tx) error {
		var number, hidden int64
		var state store.State
		const find = "select number, state, hidden from jobs where tenant = $1 and id = $2 for update"
		if err := tx.QueryRow(ctx, find, textOf(tenant), textOf(id)).Scan(&number, (*uint8)(&state), &hidden); err != nil {
			return none(err, store.ErrNotFound)
		}
		if hidden == 0 {
			if !state.Ended() {
				return store.ErrConflict
			}
			if _, err := tx.Exec(ctx, "update jobs set hidden = 1 where number = $1", number); err != nil {
				return err
			}
		}
		left := int64(limit)
		for _, table := range [...]string{"items", "inputs", "intents", "parts", "events", "operations", "specs"} {
			if left == 0 {
				break
			}
			tag, err := tx.Exec(ctx, "delete from "+table+" where ctid = any(array(select ctid from "+table+" where job = $1 limit $2))", number, left)
			if err != nil {
				return err
			}
			left -= tag.RowsAffected()
		}
		if more = left == 0; more {
			return nil
		}
		_, err := tx.Exec(ctx, "delete from jobs where number = $1", number)
		return err
	})
	return more && err == nil, err
}

// Doomed implements the store of jobs.
func (s *db) Doomed(ctx context.Context) (jobs []store.Job, err error) {
	err = s.read(ctx, func(tx pgx.Tx) error {
		if jobs, err = selectJobs(ctx, tx, jobColumns+"where hidden = 1 order by number"); err != nil {
			return err
		}
		return complete(ctx, tx, jobs)
	})
	return jobs, err
}
