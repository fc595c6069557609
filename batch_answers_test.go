package windrow_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/clients"
)

// The items of a good answer have their own errors, and only those are sent again that may be.
func TestItemErrorsInAGoodAnswer(t *testing.T) {
	t.Parallel()
	type ending struct {
		State    windrow.State
		Attempts int
		Calls    int
		LookUps  int
	}
	for _, test := range []struct {
		name string
		verb verb
		err  error // of item i2 the first time
		each bool
		look func(string) (bool, error)
		want ending
	}{
		{name: "permanent", verb: createVerb, err: errServer, want: ending{windrow.Failed, 1, 1, 0}},
		{name: "transient", verb: createVerb, err: windrow.Transient(errServer), want: ending{windrow.Succeeded, 2, 2, 0}},
		{name: "transient each time", verb: createVerb, err: windrow.Transient(errServer), each: true, want: ending{windrow.Failed, 3, 3, 0}},
		{name: "throttled", verb: createVerb, err: windrow.Throttled(errServer, time.Second), want: ending{windrow.Succeeded, 1, 2, 0}},
		{name: "too large beside others", verb: createVerb, err: windrow.TooLarge(errServer, 0), want: ending{windrow.Succeeded, 1, 2, 0}},
		{name: "too large", verb: createVerb, err: windrow.TooLarge(errServer, 0), each: true, want: ending{windrow.Failed, 1, 2, 0}},
		{name: "rolled back", verb: createVerb, err: windrow.ErrRolledBack, want: ending{windrow.Succeeded, 1, 2, 0}},
		{name: "rolled back each time", verb: createVerb, err: windrow.ErrRolledBack, each: true, want: ending{windrow.Failed, 3, 4, 0}},
		{name: "ambiguous", verb: createVerb, err: windrow.Ambiguous(errServer), want: ending{windrow.Unknown, 1, 1, 0}},
		{name: "ambiguous", verb: updateVerb, err: windrow.Ambiguous(errServer), want: ending{windrow.Succeeded, 2, 2, 0}},
		{name: "ambiguous each time", verb: updateVerb, err: windrow.Ambiguous(errServer), each: true, want: ending{windrow.Unknown, 3, 3, 0}},
		{name: "ambiguous each time", verb: getVerb, err: windrow.Ambiguous(errServer), each: true, want: ending{windrow.Failed, 3, 3, 0}},
		{name: "ambiguous, found", verb: createVerb, err: windrow.Ambiguous(errServer), look: func(string) (bool, error) { return true, nil }, want: ending{windrow.Succeeded, 1, 1, 1}},
		{name: "ambiguous, not found", verb: createVerb, err: windrow.Ambiguous(errServer), look: func(string) (bool, error) { return false, nil }, want: ending{windrow.Succeeded, 2, 2, 1}},
		{name: "skipped", verb: createVerb, err: clients.Skip(windrow.ReasonUnchanged), want: ending{windrow.Skipped, 1, 1, 0}},
		{name: "missing", verb: deleteVerb, err: windrow.ErrNotFound, want: ending{windrow.Skipped, 1, 1, 0}},
		{name: "fatal", verb: createVerb, err: windrow.Fatal(errServer), want: ending{windrow.Failed, 1, 1, 0}},
	} {
		t.Run(test.verb.name+"/"+test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, nil)
				if test.each {
					f.script = func(*call) error { return test.err }
				}
				f.lookUp = test.look
				f.batch = func(c *call) ([]windrow.Outcome[string], error) {
					out := outcomes(c.ids)
					if k := slices.Index(c.ids, "i2"); k >= 0 && (test.each || len(f.calls) == 1) {
						out[k] = windrow.Outcome[string]{Err: test.err}
					}
					return out, nil
				}
				s := test.verb.runBulk(t.Context(), f, ids(5), windrow.Concurrency(1), windrow.BatchSize(5), fastRetries)
				got := ending{s.states[2], s.attempts[2], len(f.of("i2")), len(f.lookUps)}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				for i, state := range s.states {
					if i != 2 && (state != windrow.Succeeded || s.attempts[i] != 1 || len(f.of(fmt.Sprint("i", i))) != 1) {
						t.Errorf("item %d is %v after %d attempts", i, state, s.attempts[i])
					}
				}
				if stopped := errors.Is(s.cause, windrow.ErrFatal); stopped != (test.name == "fatal") {
					t.Errorf("the run was stopped by %v", s.cause)
				}
			})
		})
	}
}

// An answer with another length belongs to nobody: all of the chunk may have been applied.
func TestF20WrongLength(t *testing.T) {
	t.Parallel()
	for _, v := range []verb{createVerb, createVerb.with("ids of the client", windrow.Capabilities{ClientIDs: true}), updateVerb, deleteVerb, getVerb} {
		for _, length := range []int{0, 1, 3, 5, 9} {
			f := newFake(t, nil)
			f.batch = func(c *call) ([]windrow.Outcome[string], error) { return outcomes(ids(length)), nil }
			s := v.runBulk(t.Context(), f, ids(4), windrow.BatchSize(4))
			want := windrow.Unknown
			if v.name == "get" {
				want = windrow.Failed
			}
			if diff := cmp.Diff(repeat(4, want), s.states); diff != "" {
				t.Errorf("%s, %d outcomes for 4 items (-want +got):\n%s", v.name, length, diff)
			}
			if len(f.calls) != 1 {
				t.Errorf("%s, %d outcomes for 4 items: %d calls", v.name, length, len(f.calls))
			}
			for _, err := range s.errs {
				if text := err.Error(); !strings.Contains(text, fmt.Sprint(length)) || !strings.Contains(text, "4") {
					t.Errorf("the error does not tell the lengths: %v", err)
				}
			}
		}
	}
}

// A short answer of a server that omits the tail says that the rest was not attempted: it is sent again at once, and
// costs the rest nothing, as long as each answer has something.
func TestOmitsTail(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := createVerb.with("omits the tail", windrow.Capabilities{OmitsTail: true})
		f := newFake(t, nil)
		f.batch = func(c *call) ([]windrow.Outcome[string], error) {
			return outcomes(c.ids[:min(len(c.ids), 3)]), nil
		}
		s := v.runBulk(t.Context(), f, ids(20), windrow.Concurrency(1), windrow.BatchSize(20), fastRetries)
		if diff := cmp.Diff(repeat(20, windrow.Succeeded), s.states); diff != "" {
			t.Errorf("states (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(repeat(20, 1), s.attempts); diff != "" {
			t.Errorf("attempts (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]int{20, 17, 14, 11, 8, 5, 2}, f.sizes()); diff != "" {
			t.Errorf("sizes (-want +got):\n%s", diff)
		}
		if f.calls[len(f.calls)-1].at > 0 {
			t.Errorf("the last call was made after %v", f.calls[len(f.calls)-1].at)
		}
	})
}

// An item that is refused ends the answer: the ones behind it were not attempted.
func TestOmitsTailBehindAFailure(t *testing.T) {
	t.Parallel()
	v := createVerb.with("omits the tail", windrow.Capabilities{OmitsTail: true})
	f := newFake(t, nil)
	f.batch = func(c *call) ([]windrow.Outcome[string], error) {
		out := outcomes(c.ids)
		if k := slices.Index(c.ids, "i2"); k >= 0 {
			out = out[:k+1]
			out[k] = windrow.Outcome[string]{Err: errServer}
		}
		return out, nil
	}
	s := v.runBulk(t.Context(), f, ids(6), windrow.Concurrency(1), windrow.BatchSize(6), fastRetries)
	want := repeat(6, windrow.Succeeded)
	want[2] = windrow.Failed
	if diff := cmp.Diff(want, s.states); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
}

// A server that answers nothing at all, time and again, does not keep the run for ever.
func TestOmitsTailAlways(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := createVerb.with("omits the tail", windrow.Capabilities{OmitsTail: true})
		f := newFake(t, func(*call) error { return windrow.Transient(errServer) })
		f.batch = func(c *call) ([]windrow.Outcome[string], error) { return nil, nil }
		s := v.runBulk(t.Context(), f, ids(4), windrow.BatchSize(4), fastRetries)
		if diff := cmp.Diff(repeat(4, windrow.Failed), s.states); diff != "" {
			t.Errorf("states (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]int{4, 4, 4}, f.sizes()); diff != "" {
			t.Errorf("sizes (-want +got):\n%s", diff)
		}
	})
}
