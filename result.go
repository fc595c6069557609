package windrow

import (
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/windrow-go/windrow/internal/engine"
	"github.com/windrow-go/windrow/internal/enum"
)

// State is how an item ended. The zero State is [NotAttempted].
type State uint8

// The five states. Every input of a run ends in exactly one of them.
const (
	// NotAttempted: the item was not applied for certain: it was never sent, throttled, not connected, or rolled back.
	// It may be sent again without a check.
	NotAttempted State = iota
	// Succeeded: the server confirmed the item.
	Succeeded
	// Failed: the item was refused for good, by the server or by validation, or its attempts ran out with proof that it
	// was not applied. Reads end here, never in Unknown.
	Failed
	// Skipped: the item was deliberately not sent, or there was nothing to do. Its Reason says which.
	Skipped
	// Unknown: the item may have been applied, so it is sent again only when that is harmless. Its response was lost or
	// does not fit the request ([ErrProtocol]); or it was refused after an earlier response was lost; or it is a create
	// in a chunk that was refused by a server that may apply a part of a chunk, such as with 400, 409 or 422.
	Unknown
)

// String returns the state in lower case, words joined by an underscore.
func (s State) String() string { return enum.States.Name(uint8(s)) }

// MarshalText implements [encoding.TextMarshaler].
func (s State) MarshalText() ([]byte, error) { return enum.States.Text(uint8(s)) }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (s *State) UnmarshalText(text []byte) error { return enum.States.Read(text, (*uint8)(s)) }

// Reason says why an item was Skipped. The zero Reason is for items in other states.
type Reason uint8

// The reasons.
const (
	NoReason            Reason = iota
	ReasonUnchanged            // the record on the server is already as requested
	ReasonAlreadyExists        // the server has a record, which was not to be replaced
	ReasonNotFound             // the record to be deleted does not exist
	ReasonDoneBefore           // an earlier run did it, according to the [Journal]
	ReasonDryRun               // nothing is sent in a dry run
	ReasonDuplicate            // another item with its key was sent in its place
)

// String returns the reason in lower case, words joined by an underscore.
func (r Reason) String() string { return enum.Reasons.Name(uint8(r)) }

// MarshalText implements [encoding.TextMarshaler].
func (r Reason) MarshalText() ([]byte, error) { return enum.Reasons.Text(uint8(r)) }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (r *Reason) UnmarshalText(text []byte) error { return enum.Reasons.Read(text, (*uint8)(r)) }

// Outcome is the result of one item of a native batch. Exactly one of these holds: Err is nil and the item succeeded;
// Err is set; Reason is set, and there was nothing to do. An Err without a class of its own means that the item was
// refused for good; see clients.BatchCreator.
type Outcome[Out any] struct {
	Value    Out      // the record that the server returned, or already has
	Err      error    // why the item was refused
	Reason   Reason   // why there was nothing to do
	Warnings []string // deviations from the request, such as fields that the server dropped
}

// Result is the outcome of one item.
type Result[In, Out any] struct {
	Index    int           // in the whole input of the run, from 0
	Input    In            // as it was given
	Value    Out           // the record that the server returned, or already has if Skipped; otherwise the zero value
	State    State         // how it ended
	Reason   Reason        // why it was Skipped
	Kind     ErrorKind     // of Err
	Resend   bool          // of a Failed item: it was not refused, and may succeed unchanged
	Err      error         // nil when Succeeded or Skipped
	Attempts int           // charged attempts; throttled ones, and those repeated in smaller chunks, are not charged
	Key      string        // the key, or the id of an update, delete or read; "" without either
	ID       string        // result of [BatchProcessor.ResultID] for Value, in this run or, from a [Journal], an earlier one
	Warnings []string      // of the server, also for an item that succeeded
	Elapsed  time.Duration // from its first call to its last response; a mean for calls of less than 10 µs
}

// RunStats counts what a run did.
type RunStats struct {
	Total        int           `json:"total"`         // inputs; the next five add up to it
	Succeeded    int           `json:"succeeded"`     // inputs that ended as Succeeded
	Failed       int           `json:"failed"`        // inputs that ended as Failed
	Skipped      int           `json:"skipped"`       // inputs that ended as Skipped
	NotAttempted int           `json:"not_attempted"` // inputs that ended as NotAttempted
	Unknown      int           `json:"unknown"`       // inputs that ended as Unknown
	Requests     int           `json:"requests"`      // calls of the client, look-ups and throttled ones included
	Retries      int           `json:"retries"`       // requests for items that had been sent before
	Throttled    int           `json:"throttled"`     // requests that the server refused as too many
	Elapsed      time.Duration `json:"elapsed_ns"`    // from the call of Run to its return
	ThrottledFor time.Duration `json:"throttled_ns"`  // how long the limiter was shut because the server throttled
	OutageFor    time.Duration `json:"outage_ns"`     // how long the limiter was shut because the server took no calls
}

// ItemsPerSecond returns how many items ended in a second, 0 for a run that took no time.
func (s RunStats) ItemsPerSecond() float64 {
	if s.Elapsed <= 0 {
		return 0
	}
	return float64(s.Total-s.NotAttempted) / s.Elapsed.Seconds()
}

func (s *RunStats) count(of State) *int {
	switch of {
	case Succeeded:
		return &s.Succeeded
	case Failed:
		return &s.Failed
	case Skipped:
		return &s.Skipped
	case Unknown:
		return &s.Unknown
	default:
		return &s.NotAttempted
	}
}

// BulkResult holds the outcome of every item of a run, in the order of the input. A run always returns one, also beside
// an error. Its methods may be called from several goroutines, except [BulkResult.Correct].
type BulkResult[In, Out any] struct {
	op        OpKind
	runID     string
	inputs    []In
	ownInputs bool // inputs is a copy, not the caller's slice
	values    []Out
	table     *engine.Table
	mask      int      // index & mask is the item's place; -1, unless it is the ring of a stream
	keys      []string // nil when there are none
	ids       []string // from a journal; nil when there are none
	idOf      func(Out) string
	stats     RunStats
	cause     error
	corrected map[int]bool
	revisions map[int]int // how often the input was corrected before it was sent
	scope     string      // of the idempotency keys; "" when they are the items' own
	stored    bool        // read from JSON, so values in interfaces have lost their types
}

// slots returns the outcomes; a result without a run has none.
func (r *BulkResult[In, Out]) slots() []engine.Slot {
	if r.table == nil {
		return nil
	}
	return r.table.Slots
}

// recount counts the states from the slots.
func (r *BulkResult[In, Out]) recount() {
	var counts [engine.States]int
	slots := r.slots()
	for first := 0; first < len(slots); { // adjacent items mostly end in the same state
		state, end := slots[first].State, first+1
		for end < len(slots) && slots[end].State == state {
			end++
		}
		counts[state] += end - first
		first = end
	}
	r.stats.Total = len(r.slots())
	for s, n := range counts {
		*r.stats.count(State(s)) = n
	}
}

// Len returns how many inputs there were.
func (r *BulkResult[In, Out]) Len() int { return len(r.slots()) }

// At returns the result of the item with that index, and panics when there is none.
func (r *BulkResult[In, Out]) At(index int) (res Result[In, Out]) {
	r.fill(&res, index)
	return res
}

// inputsOf returns a copy of the inputs of items. Adjacent items, which are the usual case, are copied together.
func (r *BulkResult[In, Out]) inputsOf(items []int) []In {
	in := make([]In, 0, len(items))
	for k := 0; k < len(items); k = len(in) {
		first, n := items[k]&r.mask, 1
		for k+n < len(items) && items[k+n]&r.mask == first+n {
			n++
		}
		in = append(in, r.inputs[first:first+n]...)
	}
	return in
}

// fill is [BulkResult.At] into a zero Result. It avoids copies of a Result, which is large.
func (r *BulkResult[In, Out]) fill(res *Result[In, Out], index int) {
	s, at := r.table.At(index), index&r.mask
	res.Index, res.Input, res.Elapsed = index, r.inputs[at], s.Elapsed
	res.State, res.Reason, res.Attempts = State(s.State), Reason(s.Reason), int(s.Attempts)
	if r.keys != nil {
		res.Key = r.keys[at]
	}
	if res.State == Succeeded || res.State == Skipped {
		res.Value = r.values[at]
		if r.idOf != nil || r.ids != nil {
			_ = guarded(func() error { res.ID = r.id(at, res.Reason); return nil }) // a panic of ResultID must not reach the reader of a result
		}
	}
	if s.HasDetail() {
		detail := r.table.Detail(index)
		res.Err, res.Kind, res.Warnings = detail.Err, ErrorKind(detail.Kind), detail.Warnings
		res.Resend = detail.Resend && res.State == Failed
	}
	if res.State == NotAttempted && res.Err == nil {
		res.Err = ErrNotAttempted
	}
}

// id returns the id of the record of an item that has Succeeded or was Skipped. It panics when ResultID does.
func (r *BulkResult[In, Out]) id(at int, reason Reason) string {
	switch {
	case r.ids != nil && r.ids[at] != "":
		return r.ids[at]
	case r.idOf != nil && reason != ReasonDoneBefore && reason != ReasonDryRun && reason != ReasonDuplicate:
		return r.idOf(r.values[at])
	}
	return ""
}

func (r *BulkResult[In, Out]) key(index int) string {
	if r.keys == nil {
		return ""
	}
	return r.keys[index&r.mask]
}

// All yields the results in one of the states, in the order of the input; with no state, all of them.
func (r *BulkResult[In, Out]) All(states ...State) iter.Seq[Result[In, Out]] {
	return func(yield func(Result[In, Out]) bool) {
		for i := range r.slots() {
			if (len(states) == 0 || slices.Contains(states, State(r.slots()[i].State))) && !yield(r.At(i)) {
				return
			}
		}
	}
}

// Succeeded yields the results of the items that succeeded.
func (r *BulkResult[In, Out]) Succeeded() iter.Seq[Result[In, Out]] { return r.All(Succeeded) }

// Failed yields the results of the items that failed.
func (r *BulkResult[In, Out]) Failed() iter.Seq[Result[In, Out]] { return r.All(Failed) }

// Skipped yields the results of the items that were skipped.
func (r *BulkResult[In, Out]) Skipped() iter.Seq[Result[In, Out]] { return r.All(Skipped) }

// NotAttempted yields the results of the items that were not attempted.
func (r *BulkResult[In, Out]) NotAttempted() iter.Seq[Result[In, Out]] { return r.All(NotAttempted) }

// Unknown yields the results of the items that may or may not have been applied.
func (r *BulkResult[In, Out]) Unknown() iter.Seq[Result[In, Out]] { return r.All(Unknown) }

// Values returns what the server returned for the items that succeeded, in the order of the input.
func (r *BulkResult[In, Out]) Values() []Out {
	if n := len(r.values); n > 0 && n == r.stats.Succeeded {
		return slices.Clone(r.values)
	}
	values := make([]Out, 0, r.stats.Succeeded)
	for i := range r.slots() {
		if r.slots()[i].State == engine.Succeeded {
			values = append(values, r.values[i])
		}
	}
	return values
}

// Inputs returns the inputs of the items in one of the states, in their order; with no state, all of them.
func (r *BulkResult[In, Out]) Inputs(states ...State) []In {
	var inputs []In
	for res := range r.All(states...) {
		inputs = append(inputs, res.Input)
	}
	return inputs
}

// Stats returns the counts.
func (r *BulkResult[In, Out]) Stats() RunStats { return r.stats }

// Correct replaces the input of an item that did not succeed, so that [BatchProcessor.Rerun] sends it even if it was
// refused or skipped, with another idempotency key. The caller's slice is not changed. Correct returns false, and
// changes nothing, for an item that Succeeded or is Unknown: the server may have that item, and sending another one
// would not correct it. Correct panics when there is no item with that index, and must not be called at the same time
// as another method.
func (r *BulkResult[In, Out]) Correct(index int, input In) bool {
	if s := r.slots()[index].State; s == engine.Succeeded || s == engine.Unknown {
		return false
	}
	if !r.ownInputs {
		r.inputs, r.ownInputs = slices.Clone(r.inputs), true
	}
	r.inputs[index] = input
	r.correct(index)
	return true
}

// correct marks an item as corrected and not sent since.
func (r *BulkResult[In, Out]) correct(index int) {
	if r.corrected == nil {
		r.corrected = map[int]bool{}
	}
	r.corrected[index] = true
}

// revise counts that an item is sent with a corrected input.
func (r *BulkResult[In, Out]) revise(index int) {
	if r.revisions == nil {
		r.revisions = map[int]int{}
	}
	r.revisions[index]++
}

// invalid ends an item that Validate refuses, or for which it panicked.
func (r *BulkResult[In, Out]) invalid(item int, err error) {
	kind := KindValidation
	if isPanic(err) {
		kind = KindSystem
	}
	if panicked, ok := err.(*PanicError); ok {
		panicked.Hook, panicked.Index = hookValidate, item
	}
	r.table.Put(item, engine.Slot{State: engine.Failed}, engine.Detail{Err: err, Kind: engine.Kind(kind)})
}

// Err returns nil when every item Succeeded or was Skipped, otherwise a [*BulkError].
func (r *BulkResult[In, Out]) Err() error {
	s := r.stats
	if r.cause == nil && s.Failed+s.Unknown+s.NotAttempted == 0 {
		return nil
	}
	return &BulkError{Stats: s, Cause: r.cause, items: sync.OnceValue(func() []*ItemError {
		errs := make([]*ItemError, 0, s.Failed+s.Unknown+s.NotAttempted)
		for res := range r.All(Failed, Unknown, NotAttempted) {
			errs = append(errs, &ItemError{
				Index: res.Index, Key: res.Key, State: res.State, Kind: res.Kind, Attempts: res.Attempts, Err: res.Err,
			})
		}
		return errs
	})}
}

// The engine's enums have the same values, in the same order; otherwise this does not compile.
var (
	_ = [1]int{}[int(Unknown)-int(engine.Unknown)]
	_ = [1]int{}[int(ReasonDuplicate)-int(engine.Duplicate)]
	_ = [1]int{}[int(KindTimeout)-int(engine.Timeout)]
)
