package engine

import (
	"context"
	"errors"
	"runtime/debug"
	"slices"
	"time"

	"github.com/windrow-go/windrow/internal/gate"
)

const (
	// fastCall is how long a call takes at most for its time to be measured together with its neighbours'.
	fastCall = 10 * time.Microsecond
	// maxSpan is how many fresh items a worker takes at once while calls are fast, and maxHeardSpan the same where
	// somebody waits to hear how items end.
	maxSpan, maxHeardSpan = 256, 64
	// lookEvery is after which time a worker that has several items in hand looks, after the call at hand, whether calls
	// became slow. To read the clock after each call would cost more than a fast call.
	lookEvery = time.Millisecond
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

// callSpan makes the calls of the span, one after the other. It returns true at the end of the span, when the permit
// has to come back, when the run was stopped, or when the calls turn out to be slow; false after a panic.
func (w *worker) callSpan() (end bool) {
	r, table := w.run, w.run.cfg.Table
	stream, intend := r.cfg.Stream, r.cfg.Hooks.Intend != nil
	single, tries := r.single, w.tries
	if w.permit.Probe() {
		single = func(ctx context.Context, item int) error { return r.call(ctx.(*Attempt), item) }
	}
	defer w.recoverCall()
	for w.span.lo < w.span.hi && !r.ending() && (w.calls == 0 || w.permit.Leased()) {
		pos := w.span.lo
		item := r.item(pos)
		w.span.lo = pos + 1
		if stream && table.At(item).State != NotAttempted && r.passed(item) {
			w.missed = append(w.missed, pos)
			continue
		}
		attempt := tries.at(pos - w.first)
		if intend && r.remembered(item) && !r.intend(attempt, []int{item}) {
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
		if r.looks.Load() != w.looks && w.slow() {
			break
		}
	}
	return true
}

// slow reads the clock, and reports whether the calls of the span turn out to be slow.
func (w *worker) slow() bool {
	w.looks = w.run.looks.Load()
	w.run.lookSoon()
	return time.Since(w.began) > time.Duration(w.calls)*fastCall
}

// lookSoon has the workers that have several items in hand look at the clock in a moment.
func (r *Run) lookSoon() {
	if !r.looking.Load() && r.looking.CompareAndSwap(false, true) {
		r.lookTimer.Reset(lookEvery)
	}
}

// recoverCall turns a panic or Goexit in a call of the span into the item's error.
func (w *worker) recoverCall() {
	if !w.inCall {
		return
	}
	w.inCall = false
	v := recover()
	if v != nil {
		w.miss(w.run.panicError(v))
		return
	}
	w.miss(w.run.cfg.Lost(nil, nil))
	w.settleSpan() // this goroutine ends here
}

// panicError keeps a panic with its stack.
func (r *Run) panicError(v any) error {
	e := r.cfg.Lost(v, debug.Stack())
	if r.cfg.KeepPanics {
		r.mu.Lock()
		if r.panicked == nil {
			r.panicked = e
		}
		r.stopLocked(e)
		r.mu.Unlock()
	}
	return e
}

// miss makes a job of the item whose call just failed.
func (w *worker) miss(err error) {
	now := time.Now()
	w.missed = append(w.missed, w.span.lo-1)
	calling := &w.tries[w.span.lo-1-w.first]
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
		s := gate.Signal{Sent: w.began, At: now, Answered: succeeded, Latency: mean}
		r.signal(&w.permit, s)
		w.tries.conclude(s) // of those that did not succeed nothing is left
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

// concludeSpan tells those who wait for the items that succeeded.
func (w *worker) concludeSpan() {
	r := w.run
	if !r.anybodyWaits() {
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

// signal tells the gate what was learned, and gives the permit back at once when it has to.
func (r *Run) signal(p *gate.Permit, s gate.Signal) {
	if p.Held() && !p.Leased() {
		r.cfg.Gate.Done(p, s)
	} else {
		r.cfg.Gate.Observe(s)
	}
	if s.Answered > 0 && r.throttling.Load() && !r.cfg.Gate.Shut() {
		r.notThrottled()
	}
}

// cost returns the quota units of a request.
func (r *Run) cost(items int) int {
	if r.cfg.Cost == nil {
		return 1
	}
	return max(1, r.cfg.Cost(items))
}

// call makes a single call.
func (r *Run) call(a *Attempt, item int) error {
	return r.watched(a, func(ctx context.Context) error { return r.cfg.Call(ctx, item) })
}

// watched makes a call with its timeout and its hook.
func (r *Run) watched(a *Attempt, call func(context.Context) error) (err error) {
	var ctx context.Context = a
	err = r.cfg.Lost(nil, nil) // until the call returns
	if r.cfg.Hooks.Attempt != nil {
		var end func(error)
		ctx, end = r.cfg.Hooks.Attempt(ctx, a)
		defer func() {
			v := recover()
			if v == nil {
				end(err)
				return
			}
			end(r.cfg.Lost(v, debug.Stack()))
			panic(v) // whoever makes the item's error of it still finds the stack as it was
		}()
	}
	if r.cfg.AttemptTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, r.cfg.AttemptTimeout, r.cfg.TimeoutCause)
		defer cancel()
	}
	if at := a.giveUp(); !at.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, at, errNoResponse)
		defer cancel()
	}
	err = call(ctx)
	if cause := context.Cause(ctx); err != nil && cause != nil && (errors.Is(cause, r.cfg.TimeoutCause) || cause == errNoResponse) {
		a.write().expired.Store(true)
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
			err = cause // it must not pass for the caller's own deadline
		}
	}
	return err
}

// remembered reports whether somebody is to remember that an item is about to be sent: one that must not be sent twice,
// and one that makes a record, whose repetition after a kill may meet it.
func (r *Run) remembered(item int) bool {
	t := r.traits(item)
	return !t.Read && (!t.Repeatable || t.WholeOnly || t.Create)
}

// intend has somebody remember that items are about to be sent, if any of them is to be remembered. It reports false when that
// failed: then nothing may leave.
func (r *Run) intend(a *Attempt, items []int) bool {
	if !slices.ContainsFunc(items, r.remembered) {
		return true
	}
	if err := r.cfg.Hooks.Intend(a, items); err != nil {
		if r.ctx.Err() != nil {
			err = gate.Ended(r.ctx)
		}
		r.stop(err)
		return false
	}
	a.write().intended.Store(true)
	return true
}

// putBack puts a unit that was not sent where workers find it: what is left at the end is abandoned in one place.
func (r *Run) putBack(u *unit) {
	r.makeJobs(u, time.Time{})
	r.mu.Lock()
	r.ready = append(r.ready, u)
	r.mu.Unlock()
}

// send makes the request of a unit.
func (w *worker) send(u *unit) {
	r := w.run
	if r.ending() {
		r.putBack(u)
		return
	}
	if u.looksUp() {
		r.gatherLookUps(u)
	} else {
		r.fillUp(u)
		r.fit(u, w.permit.Probe())
	}
	items, number, lookUp, sent := u.items(), uint32(1), false, false
	if u.fresh == nil {
		first := u.jobs[0]
		number, lookUp, sent = first.charged+1, first.lookUp, first.sent
	}
	a := r.newAttempt(items[0], number)
	if u.fresh == nil && u.jobs[0].ownWait > 0 {
		a.write().alone.Store(true)
	}
	if w.permit.Probe() {
		w.probing(a)
	}
	if u.handle != "" {
		a.SetHandle(u.handle)
	}
	switch {
	case r.cfg.Hooks.Intend == nil || lookUp:
	case u.intended:
		a.write().intended.Store(true)
	case !r.intend(a, items):
		r.putBack(u)
		return
	default:
		u.intended = a.Intended()
	}
	re := reply{permit: &w.permit, err: r.cfg.Lost(nil, nil), sent: time.Now()}
	defer func() {
		if v := recover(); v != nil {
			re.err = r.panicError(v)
		}
		re.at = time.Now()
		r.requests.Add(1)
		if sent {
			r.retries.Add(1)
		}
		re.handle = a.Handle()
		r.settle(u, a, re)
	}()
	if !sent {
		for _, j := range u.jobs {
			j.began = re.sent
		}
	}
	switch {
	case lookUp:
		re.err = r.lookUpAll(a, items, &re)
	case r.cfg.Batch != nil && (len(items) > 1 || r.cfg.Call == nil):
		a.write().items = items
		answers := &Answers{items: len(items)}
		re.err = r.watched(a, func(ctx context.Context) (err error) {
			re.got, err = r.cfg.Batch(ctx, items, answers)
			return err
		})
		re.answers = answers
	default:
		re.err = r.single(a, items[0])
	}
}
