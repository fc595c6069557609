package engine

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/windrow-go/windrow/internal/gate"
)

const forever = time.Duration(1<<63 - 1)

// Policy says how often and when an item is sent again.
type Policy struct {
	MaxAttempts     int
	NewBackOff      func() backoff.BackOff
	Hasty           bool // the delays may be cut short when others have passed, and there is nothing else to do
	MaxThrottleWait time.Duration
	Budget          Budget
}

// Traits are what the operation is.
type Traits struct {
	Read       bool // changes nothing: a lost answer is no harm
	Repeatable bool // sending it twice has the effect of sending it once
	Create     bool // makes a record, or may do so
	Delete     bool
	Keyed      bool // the server knows its repetitions by an idempotency key
	// WholeOnly says that sending a chunk twice is harmless only with the same members: what makes it harmless is an
	// idempotency key, and that belongs to exactly those.
	WholeOnly bool
}

// Hooks watch attempts. A nil hook is not called.
type Hooks struct {
	// Attempt is called before an attempt, with its context; the context it returns is what the call gets, and
	// the function it returns is called with the attempt's error.
	Attempt func(ctx context.Context, a *Attempt) (context.Context, func(error))
	// Outage is called when the gate is shut because the server takes no calls, and when it opens again, with the reason.
	Outage func(down bool, why string)
	// Intend is called before items leave that must not be sent twice, or not but together, or that make records. When it
	// fails nothing leaves, and the run stops.
	Intend func(a *Attempt, items []int) error
	// Settled is called as Final is, but before an item that waits for one of these is let go.
	Settled func(lo, hi int)
	// Final is called once for each item that does not end as NotAttempted, after its slot was written, with the
	// range of items from lo to hi-1 that have just ended. It may block. Workers call it at the same time.
	Final func(lo, hi int)
}

// Config is a run to be made. Table must hold the state of the items that are not in Order and follow nobody.
type Config struct {
	Table    *Table
	Todo     int                   // how many items are to be sent, those that follow others included
	Order    []int                 // the items to be sent, in order; nil means every item
	Follower map[int]int           // item to the next item that must not be sent before it has ended
	Stream   bool                  // items come by Feed; Todo, Order, Follower and Doubtful must be zero
	KeyOf    func(item int) string // of a stream: items with one key are sent one after the other; nil means no keys
	Twin     map[int]int           // item to the next one that ends as it does and is not sent; in neither Order nor Follower's values
	Doubtful []int                 // items to be sent that an earlier run may have applied; not in Order
	Replay   []Replay              // what an earlier run has begun and not ended; not in Order either
	KeysOnce bool                  // of a stream: no two items with one key are sent, and each is claimed before it is fed

	Same func(a, b int) bool // of a stream: of two items with one key the second one ends as the first; nil means that it does not
	Copy func(from, to int)  // has the value of an item go for another one, with Twin or Same

	Owner        any // what attempts carry for the caller
	Traits       Traits
	TraitsOf     func(item int) Traits // when items differ in them; nil means that they do not
	Policy       Policy
	Workers      int // 0: as many as calls may be in flight
	InOrder      bool
	Atomic       bool // all items go in one request, all or none of them
	Together     bool // items that follow each other may share a request, which carries them out in their order
	AllOrNothing bool // the server applies all items of a request or none

	BatchSize  int           // a batch of fresh items, with BatchDelay
	BatchDelay time.Duration // pause after each batch but the last
	Canary     int           // so many fresh items have to succeed before the others are sent; 0: none

	ChunkItems int                // items in one request; 1 or less means single calls
	ChunkBytes int                // bound on the sum of Size
	Size       func(item int) int // nil means that only the number counts
	Measure    func(item int) int // the same, asked for once a request was too large, where Size is nil; nil: there is none
	Sizes      *Sizes             // what earlier requests have taught; nil: nothing
	OmitsTail  bool
	Linger     time.Duration // of a stream: how long items wait for a chunk to fill up

	AttemptTimeout time.Duration
	TimeoutCause   error
	FailedBefore   int          // items that failed before the run, for MaxFailures
	MaxFailures    int          // the run stops when more items failed; negative means never
	MaxFailureRate float64      // the run stops when a larger share failed; negative means never
	MinFailureRate int          // items that ended before MaxFailureRate counts
	Broken         <-chan error // nil, or: what comes from it stops the run
	KeepPanics     bool         // a panic stops the run and is returned, instead of being the item's error

	// Call makes a single call; it may be nil when there is a Batch.
	Call func(ctx context.Context, item int) error
	// Batch makes one request for many items, and returns how many answers the server gave. It sets those that say more
	// than that the item was applied.
	Batch func(ctx context.Context, items []int, answers *Answers) (int, error)
	// Reconcile asks whether an item was applied; nil when there is no way to know.
	Reconcile func(ctx context.Context, item int) (found bool, err error)
	// ReconcileBatch is Reconcile for several items, up to LookItems; nil when there is no such request. It returns how many
	// answers there are, and sets those that are no success: an error that is judged as NotFound says that the item was not
	// applied.
	ReconcileBatch func(ctx context.Context, items []int, answers *Answers) (int, error)
	LookItems      int
	// SettlingTime is how long after an attempt a look-up that finds nothing proves nothing.
	SettlingTime time.Duration
	// Resumed reports whether an earlier run may have sent items of which nobody knows; nil means that none has.
	Resumed func() bool
	// KeptKey reports whether an earlier run may have sent the item with the idempotency key that it has now; nil means
	// that none has.
	KeptKey func(item int) bool
	// Judge says what is to be made of an error.
	Judge func(a *Attempt, err error) Judgement
	// JudgeItem is Judge for the error of one item in the answer to a Batch.
	JudgeItem func(a *Attempt, err error) Judgement
	Cost      func(items int) int // quota units of one request; nil means 1
	Hooks     Hooks
	Gate      *gate.Gate

	// Lost makes the error of an item whose call panicked, or ended its goroutine: value is nil then.
	Lost func(value any, stack []byte) error

	looked func() // nil, or called each time it is looked up what follows an item
}

// Replay is a request that an earlier run has begun, and that may be sent again as it was only.
type Replay struct {
	Items  []int
	Handle string // what the attempt left for the next one; "" when it left nothing
}

// Stats counts what a run did.
type Stats struct {
	Requests, Retries, Throttled int64
}
