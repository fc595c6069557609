package windrow_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/mixed"
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
								opts := []windrow.Option{fastRetries, windrow.BatchSize(4), windrow.Linger(time.Second), windrow.Concurrency(1)}
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
		res, _ := mixed.Run(t.Context(), e, operations(in...), fastRetries, windrow.Concurrency(1))
		want := []windrow.State{windrow.Unknown, windrow.Failed, windrow.Unknown, windrow.Succeeded}
		for k, r := range slices.Collect(res.All()) {
			if n := s.ledger.count(in[k]); r.State != want[k] || k%2 == 0 && n != 1 {
				t.Errorf("%s was made %d times and is %v, want %v: %v", in[k], n, r.State, want[k], r.Err)
			}
		}
	})
}

// F71: a program that is started again with its IdempotencyScope may meet what it began before: what says so is waited for,
// with the same key, and is never said to have failed.
func TestF71_ScopeMeetsItsEarlierWork(t *testing.T) {
	t.Parallel()
	busy := map[string]error{
		"409": &statusError{status: 409}, "412": &statusError{status: 412}, "422": &statusError{status: 422}, "exists": windrow.ErrAlreadyExists,
	}
	scope := windrow.IdempotencyScope("import 1")
	for name, err := range busy {
		for _, bulk := range []string{"single", "chunk", "items of a chunk"} {
			for _, look := range []bool{false, true} {
				for _, last := range []int{1, 99} { // the call until which the server says so
					for _, tt := range []struct {
						name string
						opts []windrow.Option
						key  func(string) string
						old  bool
					}{{"scope", []windrow.Option{scope}, byItself, true}, {"no scope", nil, byItself, false}, {"no key", []windrow.Option{scope}, nil, false}} {
						each(t, fmt.Sprintf("%s/%s/%s/look-up %t/until call %d", tt.name, name, bulk, look, last), func(t *testing.T, stream bool) {
							var mu sync.Mutex
							keys := map[string]bool{}
							f := newFake(t, func(c *call) error {
								mu.Lock()
								keys[c.attempt.IdempotencyKey()] = true
								mu.Unlock()
								if c.nth <= last {
									return err
								}
								return nil // the answer to the first request
							})
							f.batch = func(c *call) ([]windrow.Outcome[string], error) {
								out, refused := outcomes(c.ids), f.script(c)
								if bulk == "items of a chunk" && refused != nil {
									return repeat(len(c.ids), windrow.Outcome[string]{Err: refused}), nil
								}
								return out, refused
							}
							caps := windrow.Capabilities{IdempotencyKeys: true}
							var c windrow.Creator[string, string] = client{f, caps}
							if bulk != "single" {
								c = bulkClient{client{f, caps}}
							}
							opts := append(tt.opts, fastRetries, windrow.SettlingTime(0), windrow.BatchSize(3), windrow.Linger(time.Second))
							if bulk == "single" {
								opts = append(opts, windrow.SingleCalls)
							}
							p := windrow.NewCreateProcessor(c, opts...)
							p.Key = tt.key
							if look {
								p.Reconcile = func(_ context.Context, id string) (string, bool, error) { return valueOf(id), true, nil }
							}
							all, _ := results(t, p, stream, ids(3))
							conflict := name == "409" || name == "412"
							want := windrow.Failed
							switch {
							case tt.old && look, tt.old && conflict && last == 1 && bulk != "items of a chunk":
								want = windrow.Succeeded // found, or repeated with its key
							case tt.old:
								want = windrow.Unknown
							case bulk == "chunk" && look:
								want = windrow.Succeeded
							case bulk == "chunk":
								want = windrow.Unknown // F82
							}
							if diff := cmp.Diff(repeat(3, want), statesOf(all)); diff != "" {
								t.Errorf("requests of %v; states (-want +got):\n%s%v", f.sizes(), diff, all[0].Err)
							}
							if n := len(keys); bulk == "single" && n != 3 || bulk != "single" && n != 1 {
								t.Errorf("%d idempotency keys", n)
							}
						})
					}
				}
			}
		}
	}
}

// F71: many servers say by a 400, or in words of their own, that the record is there already. After a lost answer none of
// these says that a create or a delete was not carried out.
func TestF71_AnyRefusalAfterALostAnswer(t *testing.T) {
	t.Parallel()
	refusals := map[string]error{
		"400": &statusError{status: 400}, "409": &statusError{status: 409}, "412": &statusError{status: 412}, "422": &statusError{status: 422},
		"plain": errServer,
		"401":   &statusError{status: 401}, "404": &statusError{status: 404}, "405": &statusError{status: 405}, "415": &statusError{status: 415},
	}
	repeatable := doVerb.with("repeatable", windrow.Capabilities{}, windrow.Repeatable())
	for _, v := range []verb{withIDs, withKeys, repeatable, updateVerb, deleteVerb} {
		for name, err := range refusals {
			for _, bulk := range []bool{false, true} {
				for _, look := range []string{"none", "found", "not there"} {
					open := name == "409" || name == "412"
					switch v.name {
					case updateVerb.name:
					case deleteVerb.name:
						open = open || name == "400" || name == "422"
					default:
						open = open || name == "400" || name == "422" || name == "plain"
					}
					want := windrow.Failed
					switch {
					case !open && v.name == deleteVerb.name && name == "404":
						want = windrow.Succeeded
					case !open && name == "401":
						want = windrow.Unknown
					case open && look == "none":
						want = windrow.Unknown
					case open && look == "found":
						want = windrow.Succeeded
					case open && v.name == withKeys.name && !bulk && (name == "409" || name == "412"):
						want = windrow.Unknown // the first request may still be at work on it
					}
					inBothWays(t, fmt.Sprintf("%s/%s/bulk %t/look-up %s", v.name, name, bulk, look), func(t *testing.T, run func(operation, []string) ([]windrow.State, []error)) {
						f := newFake(t, func(c *call) error {
							if c.nth == 1 {
								return lostAnswer
							}
							return err
						})
						f.batch = func(c *call) ([]windrow.Outcome[string], error) {
							if c.nth == 1 {
								return nil, lostAnswer
							}
							return repeat(len(c.ids), windrow.Outcome[string]{Err: err}), nil
						}
						if look != "none" {
							f.lookUp = func(string) (bool, error) { return look == "found", nil }
						}
						states, errs := run(v.start(v, f, bulk, []windrow.Option{fastRetries, windrow.BatchSize(2), windrow.Concurrency(1)}), ids(2))
						if name == "401" {
							states = states[:1] // it ended the run
						}
						if diff := cmp.Diff(repeat(len(states), want), states); diff != "" {
							t.Errorf("states (-want +got):\n%s%v", diff, errs[0])
						}
					})
				}
			}
		}
	}
}
