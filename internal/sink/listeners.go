package sink

// Listeners are functions of the caller's that are told how a run goes on: one of each item that has ended, and others
// that are called elsewhere. One that does not return stops the run.
type Listeners struct {
	items  *Sink // nil when nobody is told of items
	broken chan error
	lost   func(value any, stack []byte) error
}

// Listen returns listeners. told is called once with each item, one at a time; nil means that nobody wants to know.
// lost makes an error of a panic; value is nil for a Goexit. At most one of the other listeners may be lost.
func Listen(told func(item int), lost func(value any, stack []byte) error) *Listeners {
	l := &Listeners{broken: make(chan error, 2), lost: lost} // never full
	if told != nil {
		l.items = New(told, l.Lost)
	}
	return l
}

// Tell tells of the items from lo to hi-1. It waits while the function is behind.
func (l *Listeners) Tell(lo, hi int) {
	if l.items == nil {
		return
	}
	for i := lo; i < hi; i++ {
		l.items.Put(i)
	}
}

// TellEach tells of some items.
func (l *Listeners) TellEach(items []int) {
	for _, i := range items {
		l.Tell(i, i+1)
	}
}

// Lost notes that one of the functions did not return.
func (l *Listeners) Lost(value any, stack []byte) { l.Fail(l.lost(value, stack)) }

// Fail is [Listeners.Lost] for an error that is made already.
func (l *Listeners) Fail(err error) { l.broken <- err }

// Broken yields the error of one that did not return.
func (l *Listeners) Broken() <-chan error { return l.broken }

// Close waits until everything was told, and returns the error of one that did not return, unless it was taken from
// Broken.
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
