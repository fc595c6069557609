// Package storetest is the suite that every store of the jobs passes.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow/jobs/internal/store"
)

// Test checks a store against the documentation of its methods. open returns a new and empty store for each call.
func Test(t *testing.T, open func(tb testing.TB) store.Store) {
	t.Helper()
	for _, test := range []struct {
		name string
		run  func(*suite)
	}{
		{"Insert and Get", (*suite).insertAndGet},
		{"Insert is idempotent by key", (*suite).insertIsIdempotent},
		{"Insert of items that fail stores nothing", (*suite).insertFails},
		{"List", (*suite).list},
		{"Change", (*suite).change},
		{"Two that change race", (*suite).changeRaces},
		{"Conditions of changes", (*suite).conditions},
		{"Claim", (*suite).claim},
		{"Claims race", (*suite).claimsRace},
		{"A lease that was lost", (*suite).fenced},
		{"Expansion", (*suite).expansion},
		{"Repeated keys", (*suite).repeated},
		{"Parts", (*suite).parts},
		{"Parts race", (*suite).partsRace},
		{"Parts of a holder that is gone", (*suite).partsPass},
		{"Checkpoints", (*suite).checkpoints},
		{"Counts", (*suite).counts},
		{"Checkpoints that are refused", (*suite).refusedCheckpoints},
		{"Items that end again", (*suite).endAgain},
		{"Intents", (*suite).intents},
		{"A part that has ended", (*suite).endedPart},
		{"Items", (*suite).items},
		{"Keys and texts of all kinds", (*suite).texts},
		{"Texts that are not UTF-8", (*suite).bytes},
		{"Times", (*suite).times},
		{"Error groups", (*suite).errorGroups},
		{"Events", (*suite).events},
		{"Values", (*suite).values},
		{"Delete", (*suite).delete},
		{"A context that has ended", (*suite).cancelled},
		{"A context that has ended, in each method", (*suite).cancelledEverywhere},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := &suite{T: t, Store: open(t), ctx: t.Context()}
			test.run(s)
			if n, err := s.Size(context.Background()); err != nil || n <= 0 {
				t.Errorf("Size = %d, %v", n, err)
			}
		})
	}
}

// suite is a store under test.
type suite struct {
	*testing.T
	store.Store
	ctx context.Context
}

// start is a time with microseconds, which all stores keep.
var start = time.Date(2026, 12, 1, 6, 30, 0, 123_456_000, time.UTC)

const hour = time.Hour

// newJob is a queued job with an operation that has items and one that waits.
func newJob(id string) store.Job {
	return store.Job{
		ID: id, Tenant: "t", Actor: "ann", Type: "field_update", Description: "Ünïcode", Spec: []byte(`{"a":1}`), KeyHash: []byte{0, 1, 255},
		Labels: map[string]string{"team": "blue"}, Resources: []string{"fields"}, Priority: 3, State: store.Queued, Run: 1, Created: start, Queued: start,
		Operations: []store.Operation{{Index: 0, Phase: store.Ready}, {Index: 1, Phase: store.Waiting}},
	}
}

// given yields n items of operation 0.
func given(n int) iter.Seq2[store.Item, error] {
	return func(yield func(store.Item, error) bool) {
		for i := range n {
			if !yield(store.Item{Index: int64(i), Key: fmt.Sprintf("k%05d", i), Input: fmt.Appendf(nil, `{"n":%d}`, i)}, nil) {
				return
			}
		}
	}
}

func (s *suite) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *suite) want(err, target error) {
	s.Helper()
	if !errors.Is(err, target) {
		s.Errorf("error %v, want %v", err, target)
	}
}

// insert inserts a job with n items.
func (s *suite) insert(j store.Job, n int, events ...store.Event) store.Job {
	s.Helper()
	j, inserted, err := s.Insert(s.ctx, j, given(n), events...)
	s.must(err)
	if !inserted || j.Number == 0 {
		s.Fatalf("inserted %v, number %d", inserted, j.Number)
	}
	return j
}

// lease claims the next job.
func (s *suite) lease(now time.Time) (store.Job, store.JobLease) {
	s.Helper()
	j, err := s.Claim(s.ctx, store.Claim{Owner: "me", Now: now, Until: now.Add(hour), Resources: []string{"fields", "farms"}})
	s.must(err)
	return j, store.JobLease{Job: j.Number, Epoch: j.Epoch}
}

// part leases the next part.
func (s *suite) part(l store.JobLease, size int64, until time.Time) store.Part {
	s.Helper()
	p, err := s.NextPart(s.ctx, l, 0, size, "me", until)
	s.must(err)
	return p
}

// equal compares, times by their instant.
func (s *suite) equal(what string, want, got any) {
	s.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		s.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func (s *suite) insertAndGet() {
	in := newJob("one")
	j := s.insert(in, 3, store.Event{Type: "queued", At: start, Actor: "ann", Run: 1, Data: []byte(`{}`)})
	got, err := s.Get(s.ctx, "t", "one")
	s.must(err)
	s.equal("Insert and Get", j, got)
	in.Number, in.Counts = j.Number, store.Counts{Total: 3, NotAttempted: 3}
	in.Operations[0].Counts = in.Counts
	s.equal("what was inserted", in, got)
	given := newJob("given") // the store counts the items of operation 0, and believes what it is told of operation 1
	given.Operations[0].Counts.Total, given.Operations[1].Counts.Total = 99, 7
	given = s.insert(given, 3)
	s.equal("counts", store.Counts{Total: 10, NotAttempted: 10}, given.Counts)
	for _, who := range [][2]string{{"t", "two"}, {"", "one"}, {"u", "one"}} {
		_, err = s.Get(s.ctx, who[0], who[1])
		s.want(err, store.ErrNotFound)
	}
	bare := s.insert(store.Job{ID: "bare", State: store.Queued, Run: 1, Created: start, Queued: start}, 0)
	if bare.Labels != nil || bare.Counts != (store.Counts{}) || !bare.Started.IsZero() {
		s.Errorf("%+v", bare)
	}
	counts, err := s.CountJobs(s.ctx)
	if err != nil || counts[store.Queued] != 3 || counts[store.Paused] != 0 {
		s.Errorf("CountJobs = %v, %v", counts, err)
	}
}

func (s *suite) insertIsIdempotent() {
	var wg sync.WaitGroup
	numbers := make([]int64, 8)
	var winners atomic.Int64
	for k := range numbers {
		wg.Go(func() {
			j := newJob(fmt.Sprint("job", k))
			j.Key = "same"
			got, inserted, err := s.Insert(s.ctx, j, given(2))
			if err != nil {
				s.Error(err)
			}
			if inserted {
				winners.Add(1)
			}
			numbers[k] = got.Number
		})
	}
	wg.Wait()
	if len(slices.Compact(numbers)) != 1 || winners.Load() != 1 {
		s.Errorf("numbers %v, %d inserted", numbers, winners.Load())
	}
	other := newJob("other")
	other.Key, other.Tenant = "same", "u"
	s.insert(other, 1)
	list, err := s.List(s.ctx, store.JobQuery{AllTenants: true, Limit: 10})
	if err != nil || len(list) != 2 {
		s.Errorf("%d jobs, %v", len(list), err)
	}
	rows, err := s.Items(s.ctx, numbers[0], store.ItemQuery{Op: -1, Limit: 10})
	if err != nil || len(rows) != 2 {
		s.Errorf("%d items, %v", len(rows), err)
	}
}

func (s *suite) insertFails() {
	broken := errors.New("broken")
	j := newJob("one")
	j.Key = "key"
	_, _, err := s.Insert(s.ctx, j, func(yield func(store.Item, error) bool) {
		for item := range given(5000) {
			if !yield(item, nil) {
				return
			}
		}
		yield(store.Item{}, broken)
	})
	s.want(err, broken)
	_, err = s.Get(s.ctx, "t", "one")
	s.want(err, store.ErrNotFound)
	s.insert(j, 1) // its id and key are free
}

func (s *suite) list() {
	for i := range 7 {
		j := newJob(fmt.Sprint("job", i))
		j.Created = start.Add(time.Duration(i/2) * time.Second)
		if i == 3 {
			j.Tenant = "u"
		}
		if i == 4 {
			j.Type, j.Labels = "other", nil
		}
		if i == 5 {
			j.State = store.Paused
		}
		s.insert(j, 0)
	}
	for _, test := range []struct {
		q    store.JobQuery
		want []string
	}{
		{store.JobQuery{Tenant: "t", Limit: 10}, []string{"job6", "job5", "job4", "job2", "job1", "job0"}},
		{store.JobQuery{AllTenants: true, Limit: 4}, []string{"job6", "job5", "job4", "job3"}},
		{store.JobQuery{Tenant: "t", Limit: 2}, []string{"job6", "job5"}},
		{store.JobQuery{Tenant: "t", Limit: 9, States: []store.State{store.Paused, store.Failed}}, []string{"job5"}},
		{store.JobQuery{Tenant: "t", Limit: 9, Type: "other"}, []string{"job4"}},
		{store.JobQuery{Tenant: "t", Limit: 9, Labels: map[string]string{"team": "blue"}}, []string{"job6", "job5", "job2", "job1", "job0"}},
		{store.JobQuery{Tenant: "t", Limit: 9, Labels: map[string]string{"team": "red"}}, nil},
		{store.JobQuery{Tenant: "nobody", Limit: 9}, nil},
	} {
		var ids []string
		q := test.q
		list, err := s.List(s.ctx, q)
		s.must(err)
		for _, j := range list {
			ids = append(ids, j.ID)
		}
		s.equal(fmt.Sprintf("List(%+v)", test.q), test.want, ids)
	}
	var all []string
	q := store.JobQuery{Tenant: "t", Limit: 1}
	for {
		list, err := s.List(s.ctx, q)
		s.must(err)
		if len(list) == 0 {
			break
		}
		all = append(all, list[0].ID)
		q.Before = &store.JobCursor{Created: list[0].Created, Number: list[0].Number}
	}
	s.equal("page by page", []string{"job6", "job5", "job4", "job2", "job1", "job0"}, all)
}

//go:fix inline
func pointer[T any](v T) *T { return new(v) }

func (s *suite) change() {
	j := s.insert(newJob("one"), 1)
	later := start.Add(hour)
	got, err := s.Change(s.ctx, j.Number, store.Change{
		From: []store.State{store.Queued}, State: pointer(store.Running), Reason: new("why"), Started: &later, Queued: &later,
	}, store.Event{Type: "started", At: later})
	s.must(err)
	j.State, j.Reason, j.Started, j.Queued = store.Running, "why", later, later
	s.equal("changed", j, got)
	got, err = s.Change(s.ctx, j.Number, store.Change{From: []store.State{store.Queued, store.Paused}, Reason: new("no")}, store.Event{Type: "no", At: later})
	s.want(err, store.ErrConflict)
	s.equal("not changed", j, got)
	got, err = s.Change(s.ctx, j.Number, store.Change{Started: new(later.Add(hour)), Ended: new(later.Add(2 * hour))})
	s.must(err)
	if !got.Started.Equal(later) || !got.Ended.Equal(later.Add(2*hour)) {
		s.Errorf("started %v, ended %v", got.Started, got.Ended)
	}
	events, err := s.Events(s.ctx, j.Number, 0, 10)
	if err != nil || len(events) != 1 || events[0].Type != "started" {
		s.Errorf("events %+v, %v", events, err)
	}
	_, err = s.Change(s.ctx, j.Number+99, store.Change{})
	s.want(err, store.ErrNotFound)
}

func (s *suite) changeRaces() {
	j := s.insert(newJob("one"), 1)
	won := make(chan bool, 8)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			_, err := s.Change(s.ctx, j.Number, store.Change{From: []store.State{store.Queued}, State: pointer(store.Paused)}, store.Event{Type: "paused", At: start})
			if err != nil && !errors.Is(err, store.ErrConflict) {
				s.Error(err)
			}
			won <- err == nil
		})
	}
	wg.Wait()
	close(won)
	winners := 0
	for w := range won {
		if w {
			winners++
		}
	}
	events, err := s.Events(s.ctx, j.Number, 0, 10)
	if err != nil || winners != 1 || len(events) != 1 {
		s.Errorf("%d winners, %d events, %v", winners, len(events), err)
	}
}

func (s *suite) cancelled() {
	j := s.insert(newJob("one"), 3)
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	_, err := s.Get(ctx, "t", "one")
	s.want(err, context.Canceled)
	_, err = s.Change(ctx, j.Number, store.Change{State: pointer(store.Paused)})
	s.want(err, context.Canceled)
	_, _, err = s.Insert(ctx, newJob("two"), given(10))
	s.want(err, context.Canceled)
	ctx, cancel = context.WithCancel(s.ctx)
	_, _, err = s.Insert(ctx, newJob("three"), func(yield func(store.Item, error) bool) {
		for item := range given(3000) {
			if item.Index == 2000 {
				cancel()
			}
			if !yield(item, nil) {
				return
			}
		}
	})
	s.want(err, context.Canceled)
	got, err := s.Get(s.ctx, "t", "one")
	s.must(err)
	s.equal("unchanged", j, got)
	list, err := s.List(s.ctx, store.JobQuery{AllTenants: true, Limit: 10})
	if err != nil || len(list) != 1 {
		s.Errorf("%d jobs, %v", len(list), err)
	}
	s.insert(newJob("four"), 3)
}
