package windrow_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
)

// F67: one record is throttled for ever: the others finish by the time that they take without it, and twice what the
// server asked for. The one ends NotAttempted.
func TestF67OneRecordThrottledForEver(t *testing.T) {
	t.Parallel()
	const items = 999
	for _, v := range []hostVerb{creates, functionCalls, upserts, deletes, gets} {
		for _, m := range []runMode{byRun, byStream} {
			floor := v.floor(t, items, m)
			for _, which := range []int{0, 500, items - 1} {
				for _, f := range []hostFailure{answered(429).after(time.Second), answered(503).after(4 * time.Second), answered(429)} {
					e, _ := errors.AsType[*statusError](f.err)
					if thin() {
						continue
					}
					t.Run(fmt.Sprintf("%s/%s/%d/%s after %v", v.name, m.name, which, f.says, e.after), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							h := newHost(t, func(c hostCall) *hostFailure {
								if c.item() == which {
									return &f
								}
								return nil
							})
							s := v.on(h, m).run(t.Context(), items)
							if s.count(windrow.Succeeded) != items-1 || s.states[which] != windrow.NotAttempted {
								t.Errorf("%+v, it is %v; stopped by %v", s.stats, s.states[which], s.cause)
							}
							hint := max(e.after, time.Second)
							// A hint may be lengthened by a tenth.
							if h.last > floor*115/100+2*hint*11/10+200*time.Millisecond {
								t.Errorf("the others finished after %v, without it %v", h.last, floor)
							}
							if h.sent[which] < 2 || h.sent[which] > 400 {
								t.Errorf("it was sent %d times", h.sent[which])
							}
							if took := time.Since(h.began); took > h.last+5*time.Minute+20*time.Second {
								t.Errorf("the run took %v", took)
							}
						})
					})
				}
			}
		}
	}
}

// F67: a long wait that the server asks of one item concerns that item alone.
func TestF67ALongWaitConcernsItsItem(t *testing.T) {
	t.Parallel()
	const items = 300
	for _, m := range []runMode{byRun, byStream} {
		floor := creates.floor(t, items, m)
		synctest.Test(t, func(t *testing.T) {
			f := hostFailure{takes: 10 * time.Millisecond, err: windrow.Classified(errServer, windrow.Classification{Class: windrow.ClassTransient, After: 2 * time.Minute})}
			h := newHost(t, func(c hostCall) *hostFailure {
				if c.item() == 7 && c.nth == 1 {
					return &f
				}
				return nil
			})
			s := creates.on(h, m).run(t.Context(), items)
			if s.count(windrow.Succeeded) != items {
				t.Errorf("%s: %+v, stopped by %v", m.name, s.stats, s.cause)
			}
			for _, c := range h.calls {
				if c.item() != 7 && c.at > floor {
					t.Errorf("%s: item %d was sent after %v, without the wait all takes %v", m.name, c.item(), c.at, floor)
					break
				}
			}
			if took := time.Since(h.began); took < 2*time.Minute || took > 2*time.Minute+time.Second {
				t.Errorf("%s: took %v", m.name, took)
			}
		})
	}
}

// F78: a 403 is its item's. It is the run's when three distinct requests, or all there are, were forbidden and there was
// no other response.
func TestF78ForbiddenItems(t *testing.T) {
	t.Parallel()
	forbidden := answered(403)
	for _, test := range []struct {
		name    string
		items   int
		bad     func(item int) bool
		other   map[int]hostFailure // further errors
		stopped bool
		failed  int // -1: at least three, and no more than were in flight
	}{
		{name: "the first", items: 50, bad: func(i int) bool { return i == 0 }, failed: 1},
		{name: "the first two", items: 50, bad: func(i int) bool { return i < 2 }, failed: 2},
		{name: "one in the middle", items: 50, bad: func(i int) bool { return i == 25 }, failed: 1},
		{name: "many after a success", items: 50, bad: func(i int) bool { return i > 0 }, failed: 49},
		{name: "all", items: 50, bad: func(int) bool { return true }, stopped: true, failed: -1},
		{name: "all but the last", items: 50, bad: func(i int) bool { return i < 49 }, stopped: true, failed: -1},
		{name: "all of one", items: 1, bad: func(int) bool { return true }, stopped: true, failed: 1},
		{name: "all of two", items: 2, bad: func(int) bool { return true }, stopped: true, failed: 2},
		{name: "another response first", items: 50, bad: func(i int) bool { return i > 0 }, other: map[int]hostFailure{0: answered(422)}, failed: 50},
		{name: "one not found among the first", items: 50, bad: func(i int) bool { return i != 1 }, other: map[int]hostFailure{1: answered(422)}, failed: 50},
	} {
		for _, v := range []hostVerb{creates, updatesOf, deletes, gets} {
			for _, m := range []runMode{byRun, byStream, inOrder} {
				for _, c := range []int{1, 4} {
					if test.name == "many after a success" && c > 1 || test.name == "another response first" && c > 1 {
						continue // what comes first is for one at a time to say
					}
					t.Run(fmt.Sprintf("%s/%s/%s/%d", test.name, v.name, m.name, c), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							h := newHost(t, func(c hostCall) *hostFailure {
								if f, ok := test.other[c.item()]; ok {
									f.takes /= 2 // it comes before those that were sent with it
									return &f
								}
								if test.bad(c.item()) {
									return &forbidden
								}
								return nil
							})
							s := v.on(h, m, windrow.Concurrency(c)).run(t.Context(), test.items)
							if errors.Is(s.cause, windrow.ErrFatal) != test.stopped || (s.cause != nil) != test.stopped {
								t.Errorf("the run was stopped by %v", s.cause)
							}
							failed := s.count(windrow.Failed)
							switch {
							case test.failed >= 0 && failed != test.failed, test.failed < 0 && (failed < 3 || failed > 3+c):
								t.Errorf("%d failed, want %d; %+v", failed, test.failed, s.stats)
							}
							rest := windrow.Succeeded
							if test.stopped {
								rest = windrow.NotAttempted
							}
							if s.count(rest) != test.items-failed {
								t.Errorf("%+v", s.stats)
							}
						})
					})
				}
			}
		}
	}
}

// F78: a chunk that is forbidden for one of its items is divided, also when it is the first of the run, and the only one.
// The server refuses what is forbidden before it looks at the rest.
func TestF78ForbiddenItemOfAChunk(t *testing.T) {
	t.Parallel()
	forbidden := answered(403)
	for _, test := range []struct {
		items int
		bad   []int
	}{
		{100, []int{0}},
		{100, []int{9}},
		{100, []int{3, 8}},
		{100, []int{0, 11}},
		{10, []int{0}},
		{10, []int{9}},
		{2, []int{1}},
	} {
		for _, v := range []hostVerb{creates, upserts, updatesOf, deletes, gets} {
			for _, m := range []runMode{byBatches, byStreamB} {
				for _, c := range []int{1, 4} {
					t.Run(fmt.Sprintf("%v of %d/%s/%s/%d", test.bad, test.items, v.name, m.name, c), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							h := newHost(t, func(c hostCall) *hostFailure {
								if slices.ContainsFunc(c.items, func(i int) bool { return slices.Contains(test.bad, i) }) {
									return &forbidden
								}
								return nil
							})
							s := v.on(h, m, windrow.Concurrency(c)).run(t.Context(), test.items)
							if s.cause != nil {
								t.Errorf("the run was stopped by %v", s.cause)
							}
							for i := range test.items {
								want := windrow.Succeeded
								if slices.Contains(test.bad, i) {
									want = windrow.Failed
								}
								if got := s.states[i]; got != want {
									t.Errorf("item %d is %v, want %v", i, got, want)
								}
							}
						})
					})
				}
			}
		}
	}
}

// F78: chunks are requests: three of them, or all there are.
func TestF78ForbiddenChunks(t *testing.T) {
	t.Parallel()
	forbidden := answered(403)
	for _, test := range []struct {
		name    string
		items   int
		bad     func(chunk int) bool
		stopped bool
	}{
		{"the first", 100, func(k int) bool { return k == 0 }, false},
		{"the first two", 100, func(k int) bool { return k < 2 }, false},
		{"all", 100, func(int) bool { return true }, true},
		{"all of one", 10, func(int) bool { return true }, true},
	} {
		for _, m := range []runMode{byBatches, byStreamB} {
			t.Run(test.name+"/"+m.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := newHost(t, func(c hostCall) *hostFailure {
						if test.bad(c.item() / 10) {
							return &forbidden
						}
						return nil
					})
					s := upserts.on(h, m, windrow.Concurrency(1)).run(t.Context(), test.items)
					if errors.Is(s.cause, windrow.ErrFatal) != test.stopped {
						t.Errorf("the run was stopped by %v", s.cause)
					}
					if !test.stopped && s.count(windrow.Succeeded)+s.count(windrow.Failed) != test.items {
						t.Errorf("%+v", s.stats)
					}
					if test.stopped && (s.count(windrow.Succeeded) > 0 || s.count(windrow.Failed) > 30) {
						t.Errorf("%+v", s.stats)
					}
				})
			})
		}
	}
}
