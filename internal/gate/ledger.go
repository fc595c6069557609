package gate

import (
	"sort"
	"time"
)

const (
	// slowCall is the latency from which on the cost of asking the gate does not matter: leases are for faster calls.
	slowCall = time.Millisecond
	// keptEntries is how many entries the ledger keeps at least.
	keptEntries = 256
)

// An entry is a call that was let through.
type entry struct {
	time          time.Time
	total         int64 // quota units let through until then, itself included
	units         int
	level         int  // calls in flight, itself included
	waitedForRate bool // the call had to wait for its tokens
}

// A ledger counts the calls that were let through, so that a response can be compared with the state when its call was sent.
type ledger struct {
	granted int64 // quota units let through in all
	refused int64 // units of granted that the server throttled
	recent  []entry
}

// grant records a call that is let through.
func (l *ledger) grant(now time.Time, units, level int, waitedForRate bool) entry {
	l.granted += int64(units)
	e := entry{now, l.granted, units, level, waitedForRate}
	if len(l.recent) >= 2*keptEntries {
		l.recent = append(l.recent[:0], l.recent[keptEntries:]...)
	}
	l.recent = append(l.recent, e)
	return e
}

// at returns the last entry until a time, or the oldest entry if all that are kept are later.
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
