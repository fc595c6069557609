package windrow_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/clients"
)

// fake is a client that does with each call what its script says, and remembers the calls. Its methods are the
// functions that the verbs take.
type fake struct {
	t       testing.TB
	started time.Time
	// script answers a call; the value is ignored beside an error. Nil means that every call succeeds.
	script func(c *call) error
	// batch answers a call for many items instead, when it is set.
	batch func(c *call) ([]windrow.Outcome[string], error)
	// lookUp says whether an item was applied. Nil means that there is no way to know.
	lookUp func(id string) (bool, error)

	mu       sync.Mutex
	calls    []*call
	lookUps  []string
	inFlight int
	most     int // calls in flight at once
}

// call is one call of a fake.
type call struct {
	ctx     context.Context
	ids     []string
	nth     int // of the calls for the first id, from 1
	attempt clients.Attempt
	at      time.Duration // since the fake was made
	end     time.Duration // 0 while it has not ended
}

func (c *call) id() string { return c.ids[0] }

func newFake(t testing.TB, script func(c *call) error) *fake {
	return &fake{t: t, started: time.Now(), script: script}
}

// begin notes a call; the function it returns notes its end.
func (f *fake) begin(ctx context.Context, ids []string) (*call, func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := &call{ctx: ctx, ids: slices.Clone(ids), nth: 1, at: time.Since(f.started)}
	c.attempt, _ = clients.AttemptFrom(ctx)
	for _, other := range f.calls {
		if slices.Contains(other.ids, c.id()) {
			c.nth++
		}
	}
	f.calls = append(f.calls, c)
	f.inFlight++
	f.most = max(f.most, f.inFlight)
	return c, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.inFlight--
		c.end = time.Since(f.started)
	}
}

// do makes a single call.
func (f *fake) do(ctx context.Context, id string) (string, error) {
	c, end := f.begin(ctx, []string{id})
	defer end()
	if f.script != nil {
		if err := f.script(c); err != nil {
			return "nothing", err
		}
	}
	return valueOf(id), nil
}

// many makes a call for several items.
func (f *fake) many(ctx context.Context, ids []string) ([]windrow.Outcome[string], error) {
	c, end := f.begin(ctx, ids)
	defer end()
	if f.batch != nil {
		return f.batch(c)
	}
	return outcomes(ids), nil
}

// find is a reconciler.
func (f *fake) find(_ context.Context, id string) (string, bool, error) {
	f.mu.Lock()
	f.lookUps = append(f.lookUps, id)
	f.mu.Unlock()
	found, err := f.lookUp(id)
	return valueOf(id), found, err
}

// of returns the calls for an item.
func (f *fake) of(id string) []*call {
	f.mu.Lock()
	defer f.mu.Unlock()
	var calls []*call
	for _, c := range f.calls {
		if slices.Contains(c.ids, id) {
			calls = append(calls, c)
		}
	}
	return calls
}

// sizes returns how many items each call carried, in the order of the calls.
func (f *fake) sizes() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	var sizes []int
	for _, c := range f.calls {
		sizes = append(sizes, len(c.ids))
	}
	return sizes
}

// order returns the first ids of the calls, in the order of the calls.
func (f *fake) order() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var ids []string
	for _, c := range f.calls {
		ids = append(ids, c.id())
	}
	return ids
}

// valueOf is what the server makes of an item.
func valueOf(id string) string { return "value of " + id }

// outcomes is a batch answer in which every item succeeded.
func outcomes(ids []string) []windrow.Outcome[string] {
	out := make([]windrow.Outcome[string], len(ids))
	for k, id := range ids {
		out[k].Value = valueOf(id)
	}
	return out
}

// ids returns the ids i0, i1 and so on.
func ids(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprint("i", i)
	}
	return all
}

// statusError is an error with an HTTP status, as many SDKs have it.
type statusError struct {
	status int
	after  time.Duration
}

func (e *statusError) Error() string             { return fmt.Sprint("status ", e.status) }
func (e *statusError) StatusCode() int           { return e.status }
func (e *statusError) RetryAfter() time.Duration { return e.after }

// summary is a result without its types, as the tables of the tests compare it.
type summary struct {
	states   []windrow.State
	attempts []int
	reasons  []windrow.Reason
	errs     []error
	values   []any
	stats    windrow.RunStats
	cause    error
	err      error
}

// summarize checks that a result accounts for every input exactly once, and makes a summary of it.
func summarize[In, Out any](t testing.TB, inputs int, res *windrow.BulkResult[In, Out], err error) summary {
	t.Helper()
	checkAccounts(t, inputs, res, err)
	s := summary{stats: res.Stats(), err: err}
	for r := range res.All() {
		s.states = append(s.states, r.State)
		s.attempts = append(s.attempts, r.Attempts)
		s.reasons = append(s.reasons, r.Reason)
		s.errs = append(s.errs, r.Err)
		s.values = append(s.values, r.Value)
	}
	if bulk, ok := errors.AsType[*windrow.BulkError](err); ok {
		s.cause = bulk.Cause
	}
	return s
}

// checkAccounts checks what holds for the result of any run whatever.
func checkAccounts[In, Out any](t testing.TB, inputs int, res *windrow.BulkResult[In, Out], err error) {
	t.Helper()
	if res == nil {
		t.Fatal("the result is nil")
	}
	counts := map[windrow.State]int{}
	lost := 0
	next := 0
	for r := range res.All() {
		if r.Index != next {
			t.Fatalf("result %d has index %d", next, r.Index)
		}
		next++
		counts[r.State]++
		switch r.State {
		case windrow.Succeeded, windrow.Skipped:
			if r.Err != nil {
				t.Errorf("item %d is %v and has the error %v", r.Index, r.State, r.Err)
			}
			if (r.State == windrow.Skipped) != (r.Reason != windrow.NoReason) {
				t.Errorf("item %d is %v and has the reason %q", r.Index, r.State, r.Reason)
			}
		default:
			lost++
			if r.Err == nil {
				t.Errorf("item %d is %v and has no error", r.Index, r.State)
			}
		}
	}
	s := res.Stats()
	got := map[windrow.State]int{
		windrow.Succeeded: s.Succeeded, windrow.Failed: s.Failed, windrow.Skipped: s.Skipped,
		windrow.NotAttempted: s.NotAttempted, windrow.Unknown: s.Unknown,
	}
	sum := 0
	for state, n := range got {
		sum += n
		if n != counts[state] {
			t.Errorf("the stats count %d %v, the results are %d", n, state, counts[state])
		}
	}
	if next != inputs || sum != inputs || s.Total != inputs {
		t.Errorf("%d inputs, %d results, states add up to %d, total %d", inputs, next, sum, s.Total)
	}
	if err == nil {
		if lost > 0 {
			t.Errorf("%d items did not succeed, and there is no error", lost)
		}
		return
	}
	bulk, ok := errors.AsType[*windrow.BulkError](err)
	if !ok {
		t.Fatalf("the error is a %T: %v", err, err)
	}
	if len(bulk.Items()) != lost {
		t.Errorf("%d items did not succeed, and the error lists %d", lost, len(bulk.Items()))
	}
	if bulk.Cause == nil && lost == 0 {
		t.Error("nothing is wrong, and there is an error")
	}
	if bulk.Cause == nil && counts[windrow.NotAttempted] > 0 {
		t.Errorf("%d items were not attempted, and nothing stopped the run", counts[windrow.NotAttempted])
	}
	if bulk.Error() == "" {
		t.Error("the error has no text")
	}
}

// repeat returns n times the same.
func repeat[T any](n int, v T) []T { return slices.Repeat([]T{v}, n) }

// client makes a fake a client of every verb.
type client struct {
	*fake
	capabilities windrow.Capabilities
}

func (c client) Capabilities() windrow.Capabilities { return c.capabilities }

func (c client) Create(ctx context.Context, id string) (string, error) { return c.do(ctx, id) }

func (c client) Update(ctx context.Context, id, _ string) (string, error) { return c.do(ctx, id) }

func (c client) Upsert(ctx context.Context, id string) (string, error) { return c.do(ctx, id) }

func (c client) Delete(ctx context.Context, id string) error {
	_, err := c.do(ctx, id)
	return err
}

func (c client) Get(ctx context.Context, id string) (string, error) { return c.do(ctx, id) }

// bulkClient is a client whose endpoints take many items as well.
type bulkClient struct{ client }

func (c bulkClient) CreateBatch(ctx context.Context, ids []string) ([]windrow.Outcome[string], error) {
	return c.many(ctx, ids)
}

func (c bulkClient) UpdateBatch(ctx context.Context, in []windrow.Update[string, string]) ([]windrow.Outcome[string], error) {
	return c.many(ctx, idsOf(in))
}

func (c bulkClient) UpsertBatch(ctx context.Context, ids []string) ([]windrow.Outcome[string], error) {
	return c.many(ctx, ids)
}

func (c bulkClient) DeleteBatch(ctx context.Context, ids []string) ([]windrow.Outcome[struct{}], error) {
	out, err := c.many(ctx, ids)
	if out == nil {
		return nil, err
	}
	deleted := make([]windrow.Outcome[struct{}], len(out))
	for k := range out {
		deleted[k].Err, deleted[k].Reason = out[k].Err, out[k].Reason
	}
	return deleted, err
}

func (c bulkClient) GetBatch(ctx context.Context, ids []string) ([]windrow.Outcome[string], error) {
	return c.many(ctx, ids)
}

// updates makes an update of each id.
func updates(ids []string) []windrow.Update[string, string] {
	all := make([]windrow.Update[string, string], len(ids))
	for i, id := range ids {
		all[i].ID = id
	}
	return all
}

func idsOf(updates []windrow.Update[string, string]) []string {
	all := make([]string, len(updates))
	for i, u := range updates {
		all[i] = u.ID
	}
	return all
}

// steady has a look-up that finds nothing be believed at once, F72 has tests of its own, and a stream's chunks be full.
var steady = []windrow.Option{windrow.SettlingTime(0), windrow.Linger(time.Second)}

// verb is one of the operations, in a form that is the same for all.
type verb struct {
	name         string
	capabilities windrow.Capabilities
	options      []windrow.Option
	start        func(v verb, f *fake, bulk bool, opts []windrow.Option) operation
}

// run runs the operation for the ids, with single calls.
func (v verb) run(ctx context.Context, f *fake, ids []string, opts ...windrow.Option) summary {
	return v.start(v, f, false, opts).run(ctx, ids)
}

// runBulk runs the operation for the ids, with batches.
func (v verb) runBulk(ctx context.Context, f *fake, ids []string, opts ...windrow.Option) summary {
	return v.start(v, f, true, opts).run(ctx, ids)
}

// operation is a verb with its client: it can be run, and what came of it run again.
type operation struct {
	run   func(context.Context, []string) summary
	rerun func(context.Context) summary
	// stream runs the same as a stream, and returns the states and errors in the order of the input.
	stream func(context.Context, []string) ([]windrow.State, []error)
}

// The verbs. Each has its own way to a processor; what follows is the same for all.
var (
	doVerb = verb{name: "do", start: func(v verb, f *fake, bulk bool, opts []windrow.Option) operation {
		p := windrow.NewBatchProcessor(f.do, v.optionsFor(bulk, opts)...)
		p.Capabilities = v.capabilities
		if bulk {
			p.Batch = f.many
		}
		return runner(f, p, slices.Clone[[]string])
	}}
	createVerb = verb{name: "create", start: func(v verb, f *fake, bulk bool, opts []windrow.Option) operation {
		var c windrow.Creator[string, string] = client{f, v.capabilities}
		if bulk {
			c = bulkClient{client{f, v.capabilities}}
		}
		return runner(f, windrow.NewCreateProcessor(c, v.optionsFor(bulk, opts)...), slices.Clone[[]string])
	}}
	updateVerb = verb{name: "update", start: func(v verb, f *fake, bulk bool, opts []windrow.Option) operation {
		var c windrow.Updater[string, string, string] = client{f, v.capabilities}
		if bulk {
			c = bulkClient{client{f, v.capabilities}}
		}
		return runner(f, windrow.NewUpdateProcessor(c, v.optionsFor(bulk, opts)...), updates)
	}}
	upsertVerb = verb{name: "upsert", start: func(v verb, f *fake, bulk bool, opts []windrow.Option) operation {
		var c windrow.Upserter[string, string] = client{f, v.capabilities}
		if bulk {
			c = bulkClient{client{f, v.capabilities}}
		}
		return runner(f, windrow.NewUpsertProcessor(c, v.optionsFor(bulk, opts)...), slices.Clone[[]string])
	}}
	deleteVerb = verb{name: "delete", start: func(v verb, f *fake, bulk bool, opts []windrow.Option) operation {
		var c windrow.Deleter[string] = client{f, v.capabilities}
		if bulk {
			c = bulkClient{client{f, v.capabilities}}
		}
		return runner(f, windrow.NewDeleteProcessor(c, v.optionsFor(bulk, opts)...), slices.Clone[[]string])
	}}
	getVerb = verb{name: "get", start: func(v verb, f *fake, bulk bool, opts []windrow.Option) operation {
		var c windrow.Getter[string, string] = client{f, v.capabilities}
		if bulk {
			c = bulkClient{client{f, v.capabilities}}
		}
		return runner(f, windrow.NewGetProcessor(c, v.optionsFor(bulk, opts)...), slices.Clone[[]string])
	}}
)

// optionsFor returns the options of the verb and those given.
func (v verb) optionsFor(bulk bool, opts []windrow.Option) []windrow.Option {
	all := slices.Concat(steady, v.options, opts)
	if !bulk {
		all = append(all, windrow.SingleCalls)
	}
	return all
}

// with returns the verb under another name, with what its client can do.
func (v verb) with(name string, c windrow.Capabilities, opts ...windrow.Option) verb {
	v.name, v.capabilities, v.options = v.name+", "+name, c, opts
	return v
}

// runner returns what runs p and checks the accounts.
func runner[In, Out any](f *fake, p *windrow.BatchProcessor[In, Out], inputs func([]string) []In) operation {
	reconcile := func(ctx context.Context, in In) (out Out, applied bool, err error) {
		id, ok := any(in).(string)
		if update, is := any(in).(windrow.Update[string, string]); is {
			id, ok = update.ID, true
		}
		if !ok {
			f.t.Fatalf("a look-up for a %T", in)
		}
		value, applied, err := f.find(ctx, id)
		out, _ = any(value).(Out)
		return out, applied, err
	}
	prepare := func() {
		if p.Reconcile = nil; f.lookUp != nil {
			p.Reconcile = reconcile
		}
	}
	var last *windrow.BulkResult[In, Out]
	return operation{
		run: func(ctx context.Context, ids []string) summary {
			prepare()
			in := inputs(ids)
			res, err := p.Run(ctx, in)
			last = res
			return summarize(f.t, len(in), res, err)
		},
		rerun: func(ctx context.Context) summary {
			prepare()
			res, err := p.Rerun(ctx, last)
			s := summarize(f.t, last.Len(), res, err)
			last = res
			return s
		},
		stream: func(ctx context.Context, ids []string) (states []windrow.State, errs []error) {
			prepare()
			for r, err := range p.Stream(ctx, windrow.FromSlice(inputs(ids))).All() {
				if _, stopped := errors.AsType[*windrow.StopError](err); stopped {
					break
				}
				states, errs = append(states, r.State), append(errs, r.Err)
			}
			return states, errs
		},
	}
}

// cases counts the cases of large tables.
var cases atomic.Int64

// thin reports whether a case of a large table is left to another run: under the race detector one of four is tried, others
// each time. Without it all are.
func thin() bool { return raceDetector && cases.Add(1)%4 != 0 }

// namesTwo reports whether the error names first these two items, with this key.
func namesTwo(e *windrow.DuplicateKeyError, key string, first, second int) bool {
	return len(e.Keys) > 0 && e.Keys[0].Key == key && slices.Equal(e.Keys[0].Indexes[:2], []int{first, second})
}
