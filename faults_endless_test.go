package windrow_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
)

// F63: an outage that does not end stops the run 5 minutes after the last success, whatever the number of items. What
// was not sent is NotAttempted, and the reason names the outage and the last error.
func TestF63OutageThatDoesNotEnd(t *testing.T) {
	t.Parallel()
	hangs := hostFailure{takes: 100 * time.Hour, sent: true}
	for _, v := range []hostVerb{creates, functionCalls, updatesOf, deletes, gets} {
		for _, m := range []runMode{byRun, byStream, inOrder, byBatches} {
			for _, f := range []hostFailure{refusedDial, noRoute, answered(502), answered(503), answered(504), resetRead, hangs} {
				for _, n := range []int{80, 2_000} {
					if f.err == nil && (len(m.opts) > 0 || m.batch > 0) {
						continue
					}
					if n > 80 && f.says != refusedDial.says && f.says != "502" || len(m.opts) > 0 && n > 80 {
						continue
					}
					if thin() {
						continue
					}
					t.Run(fmt.Sprintf("%s/%s/%s/%d", v.name, m.name, f.says, n), func(t *testing.T) {
						n := n * max(1, m.batch)
						synctest.Test(t, func(t *testing.T) {
							h := newHost(t, between(150*time.Millisecond, 0, f))
							if f.err == nil { // connections break, and then each call hangs; one that hung from the start has no bound
								broken := between(150*time.Millisecond, 2*time.Second, resetRead)
								h.fault = func(c hostCall) *hostFailure { return cmp.Or(broken(c), between(2*time.Second, 0, f)(c)) }
							}
							s := v.on(h, m).run(t.Context(), n)
							h.checkStopped(s, f, 5*time.Minute)
							if v.read && s.count(windrow.Unknown) > 0 {
								t.Errorf("reads are Unknown: %+v", s.stats)
							}
							if !f.sent && s.count(windrow.Succeeded)+s.count(windrow.NotAttempted) != n {
								t.Errorf("nothing was sent of what did not succeed: %+v", s.stats)
							}
						})
					})
				}
			}
		}
	}
}

// checkStopped checks that a run was stopped so long after its last success, and says why.
func (h *host) checkStopped(s summary, f hostFailure, after time.Duration) {
	h.t.Helper()
	if ended := time.Since(h.began) - h.last; ended < after || ended > after+10*time.Second {
		h.t.Errorf("it ended %v after the last success, want %v; %v", ended, after, s.cause)
	}
	if s.cause == nil || errors.Is(s.cause, context.DeadlineExceeded) {
		h.t.Fatalf("the run was stopped by %v; %+v", s.cause, s.stats)
	}
	// A probe that is under way when the time is up is cut short.
	if f.err != nil && !errors.Is(s.cause, f.err) && !strings.Contains(s.cause.Error(), "no response as long as the run waits") {
		h.t.Errorf("the cause does not match the last error: %v", s.cause)
	}
	for k, state := range s.states {
		if h.sent[k] == 0 && state != windrow.NotAttempted {
			h.t.Errorf("item %d is %v and was never sent", k, state)
		}
	}
}

// F63: before the first success the limit is half a minute: nothing may be there at all.
func TestF63WrongPort(t *testing.T) {
	t.Parallel()
	for _, v := range []hostVerb{creates, upserts, gets} {
		for _, m := range []runMode{byRun, byStream, inOrder, byBatches} {
			for _, n := range []int{1, 3, 2_000} {
				t.Run(fmt.Sprintf("%s/%s/%d", v.name, m.name, n), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						h := newHost(t, between(0, 0, refusedDial))
						s := v.on(h, m).run(t.Context(), n)
						if took := time.Since(h.began); took < 30*time.Second || took > 33*time.Second {
							t.Errorf("took %v, want half a minute", took)
						}
						if s.count(windrow.NotAttempted) != n {
							t.Errorf("%+v", s.stats)
						}
						if !errors.Is(s.cause, refusedDial.err) {
							t.Errorf("the run was stopped by %v", s.cause)
						}
						h.probedOnly(0, 30*time.Second)
					})
				})
			}
		}
	}
}

// F63: MaxThrottleWait is the limit where it is shorter, and so is the caller's deadline.
func TestF63ShorterLimits(t *testing.T) {
	t.Parallel()
	for _, f := range []hostFailure{refusedDial, answered(502)} {
		for _, m := range []runMode{byRun, byStream} {
			synctest.Test(t, func(t *testing.T) {
				h := newHost(t, between(150*time.Millisecond, 0, f))
				s := upserts.on(h, m, windrow.Retry(windrow.RetryPolicy{MaxThrottleWait: 20 * time.Second})).run(t.Context(), 200)
				h.checkStopped(s, f, 20*time.Second)
			})
			synctest.Test(t, func(t *testing.T) {
				h := newHost(t, between(0, 0, f))
				s := upserts.on(h, m, windrow.Retry(windrow.RetryPolicy{MaxThrottleWait: 5 * time.Second})).run(t.Context(), 200)
				if took := time.Since(h.began); took < 5*time.Second || took > 8*time.Second || s.cause == nil {
					t.Errorf("%s, %s: took %v, stopped by %v", f.says, m.name, took, s.cause)
				}
			})
			synctest.Test(t, func(t *testing.T) {
				h := newHost(t, between(150*time.Millisecond, 0, f))
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				s := upserts.on(h, m).run(ctx, 200)
				if took := time.Since(h.began); took > 10*time.Second || !errors.Is(s.cause, context.DeadlineExceeded) {
					t.Errorf("%s, %s: took %v, stopped by %v", f.says, m.name, took, s.cause)
				}
			})
			synctest.Test(t, func(t *testing.T) {
				h := newHost(t, between(150*time.Millisecond, 0, f))
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(7*time.Second, cancel)
				s := upserts.on(h, m).run(ctx, 200)
				if took := time.Since(h.began); took > 7*time.Second+50*time.Millisecond || !errors.Is(s.cause, context.Canceled) {
					t.Errorf("%s, %s: cancelled, took %v, stopped by %v", f.says, m.name, took, s.cause)
				}
			})
		}
	}
}

// F63: throttles and outages share the clock: a server that restarts again and again says both.
func TestF63ThrottlesAndOutagesInTurns(t *testing.T) {
	t.Parallel()
	for _, m := range []runMode{byRun, byStream} {
		for _, v := range []hostVerb{creates, upserts} {
			synctest.Test(t, func(t *testing.T) {
				kinds := []hostFailure{refusedDial, answered(503).after(time.Second), answered(502), answered(429).after(2 * time.Second)}
				h := newHost(t, func(c hostCall) *hostFailure {
					if c.at < 300*time.Millisecond {
						return nil
					}
					return &kinds[int(c.at/(7*time.Second))%len(kinds)]
				})
				s := v.on(h, m).run(t.Context(), 500)
				h.checkStopped(s, hostFailure{}, 5*time.Minute)
			})
		}
	}
}

// F63: a run that was stopped is gone on with when the server is back, on the limiter that saw the outage.
func TestF63GoneOnWith(t *testing.T) {
	t.Parallel()
	for _, f := range []hostFailure{refusedDial, answered(502)} {
		for _, v := range []hostVerb{upserts, gets} {
			synctest.Test(t, func(t *testing.T) {
				back := 10 * time.Minute
				h := newHost(t, between(300*time.Millisecond, back, f))
				again := v.on(h, byRun)
				first := again.run(t.Context(), 300)
				h.checkStopped(first, f, 5*time.Minute)
				time.Sleep(back - time.Since(h.began) - 5*time.Second)
				s := again.rerun(t.Context()) // while it is still down
				if s.count(windrow.Succeeded) != 300 || s.cause != nil {
					t.Errorf("%s, %s: %+v, stopped by %v", v.name, f.says, s.stats, s.cause)
				}
				if took := time.Since(h.began); took > back+15*time.Second {
					t.Errorf("%s, %s: took %v", v.name, f.says, took)
				}
			})
		}
	}
}

// F63: runs that do not probe themselves see the clock, too.
func TestF63RunsOnOneLimiterEndTogether(t *testing.T) {
	t.Parallel()
	for _, f := range []hostFailure{refusedDial, answered(502)} {
		for _, m := range []runMode{byRun, byStream} {
			synctest.Test(t, func(t *testing.T) {
				l := windrow.NewLimiter()
				h := newHost(t, between(400*time.Millisecond, 0, f))
				ends, done := make([]summary, 3), make(chan struct{})
				for k := range ends {
					go func() {
						if k == 2 {
							time.Sleep(5 * time.Second)
						}
						ends[k] = upserts.on(h, m, windrow.WithLimiter(l)).run(t.Context(), 1_000)
						done <- struct{}{}
					}()
				}
				for range ends {
					<-done
				}
				for k, s := range ends {
					if s.cause == nil || !errors.Is(s.cause, f.err) {
						t.Errorf("%s: run %d was stopped by %v", f.says, k, s.cause)
					}
				}
				if ended := time.Since(h.began) - h.last; ended < 5*time.Minute || ended > 5*time.Minute+10*time.Second {
					t.Errorf("%s: the last ended %v after the last success", f.says, ended)
				}
			})
		}
	}
}
