// Package refusal lets a run end before it begins, and has it refuse what it would ignore.
package refusal

import (
	"context"
	"slices"

	"github.com/windrow-go/windrow/internal/seam"
)

// ForRun adds to the options of a call that it makes no stream, so that those for a stream are refused.
func ForRun[Option any](opts []Option) []Option {
	return append(slices.Clip(opts), seam.RunOnly.(Option))
}

// Context returns a context that has ended because of err: a run with it sends nothing, and err is its cause. Unlike a
// context that was cancelled with a cause its error does not match [context.Canceled].
func Context(parent context.Context, err error) context.Context {
	done := make(chan struct{})
	close(done)
	return refused{parent, done, err}
}

type refused struct {
	context.Context
	done chan struct{}
	err  error
}

func (r refused) Done() <-chan struct{} { return r.done }
func (r refused) Err() error            { return r.err }
