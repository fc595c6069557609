package windrow

import (
	"cmp"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/windrow-go/windrow/internal/contain"
	"github.com/windrow-go/windrow/internal/engine"
	"github.com/windrow-go/windrow/internal/enum"
	"github.com/windrow-go/windrow/internal/message"
	"github.com/windrow-go/windrow/internal/resume"
	"github.com/windrow-go/windrow/internal/schedule"
)

// ErrNotAttempted is the error of an item that was never sent because the run had stopped. The Cause of the [BulkError]
// says why.
var ErrNotAttempted = errors.New("windrow: not attempted: the run stopped first")

var (
	// ErrNilClient is the Cause of a run whose client or function is nil.
	ErrNilClient = errors.New("windrow: the client is nil: pass a client, or a function that is not nil")
	// ErrNilContext is the Cause of a run whose context is nil.
	ErrNilContext = errors.New("windrow: the context is nil: pass context.Background() if there is no other")
	// ErrTooManyFailures is matched by the Cause of a run that [MaxFailures] or [MaxFailureRate] stopped.
	ErrTooManyFailures = errors.New("windrow: too many failures")
	// ErrFatal is matched by the Cause of a run that stopped because every further call would fail: bad credentials, a
	// bad certificate, a name that does not exist.
	ErrFatal = errors.New("windrow: every further call would fail")
	// ErrThrottled is matched by the Cause of a run that the server throttled, or whose limiter was paused by
	// [Limiter.PauseUntil], for longer than [RetryPolicy.MaxThrottleWait]. Rerun continues it later.
	ErrThrottled = errors.New("windrow: the server throttles")
	// ErrOutage is matched by the Cause of a run whose server took no calls for longer than
	// [RetryPolicy.MaxThrottleWait]: connections were refused or broke, there was no response, or all responses were
	// 502, 503, 504 or 500. Rerun continues the run later.
	ErrOutage = errors.New("windrow: the server takes no calls")
	// ErrRetryBudget is matched by the Cause of a run whose [RetryBudget] was empty for longer than MaxThrottleWait.
	ErrRetryBudget = errors.New("windrow: the retry budget is used up")
	// ErrDuplicateKey is matched by the Cause of a run in which two items have the same key, and by the error of an
	// item that is not sent because another one has its key.
	ErrDuplicateKey = errors.New("windrow: duplicate key")
)

var (
	// ErrBegun is matched by the error of an item that, according to the [Journal], an earlier run has begun and not
	// ended: its response was lost, it must not be sent twice, and it cannot be looked up.
	ErrBegun = resume.ErrBegun
	// ErrContentChanged is matched by the error of an item that a [Journal] has with another
	// [BatchProcessor.Fingerprint].
	ErrContentChanged = resume.ErrContentChanged
)

// ErrorKind groups errors by how a person handles them. The zero ErrorKind is [KindSystem].
type ErrorKind uint8

// The kinds.
const (
	KindSystem     ErrorKind = iota // the network, the server or a panic: wait, or report it
	KindValidation                  // the data: correct it
	KindResource                    // a record that the item refers to, or the permission for it
	KindTimeout                     // no response in time
)

// String returns the kind in lower case.
func (k ErrorKind) String() string { return enum.Kinds.Name(uint8(k)) }

// MarshalText implements [encoding.TextMarshaler].
func (k ErrorKind) MarshalText() ([]byte, error) { return enum.Kinds.Text(uint8(k)) }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (k *ErrorKind) UnmarshalText(text []byte) error { return enum.Kinds.Read(text, (*uint8)(k)) }

// BulkError is the error of a run in which not every item Succeeded or was Skipped.
type BulkError struct {
	// Stats are the counts of the run.
	Stats RunStats
	// Cause is what stopped the run; nil when it ran to its end.
	Cause error
	items func() []*ItemError
}

// Error returns what stopped the run, how many items did not succeed, and the first error.
func (e *BulkError) Error() string {
	s := e.Stats
	var parts, counts []string
	switch {
	case e.Cause == nil:
	case s.Requests == 0:
		parts = append(parts, "nothing was sent: "+message.Plain(e.Cause))
	default:
		parts = append(parts, "the run was stopped: "+message.Plain(e.Cause))
	}
	if twice, ok := errors.AsType[*DuplicateKeyError](e.Cause); ok && twice.list() != "" {
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
	Key      string    // the key, or the id of an update, delete or read; "" without either
	State    State     // Failed, Unknown or NotAttempted
	Kind     ErrorKind // of Err
	Attempts int       // charged attempts
	Err      error     // the error of the client or the validation
}

// Error implements error.
func (e *ItemError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "item %d", e.Index)
	if e.Key != "" {
		fmt.Fprintf(&b, " (key %q)", e.Key)
	}
	switch {
	case e.State == NotAttempted && e.Attempts == 0 && (e.Err == nil || e.Err == ErrNotAttempted):
		b.WriteString(" was not attempted")
	case e.State == NotAttempted:
		b.WriteString(" was not applied")
	case e.State == Unknown:
		b.WriteString(" may have been applied")
	default:
		b.WriteString(" failed")
	}
	if e.Attempts > 1 {
		fmt.Fprintf(&b, " after %d attempts", e.Attempts)
	}
	if e.Err != nil && e.Err != ErrNotAttempted {
		b.WriteString(": " + message.Plain(e.Err))
	}
	return b.String()
}

// Unwrap returns the error of the client or the validation.
func (e *ItemError) Unwrap() error { return e.Err }

// FieldError is what is wrong with one field of an item. A Validate function returns several by [errors.Join]; clients
// return those in the response.
type FieldError struct {
	Field   string // its name, as the server or the validation calls it
	Code    string // the server's code, "" when it has none
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

// PanicError is the error of a function of the caller's that panicked: of an item whose call or Validate panicked, or,
// as the Cause of a run, of another hook or the observer.
type PanicError struct {
	// Value is the value of the panic. It may hold the item's content, so the error's text shows it only if it is a
	// [runtime.Error].
	Value any
	// Stack is the stack of the panic, as text.
	Stack []byte
	// Hook is the name of the hook that panicked, such as Validate or OnProgress; "" for the client's function and others.
	Hook string
	// Index is the index, in the whole input, of the item for which Validate panicked, from 0.
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

// lost returns the error of a function that panicked or ended its goroutine.
func lost(value any, stack []byte) error {
	if value == nil {
		return ErrGoexit
	}
	return &PanicError{Value: value, Stack: stack}
}

const hookValidate = "Validate"

// lostIn is lost for a hook of that name.
func lostIn(hook string) contain.Lost {
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

// guarded calls a caller's function and returns its panic as an error.
func guarded(f func() error) error { return contain.Try(f, lost) }

// causeOf returns the public error for what stopped the engine.
func causeOf(err error) error {
	switch e := err.(type) {
	case *engine.FailuresError:
		return &namedError{ErrTooManyFailures, err}
	case *engine.FatalError:
		return fmt.Errorf("%w: %w", ErrFatal, e.Err)
	case *engine.ThrottledError:
		return &namedError{ErrThrottled, err}
	case *engine.OutageError:
		return &namedError{ErrOutage, err}
	case *engine.BudgetError:
		return &namedError{ErrRetryBudget, err}
	case *engine.RefusedError:
		return fmt.Errorf("windrow: %w", err)
	case *schedule.HookError:
		return fmt.Errorf("windrow: %w", err)
	}
	return err
}

// namedError is an error that also matches a public one.
type namedError struct{ name, err error }

func (e *namedError) Error() string { return "windrow: " + e.err.Error() }

func (e *namedError) Unwrap() []error { return []error{e.name, e.err} }
