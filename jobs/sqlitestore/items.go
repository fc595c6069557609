package sqlitestore

import (
	"context"

	"github.com/windrow-go/windrow/jobs/internal/store"
)

const itemColumns = `select op, idx, key, state, reason, kind, resend, attempts, elapsed, run, at, id, code, message, fingerprint,
	warnings, settled`

// scanItem reads the row of an item, without the input.
func scanItem(r *row) (store.Item, error) {
	it := store.Item{Op: r.int(), Index: r.int64(), Key: r.string()}
	it.Result = store.Result{Index: it.Index, State: r.uint8(), Reason: r.uint8(), Kind: r.uint8(), Resend: r.bool(),
		Attempts: r.int(), Elapsed: r.duration(), Run: r.int(), At: r.time(), ID: r.string(), Code: r.string(),
		Message: r.string(), Fingerprint: r.string()}
	err := decode(r.string(), &it.Warnings)
	it.Settled = r.int64()
	return it, err
}

// anError is the condition of the index items_errors, which is used only where it stands literally.
const anError = "state in (2, 4)"

// Items implements the store of jobs.
func (s *db) Items(ctx context.Context, number int64, q store.ItemQuery) (items []store.Item, err error) {
	where := ` where job = ?1 and (op, idx) > (?2, ?3) and (?4 < 0 or op = ?4) and (?5 = 0 or (?5 >> state) & 1)
		and (?6 = '' or code = ?6) and (?7 = 0 or run = ?7) and (?8 is null or key = ?8)`
	if q.Op >= 0 {
		where = ` where job = ?1 and op = ?4 and (op, idx) > (?2, ?3) and idx > case when ?2 = ?4 then ?3 else -1 end
			and (?5 = 0 or (?5 >> state) & 1) and (?6 = '' or code = ?6) and (?7 = 0 or run = ?7) and (?8 is null or key = ?8)`
	}
	states := mask(q.States)
	if states != 0 && states&^(1<<store.ItemFailed|1<<store.ItemUnknown) == 0 {
		where += " and " + anError
	}
	columns := itemColumns
	from := " from items"
	if q.Input {
		columns += ", input"
		from = " from items left join inputs using (job, op, idx)"
	}
	after := store.ItemCursor{Op: -1, Index: -1}
	if q.After != nil {
		after = *q.After
	}
	values := []any{number, after.Op, after.Index, q.Op, states, q.Code, q.Run, []byte(q.Key), sqlLimit(q.Limit)}
	err = s.read(ctx, func(c *conn) error {
		return c.query(ctx, columns+from+where+" order by op, idx limit ?9", values, func(r *row) error {
			it, err := scanItem(r)
			if q.Input {
				it.Input = r.bytes()
			}
			items = append(items, it)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return items, nil
}

// Recount implements the store of jobs.
func (s *db) Recount(ctx context.Context, number int64) (n store.Counts, err error) {
	const count = "select state, count(*) from items where job = ? group by state"
	err = s.read(ctx, func(c *conn) error {
		return c.query(ctx, count, []any{number}, func(r *row) error {
			n.Add(r.uint8(), r.int64())
			return nil
		})
	})
	return n, err
}

// ErrorGroups implements the store of jobs.
func (s *db) ErrorGroups(ctx context.Context, number int64, limit int) (groups []store.ErrorGroup, err error) {
	// The second query is by the primary key, once for each group.
	const text = `select g.state, g.kind, coalesce(g.code, ''), g.resend, coalesce(i.message, ''), g.n, i.op, i.idx from (
			select state, kind, code, resend, count(*) as n, min(op << 48 | idx) as first from items
			where job = ?1 and ` + anError + ` group by state, kind, code, resend order by n desc, first limit ?2
		) g join items i on i.job = ?1 and i.op = g.first >> 48 and i.idx = g.first & 0xffffffffffff order by g.n desc, g.first`
	err = s.read(ctx, func(c *conn) error {
		return c.query(ctx, text, []any{number, sqlLimit(limit)}, func(r *row) error {
			groups = append(groups, store.ErrorGroup{State: r.uint8(), Kind: r.uint8(), Code: r.string(), Resend: r.bool(), Message: r.string(),
				Items: r.int64(), First: store.ItemCursor{Op: r.int(), Index: r.int64()}})
			return nil
		})
	})
	return groups, err
}
