package adapt

import (
	"fmt"
	"time"
)

const (
	// spread is the longest time over which a quota is spread, so that a small job does not take the hour of an hourly quota.
	spread = 10 * time.Second
	// minSpread keeps the rate finite just before a reset.
	minSpread = 20 * time.Millisecond
	// maxQuotas is how many limits of different names are kept.
	maxQuotas = 16
	// forgetQuota is after how many responses that do not mention it a limit is forgotten.
	forgetQuota = 256
	// resetSlack is added to the latest time at which a window can end.
	resetSlack = time.Millisecond
)

// budget is the law of the headers. It spreads the remaining units over the time for which they must last; when they are
// used up, the gate holds until they are certainly renewed. Of several limits the tightest counts.
//
// Its evidence is what the headers of responses tell, throttled ones included. A limit is ignored while its remaining
// units never change, and when calls were throttled repeatedly after it should have been renewed; its resets are
// ignored when they are always over when they are told. It is forgotten after many responses in a row that do not tell
// of it.
type budget struct {
	limits []*allowance
	why    string
}

// learn implements law: it reads the headers of a response.
func (b *budget) learn(e evidence) {
	s := e.Signal
	for _, q := range s.Quotas {
		if q.RemainingKnown {
			a := b.find(q.Name)
			bucket, period, dropped, late := a.bucket, a.cycle.period, a.isConstant(), a.late
			a.observe(q, s)
			switch {
			case a.isConstant() && !dropped:
				b.why = fmt.Sprintf("the headers%s are not believed: they tell of %d left after each call", named(q.Name), q.Remaining)
			case dropped && !a.isConstant():
				b.why = fmt.Sprintf("the headers%s tell what remains again", named(q.Name))
			case a.isConstant():
			case a.late && !late:
				b.why = fmt.Sprintf("the reset that the headers%s tell is not believed: it is over whenever it is told", named(q.Name))
			case a.bucket && !bucket:
				b.why = fmt.Sprintf("the headers%s tell of a bucket of %d that fills up steadily", named(q.Name), a.limit)
			case a.cycle.period != period && a.cycle.period > 0:
				b.why = fmt.Sprintf("the headers%s tell of %d in each %v", named(q.Name), a.limit, a.cycle.period)
			}
		}
	}
	if s.Throttled && s.NewEpoch && b.explains(s) {
		b.why = "throttled: the quota is used up, as the headers say"
	}
	if s.Outside || s.Answered+len(s.Quotas) == 0 {
		return
	}
	kept := b.limits[:0]
	for _, a := range b.limits {
		if a.silent++; a.silent <= forgetQuota {
			kept = append(kept, a)
		}
	}
	b.limits = kept
}

func (b *budget) find(name string) *allowance {
	for _, a := range b.limits {
		if a.name == name {
			return a
		}
	}
	if len(b.limits) == maxQuotas {
		b.limits = b.limits[1:]
	}
	a := &allowance{name: name}
	b.limits = append(b.limits, a)
	b.why = "the headers tell what remains" + named(name)
	return a
}

func named(name string) string {
	if name == "" {
		return ""
	}
	return fmt.Sprintf(" of %q", name)
}

// explains reports whether a throttle was expected, since a limit that the law follows is used up.
func (b *budget) explains(s Signal) bool {
	for _, a := range b.limits {
		if a.steers() && (a.left == 0 || a.left-(s.Index-a.index) <= 1) {
			return true
		}
	}
	return false
}

// bound implements law: the rate at which the tightest quota lasts, and the hold for when it is used up.
func (b *budget) bound(next Setting, s Signal) Setting {
	hold := Hold{}
	for _, a := range b.limits {
		if !a.steers() {
			continue
		}
		limit, h := a.limits(s)
		next.Rate = min(next.Rate, limit)
		if !h.Until.IsZero() && (hold.Until.IsZero() || h.After < hold.After) {
			hold = h
		}
	}
	if !hold.Until.IsZero() {
		next.Hold = hold
	}
	return next
}

// reason implements law.
func (b *budget) reason() string { return once(&b.why) }

// once returns a text and clears it.
func once(text *string) string {
	t := *text
	*text = ""
	return t
}
