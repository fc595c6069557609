package pgstore

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/jackc/pgx/v5"

	"github.com/windrow-go/windrow/jobs/internal/store"
)

// groupItems is how many items are copied at a time.
const groupItems = 1000

// Insert implements the store of jobs: in one transaction, while the items are read.
func (s *db) Insert(ctx context.Context, job store.Job, items iter.Seq2[store.Item, error], events ...store.Event) (stored store.Job, inserted bool, err error) {
	// The items may come slowly, and no other call waits for rows of a job that is not there yet.
	err = s.transact(ctx, "read committed", 20*s.stalled, func(tx pgx.Tx) error {
		number, err := insertJob(ctx, tx, job)
		for number == 0 && err == nil { // not stored
			stored, err = loadJob(ctx, tx, byKey+" for share", textOf(job.Tenant), textOf(job.Key))
			if !errors.Is(err, store.ErrNotFound) {
				return err
			}
			number, err = insertJob(ctx, tx, job) // the job with that key was deleted meanwhile
		}
		if err != nil {
			return err
		}
		in := &insertion{tx: tx, job: number, op: -1, totals: map[int]bool{}}
		if items != nil {
			for it, err := range items {
				if err == nil {
					err = in.add(ctx, it)
				}
				if err != nil {
					return err
				}
			}
		}
		if err := in.flush(ctx); err != nil {
			return err
		}
		if err := in.given(ctx, job.Operations); err != nil {
			return err
		}
		if err := addEvents(ctx, tx, number, events); err != nil {
			return err
		}
		inserted = true
		stored, err = loadJob(ctx, tx, byNumber, number)
		return err
	})
	if err != nil {
		return store.Job{}, false, err
	}
	return stored, inserted, nil
}

const byKey = "where tenant = $1 and key = $2 and key <> '' and hidden = 0"

// insertJob inserts the row of a job and those of its operations. It waits for a transaction that inserts one with the same
// key. The number is 0 when there was such a job. ErrConflict for an id that another job has.
func insertJob(ctx context.Context, tx pgx.Tx, j store.Job) (number int64, err error) {
	labels, err := encode(j.Labels, len(j.Labels))
	if err != nil {
		return 0, err
	}
	resources, err := encode(j.Resources, len(j.Resources))
	if err != nil {
		return 0, err
	}
	const insert = `insert into jobs (id, tenant, actor, type, description, key, key_hash, labels, resources, priority, state, reason, run,
		created, queued, started, ended, epoch, owner, lease_until)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
		on conflict do nothing returning number`
	err = tx.QueryRow(ctx, insert, textOf(j.ID), textOf(j.Tenant), textOf(j.Actor), textOf(j.Type), textOf(j.Description), textOf(j.Key), j.KeyHash, labels, resources, j.Priority, int64(j.State),
		textOf(j.Reason), j.Run, micros(j.Created), micros(j.Queued), micros(j.Started), micros(j.Ended), j.Epoch, textOf(j.Owner), micros(j.LeaseUntil)).Scan(&number)
	if errors.Is(err, pgx.ErrNoRows) {
		var taken bool
		const other = "select exists (select from jobs where id = $1 and (tenant <> $2 or key <> $3 or key = '' or hidden <> 0))"
		err = tx.QueryRow(ctx, other, textOf(j.ID), textOf(j.Tenant), textOf(j.Key)).Scan(&taken)
		if err == nil && taken {
			err = fmt.Errorf("a job with the id %q is stored already: %w", j.ID, store.ErrConflict)
		}
		return 0, err
	}
	if err != nil {
		return 0, err
	}
	if len(j.Spec) > 0 {
		if _, err := tx.Exec(ctx, "insert into specs (job, spec) values ($1, $2)", number, j.Spec); err != nil {
			return 0, err
		}
	}
	for _, o := range j.Operations {
		const insert = "insert into operations (job, op, phase, next) values ($1, $2, $3, $4)"
		if _, err := tx.Exec(ctx, insert, number, o.Index, int64(o.Phase), o.Next); err != nil {
			return 0, err
		}
	}
	return number, nil
}

// insertion stores the items of an Insert.
type insertion struct {
	tx     pgx.Tx
	job    int64
	group  []store.Item
	op     int // of the last item
	next   int64
	totals map[int]bool // operations whose total is counted here
}

// add adds an item, and checks the order.
func (in *insertion) add(ctx context.Context, it store.Item) error {
	if it.Op != in.op || len(in.group) >= groupItems {
		if err := in.flush(ctx); err != nil {
			return err
		}
	}
	if it.Op != in.op {
		if it.Op < in.op {
			return fmt.Errorf("an item of operation %d comes after one of operation %d", it.Op, in.op)
		}
		in.op, in.next = it.Op, 0
		in.totals[it.Op] = true
	}
	if it.Index != in.next {
		return fmt.Errorf("item %d of operation %d comes where item %d should", it.Index, it.Op, in.next)
	}
	in.next++
	in.group = append(in.group, it)
	return nil
}

func (in *insertion) flush(ctx context.Context) error {
	if len(in.group) == 0 {
		return ctx.Err()
	}
	err := copyItems(ctx, in.tx, in.job, in.op, in.group[0].Index, in.group)
	in.group = in.group[:0]
	return err
}

// given stores the counts of operations without items as the caller gave them.
func (in *insertion) given(ctx context.Context, operations []store.Operation) error {
	for _, o := range operations {
		if in.totals[o.Index] {
			continue
		}
		var t store.Tally
		t.Set(o.Counts)
		if err := addTally(ctx, in.tx, in.job, o.Index, &t); err != nil {
			return err
		}
	}
	return nil
}

var itemColumns = []string{"job", "op", "idx", "key", "state", "reason", "kind", "resend", "attempts", "elapsed", "run", "at", "id", "code", "message",
	"fingerprint", "warnings", "settled"}

// copyItems stores items of an operation, the first one with an index and the others behind it, and counts them.
func copyItems(ctx context.Context, tx pgx.Tx, job int64, op int, index int64, items []store.Item) error {
	t := store.Tally{Total: int64(len(items))}
	var inputs [][]any
	_, err := tx.CopyFrom(ctx, pgx.Identifier{"items"}, itemColumns, pgx.CopyFromSlice(len(items), func(i int) ([]any, error) {
		it := &items[i]
		r, at := &it.Result, index+int64(i)
		if err := t.Add(r.State, 1); err != nil {
			return nil, err
		}
		t.Elapsed += r.Elapsed.Microseconds()
		if len(it.Input) > 0 {
			inputs = append(inputs, []any{job, op, at, it.Input})
		}
		warnings, err := encode(r.Warnings, len(r.Warnings))
		return []any{job, op, at, []byte(it.Key), int16(r.State), int16(r.Reason), int16(r.Kind), number16(r.Resend), r.Attempts, r.Elapsed.Microseconds(),
			r.Run, micros(r.At), bytesOf(r.ID), codeOf(r.Code), bytesOf(r.Message), bytesOf(r.Fingerprint), warnings, r.Settled}, err
	}))
	if err != nil {
		return err
	}
	if len(inputs) > 0 {
		if _, err := tx.CopyFrom(ctx, pgx.Identifier{"inputs"}, []string{"job", "op", "idx", "input"}, pgx.CopyFromRows(inputs)); err != nil {
			return err
		}
	}
	return addTally(ctx, tx, job, op, &t)
}

func number16(b bool) int16 {
	if b {
		return 1
	}
	return 0
}

// bytesOf returns a string for a column that is null when it is empty.
func bytesOf(s string) []byte {
	if s == "" {
		return nil
	}
	return []byte(s)
}

// codeOf returns a code as it is stored: null when it is empty.
func codeOf(s string) *string {
	if s == "" {
		return nil
	}
	return new(textOf(s))
}
