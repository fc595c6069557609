package gate

import (
	"fmt"
	"math"
	"time"

	"golang.org/x/time/rate"
)

const (
	// spread is over how long a quota is spread at most: a small job need not take the hour of an hourly quota.
	spread = 10 * time.Second
	// minSpread keeps the rate finite just before a reset.
	minSpread = 20 * time.Millisecond
	// refillProof is how many units have to come back out of turn for a quota to be a bucket, not a window.
	refillProof = 4
	refillJumps = 3 // the same in answers
	// anchorAge is over how long the refill of a bucket is measured.
	anchorAge = 5 * time.Second
	// maxQuotas bounds the memory for limits of different names.
	maxQuotas = 16
	// forgetQuota is after how many answers without a word about it a limit is forgotten.
	forgetQuota = 256
	// blurred is the part of a period within which the end of a window is known well enough.
	blurred = 0.02
	// tiny is the limit below which what remains tells nothing: it is nothing whenever a call is answered.
	tiny = 8
	// resetSlack is added to the latest time at which a window can end.
	resetSlack = time.Millisecond
)

// budget is the law of the headers: what is left is spread over the time for which it has to last, and when it is
// spent the gate holds until it is renewed for certain.
type budget struct {
	limits []*allowance
	why    string
}

// allowance is what is known of one limit of the server.
type allowance struct {
	name   string
	limit  int64
	sent   time.Time // of the latest call whose answer told of it
	at     time.Time // of its answer
	index  int64     // its index
	left   int64     // what remained then
	silent int       // answers since, that did not tell of it
	told   bool      // an answer that was not throttled told of the reset

	// Of a fixed window:
	from, until time.Time     // between which the window ends; zero: unknown
	begun       [2]time.Time  // between which it began
	period      time.Duration // 0: unknown
	shortest    time.Duration // the bounds of the period
	longest     time.Duration

	// Of a bucket:
	returned int64 // units that came back although no window had ended
	jumps    int   // in so many answers
	bucket   bool
	refill   float64 // units a second; 0: unknown
	anchor   anchor
}

// anchor is a past answer that a bucket's refill is measured from.
type anchor struct {
	sent        time.Time
	index, left int64
}

// observe reads the headers of an answer.
func (b *budget) observe(s Signal) {
	for _, q := range s.Quotas {
		if q.RemainingKnown {
			a := b.find(q.Name)
			bucket, period := a.bucket, a.period
			a.observe(q, s)
			switch {
			case a.bucket && !bucket:
				b.why = fmt.Sprintf("the headers%s tell of a bucket of %d that fills up steadily", named(q.Name), a.limit)
			case a.period != period && a.period > 0:
				b.why = fmt.Sprintf("the headers%s tell of %d in each %v", named(q.Name), a.limit, a.period)
			}
		}
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

// explains reports whether a throttle is no surprise: the headers say that nothing remains.
func (b *budget) explains(s Signal) bool {
	for _, q := range s.Quotas {
		if q.RemainingKnown && q.Remaining == 0 && q.Limit > tiny {
			return true
		}
	}
	for _, a := range b.limits {
		if a.limit > tiny && a.left-(s.Index-a.index) <= 1 {
			return true
		}
	}
	return false
}

// limit returns the rate at which the tightest quota lasts, and when it is used up.
func (b *budget) limit(s Signal) (rate.Limit, Hold) {
	limit, hold := noLimit, Hold{}
	for _, a := range b.limits {
		if a.limit <= tiny {
			continue
		}
		left := a.left - (s.Granted - a.index)
		if a.bucket {
			limit = min(limit, a.drain(left))
			continue
		}
		if a.until.IsZero() {
			continue
		}
		if !a.until.After(s.At) {
			if a.period > 0 { // a new window, of which nothing is known yet
				limit = min(limit, rate.Limit(float64(a.limit)/a.period.Seconds()))
			}
			continue
		}
		over := max(minSpread, min(spread, a.last().Sub(s.At)))
		if left > 0 {
			limit = min(limit, rate.Limit(float64(left)/over.Seconds()))
		} else if a.period > 0 {
			limit = min(limit, rate.Limit(float64(max(1, a.limit))/a.period.Seconds()))
		}
		if end := a.index + a.left; hold.Until.IsZero() || end < hold.After {
			hold = Hold{After: end, Until: a.until.Add(resetSlack)}
		}
	}
	return limit, hold
}

// observe learns from one answer.
func (a *allowance) observe(q Quota, s Signal) {
	a.silent = 0
	a.told = a.told || q.ResetUnit > 0 && !s.Throttled
	if q.Limit > 0 {
		a.limit = q.Limit
	}
	if q.Window > 0 {
		a.period, a.shortest, a.longest = q.Window, q.Window, q.Window
	}
	switch first := a.sent.IsZero(); {
	case first:
		a.anchor = anchor{s.Sent, s.Index, q.Remaining}
	case s.Sent.Before(a.sent): // answers overtake each other
		a.reset(q, s, s.Sent.After(a.begun[1]))
		return
	default:
		jump := q.Remaining - (a.left - (s.Index - a.index))
		switch {
		case s.Sent.Equal(a.sent):
			if jump > 0 {
				return // one of several that were sent at the same instant: the last to be counted says most
			}
		case jump > 0 && !a.bucket && (2*jump >= a.limit || a.ended(s) || q.Remaining+int64(s.InFlight)+1 >= a.limit):
			a.renewed(s)
		case jump > 0 || a.bucket:
			a.refilled(q, s, jump)
		}
	}
	a.sent, a.at, a.index, a.left = s.Sent, s.At, s.Index, q.Remaining
	a.reset(q, s, true)
}

// last returns until when what remains has to last. Where only the renewals tell of the window, it is spread over all
// the time in which the window may end, so that one of the calls meets the renewal: no call is refused for that.
func (a *allowance) last() time.Time {
	if blur := a.until.Sub(a.from); !a.told && blur > time.Duration(blurred*float64(a.longest)) {
		return a.until
	}
	return a.from
}

// ended reports whether the window must have ended when the call was sent.
func (a *allowance) ended(s Signal) bool { return !a.until.IsZero() && !a.bucket && s.At.After(a.from) }

// reset takes in what an answer says of the end of the window. The truth lies in all intervals that were told.
func (a *allowance) reset(q Quota, s Signal, current bool) {
	if q.ResetUnit <= 0 || !current {
		return
	}
	from, until := s.Sent.Add(q.Reset-q.ResetUnit), s.At.Add(q.Reset)
	if !a.until.IsZero() && a.until.After(s.Sent) {
		lo, hi := latest(from, a.from), earliest(until, a.until)
		if !lo.After(hi) {
			from, until = lo, hi
		}
	}
	a.from, a.until = from, until
}

// renewed learns that a window has begun since the answer before.
func (a *allowance) renewed(s Signal) {
	begun := [2]time.Time{a.sent, s.At}
	if !a.until.IsZero() {
		if lo, hi := latest(begun[0], a.from), earliest(begun[1], a.until); !lo.After(hi) {
			begun = [2]time.Time{lo, hi}
		}
	}
	if before := a.begun; !before[0].IsZero() {
		a.measure(begun[0].Sub(before[1]), begun[1].Sub(before[0]))
	}
	a.begun = begun
	a.from, a.until = time.Time{}, time.Time{}
	if a.longest > 0 {
		a.from, a.until = begun[0].Add(max(a.period, a.shortest)), begun[1].Add(a.longest)
	}
	a.returned, a.jumps = 0, 0
}

// measure narrows the period down. Periods are whole seconds: when only one is left it is that one.
func (a *allowance) measure(shortest, longest time.Duration) {
	if a.shortest > longest || a.longest < shortest {
		a.period, a.shortest, a.longest = 0, 0, 0
	}
	a.shortest = max(a.shortest, shortest)
	if a.longest == 0 || longest < a.longest {
		a.longest = longest
	}
	if whole := a.longest.Truncate(time.Second); a.period == 0 && whole >= a.shortest && whole-time.Second < a.shortest && whole > 0 {
		a.period, a.shortest, a.longest = whole, whole, whole
	}
}

// refilled learns that units came back one by one.
func (a *allowance) refilled(q Quota, s Signal, jump int64) {
	a.returned += jump
	if jump > 0 {
		a.jumps++
	}
	if !a.bucket && a.jumps >= refillJumps && a.returned >= min(refillProof, max(2, a.limit/4)) {
		a.bucket = true
	}
	took := s.Sent.Sub(a.anchor.sent)
	if a.limit > 0 && q.Remaining >= a.limit-1 { // it may have been full for a while
		a.anchor = anchor{s.Sent, s.Index, q.Remaining}
		return
	}
	if back := q.Remaining - a.anchor.left + s.Index - a.anchor.index; took >= time.Second && back >= 1 {
		a.refill = float64(back) / took.Seconds()
		if took >= anchorAge && back >= 2*goodEstimate {
			a.anchor = anchor{s.Sent, s.Index, q.Remaining}
		}
	}
}

// drain returns the rate for a bucket: its refill, and what it holds above a reserve within a second or two.
func (a *allowance) drain(left int64) rate.Limit {
	if a.refill == 0 {
		return noLimit
	}
	reserve := math.Min(float64(a.limit)/4, 2+a.refill/5)
	return rate.Limit(max(a.refill*0.5, a.refill+(float64(left)-reserve)/2))
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
