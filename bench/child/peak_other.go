//go:build !unix

package child

// peakMemory is the largest resident set of this process so far, in bytes; 0 when
// the system does not tell.
func peakMemory() int64 { return 0 }
