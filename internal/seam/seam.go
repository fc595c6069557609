// Package seam opens to package clients what the root package keeps to itself. The root sets the variables when it is
// initialised.
package seam

import "github.com/windrow-go/windrow/internal/gate"

// Gate returns what is behind a *windrow.Limiter, nil when its options are wrong.
var Gate func(limiter any) *gate.Gate
