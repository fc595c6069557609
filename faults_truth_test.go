package windrow_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
)

// The rows F71 to F75, F82 and F83: what is said of an item is true of the record. The servers here keep a ledger, so that
// each test can ask it.

// ledger is what a server really holds.
type ledger struct {
	mu   sync.Mutex
	made map[string]int
}

func newLedger() *ledger { return &ledger{made: map[string]int{}} }

func (l *ledger) add(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.made[id]++
}

func (l *ledger) count(id string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.made[id]
}

// check fails the test for each item that is doubled, that is said to be there and is not, or that is said to have failed
// and is there.
func (l *ledger) check(t *testing.T, ids []string, states []windrow.State, errs []error) {
	t.Helper()
	if len(states) != len(ids) {
		t.Fatalf("%d states of %d items", len(states), len(ids))
	}
	for k, id := range ids {
		n := l.count(id)
		switch {
		case n > 1:
			t.Errorf("%s was made %d times", id, n)
		case n == 0 && states[k] == windrow.Succeeded:
			t.Errorf("%s is said to be there, and is not", id)
		case n == 1 && (states[k] == windrow.Failed || states[k] == windrow.NotAttempted):
			t.Errorf("%s is said to be %v, and is there: %v", id, states[k], errs[k])
		}
	}
}

// inBothWays runs a test as a run and as a stream, with virtual time.
func inBothWays(t *testing.T, name string, test func(t *testing.T, run func(o operation, ids []string) ([]windrow.State, []error))) {
	t.Helper()
	t.Run(name+"/run", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			test(t, func(o operation, ids []string) ([]windrow.State, []error) {
				s := o.run(t.Context(), ids)
				return s.states, s.errs
			})
		})
	})
	t.Run(name+"/stream", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			test(t, func(o operation, ids []string) ([]windrow.State, []error) { return o.stream(t.Context(), ids) })
		})
	})
}

var (
	lostAnswer = windrow.Ambiguous(errors.New("the answer was lost"))
	withKeys   = createVerb.with("idempotency keys", windrow.Capabilities{IdempotencyKeys: true})
	withIDs    = createVerb.with("ids of the client", windrow.Capabilities{ClientIDs: true})
)

// F71: a 409 that means "still being processed" is waited for, where the repetition is harmless, and nothing ends as
// Failed that may be there.
func TestF71_StillBeingProcessed(t *testing.T) {
	t.Parallel()
	busy := map[string]error{
		"409":                    &statusError{status: 409},
		"409 with Retry-After":   &statusError{409, 2 * time.Second},
		"409 and already exists": fmt.Errorf("%w: %w", windrow.ErrAlreadyExists, &statusError{status: 409}),
		"classed as ambiguous":   windrow.Ambiguous(fmt.Errorf("%w: in use", windrow.ErrAlreadyExists)),
		"classed as transient":   windrow.Transient(fmt.Errorf("%w: in use", windrow.ErrAlreadyExists)),
		"classed as throttled":   windrow.Throttled(fmt.Errorf("%w: in use", windrow.ErrAlreadyExists), time.Second),
	}
	for name, err := range busy {
		for _, bulk := range []bool{false, true} {
			for _, last := range []int{2, 99} { // the call until which the server says so
				inBothWays(t, fmt.Sprintf("%s/bulk %t/until call %d", name, bulk, last), func(t *testing.T, run func(operation, []string) ([]windrow.State, []error)) {
					l := newLedger()
					f := newFake(t, nil)
					f.script = func(c *call) error {
						switch {
						case c.nth == 1: // it is at work on it, and the answer is lost
							for _, id := range c.ids {
								l.add(id)
							}
							return lostAnswer
						case c.nth <= last:
							return err
						}
						return nil // the answer to the first request
					}
					f.batch = func(c *call) ([]windrow.Outcome[string], error) {
						if err := f.script(c); err != nil {
							return nil, err
						}
						return outcomes(c.ids), nil
					}
					in := ids(3)
					states, errs := run(withKeys.start(withKeys, f, bulk, []windrow.Option{windrow.BatchSize(3), windrow.Retry(windrow.RetryPolicy{
						MaxAttempts: 4, Strategy: windrow.Constant(time.Second), MaxThrottleWait: time.Minute,
					})}), in)
					l.check(t, in, states, errs)
					want := windrow.Succeeded
					if last > 4 {
						want = windrow.Unknown
					}
					if diff := cmp.Diff(repeat(3, want), states); diff != "" {
						t.Errorf("states (-want +got):\n%s", diff)
					}
				})
			}
		}
	}
}

// F71: the first request of this program may meet one of a program before it. What the client classed comes before
// "exists", and before what an attempt's status looks like.
func TestF71_WhatTheClientClassedComesFirst(t *testing.T) {
	t.Parallel()
	exists := fmt.Errorf("%w: %w", windrow.ErrAlreadyExists, &statusError{status: 409})
	byHand := func(class windrow.Class) windrow.Option {
		return windrow.Retry(windrow.RetryPolicy{
			MaxAttempts: 3, Strategy: windrow.Constant(time.Second),
			Classify: func(error) windrow.Classification { return windrow.Classification{Class: class} },
		})
	}
	changed := windrow.Retry(windrow.RetryPolicy{
		MaxAttempts: 3, Strategy: windrow.Constant(time.Second),
		Classify: func(err error) windrow.Classification {
			c := windrow.Classify(err)
			if c.Class == windrow.ClassPermanent {
				c.Class = windrow.ClassTransient
			}
			return c
		},
	})
	for _, tt := range []struct {
		name   string
		verb   verb
		first  error
		then   error
		option windrow.Option
		want   windrow.State
		calls  int
	}{
		{"ambiguous", withKeys, windrow.Ambiguous(exists), nil, fastRetries, windrow.Succeeded, 2},
		{"ambiguous, once only", createVerb, windrow.Ambiguous(exists), nil, fastRetries, windrow.Unknown, 1},
		{"ambiguous for good", withIDs, windrow.Ambiguous(exists), windrow.Ambiguous(exists), fastRetries, windrow.Unknown, 3},
		{"transient, once only", createVerb, windrow.Transient(exists), nil, fastRetries, windrow.Succeeded, 2},
		{"permanent after a lost one", withIDs, lostAnswer, windrow.Permanent(errServer), fastRetries, windrow.Failed, 2},
		{"by a classifier", createVerb, exists, nil, byHand(windrow.ClassTransient), windrow.Succeeded, 2},
		{"by a classifier that asks Classify", createVerb, exists, nil, changed, windrow.Succeeded, 2},
		{"of an update", updateVerb, windrow.Ambiguous(exists), nil, fastRetries, windrow.Succeeded, 2},
		{"of a delete that is not there", deleteVerb, windrow.Ambiguous(windrow.ErrNotFound), nil, fastRetries, windrow.Succeeded, 2},
	} {
		inBothWays(t, tt.name, func(t *testing.T, run func(operation, []string) ([]windrow.State, []error)) {
			f := newFake(t, func(c *call) error {
				c.attempt.Engage()
				c.attempt.Sending()
				c.attempt.Answered(409, true)
				if c.nth == 1 {
					return tt.first
				}
				return tt.then
			})
			states, errs := run(tt.verb.start(tt.verb, f, false, []windrow.Option{tt.option}), ids(1))
			if states[0] != tt.want || len(f.calls) != tt.calls {
				t.Errorf("%v after %d calls, want %v after %d: %v", states[0], len(f.calls), tt.want, tt.calls, errs[0])
			}
		})
	}
}

// F71: after an attempt that may have been applied, a refusal that says in what state the record is proves nothing: that
// may be the state which this attempt made.
func TestF71_ConflictAfterALostAnswer(t *testing.T) {
	t.Parallel()
	yes, no := func(string) (bool, error) { return true, nil }, func(string) (bool, error) { return false, nil }
	for _, tt := range []struct {
		verb     verb
		statuses []int
	}{
		{withIDs, []int{409, 412, 422}},
		{doVerb.with("repeatable", windrow.Capabilities{}, windrow.Repeatable()), []int{409, 412, 422}},
		{updateVerb, []int{409, 412}},
		{upsertVerb, []int{409, 412}},
		{deleteVerb, []int{409, 412}},
	} {
		for _, status := range tt.statuses {
			for _, look := range []struct {
				name string
				up   func(string) (bool, error)
				want windrow.State
			}{{"no look-up", nil, windrow.Unknown}, {"found", yes, windrow.Succeeded}, {"not found", no, windrow.Failed}} {
				inBothWays(t, fmt.Sprintf("%s/%d/%s", tt.verb.name, status, look.name), func(t *testing.T, run func(operation, []string) ([]windrow.State, []error)) {
					f := newFake(t, func(c *call) error {
						if c.nth == 1 {
							return lostAnswer
						}
						return &statusError{status: status}
					})
					f.lookUp = look.up
					states, errs := run(tt.verb.start(tt.verb, f, false, []windrow.Option{fastRetries}), ids(2))
					if diff := cmp.Diff(repeat(2, look.want), states); diff != "" {
						t.Errorf("states (-want +got):\n%s%v", diff, errs[0])
					}
				})
			}
		}
	}
}

// F71: an atomic request that was lost, and meets what it made itself, is not said to be rolled back.
func TestF71_AtomicRequestMeetsItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, nil)
		answers(f, refusal{err: lostAnswer}, refusal{err: &statusError{status: 409}})
		v := createVerb.with("ids of the client, atomic", windrow.Capabilities{ClientIDs: true, Atomicity: windrow.AtomicityAll})
		s := v.runBulk(t.Context(), f, ids(3), windrow.Atomic(), fastRetries)
		if diff := cmp.Diff(repeat(3, windrow.Unknown), s.states); diff != "" {
			t.Errorf("states (-want +got):\n%s", diff)
		}
	})
}

// F74: the error of an item in an answer of success is the item's refusal, unless it says what it is. The status of the
// answer says nothing of its items.
func TestF74_ItemErrorInAGoodAnswer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		verb   verb
		status int // of the answer, as the transport notes it; 0: it notes nothing
		err    error
		want   windrow.State
		calls  int
	}{
		{"plain", createVerb, 200, errServer, windrow.Failed, 1},
		{"plain, 201", createVerb, 201, errServer, windrow.Failed, 1},
		{"plain, 207", createVerb, 207, errServer, windrow.Failed, 1},
		{"plain, 400", createVerb, 400, errServer, windrow.Failed, 1},
		{"plain, 500", createVerb, 500, errServer, windrow.Failed, 1},
		{"plain, no record", createVerb, 0, errServer, windrow.Failed, 1},
		{"plain", updateVerb, 200, errServer, windrow.Failed, 1},
		{"plain", upsertVerb, 200, errServer, windrow.Failed, 1},
		{"plain", deleteVerb, 200, errServer, windrow.Failed, 1},
		{"plain", getVerb, 200, errServer, windrow.Failed, 1},
		{"429", createVerb, 200, &statusError{status: 429}, windrow.Succeeded, 2},
		{"503 with a hint", createVerb, 200, &statusError{503, time.Second}, windrow.Succeeded, 2},
		{"503", createVerb, 200, &statusError{status: 503}, windrow.Unknown, 1},
		{"500", createVerb, 207, &statusError{status: 500}, windrow.Unknown, 1},
		{"500", updateVerb, 207, &statusError{status: 500}, windrow.Succeeded, 2},
		{"425", createVerb, 200, &statusError{status: 425}, windrow.Succeeded, 2},
		{"422", createVerb, 200, &statusError{status: 422}, windrow.Failed, 1},
		{"404", deleteVerb, 200, &statusError{status: 404}, windrow.Skipped, 1},
		{"not found", deleteVerb, 200, windrow.ErrNotFound, windrow.Skipped, 1},
		{"marked ambiguous", createVerb, 200, windrow.Ambiguous(errServer), windrow.Unknown, 1},
		{"marked transient", createVerb, 200, windrow.Transient(errServer), windrow.Succeeded, 2},
		{"half an answer", createVerb, 200, io.ErrUnexpectedEOF, windrow.Unknown, 1},
	} {
		inBothWays(t, fmt.Sprintf("%s/%s/%d", tt.verb.name, tt.name, tt.status), func(t *testing.T, run func(operation, []string) ([]windrow.State, []error)) {
			f := newFake(t, nil)
			f.batch = func(c *call) ([]windrow.Outcome[string], error) {
				if tt.status != 0 {
					c.attempt.Engage()
					c.attempt.Sending()
					c.attempt.Answered(tt.status, true)
				}
				out := outcomes(c.ids)
				if k := slices.Index(c.ids, "i1"); k >= 0 && c.nth == 1 {
					out[k] = windrow.Outcome[string]{Err: tt.err}
				}
				return out, nil
			}
			states, errs := run(tt.verb.start(tt.verb, f, true, []windrow.Option{fastRetries, windrow.BatchSize(3)}), ids(3))
			want := []windrow.State{windrow.Succeeded, tt.want, windrow.Succeeded}
			if diff := cmp.Diff(want, states); diff != "" || len(f.of("i1")) != tt.calls {
				t.Errorf("%d calls, want %d; states (-want +got):\n%s%v", len(f.of("i1")), tt.calls, diff, errs)
			}
		})
	}
}

// F74: a single call whose answer of success cannot be read is another matter: it was carried out.
func TestF74_SingleCallWithAnAnswerThatCannotBeRead(t *testing.T) {
	t.Parallel()
	f := newFake(t, func(c *call) error {
		c.attempt.Engage()
		c.attempt.Sending()
		c.attempt.Answered(200, true)
		return errServer
	})
	if s := createVerb.run(t.Context(), f, ids(1), fastRetries); s.states[0] != windrow.Unknown {
		t.Errorf("the item is %v, want unknown", s.states[0])
	}
}

// cutError is a refusal whose body broke off, as a client tells it.
type cutError struct{ statusError }

func (e *cutError) Unwrap() error { return io.ErrUnexpectedEOF }

// F75: after a lost attempt the status alone of a refusal whose body broke off proves nothing.
func TestF75_TheBodyOfARefusalBreaksOff(t *testing.T) {
	t.Parallel()
	yes, no := func(string) (bool, error) { return true, nil }, func(string) (bool, error) { return false, nil }
	cut := func(status int) error { return &cutError{statusError{status: status}} }
	for _, tt := range []struct {
		name    string
		verb    verb
		answers []error
		lookUp  func(string) (bool, error)
		want    windrow.State
		calls   int
	}{
		{"400, then good", withIDs, []error{lostAnswer, cut(400)}, nil, windrow.Succeeded, 3},
		{"400 for good", withIDs, []error{lostAnswer, cut(400), cut(400)}, nil, windrow.Unknown, 3},
		{"422 for good", withIDs, []error{lostAnswer, cut(422), cut(422)}, nil, windrow.Unknown, 3},
		{"400 for good, found", withIDs, []error{lostAnswer, cut(400), cut(400)}, yes, windrow.Succeeded, 3},
		{"400 for good, not found", withIDs, []error{lostAnswer, cut(400), cut(400)}, no, windrow.Failed, 3},
		{"400 for good", withKeys, []error{lostAnswer, cut(400), cut(400)}, nil, windrow.Unknown, 3},
		{"400 for good", updateVerb, []error{lostAnswer, cut(400), cut(400)}, nil, windrow.Unknown, 3},
		{"409 for good", upsertVerb, []error{lostAnswer, cut(409), cut(409)}, nil, windrow.Unknown, 3},
		{"404 for good", deleteVerb, []error{lostAnswer, cut(404), cut(404)}, nil, windrow.Unknown, 3},
		{"404, then whole", deleteVerb, []error{lostAnswer, cut(404), &statusError{status: 404}}, nil, windrow.Succeeded, 3},
		{"400 at first", withIDs, []error{cut(400)}, nil, windrow.Failed, 1},
		{"400 of a read", getVerb, []error{lostAnswer, cut(400)}, nil, windrow.Failed, 2},
	} {
		for _, bulk := range []bool{false, true} {
			if bulk && (tt.calls < 3 || tt.name == "404, then whole") {
				continue // a chunk that is refused is looked into
			}
			inBothWays(t, fmt.Sprintf("%s/%s/bulk %t", tt.verb.name, tt.name, bulk), func(t *testing.T, run func(operation, []string) ([]windrow.State, []error)) {
				f := newFake(t, func(c *call) error {
					if c.nth <= len(tt.answers) {
						return tt.answers[c.nth-1]
					}
					return nil
				})
				f.batch = func(c *call) ([]windrow.Outcome[string], error) {
					if err := f.script(c); err != nil {
						return nil, err
					}
					return outcomes(c.ids), nil
				}
				f.lookUp = tt.lookUp
				states, errs := run(tt.verb.start(tt.verb, f, bulk, []windrow.Option{fastRetries, windrow.BatchSize(2)}), ids(2))
				if diff := cmp.Diff(repeat(2, tt.want), states); diff != "" || len(f.of("i0")) != tt.calls {
					t.Errorf("%d calls, want %d; states (-want +got):\n%s%v", len(f.of("i0")), tt.calls, diff, errs[0])
				}
			})
		}
	}
}

// refusals are what may be said of a whole batch that was stored in part.
var refusals = map[string]func() error{
	"400":       func() error { return &statusError{status: 400} },
	"409":       func() error { return &statusError{status: 409} },
	"422":       func() error { return &statusError{status: 422} },
	"412":       func() error { return &statusError{status: 412} },
	"permanent": func() error { return windrow.Permanent(errServer) },
	"plain":     func() error { return errServer },
}

// F82: a server that stores the good lines and answers 400 for all: nothing is made twice, and nothing that is there is
// said to have failed.
func TestF82_RefusedAndStored(t *testing.T) {
	t.Parallel()
	selectableOnly := windrow.Capabilities{Atomicity: windrow.AtomicitySelectable}
	for name, refuse := range refusals {
		for _, v := range []verb{
			createVerb, doVerb, createVerb.with("selectable", selectableOnly), withIDs,
			upsertVerb,
		} {
			for _, look := range []bool{false, true} {
				inBothWays(t, fmt.Sprintf("%s/%s/look-up %t", v.name, name, look), func(t *testing.T, run func(operation, []string) ([]windrow.State, []error)) {
					const bad = "i3"
					l := newLedger()
					repeats := v.name == withIDs.name || v.name == upsertVerb.name
					store := func(id string) error {
						switch {
						case id == bad:
							return refuse()
						case l.count(id) > 0 && v.name == withIDs.name:
							return &statusError{status: 409}
						case l.count(id) == 0 || !repeats:
							l.add(id)
						}
						return nil
					}
					f := newFake(t, func(c *call) error { return store(c.id()) })
					f.batch = func(c *call) ([]windrow.Outcome[string], error) {
						var refused error
						for _, id := range c.ids {
							if err := store(id); err != nil {
								refused = err
							}
						}
						return outcomes(c.ids), refused
					}
					if look {
						f.lookUp = func(id string) (bool, error) { return l.count(id) > 0, nil }
					}
					in := ids(8)
					states, errs := run(v.start(v, f, true, []windrow.Option{fastRetries, windrow.BatchSize(8), windrow.Concurrency(1)}), in)
					l.check(t, in, states, errs)
					for k, state := range states {
						want := windrow.Succeeded
						switch {
						case !look && !repeats, !look && v.name == withIDs.name && k != 3:
							want = windrow.Unknown
						case k == 3:
							want = windrow.Failed
						}
						if k == 3 && state == windrow.Unknown { // also true of what was refused
							continue
						}
						if state != want {
							t.Errorf("%s is %v, want %v: %v", in[k], state, want, errs[k])
						}
					}
					if !repeats && !look && len(f.calls) != 1 {
						t.Errorf("sent %d times: %v", len(f.calls), f.sizes())
					}
				})
			}
		}
	}
}

// F82: what a refusal proves: one that is about the request as such, that names the item, or that comes from a server
// which is all or nothing.
func TestF82_RefusalsThatProve(t *testing.T) {
	t.Parallel()
	all := createVerb.with("all or nothing", windrow.Capabilities{Atomicity: windrow.AtomicityAll})
	for _, tt := range []struct {
		name string
		verb verb
		err  error
		want []windrow.State // i2 is to blame
	}{
		{"404", createVerb, &statusError{status: 404}, repeat(4, windrow.Failed)},
		{"405", createVerb, &statusError{status: 405}, repeat(4, windrow.Failed)},
		{"415", createVerb, &statusError{status: 415}, repeat(4, windrow.Failed)},
		{"413", createVerb, &statusError{status: 413}, []windrow.State{windrow.Succeeded, windrow.Succeeded, windrow.Failed, windrow.Succeeded}},
		{"named", createVerb, badIndex(3), []windrow.State{windrow.Succeeded, windrow.Succeeded, windrow.Failed, windrow.Succeeded}},
		{"400, all or nothing", all, &statusError{status: 400}, []windrow.State{windrow.Succeeded, windrow.Succeeded, windrow.Failed, windrow.Succeeded}},
		{"422, all or nothing", all, &statusError{status: 422}, []windrow.State{windrow.Succeeded, windrow.Succeeded, windrow.Failed, windrow.Succeeded}},
		{"409, all or nothing", all, &statusError{status: 409}, []windrow.State{windrow.Succeeded, windrow.Succeeded, windrow.Failed, windrow.Succeeded}},
		{"400", updateVerb, &statusError{status: 400}, []windrow.State{windrow.Succeeded, windrow.Succeeded, windrow.Failed, windrow.Succeeded}},
		{"400", deleteVerb, &statusError{status: 400}, []windrow.State{windrow.Succeeded, windrow.Succeeded, windrow.Failed, windrow.Succeeded}},
		{"400", getVerb, &statusError{status: 400}, []windrow.State{windrow.Succeeded, windrow.Succeeded, windrow.Failed, windrow.Succeeded}},
	} {
		inBothWays(t, tt.verb.name+"/"+tt.name, func(t *testing.T, run func(operation, []string) ([]windrow.State, []error)) {
			each := tt.want[0] == windrow.Failed
			f := newFake(t, nil)
			f.script = func(c *call) error {
				if each || slices.Contains(c.ids, "i2") {
					return tt.err
				}
				return nil
			}
			f.batch = func(c *call) ([]windrow.Outcome[string], error) { return outcomes(c.ids), f.script(c) }
			states, errs := run(tt.verb.start(tt.verb, f, true, []windrow.Option{fastRetries, windrow.BatchSize(4)}), ids(4))
			if diff := cmp.Diff(tt.want, states); diff != "" {
				t.Errorf("states (-want +got):\n%s%v", diff, errs)
			}
		})
	}
}

// F82: nothing has left: a client that fails before it sends anything has applied nothing.
func TestF82_FailedBeforeSending(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	f.batch = func(c *call) ([]windrow.Outcome[string], error) {
		c.attempt.Engage()
		return nil, errors.New("the input cannot be turned into JSON")
	}
	f.script = func(c *call) error {
		c.attempt.Engage()
		return errors.New("the input cannot be turned into JSON")
	}
	s := createVerb.runBulk(t.Context(), f, ids(4), fastRetries, windrow.BatchSize(4))
	if diff := cmp.Diff(repeat(4, windrow.Failed), s.states); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
}

// F82: what is in doubt stays in doubt when the run is stopped, and a Rerun sends nothing of it.
func TestF82_RerunOfWhatWasRefusedInPart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, nil)
		f.batch = func(c *call) ([]windrow.Outcome[string], error) { return nil, &statusError{status: 400} }
		o := createVerb.start(createVerb, f, true, []windrow.Option{fastRetries, windrow.BatchSize(4)})
		first := o.run(t.Context(), ids(4))
		again := o.rerun(t.Context())
		if diff := cmp.Diff(repeat(4, windrow.Unknown), first.states); diff != "" {
			t.Errorf("states (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(repeat(4, windrow.Unknown), again.states); diff != "" || len(f.calls) != 1 {
			t.Errorf("%d calls, want 1; states after a rerun (-want +got):\n%s", len(f.calls), diff)
		}
	})
}

// F83: in a request that is all or nothing some cannot have succeeded while others failed.
func TestF83_SomeOfAllOrNothing(t *testing.T) {
	t.Parallel()
	whole := windrow.Capabilities{Atomicity: windrow.AtomicityAll}
	for _, tt := range []struct {
		name string
		verb verb
		opts []windrow.Option
		bad  map[int]windrow.Outcome[string]
		want windrow.State // of all; NotAttempted stands for: as the answer says
	}{
		{"one failed", createVerb.with("all", whole), nil, map[int]windrow.Outcome[string]{49: {Err: errServer}}, windrow.Unknown},
		{"one failed, with a status", createVerb.with("all", whole), nil, map[int]windrow.Outcome[string]{0: {Err: &statusError{status: 422}}}, windrow.Unknown},
		{"one throttled", createVerb.with("all", whole), nil, map[int]windrow.Outcome[string]{7: {Err: windrow.Throttled(errServer, 0)}}, windrow.Unknown},
		{"one rolled back", createVerb.with("all", whole), nil, map[int]windrow.Outcome[string]{7: {Err: errUndone}}, windrow.Unknown},
		{"one failed", updateVerb.with("all", whole), nil, map[int]windrow.Outcome[string]{3: {Err: errServer}}, windrow.Unknown},
		{"one failed", upsertVerb.with("all", whole), nil, map[int]windrow.Outcome[string]{3: {Err: errServer}}, windrow.Unknown},
		{"one failed", deleteVerb.with("all", whole), nil, map[int]windrow.Outcome[string]{3: {Err: errServer}}, windrow.Unknown},
		{"one failed", getVerb.with("all", whole), nil, map[int]windrow.Outcome[string]{3: {Err: errServer}}, windrow.Failed},
		{"one was not there", deleteVerb.with("all", whole), nil, map[int]windrow.Outcome[string]{3: {Err: windrow.ErrNotFound}}, windrow.NotAttempted},
		{"one is unchanged", updateVerb.with("all", whole), nil, map[int]windrow.Outcome[string]{3: {Reason: windrow.ReasonUnchanged}}, windrow.NotAttempted},
		{"the client's choice, not made", createVerb.with("selectable", selectable), nil, map[int]windrow.Outcome[string]{3: {Err: errServer}}, windrow.NotAttempted},
		{"partial", createVerb, nil, map[int]windrow.Outcome[string]{3: {Err: errServer}}, windrow.NotAttempted},
	} {
		inBothWays(t, tt.verb.name+"/"+tt.name, func(t *testing.T, run func(operation, []string) ([]windrow.State, []error)) {
			f := newFake(t, nil)
			f.batch = func(c *call) ([]windrow.Outcome[string], error) {
				out := outcomes(c.ids)
				for k, o := range tt.bad {
					out[k] = o
				}
				return out, nil
			}
			in := ids(50)
			states, errs := run(tt.verb.start(tt.verb, f, true, append(tt.opts, fastRetries, windrow.BatchSize(50))), in)
			for k, state := range states {
				want := tt.want
				if bad, ok := tt.bad[k]; want == windrow.NotAttempted {
					switch {
					case !ok:
						want = windrow.Succeeded
					case bad.Err == nil || errors.Is(bad.Err, windrow.ErrNotFound):
						want = windrow.Skipped
					default:
						want = windrow.Failed
					}
				}
				if state != want {
					t.Errorf("item %d is %v, want %v: %v", k, state, want, errs[k])
				}
				if tt.want != windrow.NotAttempted && !errors.Is(errs[k], windrow.ErrProtocol) {
					t.Errorf("item %d has the error %v", k, errs[k])
				}
			}
			if len(f.calls) != 1 {
				t.Errorf("%d calls, want 1", len(f.calls))
			}
		})
	}
}

// F83: and so it is when the run asked for all or nothing.
func TestF83_SomeOfAnAtomicRun(t *testing.T) {
	t.Parallel()
	for _, caps := range []windrow.Capabilities{selectable, {Atomicity: windrow.AtomicityAll}} {
		f := newFake(t, nil)
		answers(f, refusal{each: []error{nil, errServer, nil}})
		s := createVerb.with("atomic", caps).runBulk(context.Background(), f, ids(3), windrow.Atomic(), fastRetries)
		if diff := cmp.Diff(repeat(3, windrow.Unknown), s.states); diff != "" || !errors.Is(s.errs[0], windrow.ErrProtocol) {
			t.Errorf("%v: states (-want +got):\n%s%v", caps.Atomicity, diff, s.errs[0])
		}
	}
}
