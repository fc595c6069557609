package main

import (
	"database/sql"
	"errors"
	"time"

	_ "modernc.org/sqlite"
)

// floor does by hand what a job has to do at least: it stores the ids of n records, and then how each ended, in groups of
// a thousand, each of which is durable before the next.
func (b *bench) floor(path string, n int) (took time.Duration, err error) {
	const group = 1000
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	const schema = `create table item (job integer not null, idx integer not null, key text not null, state integer not null default 0,
		attempts integer not null default 0, id text, ended integer, primary key (job, idx)) without rowid`
	if _, err := db.ExecContext(b.ctx, schema); err != nil {
		return 0, err
	}
	began := time.Now()
	for _, step := range []struct {
		text string
		args func(i int) []any
	}{
		{"insert into item (job, idx, key) values (1, ?, ?)", func(i int) []any { return []any{i, id(i)} }},
		{"update item set state = 1, attempts = 1, ended = ? where job = 1 and idx = ?", func(i int) []any { return []any{began.UnixMicro() + int64(i), i} }},
	} {
		for low := 0; low < n; low += group {
			tx, err := db.BeginTx(b.ctx, nil)
			if err != nil {
				return 0, err
			}
			st, err := tx.PrepareContext(b.ctx, step.text)
			if err != nil {
				return 0, err
			}
			for i := low; i < min(n, low+group); i++ {
				if _, err := st.ExecContext(b.ctx, step.args(i)...); err != nil {
					return 0, err
				}
			}
			if err := errors.Join(st.Close(), tx.Commit()); err != nil {
				return 0, err
			}
		}
	}
	return time.Since(began), nil
}
