package proptest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/windrowtest"
)

// Whatever the server does, and whatever the run is told: its result says of every item what the ledger knows to be
// true, and a second run of what may be sent again, with a server that is well, brings it to an end.
func TestResultsAreTrue(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, r *rapid.T) {
		w := newWorld(t, r)
		r.Repeat(map[string]func(*rapid.T){
			"":       w.check,
			"fault":  w.addFault,
			"run":    w.runItems,
			"rerun":  w.rerun,
			"wait":   w.wait,
			"settle": w.settle,
			"mishap": w.mishap,
		})
		w.settle(r)
	})
}

// inBubble checks a property, each case in a bubble of its own. What rapid panics with, to end a case, goes on outside
// the bubble. Rapid tells failures apart by where they come from: a case that is no case must not look like a failure.
func inBubble(t *testing.T, property func(t *testing.T, r *rapid.T)) {
	rapid.Check(t, func(r *rapid.T) {
		var ended any
		synctest.Test(t, func(t *testing.T) {
			defer func() { ended = recover() }()
			property(t, r)
		})
		switch {
		case ended == nil:
		case fmt.Sprintf("%T", ended) == "rapid.invalidData":
			panic(ended)
		default:
			panic(ended)
		}
	})
}

// world is a server, a client of it, and what runs have brought about.
type world struct {
	t       testing.TB
	op      windrow.OpKind
	records *windrowtest.Records
	server  *windrowtest.Server
	client  any
	can     windrow.Capabilities
	batches bool
	items   int             // how many keys were handed out
	bad     map[string]bool // keys of items that the server refuses for good
	last    *outcome
	healed  bool // for good

	mu     sync.Mutex
	faults []fault
}

// fault is what happens to the next request that holds an item.
type fault struct {
	key   string
	step  windrowtest.Step
	chunk bool // only to a request for several items: servers do not change their mind about one that is too large
}

// outcome is the result of a run, of whatever types.
type outcome struct {
	err    error
	verify func() error
	keys   map[string]windrow.State
	rerun  func(ctx context.Context, opts ...windrow.Option) *outcome
	stats  windrow.RunStats
}

func newWorld(t testing.TB, r *rapid.T) *world {
	w := &world{t: t, bad: map[string]bool{}}
	w.op = rapid.SampledFrom([]windrow.OpKind{windrow.OpCreate, windrow.OpCreate, windrow.OpUpdate, windrow.OpUpsert, windrow.OpDelete}).Draw(r, "verb")
	w.records = &windrowtest.Records{
		IdempotencyKeys: rapid.Bool().Draw(r, "the server honours idempotency keys"),
		Atomic:          rapid.Bool().Draw(r, "batches are atomic"),
	}
	w.server = windrowtest.NewServer(t, w.records)
	w.can.IdempotencyKeys = w.records.IdempotencyKeys
	w.can.MaxItems = rapid.SampledFrom([]int{0, 1, 2, 3, 10}).Draw(r, "MaxItems")
	w.records.MaxItems = w.can.MaxItems
	if w.records.Atomic {
		w.can.Atomicity = windrow.AtomicityAll
	}
	c := client{can: w.can}
	if rapid.Bool().Draw(r, "the client is that of an SDK") {
		c.doer = sdk{w.server.URL, w.server.Client(), w.can.IdempotencyKeys}
	} else {
		a, err := newAdapter(w.server)
		if err != nil {
			r.Fatal(err)
		}
		c.doer = a
	}
	w.client = c
	if w.batches = rapid.Bool().Draw(r, "it has batches"); w.batches {
		w.client = batchClient{c}
	}
	w.server.Add(w.decide)
	return w
}

// decide takes the first fault for one of the items in a request.
func (w *world) decide(q *windrowtest.Request) (windrowtest.Step, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, f := range w.faults {
		if windrowtest.Holds(f.key)(q) && (!f.chunk || strings.Count(q.Body, `"key":`) > 1) {
			w.faults = append(w.faults[:i:i], w.faults[i+1:]...)
			return f.step, true
		}
	}
	return windrowtest.Step{}, false
}

// keyOf is the name of the n-th item. None is part of another.
func keyOf(n int) string { return fmt.Sprintf("k%03d", n) }

// addFault prepares something for an item of the next run.
func (w *world) addFault(r *rapid.T) {
	w.addFaultOf(r, w.items+rapid.IntRange(0, 9).Draw(r, "of the item after so many"))
}

// addFaultOf prepares something for the n-th item.
func (w *world) addFaultOf(r *rapid.T, n int) {
	faults := map[string]func() windrowtest.Step{
		"lost answer":    windrowtest.LostAnswer,
		"lost request":   windrowtest.LostRequest,
		"cut body":       func() windrowtest.Step { return windrowtest.CutAnswer(3) },
		"never applied":  func() windrowtest.Step { return windrowtest.NeverAnswers(false) },
		"never answered": func() windrowtest.Step { return windrowtest.NeverAnswers(true) },
		"slow":           func() windrowtest.Step { return windrowtest.Slow(time.Minute + time.Second/3) },
		"throttled":      func() windrowtest.Step { return windrowtest.Throttled(nil) },
		"throttled long": func() windrowtest.Step { return windrowtest.RetryAfter(http.StatusTooManyRequests, "77") },
		"busy":           func() windrowtest.Step { return windrowtest.RetryAfter(http.StatusServiceUnavailable, "3") },
		"broken":         func() windrowtest.Step { return windrowtest.Status(http.StatusInternalServerError) },
		"broken after": func() windrowtest.Step {
			s := windrowtest.Status(http.StatusBadGateway)
			s.Applied = true
			return s
		},
		"page":           func() windrowtest.Step { return windrowtest.HTML(http.StatusOK) },
		"too large":      windrowtest.EntityTooLarge,
		"unauthorised":   func() windrowtest.Step { return windrowtest.Status(http.StatusUnauthorized) },
		"item throttled": func() windrowtest.Step { return windrowtest.ItemStatus(0, http.StatusTooManyRequests) },
		"short":          func() windrowtest.Step { return windrowtest.Short(1) },
		"long":           func() windrowtest.Step { return windrowtest.Long(1) },
		"shuffled":       windrowtest.Shuffled,
		"no id":          func() windrowtest.Step { return windrowtest.WithoutID(0) },
		"same id":        func() windrowtest.Step { return windrowtest.SameID(0, 1) },
	}
	if w.can.IdempotencyKeys { // the kit's API does not keep the answer that the step makes up
		delete(faults, "item throttled")
	}
	name := rapid.SampledFrom(slices.Sorted(maps.Keys(faults))).Draw(r, "fault")
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = append(w.faults, fault{keyOf(n), faults[name](), name == "too large"})
}

// runItems runs the verb for some items.
func (w *world) runItems(r *rapid.T) {
	n := rapid.IntRange(0, 10).Draw(r, "items")
	var inputs []note
	for range n {
		inputs = append(inputs, w.item(r))
	}
	ctx, cancel := w.context(r)
	defer cancel()
	w.last = w.run(ctx, inputs, w.draw(r))
	if w.last.stats.Total != n {
		r.Fatalf("%d items, and %+v", n, w.last.stats)
	}
}

// item draws an input.
func (w *world) item(r *rapid.T) note {
	in := note{Key: keyOf(w.items), Text: "text"}
	w.items++
	switch rapid.SampledFrom([]string{"good", "good", "good", "good", "bad", "missing"}).Draw(r, "kind") {
	case "bad":
		if w.op != windrow.OpDelete {
			in.Bad = true
			w.bad[in.Key] = true
		}
		w.seed(in.Key)
	case "missing":
		if w.op == windrow.OpUpdate {
			w.bad[in.Key] = true
		}
	default:
		w.seed(in.Key)
	}
	return in
}

// seed stores a record, if the verb needs one.
func (w *world) seed(key string) {
	if w.op == windrow.OpUpdate || w.op == windrow.OpDelete {
		w.records.Put(notes, windrowtest.Fields{"id": key, "key": key})
	}
}

// context returns the context of a run, which may end early.
func (w *world) context(r *rapid.T) (context.Context, context.CancelFunc) {
	switch rapid.SampledFrom([]string{"no", "no", "no", "cancelled", "deadline"}).Draw(r, "ends early") {
	case "cancelled":
		ctx, cancel := context.WithCancelCause(w.t.Context())
		timer := time.AfterFunc(w.moment(r), func() { cancel(errors.New("enough")) })
		return ctx, func() {
			timer.Stop()
			cancel(nil)
		}
	case "deadline":
		return context.WithTimeout(w.t.Context(), w.moment(r))
	}
	return w.t.Context(), func() {}
}

// moment draws a time at which nothing else happens.
func (w *world) moment(r *rapid.T) time.Duration {
	return time.Duration(rapid.IntRange(0, 90_000).Draw(r, "at"))*time.Millisecond + 137*time.Microsecond
}

// draw draws the options of a run.
func (w *world) draw(r *rapid.T) []windrow.Option {
	opts := []windrow.Option{windrow.AttemptTimeout(20*time.Second + 11*time.Microsecond)}
	maybe := func(name string, o func() windrow.Option) {
		if rapid.IntRange(0, 3).Draw(r, name) == 3 {
			opts = append(opts, o())
		}
	}
	maybe("Concurrency", func() windrow.Option { return windrow.Concurrency(rapid.IntRange(1, 5).Draw(r, "n")) })
	maybe("Rate", func() windrow.Option { return windrow.Rate(rapid.IntRange(1, 20).Draw(r, "n"), time.Second) })
	delayed := false
	maybe("BatchDelay", func() windrow.Option { delayed = true; return windrow.BatchDelay(time.Second) })
	if delayed || w.batches { // else it is refused
		maybe("BatchSize", func() windrow.Option { return windrow.BatchSize(rapid.IntRange(1, 4).Draw(r, "n")) })
	}
	maybe("PreserveOrder", windrow.PreserveOrder)
	maybe("MaxFailures(0)", func() windrow.Option { return windrow.MaxFailures(0) })
	maybe("MaxFailures", func() windrow.Option { return windrow.MaxFailures(rapid.IntRange(0, 3).Draw(r, "n")) })
	maybe("Retry", func() windrow.Option {
		return windrow.Retry(windrow.RetryPolicy{
			MaxAttempts:     rapid.IntRange(1, 4).Draw(r, "attempts"),
			MaxThrottleWait: time.Duration(rapid.IntRange(1, 120).Draw(r, "seconds")) * time.Second,
			Strategy:        rapid.SampledFrom([]windrow.Strategy{windrow.Constant(0), windrow.Constant(time.Second), nil}).Draw(r, "strategy"),
		})
	})
	return opts
}

// check holds the last result against the ledger.
func (w *world) check(r *rapid.T) {
	if w.last == nil {
		return
	}
	if err := w.last.verify(); err != nil {
		r.Fatalf("%v\n%v", err, w.last.err)
	}
}

// rerun sends again what may be sent again.
func (w *world) rerun(r *rapid.T) {
	if w.last == nil {
		r.Skip("nothing has run")
	}
	ctx, cancel := w.context(r)
	defer cancel()
	w.last = w.last.rerun(ctx)
}

// wait lets time pass: what is slow is done meanwhile.
func (w *world) wait(*rapid.T) { time.Sleep(2 * time.Minute) }

// mishap makes connections fail.
func (w *world) mishap(r *rapid.T) {
	n := rapid.IntRange(1, 3).Draw(r, "connections")
	if rapid.Bool().Draw(r, "refused") {
		w.server.FailDials(n, nil)
	} else {
		w.server.CutRequests(n, rapid.IntRange(0, 20).Draw(r, "bytes"))
	}
	w.server.Transport().CloseIdleConnections()
}

// settle heals the server and reruns. What was good and is not Unknown has been applied then.
func (w *world) settle(r *rapid.T) {
	if w.last == nil {
		return
	}
	w.heal()
	time.Sleep(2 * time.Minute)
	w.last = w.last.rerun(w.t.Context(), windrow.PreserveOrder())
	w.check(r)
	w.settled(r)
}

// heal makes the server well.
func (w *world) heal() {
	w.mu.Lock()
	w.faults = nil
	w.mu.Unlock()
	w.server.FailDials(0, nil)
	w.server.CutRequests(0, 0)
}

// settled checks that a run with a server that was well has left nothing to be done.
func (w *world) settled(r *rapid.T) {
	for key, state := range w.last.keys {
		applied := w.records.Ledger.Times(key) > 0
		switch {
		case state == windrow.Unknown && !w.bad[key] && !w.mayStayUnknown(): // what is refused later may have been applied before
			r.Fatalf("%s is Unknown although a repetition is harmless: %v", key, w.last.err)
		case state == windrow.NotAttempted:
			r.Fatalf("%s was not attempted by a run that nothing stopped: %v", key, w.last.err)
		case w.bad[key] && applied:
			r.Fatalf("%s, which is bad, was applied", key)
		}
	}
}

// mayStayUnknown reports whether items that are Unknown are not sent again.
func (w *world) mayStayUnknown() bool {
	return w.op == windrow.OpCreate && (!w.can.IdempotencyKeys || w.batches)
}

// run runs the verb for the inputs.
func (w *world) run(ctx context.Context, inputs []note, opts []windrow.Option) *outcome {
	ids := make([]string, len(inputs))
	updates := make([]windrow.Update[string, note], len(inputs))
	for i, in := range inputs {
		ids[i], updates[i] = in.Key, windrow.Update[string, note]{ID: in.Key, Data: in}
	}
	byKey := func(in note) string { return in.Key }
	switch w.op {
	case windrow.OpCreate:
		return start(ctx, w, func(opts []windrow.Option) *windrow.BatchProcessor[note, note] {
			return windrow.NewCreateProcessor(w.client.(windrow.Creator[note, note]), opts...)
		}, inputs, byKey, opts)
	case windrow.OpUpsert:
		return start(ctx, w, func(opts []windrow.Option) *windrow.BatchProcessor[note, note] {
			return windrow.NewUpsertProcessor(w.client.(windrow.Upserter[note, note]), opts...)
		}, inputs, byKey, opts)
	case windrow.OpUpdate:
		return start(ctx, w, func(opts []windrow.Option) *windrow.BatchProcessor[windrow.Update[string, note], note] {
			return windrow.NewUpdateProcessor(w.client.(windrow.Updater[string, note, note]), opts...)
		}, updates, func(in windrow.Update[string, note]) string { return in.ID }, opts)
	default:
		return start(ctx, w, func(opts []windrow.Option) *windrow.BatchProcessor[string, struct{}] {
			return windrow.NewDeleteProcessor(w.client.(windrow.Deleter[string]), opts...)
		}, ids, func(id string) string { return id }, opts)
	}
}

// start makes a processor and runs it.
func start[In, Out any](ctx context.Context, w *world, processor func([]windrow.Option) *windrow.BatchProcessor[In, Out], inputs []In, key func(In) string, opts []windrow.Option) *outcome {
	p := processor(opts)
	p.Key = key
	res, err := p.Run(ctx, inputs)
	return end(w, p, processor, res, err, key)
}

// end makes an outcome of a result.
func end[In, Out any](w *world, p *windrow.BatchProcessor[In, Out], processor func([]windrow.Option) *windrow.BatchProcessor[In, Out], res *windrow.BulkResult[In, Out], err error, key func(In) string) *outcome {
	o := &outcome{err: err, stats: res.Stats(), keys: map[string]windrow.State{}}
	for r := range res.All() {
		o.keys[r.Key] = r.State
	}
	o.verify = func() error { return windrowtest.Verify(&w.records.Ledger, res, key) }
	o.rerun = func(ctx context.Context, opts ...windrow.Option) *outcome {
		again := p // with the limiter and what it learned
		if opts != nil {
			again = processor(opts)
			again.Key = key
		}
		res, err := again.Rerun(ctx, res)
		return end(w, again, processor, res, err, key)
	}
	return o
}
