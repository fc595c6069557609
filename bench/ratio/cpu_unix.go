//go:build unix

package ratio

import (
	"syscall"
	"time"
)

// processCPU is the user and system time of the process so far, the garbage
// collector's share included.
func processCPU() time.Duration {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
