package engine

import (
	"errors"
	"fmt"
	"time"
)

// OutageError stops a run when an outage is longer than the run waits.
type OutageError struct {
	Wait time.Duration // since the last call that the server took
	Max  time.Duration
	Err  error // the last failure; nil when the run itself has seen none
}

// Error implements error.
func (e *OutageError) Error() string {
	text := fmt.Sprintf("the server has taken no calls for %v; the limit is %v", e.Wait.Round(time.Millisecond), e.Max)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the last failure.
func (e *OutageError) Unwrap() error { return e.Err }

// BudgetError stops a run whose retry budget is used up for longer than the run waits.
type BudgetError struct{ Wait time.Duration }

// Error implements error.
func (e *BudgetError) Error() string {
	if e.Wait == forever {
		return "the retry budget is used up and refills by successes only"
	}
	return fmt.Sprintf("the retry budget is used up for %v", e.Wait.Round(time.Millisecond))
}

// ThrottledError stops a run whose limiter is shut for longer than the run waits.
type ThrottledError struct {
	Wait   time.Duration // how long the run has waited, or would have to wait
	Max    time.Duration
	Err    error // the last throttle
	ByUser bool  // the limiter was paused by its user, not by the server
}

// Error implements error.
func (e *ThrottledError) Error() string {
	if e.ByUser {
		return fmt.Sprintf("the limiter is paused by PauseUntil: the wait of %v exceeds MaxThrottleWait (%v)", e.Wait.Round(time.Millisecond), e.Max)
	}
	return fmt.Sprintf("the server throttles: the wait of %v exceeds MaxThrottleWait (%v)", e.Wait.Round(time.Millisecond), e.Max)
}

// Unwrap returns the last throttle.
func (e *ThrottledError) Unwrap() error { return e.Err }

// FailuresError stops a run in which too many items failed.
type FailuresError struct {
	Failed, Ended int
	Canary        int // not 0: one of so many canary items failed
}

// Error implements error.
func (e *FailuresError) Error() string {
	if e.Canary > 0 {
		return fmt.Sprintf("the canary failed: the others are sent only when the first %d items succeed", e.Canary)
	}
	return fmt.Sprintf("too many failures: %d of the %d items that ended", e.Failed, e.Ended)
}

// FatalError stops a run whose further calls would all fail with the same error.
type FatalError struct{ Err error }

// Error implements error.
func (e *FatalError) Error() string {
	return "stopped, since every further call would fail: " + e.Err.Error()
}

// Unwrap returns the error that stopped the run.
func (e *FatalError) Unwrap() error { return e.Err }

var (
	// ErrOmitted is the error of an item that a short response left out, where that means that it was not attempted.
	ErrOmitted = errors.New("the server's response ended before this item: it was not attempted")
	// ErrNotApplied is the error of an item whose response was lost and which a look-up did not find.
	ErrNotApplied = errors.New("the response was lost, and a look-up shows that the item was not applied")
)

var (
	// ErrProtocol is matched by the error of a chunk whose response cannot be matched to its items.
	ErrProtocol = errors.New("windrow: the response does not fit the request")
	// ErrRolledBack is matched by the error of an item that was not applied because of another item of its request.
	ErrRolledBack = errors.New("windrow: not applied because of another item of the same request")
)

// CountError is the error of a chunk whose response has the wrong number of results. It matches [ErrProtocol].
type CountError struct{ Want, Got int }

// Error implements error.
func (e *CountError) Error() string {
	return fmt.Sprintf("the response has %d results for %d items, so results cannot be matched to items", e.Got, e.Want)
}

// Unwrap makes the error match [ErrProtocol].
func (e *CountError) Unwrap() error { return ErrProtocol }
