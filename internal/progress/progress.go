// Package progress measures and reports progress at intervals.
package progress

import (
	"sync"
	"time"

	"github.com/windrow-go/windrow/internal/contain"
)

// Every calls f at each interval from one goroutine, until stop is called. stop waits for a call in progress, and for one
// last call of f, on the same goroutine. Ticks during a slow call are skipped. If f panics or ends the goroutine it is not
// called again, and lost is called with the panic's value and stack, nil for a Goexit.
func Every(interval time.Duration, f func(), lost func(value any, stack []byte)) (stop func()) {
	end := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		calling := true
		defer contain.Recover(&calling, lost)
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for calling {
			select {
			case <-tick.C:
			case <-end:
			}
			select {
			case <-end: // preferred to a tick, so that stop waits for one call of a slow f
				f()
				calling = false
			default:
				f()
			}
		}
	})
	return func() {
		close(end)
		wg.Wait()
	}
}

// Meter computes the rate and the remaining time. Past pauses count in the rate; the current pause does not, and its rest is
// added to the remaining time. It is not safe for concurrent use.
type Meter struct {
	Start    time.Time
	pausedAt time.Time // when the current pause was first seen
}

// Read returns the items a second so far, and how long the rest will take, -1 if it is not known. total is -1 if it is not
// known; paused is the rest of the current pause, and waiting says that nothing is being done.
func (m *Meter) Read(now time.Time, done, total int, paused time.Duration, waiting bool) (rate float64, eta time.Duration) {
	active := now
	if paused > 0 || waiting {
		if m.pausedAt.IsZero() {
			m.pausedAt = now
		}
		active = m.pausedAt
	} else {
		m.pausedAt = time.Time{}
	}
	if elapsed := active.Sub(m.Start).Seconds(); elapsed > 0 {
		rate = float64(done) / elapsed
	}
	switch {
	case total >= 0 && done >= total:
		return rate, 0
	case total < 0 || rate <= 0:
		return rate, -1
	}
	const most = float64(1<<63 - 1)
	return rate, paused + time.Duration(min(float64(total-done)/rate*float64(time.Second), most/2))
}
