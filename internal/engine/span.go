package engine

import (
	"context"
	"time"

	"github.com/windrow-go/windrow/internal/adapt"
	"github.com/windrow-go/windrow/internal/contain"
)

const (
	// fastCall is the longest mean time of calls at which a worker takes several items at once.
	fastCall = 10 * time.Microsecond
	// maxSpan is how many fresh items a worker takes at once while calls are fast, and maxSpanWithFinal the same with a
	// Final hook, which should hear soon how items end.
	maxSpan, maxSpanWithFinal = 256, 64
	// clockCheckInterval is how often a worker with several items checks, after a call, whether calls became slow. Reading
	// the clock after each call would cost more than a fast call.
	clockCheckInterval = time.Millisecond
)

// span is a range of fresh items.
type span struct{ lo, hi int } // positions in the order of sending

// callSpan makes the calls of the span, one after the other. It returns false after a panic, and true at the end of the
// span, when the permits are no longer leased, when the run was stopped, or when the calls are slow.
func (w *worker) callSpan() (end bool) {
	r, table := w.run, w.run.cfg.Table
	stream, intend := r.cfg.Stream, r.cfg.Hooks.Intend != nil
	single, tries := r.single, w.attempts
	if w.permit.Probe() {
		single = func(ctx context.Context, item int) error { return r.call(ctx.(*Attempt), item) }
	}
	defer contain.Recover(&w.inCall, w.lostCall) // one for all: one for each call would cost more than a fast call
	for w.span.lo < w.span.hi && !r.ending() && (w.calls == 0 || w.mayGoOn()) {
		pos := w.span.lo
		item := r.item(pos)
		w.span.lo = pos + 1
		if stream && table.At(item).State != NotAttempted && r.skipIfSettled(item) {
			w.missed = append(w.missed, pos)
			continue
		}
		attempt := tries.at(pos - w.first)
		if intend && r.needsIntent(item) && !r.intend(attempt, []int{item}) {
			w.span.lo = pos // it is not sent
			return true
		}
		w.calls++
		w.inCall = true
		err := single(attempt, item)
		w.inCall = false
		if err != nil {
			w.miss(err)
		}
		if r.clockChecks.Load() != w.clockChecks && w.slow() {
			break
		}
	}
	return true
}

// slow reads the clock, and reports whether the calls of the span are slow.
func (w *worker) slow() bool {
	w.clockChecks = w.run.clockChecks.Load()
	w.run.scheduleClockCheck()
	return time.Since(w.began) > time.Duration(w.calls)*fastCall
}

// scheduleClockCheck makes workers with several items read the clock after clockCheckInterval.
func (r *Run) scheduleClockCheck() {
	if !r.clockArmed.Load() && r.clockArmed.CompareAndSwap(false, true) {
		r.clockTimer.Reset(clockCheckInterval)
	}
}

// lostCall ends a call of the span that did not return.
func (w *worker) lostCall(value any, stack []byte) {
	w.inCall = false
	w.miss(w.run.lost(value, stack))
	if value == nil {
		w.settleSpan() // this goroutine ends here
	}
}

// lost makes the error of a call that did not return. With KeepPanics, a panic stops the run.
func (r *Run) lost(value any, stack []byte) error {
	e := r.cfg.Lost(value, stack)
	if value != nil {
		r.keepPanic(e)
	}
	return e
}

// keepPanic stops the run with the error of a panic, if panics are to be kept.
func (r *Run) keepPanic(e error) {
	if !r.cfg.KeepPanics {
		return
	}
	r.mu.Lock()
	if r.panicked == nil {
		r.panicked = e
	}
	r.stopLocked(e)
	r.mu.Unlock()
}

// miss makes a job of the item whose call just failed.
func (w *worker) miss(err error) {
	now := time.Now()
	w.missed = append(w.missed, w.span.lo-1)
	calling := &w.attempts[w.span.lo-1-w.first]
	j := &job{item: calling.Item(), began: now.Add(-now.Sub(w.began) / time.Duration(w.calls))}
	between := w.calls-w.lastMissed > 1
	w.lastMissed = w.calls
	w.run.settle(&unit{jobs: []*job{j}, intended: calling.Intended()}, calling, reply{
		err: err, handle: calling.Handle(), permit: &w.permit, sent: w.began, at: now, between: between,
	})
}

// settleSpan records the items of the span that succeeded, and returns those that were not sent.
func (w *worker) settleSpan() {
	r := w.run
	now := time.Now()
	mean := now.Sub(w.began) / time.Duration(max(1, w.calls))
	succeeded := w.span.lo - w.first - len(w.missed)
	slot := Slot{State: Succeeded, Attempts: 1, Elapsed: mean}
	for from, to := range w.succeeded {
		if r.cfg.Order == nil {
			r.cfg.Table.Fill(from, to, slot)
			continue
		}
		for pos := from; pos < to; pos++ {
			*r.cfg.Table.At(r.item(pos)) = slot
		}
	}
	r.requests.Add(int64(w.calls))
	if succeeded > 0 {
		s := adapt.Signal{Sent: w.began, At: now, Answered: succeeded, Latency: mean}
		r.signal(&w.permit, s)
		w.attempts.conclude(s) // calls that failed were concluded by miss
		w.concludeSpan()
		r.tally(Succeeded, succeeded)
	}
	if mean < fastCall {
		w.size = min(2*w.size, r.maxSpan)
	} else {
		w.size = 1
	}
	r.giveBack(w.span)
	w.span = span{}
}

// concludeSpan concludes the items of the span that succeeded.
func (w *worker) concludeSpan() {
	r := w.run
	if !r.mustConclude() {
		return
	}
	for from, to := range w.succeeded {
		if r.cfg.Order == nil {
			r.conclude(from, to)
		} else {
			r.concludeAll(r.cfg.Order[from:to])
		}
	}
}

// succeeded yields the ranges of positions of the span whose calls succeeded.
func (w *worker) succeeded(yield func(from, to int) bool) {
	from := w.first
	for _, missed := range w.missed {
		if from < missed && !yield(from, missed) {
			return
		}
		from = missed + 1
	}
	if from < w.span.lo {
		yield(from, w.span.lo)
	}
}
