package verdict

import "github.com/windrow-go/windrow/internal/engine"

// Marked is an error whose verdict was set by the code that made it.
type Marked struct {
	Err error
	As  Verdict
}

// Error implements error.
func (e *Marked) Error() string { return e.Err.Error() }

// Unwrap returns the marked error.
func (e *Marked) Unwrap() error { return e.Err }

// Skip is the error of an item for which there was nothing to do.
type Skip struct {
	Reason engine.Reason
	Says   string
}

// Error implements error.
func (e *Skip) Error() string { return e.Says }
