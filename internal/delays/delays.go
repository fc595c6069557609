// Package delays asks functions of the caller's how long to wait before the next attempt.
package delays

import (
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/windrow-go/windrow/internal/parallel"
)

// Func is a BackOff that asks f how long to wait before the n-th repetition, counted from 1. Any negative answer is
// [backoff.Stop].
func Func(f func(n int) time.Duration) backoff.BackOff { return &counted{f: f} }

type counted struct {
	f func(int) time.Duration
	n int
}

// NextBackOff implements [backoff.BackOff].
func (c *counted) NextBackOff() time.Duration {
	c.n++
	return max(backoff.Stop, c.f(c.n))
}

// Reset implements [backoff.BackOff].
func (c *counted) Reset() { c.n = 0 }

// Guarded is the BackOff of one item that a strategy makes. One that panics or ends its goroutine says
// [backoff.Stop], and has a Failure from then on.
type Guarded struct {
	strategy func() backoff.BackOff
	delays   backoff.BackOff // nil until the first delay
	lost     func(value any, stack []byte) error
	failure  error
}

// Guard returns the BackOff that the strategy will make. lost makes an error of a panic; value is nil for a Goexit.
func Guard(strategy func() backoff.BackOff, lost func(value any, stack []byte) error) *Guarded {
	return &Guarded{strategy: strategy, lost: lost}
}

// NextBackOff implements [backoff.BackOff].
func (g *Guarded) NextBackOff() (d time.Duration) {
	switch g.delays.(type) {
	case *backoff.ExponentialBackOff, *backoff.ConstantBackOff, *backoff.ZeroBackOff:
		return g.delays.NextBackOff()
	}
	if value, stack, ok := parallel.Call(func() {
		if g.delays == nil {
			g.delays = g.strategy()
		}
		d = g.delays.NextBackOff()
	}); !ok {
		g.failure = g.lost(value, stack)
		return backoff.Stop
	}
	return d
}

// Reset implements [backoff.BackOff]. Nobody calls it: the item has ended by then.
func (g *Guarded) Reset() {}

// Failure returns why the strategy did not return, nil as long as it does.
func (g *Guarded) Failure() error { return g.failure }
