package engine

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/windrow-go/windrow/internal/contain"
	"github.com/windrow-go/windrow/internal/gate"
)

const forever = time.Duration(1<<63 - 1)

// Policy says how often and when an item is sent again.
type Policy struct {
	MaxAttempts     int
	NewBackOff      func() backoff.BackOff
	Hasty           bool // a delay may be cut short when other items have succeeded and nothing else is to be done
	MaxThrottleWait time.Duration
	Budget          Budget
}

// Traits are the properties of an operation.
type Traits struct {
	Read       bool // changes nothing on the server, so a lost response does no harm
	Repeatable bool // idempotent: sent twice it has the effect of being sent once
	Create     bool // makes a record, or may make one
	Delete     bool
	Keyed      bool // sent with an idempotency key, by which the server recognises repetitions
	// WholeOnly says that a chunk may be sent twice only with the same items, since its idempotency key belongs to
	// exactly those items.
	WholeOnly bool
}

// Hooks are called as the run proceeds. A nil hook is not called.
type Hooks struct {
	// Attempt is called before an attempt, with its context. The call gets the context that Attempt returns; the
	// function that Attempt returns is called with the attempt's error.
	Attempt func(ctx context.Context, a *Attempt) (context.Context, func(error))
	// Outage is called, with the reason, when an outage shuts the gate and when the outage ends.
	Outage func(down bool, why string)
	// Intend is called before items are sent that must not be sent twice, that may be sent twice only as a whole chunk, or
	// that make records. When Intend fails, nothing is sent and the run stops.
	Intend func(a *Attempt, items []int) error
	// Settled is called like Final, but before an item that waits for one of these is released.
	Settled func(lo, hi int)
	// Final is called with each range of items lo to hi-1 that have just ended, after their slots were written, once for
	// each item that does not end as NotAttempted. Final may block; workers call it concurrently.
	Final func(lo, hi int)
}

// Config configures a run. Table must hold the state of every item that is neither in Order nor a follower.
type Config struct {
	Table    *Table
	Todo     int                   // how many items are to be sent, followers included
	Order    []int                 // the items to be sent, in order; nil means every item
	Follower map[int]int           // item to its follower, which must not be sent before the item has ended
	Stream   bool                  // items come by Feed; Todo, Order, Follower and Doubtful must be zero
	KeyOf    func(item int) string // of a stream: items with one key are sent one after the other; nil means no keys
	Twin     map[int]int           // item to its twin, which is not sent and ends as the item does; twins are neither in Order nor values of Follower
	Doubtful []int                 // items to be sent that an earlier run may have applied; they are not in Order
	Replay   []Replay              // requests that an earlier run began and did not end; their items are not in Order
	KeysOnce bool                  // of a stream: only one item of each key is sent, and each item is claimed before it is fed

	Same func(a, b int) bool // of a stream: reports whether b, which has a's key, ends as a without being sent; nil: never
	Copy func(from, to int)  // with Twin or Same: copies the value of one item to another

	Owner        any // value that attempts carry for the caller
	Traits       Traits
	TraitsOf     func(item int) Traits // traits of an item; nil: all items have Traits
	Policy       Policy
	Workers      int // 0: as many as the gate's ceiling
	InOrder      bool
	Atomic       bool // all items go in one request, which the server applies as a whole or not at all
	Together     bool // an item and its followers may share a request, whose items the server applies in order
	AllOrNothing bool // the server applies all items of a request or none of them

	BatchSize  int           // with BatchDelay: fresh items in a batch
	BatchDelay time.Duration // pause after each batch but the last
	Canary     int           // how many fresh items must succeed before the others are sent; 0: none

	ChunkItems int                // items in one request; 1 or less means single calls
	ChunkBytes int                // limit on the sum of Size in one request
	Size       func(item int) int // bytes of an item; nil: only the number of items is limited
	Measure    func(item int) int // with nil Size: bytes of an item, called only after a request was too large; may be nil
	Sizes      *Sizes             // limits learned from earlier requests; nil: none
	OmitsTail  bool
	Linger     time.Duration // of a stream: how long items wait for a chunk to fill up

	AttemptTimeout time.Duration
	TimeoutCause   error
	FailedBefore   int          // items that failed before the run; they count for MaxFailures
	MaxFailures    int          // the run stops when more items failed; negative means never
	MaxFailureRate float64      // the run stops when a larger share of the items sent failed; negative means never
	MinFailureRate int          // items sent that ended before MaxFailureRate counts
	Broken         <-chan error // an error received from it stops the run; may be nil
	KeepPanics     bool         // a panic stops the run and is returned, instead of being the item's error

	// Call makes a single call; it may be nil when there is a Batch.
	Call func(ctx context.Context, item int) error
	// Batch makes one request for many items, and returns for how many of them the response has a result. It sets the
	// results that say more than that the item was applied.
	Batch func(ctx context.Context, items []int, answers *Answers) (int, error)
	// Reconcile asks the server whether an item was applied; nil when that cannot be asked.
	Reconcile func(ctx context.Context, item int) (found bool, err error)
	// ReconcileBatch is Reconcile for up to LookItems items; nil when there is no such request. It returns how many results
	// there are, and sets those of items that were not found: an error judged as NotFound says that the item was not
	// applied.
	ReconcileBatch func(ctx context.Context, items []int, answers *Answers) (int, error)
	LookItems      int
	// SettlingTime is how long after an attempt its item may still appear. An earlier look-up that finds nothing proves nothing.
	SettlingTime time.Duration
	// Resumed reports whether an earlier run may have sent items of which no record exists; nil: none has.
	Resumed func() bool
	// KeptKey reports whether an earlier run may have sent the item with its present idempotency key; nil: none has.
	KeptKey func(item int) bool
	// Judge classifies the error of an attempt.
	Judge func(a *Attempt, err error) Judgement
	// JudgeItem is Judge for the error of one item in the response to a Batch.
	JudgeItem func(a *Attempt, err error) Judgement
	Cost      func(items int) int // quota units of one request; nil means 1
	Hooks     Hooks
	Gate      *gate.Gate
	Own       *gate.Gate // of this run, or few, beside the Gate that all users of a server share; nil: none

	// Lost makes the error of an item whose call did not return.
	Lost contain.Lost

	followerRead func() // for tests: called at each read of Follower; may be nil
}

// Replay is a request that an earlier run began, and that may only be sent again with the same items.
type Replay struct {
	Items  []int
	Handle string // what the attempt left for the next one, such as a job's ID on the server; "" for none
}

// Stats are the counts of a run.
type Stats struct {
	Requests, Retries, Throttled int64
}
