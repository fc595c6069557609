package gate

import (
	"math"
	"time"

	"golang.org/x/time/rate"
)

const (
	// disorder is by how much more than the calls in flight what the server counts may differ from the order in which calls
	// were sent.
	disorder = 2
	// anchorAge is over how long the refill of a bucket is measured.
	anchorAge = 5 * time.Second
	// fewCalls is the limit below which what remains tells little: it is nothing whenever a call is answered.
	fewCalls = 3
	// fuller is by which part of it the refill is thought to be more in each second in which the bucket is full.
	fuller = 0.3
	// overdrawn is what is thought to be true of a refill at which a call was refused.
	overdrawn = 0.9
	// freshProof is how many first calls of a window show that a limit of few calls is one.
	freshProof = 2
	// othersPart is the part of a renewed window that somebody else may have used before its first answer.
	othersPart = 8
	// contradictions is how many make an end of a limit's model.
	contradictions = 2
	// constant is after how many calls that were answered what remains has to have changed, from the first answer on, and
	// constantZero the same where nothing is left: of several calls that are answered only one can be the last. It is
	// believed again once it does.
	constant     = 4
	constantZero = 3
	// emptyBucket is of how many calls in a row that were answered one has to have left something in a bucket of as many.
	emptyBucket = 16
	// pastReset is for how long a reset may be told that is due already.
	pastReset = 3 * time.Second
)

// allowance is what is known of one limit of the server. It is a window, at whose end all units come back at once, or a
// bucket, to which they come back one by one.
type allowance struct {
	name     string
	limit    int64
	first    int64     // what remained after the first call that was answered
	sent     time.Time // of the latest call, in the order of sending, whose answer told of it
	index    int64     // its index
	left     int64     // what remained then
	lost     bool      // it was refused: what others were counted is not known
	silent   int       // answers since, that did not tell of it
	fresh    int       // answers to the first call of a window, that told of a reset some time away
	told     bool      // an answer that was not throttled told of the reset
	refusals int       // calls that were refused, one an outage
	wrong    int       // how often the server did what it could not have done
	same     int       // calls that were answered, after each of which as much remained as after the first; -1: not so
	zeros    int       // calls in a row that were answered and left nothing
	due      time.Time // since when all resets were due when they were told; zero: the last was not
	late     bool      // that is too long for them to be true

	// The sum of a call's index and of what remained after it stays the same in a window and grows in a bucket.
	top      int64 // the greatest
	before   int64 // the greatest in the window before
	returned int64 // by how much it grew since the last renewal

	cycle  cycle
	bucket bool
	refill float64 // units a second of a bucket; 0: unknown
	anchor anchor
}

// anchor is a past answer that a bucket's refill is measured from.
type anchor struct {
	sent time.Time
	sum  int64
}

// observe learns from one answer.
func (a *allowance) observe(q Quota, s Signal) {
	a.silent = 0
	if !s.Throttled {
		a.compare(q)
	}
	if a.isDue(q, s) {
		q.Reset, q.ResetUnit = 0, 0
	}
	a.told = a.told || q.ResetUnit > 0 && !s.Throttled
	if q.Limit > 0 {
		a.limit = q.Limit
	}
	if q.Window > 0 {
		a.cycle.fix(q.Window)
	}
	sum := s.Index + q.Remaining
	switch {
	case s.Sent.Before(a.sent): // answers overtake each other
		if current := a.straggler(sum, s); current {
			a.reset(q, s)
		}
		return
	case s.Throttled:
		a.refused(s)
	case a.sent.IsZero():
		a.top, a.before = sum, sum
		a.anchor = anchor{s.Sent, sum}
	case s.Sent.Equal(a.sent):
		if q.Remaining > a.left {
			return // one of several that were sent at the same instant: the last to be counted says most
		}
	default:
		gain, most := sum-a.top, q.Remaining+s.Index-a.index+int64(s.InFlight)
		if a.lost { // those that were refused are no part of the sum
			gain, most = q.Remaining+1, q.Remaining+int64(s.InFlight)+1
			a.anchor = anchor{s.Sent, sum}
		}
		if gain > 0 {
			a.gained(gain, most >= a.limit-a.limit/othersPart, s)
		}
		if gain > 0 || a.lost {
			a.top = sum
		}
		a.lost = false
		if a.bucket {
			a.measure(q.Remaining, sum, s)
		}
	}
	a.sent, a.index, a.left = s.Sent, s.Index, q.Remaining
	a.reset(q, s)
}

// compare notes whether what remains ever changes.
func (a *allowance) compare(q Quota) {
	if a.zeros++; q.Remaining > 0 {
		a.zeros = 0
	}
	switch {
	case a.same == 0:
		a.first, a.same = q.Remaining, 1
	case a.same < 0:
	case q.Remaining == a.first:
		a.same++
	default:
		a.same = -1
	}
}

// isConstant reports whether what remains is told and never changes, whatever is used: it says nothing. A limit of few
// calls has nothing left whenever one is answered; a bucket that is not small and is spared, as this law does, would have
// some again.
func (a *allowance) isConstant() bool {
	return a.limit > fewCalls && (a.bucket && a.limit >= emptyBucket && a.zeros >= emptyBucket || int64(a.same) >= min(constant, a.first+constantZero))
}

// isDue reports whether the resets that are told say nothing, since they are over all the time.
func (a *allowance) isDue(q Quota, s Signal) bool {
	switch {
	case q.ResetUnit == 0:
	case q.Reset > 0:
		a.due, a.late = time.Time{}, false
	case a.due.IsZero():
		a.due = s.At
	case s.At.Sub(a.due) > pastReset:
		a.late = true
	}
	return a.late
}

// straggler learns from an answer that was overtaken by those of later calls, and reports whether it is about the current
// window.
func (a *allowance) straggler(sum int64, s Signal) (current bool) {
	if begun := a.cycle.begun; s.Throttled || a.bucket || !s.Sent.After(begun[0]) || !s.Sent.Before(begun[1]) {
		return s.Sent.After(begun[1])
	}
	if 2*sum < a.before+a.top {
		a.cycle.narrow(s.Sent, a.cycle.begun[1])
		return false
	}
	a.cycle.narrow(a.cycle.begun[0], counted(s))
	return true
}

// counted is when the server has counted a call at the latest. All calls take their way there before they are counted, so
// that only the difference matters.
func counted(s Signal) time.Time {
	return s.Sent.Add(time.Duration(way * float64(s.At.Sub(s.Sent))))
}

// gained learns that more is left than there can be if nothing came back. full says that all may have come back.
func (a *allowance) gained(gain int64, full bool, s Signal) {
	slack := int64(s.InFlight) + 1
	fresh := a.cycle.begun[0].IsZero() || s.At.Sub(a.cycle.begun[0]) >= shortestPeriod
	ended := !a.cycle.until.IsZero() && s.At.After(a.cycle.from)
	switch {
	case a.bucket:
	case full && fresh && (gain > slack || 2*gain >= a.limit || ended):
		a.cycle.begins(a.sent, counted(s))
		a.returned, a.before = a.returned*2/3, a.top
	default:
		if a.returned += gain; a.returned > slack+disorder {
			a.bucket = true
			if since := a.cycle.begun[0]; a.refusals > 0 && !since.IsZero() {
				a.refill = float64(a.returned) / max(shortestPeriod, s.Sent.Sub(since)).Seconds()
			}
		}
	}
}

// refused learns from a throttle.
func (a *allowance) refused(s Signal) {
	if end := a.cycle.until; !a.lost && a.cycle.period > 0 && !end.IsZero() && s.Sent.After(end) && s.Index-a.index < max(2, a.limit) {
		a.wrong++ // what was spent should have been renewed
		a.cycle = cycle{}
	}
	if !a.lost {
		a.lost, a.refill = true, a.refill*overdrawn
		a.refusals++
	}
}

// reset takes in what an answer says of the end of the window. The truth lies in all intervals that were told.
func (a *allowance) reset(q Quota, s Signal) {
	if !s.Throttled && q.Remaining == a.limit-1 && q.Reset > shortestPeriod {
		a.fresh++ // a bucket would be full in no time
	}
	if q.ResetUnit > 0 {
		a.cycle.ends(s.Sent.Add(q.Reset-q.ResetUnit), s.At.Add(q.Reset), s.Sent)
	}
}

// measure measures how fast a bucket fills up.
func (a *allowance) measure(remaining, sum int64, s Signal) {
	if a.limit > 0 && remaining >= a.limit-1 { // it may have been full for a while: it fills up faster than it is used
		a.anchor = anchor{s.Sent, sum}
		a.refill *= 1 + fuller/float64(1+a.refusals)*max(0, s.Sent.Sub(a.sent).Seconds())
		return
	}
	took, back := s.Sent.Sub(a.anchor.sent), sum-a.anchor.sum
	if back >= goodEstimate || took >= time.Second && back >= 1 {
		a.refill = float64(back) / took.Seconds()
		if took >= anchorAge && back >= 2*goodEstimate {
			a.anchor = anchor{s.Sent, sum}
		}
	}
}

// steers reports whether enough is known to steer by.
func (a *allowance) steers() bool {
	switch {
	case a.wrong >= contradictions, a.isConstant():
		return false
	case a.bucket:
		return a.limit >= fewCalls && a.refill > 0
	}
	return (a.limit > fewCalls || a.fresh >= freshProof) && !a.cycle.until.IsZero()
}

// limits returns the rate at which what is left lasts, and when it is used up.
func (a *allowance) limits(s Signal) (rate.Limit, Hold) {
	left := a.left - (s.Granted - a.index)
	if a.bucket {
		return a.drain(left, s.At), Hold{}
	}
	even := noLimit
	if a.cycle.period > 0 {
		even = rate.Limit(float64(max(1, a.limit)) / a.cycle.period.Seconds())
	}
	if !a.cycle.until.After(s.At) { // a new window, of which nothing is known yet
		return even, Hold{}
	}
	if left > 0 {
		over := max(minSpread, min(spread, a.last().Sub(s.At)))
		even = rate.Limit(float64(left) / over.Seconds())
	}
	return even, Hold{After: a.index + a.left, Until: a.cycle.until.Add(resetSlack)}
}

// last returns until when what remains has to last. Where only the renewals tell of the window, it is spread over all
// the time in which the window may end, so that one of the calls meets the renewal: no call is refused for that.
func (a *allowance) last() time.Time {
	if !a.told && a.cycle.blurred() {
		return a.cycle.until
	}
	return a.cycle.from
}

// drain returns the rate for a bucket: its refill, and what it holds above a reserve within a second or two.
func (a *allowance) drain(left int64, now time.Time) rate.Limit {
	level := math.Min(float64(left)+a.refill*now.Sub(a.sent).Seconds(), float64(a.limit))
	reserve := math.Min(float64(a.limit)/4, 2+a.refill/5)
	return rate.Limit(max(a.refill*0.5, a.refill+(level-reserve)/2))
}
