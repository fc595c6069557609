package adapt

import "time"

// A Signal is what the gate learns from one call, or from a block of fast calls.
type Signal struct {
	Sent      time.Time     // when the call was let through
	At        time.Time     // when its response was seen
	Answered  int           // responses that were not throttled, refusals of one item included
	Throttled bool          // the response was a throttle, such as 429
	Partly    bool          // with Throttled: the server took some of the call's items
	Hint      time.Duration // the pause that the server named; 0: none
	Latency   time.Duration // mean time of one call
	Quotas    []Quota       // limits told by the headers of the response
	Outside   bool          // another signal counts the same response

	Trouble Trouble // of a failed call: evidence that the server takes no calls
	Detail  string  // details of Trouble; "" for none
	Host    string  // the host that the call was sent to; "" when unknown
	Subject Subject // of a call that failed or was throttled
	Each    bool    // every failure of the subject counts, not only the first
	Left    int     // requests left in the subject's run: if they are few, every failure counts; 0: many
	Looked  bool    // the call is a look-up, whose success does not show that the server takes other calls
	Between bool    // calls have succeeded since the last failure; their signals come later
	Unsent  bool    // the call failed before anything was sent
	Burns   bool    // the failure cost an item its attempt

	Own []Subject // items that are throttled alone, so what was learned from their throttles is wrong

	// The gate fills in the rest.

	InFlight int  // calls in flight when the response came, this one included
	Waiting  int  // calls that were waiting in the queue
	NewEpoch bool // the first throttle of a call sent after the last cut
	Shut     bool // the gate was shut by a throttle when the response came
	Opened   bool // this response opened the gate
	Probe    bool // the call was a probe

	Recovered     bool  // this response ended an outage
	Level         int   // calls in flight when the call was let through, itself included
	WaitedForRate bool  // the call had to wait for the rate
	Index         int64 // quota units let through until the call, itself included
	Granted       int64 // quota units let through until now
	Accepted      int64 // units of Granted that were not throttled
}

// A Quota is what a response tells about one limit of the server.
type Quota struct {
	Name           string        // of the limit, the same in all responses; "" when the server has only one
	Limit          int64         // requests in a whole window; 0: unknown
	Remaining      int64         // requests that are left in the window
	RemainingKnown bool          // Remaining was told
	Reset          time.Duration // time from the response until all or some of the quota is renewed
	ResetUnit      time.Duration // the unit to which Reset was rounded up: the reset lies in (Reset-ResetUnit, Reset]; 0: no Reset was told
	Window         time.Duration // length of the window; 0: unknown
}

// A Subject identifies the item that a call was made for, so that an item that fails repeatedly counts once.
type Subject struct {
	Of   any // the run that the item belongs to; must be comparable
	Item int
}

// Trouble is what a failed call shows about the server. The zero Trouble is none.
type Trouble uint8

// The troubles, from the weakest evidence of an outage to the strongest.
const (
	NoTrouble   Trouble = iota
	Erring              // the server responds with errors such as 500, or with responses that cannot be read
	Unavailable         // the server, or a proxy in front of it, takes no calls: 502, 503, 504
	Unreachable         // connections cannot be made, or break
	Silent              // no response comes in time
)

// String describes the trouble, as the end of "the server takes no calls: ".
func (t Trouble) String() string {
	switch t {
	case Erring:
		return "it responds with errors such as 500 only"
	case Unavailable:
		return "it responds with 502, 503 or 504 only"
	case Unreachable:
		return "connections fail"
	case Silent:
		return "there is no response in time"
	default:
		return "nothing is known"
	}
}
