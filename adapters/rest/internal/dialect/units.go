package dialect

import (
	"sync"
	"time"
)

const (
	// unitsAfter is the shortest time over which the fall of a reset is measured.
	unitsAfter = 200 * time.Millisecond
	// fallSlack is by how much a reset may fall faster than the clock, because of its granularity and of responses that
	// overtake each other.
	fallSlack = 5 * time.Second
	// unitsProof is how many measurements in a row must contradict the current unit to change it. A reset in milliseconds
	// that is read as seconds falls a thousand times as fast as the clock.
	slowestMillis = 600
	fastestMillis = 1600
	unitsProof    = 3
	// maxUnits bounds the number of limits that are kept.
	maxUnits = 64
)

// Units detects limits whose reset is in milliseconds although it looks like seconds: it falls a thousand times as fast as
// the clock. The zero value is ready to use. It may be used from many goroutines.
type Units struct {
	mu    sync.Mutex
	known map[string]*unit
}

// unit is the state of the resets of one limit.
type unit struct {
	at     time.Time // start of the measurement
	reset  time.Duration
	turns  int // measurements in a row that contradict the unit
	millis bool
}

// Correct learns from a reading under [Auto] of a response that arrived at now, and corrects its resets.
func (u *Units) Correct(r *Reading, now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for i := range r.Policies {
		p := &r.Policies[i]
		if !p.ResetKnown || p.ResetUnit != time.Second {
			continue // a fraction, or a point in time
		}
		if u.of(p.Source+"/"+p.Name, p.Reset, now).observe(p.Reset, now) {
			p.Reset, p.ResetUnit = p.Reset/1000, time.Millisecond
		}
	}
}

// of returns the state of a limit.
func (u *Units) of(name string, reset time.Duration, now time.Time) *unit {
	if known := u.known[name]; known != nil {
		return known
	}
	if u.known == nil || len(u.known) == maxUnits {
		u.known = map[string]*unit{}
	}
	u.known[name] = &unit{at: now, reset: reset}
	return u.known[name]
}

// observe learns from one reset, and reports whether it is in milliseconds.
func (u *unit) observe(reset time.Duration, now time.Time) (millis bool) {
	took, fell := now.Sub(u.at), u.reset-reset
	if took < unitsAfter && fell >= 0 {
		return u.millis
	}
	fast := fell > slowestMillis*took && fell < fastestMillis*took && fell > fallSlack
	switch {
	case fell < 0: // it was renewed
		u.turns = 0
	case fast != u.millis:
		u.turns++
	default:
		u.turns = 0
	}
	if u.turns == unitsProof {
		u.millis, u.turns = fast, 0
	}
	u.at, u.reset = now, reset
	return u.millis
}
