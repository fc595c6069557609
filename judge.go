package windrow

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/windrow-go/windrow/internal/adapt"
	"github.com/windrow-go/windrow/internal/contain"
	"github.com/windrow-go/windrow/internal/engine"
	"github.com/windrow-go/windrow/internal/neterr"
	"github.com/windrow-go/windrow/internal/schedule"
	"github.com/windrow-go/windrow/internal/verdict"
)

// verdictOf returns the verdict of the default classifier on an error.
func verdictOf(err error) verdict.Verdict {
	if e, ok := errors.AsType[*verdict.Marked](err); ok {
		return e.As
	}
	return judged(err)
}

// judged is verdictOf for an error without a mark.
func judged(err error) verdict.Verdict {
	if e, ok := errors.AsType[*verdict.Skip](err); ok {
		return verdict.Verdict{Judgement: engine.Judgement{Skip: e.Reason}, Marked: true}
	}
	var v verdict.Verdict
	v.NotFound, v.Exists = errors.Is(err, ErrNotFound), errors.Is(err, ErrAlreadyExists)
	if v.NotFound || v.Exists {
		v.Kind = engine.Resource
	}
	if _, ok := errors.AsType[*backoff.PermanentError](err); ok {
		v.Marked = true
		return v
	}
	switch {
	case errors.Is(err, ErrRolledBack):
		v.Class, v.Undone, v.Marked = engine.Transient, true, true
		return v
	case errors.Is(err, ErrProtocol):
		v.Class, v.Final, v.Marked = engine.Ambiguous, true, true
		return v
	case errors.Is(err, ErrAttemptTimeout):
		v.Class, v.Kind = engine.Ambiguous, engine.Timeout
		return v
	}
	if status := neterr.Status(err); status != 0 {
		var after time.Duration
		if e, ok := errors.AsType[interface {
			error
			RetryAfter() time.Duration
		}](err); ok {
			after = e.RetryAfter()
		}
		return v.OfAnswer(status, after, neterr.Of(err))
	}
	return v.WithFault(neterr.Of(err))
}

// of returns the verdict of a classification that a classifier or a client gave err. A classification that equals that
// of [Classify] keeps everything that the default classifier knows. Any other one is explicit, and the record of a
// transport does not override it.
func (c Classification) of(err error) verdict.Verdict {
	v := verdictOf(err)
	if Class(v.Class) != c.Class || v.Marked == c.Tentative {
		v = verdict.Verdict{Marked: true}
		v.NotFound, v.Exists = errors.Is(err, ErrNotFound), errors.Is(err, ErrAlreadyExists)
	}
	c.over(&v)
	return v
}

// over overwrites a verdict with a classification.
func (c Classification) over(v *verdict.Verdict) {
	v.Class, v.Kind, v.After, v.MaxItems, v.BadItem = engine.Class(c.Class), engine.Kind(c.Kind), c.After, c.MaxItems, c.BadItem
}

// classificationOf returns a verdict as a Classification.
func classificationOf(v verdict.Verdict) Classification {
	return Classification{
		Class: Class(v.Class), After: v.After, MaxItems: v.MaxItems, BadItem: v.BadItem, Kind: ErrorKind(v.Kind), Tentative: !v.Marked,
	}
}

// judge returns the judge of the engine: it calls the classifier, nil for the default one, and then weigh, which
// applies the transport's record.
func judge(op OpKind, classify Classifier, logger *slog.Logger, weigh func(verdict.Verdict, *engine.Attempt) verdict.Verdict) func(*engine.Attempt, error) engine.Judgement {
	var logged atomic.Int64 // when a throttle was last logged
	return func(a *engine.Attempt, err error) engine.Judgement {
		if isPanic(err) {
			return broken(op, a, nil)
		}
		v, failure := ask(classify, err)
		if failure != nil {
			return broken(op, a, failure)
		}
		v = weigh(v, a)
		j := v.Judgement
		j.Responded = v.Answered || a.Status() != 0
		j.Plain = j.Class == engine.Permanent && (v.Plain || v.Unrecognised)
		j.Trouble, j.Detail = troubleOf(j, a, err)
		if j.Trouble != adapt.NoTrouble {
			j.Host = neterr.Host(err)
		}
		if logger != nil && j.Class == engine.Throttled {
			now := time.Now().Unix()
			if last := logged.Load(); last != now && logged.CompareAndSwap(last, now) {
				logger.WarnContext(a, "windrow: the server throttles", "operation", op.String(), "retry_after", j.After)
			}
		}
		return j
	}
}

// troubleOf returns what an error shows of the server. Only the type and the status of the error count, not the class
// that a classifier has set; an error that says what became of the item shows nothing.
func troubleOf(j engine.Judgement, a *engine.Attempt, err error) (adapt.Trouble, string) {
	switch {
	case j.Class != engine.Transient && j.Class != engine.Ambiguous, j.Final, j.Undone, a.Err() != nil:
		return adapt.NoTrouble, ""
	case errors.Is(err, ErrAttemptTimeout):
		return adapt.Silent, "no response within AttemptTimeout"
	}
	trouble, detail := verdict.Trouble(err)
	return cmp.Or(j.Trouble, trouble), detail
}

// broken judges an attempt in which a function of the caller's did not return. The outcome is not known, unless nothing
// was sent or the last response was a refusal.
func broken(op OpKind, a *engine.Attempt, failure error) engine.Judgement {
	j := engine.Judgement{Final: true, Err: failure, Whole: a.Delivery() == engine.NotSent && a.Status() == 0}
	if a.Delivery() != engine.NotSent && op != OpGet {
		j.Class = engine.Ambiguous
	}
	return j
}

// ask calls a classifier. The failure is set when the classifier did not return.
func ask(classify Classifier, err error) (v verdict.Verdict, failure error) {
	if classify == nil {
		defer func() {
			if r := recover(); r != nil { // a method of the error panicked
				failure = lost(r, debug.Stack())
			}
		}()
		return verdictOf(err), nil
	}
	if value, stack, ok := contain.Go(func() { v = classify(err).of(err) }); !ok {
		failure = lost(value, stack)
	}
	return v, failure
}

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
