package pgstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/windrow-go/windrow/jobs/internal/store"
)

const jobColumns = `select number, id, tenant, actor, type, description, key, key_hash, labels, resources, priority, state, reason,
	run, created, queued, started, ended, epoch, owner, lease_until from jobs `

// scanJob reads the row of a job, without what other tables hold.
func scanJob(row pgx.Row) (j store.Job, err error) {
	var labels, resources []byte
	var created, queued, started, ended, lease int64
	err = row.Scan(&j.Number, read(&j.ID), read(&j.Tenant), read(&j.Actor), read(&j.Type), read(&j.Description), read(&j.Key), &j.KeyHash, &labels, &resources, &j.Priority,
		(*uint8)(&j.State), read(&j.Reason), &j.Run, &created, &queued, &started, &ended, &j.Epoch, read(&j.Owner), &lease)
	if err != nil {
		return j, err
	}
	j.Created, j.Queued, j.Started, j.Ended, j.LeaseUntil = timeOf(created), timeOf(queued), timeOf(started), timeOf(ended), timeOf(lease)
	if err := decode(labels, &j.Labels); err != nil {
		return j, err
	}
	return j, decode(resources, &j.Resources)
}

// encode returns labels and the like as JSON; nil when there are none.
func encode(v any, length int) ([]byte, error) {
	if length == 0 {
		return nil, nil
	}
	return json.Marshal(v)
}

func decode(text []byte, to any) error {
	if len(text) == 0 {
		return nil
	}
	return json.Unmarshal(text, to)
}

// loadJob returns the job that a condition selects. ErrNotFound.
func loadJob(ctx context.Context, tx pgx.Tx, where string, values ...any) (store.Job, error) {
	j, err := scanJob(tx.QueryRow(ctx, jobColumns+where, values...))
	if err != nil {
		return store.Job{}, none(err, store.ErrNotFound)
	}
	jobs := []store.Job{j}
	err = complete(ctx, tx, jobs)
	return jobs[0], err
}

// complete adds to jobs what other tables hold.
func complete(ctx context.Context, tx pgx.Tx, jobs []store.Job) error {
	places, numbers := map[int64]*store.Job{}, make([]int64, len(jobs))
	for i := range jobs {
		places[jobs[i].Number], numbers[i] = &jobs[i], jobs[i].Number
	}
	rows, err := tx.Query(ctx, "select job, spec from specs where job = any($1)", numbers)
	if err != nil {
		return err
	}
	var number int64
	var spec []byte
	if _, err := pgx.ForEachRow(rows, []any{&number, &spec}, func() error { places[number].Spec = slices.Clone(spec); return nil }); err != nil {
		return err
	}
	const operations = `select job, op, phase, next, total, succeeded, failed, skipped, unknown, elapsed from operations where job = any($1)
		order by job, op`
	if rows, err = tx.Query(ctx, operations, numbers); err != nil {
		return err
	}
	var o store.Operation
	var elapsed int64
	c := &o.Counts
	to := []any{&number, &o.Index, (*uint8)(&o.Phase), &o.Next, &c.Total, &c.Succeeded, &c.Failed, &c.Skipped, &c.Unknown, &elapsed}
	_, err = pgx.ForEachRow(rows, to, func() error {
		j := places[number]
		c.NotAttempted = c.Total - c.Done()
		j.Operations = append(j.Operations, o)
		j.Elapsed += time.Duration(elapsed) * time.Microsecond
		j.Counts.Total += c.Total
		j.Counts.Succeeded += c.Succeeded
		j.Counts.Failed += c.Failed
		j.Counts.Skipped += c.Skipped
		j.Counts.Unknown += c.Unknown
		j.Counts.NotAttempted += c.NotAttempted
		return nil
	})
	return err
}

const byNumber = "where number = $1 and hidden = 0 "

// Get implements the store of jobs.
func (s *db) Get(ctx context.Context, tenant, id string) (j store.Job, err error) {
	err = s.read(ctx, func(tx pgx.Tx) error {
		j, err = loadJob(ctx, tx, "where tenant = $1 and id = $2 and hidden = 0", textOf(tenant), textOf(id))
		return err
	})
	return j, err
}

// List implements the store of jobs. Labels are compared here, a page of rows at a time.
func (s *db) List(ctx context.Context, q store.JobQuery) (jobs []store.Job, err error) {
	page := q.Limit
	if page > 0 && len(q.Labels) > 0 {
		page = max(page, labelPage)
	}
	err = s.read(ctx, func(tx pgx.Tx) error {
		jobs = nil
		for before := q.Before; ; {
			text, values := listQuery(q, before, page)
			rows, err := selectJobs(ctx, tx, text, values...)
			if err != nil {
				return err
			}
			for _, j := range rows {
				if hasLabels(j, q.Labels) {
					jobs = append(jobs, j)
				}
				if q.Limit > 0 && len(jobs) == q.Limit {
					return complete(ctx, tx, jobs)
				}
			}
			if page <= 0 || len(rows) < page {
				return complete(ctx, tx, jobs)
			}
			last := rows[len(rows)-1]
			before = &store.JobCursor{Created: last.Created, Number: last.Number}
		}
	})
	if err != nil {
		return nil, err
	}
	return jobs, nil
}

// labelPage is how many rows are read at least to look for labels.
const labelPage = 50

// listQuery returns the statement of a page of a list. A condition that is not asked for does not stand in it, so that the
// indexes of lists are used.
func listQuery(q store.JobQuery, before *store.JobCursor, limit int) (text string, values []any) {
	text = jobColumns + "where hidden = 0"
	add := func(condition string, more ...any) {
		places := make([]any, len(more))
		for i := range more {
			places[i] = len(values) + i + 1
		}
		text, values = text+fmt.Sprintf(condition, places...), append(values, more...)
	}
	if !q.AllTenants {
		add(" and tenant = $%d", textOf(q.Tenant))
	}
	if len(q.States) > 0 {
		add(" and state = any($%d::bigint[])", numbers(q.States))
	}
	if q.Type != "" {
		add(" and type = $%d", textOf(q.Type))
	}
	if before != nil {
		add(" and (created, number) < ($%d, $%d)", micros(before.Created), before.Number)
	}
	text += " order by created desc, number desc"
	if limit > 0 {
		add(" limit $%d", limit)
	}
	return text, values
}

func hasLabels(j store.Job, labels map[string]string) bool {
	for name, value := range labels {
		if has, ok := j.Labels[name]; !ok || has != value {
			return false
		}
	}
	return true
}

// numbers returns states as an array; nil when there are none.
func numbers[S ~uint8](states []S) (n []int64) {
	for _, s := range states {
		n = append(n, int64(s))
	}
	return n
}

// selectJobs returns the rows of jobs, without what other tables hold.
func selectJobs(ctx context.Context, tx pgx.Tx, text string, values ...any) ([]store.Job, error) {
	rows, err := tx.Query(ctx, text, values...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (store.Job, error) { return scanJob(row) })
}

// CountJobs implements the store of jobs.
func (s *db) CountJobs(ctx context.Context) (map[store.State]int, error) {
	counts := map[store.State]int{}
	err := s.read(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "select state, count(*) from jobs where hidden = 0 group by state")
		if err != nil {
			return err
		}
		var state uint8
		var n int
		_, err = pgx.ForEachRow(rows, []any{&state, &n}, func() error { counts[store.State(state)] = n; return nil })
		return err
	})
	if err != nil {
		return nil, err
	}
	return counts, nil
}

// Change implements the store of jobs. Whether a lease has expired is judged by the clock of this process.
func (s *db) Change(ctx context.Context, number int64, change store.Change, events ...store.Event) (j store.Job, err error) {
	var refused error // the job is returned with it
	err = s.write(ctx, func(tx pgx.Tx) error {
		if j, err = loadJob(ctx, tx, byNumber+"for update", number); err != nil {
			return err
		}
		if refused = change.Refused(&j, time.Now()); refused != nil {
			return refused
		}
		change.Apply(&j)
		const update = "update jobs set state = $2, reason = $3, started = $4, ended = $5, queued = $6, owner = $7, lease_until = $8 where number = $1"
		_, err := tx.Exec(ctx, update, number, int64(j.State), textOf(j.Reason), micros(j.Started), micros(j.Ended), micros(j.Queued), textOf(j.Owner), micros(j.LeaseUntil))
		if err != nil {
			return err
		}
		if err := addEvents(ctx, tx, number, events); err != nil {
			return err
		}
		j, err = loadJob(ctx, tx, byNumber, number)
		return err
	})
	if err != nil && refused == nil {
		return store.Job{}, err
	}
	return j, err
}

// Claim implements the store of jobs. A job whose row another process has locked is passed over.
func (s *db) Claim(ctx context.Context, claim store.Claim) (j store.Job, err error) {
	const next = `select number from jobs where state in (1, 2) and lease_until <= $1 and hidden = 0
		and not exists (select from json_array_elements(coalesce(convert_from(resources, 'UTF8')::json, '[]')) as r
			where not r::text = any($2::text[]) or r::text = any($3::text[]))
		order by priority desc, queued, number limit 1 for update skip locked`
	registered, busy, err := names(claim)
	if err != nil {
		return store.Job{}, wrap(err)
	}
	err = s.write(ctx, func(tx pgx.Tx) error {
		var number int64
		if err := tx.QueryRow(ctx, next, micros(claim.Now), registered, busy).Scan(&number); err != nil {
			return none(err, store.ErrNotFound)
		}
		const lease = "update jobs set epoch = epoch + 1, owner = $2, lease_until = $3 where number = $1"
		if _, err := tx.Exec(ctx, lease, number, textOf(claim.Owner), micros(claim.Until)); err != nil {
			return err
		}
		j, err = loadJob(ctx, tx, byNumber, number)
		return err
	})
	if err != nil {
		return store.Job{}, err
	}
	return j, nil
}

// names returns the names of resources as the JSON texts that rows of jobs hold. The slices are never nil.
func names(claim store.Claim) (registered, busy []string, err error) {
	texts := func(all []string) []string {
		list := make([]string, len(all))
		for i := range all {
			b, e := json.Marshal(all[i])
			list[i], err = string(b), errors.Join(err, e)
		}
		return list
	}
	return texts(claim.Resources), texts(claim.Busy), err
}

// Renew implements the store of jobs.
func (s *db) Renew(ctx context.Context, lease store.JobLease, until time.Time) error {
	return s.write(ctx, func(tx pgx.Tx) error {
		const renew = "update jobs set lease_until = $3 where number = $1 and epoch = $2 and lease_until <> 0 and hidden = 0"
		tag, err := tx.Exec(ctx, renew, lease.Job, lease.Epoch, micros(until))
		if err == nil && tag.RowsAffected() == 0 {
			err = store.ErrFenced
		}
		return err
	})
}

// holdJob locks the row of a job until the end of the transaction. ErrFenced if the lease is not held. All that writes the
// items of a job locks its row first, so that no two wait for each other.
func holdJob(ctx context.Context, tx pgx.Tx, lease store.JobLease) error {
	const held = "select 1 from jobs where number = $1 and epoch = $2 and lease_until <> 0 and hidden = 0 for update"
	var one int
	return none(tx.QueryRow(ctx, held, lease.Job, lease.Epoch).Scan(&one), store.ErrFenced)
}

// phaseOf returns the phase of an operation and the number of its items.
func phaseOf(ctx context.Context, tx pgx.Tx, job int64, op int) (phase store.Phase, total, next int64, err error) {
	const read = "select phase, total, next from operations where job = $1 and op = $2"
	err = none(tx.QueryRow(ctx, read, job, op).Scan((*uint8)(&phase), &total, &next), fmt.Errorf("the job has no operation %d: %w", op, store.ErrNotFound))
	return phase, total, next, err
}
