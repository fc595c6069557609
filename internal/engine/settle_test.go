package engine

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow/internal/adapt"
)

// The table of what follows from an error, in every combination of the class, the verb and what happened before. The
// first row that fits counts; a nil fits both.
func TestDecide(t *testing.T) {
	t.Parallel()
	const (
		reading = iota
		harmless
		once
	)
	type row struct {
		class     Class
		verb      int   // -1: every one
		maybe     *bool // an earlier attempt may have been applied
		left      *bool // there are attempts left
		reconcile *bool
		do        step
		state     State
	}
	yes, no := new(true), new(false)
	const every = -1
	table := []row{
		{class: Permanent, verb: every, do: end, state: Failed},
		{class: TooLarge, verb: every, do: divide, state: Failed},
		{class: Throttled, verb: reading, do: wait, state: Failed},
		{class: Throttled, verb: every, maybe: no, do: wait, state: Failed},
		{class: Throttled, verb: every, maybe: yes, do: wait, state: Unknown},
		{class: Fatal, verb: reading, do: stopRun, state: Failed},
		{class: Fatal, verb: every, maybe: no, do: stopRun, state: Failed},
		{class: Fatal, verb: every, maybe: yes, do: stopRun, state: Unknown},
		{class: Transient, verb: reading, left: yes, do: again, state: Failed},
		{class: Transient, verb: reading, left: no, do: end, state: Failed},
		{class: Transient, verb: every, maybe: no, left: yes, do: again, state: Failed},
		{class: Transient, verb: every, maybe: yes, left: yes, do: again, state: Unknown},
		{class: Transient, verb: every, maybe: no, left: no, do: end, state: Failed},
		{class: Transient, verb: every, maybe: yes, left: no, reconcile: yes, do: lookUp, state: Unknown},
		{class: Transient, verb: every, maybe: yes, left: no, reconcile: no, do: end, state: Unknown},
		{class: Ambiguous, verb: reading, left: yes, do: again, state: Failed},
		{class: Ambiguous, verb: reading, left: no, do: end, state: Failed},
		{class: Ambiguous, verb: harmless, left: yes, do: again, state: Unknown},
		{class: Ambiguous, verb: harmless, left: no, reconcile: yes, do: lookUp, state: Unknown},
		{class: Ambiguous, verb: harmless, left: no, reconcile: no, do: end, state: Unknown},
		{class: Ambiguous, verb: once, reconcile: yes, do: lookUp, state: Unknown},
		{class: Ambiguous, verb: once, reconcile: no, do: end, state: Unknown},
	}
	fits := func(want *bool, is bool) bool { return want == nil || *want == is }
	for _, class := range []Class{Permanent, Transient, Throttled, TooLarge, Ambiguous, Fatal} {
		for _, verb := range []int{reading, harmless, once} {
			for combination := range 8 {
				maybe, left, reconcile := combination&1 > 0, combination&2 > 0, combination&4 > 0
				cfg := &Config{Table: NewTable(1), Policy: Policy{MaxAttempts: 3}, Traits: Traits{Read: verb == reading, Repeatable: verb != once}}
				if reconcile {
					cfg.Reconcile = nothingFound
				}
				r := New(t.Context(), cfg)
				for _, spent := range []bool{false, true} {
					j := &job{maybeApplied: maybe, charged: 2}
					if !left {
						if j.exhausted = spent; !spent {
							j.charged = 3
						}
					}
					var want row
					for _, want = range table {
						if want.class == class && (want.verb == every || want.verb == verb) && fits(want.maybe, maybe) && fits(want.left, left) && fits(want.reconcile, reconcile) {
							break
						}
					}
					do, state, reason := r.decide(j, Judgement{Class: class})
					if do != want.do || state != want.state || reason != NoReason {
						t.Errorf("class %d, verb %d, maybe %v, left %v, reconcile %v: step %d, state %d, reason %d, want step %d, state %d",
							class, verb, maybe, left, reconcile, do, state, reason, want.do, want.state)
					}
				}
			}
		}
	}
}

// What an error says beside its class.
func TestDecideSpecial(t *testing.T) {
	t.Parallel()
	write, del, create, read := Traits{Repeatable: true}, Traits{Repeatable: true, Delete: true}, Traits{Repeatable: true, Create: true}, Traits{Read: true, Repeatable: true}
	for _, test := range []struct {
		name      string
		traits    Traits
		by        Judgement
		maybe     bool
		reconcile bool
		do        step
		state     State
		reason    Reason
	}{
		{name: "skip", traits: write, by: Judgement{Skip: Unchanged}, do: end, state: Skipped, reason: Unchanged},
		{name: "skip, sent before", traits: write, by: Judgement{Skip: DoneBefore}, maybe: true, do: end, state: Skipped, reason: DoneBefore},
		{name: "delete, not found", traits: del, by: Judgement{NotFound: true}, do: end, state: Skipped, reason: NotFound},
		{name: "delete, not found again", traits: del, by: Judgement{NotFound: true}, maybe: true, do: end, state: Succeeded},
		{name: "update, not found", traits: write, by: Judgement{NotFound: true}, do: end, state: Failed},
		{name: "update, not found again", traits: write, by: Judgement{NotFound: true}, maybe: true, do: end, state: Failed},
		{name: "create, exists", traits: create, by: Judgement{Exists: true}, do: end, state: Failed},
		{name: "create, exists, could look it up", traits: create, by: Judgement{Exists: true}, reconcile: true, do: end, state: Failed},
		{name: "create, exists again", traits: create, by: Judgement{Exists: true}, maybe: true, do: end, state: Unknown},
		{name: "create, exists again, can look it up", traits: create, by: Judgement{Exists: true}, maybe: true, reconcile: true, do: lookUp, state: Unknown},
		{name: "update, exists again", traits: write, by: Judgement{Exists: true}, maybe: true, reconcile: true, do: end, state: Failed},
		{name: "spent, and so is the run", traits: read, by: Judgement{Class: Transient, StopWhenSpent: true, Final: true}, do: stopRun, state: Failed},
		{name: "not spent", traits: read, by: Judgement{Class: Transient, StopWhenSpent: true}, do: again, state: Failed},
		{name: "spent, and so is the run, of a write", traits: write, by: Judgement{Class: Transient, StopWhenSpent: true, Final: true}, maybe: true, reconcile: true, do: stopRun, state: Unknown},
		{name: "final, ambiguous", traits: write, by: Judgement{Class: Ambiguous, Final: true}, reconcile: true, do: end, state: Unknown},
		{name: "final, ambiguous read", traits: read, by: Judgement{Class: Ambiguous, Final: true}, do: end, state: Failed},
		{name: "final, not sent", traits: write, by: Judgement{Final: true}, do: end, state: Failed},
		{name: "final, not sent this time", traits: write, by: Judgement{Final: true}, maybe: true, do: end, state: Unknown},
		{name: "forbidden", traits: write, by: Judgement{BeforeSuccess: true}, do: end, state: Failed},
		{name: "forbidden the second time", traits: write, by: Judgement{BeforeSuccess: true}, maybe: true, do: end, state: Unknown},
	} {
		cfg := &Config{Table: NewTable(1), Policy: Policy{MaxAttempts: 3}, Traits: test.traits}
		if test.reconcile {
			cfg.Reconcile = nothingFound
		}
		do, state, reason := New(t.Context(), cfg).decide(&job{maybeApplied: test.maybe, charged: 1}, test.by)
		if do != test.do || state != test.state || reason != test.reason {
			t.Errorf("%s: step %d, state %d, reason %d, want %d, %d, %d", test.name, do, state, reason, test.do, test.state, test.reason)
		}
	}
}

// A 403 stops the run as long as nothing has succeeded; later it is one item's.
func TestJudgeBeforeSuccess(t *testing.T) {
	t.Parallel()
	by := Judgement{Class: Fatal, BeforeSuccess: true}
	r := New(t.Context(), &Config{Table: NewTable(1), Judge: func(*Attempt, error) Judgement { return by }})
	if got := r.judge(nil, nil); got.Class != Fatal {
		t.Errorf("class %d before any success", got.Class)
	}
	r.counts[Failed].Add(5)
	if got := r.judge(nil, nil); got.Class != Fatal {
		t.Errorf("class %d after failures", got.Class)
	}
	r.counts[Succeeded].Add(1)
	if got := r.judge(nil, nil); got.Class != Permanent {
		t.Errorf("class %d after a success", got.Class)
	}
	by.BeforeSuccess = false
	if got := r.judge(nil, nil); got.Class != Fatal {
		t.Errorf("class %d of what is always fatal", got.Class)
	}
}

func TestSignalOf(t *testing.T) {
	t.Parallel()
	r := New(t.Context(), &Config{Table: NewTable(1)})
	u := &unit{jobs: []*job{{}}}
	for class, want := range map[Class]adapt.Signal{
		Permanent: {Answered: 1}, TooLarge: {Answered: 1}, Throttled: {Throttled: true, Hint: time.Second},
		Transient: {}, Ambiguous: {}, Fatal: {},
	} {
		if diff := cmp.Diff(want, r.signalOf(u, Judgement{Class: class, After: time.Second}, reply{})); diff != "" {
			t.Errorf("class %d (-want +got):\n%s", class, diff)
		}
	}
}

func TestErrorsSayWhatHappened(t *testing.T) {
	t.Parallel()
	no := errors.New("no")
	for _, test := range []struct {
		err  error
		want string
		is   error
	}{
		{&CountError{Want: 3, Got: 5}, "the response has 5 results for 3 items, so results cannot be matched to items", nil},
		{&BudgetError{Wait: forever}, "the retry budget is used up and refills by successes only", nil},
		{&BudgetError{Wait: 90 * time.Second}, "the retry budget is used up for 1m30s", nil},
		{&ThrottledError{Wait: time.Hour, Max: time.Minute, Err: no}, "the server throttles: the wait of 1h0m0s exceeds MaxThrottleWait (1m0s)", no},
		{&FailuresError{Failed: 3, Ended: 7}, "too many failures: 3 of the 7 items that ended", nil},
		{&FatalError{Err: no}, "stopped, since every further call would fail: no", no},
	} {
		if got := test.err.Error(); got != test.want {
			t.Errorf("%T: %q, want %q", test.err, got, test.want)
		}
		if test.is != nil && !errors.Is(test.err, test.is) {
			t.Errorf("%T does not match %v", test.err, test.is)
		}
	}
}

func TestTooLarge(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		allowed, named, refused int
		want                    int   // allowed now
		parts                   []int // of a unit of refused jobs
	}{
		{100, 0, 100, 50, []int{50, 50}},
		{100, 30, 100, 30, []int{30, 30, 30, 10}},
		{100, 100, 100, 50, []int{50, 50}},
		{100, 101, 100, 50, []int{50, 50}},
		{100, -5, 7, 3, []int{3, 3, 1}},
		{20, 50, 100, 20, []int{20, 20, 20, 20, 20}},
		{100, 0, 2, 1, []int{1, 1}},
		{100, 0, 3, 1, []int{1, 1, 1}},
		{100, 99, 100, 99, []int{99, 1}},
	} {
		r := New(t.Context(), &Config{Table: NewTable(0), ChunkItems: test.allowed})
		u := &unit{}
		for i := range test.refused {
			u.jobs = append(u.jobs, &job{item: i})
		}
		r.tooLarge(u, test.named)
		var parts []int
		next := 0
		for _, u := range r.ready {
			parts = append(parts, len(u.jobs))
			for _, j := range u.jobs {
				if j.item != next {
					t.Errorf("item %d comes where item %d should", j.item, next)
				}
				next++
			}
		}
		if diff := cmp.Diff(test.parts, parts); diff != "" || r.most() != test.want {
			t.Errorf("%+v: %d allowed now; parts (-want +got):\n%s", test, r.most(), diff)
		}
	}
}

// The failure bounds, at and around them.
func TestCheckFailures(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		before, failed, unknown, ended int
		bound                          int
		share                          float64
		minimum                        int
		want                           string
	}{
		{failed: 100, ended: 100, bound: -1, share: -1},
		{bound: 0, share: -1},
		{failed: 1, ended: 1, bound: 0, share: -1, want: "1 of the 1 that ended"},
		{unknown: 1, ended: 9, bound: 0, share: -1, want: "1 of the 9 that ended"},
		{failed: 2, unknown: 1, ended: 9, bound: 3, share: -1},
		{failed: 2, unknown: 2, ended: 9, bound: 3, share: -1, want: "4 of the 9 that ended"},
		{before: 4, ended: 5, bound: 3, share: -1, want: "4 of the 9 that ended"},
		{before: 3, ended: 5, bound: 3, share: -1},
		{failed: 5, ended: 10, bound: -1, share: 0.5, minimum: 10},
		{failed: 6, ended: 10, bound: -1, share: 0.5, minimum: 10, want: "6 of the 10 that ended"},
		{failed: 9, ended: 9, bound: -1, share: 0.5, minimum: 10},
		{failed: 1, ended: 1, bound: -1, share: 1, minimum: 0},
		{failed: 0, ended: 0, bound: -1, share: 0, minimum: 0},
		{failed: 1, ended: 100, bound: -1, share: 0, minimum: 0, want: "1 of the 100 that ended"},
	} {
		r := New(t.Context(), &Config{
			Table: NewTable(0), FailedBefore: test.before, MaxFailures: test.bound, MaxFailureRate: test.share, MinFailureRate: test.minimum,
		})
		r.counts[Failed].Store(int64(test.failed))
		r.counts[Unknown].Store(int64(test.unknown))
		r.counts[Succeeded].Store(int64(test.ended-test.failed-test.unknown) - int64(test.ended/3))
		r.counts[Skipped].Store(int64(test.ended / 3))
		if test.ended < 3 {
			r.counts[Succeeded].Store(int64(test.ended - test.failed - test.unknown))
		}
		r.checkFailures()
		got := ""
		if e, ok := errors.AsType[*FailuresError](r.cause); ok {
			got = fmt.Sprintf("%d of the %d that ended", e.Failed, e.Ended)
		}
		if got != test.want || (got != "") != r.stopped.Load() {
			t.Errorf("%+v: %q, stopped %v", test, got, r.stopped.Load())
		}
	}
}
