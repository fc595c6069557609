package windrow_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/clients"
)

// 404 and "already exists", by what happened to the item before.
func TestNotFoundAndAlreadyExists(t *testing.T) {
	t.Parallel()
	yes, no := func(string) (bool, error) { return true, nil }, func(string) (bool, error) { return false, nil }
	keys := createVerb.with("ids of the client", windrow.Capabilities{ClientIDs: true})
	notFound, exists := error(&statusError{status: 404}), error(&statusError{status: 409})
	lost, unsent := windrow.Ambiguous(errServer), windrow.Transient(errServer)
	for _, test := range []struct {
		name    string
		verb    verb
		answers []error
		lookUp  func(string) (bool, error)
		want    windrow.State
		reason  windrow.Reason
		lookUps int
	}{
		{name: "F8 delete, not there", verb: deleteVerb, answers: []error{notFound}, want: windrow.Skipped, reason: windrow.ReasonNotFound},
		{name: "F8 delete, lost, not there any more", verb: deleteVerb, answers: []error{lost, notFound}, want: windrow.Succeeded},
		{name: "F8 delete, never sent, not there", verb: deleteVerb, answers: []error{unsent, notFound}, want: windrow.Skipped, reason: windrow.ReasonNotFound},
		{name: "F8 delete, throttled, not there", verb: deleteVerb, answers: []error{windrow.Throttled(errServer, 1), notFound}, want: windrow.Skipped, reason: windrow.ReasonNotFound},
		{name: "F8 delete, gone", verb: deleteVerb, answers: []error{&statusError{status: 410}}, want: windrow.Skipped, reason: windrow.ReasonNotFound},
		{name: "update, not there", verb: updateVerb, answers: []error{notFound}, want: windrow.Failed},
		{name: "get, not there", verb: getVerb, answers: []error{notFound}, want: windrow.Failed},
		{name: "create, exists", verb: keys, answers: []error{exists}, want: windrow.Failed},
		{name: "create, exists, could be looked up", verb: keys, answers: []error{exists}, lookUp: yes, want: windrow.Failed},
		{name: "F7 create, lost, exists", verb: keys, answers: []error{lost, exists}, want: windrow.Unknown},
		{name: "F7 create, lost, exists, its own", verb: keys, answers: []error{lost, exists}, lookUp: yes, want: windrow.Succeeded, lookUps: 1},
		{name: "F7 create, lost, exists, another's", verb: keys, answers: []error{lost, exists}, lookUp: no, want: windrow.Failed, lookUps: 1},
		{name: "F7 create, lost, 422", verb: keys, answers: []error{lost, &statusError{status: 422}}, lookUp: yes, want: windrow.Succeeded, lookUps: 1},
		{name: "F7 create, lost, marked", verb: keys, answers: []error{lost, windrow.Permanent(windrow.ErrAlreadyExists)}, lookUp: yes, want: windrow.Succeeded, lookUps: 1},
		{name: "F7 create, never sent, exists", verb: keys, answers: []error{unsent, exists}, lookUp: yes, want: windrow.Failed},
		{name: "F7 do, lost, exists", verb: doVerb.with("repeatable", windrow.Capabilities{}, windrow.Repeatable()), answers: []error{lost, exists}, want: windrow.Unknown},
		{name: "create, lost, refused", verb: keys, answers: []error{lost, errServer}, want: windrow.Unknown},
		{name: "create, lost, refused, its own", verb: keys, answers: []error{lost, errServer}, lookUp: yes, want: windrow.Succeeded, lookUps: 1},
		{name: "create, lost, refused, not there", verb: keys, answers: []error{lost, errServer}, lookUp: no, want: windrow.Failed, lookUps: 1},
		{name: "create, lost, marked permanent", verb: keys, answers: []error{lost, windrow.Permanent(errServer)}, want: windrow.Failed},
		{name: "create, lost, 405", verb: keys, answers: []error{lost, &statusError{status: 405}}, want: windrow.Failed},
		{name: "create, refused", verb: keys, answers: []error{errServer}, want: windrow.Failed},
		{name: "create, lost, fatal", verb: keys, answers: []error{lost, windrow.Fatal(errServer)}, want: windrow.Unknown},
		{name: "get, lost, fatal", verb: getVerb, answers: []error{lost, windrow.Fatal(errServer)}, want: windrow.Failed},
		{name: "create, lost, then never sent", verb: keys, answers: []error{lost, unsent, unsent}, want: windrow.Unknown},
		{name: "create, lost, then never sent, found", verb: keys, answers: []error{lost, unsent, unsent}, lookUp: yes, want: windrow.Succeeded, lookUps: 1},
		{name: "skipped", verb: keys, answers: []error{lost, clients.Skip(windrow.ReasonAlreadyExists)}, want: windrow.Skipped, reason: windrow.ReasonAlreadyExists},
	} {
		for _, bulk := range []bool{false, true} {
			name := test.verb.name + "/" + test.name
			if bulk {
				name += "/bulk"
			}
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := newFake(t, func(c *call) error {
						if c.nth <= len(test.answers) {
							return test.answers[c.nth-1]
						}
						return nil
					})
					f.batch = func(c *call) ([]windrow.Outcome[string], error) {
						if c.nth <= len(test.answers) {
							return repeat(len(c.ids), windrow.Outcome[string]{Err: test.answers[c.nth-1]}), nil
						}
						return outcomes(c.ids), nil
					}
					f.lookUp = test.lookUp
					run := test.verb.run
					n := 1
					if bulk {
						run, n = test.verb.runBulk, 2
					}
					s := run(t.Context(), f, ids(n), fastRetries, windrow.Concurrency(1))
					if diff := cmp.Diff(repeat(n, test.want), s.states); diff != "" {
						t.Errorf("states (-want +got):\n%s; %v", diff, s.errs)
					}
					if s.reasons[0] != test.reason {
						t.Errorf("the reason is %v, want %v", s.reasons[0], test.reason)
					}
					if len(f.lookUps) != n*test.lookUps {
						t.Errorf("%d look-ups, want %d", len(f.lookUps), n*test.lookUps)
					}
				})
			})
		}
	}
}

// A whole chunk that was lost and is refused at the second time because its items exist: each is looked up, and what
// is not there is sent again.
func TestF7ChunkExists(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := createVerb.with("ids of the client", windrow.Capabilities{ClientIDs: true, Atomicity: windrow.AtomicityAll})
		applied := []string{"i0", "i1", "i2"}
		f := newFake(t, func(c *call) error {
			if c.id() == "i5" {
				return &statusError{status: 409}
			}
			return nil
		})
		f.batch = func(c *call) ([]windrow.Outcome[string], error) {
			if c.nth == 1 {
				return nil, windrow.Ambiguous(errServer)
			}
			return nil, &statusError{status: 409}
		}
		f.lookUp = func(id string) (bool, error) { return slices.Contains(applied, id), nil }
		s := v.runBulk(t.Context(), f, ids(6), windrow.Concurrency(1), fastRetries)
		want := repeat(6, windrow.Succeeded)
		want[5] = windrow.Failed
		if diff := cmp.Diff(want, s.states); diff != "" {
			t.Errorf("states (-want +got):\n%s", diff)
		}
		for _, id := range applied {
			if len(f.of(id)) != 2 {
				t.Errorf("%s was sent %d times", id, len(f.of(id)))
			}
		}
	})
}

// A look-up that fails is repeated, and leaves the item Unknown in the end.
func TestLookUpFails(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		err    error
		times  int // how often it fails
		found  bool
		want   windrow.State
		calls  int
		looks  int
		stops  bool
		shut   bool
		panics bool
	}{
		{name: "transient, found", err: windrow.Transient(errServer), times: 2, found: true, want: windrow.Succeeded, calls: 1, looks: 3},
		{name: "transient, not found", err: windrow.Transient(errServer), times: 1, want: windrow.Succeeded, calls: 2, looks: 2},
		{name: "ambiguous, found", err: windrow.Ambiguous(errServer), times: 1, found: true, want: windrow.Succeeded, calls: 1, looks: 2},
		{name: "transient for good", err: windrow.Transient(errServer), times: 99, want: windrow.Unknown, calls: 1, looks: 3},
		{name: "permanent", err: errServer, times: 1, want: windrow.Unknown, calls: 1, looks: 1},
		{name: "too large", err: windrow.TooLarge(errServer, 0), times: 99, want: windrow.Unknown, calls: 1, looks: 1},
		{name: "throttled", err: windrow.Throttled(errServer, time.Second), times: 5, found: true, want: windrow.Succeeded, calls: 1, looks: 6, shut: true},
		{name: "fatal", err: windrow.Fatal(errServer), times: 1, want: windrow.Unknown, calls: 1, looks: 1, stops: true},
		{name: "panic", err: errServer, times: 1, panics: true, want: windrow.Unknown, calls: 1, looks: 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				lost := errors.New("the answer was lost")
				f := newFake(t, func(c *call) error {
					if c.nth == 1 {
						return windrow.Ambiguous(lost)
					}
					return nil
				})
				looks := 0
				f.lookUp = func(string) (bool, error) {
					if looks++; looks <= test.times {
						if test.panics {
							panic("the look-up")
						}
						return false, test.err
					}
					return test.found, nil
				}
				l := windrow.NewLimiter(windrow.Concurrency(1))
				s := createVerb.run(t.Context(), f, ids(1), windrow.WithLimiter(l), fastRetries)
				if s.states[0] != test.want || len(f.calls) != test.calls || looks != test.looks {
					t.Errorf("%v after %d calls and %d look-ups, want %v after %d and %d", s.states[0], len(f.calls), looks, test.want, test.calls, test.looks)
				}
				if errors.Is(s.cause, windrow.ErrFatal) != test.stops {
					t.Errorf("the run was stopped by %v", s.cause)
				}
				if (l.Stats().Throttled > 0) != test.shut {
					t.Errorf("the limiter saw %d throttles", l.Stats().Throttled)
				}
				if test.want == windrow.Unknown && !errors.Is(s.errs[0], lost) {
					t.Errorf("the item's error is %v, want the first one in it", s.errs[0])
				}
				if s.stats.Requests != len(f.calls)+looks {
					t.Errorf("%d calls and %d look-ups, and the stats say %d", len(f.calls), looks, s.stats.Requests)
				}
			})
		})
	}
}

// What another run left Unknown is sent again only where that is harmless for one item.
func TestRerunUnknown(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		verb   verb
		bulk   bool
		lookUp func(string) (bool, error)
		want   windrow.State
		calls  int
	}{
		{name: "once", verb: createVerb, want: windrow.Unknown},
		{name: "once, found", verb: createVerb, lookUp: func(string) (bool, error) { return true, nil }, want: windrow.Succeeded},
		{name: "once, not found", verb: createVerb, lookUp: func(string) (bool, error) { return false, nil }, want: windrow.Succeeded, calls: 2},
		{name: "harmless", verb: updateVerb, want: windrow.Succeeded, calls: 2},
		{name: "keys", verb: createVerb.with("keys", windrow.Capabilities{IdempotencyKeys: true}), want: windrow.Succeeded, calls: 2},
		{name: "keys of chunks", verb: createVerb.with("keys", windrow.Capabilities{IdempotencyKeys: true}), bulk: true, want: windrow.Unknown},
		{name: "ids", verb: createVerb.with("ids", windrow.Capabilities{ClientIDs: true}), bulk: true, want: windrow.Succeeded, calls: 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				healed := false
				f := newFake(t, func(*call) error {
					if healed {
						return nil
					}
					return windrow.Ambiguous(errServer)
				})
				f.batch = func(c *call) ([]windrow.Outcome[string], error) { return nil, f.script(c) }
				o := test.verb.start(test.verb, f, test.bulk, []windrow.Option{windrow.Retry(windrow.RetryPolicy{MaxAttempts: 1})})
				if s := o.run(t.Context(), ids(2)); s.states[0] != windrow.Unknown || s.states[1] != windrow.Unknown {
					t.Fatalf("states %v", s.states)
				}
				healed, f.lookUp = true, test.lookUp
				calls := len(f.calls)
				s := o.rerun(t.Context())
				if diff := cmp.Diff(repeat(2, test.want), s.states); diff != "" {
					t.Errorf("states (-want +got):\n%s", diff)
				}
				if n := len(f.calls) - calls; n != test.calls {
					t.Errorf("%d calls, want %d", n, test.calls)
				}
			})
		})
	}
}
