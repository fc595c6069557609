package adapt

import (
	"time"

	"golang.org/x/time/rate"
)

// MinPause is the shortest time for which the gate stays shut after a throttle, whatever the server asked for: probing
// more often would gain nothing.
const MinPause = 100 * time.Millisecond

// A Setting is how much the gate lets through.
type Setting struct {
	Concurrency int           // calls in flight, at least 1
	Rate        rate.Limit    // quota units a second; rate.Inf when there is no limit
	Burst       int           // quota units that may leave at one instant
	Pause       time.Duration // minimum pause after a throttle without a hint
	Reopen      time.Time     // when the gate opens again after a throttle; zero: unknown
	Hold        Hold          // of a quota that is about to be used up
	Why         string        // the reason of the last change, as text for a user's log
}

// A Hold stops the gate when a quota is used up. The zero Hold never does.
type Hold struct {
	After int64     // total of quota units let through at which the gate stops
	Until time.Time // when the quota is renewed
}
