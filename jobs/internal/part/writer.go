package part

import (
	"context"
	"time"

	"github.com/windrow-go/windrow/jobs/internal/store"
)

const (
	groupSize  = 1000                  // results that are written without waiting for more
	groupDelay = 10 * time.Millisecond // least time between two writes that nothing waits for: what a kill may lose
	mostQueued = 20_000                // results in memory, beyond which Record waits
)

// push notes that something was queued, and returns its number. The lock is held.
func (j *Journal) push() uint64 {
	j.queued++
	if len(j.queue.Results) >= groupSize {
		j.hurry()
	}
	j.moved.Broadcast()
	return j.queued
}

// hurry makes the writer write what is queued now.
func (j *Journal) hurry() {
	select {
	case j.kick <- struct{}{}:
	default:
	}
}

// await returns when a write is durable, when it failed, or when ctx ends. The lock is held, and not held meanwhile.
func (j *Journal) await(ctx context.Context, number uint64) error {
	if j.stored >= number {
		return j.err
	}
	j.waiters++
	j.hurry()
	stop := context.AfterFunc(ctx, func() {
		j.mu.Lock()
		j.moved.Broadcast()
		j.mu.Unlock()
	})
	for j.stored < number && j.err == nil && ctx.Err() == nil {
		j.moved.Wait()
	}
	stop()
	j.waiters--
	switch {
	case j.err != nil:
		return j.err
	case j.stored < number:
		return context.Cause(ctx)
	}
	return nil
}

// write is the body of the writer.
func (j *Journal) write() {
	defer close(j.done)
	timer := time.NewTimer(groupDelay)
	defer timer.Stop()
	var last time.Time // when the last write began
	for {
		j.mu.Lock()
		for j.empty() && !j.closed {
			j.moved.Wait()
		}
		if j.empty() || j.err != nil {
			j.mu.Unlock()
			return
		}
		if wait := groupDelay - time.Since(last); wait > 0 && j.waiters == 0 && len(j.queue.Results) < groupSize && !j.closed {
			j.mu.Unlock()
			timer.Reset(wait)
			select {
			case <-j.kick:
			case <-timer.C:
			}
			j.mu.Lock()
		}
		batch, number := j.queue, j.queued
		j.queue = store.Batch{}
		j.mu.Unlock()
		last = time.Now()
		err := j.store.Checkpoint(j.ctx, j.part.PartLease, batch)
		j.mu.Lock()
		if err != nil {
			j.err = err
		} else {
			j.stored = number
		}
		j.moved.Broadcast()
		j.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// empty reports whether nothing is queued. The lock is held.
func (j *Journal) empty() bool {
	return len(j.queue.Results)+len(j.queue.Intents)+len(j.queue.Handles) == 0
}
