package adapt

import "time"

// outage is a time in which the server throttles all calls: from the first throttled call until it takes one again.
type outage struct {
	first, last time.Time // when the first and the last throttled call were sent
	cut         time.Time // when the first throttle was seen
	refusals    int       // calls that were throttled
	probes      int       // probes among them
}

// observe notes a throttle.
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

// lasted returns for how long the server certainly throttled all calls.
func (o *outage) lasted() time.Duration { return o.last.Sub(o.first) }

// end returns the interval in which the outage ended, given the signal that shows the end.
func (o *outage) end(s Signal) (from, until time.Time) { return o.last, counted(s) }
