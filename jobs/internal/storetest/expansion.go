package storetest

import (
	"fmt"
	"time"

	"github.com/windrow-go/windrow/jobs/internal/store"
)

func (s *suite) expansion() {
	s.insert(newJob("one"), 2)
	j, lease := s.lease(start)
	for round := range 2 {
		s.must(s.BeginExpansion(s.ctx, lease, 1))
		got, err := s.Get(s.ctx, "t", "one")
		if err != nil || got.Operations[1].Phase != store.Expanding || got.Operations[1].Counts.Total != 0 {
			s.Errorf("round %d: %+v, %v", round, got.Operations, err)
		}
		for group := range 3 {
			items := make([]store.Item, 4)
			for k := range items {
				items[k] = store.Item{Op: 1, Index: int64(4*group + k), Key: fmt.Sprint("e", 4*group+k)}
				if k == 3 {
					items[k].Result = store.Result{Index: items[k].Index, State: skipped, Reason: 1, Elapsed: time.Second, Run: 1, At: start}
				}
			}
			for range 1 + group%2 { // the second time by a caller who has not heard of the first
				s.must(s.AddItems(s.ctx, lease, 1, items))
			}
		}
		for _, index := range []int64{7, 13} {
			s.want(s.AddItems(s.ctx, lease, 1, []store.Item{{Op: 1, Index: index, Key: "gap"}}), store.ErrConflict)
		}
	}
	s.must(s.SetItems(s.ctx, lease, 1, []store.Result{{Index: 0, State: skipped, Reason: 6, Run: 1, At: start}}))
	for range 2 {
		s.must(s.SetPhase(s.ctx, lease, 1, store.Ready, store.Event{Type: "expanded", At: start}))
	}
	got, err := s.Get(s.ctx, "t", "one")
	s.must(err)
	s.equal("counts of the operation", store.Counts{Total: 12, Skipped: 4, NotAttempted: 8}, got.Operations[1].Counts)
	s.equal("counts of the job", store.Counts{Total: 14, Skipped: 4, NotAttempted: 10}, got.Counts)
	if got.Elapsed != 3*time.Second {
		s.Errorf("elapsed %v, want 3s", got.Elapsed)
	}
	rows, err := s.Items(s.ctx, j.Number, store.ItemQuery{Op: 1, Limit: 100})
	if err != nil || len(rows) != 12 || rows[0].Reason != 6 || rows[3].Reason != 1 || rows[5].Key != "e5" || rows[5].State != open {
		s.Errorf("%+v, %v", rows, err)
	}
	events, err := s.Events(s.ctx, j.Number, 0, 10)
	if err != nil || len(events) != 1 {
		s.Errorf("%+v, %v", events, err)
	}
}

func (s *suite) repeated() {
	j := newJob("one")
	s.insert(j, 0)
	j, lease := s.lease(start)
	s.must(s.BeginExpansion(s.ctx, lease, 1))
	var items []store.Item
	for k, key := range []string{"b", "a", "b", "c", "a", "b", "d", "\x00", "\x00"} {
		item := store.Item{Op: 1, Index: int64(k), Key: key}
		if k == 5 {
			item.Result = store.Result{Index: 5, State: skipped, Reason: 1, Run: 1, At: start}
		}
		items = append(items, item)
	}
	s.must(s.AddItems(s.ctx, lease, 1, items))
	got, err := s.Repeated(s.ctx, j.Number, 1, 100)
	s.must(err)
	s.equal("repeated", []int64{2, 4, 8}, got)
	got, err = s.Repeated(s.ctx, j.Number, 1, 2)
	s.must(err)
	s.equal("the first two", []int64{2, 4}, got)
	s.must(s.SetItems(s.ctx, lease, 1, []store.Result{{Index: 2, State: skipped, Run: 1, At: start}, {Index: 4, State: skipped, Run: 1, At: start}}))
	got, err = s.Repeated(s.ctx, j.Number, 1, 2)
	s.must(err)
	s.equal("the last", []int64{8}, got)
}
