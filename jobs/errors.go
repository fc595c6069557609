package jobs

import (
	"errors"
	"fmt"
	"strings"

	"github.com/windrow-go/windrow/jobs/internal/store"
)

var (
	// ErrNotFound is matched by the error of a call for a job that does not exist, was deleted, or belongs to another
	// tenant.
	ErrNotFound = errors.New("jobs: there is no such job")
	// ErrKeyReused is matched by the error of a Submit whose IdempotencyKey belongs to a job with another Spec.
	ErrKeyReused = errors.New("jobs: the idempotency key belongs to a job with another spec")
	// ErrStoreFull is matched by the error of a Submit while the store is larger than Config.MaxStoreBytes.
	ErrStoreFull = errors.New("jobs: the store is full: delete jobs that have ended, or raise Config.MaxStoreBytes")
	// ErrClosed is the error of a call to a Manager that is closed.
	ErrClosed = errors.New("jobs: the manager is closed")
	// ErrStoreInUse is matched by the error of opening a store that another process has open.
	ErrStoreInUse = store.ErrInUse
)

// The codes of a [Mistake]. They are part of the HTTP API.
const (
	InvalidOperation = "INVALID_OPERATION" // an operation's type or resource is unknown, or the two do not go together
	InvalidField     = "INVALID_FIELD"     // the spec, a filter or a record has no field of that name
	InvalidValue     = "INVALID_VALUE"     // a value is missing, of the wrong type or out of its range
	TooLarge         = "TOO_LARGE"         // the spec, or a list in it, is longer than the Config allows
)

// A Mistake is one thing that is wrong with a [Spec].
type Mistake struct {
	Field   string `json:"field"`   // where: such as operations[0].filter.status, in the names of the JSON form
	Code    string `json:"code"`    // such as InvalidValue
	Message string `json:"message"` // what is wrong, and how to correct it
}

// SpecError is the error of a [Spec] that was refused. Nothing was stored, and nothing will be sent.
type SpecError struct {
	Mistakes []Mistake // at least one, in the order of the spec; at most 100
}

// Error implements error. It names all mistakes.
func (e *SpecError) Error() string {
	var b strings.Builder
	b.WriteString("jobs: the spec is refused")
	for k, m := range e.Mistakes {
		sep := "; "
		if k == 0 {
			sep = ": "
		}
		fmt.Fprintf(&b, "%s%s: %s", sep, m.Field, m.Message)
	}
	return b.String()
}

// StateError is the error of a call that a job does not allow in its state. Nothing was changed.
type StateError struct {
	Call  string // such as "resume"
	State State  // of the job
}

// Error implements error. It says in which states the call is allowed.
func (e *StateError) Error() string {
	return fmt.Sprintf("jobs: a job that is %s cannot be %s: %s", e.State, participles[e.Call], allowedIn(e.Call))
}

// mistakes collects what is wrong with a spec.
type mistakes struct{ list []Mistake }

const maxMistakes = 100

func (m *mistakes) add(code, field, format string, args ...any) {
	if len(m.list) < maxMistakes {
		m.list = append(m.list, Mistake{Field: field, Code: code, Message: fmt.Sprintf(format, args...)})
	}
}

func (m *mistakes) err() error {
	if len(m.list) == 0 {
		return nil
	}
	return &SpecError{Mistakes: m.list}
}
