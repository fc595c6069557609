package paging

import (
	"context"
	"net/http"
	"time"

	"github.com/windrow-go/windrow/internal/neterr"
)

const (
	// longestOutage is how long Persist retries a page during an outage.
	longestOutage = 5 * time.Minute
	// outagePause is the pause after a failed run.
	outagePause = time.Second
)

// Persist reads a page by run, and retries while run fails because of an outage: repeating a read is harmless. It ends with
// the context, or after longestOutage.
func Persist[T any](ctx context.Context, run func() (T, error)) (T, error) {
	start := time.Now()
	for {
		page, err := run()
		if err == nil || !isOutage(err) || time.Since(start) > longestOutage {
			return page, err
		}
		select {
		case <-time.After(outagePause):
		case <-ctx.Done():
			return page, err
		}
	}
}

// isOutage reports whether a proxy responded that its server is away. For network errors the run itself waits.
func isOutage(err error) bool {
	switch neterr.Status(err) {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}
