package windrow

import (
	"context"

	"github.com/windrow-go/windrow/internal/engine"
	"github.com/windrow-go/windrow/internal/identity"
	"github.com/windrow-go/windrow/internal/inspect"
)

// Attempt is one call of a client's method by a run, as an [Observer] sees it. A client finds out more with AttemptFrom of
// package clients. The zero Attempt belongs to no run.
type Attempt struct {
	// Op is what is done.
	Op OpKind
	// Index is the index of the item in the input of the run; of the first one in a chunk.
	Index int
	// Items is how many items the call carries: 1, or more for a native batch.
	Items int
	// Number counts the charged attempts, this one included, from 1.
	Number int
	// Key is the item's key, or the id that it names; "" when there is neither, and for a chunk of several items.
	Key string
}

// seen returns the attempt as an observer sees it.
func seen(a *engine.Attempt) Attempt {
	return Attempt{Op: OpKind(identity.Of(a).Op), Index: a.Item(), Items: max(1, len(a.Items())), Number: a.Number(), Key: identity.KeyOf(a)}
}

// WithObserver makes runs tell an observer of their attempts, as tracing needs it.
func WithObserver(obs Observer) Option {
	return option("WithObserver", !inspect.IsNil(obs), "nil", "must be an observer", func(o *options) { o.observer = obs })
}

// Observer watches runs. Its methods are called from many goroutines at once and must not block.
type Observer interface {
	// StartRun is called before anything is sent. The context that it returns, unless it is nil, is the parent of all
	// attempts. end is called when the run is over, and may be nil.
	StartRun(ctx context.Context, op OpKind, items int) (_ context.Context, end func(RunStats, error))
	// StartAttempt is called before each call of the client. The context that it returns, unless it is nil, is what the
	// client gets. end is called with the client's error, or what came of its panic, and may be nil.
	StartAttempt(ctx context.Context, a Attempt) (_ context.Context, end func(error))
}
