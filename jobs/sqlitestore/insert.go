package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/windrow-go/windrow/jobs/internal/store"
)

// An Insert of many items takes several transactions, so that other calls write in between, also while the iterator waits
// for its source. Until the last one the job is hidden.
const (
	groupItems = 1000
	groupBytes = 1 << 20 // of keys and inputs
)

// insertion is an Insert that is under way.
type insertion struct {
	s      *db
	job    store.Job
	events []store.Event
	hidden bool // the row of the job is stored
	group  []store.Item
	bytes  int
	op     int // of the last item
	next   int64
	totals map[int]bool // operations whose total is counted here
}

// Insert implements the store of jobs. An Insert that its process does not survive has stored nothing that is seen; its
// rows are removed as those of a deleted job.
func (s *db) Insert(ctx context.Context, job store.Job, items iter.Seq2[store.Item, error], events ...store.Event) (store.Job, bool, error) {
	if job.Key != "" { // without reading the items
		switch j, err := s.byKey(ctx, job.Tenant, job.Key); {
		case err == nil:
			return j, false, nil
		case !errors.Is(err, store.ErrNotFound):
			return store.Job{}, false, err
		}
	}
	in := &insertion{s: s, job: job, events: events, totals: map[int]bool{}}
	err := in.collect(ctx, items)
	var stored store.Job
	var inserted bool
	if err == nil {
		stored, inserted, err = in.finish(ctx)
	}
	if in.hidden && (err != nil || !inserted) {
		in.remove()
	}
	if err != nil {
		return store.Job{}, false, err
	}
	return stored, inserted, nil
}

func (s *db) byKey(ctx context.Context, tenant, key string) (j store.Job, err error) {
	err = s.read(ctx, func(c *conn) error {
		j, err = loadJob(ctx, c, whereKey, tenant, key)
		return err
	})
	return j, err
}

const whereKey = "where tenant = ? and key = ? and key <> '' and hidden = 0"

// collect reads the items and stores all groups but the last one.
func (in *insertion) collect(ctx context.Context, items iter.Seq2[store.Item, error]) error {
	if items == nil {
		return nil
	}
	in.op = -1
	for it, err := range items {
		if err != nil {
			return err
		}
		if len(in.group) >= groupItems || in.bytes >= groupBytes {
			if err := in.s.write(ctx, in.flush); err != nil {
				return err
			}
		}
		if err := in.follow(&it); err != nil {
			return err
		}
		in.group = append(in.group, it)
		in.bytes += len(it.Key) + len(it.Input)
	}
	return ctx.Err()
}

// follow checks the order of the items.
func (in *insertion) follow(it *store.Item) error {
	if it.Op != in.op {
		if it.Op < in.op {
			return fmt.Errorf("sqlitestore: an item of operation %d comes after one of operation %d", it.Op, in.op)
		}
		in.op, in.next = it.Op, 0
		in.totals[it.Op] = true
	}
	if it.Index != in.next {
		return fmt.Errorf("sqlitestore: item %d of operation %d comes where item %d should", it.Index, it.Op, in.next)
	}
	in.next++
	return nil
}

// flush stores the group, and before the first one the hidden row of the job.
func (in *insertion) flush(c *conn) error {
	if !in.hidden {
		number, err := insertJob(c, in.job, 2)
		if err != nil {
			return err
		}
		in.job.Number = number
	}
	if err := in.insertGroup(c); err != nil {
		return err
	}
	in.hidden = true
	return nil
}

func (in *insertion) insertGroup(c *conn) error {
	for from, to := 0, 0; from < len(in.group); from = to {
		first := &in.group[from]
		for to = from + 1; to < len(in.group) && in.group[to].Op == first.Op; to++ {
		}
		rows := inserter{c: c}
		if err := rows.insert(in.job.Number, first.Op, first.Index, in.group[from:to]); err != nil {
			return err
		}
		if err := addTally(c, in.job.Number, first.Op, &rows.tally); err != nil {
			return err
		}
	}
	clear(in.group)
	in.group, in.bytes = in.group[:0], 0
	return nil
}

// finish stores the last group and shows the job.
func (in *insertion) finish(ctx context.Context) (stored store.Job, inserted bool, err error) {
	err = in.s.write(ctx, func(c *conn) error {
		if in.job.Key != "" {
			stored, err = loadJob(ctx, c, whereKey, in.job.Tenant, in.job.Key)
			if !errors.Is(err, store.ErrNotFound) {
				return err
			}
		}
		number := in.job.Number
		if !in.hidden {
			if number, err = insertJob(c, in.job, 0); err != nil {
				return err
			}
			in.job.Number = number
		}
		if err := in.insertGroup(c); err != nil {
			return err
		}
		if err := in.given(c); err != nil {
			return err
		}
		if _, err := c.exec("update jobs set hidden = 0 where number = ?", number); err != nil {
			return err
		}
		if err := addEvents(ctx, c, number, in.events); err != nil {
			return err
		}
		inserted = true
		stored, err = loadJob(ctx, c, byNumber, number)
		return err
	})
	return stored, inserted, err
}

// given stores the counts of operations without items as the caller gave them.
func (in *insertion) given(c *conn) error {
	for _, o := range in.job.Operations {
		if in.totals[o.Index] {
			continue
		}
		var t store.Tally
		t.Set(o.Counts)
		if err := addTally(c, in.job.Number, o.Index, &t); err != nil {
			return err
		}
	}
	return nil
}

// remove removes what is stored of a job that was not inserted. What it cannot remove goes as a deleted job does.
func (in *insertion) remove() {
	ctx := context.Background()
	for more := true; more; {
		err := in.s.write(ctx, func(c *conn) (err error) {
			more, err = deleteRows(c, in.job.Number, 10*groupItems)
			return err
		})
		if err != nil {
			_ = in.s.write(ctx, func(c *conn) error {
				_, err := c.exec("update jobs set hidden = 1 where number = ? and hidden = 2", in.job.Number)
				return err
			}) // Open does it otherwise
			return
		}
	}
}

// insertJob inserts the row of a job and those of its operations, and returns its number.
func insertJob(c *conn, j store.Job, hidden int) (number int64, err error) {
	taken, err := c.one(context.Background(), "select 1 from jobs where id = ?", []any{j.ID}, func(*row) {})
	if err != nil {
		return 0, err
	}
	if taken {
		return 0, fmt.Errorf("a job with the id %q is stored already: %w", j.ID, store.ErrConflict)
	}
	labels, err := encode(j.Labels, len(j.Labels))
	if err != nil {
		return 0, err
	}
	resources, err := encode(j.Resources, len(j.Resources))
	if err != nil {
		return 0, err
	}
	const insert = `insert into jobs (id, tenant, actor, type, description, key, key_hash, labels, resources, priority, state,
		reason, run, created, queued, started, ended, epoch, owner, lease_until, hidden)
		values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	_, err = c.exec(insert, j.ID, j.Tenant, j.Actor, j.Type, j.Description, j.Key, j.KeyHash, labels, resources, j.Priority,
		uint8(j.State), j.Reason, j.Run, j.Created, j.Queued, j.Started, j.Ended, j.Epoch, j.Owner, j.LeaseUntil, hidden)
	if err != nil {
		return 0, err
	}
	if _, err := c.one(context.Background(), "select last_insert_rowid()", nil, func(r *row) { number = r.int64() }); err != nil {
		return 0, err
	}
	if len(j.Spec) > 0 {
		if _, err := c.exec("insert into specs (job, spec) values (?, ?)", number, j.Spec); err != nil {
			return 0, err
		}
	}
	for _, o := range j.Operations {
		const insert = "insert into operations (job, op, phase, next) values (?, ?, ?, ?)"
		if _, err := c.exec(insert, number, o.Index, uint8(o.Phase), o.Next); err != nil {
			return 0, err
		}
	}
	return number, nil
}
