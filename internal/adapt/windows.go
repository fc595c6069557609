package adapt

import (
	"fmt"
	"time"

	"golang.org/x/time/rate"
)

const (
	// bucketCalls is after how many call intervals at most a bucket of the same rate takes a call again, if it does not count
	// throttled calls. A server that throttles all calls for longer has windows.
	bucketCalls = 3
	// smallestWindow is how many units a window must have to be distinguishable from a bucket.
	smallestWindow = 3
	// windowProof is how many such blackouts in a row prove windows. A blackout after as many accepted units as the last time
	// counts as windowProof.
	windowProof = 2
	// trialUnits is how many units are used at most before a unit more than the limit is tried again.
	trialUnits = 200
	// trialWindows is after how many windows a unit more is tried of a shared limit, even if the end of the window is not
	// known well.
	trialWindows = 8
	// sharpness is by how much the end of a window may be uncertain at least, however short the period is.
	sharpness = 50 * time.Millisecond
)

// windows is the law of fixed windows without headers. It learns from blackouts when windows begin and how many units the
// server takes in each. It spreads the remaining units over the rest of the window, holds when they are used up, and
// sometimes tries one unit more.
//
// Its evidence is blackouts in a row that are too long for a bucket, the more so after as many units as the last time.
// The windows are given up when a blackout ends before its window does, or when an unexpected throttle begins a
// blackout that outlasts the window. Any other unexpected throttle means that another client uses the limit too.
type windows struct {
	limit    int64 // units in each window; 0: no windows are known
	cycle    cycle
	base     int64 // units accepted until the current window began
	units    int64 // units accepted between the last two blackouts
	mistakes int   // how often windows turned out to be wrong
	evidence int   // evidence for windows from blackouts in a row
	restored uint8 // blackouts left in which restored windows may be corrected; 0: proven or not restored

	opened   time.Time // end of the last blackout
	accepted int64     // units accepted until then, itself included

	extra    int64 // units beyond the limit that are tried
	step     int64 // extra of the next trial
	interval int64 // units between two trials
	used     int64 // units since the last trial
	shared   bool  // another client uses the limit too
	surprise bool  // in this blackout a call was throttled although units should have been left
	why      string
}

func (w *windows) on() bool { return w.limit > 0 }

// ordinal returns the number of a call among the accepted ones, as far as is known.
func ordinal(s Signal) int64 { return s.Index - (s.Granted - s.Accepted) }

// left returns the units that the current window has left.
func (w *windows) left(s Signal) int64 { return w.limit + w.extra - (s.Accepted - w.base) }

// learn implements law.
func (w *windows) learn(e evidence) {
	s := e.Signal
	if w.opened.IsZero() {
		w.opened, w.accepted = s.Sent, 1 // as if the first call had ended a blackout
	}
	switch {
	case s.Opened:
		w.ended(s, e.blackout)
	case !w.on():
	case s.Throttled && s.NewEpoch:
		w.why = "throttled: the window is used up"
		w.refused(s)
	case s.Answered > 0 && !s.Outside && !s.Shut:
		w.noteAccepted(s)
	}
}

// noteAccepted learns from an accepted call, which may show that a window has begun.
func (w *windows) noteAccepted(s Signal) {
	n := ordinal(s)
	switch {
	case s.Sent.After(w.cycle.until):
		w.begin(w.cycle.from, w.cycle.until, n-1)
	case s.Sent.After(w.cycle.from) && n-w.base > w.limit+w.extra:
		w.begin(w.cycle.from, counted(s), n-1)
	case s.Sent.After(w.cycle.begun[1]) && n <= w.base:
		w.base = n - 1 // responses overtake each other
	}
}

// begin begins a window. If the last one was used up, with its extra units, without a throttle, the limit is raised.
func (w *windows) begin(from, until time.Time, base int64) {
	spent := base - w.base
	if w.used += spent; spent >= w.limit/2 {
		w.restored = 0
	}
	if w.extra > 0 && spent >= w.limit+w.extra {
		w.why = fmt.Sprintf("%d in each %v: the server took as many", w.limit+w.extra, w.cycle.period)
		w.limit += w.extra
		w.step, w.interval = max(2*w.step, w.limit/16), 0
	}
	w.extra, w.base = 0, base
	w.cycle.begins(from, until)
	patience := max(trialUnits, 2*w.limit)
	if w.shared {
		patience = trialWindows * w.limit
	}
	if w.used >= w.interval && (!w.blurred() || w.used >= patience) {
		w.extra, w.used = w.step, 0
	}
}

// refused learns from the first throttle of a blackout, or from the throttle of a probe.
func (w *windows) refused(s Signal) {
	switch {
	case s.Sent.After(w.cycle.until):
		if s.Shut || ordinal(s)-w.base <= 1 {
			w.surprise = true
		}
		fallthrough
	case s.Sent.After(w.cycle.from):
		w.cycle.from = s.Sent
		w.cycle.until = latest(w.cycle.until, s.At.Add(MinPause))
	case w.left(s) > 1:
		w.surprise = true
	}
}

// ended learns from the end of a blackout.
func (w *windows) ended(s Signal, o *blackout) {
	from, until := o.end(s)
	units, took := s.Accepted-w.accepted, s.Sent.Sub(w.opened)
	if w.restored > 0 {
		w.prove(s, from, until, units)
	} else if w.on() {
		w.confirm(s, from, until, units)
	} else {
		calls := o.lasted().Seconds() * float64(units) / max(took, time.Millisecond).Seconds()
		switch {
		case o.probes == 0 || calls < bucketCalls:
			w.evidence, w.cycle = 0, cycle{}
		default:
			w.cycle.begins(from, until)
			switch {
			case units == w.units:
				w.evidence += windowProof
			case calls > float64(bucketCalls+o.refusals):
				w.evidence++
			}
		}
		if w.units = units; w.evidence >= windowProof+min(w.mistakes, 2) && w.cycle.longest > 0 && units >= smallestWindow {
			w.limit, w.base = units, s.Accepted-1
			w.extra, w.step, w.interval, w.used = 0, 1, units, 0
			w.why = fmt.Sprintf("%d in each %v: so many were taken between two long times in which all were throttled", w.limit, w.about())
		}
	}
	w.opened, w.accepted, w.surprise = s.Sent, s.Accepted, false
}

// confirm compares the end of a blackout with the expected one.
func (w *windows) confirm(s Signal, from, until time.Time, units int64) {
	if until.Before(w.cycle.from) || w.surprise && from.After(w.cycle.until) {
		*w = windows{
			opened: s.Sent, accepted: s.Accepted, mistakes: w.mistakes + 1,
			why: "no windows after all: the server took or throttled a call unexpectedly",
		}
		return
	}
	units = min(units, s.Accepted-1-w.base)
	if w.surprise {
		w.limit, w.step, w.interval = max(1, units, w.limit/2), 1, max(1, units)
		w.shared = true
		w.why = fmt.Sprintf("%d in each %v: another client uses the rest", w.limit, w.about())
	} else if w.extra > 0 {
		w.step, w.interval = 1, min(max(w.limit, 2*w.interval), max(trialUnits, w.limit))
	}
	w.extra, w.used = 0, 0
	w.base = s.Accepted - 1
	w.cycle.begins(from, until)
}

// about returns the period, as far as it is known.
func (w *windows) about() time.Duration {
	if w.cycle.period > 0 {
		return w.cycle.period
	}
	return ((w.cycle.shortest + w.cycle.longest) / 2).Round(10 * time.Millisecond)
}

// bound implements law: the rate at which the remaining units last, and the hold for when they are used up. It overrides the
// law of the rate.
func (w *windows) bound(next Setting, s Signal) Setting {
	if !w.on() {
		return next
	}
	next.Pause = 0
	if !w.surprise {
		next.Reopen = w.reopens()
	}
	next.Rate = rate.Limit(float64(w.limit) / max(w.about(), time.Millisecond).Seconds())
	if !w.cycle.until.After(s.At) { // a new window, about which nothing is known yet
		return next
	}
	left := w.left(s)
	switch {
	case left > 0:
		over := max(minSpread, min(spread, w.cycle.from.Sub(s.At)))
		next.Rate = rate.Limit(float64(left) / over.Seconds())
	case w.blurred(): // one call tests whether the next window has begun
		next.Rate = rate.Limit(2 / w.cycle.until.Sub(w.cycle.from).Seconds())
	}
	next.Hold = Hold{After: s.Granted + max(0, left), Until: w.reopens()}
	return next
}

// reason implements law.
func (w *windows) reason() string { return once(&w.why) }

// blurred reports whether the end of the window is not known well enough.
func (w *windows) blurred() bool {
	return w.cycle.until.Sub(w.cycle.from) > max(sharpness, time.Duration(blurred*float64(w.cycle.longest)))
}

// reopens returns when to let the next call through once the window is used up: when it has certainly ended, or, if its end
// is not known well, in the middle of the interval in which it ends.
func (w *windows) reopens() time.Time {
	if w.blurred() {
		return w.cycle.from.Add(w.cycle.until.Sub(w.cycle.from) / 2)
	}
	return w.cycle.until.Add(resetSlack)
}
