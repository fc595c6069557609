// Package engine runs calls for many items: a fixed set of workers pulls work, a gate says when a call may leave,
// and every item ends in exactly one state. It knows indexes and slots, never the items themselves.
//
// The engine is built on chunks: a chunk is what one request carries, and a single call is a chunk of one. Fresh
// items of single calls take a short way (spans of indexes), since for fast calls the engine's own cost counts;
// whatever does not succeed at once goes on as jobs.
package engine

import (
	"cmp"
	"context"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/windrow-go/windrow/internal/gate"
)

// Run is a run under way.
type Run struct {
	cfg     *Config
	ctx     context.Context // of the calls
	endable bool            // ctx may end
	group   errgroup.Group

	waiting    context.Context // of the waits of our own: ends with ctx, and when the run stops
	cancelWait context.CancelFunc
	turn       chan struct{} // whoever has put something in may stand in the gate's queue

	sizes   *Sizes
	single  func(ctx context.Context, item int) error // makes a single call
	maxSpan int                                       // fresh items that a worker takes at once while calls are fast

	// What many goroutines change stands on cache lines of its own, which processors fetch in pairs.
	_            [128]byte
	front        atomic.Int64 // the next fresh item
	_            [128]byte
	openTo       atomic.Int64 // where fresh items end for now
	_            [128]byte
	ended, total atomic.Int64 // items that have ended, and that are to end
	_            [128]byte
	sleepers     atomic.Int32 // workers that wait for work
	waking       atomic.Bool  // one of them was woken by Feed and does not run yet
	scouting     atomic.Bool  // of a stream: a worker is on its way to take what is fed
	extra        atomic.Int32 // len(ready) + len(returned) + len(tried)
	freed        atomic.Int32 // followers that were not taken
	narrow       atomic.Bool  // window is set
	trying       atomic.Bool  // a chunk was made larger than is known to pass
	stopped      atomic.Bool
	throttling   atomic.Bool   // something was refused, or failed as a probe, and nothing succeeded since
	responded    atomic.Bool   // there was a response that was no 403
	poor         atomic.Bool   // broke is not empty
	canary       atomic.Bool   // the canary has not ended
	looks        atomic.Uint32 // how often workers were to look at the clock
	looking      atomic.Bool   // lookTimer runs
	_            [128]byte

	counts                       [States]atomic.Int64
	requests, retries, throttled atomic.Int64
	openings, passedAtOpening    atomic.Int64 // how often the gate was seen to open, and items that had succeeded when it last was
	forbidden                    atomic.Int64 // requests refused with 403 before any other response
	interrupted                  atomic.Int64 // items whose call was cut short when the run stopped

	began time.Time // when it was made
	name  *byte     // stands for the run where it may be remembered for longer than it lasts

	mu           sync.Mutex
	idle         sync.Cond
	workers      int
	ready        []*unit
	delayed      unitHeap
	returned     []span
	timer        *time.Timer
	batchLeft    int
	batchTimer   *time.Timer
	window       window            // what became of the first requests of fresh windows
	batchEnd     int64             // fresh items before it may be sent, with BatchDelay or Canary
	fed          int64             // fresh items so far
	live         map[string]int    // of a stream: the latest item with the key
	waitingFor   map[int]*follower // by the item before
	heldBack     map[int]*follower // by the item that waits
	lingerTimer  *time.Timer
	lookTimer    *time.Timer
	followers    []int // items whose turn has come, as those before them have ended; a chunk takes them
	followed     int   // so many of these were taken
	purse        purse
	broke        []*unit   // retries that wait for the purse
	brokeSince   time.Time // since when the purse was found empty each time
	tokenAt      time.Time // when it is looked at again
	tried        []*unit   // those that failed as probes of a shut gate; part of extra
	refusals     int       // units that were throttled since the gate was open
	ahead        int       // fresh probes that failed one after the other
	unsentLast   bool      // nothing was sent when the last call of an outage failed
	lastTrouble  error     // the last throttle, or failure in an outage
	forbiddenErr error     // the first 403
	lookMost     int       // how many items a look-up may have, by what was refused as too large; 0: nothing was
	lookPassed   int       // the most that one had which passed
	cause        error
	panicked     error

	assembling sync.Mutex   // held while a chunk is put together, never together with mu or by a claim
	chains     sync.Mutex   // of the next three; mu may be locked inside
	before     map[int]int  // with Together: item to the one that it follows
	taken      map[int]bool // items that went with those that they follow
	parked     map[int]*job // and were to be sent again after those
}

// New prepares a run.
func New(ctx context.Context, cfg *Config) *Run {
	r := &Run{cfg: cfg, name: new(byte), ctx: ctx, endable: ctx.Done() != nil, turn: make(chan struct{}, 1)}
	r.idle.L = &r.mu
	if r.sizes = cfg.Sizes; r.sizes == nil {
		r.sizes = &Sizes{}
	}
	r.lookTimer = time.AfterFunc(forever, func() {
		r.looking.Store(false)
		r.looks.Add(1)
	})
	r.lookTimer.Stop() // until it is wanted
	if r.single = cfg.Call; cfg.AttemptTimeout > 0 || cfg.Hooks.Attempt != nil {
		r.single = func(ctx context.Context, item int) error { return r.call(ctx.(*Attempt), item) }
	}
	switch {
	case cfg.Stream:
		r.maxSpan = max(1, min(maxSpan, len(cfg.Table.Slots)/16))
	case cfg.Hooks.Final != nil:
		r.maxSpan = maxHeardSpan
	default:
		r.maxSpan = maxSpan
	}
	r.purse.Budget = cfg.Policy.Budget
	r.waiting, r.cancelWait = context.WithCancel(ctx)
	r.total.Store(int64(cfg.Todo))
	r.began = time.Now()
	r.ready = r.takeUp(cfg.Doubtful)
	for _, replay := range cfg.Replay {
		u := &unit{handle: replay.Handle, intended: true}
		for _, i := range replay.Items {
			before := cfg.Table.Detail(i)
			u.jobs = append(u.jobs, &job{
				item: i, maybe: true, bound: len(replay.Items) > 1,
				last: Judgement{Class: Ambiguous, Kind: before.Kind}, err: before.Err, doubted: r.began,
			})
		}
		r.ready = append(r.ready, u)
	}
	r.extra.Store(int32(len(r.ready)))
	r.batchLeft = len(cfg.Doubtful)
	for _, replay := range cfg.Replay {
		r.batchLeft += len(replay.Items)
	}
	r.batchEnd = r.batchFrom(0)
	if cfg.Canary > 0 {
		r.canary.Store(true)
		r.batchEnd = 1 // they go one by one, so that a bad one is alone
	}
	if cfg.Together {
		r.before, r.taken, r.parked = map[int]int{}, map[int]bool{}, map[int]*job{}
		for item, next := range cfg.Follower {
			r.before[next] = item
		}
	}
	switch {
	case cfg.Stream:
		r.total.Store(math.MaxInt64)
		if cfg.KeyOf != nil {
			r.live, r.waitingFor, r.heldBack = map[string]int{}, map[int]*follower{}, map[int]*follower{}
		}
	case cfg.Order != nil:
		r.fed = int64(len(cfg.Order))
	default:
		r.fed = int64(len(cfg.Table.Slots))
	}
	r.openFresh()
	return r
}

// batchFrom returns where the batch ends that begins at a position of the order in which fresh items are sent.
func (r *Run) batchFrom(start int64) int64 {
	if r.cfg.BatchDelay <= 0 {
		return math.MaxInt64
	}
	return start + int64(r.cfg.BatchSize)
}

// openFresh lets the fresh items be taken that the batch has room for. Nobody else may be changing openTo.
func (r *Run) openFresh() {
	open, end := r.openTo.Load(), min(r.fed, r.batchEnd)
	if open < 0 {
		return // closed
	}
	r.batchLeft += int(end - open)
	r.openTo.Store(end)
}

// batchEnded counts items that ended. When a whole batch has, the next one opens, after the delay if there is one.
func (r *Run) batchEnded(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.batchLeft -= n
	if r.batchLeft > 0 || r.openTo.Load() < r.batchEnd || r.stopped.Load() {
		return
	}
	if r.canary.Load() && r.batchEnd < int64(r.cfg.Canary) {
		r.open(r.batchEnd + 1)
		return
	}
	r.canary.Store(false)
	if r.cfg.BatchDelay <= 0 {
		r.open(r.batchFrom(r.batchEnd))
		return
	}
	r.batchTimer = time.AfterFunc(r.cfg.BatchDelay, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.open(r.batchFrom(r.batchEnd))
	})
}

// open lets the fresh items up to that position be taken. The lock is held.
func (r *Run) open(end int64) {
	r.batchEnd = end
	r.openFresh()
	r.idle.Broadcast()
}

// Wait runs until every item has ended or the run was stopped, and all calls have returned. The error is what
// stopped the run.
func (r *Run) Wait() error {
	defer r.cancelWait()
	if r.total.Load() == 0 {
		return nil
	}
	listener := &gate.Listener{Raised: r.hire, Outage: r.cfg.Hooks.Outage}
	ceiling := r.cfg.Gate.Attach(listener)
	defer r.cfg.Gate.Detach(listener)
	stop := context.AfterFunc(r.ctx, func() { r.stop(gate.Ended(r.ctx)) })
	unwatch := func() {}
	if r.cfg.Broken != nil {
		unwatch = r.watch(r.cfg.Broken)
	}
	r.checkFailures()
	r.hire(ceiling)
	_ = r.group.Wait() // workers return no errors: an item's error is a result
	stop()
	unwatch()
	if r.trying.Swap(false) {
		r.sizes.endTrial(false) // it may not have been sent
	}
	r.mu.Lock()
	r.stopped.Store(true)
	for _, t := range []*time.Timer{r.timer, r.batchTimer, r.lingerTimer, r.lookTimer} {
		if t != nil {
			t.Stop()
		}
	}
	r.endHeld()
	left := slices.Concat(r.ready, r.tried, r.delayed, r.broke)
	for _, j := range r.parked {
		left = append(left, &unit{jobs: []*job{j}})
	}
	r.ready, r.tried, r.delayed, r.broke, r.parked = nil, nil, nil, nil, nil
	cause, panicked := r.cause, r.panicked
	r.mu.Unlock()
	for _, u := range left {
		for _, j := range u.jobs {
			r.abandon(j)
		}
	}
	switch {
	case panicked != nil:
		return panicked
	case r.isOver() && r.interrupted.Load() == 0 && r.ctx.Err() != nil:
		return nil // the context ended when every item already had
	case !r.isOver() && cause == nil:
		return gate.Ended(r.ctx)
	case cause == nil:
		return r.allForbidden()
	}
	return cause
}

// hire makes as many workers as calls may be in flight, but for those that are there. More would stand in line for nothing.
func (r *Run) hire(ceiling int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped.Load() || r.isOver() {
		return
	}
	want := cmp.Or(r.cfg.Workers, ceiling)
	for int64(r.workers) < min(int64(want), r.total.Load()) {
		r.workers++
		r.group.Go(r.work)
	}
}

// watch stops the run with an error that comes, until the function it returns is called.
func (r *Run) watch(broken <-chan error) (end func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case err := <-broken:
			r.stop(err)
		case <-done:
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

// Count returns how many items ended in the state so far. Items that a stopped run left are not counted.
func (r *Run) Count(s State) int64 { return r.counts[s].Load() }

// Stats returns the counts so far.
func (r *Run) Stats() Stats {
	return Stats{Requests: r.requests.Load(), Retries: r.retries.Load(), Throttled: r.throttled.Load()}
}

// Stop ends the run early: nothing more is sent, calls in flight are waited for and count.
func (r *Run) Stop(cause error) { r.stop(cause) }

func (r *Run) stop(cause error) {
	r.mu.Lock()
	r.stopLocked(cause)
	r.mu.Unlock()
}

func (r *Run) stopLocked(cause error) {
	if r.stopped.Load() {
		return
	}
	r.stopped.Store(true)
	if r.cause == nil {
		r.cause = cause
	}
	r.cancelWait()
	r.idle.Broadcast()
}

// isOver reports whether every item has ended.
func (r *Run) isOver() bool { return r.ended.Load() == r.total.Load() }

// over lets idle workers go: every item has ended.
func (r *Run) over() {
	r.mu.Lock()
	r.cancelWait()
	r.idle.Broadcast()
	r.mu.Unlock()
}
