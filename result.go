package windrow

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/windrow-go/windrow/internal/engine"
	"github.com/windrow-go/windrow/internal/enum"
	"github.com/windrow-go/windrow/internal/exact"
	"github.com/windrow-go/windrow/internal/gate"
	"github.com/windrow-go/windrow/internal/progress"
	"github.com/windrow-go/windrow/internal/resume"
	"github.com/windrow-go/windrow/internal/saved"
	"github.com/windrow-go/windrow/internal/sink"
)

// State is how an item ended. The zero State is [NotAttempted].
type State uint8

// The five states. Every input of a run ends in exactly one of them.
const (
	// NotAttempted: the item never reached the server, or the server proved that it rolled it back. It may be sent
	// again blindly.
	NotAttempted State = iota
	// Succeeded: the server confirmed it.
	Succeeded
	// Failed: it was refused for good, by the server or by validation, or its attempts ran out with proof that it
	// was not applied. Reads end here, never in Unknown.
	Failed
	// Skipped: it was not sent on purpose, or there was nothing to do. Its Reason says which.
	Skipped
	// Unknown: it was sent and the answer was lost. It may have been applied, so it is sent again only when that is
	// harmless.
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
	ReasonUnchanged            // the server has it as it is
	ReasonAlreadyExists        // the server has it, and it was not to be replaced
	ReasonNotFound             // it was to be deleted, and the server does not have it
	ReasonDoneBefore           // an earlier run did it, as its [Journal] says
	ReasonDryRun               // nothing is sent in a dry run
	ReasonDuplicate            // another item with its key was sent in its place
)

// String returns the reason in lower case, words joined by an underscore.
func (r Reason) String() string { return enum.Reasons.Name(uint8(r)) }

// MarshalText implements [encoding.TextMarshaler].
func (r Reason) MarshalText() ([]byte, error) { return enum.Reasons.Text(uint8(r)) }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (r *Reason) UnmarshalText(text []byte) error { return enum.Reasons.Read(text, (*uint8)(r)) }

// ErrorKind groups errors by what a person does about them. The zero ErrorKind is [KindSystem].
type ErrorKind uint8

// The kinds.
const (
	KindSystem     ErrorKind = iota // the network, the server, a panic: wait, or report it
	KindValidation                  // the data: correct it
	KindResource                    // what it refers to, or the right to touch it
	KindTimeout                     // no answer in time
)

// String returns the kind in lower case.
func (k ErrorKind) String() string { return enum.Kinds.Name(uint8(k)) }

// MarshalText implements [encoding.TextMarshaler].
func (k ErrorKind) MarshalText() ([]byte, error) { return enum.Kinds.Text(uint8(k)) }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (k *ErrorKind) UnmarshalText(text []byte) error { return enum.Kinds.Read(text, (*uint8)(k)) }

// The engine's enums have the same values, in the same order. It does not compile otherwise.
var (
	_ = [1]int{}[int(Unknown)-int(engine.Unknown)]
	_ = [1]int{}[int(ReasonDuplicate)-int(engine.Duplicate)]
	_ = [1]int{}[int(KindTimeout)-int(engine.Timeout)]
)

// Outcome is what a native batch says of one item. Exactly one of these holds: Err is nil and the item succeeded;
// Err is set; Reason is set, and there was nothing to do. An Err without a class of its own is a refusal of the item, for
// good; see [BatchCreator].
type Outcome[Out any] struct {
	Value    Out      // what the server returned for the item, or what it has already
	Err      error    // why the item was refused
	Reason   Reason   // why there was nothing to do
	Warnings []string // what the server did other than asked, such as fields that it dropped
}

// Result is the outcome of one item.
type Result[In, Out any] struct {
	Index    int           // in the whole input of the run, from 0
	Input    In            // as it was given
	Value    Out           // what the server returned, or has if it was Skipped; otherwise the zero value
	State    State         // how it ended
	Reason   Reason        // why it was Skipped
	Kind     ErrorKind     // of Err
	Resend   bool          // of a Failed item: it never got through, and may succeed as it is; false when it was refused
	Err      error         // nil when Succeeded or Skipped
	Attempts int           // charged attempts; one that was throttled, or is made again in smaller parts, is not
	Key      string        // or the id of an update, delete or read; "" without either
	ID       string        // what [BatchProcessor.ResultID] named of Value, in this run or, as a [Journal] says, an earlier one
	Warnings []string      // of the server, also about an item that succeeded
	Elapsed  time.Duration // from its first call to its last answer; for calls of less than 10 µs a mean
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
	OutageFor    time.Duration `json:"outage_ns"`     // how long it was shut because the server took no calls
}

// ItemsPerSecond is how many items ended in a second, 0 for a run that took no time.
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

// BulkResult holds the outcome of every item of a run, in the order of the input. A run returns one in any case,
// also beside an error. Its methods may be called from several goroutines, [BulkResult.Correct] apart.
type BulkResult[In, Out any] struct {
	op        OpKind
	runID     string
	inputs    []In
	ownInputs bool // inputs is a copy, not the caller's slice
	values    []Out
	table     *engine.Table
	mask      int      // index & mask is the item's place; -1, unless it is the ring of a stream
	keys      []string // nil when there are none
	ids       []string // that a journal knew; nil when there are none
	idOf      func(Out) string
	stats     RunStats
	cause     error
	corrected map[int]bool
	revisions map[int]int // how often the input was corrected before it was sent
	scope     string      // of the idempotency keys; "" when they are the items' own
	stored    bool        // it was read from JSON, where what was in an interface has lost its type
}

// slots returns the outcomes; a result that no run made has none.
func (r *BulkResult[In, Out]) slots() []engine.Slot {
	if r.table == nil {
		return nil
	}
	return r.table.Slots
}

// Len returns how many inputs there were.
func (r *BulkResult[In, Out]) Len() int { return len(r.slots()) }

// At returns the result of the item with that index, and panics when there is none.
func (r *BulkResult[In, Out]) At(index int) (res Result[In, Out]) {
	r.fill(&res, index)
	return res
}

// inputsOf returns a copy of the inputs of items. Those that follow each other, as most do, are copied together.
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

// fill is [BulkResult.At] into a zero Result, which is large enough for each copy to count.
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
			_ = guarded(func() error { res.ID = r.id(at, res.Reason); return nil }) // who reads a result is not to blame
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

// id is what the server calls the record of an item that needs nothing more. It panics when ResultID does.
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

// All yields the results in the order of the input.
func (r *BulkResult[In, Out]) All() iter.Seq[Result[In, Out]] { return r.In() }

// In yields the results in one of the states, in the order of the input; with no state, all of them.
func (r *BulkResult[In, Out]) In(states ...State) iter.Seq[Result[In, Out]] {
	return func(yield func(Result[In, Out]) bool) {
		for i := range r.slots() {
			if (len(states) == 0 || slices.Contains(states, State(r.slots()[i].State))) && !yield(r.At(i)) {
				return
			}
		}
	}
}

// Succeeded yields the results of the items that succeeded.
func (r *BulkResult[In, Out]) Succeeded() iter.Seq[Result[In, Out]] { return r.In(Succeeded) }

// Failed yields the results of the items that failed.
func (r *BulkResult[In, Out]) Failed() iter.Seq[Result[In, Out]] { return r.In(Failed) }

// Skipped yields the results of the items that were skipped.
func (r *BulkResult[In, Out]) Skipped() iter.Seq[Result[In, Out]] { return r.In(Skipped) }

// NotAttempted yields the results of the items that were not attempted.
func (r *BulkResult[In, Out]) NotAttempted() iter.Seq[Result[In, Out]] { return r.In(NotAttempted) }

// Unknown yields the results of the items of which nobody knows whether they were applied.
func (r *BulkResult[In, Out]) Unknown() iter.Seq[Result[In, Out]] { return r.In(Unknown) }

// Results returns what [BulkResult.In] yields.
func (r *BulkResult[In, Out]) Results(states ...State) []Result[In, Out] {
	return slices.Collect(r.In(states...))
}

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
	for res := range r.In(states...) {
		inputs = append(inputs, res.Input)
	}
	return inputs
}

// Stats returns the counts.
func (r *BulkResult[In, Out]) Stats() RunStats { return r.stats }

// Correct replaces the input of an item that did not succeed, so that [BatchProcessor.Rerun] sends it although it had
// been refused or skipped, with another idempotency key. The caller's slice is not changed. It reports false, and
// changes nothing, for an item that Succeeded or is Unknown: what the server may have is not corrected by sending
// another. It panics when there is no item with that index, and must not be called at the same time as another method.
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

// correct marks an item as one whose input was corrected and not sent since.
func (r *BulkResult[In, Out]) correct(index int) {
	if r.corrected == nil {
		r.corrected = map[int]bool{}
	}
	r.corrected[index] = true
}

// revise notes that an item is sent with a corrected input.
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
		for res := range r.In(Failed, Unknown, NotAttempted) {
			errs = append(errs, &ItemError{
				Index: res.Index, Key: res.Key, State: res.State, Kind: res.Kind, Attempts: res.Attempts, Err: res.Err,
			})
		}
		return errs
	})}
}

// ErrNotAttempted is the error of an item that was never sent because the run had been stopped. What stopped it is
// the Cause of the [BulkError].
var ErrNotAttempted = errors.New("windrow: not attempted: the run was stopped before")

var (
	// ErrNilClient is the Cause of a run whose client or function is nil.
	ErrNilClient = errors.New("windrow: the client is nil: pass a client, or a function that is not nil")
	// ErrNilContext is the Cause of a run whose context is nil.
	ErrNilContext = errors.New("windrow: the context is nil: pass context.Background() if there is no other")
	// ErrTooManyFailures is matched by the Cause of a run that [StopOnError], [MaxFailures] or [MaxFailureRate] stopped.
	ErrTooManyFailures = errors.New("windrow: too many failures")
	// ErrFatal is matched by the Cause of a run that an error stopped which every further call would have met: bad
	// credentials, a bad certificate, a name that does not exist.
	ErrFatal = errors.New("windrow: every further call would fail")
	// ErrThrottled is matched by the Cause of a run that the server throttles for longer than
	// [RetryPolicy.MaxThrottleWait]. Rerun goes on with it later.
	ErrThrottled = errors.New("windrow: the server throttles")
	// ErrOutage is matched by the Cause of a run whose server took no calls for longer than [RetryPolicy.MaxThrottleWait]:
	// connections were refused, broke or brought no response, or all that came was a 502, 503, 504 or 500. Rerun goes on
	// with it later.
	ErrOutage = errors.New("windrow: the server takes no calls")
	// ErrRetryBudget is matched by the Cause of a run whose [RetryBudget] was used up for longer than MaxThrottleWait.
	ErrRetryBudget = errors.New("windrow: the retry budget is used up")
	// ErrDuplicateKey is matched by the Cause of a run two of whose items have the same key.
	ErrDuplicateKey = errors.New("windrow: duplicate key")
)

var (
	// ErrBegun is matched by the error of an item that an earlier run has begun and not ended, as its [Journal] says: its
	// answer was lost with that run, it must not be sent twice, and there is no way to look.
	ErrBegun = resume.ErrBegun
	// ErrContentChanged is matched by the error of an item that a [Journal] knows with another [BatchProcessor.Fingerprint].
	ErrContentChanged = resume.ErrContentChanged
)

// BulkError is the error of a run in which not every item Succeeded or was Skipped.
type BulkError struct {
	// Stats are the counts of the run.
	Stats RunStats
	// Cause is what stopped the run; nil when it ran to its end.
	Cause error
	items func() []*ItemError
}

// Error says what stopped the run, how many items did not make it, and the first error.
func (e *BulkError) Error() string {
	s := e.Stats
	var parts, counts []string
	switch {
	case e.Cause == nil:
	case s.Requests == 0:
		parts = append(parts, "nothing was sent: "+plain(e.Cause))
	default:
		parts = append(parts, "the run was stopped: "+plain(e.Cause))
	}
	if twice, ok := errors.AsType[*DuplicateKeysError](e.Cause); ok && twice.list() != "" {
		parts = append(parts, twice.list())
	}
	for _, c := range []struct {
		n    int
		what string
	}{{s.Failed, "failed"}, {s.Unknown, "unknown"}, {s.NotAttempted, "not attempted"}} {
		if c.n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", c.n, c.what))
		}
	}
	if len(counts) > 0 {
		parts = append(parts, fmt.Sprintf("of %d items %s", s.Total, strings.Join(counts, ", ")))
	}
	items := e.Items()
	if first := slices.IndexFunc(items, func(i *ItemError) bool { return i.Err != ErrNotAttempted }); first >= 0 {
		parts = append(parts, "first: "+items[first].Error())
	}
	return "windrow: " + strings.Join(parts, "; ")
}

// plain returns the text of an error on one line, to stand within another text of this package.
func plain(err error) string { return strings.TrimPrefix(ours.Replace(err.Error()), "windrow: ") }

var ours = strings.NewReplacer("\nwindrow: ", "; ", ": windrow: ", ": ", "\n", "; ")

// Items returns the errors of the items, in the order of the input.
func (e *BulkError) Items() []*ItemError {
	if e.items == nil {
		return nil
	}
	return e.items()
}

// Unwrap returns the cause, if there is one, and the errors of the items.
func (e *BulkError) Unwrap() []error {
	items := e.Items()
	errs := make([]error, 0, len(items)+1)
	if e.Cause != nil {
		errs = append(errs, e.Cause)
	}
	for _, item := range items {
		errs = append(errs, item)
	}
	return errs
}

// ItemError is the error of one item. Its text names the item by index and key, and never shows its content.
type ItemError struct {
	Index    int       // of the item in the whole input, from 0
	Key      string    // or the id of an update, delete or read; "" without either
	State    State     // Failed, Unknown or NotAttempted
	Kind     ErrorKind // what sort of error it is
	Attempts int       // charged attempts
	Err      error     // what the client or the validation said
}

// Error implements error.
func (e *ItemError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "item %d", e.Index)
	if e.Key != "" {
		fmt.Fprintf(&b, " (key %q)", e.Key)
	}
	switch {
	case e.State == NotAttempted && e.Attempts > 1:
		b.WriteString(" was not applied")
	case e.State == NotAttempted:
		b.WriteString(" was not attempted")
	case e.State == Unknown:
		b.WriteString(" may have been applied")
	default:
		b.WriteString(" failed")
	}
	if e.Attempts > 1 {
		fmt.Fprintf(&b, " after %d attempts", e.Attempts)
	}
	if e.Err != nil && e.Err != ErrNotAttempted {
		b.WriteString(": " + plain(e.Err))
	}
	return b.String()
}

// Unwrap returns what the client or the validation said.
func (e *ItemError) Unwrap() error { return e.Err }

// FieldError is what is wrong with one field of an item. A Validate function returns several by [errors.Join];
// clients return those that the server names.
type FieldError struct {
	Field   string // its name, as the server or the validation calls it
	Code    string // the server's own, "" when it has none
	Message string // says what is wrong, without the field's value
}

// Error implements error.
func (e *FieldError) Error() string {
	switch {
	case e.Message == "":
		return strings.TrimSpace(e.Field + ": " + e.Code)
	case e.Field == "":
		return e.Message
	}
	return e.Field + ": " + e.Message
}

// FieldErrors returns all field errors in the tree of err.
func FieldErrors(err error) []*FieldError {
	switch e := err.(type) {
	case nil:
		return nil
	case *FieldError:
		return []*FieldError{e}
	case interface{ Unwrap() error }:
		return FieldErrors(e.Unwrap())
	case interface{ Unwrap() []error }:
		var all []*FieldError
		for _, err := range e.Unwrap() {
			all = append(all, FieldErrors(err)...)
		}
		return all
	}
	return nil
}

// PanicError is the error of an item whose function panicked.
type PanicError struct {
	// Value is what the function panicked with. The error's text does not show it, unless it is a [runtime.Error]:
	// it may hold the item's content.
	Value any
	// Stack is the stack of the panic, as text.
	Stack []byte
	// Hook is the name of the hook that panicked, such as Validate or OnProgress; "" for the client's function and others.
	Hook string
	// Index is the item that Validate looked at, in the whole input, from 0.
	Index int
}

// Error implements error.
func (e *PanicError) Error() string {
	who := cmp.Or(e.Hook, "the function")
	if e.Hook == hookValidate {
		who += " of item " + strconv.Itoa(e.Index)
	}
	if err, ok := e.Value.(runtime.Error); ok {
		return "windrow: " + who + " panicked: " + err.Error()
	}
	return fmt.Sprintf("windrow: %s panicked with a value of type %T", who, e.Value)
}

// ErrGoexit is the error of an item whose function ended its goroutine with [runtime.Goexit], as t.FailNow does.
var ErrGoexit = errors.New("windrow: the function called runtime.Goexit")

// lost makes the error of a function that panicked or ended its goroutine.
func lost(value any, stack []byte) error {
	if value == nil {
		return ErrGoexit
	}
	return &PanicError{Value: value, Stack: stack}
}

const hookValidate = "Validate"

// lostIn is lost for a hook of that name.
func lostIn(hook string) func(value any, stack []byte) error {
	return func(value any, stack []byte) error {
		if value == nil {
			return fmt.Errorf("windrow: %s: %w", hook, ErrGoexit)
		}
		return &PanicError{Value: value, Stack: stack, Hook: hook}
	}
}

func isPanic(err error) bool {
	_, panicked := err.(*PanicError)
	return panicked || err == ErrGoexit
}

// guarded calls a caller's function and makes an error of its panic.
func guarded(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return f()
}

// summaryLimit is how many failures a summary lists.
const summaryLimit = 100

// Summary writes a report for people: the totals, and of each item that did not succeed its error and its data.
// It lists the first 100. The error is the writer's.
func (r *BulkResult[In, Out]) Summary(w io.Writer) error {
	s := r.stats
	var share float64
	if s.Total > 0 {
		share = 100 * float64(s.Succeeded) / float64(s.Total)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Total: %d\nSuccessful: %d (%.1f%%)\nFailed: %d\n", s.Total, s.Succeeded, share, s.Failed)
	lost := 0
	for res := range r.In(Failed) {
		if res.Resend {
			lost++
		}
	}
	if lost > 0 {
		fmt.Fprintf(&b, "  %d of them never got through, and may be sent again as they are\n", lost)
	}
	for _, line := range []struct {
		name string
		n    int
	}{{"Skipped", s.Skipped}, {"Unknown", s.Unknown}, {"Not attempted", s.NotAttempted}} {
		if line.n > 0 {
			fmt.Fprintf(&b, "%s: %d\n", line.name, line.n)
		}
	}
	if r.cause != nil {
		fmt.Fprintf(&b, "Stopped: %s\n", plain(r.cause))
	}
	listed := 0
	for res := range r.In(Failed, Unknown) {
		if listed == summaryLimit {
			fmt.Fprintf(&b, "  and %d more\n", s.Failed+s.Unknown-listed)
			break
		}
		listed++
		fmt.Fprintf(&b, "  Item %d: %s\n    Data: %+v\n", res.Index, plain(res.Err), res.Input)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// bulkJSON is the JSON form of a result. Its field names are part of the contract, as are those of its items.
type bulkJSON[In, Out any] struct {
	Operation OpKind                `json:"operation"`
	RunID     string                `json:"run_id"`
	Scope     string                `json:"idempotency_scope,omitempty"` // what older forms do not have
	Stats     RunStats              `json:"stats"`
	Cause     string                `json:"cause,omitempty"`
	Items     []saved.Item[In, Out] `json:"items"`
	Open      []saved.Open          `json:"open,omitempty"` // what Unknown items left to be asked for
}

// MarshalJSON implements [json.Marshaler]. The form is stable, holds the inputs and what the server returned, and can
// be read back to be given to [BatchProcessor.Rerun]; errors come back as texts. Numbers come back with all their digits:
// one in an interface, as in a map[string]any, is a [json.Number] then, which is written as it was.
func (r *BulkResult[In, Out]) MarshalJSON() ([]byte, error) {
	s := &saved.Result[In, Out]{
		Inputs: r.inputs, Values: r.values, Table: r.table, Keys: r.keys, Corrected: r.corrected, Revisions: r.revisions,
	}
	out := bulkJSON[In, Out]{
		Operation: r.op, RunID: r.runID, Scope: r.scope, Stats: r.stats, Items: s.Items(func(i int) string { return r.At(i).ID }), Open: s.Open(),
	}
	if r.cause != nil {
		out.Cause = r.cause.Error()
	}
	return json.Marshal(out)
}

// UnmarshalJSON implements [json.Unmarshaler].
func (r *BulkResult[In, Out]) UnmarshalJSON(data []byte) error {
	var in bulkJSON[In, Out]
	if err := exact.Unmarshal(data, &in); err != nil {
		return err
	}
	s, err := saved.Load(in.Items)
	if err == nil {
		err = s.Reopen(in.Open)
	}
	if err != nil {
		return err
	}
	*r = BulkResult[In, Out]{
		op: in.Operation, runID: in.RunID, scope: in.Scope, stats: in.Stats, inputs: s.Inputs, ownInputs: true, values: s.Values,
		table: s.Table, mask: -1, keys: s.Keys, ids: s.IDs, corrected: s.Corrected, revisions: s.Revisions, stored: true,
	}
	if in.Cause != "" {
		r.cause = errors.New(in.Cause)
	}
	r.recount()
	return nil
}

// recount counts the states from the slots.
func (r *BulkResult[In, Out]) recount() {
	var counts [engine.States]int
	slots := r.slots()
	for first := 0; first < len(slots); { // neighbours mostly ended alike
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

// Progress is how far a run has come.
type Progress struct {
	Done   int           `json:"done"`      // items that have ended
	Total  int           `json:"total"`     // -1 when it is not known
	Failed int           `json:"failed"`    // of Done: Failed or Unknown
	Rate   float64       `json:"rate"`      // items a second so far; a pause under way does not count
	ETA    time.Duration `json:"eta_ns"`    // until the end, the rest of a pause included; -1 when it cannot be told, as in an outage
	Paused time.Duration `json:"paused_ns"` // how long the limiter is still shut; 0 when it is open, or a single call tries
	// Waiting is why nothing but a single call now and then is sent: that the server throttles, that it takes no calls, or
	// that the limiter is paused. "" when the run does not wait.
	Waiting string `json:"waiting"`
}

// MarshalJSON implements [json.Marshaler]. A total and an end that are not known are null; times are in nanoseconds.
func (p Progress) MarshalJSON() ([]byte, error) {
	type plain Progress
	form := struct {
		plain
		Total *int           `json:"total"`
		ETA   *time.Duration `json:"eta_ns"`
	}{plain: plain(p)}
	if p.Total >= 0 {
		form.Total = &p.Total
	}
	if p.ETA >= 0 {
		form.ETA = &p.ETA
	}
	return json.Marshal(form)
}

// UnmarshalJSON implements [json.Unmarshaler].
func (p *Progress) UnmarshalJSON(data []byte) error {
	type plain Progress
	form := struct {
		*plain
		Total *int           `json:"total"`
		ETA   *time.Duration `json:"eta_ns"`
	}{plain: (*plain)(p)}
	*p = Progress{Total: -1, ETA: -1}
	if err := json.Unmarshal(data, &form); err != nil {
		return err
	}
	if form.Total != nil {
		p.Total = *form.Total
	}
	if form.ETA != nil {
		p.ETA = *form.ETA
	}
	return nil
}

// Percent returns the share that is done, rounded; 100 for an empty run and -1 when the total is not known.
func (p Progress) Percent() int {
	switch {
	case p.Total < 0:
		return -1
	case p.Total == 0:
		return 100
	}
	return int(float64(p.Done)/float64(p.Total)*100 + 0.5)
}

// OnProgress is called with the progress of each run, about ten times a second and once at the end, from one
// goroutine. A slow function never slows the work: it sees fewer steps. Run returns after its last call has.
func OnProgress(f func(Progress)) Option {
	return option("OnProgress", f != nil, "nil", "must be a function", func(o *options) { o.onProgress = f })
}

// progressInterval is the time between two calls of OnProgress.
const progressInterval = 100 * time.Millisecond

// waitOf is what those who use a gate wait for.
func waitOf(s gate.Stats) progress.Wait {
	w := progress.Wait{Until: s.Until}
	switch {
	case s.Down:
		w.Why, w.Endless = s.Why, true
	case s.Probing:
		w.Why = "the server throttles"
	case s.Paused || !s.Until.IsZero():
		w.Why, w.Endless = "the limiter is paused", s.Paused
	}
	return w
}

// watch tells OnProgress how far a run has come, until the function it returns is called. before is how many items had
// ended before anything was sent, and failed how many of those had failed.
func (p *BatchProcessor[In, Out]) watch(r *engine.Run, g *gate.Gate, l *sink.Listeners, total, before, failed int) (stop func()) {
	gauge := &progress.Gauge{
		Meter: progress.Meter{Start: time.Now()}, Count: r.Count, Wait: func() progress.Wait { return waitOf(g.Stats()) },
		Total: total, Before: before, Failed: failed,
	}
	return progress.Every(progressInterval, func() { p.opts.onProgress(Progress(gauge.Read())) }, func(value any, stack []byte) {
		l.Fail(lostIn("OnProgress")(value, stack))
	})
}
