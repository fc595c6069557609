package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/windrow-go/windrow/jobs/internal/store"
)

// cancelledEverywhere: no method does anything for a context that has ended, and the store can be used afterwards.
func (s *suite) cancelledEverywhere() {
	s.insert(newJob("one"), 10)
	j, lease := s.lease(start)
	p := s.part(lease, 5, time.Now().Add(hour))
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	later := time.Now().Add(2 * hour)
	for name, call := range map[string]func() error{
		"Insert":    func() error { _, _, err := s.Insert(ctx, newJob("two"), given(1)); return err },
		"Get":       func() error { _, err := s.Get(ctx, "t", "one"); return err },
		"List":      func() error { _, err := s.List(ctx, store.JobQuery{Tenant: "t", Limit: 1}); return err },
		"CountJobs": func() error { _, err := s.CountJobs(ctx); return err },
		"Change":    func() error { _, err := s.Change(ctx, j.Number, store.Change{Reason: new("no")}); return err },
		"Delete":    func() error { _, err := s.Delete(ctx, "t", "one", 10); return err },
		"Doomed":    func() error { _, err := s.Doomed(ctx); return err },
		"Claim": func() error {
			_, err := s.Claim(ctx, store.Claim{Owner: "you", Now: later, Until: later, Resources: j.Resources})
			return err
		},
		"Renew":          func() error { return s.Renew(ctx, lease, later) },
		"BeginExpansion": func() error { return s.BeginExpansion(ctx, lease, 1) },
		"AddItems":       func() error { return s.AddItems(ctx, lease, 1, []store.Item{{Op: 1}}) },
		"SetItems":       func() error { return s.SetItems(ctx, lease, 0, []store.Result{{Index: 9, State: skipped}}) },
		"Repeated":       func() error { _, err := s.Repeated(ctx, j.Number, 0, 10); return err },
		"SetPhase":       func() error { return s.SetPhase(ctx, lease, 1, store.Ready) },
		"NextPart":       func() error { _, err := s.NextPart(ctx, lease, 0, 5, "me", later); return err },
		"PartItems":      func() error { _, _, err := s.PartItems(ctx, p.PartLease); return err },
		"Checkpoint": func() error {
			return s.Checkpoint(ctx, p.PartLease, store.Batch{Results: []store.Result{{Index: 1, State: succeeded}}})
		},
		"RenewPart":   func() error { return s.RenewPart(ctx, p.PartLease, later) },
		"EndPart":     func() error { return s.EndPart(ctx, p.PartLease, true) },
		"OpenParts":   func() error { _, err := s.OpenParts(ctx, j.Number, 0); return err },
		"Recount":     func() error { _, err := s.Recount(ctx, j.Number); return err },
		"Items":       func() error { _, err := s.Items(ctx, j.Number, store.ItemQuery{Op: -1, Limit: 1}); return err },
		"ErrorGroups": func() error { _, err := s.ErrorGroups(ctx, j.Number, 1); return err },
		"AddEvents":   func() error { return s.AddEvents(ctx, j.Number, store.Event{Type: "no"}) },
		"Events":      func() error { _, err := s.Events(ctx, j.Number, 0, 1); return err },
		"Value":       func() error { _, err := s.Value(ctx, "a"); return err },
		"SetValue":    func() error { return s.SetValue(ctx, "a", nil) },
		"Size":        func() error { _, err := s.Size(ctx); return err },
	} {
		if err := call(); !errors.Is(err, context.Canceled) {
			s.Errorf("%s: %v, want %v", name, err, context.Canceled)
		}
	}
	got, err := s.Get(s.ctx, "t", "one")
	s.must(err)
	events, err := s.Events(s.ctx, j.Number, 0, 10)
	if err != nil || len(events) != 0 {
		s.Errorf("%+v, %v", events, err)
	}
	j.Operations[0].Next = 5
	s.equal("the job is as it was", j, got)
	s.must(s.Checkpoint(s.ctx, p.PartLease, store.Batch{Results: []store.Result{{Index: 1, State: succeeded}}}))
}
