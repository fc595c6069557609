package jobs_test

import (
	"context"
	"testing"
	"time"

	"github.com/windrow-go/windrow/jobs"
)

// A job whose process was killed goes on at once: its leases end with the lock of the file, not by the clock.
func TestAKilledJobGoesOnAtOnce(t *testing.T) {
	t.Parallel()
	f := newFarm(2000)
	block := make(chan struct{})
	reached := make(chan struct{}, 1)
	f.answer = func(ctx context.Context, _, _ string) error {
		f.mu.Lock()
		n := len(f.order)
		f.mu.Unlock()
		if n >= 300 {
			select {
			case reached <- struct{}{}:
			default:
			}
			<-block
		}
		return ctx.Err()
	}
	m := start(t, f)
	j := m.submit(daily(30))
	<-reached
	copied := m.crash()
	close(block)
	m.wait(j.ID)
	next := open(t, copied, newFarm(2000))
	began := time.Now()
	want(t, next.wait(j.ID), jobs.Completed, 1800, 0, 0, 0, 0)
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("it went on after %v", took)
	}
}
