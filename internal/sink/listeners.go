package sink

import "github.com/windrow-go/windrow/internal/contain"

// Listeners are the caller's callbacks of a run: one is called with each item that has ended, others are called elsewhere. A
// callback that panics stops the run.
type Listeners struct {
	items  *Sink // nil without a callback for items
	broken chan error
	lost   contain.Lost
}

// Listen returns listeners. told is called once with each item, one at a time; it may be nil. At most one of
// the other callbacks may call Lost or Fail.
func Listen(told func(item int), lost contain.Lost) *Listeners {
	l := &Listeners{broken: make(chan error, 2), lost: lost} // never full
	if told != nil {
		l.items = New(told, l.Lost)
	}
	return l
}

// Tell passes the items from lo to hi-1 to the callback. It waits while the callback is behind.
func (l *Listeners) Tell(lo, hi int) {
	if l.items == nil {
		return
	}
	for i := lo; i < hi; i++ {
		l.items.Put(i)
	}
}

// TellEach passes some items to the callback.
func (l *Listeners) TellEach(items []int) {
	for _, i := range items {
		l.Tell(i, i+1)
	}
}

// Lost records that a callback did not return.
func (l *Listeners) Lost(value any, stack []byte) { l.Fail(l.lost(value, stack)) }

// Fail is [Listeners.Lost] with an error.
func (l *Listeners) Fail(err error) { l.broken <- err }

// Broken receives the error of a callback that did not return.
func (l *Listeners) Broken() <-chan error { return l.broken }

// Close waits until all items were passed to the callback, and returns the error of a callback that did not return, unless
// it was received from Broken.
func (l *Listeners) Close() error {
	if l.items != nil {
		l.items.Close()
	}
	select {
	case err := <-l.broken:
		return err
	default:
		return nil
	}
}
