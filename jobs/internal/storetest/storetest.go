// Package storetest is the suite that every store of the jobs passes.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
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
		{"Intents", (*suite).intents},
		{"Items", (*suite).items},
		{"Keys and texts of all kinds", (*suite).texts},
		{"Error groups", (*suite).errorGroups},
		{"Events", (*suite).events},
		{"Values", (*suite).values},
		{"Delete", (*suite).delete},
		{"A context that has ended", (*suite).cancelled},
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
	for _, who := range [][2]string{{"t", "two"}, {"", "one"}, {"u", "one"}} {
		_, err = s.Get(s.ctx, who[0], who[1])
		s.want(err, store.ErrNotFound)
	}
	bare := s.insert(store.Job{ID: "bare", State: store.Queued, Run: 1, Created: start, Queued: start}, 0)
	if bare.Labels != nil || bare.Counts != (store.Counts{}) || !bare.Started.IsZero() {
		s.Errorf("%+v", bare)
	}
	counts, err := s.CountJobs(s.ctx)
	if err != nil || counts[store.Queued] != 2 || counts[store.Paused] != 0 {
		s.Errorf("CountJobs = %v, %v", counts, err)
	}
}

func (s *suite) insertIsIdempotent() {
	var wg sync.WaitGroup
	numbers := make([]int64, 8)
	for k := range numbers {
		wg.Go(func() {
			j := newJob(fmt.Sprint("job", k))
			j.Key = "same"
			got, _, err := s.Insert(s.ctx, j, given(2))
			if err != nil {
				s.Error(err)
			}
			numbers[k] = got.Number
		})
	}
	wg.Wait()
	if len(slices.Compact(numbers)) != 1 {
		s.Errorf("numbers %v", numbers)
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

func (s *suite) events() {
	j := s.insert(newJob("one"), 0, store.Event{Type: "queued", At: start, Actor: "ann", Run: 1, Data: []byte(`{"n":1}`)})
	s.must(s.AddEvents(s.ctx, j.Number, store.Event{Type: "progress", At: start, Data: []byte(`1`), Replaces: true}, store.Event{Type: "other", At: start}))
	s.must(s.AddEvents(s.ctx, j.Number, store.Event{Type: "progress", At: start.Add(hour), Data: []byte(`2`), Replaces: true}))
	all, err := s.Events(s.ctx, j.Number, 0, 10)
	s.must(err)
	var types []string
	last := int64(0)
	for _, e := range all {
		types = append(types, e.Type+string(e.Data))
		if e.Number <= last {
			s.Errorf("number %d after %d", e.Number, last)
		}
		last = e.Number
	}
	s.equal("events", []string{`queued{"n":1}`, "other", "progress2"}, types)
	s.equal("the first", store.Event{Number: all[0].Number, Type: "queued", At: start, Actor: "ann", Run: 1, Data: []byte(`{"n":1}`)}, all[0])
	some, err := s.Events(s.ctx, j.Number, all[0].Number, 1)
	if err != nil || len(some) != 1 || some[0].Type != "other" {
		s.Errorf("%+v, %v", some, err)
	}
	s.must(s.AddEvents(s.ctx, j.Number, store.Event{Type: "last", At: start}))
	some, err = s.Events(s.ctx, j.Number, last, 10)
	if err != nil || len(some) != 1 || some[0].Number <= last {
		s.Errorf("%+v, %v", some, err)
	}
}

func (s *suite) values() {
	_, err := s.Value(s.ctx, "a/b")
	s.want(err, store.ErrNotFound)
	for _, v := range [][]byte{{1, 0, 255}, []byte("two")} {
		s.must(s.SetValue(s.ctx, "a/b", v))
		got, err := s.Value(s.ctx, "a/b")
		s.must(err)
		s.equal("value", v, got)
	}
}

func (s *suite) delete() {
	j := newJob("one")
	j.Key = "key"
	j = s.insert(j, 2500, store.Event{Type: "queued", At: start})
	other := s.insert(newJob("two"), 10)
	_, err := s.Delete(s.ctx, "t", "one", 100)
	s.want(err, store.ErrConflict)
	_, err = s.Change(s.ctx, j.Number, store.Change{State: pointer(store.Completed)})
	s.must(err)
	_, err = s.Delete(s.ctx, "u", "one", 100)
	s.want(err, store.ErrNotFound)
	more, err := s.Delete(s.ctx, "t", "one", 100)
	if err != nil || !more {
		s.Fatalf("more %v, %v", more, err)
	}
	_, err = s.Get(s.ctx, "t", "one")
	s.want(err, store.ErrNotFound)
	again := newJob("three")
	again.Key = "key"
	s.insert(again, 1)
	doomed, err := s.Doomed(s.ctx)
	if err != nil || len(doomed) != 1 || doomed[0].ID != "one" {
		s.Errorf("doomed %+v, %v", doomed, err)
	}
	for n := 0; more; n++ {
		more, err = s.Delete(s.ctx, doomed[0].Tenant, doomed[0].ID, 100)
		if err != nil || n > 100 {
			s.Fatalf("after %d steps: %v", n, err)
		}
	}
	doomed, err = s.Doomed(s.ctx)
	if err != nil || len(doomed) != 0 {
		s.Errorf("doomed %+v, %v", doomed, err)
	}
	rows, err := s.Items(s.ctx, other.Number, store.ItemQuery{Op: -1, Limit: 100})
	if err != nil || len(rows) != 10 {
		s.Errorf("another job has %d items, %v", len(rows), err)
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
