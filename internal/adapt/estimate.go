package adapt

import "time"

const (
	// goodEstimate is how many quota units a good estimate is based on.
	goodEstimate = 16
	// openings is how many openings are kept.
	openings = 8
)

// An opening is a moment at which the server took a call again after it throttled all calls. At that moment a bucket has one
// token, or a window has just begun. So the units accepted between two openings are what the server grants in that time.
type opening struct {
	at       time.Time
	accepted int64
	shut     time.Duration // total time shut
	blur     time.Duration // how far at may be off
}

// history is what is known about past openings.
type history struct {
	openings []opening
	shut     time.Duration // total time shut up to the last opening
}

// forget drops all openings, since the units accepted since then say nothing about what the server grants.
func (h *history) forget() { h.openings = h.openings[:0] }

// An estimate is an estimate of what the server grants.
type estimate struct {
	perSecond float64 // quota units a second since an earlier opening
	most      float64 // the same, without the time in which the gate was shut
	units     int64   // units that the estimate is based on
	blur      float64 // relative error of the time
}

// add notes the opening that a signal shows, at the end of a blackout. It estimates what was granted since the latest
// opening with goodEstimate units in between, or else since the first.
func (h *history) add(s Signal, o *blackout) (e estimate) {
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
