// Package engine runs calls for many items: a fixed set of workers pulls work, a gate decides when a call may leave,
// and every item ends in exactly one state. The engine knows indexes and slots, never the items themselves.
//
// A chunk is the set of items that one request carries; a single call is a chunk of one. Fresh items of single calls are
// processed as spans of indexes, because for fast calls the engine's own overhead matters. An item that does not
// succeed at its first attempt becomes a job.
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

// Run is the state of one run.
type Run struct {
	cfg     *Config
	ctx     context.Context // parent of the contexts of the calls
	endable bool            // ctx can be cancelled
	group   errgroup.Group

	waiting    context.Context // for the engine's own waits: ends with ctx, and when the run stops
	cancelWait context.CancelFunc
	turn       chan struct{} // semaphore of 1: its holder may stand in the gate's queue

	sizes   *Sizes
	single  func(ctx context.Context, item int) error // makes a single call
	maxSpan int                                       // fresh items that a worker takes at once while calls are fast

	// Fields that many goroutines change have cache lines of their own; processors fetch those in pairs.
	_            [128]byte
	front        atomic.Int64 // the next fresh item
	_            [128]byte
	openTo       atomic.Int64 // end of the fresh items that may be taken for now; closedBit when no more are fed
	_            [128]byte
	ended, total atomic.Int64 // items that have ended, and items in the run
	_            [128]byte
	sleepers     atomic.Int32 // workers that wait for work
	waking       atomic.Bool  // Feed has woken a sleeper that does not run yet
	scouting     atomic.Bool  // of a stream: a worker is about to take the items fed
	queued       atomic.Int32 // len(ready) + len(returned) + len(tried)
	freed        atomic.Int32 // followers that may be sent and were not taken
	windowSet    atomic.Bool  // window is set
	trying       atomic.Bool  // a chunk larger than the learned limits is under way
	stopped      atomic.Bool
	throttling   atomic.Bool   // a unit was throttled, or failed as a probe, and nothing has succeeded since
	responded    atomic.Bool   // a response other than 403 has come
	tokensShort  atomic.Bool   // awaitingToken is not empty
	canary       atomic.Bool   // not all canary items have succeeded yet
	clockChecks  atomic.Uint32 // how often workers were told to read the clock
	clockArmed   atomic.Bool   // clockTimer runs
	_            [128]byte

	counts                       [States]atomic.Int64 // items that ended, without those in unsent
	unsent                       [States]atomic.Int64 // items of a stream that ended before they were sent
	requests, retries, throttled atomic.Int64
	openings, passedAtOpening    atomic.Int64 // how often the gate was seen to open; items that had succeeded by the last time
	forbidden                    atomic.Int64 // requests refused with 403 before any other response
	interrupted                  atomic.Int64 // items whose call was cut short when the run stopped

	began time.Time // when the run was made
	name  *byte     // identifies the run in the gate, which may outlive it: a pointer to the Run would keep it in memory

	mu               sync.Mutex
	idle             sync.Cond
	workers          int
	ready            []*unit
	delayed          unitHeap
	returned         []span
	timer            *time.Timer
	batchLeft        int
	batchTimer       *time.Timer
	window           window            // results of the first requests of fresh rate-limit windows
	batchEnd         int64             // with BatchDelay or Canary: position at which the open batch ends
	canaryEnd        int64             // position at which the canary items end
	fed              int64             // fresh items so far
	live             map[string]int    // of a stream: the latest item with the key
	waitingFor       map[int]*follower // by the item that they wait for
	heldBack         map[int]*follower // by their own item
	lingerTimer      *time.Timer
	clockTimer       *time.Timer
	followers        []int // items to be sent, since the items that they follow have ended; a chunk takes them
	followed         int   // how many of followers were taken
	retryTokens      retryTokens
	awaitingToken    []*unit   // retries that wait for a token of the retry budget
	outOfTokensSince time.Time // since when no token was found; zero when one was
	tokenAt          time.Time // when the retry budget is checked again
	tried            []*unit   // units that failed as probes of a shut gate
	refusals         int       // units throttled since the gate was last open
	ahead            int       // probes that failed in a row
	unsentLast       bool      // nothing was sent when the last call of an outage failed
	lastTrouble      error     // the error of the last throttle, or of the last failure in an outage
	forbiddenErr     error     // the first 403
	maxLookUp        int       // items that a look-up may have, since a larger one was refused as too large; 0: none was refused
	passedLookUp     int       // items of the largest look-up that passed
	cause            error
	panicked         error

	assembling sync.Mutex   // held while a chunk is put together; never held with mu, nor taken by a claim
	chains     sync.Mutex   // guards before, taken and parked; mu may be locked while it is held
	before     map[int]int  // with Together: item to the item that it follows
	taken      map[int]bool // items that went in one chunk with the item that they follow
	parked     map[int]*job // items of taken that are sent again once the item that they follow has ended
}

// New prepares a run.
func New(ctx context.Context, cfg *Config) *Run {
	r := &Run{cfg: cfg, name: new(byte), ctx: ctx, endable: ctx.Done() != nil, turn: make(chan struct{}, 1)}
	r.idle.L = &r.mu
	if r.sizes = cfg.Sizes; r.sizes == nil {
		r.sizes = &Sizes{}
	}
	r.clockTimer = time.AfterFunc(forever, func() {
		r.clockArmed.Store(false)
		r.clockChecks.Add(1)
	})
	r.clockTimer.Stop() // until [Run.scheduleClockCheck]
	if r.single = cfg.Call; cfg.AttemptTimeout > 0 || cfg.Hooks.Attempt != nil {
		r.single = func(ctx context.Context, item int) error { return r.call(ctx.(*Attempt), item) }
	}
	switch {
	case cfg.Stream:
		r.maxSpan = max(1, min(maxSpan, len(cfg.Table.Slots)/16))
	case cfg.Hooks.Final != nil:
		r.maxSpan = maxSpanWithFinal
	default:
		r.maxSpan = maxSpan
	}
	r.retryTokens.Budget = cfg.Policy.Budget
	r.waiting, r.cancelWait = context.WithCancel(ctx)
	r.total.Store(int64(cfg.Todo))
	r.began = time.Now()
	r.ready = r.takeUp(cfg.Doubtful)
	for _, replay := range cfg.Replay {
		u := &unit{handle: replay.Handle, intended: true}
		for _, i := range replay.Items {
			before := cfg.Table.Detail(i)
			u.jobs = append(u.jobs, &job{
				item: i, maybeApplied: true, bound: len(replay.Items) > 1,
				last: Judgement{Class: Ambiguous, Kind: before.Kind}, err: before.Err, doubted: r.began,
			})
		}
		r.ready = append(r.ready, u)
	}
	r.queued.Store(int32(len(r.ready)))
	r.batchLeft = len(cfg.Doubtful)
	for _, replay := range cfg.Replay {
		r.batchLeft += len(replay.Items)
	}
	r.batchEnd = r.batchFrom(0)
	if cfg.Canary > 0 {
		r.canary.Store(true)
		r.canaryEnd = int64(cfg.Canary)
		r.batchEnd = 1 // canary items go one by one, so that the first failure stops the rest
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

// batchFrom returns the end of the batch that begins at a position in the sending order.
func (r *Run) batchFrom(start int64) int64 {
	if r.cfg.BatchDelay <= 0 {
		return math.MaxInt64
	}
	return start + int64(r.cfg.BatchSize)
}

// openFresh opens the fresh items that belong to the batch. No other goroutine may change openTo meanwhile.
func (r *Run) openFresh() {
	open, end := r.openTo.Load(), min(r.fed, r.batchEnd)
	if open < 0 {
		return // closed
	}
	r.batchLeft += int(end - open)
	r.openTo.Store(end)
}

// batchEnded counts items that ended. When all items of the batch have, the next batch opens, after BatchDelay.
func (r *Run) batchEnded(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.batchLeft -= n
	if r.batchLeft > 0 || r.openTo.Load() < r.batchEnd || r.stopped.Load() {
		return
	}
	if r.canary.Load() && r.batchEnd < r.canaryEnd {
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

// open opens the fresh items up to a position. The lock is held.
func (r *Run) open(end int64) {
	r.batchEnd = end
	r.openFresh()
	r.idle.Broadcast()
}

// Wait returns when every item has ended or the run was stopped, and all calls have returned. The error is the cause
// of the stop.
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
		r.sizes.endTrial(false) // the larger chunk may not have been sent
	}
	r.mu.Lock()
	r.stopped.Store(true)
	for _, t := range []*time.Timer{r.timer, r.batchTimer, r.lingerTimer, r.clockTimer} {
		if t != nil {
			t.Stop()
		}
	}
	r.endHeld()
	left := slices.Concat(r.ready, r.tried, r.delayed, r.awaitingToken)
	for _, j := range r.parked {
		left = append(left, &unit{jobs: []*job{j}})
	}
	r.ready, r.tried, r.delayed, r.awaitingToken, r.parked = nil, nil, nil, nil, nil
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
		return nil // every item ended before the context did
	case !r.isOver() && cause == nil:
		return gate.Ended(r.ctx)
	case cause == nil:
		return r.allForbidden()
	}
	return cause
}

// hire starts workers until there are as many as calls may be in flight. More workers would only wait for slots.
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

// watch stops the run when an error comes from broken. The function it returns ends the watch.
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

// Count returns how many items have ended in the state. Items that a stopped run did not send are not counted.
func (r *Run) Count(s State) int64 { return r.counts[s].Load() + r.unsent[s].Load() }

// Stats returns the counts so far.
func (r *Run) Stats() Stats {
	return Stats{Requests: r.requests.Load(), Retries: r.retries.Load(), Throttled: r.throttled.Load()}
}

// Stop ends the run early: nothing more is sent; calls in flight finish and their results count.
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

// over wakes idle workers so that they return, since every item has ended.
func (r *Run) over() {
	r.mu.Lock()
	r.cancelWait()
	r.idle.Broadcast()
	r.mu.Unlock()
}
