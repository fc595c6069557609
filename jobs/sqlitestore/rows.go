package sqlitestore

import (
	"context"
	"fmt"
	"slices"

	"github.com/windrow-go/windrow/jobs/internal/store"
)

// addTally adds a tally to the row of an operation, which must be there.
func addTally(c *conn, job int64, op int, t *store.Tally) error {
	if *t == (store.Tally{}) {
		return nil
	}
	const add = `update operations set total = total + ?, succeeded = succeeded + ?, failed = failed + ?,
		skipped = skipped + ?, unknown = unknown + ?, elapsed = elapsed + ? where job = ? and op = ?`
	n, err := c.exec(add, t.Total, t.States[store.ItemSucceeded], t.States[store.ItemFailed], t.States[store.ItemSkipped],
		t.States[store.ItemUnknown], t.Elapsed, job, op)
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

// number returns n as it is stored in a column that is null when it is 0.
func number(n int64) any {
	if n == 0 {
		return nil
	}
	return n
}

// inserter inserts items in order.
type inserter struct {
	c     *conn
	tally store.Tally
	args  []any // reused
}

// insert inserts items of an operation, the first one with an index and the others behind it.
func (in *inserter) insert(job int64, op int, index int64, items []store.Item) (err error) {
	for n := 0; len(items) > 0; items, index = items[n:], index+int64(n) {
		if n = in.many(items); n > 0 {
			in.args = append(in.args[:0], job, op, index)
			for i := range items[:n] {
				in.args = append(in.args, []byte(items[i].Key))
			}
			_, err = in.c.exec(insertMany, in.args...)
		} else if n = 1; plainItem(&items[0]) {
			_, err = in.c.exec("insert into items (job, op, idx, key) values (?, ?, ?, ?)", job, op, index, []byte(items[0].Key))
		} else {
			err = in.insertEnded(job, op, index, &items[0])
		}
		if err != nil {
			return err
		}
		in.tally.Total += int64(n)
		for i := range items[:n] {
			if len(items[i].Input) == 0 {
				continue
			}
			const insert = "insert into inputs (job, op, idx, input) values (?, ?, ?, ?)"
			if _, err := in.c.exec(insert, job, op, index+int64(i), items[i].Input); err != nil {
				return err
			}
		}
	}
	return nil
}

// many returns how many items go into one statement; 0 if it is not to be used.
func (in *inserter) many(items []store.Item) int {
	if len(items) < insertRows {
		return 0
	}
	for i := range items[:insertRows] {
		if !plainItem(&items[i]) {
			return 0
		}
	}
	return insertRows
}

func (in *inserter) insertEnded(job int64, op int, index int64, it *store.Item) error {
	r := &it.Result
	warnings, err := encode(r.Warnings, len(r.Warnings))
	if err != nil {
		return err
	}
	if err := in.tally.Add(r.State, 1); err != nil {
		return err
	}
	in.tally.Elapsed += r.Elapsed.Microseconds()
	const insert = `insert into items (job, op, idx, key, state, reason, kind, resend, attempts, elapsed, run, at, id, code,
		message, fingerprint, warnings, settled) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	_, err = in.c.exec(insert, job, op, index, []byte(it.Key), r.State, r.Reason, r.Kind, r.Resend, r.Attempts, r.Elapsed,
		r.Run, r.At, text(r.ID), text(r.Code), text(r.Message), text(r.Fingerprint), warnings, number(r.Settled))
	return err
}

// updater stores results of items of one operation.
type updater struct {
	c     *conn
	job   int64
	op    int
	tally store.Tally
	args  []any // reused
}

// count counts a result.
func (u *updater) count(r *store.Result) error {
	if err := u.tally.Add(r.Was, -1); err != nil {
		return err
	}
	if err := u.tally.Add(r.State, 1); err != nil {
		return err
	}
	u.tally.Elapsed += r.Elapsed.Microseconds()
	if r.Was == 0 {
		return nil
	}
	const before = "select elapsed from items where job = ? and op = ? and idx = ?"
	_, err := u.c.one(context.Background(), before, []any{u.job, u.op, r.Index}, func(row *row) { u.tally.Elapsed -= row.int64() })
	return err
}

// update stores results. ErrConflict if an item is not in the state that it was in.
func (u *updater) update(results []store.Result) (err error) {
	for n := 0; len(results) > 0; results = results[n:] {
		var changed int64
		if n = u.many(results); n > 0 {
			changed, err = u.setMany(results[:n])
		} else {
			n = 1
			changed, err = u.set(&results[0])
		}
		if err != nil {
			return err
		}
		if changed != int64(n) {
			return fmt.Errorf("item %d of operation %d, or one of %d behind it, is not in the state that it was in: %w",
				results[0].Index, u.op, n-1, store.ErrConflict)
		}
	}
	return nil
}

// many returns how many results go into one statement; 0 if it is not to be used.
func (u *updater) many(results []store.Result) int {
	if len(results) < updateRows {
		return 0
	}
	first := &results[0]
	for i := range results[:updateRows] {
		r := &results[i]
		if !plainResult(r) || r.State != first.State || r.Attempts != first.Attempts || r.Run != first.Run ||
			i > 0 && r.Index <= results[i-1].Index {
			return 0
		}
	}
	return updateRows
}

func (u *updater) setMany(results []store.Result) (int64, error) {
	first := &results[0]
	u.args = append(u.args[:0], first.State, first.Attempts, first.Run, u.job, u.op)
	for i := range results {
		r := &results[i]
		if err := u.count(r); err != nil {
			return 0, err
		}
		u.args = append(u.args, r.Index, r.Elapsed, r.At, text(r.ID))
	}
	return u.c.exec(updateMany, u.args...)
}

func (u *updater) set(r *store.Result) (int64, error) {
	if err := u.count(r); err != nil {
		return 0, err
	}
	if plainResult(r) {
		const update = `update items set state = ?, attempts = ?, elapsed = ?, run = ?, at = ?, id = ?
			where job = ? and op = ? and idx = ? and state = 0`
		return u.c.exec(update, r.State, r.Attempts, r.Elapsed, r.Run, r.At, text(r.ID), u.job, u.op, r.Index)
	}
	warnings, err := encode(r.Warnings, len(r.Warnings))
	if err != nil {
		return 0, err
	}
	const update = `update items set state = ?, reason = ?, kind = ?, resend = ?, attempts = ?, elapsed = ?, run = ?, at = ?,
		id = ?, code = ?, message = ?, fingerprint = ?, warnings = ?, settled = ? where job = ? and op = ? and idx = ? and state = ?`
	return u.c.exec(update, r.State, r.Reason, r.Kind, r.Resend, r.Attempts, r.Elapsed, r.Run, r.At, text(r.ID), text(r.Code),
		text(r.Message), text(r.Fingerprint), warnings, number(r.Settled), u.job, u.op, r.Index, r.Was)
}

// results stores results of items of an operation and counts them.
func results(ctx context.Context, c *conn, job int64, op int, results []store.Result) error {
	_, total, _, err := phaseOf(c, job, op)
	if err != nil {
		return err
	}
	for i := range results {
		if index := results[i].Index; index < 0 || index >= total {
			return fmt.Errorf("operation %d has no item %d: %w", op, index, store.ErrNotFound)
		}
	}
	u := updater{c: c, job: job, op: op}
	for some := range slices.Chunk(results, 16*updateRows) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := u.update(some); err != nil {
			return err
		}
	}
	return addTally(c, job, op, &u.tally)
}
