// Package seam gives package clients access to unexported parts of the root package, which sets the variables when it is
// initialised.
package seam

import "github.com/windrow-go/windrow/internal/gate"

// Gate returns the gate of a *windrow.Limiter, nil if its options are invalid.
var Gate func(limiter any) *gate.Gate
