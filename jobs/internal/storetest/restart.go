package storetest

import (
	"testing"
	"time"

	"github.com/windrow-go/windrow/jobs/internal/store"
)

// TestRestart checks that a store that is closed and opened again holds what was stored. open opens one and the same
// store with each call, empty at first; TestRestart closes all but the last one.
func TestRestart(t *testing.T, open func(tb testing.TB) store.Store) {
	t.Helper()
	s := &suite{T: t, Store: open(t), ctx: t.Context()}
	s.insert(newJob("one"), 20, store.Event{Type: "queued", At: start, Actor: "ann", Run: 1, Data: []byte(`{}`)})
	j, lease := s.lease(time.Now())
	p := s.part(lease, 10, time.Now().Add(-hour))
	batch := store.Batch{
		Results: []store.Result{
			{Index: 0, State: succeeded, Attempts: 2, Elapsed: time.Second, ID: "r", Run: 1, At: start, Warnings: []string{"w"}},
			{Index: 1, State: failed, Kind: 2, Attempts: 1, Code: "C", Message: "m", Run: 1, At: start},
		},
		Intents: []store.Intent{{Number: 1, Indexes: []int64{2, 3}, IdempotencyKey: "k", Attempt: 1, Handle: "h"}},
	}
	s.must(s.Checkpoint(s.ctx, p.PartLease, batch))
	s.must(s.SetValue(s.ctx, "limiter", []byte{1, 2}))
	s.insert(newJob("two"), 3)
	before := s.everything(j.Number)
	s.must(s.Close())

	s.Store = open(t)
	s.equal("what the store holds", before, s.everything(j.Number))
	key := newJob("three")
	key.Key = "key"
	s.insert(key, 0)
	// The lease of the job may have ended with the process that held it, or it goes on until it expires.
	got, err := s.Claim(s.ctx, store.Claim{Owner: "next", Now: time.Now().Add(2 * hour), Until: time.Now().Add(3 * hour), Resources: j.Resources})
	s.must(err)
	if got.Number != j.Number || got.Epoch != j.Epoch+1 {
		s.Errorf("leased %+v after %+v", got, j)
	}
	again := s.part(store.JobLease{Job: got.Number, Epoch: got.Epoch}, 10, time.Now().Add(hour))
	if again.Part != p.Part || again.Epoch != p.Epoch+1 || again.From != p.From || again.To != p.To {
		s.Errorf("part %+v after %+v", again, p)
	}
	items, intents, err := s.PartItems(s.ctx, again.PartLease)
	s.must(err)
	s.equal("intents", batch.Intents, intents)
	if len(items) != 10 || string(items[9].Input) != `{"n":9}` {
		s.Errorf("%+v", items)
	}
	for i, want := range batch.Results {
		s.equal("result", want, items[i].Result)
	}
}

// everything returns what the store holds of a job, and all jobs, without their leases.
func (s *suite) everything(number int64) []any {
	s.Helper()
	jobs, err := s.List(s.ctx, store.JobQuery{AllTenants: true, Limit: 100})
	s.must(err)
	for i := range jobs {
		jobs[i].Owner, jobs[i].LeaseUntil = "", time.Time{}
	}
	items, err := s.Items(s.ctx, number, store.ItemQuery{Op: -1, Limit: 100, Input: true})
	s.must(err)
	events, err := s.Events(s.ctx, number, 0, 100)
	s.must(err)
	value, err := s.Value(s.ctx, "limiter")
	s.must(err)
	open, err := s.OpenParts(s.ctx, number, 0)
	s.must(err)
	return []any{jobs, items, events, value, open}
}
