// Package progress tells now and then how far something has come.
package progress

import (
	"runtime/debug"
	"sync"
	"time"
)

// Every calls f at each interval from one goroutine, until the function it returns is called. That one waits for a
// call under way, and has f called once more, on the same goroutine. Ticks that f is too slow for are left out. When
// f panics or ends the goroutine it is not called again, and lost is called with the panic's value and stack, nil for
// a Goexit.
func Every(interval time.Duration, f func(), lost func(value any, stack []byte)) (stop func()) {
	end := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		ended := false
		defer func() {
			if ended {
				return
			}
			v := recover()
			var stack []byte
			if v != nil {
				stack = debug.Stack()
			}
			lost(v, stack)
		}()
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for !ended {
			select {
			case <-tick.C:
			case <-end:
			}
			select {
			case <-end: // also when a tick has come meanwhile: who waits for a slow f waits for one call
				f()
				ended = true
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

// Meter tells the rate and the time that is left. Pauses that have ended count as part of the pace; one that is under
// way does not slow the rate, and what is left of it is added to the time. It is not safe for concurrent use.
type Meter struct {
	Start    time.Time
	pausedAt time.Time // when the pause under way was first seen
}

// Read returns the items a second so far, and how long the rest will take, -1 when nobody can tell. total is -1 when
// it is not known; paused is how long nothing will be done from now on, and waiting that nothing is being done.
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
