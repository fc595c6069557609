package dialect

import (
	"sync"
	"time"
)

const (
	// unitsAfter is over how long at least it is measured how fast a reset falls.
	unitsAfter = 200 * time.Millisecond
	// fallSlack is by how much a reset may fall faster than the clock: by its granularity, and by what answers overtake
	// each other.
	fallSlack = 5 * time.Second
	// A reset in milliseconds that is taken for one in seconds falls a thousand times as fast as the clock. unitsProof is how
	// many times in a row it has to fall about so, or not at all so, to change what is believed.
	slowestMillis = 600
	fastestMillis = 1600
	unitsProof    = 3
	// maxUnits bounds the memory for limits of different names.
	maxUnits = 64
)

// Units finds out of which limits the reset is told in milliseconds, where it looks like seconds: it falls a thousand times
// as fast as the clock. The zero value is ready. It may be used from many goroutines.
type Units struct {
	mu    sync.Mutex
	known map[string]*unit
}

// unit is what is known of the resets of one limit.
type unit struct {
	at     time.Time // since when it falls
	reset  time.Duration
	turns  int // times in a row that speak for a change
	millis bool
}

// Correct learns from a reading of an answer that came at now, under [Auto], and corrects the resets in it.
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

// of returns what is known of a limit.
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
