package gate

import (
	"fmt"
	"math"
	"time"

	"golang.org/x/time/rate"
)

const (
	// wobble is how far the rate starts below what the server is known to take, and how far it is above it after
	// twice the plateau.
	wobble      = 0.05
	roughWobble = 0.25 // the same for an estimate from few calls
	// minPlateau is how long the rate takes at least to come back to what the server is known to take.
	minPlateau = 5 * time.Second
	// plateauUnits is the same in quota units, and plateauOutages in times that the server refused everything.
	plateauUnits   = 20
	doubleUnits    = 8
	roughUnits     = 3
	minDouble      = 2 * time.Second
	maxDouble      = 10 * time.Second
	plateauOutages = 12
	maxPlateau     = 40 * time.Second
	// goodEstimate is how many quota units an estimate should be based on.
	goodEstimate = 16
	// quickCut is what remains of a rate that was refused before there was a good estimate.
	quickCut = 0.7
	firstCut = 0.9 // the same for the first of several in a row
	// stale is how far an estimate may lie below the refused rate for the way to that rate not to count.
	stale = 0.9
	// soonCut is what remains of the rate when the server refuses at once, within the time soon, oftenSoon times in a row.
	soonCut   = 0.8
	soon      = time.Second / 2
	oftenSoon = 3
	// agreement is within which part of each other two estimates in a row confirm each other.
	agreement = 0.1
	// leastCut is what remains at least of a rate that was refused.
	leastCut = 0.5
	// windowMemory is how many outages have to end at once for that to be forgotten.
	windowMemory = 4
	// trust is how far above what was accepted the next estimate may be: what is accepted is less than what is
	// granted if the server does not let it be saved up. It is the more below what was refused.
	trust   = 1.06
	sharper = 0.98
	// idleAfter is how long nothing has to be heard for the past not to count for estimates.
	idleAfter = 2 * time.Second
	// sameRate is within which part of each other two refused rates are the same, and sameWobble is how far the rate then
	// starts below it. sameOutages is plateauOutages then. wasted is below which part of it the accepted rate has to be at
	// first.
	sameRate    = 0.02
	sameWobble  = 0.015
	sameOutages = 20
	wasted      = 0.97
	// maxGrant is the longest time that a call is thought to take to be granted.
	maxGrant = 5 * time.Second
	// openings is how many are remembered.
	openings = 8
)

// An opening is a moment at which the server, having refused everything, took a call again: a bucket has one token at
// such a moment, and a window has just begun. What was accepted between two of them is therefore what the server grants
// in that time, whichever it is.
type opening struct {
	at       time.Time
	accepted int64
	shut     time.Duration // for how long the gate has been shut in all
	blur     time.Duration // how far off the moment may be
}

// pace is the law of the rate, for throttles that come without a word. It estimates the server's rate from what was
// accepted between two openings, and grows around it as CUBIC does (RFC 9438 section 4.2): back to the known rate,
// a plateau, then faster and faster. Only time in which the rate is used counts.
type pace struct {
	known float64 // quota units a second that the server grants; 0: there is no limit
	rate  float64 // in force

	used    time.Duration // with the rate in use, since the last opening
	plateau time.Duration
	ahead   float64 // how far beyond the curve the rate has grown, 1 at first
	rough   bool    // known is based on little

	last    time.Time // when an answer was seen
	history []opening
	shut    time.Duration // for how long the gate has been shut in all, up to the last opening
	cutAt   time.Time     // when it was shut last
	probes  int           // refused in this outage
	depth   float64       // how far the rate starts below what is known

	firstRefused, lastRefused time.Time // calls of this outage, when they were sent
	credit                    float64   // units a second more, for the first second after an opening
	paceBefore                float64   // in force when the server began to refuse the time before
	same                      int       // how often in a row that was the same rate
	quick                     int       // outages in a row that came too soon for a good estimate
	soon                      int       // outages in a row that came at once

	creditless int           // openings without one
	shutAt     time.Time     // when the server began to refuse; zero: it does not
	outage     time.Duration // how long it refused, the longest of late
	full       time.Duration // how long the rate has not been in use while all slots were
	since      int64         // units accepted until the last opening
	accepted   float64       // the last good estimate as it was
	lastPace   float64       // in force when the server began to refuse; 0: none
	why        string
}

// off reports whether the law knows of no limit.
func (l *pace) off() bool { return l.known == 0 }

// limit returns the rate in force.
func (l *pace) limit() rate.Limit {
	if l.off() {
		return noLimit
	}
	return rate.Limit(l.rate)
}

// pause returns how long it takes the server to grant one more call.
func (l *pace) pause() time.Duration {
	if l.off() {
		return 0
	}
	return min(seconds(1/l.known), maxGrant)
}

// notice keeps time.
func (l *pace) notice(s Signal) {
	switch {
	case !s.Throttled || !s.NewEpoch:
	case s.Shut:
		l.probes++
		l.lastRefused = s.Sent
	default:
		l.probes, l.cutAt, l.firstRefused, l.lastRefused = 0, s.At, s.Sent, s.Sent
	}
	if !l.last.IsZero() && l.shutAt.IsZero() && s.At.Sub(l.last) > l.idle() {
		l.history = l.history[:0]
	}
}

// idle is after which time of silence the past does not count.
func (l *pace) idle() time.Duration {
	if l.off() {
		return idleAfter
	}
	return idleAfter + seconds(2/min(l.known, l.rate))
}

// refused learns that the server refuses, because of the rate.
func (l *pace) refused(s Signal) {
	l.last = s.At
	if !l.shutAt.IsZero() {
		return // and still does
	}
	l.why = "throttled: so many calls at once were answered before, so it must be the rate"
	if s.Paced && !l.off() {
		l.why = fmt.Sprintf("throttled at a rate of %.3g/s", l.rate)
	}
	l.shutAt, l.lastPace = l.firstRefused, 0
	if !l.off() {
		l.lastPace = l.rate
	}
}

// answered learns that the server accepts. full says that all slots were in use when the call was sent, and steers that the
// rate is this law's.
func (l *pace) answered(s Signal, full, steers bool) {
	since := max(0, min(s.At.Sub(l.last), time.Second))
	switch {
	case l.last.IsZero():
		since = 0
	case !l.off():
		since = max(0, min(s.At.Sub(l.last), max(time.Second, seconds(2/l.rate))))
	}
	l.last = s.At
	switch {
	case s.Opened:
		l.opened(s)
	case l.off() || s.Shut || !steers:
	case s.Paced:
		l.full = 0
		l.used += since
		l.grow()
		l.double(since, s.Accepted)
	case full && !s.Outside:
		l.release(since)
	}
}

// opened estimates the rate at the end of an outage.
func (l *pace) opened(s Signal) {
	blamed := !l.shutAt.IsZero()
	if blamed {
		l.outage = max(s.Sent.Sub(l.shutAt), l.outage*7/10)
	}
	l.shutAt = time.Time{}
	l.shut += max(0, s.Sent.Sub(l.cutAt))
	now := opening{at: s.Sent, accepted: s.Accepted, shut: l.shut}
	if l.probes > 0 {
		now.blur = s.Sent.Sub(l.lastRefused) / 2
		now.at = s.Sent.Add(-now.blur)
	}
	l.shut += s.At.Sub(s.Sent)
	estimate, most, units, blur := l.estimate(now)
	if len(l.history) == openings {
		l.history = append(l.history[:0], l.history[1:]...)
	}
	l.history = append(l.history, now)
	if !blamed || units == 0 && l.lastPace == 0 {
		return
	}
	l.know(estimate, most, units, blur)
	l.steady(estimate)
	if l.used < 2*time.Second && l.credit > 0 {
		l.creditless = windowMemory // what is granted meanwhile cannot be saved up
	}
	l.used, l.credit, l.ahead, l.since = 0, 0, 1, s.Accepted
	if l.creditless--; l.creditless < 0 {
		l.credit = l.known * s.At.Sub(s.Sent).Seconds()
	}
	l.grow()
	l.why = fmt.Sprintf("rate %.3g/s: the server took %d between two times at which it refused", l.known, units)
}

// know takes over an estimate. It lies between what was accepted in all the time and most, what was accepted in the time in
// which the gate was open.
func (l *pace) know(estimate, most float64, units int64, blur float64) {
	// What was accepted while nobody had looked for the limit says little either, unless a window ended.
	l.rough, l.depth = units < goodEstimate || l.lastPace == 0 && l.probes == 0, wobble
	outages := plateauOutages
	switch {
	case l.rough:
		l.depth = roughWobble
	case blur > wobble: // the next outage will tell more
		l.depth, outages = min(blur, roughWobble), plateauOutages/4
	}
	confirmed := !l.rough && math.Abs(estimate/l.accepted-1) < agreement
	if !l.rough {
		l.accepted = estimate
	}
	if l.lastPace > 0 && !confirmed {
		estimate = max(estimate, leastCut*l.lastPace)
	}
	if l.probes == 0 { // the server may have opened long before
		estimate = max(estimate, min(most, sharper*l.lastPace))
	}
	if l.quick++; !l.rough {
		l.quick = 0
	}
	cut := quickCut
	if l.quick == 1 {
		cut = firstCut
	}
	switch {
	case l.lastPace == 0:
	case confirmed:
		estimate = min(max(estimate, sharper*l.lastPace), trust*estimate)
	case units == 0:
		estimate = cut * l.lastPace
	case l.rough:
		estimate = min(estimate, cut*l.lastPace)
	case l.probes == 0 && estimate < stale*l.lastPace:
		// What the server granted on the way from a low rate to this one says little, unless it can be saved up.
		estimate = math.Sqrt(estimate * sharper * l.lastPace)
	default:
		estimate = min(max(estimate, (estimate+2*sharper*l.lastPace)/3), trust*estimate)
	}
	if l.soon++; l.lastPace == 0 || l.used > soon {
		l.soon = 0
	}
	if l.soon >= oftenSoon {
		estimate = min(estimate, soonCut*l.lastPace)
	}
	l.known = max(estimate, 0.02)
	switch {
	case l.rough:
		l.plateau = max(time.Second, min(minPlateau, seconds(plateauUnits/2/l.known)))
	default:
		l.plateau = max(minPlateau, time.Duration(outages)*l.outage, seconds(plateauUnits/l.known))
	}
	l.plateau = min(l.plateau, maxPlateau)
}

// steady learns from refusals at the same rate in a row, as they come from a server that lets nothing be saved up: that
// rate is sharper than what was accepted a second, which outages have made less.
func (l *pace) steady(accepted float64) {
	if l.lastPace == 0 {
		return
	}
	same := math.Abs(l.lastPace/l.paceBefore-1) < sameRate && (l.same > 0 || accepted < wasted*l.lastPace)
	l.paceBefore = l.lastPace
	if !same {
		l.same = 0
		return
	}
	l.same++
	l.rough, l.depth = false, sameWobble
	l.known = l.lastPace * (1 - sameWobble)
	l.plateau = max(l.plateau, min(sameOutages*l.outage, maxPlateau))
	l.creditless = windowMemory
}

// estimate returns what the server granted a second since an earlier opening, the same for the time in which the gate was
// open, what they are based on, and by which part they may be wrong: since the last opening with enough in between, or
// the first.
func (l *pace) estimate(now opening) (perSecond, most float64, units int64, blur float64) {
	for k := len(l.history) - 1; k >= 0 && units < goodEstimate; k-- {
		o := l.history[k]
		took := now.at.Sub(o.at)
		if took <= 0 {
			continue
		}
		units = now.accepted - o.accepted
		perSecond = float64(units) / took.Seconds()
		most = float64(units) / max(took-(now.shut-o.shut), took/10).Seconds()
		blur = (now.blur + o.blur).Seconds() / took.Seconds()
	}
	return perSecond, most, max(0, units), blur
}

// grow sets the rate for the time it has been in use.
func (l *pace) grow() {
	x := min(1, l.used.Seconds()/l.plateau.Seconds()-1)
	l.rate = l.known * (1 + l.depth*x*x*x)
	l.rate *= l.ahead
	if l.used < time.Second {
		l.rate += l.credit
	}
}

// double makes the rate grow by itself once it has been above what is known for a while: the estimate was wrong, or is no
// longer right.
func (l *pace) double(since time.Duration, accepted int64) {
	if l.used < 2*l.plateau {
		return
	}
	// What was not used while the rate was too low may have been saved up.
	units := max(doubleUnits, float64(accepted-l.since)/4)
	if l.rough {
		units = roughUnits
	}
	took := max(minDouble, min(maxDouble, seconds(units/l.rate)))
	l.ahead *= math.Exp2(since.Seconds() / took.Seconds())
}

// release lets go of a rate that does not bind: all slots are in use all the time.
func (l *pace) release(since time.Duration) {
	if l.full += since; l.full < 2*time.Second {
		return
	}
	l.known *= math.Pow(1.5, since.Seconds())
	l.used = max(l.used, l.plateau)
	l.grow()
	if l.full > 10*time.Second {
		*l = pace{last: l.last, history: l.history, why: "no rate: the calls in flight are what binds"}
	}
}

func seconds(s float64) time.Duration {
	return time.Duration(min(s, 1e9) * float64(time.Second))
}
