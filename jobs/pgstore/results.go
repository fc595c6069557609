package pgstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/windrow-go/windrow/jobs/internal/store"
)

// addTally adds a tally to the row of an operation, which must be there.
func addTally(ctx context.Context, tx pgx.Tx, job int64, op int, t *store.Tally) error {
	if *t == (store.Tally{}) {
		return nil
	}
	const add = `update operations set total = total + $3, succeeded = succeeded + $4, failed = failed + $5, skipped = skipped + $6,
		unknown = unknown + $7, elapsed = elapsed + $8 where job = $1 and op = $2`
	tag, err := tx.Exec(ctx, add, job, op, t.Total, t.States[store.ItemSucceeded], t.States[store.ItemFailed], t.States[store.ItemSkipped],
		t.States[store.ItemUnknown], t.Elapsed)
	if err == nil && tag.RowsAffected() == 0 {
		err = fmt.Errorf("the job has no operation %d", op)
	}
	return err
}

// storeResults stores results of items of an operation and counts them. ErrConflict if an item is not in the state that it was
// in. The row of the job is locked.
func storeResults(ctx context.Context, tx pgx.Tx, job int64, op int, results []store.Result) error {
	if len(results) == 0 {
		return nil
	}
	_, total, _, err := phaseOf(ctx, tx, job, op)
	if err != nil {
		return err
	}
	for i := range results {
		if index := results[i].Index; index < 0 || index >= total {
			return fmt.Errorf("operation %d has no item %d: %w", op, index, store.ErrNotFound)
		}
	}
	var t store.Tally
	for len(results) > 0 { // an item may have several results: one statement takes one of them
		seen := make(map[int64]bool, len(results))
		n := 0
		for n < len(results) && !seen[results[n].Index] {
			seen[results[n].Index] = true
			n++
		}
		if err := updateItems(ctx, tx, job, op, results[:n], &t); err != nil {
			return err
		}
		results = results[n:]
	}
	return addTally(ctx, tx, job, op, &t)
}

// updateItems stores results of different items with one statement.
func updateItems(ctx context.Context, tx pgx.Tx, job int64, op int, results []store.Result, t *store.Tally) error {
	n := len(results)
	index, state, was, reason, kind := make([]int64, n), make([]int16, n), make([]int16, n), make([]int16, n), make([]int16, n)
	resend, attempts, elapsed, run, at := make([]int16, n), make([]int32, n), make([]int64, n), make([]int64, n), make([]int64, n)
	id, message, fingerprint, warnings := make([][]byte, n), make([][]byte, n), make([][]byte, n), make([][]byte, n)
	code, settled := make([]*string, n), make([]int64, n)
	var again []int64 // items that had a result, whose time is counted
	for i := range results {
		r := &results[i]
		if err := t.Add(r.Was, -1); err != nil {
			return err
		}
		if err := t.Add(r.State, 1); err != nil {
			return err
		}
		if r.Was != 0 {
			again = append(again, r.Index)
		}
		t.Elapsed += r.Elapsed.Microseconds()
		index[i], state[i], was[i], reason[i], kind[i] = r.Index, int16(r.State), int16(r.Was), int16(r.Reason), int16(r.Kind)
		resend[i], attempts[i], elapsed[i], run[i], at[i] = number16(r.Resend), int32(r.Attempts), r.Elapsed.Microseconds(), int64(r.Run), micros(r.At)
		id[i], message[i], fingerprint[i], code[i], settled[i] = bytesOf(r.ID), bytesOf(r.Message), bytesOf(r.Fingerprint), codeOf(r.Code), r.Settled
		var err error
		if warnings[i], err = encode(r.Warnings, len(r.Warnings)); err != nil {
			return err
		}
	}
	if len(again) > 0 {
		var before int64
		const sum = "select coalesce(sum(elapsed), 0)::bigint from items where job = $1 and op = $2 and idx = any($3)"
		if err := tx.QueryRow(ctx, sum, job, op, again).Scan(&before); err != nil {
			return err
		}
		t.Elapsed -= before
	}
	// Without the bounds Postgres reads all items of the operation for each statement when its statistics lag behind. In
	// a nested loop, which it chooses from the sixth statement of a connection on, it compares each result with each item.
	const update = `update items set state = u.state, reason = u.reason, kind = u.kind, resend = u.resend, attempts = u.attempts, elapsed = u.elapsed,
			run = u.run, at = u.at, id = u.id, code = u.code, message = u.message, fingerprint = u.fingerprint, warnings = u.warnings, settled = u.settled
		from unnest($3::bigint[], $4::smallint[], $5::smallint[], $6::smallint[], $7::smallint[], $8::smallint[], $9::integer[], $10::bigint[],
			$11::bigint[], $12::bigint[], $13::bytea[], $14::text[], $15::bytea[], $16::bytea[], $17::bytea[], $18::bigint[])
			as u(idx, state, was, reason, kind, resend, attempts, elapsed, run, at, id, code, message, fingerprint, warnings, settled)
		where items.job = $1 and items.op = $2 and items.idx = u.idx and items.state = u.was and items.idx between $19 and $20`
	var batch pgx.Batch
	batch.Queue("set local enable_nestloop = off")
	batch.Queue(update, job, op, index, state, was, reason, kind, resend, attempts, elapsed, run, at, id, code, message, fingerprint, warnings, settled,
		slices.Min(index), slices.Max(index))
	batch.Queue("set local enable_nestloop to default")
	sent := tx.SendBatch(ctx, &batch)
	_, off := sent.Exec()
	tag, err := sent.Exec()
	if err := cmp.Or(off, err, sent.Close()); err != nil {
		return err
	}
	if tag.RowsAffected() != int64(n) {
		return fmt.Errorf("item %d of operation %d, or one of %d behind it, is not in the state that it was in: %w", results[0].Index, op, n-1, store.ErrConflict)
	}
	return nil
}
