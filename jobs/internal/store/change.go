package store

import (
	"fmt"
	"slices"
	"time"
)

// Refused returns ErrFenced or ErrConflict when the change must not happen to a job that is as j says; nil when it may.
func (c *Change) Refused(j *Job, now time.Time) error {
	switch l := c.Lease; {
	case l != nil && (l.Job != j.Number || l.Epoch != j.Epoch || j.LeaseUntil.IsZero()):
		return ErrFenced
	case len(c.From) > 0 && !slices.Contains(c.From, j.State), c.Unless != "" && c.Unless == j.Reason, c.Free && j.LeaseUntil.After(now):
		return ErrConflict
	}
	return nil
}

// Apply makes the change to a job in memory.
func (c *Change) Apply(j *Job) {
	if c.State != nil {
		j.State = *c.State
	}
	if c.Reason != nil {
		j.Reason = *c.Reason
	}
	if c.Started != nil && j.Started.IsZero() {
		j.Started = *c.Started
	}
	if c.Ended != nil {
		j.Ended = *c.Ended
	}
	if c.Queued != nil {
		j.Queued = *c.Queued
	}
	if c.Release {
		j.Owner, j.LeaseUntil = "", time.Time{}
	}
}

// Stored reports whether the items given to AddItems are the last of the total that is stored; ErrConflict when they do not
// follow them either.
func Stored(total int64, items []Item) (bool, error) {
	switch {
	case len(items) == 0, items[0].Index+int64(len(items)) == total:
		return true, nil
	case items[0].Index != total:
		return false, ErrConflict
	}
	return false, nil
}

// States of items, as package windrow numbers them.
const (
	ItemSucceeded = 1
	ItemFailed    = 2
	ItemSkipped   = 3
	ItemUnknown   = 4
)

// A Tally is what a transaction adds to the counts of an operation.
type Tally struct {
	Total   int64
	States  [ItemUnknown + 1]int64
	Elapsed int64 // microseconds
}

// Add counts n items in a state.
func (t *Tally) Add(state uint8, n int64) error {
	if state > ItemUnknown {
		return fmt.Errorf("there is no state %d of an item", state)
	}
	t.States[state] += n
	return nil
}

// Set makes the tally that of an operation with these counts.
func (t *Tally) Set(c Counts) {
	t.Total, t.States = c.Total, [...]int64{0, c.Succeeded, c.Failed, c.Skipped, c.Unknown}
}
