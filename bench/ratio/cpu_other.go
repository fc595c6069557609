//go:build !unix

package ratio

import "time"

// processCPU is always 0 here, which a report shows as not measured.
func processCPU() time.Duration { return 0 }
