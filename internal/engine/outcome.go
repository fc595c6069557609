package engine

import (
	"math"
	"slices"
	"sync"
	"time"

	"github.com/windrow-go/windrow/internal/adapt"
)

// State is how an item ended. The zero State, NotAttempted, is right for an item that was never sent.
type State uint8

// The five states.
const (
	NotAttempted State = iota
	Succeeded
	Failed
	Skipped
	Unknown
	States // how many there are

	// Doubtful marks, in a stream, an item to be sent that an earlier run may have applied.
	Doubtful = States

	held = States + 1 // in a stream: the item waits for an earlier item with its key
)

// Reason says why an item was skipped.
type Reason uint8

// The reasons.
const (
	NoReason Reason = iota
	Unchanged
	AlreadyExists
	NotFound
	DoneBefore
	DryRun
	Duplicate
)

// Kind groups errors by what a person does about them.
type Kind uint8

// The kinds.
const (
	System Kind = iota
	Validation
	Resource
	Timeout
)

// Class says what to do after an error.
type Class uint8

// The classes.
const (
	Permanent Class = iota
	Transient
	Throttled
	TooLarge
	Ambiguous
	Fatal
)

// A Judgement is the classification of an error.
type Judgement struct {
	Class    Class
	Kind     Kind
	After    time.Duration // the pause that the server asked for; 0: none
	MaxItems int           // with TooLarge: the limit that the response names; 0: none
	BadItem  int           // position in the chunk, from 1, of the item that the response blames; 0: none

	Undone   bool   // with Transient: not applied because of another item of the request
	Skip     Reason // no failure: there was nothing to do, for this reason
	NotFound bool   // the server does not have the record
	Exists   bool   // the server has the record already
	Conflict bool   // the record is in another state, or locked by another request
	Invalid  bool   // the status means either invalid content or a record that exists
	Plain    bool   // a refusal that was not recognised
	Cut      bool   // a refusal whose body was cut off
	Whole    bool   // the whole request was refused, so none of its items was applied

	BeforeSuccess bool // Fatal only until the run's first success, then Permanent
	StopWhenSpent bool // when the attempts are used up the run stops, too
	Final         bool // no further attempt, whatever the class

	Responded bool // a response came, of any kind

	Trouble adapt.Trouble // with Transient or Ambiguous: what the error shows about the server
	Host    string        // the server's host; "" when unknown
	Detail  string        // what happened, without data of the item; "" when Trouble says it all

	Err error // why judging failed, or nil; joined to the attempt's error
}

// mayExist reports whether the refusal may mean that the record exists. If a look-up shows that it does not, the item
// was at fault.
func (j Judgement) mayExist() bool { return j.Exists || j.Invalid || j.Plain }

// Slot is the outcome of one item. A run has one for each item, so a Slot is small and holds no pointer.
type Slot struct {
	Elapsed  time.Duration
	detail   uint32 // index in the table's details, from 1; 0 for the plain case
	Attempts uint16 // at most 65,535
	State    State
	Reason   Reason
}

// HasDetail reports whether [Table.Detail] returns more than the zero Detail.
func (s *Slot) HasDetail() bool { return s.detail != 0 }

// Detail holds what only some outcomes have.
type Detail struct {
	Err      error
	Kind     Kind
	Resend   bool // failed without having been refused, so the same item may succeed later
	Warnings []string
	Open     *Replay // of an item that ended as Unknown: the request that a later run can continue; nil for none
}

// Table holds the outcomes of a run: one slot for each item, or a ring of slots for a stream.
type Table struct {
	Slots   []Slot
	mask    int // item & mask is its slot
	mu      sync.Mutex
	details []Detail
}

// NewTable returns a table for n items, all NotAttempted.
func NewTable(n int) *Table { return &Table{Slots: make([]Slot, n), mask: -1} }

// NewRing returns a table for a stream. slots must be a power of two.
func NewRing(slots int) *Table { return &Table{Slots: make([]Slot, slots), mask: slots - 1} }

// Clone returns a copy.
func (t *Table) Clone() *Table {
	t.mu.Lock()
	defer t.mu.Unlock()
	return &Table{Slots: slices.Clone(t.Slots), mask: t.mask, details: slices.Clone(t.details)}
}

// At returns the slot of an item.
func (t *Table) At(item int) *Slot { return &t.Slots[item&t.mask] }

// Fill sets the outcome of the items from lo to hi-1, which have no details.
func (t *Table) Fill(lo, hi int, s Slot) {
	for lo < hi {
		at := lo & t.mask
		part := t.Slots[at:min(at+hi-lo, len(t.Slots))] // a ring wraps around
		for k := range part {
			part[k] = s
		}
		lo += len(part)
	}
}

// Put sets the outcome of an item and its detail.
func (t *Table) Put(item int, s Slot, d Detail) {
	t.mu.Lock()
	if t.mask >= 0 { // a ring has one place for the detail of each slot
		if t.details == nil {
			t.details = make([]Detail, len(t.Slots))
		}
		s.detail = uint32(item&t.mask) + 1
		t.details[s.detail-1] = d
	} else {
		t.details = append(t.details, d)
		s.detail = uint32(len(t.details))
	}
	t.mu.Unlock()
	*t.At(item) = s
}

// Copy sets the outcome of an item to that of another.
func (t *Table) Copy(from, to int) { t.set(to, *t.At(from), t.Detail(from)) }

// set sets the outcome of an item, and its detail if the slot says that it has one.
func (t *Table) set(item int, s Slot, d Detail) {
	if s.HasDetail() {
		t.Put(item, s, d)
		return
	}
	*t.At(item) = s
}

// Detail returns the detail of an item, the zero Detail when it has none.
func (t *Table) Detail(item int) Detail {
	k := t.At(item).detail
	if k == 0 {
		return Detail{}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.details[k-1]
}

// Attempts converts a number of attempts to the type of [Slot.Attempts], capped at its maximum.
func Attempts[N int | uint16 | uint32](n N) uint16 {
	return uint16(min(uint64(max(0, n)), math.MaxUint16))
}

// Answer is the result of one item in the response to a native batch.
type Answer struct {
	Err      error
	Reason   Reason // other than NoReason: the server had nothing to do
	Warnings []string
}

// Answers are the results in the response to a native batch. An item without one has succeeded.
type Answers struct {
	items int
	said  []Answer // one for each item; nil until the first Set
}

// Set sets the result of the k-th item.
func (s *Answers) Set(k int, a Answer) {
	if s.said == nil {
		s.said = make([]Answer, s.items)
	}
	s.said[k] = a
}

// of returns the result of the k-th item.
func (s *Answers) of(k int) Answer {
	if s.said == nil {
		return Answer{}
	}
	return s.said[k]
}

// good reports whether no item has an error.
func (s *Answers) good() bool {
	for k := range s.said {
		if s.said[k].Err != nil {
			return false
		}
	}
	return true
}
