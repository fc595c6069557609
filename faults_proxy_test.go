package windrow_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
)

// F62: a proxy without its backend answers everything with an error. What may be repeated is charged once and waits; of
// creates those that were in flight, made the evidence or probed are Unknown, and no more.
func TestF62ProxyErrorsOnEverything(t *testing.T) {
	t.Parallel()
	const items = 800
	kinds := []hostFailure{answered(502), answered(503), answered(504), resetRead, timedOut}
	for _, v := range append([]hostVerb{lookedUpCreates}, allVerbs...) {
		for _, m := range []runMode{byRun, byStream} {
			floor := v.floor(t, items, m)
			for k, f := range kinds {
				for _, begins := range []time.Duration{0, floor / 2} {
					for _, lasts := range []time.Duration{300 * time.Millisecond, 2 * time.Second, 10 * time.Second} {
						if k > 0 && lasts < 10*time.Second {
							continue
						}
						if thin() {
							continue
						}
						t.Run(fmt.Sprintf("%s/%s/%s/%v from %v", v.name, m.name, f.says, lasts, begins.Round(time.Millisecond)), func(t *testing.T) {
							synctest.Test(t, func(t *testing.T) {
								h := newHost(t, between(begins, begins+lasts, f))
								h.lookUp = h.fault
								s := v.on(h, m).run(t.Context(), items)
								h.checkProxyOutage(v, s, f, begins, lasts)
								if took, most := time.Since(h.began), lasts+floor*115/100+10*time.Second; took > most {
									t.Errorf("took %v, want at most %v", took, most)
								}
							})
						})
					}
				}
			}
		}
	}
}

// checkProxyOutage checks what became of the items in an outage in which calls are sent and fail.
func (h *host) checkProxyOutage(v hostVerb, s summary, f hostFailure, begins, lasts time.Duration) {
	h.t.Helper()
	n := len(s.states)
	if s.cause != nil || s.count(windrow.Failed)+s.count(windrow.NotAttempted) > 0 {
		h.t.Errorf("%+v, stopped by %v", s.stats, s.cause)
	}
	unknown := s.count(windrow.Unknown)
	switch {
	case v.repeatable || v.name == lookedUpCreates.name:
		if unknown > 0 {
			h.t.Errorf("%d are Unknown", unknown)
		}
	default:
		// In flight, evidence, and probes, whose pauses double from 100 ms, at random by a half.
		probes := 4 + int(2*math.Log2(1+lasts.Seconds()))
		if most := h.most + max(3, h.most/4) + probes; unknown > most {
			h.t.Errorf("%d of %d are Unknown, want at most %d: %d were in flight at once", unknown, n, most, h.most)
		}
	}
	if v.repeatable {
		// As long as calls that were sent before it succeed there is no outage, and then it takes several that fail: an item
		// may fail meanwhile, and again.
		known := begins + 100*time.Millisecond + f.takes
		if twice, early := s.chargedMore(2), h.triedBefore(known, 2); twice > max(3, h.most/4, early) {
			h.t.Errorf("%d items were charged more than once for the outage, and %d were sent twice before it was known", twice, early)
		}
		if thrice, early := s.chargedMore(3), h.triedBefore(known, 3); thrice > early {
			h.t.Errorf("%d items were charged more than twice for the outage, and %d were sent three times before it was known", thrice, early)
		}
	}
	if doubled := h.doubled(); doubled > 0 && !v.repeatable {
		h.t.Errorf("%d were applied twice", doubled)
	}
	h.probedOnly(begins+time.Second, begins+lasts)
}

// F62: one at a time, attempts in a row are the evidence.
func TestF62InOrder(t *testing.T) {
	t.Parallel()
	for _, v := range []hostVerb{creates, upserts, gets} {
		for _, f := range []hostFailure{answered(502), answered(503)} {
			synctest.Test(t, func(t *testing.T) {
				const lasts = 20 * time.Second
				h := newHost(t, between(time.Second, time.Second+lasts, f))
				s := v.on(h, inOrder).run(t.Context(), 100)
				unknown := 0
				if !v.repeatable {
					unknown = 3 + 1 + 4 + int(2*math.Log2(1+lasts.Seconds()))
				}
				if got := s.count(windrow.Unknown); got > unknown || s.count(windrow.Succeeded) != 100-got || s.cause != nil {
					t.Errorf("%s, %s: %+v, at most %d Unknown are allowed; stopped by %v", v.name, f.says, s.stats, unknown, s.cause)
				}
				var order []int
				for _, c := range h.calls {
					if len(order) == 0 || order[len(order)-1] != c.item() {
						order = append(order, c.item())
					}
				}
				if !slices.IsSorted(order) {
					t.Errorf("%s, %s: the order was %v", v.name, f.says, order)
				}
				if took := time.Since(h.began); took > time.Second+lasts+20*time.Second {
					t.Errorf("%s, %s: took %v", v.name, f.says, took)
				}
			})
		}
	}
}

// F62: chunks. Those in flight, of the evidence and of the probes are Unknown, no others.
func TestF62Chunks(t *testing.T) {
	t.Parallel()
	for _, v := range []hostVerb{creates, keyedCreates, upserts, deletes, gets} {
		for _, m := range []runMode{byBatches, byStreamB} {
			for _, f := range []hostFailure{answered(502), answered(504), resetRead} {
				t.Run(v.name+"/"+m.name+"/"+f.says, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						const begins, lasts = 500 * time.Millisecond, 10 * time.Second
						h := newHost(t, between(begins, begins+lasts, f))
						s := v.on(h, m, eight).run(t.Context(), 3_000)
						chunks := 0
						if !v.repeatable {
							chunks = 8 + 3 + 4 + int(2*math.Log2(1+lasts.Seconds()))
						}
						if unknown := s.count(windrow.Unknown); unknown > 10*chunks || s.count(windrow.Succeeded) != 3_000-unknown || s.cause != nil {
							t.Errorf("%+v, at most %d Unknown are allowed; stopped by %v", s.stats, 10*chunks, s.cause)
						}
						h.probedOnly(begins+time.Second, begins+lasts)
					})
				})
			}
		}
	}
}

// F62: what waits for the gate does not wait for the budget of retries.
func TestF62RetriesDoNotWaitForTheBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, between(2*time.Second, 12*time.Second, answered(502)))
		policy := windrow.RetryPolicy{Budget: windrow.RetryBudget{Size: 2, PerSecond: 0.1}}
		s := upserts.on(h, byRun, windrow.Retry(policy), windrow.Concurrency(64)).run(t.Context(), 5_000)
		if s.count(windrow.Succeeded) != 5_000 || s.cause != nil {
			t.Errorf("%+v, stopped by %v", s.stats, s.cause)
		}
		if took := time.Since(h.began); took > 30*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// F62: a server that takes no writes, and answers look-ups, takes no calls: what it says to look-ups opens nothing.
func TestF62LookUpsAreAnswered(t *testing.T) {
	t.Parallel()
	for _, m := range []runMode{byRun, byStream} {
		for _, lasts := range []time.Duration{10 * time.Second, 0} {
			t.Run(fmt.Sprintf("%s/%v", m.name, lasts), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					begins := 500 * time.Millisecond
					until := time.Duration(0)
					if lasts > 0 {
						until = begins + lasts
					}
					h := newHost(t, between(begins, until, answered(502)))
					s := lookedUpCreates.on(h, m, windrow.Concurrency(16)).run(t.Context(), 3_000)
					if lasts > 0 {
						if s.count(windrow.Succeeded) != 3_000 || s.cause != nil || h.doubled() > 0 {
							t.Errorf("%s: %+v, stopped by %v, %d doubled", m.name, s.stats, s.cause, h.doubled())
						}
						if took := time.Since(h.began); took > 60*time.Second {
							t.Errorf("%s: took %v", m.name, took)
						}
						return
					}
					if !errors.Is(s.cause, windrow.ErrOutage) || s.count(windrow.Succeeded)+s.count(windrow.NotAttempted) < 3_000-60 {
						t.Errorf("%s: %+v, stopped by %v", m.name, s.stats, s.cause)
					}
					if len(h.calls) > 1_500 {
						t.Errorf("%s: %d calls", m.name, len(h.calls))
					}
				})
			})
		}
	}
}

// F62: nor does an error of a look-up that says nothing of the server.
func TestF62LookUpsFailPlainly(t *testing.T) {
	t.Parallel()
	for _, m := range []runMode{byRun, byStream} {
		t.Run(m.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHost(t, between(500*time.Millisecond, 0, answered(502)))
				plain := hostFailure{err: errors.New("search: unavailable")}
				h.lookUp = func(hostCall) *hostFailure { return &plain }
				s := lookedUpCreates.on(h, m, windrow.Concurrency(16)).run(t.Context(), 3_000)
				if !errors.Is(s.cause, windrow.ErrOutage) || s.count(windrow.Unknown) > 100 { // in flight, evidence, and probes every 10 s
					t.Errorf("%s: %+v, stopped by %v", m.name, s.stats, s.cause)
				}
			})
		})
	}
}
