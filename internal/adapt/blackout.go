package adapt

import "time"

// blackout is a time in which the server throttles all calls, from the first throttled call until it takes one again. In
// an outage, which the gate knows, it takes no calls for other reasons.
type blackout struct {
	first, last time.Time // when the first and the last throttled call were sent
	cut         time.Time // when the first throttle was seen
	refusals    int       // calls that were throttled
	probes      int       // probes among them
}

// observe notes a throttle.
func (o *blackout) observe(s Signal) {
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
		*o = blackout{first: s.Sent, last: s.Sent, cut: s.At, refusals: 1}
	}
}

// lasted returns for how long the server certainly throttled all calls.
func (o *blackout) lasted() time.Duration { return o.last.Sub(o.first) }

// end returns the interval in which the blackout ended, given the signal that shows the end.
func (o *blackout) end(s Signal) (from, until time.Time) { return o.last, counted(s) }
