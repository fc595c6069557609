package sqlitestore

import (
	"context"
	"errors"

	"github.com/windrow-go/windrow/jobs/internal/store"
)

// Delete implements the store of jobs.
func (s *db) Delete(ctx context.Context, tenant, id string, limit int) (more bool, err error) {
	if limit < 1 {
		return false, errors.New("sqlitestore: Delete needs a limit of at least 1")
	}
	err = s.write(ctx, func(c *conn) error {
		var number, hidden int64
		var state store.State
		const find = "select number, state, hidden from jobs where tenant = ? and id = ? and hidden < 2"
		found, err := c.one(ctx, find, []any{tenant, id}, func(r *row) {
			number, state, hidden = r.int64(), store.State(r.uint8()), r.int64()
		})
		switch {
		case err != nil:
			return err
		case !found:
			return store.ErrNotFound
		case hidden == 0 && !state.Ended():
			return store.ErrConflict
		}
		if hidden == 0 {
			if _, err := c.exec("update jobs set hidden = 1 where number = ?", number); err != nil {
				return err
			}
		}
		more, err = deleteRows(c, number, int64(limit))
		return err
	})
	return more && err == nil, err
}

// deleteRows removes up to limit rows of a job, its own row last.
func deleteRows(c *conn, number, limit int64) (more bool, err error) {
	for _, text := range [...]string{
		"delete from items where (job, op, idx) in (select job, op, idx from items where job = ? limit ?)",
		"delete from inputs where (job, op, idx) in (select job, op, idx from inputs where job = ? limit ?)",
		"delete from intents where (job, op, part, number) in (select job, op, part, number from intents where job = ? limit ?)",
		"delete from parts where (job, op, part) in (select job, op, part from parts where job = ? limit ?)",
		"delete from events where (job, number) in (select job, number from events where job = ? limit ?)",
		"delete from operations where (job, op) in (select job, op from operations where job = ? limit ?)",
		"delete from specs where job in (select job from specs where job = ? limit ?)",
		"delete from jobs where number in (select number from jobs where number = ? limit ?)",
	} {
		if limit == 0 {
			return true, nil
		}
		n, err := c.exec(text, number, limit)
		if err != nil {
			return false, err
		}
		limit -= n
	}
	return false, nil
}

// Doomed implements the store of jobs.
func (s *db) Doomed(ctx context.Context) (jobs []store.Job, err error) {
	err = s.read(ctx, func(c *conn) error {
		const text = jobColumns + "where hidden = 1 order by number"
		jobs, err = selectJobs(ctx, c, text, nil, 0, func(store.Job) bool { return true })
		return err
	})
	return jobs, err
}
