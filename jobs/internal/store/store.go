// Package store is the contract between the jobs and the databases that keep them. Package sqlitestore and module
// pgstore implement it; both pass the suite of package storetest.
//
// The rows are the truth. Each method is one transaction: it has happened as a whole when it returns nil, and not at all
// when it returns an error, unless the error is that of a connection that broke while it committed.
package store

import (
	"context"
	"errors"
	"iter"
	"time"
)

// Errors of a Store, to be matched with [errors.Is].
var (
	ErrNotFound = errors.New("not found")
	// ErrConflict is returned by a conditional change whose condition did not hold.
	ErrConflict = errors.New("the state is another one by now")
	// ErrFenced is returned to the holder of a lease that has passed to another one, or was given back.
	ErrFenced = errors.New("the lease has passed to another holder")
	// ErrClosed is returned by a call to a store that is closed.
	ErrClosed = errors.New("the store is closed")
	// ErrInUse is returned by the opening of a store that another process or another part of this one uses, and that
	// only one may use at a time.
	ErrInUse = errors.New("the store is in use")
)

// A Store keeps jobs, their items and their events. All methods may be called from many goroutines; those of pgstore
// also from many processes. A Store keeps no slice that it is given.
type Store interface {
	// Insert stores a new job with its operations, the items that are known already, and its first events. When the
	// tenant has a job with that Key already, it stores nothing and returns that job, and false. items yields the items
	// in order of operation and index; an error that it yields is returned, and nothing is stored. Totals of the
	// operations with items are counted by the store. The Job returned has its Number.
	Insert(ctx context.Context, job Job, items iter.Seq2[Item, error], events ...Event) (stored Job, inserted bool, err error)
	// Get returns a job by its tenant and id. ErrNotFound.
	Get(ctx context.Context, tenant, id string) (Job, error)
	// List returns jobs, newest first, by creation time and then number.
	List(ctx context.Context, q JobQuery) ([]Job, error)
	// CountJobs counts the jobs of all tenants by state.
	CountJobs(ctx context.Context) (map[State]int, error)
	// Change applies a conditional change and stores events with it. It returns the job as it is afterwards. With
	// ErrConflict or ErrFenced nothing is changed, and the job is returned as it is.
	Change(ctx context.Context, number int64, c Change, events ...Event) (Job, error)
	// Delete removes a job that has ended, up to limit rows at a time; more says that the call must be repeated. The
	// job is not found any more from the first call on, and its Key is free. ErrConflict for a job that has not ended.
	Delete(ctx context.Context, tenant, id string, limit int) (more bool, err error)
	// Doomed returns jobs whose Delete has begun and not ended.
	Doomed(ctx context.Context) ([]Job, error)

	// Claim leases a job to an owner: among the jobs that are queued or running and whose lease was given back or has
	// expired, the one with the highest Priority, and of these the one queued first. It raises the job's epoch, which fences the earlier
	// holder. It returns ErrNotFound when there is none.
	Claim(ctx context.Context, c Claim) (Job, error)
	// Renew extends the lease of a job. ErrFenced.
	Renew(ctx context.Context, lease JobLease, until time.Time) error

	// BeginExpansion removes the items that an earlier expansion of the operation has stored, and sets its phase to
	// Expanding. ErrFenced.
	BeginExpansion(ctx context.Context, lease JobLease, op int) error
	// AddItems stores items of an operation that is expanding, in order, from the index on that follows the last one:
	// ErrConflict for other indexes. The last items that were stored may be given again, by a caller who has not heard
	// that they were, and are not stored again. Items may have ended already. ErrFenced.
	AddItems(ctx context.Context, lease JobLease, op int, items []Item) error
	// SetItems records results of items that are in no part, such as those of duplicates that an expansion has found.
	// ErrFenced.
	SetItems(ctx context.Context, lease JobLease, op int, results []Result) error
	// Repeated returns the indexes of the items of an operation that have not ended and whose key an earlier item of the
	// operation has, in order, up to limit of them.
	Repeated(ctx context.Context, number int64, op, limit int) ([]int64, error)
	// SetPhase moves an operation on, and stores events with it; nothing for the phase that it is in. ErrFenced.
	SetPhase(ctx context.Context, lease JobLease, op int, phase Phase, events ...Event) error

	// NextPart leases the next part of an operation in phase Ready to the holder of the job's lease: one that was given
	// back or whose lease has expired, or a new one with up to size items behind the last part. It raises the part's
	// epoch. ErrNotFound when there is none for now. ErrFenced.
	NextPart(ctx context.Context, lease JobLease, op int, size int64, owner string, until time.Time) (Part, error)
	// PartItems returns all items of a part, in order and with their inputs, and all intents of the part, in the order in
	// which they were made.
	PartItems(ctx context.Context, part PartLease) ([]Item, []Intent, error)
	// Checkpoint stores what a part has begun and ended. It is durable when it returns. Every item is counted in its new
	// state and no longer in its state Was, also in the counts of its operation and its job. ErrFenced.
	Checkpoint(ctx context.Context, part PartLease, b Batch) error
	// RenewPart extends the lease of a part. ErrFenced.
	RenewPart(ctx context.Context, part PartLease, until time.Time) error
	// EndPart gives the lease back. A part that is done is never leased again, and its intents are forgotten. ErrFenced.
	EndPart(ctx context.Context, part PartLease, done bool) error
	// OpenParts counts the parts of an operation that are not done.
	OpenParts(ctx context.Context, number int64, op int) (int, error)

	// Recount counts the items of a job by state from the rows.
	Recount(ctx context.Context, number int64) (Counts, error)
	// Items returns items of a job in order.
	Items(ctx context.Context, number int64, q ItemQuery) ([]Item, error)
	// ErrorGroups returns the items that are Failed or Unknown grouped by state, kind, code and Resend, the largest group
	// first. The message
	// is that of the first item of the group.
	ErrorGroups(ctx context.Context, number int64, limit int) ([]ErrorGroup, error)

	// AddEvents stores events of a job. An event that Replaces takes the place of the last one of its type: that one is
	// removed. Numbers only rise.
	AddEvents(ctx context.Context, number int64, events ...Event) error
	// Events returns the events of a job whose number is greater than after, in order, at most limit.
	Events(ctx context.Context, number int64, after int64, limit int) ([]Event, error)

	// Value returns what SetValue stored under a name. ErrNotFound. It is for what limiters have learned.
	Value(ctx context.Context, name string) ([]byte, error)
	SetValue(ctx context.Context, name string, value []byte) error

	// Size returns the bytes that the store takes on disk.
	Size(ctx context.Context) (int64, error)
	// Close ends the use of the store. It is called once, and waits for the calls that are under way. Calls that come later
	// return ErrClosed.
	Close() error
}

// A Job is the row of a job.
type Job struct {
	Number      int64  // given by the store, unique in it
	ID          string // unique in the store
	Tenant      string
	Actor       string // who submitted it
	Type        string
	Description string
	Key         string // idempotency key of the submission; "" for none
	KeyHash     []byte // of the spec that was submitted
	Spec        []byte // JSON, without records and ids, which are items
	Labels      map[string]string
	Resources   []string // that its operations use
	Priority    int
	State       State
	Reason      string // why it is in that state; "" when the state says it all
	Run         int    // from 1
	Created     time.Time
	Queued      time.Time     // when it was queued last
	Started     time.Time     // zero before
	Ended       time.Time     // zero before
	Counts      Counts        // of all operations
	Elapsed     time.Duration // sum over the items that ended
	Epoch       int64         // of its lease
	Owner       string        // of its lease; "" for none
	LeaseUntil  time.Time
	Operations  []Operation
}

// State is the state of a job.
type State uint8

// The states of a job.
const (
	Queued State = iota + 1
	Running
	Paused
	Completed
	Failed
	Cancelled
)

// Ended reports whether the state is final.
func (s State) Ended() bool { return s >= Completed }

// Counts counts items by state.
type Counts struct {
	Total, Succeeded, Failed, Skipped, Unknown int64
	NotAttempted                               int64 // Total less the others: not stored
}

// Done returns how many items have ended.
func (c Counts) Done() int64 { return c.Succeeded + c.Failed + c.Skipped + c.Unknown }

// Add counts n more items in a state.
func (c *Counts) Add(state uint8, n int64) {
	c.Total += n
	switch state {
	case ItemSucceeded:
		c.Succeeded += n
	case ItemFailed:
		c.Failed += n
	case ItemSkipped:
		c.Skipped += n
	case ItemUnknown:
		c.Unknown += n
	default:
		c.NotAttempted += n
	}
}

// An Operation is a step of a job.
type Operation struct {
	Index  int // from 0
	Phase  Phase
	Counts Counts
	Next   int64 // index of the first item that is in no part
}

// Phase is how far an operation has come. Phases only rise, except that an expansion starts over.
type Phase uint8

// The phases.
const (
	Waiting   Phase = iota // its items are not known yet
	Expanding              // its items are being collected
	Ready                  // all its items are stored; parts may be leased
	Done
)

// An Item is the row of an item. The fields from State on are those of its Result.
type Item struct {
	Op    int
	Index int64 // in its operation, from 0
	Key   string
	Input []byte // JSON; nil when the operation says it all
	Result
}

// A Result is how an item ended. States, reasons and kinds are the numbers of package windrow.
type Result struct {
	Index       int64
	State       uint8 // 0: it has not ended, or was not attempted
	Was         uint8 // state so far, for [Store.Checkpoint] and [Store.SetItems]; not read elsewhere
	Reason      uint8
	Kind        uint8
	Resend      bool
	Attempts    int
	Elapsed     time.Duration
	ID          string // of the record
	Code        string // of the error
	Message     string // of the error; without item content
	Fingerprint string
	Warnings    []string
	Settled     int64     // number of the last intent of its part whose outcome for the item is known; 0: none
	Run         int       // that it ended in; 0 while it has not
	At          time.Time // when it ended; zero while it has not
}

// An Intent says that items were about to be sent together.
type Intent struct {
	Number         int64   // in its part, from 1, rising
	Indexes        []int64 // of its items
	IdempotencyKey string
	Attempt        int
	Handle         string
	Repeatable     bool
}

// A Handle is the id of a job on the server, added to an intent.
type Handle struct {
	Intent int64
	Handle string
}

// A Batch is what one Checkpoint stores.
type Batch struct {
	Results []Result
	Intents []Intent
	Handles []Handle
}

// JobLease is the right to carry out a job.
type JobLease struct {
	Job   int64
	Epoch int64
}

// PartLease is the right to carry out a part.
type PartLease struct {
	Job   int64
	Op    int
	Part  int64
	Epoch int64
}

// A Part is a contiguous range of the items of an operation.
type Part struct {
	PartLease
	From, To int64 // indexes of its items: From to To-1
}

// Claim says which job to lease.
type Claim struct {
	Owner     string
	Now       time.Time
	Until     time.Time // end of the lease
	Resources []string  // a job is leased only if all its Resources are among these
	Busy      []string  // no job that uses one of these is leased
}

// Change is a conditional change of a job. Nil fields stay.
type Change struct {
	From    []State   // the change happens only from these states; empty: from any
	Lease   *JobLease // the change happens only while this lease is held
	Unless  string    // the change does not happen while this is the job's Reason: ErrConflict; "": whatever that is
	Free    bool      // the change happens only while there is no lease, or it has expired: ErrConflict
	State   *State
	Reason  *string
	Started *time.Time // set only if it is zero
	Ended   *time.Time
	Queued  *time.Time
	Release bool // give the job's lease back
}

// JobQuery selects jobs.
type JobQuery struct {
	Tenant     string
	AllTenants bool              // whatever their Tenant
	States     []State           // empty: all
	Type       string            // "": all
	Labels     map[string]string // that a job must have
	Before     *JobCursor        // only jobs that come after this one in the list
	Limit      int
}

// JobCursor is a position in a list of jobs.
type JobCursor struct {
	Created time.Time
	Number  int64
}

// ItemQuery selects items.
type ItemQuery struct {
	Op     int         // -1: all
	States []uint8     // empty: all
	Code   string      // "": all
	Run    int         // 0: all
	Key    string      // "": all
	After  *ItemCursor // only items behind this one
	Limit  int
	Input  bool // read the inputs too
}

// ItemCursor is a position in the list of a job's items.
type ItemCursor struct {
	Op    int
	Index int64
}

// An ErrorGroup is the number of items that ended in one way.
type ErrorGroup struct {
	State   uint8
	Kind    uint8
	Code    string
	Resend  bool
	Message string // of the first item
	Items   int64
	First   ItemCursor
}

// An Event is something that happened to a job.
type Event struct {
	Number   int64 // in its job, from 1; given by the store
	Type     string
	At       time.Time
	Actor    string
	Run      int
	Data     []byte // JSON
	Replaces bool   // of an event to be stored: see [Store.AddEvents]
}
