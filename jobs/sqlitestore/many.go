package sqlitestore

import (
	"strconv"
	"strings"

	"github.com/windrow-go/windrow/jobs/internal/store"
)

// Most items are stored with nothing but a key, and most results say nothing but the id. Several of these go into one
// statement, which costs less: SQLite keeps its place in the tree. More rows at a time would cost more again: the driver
// looks for each argument from the first one on. With "or fail" SQLite keeps no copies of pages to take one statement back:
// all of the transaction is taken back when one fails.
const (
	insertRows = 32
	updateRows = 40
)

// insertMany stores insertRows items with consecutive indexes. It adds job, op and the first index to them.
var insertMany = "insert or fail into items (job, op, idx, key) select ?, ?, ? + column1, column2 from (values " +
	strings.TrimSuffix(numbered("(%, ?), ", insertRows), ", ") + ")"

// updateMany stores updateRows results of items that had not ended. It is an insert whose rows are all there: an update
// from a list of values might read all items for each list.
var updateMany = `insert into items (state, attempts, run, job, op, idx, elapsed, at, id)
	select ?, ?, ?, ?, ?, column1, column2, column3, column4 from (values ` +
	strings.TrimSuffix(strings.Repeat("(?, ?, ?, ?), ", updateRows), ", ") + `) where true
	on conflict (job, op, idx) do update set state = excluded.state, attempts = excluded.attempts, run = excluded.run,
	elapsed = excluded.elapsed, at = excluded.at, id = excluded.id where state = 0`

// numbered repeats a pattern with the numbers from 0 on in place of %.
func numbered(pattern string, n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.ReplaceAll(pattern, "%", strconv.Itoa(i)))
	}
	return b.String()
}

// plainItem reports whether an item has nothing but a key and an input.
func plainItem(it *store.Item) bool {
	r := &it.Result
	return r.State == 0 && r.Attempts == 0 && r.Settled == 0 && r.ID == "" && r.Code == "" && r.Message == "" && r.Fingerprint == "" &&
		len(r.Warnings) == 0
}

// plainResult reports whether a result is the first of its item and says nothing but the id.
func plainResult(r *store.Result) bool {
	return r.Was == 0 && r.Reason|r.Kind == 0 && !r.Resend && r.Code == "" && r.Message == "" && r.Fingerprint == "" &&
		r.Settled == 0 && len(r.Warnings) == 0
}
