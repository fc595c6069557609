package gate

import (
	"fmt"
	"math"
	"time"

	"golang.org/x/time/rate"
)

// How the rate moves around what is known.
const (
	// wobble is how far the rate starts below what the server is known to take, and how far it is above it after twice the
	// plateau: for a good estimate, for one from few calls, and for a rate that was refused at the same pace again.
	wobble      = 0.05
	roughWobble = 0.25
	sameWobble  = 0.015
	// The plateau is how long it takes the rate to come back to what the server is known to take: no less than minPlateau,
	// than plateauUnits last, and than so many outages, which each trial of more costs.
	minPlateau     = 5 * time.Second
	maxPlateau     = 40 * time.Second
	plateauUnits   = 20
	plateauOutages = 12
	sameOutages    = 20 // for a rate that was refused at the same pace again
	// After twice the plateau the rate doubles each time that so many units have left, or a savedPart of those since the
	// last outage if that is more: what was not used while the rate was too low may have been saved up.
	doubleUnits = 8
	roughUnits  = 3
	savedPart   = 0.25
	minDouble   = 2 * time.Second
	roughDouble = time.Second
	maxDouble   = 10 * time.Second
	// A rate that does not bind for longer than slackAfter, since all slots are in use all the time, grows by slackGrowth a
	// second, and is let go of after slackEnd.
	slackAfter  = 2 * time.Second
	slackEnd    = 10 * time.Second
	slackGrowth = 1.5
)

// What follows from a refusal.
const (
	// What was accepted is less than what is granted if the server does not let it be saved up, so that the truth may lie
	// up to trust above it, but at sharper of the refused rate.
	trust   = 1.06
	sharper = 0.98
	// stale is how far an estimate may lie below the refused rate for the way to that rate not to count.
	stale = 0.9
	// agreement is within which part of each other two estimates in a row confirm each other. Without that, leastCut is
	// what remains at least of a rate that was refused.
	agreement = 0.1
	leastCut  = 0.5
	// quickCut is what remains of a rate that was refused before there was a good estimate, and firstCut the same for the
	// first of several in a row.
	quickCut = 0.7
	firstCut = 0.9
	// sameRate is within which part of each other two refused rates are the same. wasted is below which part of it the
	// accepted rate has to be at first.
	sameRate = 0.02
	wasted   = 0.97
	// leastRate is the lowest rate there is.
	leastRate = 0.02
	// maxGrant is the longest time that a call is thought to take to be granted.
	maxGrant = 5 * time.Second
	// idleAfter is how long nothing has to be heard for the past not to count for estimates.
	idleAfter = 2 * time.Second
)

// pace is the law of the rate, for throttles that come without a word. It estimates the server's rate from what was
// accepted between two outages, and grows around it as CUBIC does (RFC 9438 section 4.2): back to the known rate, a plateau,
// a little more, and then, since nothing is refused, it doubles and doubles. Only time in which the rate is used counts.
type pace struct {
	known   float64       // quota units a second that the server grants; 0: there is no limit
	rough   bool          // known is based on little
	vague   bool          // known is half a guess
	depth   float64       // how far the rate starts below what is known
	plateau time.Duration // until it is back

	rate  float64       // in force
	used  time.Duration // with the rate in use, since the last outage
	ahead float64       // how far it has doubled beyond the curve, 1 at first
	base  int64         // units accepted until the last outage's end
	slack time.Duration // how long the rate has not bound while all slots were in use
	last  time.Time     // when an answer was seen

	history history
	outages time.Duration // how long they last, the longest of late
	blamed  bool          // the outage under way is the rate's fault
	refusal float64       // the rate when it began; 0: none

	before   float64   // the refusal before
	same     int       // refusals in a row at the same rate
	accepted float64   // the last good estimate
	quick    int       // outages in a row that came too soon for a good one
	given    bool      // what is known was learned before, and not proven yet
	first    time.Time // when the first call left since
	why      string
}

// off reports whether the law knows of no limit.
func (l *pace) off() bool { return l.known == 0 }

// learn implements law.
func (l *pace) learn(e evidence) {
	l.notice(e.Signal)
	switch {
	case e.blamed == blameRate:
		l.refused(e.Signal)
	case e.Throttled || e.Answered == 0:
	case e.Opened:
		l.opened(e.Signal, e.outage)
		l.last = e.At
	default:
		l.answered(e)
	}
}

// bound implements law.
func (l *pace) bound(next Setting, _ Signal) Setting {
	if !l.off() {
		next.Rate = min(next.Rate, rate.Limit(l.rate))
		next.Pause = min(seconds(1/l.known), maxGrant) // it takes as long until one more call is granted
	}
	return next
}

// reason implements law.
func (l *pace) reason() string { return once(&l.why) }

// notice keeps time.
func (l *pace) notice(s Signal) {
	if l.given && l.first.IsZero() {
		l.first = s.Sent
	}
	idle := idleAfter
	if !l.off() {
		idle += seconds(2 / min(l.known, l.rate))
	}
	if !l.last.IsZero() && !l.blamed && s.At.Sub(l.last) > idle {
		l.history.forget()
	}
}

// refused learns that the server refuses, because of the rate.
func (l *pace) refused(s Signal) {
	l.last = s.At
	if l.blamed {
		return // and still does
	}
	if l.given && !l.proven(s) {
		*l = pace{last: l.last, history: l.history}
	}
	l.blamed, l.refusal = true, l.rate
	l.why = "throttled: so many calls at once were answered before, so it must be the rate"
	if s.Paced && !l.off() {
		l.why = fmt.Sprintf("throttled at a rate of %.3g/s", l.rate)
	}
}

// answered learns that the server accepts.
func (l *pace) answered(e evidence) {
	longest := time.Second
	if !l.off() {
		longest = max(longest, seconds(2/l.rate))
	}
	since := max(0, min(e.At.Sub(l.last), longest))
	if l.last.IsZero() {
		since = 0
	}
	l.last = e.At
	switch {
	case l.off() || e.Shut || e.windows:
	case e.Paced:
		l.slack = 0
		l.used += since
		l.double(since, e.Accepted)
		l.grow()
	case e.full && !e.Outside:
		l.release(since)
	}
}

// opened estimates the rate at the end of an outage.
func (l *pace) opened(s Signal, o *outage) {
	e := l.history.add(s, o)
	if !l.blamed {
		return
	}
	l.blamed = false
	l.outages = max(s.Sent.Sub(o.first), l.outages*7/10)
	if e.units == 0 && l.refusal == 0 {
		return
	}
	if l.given && e.units == 0 {
		l.prove()
		l.why = fmt.Sprintf("rate %.3g/s: about what was learned before", l.known)
	} else {
		l.know(e, o.probes > 0)
		l.steady(e)
		l.why = fmt.Sprintf("rate %.3g/s: the server took %d between two times at which it refused", l.known, e.units)
	}
	l.given, l.used, l.ahead, l.base = false, 0, 1, s.Accepted
	l.grow()
}

// know takes over an estimate. sharp says that a probe was refused, so that it is known when the server opened.
func (l *pace) know(e estimate, sharp bool) {
	// What was accepted while nobody had looked for the limit says little either, unless it is known when that ended.
	l.rough = e.units < goodEstimate || l.refusal == 0 && !sharp
	l.known = max(leastRate, l.truth(e, sharp))
	outages := plateauOutages
	switch {
	case l.rough:
		l.depth = roughWobble
		l.plateau = max(time.Second, min(minPlateau, seconds(plateauUnits/2/l.known)))
		return
	case e.blur > wobble: // the next outage will tell more
		l.depth, outages = min(e.blur, roughWobble), plateauOutages/4
	case l.vague:
		l.depth, outages = wobble, plateauOutages/4
	default:
		l.depth = wobble
	}
	l.plateau = min(maxPlateau, max(minPlateau, time.Duration(outages)*l.outages, seconds(plateauUnits/l.known)))
}

// truth is what the server grants: more than was accepted, and less than was refused.
func (l *pace) truth(e estimate, sharp bool) float64 {
	l.vague = false
	confirmed := !l.rough && math.Abs(e.perSecond/l.accepted-1) < agreement
	if l.quick++; !l.rough {
		l.quick, l.accepted = 0, e.perSecond
	}
	if l.refusal == 0 {
		return e.perSecond
	}
	least := e.perSecond
	if !confirmed {
		least = max(least, leastCut*l.refusal)
	}
	if !sharp { // the server may have opened long before
		least = max(least, min(e.most, sharper*l.refusal))
	}
	switch {
	case confirmed:
		return min(max(least, sharper*l.refusal), trust*least)
	case l.rough:
		cut := quickCut
		if l.quick == 1 {
			cut = firstCut
		}
		if e.units == 0 {
			return cut * l.refusal
		}
		return min(least, cut*l.refusal)
	case !sharp && least < stale*l.refusal:
		// What the server granted on the way from a low rate to this one says little, unless it can be saved up.
		l.vague = true
		return math.Sqrt(least * sharper * l.refusal)
	}
	return min(max(least, (least+2*sharper*l.refusal)/3), trust*least)
}

// steady learns from refusals at the same rate in a row, as they come from a server that lets nothing be saved up: that
// rate is sharper than what was accepted, which outages have made less.
func (l *pace) steady(e estimate) {
	if l.refusal == 0 {
		return
	}
	same := math.Abs(l.refusal/l.before-1) < sameRate && (l.same > 0 || e.perSecond < wasted*l.refusal)
	if l.before = l.refusal; !same {
		l.same = 0
		return
	}
	l.same++
	l.rough, l.depth = false, sameWobble
	l.known = l.refusal * (1 - sameWobble)
	l.plateau = max(l.plateau, min(sameOutages*l.outages, maxPlateau))
}

// grow sets the rate for the time it has been in use.
func (l *pace) grow() {
	x := min(1, l.used.Seconds()/l.plateau.Seconds()-1)
	l.rate = l.known * (1 + l.depth*x*x*x) * l.ahead
}

// double makes the rate grow by itself once it has been above what is known for a while: the estimate was wrong, or is no
// longer right.
func (l *pace) double(since time.Duration, accepted int64) {
	if l.used < 2*l.plateau {
		return
	}
	units, least := max(doubleUnits, savedPart*float64(accepted-l.base)), minDouble
	if l.rough {
		units, least = roughUnits, roughDouble
	}
	took := max(least, min(maxDouble, seconds(units/l.rate)))
	l.ahead *= math.Exp2(since.Seconds() / took.Seconds())
}

// release lets go of a rate that does not bind.
func (l *pace) release(since time.Duration) {
	if l.slack += since; l.slack < slackAfter {
		return
	}
	l.known *= math.Pow(slackGrowth, since.Seconds())
	l.used = max(l.used, l.plateau)
	l.grow()
	if l.slack > slackEnd {
		*l = pace{last: l.last, history: l.history, why: "no rate: the calls in flight are what binds"}
	}
}

func seconds(s float64) time.Duration {
	return time.Duration(min(s, 1e9) * float64(time.Second))
}
