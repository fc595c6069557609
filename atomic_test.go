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
)

// selectable is what a client can do whose server takes all or nothing when it is asked to.
var selectable = windrow.Capabilities{MaxItems: 50, Atomicity: windrow.AtomicitySelectable}

// refusal is an answer to a request for several items.
type refusal struct {
	err  error   // of the request
	each []error // of the items; nil where one succeeded
}

// answers makes a script of a fake's batch endpoint: one answer after the other, and then only successes.
func answers(f *fake, script ...refusal) {
	f.batch = func(c *call) ([]windrow.Outcome[string], error) {
		f.mu.Lock()
		n := len(f.calls)
		f.mu.Unlock()
		out := outcomes(c.ids)
		if n > len(script) {
			return out, nil
		}
		if script[n-1].err != nil {
			return nil, script[n-1].err
		}
		for k, err := range script[n-1].each {
			if err != nil {
				out[k] = windrow.Outcome[string]{Err: err}
			}
		}
		return out, nil
	}
}

// badIndex is a permanent error of a request that names the item to blame by its position, from 1.
func badIndex(n int) error {
	return windrow.Classified(errServer, windrow.Classification{BadItem: n, Kind: windrow.KindValidation})
}

var errUndone = fmt.Errorf("ROLLED_BACK: %w", windrow.ErrRolledBack)

// A73, C1, C14, C-n3, P-10: all or nothing, whatever the server answers.
func TestA73_C14_AtomicIsAllOrNothing(t *testing.T) {
	t.Parallel()
	throttled := windrow.Throttled(errServer, time.Second)
	lost := windrow.Ambiguous(errServer)
	const (
		ok, bad, no, lose = windrow.Succeeded, windrow.Failed, windrow.NotAttempted, windrow.Unknown
	)
	for _, tt := range []struct {
		name   string
		verb   verb
		script []refusal
		want   []windrow.State
		calls  int
		cause  bool // that a refusal stopped the run
	}{
		{"all succeed", createVerb, nil, []windrow.State{ok, ok, ok}, 1, false},
		{"refused, no item named", createVerb, []refusal{{err: errServer}}, []windrow.State{no, no, no}, 1, true},
		{"refused, one named", createVerb, []refusal{{err: badIndex(2)}}, []windrow.State{no, bad, no}, 1, true},
		{"an index that no item has", createVerb, []refusal{{err: badIndex(7)}}, []windrow.State{no, no, no}, 1, true},
		{"each item told why", createVerb, []refusal{{each: []error{errUndone, errServer, errUndone}}}, []windrow.State{no, bad, no}, 1, true},
		{"two to blame", createVerb, []refusal{{each: []error{errServer, errServer, errUndone}}}, []windrow.State{bad, bad, no}, 1, true},
		{"nobody to blame, then good", createVerb, []refusal{{each: []error{errUndone, errUndone, errUndone}}}, []windrow.State{ok, ok, ok}, 2, false},
		{"throttled", createVerb, []refusal{{err: throttled}}, []windrow.State{ok, ok, ok}, 2, false},
		{"throttled thrice", createVerb, []refusal{{err: throttled}, {err: throttled}, {err: throttled}}, []windrow.State{ok, ok, ok}, 4, false},
		{"one throttled, the others rolled back", createVerb, []refusal{{each: []error{errUndone, throttled, errUndone}}}, []windrow.State{ok, ok, ok}, 2, false},
		{"one transient, the others rolled back", createVerb, []refusal{{each: []error{windrow.Transient(errServer), errUndone, errUndone}}}, []windrow.State{ok, ok, ok}, 2, false},
		{"one transient, one to blame", createVerb, []refusal{{each: []error{windrow.Transient(errServer), errServer, errUndone}}}, []windrow.State{no, bad, no}, 1, true},
		{"not sent", createVerb, []refusal{{err: windrow.Transient(errServer)}}, []windrow.State{ok, ok, ok}, 2, false},
		{"never sent", createVerb, slices.Repeat([]refusal{{err: windrow.Transient(errServer)}}, 3), []windrow.State{bad, bad, bad}, 3, false},
		{"too large", createVerb, []refusal{{err: windrow.TooLarge(errServer, 2)}}, []windrow.State{no, no, no}, 1, true},
		{"answer lost", createVerb, []refusal{{err: lost}}, []windrow.State{lose, lose, lose}, 1, false},
		{"answer lost", updateVerb, []refusal{{err: lost}}, []windrow.State{ok, ok, ok}, 2, false},
		{"answer lost for good", updateVerb, []refusal{{err: lost}, {err: lost}, {err: lost}}, []windrow.State{lose, lose, lose}, 3, false},
		{"bad credentials", createVerb, []refusal{{err: windrow.Fatal(errServer)}}, []windrow.State{bad, bad, bad}, 1, false},
		// A server that breaks its word is not believed in anything.
		{"half applied", createVerb, []refusal{{each: []error{nil, errServer, errUndone}}}, []windrow.State{lose, lose, lose}, 1, false},
		{"half applied, half throttled", createVerb, []refusal{{each: []error{nil, throttled, nil}}}, []windrow.State{lose, lose, lose}, 1, false},
		{"result lost", createVerb, []refusal{{each: []error{lost, errUndone, errUndone}}}, []windrow.State{lose, no, no}, 1, true},
	} {
		t.Run(tt.verb.name+"/"+tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, nil)
				answers(f, tt.script...)
				s := tt.verb.with("atomic", selectable).runBulk(t.Context(), f, ids(3), windrow.Atomic(), fastRetries)
				if diff := cmp.Diff(tt.want, s.states); diff != "" {
					t.Errorf("states (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(repeat(tt.calls, 3), f.sizes()); diff != "" {
					t.Errorf("items in each request (-want +got):\n%s", diff)
				}
				if refused := errors.Is(s.cause, windrow.ErrRolledBack); refused != tt.cause {
					t.Errorf("cause %v", s.cause)
				}
				for i, state := range s.states {
					if state == no && !errors.Is(s.errs[i], windrow.ErrRolledBack) {
						t.Errorf("item %d was rolled back with the error %v", i, s.errs[i])
					}
					if state == bad && errors.Is(s.errs[i], windrow.ErrRolledBack) {
						t.Errorf("item %d has lost its own error: %v", i, s.errs[i])
					}
				}
				for _, c := range f.calls {
					if !c.attempt.Atomic {
						t.Error("the client was not told that the request is atomic")
					}
				}
			})
		})
	}
}

// What was rolled back for another item's fault was not attempted, also when no attempt is left in which it could have
// been sent again.
func TestAtomicRollsBackAtTheLastAttempt(t *testing.T) {
	t.Parallel()
	const bad, no = windrow.Failed, windrow.NotAttempted
	brief := selectable
	brief.OmitsTail = true
	for _, tt := range []struct {
		name string
		caps windrow.Capabilities
		each []error // of the answers
		want []windrow.State
	}{
		{"told so", selectable, []error{errUndone, errServer, errUndone}, []windrow.State{no, bad, no}},
		{"told so, and one is not sent", selectable, []error{errUndone, windrow.Transient(errServer), errUndone}, []windrow.State{no, bad, no}},
		{"left out", brief, []error{errUndone, errServer}, []windrow.State{no, bad, no}},
		{"all left out but one", brief, []error{errServer}, []windrow.State{bad, no, no}},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t, nil)
			f.batch = func(*call) ([]windrow.Outcome[string], error) {
				out := make([]windrow.Outcome[string], len(tt.each))
				for k, err := range tt.each {
					out[k].Err = err
				}
				return out, nil
			}
			once := windrow.Retry(windrow.RetryPolicy{MaxAttempts: 1})
			s := createVerb.with("atomic", tt.caps).runBulk(t.Context(), f, ids(3), windrow.Atomic(), once)
			if diff := cmp.Diff(tt.want, s.states); diff != "" {
				t.Errorf("%s: states (-want +got):\n%s", tt.name, diff)
			}
			if len(f.calls) != 1 || !errors.Is(s.cause, windrow.ErrRolledBack) {
				t.Errorf("%s: %d requests, cause %v", tt.name, len(f.calls), s.cause)
			}
			for i, state := range s.states {
				if errors.Is(s.errs[i], windrow.ErrRolledBack) != (state == no) {
					t.Errorf("%s: item %d is %v with the error %v", tt.name, i, state, s.errs[i])
				}
			}
		})
	}
}

// What was rolled back may be sent again, once the item to blame is corrected.
func TestC14_RerunOfAnAtomicRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, nil)
		answers(f, refusal{err: badIndex(2)})
		p := windrow.NewCreateProcessor[string, string](bulkClient{client{f, selectable}}, windrow.Atomic())
		res, err := p.Run(t.Context(), ids(3))
		if !errors.Is(err, windrow.ErrRolledBack) || !res.Correct(1, "better") {
			t.Fatalf("error %v", err)
		}
		res, err = p.Rerun(t.Context(), res)
		checkAccounts(t, 3, res, err)
		if err != nil || res.Stats().Succeeded != 3 {
			t.Errorf("%+v, error %v", res.Stats(), err)
		}
		if diff := cmp.Diff([]string{"i0", "better", "i2"}, f.calls[1].ids); diff != "" {
			t.Errorf("second request (-want +got):\n%s", diff)
		}
	})
}

// A73: no silent downgrade. What the client cannot do is refused before anything is sent.
func TestA73_AtomicIsRefusedBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	all := windrow.Capabilities{Atomicity: windrow.AtomicityAll, MaxItems: 3}
	big := windrow.Capabilities{Atomicity: windrow.AtomicityAll, MaxBytes: 20}
	ordered := windrow.Capabilities{Atomicity: windrow.AtomicityAll, Ordered: true}
	for _, tt := range []struct {
		name string
		caps windrow.Capabilities
		bulk bool
		in   []string
		opts []windrow.Option
		keys bool
		want string // "" when it is not refused
	}{
		{"partial", windrow.Capabilities{}, true, ids(2), nil, false, "Atomic needs a client with requests for many items"},
		{"single calls", all, false, ids(2), nil, false, "Atomic needs a client with requests for many items"},
		{"too many", all, true, ids(4), nil, false, "Atomic (4) items need one request, and one holds at most 3"},
		{"as many as fit", all, true, ids(3), nil, false, ""},
		{"too many for BatchSize", all, true, ids(3), []windrow.Option{windrow.BatchSize(2)}, false, "one holds at most 2"},
		{"too large", big, true, ids(5), nil, false, "they have 25 bytes where one holds at most 20"},
		{"as large as fits", big, true, ids(4), nil, false, ""},
		{"canary", all, true, ids(2), []windrow.Option{windrow.Canary(1)}, false, "Atomic cannot go with Canary"},
		{"one record twice", all, true, []string{"a", "b", "a"}, []windrow.Option{windrow.Duplicates(windrow.KeepAllInOrder)}, true, "items 0 and 2 have the same key"},
		{"one record twice, in order", ordered, true, []string{"a", "b", "a"}, []windrow.Option{windrow.Duplicates(windrow.KeepAllInOrder)}, true, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, nil)
			var c windrow.Creator[string, string] = client{f, tt.caps}
			if tt.bulk {
				c = bulkClient{client{f, tt.caps}}
			}
			p := windrow.NewCreateProcessor(c, append(tt.opts, windrow.Atomic())...)
			if tt.keys {
				p.Key = func(id string) string { return id }
			}
			res, err := p.Run(t.Context(), tt.in)
			checkAccounts(t, len(tt.in), res, err)
			if tt.want == "" {
				if err != nil || !slices.Equal(f.sizes(), []int{len(tt.in)}) {
					t.Errorf("requests %v, error %v", f.sizes(), err)
				}
				return
			}
			if _, ok := errors.AsType[*windrow.OptionError](err); !ok || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
			if len(f.calls) > 0 || res.Stats().NotAttempted != len(tt.in) {
				t.Errorf("%d calls, %+v", len(f.calls), res.Stats())
			}
		})
	}
	t.Run("stream", func(t *testing.T) {
		p := windrow.NewCreateProcessor[string, string](bulkClient{client{newFake(t, nil), all}}, windrow.Atomic())
		for _, err := range p.Stream(t.Context(), windrow.FromSlice(ids(2))).All() {
			if err == nil || !strings.Contains(err.Error(), "Atomic needs the whole input") {
				t.Errorf("error %v", err)
			}
		}
	})
}

// All or nothing also means: not without the items that Validate refuses.
func TestA73_AtomicNeedsValidItems(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	p := windrow.NewCreateProcessor[string, string](bulkClient{client{f, selectable}}, windrow.Atomic())
	p.Validate = func(id string) error {
		if id == "i1" {
			return errors.New("bad")
		}
		return nil
	}
	res, err := p.Run(t.Context(), ids(3))
	checkAccounts(t, 3, res, err)
	if s := res.Stats(); len(f.calls) > 0 || s.Failed != 1 || s.NotAttempted != 2 {
		t.Errorf("%d calls, %+v", len(f.calls), s)
	}
	if !errors.Is(err, windrow.ErrTooManyFailures) || !strings.Contains(err.Error(), "an Atomic run needs all items to be valid, and 1 are not") {
		t.Errorf("error %v", err)
	}
}

// C14: a client whose atomicity is selectable is told which of the two it is, each time.
func TestC14_PartialIsSaidToo(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	createVerb.with("selectable", selectable).runBulk(t.Context(), f, ids(3))
	stops := newFake(t, nil)
	createVerb.with("selectable", selectable).runBulk(t.Context(), stops, ids(3), windrow.MaxFailures(0))
	if a := f.calls[0].attempt; a.Atomic || a.StopOnError {
		t.Errorf("%+v", a)
	}
	if a := stops.calls[0].attempt; a.Atomic || !a.StopOnError {
		t.Errorf("C16, continueOnError: %+v", a)
	}
}

// C16, C-n4: a server that stops at the first failure leaves the rest, and that is sent again, unless the run stops too.
func TestC16_TheRestOfAStoppedBatch(t *testing.T) {
	t.Parallel()
	for _, stop := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t, nil)
			answers(f, refusal{each: []error{nil, errServer, errUndone, errUndone}})
			var opts []windrow.Option
			want := []windrow.State{windrow.Succeeded, windrow.Failed, windrow.Succeeded, windrow.Succeeded}
			sizes := []int{4, 2}
			if stop {
				opts = append(opts, windrow.MaxFailures(0))
				want[2], want[3], sizes = windrow.NotAttempted, windrow.NotAttempted, []int{4}
			}
			s := createVerb.runBulk(t.Context(), f, ids(4), opts...)
			if diff := cmp.Diff(want, s.states); diff != "" {
				t.Errorf("stop %t: states (-want +got):\n%s", stop, diff)
			}
			if diff := cmp.Diff(sizes, f.sizes()); diff != "" {
				t.Errorf("stop %t: requests (-want +got):\n%s", stop, diff)
			}
			if s.attempts[2] != 1-len(opts) {
				t.Errorf("stop %t: %d attempts were charged for what the server did not begin", stop, s.attempts[2])
			}
		})
	}
}

// A76: the first n go one by one, and the others only when all of these have succeeded.
func TestA76_Canary(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		bad   string
		n     int
		want  windrow.RunStats
		calls int
	}{
		{"good", "", 3, windrow.RunStats{Total: 10, Succeeded: 10}, 10},
		{"first bad", "i0", 3, windrow.RunStats{Total: 10, Failed: 1, NotAttempted: 9}, 1},
		{"last bad", "i2", 3, windrow.RunStats{Total: 10, Succeeded: 2, Failed: 1, NotAttempted: 7}, 3},
		{"bad later", "i3", 3, windrow.RunStats{Total: 10, Succeeded: 9, Failed: 1}, 10},
		{"more than there are", "", 30, windrow.RunStats{Total: 10, Succeeded: 10}, 10},
		{"more than there are, bad", "i9", 30, windrow.RunStats{Total: 10, Succeeded: 9, Failed: 1}, 10},
	} {
		for _, kind := range []string{"run", "batch", "stream", "delayed"} {
			want := tt.want
			t.Run(tt.name+"/"+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := newFake(t, func(c *call) error {
						if slices.Contains(c.ids, tt.bad) {
							return errServer
						}
						time.Sleep(time.Second)
						return nil
					})
					f.batch = func(c *call) ([]windrow.Outcome[string], error) {
						out := outcomes(c.ids)
						if k := slices.Index(c.ids, tt.bad); k >= 0 {
							out[k] = windrow.Outcome[string]{Err: errServer}
						}
						return out, nil
					}
					opts := []windrow.Option{windrow.Canary(tt.n), windrow.Concurrency(10)}
					if kind == "delayed" {
						opts = append(opts, windrow.BatchDelay(time.Minute), windrow.BatchSize(4))
					}
					var got windrow.RunStats
					var c windrow.Creator[string, string] = client{f, windrow.Capabilities{}}
					if kind == "batch" {
						c = bulkClient{client{f, windrow.Capabilities{}}}
					}
					p := windrow.NewCreateProcessor(c, opts...)
					var cause error
					if kind == "stream" {
						s := p.Stream(t.Context(), windrow.FromSlice(ids(10)))
						for _, err := range s.All() {
							if stop, ok := errors.AsType[*windrow.StopError](err); ok {
								cause = stop
							}
						}
						got = s.Stats()
						want.NotAttempted -= want.Total - got.Total // a stream counts what was pulled
						want.Total = got.Total
					} else {
						res, err := p.Run(t.Context(), ids(10))
						checkAccounts(t, 10, res, err)
						got = res.Stats()
						if bulk, ok := errors.AsType[*windrow.BulkError](err); ok {
							cause = bulk.Cause
						}
					}
					got = windrow.RunStats{Total: got.Total, Succeeded: got.Succeeded, Failed: got.Failed, Skipped: got.Skipped, NotAttempted: got.NotAttempted, Unknown: got.Unknown}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("(-want +got):\n%s", diff)
					}
					stopped := want.NotAttempted > 0 || want.Succeeded+want.Failed < 10 || tt.n > 10 && tt.bad != ""
					if errors.Is(cause, windrow.ErrTooManyFailures) != stopped || stopped && !strings.Contains(cause.Error(), "the canary failed") {
						t.Errorf("cause %v", cause)
					}
					alone := min(tt.n, len(f.calls))
					for k, c := range f.calls[:alone] {
						if want := fmt.Sprint("i", k); c.id() != want || len(c.ids) != 1 || kind != "batch" && c.at != time.Duration(k)*time.Second {
							t.Errorf("call %d: %q after %v", k, c.ids, c.at)
						}
					}
					if kind != "batch" && len(f.calls) != tt.calls {
						t.Errorf("%d calls, want %d", len(f.calls), tt.calls)
					}
					if kind == "batch" && len(f.calls) > tt.n && f.calls[tt.n].ids[0] != fmt.Sprint("i", tt.n) {
						t.Errorf("then %q", f.calls[tt.n].ids)
					}
				})
			})
		}
	}
}

// A canary item that is sent again holds the others back until it has succeeded.
func TestA76_CanaryThatIsRetried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(c *call) error {
			if c.id() == "i1" && c.nth == 1 {
				return windrow.Transient(errServer)
			}
			return nil
		})
		s := createVerb.run(t.Context(), f, ids(6), windrow.Canary(2), fastRetries, windrow.Concurrency(6))
		if s.err != nil {
			t.Fatal(s.err)
		}
		if diff := cmp.Diff([]string{"i0", "i1", "i1"}, f.order()[:3]); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
	})
}
