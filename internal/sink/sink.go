// Package sink hands indexes from many goroutines to a function that wants them one at a time.
package sink

import "runtime/debug"

// backlog is how many indexes may wait for the function before whoever brings one waits too.
const backlog = 64

// Sink hands indexes to a function, one at a time and in the order in which they come.
type Sink struct {
	items chan int
	done  chan struct{}
}

// New returns a sink for f. When f panics or ends its goroutine, nothing more is handed to it, and lost is called with
// the panic's value and stack, nil for a Goexit.
func New(f func(int), lost func(value any, stack []byte)) *Sink {
	s := &Sink{items: make(chan int, backlog), done: make(chan struct{})}
	go func() {
		defer close(s.done)
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
			for range s.items { // nobody may wait for ever
			}
		}()
		for i := range s.items {
			f(i)
		}
		ended = true
	}()
	return s
}

// Put hands over an index. It waits while the function is behind.
func (s *Sink) Put(i int) { s.items <- i }

// Close waits until everything was handed over.
func (s *Sink) Close() {
	close(s.items)
	<-s.done
}
