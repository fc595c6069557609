// Package contain calls functions of the caller's that may panic, or end their goroutine with [runtime.Goexit], and
// tells how they ended.
package contain

import "runtime/debug"

// Lost makes the error of a call that did not return: it panicked with value, or ended its goroutine, with nil for
// both.
type Lost func(value any, stack []byte) error

// Recover ends the panic of a call in progress. It must be deferred itself, not called by a deferred function. If
// *calling is true, the call did not return, and lost is called with the value and the stack of the panic, or with nil
// for both if the call ends the goroutine. lost may panic again: the frames of the call are still on the stack. One
// deferred Recover can guard many calls, and it does not allocate.
func Recover(calling *bool, lost func(value any, stack []byte)) {
	if !*calling {
		return
	}
	if value := recover(); value != nil {
		lost(value, debug.Stack())
		return
	}
	lost(nil, nil)
}

// Call calls f on this goroutine. ok is false when f panicked, with that value and stack. If f ends the goroutine, Call
// does not return either.
func Call(f func()) (value any, stack []byte, ok bool) {
	calling := true
	defer Recover(&calling, func(v any, s []byte) { value, stack = v, s })
	f()
	calling = false
	return nil, nil, true
}

// Try calls f on this goroutine as [Call] does, and returns its error, or that of its panic.
func Try(f func() error, lost Lost) (err error) {
	if value, stack, ok := Call(func() { err = f() }); !ok {
		return lost(value, stack)
	}
	return err
}

// Go calls f on a goroutine of its own, where ending the goroutine does no harm, and waits for it. ok is false when f
// did not return: it panicked with that value and stack, or ended its goroutine, with nil for both.
func Go(f func()) (value any, stack []byte, ok bool) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		value, stack, ok = Call(f)
	}()
	<-done
	return value, stack, ok
}
