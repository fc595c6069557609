package windrow_test

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
)

// eight is a fixed number of calls at once, where the growth of the limiter is not what is tested.
var eight = windrow.Concurrency(8)

// F61: while connections are refused fresh items wait: what was not sent is not charged, one call at a time tries, and
// all succeed soon after the server is back.
func TestF61RefusedConnectionsAreWaitedFor(t *testing.T) {
	t.Parallel()
	const items = 600
	for _, v := range allVerbs {
		for _, m := range []runMode{byRun, byStream, inOrder, byBatches, byStreamB} {
			n := items
			if len(m.opts) > 0 {
				n = 60
			}
			floor := v.floor(t, n, m)
			for _, begins := range []time.Duration{0, floor / 2} {
				for _, lasts := range []time.Duration{300 * time.Millisecond, 2 * time.Second, 20 * time.Second} {
					if thin() {
						continue
					}
					t.Run(fmt.Sprintf("%s/%s/%v from %v", v.name, m.name, lasts, begins.Round(time.Millisecond)), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							h := newHost(t, between(begins, begins+lasts, refusedDial))
							s := v.on(h, m).run(t.Context(), n)
							if s.count(windrow.Succeeded) != n || s.cause != nil {
								t.Errorf("%+v, stopped by %v", s.stats, s.cause)
							}
							single := 0 // one at a time, one or two refusals before it is over are ordinary ones
							if len(m.opts) > 0 && lasts < time.Second {
								single = 1
							}
							if charged := s.chargedMore(1); charged > single || s.chargedMore(1+2*single) > 0 {
								t.Errorf("%d items were charged for calls that were not sent", charged)
							}
							if took, most := time.Since(h.began), lasts+floor*115/100+3*time.Second; took > most {
								t.Errorf("took %v, want at most %v", took, most)
							}
							h.probedOnly(begins, begins+lasts)
						})
					})
				}
			}
		}
	}
}

// probedOnly checks that during an outage, but for its first half second, one call at a time tried, and not often.
func (h *host) probedOnly(from, until time.Duration) {
	h.t.Helper()
	from += 500 * time.Millisecond
	if until <= from {
		return
	}
	calls, flying := h.since(from, until)
	if most := 4 + int((until-from)/(500*time.Millisecond)); calls > most {
		h.t.Errorf("%d calls in the %v after the first half second of the outage, want at most %d", calls, until-from, most)
	}
	if flying > 1 {
		h.t.Errorf("%d calls at once in the outage", flying)
	}
}

// F61: a run of one item, or a few, waits as well.
func TestF61OneItemWaits(t *testing.T) {
	t.Parallel()
	for _, v := range allVerbs {
		for _, m := range []runMode{byRun, byStream, inOrder, byBatches} {
			for _, f := range []hostFailure{refusedDial, noRoute, nameServerDown} {
				for _, n := range []int{1, 2, 3} {
					t.Run(fmt.Sprintf("%s/%s/%s/%d", v.name, m.name, f.says, n), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							const lasts = 20 * time.Second
							h := newHost(t, between(0, lasts, f))
							s := v.on(h, m).run(t.Context(), n)
							if s.count(windrow.Succeeded) != n || s.chargedMore(1) > 0 {
								t.Errorf("%+v, attempts %v, stopped by %v, %v", s.stats, s.attempts, s.cause, s.err)
							}
							if took := time.Since(h.began); took > lasts+3*time.Second {
								t.Errorf("took %v", took)
							}
						})
					})
				}
			}
		}
	}
}

// F61: the outage begins when the last items of a run are on their way: these wait, too.
func TestF61OutageAtTheEnd(t *testing.T) {
	t.Parallel()
	const items, until = 200, 15 * time.Second
	for _, v := range allVerbs {
		for _, m := range []runMode{byRun, byStream, inOrder, byBatches, byStreamB} {
			for _, f := range []hostFailure{refusedDial} {
				for _, left := range []int{1, 2, 5, 20} {
					if thin() {
						continue
					}
					t.Run(fmt.Sprintf("%s/%s/%s/%d", v.name, m.name, f.says, left), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							h := newHost(t, func(c hostCall) *hostFailure {
								if slices.Max(c.items) >= items-left && c.at < until {
									return &f
								}
								return nil
							})
							s := v.on(h, m).run(t.Context(), items)
							if s.count(windrow.Succeeded) != items || s.cause != nil {
								t.Errorf("%+v, stopped by %v", s.stats, s.cause)
							}
							if took := time.Since(h.began); took > until+12*time.Second {
								t.Errorf("took %v", took)
							}
						})
					})
				}
			}
		}
	}
}

// F61: the refused calls are no failures: neither a canary nor a threshold counts them.
func TestF61ThresholdsDoNotCountTheOutage(t *testing.T) {
	t.Parallel()
	for _, opt := range []struct {
		name string
		opt  windrow.Option
	}{
		{"MaxFailures(0)", windrow.MaxFailures(0)},
		{"Canary", windrow.Canary(2)},
		{"MaxFailures", windrow.MaxFailures(1)},
		{"MaxFailureRate", windrow.MaxFailureRate(0.01, 5)},
	} {
		for _, test := range []struct {
			verb hostVerb
			fail hostFailure
		}{{creates, refusedDial}, {functionCalls, refusedDial}, {upserts, refusedDial}, {upserts, answered(502)}, {deletes, answered(503)}, {gets, answered(504)}, {keyedCreates, answered(502)}} {
			for _, m := range []runMode{byRun, byStream, byBatches} {
				for _, begins := range []time.Duration{0, 400 * time.Millisecond} {
					if thin() {
						continue
					}
					t.Run(fmt.Sprintf("%s/%s/%s/%s from %v", opt.name, test.verb.name, m.name, test.fail.says, begins), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							h := newHost(t, between(begins, begins+5*time.Second, test.fail))
							s := test.verb.on(h, m, opt.opt).run(t.Context(), 300)
							if s.count(windrow.Succeeded) != 300 || s.cause != nil {
								t.Errorf("%+v, stopped by %v", s.stats, s.cause)
							}
						})
					})
				}
			}
		}
	}
}

// F61: an error that says nothing about the server is no evidence, whatever its class: the items are charged, end, and
// hold up no other.
func TestF61OnlyTypedErrorsAreEvidence(t *testing.T) {
	t.Parallel()
	invalidHeader := &url.Error{Op: "Post", URL: "http://api.example", Err: errors.New(`net/http: invalid header field value for "X-Name"`)}
	everyTransient := func(err error) windrow.Classification {
		if err == nil {
			return windrow.Classification{}
		}
		return windrow.Classification{Class: windrow.ClassTransient}
	}
	for _, test := range []struct {
		name   string
		err    error
		policy windrow.RetryPolicy
	}{
		{"marked", windrow.Transient(errServer), windrow.RetryPolicy{}},
		{"marked, an invalid header", windrow.Transient(invalidHeader), windrow.RetryPolicy{}},
		{"a classifier, an invalid header", invalidHeader, windrow.RetryPolicy{Classify: everyTransient}},
		{"a classifier, anything", errServer, windrow.RetryPolicy{Classify: everyTransient}},
	} {
		for _, v := range []hostVerb{creates, upserts, gets} {
			t.Run(test.name+"/"+v.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					fail := hostFailure{err: test.err, takes: time.Millisecond}
					h := newHost(t, func(hostCall) *hostFailure { return &fail })
					s := v.on(h, byRun, windrow.Retry(test.policy), eight).run(t.Context(), 30)
					if s.count(windrow.Failed) != 30 || s.cause != nil {
						t.Errorf("%+v, stopped by %v", s.stats, s.cause)
					}
					if diff := gocmp.Diff(repeat(30, 5), s.attempts); diff != "" {
						t.Errorf("attempts (-want +got):\n%s", diff)
					}
				})
				floor := v.floor(t, 300, byRun, eight)
				synctest.Test(t, func(t *testing.T) {
					fail := hostFailure{err: test.err, takes: time.Millisecond}
					h := newHost(t, func(c hostCall) *hostFailure {
						if c.item() >= 100 && c.item() < 130 {
							return &fail
						}
						return nil
					})
					s := v.on(h, byRun, windrow.Retry(test.policy), eight).run(t.Context(), 300)
					if s.count(windrow.Succeeded) != 270 || s.count(windrow.Failed) != 30 {
						t.Errorf("%+v, stopped by %v", s.stats, s.cause)
					}
					if fresh := h.firstCallOf(299); fresh > floor {
						t.Errorf("the last item was first sent after %v, without the bad ones all is done after %v", fresh, floor)
					}
				})
			})
		}
	}
}

// firstCallOf is when an item was first sent.
func (h *host) firstCallOf(item int) time.Duration {
	for _, c := range h.calls {
		if slices.Contains(c.items, item) {
			return c.at
		}
	}
	return -1
}

// F61: one of two hosts is down: its items go when it is back, uncharged.
func TestF61OneOfTwoHosts(t *testing.T) {
	t.Parallel()
	const items, lasts = 600, 10 * time.Second
	for _, v := range []hostVerb{creates, upserts, gets} {
		floor := v.floor(t, items, byRun)
		synctest.Test(t, func(t *testing.T) {
			other := refusedDial
			other.err = &url.Error{Op: "Post", URL: "http://other.example/items", Err: errors.Unwrap(refusedDial.err)}
			h := newHost(t, func(c hostCall) *hostFailure {
				if c.item()%2 == 1 && c.at < lasts {
					return &other
				}
				return nil
			})
			s := v.on(h, byRun).run(t.Context(), items)
			if s.count(windrow.Succeeded) != items || s.chargedMore(1) > 0 {
				t.Errorf("%s: %+v, %d charged, stopped by %v", v.name, s.stats, s.chargedMore(1), s.cause)
			}
			if took := time.Since(h.began); took > lasts+floor+5*time.Second {
				t.Errorf("%s: took %v", v.name, took)
			}
		})
	}
}

// F61: a look-up of a Reconciler is a call too: it waits with the outage, and what was applied is not made twice.
func TestF61LookUpsWait(t *testing.T) {
	t.Parallel()
	for _, m := range []runMode{byRun, byStream, byBatches} {
		for _, f := range []hostFailure{answered(502), resetRead, timedOut} {
			t.Run(m.name+"/"+f.says, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					const begins, lasts = 500 * time.Millisecond, 10 * time.Second
					lost := f
					h := newHost(t, func(c hostCall) *hostFailure {
						if c.at < begins || c.at >= begins+lasts {
							return nil
						}
						lost := lost
						lost.applied = c.item()%2 == 0
						return &lost
					})
					h.lookUp = between(begins, begins+lasts, f)
					s := lookedUpCreates.on(h, m).run(t.Context(), 400)
					if s.count(windrow.Succeeded) != 400 || s.cause != nil {
						t.Errorf("%+v, stopped by %v", s.stats, s.cause)
					}
					if doubled := h.doubled(); doubled > 0 {
						t.Errorf("%d items were created twice", doubled)
					}
					if took := time.Since(h.began); took > begins+lasts+25*time.Second {
						t.Errorf("took %v", took)
					}
				})
			})
		}
	}
}

// F61 and F62: two runs on one limiter: both wait, and one call at a time tries for both.
func TestF61TwoRunsOnOneLimiter(t *testing.T) {
	t.Parallel()
	for _, f := range []hostFailure{refusedDial, answered(502)} {
		for _, m := range []runMode{byRun, byStream} {
			t.Run(f.says+"/"+m.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					const begins, lasts = 800 * time.Millisecond, 10 * time.Second
					l := windrow.NewLimiter()
					h := newHost(t, between(begins, begins+lasts, f))
					ends := make([]summary, 3)
					verbs := []hostVerb{upserts, gets, upserts}
					done := make(chan struct{})
					for k := range ends {
						go func() {
							if k == 2 {
								time.Sleep(begins + 3*time.Second) // it finds the server down
							}
							ends[k] = verbs[k].on(h, m, windrow.WithLimiter(l)).run(t.Context(), 500)
							done <- struct{}{}
						}()
					}
					for range ends {
						<-done
					}
					for k, s := range ends {
						if s.count(windrow.Succeeded) != 500 || s.cause != nil {
							t.Errorf("run %d: %+v, stopped by %v", k, s.stats, s.cause)
						}
					}
					h.probedOnly(begins+500*time.Millisecond, begins+lasts)
					if took := time.Since(h.began); took > begins+lasts+10*time.Second {
						t.Errorf("took %v", took)
					}
				})
			})
		}
	}
}
