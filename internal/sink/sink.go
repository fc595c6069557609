// Package sink passes indexes from many goroutines to a function, one at a time.
package sink

import "github.com/windrow-go/windrow/internal/contain"

// backlog is how many indexes may wait for the function before Put blocks.
const backlog = 64

// Sink passes indexes to a function, one at a time and in the order of Put.
type Sink struct {
	items chan int
	done  chan struct{}
}

// New returns a sink for f. If f panics or ends its goroutine it is not called again, and lost is called with the panic's
// value and stack, nil for a Goexit.
func New(f func(int), lost func(value any, stack []byte)) *Sink {
	s := &Sink{items: make(chan int, backlog), done: make(chan struct{})}
	go func() {
		defer close(s.done)
		defer func() {
			for range s.items { // after a call that was lost, so that no Put blocks forever
			}
		}()
		calling := true
		defer contain.Recover(&calling, lost)
		for i := range s.items {
			f(i)
		}
		calling = false
	}()
	return s
}

// Put passes an index to the function. It waits while the function is behind.
func (s *Sink) Put(i int) { s.items <- i }

// Close waits until the function has all indexes.
func (s *Sink) Close() {
	close(s.items)
	<-s.done
}
