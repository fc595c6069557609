package pages

import (
	"context"
	"errors"
	"net/http"
	"time"
)

const (
	// longestOutage is for how long a page is asked for that a proxy answers in place of its server.
	longestOutage = 5 * time.Minute
	// outagePause is how long it is not asked for after a run has failed.
	outagePause = time.Second
)

// Persist reads a page by a run, and again while the run fails because there is an outage: to read a page again is
// harmless. It ends with the context, or when the outage has lasted too long.
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

// isOutage reports whether a proxy has answered that there is no server behind it. What the network fails with, the run
// itself waits for.
func isOutage(err error) bool {
	status, ok := errors.AsType[interface {
		error
		StatusCode() int
	}](err)
	if !ok {
		return false
	}
	switch status.StatusCode() {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}
