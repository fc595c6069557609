package windrow_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/clients"
)

// secret is what no text of the library may show: the content of an item, or a credential.
const secret = "hunter2"

// secretive is a record whose every form is secret.
type secretive struct{ Password string }

func (s secretive) String() string   { return secret }
func (s secretive) GoString() string { return secret }

// Error texts name items by index and key; logs by number. Their content stays out of both, also when a function
// panics with it, and when it is part of what an error holds.
func TestTextsNeverShowContent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var texts, logs bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
		n := 0
		p := windrow.NewBatchProcessor(func(_ context.Context, in secretive) (secretive, error) {
			switch n++; n {
			case 1:
				panic(in)
			case 2:
				panic(in.Password)
			case 3:
				panic(errors.New(in.Password))
			case 4:
				panic(&in)
			case 5:
				panic([]any{in})
			case 6:
				var any any = in
				_ = any.(string) // a runtime.Error
			case 7:
				runtime.Goexit()
			case 8, 9:
				return in, windrow.Throttled(errBusy, time.Second)
			}
			return in, nil
		}, windrow.WithLogger(logger), windrow.PreserveOrder())
		p.Validate = func(in secretive) error {
			if in.Password == "" {
				panic(secretive{})
			}
			return nil
		}
		p.Key = func(secretive) string { return "" }
		in := slices.Repeat([]secretive{{Password: secret}}, 9)
		in[8].Password = ""
		res, err := p.Run(t.Context(), in)
		checkAccounts(t, 9, res, err)
		if s := res.Stats(); s.Failed+s.Unknown != 8 || s.Throttled != 2 {
			t.Fatalf("%+v, want 8 panics and 2 throttles", s)
		}
		fmt.Fprintln(&texts, err)
		for _, item := range err.(*windrow.BulkError).Items() {
			fmt.Fprintf(&texts, "%v %+v\n", item, item.Err)
		}
		p.Key = func(secretive) string { panic(secret) }
		_, err = p.Run(t.Context(), in)
		fmt.Fprintln(&texts, err)
		p.Key, p.OnResult = nil, func(windrow.Result[secretive, secretive]) { panic(secret) }
		_, err = p.Run(t.Context(), in)
		fmt.Fprintln(&texts, err)

		for name, text := range map[string]string{"an error": texts.String(), "the log": logs.String()} {
			if text == "" {
				t.Errorf("%s is empty: nothing is tested", name)
			}
			if strings.Contains(text, secret) {
				t.Errorf("%s shows the content of an item:\n%s", name, text)
			}
		}
		for _, want := range []string{"run started", "run ended", "attempt ended", "class=throttled", "operation=do", "items=9", "the server throttles", "retry_after=1s"} {
			if !strings.Contains(logs.String(), want) {
				t.Errorf("the log lacks %q:\n%s", want, &logs)
			}
		}
	})
}

// Without a logger nothing is logged, and with one the run's end is a warning only when something is wrong.
func TestLogger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var logs bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&logs, &slog.HandlerOptions{
			ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey {
					return slog.Attr{}
				}
				return a
			},
		}))
		fail := false
		f := newFake(t, func(*call) error {
			time.Sleep(time.Second)
			if fail {
				return errServer
			}
			return nil
		})
		createVerb.run(t.Context(), f, ids(2), windrow.WithLogger(logger), windrow.PreserveOrder())
		fail = true
		deleteVerb.run(t.Context(), f, ids(2), windrow.WithLogger(logger), windrow.PreserveOrder())
		want := `level=INFO msg="windrow: run started" operation=create items=2
level=INFO msg="windrow: run ended" operation=create succeeded=2 failed=0 skipped=0 not_attempted=0 unknown=0 requests=2 throttled=0 elapsed=2s
level=INFO msg="windrow: run started" operation=delete items=2
level=WARN msg="windrow: run ended" operation=delete succeeded=0 failed=2 skipped=0 not_attempted=0 unknown=0 requests=2 throttled=0 elapsed=2s
`
		if diff := cmp.Diff(want, logs.String()); diff != "" {
			t.Errorf("log (-want +got):\n%s", diff)
		}
	})
}

// levels is a handler that takes a level and what is above it, and counts how often it is asked for the debug level.
type levels struct {
	slog.Handler
	least slog.Level
	asked atomic.Int64
}

func (h *levels) Enabled(_ context.Context, level slog.Level) bool {
	if level == slog.LevelDebug {
		h.asked.Add(1)
	}
	return level >= h.least
}

// At the debug level each attempt is logged when it ends, with the context that the observer made. At others it costs
// nothing: the handler is asked once for each run.
func TestLoggerTellsOfAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var logs bytes.Buffer
		text := slog.NewTextHandler(&logs, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
				return slog.Attr{}
			}
			return a
		}})
		f := newFake(t, func(c *call) error {
			time.Sleep(time.Second)
			switch {
			case len(c.ids) > 1:
				return nil
			case c.id() == "i0" && c.nth == 1:
				return &statusError{status: 503, after: time.Second}
			case c.id() == "i1" && c.nth == 1:
				return windrow.Transient(errReset)
			case c.id() == "i1":
				return windrow.Permanent(errors.New(secret))
			case c.id() == "i2":
				return clients.Skip(windrow.ReasonUnchanged)
			case c.id() == "i3":
				panic(secret)
			}
			return nil
		})
		attempts := func(level slog.Level, observed bool, p func(opts ...windrow.Option)) (lines string, asked int64) {
			logs.Reset()
			h := &levels{Handler: text, least: level}
			opts := []windrow.Option{windrow.WithLogger(slog.New(h)), windrow.PreserveOrder(), fastRetries}
			if observed {
				opts = append(opts, windrow.WithObserver(&watcher{}))
			}
			p(opts...)
			var kept []string
			for line := range strings.Lines(logs.String()) {
				if rest, ok := strings.CutPrefix(line, `msg="windrow: attempt ended" `); ok {
					kept = append(kept, rest)
				}
			}
			return strings.Join(kept, ""), h.asked.Load()
		}
		single := func(opts ...windrow.Option) {
			p := windrow.NewCreateProcessor[string, string](client{fake: f}, opts...)
			p.Key = func(in string) string { return "key " + in[1:] }
			_, _ = p.Run(t.Context(), ids(5))
			if logs.Len() == 0 || strings.Contains(logs.String(), secret) {
				t.Errorf("the log is empty, or shows the content of an item:\n%s", &logs)
			}
		}
		want := `operation=create index=0 items=1 number=1 key="key 0" class=throttled status=503 latency=1s
operation=create index=0 items=1 number=1 key="key 0" latency=1s
operation=create index=1 items=1 number=1 key="key 1" class=transient latency=1s
operation=create index=1 items=1 number=2 key="key 1" class=permanent latency=1s
operation=create index=2 items=1 number=1 key="key 2" skipped=unchanged latency=1s
operation=create index=3 items=1 number=1 key="key 3" class=ambiguous latency=1s
operation=create index=4 items=1 number=1 key="key 4" latency=1s
`
		for _, observed := range []bool{false, true} {
			f.calls = nil
			lines, _ := attempts(slog.LevelDebug, observed, single)
			if diff := cmp.Diff(want, lines); diff != "" {
				t.Errorf("observed %t: attempts (-want +got):\n%s", observed, diff)
			}
		}
		f.calls = nil
		if lines, asked := attempts(slog.LevelInfo, false, single); lines != "" || asked != 1 {
			t.Errorf("the handler was asked %d times for the debug level that it does not take, and got\n%s", asked, lines)
		}

		lines, _ := attempts(slog.LevelDebug, false, func(opts ...windrow.Option) {
			p := windrow.NewCreateProcessor[string, string](bulkClient{client{fake: f}}, append(opts, windrow.BatchSize(2))...)
			_, _ = results(t, p, true, ids(4))
		})
		want = `operation=create index=0 items=2 number=1 latency=0s
operation=create index=2 items=2 number=1 latency=0s
`
		if diff := cmp.Diff(want, lines); diff != "" {
			t.Errorf("attempts of chunks (-want +got):\n%s", diff)
		}
	})
}

// A storm of throttles is no storm of log lines.
func TestLoggerTellsOfThrottlesOncePerSecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var logs bytes.Buffer
		f := newFake(t, func(c *call) error {
			time.Sleep(100 * time.Millisecond)
			if c.at < time.Second {
				return windrow.Throttled(errBusy, 10*time.Second)
			}
			return nil
		})
		s := createVerb.run(t.Context(), f, ids(200), windrow.Concurrency(50), windrow.WithLogger(slog.New(slog.NewTextHandler(&logs, nil))))
		if s.stats.Throttled < 10 {
			t.Fatalf("%d throttles", s.stats.Throttled)
		}
		if n := strings.Count(logs.String(), "the server throttles"); n != 1 {
			t.Errorf("%d lines about %d throttles in one second", n, s.stats.Throttled)
		}
	})
}

// watcher is an observer that remembers.
type watcher struct {
	mu       sync.Mutex
	started  []string
	attempts []string
	ended    []string
	open     int
	quiet    bool // no end functions
}

type ctxKey string

func (w *watcher) StartRun(ctx context.Context, op windrow.OpKind, items int) (context.Context, func(windrow.RunStats, error)) {
	w.started = append(w.started, fmt.Sprint(op, " ", items))
	ctx = context.WithValue(ctx, ctxKey("run"), "the run")
	if w.quiet {
		return ctx, nil
	}
	return ctx, func(s windrow.RunStats, err error) {
		w.ended = append(w.ended, fmt.Sprint(s.Succeeded, " of ", s.Total, ", failed: ", err != nil))
	}
}

func (w *watcher) StartAttempt(ctx context.Context, a windrow.Attempt) (context.Context, func(error)) {
	ctx = context.WithValue(ctx, ctxKey("attempt"), ctx.Value(ctxKey("run")).(string)+fmt.Sprintf(", item %d, attempt %d", a.Index, a.Number))
	if w.quiet {
		return ctx, nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open++
	return ctx, func(err error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.open--
		w.attempts = append(w.attempts, fmt.Sprintf("%v %d#%d: %v", a.Op, a.Index, a.Number, err))
	}
}

// mute is an observer that has nothing to add.
type mute struct{}

func (mute) StartRun(context.Context, windrow.OpKind, int) (context.Context, func(windrow.RunStats, error)) {
	return nil, nil
}

func (mute) StartAttempt(context.Context, windrow.Attempt) (context.Context, func(error)) {
	return nil, nil
}

func TestAnObserverMayAddNothing(t *testing.T) {
	t.Parallel()
	f := newFake(t, func(c *call) error {
		if _, ok := clients.AttemptFrom(c.ctx); !ok {
			t.Error("the attempt is gone")
		}
		return c.ctx.Err()
	})
	if s := createVerb.run(t.Context(), f, ids(3), windrow.WithObserver(mute{})); s.err != nil {
		t.Error(s.err)
	}
}

func TestObserver(t *testing.T) {
	t.Parallel()
	for _, quiet := range []bool{false, true} {
		t.Run(fmt.Sprintf("quiet %t", quiet), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := &watcher{quiet: quiet}
				var seen []string
				f := newFake(t, func(c *call) error {
					seen = append(seen, fmt.Sprint(c.ctx.Value(ctxKey("attempt"))))
					switch {
					case c.id() == "i1" && c.nth == 1:
						return windrow.Transient(errReset)
					case c.id() == "i3":
						runtime.Goexit()
					}
					return nil
				})
				createVerb.run(t.Context(), f, ids(5), windrow.WithObserver(w), windrow.PreserveOrder(), fastRetries)
				want := []string{
					"the run, item 0, attempt 1", "the run, item 1, attempt 1", "the run, item 1, attempt 2",
					"the run, item 2, attempt 1", "the run, item 3, attempt 1", "the run, item 4, attempt 1",
				}
				if diff := cmp.Diff(want, seen); diff != "" {
					t.Errorf("what the client saw in its context (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff([]string{"create 5"}, w.started); diff != "" {
					t.Errorf("runs (-want +got):\n%s", diff)
				}
				if quiet {
					return
				}
				want = []string{
					"create 0#1: <nil>", "create 1#1: connection reset", "create 1#2: <nil>",
					"create 2#1: <nil>", "create 3#1: windrow: the function called runtime.Goexit", "create 4#1: <nil>",
				}
				if diff := cmp.Diff(want, w.attempts); diff != "" {
					t.Errorf("attempts (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff([]string{"4 of 5, failed: true"}, w.ended); diff != "" || w.open != 0 {
					t.Errorf("%d attempts without an end, ends (-want +got):\n%s", w.open, diff)
				}
			})
		})
	}
}

// An observer is told of a panic as the item's result is.
func TestObserverIsToldOfAPanic(t *testing.T) {
	t.Parallel()
	w := &watcher{}
	s := createVerb.run(t.Context(), newFake(t, func(*call) error { panic("no") }), ids(1), windrow.WithObserver(w))
	want := []string{"create 0#1: windrow: the function panicked with a value of type string"}
	if diff := cmp.Diff(want, w.attempts); diff != "" {
		t.Errorf("attempts (-want +got):\n%s", diff)
	}
	if e, ok := errors.AsType[*windrow.PanicError](s.err); !ok || !strings.Contains(string(e.Stack), "TestObserverIsToldOfAPanic.func1") {
		t.Errorf("error %v, want a *PanicError with the stack of the function that panicked", s.err)
	}
}

// A function that is slow sees fewer steps; the work does not wait for it, but Run does for its last call.
func TestOnProgressNeverSlowsTheRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var inside, calls atomic.Int32
		var last windrow.Progress
		f := newFake(t, slow(100*time.Millisecond))
		var lastCall time.Duration
		s := createVerb.run(t.Context(), f, ids(40), windrow.Concurrency(4), windrow.OnProgress(func(p windrow.Progress) {
			if inside.Add(1) > 1 {
				t.Error("two calls at once")
			}
			defer inside.Add(-1)
			calls.Add(1)
			last = p
			time.Sleep(700 * time.Millisecond)
		}))
		for _, c := range f.calls {
			lastCall = max(lastCall, c.end)
		}
		if lastCall != time.Second {
			t.Errorf("the last call ended after %v, want 1s", lastCall)
		}
		if last.Done != 40 || inside.Load() != 0 || calls.Load() != 3 {
			t.Errorf("%d calls, the last of %+v, %d still running; want 3 with the end last", calls.Load(), last, inside.Load())
		}
		if s.stats.Elapsed != 2200*time.Millisecond { // 0.1 to 0.8, 0.8 to 1.5, and the last one
			t.Errorf("Run returned after %v, want 2.2s", s.stats.Elapsed)
		}
	})
}

// While the limiter is shut the rate stands, and the time that is left includes the rest of the pause.
func TestOnProgressKnowsOfPauses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(c *call) error {
			time.Sleep(time.Second)
			if c.at >= 10*time.Second && c.at < 11*time.Second {
				return windrow.Throttled(errBusy, 100*time.Second)
			}
			return nil
		})
		began := time.Now()
		var inPause, after []windrow.Progress
		s := createVerb.run(t.Context(), f, ids(20), windrow.Concurrency(1), windrow.OnProgress(func(p windrow.Progress) {
			switch at := time.Since(began); {
			case at > 11500*time.Millisecond && p.Paused > 0:
				inPause = append(inPause, p)
			case at > 11500*time.Millisecond:
				after = append(after, p)
			}
		}))
		if s.err != nil {
			t.Fatal(s.err)
		}
		if len(inPause) < 900 || len(after) == 0 {
			t.Fatalf("%d calls in the pause of 100 s and %d after it", len(inPause), len(after))
		}
		for _, p := range inPause {
			// Ten items in eleven seconds, ten to go.
			if p.Done != 10 || p.Rate < 0.9 || p.Rate > 1 || p.ETA < p.Paused+10*time.Second || p.ETA > p.Paused+12*time.Second {
				t.Fatalf("in the pause: %+v, want 10 done at 0.91 a second, and the rest of the pause and 11s to go", p)
			}
		}
		if p := inPause[len(inPause)-1]; p.Paused > 200*time.Millisecond {
			t.Errorf("at the end of the pause: %+v", p)
		}
		if p := after[len(after)-1]; p.Done != 20 || p.ETA != 0 || p.Paused != 0 {
			t.Errorf("at the end: %+v", p)
		}
	})
}

// Each state is counted, from validation on, and in a Rerun also what had ended before and is not sent. Failed has the Unknown.
func TestOnProgressCountsFailures(t *testing.T) {
	t.Parallel()
	var last windrow.Progress
	f := newFake(t, func(c *call) error {
		switch c.id() {
		case "i1":
			return windrow.Permanent(errTaken)
		case "i2":
			return windrow.Ambiguous(errReset)
		case "i3":
			return clients.Skip(windrow.ReasonUnchanged)
		}
		return nil
	})
	p := windrow.NewCreateProcessor[string, string](client{fake: f}, windrow.OnProgress(func(p windrow.Progress) { last = p }))
	p.Validate = func(in string) error {
		if in == "i4" {
			return errServer
		}
		return nil
	}
	res, _ := p.Run(t.Context(), ids(6))
	check := func(want windrow.Progress) {
		t.Helper()
		if diff := cmp.Diff(want, last, cmpopts.IgnoreFields(windrow.Progress{}, "Rate")); diff != "" {
			t.Errorf("progress (-want +got):\n%s", diff)
		}
	}
	check(windrow.Progress{Done: 6, Total: 6, Succeeded: 2, Skipped: 1, Failed: 3, Unknown: 1})
	res.Correct(1, "corrected")
	_, _ = p.Rerun(t.Context(), res)
	check(windrow.Progress{Done: 6, Total: 6, Succeeded: 3, Skipped: 1, Failed: 2, Unknown: 1})

	for _, err := range p.Stream(t.Context(), windrow.FromSeq(slices.Values(ids(6)))).All() {
		_ = err
	}
	check(windrow.Progress{Done: 6, Total: -1, Succeeded: 2, Skipped: 1, Failed: 3, Unknown: 1, ETA: -1})
}

// A progress function that panics must not take the program with it. It stops the run, as other hooks do.
func TestOnProgressThatPanics(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		calls int // before the panic
		end   func()
		is    func(error) bool
	}{
		{"panic", 2, func() { panic(secret) }, func(err error) bool { _, ok := errors.AsType[*windrow.PanicError](err); return ok }},
		{"Goexit", 2, runtime.Goexit, func(err error) bool { return errors.Is(err, windrow.ErrGoexit) }},
		{"panic in the last call", 10, func() { panic(secret) }, func(err error) bool { _, ok := errors.AsType[*windrow.PanicError](err); return ok }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, slow(100*time.Millisecond))
				calls := 0
				s := createVerb.run(t.Context(), f, ids(10), windrow.PreserveOrder(), windrow.OnProgress(func(p windrow.Progress) {
					if calls++; calls == tt.calls || p.Done == 10 {
						tt.end()
					}
				}))
				if !tt.is(s.cause) {
					t.Errorf("cause %v, want the panic", s.cause)
				}
				if calls > tt.calls+1 || tt.calls < 10 && s.stats.NotAttempted == 0 {
					t.Errorf("%d calls, %+v, want the run stopped", calls, s.stats)
				}
			})
		})
	}
}

// OnResult gets every result once, from one goroutine, as soon as the item has ended.
func TestOnResult(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		f := newFake(t, func(c *call) error {
			switch c.id() {
			case "i3":
				time.Sleep(3 * time.Second)
			case "i5":
				time.Sleep(time.Second)
				if c.nth < 3 {
					return windrow.Transient(errReset)
				}
				return nil
			}
			time.Sleep(time.Second)
			if c.id() == "i7" {
				return windrow.Permanent(errTaken)
			}
			return nil
		})
		p := windrow.NewCreateProcessor[string, string](client{fake: f}, windrow.Concurrency(10), fastRetries, windrow.Duplicates(windrow.KeepFirst))
		p.Validate = func(in string) error {
			if in == "i9" {
				return errServer
			}
			return nil
		}
		p.Key = func(in string) string { return in }
		var inside atomic.Int32
		told := map[int]int{}
		var order []string
		p.OnResult = func(r windrow.Result[string, string]) {
			if inside.Add(1) > 1 {
				t.Error("two calls at once")
			}
			defer inside.Add(-1)
			told[r.Index]++
			order = append(order, fmt.Sprintf("%v: %d %v", time.Since(began), r.Index, r.State))
		}
		res, err := p.Run(t.Context(), append(ids(10), "i0"))
		checkAccounts(t, 11, res, err)
		for i := range 11 {
			if told[i] != 1 {
				t.Errorf("told of item %d %d times", i, told[i])
			}
		}
		slices.Sort(order)
		want := []string{
			"0s: 10 skipped", "0s: 9 failed", "1s: 0 succeeded", "1s: 1 succeeded", "1s: 2 succeeded", "1s: 4 succeeded",
			"1s: 6 succeeded", "1s: 7 failed", "1s: 8 succeeded", "4s: 3 succeeded", "5s: 5 succeeded",
		}
		if diff := cmp.Diff(want, order); diff != "" {
			t.Errorf("results, in order of time (-want +got):\n%s", diff)
		}
	})
}

// A run that is stopped, or refused by its own items, tells of those that were not attempted, too.
func TestOnResultOfAStoppedRun(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		name string
		ctx  context.Context
		in   []string
		opts []windrow.Option
		want int // not attempted
	}{
		{"stopped", t.Context(), append([]string{"bad"}, ids(9)...), []windrow.Option{windrow.MaxFailures(0), windrow.PreserveOrder()}, 9},
		{"ended before it began", ended, ids(10), nil, 10},
		{"duplicates", t.Context(), append(ids(9), "i0"), nil, 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, func(c *call) error {
				if c.id() == "bad" {
					return windrow.Permanent(errTaken)
				}
				return nil
			})
			p := windrow.NewCreateProcessor[string, string](client{fake: f}, tt.opts...)
			p.Key = func(in string) string { return in }
			told, lost := map[int]int{}, 0
			p.OnResult = func(r windrow.Result[string, string]) {
				told[r.Index]++
				if r.State == windrow.NotAttempted {
					lost++
				}
			}
			res, err := p.Run(tt.ctx, tt.in)
			checkAccounts(t, 10, res, err)
			if len(told) != 10 || lost != tt.want {
				t.Errorf("told of %d items, %d of them not attempted, want 10 and %d", len(told), lost, tt.want)
			}
		})
	}
}

// A slow consumer holds the run back: results are neither dropped nor heaped up.
func TestOnResultIsBackpressure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, nil)
		p := windrow.NewCreateProcessor[string, string](client{fake: f}, windrow.Concurrency(4))
		told, ahead := 0, 0
		p.OnResult = func(windrow.Result[string, string]) {
			time.Sleep(time.Second)
			told++
			f.mu.Lock()
			ahead = max(ahead, len(f.calls)-told)
			f.mu.Unlock()
		}
		res, err := p.Run(t.Context(), ids(2000))
		if err != nil || told != 2000 {
			t.Fatalf("told of %d results, error %v", told, err)
		}
		if ahead > 64+4*64+4 { // what may wait, and what four workers may have in hand
			t.Errorf("the calls were %d items ahead of the consumer", ahead)
		}
		if took := res.Stats().Elapsed; took != 2000*time.Second {
			t.Errorf("the run took %v, want the consumer's 2000s", took)
		}
	})
}

// A consumer that panics stops the run; what has ended has ended.
func TestOnResultThatPanics(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		at    int // it panics with the result of that number
		items int
		end   func()
		is    func(error) bool
	}{
		{"panic", 5, 1000, func() { panic(secret) }, func(err error) bool { _, ok := errors.AsType[*windrow.PanicError](err); return ok }},
		{"Goexit", 5, 1000, runtime.Goexit, func(err error) bool { return errors.Is(err, windrow.ErrGoexit) }},
		{"panic with the last result", 10, 10, func() { panic(secret) }, func(err error) bool { _, ok := errors.AsType[*windrow.PanicError](err); return ok }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, slow(time.Second))
				p := windrow.NewCreateProcessor[string, string](client{fake: f}, windrow.Concurrency(4))
				told := 0
				p.OnResult = func(windrow.Result[string, string]) {
					if told++; told == tt.at {
						tt.end()
					}
				}
				res, err := p.Run(t.Context(), ids(tt.items))
				checkAccounts(t, tt.items, res, err)
				if !tt.is(err) {
					t.Errorf("error %v, want the panic", err)
				}
				if told != tt.at || tt.items > 100 && res.Stats().NotAttempted < 900 {
					t.Errorf("told of %d results, %+v, want %d and the run stopped", told, res.Stats(), tt.at)
				}
			})
		})
	}
}
