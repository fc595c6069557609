package sqlitestore

import (
	"context"
	"encoding/json"
	"time"

	"github.com/windrow-go/windrow/jobs/internal/store"
)

const jobColumns = `select number, id, tenant, actor, type, description, key, key_hash, labels, resources, priority, state, reason,
	run, created, queued, started, ended, epoch, owner, lease_until from jobs `

// scanJob reads the row of a job, without what other tables hold.
func scanJob(r *row) (store.Job, error) {
	j := store.Job{Number: r.int64(), ID: r.string(), Tenant: r.string(), Actor: r.string(), Type: r.string(),
		Description: r.string(), Key: r.string(), KeyHash: r.bytes()}
	if err := decode(r.string(), &j.Labels); err != nil {
		return store.Job{}, err
	}
	if err := decode(r.string(), &j.Resources); err != nil {
		return store.Job{}, err
	}
	j.Priority, j.State, j.Reason, j.Run = r.int(), store.State(r.uint8()), r.string(), r.int()
	j.Created, j.Queued, j.Started, j.Ended = r.time(), r.time(), r.time(), r.time()
	j.Epoch, j.Owner, j.LeaseUntil = r.int64(), r.string(), r.time()
	return j, nil
}

// encode returns labels and the like as JSON; nil when there are none.
func encode(v any, length int) (any, error) {
	if length == 0 {
		return nil, nil
	}
	b, err := json.Marshal(v)
	return string(b), err
}

func decode(text string, to any) error {
	if text == "" {
		return nil
	}
	return json.Unmarshal([]byte(text), to)
}

// complete adds to a job what other tables hold.
func complete(ctx context.Context, c *conn, j *store.Job) error {
	_, err := c.one(ctx, "select spec from specs where job = ?", []any{j.Number}, func(r *row) { j.Spec = r.bytes() })
	if err != nil {
		return err
	}
	const operations = `select op, phase, next, total, succeeded, failed, skipped, unknown, elapsed from operations
		where job = ? order by op`
	return c.query(ctx, operations, []any{j.Number}, func(r *row) error {
		o := store.Operation{Index: r.int(), Phase: store.Phase(r.uint8()), Next: r.int64()}
		o.Counts = store.Counts{Total: r.int64(), Succeeded: r.int64(), Failed: r.int64(), Skipped: r.int64(), Unknown: r.int64()}
		o.Counts.NotAttempted = o.Counts.Total - o.Counts.Done()
		j.Operations = append(j.Operations, o)
		j.Elapsed += r.duration()
		j.Counts.Total += o.Counts.Total
		j.Counts.Succeeded += o.Counts.Succeeded
		j.Counts.Failed += o.Counts.Failed
		j.Counts.Skipped += o.Counts.Skipped
		j.Counts.Unknown += o.Counts.Unknown
		j.Counts.NotAttempted += o.Counts.NotAttempted
		return nil
	})
}

// loadJob returns the job that a condition selects. ErrNotFound.
func loadJob(ctx context.Context, c *conn, where string, values ...any) (store.Job, error) {
	var j store.Job
	var scanned error
	found, err := c.one(ctx, jobColumns+where, values, func(r *row) { j, scanned = scanJob(r) })
	switch {
	case err != nil:
		return store.Job{}, err
	case scanned != nil:
		return store.Job{}, scanned
	case !found:
		return store.Job{}, store.ErrNotFound
	}
	return j, complete(ctx, c, &j)
}

const byNumber = "where number = ? and hidden = 0"

// Get implements the store of jobs.
func (s *db) Get(ctx context.Context, tenant, id string) (j store.Job, err error) {
	err = s.read(ctx, func(c *conn) error {
		j, err = loadJob(ctx, c, "where tenant = ? and id = ? and hidden = 0", tenant, id)
		return err
	})
	return j, err
}

// List implements the store of jobs.
func (s *db) List(ctx context.Context, q store.JobQuery) (jobs []store.Job, err error) {
	const conditions = `hidden = 0 and (?1 = 0 or (?1 >> state) & 1) and (?2 = '' or type = ?2)
		and (?3 = 0 or (created, number) < (?4, ?5)) order by created desc, number desc`
	after, created, number := 0, time.Time{}, int64(0)
	if q.Before != nil {
		after, created, number = 1, q.Before.Created, q.Before.Number
	}
	text, values := jobColumns+"where "+conditions, []any{mask(q.States), q.Type, after, created, number}
	if !q.AllTenants {
		text, values = jobColumns+"where tenant = ?6 and "+conditions, append(values, q.Tenant)
	}
	err = s.read(ctx, func(c *conn) error {
		jobs, err = selectJobs(ctx, c, text, values, q.Limit, func(j store.Job) bool {
			for name, value := range q.Labels {
				if has, ok := j.Labels[name]; !ok || has != value {
					return false
				}
			}
			return true
		})
		return err
	})
	return jobs, err
}

// selectJobs returns jobs that match, at most limit; all when that is 0.
func selectJobs(ctx context.Context, c *conn, text string, values []any, limit int, match func(store.Job) bool) ([]store.Job, error) {
	var jobs []store.Job
	err := c.query(ctx, text, values, func(r *row) error {
		j, err := scanJob(r)
		if err != nil || !match(j) {
			return err
		}
		if jobs = append(jobs, j); len(jobs) == limit {
			return errStop
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i := range jobs {
		if err := complete(ctx, c, &jobs[i]); err != nil {
			return nil, err
		}
	}
	return jobs, nil
}

// mask returns a number with the bits of some states set.
func mask[S ~uint8](states []S) int64 {
	var m int64
	for _, s := range states {
		if s < 63 {
			m |= 1 << s
		}
	}
	if m == 0 && len(states) > 0 {
		return 1 << 62 // a state that nothing is in
	}
	return m
}

// CountJobs implements the store of jobs.
func (s *db) CountJobs(ctx context.Context) (map[store.State]int, error) {
	counts := map[store.State]int{}
	err := s.read(ctx, func(c *conn) error {
		return c.query(ctx, "select state, count(*) from jobs where hidden = 0 group by state", nil, func(r *row) error {
			counts[store.State(r.uint8())] = r.int()
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return counts, nil
}

// Change implements the store of jobs. Whether a lease has expired is judged by the clock of this process.
func (s *db) Change(ctx context.Context, number int64, change store.Change, events ...store.Event) (j store.Job, err error) {
	var refused error // the job is returned with it
	err = s.write(ctx, func(c *conn) error {
		if j, err = loadJob(ctx, c, byNumber, number); err != nil {
			return err
		}
		if refused = change.Refused(&j, time.Now()); refused != nil {
			return refused
		}
		change.Apply(&j)
		const update = `update jobs set state = ?, reason = ?, started = ?, ended = ?, queued = ?, owner = ?, lease_until = ?
			where number = ?`
		_, err := c.exec(update, uint8(j.State), j.Reason, j.Started, j.Ended, j.Queued, j.Owner, j.LeaseUntil, number)
		if err != nil {
			return err
		}
		if err := addEvents(ctx, c, number, events); err != nil {
			return err
		}
		j, err = loadJob(ctx, c, byNumber, number)
		return err
	})
	if err != nil && refused == nil {
		return store.Job{}, err
	}
	return j, err
}

// Claim implements the store of jobs.
func (s *db) Claim(ctx context.Context, claim store.Claim) (j store.Job, err error) {
	const candidates = `select number, resources from jobs where state in (1, 2) and lease_until <= ? and hidden = 0
		order by priority desc, queued, number`
	registered, busy := set(claim.Resources), set(claim.Busy)
	err = s.write(ctx, func(c *conn) error {
		var number int64
		err := c.query(ctx, candidates, []any{claim.Now}, func(r *row) error {
			n, text := r.int64(), r.string()
			var resources []string
			if err := decode(text, &resources); err != nil {
				return err
			}
			for _, name := range resources {
				if !registered[name] || busy[name] {
					return nil
				}
			}
			number = n
			return errStop
		})
		if err != nil {
			return err
		}
		if number == 0 {
			return store.ErrNotFound
		}
		const lease = "update jobs set epoch = epoch + 1, owner = ?, lease_until = ? where number = ?"
		if _, err := c.exec(lease, claim.Owner, claim.Until, number); err != nil {
			return err
		}
		j, err = loadJob(ctx, c, byNumber, number)
		return err
	})
	if err != nil {
		return store.Job{}, err
	}
	return j, nil
}

func set(names []string) map[string]bool {
	m := map[string]bool{}
	for _, n := range names {
		m[n] = true
	}
	return m
}

// Renew implements the store of jobs.
func (s *db) Renew(ctx context.Context, lease store.JobLease, until time.Time) error {
	return s.write(ctx, func(c *conn) error {
		const renew = "update jobs set lease_until = ? where number = ? and epoch = ? and lease_until <> 0 and hidden = 0"
		n, err := c.exec(renew, until, lease.Job, lease.Epoch)
		if err == nil && n == 0 {
			err = store.ErrFenced
		}
		return err
	})
}

// holdJob returns ErrFenced if a lease is not held.
func holdJob(c *conn, lease store.JobLease) error {
	const held = "select 1 from jobs where number = ? and epoch = ? and lease_until <> 0 and hidden = 0"
	found, err := c.one(context.Background(), held, []any{lease.Job, lease.Epoch}, func(*row) {})
	if err == nil && !found {
		err = store.ErrFenced
	}
	return err
}
