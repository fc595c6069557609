package windrow_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
)

// F84: a stretch of poisoned records looks like an outage, and is left behind: probes are fresh items, attempts are
// charged.
func TestF84StretchOfPoisonedRecords(t *testing.T) {
	t.Parallel()
	const items, stretch = 3_000, 64
	for _, v := range allVerbs {
		for _, m := range []runMode{byRun, byStream} {
			for _, f := range []hostFailure{answered(504), answered(502), resetRead} {
				if thin() {
					continue
				}
				t.Run(v.name+"/"+m.name+"/"+f.says, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						h := newHost(t, func(c hostCall) *hostFailure {
							if c.item() >= 1_000 && c.item() < 1_000+stretch {
								return &f
							}
							return nil
						})
						s := v.on(h, m).run(t.Context(), items)
						h.checkPoisoned(v, s, 1_000, 1_000+stretch)
						if h.last > 15*time.Second {
							t.Errorf("the last success came after %v", h.last)
						}
						if took := time.Since(h.began); took > 60*time.Second {
							t.Errorf("took %v", took)
						}
					})
				})
			}
		}
	}
}

// checkPoisoned checks that the items from first to end were charged and given up, and that the others succeeded.
func (h *host) checkPoisoned(v hostVerb, s summary, first, end int) {
	h.t.Helper()
	lost, attempts := windrow.Unknown, 1
	if v.read {
		lost = windrow.Failed
	}
	if v.repeatable {
		attempts = 5
	}
	wrong := 0
	for k, state := range s.states {
		bad := k >= first && k < end
		if bad && (state != lost || s.attempts[k] != attempts) || !bad && state != windrow.Succeeded {
			if wrong++; wrong == 1 {
				h.t.Errorf("item %d is %v after %d attempts; %v", k, state, s.attempts[k], s.errs[k])
			}
		}
	}
	if wrong > 0 || s.cause != nil {
		h.t.Errorf("%d items are wrong: %+v, stopped by %v", wrong, s.stats, s.cause)
	}
}

// F84: where they are the last, or the only ones, nothing else shows that the server is well: they end, charged.
func TestF84PoisonedTail(t *testing.T) {
	t.Parallel()
	for _, v := range allVerbs {
		for _, m := range []runMode{byRun, byStream} {
			for _, bad := range []int{1, 2, 20} {
				t.Run(fmt.Sprintf("%s/%s/%d", v.name, m.name, bad), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						f := answered(504)
						h := newHost(t, func(c hostCall) *hostFailure {
							if c.item() >= 500-bad {
								return &f
							}
							return nil
						})
						s := v.on(h, m).run(t.Context(), 500)
						lost := windrow.Unknown
						if v.read {
							lost = windrow.Failed
						}
						for k := 500 - bad; k < 500; k++ {
							if s.states[k] != lost || s.attempts[k] < 1 || s.attempts[k] > 5 {
								t.Errorf("item %d is %v after %d attempts", k, s.states[k], s.attempts[k])
							}
						}
						if s.count(windrow.Succeeded) != 500-bad {
							t.Errorf("%+v, stopped by %v", s.stats, s.cause)
						}
						if took := time.Since(h.began) - h.last; took > 5*time.Minute+10*time.Second {
							t.Errorf("it ended %v after the last success", took)
						}
					})
				})
			}
		}
	}
}

// F84: chunks of poisoned records.
func TestF84StretchOfPoisonedChunks(t *testing.T) {
	t.Parallel()
	for _, v := range []hostVerb{creates, upserts, gets} {
		for _, m := range []runMode{byBatches, byStreamB} {
			synctest.Test(t, func(t *testing.T) {
				f := answered(504)
				h := newHost(t, func(c hostCall) *hostFailure {
					if c.item() >= 500 && c.item() < 700 {
						return &f
					}
					return nil
				})
				s := v.on(h, m).run(t.Context(), 3_000)
				if s.count(windrow.Succeeded) != 2_800 || s.cause != nil {
					t.Errorf("%s, %s: %+v, stopped by %v", v.name, m.name, s.stats, s.cause)
				}
				// Probes are taken chunk by chunk, after pauses of up to 10 s: with bad luck all twenty are tried.
				if h.last > 2*time.Minute {
					t.Errorf("%s, %s: the last success came after %v", v.name, m.name, h.last)
				}
			})
		}
	}
}

// chance draws a number in [0, 1) for the nth call of an item: the same for the same.
func chance(item, nth int) float64 { return rand.New(rand.NewPCG(uint64(item), uint64(nth))).Float64() }

// F85: a flaky server is no outage: the pace stays, and repeatable items succeed.
func TestF85FlakyServer(t *testing.T) {
	t.Parallel()
	const items = 15_000
	for _, test := range []struct {
		share, factor float64
		lost          int
	}{{0.1, 1.2, 3}, {0.3, 1.45, items / 100}} {
		for _, v := range []hostVerb{upserts, gets, deletes} {
			for _, m := range []runMode{byRun, byStream} {
				if m.stream != (v.name == gets.name) {
					continue
				}
				floor := v.floor(t, items, m, windrow.Concurrency(16))
				if thin() {
					continue
				}
				t.Run(fmt.Sprintf("%v/%s/%s", test.share, v.name, m.name), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						f := answered(502)
						h := newHost(t, func(c hostCall) *hostFailure {
							if chance(c.item(), c.nth) < test.share {
								return &f
							}
							return nil
						})
						s := v.on(h, m, windrow.Concurrency(16)).run(t.Context(), items)
						if lost := items - s.count(windrow.Succeeded); lost > test.lost || s.cause != nil {
							t.Errorf("%+v, stopped by %v", s.stats, s.cause)
						}
						if took := time.Since(h.began); took.Seconds() > test.factor*floor.Seconds() {
							t.Errorf("took %v, %.2f x what it takes undisturbed", took, took.Seconds()/floor.Seconds())
						}
					})
				})
			}
		}
	}
}

// F86: 500 is an item's until so many distinct ones failed with it that it is the server's.
func TestF86InternalErrorOnEverything(t *testing.T) {
	t.Parallel()
	f := answered(500)
	for _, v := range allVerbs {
		for _, m := range []runMode{byRun, byStream} {
			for _, n := range []int{200, 5_000} {
				t.Run(fmt.Sprintf("%s/%s/%d", v.name, m.name, n), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						h := newHost(t, between(300*time.Millisecond, 0, f))
						s := v.on(h, m, eight).run(t.Context(), n)
						h.checkStopped(s, f, 5*time.Minute)
						// In flight, evidence, and probes: one in 2 s where they burn nothing for good, else one in 5 s.
						most := 8 + 20 + 8 + 60
						if v.repeatable {
							most += 90
						}
						if lost := s.count(windrow.Unknown) + s.count(windrow.Failed); lost > most {
							t.Errorf("%+v, at most %d may be lost", s.stats, most)
						}
					})
				})
			}
		}
	}
}

// F86: a few items that the server cannot deal with hold up no other, and end by their attempts.
func TestF86AFewInternalErrors(t *testing.T) {
	t.Parallel()
	for _, v := range []hostVerb{creates, upserts, gets} {
		for _, n := range []int{500} {
			bad := 15
			synctest.Test(t, func(t *testing.T) {
				f := answered(500)
				h := newHost(t, func(c hostCall) *hostFailure {
					if c.item() < bad {
						return &f
					}
					return nil
				})
				s := v.on(h, byRun, windrow.Concurrency(4)).run(t.Context(), n)
				h.checkPoisoned(v, s, 0, bad)
				if n > bad {
					if fresh, most := h.firstCallOf(n-1), time.Duration(n)*80*time.Millisecond/4+2*time.Second; fresh > most {
						t.Errorf("%s: the last item was first sent after %v", v.name, fresh)
					}
				}
				if took := time.Since(h.began); took > 90*time.Second {
					t.Errorf("%s: took %v", v.name, took)
				}
			})
		}
	}
}

// F87: one backend of three is dead: the run goes on at the pace of the others.
func TestF87OneBackendOfThreeIsDead(t *testing.T) {
	t.Parallel()
	const items = 3_000
	for _, v := range []hostVerb{creates, functionCalls, keyedCreates, upserts, deletes, gets} {
		for _, m := range []runMode{byRun, byStream} {
			floor := v.floor(t, items, m, eight)
			if thin() {
				continue
			}
			t.Run(v.name+"/"+m.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := answered(502)
					h := newHost(t, func(c hostCall) *hostFailure {
						if c.number%3 == 2 {
							return &f
						}
						return nil
					})
					s := v.on(h, m, eight).run(t.Context(), items)
					lost := items - s.count(windrow.Succeeded)
					switch {
					case s.cause != nil:
						t.Errorf("stopped by %v", s.cause)
					case v.repeatable && lost > items/50, !v.repeatable && (lost > items/3+1 || s.count(windrow.Unknown) != lost):
						t.Errorf("%+v", s.stats)
					}
					if took := time.Since(h.began); took > 2*floor+5*time.Second {
						t.Errorf("took %v, undisturbed %v", took, floor)
					}
				})
			})
		}
	}
	for _, m := range []runMode{byRun, byStream} {
		synctest.Test(t, func(t *testing.T) {
			f := answered(502)
			h := newHost(t, func(c hostCall) *hostFailure {
				if c.number%3 == 2 {
					return &f
				}
				return nil
			})
			s := creates.on(h, m, eight, windrow.MaxFailureRate(0.2, 50)).run(t.Context(), items)
			if !errors.Is(s.cause, windrow.ErrTooManyFailures) || s.count(windrow.Unknown) > 60 {
				t.Errorf("%s: %+v, stopped by %v", m.name, s.stats, s.cause)
			}
		})
	}
}

// F88: the server that has just come back is not met by all calls at once, and has the pace of before soon.
func TestF88ThePaceComesBack(t *testing.T) {
	t.Parallel()
	const most, back = 64, 12 * time.Second
	for _, v := range []hostVerb{upserts, gets} {
		for _, m := range []runMode{byRun, byStream} {
			for _, f := range []hostFailure{refusedDial, answered(502)} {
				if thin() {
					continue
				}
				t.Run(v.name+"/"+m.name+"/"+f.says, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						h := newHost(t, between(2*time.Second, back, f))
						s := v.on(h, m, windrow.Concurrency(most)).run(t.Context(), 20_000)
						if s.count(windrow.Succeeded) != 20_000 {
							t.Fatalf("%+v, stopped by %v", s.stats, s.cause)
						}
						first := time.Duration(0) // response after the outage
						for _, c := range h.calls {
							if c.at >= back {
								first = c.at + 80*time.Millisecond
								break
							}
						}
						if _, flying := h.since(back, first+40*time.Millisecond); flying > most/2 {
							t.Errorf("%d calls at once right after the outage", flying)
						}
						before, _ := h.since(time.Second, 2*time.Second)
						after, _ := h.since(first+2*time.Second, first+3*time.Second)
						if after < before*8/10 {
							t.Errorf("%d calls in the third second after the outage, %d in a second before it", after, before)
						}
					})
				})
			}
		}
	}
}

// F84: single poisoned records among good ones, in a stream whose window they fill in the end, are no outage.
func TestF84PoisonedRecordsInAStream(t *testing.T) {
	t.Parallel()
	for _, v := range []hostVerb{upserts, gets, deletes} {
		for _, f := range []hostFailure{answered(504), resetRead} {
			for _, test := range []struct{ items, each, window int }{{20_000, 500, 4_096}, {8_000, 50, 4_096}, {4_000, 50, 100}, {4_000, 500, 100}} {
				if thin() {
					continue
				}
				t.Run(fmt.Sprintf("%s/%s/1 of %d/%d", v.name, f.says, test.each, test.window), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						h := newHost(t, func(c hostCall) *hostFailure {
							if c.item()%test.each == test.each/2 {
								return &f
							}
							return nil
						})
						s := v.on(h, byStream, windrow.Window(test.window)).run(t.Context(), test.items)
						if s.count(windrow.Succeeded) != test.items-test.items/test.each || s.cause != nil {
							t.Errorf("%s, %s, 1 of %d: %+v, stopped by %v", v.name, f.says, test.each, s.stats, s.cause)
						}
						if took := time.Since(h.began); took > 2*time.Minute {
							t.Errorf("%s, %s, 1 of %d: took %v", v.name, f.says, test.each, took)
						}
					})
				})
			}
		}
	}
}

// F84: one or two poisoned records, wherever they are, do not stop a run, nor is it waited for minutes.
func TestF84OneBadRecord(t *testing.T) {
	t.Parallel()
	slow := answered(502)
	slow.takes, slow.says = 300*time.Millisecond, "slow 502" // all others have passed by then
	for _, v := range []hostVerb{keyedCreates, upserts, gets, deletes} {
		for _, f := range []hostFailure{answered(504), slow, resetRead} {
			for _, bad := range [][]int{{0}, {50}, {199}, {198, 199}, {100, 199}} {
				if thin() {
					continue
				}
				t.Run(fmt.Sprintf("%s/%s/%v", v.name, f.says, bad), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						h := newHost(t, func(c hostCall) *hostFailure {
							if slices.Contains(bad, c.item()) {
								return &f
							}
							return nil
						})
						s := v.on(h, byRun).run(t.Context(), 200)
						if s.count(windrow.Succeeded) != 200-len(bad) || s.cause != nil {
							t.Errorf("%s, %s, %v: %+v, stopped by %v", v.name, f.says, bad, s.stats, s.cause)
						}
						if took := time.Since(h.began); took > 30*time.Second {
							t.Errorf("%s, %s, %v: took %v", v.name, f.says, bad, took)
						}
					})
				})
			}
		}
	}
}

// F85: connections that are refused at random are no outage, though they fail quicker than others succeed.
func TestF85RefusedAtRandom(t *testing.T) {
	t.Parallel()
	const items, share = 15_000, 0.3
	for _, v := range []hostVerb{upserts, gets} {
		floor := v.floor(t, items, byRun, windrow.Concurrency(16))
		t.Run(v.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHost(t, func(c hostCall) *hostFailure {
					if chance(c.item(), c.nth) < share {
						return &refusedDial
					}
					return nil
				})
				s := v.on(h, byRun, windrow.Concurrency(16)).run(t.Context(), items)
				if lost := items - s.count(windrow.Succeeded); lost > items/100 || s.cause != nil {
					t.Errorf("%+v, stopped by %v", s.stats, s.cause)
				}
				if took := time.Since(h.began); took.Seconds() > 1.45*floor.Seconds() || s.stats.OutageFor > 5*time.Second {
					t.Errorf("took %v, %.2f x what it takes undisturbed: %+v", took, took.Seconds()/floor.Seconds(), s.stats)
				}
			})
		})
	}
}
