package gate

import "time"

// outage is a time in which the server refuses all calls: from the first that it refused until it takes one again.
type outage struct {
	first, last time.Time // of the refused calls, when they were sent
	cut         time.Time // when the first refusal was seen
	refusals    int       // calls that were refused
	probes      int       // of them, those that tried whether it is over
}

// observe notes a refusal.
func (o *outage) observe(s Signal) {
	switch {
	case !s.Throttled:
	case !s.NewEpoch:
		if !s.Outside {
			o.refusals++
		}
	case s.Shut:
		o.refusals++
		o.probes++
		o.last = s.Sent
	default:
		*o = outage{first: s.Sent, last: s.Sent, cut: s.At, refusals: 1}
	}
}

// lasted is how long the server refused everything for certain.
func (o *outage) lasted() time.Duration { return o.last.Sub(o.first) }

// end returns between which times it ended, given the answer that shows it.
func (o *outage) end(s Signal) (from, until time.Time) { return o.last, counted(s) }
