package jobs

import (
	"sync"
	"time"

	"github.com/windrow-go/windrow/jobs/internal/part"
)

// flight knows which calls of a job are being made.
type flight struct {
	mu    sync.Mutex
	last  uint64
	calls map[uint64]call
}

// call is a call that is being made.
type call struct {
	key   string // of its first item
	index int64  // of that, in its operation
	at    time.Time
}

// enter notes that a call begins. It returns what leave is given when the call has ended.
func (f *flight) enter(j *part.Journal, key string) (number uint64) {
	c := call{key: key, at: time.Now()}
	if item, ok := j.Item(key); ok {
		c.key, c.index = item.Key, item.Index
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.calls == nil {
		f.calls = map[uint64]call{}
	}
	f.last++
	f.calls[f.last] = c
	return f.last
}

func (f *flight) leave(number uint64) {
	f.mu.Lock()
	delete(f.calls, number)
	f.mu.Unlock()
}

// lowest returns the call for the item with the lowest index, ok false when none is being made.
func (f *flight) lowest() (lowest call, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.calls {
		if !ok || c.index < lowest.index {
			lowest, ok = c, true
		}
	}
	return lowest, ok
}
