// Package seam opens to the other packages what the root package keeps to itself. The root sets the variables when it is
// initialised.
package seam

import "github.com/windrow-go/windrow/internal/gate"

// Gate returns what is behind a *windrow.Limiter, nil when its options are wrong.
var Gate func(limiter any) *gate.Gate

// RunOnly is a windrow.Option of calls that make no stream: they refuse the options for one.
var RunOnly any
