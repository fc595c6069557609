package jobs_test

import (
	"context"
	"iter"
	"testing"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/jobs"
)

// A list that names a record twice, as on two pages, makes one item of it that is carried out, and one that is Skipped.
func TestAListThatNamesARecordTwice(t *testing.T) {
	t.Parallel()
	for _, gap := range []int{0, 3, 1500} { // in one part, and in two
		f := newFarm(2000)
		m := start(t, f, func(_ *jobs.Config, r *jobs.Resource[Patch, Field]) {
			list := r.List
			r.List = func(ctx context.Context, filter jobs.Fields) iter.Seq2[Field, error] {
				return func(yield func(Field, error) bool) {
					var first Field
					n := 0
					for field, err := range list(ctx, filter) {
						if n == 0 {
							first = field
						}
						if !yield(field, err) || n == gap && !yield(first, nil) {
							return
						}
						n++
					}
				}
			}
		})
		j := m.run(daily(30))
		want(t, j, jobs.Completed, 1800, 0, 1, 0, 0)
		if f.updates["field00000"] != 1 {
			t.Errorf("gap %d: the record was updated %d times", gap, f.updates["field00000"])
		}
		again := m.items(j.ID, jobs.ItemQuery{States: []windrow.State{windrow.Skipped}})
		if len(again) != 1 || again[0].Index != int64(gap)+1 || again[0].Reason != windrow.ReasonDuplicate {
			t.Errorf("gap %d: %+v", gap, again)
		}
	}
}
