// Package classify judges errors: by their marks, by their HTTP status, by the fault of the network, by the caller's
// classifier, and by what a transport recorded about the attempt.
package classify

import (
	"errors"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/windrow-go/windrow/internal/engine"
	"github.com/windrow-go/windrow/internal/neterr"
)

var (
	// ErrNotFound is matched by the error of an item that the server does not have.
	ErrNotFound = errors.New("windrow: not found")
	// ErrAlreadyExists is matched by the error of an item that the server has already.
	ErrAlreadyExists = errors.New("windrow: already exists")
	// ErrAttemptTimeout is the error of an attempt that took too long.
	ErrAttemptTimeout = errors.New("windrow: the attempt took longer than AttemptTimeout")
)

// Judgement is the engine's judgement of an error in the making, and what it is based on.
type Judgement struct {
	engine.Judgement

	Unrecognised bool // the error says nothing, so the transport's record decides
	Answered     bool // the error has the status of a response
	Marked       bool // set explicitly, so the transport's record does not override it
}

// Of judges an error as the default classifier does.
func Of(err error) Judgement {
	if e, ok := errors.AsType[*Marked](err); ok {
		return e.As
	}
	if e, ok := errors.AsType[*Skip](err); ok {
		return Judgement{Judgement: engine.Judgement{Skip: e.Reason}, Marked: true}
	}
	var j Judgement
	j.NotFound, j.Exists = named(err)
	if j.NotFound || j.Exists {
		j.Kind = engine.Resource
	}
	if _, ok := errors.AsType[*backoff.PermanentError](err); ok {
		j.Marked = true
		return j
	}
	switch {
	case errors.Is(err, engine.ErrRolledBack):
		j.Class, j.Undone, j.Marked = engine.Transient, true, true
		return j
	case errors.Is(err, engine.ErrProtocol):
		j.Class, j.Final, j.Marked = engine.Ambiguous, true, true
		return j
	case errors.Is(err, ErrAttemptTimeout):
		j.Class, j.Kind = engine.Ambiguous, engine.Timeout
		return j
	}
	if status := neterr.Status(err); status != 0 {
		var after time.Duration
		if e, ok := errors.AsType[interface {
			error
			RetryAfter() time.Duration
		}](err); ok {
			after = e.RetryAfter()
		}
		return j.ofResponse(status, after, neterr.Of(err))
	}
	return j.withFault(neterr.Of(err))
}

// named reports what the client has named: that the server does not have the item, or has it already.
func named(err error) (notFound, exists bool) {
	return errors.Is(err, ErrNotFound), errors.Is(err, ErrAlreadyExists)
}

// withFault judges an error by the fault of the network.
func (j Judgement) withFault(f neterr.Fault) Judgement {
	j.Trouble = faultTrouble(f)
	switch f {
	case neterr.NotSent:
		j.Class = engine.Transient
	case neterr.NoSuchName:
		j.Class, j.StopWhenSpent = engine.Transient, true
	case neterr.Timeout:
		j.Class, j.Kind = engine.Ambiguous, engine.Timeout
	case neterr.Broken, neterr.Cut, neterr.Obscure:
		j.Class = engine.Ambiguous
	case neterr.Certificate, neterr.BadURL:
		j.Class = engine.Fatal
	default:
		j.Unrecognised = !j.NotFound && !j.Exists // unless the client has set one of these
	}
	return j
}
