// Package parallel calls a function for many indexes on all processors.
package parallel

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/windrow-go/windrow/internal/contain"
)

const block = 256

// For calls f(i) for each i from 0 to n-1, in blocks on several goroutines, and returns when all calls have. Between
// blocks it calls stop, and ends early if that returns true. For a call that panics it calls lost with the panic's
// value and stack, for one that ends its goroutine with nil for both; the other calls are still made.
func For(n int, stop func() bool, f func(i int), lost func(i int, value any, stack []byte)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	var work func(lo, hi int)
	work = func(lo, hi int) {
		for {
			for lo < hi {
				lo = calls(lo, hi, f, lost, func(rest int) {
					wg.Go(func() { work(rest, hi) }) // a Goexit ends this goroutine
				})
			}
			if lo = int(next.Add(block)) - block; lo >= n || stop() {
				return
			}
			hi = min(lo+block, n)
		}
	}
	for range min(runtime.GOMAXPROCS(0), (n+block-1)/block) {
		wg.Go(func() { work(0, 0) })
	}
	wg.Wait()
}

// calls calls f from i to end, and returns the next index: end, or the one after a call that panicked. After a call
// that ended the goroutine it calls exited instead. One deferred function serves the whole block, since one for each
// call would cost more than many a call.
func calls(i, end int, f func(int), lost func(int, any, []byte), exited func(rest int)) (next int) {
	calling := true
	defer contain.Recover(&calling, func(value any, stack []byte) {
		next = i + 1
		lost(i, value, stack)
		if value == nil {
			exited(next)
		}
	})
	for ; i < end; i++ {
		f(i)
	}
	calling = false
	return end
}
