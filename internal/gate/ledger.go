package gate

import (
	"sort"
	"time"
)

const (
	// slowCall is how long a call takes at least for its own way to the gate not to matter: leases are for faster ones.
	slowCall = time.Millisecond
	// remembered is how many grants the ledger knows by their time.
	remembered = 256
)

// An entry is what was let through at one instant.
type entry struct {
	time  time.Time
	total int64 // quota units until then, itself included
	units int
	level int  // calls in flight, itself included
	paced bool // it had waited for its tokens
}

// A ledger counts what was let through, so that an answer can be set against what had been sent when it was.
type ledger struct {
	granted int64 // quota units let through in all
	refused int64 // of them, those that the server throttled
	recent  []entry
}

// grant notes a call.
func (l *ledger) grant(now time.Time, units, level int, paced bool) entry {
	l.granted += int64(units)
	e := entry{now, l.granted, units, level, paced}
	if len(l.recent) >= 2*remembered {
		l.recent = append(l.recent[:0], l.recent[remembered:]...)
	}
	l.recent = append(l.recent, e)
	return e
}

// at returns the last entry of what was let through until then. Of a call that is not remembered, and of one under a
// lease, little is known: it is taken for the oldest.
func (l *ledger) at(sent time.Time) entry {
	k := sort.Search(len(l.recent), func(i int) bool { return l.recent[i].time.After(sent) })
	switch {
	case k > 0:
		return l.recent[k-1]
	case len(l.recent) > 0:
		return l.recent[0]
	}
	return entry{}
}
