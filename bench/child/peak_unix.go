//go:build unix

package child

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"syscall"
)

// peakMemory is the largest resident set of this process so far, in bytes; 0 when
// the system does not tell.
func peakMemory() int64 {
	if status, err := os.ReadFile("/proc/self/status"); err == nil {
		// On Linux getrusage counts what the process had when its parent had forked it and it had not yet begun anew:
		// the largest set of the parent.
		_, line, _ := bytes.Cut(status, []byte("\nVmHWM:"))
		line, _, _ = bytes.Cut(line, []byte(" kB\n"))
		if kilobytes, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 10, 64); err == nil {
			return kilobytes << 10
		}
	}
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	if runtime.GOOS == "darwin" || runtime.GOOS == "ios" {
		return int64(usage.Maxrss) // bytes there, kilobytes elsewhere
	}
	return int64(usage.Maxrss) << 10
}
