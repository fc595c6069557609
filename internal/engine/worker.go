package engine

import (
	"errors"
	"time"

	"github.com/windrow-go/windrow/internal/gate"
)

// worker is one of the goroutines that make calls.
type worker struct {
	_        [128]byte // workers change this with each call, and share no cache line
	run      *Run
	permit   gate.Permit
	ask      gate.Claim // what the gate asks for work: [worker.claim]
	unit     *unit      // the work at hand: a unit, or a span of fresh items
	draft    *unit      // put together before the gate is asked
	span     span
	size     int  // fresh items to take at once
	leased   bool // the last permit was
	scouting bool // it is the one that takes the next fresh items of a stream

	// Of the span at hand:
	began      time.Time
	first      int      // position of its first item
	calls      int      // made so far
	missed     []int    // positions of the items that did not succeed at once
	lastMissed int      // the call that was the last of them
	tries      attempts // for its calls
	inCall     bool     // a call of it is being made
	looks      uint32   // the clock was read since
}

// work is the body of a worker.
func (r *Run) work() error {
	w := &worker{run: r, size: 1}
	w.ask = w.claim
	ended := false
	defer func() {
		r.cfg.Gate.Release(&w.permit)
		if !ended { // a call ended this goroutine with Goexit: another takes its place
			r.group.Go(r.work)
		}
	}()
	for w.await() {
		w.gather()
		err := w.acquire()
		w.putAway()
		w.scouted()
		if err != nil {
			w.refused(err)
			continue
		}
		for w.permit.Held() && w.busy() {
			w.serve()
			w.goOn()
		}
		r.cfg.Gate.Release(&w.permit)
	}
	ended = true
	return nil
}

// goOn takes more work after a call, if there is some and it may be done at once. While calls are slow, one item is not
// worth a scout: those who come back from their calls together would go to sleep, and wait to be woken one by one.
func (w *worker) goOn() {
	switch {
	case w.permit.Held() && !w.permit.Leased(), !w.permit.Held() && !w.permit.Alone(), w.size > 1 && !w.scout():
		return
	case w.permit.Held():
		w.gather()
		w.prepare()
		w.take(w.size)
		w.putAway()
	default:
		w.prepare()
		w.permit = w.run.cfg.Gate.TryAcquire(w.ask)
		w.leased = w.permit.Leased()
		w.putAway()
	}
	w.scouted()
}

// acquire gets a permit and work for it. Of all the workers of a run only one stands in the gate's queue at a time, so
// that the run has one place there among others who use the gate.
func (w *worker) acquire() (err error) {
	r := w.run
	select {
	case r.turn <- struct{}{}:
		w.prepare()
		w.permit, err = r.cfg.Gate.Acquire(r.waiting, r.cfg.Policy.MaxThrottleWait, w.ask)
		<-r.turn
		w.leased = w.permit.Leased()
		return err
	case <-r.waiting.Done():
		return gate.Ended(r.waiting)
	}
}

// claim is the worker's [gate.Claim]: the first call on a permit serves one item, or one chunk. What is taken beside it
// is given back if the permit turns out not to be leased. It is asked again when the server throttles meanwhile: what
// was refused goes first then.
func (w *worker) claim(probe bool) int {
	if w.unit == nil && w.busy() && (probe || w.run.throttling.Load()) {
		w.run.giveBack(w.span)
		w.span = span{}
	}
	if !probe && w.run.throttling.Load() { // the gate has just opened
		w.run.notThrottled()
	}
	switch {
	case w.busy():
	case probe:
		w.takeProbe()
	case w.leased:
		w.take(w.size)
	default:
		w.take(1)
	}
	switch {
	case w.unit != nil:
		return w.run.cost(w.run.sizeOf(w.unit))
	case w.busy():
		return w.run.cost(1)
	default:
		return 0
	}
}

// take takes work. It does nothing for each item: that was done before, or is when the unit is sent.
func (w *worker) take(size int) {
	r := w.run
	if r.singles() {
		w.unit, w.span = r.next(size)
		return
	}
	if r.stopped.Load() {
		return
	}
	if w.unit = r.nextChunk(); w.unit == nil && !r.waitsInOrder() {
		w.unit, w.draft = w.draft, nil
	}
}

// prepare puts a chunk of fresh items together before the gate is asked, since there is no time for that while the gate
// asks for work. There is no need when something waits that was sent before.
func (w *worker) prepare() {
	r := w.run
	if r.singles() || w.busy() || w.draft != nil || r.waitsInOrder() {
		return
	}
	if r.extra.Load() == 0 || r.throttling.Load() && !r.cfg.InOrder { // of those, one may not be the right one to try
		w.draft = r.freshUnit()
	}
}

// putAway leaves the chunk that was put together for others, when there was something that comes before it.
func (w *worker) putAway() {
	if w.draft != nil {
		w.run.resend(w.draft)
		w.draft = nil
	}
}

func (w *worker) busy() bool { return w.unit != nil || w.span.lo < w.span.hi }

// refused puts work back that the gate did not let through. A wait that is too long ends the run.
func (w *worker) refused(err error) {
	r := w.run
	if w.unit != nil {
		r.makeJobs(w.unit, time.Time{})
		r.mu.Lock()
		r.ready = append([]*unit{w.unit}, r.ready...)
		r.extra.Add(1)
		r.mu.Unlock()
	}
	r.giveBack(w.span)
	w.unit, w.span = nil, span{}
	if r.ctx.Err() != nil {
		err = gate.Ended(r.ctx)
	} else if r.waiting.Err() != nil {
		return // the run was stopped, or is over
	}
	if pause, ok := errors.AsType[*gate.PauseError](err); ok {
		err = r.outageFor(pause)
	}
	r.stop(err)
}

// serve makes the calls for the work at hand.
func (w *worker) serve() {
	if u := w.unit; u != nil {
		w.unit = nil
		w.send(u)
		return
	}
	w.began, w.first, w.calls, w.missed = time.Now(), w.span.lo, 0, w.missed[:0]
	w.tries = w.run.newAttempts(w.first, w.span.hi-w.span.lo)
	if w.span.hi-w.span.lo > 1 {
		w.run.lookSoon()
	}
	if w.lastMissed = 0; w.permit.Probe() {
		w.probing(w.tries.at(0))
	}
	for !w.callSpan() {
	}
	w.settleSpan()
}

// probing notes that an attempt tries whether the gate may open. It is cut short when the run's patience ends.
func (w *worker) probing(a *Attempt) {
	rec := a.write()
	rec.probe.Store(true)
	rec.giveUp = w.permit.GiveUp
}

// ending reports whether no call may begin any more. The run's own flag follows the end of its context only a moment
// later.
func (r *Run) ending() bool { return r.stopped.Load() || r.endable && r.ctx.Err() != nil }
