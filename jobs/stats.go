package jobs

import (
	"context"
	"runtime"
	"runtime/metrics"
	"time"

	"github.com/windrow-go/windrow/jobs/internal/store"
)

// Stats are what a manager uses of the machine, and how long its queue is.
type Stats struct {
	Queued       int           `json:"queued"`       // jobs of all tenants that wait for their turn
	Running      int           `json:"running"`      // jobs that this manager carries out
	Paused       int           `json:"paused"`       // jobs of all tenants
	StoreBytes   int64         `json:"store_bytes"`  // on disk
	MemoryBytes  uint64        `json:"memory_bytes"` // that the Go runtime of the process holds
	Goroutines   int           `json:"goroutines"`   // of the process
	ThrottledFor time.Duration `json:"throttled_ns"` // how long the limiters of the resources were shut by servers
}

// Stats returns what the manager uses, for monitoring. It reads the store.
func (m *Manager) Stats(ctx context.Context) (Stats, error) {
	if err := m.usable(ctx); err != nil {
		return Stats{}, err
	}
	memory := []metrics.Sample{{Name: "/memory/classes/total:bytes"}}
	metrics.Read(memory)
	s := Stats{Goroutines: runtime.NumGoroutine(), MemoryBytes: memory[0].Value.Uint64()}
	var err error
	if s.StoreBytes, err = m.store.Size(ctx); err != nil {
		return s, failure(ctx, err)
	}
	counts, err := m.store.CountJobs(ctx)
	if err != nil {
		return s, failure(ctx, err)
	}
	s.Queued, s.Paused = counts[store.Queued], counts[store.Paused]
	m.mu.Lock()
	s.Running = len(m.running)
	var resources []resource
	for _, r := range m.resources {
		resources = append(resources, r)
	}
	m.mu.Unlock()
	for _, r := range resources {
		if l := r.limiter(); l != nil {
			s.ThrottledFor += l.Stats().ThrottledFor
		}
	}
	return s, nil
}
