package adapt

import (
	"math"
	"time"

	"golang.org/x/time/rate"
)

const (
	// reorderSlack is by how many units, beyond the calls in flight, the server's count may differ from the sending order.
	reorderSlack = 2
	// anchorAge is the minimum time over which the refill of a bucket is measured.
	anchorAge = 5 * time.Second
	// fewCalls is the limit up to which the remaining units tell little, since they are 0 after almost every call.
	fewCalls = 3
	// fullGrowth is the part by which the estimated refill grows in each second in which the bucket is full.
	fullGrowth = 0.3
	// refillCut is the factor of the estimated refill after a call was throttled.
	refillCut = 0.9
	// freshProof is how many first calls of a window prove that a limit of few calls is a window.
	freshProof = 2
	// othersDivisor says that other clients may have used 1/othersDivisor of a renewed window before its first response.
	othersDivisor = 8
	// maxContradictions is after how many contradictions a limit is no longer used.
	maxContradictions = 2
	// A limit whose Remaining is the same after min(constantAfter, first Remaining + constantZeroAfter) accepted calls
	// is ignored until it changes: with 0 remaining, only one accepted call can be the last.
	constantAfter     = 4
	constantZeroAfter = 3
	// emptyBucketAfter is how many accepted calls in a row may leave 0 in a bucket of at least that size before it is ignored.
	emptyBucketAfter = 16
	// maxPastReset is for how long responses may tell a reset that is already due before resets are ignored.
	maxPastReset = 3 * time.Second
)

// allowance is what is known about one limit of the server. The limit is a window, at whose end all units return at once,
// or a bucket, to which units return one by one.
type allowance struct {
	name     string
	limit    int64
	first    int64     // units that remained after the first accepted call
	sent     time.Time // when the latest call was sent whose response told of the limit
	index    int64     // index of that call
	left     int64     // units that remained after it
	lost     bool      // it was throttled, so it is unknown which other calls were counted
	silent   int       // responses since then that did not tell of the limit
	fresh    int       // responses to the first call of a window that told a reset more than shortestPeriod ahead
	told     bool      // a response that was no throttle told a reset
	refusals int       // times in which calls were throttled
	wrong    int       // how often the server contradicted the model
	same     int       // accepted calls, after all of which as many units remained as after the first; -1: the units changed
	zeros    int       // accepted calls in a row that left 0 units
	due      time.Time // since when all resets were due when they were told; zero: the last one was not
	late     bool      // resets were due for longer than maxPastReset, so they are ignored

	// The sum of a call's index and the units that remained after it is constant in a window and grows in a bucket.
	top      int64 // greatest sum
	before   int64 // greatest sum in the previous window
	returned int64 // growth of the sum since the last renewal

	cycle  cycle
	bucket bool
	refill float64 // units a second of a bucket; 0: unknown
	anchor anchor
}

// anchor is a past response from which a bucket's refill is measured.
type anchor struct {
	sent time.Time
	sum  int64
}

// observe learns from one response.
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
	case s.Sent.Before(a.sent): // responses overtake each other
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
			return // of several calls sent at one instant, the one counted last says most
		}
	default:
		gain, most := sum-a.top, q.Remaining+s.Index-a.index+int64(s.InFlight)
		if a.lost { // throttled calls are not part of the sum
			gain, most = q.Remaining+1, q.Remaining+int64(s.InFlight)+1
			a.anchor = anchor{s.Sent, sum}
		}
		if gain > 0 {
			a.gained(gain, most >= a.limit-a.limit/othersDivisor, s)
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

// compare notes whether the remaining units ever change.
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

// isConstant reports whether the remaining units never change, so that they say nothing. It ignores limits of few calls,
// which have 0 left after almost every call. A larger bucket would have units again, since this law does not drain it.
func (a *allowance) isConstant() bool {
	return a.limit > fewCalls && (a.bucket && a.limit >= emptyBucketAfter && a.zeros >= emptyBucketAfter || int64(a.same) >= min(constantAfter, a.first+constantZeroAfter))
}

// isDue reports whether resets are ignored because they are always due already.
func (a *allowance) isDue(q Quota, s Signal) bool {
	switch {
	case q.ResetUnit == 0:
	case q.Reset > 0:
		a.due, a.late = time.Time{}, false
	case a.due.IsZero():
		a.due = s.At
	case s.At.Sub(a.due) > maxPastReset:
		a.late = true
	}
	return a.late
}

// straggler learns from a response that was overtaken by responses to later calls, and reports whether it is about the
// current window.
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

// counted returns when the server has counted a call at the latest. Every call travels to the server before it is counted,
// so only the difference between calls matters.
func counted(s Signal) time.Time {
	return s.Sent.Add(time.Duration(countDelay * float64(s.At.Sub(s.Sent))))
}

// gained learns that more units are left than there can be unless some returned. full says that all may have returned.
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
		if a.returned += gain; a.returned > slack+reorderSlack {
			a.bucket = true
			if since := a.cycle.begun[0]; a.refusals > 0 && !since.IsZero() {
				a.refill = float64(a.returned) / max(shortestPeriod, s.Sent.Sub(since)).Seconds()
			}
		}
	}
}

// refused learns from a throttled call.
func (a *allowance) refused(s Signal) {
	if end := a.cycle.until; !a.lost && a.cycle.period > 0 && !end.IsZero() && s.Sent.After(end) && s.Index-a.index < max(2, a.limit) {
		a.wrong++ // the window should have been renewed
		a.cycle = cycle{}
	}
	if !a.lost {
		a.lost, a.refill = true, a.refill*refillCut
		a.refusals++
	}
}

// reset learns the end of the window from a response. The end lies in every interval that was told.
func (a *allowance) reset(q Quota, s Signal) {
	if !s.Throttled && q.Remaining == a.limit-1 && q.Reset > shortestPeriod {
		a.fresh++ // a bucket would be full within a second
	}
	if q.ResetUnit > 0 {
		a.cycle.ends(s.Sent.Add(q.Reset-q.ResetUnit), s.At.Add(q.Reset), s.Sent)
	}
}

// measure measures how fast a bucket fills up.
func (a *allowance) measure(remaining, sum int64, s Signal) {
	if a.limit > 0 && remaining >= a.limit-1 { // the bucket may have been full for a while: it refills faster than it is used
		a.anchor = anchor{s.Sent, sum}
		a.refill *= 1 + fullGrowth/float64(1+a.refusals)*max(0, s.Sent.Sub(a.sent).Seconds())
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

// steers reports whether enough is known about the limit to set the rate by it.
func (a *allowance) steers() bool {
	switch {
	case a.wrong >= maxContradictions, a.isConstant():
		return false
	case a.bucket:
		return a.limit >= fewCalls && a.refill > 0
	}
	return (a.limit > fewCalls || a.fresh >= freshProof) && !a.cycle.until.IsZero()
}

// limits returns the rate at which the remaining units last, and the hold for when they are used up.
func (a *allowance) limits(s Signal) (rate.Limit, Hold) {
	left := a.left - (s.Granted - a.index)
	if a.bucket {
		return a.drain(left, s.At), Hold{}
	}
	even := noLimit
	if a.cycle.period > 0 {
		even = rate.Limit(float64(max(1, a.limit)) / a.cycle.period.Seconds())
	}
	if !a.cycle.until.After(s.At) { // a new window, about which nothing is known yet
		return even, Hold{}
	}
	if left > 0 {
		over := max(minSpread, min(spread, a.last().Sub(s.At)))
		even = rate.Limit(float64(left) / over.Seconds())
	}
	return even, Hold{After: a.index + a.left, Until: a.cycle.until.Add(resetSlack)}
}

// last returns until when the remaining units must last. If the window is known only
// roughly, from its renewals, that is the latest time at which it may end, so that a call meets the renewal unthrottled.
func (a *allowance) last() time.Time {
	if !a.told && a.cycle.blurred() {
		return a.cycle.until
	}
	return a.cycle.from
}

// drain returns the rate for a bucket: its refill, plus half of the units above a reserve each second.
func (a *allowance) drain(left int64, now time.Time) rate.Limit {
	level := math.Min(float64(left)+a.refill*now.Sub(a.sent).Seconds(), float64(a.limit))
	reserve := math.Min(float64(a.limit)/4, 2+a.refill/5)
	return rate.Limit(max(a.refill*0.5, a.refill+(level-reserve)/2))
}
