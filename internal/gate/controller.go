package gate

import (
	"time"

	"golang.org/x/time/rate"
)

// A Setting is how much the gate lets through.
type Setting struct {
	Concurrency int           // calls in flight at once, at least 1
	Rate        rate.Limit    // quota units a second; rate.Inf when there is no limit
	Burst       int           // quota units that may leave at one instant
	Pause       time.Duration // how long the gate is shut at least after a throttle without a hint
	Reopen      time.Time     // when it opens again after one, if that is known
	Hold        Hold          // what is known to be used up
	Why         string        // the evidence behind the last change, in words a user can log
}

// A Hold stops the gate when a quota is used up. The zero Hold stops nothing.
type Hold struct {
	After int64     // as soon as so many quota units were let through in all
	Until time.Time // when the quota is renewed
}

// A Signal is what one call, or a block of equal fast calls, taught the gate.
type Signal struct {
	Sent      time.Time     // when the call was let through
	At        time.Time     // when its answer was seen
	Answered  int           // answers that were not throttled, refusals of one item included
	Throttled bool          // the answer was "too many requests"
	Partly    bool          // with Throttled: a part of what the call carried was taken
	Hint      time.Duration // how long the server asked to wait; 0 when it did not say
	Latency   time.Duration // mean time of one call
	Quotas    []Quota       // what the headers of the answer say
	Outside   bool          // somebody else saw the same answer, who counts it

	Trouble Trouble // the call failed in a way that shows that the server takes no calls
	Detail  string  // what happened, beside Trouble; "" when there is no more to say
	Host    string  // that it was sent to; "" when that is not known
	Subject Subject // of a call that failed, or was throttled
	Each    bool    // each failure of the subject counts, not only the first
	Left    int     // requests that are left where the subject comes from: when they are few each failure counts; 0: many
	Looked  bool    // the call looks up what others have done: that it succeeds does not show that the server takes those
	Between bool    // calls have succeeded since the last failure that are told of later
	Unsent  bool    // nothing had left when it failed
	Burns   bool    // the failure has cost an item its attempt

	Own []Subject // they are throttled alone: what was learned from throttles of them was wrong

	// The gate fills in the rest.

	InFlight int  // calls in flight when the answer came, this one included
	Waiting  int  // calls that were waiting to be let through
	NewEpoch bool // this throttle is the first for a call sent after the last cut
	Shut     bool // the gate was shut when the answer came
	Opened   bool // this answer opened it
	Probe    bool // the call was to try whether it may open

	Recovered bool  // the server takes calls again after an outage
	Level     int   // calls in flight when the call was let through, itself included
	Paced     bool  // the call had to wait for the rate
	Index     int64 // quota units let through until the call, itself included
	Granted   int64 // quota units let through until now
	Accepted  int64 // of them, those that were not throttled
}

// A Quota is what an answer tells of one limit of the server.
type Quota struct {
	Name           string        // of the limit, the same in all answers; "" when the server has only one
	Limit          int64         // requests in a whole window; 0: unknown
	Remaining      int64         // requests that are left
	RemainingKnown bool          // Remaining was told
	Reset          time.Duration // from the answer on, until all or some of the quota is renewed
	ResetUnit      time.Duration // what Reset was rounded up to: the truth lies in (Reset-ResetUnit, Reset]; 0: no Reset was told
	Window         time.Duration // how long Limit lasts; 0: unknown
}

// A Controller learns from signals and sets rate and concurrency. It is the one seam for adaptation:
// the gate calls Adjust with its lock held, in the order in which the answers were seen, and obeys the
// setting that comes back, capped by the ceilings of the user. Adjust must not block.
type Controller interface {
	Adjust(current Setting, ceiling Setting, s Signal) Setting
}
