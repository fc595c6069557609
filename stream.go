package windrow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/windrow-go/windrow/internal/engine"
	"github.com/windrow-go/windrow/internal/idem"
	"github.com/windrow-go/windrow/internal/pages"
	"github.com/windrow-go/windrow/internal/resume"
	"github.com/windrow-go/windrow/internal/schedule"
	"github.com/windrow-go/windrow/internal/sink"
	"github.com/windrow-go/windrow/internal/window"
)

// defaultWindow is how many items of a stream are held at once.
const defaultWindow = 4096

// emptied is how many slots the source empties at once before it fills them. The consumer's processor has them in its
// cache; to fetch them together takes hardly longer than one of them.
const emptied = 128

// ErrStreamUsed is the Cause of a stream that is ranged over a second time.
var ErrStreamUsed = errors.New("windrow: a ResultStream can be ranged over once: call Stream again")

// Unordered makes a stream hand over results as the items end. Without it they come in the order of the input.
func Unordered() Option {
	return option("Unordered", true, nil, "", func(o *options) { o.unordered = true })
}

// Window is how many items a stream holds at once, from when they are pulled until their results are handed over, at
// least 1. It bounds the memory, and how far the work runs ahead of the oldest item that has not ended. Defaults to
// 4,096.
func Window(n int) Option {
	return option("Window", n >= 1 && n <= 1<<30, n, "must be from 1 to 1,073,741,824", func(o *options) { o.window = n })
}

// Linger is how long items of a stream wait for a chunk of a native batch to fill up. Without it a chunk holds what
// the source has yielded when a call may leave: a slow source is never held back.
func Linger(d time.Duration) Option {
	return option("Linger", d >= 0, d, "must not be negative", func(o *options) { o.linger = d })
}

var errSourceWentOn = errors.New("windrow: the source went on after it was told to stop")

// FromSlice makes the input of a stream of a slice.
func FromSlice[In any](items []In) iter.Seq2[In, error] {
	return func(yield func(In, error) bool) {
		for _, item := range items {
			if !yield(item, nil) {
				return
			}
		}
	}
}

// StopError is the last error of a stream that ended early.
type StopError struct {
	// Cause is what ended it: the error of the source, the end of the context, or what stops a run.
	Cause error
	// Pulled is how many items had been pulled from the source. Each of them had its result.
	Pulled int
}

// Error implements error.
func (e *StopError) Error() string {
	return fmt.Sprintf("windrow: the stream ended early, after %d items: %v", e.Pulled, e.Cause)
}

// Unwrap returns the cause.
func (e *StopError) Unwrap() error { return e.Cause }

// ResultStream is the outcome of a stream of items, as it comes. Range over [ResultStream.All].
type ResultStream[In, Out any] struct {
	p    *BatchProcessor[In, Out]
	ctx  context.Context
	src  iter.Seq2[In, error]
	used atomic.Bool

	_       [128]byte                   // what the consumer changes with each item stands on a cache line of its own
	ended   [engine.States]atomic.Int64 // items by state, of those that count
	_       [128]byte
	mu      sync.Mutex
	run     *engine.Run // nil before the range statement
	began   time.Time
	elapsed time.Duration                            // of a stream that has ended
	shut    func() (throttled, outage time.Duration) // how long the limiter was shut since
}

// Stream runs the operation for every item that the source yields, in bounded memory, whatever the length of the
// source. Nothing happens before the result is ranged over.
//
// The source is pulled from one goroutine, as fast as the work and the consumer allow, and at most a [Window] ahead of
// the oldest result that was not handed over. An error that it yields ends the stream: what was pulled before is
// finished and handed over first. Validate and Key are called from that goroutine. Items with the same Key, or id, are
// sent one after the other while they are in the window together; rejecting duplicates needs the whole input and
// belongs to [BatchProcessor.Run].
func (p *BatchProcessor[In, Out]) Stream(ctx context.Context, source iter.Seq2[In, error]) *ResultStream[In, Out] {
	return &ResultStream[In, Out]{p: p, ctx: ctx, src: source}
}

// Stats returns the counts of the items that were pulled so far and whose results were handed over; when the range
// statement has ended, of all that were pulled. It may be called at any time.
func (s *ResultStream[In, Out]) Stats() RunStats {
	var stats RunStats
	for state := range s.ended {
		n := int(s.ended[state].Load())
		*stats.count(State(state)) = n
		stats.Total += n
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run == nil {
		return stats
	}
	r := s.run.Stats()
	stats.Requests, stats.Retries, stats.Throttled = int(r.Requests), int(r.Retries), int(r.Throttled)
	if stats.Elapsed = s.elapsed; stats.Elapsed == 0 {
		stats.Elapsed = time.Since(s.began)
	}
	stats.ThrottledFor, stats.OutageFor = s.shut()
	return stats
}

// All yields each result once, with nil or its [*ItemError]; and last, when the stream ended early, a [*StopError]
// with a zero Result. It can be ranged over once.
//
// Breaking out of the loop cancels the calls in flight and waits for them: when the range statement ends nothing of
// the run is still running, but for a source that is in the middle of producing an item. That one ends when it has.
// A panic of the source goes on to the caller, as a [*PanicError], when what was pulled before is handed over, and so
// does one of an [Observer] that is told of the end.
func (s *ResultStream[In, Out]) All() iter.Seq2[Result[In, Out], error] {
	return func(yield func(Result[In, Out], error) bool) {
		var none Result[In, Out]
		costs, cause := s.p.check(s.ctx)
		switch {
		case s.used.Swap(true):
			cause = ErrStreamUsed
		case s.src == nil:
			cause = errors.Join(cause, &OptionError{Option: "Stream", Value: "nil", Problem: "needs a source"})
		case s.p.opts.atomic:
			cause = errors.Join(cause, &OptionError{Option: "Atomic", Problem: "needs the whole input: use Run"})
		case s.p.opts.duplicates == RejectDuplicates || s.p.opts.duplicates == KeepFirst || s.p.opts.duplicates == KeepLast || s.p.opts.duplicates == FailDuplicates:
			cause = errors.Join(cause, &OptionError{Option: "Duplicates", Value: s.p.opts.duplicates, Problem: "needs the whole input: use Run, or KeepAllInOrder"})
		}
		if cause != nil {
			yield(none, &StopError{Cause: cause})
			return
		}
		ctx, end, err := s.p.begin(s.ctx, -1)
		var f *flow[In, Out]
		if err == nil {
			f, err = newFlow(ctx, s, costs)
		}
		if err != nil {
			_ = end(s.Stats(), err)
			yield(none, &StopError{Cause: err})
			return
		}
		defer func() {
			f.join()
			if err := end(s.Stats(), f.cause); err != nil {
				panic(err) // there is nobody else left to be told
			}
		}()
		f.start()
		if !f.deliver(yield) {
			return
		}
		if f.panicked != nil {
			panic(f.panicked)
		}
		if f.cause != nil {
			yield(none, &StopError{Cause: f.cause, Pulled: f.pulled})
		}
	}
}

// flow is a stream under way.
type flow[In, Out any] struct {
	s       *ResultStream[In, Out]
	ring    *BulkResult[In, Out]
	journal *resume.Resumption // nil when there is none to be kept
	win     *window.Window
	run     *engine.Run
	cancel  context.CancelFunc

	stop       chan struct{} // closed when the source is to end
	sourceDone chan struct{}
	over       chan struct{} // closed when all calls have returned
	listeners  *sink.Listeners
	stopTicker func()

	sourceEnds atomic.Bool // the source has ended, or is just ending
	sourceErr  error       // written before sourceDone is closed
	panicked   *PanicError // of the source, the same
	cause      error       // what ended the stream early
	pulled     int
	sizes      []int // of the items in the ring, nil when only their number counts
	plain      bool  // nothing is to be done for an item before it is sent
	joined     bool

	// What the source and the consumer change with each item, on cache lines of their own.
	_    [128]byte
	fed  int  // how many items were fed to the run
	full bool // it takes no more
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
	cfg.Hooks.Final, cfg.Hooks.Outage = win.Ended, p.logOutages(ctx)
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
		f.stopTicker = p.watch(f.run, g, f.listeners, -1, 0, 0)
	}
	return f, nil
}

// start begins to pull and to call.
func (f *flow[In, Out]) start() {
	go func() {
		defer close(f.sourceDone)
		f.pull()
	}()
	go func() {
		f.ended(f.run.Wait())
		close(f.over)
	}()
}

// ended notes what ended the run.
func (f *flow[In, Out]) ended(err error) {
	if panicked, ok := errors.AsType[*PanicError](err); ok && f.s.p.opts.keepPanics {
		f.panicked = panicked
	}
	f.cause = causeOf(err)
}

// pull feeds the run with what the source yields.
func (f *flow[In, Out]) pull() {
	returned := false
	defer func() {
		if !returned {
			value := recover()
			f.sourceErr = ErrGoexit
			if value != nil {
				f.sourceErr = &PanicError{Value: value, Stack: debug.Stack()}
			}
		}
		f.sourceEnds.Store(true)
		f.run.EndFeed(f.fed)
	}()
	f.s.src(f.take) // a range statement would keep its state next to that of the caller's
	returned = true
}

// take feeds the run with one item of the source, and reports whether it takes more.
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

// admit puts an item into its slot, which is clear. The error says that a hook panicked without which nothing can be sent.
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
		if key := f.ring.keys[at]; key != "" { // without one it is refused below
			if first := f.run.Claim(n); first != n {
				f.ring.invalid(n, &DuplicateKeyError{Key: key, First: first, Second: n})
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

// recall asks the journal for an item. It reports false when its slot says what is to be done.
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

// deliver hands the results over as they come. It reports false when the consumer wants no more.
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
		var results [window.AtOnce]Result[In, Out] // to copy a result right after it was written would stall
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

// clear empties the slots of n items from first on, which do not go beyond the end of the ring, for others. The consumer
// does so, since it has just read them: for the source each would be far away.
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

// left calls do for the items that were pulled and not handed over.
func (f *flow[In, Out]) left(all func(item int)) {
	do := func(item int) {
		if s := f.ring.table.At(item); s.State == engine.Doubtful { // nobody has come to it
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

// join ends what is still running and waits for it.
func (f *flow[In, Out]) join() {
	if f.joined {
		return
	}
	f.joined = true
	broken := false // by the consumer
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

// closeJournal tells the journal what was begun and proved not to be applied, and has it write everything down.
func (f *flow[In, Out]) closeJournal() error {
	var left []int
	f.left(func(item int) {
		if f.ring.table.At(item).State == engine.NotAttempted {
			left = append(left, item)
		}
	})
	return f.journal.Close(left)
}

// awaitSource waits for the source, unless it is in the middle of producing an item: it may take for ever.
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

// Page is what a pager's fetch function returns.
type Page[T any] struct {
	// Items are the records on the page, in the order of the list.
	Items []T
	// Next is the cursor or the link of the next page, "" when there is none. Other pagers take no notice of it.
	Next string
	// Total is how many records the server says the whole list has, 0 when it does not say. It is a hint: it never
	// ends the reading by itself.
	Total int
	// Last says that no page follows, for servers that tell (has_more: false, isLast: true, next: null).
	Last bool
	// More says that a page follows, for servers that tell (has_more: true, isLast: false): a short or an empty page is
	// not the last then. Without Last and More the kind of pager decides. A page with both is an error.
	More bool
}

// Position is where a page of a list begins. It can be stored as JSON, for [StartAt]. The zero value is the beginning.
type Position struct {
	// Page is the number of the page, from 0. A [PageNumberPager] goes on by it.
	Page int `json:"page"`
	// Offset is how many records are on the pages before. An [OffsetPager] goes on by it.
	Offset int `json:"offset"`
	// Cursor is what the page is asked for by: the cursor, the link, or the key after which it begins. The other pagers
	// go on by it.
	Cursor string `json:"cursor,omitempty"`
}

// String names the page, for logs. It leaves out the query and the user of a link, which may be credentials.
func (p Position) String() string { return pages.Position(p).String() }

// PageInfo is what [OnPage] is told of a page.
type PageInfo struct {
	Position Position // of the page: to read it again, start there
	Items    int      // on the page, before repeated ones are dropped
	Total    int      // of the whole list, as the server says it; 0 when it does not
}

// PageError is the one error of [Pages], and the last that it yields.
type PageError struct {
	// Position is that of the page which could not be read, or not to its end. [StartAt] goes on there.
	Position Position
	// Err is the error of the fetch function or of the context, [ErrCursorLoop], [ErrEmptyPages], [ErrGoexit], or the
	// [*OptionError] of a reading that could not begin.
	Err error
}

// Error implements error.
func (e *PageError) Error() string { return fmt.Sprintf("windrow: %v: %v", e.Position, e.Err) }

// Unwrap returns the cause.
func (e *PageError) Unwrap() error { return e.Err }

var (
	// ErrCursorLoop is the cause of a [PageError] when the server sends a cursor, a link or a last key again, so that
	// the same pages would follow for ever; or when the pages themselves come again: 3 of them in a row, or 100 items.
	// Fewer do where records are inserted in front. Pages whose items are equal to each other may come again 10,000 times.
	ErrCursorLoop = pages.ErrLoop
	// ErrEmptyPages is matched by the cause of a [PageError] when more pages in a row than [EmptyPages] allows brought
	// nothing new.
	ErrEmptyPages = pages.ErrEmpty
)

// Pager knows how a list is paged. Make one with [OffsetPager], [PageNumberPager], [CursorPager], [LinkPager] or
// [KeysetPager], and hand it to [Pages]. It may be used many times, also at the same time if its functions may.
//
// A list that changes while it is read by offset or page number is not read as it was at any one time: what is inserted
// in front moves records to the next page, where they come again (Key drops them), and what is removed in front moves
// records to pages that were read already, where they are missed. Where that matters, read by key or by cursor, or
// collect what is to be changed before changing it.
type Pager[T any] struct {
	// Key is the identity of a record. A record that comes again within 32 pages is handed over once. The key "" is
	// that of no other record. Nil means that all records are handed over, as often as they come.
	Key func(item T) string

	route pages.Route
	fetch func(ctx context.Context, at pages.Position) (pages.Page[T], error)
	first string // link
	refusals
}

// refusals is what is wrong with the parameters of a pager or a reading.
type refusals struct{ err error }

func (r *refusals) refuse(bad bool, name, field string, value any, problem string) {
	if bad {
		r.err = errors.Join(r.err, &OptionError{Option: name, Field: field, Value: value, Problem: problem})
	}
}

func (r *refusals) within(name, field string, n, low, high int) int {
	r.refuse(n < low || n > high, name, field, n, fmt.Sprintf("must be from %d to %d", low, high))
	return n
}

func newPager[T any](name string, route pages.Route, hasFetch bool, fetch func(ctx context.Context, at pages.Position) (Page[T], error)) *Pager[T] {
	p := &Pager[T]{route: route, fetch: func(ctx context.Context, at pages.Position) (pages.Page[T], error) {
		page, err := fetch(ctx, at)
		return pages.Page[T](page), err
	}}
	p.refuse(!hasFetch, name, "fetch", "nil", "must be a function that fetches a page")
	return p
}

// OffsetPager pages by offset and limit. A page with fewer than size records is the last, unless its Total says that
// there are more: servers cap the limit without a word, and then the list goes on behind what came. A list that ends
// with a full page costs one more request, for an empty one; or for a page that came before, from a server that starts
// again behind the end: where the Total was reached, that is the end, too. An empty page ends the list whatever its Total
// says, which may count records that the caller must not see.
//
// A page with [Page.More] is never the last. The list goes on behind the records that it has, or behind an empty page
// after as many as the longest page had: a server that takes records out of its pages sends some twice ([Pager.Key]
// drops them), and none is missed. One that says where the next page begins is read by a [CursorPager]. A page with more
// than size records is an error.
func OffsetPager[T any](size int, fetch func(ctx context.Context, offset, limit int) (Page[T], error)) *Pager[T] {
	p := newPager("OffsetPager", pages.Offset(size), fetch != nil, func(ctx context.Context, at pages.Position) (Page[T], error) {
		return fetch(ctx, at.Offset, size)
	})
	p.within("OffsetPager", "size", size, 1, 1_000_000)
	return p
}

// PageNumberPager pages by number and size. The first page has the number first, which is 0 or 1. It ends as an
// [OffsetPager] does. For a server that answers an error where the list has ended, fetch returns an empty page, or
// sets [Page.Last] before.
func PageNumberPager[T any](first, size int, fetch func(ctx context.Context, number, size int) (Page[T], error)) *Pager[T] {
	p := newPager("PageNumberPager", pages.Number(size), fetch != nil, func(ctx context.Context, at pages.Position) (Page[T], error) {
		return fetch(ctx, first+at.Page, size)
	})
	p.within("PageNumberPager", "first", first, 0, 1)
	p.within("PageNumberPager", "size", size, 1, 1_000_000)
	return p
}

// CursorPager pages by the cursor that each page has for the next, [Page.Next]. The first page has the cursor "". A
// page without one is the last; a short or an empty page is not. One without a cursor and with [Page.More] is an error.
func CursorPager[T any](fetch func(ctx context.Context, cursor string) (Page[T], error)) *Pager[T] {
	return newPager("CursorPager", pages.Cursor(), fetch != nil, func(ctx context.Context, at pages.Position) (Page[T], error) {
		return fetch(ctx, at.Cursor)
	})
}

// LinkPager pages by the link that each page has to the next, [Page.Next]. A relative link is resolved against the URL
// of its page. It ends as a [CursorPager] does. A link may lead to another host: whether to send credentials there is
// for fetch to decide.
func LinkPager[T any](first string, fetch func(ctx context.Context, url string) (Page[T], error)) *Pager[T] {
	p := newPager("LinkPager", pages.Link(), fetch != nil, func(ctx context.Context, at pages.Position) (Page[T], error) {
		return fetch(ctx, at.Cursor)
	})
	p.first = first
	p.refuse(first == "", "LinkPager", "first", nil, "must be the URL of the first page")
	return p
}

// KeysetPager pages by the key of the last record on each page: fetch returns the first records whose keys come after
// the one it is given, in the order of the keys; "" is before all. The list ends with an empty page, or with
// [Page.Last]; an empty page with [Page.More] is an error. Keys must be unique: of several records with one key, those behind the end of a page would be missed.
// This is the paging that misses and repeats nothing while other records are inserted and removed.
func KeysetPager[T any](key func(item T) string, fetch func(ctx context.Context, after string) (Page[T], error)) *Pager[T] {
	p := newPager("KeysetPager", pages.Keyset(), fetch != nil, func(ctx context.Context, at pages.Position) (Page[T], error) {
		page, err := fetch(ctx, at.Cursor)
		if n := len(page.Items); n > 0 {
			page.Next = key(page.Items[n-1])
		}
		return page, err
	})
	p.refuse(key == nil, "KeysetPager", "key", "nil", "must be a function that returns the key of a record")
	return p
}

// PageOption is a policy of [Pages].
type PageOption interface{ applyPages(*pageOptions) }

type pageOptionFunc func(*pageOptions)

func (f pageOptionFunc) applyPages(o *pageOptions) { f(o) }

// pageOptions is what the options of a reading say.
type pageOptions struct {
	start                     Position
	prefetch, parallel, empty int
	onPage                    func(PageInfo)
	run                       []Option // of each page, when there is one
	runs                      bool
	refusals
}

// Prefetch is how many pages may be fetched ahead while one is handled, and so how many are held beside it: from 0,
// which fetches a page when the one before was handled, to 1,000. Defaults to 1.
func Prefetch(n int) PageOption {
	return pageOptionFunc(func(o *pageOptions) { o.prefetch = o.within("Prefetch", "", n, 0, 1000) })
}

// ParallelPages lets up to n pages, from 1 to 1,000, be fetched at the same time, and as many be held; they are handed
// over in order. It is for an [OffsetPager] or a [PageNumberPager] whose pages say the Total: what lies behind the
// total is fetched one page at a time. Defaults to 1.
func ParallelPages(n int) PageOption {
	return pageOptionFunc(func(o *pageOptions) { o.parallel = o.within("ParallelPages", "", n, 1, 1000) })
}

// StartAt begins the reading at a page that an [OnPage] function or a [PageError] named, of a pager of the same kind
// and size. Defaults to the first page.
func StartAt(position Position) PageOption {
	return pageOptionFunc(func(o *pageOptions) {
		o.start = position
		o.refuse(position.Page < 0 || position.Offset < 0, "StartAt", "", position, "must not be negative")
	})
}

// EmptyPages is how many pages in a row may bring nothing new before the reading ends with [ErrEmptyPages]: empty ones
// that have a cursor for the next, and those whose records have all come before by [Pager.Key]. Defaults to 100.
func EmptyPages(n int) PageOption {
	return pageOptionFunc(func(o *pageOptions) { o.empty = o.within("EmptyPages", "", n, 0, 1_000_000) })
}

// OnPage is told of each page before its items are handed over, from the goroutine that ranges: whoever stores the
// position can start there again when the program was killed, and gets the items of that page once more. Items that
// [BatchProcessor.Stream] has pulled were not handled yet; what was done there is for a journal to say.
func OnPage(f func(PageInfo)) PageOption {
	return pageOptionFunc(func(o *pageOptions) { o.onPage = f })
}

// PageRun makes each page the business of a run of one read with these options: a page whose fetch fails is fetched again
// by the run's [RetryPolicy], through its limiter. A server that throttles, or that takes no requests for a while, delays
// the reading then and does not end it. Give [WithLimiter] the limiter of the runs that ask the same server: what one
// of them learns holds for all. Without it the reading has a limiter of its own. Unless the options have a [Retry], a page
// that is answered with status 502, 503 or 504 is asked for again for up to 5 minutes.
//
// The errors of the fetch function are classified as those of a client are: see [Classify]. Without PageRun a page is
// fetched once, and its error ends the reading. The pagers of the adapters do so by themselves.
func PageRun(opts ...Option) PageOption {
	opts = slices.Clone(opts)
	return pageOptionFunc(func(o *pageOptions) { o.run, o.runs = opts, true })
}

// pagesByRuns returns a fetch function whose every call is a run of one read.
func pagesByRuns[T any](fetch func(context.Context, pages.Position) (pages.Page[T], error), opts []Option) func(context.Context, pages.Position) (pages.Page[T], error) {
	reads := NewGetProcessor(GetFunc(func(ctx context.Context, at pages.Position) (*pages.Page[T], error) {
		page, err := fetch(ctx, at)
		if err != nil {
			return nil, err
		}
		return &page, nil
	}), opts...)
	run := func(ctx context.Context, at pages.Position) (none pages.Page[T], _ error) {
		res, err := reads.Run(ctx, []pages.Position{at})
		first := res.At(0)
		if err == nil && first.Value != nil {
			return *first.Value, nil
		}
		if err == nil {
			return none, &OptionError{Option: "PageRun", Problem: "must have no options that keep a page from being fetched"}
		}
		if panicked, ok := errors.AsType[*PanicError](err); ok {
			return none, &pages.Panic{Value: panicked.Value, Stack: panicked.Stack}
		}
		if first.State == Failed {
			return none, first.Err
		}
		if bulk, ok := errors.AsType[*BulkError](err); ok && bulk.Cause != nil {
			return none, bulk.Cause
		}
		return none, err
	}
	if newOptions(opts).given["Retry"] {
		return run
	}
	return func(ctx context.Context, at pages.Position) (pages.Page[T], error) {
		return pages.Persist(ctx, func() (pages.Page[T], error) { return run(ctx, at) })
	}
}

// Pages yields the items of a list one at a time, with nil; and when the reading ends before the list, once and last a
// [*PageError] with a zero item. Each range over it starts again from the first page. It can be the input of
// [BatchProcessor.Stream].
//
// While the caller handles a page, the next is being fetched ([Prefetch]). The fetch function is called from other
// goroutines, one call at a time unless [ParallelPages] says otherwise. Nothing is retried or limited here: let fetch
// do it, with [Limiter.Do] for one, or a client that does.
//
// When the range statement ends, for whatever reason, the fetches on their way are cancelled by their context and have
// returned. A fetch that takes no notice of its context is waited for. When ctx ends, so does the reading, at once,
// also in the middle of a page. A panic of the fetch function goes on to the caller, as a [*PanicError], when the items
// before were handed over.
func Pages[T any](ctx context.Context, pager *Pager[T], opts ...PageOption) iter.Seq2[T, error] {
	o := pageOptions{prefetch: 1, parallel: 1, empty: 100}
	for _, opt := range opts {
		if opt != nil {
			opt.applyPages(&o)
		}
	}
	if o.runs && pager != nil && pager.fetch != nil {
		byRuns := *pager
		byRuns.fetch = pagesByRuns(pager.fetch, o.run)
		pager = &byRuns
	}
	return func(yield func(T, error) bool) {
		at, err := readPages(ctx, pager, o, func(item T) bool { return yield(item, nil) })
		if panicked, ok := err.(*pages.Panic); ok {
			if err = ErrGoexit; panicked.Value != nil {
				panic(&PanicError{Value: panicked.Value, Stack: panicked.Stack})
			}
		}
		if err != nil {
			var none T
			yield(none, &PageError{Position: at, Err: err})
		}
	}
}

// readPages checks what is to be read, and reads it.
func readPages[T any](ctx context.Context, pager *Pager[T], o pageOptions, yield func(T) bool) (Position, error) {
	if ctx == nil {
		return o.start, ErrNilContext
	}
	if pager == nil || pager.fetch == nil {
		pager = newPager[T]("Pager", pages.Route{}, false, nil)
	}
	o.refuse(o.parallel > 1 && pager.route.Ahead == nil, "ParallelPages", "", o.parallel, "is for an OffsetPager or a PageNumberPager")
	if err := errors.Join(o.err, pager.err); err != nil {
		return o.start, err
	}
	o.start.Cursor = cmp.Or(o.start.Cursor, pager.first)
	c := pages.Config[T]{
		Route: pager.route, Fetch: pager.fetch, Key: pager.Key,
		Start: pages.Position(o.start), Prefetch: o.prefetch, Parallel: o.parallel, MaxEmpty: o.empty,
	}
	if o.onPage != nil {
		c.OnPage = func(at pages.Position, items, total int) { o.onPage(PageInfo{Position(at), items, total}) }
	}
	at, err := c.Read(ctx, yield)
	return Position(at), err
}
