package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/windrow-go/windrow/jobs/internal/store"
)

// States of items.
const (
	open uint8 = iota
	succeeded
	failed
	skipped
	unknown
)

func (s *suite) claim() {
	for i, priority := range []int{0, 5, 5, 9, 9} {
		j := newJob(fmt.Sprint("job", i))
		j.Priority, j.Queued = priority, start.Add(time.Duration(-i)*time.Second)
		switch i {
		case 3:
			j.State = store.Paused
		case 4:
			j.Resources = []string{"fields", "unknown"}
		}
		s.insert(j, 1)
	}
	for _, want := range []string{"job2", "job1", "job0"} {
		j, lease := s.lease(start)
		if j.ID != want || j.Epoch != 1 || j.Owner != "me" || !j.LeaseUntil.Equal(start.Add(hour)) {
			s.Errorf("leased %+v, want %s", j, want)
		}
		s.must(s.Renew(s.ctx, lease, start.Add(hour)))
	}
	none := store.Claim{Owner: "you", Now: start.Add(hour - 1), Until: start.Add(2 * hour), Resources: []string{"fields"}}
	_, err := s.Claim(s.ctx, none)
	s.want(err, store.ErrNotFound)
	expired := none
	expired.Now = start.Add(hour + time.Second)
	expired.Busy = []string{"fields"}
	_, err = s.Claim(s.ctx, expired)
	s.want(err, store.ErrNotFound)
	expired.Busy = []string{"farms"}
	j, err := s.Claim(s.ctx, expired)
	if err != nil || j.ID != "job2" || j.Epoch != 2 || j.Owner != "you" {
		s.Errorf("%+v, %v", j, err)
	}
	// A lease that was given back is free at once; a change that wants no lease is refused while there is one.
	lease := store.JobLease{Job: j.Number, Epoch: j.Epoch}
	s.must(s.Renew(s.ctx, lease, time.Now().Add(hour)))
	_, err = s.Change(s.ctx, j.Number, store.Change{Free: true, Reason: new("no")})
	s.want(err, store.ErrConflict)
	j, err = s.Change(s.ctx, j.Number, store.Change{Lease: &lease, Release: true})
	if err != nil || j.Owner != "" {
		s.Errorf("%+v, %v", j, err)
	}
	_, err = s.Change(s.ctx, j.Number, store.Change{Reason: new("held")})
	s.must(err)
	_, err = s.Change(s.ctx, j.Number, store.Change{Unless: "held", Reason: new("no")})
	s.want(err, store.ErrConflict)
	_, err = s.Change(s.ctx, j.Number, store.Change{Unless: "no", Reason: new("free")})
	s.must(err)
	_, err = s.Change(s.ctx, j.Number, store.Change{Free: true, Reason: new("yes")})
	s.must(err)
	_, err = s.Change(s.ctx, j.Number, store.Change{Lease: &lease, Reason: new("no")})
	s.want(err, store.ErrFenced)
	j, err = s.Claim(s.ctx, none)
	if err != nil || j.ID != "job2" || j.Epoch != 3 {
		s.Errorf("%+v, %v", j, err)
	}
}

func (s *suite) claimsRace() {
	for i := range 5 {
		s.insert(newJob(fmt.Sprint("job", i)), 0)
	}
	var mu sync.Mutex
	var ids []string
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				j, err := s.Claim(s.ctx, store.Claim{Owner: "me", Now: start, Until: start.Add(hour), Resources: []string{"fields"}})
				if errors.Is(err, store.ErrNotFound) {
					return
				}
				if err != nil {
					s.Error(err)
					return
				}
				mu.Lock()
				ids = append(ids, j.ID)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.Sort(ids)
	s.equal("leased", []string{"job0", "job1", "job2", "job3", "job4"}, ids)
}

func (s *suite) fenced() {
	s.insert(newJob("one"), 10)
	_, old := s.lease(start)
	p := s.part(old, 5, time.Now().Add(-hour))
	_, now := s.lease(start.Add(2 * hour))
	later := start.Add(3 * hour)
	fresh := s.part(now, 5, later) // the part of the earlier holder has expired
	if fresh.Part != p.Part || fresh.Epoch == p.Epoch {
		s.Errorf("part %+v after %+v", fresh, p)
	}
	_, next := s.NextPart(s.ctx, old, 0, 5, "me", later)
	_, change := s.Change(s.ctx, old.Job, store.Change{Lease: &old, Reason: new("no")})
	for name, err := range map[string]error{
		"Renew": s.Renew(s.ctx, old, later), "BeginExpansion": s.BeginExpansion(s.ctx, old, 1),
		"AddItems":   s.AddItems(s.ctx, old, 1, []store.Item{{Op: 1, Key: "a"}}),
		"SetItems":   s.SetItems(s.ctx, old, 0, []store.Result{{Index: 9, State: skipped}}),
		"SetPhase":   s.SetPhase(s.ctx, old, 1, store.Ready),
		"NextPart":   next,
		"Change":     change,
		"Checkpoint": s.Checkpoint(s.ctx, p.PartLease, store.Batch{Results: []store.Result{{Index: 0, State: succeeded}}}),
		"RenewPart":  s.RenewPart(s.ctx, p.PartLease, later), "EndPart": s.EndPart(s.ctx, p.PartLease, true),
	} {
		if !errors.Is(err, store.ErrFenced) {
			s.Errorf("%s by the earlier holder: %v", name, err)
		}
	}
	j, err := s.Get(s.ctx, "t", "one")
	if err != nil || j.Counts.Done() != 0 || j.Reason != "" || j.Operations[1].Phase != store.Waiting {
		s.Errorf("%+v, %v", j, err)
	}
}

func (s *suite) parts() {
	s.insert(newJob("one"), 25)
	j, lease := s.lease(start)
	_, err := s.NextPart(s.ctx, lease, 1, 10, "me", start.Add(hour))
	s.want(err, store.ErrNotFound) // the operation is not ready
	var parts []store.Part
	for _, want := range [][2]int64{{0, 10}, {10, 20}, {20, 25}} {
		p := s.part(lease, 10, time.Now().Add(hour))
		if p.From != want[0] || p.To != want[1] || p.Epoch != 1 {
			s.Errorf("%+v, want %v", p, want)
		}
		parts = append(parts, p)
	}
	_, err = s.NextPart(s.ctx, lease, 0, 10, "me", time.Now().Add(hour))
	s.want(err, store.ErrNotFound)
	s.must(s.RenewPart(s.ctx, parts[0].PartLease, time.Now().Add(hour)))
	s.must(s.EndPart(s.ctx, parts[0].PartLease, true))
	s.must(s.EndPart(s.ctx, parts[1].PartLease, false))
	s.want(s.RenewPart(s.ctx, parts[1].PartLease, time.Now().Add(hour)), store.ErrFenced)
	s.want(s.EndPart(s.ctx, parts[1].PartLease, true), store.ErrFenced)
	n, err := s.OpenParts(s.ctx, j.Number, 0)
	if err != nil || n != 2 {
		s.Errorf("%d parts are open, %v", n, err)
	}
	again := s.part(lease, 3, time.Now().Add(hour))
	if again.Part != parts[1].Part || again.Epoch != 2 || again.From != 10 || again.To != 20 {
		s.Errorf("%+v", again)
	}
	items, intents, err := s.PartItems(s.ctx, again.PartLease)
	if err != nil || len(items) != 10 || len(intents) != 0 || items[0].Index != 10 || items[9].Key != "k00019" || string(items[4].Input) != `{"n":14}` {
		s.Errorf("%+v, %v, %v", items, intents, err)
	}
	s.must(s.EndPart(s.ctx, again.PartLease, true))
	s.must(s.EndPart(s.ctx, parts[2].PartLease, true))
	n, err = s.OpenParts(s.ctx, j.Number, 0)
	if err != nil || n != 0 {
		s.Errorf("%d parts are open, %v", n, err)
	}
	_, err = s.NextPart(s.ctx, lease, 0, 10, "me", time.Now().Add(hour))
	s.want(err, store.ErrNotFound)
}

func (s *suite) partsRace() {
	s.insert(newJob("one"), 300)
	_, lease := s.lease(start)
	var mu sync.Mutex
	seen := map[int64]int{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				p, err := s.NextPart(s.ctx, lease, 0, 7, "me", time.Now().Add(hour))
				if errors.Is(err, store.ErrNotFound) {
					return
				}
				if err != nil {
					s.Error(err)
					return
				}
				mu.Lock()
				for i := p.From; i < p.To; i++ {
					seen[i]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for i := range int64(300) {
		if seen[i] != 1 {
			s.Fatalf("item %d is in %d parts", i, seen[i])
		}
	}
}

// partsPass: parts whose lease has expired pass to the next holder, with what they have stored.
func (s *suite) partsPass() {
	s.insert(newJob("one"), 4)
	_, lease := s.lease(start)
	p := s.part(lease, 4, time.Now().Add(-hour))
	s.must(s.Checkpoint(s.ctx, p.PartLease, store.Batch{
		Results: []store.Result{{Index: 1, State: succeeded, Run: 1, At: start, Attempts: 1, Settled: 1}},
		Intents: []store.Intent{{Number: 1, Indexes: []int64{0, 1}, IdempotencyKey: "i", Attempt: 1}},
	}))
	again := s.part(lease, 4, time.Now().Add(hour))
	if again.Part != p.Part || again.Epoch != p.Epoch+1 {
		s.Errorf("%+v after %+v", again, p)
	}
	s.want(s.Checkpoint(s.ctx, p.PartLease, store.Batch{Results: []store.Result{{Index: 2, State: failed}}}), store.ErrFenced)
	items, intents, err := s.PartItems(s.ctx, again.PartLease)
	if err != nil || len(items) != 4 || items[1].State != succeeded || items[1].Settled != 1 || items[2].State != open || len(intents) != 1 {
		s.Errorf("%+v %+v, %v", items, intents, err)
	}
}

func (s *suite) checkpoints() {
	j := s.insert(newJob("one"), 10_000)
	_, lease := s.lease(start)
	p := s.part(lease, 10_000, time.Now().Add(hour))
	s.must(s.Checkpoint(s.ctx, p.PartLease, store.Batch{}))
	all := make([]store.Result, 10_000)
	for i := range all {
		all[i] = store.Result{Index: int64(i), State: succeeded, Attempts: 1, Elapsed: time.Millisecond, Run: 1, At: start}
	}
	all[7] = store.Result{
		Index: 7, State: unknown, Kind: 3, Resend: true, Attempts: 300, Elapsed: 5 * time.Second, ID: "id 7", Code: "C", Message: "m\u2028", Fingerprint: "f",
		Warnings: []string{"a", "b\n"}, Settled: 1 << 40, Run: 1, At: start.Add(hour),
	}
	s.must(s.Checkpoint(s.ctx, p.PartLease, store.Batch{Results: all}))
	got, err := s.Get(s.ctx, "t", "one")
	s.must(err)
	s.equal("counts", store.Counts{Total: 10_000, Succeeded: 9_999, Unknown: 1}, got.Counts)
	if want := 9_999*time.Millisecond + 5*time.Second; got.Elapsed != want {
		s.Errorf("elapsed %v, want %v", got.Elapsed, want)
	}
	rows, err := s.Items(s.ctx, j.Number, store.ItemQuery{Op: 0, States: []uint8{unknown}, Limit: 10, Input: true})
	s.must(err)
	s.equal("the item", []store.Item{{Index: 7, Key: "k00007", Input: []byte(`{"n":7}`), Result: all[7]}}, rows)
}

// counts: whatever is recorded, the counts are those of the rows.
func (s *suite) counts() {
	s.insert(newJob("one"), 40)
	j, lease := s.lease(start)
	r := rand.New(rand.NewPCG(3, 4))
	states := make([]uint8, 40)
	parts := []store.Part{s.part(lease, 20, time.Now().Add(hour)), s.part(lease, 20, time.Now().Add(hour))}
	for range 60 {
		p := parts[r.IntN(2)]
		var b store.Batch
		for _, k := range r.Perm(20)[:r.IntN(20)] {
			i := p.From + int64(k)
			to := uint8(r.IntN(5))
			b.Results = append(b.Results, store.Result{Index: i, State: to, Was: states[i], Attempts: 1})
			states[i] = to
		}
		s.must(s.Checkpoint(s.ctx, p.PartLease, b))
	}
	var want store.Counts
	for _, state := range states {
		want.Total++
		*[]*int64{&want.NotAttempted, &want.Succeeded, &want.Failed, &want.Skipped, &want.Unknown}[state]++
	}
	got, err := s.Get(s.ctx, "t", "one")
	s.must(err)
	s.equal("counts", want, got.Counts)
	s.equal("counts of the operation", want, got.Operations[0].Counts)
	rows, err := s.Recount(s.ctx, j.Number)
	s.must(err)
	s.equal("rows", want, rows)
}

func (s *suite) items() {
	j := newJob("one")
	j = s.insert(j, 6)
	_, lease := s.lease(start)
	s.must(s.BeginExpansion(s.ctx, lease, 1))
	s.must(s.AddItems(s.ctx, lease, 1, []store.Item{{Op: 1, Index: 0, Key: "k00003"}, {Op: 1, Index: 1, Key: "z"}}))
	p := s.part(lease, 6, time.Now().Add(hour))
	s.must(s.Checkpoint(s.ctx, p.PartLease, store.Batch{Results: []store.Result{
		{Index: 0, State: succeeded, Run: 1, At: start}, {Index: 1, State: failed, Code: "A", Run: 1, At: start},
		{Index: 2, State: failed, Code: "B", Run: 2, At: start}, {Index: 3, State: unknown, Code: "A", Run: 2, At: start},
	}}))
	for _, test := range []struct {
		q    store.ItemQuery
		want string
	}{
		{store.ItemQuery{Op: -1, Limit: 100}, "0.0 0.1 0.2 0.3 0.4 0.5 1.0 1.1"},
		{store.ItemQuery{Op: 0, Limit: 2}, "0.0 0.1"},
		{store.ItemQuery{Op: 1, Limit: 100}, "1.0 1.1"},
		{store.ItemQuery{Op: -1, Limit: 3, After: &store.ItemCursor{Op: 0, Index: 4}}, "0.5 1.0 1.1"},
		{store.ItemQuery{Op: -1, Limit: 100, States: []uint8{failed, unknown}}, "0.1 0.2 0.3"},
		{store.ItemQuery{Op: -1, Limit: 100, States: []uint8{open}}, "0.4 0.5 1.0 1.1"},
		{store.ItemQuery{Op: -1, Limit: 1, States: []uint8{failed, unknown}, After: &store.ItemCursor{Op: 0, Index: 1}}, "0.2"},
		{store.ItemQuery{Op: -1, Limit: 100, Code: "A"}, "0.1 0.3"},
		{store.ItemQuery{Op: -1, Limit: 100, Run: 2}, "0.2 0.3"},
		{store.ItemQuery{Op: -1, Limit: 100, Key: "k00003"}, "0.3 1.0"},
	} {
		rows, err := s.Items(s.ctx, j.Number, test.q)
		s.must(err)
		var got []string
		for _, r := range rows {
			got = append(got, fmt.Sprintf("%d.%d", r.Op, r.Index))
			if r.Input != nil {
				s.Errorf("item %d has an input that was not asked for", r.Index)
			}
		}
		s.equal(fmt.Sprintf("Items(%+v)", test.q), test.want, strings.Join(got, " "))
	}
}

func (s *suite) texts() {
	keys := []string{"plain", "Grüße", "with space", `"quoted"`, "line\nfeed", "\x00", "a\x00b", "\xff\xfe", "half \xe6\x97", strings.Repeat("long", 2500), "../x", "%2F"}
	j, _, err := s.Insert(s.ctx, newJob("one"), func(yield func(store.Item, error) bool) {
		for k, key := range keys {
			if !yield(store.Item{Index: int64(k), Key: key, Input: []byte(`{"text":"` + strings.Repeat("ü", k) + `"}`)}, nil) {
				return
			}
		}
	})
	s.must(err)
	rows, err := s.Items(s.ctx, j.Number, store.ItemQuery{Op: -1, Limit: 100, Input: true})
	s.must(err)
	for k, key := range keys {
		if rows[k].Key != key || string(rows[k].Input) != `{"text":"`+strings.Repeat("ü", k)+`"}` {
			s.Errorf("key %q came back as %q, input %s", key, rows[k].Key, rows[k].Input)
		}
		one, err := s.Items(s.ctx, j.Number, store.ItemQuery{Op: -1, Limit: 100, Key: key})
		if err != nil || len(one) != 1 || one[0].Index != int64(k) {
			s.Errorf("by key %q: %+v, %v", key, one, err)
		}
	}
}

func (s *suite) errorGroups() {
	j := s.insert(newJob("one"), 10)
	_, lease := s.lease(start)
	p := s.part(lease, 10, time.Now().Add(hour))
	var b store.Batch
	for i, r := range []store.Result{
		{State: succeeded}, {State: failed, Code: "A", Message: "first"}, {State: failed, Code: "B", Kind: 1, Message: "b"},
		{State: failed, Code: "A", Message: "second"}, {State: unknown, Code: "A", Message: "u"}, {State: failed, Code: "A", Resend: true, Message: "again"},
		{State: failed, Code: "A", Message: "third"}, {State: skipped, Code: "A"},
	} {
		r.Index, r.Run, r.At = int64(i), 1, start
		b.Results = append(b.Results, r)
	}
	s.must(s.Checkpoint(s.ctx, p.PartLease, b))
	groups, err := s.ErrorGroups(s.ctx, j.Number, 10)
	s.must(err)
	if len(groups) != 4 {
		s.Fatalf("%+v", groups)
	}
	s.equal("the largest", store.ErrorGroup{State: failed, Code: "A", Message: "first", Items: 3, First: store.ItemCursor{Index: 1}}, groups[0])
	groups, err = s.ErrorGroups(s.ctx, j.Number, 1)
	if err != nil || len(groups) != 1 {
		s.Errorf("%+v, %v", groups, err)
	}
}
