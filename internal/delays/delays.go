// Package delays calls the caller's functions for the delay before the next attempt.
package delays

import (
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/windrow-go/windrow/internal/contain"
)

// Func returns a BackOff that calls f for the delay before the n-th repetition, counted from 1. A negative delay is
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

// Guarded is the BackOff of one item, made by a strategy. If the strategy or its BackOff panics or ends its goroutine,
// Guarded returns [backoff.Stop] and has a Failure.
type Guarded struct {
	strategy func() backoff.BackOff
	delays   backoff.BackOff // nil until the first delay
	lost     contain.Lost
	failure  error
}

// Guard returns the BackOff of a strategy, which is called for the first delay.
func Guard(strategy func() backoff.BackOff, lost contain.Lost) *Guarded {
	return &Guarded{strategy: strategy, lost: lost}
}

// NextBackOff implements [backoff.BackOff].
func (g *Guarded) NextBackOff() (d time.Duration) {
	switch g.delays.(type) {
	case *backoff.ExponentialBackOff, *backoff.ConstantBackOff, *backoff.ZeroBackOff:
		return g.delays.NextBackOff()
	}
	if value, stack, ok := contain.Go(func() {
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

// Reset implements [backoff.BackOff]. It is never called, since a Guarded ends with its item.
func (g *Guarded) Reset() {}

// Failure returns why the strategy did not return, nil if it did.
func (g *Guarded) Failure() error { return g.failure }
