package engine

import (
	"container/heap"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// job is an item that did not end with its first attempt.
type job struct {
	item     int
	charged  uint32          // attempts that count
	sent     bool            // there was an attempt, charged or not
	maybe    bool            // an attempt may have been applied, and nobody knows
	partly   bool            // that is so only since a chunk with it was refused
	lookUp   bool            // ask the server whether it was applied before sending it again
	lastWord bool            // it is not sent again, whatever looking it up says
	spent    bool            // its strategy allows no further attempt
	bound    bool            // it may have been applied as part of a chunk, which must not be sent again but as a whole
	looks    int             // how often looking it up failed
	delays   backoff.BackOff // made at the first failure
	last     Judgement       // of the last attempt
	err      error           // of the last attempt
	warnings []string        // of the last answer
	open     *Replay         // what the last attempt left for the next one
	began    time.Time       // when it was first sent
	ended    time.Time       // when the last answer came
	pause    time.Duration   // that is to be kept after it, before the item is sent again
	doubted  time.Time       // when the last attempt ended, look-ups apart; or when the run began, for one of an earlier run

	unsent     uint32    // charged attempts in a row in which nothing was sent
	unsentFrom time.Time // when the first of them failed

	troubled      bool  // an attempt showed trouble of the server
	ownTrouble    bool  // which was its own
	passedTrouble int64 // items that had succeeded when the last one did

	refusals    int           // how often it was throttled
	refusedFrom time.Time     // for the first time
	alone       int           // how often it was the only one
	overtaken   int           // throttles in a row since each of which others had passed
	refusedAs   int64         // the throttles of the run until the last one
	refusedIn   int64         // how often the gate had been seen to open by then
	passedThen  int64         // items that had succeeded by then
	hint        time.Duration // how long the server asked to wait
	ownWait     time.Duration // how long it waited by itself the last time
}

// jobFor returns the job of an item that is to be sent for the first time in this run. An earlier run may have applied
// it: its slot says so.
func (r *Run) jobFor(item int) *job {
	j := &job{item: item}
	if r.cfg.Table.At(item).State == Unknown {
		before := r.cfg.Table.Detail(item)
		t := r.traits(item)
		j.maybe, j.lookUp = true, r.mayLook() && (!t.Repeatable || t.WholeOnly)
		j.last, j.err, j.doubted = Judgement{Class: Ambiguous, Kind: before.Kind}, before.Err, r.began
	}
	return j
}

// unit is what is sent in one request: jobs that wait for their next attempt, or fresh items, of which jobs are made when
// they do not all succeed at once.
type unit struct {
	jobs   []*job
	fresh  []int
	at     time.Time // not before
	handle string    // what an attempt left for the next one; "" when it left nothing

	intended bool // somebody remembers that it is about to be sent

	bytes int  // of the fresh items; 0 when that is not known
	full  bool // no more of them go in
	tries int  // how often it failed as a probe since the gate was shut
	free  bool // it costs no token of the budget
	hasty bool // its delay is worth nothing once others have passed
	held  bool // it waits for others to pass only
	tight bool // what was learned of sizes kept others out
	trial bool // it is larger than what is known to pass
	part  bool // of a look-up that was too large: no other joins it
}

// size is how many items the unit has.
func (u *unit) size() int { return len(u.fresh) + len(u.jobs) }

// items returns the items of the unit, which nobody may change.
func (u *unit) items() []int {
	if u.fresh != nil {
		return u.fresh
	}
	items := make([]int, len(u.jobs))
	for k, j := range u.jobs {
		items[k] = j.item
	}
	return items
}

// makeJobs makes jobs of the fresh items of a unit, which was sent at that time, or was not.
func (r *Run) makeJobs(u *unit, sent time.Time) {
	for _, item := range u.fresh {
		j := r.jobFor(item)
		j.began = sent
		u.jobs = append(u.jobs, j)
	}
	u.fresh = nil
}

// whole reports whether the unit may be sent again as it is only, with all its jobs.
func (r *Run) whole(u *unit) bool {
	if u.looksUp() {
		return false
	}
	return r.cfg.Atomic || u.handle != "" || len(u.jobs) > 1 && u.jobs[0].bound
}

// unitHeap orders the units that wait by the time at which they may go.
type unitHeap []*unit

func (h unitHeap) Len() int           { return len(h) }
func (h unitHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h unitHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *unitHeap) Push(x any)        { *h = append(*h, x.(*unit)) }
func (h *unitHeap) Pop() any {
	old := *h
	u := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return u
}

// span is a range of fresh items.
type span struct{ lo, hi int } // positions in the order of sending

// Budget bounds retries other than those after a throttle. It refills by time and by success: a budget that only
// successes refill never recovers from an outage.
type Budget struct {
	Size       float64 // tokens at the start and at most; a retry costs one
	PerSecond  float64
	PerSuccess float64
}

// purse is a budget in use.
type purse struct {
	Budget
	tokens float64
	at     time.Time
	seen   int64 // successes that were counted
}

// take spends a token, or returns how long it takes until there is one, successes apart.
func (p *purse) take(now time.Time, successes int64) time.Duration {
	if p.at.IsZero() {
		p.at, p.tokens = now, p.Size
	}
	p.tokens += p.PerSecond*now.Sub(p.at).Seconds() + p.PerSuccess*float64(successes-p.seen)
	p.tokens = min(p.tokens, p.Size)
	p.at, p.seen = now, successes
	if p.tokens >= 1 {
		p.tokens--
		return 0
	}
	if p.PerSecond <= 0 {
		return forever
	}
	seconds := (1 - p.tokens) / p.PerSecond
	if seconds > forever.Seconds() {
		return forever
	}
	return time.Duration(seconds*float64(time.Second)) + 1
}

// later puts the unit on the heap until its time has come. The lock is held.
func (r *Run) later(u *unit) {
	heap.Push(&r.delayed, u)
	r.arm()
}

// arm sets the timer for the first unit on the heap, or for the purse. The lock is held.
func (r *Run) arm() {
	if r.stopped.Load() {
		return
	}
	var at time.Time
	if len(r.delayed) > 0 {
		at = r.delayed[0].at
	}
	if len(r.broke) > 0 && (at.IsZero() || r.tokenAt.Before(at)) {
		at = r.tokenAt
	}
	if at.IsZero() {
		return
	}
	wait := time.Until(at)
	if r.timer == nil {
		r.timer = time.AfterFunc(wait, r.due)
		return
	}
	r.timer.Reset(wait)
}

// due moves the units whose time has come to where workers find them, as far as the budget allows.
func (r *Run) due() {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	for len(r.delayed) > 0 && !r.delayed[0].at.After(now) {
		r.broke = append(r.broke, heap.Pop(&r.delayed).(*unit))
	}
	r.spend(now)
	r.arm()
	r.idle.Broadcast()
}

// spend lets go the retries that there are tokens for. When there are none, successes may bring some; a run that
// would wait for longer than MaxThrottleWait stops. The lock is held.
func (r *Run) spend(now time.Time) {
	defer func() { r.poor.Store(len(r.broke) > 0) }()
	limit := r.cfg.Policy.MaxThrottleWait
	for len(r.broke) > 0 && !r.stopped.Load() {
		var wait time.Duration
		if !r.costsNoToken(r.broke[0]) {
			wait = r.purse.take(now, r.counts[Succeeded].Load())
		}
		if wait == 0 {
			r.broke[0].free, r.broke[0].hasty, r.broke[0].held = false, false, false
			r.ready = append(r.ready, r.broke[0])
			r.extra.Add(1)
			r.broke[0] = nil
			r.broke = r.broke[1:]
			r.brokeSince = time.Time{}
			continue
		}
		if r.brokeSince.IsZero() {
			r.brokeSince = now
		}
		left := limit - now.Sub(r.brokeSince)
		if left <= 0 || wait > limit && r.purse.PerSuccess <= 0 {
			r.stopLocked(&BudgetError{Wait: wait})
			return
		}
		r.tokenAt = now.Add(min(wait, left))
		return
	}
}

// hasten sends one of the delayed units now, when there is nothing else to do, and so many others have succeeded since it
// failed that it was bad luck: a server that fails now and then does not keep a run waiting. The lock is held.
func (r *Run) hasten() bool {
	if r.throttling.Load() || r.cfg.Gate.Down() {
		return false
	}
	passed := r.counts[Succeeded].Load()
	for k, u := range r.delayed[:min(len(r.delayed), mayHasten)] {
		if u.held || u.hasty && passed-u.jobs[0].passedTrouble >= manyPassed {
			heap.Remove(&r.delayed, k)
			r.broke = append(r.broke, u)
			r.spend(time.Now())
			r.arm()
			return len(r.ready) > 0
		}
	}
	return false
}

// costsNoToken reports whether a unit may go without the budget: to look is not to send, and in an outage it is the gate that
// bounds what leaves.
func (r *Run) costsNoToken(u *unit) bool { return u.free || u.jobs[0].lookUp || r.cfg.Gate.Down() }

// earned lets retries go that successes have brought tokens for.
func (r *Run) earned() {
	r.mu.Lock()
	if len(r.broke) > 0 {
		r.spend(time.Now())
		r.arm()
		r.idle.Broadcast()
	}
	r.mu.Unlock()
}

// soon puts the unit where workers find it before anything fresh. The lock is held.
func (r *Run) soon(u *unit) {
	r.ready = append(r.ready, u)
	r.extra.Add(1)
	r.idle.Signal()
}

// next takes work: what was sent before first, then what is fresh. size is how many fresh items a worker wants
// at once; a chunk takes as many as fit. It may be called with the gate's lock held.
func (r *Run) next(size int) (u *unit, s span) {
	if r.stopped.Load() {
		return nil, span{}
	}
	if r.singles() {
		if r.extra.Load() == 0 {
			return nil, r.fresh(size)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if u = r.nextReady(); u == nil {
			s = r.nextReturned(size)
		}
		return u, s
	}
	if u = r.nextChunk(); u == nil && !r.waitsInOrder() {
		u = r.freshUnit()
	}
	return u, span{}
}

// nextChunk takes a unit that was sent before, or was put together for a worker that found another one.
func (r *Run) nextChunk() *unit {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.nextReady()
}

// waitsInOrder reports whether nothing fresh may be sent, since the item that waits comes first.
func (r *Run) waitsInOrder() bool {
	if !r.cfg.InOrder {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.delayed)+len(r.broke) > 0
}

// first puts the unit where workers find it before anything else. The lock is held.
func (r *Run) first(u *unit) {
	r.ready = append([]*unit{u}, r.ready...)
	r.extra.Add(1)
	r.idle.Signal()
}

// nextReady takes a unit that was sent before, nil when none may go. The lock is held.
func (r *Run) nextReady() *unit {
	if len(r.ready) == 0 {
		if len(r.tried) == 0 {
			return nil
		}
		r.releaseTried() // another run has opened the gate, or there is nothing else to try
		if len(r.ready) == 0 {
			return nil
		}
	}
	u := r.ready[0]
	r.ready[0] = nil
	r.ready = r.ready[1:]
	r.extra.Add(-1)
	return u
}

// nextReturned takes a fresh item that another worker gave back, since calls are slow or must not be made at once; and up
// to size others when there is none. The lock is held.
func (r *Run) nextReturned(size int) span {
	n := len(r.returned)
	if n == 0 {
		return r.fresh(size)
	}
	s := r.returned[n-1]
	if s.hi-s.lo > 1 {
		r.returned[n-1].lo++
		r.idle.Signal() // there is some for another
	} else {
		r.returned = r.returned[:n-1]
		r.extra.Add(-1)
	}
	return span{s.lo, s.lo + 1}
}

// singles reports whether fresh items are sent the short way, by single calls. Those that are to be sent in order are
// not: one that fails must be sent again before anything else, and one that an earlier run may have applied comes in
// its place among the others.
func (r *Run) singles() bool { return r.cfg.ChunkItems <= 1 && r.cfg.Call != nil && !r.cfg.InOrder }

// fresh takes up to size items that nobody has looked at.
func (r *Run) fresh(size int) span {
	for {
		lo, open := r.front.Load(), r.openTo.Load()
		hi := min(lo+int64(size), open)
		if lo >= hi {
			return span{}
		}
		if r.front.CompareAndSwap(lo, hi) {
			return span{int(lo), int(hi)}
		}
	}
}

// giveBack returns fresh items that were taken and not sent.
func (r *Run) giveBack(s span) {
	if s.lo >= s.hi {
		return
	}
	r.mu.Lock()
	r.returned = append(r.returned, s)
	r.extra.Add(1)
	r.idle.Signal()
	r.mu.Unlock()
}

// await blocks until there is work; false means that there will be none.
func (w *worker) await() bool {
	r := w.run
	r.mu.Lock()
	defer r.mu.Unlock()
	for !r.stopped.Load() && !r.isOver() {
		r.sleepers.Add(1) // before looking, so that whoever feeds an item in between sees it
		if w.finds() {
			r.sleepers.Add(-1)
			return true
		}
		r.idle.Wait()
		r.sleepers.Add(-1)
		r.waking.Store(false)
	}
	return false
}

// finds reports whether [Run.next] would find something for the worker. The lock is held.
func (w *worker) finds() bool {
	r := w.run
	switch {
	case len(r.ready)+len(r.tried) > 0:
		return true
	case r.cfg.InOrder && len(r.delayed)+len(r.broke) > 0:
		return false
	case len(r.returned) > 0:
		return true
	}
	if r.freed.Load() > 0 {
		return true
	}
	if r.front.Load() < r.openTo.Load() {
		return w.scout()
	}
	return r.hasten()
}
