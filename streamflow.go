package windrow

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/windrow-go/windrow/internal/contain"
	"github.com/windrow-go/windrow/internal/engine"
	"github.com/windrow-go/windrow/internal/idem"
	"github.com/windrow-go/windrow/internal/resume"
	"github.com/windrow-go/windrow/internal/schedule"
	"github.com/windrow-go/windrow/internal/sink"
	"github.com/windrow-go/windrow/internal/window"
)

// defaultWindow is how many items of a stream are held at once.
const defaultWindow = 4096

// emptied is how many slots the source clears at once before it fills them. The slots are in the cache of the
// consumer's processor; fetching them together takes hardly longer than fetching one.
const emptied = 128

var errSourceWentOn = errors.New("windrow: the source went on after it was told to stop")

// flow is a running stream.
type flow[In, Out any] struct {
	s       *ResultStream[In, Out]
	ring    *BulkResult[In, Out]
	journal *resume.Resumption // nil without a journal
	win     *window.Window
	run     *engine.Run
	cancel  context.CancelFunc

	stop       chan struct{} // closed when the source is to end
	sourceDone chan struct{}
	over       chan struct{} // closed when all calls have returned
	listeners  *sink.Listeners
	stopTicker func()
	detach     func() // from its Control

	sourceEnds atomic.Bool // the source has ended or is about to end
	sourceErr  error       // written before sourceDone is closed
	panicked   *PanicError // of the source; written before sourceDone is closed
	cause      error       // what ended the stream early
	pulled     int
	sizes      []int // of the items in the ring, nil when only their number counts
	plain      bool  // items need no work before they are sent
	joined     bool

	// The source and the consumer change these with each item, so they are on cache lines of their own.
	_    [128]byte
	fed  int  // how many items were fed to the run
	full bool // the run takes no more items
	_    [128]byte
	next int // ordered: the next item to hand over
	_    [128]byte
}

func newFlow[In, Out any](ctx context.Context, s *ResultStream[In, Out], costs []int) (*flow[In, Out], error) {
	p, width := s.p, s.p.opts.window
	if width == 0 {
		width = defaultWindow
	}
	win := window.New(width)
	n := win.Slots()
	f := &flow[In, Out]{
		s: s, win: win,
		stop: make(chan struct{}), sourceDone: make(chan struct{}), over: make(chan struct{}), listeners: sink.Listen(nil, lost),
		ring: &BulkResult[In, Out]{
			op: p.op, runID: idem.RunID(), inputs: make([]In, n), values: make([]Out, n), table: engine.NewRing(n), mask: n - 1,
			idOf: p.ResultID,
		},
	}
	var err error
	f.ring.scope = p.scopeOf(f.ring.runID)
	if f.journal, err = p.resumption(f.ring, true); err != nil {
		return nil, err
	}
	ctx, f.cancel = context.WithCancel(ctx)
	g := p.limiter.start()
	plan := &prepared{Plan: &schedule.Plan{}, costs: costs}
	if p.sizeOf() != nil {
		plan.Sizes = make([]int, n)
		f.sizes = plan.Sizes
	}
	cfg := p.engineConfig(f.ring, plan, g)
	cfg.Stream, cfg.Linger = true, p.opts.linger
	cfg.Hooks.Final, cfg.Hooks.Outage, cfg.Hooks.Attempt = win.Ended, p.logOutages(ctx), p.watchAttempts(ctx)
	if p.keyOf() != nil {
		f.ring.keys = make([]string, n)
		cfg.KeyOf = f.ring.key
	}
	cfg.Owner = p.owner(f.ring)
	if f.journal != nil {
		f.ring.ids, cfg.KeysOnce = make([]string, n), true
		keepJournal(f.journal, cfg, func(err error) { f.run.Stop(err) })
	}
	f.plain = f.ring.keys == nil && f.sizes == nil && f.journal == nil && p.Validate == nil && !p.opts.dryRun
	f.run = engine.New(ctx, cfg)
	f.detach = func() {}
	if p.opts.control != nil {
		f.detach = p.opts.control.attach(f.run)
	}
	s.mu.Lock()
	s.run, s.began = f.run, time.Now()
	before := g.Stats()
	s.shut = func() (throttled, outage time.Duration) {
		now := g.Stats()
		return now.ShutFor - before.ShutFor, now.DownFor - before.DownFor
	}
	s.mu.Unlock()
	f.stopTicker = func() {}
	if p.opts.onProgress != nil {
		cfg.Broken = f.listeners.Broken()
		f.stopTicker = p.watch(f.run, g, f.listeners, -1, [engine.States]int{})
	}
	return f, nil
}

// start starts the goroutines that pull items and wait for the run.
func (f *flow[In, Out]) start() {
	go func() {
		defer close(f.sourceDone)
		f.pull()
	}()
	go func() {
		f.ended(f.run.Wait())
		f.detach()
		close(f.over)
	}()
}

// ended records what ended the run.
func (f *flow[In, Out]) ended(err error) {
	if panicked, ok := errors.AsType[*PanicError](err); ok && f.s.p.opts.keepPanics {
		f.panicked = panicked
	}
	f.cause = causeOf(err)
}

// pull feeds the items of the source to the run.
func (f *flow[In, Out]) pull() {
	defer func() {
		f.sourceEnds.Store(true)
		f.run.EndFeed(f.fed)
	}()
	calling := true
	defer contain.Recover(&calling, func(value any, stack []byte) { f.sourceErr = lost(value, stack) })
	f.s.src(f.take) // not a range statement, which would keep its state next to the caller's
	calling = false
}

// take feeds one item of the source to the run, and reports whether the run takes more.
func (f *flow[In, Out]) take(in In, err error) (more bool) {
	if f.full {
		panic(errSourceWentOn)
	}
	if err == nil && !f.win.Wait(f.fed, f.stop) {
		f.full = true
		return false
	}
	if err == nil {
		err = f.admit(f.fed, in)
	}
	if err != nil {
		f.sourceErr = err
	}
	if err != nil || !f.run.Feed(f.fed) {
		f.full = true
		return false
	}
	f.fed++
	return true
}

// admit puts an item into its slot, which is clear. The error is a panic of Key, Size or Fingerprint, or an error of
// the journal.
func (f *flow[In, Out]) admit(n int, in In) error {
	p, at := f.s.p, n&f.ring.mask
	if n%emptied == 0 {
		clear(f.ring.inputs[at : at+min(emptied, f.win.Room(n))])
	}
	f.ring.inputs[at] = in
	if f.plain {
		return nil
	}
	if f.ring.keys != nil {
		if err := guarded(func() error { f.ring.keys[at] = p.keyOf()(in); return nil }); err != nil {
			return fmt.Errorf("windrow: Key: %w", err)
		}
	}
	if f.sizes != nil {
		if err := guarded(func() error { f.sizes[at] = max(0, p.sizeOf()(in)); return nil }); err != nil {
			return fmt.Errorf("windrow: Size: %w", err)
		}
	}
	if f.journal != nil {
		if key := f.ring.keys[at]; key != "" { // recall refuses an item without a key
			if first := f.run.Claim(n); first != n {
				f.ring.invalid(n, sameKey(key, first, n))
				return nil
			}
		}
		if fresh, err := f.recall(n); err != nil || !fresh {
			return err
		}
	}
	if p.Validate != nil {
		if err := guarded(func() error { return p.Validate(in) }); err != nil {
			f.ring.invalid(n, err)
			return nil
		}
	}
	if p.opts.dryRun && !p.asksServer() {
		*f.ring.table.At(n) = engine.Slot{State: engine.Skipped, Reason: engine.DryRun}
	}
	return nil
}

// recall looks up an item in the journal. fresh is false when the slot of the item says how to proceed.
func (f *flow[In, Out]) recall(n int) (fresh bool, _ error) {
	err := guarded(func() (err error) {
		f.ring.ids[n&f.ring.mask], fresh, err = f.journal.Recall(n)
		return err
	})
	if isPanic(err) {
		err = fmt.Errorf("windrow: Fingerprint: %w", err)
	}
	return fresh, err
}

// deliver hands the results over as they come. It returns false when the consumer stops.
func (f *flow[In, Out]) deliver(yield func(Result[In, Out], error) bool) bool {
	if f.s.p.opts.unordered {
		for {
			item, ok := f.win.NextAny(f.over)
			if !ok {
				break
			}
			var res Result[In, Out]
			f.ring.fill(&res, item)
			f.clear(item, 1)
			f.win.TakeAny(item)
			if !f.hand(&res, yield) {
				return false
			}
		}
	} else {
		var results [window.AtOnce]Result[In, Out] // copied in bulk, since copying a result right after it was written stalls
		for {
			first, n := f.win.Next(f.over)
			if n == 0 {
				break
			}
			f.next = first
			for k := range results[:n] {
				results[k] = Result[In, Out]{}
				f.ring.fill(&results[k], first+k)
			}
			for k := range results[:n] {
				f.next++
				if !f.hand(&results[k], yield) {
					return false
				}
			}
			f.clear(first, n)
			f.win.Take(first, n)
		}
	}
	more := true
	f.join()
	f.left(func(item int) {
		var res Result[In, Out]
		f.ring.fill(&res, item)
		if more {
			more = f.hand(&res, yield)
		} else {
			f.count(res.State)
		}
	})
	return more
}

// clear clears the slots of n items from first on, which must not go beyond the end of the ring. The consumer does it,
// since the slots are in its cache and not in that of the source.
func (f *flow[In, Out]) clear(first, n int) {
	at := first & f.ring.mask
	clear(f.ring.values[at : at+n])
	f.ring.table.Fill(first, first+n, engine.Slot{})
}

// hand hands over one result.
func (f *flow[In, Out]) hand(res *Result[In, Out], yield func(Result[In, Out], error) bool) bool {
	f.count(res.State)
	if f.s.p.OnResult != nil {
		f.s.p.OnResult(*res)
	}
	if res.State == Succeeded || res.State == Skipped {
		return yield(*res, nil)
	}
	return yield(*res, &ItemError{Index: res.Index, Key: res.Key, State: res.State, Kind: res.Kind, Attempts: res.Attempts, Err: res.Err})
}

// count adds an item to the counts of the stream.
func (f *flow[In, Out]) count(s State) { f.s.ended[s].Add(1) }

// left calls all for each item that was pulled and not handed over.
func (f *flow[In, Out]) left(all func(item int)) {
	do := func(item int) {
		if s := f.ring.table.At(item); s.State == engine.Doubtful { // not sent or looked up in this run
			s.State = engine.Unknown
		}
		all(item)
	}
	if f.s.p.opts.unordered {
		f.win.Left(f.pulled, do)
		return
	}
	for item := f.next; item < f.pulled; item++ {
		do(item)
	}
}

// join stops the run and waits until everything has ended.
func (f *flow[In, Out]) join() {
	if f.joined {
		return
	}
	f.joined = true
	broken := false // the consumer broke out of the loop
	select {
	case <-f.over:
	default:
		broken = true
		f.run.Stop(nil)
		f.cancel()
		<-f.over
	}
	f.cancel()
	close(f.stop)
	f.pulled = f.run.CloseFeed()
	f.stopTicker()
	if err := f.listeners.Close(); err != nil && f.cause == nil {
		f.ended(err)
	}
	if f.awaitSource() && f.panicked == nil && f.cause == nil {
		f.panicked, _ = f.sourceErr.(*PanicError)
		f.cause = f.sourceErr
	}
	if f.journal != nil {
		if err := f.closeJournal(); f.cause == nil && f.panicked == nil {
			f.cause = err
		}
	}
	if broken {
		f.cause = nil
		f.left(func(item int) { f.count(f.ring.At(item).State) })
	}
	f.s.mu.Lock()
	f.s.elapsed = max(1, time.Since(f.s.began))
	throttled, outage := f.s.shut()
	f.s.shut = func() (time.Duration, time.Duration) { return throttled, outage }
	f.s.mu.Unlock()
}

// closeJournal records the items that were begun and proved not to be applied, and syncs the journal.
func (f *flow[In, Out]) closeJournal() error {
	var left []int
	f.left(func(item int) {
		if f.ring.table.At(item).State == engine.NotAttempted {
			left = append(left, item)
		}
	})
	return f.journal.Close(left)
}

// awaitSource waits for the source, unless it is producing an item, which may take forever.
func (f *flow[In, Out]) awaitSource() (done bool) {
	if f.sourceEnds.Load() {
		<-f.sourceDone
		return true
	}
	for range 1000 {
		select {
		case <-f.sourceDone:
			return true
		default:
			runtime.Gosched()
		}
	}
	return false
}
