package storetest

import (
	"cmp"
	"fmt"
	"time"

	"github.com/windrow-go/windrow/jobs/internal/store"
)

var states = []store.State{store.Queued, store.Running, store.Paused, store.Completed, store.Failed, store.Cancelled}

// conditions: a change happens only if all its conditions hold; otherwise nothing is changed, and the job is returned
// as it is.
func (s *suite) conditions() {
	for _, from := range states {
		for _, leased := range []bool{false, true} {
			j := newJob(fmt.Sprint("job", from, leased))
			j.State, j.Reason = store.Queued, "why"
			j = s.insert(j, 0)
			lease, stale := store.JobLease{Job: j.Number, Epoch: j.Epoch}, store.JobLease{Job: j.Number, Epoch: j.Epoch}
			if leased {
				now := time.Now()
				got, err := s.Claim(s.ctx, store.Claim{Owner: "me", Now: now, Until: now.Add(hour), Resources: j.Resources})
				s.must(err)
				if got.Number != j.Number {
					s.Fatalf("leased %s, want %s", got.ID, j.ID)
				}
				lease.Epoch = got.Epoch
			}
			j, err := s.Change(s.ctx, j.Number, store.Change{State: pointer(from)})
			s.must(err)
			other := store.Queued
			if from == store.Queued {
				other = store.Paused
			}
			free, held := error(nil), store.ErrFenced
			if leased {
				free, held = store.ErrConflict, nil
			}
			for _, test := range []struct {
				name   string
				change store.Change
				want   error
			}{
				{"no condition", store.Change{}, nil},
				{"all states", store.Change{From: states}, nil},
				{"its state", store.Change{From: []store.State{other, from}}, nil},
				{"another state", store.Change{From: []store.State{other}}, store.ErrConflict},
				{"another reason", store.Change{Unless: "other"}, nil},
				{"its reason", store.Change{Unless: "why"}, store.ErrConflict},
				{"free", store.Change{Free: true}, free},
				{"the lease", store.Change{Lease: &lease}, held},
				{"an earlier lease", store.Change{Lease: &stale}, store.ErrFenced},
				{"the lease of another job", store.Change{Lease: &store.JobLease{Job: j.Number + 1, Epoch: lease.Epoch}}, store.ErrFenced},
				{"the lease and another state", store.Change{Lease: &lease, From: []store.State{other}}, cmp.Or(held, store.ErrConflict)},
			} {
				s.tryChange(fmt.Sprintf("%v, leased %v, %s", from, leased, test.name), j, test.change, test.want)
			}
			_, err = s.Change(s.ctx, j.Number, store.Change{State: pointer(store.Completed), Release: true})
			s.must(err)
		}
	}
}

// tryChange makes a change, and takes it back if it happens.
func (s *suite) tryChange(name string, j store.Job, change store.Change, want error) {
	s.Helper()
	before, err := s.Events(s.ctx, j.Number, 0, 1000)
	s.must(err)
	started := start.Add(hour)
	change.Reason, change.Ended = pointer("changed"), &started
	got, err := s.Change(s.ctx, j.Number, change, store.Event{Type: "changed", At: start})
	s.want(err, want)
	after, e := s.Events(s.ctx, j.Number, 0, 1000)
	s.must(e)
	if want != nil {
		s.equal(name+": the job is as it was", j, got)
		s.equal(name+": the events are as they were", before, after)
		return
	}
	changed := j
	changed.Reason, changed.Ended = "changed", started
	s.equal(name, changed, got)
	if len(after) != len(before)+1 {
		s.Errorf("%s: %d events after %d", name, len(after), len(before))
	}
	got, err = s.Change(s.ctx, j.Number, store.Change{Reason: pointer(j.Reason), Ended: &j.Ended})
	s.must(err)
	s.equal(name+": taken back", j, got)
}

// times: a zero time stays one, others come back to the microsecond and in UTC.
func (s *suite) times() {
	zone := time.FixedZone("there", 5*3600+1800)
	at := start.In(zone)
	j := newJob("one")
	j.Created, j.Queued, j.Started = at, at.Add(time.Microsecond), at.Add(-200*365*24*hour)
	j = s.insert(j, 2, store.Event{Type: "at", At: at}, store.Event{Type: "zero"})
	for name, pair := range map[string][2]time.Time{
		"Created": {at, j.Created}, "Queued": {at.Add(time.Microsecond), j.Queued}, "Started": {at.Add(-200 * 365 * 24 * hour), j.Started},
		"Ended": {{}, j.Ended}, "LeaseUntil": {{}, j.LeaseUntil},
	} {
		if want, got := pair[0], pair[1]; !got.Equal(want) || got.Location() != time.UTC {
			s.Errorf("%s is %v, want %v", name, got, want.UTC())
		}
	}
	events, err := s.Events(s.ctx, j.Number, 0, 10)
	if err != nil || len(events) != 2 || !events[0].At.Equal(at) || events[0].At.Location() != time.UTC || !events[1].At.IsZero() {
		s.Errorf("%+v, %v", events, err)
	}
	_, lease := s.lease(start)
	p := s.part(lease, 2, time.Now().Add(hour))
	s.must(s.Checkpoint(s.ctx, p.PartLease, store.Batch{Results: []store.Result{{Index: 1, State: succeeded, Run: 1, At: at, Elapsed: 3 * time.Microsecond}}}))
	rows, err := s.Items(s.ctx, j.Number, store.ItemQuery{Op: 0, Limit: 10})
	if err != nil || len(rows) != 2 || !rows[0].At.IsZero() || !rows[1].At.Equal(at) || rows[1].At.Location() != time.UTC || rows[1].Elapsed != 3*time.Microsecond {
		s.Errorf("%+v, %v", rows, err)
	}
}
