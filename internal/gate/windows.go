package gate

import (
	"fmt"
	"time"

	"golang.org/x/time/rate"
)

const (
	// bucketCalls is after how many calls' time a bucket of the same rate takes one again, refused calls that it counts too
	// apart. A server that refuses everything for longer has windows.
	bucketCalls = 3
	// smallestWindow is how many units a window has to have to be told from a bucket.
	smallestWindow = 3
	// windowProof is how many such outages in a row it takes. One between which as much was taken as the last time counts
	// as so many.
	windowProof = 2
	// trialUnits is how many units are used at most before more than the limit is tried again.
	trialUnits = 200
	// trialWindows is after how many windows more is tried, of a limit that is shared, even if it is not known well when the
	// window ends.
	trialWindows = 8
	// sharpness is how well the end of a window has to be known, if a fiftieth of the period is less.
	sharpness = 50 * time.Millisecond
)

// windows is the law of fixed windows that nobody tells of. It learns from outages when windows begin and how many units
// the server takes in each, and then does as if headers had told so: it spreads what is left over the rest of the
// window, and holds when it is used up. From time to time it tries one unit more. A call that is refused against all
// expectation means that somebody else uses the limit too, or ends the law.
type windows struct {
	limit    int64 // units in each window; 0: nothing speaks for windows
	cycle    cycle
	base     int64 // units accepted until the current window began
	units    int64 // accepted between the last two outages
	mistakes int   // how often the law was ended
	evidence int   // outages in a row that speak for windows
	given    uint8 // the windows were learned before, and so many outages may show where they were wrong

	opened   time.Time // the last outage's end
	accepted int64     // units accepted until then, itself included

	extra    int64 // units that are tried beyond the limit
	step     int64 // how many more the next time
	interval int64 // units between two trials
	used     int64 // units since the last one
	shared   bool  // somebody else uses the limit too
	surprise bool  // in this outage a call was refused although there should be some left
	why      string
}

func (w *windows) on() bool { return w.limit > 0 }

// ordinal is the number of a call among those that were accepted, as far as is known.
func ordinal(s Signal) int64 { return s.Index - (s.Granted - s.Accepted) }

// left is what the current window has left.
func (w *windows) left(s Signal) int64 { return w.limit + w.extra - (s.Accepted - w.base) }

// learn implements law.
func (w *windows) learn(e evidence) {
	s := e.Signal
	if w.opened.IsZero() {
		w.opened, w.accepted = s.Sent, 1 // as if the first call had ended an outage
	}
	switch {
	case s.Opened:
		w.ended(s, e.outage)
	case !w.on():
	case s.Throttled && s.NewEpoch:
		w.why = "throttled: the window is used up"
		w.refused(s)
	case s.Answered > 0 && !s.Outside && !s.Shut:
		w.answered(s)
	}
}

// answered notes that a window has begun.
func (w *windows) answered(s Signal) {
	n := ordinal(s)
	switch {
	case s.Sent.After(w.cycle.until):
		w.begin(w.cycle.from, w.cycle.until, n-1)
	case s.Sent.After(w.cycle.from) && n-w.base > w.limit+w.extra:
		w.begin(w.cycle.from, counted(s), n-1)
	case s.Sent.After(w.cycle.begun[1]) && n <= w.base:
		w.base = n - 1 // answers overtake each other
	}
}

// begin begins a window. If the last one was used up and nothing refused, the limit is at least that.
func (w *windows) begin(from, until time.Time, base int64) {
	spent := base - w.base
	if w.used += spent; spent >= w.limit/2 {
		w.given = 0
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

// refused learns from the first refusal of an outage, or from that of a probe.
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

// ended learns from the end of an outage.
func (w *windows) ended(s Signal, o *outage) {
	from, until := o.end(s)
	units, took := s.Accepted-w.accepted, s.Sent.Sub(w.opened)
	if w.given > 0 {
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
			w.why = fmt.Sprintf("%d in each %v: so many were taken between two long times in which all were refused", w.limit, w.about())
		}
	}
	w.opened, w.accepted, w.surprise = s.Sent, s.Accepted, false
}

// confirm compares the end of an outage with what was expected.
func (w *windows) confirm(s Signal, from, until time.Time, units int64) {
	if until.Before(w.cycle.from) || w.surprise && from.After(w.cycle.until) {
		*w = windows{
			opened: s.Sent, accepted: s.Accepted, mistakes: w.mistakes + 1,
			why: "no windows after all: the server took a call out of turn",
		}
		return
	}
	units = min(units, s.Accepted-1-w.base)
	if w.surprise {
		w.limit, w.step, w.interval = max(1, units, w.limit/2), 1, max(1, units)
		w.shared = true
		w.why = fmt.Sprintf("%d in each %v: somebody else uses the rest", w.limit, w.about())
	} else if w.extra > 0 {
		w.step, w.interval = 1, min(max(w.limit, 2*w.interval), max(trialUnits, w.limit))
	}
	w.extra, w.used = 0, 0
	w.base = s.Accepted - 1
	w.cycle.begins(from, until)
}

// about is the period as far as it is known.
func (w *windows) about() time.Duration {
	if w.cycle.period > 0 {
		return w.cycle.period
	}
	return ((w.cycle.shortest + w.cycle.longest) / 2).Round(10 * time.Millisecond)
}

// bound implements law: the rate at which what is left lasts, and when it is used up. Where this law holds, that of the
// rate does not.
func (w *windows) bound(next Setting, s Signal) Setting {
	if !w.on() {
		return next
	}
	next.Pause = 0
	if !w.surprise {
		next.Reopen = w.reopens()
	}
	next.Rate = rate.Limit(float64(w.limit) / max(w.about(), time.Millisecond).Seconds())
	if !w.cycle.until.After(s.At) { // a new window, of which nothing is known yet
		return next
	}
	left := w.left(s)
	switch {
	case left > 0:
		over := max(minSpread, min(spread, w.cycle.from.Sub(s.At)))
		next.Rate = rate.Limit(float64(left) / over.Seconds())
	case w.blurred(): // one call tries whether the next window has begun
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

// reopens is when the next call should be let through once the window is used up: when it has ended for certain, or, as
// long as that is not known well, when it is as likely that it has as that it has not.
func (w *windows) reopens() time.Time {
	if w.blurred() {
		return w.cycle.from.Add(w.cycle.until.Sub(w.cycle.from) / 2)
	}
	return w.cycle.until.Add(resetSlack)
}
