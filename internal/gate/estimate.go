package gate

import "time"

const (
	// goodEstimate is how many quota units an estimate should be based on.
	goodEstimate = 16
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

// history is what is known of past openings.
type history struct {
	openings []opening
	shut     time.Duration // for how long the gate has been shut in all, up to the last of them
}

// forget drops all openings: what was accepted since says nothing of what is granted.
func (h *history) forget() { h.openings = h.openings[:0] }

// An estimate is what the server grants.
type estimate struct {
	perSecond float64 // quota units, since an earlier opening
	most      float64 // the same, counting only time in which the gate was open
	units     int64   // it is based on
	blur      float64 // by which part it may be wrong
}

// add notes the opening that a signal shows, the end of an outage, and estimates what was granted since the last opening
// with enough in between, or since the first.
func (h *history) add(s Signal, o *outage) (e estimate) {
	h.shut += max(0, s.Sent.Sub(o.cut))
	now := opening{at: s.Sent, accepted: s.Accepted, shut: h.shut}
	if o.probes > 0 {
		now.blur = s.Sent.Sub(o.last) / 2
		now.at = s.Sent.Add(-now.blur)
	}
	h.shut += s.At.Sub(s.Sent)
	for k := len(h.openings) - 1; k >= 0 && e.units < goodEstimate; k-- {
		then := h.openings[k]
		took := now.at.Sub(then.at)
		if took <= 0 {
			continue
		}
		units := float64(now.accepted - then.accepted)
		e = estimate{
			perSecond: units / took.Seconds(),
			most:      units / max(took-(now.shut-then.shut), took/10).Seconds(),
			units:     max(0, now.accepted-then.accepted),
			blur:      (now.blur + then.blur).Seconds() / took.Seconds(),
		}
	}
	if len(h.openings) == openings {
		h.openings = append(h.openings[:0], h.openings[1:]...)
	}
	h.openings = append(h.openings, now)
	return e
}
