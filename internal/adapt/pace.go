package adapt

import (
	"fmt"
	"math"
	"time"

	"golang.org/x/time/rate"
)

// How the rate moves around the estimated granted rate.
const (
	// wobble is the part by which the rate starts below the estimate, and by which it is above it after twice the plateau;
	// roughWobble the same for an estimate from few calls, sameWobble for a rate that was throttled again at the same value.
	wobble      = 0.05
	roughWobble = 0.25
	sameWobble  = 0.015
	// The plateau is how long the rate takes to return to the estimate: at least minPlateau, the time of plateauUnits, and
	// plateauBlackouts times the length of a blackout, which each trial of a higher rate costs.
	minPlateau       = 5 * time.Second
	maxPlateau       = 40 * time.Second
	plateauUnits     = 20
	plateauBlackouts = 12
	sameBlackouts    = 20 // for a rate that was throttled again at the same value
	// After twice the plateau the rate doubles each time that doubleUnits have left, or savedPart of the units since the last
	// blackout if that is more: the server may have saved up units that were not used while the rate was too low.
	doubleUnits = 8
	roughUnits  = 3
	savedPart   = 0.25
	minDouble   = 2 * time.Second
	roughDouble = time.Second
	maxDouble   = 10 * time.Second
	// A rate that does not limit calls for longer than slackAfter, since all slots are always in use, grows by the factor
	// slackGrowth a second, and is dropped after slackEnd.
	slackAfter  = 2 * time.Second
	slackEnd    = 10 * time.Second
	slackGrowth = 1.5
)

// What follows from a throttle.
const (
	// If the server does not save up units, it grants more than was accepted. The true rate is assumed to be at most
	// maxOverAccepted times the accepted rate, and about belowThrottled times the throttled rate.
	maxOverAccepted = 1.06
	belowThrottled  = 0.98
	// unreliableBelow is the part of the throttled rate below which an estimate is unreliable, since the rate rose from
	// far below.
	unreliableBelow = 0.9
	// agreement is the relative difference within which two consecutive estimates confirm each other. Otherwise the rate is
	// at least leastCut times the throttled rate.
	agreement = 0.1
	leastCut  = 0.5
	// quickCut is the factor for a rate that was throttled before there was a good estimate, and firstCut the same for the
	// first such throttle in a row.
	quickCut = 0.7
	firstCut = 0.9
	// sameRate is the relative difference within which two throttled rates are the same. acceptedBelow is the part of that
	// rate below which the accepted rate must be the first time.
	sameRate      = 0.02
	acceptedBelow = 0.97
	// leastRate is the lowest rate.
	leastRate = 0.02
	// maxGrant is the longest time that the server is assumed to need to grant one more call.
	maxGrant = 5 * time.Second
	// idleAfter is how long no response must have come for past openings to be dropped.
	idleAfter = 2 * time.Second
)

// pace is the law of the rate, for throttles without headers. It estimates the server's rate from what was accepted between
// two blackouts. The rate moves around the estimate as in CUBIC (RFC 9438 section 4.2): back to it, a plateau, slightly more,
// and then it doubles while no call is throttled. Only time in which the rate is used counts.
//
// Its evidence is throttles that are blamed on the rate, and the units accepted between two of them. The rate is raised
// when it has been in use for long without a throttle, and given up when all slots are in use for long while no call
// waits for the rate. Throttles are no longer blamed on it when only calls with more in flight than any accepted call
// are throttled.
type pace struct {
	granted    float64       // estimate: quota units a second that the server grants; 0: no limit is known
	rough      bool          // granted is based on few units
	vague      bool          // granted is the mean of an unreliable estimate and the throttled rate
	startBelow float64       // part by which the rate starts below granted
	plateau    time.Duration // time until the rate is back at granted

	rate   float64       // current rate
	used   time.Duration // time with the rate in use, since the last blackout
	factor float64       // factor by which the rate has doubled beyond the curve, 1 at first
	base   int64         // units accepted until the end of the last blackout
	slack  time.Duration // how long the rate has not limited calls while all slots were in use
	last   time.Time     // when the last response was seen

	history   history
	blackouts time.Duration // length of the longest recent blackout
	blamed    bool          // the blackout under way is blamed on the rate
	refusal   float64       // the rate when the last such blackout began; 0: there was none in force

	before   float64   // the previous refusal
	same     int       // throttles in a row at the same rate
	accepted float64   // the last good estimate
	quick    int       // blackouts in a row that came too soon for a good estimate
	restored bool      // granted is from StartFrom, and is not proven yet
	first    time.Time // when the first call left after StartFrom
	why      string
}

// off reports whether the law knows of no limit.
func (l *pace) off() bool { return l.granted == 0 }

// learn implements law.
func (l *pace) learn(e evidence) {
	l.notice(e.Signal)
	switch {
	case e.blamed == blameRate:
		l.refused(e.Signal)
	case e.Throttled || e.Answered == 0:
	case e.Opened:
		l.opened(e.Signal, e.blackout)
		l.last = e.At
	default:
		l.noteAccepted(e)
	}
}

// bound implements law.
func (l *pace) bound(next Setting, _ Signal) Setting {
	if !l.off() {
		next.Rate = min(next.Rate, rate.Limit(l.rate))
		next.Pause = min(seconds(1/l.granted), maxGrant) // after that time one more call is granted
	}
	return next
}

// reason implements law.
func (l *pace) reason() string { return once(&l.why) }

// notice drops past openings after a time without responses.
func (l *pace) notice(s Signal) {
	if l.restored && l.first.IsZero() {
		l.first = s.Sent
	}
	idle := idleAfter
	if !l.off() {
		idle += seconds(2 / min(l.granted, l.rate))
	}
	if !l.last.IsZero() && !l.blamed && s.At.Sub(l.last) > idle {
		l.history.forget()
	}
}

// refused learns from a throttle that is blamed on the rate.
func (l *pace) refused(s Signal) {
	l.last = s.At
	if l.blamed {
		return // the blackout is known already
	}
	if l.restored && !l.proven(s) {
		*l = pace{last: l.last, history: l.history}
	}
	l.blamed, l.refusal = true, l.rate
	l.why = "throttled: as many calls at once were accepted before, so the rate is the cause"
	if s.WaitedForRate && !l.off() {
		l.why = fmt.Sprintf("throttled at a rate of %.3g/s", l.rate)
	}
}

// noteAccepted learns from an accepted call.
func (l *pace) noteAccepted(e evidence) {
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
	case e.WaitedForRate:
		l.slack = 0
		l.used += since
		l.double(since, e.Accepted)
		l.grow()
	case e.full && !e.Outside:
		l.release(since)
	}
}

// opened estimates the rate at the end of a blackout.
func (l *pace) opened(s Signal, o *blackout) {
	e := l.history.add(s, o)
	if !l.blamed {
		return
	}
	l.blamed = false
	l.blackouts = max(s.Sent.Sub(o.first), l.blackouts*7/10)
	if e.units == 0 && l.refusal == 0 {
		return
	}
	if l.restored && e.units == 0 {
		l.prove()
		l.why = fmt.Sprintf("rate %.3g/s: about the restored rate", l.granted)
	} else {
		l.know(e, o.probes > 0)
		l.steady(e)
		l.why = fmt.Sprintf("rate %.3g/s: the server took %d between two times at which it refused", l.granted, e.units)
	}
	l.restored, l.used, l.factor, l.base = false, 0, 1, s.Accepted
	l.grow()
}

// know takes over an estimate. sharp says that a probe was throttled, so that the moment of the opening is known.
func (l *pace) know(e estimate, sharp bool) {
	// An estimate is also rough if no rate was in force when the blackout began, unless sharp.
	l.rough = e.units < goodEstimate || l.refusal == 0 && !sharp
	l.granted = max(leastRate, l.truth(e, sharp))
	blackouts := plateauBlackouts
	switch {
	case l.rough:
		l.startBelow = roughWobble
		l.plateau = max(time.Second, min(minPlateau, seconds(plateauUnits/2/l.granted)))
		return
	case e.blur > wobble: // the next blackout will give a better estimate
		l.startBelow, blackouts = min(e.blur, roughWobble), plateauBlackouts/4
	case l.vague:
		l.startBelow, blackouts = wobble, plateauBlackouts/4
	default:
		l.startBelow = wobble
	}
	l.plateau = min(maxPlateau, max(minPlateau, time.Duration(blackouts)*l.blackouts, seconds(plateauUnits/l.granted)))
}

// truth returns the rate that the server is assumed to grant: above the accepted rate, and below the throttled one.
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
	if !sharp { // the server may have opened much earlier
		least = max(least, min(e.most, belowThrottled*l.refusal))
	}
	switch {
	case confirmed:
		return min(max(least, belowThrottled*l.refusal), maxOverAccepted*least)
	case l.rough:
		cut := quickCut
		if l.quick == 1 {
			cut = firstCut
		}
		if e.units == 0 {
			return cut * l.refusal
		}
		return min(least, cut*l.refusal)
	case !sharp && least < unreliableBelow*l.refusal:
		// The rate has risen from far below, so the accepted units say little unless the server saves units up.
		l.vague = true
		return math.Sqrt(least * belowThrottled * l.refusal)
	}
	return min(max(least, (least+2*belowThrottled*l.refusal)/3), maxOverAccepted*least)
}

// steady learns from throttles in a row at the same rate, which show that the server does not save up units. That rate is a
// better estimate than the accepted one, which blackouts have reduced.
func (l *pace) steady(e estimate) {
	if l.refusal == 0 {
		return
	}
	same := math.Abs(l.refusal/l.before-1) < sameRate && (l.same > 0 || e.perSecond < acceptedBelow*l.refusal)
	if l.before = l.refusal; !same {
		l.same = 0
		return
	}
	l.same++
	l.rough, l.startBelow = false, sameWobble
	l.granted = l.refusal * (1 - sameWobble)
	l.plateau = max(l.plateau, min(sameBlackouts*l.blackouts, maxPlateau))
}

// grow sets the rate by the time for which it has been in use.
func (l *pace) grow() {
	x := min(1, l.used.Seconds()/l.plateau.Seconds()-1)
	l.rate = l.granted * (1 + l.startBelow*x*x*x) * l.factor
}

// double doubles the rate repeatedly after twice the plateau, since no throttle came and the estimate was therefore too low.
func (l *pace) double(since time.Duration, accepted int64) {
	if l.used < 2*l.plateau {
		return
	}
	units, least := max(doubleUnits, savedPart*float64(accepted-l.base)), minDouble
	if l.rough {
		units, least = roughUnits, roughDouble
	}
	took := max(least, min(maxDouble, seconds(units/l.rate)))
	l.factor *= math.Exp2(since.Seconds() / took.Seconds())
}

// release raises, and then drops, a rate that does not limit calls.
func (l *pace) release(since time.Duration) {
	if l.slack += since; l.slack < slackAfter {
		return
	}
	l.granted *= math.Pow(slackGrowth, since.Seconds())
	l.used = max(l.used, l.plateau)
	l.grow()
	if l.slack > slackEnd {
		*l = pace{last: l.last, history: l.history, why: "no rate: the number of calls in flight is the limit"}
	}
}

func seconds(s float64) time.Duration {
	return time.Duration(min(s, 1e9) * float64(time.Second))
}
