package storetest

import (
	"math"
	"time"

	"github.com/windrow-go/windrow/jobs/internal/store"
)

// refusedCheckpoints: a checkpoint with one result that cannot be stored stores nothing at all.
func (s *suite) refusedCheckpoints() {
	j := s.insert(newJob("one"), 20)
	_, lease := s.lease(start)
	p := s.part(lease, 10, time.Now().Add(hour))
	s.must(s.Checkpoint(s.ctx, p.PartLease, store.Batch{Results: []store.Result{{Index: 3, State: failed, Run: 1, At: start}}}))
	for name, bad := range map[string]store.Result{
		"it is in another state":     {Index: 3, State: succeeded, Run: 1, At: start},
		"it has not ended":           {Index: 4, State: succeeded, Was: failed, Run: 1, At: start},
		"there is no such item":      {Index: 20, State: succeeded, Run: 1, At: start},
		"there is no negative index": {Index: -1, State: succeeded, Run: 1, At: start},
		"there is no such state":     {Index: 4, State: 200, Run: 1, At: start},
	} {
		err := s.Checkpoint(s.ctx, p.PartLease, store.Batch{
			Results: []store.Result{{Index: 0, State: succeeded, Run: 1, At: start}, bad, {Index: 9, State: succeeded, Run: 1, At: start}},
			Intents: []store.Intent{{Number: 1, Indexes: []int64{0}, Attempt: 1}},
		})
		if err == nil {
			s.Errorf("%s: no error", name)
		}
	}
	got, err := s.Get(s.ctx, "t", "one")
	s.must(err)
	s.equal("counts", store.Counts{Total: 20, Failed: 1, NotAttempted: 19}, got.Counts)
	rows, err := s.Recount(s.ctx, j.Number)
	s.must(err)
	s.equal("rows", got.Counts, rows)
	_, intents, err := s.PartItems(s.ctx, p.PartLease)
	if err != nil || len(intents) != 0 {
		s.Errorf("%+v, %v", intents, err)
	}
}

// endAgain: the result of an item is the last one, also of several in one checkpoint, and only its time counts.
func (s *suite) endAgain() {
	j := s.insert(newJob("one"), 5)
	_, lease := s.lease(start)
	p := s.part(lease, 5, time.Now().Add(hour))
	first := store.Result{Index: 2, State: failed, Attempts: 1, Elapsed: time.Second, Code: "A", Message: "m", Warnings: []string{"w"}, Resend: true, Kind: 4, Reason: 2, Run: 1, At: start}
	last := store.Result{Index: 2, State: succeeded, Was: failed, Attempts: math.MaxInt32, Elapsed: 3 * time.Second, ID: "id", Run: 2, At: start.Add(hour)}
	s.must(s.Checkpoint(s.ctx, p.PartLease, store.Batch{Results: []store.Result{first}}))
	s.must(s.Checkpoint(s.ctx, p.PartLease, store.Batch{Results: []store.Result{last}}))
	twice := func(index int64) []store.Result {
		a, b := first, last
		a.Index, b.Index = index, index
		return []store.Result{a, b}
	}
	s.must(s.Checkpoint(s.ctx, p.PartLease, store.Batch{Results: append(twice(3), twice(1)...)}))
	got, err := s.Get(s.ctx, "t", "one")
	s.must(err)
	s.equal("counts", store.Counts{Total: 5, Succeeded: 3, NotAttempted: 2}, got.Counts)
	if got.Elapsed != 9*time.Second {
		s.Errorf("elapsed %v, want 9s", got.Elapsed)
	}
	rows, err := s.Items(s.ctx, j.Number, store.ItemQuery{Op: 0, Limit: 10, States: []uint8{succeeded}})
	s.must(err)
	want := last
	want.Was = 0 // not read
	for k, row := range rows {
		want.Index = int64(k + 1)
		s.equal("the result", want, row.Result)
	}
	groups, err := s.ErrorGroups(s.ctx, j.Number, 10)
	if err != nil || len(groups) != 0 {
		s.Errorf("%+v, %v", groups, err)
	}
	s.must(s.Checkpoint(s.ctx, p.PartLease, store.Batch{Results: []store.Result{{Index: 2, Was: succeeded}}})) // it is to be attempted again
	got, err = s.Get(s.ctx, "t", "one")
	s.must(err)
	s.equal("counts", store.Counts{Total: 5, Succeeded: 2, NotAttempted: 3}, got.Counts)
	if got.Elapsed != 6*time.Second {
		s.Errorf("elapsed %v, want 6s", got.Elapsed)
	}
}

// endedPart: the lease of a part ends with EndPart, and so do the intents of a part that is done.
func (s *suite) endedPart() {
	s.insert(newJob("one"), 10)
	_, lease := s.lease(start)
	p := s.part(lease, 10, time.Now().Add(hour))
	s.must(s.Checkpoint(s.ctx, p.PartLease, store.Batch{Intents: []store.Intent{{Number: 1, Indexes: []int64{0, 9}, Attempt: 1}}}))
	s.must(s.EndPart(s.ctx, p.PartLease, false))
	_, _, err := s.PartItems(s.ctx, p.PartLease)
	s.want(err, store.ErrFenced)
	again := s.part(lease, 10, time.Now().Add(hour))
	_, _, err = s.PartItems(s.ctx, p.PartLease)
	s.want(err, store.ErrFenced)
	_, intents, err := s.PartItems(s.ctx, again.PartLease)
	if err != nil || len(intents) != 1 {
		s.Errorf("%+v, %v", intents, err)
	}
	s.must(s.EndPart(s.ctx, again.PartLease, true))
	s.want(s.Checkpoint(s.ctx, again.PartLease, store.Batch{}), store.ErrFenced)
	s.want(s.RenewPart(s.ctx, again.PartLease, time.Now().Add(hour)), store.ErrFenced)
	_, _, err = s.PartItems(s.ctx, again.PartLease)
	s.want(err, store.ErrFenced)
}

func (s *suite) intents() {
	s.insert(newJob("one"), 10)
	_, lease := s.lease(start)
	p := s.part(lease, 5, time.Now().Add(hour))
	other := s.part(lease, 5, time.Now().Add(hour))
	want := []store.Intent{
		{Number: 1, Indexes: []int64{0, 1, 4}, IdempotencyKey: "\x00a", Attempt: 1},
		{Number: 2, Indexes: []int64{2}, IdempotencyKey: "b", Attempt: 7, Repeatable: true},
		{Number: 3, Indexes: []int64{1}, Handle: "job 3", Attempt: 2},
	}
	s.must(s.Checkpoint(s.ctx, p.PartLease, store.Batch{Intents: want[:2]}))
	s.must(s.Checkpoint(s.ctx, p.PartLease, store.Batch{Intents: want[2:], Handles: []store.Handle{{Intent: 2, Handle: "job 2"}}}))
	s.must(s.Checkpoint(s.ctx, other.PartLease, store.Batch{Intents: []store.Intent{{Number: 1, Indexes: []int64{5}, Attempt: 1}}}))
	want[1].Handle = "job 2"
	_, got, err := s.PartItems(s.ctx, p.PartLease)
	s.must(err)
	s.equal("intents", want, got)
	s.must(s.EndPart(s.ctx, p.PartLease, false))
	again := s.part(lease, 5, time.Now().Add(hour))
	_, got, err = s.PartItems(s.ctx, again.PartLease)
	s.must(err)
	s.equal("intents of the next holder", want, got)
}
