package windrow_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/clients"
)

// blows are the ways in which a function of the caller's may end without returning.
var blows = []struct {
	name string
	blow func()
	is   func(error) string // says what is wrong with the error
}{
	{"panic", func() { panic("a secret") }, isPanicOf("a secret")},
	{"panic with an error", func() { panic(errPanic) }, isPanicOf(errPanic)},
	{"runtime error", func() { _ = []int{}[len(blowsAt)] }, isPanicOf(nil)},
	{"Goexit", runtime.Goexit, func(err error) string {
		if !errors.Is(err, windrow.ErrGoexit) {
			return fmt.Sprintf("%v is not ErrGoexit", err)
		}
		return ""
	}},
}

const blowsAt = "x" // longer than an empty slice

var errPanic = errors.New("an error with a secret")

func isPanicOf(value any) func(error) string {
	return func(err error) string {
		e, ok := errors.AsType[*windrow.PanicError](err)
		switch {
		case !ok:
			return fmt.Sprintf("%v is no PanicError", err)
		case value != nil && e.Value != value:
			return fmt.Sprintf("the value is %v", e.Value)
		case value != nil && strings.Contains(err.Error(), fmt.Sprint(value)):
			return "the text shows the value: " + err.Error()
		case !strings.Contains(string(e.Stack), "faults_panics_test.go"):
			return "the stack does not show where it happened:\n" + string(e.Stack)
		}
		return ""
	}
}

// F32 and F33: a function that panics or ends its goroutine costs its item, not the run, and no slot.
func TestF32F33CallsThatNeverReturn(t *testing.T) {
	t.Parallel()
	const at = "i5" // of 40, far enough behind for spans of several items
	retry := func(c windrow.Classification) windrow.Option {
		return windrow.Retry(windrow.RetryPolicy{Strategy: windrow.Constant(0), Classify: func(error) windrow.Classification { return c }})
	}
	for _, place := range []struct {
		name    string
		verb    verb
		bulk    bool
		script  func(c *call, blow func()) error
		lookUp  func(id string, blow func()) (bool, error)
		options func(blow func()) []windrow.Option
		want    windrow.State // of the item
		others  int           // how many more share its fate
	}{
		{
			name: "Do", verb: doVerb, want: windrow.Unknown,
			script: func(_ *call, blow func()) error { blow(); return nil },
		},
		{
			name: "Create", verb: createVerb, want: windrow.Unknown,
			script: func(_ *call, blow func()) error { blow(); return nil },
		},
		{
			name: "Create, sent before", verb: createVerb.with("keys", windrow.Capabilities{IdempotencyKeys: true}), want: windrow.Unknown,
			script: func(c *call, blow func()) error {
				if c.nth == 1 {
					return windrow.Ambiguous(errServer)
				}
				blow()
				return nil
			},
		},
		{
			name: "Update", verb: updateVerb, want: windrow.Unknown,
			script: func(_ *call, blow func()) error { blow(); return nil },
		},
		{
			name: "Get", verb: getVerb, want: windrow.Failed,
			script: func(_ *call, blow func()) error { blow(); return nil },
		},
		{
			name: "Create, before anything left", verb: createVerb, want: windrow.Failed,
			script: func(c *call, blow func()) error { c.attempt.Engage(); blow(); return nil },
		},
		{
			name: "Create, after a refusal", verb: createVerb, want: windrow.Failed,
			script: func(c *call, blow func()) error {
				c.attempt.Engage()
				c.attempt.Sending()
				c.attempt.Answered(400, true)
				blow()
				return nil
			},
		},
		{
			name: "Create, after a success", verb: createVerb, want: windrow.Unknown,
			script: func(c *call, blow func()) error {
				c.attempt.Engage()
				c.attempt.Sending()
				c.attempt.Answered(201, true)
				blow()
				return nil
			},
		},
		{
			name: "Create with a timeout", verb: createVerb, want: windrow.Unknown,
			script:  func(_ *call, blow func()) error { blow(); return nil },
			options: func(func()) []windrow.Option { return []windrow.Option{windrow.AttemptTimeout(time.Hour)} },
		},
		{
			name: "CreateBatch", verb: createVerb, bulk: true, want: windrow.Unknown, others: 3,
			script: func(_ *call, blow func()) error { blow(); return nil },
		},
		{
			name: "GetBatch", verb: getVerb, bulk: true, want: windrow.Failed,
			script: func(_ *call, blow func()) error { blow(); return nil },
		},
		{
			name: "Reconcile", verb: createVerb, want: windrow.Unknown,
			script: func(*call, func()) error { return windrow.Ambiguous(errServer) },
			lookUp: func(_ string, blow func()) (bool, error) { blow(); return true, nil },
		},
		{
			name: "Classify", verb: createVerb, want: windrow.Unknown,
			script: func(*call, func()) error { return errServer },
			options: func(blow func()) []windrow.Option {
				return []windrow.Option{windrow.Retry(windrow.RetryPolicy{Classify: func(error) windrow.Classification { blow(); return windrow.Classification{} }})}
			},
		},
		{
			name: "Classify of a read", verb: getVerb, want: windrow.Failed,
			script: func(*call, func()) error { return errServer },
			options: func(blow func()) []windrow.Option {
				return []windrow.Option{windrow.Retry(windrow.RetryPolicy{Classify: func(error) windrow.Classification { blow(); return windrow.Classification{} }})}
			},
		},
		{
			name: "Classify of a chunk", verb: createVerb, bulk: true, want: windrow.Unknown, others: 3,
			script: func(*call, func()) error { return errServer },
			options: func(blow func()) []windrow.Option {
				return []windrow.Option{windrow.Retry(windrow.RetryPolicy{Classify: func(error) windrow.Classification { blow(); return windrow.Classification{} }})}
			},
		},
		{
			name: "an error's own method", verb: createVerb, want: windrow.Unknown,
			script: func(_ *call, blow func()) error { return blowingError{blow} },
		},
		{
			name: "Strategy", verb: createVerb, want: windrow.Failed,
			script: func(*call, func()) error { return windrow.Transient(errServer) },
			options: func(blow func()) []windrow.Option {
				return []windrow.Option{windrow.Retry(windrow.RetryPolicy{Strategy: func() backoff.BackOff { blow(); return nil }})}
			},
		},
		{
			name: "Custom", verb: createVerb, want: windrow.Failed,
			script: func(*call, func()) error { return windrow.Transient(errServer) },
			options: func(blow func()) []windrow.Option {
				return []windrow.Option{windrow.Retry(windrow.RetryPolicy{Strategy: windrow.Custom(func(int) time.Duration { blow(); return 0 })})}
			},
		},
		{
			name: "Custom of a chunk", verb: updateVerb, bulk: true, want: windrow.Unknown, others: 3,
			script: func(*call, func()) error { return windrow.Ambiguous(errServer) },
			options: func(blow func()) []windrow.Option {
				return []windrow.Option{windrow.Retry(windrow.RetryPolicy{Strategy: windrow.Custom(func(int) time.Duration { blow(); return 0 })})}
			},
		},
		{
			name: "Custom before a look-up", verb: createVerb, want: windrow.Succeeded,
			script: func(*call, func()) error { return windrow.Ambiguous(errServer) },
			lookUp: func(string, func()) (bool, error) { return true, nil },
			options: func(blow func()) []windrow.Option {
				return []windrow.Option{windrow.Retry(windrow.RetryPolicy{Strategy: windrow.Custom(func(int) time.Duration { blow(); return 0 })})}
			},
		},
		{
			name: "Observer before", verb: createVerb, want: windrow.Failed,
			script: func(*call, func()) error { return nil },
			options: func(blow func()) []windrow.Option {
				return []windrow.Option{windrow.WithObserver(attemptWatcher{start: func(ctx context.Context) {
					if a, _ := clients.AttemptFrom(ctx); a.Index == 5 {
						a.Engage()
						blow()
					}
				}}), retry(windrow.Classification{})}
			},
		},
		{
			name: "Observer behind", verb: createVerb, want: windrow.Unknown,
			script: func(*call, func()) error { return nil },
			options: func(blow func()) []windrow.Option {
				return []windrow.Option{windrow.WithObserver(attemptWatcher{end: func(a windrow.Attempt) {
					if a.Index == 5 {
						blow()
					}
				}})}
			},
		},
	} {
		for _, way := range blows {
			if place.name == "an error's own method" && way.name == "Goexit" {
				continue // nothing calls for an error's method to do that
			}
			t.Run(place.name+"/"+way.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					script := func(c *call) error {
						if slices.Contains(c.ids, at) {
							return place.script(c, way.blow)
						}
						return nil
					}
					f := newFake(t, script)
					f.batch = func(c *call) ([]windrow.Outcome[string], error) {
						if err := script(c); err != nil {
							return nil, err
						}
						return outcomes(c.ids), nil
					}
					if place.lookUp != nil {
						f.lookUp = func(id string) (bool, error) { return place.lookUp(id, way.blow) }
					}
					l := windrow.NewLimiter(windrow.Concurrency(1))
					options := []windrow.Option{windrow.WithLimiter(l), windrow.Concurrency(1), windrow.BatchSize(4)}
					if place.options != nil {
						options = append(options, place.options(way.blow)...)
					}
					run := place.verb.run
					if place.bulk {
						run = place.verb.runBulk
					}
					s := run(t.Context(), f, ids(40), options...)
					if s.states[5] != place.want {
						t.Errorf("the item is %v, want %v; %v", s.states[5], place.want, s.errs[5])
					}
					if s.states[5] != windrow.Succeeded {
						if problem := way.is(s.errs[5]); problem != "" {
							t.Error(problem)
						}
					}
					others := 0
					for i, state := range s.states {
						if i != 5 && state != windrow.Succeeded {
							others++
						}
					}
					if others != place.others {
						t.Errorf("%d other items did not succeed, want %d: %v", others, place.others, s.states)
					}
					if s.cause != nil {
						t.Errorf("the run was stopped by %v", s.cause)
					}
					if stats := l.Stats(); stats.InFlight > 0 || stats.Waiting > 0 {
						t.Errorf("%d slots are still held, %d wait", stats.InFlight, stats.Waiting)
					}
				})
			})
		}
	}
}

// blowingError is an error whose own method panics.
type blowingError struct{ blow func() }

func (e blowingError) Error() string { return "no text" }

func (e blowingError) Is(err error) bool { e.blow(); return false }

// attemptWatcher is an observer of attempts.
type attemptWatcher struct {
	start func(context.Context)
	end   func(windrow.Attempt)
}

func (o attemptWatcher) StartRun(ctx context.Context, _ windrow.OpKind, _ int) (context.Context, func(windrow.RunStats, error)) {
	return ctx, nil
}

func (o attemptWatcher) StartAttempt(ctx context.Context, a windrow.Attempt) (context.Context, func(error)) {
	if o.start != nil {
		o.start(ctx)
	}
	if o.end == nil {
		return ctx, nil
	}
	return ctx, func(error) { o.end(a) }
}

// F32 and F33: a hook that is not about a call. Without keys, sizes or costs nothing can be sent; without a listener
// the run stops.
func TestF32F33HooksThatNeverReturn(t *testing.T) {
	t.Parallel()
	type processor = windrow.BatchProcessor[string, string]
	is := func(id string, blow func()) {
		if id == "i5" {
			blow()
		}
	}
	for _, place := range []struct {
		name    string
		set     func(p *processor, blow func())
		options func(blow func()) []windrow.Option
		nothing bool // is sent
		failed  bool // the item is Failed, and the run goes on
	}{
		{name: "Key", set: func(p *processor, blow func()) {
			p.Key = func(id string) string { is(id, blow); return id }
		}, nothing: true},
		{name: "Size", set: func(p *processor, blow func()) {
			p.Size = func(id string) int { is(id, blow); return 1 }
		}, nothing: true},
		{name: "Cost", set: func(p *processor, blow func()) {
			p.Capabilities.Cost = func(n int) int { blow(); return 1 }
		}, nothing: true},
		{name: "Cost of some", set: func(p *processor, blow func()) {
			p.Capabilities.Cost = func(n int) int {
				if n == 2 {
					blow()
				}
				return 1
			}
		}, nothing: true},
		{name: "Validate", set: func(p *processor, blow func()) {
			p.Validate = func(id string) error { is(id, blow); return nil }
		}, failed: true},
		{name: "OnResult", set: func(p *processor, blow func()) {
			p.OnResult = func(r windrow.Result[string, string]) { is(r.Input, blow) }
		}},
		{name: "OnResult, at the end", set: func(p *processor, blow func()) {
			seen := 0
			p.OnResult = func(r windrow.Result[string, string]) {
				if seen++; seen == 40 {
					blow()
				}
			}
		}},
		{name: "OnProgress", options: func(blow func()) []windrow.Option {
			return []windrow.Option{windrow.OnProgress(func(windrow.Progress) { blow() })}
		}},
		{name: "OnProgress, at the end", options: func(blow func()) []windrow.Option {
			return []windrow.Option{windrow.OnProgress(func(p windrow.Progress) {
				if p.Done == p.Total {
					blow()
				}
			})}
		}},
	} {
		for _, way := range blows {
			t.Run(place.name+"/"+way.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := newFake(t, func(*call) error {
						time.Sleep(50 * time.Millisecond)
						return nil
					})
					l := windrow.NewLimiter(windrow.Concurrency(2))
					options := []windrow.Option{windrow.WithLimiter(l)}
					if place.options != nil {
						options = append(options, place.options(way.blow)...)
					}
					p := windrow.NewCreateProcessor(bulkClient{client{f, windrow.Capabilities{MaxItems: 3, MaxBytes: 3}}}, options...)
					if place.set != nil {
						place.set(p, way.blow)
					}
					type ran struct {
						res *windrow.BulkResult[string, string]
						err error
					}
					done := make(chan ran)
					go func() { // Run must not end this goroutine
						res, err := p.Run(t.Context(), ids(40))
						done <- ran{res, err}
					}()
					r := <-done
					s := summarize(t, 40, r.res, r.err)
					failure := s.cause
					if place.failed {
						if s.states[5] != windrow.Failed || s.stats.Succeeded != 39 || s.cause != nil {
							t.Errorf("the item is %v; %+v; stopped by %v", s.states[5], s.stats, s.cause)
						}
						failure = s.errs[5]
					}
					if problem := way.is(failure); problem != "" {
						t.Error(problem)
					}
					if place.nothing != (len(f.calls) == 0) {
						t.Errorf("%d calls", len(f.calls))
					}
					if stats := l.Stats(); stats.InFlight > 0 || stats.Waiting > 0 {
						t.Errorf("%d slots are still held, %d wait", stats.InFlight, stats.Waiting)
					}
				})
			})
		}
	}
}

// PropagatePanics hands a panic to whoever called Run, when the calls in flight have returned.
func TestF32PropagatePanics(t *testing.T) {
	t.Parallel()
	type processor = windrow.BatchProcessor[string, string]
	for _, place := range []struct {
		name string
		set  func(p *processor)
	}{
		{"Do", func(p *processor) {
			p.Do = func(context.Context, string) (string, error) { panic("a secret") }
		}},
		{"Batch", func(p *processor) {
			p.Batch = func(context.Context, []string) ([]windrow.Outcome[string], error) { panic("a secret") }
		}},
		{"Reconcile", func(p *processor) {
			p.Do = func(context.Context, string) (string, error) { return "", windrow.Ambiguous(errServer) }
			p.Reconcile = func(context.Context, string) (string, bool, error) { panic("a secret") }
		}},
		{"Validate", func(p *processor) { p.Validate = func(string) error { panic("a secret") } }},
		{"Key", func(p *processor) { p.Key = func(string) string { panic("a secret") } }},
		{"OnResult", func(p *processor) { p.OnResult = func(windrow.Result[string, string]) { panic("a secret") } }},
		{"Cost", func(p *processor) { p.Capabilities.Cost = func(int) int { panic("a secret") } }},
	} {
		t.Run(place.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var inFlight atomic.Int32
				p := windrow.NewBatchProcessor(func(_ context.Context, id string) (string, error) {
					inFlight.Add(1)
					defer inFlight.Add(-1)
					time.Sleep(time.Minute)
					return valueOf(id), nil
				}, windrow.PropagatePanics(), windrow.Concurrency(4))
				place.set(p)
				defer func() {
					e, ok := recover().(*windrow.PanicError)
					if !ok || e.Value != "a secret" || !strings.Contains(string(e.Stack), "faults_panics_test.go") {
						t.Errorf("recovered %v", e)
					}
					if inFlight.Load() > 0 {
						t.Error("a call is still in flight")
					}
				}()
				res, err := p.Run(t.Context(), ids(10))
				t.Errorf("the run ended with %v, %v", res.Stats(), err)
			})
		})
	}
}
