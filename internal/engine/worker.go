package engine

import (
	"errors"
	"time"

	"github.com/windrow-go/windrow/internal/gate"
)

// worker is one of the goroutines that make calls.
type worker struct {
	_        [128]byte // workers change their struct with each call, so they share no cache line
	run      *Run
	permit   gate.Permit
	own      gate.Permit // of [Config.Own]; held while the worker has work or waits for it at the shared gate
	ask      gate.Claim  // [worker.claim], which the gate calls for work
	unit     *unit       // the current work, unless it is a span of fresh items
	draft    *unit       // a chunk put together before the gate is asked
	span     span
	size     int  // how many fresh items to take at once
	leased   bool // the last permits were leased
	scouting bool // this worker takes the next fresh items of a stream

	// The current span:
	began       time.Time
	first       int      // position of its first item
	calls       int      // made so far
	missed      []int    // positions of the items that did not succeed at once
	lastMissed  int      // number of the last call that did not succeed
	attempts    attempts // attempts of its calls
	inCall      bool     // one of its calls is being made
	clockChecks uint32   // [Run.clockChecks] when the clock was last read
}

// work is the body of a worker.
func (r *Run) work() error {
	w := &worker{run: r, size: 1}
	w.ask = w.claim
	ended := false
	defer func() {
		w.release()
		if !ended { // a call ended this goroutine with Goexit: another goroutine replaces it
			r.group.Go(r.work)
		}
	}()
	for w.await() {
		w.gather()
		err := w.acquire()
		w.queueDraft()
		w.scouted()
		if err != nil {
			w.refused(err)
			continue
		}
		for w.permit.Held() && w.busy() {
			w.serve()
			w.takeMore()
		}
		w.release()
	}
	ended = true
	return nil
}

// takeMore takes more work after a call, if the next call may be made at once. While calls are slow a worker does not become
// the scout first: workers whose calls return together would sleep until they are woken one by one.
func (w *worker) takeMore() {
	switch {
	case w.permit.Held() && !w.mayGoOn(), !w.permit.Held() && (!w.permit.Alone() || w.own.Held()), w.size > 1 && !w.scout():
		return
	case w.permit.Held():
		w.gather()
		w.prepare()
		w.take(w.size)
		w.queueDraft()
	default:
		w.prepare()
		w.permit = w.run.cfg.Gate.TryAcquire(w.ask)
		w.leased = w.mayGoOn()
		w.queueDraft()
	}
	w.scouted()
}

// acquire gets a permit and work for it. Only one worker of a run waits in the gate's queue at a time, so that each
// user of a shared gate has one place in it.
func (w *worker) acquire() (err error) {
	r := w.run
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-r.waiting.Done():
		return gate.Ended(r.waiting)
	}
	if own := r.cfg.Own; own != nil {
		if w.own, err = own.Acquire(r.waiting, 0, r.mayHaveWork); err != nil || !w.own.Held() {
			return err
		}
	}
	w.prepare()
	w.permit, err = r.cfg.Gate.Acquire(r.waiting, r.cfg.Policy.MaxThrottleWait, w.ask)
	if r.cfg.Own != nil && w.permit.Held() && r.cfg.Own.Paused() { // since the worker waits
		w.release()
		w.handBack()
	}
	w.leased = w.mayGoOn()
	return err
}

// mayGoOn reports whether one more call may be made without asking the gates.
func (w *worker) mayGoOn() bool {
	return w.permit.Leased() && (w.run.cfg.Own == nil || w.own.Leased())
}

// release gives the permits back.
func (w *worker) release() {
	w.run.cfg.Gate.Release(&w.permit)
	if w.own.Held() {
		w.run.cfg.Own.Release(&w.own)
	}
}

// handBack queues the work that is not sent now, before all other work.
func (w *worker) handBack() {
	r := w.run
	if w.unit != nil {
		r.makeJobs(w.unit, time.Time{})
		r.mu.Lock()
		r.pushFront(w.unit)
		r.mu.Unlock()
	}
	r.giveBack(w.span)
	w.unit, w.span = nil, span{}
}

// claim is the worker's [gate.Claim]. The first call on a permit serves one item or one chunk; other items that were
// taken are given back if the permit is not leased. When the server throttles before the call leaves, the gate calls
// claim again, and throttled units go first.
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

// take takes work. It does no work per item, since the gate's lock may be held: see [worker.prepare].
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

// prepare puts a chunk of fresh items together before the gate is asked, since the gate holds its lock while it asks for
// work. It does nothing when a unit that was sent before waits to go first.
func (w *worker) prepare() {
	r := w.run
	if r.singles() || w.busy() || w.draft != nil || r.waitsInOrder() {
		return
	}
	if r.queued.Load() == 0 || r.throttling.Load() && !r.cfg.InOrder { // while throttled, a fresh chunk may be the better probe
		w.draft = r.freshUnit()
	}
}

// queueDraft queues a draft that was not taken, so that any worker may send it.
func (w *worker) queueDraft() {
	if w.draft != nil {
		w.run.resend(w.draft)
		w.draft = nil
	}
}

func (w *worker) busy() bool { return w.unit != nil || w.span.lo < w.span.hi }

// refused puts back the work that got no permit. A wait that would be too long stops the run.
func (w *worker) refused(err error) {
	r := w.run
	w.handBack()
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

// serve makes the calls of the current work.
func (w *worker) serve() {
	if u := w.unit; u != nil {
		w.unit = nil
		w.send(u)
		return
	}
	w.began, w.first, w.calls, w.missed = time.Now(), w.span.lo, 0, w.missed[:0]
	w.attempts = w.run.newAttempts(w.first, w.span.hi-w.span.lo)
	if w.span.hi-w.span.lo > 1 {
		w.run.scheduleClockCheck()
	}
	if w.lastMissed = 0; w.permit.Probe() {
		w.probing(w.attempts.at(0))
	}
	for !w.callSpan() {
	}
	w.settleSpan()
}

// probing marks an attempt as a probe, which is cut short at the permit's GiveUp.
func (w *worker) probing(a *Attempt) {
	rec := a.write()
	rec.probe.Store(true)
	rec.giveUp = w.permit.GiveUp
}

// ending reports whether no call may begin any more. It reads the context too, since stopped is set a moment after the
// context ends.
func (r *Run) ending() bool { return r.stopped.Load() || r.endable && r.ctx.Err() != nil }
