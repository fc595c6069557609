package sqlitestore

import (
	"context"
	"fmt"

	"github.com/windrow-go/windrow/jobs/internal/store"
)

// States of items, as package windrow numbers them.
const (
	succeeded = 1
	failed    = 2
	skipped   = 3
	unknown   = 4
)

// tally is what a transaction adds to the counts of an operation.
type tally struct {
	total   int64
	states  [unknown + 1]int64
	elapsed int64 // microseconds
}

func (t *tally) add(state uint8, n int64) error {
	if state > unknown {
		return fmt.Errorf("there is no state %d of an item", state)
	}
	t.states[state] += n
	return nil
}

// store adds the tally to the row of an operation, which must be there.
func (t *tally) store(c *conn, job int64, op int) error {
	if *t == (tally{}) {
		return nil
	}
	const add = `update operations set total = total + ?, succeeded = succeeded + ?, failed = failed + ?,
		skipped = skipped + ?, unknown = unknown + ?, elapsed = elapsed + ? where job = ? and op = ?`
	n, err := c.exec(add, t.total, t.states[succeeded], t.states[failed], t.states[skipped], t.states[unknown], t.elapsed, job, op)
	if err == nil && n == 0 {
		err = fmt.Errorf("the job has no operation %d", op)
	}
	return err
}

// text returns a string as it is stored in a column that is null when it is empty.
func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// inserter inserts items in order.
type inserter struct {
	c     *conn
	tally tally
}

// insert inserts an item of an operation with an index.
func (in *inserter) insert(job int64, op int, index int64, it *store.Item) error {
	r := &it.Result
	var err error
	if r.State == 0 && r.Attempts == 0 && r.Code == "" && r.Message == "" {
		_, err = in.c.exec("insert into items (job, op, idx, key) values (?, ?, ?, ?)", job, op, index, []byte(it.Key))
	} else {
		err = in.insertEnded(job, op, index, it)
	}
	if err != nil {
		return err
	}
	in.tally.total++
	if len(it.Input) == 0 {
		return nil
	}
	_, err = in.c.exec("insert into inputs (job, op, idx, input) values (?, ?, ?, ?)", job, op, index, it.Input)
	return err
}

func (in *inserter) insertEnded(job int64, op int, index int64, it *store.Item) error {
	r := &it.Result
	warnings, err := encode(r.Warnings, len(r.Warnings))
	if err != nil {
		return err
	}
	if err := in.tally.add(r.State, 1); err != nil {
		return err
	}
	in.tally.elapsed += r.Elapsed.Microseconds()
	const insert = `insert into items (job, op, idx, key, state, reason, kind, resend, attempts, elapsed, run, at, id, code,
		message, fingerprint, warnings) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	_, err = in.c.exec(insert, job, op, index, []byte(it.Key), r.State, r.Reason, r.Kind, r.Resend, r.Attempts, r.Elapsed,
		r.Run, r.At, text(r.ID), text(r.Code), text(r.Message), text(r.Fingerprint), warnings)
	return err
}

// updater stores results of items of one operation.
type updater struct {
	c     *conn
	job   int64
	op    int
	tally tally
}

// update stores a result. ErrConflict if the item is not in the state that it was in.
func (u *updater) update(r *store.Result) error {
	if err := u.tally.add(r.Was, -1); err != nil {
		return err
	}
	if err := u.tally.add(r.State, 1); err != nil {
		return err
	}
	u.tally.elapsed += r.Elapsed.Microseconds()
	if r.Was != 0 {
		const before = "select elapsed from items where job = ? and op = ? and idx = ?"
		_, err := u.c.one(context.Background(), before, []any{u.job, u.op, r.Index}, func(row *row) { u.tally.elapsed -= row.int64() })
		if err != nil {
			return err
		}
	}
	n, err := u.set(r)
	if err == nil && n == 0 {
		err = fmt.Errorf("item %d of operation %d is not in state %d: %w", r.Index, u.op, r.Was, store.ErrConflict)
	}
	return err
}

func (u *updater) set(r *store.Result) (int64, error) {
	if r.Was == 0 && r.Reason|r.Kind == 0 && !r.Resend && r.Code == "" && r.Message == "" && r.Fingerprint == "" && len(r.Warnings) == 0 {
		const update = `update items set state = ?, attempts = ?, elapsed = ?, run = ?, at = ?, id = ?
			where job = ? and op = ? and idx = ? and state = 0`
		return u.c.exec(update, r.State, r.Attempts, r.Elapsed, r.Run, r.At, text(r.ID), u.job, u.op, r.Index)
	}
	warnings, err := encode(r.Warnings, len(r.Warnings))
	if err != nil {
		return 0, err
	}
	const update = `update items set state = ?, reason = ?, kind = ?, resend = ?, attempts = ?, elapsed = ?, run = ?, at = ?,
		id = ?, code = ?, message = ?, fingerprint = ?, warnings = ? where job = ? and op = ? and idx = ? and state = ?`
	return u.c.exec(update, r.State, r.Reason, r.Kind, r.Resend, r.Attempts, r.Elapsed, r.Run, r.At, text(r.ID), text(r.Code),
		text(r.Message), text(r.Fingerprint), warnings, u.job, u.op, r.Index, r.Was)
}

// results stores results of items of an operation and counts them.
func results(ctx context.Context, c *conn, job int64, op int, results []store.Result) error {
	u := updater{c: c, job: job, op: op}
	for i := range results {
		if i%256 == 255 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		if err := u.update(&results[i]); err != nil {
			return err
		}
	}
	return u.tally.store(c, job, op)
}
