package adapt_test

import (
	"strings"
	"testing"
	"time"

	"github.com/windrow-go/windrow/internal/adapt"
)

// liar is a server whose headers do not tell the truth.
type liar struct {
	model
	tell func(now time.Time, refused bool) adapt.Quota
}

func (l *liar) answer(now time.Time, inFlight int) (bool, time.Duration, []adapt.Quota) {
	refused, hint, _ := l.model.answer(now, inFlight)
	return refused, hint, []adapt.Quota{l.tell(now, refused)}
}

// constantly tells always the same.
func constantly(remaining int64, reset, unit time.Duration) func(time.Time, bool) adapt.Quota {
	return func(time.Time, bool) adapt.Quota {
		return adapt.Quota{Limit: 100, Remaining: remaining, RemainingKnown: true, Reset: reset, ResetUnit: unit}
	}
}

// F79: headers that always tell the same are not believed: a server does what it does without them, be it limited or not, and
// the reason is told.
func TestF79HeadersThatAreConstant(t *testing.T) {
	t.Parallel()
	servers := map[string]func() model{
		"no limit": func() model { return &slotsModel{slots: 1000, soft: true} },
		"50/s":     func() model { return &bucketModel{perSecond: 50, burst: 50} },
		"60 per 3 s": func() model {
			return &windowModel{limit: 60, period: 3 * time.Second, offset: time.Second}
		},
	}
	for server, fresh := range servers {
		bare := newWorld(fresh(), 64)
		bare.run(60 * time.Second)
		for _, remaining := range []int64{0, 1, 10, 99, 100} {
			for name, reset := range map[string][2]time.Duration{
				"none": {}, "past": {0, time.Second}, "soon": {time.Second, time.Second}, "far": {time.Minute, time.Second}, "very far": {time.Hour, time.Second},
			} {
				for _, concurrency := range []int{64, 1} {
					if concurrency == 1 && remaining == 0 && strings.Contains("far very far", name) {
						continue // see TestF79NothingLeftAtConcurrencyOne
					}
					bare := bare
					if concurrency == 1 {
						bare = newWorld(fresh(), 1)
						bare.run(60 * time.Second)
					}
					w := newWorld(&liar{fresh(), constantly(remaining, reset[0], reset[1])}, concurrency)
					w.run(60 * time.Second)
					if float64(w.answered) < float64(bare.answered)/1.2 || w.throttled > bare.throttled*3/2+3 {
						t.Errorf("%s, %d remaining, reset %s, %d at once: %d answered and %d refused, want %d and %d as without headers",
							server, remaining, name, concurrency, w.answered, w.throttled, bare.answered, bare.throttled)
					}
					if reasons := strings.Join(w.why, "; "); !strings.Contains(reasons, "are not believed") {
						t.Errorf("%s, %d remaining, reset %s: reasons %q", server, remaining, name, reasons)
					}
				}
			}
		}
	}
}

// F79: what counts down and stays at nothing, although all is answered, is not believed either.
func TestF79NothingLeftForEver(t *testing.T) {
	t.Parallel()
	for _, reset := range [][2]time.Duration{{}, {0, time.Second}, {time.Second, time.Second}} {
		told := int64(100)
		w := newWorld(&liar{&slotsModel{slots: 1000, soft: true}, func(time.Time, bool) adapt.Quota {
			told = max(0, told-1)
			return adapt.Quota{Limit: 100, Remaining: told, RemainingKnown: true, Reset: reset[0], ResetUnit: reset[1]}
		}}, 64)
		w.run(60 * time.Second)
		if reasons := strings.Join(w.why, "; "); w.answered < 20_000 || !strings.Contains(reasons, "are not believed") {
			t.Errorf("reset %v: %d answered in 60 s, reasons %q", reset, w.answered, reasons)
		}
	}
}

// F79: where one call at a time is made, the first windows are waited for.
func TestF79NothingLeftAtConcurrencyOne(t *testing.T) {
	t.Parallel()
	w := newWorld(&liar{&slotsModel{slots: 1000, soft: true}, constantly(0, 20*time.Second, time.Second)}, 1)
	w.run(120 * time.Second)
	if w.answered < 500 {
		t.Errorf("%d answered in 120 s", w.answered)
	}
}

// F79: a reset that is always over is not believed, and what remains is: the window is found by its renewals.
func TestF79ResetInThePast(t *testing.T) {
	t.Parallel()
	for name, fresh := range map[string]func() model{
		"window": func() model {
			return &windowModel{limit: 60, period: 3 * time.Second, offset: time.Second, headers: true}
		},
		"bucket": func() model { return &bucketModel{perSecond: 10, burst: 30, headers: true} },
	} {
		told := newWorld(fresh(), 64)
		told.run(300 * time.Second)
		w := newWorld(&pastReset{fresh()}, 64)
		w.run(300 * time.Second)
		if float64(w.answered) < float64(told.answered)/1.1 || w.throttled > 12 {
			t.Errorf("%s: %d answered and %d refused, want %d as with a true reset", name, w.answered, w.throttled, told.answered)
		}
		if reasons := strings.Join(w.why, "; "); !strings.Contains(reasons, "not believed: it is over whenever it is told") {
			t.Errorf("%s: reasons %q", name, reasons)
		}
	}
}

// pastReset tells of resets that are over.
type pastReset struct{ model }

func (p *pastReset) answer(now time.Time, inFlight int) (bool, time.Duration, []adapt.Quota) {
	refused, _, quotas := p.model.answer(now, inFlight)
	for i := range quotas {
		quotas[i].Reset, quotas[i].ResetUnit = 0, time.Second
	}
	return refused, 0, quotas
}
