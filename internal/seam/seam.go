// Package seam opens to the other packages what the root package keeps to itself. The root sets the variables when it
// is initialised.
package seam

import "github.com/windrow-go/windrow/internal/gate"

// Gate returns the gate of a *windrow.Limiter, nil if its options are invalid.
var Gate func(limiter any) *gate.Gate

// Adopt gives a *windrow.BatchProcessor[In, Out] its client and what else is in a *Hooks of its types.
var Adopt func(processor, hooks any)

// Hooks is what a processor of package mixed has beside its fields. Op and Capabilities are those of windrow.
type Hooks[In, Out, Op, Capabilities any] struct {
	Client   any
	Op       Op
	Identity func(in In) string             // names the record of an item
	TraitsOf func(in In) (Op, Capabilities) // of an item
	Typed    func(in *In, value *Out)       // gives what was read from JSON its types again; nil when it has them
}

// RunOnly is a windrow.Option of calls that make no stream: they refuse the options for one.
var RunOnly any

// Given says whether the options, a []windrow.Option, have the one with this name.
var Given func(options any, name string) bool
