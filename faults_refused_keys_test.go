package windrow_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
)

// keyed is a server that stores the good items of a request, refuses the whole of it when one is bad, and knows a repetition
// by its idempotency key: it answers that as it did the first time.
type keyed struct {
	ledger *ledger
	bad    func(id string) bool
	refuse func() error
	said   map[string]error
}

func (s *keyed) serve(c *call) (err error) {
	key := c.attempt.IdempotencyKey()
	if err, again := s.said[key]; again {
		return err
	}
	for _, id := range c.ids {
		if s.bad(id) {
			err = s.refuse()
		} else {
			s.ledger.add(id)
		}
	}
	s.said[key] = err
	return err
}

// F82: an idempotency key belongs to a request: halves of a chunk that was refused and stored in part have other keys, and
// the server takes their items for new ones. So such a chunk is not divided, as one without keys is not.
func TestF82_RefusedAndStored_IdempotencyKeys(t *testing.T) {
	t.Parallel()
	refusals := map[string]func() error{
		"400":       func() error { return &statusError{status: 400} },
		"409":       func() error { return &statusError{status: 409} },
		"412":       func() error { return &statusError{status: 412} },
		"422":       func() error { return &statusError{status: 422} },
		"permanent": func() error { return windrow.Permanent(errServer) },
		"plain":     func() error { return errServer },
	}
	for name, refuse := range refusals {
		for _, atomicity := range []windrow.Atomicity{windrow.AtomicityPartial, windrow.AtomicitySelectable} {
			for _, look := range []string{"none", "single", "batch"} {
				for _, journal := range []bool{false, true} {
					for _, stream := range []bool{false, true} {
						t.Run(fmt.Sprintf("%s/%v/look-up %s/journal %t/stream %t", name, atomicity, look, journal, stream), func(t *testing.T) {
							synctest.Test(t, func(t *testing.T) {
								s := &keyed{ledger: newLedger(), refuse: refuse, said: map[string]error{}}
								s.bad = func(id string) bool { return id == "i3" }
								f := newFake(t, s.serve)
								f.batch = func(c *call) ([]windrow.Outcome[string], error) { return outcomes(c.ids), s.serve(c) }
								opts := []windrow.Option{fastRetries, windrow.BatchSize(4), windrow.Concurrency(1)}
								if journal {
									opts = append(opts, windrow.WithJournal(newMemory()))
								}
								caps := windrow.Capabilities{IdempotencyKeys: true, Atomicity: atomicity}
								p := windrow.NewCreateProcessor[string, string](bulkClient{client{f, caps}}, opts...)
								p.Key = byItself
								there := func(id string) bool { return s.ledger.count(id) > 0 }
								switch look {
								case "single":
									p.Reconcile = func(_ context.Context, id string) (string, bool, error) { return valueOf(id), there(id), nil }
								case "batch":
									p.ReconcileBatch = func(_ context.Context, in []string) ([]windrow.Outcome[string], error) {
										out := outcomes(in)
										for k, id := range in {
											if !there(id) {
												out[k].Err = windrow.ErrNotFound
											}
										}
										return out, nil
									}
								}
								in := ids(8)
								all, _ := results(t, p, stream, in)
								s.ledger.check(t, in, statesOf(all), make([]error, len(in)))
								want := repeat(8, windrow.Succeeded)
								requests := 2
								if look == "none" {
									copy(want, repeat(4, windrow.Unknown)) // the chunk of the bad one
								} else {
									want[3] = windrow.Failed
									requests++ // the one that is not there, by itself
								}
								if diff := cmp.Diff(want, statesOf(all)); diff != "" || len(f.calls) != requests {
									t.Errorf("requests of %v; states (-want +got):\n%s%v", f.sizes(), diff, all[3].Err)
								}
							})
						})
					}
				}
			}
		}
	}
}

// F82: of a chunk of several kinds that only a key protects, the creates are not sent again in another request; what is
// harmless by itself is.
func TestF82_RefusedAndStored_Operations(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &keyed{ledger: newLedger(), said: map[string]error{}, refuse: func() error { return &statusError{status: 400} }}
		s.bad = func(name string) bool { return name == "update b" }
		f := newFake(t, nil)
		f.batch = func(c *call) ([]windrow.Outcome[string], error) { return outcomes(c.ids), s.serve(c) }
		in := []string{"create a", "update b", "create c", "update d"}
		e := &executor{client: client{f, windrow.Capabilities{IdempotencyKeys: true}}}
		res, _ := windrow.Execute(t.Context(), e, operations(in...), fastRetries, windrow.Concurrency(1))
		want := []windrow.State{windrow.Unknown, windrow.Failed, windrow.Unknown, windrow.Succeeded}
		for k, r := range res.Results() {
			if n := s.ledger.count(in[k]); r.State != want[k] || k%2 == 0 && n != 1 {
				t.Errorf("%s was made %d times and is %v, want %v: %v", in[k], n, r.State, want[k], r.Err)
			}
		}
	})
}
