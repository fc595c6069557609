package windrow_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/clients"
)

// The rows F1 to F6: what becomes of a write when the network fails, by how far the request got. A create without
// idempotency keys is Unknown when it may have been applied, and is sent again only when it was not.
func TestF1ToF6LostAnswers(t *testing.T) {
	t.Parallel()
	post := func(err error) error { return &url.Error{Op: "Post", URL: "https://api.example/items", Err: err} }
	never := clients.Attempt.Engage
	sent := func(a clients.Attempt) { a.Engage(); a.Sending() }
	created := func(a clients.Attempt) { a.Engage(); a.Sending(); a.Answered(201, true) }
	unrecorded := func(clients.Attempt) {}
	for _, row := range []struct {
		name    string
		record  func(clients.Attempt)
		err     error
		applied bool // it may have been
	}{
		{"F1 half an answer after 201", created, io.ErrUnexpectedEOF, true},
		{"F1 half an answer, no record", unrecorded, fmt.Errorf("decoding: %w", io.ErrUnexpectedEOF), true},
		{"F1 no body after 201", created, io.EOF, true},
		{"F2 reset after the request", sent, post(&net.OpError{Op: "read", Err: syscall.ECONNRESET}), true},
		{"F2 reset, no record", unrecorded, post(&net.OpError{Op: "read", Err: syscall.ECONNRESET}), true},
		{"F3 refused", never, post(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}), false},
		{"F3 refused, no record", unrecorded, post(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}), false},
		{"F3 proxy refused", unrecorded, post(&net.OpError{Op: "proxyconnect", Err: syscall.ECONNREFUSED}), false},
		{"F4 reset while writing", sent, post(&net.OpError{Op: "write", Err: syscall.EPIPE}), true},
		{"F5 stale connection, written to", sent, post(errors.New("http: server closed idle connection")), true},
		{"F5 stale connection, not written to", never, post(errors.New("http: server closed idle connection")), false},
		{"F6 timeout", sent, post(context.DeadlineExceeded), true},
		{"F6 timeout, no record", unrecorded, post(context.DeadlineExceeded), true},
		{"F6 timeout before it left", never, post(context.DeadlineExceeded), false},
	} {
		for _, v := range []struct {
			verb
			want windrow.State
			once bool // when it was perhaps applied
		}{
			{verb: createVerb, want: windrow.Unknown, once: true},
			{verb: doVerb, want: windrow.Unknown, once: true},
			{verb: createVerb.with("idempotency keys", windrow.Capabilities{IdempotencyKeys: true}), want: windrow.Succeeded},
			{verb: updateVerb, want: windrow.Succeeded},
			{verb: deleteVerb, want: windrow.Succeeded},
			{verb: getVerb, want: windrow.Succeeded},
		} {
			t.Run(v.name+"/"+row.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := newFake(t, func(c *call) error {
						if c.nth > 1 {
							return nil
						}
						row.record(c.attempt)
						return row.err
					})
					s := v.run(t.Context(), f, ids(1), fastRetries)
					want, calls := v.want, 2
					switch {
					case !row.applied:
						want = windrow.Succeeded
					case v.once:
						calls = 1
					}
					if s.states[0] != want || len(f.calls) != calls {
						t.Errorf("%v after %d calls, want %v after %d; %v", s.states[0], len(f.calls), want, calls, s.errs[0])
					}
					if s.states[0] != windrow.Succeeded && !errors.Is(s.errs[0], row.err) {
						t.Errorf("the item's error is %v", s.errs[0])
					}
				})
			})
		}
	}
}

// F6 and F24: a call takes no longer than AttemptTimeout, and the error is not the caller's own deadline.
func TestF24AttemptTimeout(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		verb  verb
		want  windrow.State
		calls int
	}{
		{"F6", createVerb, windrow.Unknown, 1},
		{"repeatable", updateVerb, windrow.Unknown, 3},
		{"read", getVerb, windrow.Failed, 3},
	} {
		for _, bulk := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, bulk %v", test.name, bulk), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					hang := func(c *call) error {
						<-c.ctx.Done()
						return &url.Error{Op: "Post", URL: "https://api.example", Err: c.ctx.Err()}
					}
					f := newFake(t, hang)
					f.batch = func(c *call) ([]windrow.Outcome[string], error) { return nil, hang(c) }
					run, n := test.verb.run, 1
					if bulk {
						run, n = test.verb.runBulk, 3
					}
					s := run(t.Context(), f, ids(n), fastRetries, windrow.AttemptTimeout(5*time.Second))
					if diff := cmp.Diff(repeat(n, test.want), s.states); diff != "" {
						t.Errorf("states (-want +got):\n%s", diff)
					}
					if len(f.calls) != test.calls {
						t.Errorf("%d calls, want %d", len(f.calls), test.calls)
					}
					for _, c := range f.calls {
						if c.end-c.at != 5*time.Second {
							t.Errorf("a call took %v", c.end-c.at)
						}
					}
					if err := s.errs[0]; !errors.Is(err, windrow.ErrAttemptTimeout) || errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("the error is %v", err)
					}
					if s.cause != nil {
						t.Errorf("the run was stopped by %v", s.cause)
					}
				})
			})
		}
	}
}

// A result that comes after the timeout still counts: it is the truth.
func TestF24LateResultCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(*call) error {
			time.Sleep(time.Minute)
			return nil
		})
		s := createVerb.run(t.Context(), f, ids(1), windrow.AttemptTimeout(time.Second))
		if s.states[0] != windrow.Succeeded {
			t.Errorf("the item is %v", s.states[0])
		}
	})
}

// An error that says something stands, also when it comes after the timeout.
func TestF24LateErrorCounts(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err  error
		want windrow.State
	}{
		{&statusError{status: 422}, windrow.Failed},
		{windrow.Permanent(errServer), windrow.Failed},
		{errServer, windrow.Unknown}, // it says nothing: the timeout may be behind it
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t, func(*call) error {
				time.Sleep(time.Minute)
				return test.err
			})
			s := createVerb.run(t.Context(), f, ids(1), windrow.AttemptTimeout(time.Second))
			if s.states[0] != test.want || !errors.Is(s.errs[0], test.err) {
				t.Errorf("%v: the item is %v, want %v; %v", test.err, s.states[0], test.want, s.errs[0])
			}
		})
	}
}

// F9: a 429 with a hint shuts the limiter for all workers, and costs the item nothing.
func TestF9RetryAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const hint = 20 * time.Second
		var throttled atomic.Bool
		f := newFake(t, func(c *call) error {
			time.Sleep(time.Second)
			if c.at >= 3*time.Second && throttled.CompareAndSwap(false, true) {
				return &statusError{429, hint}
			}
			return nil
		})
		s := createVerb.run(t.Context(), f, ids(100), windrow.Concurrency(4))
		if diff := cmp.Diff(repeat(100, windrow.Succeeded), s.states); diff != "" {
			t.Errorf("states (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(repeat(100, 1), s.attempts); diff != "" {
			t.Errorf("attempts (-want +got):\n%s", diff)
		}
		const shut = 4 * time.Second
		for _, c := range f.calls {
			if c.at > shut && c.at < shut+hint {
				t.Errorf("a call was made after %v, with the limiter shut from %v for %v", c.at, shut, hint)
			}
		}
		// After the pause one call tries, and the others wait for its answer.
		var after []time.Duration
		for _, c := range f.calls {
			if c.at >= shut+hint {
				after = append(after, c.at)
			}
		}
		if after[1]-after[0] != time.Second {
			t.Errorf("after the pause calls were made after %v and %v: the first one had not been answered", after[0], after[1])
		}
		if s.stats.Throttled != 1 || s.stats.Requests != 101 || s.stats.ThrottledFor < hint {
			t.Errorf("stats %+v", s.stats)
		}
	})
}

// F10: a hint that is over, or next to nothing, still means a short pause.
func TestF10HintInThePast(t *testing.T) {
	t.Parallel()
	for _, hint := range []time.Duration{-time.Hour, 0, 1, time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t, func(c *call) error {
				if c.nth == 1 && c.id() == "i0" {
					return &statusError{429, hint}
				}
				return nil
			})
			s := createVerb.run(t.Context(), f, ids(3), windrow.Concurrency(1))
			if diff := cmp.Diff(repeat(3, windrow.Succeeded), s.states); diff != "" {
				t.Errorf("states (-want +got):\n%s", diff)
			}
			if got := f.calls[1].at; got < 100*time.Millisecond || got > time.Second {
				t.Errorf("with a hint of %v the next call was made after %v", hint, got)
			}
		})
	}
}

// F11: a hint beyond MaxThrottleWait, however large, ends the run at once with an error that says so.
func TestF11HintFarAhead(t *testing.T) {
	t.Parallel()
	for _, hint := range []time.Duration{5*time.Minute + 1, time.Hour, math.MaxInt64} {
		for _, class := range []windrow.Class{windrow.ClassThrottled, windrow.ClassTransient} {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, func(c *call) error {
					return windrow.Classified(errServer, windrow.Classification{Class: class, After: hint})
				})
				s := createVerb.run(t.Context(), f, ids(10), windrow.Concurrency(1))
				if diff := cmp.Diff(repeat(10, windrow.NotAttempted), s.states); diff != "" {
					t.Errorf("states (-want +got):\n%s", diff)
				}
				if !errors.Is(s.cause, windrow.ErrThrottled) || !errors.Is(s.cause, errServer) {
					t.Errorf("the run was stopped by %v", s.cause)
				}
				if len(f.calls) != 1 || time.Since(f.started) > 0 {
					t.Errorf("%d calls in %v", len(f.calls), time.Since(f.started))
				}
			})
		}
	}
}

// F14: a 503 without a header says nothing about whether the item was applied.
func TestF14ServiceUnavailable(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		verb  verb
		want  windrow.State
		calls int
	}{
		{createVerb, windrow.Unknown, 1},
		{updateVerb, windrow.Succeeded, 3},
		{getVerb, windrow.Succeeded, 3},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t, func(c *call) error {
				if c.id() == "i0" && c.nth < 3 {
					return &statusError{status: 503}
				}
				return nil
			})
			s := test.verb.run(t.Context(), f, ids(2))
			if s.states[0] != test.want || len(f.of("i0")) != test.calls {
				t.Errorf("%s: %v after %d calls, want %v after %d", test.verb.name, s.states[0], len(f.of("i0")), test.want, test.calls)
			}
			if s.stats.Throttled > 0 {
				t.Errorf("%s: the limiter was shut", test.verb.name)
			}
		})
	}
}

// F15: a vendor's throttle in other clothes is for the classifier to see.
func TestF15Classifier(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		classify := func(err error) windrow.Classification {
			if e, ok := errors.AsType[*statusError](err); ok && e.status == 403 {
				return windrow.Classification{Class: windrow.ClassThrottled, After: time.Minute}
			}
			return windrow.Classify(err)
		}
		f := newFake(t, func(c *call) error {
			if len(c.attempt.Key) > 0 {
				t.Errorf("there is a key %q", c.attempt.Key)
			}
			if c.nth == 1 && c.id() == "i0" {
				return &statusError{status: 403}
			}
			return nil
		})
		s := createVerb.run(t.Context(), f, ids(3), windrow.Concurrency(1), windrow.Retry(windrow.RetryPolicy{Classify: classify}))
		if diff := cmp.Diff(repeat(3, windrow.Succeeded), s.states); diff != "" {
			t.Errorf("states (-want +got):\n%s", diff)
		}
		if f.calls[1].at < time.Minute {
			t.Errorf("the second call was made after %v", f.calls[1].at)
		}
	})
}

// F16: credentials that are refused stop the run once, not item by item.
func TestF16Unauthorized(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		status  int
		from    int // the first item that is refused
		want    windrow.State
		stopped bool
	}{
		{"401 at once", 401, 0, windrow.Failed, true},
		{"401 later", 401, 3, windrow.Failed, true},
		{"407", 407, 0, windrow.Failed, true},
		{"403 before any success", 403, 0, windrow.Failed, true},
		{"403 of one item", 403, 3, windrow.Failed, false},
	} {
		for _, bulk := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, bulk %v", test.name, bulk), func(t *testing.T) {
				t.Parallel()
				refuse := func(c *call) error {
					if i := slices.Index(ids(1000), c.id()); i == test.from || i > test.from && test.stopped {
						return &statusError{status: test.status}
					}
					return nil
				}
				f := newFake(t, refuse)
				f.batch = func(c *call) ([]windrow.Outcome[string], error) {
					if err := refuse(c); err != nil {
						return nil, err
					}
					return outcomes(c.ids), nil
				}
				run := updateVerb.run
				if bulk {
					run = updateVerb.runBulk
				}
				s := run(t.Context(), f, ids(1000), windrow.Concurrency(1), windrow.BatchSize(3))
				if s.states[test.from] != test.want {
					t.Errorf("item %d is %v, want %v", test.from, s.states[test.from], test.want)
				}
				if errors.Is(s.cause, windrow.ErrFatal) != test.stopped {
					t.Errorf("the run was stopped by %v", s.cause)
				}
				if test.stopped {
					most := 3 // a 401 stops at once; a 403 with the third request, of which each has 3 items in bulk
					if test.status == 403 && bulk {
						most = 9
					}
					if s.stats.Failed > most || s.stats.NotAttempted < 990 {
						t.Errorf("%d failed, %d were not attempted", s.stats.Failed, s.stats.NotAttempted)
					}
					if !errors.Is(s.err, s.errs[test.from]) || !strings.Contains(s.err.Error(), fmt.Sprint(test.status)) {
						t.Errorf("the error does not say why: %v", s.err)
					}
				} else if s.stats.Succeeded < 997 {
					t.Errorf("%d succeeded", s.stats.Succeeded)
				}
			})
		}
	}
}

// F16: the items of one answer: a 403 beside a success is that item's own, wherever it stands.
func TestF16ForbiddenBesideASuccess(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	f.batch = func(c *call) ([]windrow.Outcome[string], error) {
		out := outcomes(c.ids)
		if c.id() == "i0" {
			out[0] = windrow.Outcome[string]{Err: &statusError{status: 403}}
		}
		return out, nil
	}
	s := updateVerb.runBulk(t.Context(), f, ids(9), windrow.Concurrency(1), windrow.BatchSize(3))
	want := repeat(9, windrow.Succeeded)
	want[0] = windrow.Failed
	if diff := cmp.Diff(want, s.states); diff != "" {
		t.Errorf("states (-want +got):\n%s; %v", diff, s.cause)
	}
}

// F24: a server that hangs for every call does not outlast the deadline of the run.
func TestF24Deadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(c *call) error {
			<-c.ctx.Done()
			return c.ctx.Err()
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		s := updateVerb.run(ctx, f, ids(10), windrow.Concurrency(2), windrow.AttemptTimeout(25*time.Second), fastRetries)
		if time.Since(f.started) != time.Minute {
			t.Errorf("the run took %v", time.Since(f.started))
		}
		if !errors.Is(s.cause, context.DeadlineExceeded) {
			t.Errorf("the run was stopped by %v", s.cause)
		}
		for i, state := range s.states {
			want := windrow.NotAttempted
			if len(f.of(fmt.Sprint("i", i))) > 0 {
				want = windrow.Unknown
			}
			if state != want {
				t.Errorf("item %d is %v, want %v", i, state, want)
			}
		}
	})
}

// F25: a name that cannot be resolved now is tried again; one that does not exist ends the run.
func TestF25NameResolution(t *testing.T) {
	t.Parallel()
	lookup := func(e *net.DNSError) error {
		return &url.Error{Op: "Post", Err: &net.OpError{Op: "dial", Net: "tcp", Err: e}}
	}
	for _, test := range []struct {
		name    string
		err     error
		times   int
		want    windrow.State
		stopped bool
	}{
		{"name server fails once", lookup(&net.DNSError{IsTemporary: true, Name: "api.example"}), 1, windrow.Succeeded, false},
		{"name server fails for long", lookup(&net.DNSError{IsTemporary: true, Name: "api.example"}), 7, windrow.Succeeded, false},
		{"name server fails always", lookup(&net.DNSError{IsTemporary: true, Name: "api.example"}), 999, windrow.NotAttempted, true},
		{"not found once", lookup(&net.DNSError{IsNotFound: true, Name: "api.example"}), 1, windrow.Succeeded, false},
		{"not found always", lookup(&net.DNSError{IsNotFound: true, Name: "api.example"}), 99, windrow.Failed, true},
	} {
		for _, policy := range []windrow.RetryPolicy{
			{MaxAttempts: 3, Strategy: windrow.Constant(time.Second)},
			{Strategy: windrow.Custom(func(n int) time.Duration { return time.Duration(2-n)*time.Second + time.Second/2 })},
		} {
			t.Run(test.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := newFake(t, func(c *call) error {
						if c.id() == "i0" && c.nth <= test.times {
							return test.err
						}
						return nil
					})
					s := createVerb.run(t.Context(), f, ids(1), windrow.Retry(policy))
					if s.states[0] != test.want {
						t.Errorf("the item is %v, want %v", s.states[0], test.want)
					}
					why := windrow.ErrFatal
					if test.want == windrow.NotAttempted {
						why = windrow.ErrOutage
					}
					if errors.Is(s.cause, why) != test.stopped {
						t.Errorf("the run was stopped by %v", s.cause)
					}
				})
			})
		}
	}
}

// F26: a bad certificate or address ends the run at its first call.
func TestF26BadConfiguration(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		&url.Error{Op: "Post", Err: errors.New("http: server gave HTTP response to HTTPS client")},
		&url.Error{Op: "Post", Err: errors.New(`unsupported protocol scheme "htp"`)},
	} {
		f := newFake(t, func(c *call) error {
			c.attempt.Engage()
			return err
		})
		s := createVerb.run(t.Context(), f, ids(100), windrow.Concurrency(1))
		if len(f.calls) != 1 || !errors.Is(s.cause, windrow.ErrFatal) || !errors.Is(s.cause, err) {
			t.Errorf("%v: %d calls; stopped by %v", err, len(f.calls), s.cause)
		}
		if s.stats.Failed != 1 || s.stats.NotAttempted != 99 {
			t.Errorf("%v: %+v", err, s.stats)
		}
	}
}

// F29: whatever a run waits for, it ends with its context: at once, with what was not sent as NotAttempted and what
// was in flight as Unknown.
func TestF29CancelWhileWaiting(t *testing.T) {
	t.Parallel()
	const cancelAfter = 10 * time.Second
	answered := func(c *call) error { return nil }
	for _, test := range []struct {
		name    string
		script  func(c *call) error
		options []windrow.Option
		limiter func(l *windrow.Limiter)
		bulk    bool
		verb    verb
		want    []windrow.State // of 4 items
	}{
		{
			name: "rate", script: answered, options: []windrow.Option{windrow.Concurrency(4)},
			limiter: func(l *windrow.Limiter) { _ = l.SetRate(1, time.Hour) }, verb: createVerb,
			want: []windrow.State{windrow.Succeeded, windrow.NotAttempted, windrow.NotAttempted, windrow.NotAttempted},
		},
		{
			name: "pause", script: answered, limiter: (*windrow.Limiter).Pause, verb: createVerb,
			want: repeat(4, windrow.NotAttempted),
		},
		{
			name: "pause until", script: answered, verb: createVerb,
			limiter: func(l *windrow.Limiter) { l.PauseUntil(time.Now().Add(time.Minute)) },
			want:    repeat(4, windrow.NotAttempted),
		},
		{
			name: "throttled", script: func(c *call) error { return windrow.Throttled(errServer, time.Minute) }, verb: createVerb,
			want: repeat(4, windrow.NotAttempted),
		},
		{
			name: "throttled chunk", script: func(c *call) error { return windrow.Throttled(errServer, time.Minute) }, bulk: true, verb: createVerb,
			want: repeat(4, windrow.NotAttempted),
		},
		{
			name: "backoff after a transient error", script: func(c *call) error { return windrow.Transient(errServer) }, verb: createVerb,
			options: []windrow.Option{windrow.Retry(windrow.RetryPolicy{Strategy: windrow.Constant(time.Hour)})},
			want:    repeat(4, windrow.NotAttempted),
		},
		{
			name: "backoff after an ambiguous error", script: func(c *call) error { return windrow.Ambiguous(errServer) }, verb: updateVerb,
			options: []windrow.Option{windrow.Retry(windrow.RetryPolicy{Strategy: windrow.Constant(time.Hour)})},
			want:    repeat(4, windrow.Unknown),
		},
		{
			name: "backoff of a read", script: func(c *call) error { return windrow.Ambiguous(errServer) }, verb: getVerb,
			options: []windrow.Option{windrow.Retry(windrow.RetryPolicy{Strategy: windrow.Constant(time.Hour)})},
			want:    repeat(4, windrow.Failed),
		},
		{
			name: "backoff in order", script: func(c *call) error { return windrow.Transient(errServer) }, verb: updateVerb,
			options: []windrow.Option{windrow.PreserveOrder(), windrow.Retry(windrow.RetryPolicy{Strategy: windrow.Constant(time.Hour)})},
			want:    repeat(4, windrow.NotAttempted),
		},
		{
			name: "budget", script: func(c *call) error { return windrow.Transient(errServer) }, verb: createVerb,
			options: []windrow.Option{windrow.Retry(windrow.RetryPolicy{Strategy: windrow.Constant(0), Budget: windrow.RetryBudget{Size: 1, PerSecond: 0.01}})},
			want:    repeat(4, windrow.NotAttempted),
		},
		{
			name: "batch delay", script: answered, options: []windrow.Option{windrow.BatchSize(2), windrow.BatchDelay(time.Hour)}, verb: createVerb,
			want: []windrow.State{windrow.Succeeded, windrow.Succeeded, windrow.NotAttempted, windrow.NotAttempted},
		},
		{
			name: "slots", options: []windrow.Option{windrow.Concurrency(2)}, verb: createVerb,
			script: func(c *call) error {
				<-c.ctx.Done()
				return c.ctx.Err()
			},
			want: []windrow.State{windrow.Unknown, windrow.Unknown, windrow.NotAttempted, windrow.NotAttempted},
		},
		{
			name: "slots, never sent", options: []windrow.Option{windrow.Concurrency(2)}, verb: createVerb,
			script: func(c *call) error {
				c.attempt.Engage() // such as while dialling
				<-c.ctx.Done()
				return c.ctx.Err()
			},
			want: repeat(4, windrow.NotAttempted),
		},
		{
			name: "slots of repeatable items", options: []windrow.Option{windrow.Concurrency(2)}, verb: updateVerb,
			script: func(c *call) error {
				<-c.ctx.Done()
				return &url.Error{Op: "Put", Err: context.Cause(c.ctx)}
			},
			want: []windrow.State{windrow.Unknown, windrow.Unknown, windrow.NotAttempted, windrow.NotAttempted},
		},
		{
			name: "slots, and answers that come in spite of it", options: []windrow.Option{windrow.Concurrency(2)}, verb: createVerb,
			script: func(c *call) error {
				<-c.ctx.Done()
				return nil
			},
			want: []windrow.State{windrow.Succeeded, windrow.Succeeded, windrow.NotAttempted, windrow.NotAttempted},
		},
		{
			name: "slots, and refusals that come in spite of it", options: []windrow.Option{windrow.Concurrency(2)}, verb: createVerb,
			script: func(c *call) error {
				<-c.ctx.Done()
				return &statusError{status: 422}
			},
			want: []windrow.State{windrow.Failed, windrow.Failed, windrow.NotAttempted, windrow.NotAttempted},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, custom := range []error{nil, errors.New("the caller has had enough")} {
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithCancelCause(t.Context())
					defer time.AfterFunc(cancelAfter, func() { cancel(custom) }).Stop()
					f := newFake(t, test.script)
					f.batch = func(c *call) ([]windrow.Outcome[string], error) {
						if err := test.script(c); err != nil {
							return nil, err
						}
						return outcomes(c.ids), nil
					}
					l := windrow.NewLimiter()
					if test.limiter != nil {
						test.limiter(l)
					}
					run := test.verb.run
					if test.bulk {
						run = test.verb.runBulk
					}
					s := run(ctx, f, ids(4), append(test.options, windrow.WithLimiter(l))...)
					if took := time.Since(f.started); took != cancelAfter {
						t.Errorf("the run ended after %v, it was cancelled after %v", took, cancelAfter)
					}
					slices.Sort(s.states)
					want := slices.Sorted(slices.Values(test.want))
					if diff := cmp.Diff(want, s.states); diff != "" {
						t.Errorf("states (-want +got):\n%s", diff)
					}
					if !errors.Is(s.cause, context.Canceled) || custom != nil && !errors.Is(s.cause, custom) {
						t.Errorf("the run was stopped by %v", s.cause)
					}
					if stats := l.Stats(); stats.InFlight > 0 || stats.Waiting > 0 {
						t.Errorf("%d calls are in flight, %d wait", stats.InFlight, stats.Waiting)
					}
				})
			}
		})
	}
}

// F29: a run waits for a slot that somebody else has.
func TestF29CancelWhileAnotherHasTheSlots(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := windrow.NewLimiter(windrow.Concurrency(1))
		free := make(chan struct{})
		go func() { _ = l.Do(t.Context(), 1, func(context.Context) error { <-free; return nil }) }()
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		defer time.AfterFunc(time.Second, cancel).Stop()
		f := newFake(t, nil)
		s := createVerb.run(ctx, f, ids(3), windrow.WithLimiter(l))
		if took := time.Since(f.started); took != time.Second {
			t.Errorf("the run ended after %v", took)
		}
		if diff := cmp.Diff(repeat(3, windrow.NotAttempted), s.states); diff != "" {
			t.Errorf("states (-want +got):\n%s", diff)
		}
		close(free)
	})
}

// F29: a run whose context has ended sends nothing, whatever else is wrong.
func TestF29CancelledBefore(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	because := errors.New("because")
	cancel(because)
	f := newFake(t, nil)
	s := createVerb.run(ctx, f, ids(5))
	if diff := cmp.Diff(repeat(5, windrow.NotAttempted), s.states); diff != "" || len(f.calls) > 0 {
		t.Errorf("%d calls; states (-want +got):\n%s", len(f.calls), diff)
	}
	if !errors.Is(s.cause, context.Canceled) || !errors.Is(s.cause, because) {
		t.Errorf("the run was stopped by %v", s.cause)
	}
}

// F29: a call that ends the context itself is the last one, also where calls are fast and workers take several items
// at once.
func TestF29CancelledByACall(t *testing.T) {
	t.Parallel()
	for _, v := range []verb{createVerb, updateVerb, getVerb} {
		for _, concurrency := range []int{1, 4} {
			ctx, cancel := context.WithCancel(t.Context())
			var late atomic.Int32
			f := newFake(t, func(c *call) error {
				if c.id() == "i700" {
					cancel()
				} else if err := c.ctx.Err(); err != nil {
					late.Add(1)
					return err
				}
				return nil
			})
			f.calls = make([]*call, 0, 1000)
			s := v.run(ctx, f, ids(1000), windrow.Concurrency(concurrency))
			if n := int(late.Load()); n >= concurrency {
				t.Errorf("%s: %d calls were begun with a context that had ended, with %d workers", v.name, n, concurrency)
			}
			if s.states[700] != windrow.Succeeded {
				t.Errorf("%s: item 700 is %v", v.name, s.states[700])
			}
			if !errors.Is(s.cause, context.Canceled) {
				t.Errorf("%s: the run was stopped by %v", v.name, s.cause)
			}
		}
	}
}

// F29: when every item has ended before the context does, nothing stopped the run.
func TestF29CancelledByTheLastCall(t *testing.T) {
	t.Parallel()
	for range 100 {
		ctx, cancel := context.WithCancel(t.Context())
		f := newFake(t, func(c *call) error {
			if c.id() == "i4" {
				cancel()
			}
			return nil
		})
		if s := createVerb.run(ctx, f, ids(5), windrow.Concurrency(1)); s.err != nil {
			t.Fatalf("every item succeeded, and the error is %v", s.err)
		}
		// The last item was cut short by the context, so that stopped the run.
		ctx, cancel = context.WithCancel(t.Context())
		f = newFake(t, func(c *call) error {
			if c.id() == "i4" {
				cancel()
				<-c.ctx.Done()
				return c.ctx.Err()
			}
			return nil
		})
		if s := createVerb.run(ctx, f, ids(5), windrow.Concurrency(1)); !errors.Is(s.cause, context.Canceled) {
			t.Fatalf("the last item was cut short, and the run was stopped by %v", s.cause)
		}
	}
}

// F30: a wait for the rate that would outlast the deadline is known at once, and is the caller's deadline.
func TestF30RateAndDeadline(t *testing.T) {
	t.Parallel()
	for _, bulk := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			f := newFake(t, nil)
			run := createVerb.run
			if bulk {
				run = createVerb.runBulk
			}
			s := run(ctx, f, ids(4), windrow.Rate(1, time.Minute), windrow.BatchSize(2))
			if !errors.Is(s.cause, context.DeadlineExceeded) {
				t.Errorf("the run was stopped by %v", s.cause)
			}
			if took := time.Since(f.started); took > 0 {
				t.Errorf("the run took %v", took)
			}
			if len(f.calls) != 1 || s.stats.Succeeded+s.stats.NotAttempted != 4 || s.stats.NotAttempted == 0 {
				t.Errorf("%d calls, states %v", len(f.calls), s.states)
			}
		})
	}
}

// F30: so is a pause that the server asks for.
func TestF30HintAndDeadline(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		windrow.Throttled(errServer, time.Minute),
		windrow.Classified(errServer, windrow.Classification{Class: windrow.ClassTransient, After: time.Minute}),
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			f := newFake(t, func(*call) error { return err })
			s := createVerb.run(ctx, f, ids(4), windrow.Concurrency(1))
			if !errors.Is(s.cause, context.DeadlineExceeded) {
				t.Errorf("the run was stopped by %v", s.cause)
			}
			if took := time.Since(f.started); took > 0 {
				t.Errorf("the run took %v", took)
			}
			if diff := cmp.Diff(repeat(4, windrow.NotAttempted), s.states); diff != "" {
				t.Errorf("states (-want +got):\n%s", diff)
			}
		})
	}
}

// F31: MaxAttempts bounds the attempts, and nothing else does.
func TestF31NoSilentLimit(t *testing.T) {
	t.Parallel()
	for _, strategy := range []windrow.Strategy{windrow.Exponential(0, 0), windrow.Exponential(time.Minute, time.Hour), windrow.Constant(10 * time.Minute)} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t, func(c *call) error {
				if c.nth < 200 {
					return windrow.Transient(errServer)
				}
				return nil
			})
			s := createVerb.run(t.Context(), f, ids(1), windrow.Retry(windrow.RetryPolicy{MaxAttempts: 200, Strategy: strategy}))
			if s.states[0] != windrow.Succeeded || s.attempts[0] != 200 {
				t.Errorf("%v after %d attempts", s.states[0], s.attempts[0])
			}
			if took := time.Since(f.started); took < 20*time.Minute {
				t.Errorf("200 attempts took %v only", took)
			}
		})
	}
}

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
		case !strings.Contains(string(e.Stack), "faults_test.go"):
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

func (e blowingError) Error() string     { return "no text" }
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
					if !ok || e.Value != "a secret" || !strings.Contains(string(e.Stack), "faults_test.go") {
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

// F38: errors of a million items stay readable: the error names one, the summary a hundred.
func TestF38ManyFailures(t *testing.T) {
	t.Parallel()
	p := windrow.NewBatchProcessor(func(context.Context, int) (int, error) { return 0, errServer })
	res, err := p.Run(t.Context(), make([]int, 100_000))
	s := summarize(t, 100_000, res, err)
	if s.stats.Failed != 100_000 {
		t.Errorf("%+v", s.stats)
	}
	if n := len(err.Error()); n > 300 {
		t.Errorf("the text of the error is %d bytes long", n)
	}
	var b strings.Builder
	if err := res.Summary(&b); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "\n"); n > 210 {
		t.Errorf("the summary has %d lines", n)
	}
}

// F39: one item's error never cancels its neighbours.
func TestF39NoSiblingIsCancelled(t *testing.T) {
	t.Parallel()
	for _, first := range []error{errServer, windrow.Ambiguous(errServer), windrow.TooLarge(errServer, 0), windrow.Throttled(errServer, 0)} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t, func(c *call) error {
				if c.id() == "i0" && c.nth == 1 {
					return first
				}
				select {
				case <-time.After(time.Minute):
					return nil
				case <-c.ctx.Done():
					t.Errorf("%s was cancelled: %v", c.id(), context.Cause(c.ctx))
					return c.ctx.Err()
				}
			})
			s := createVerb.run(t.Context(), f, ids(8), windrow.Concurrency(8))
			for i, state := range s.states[1:] {
				if state != windrow.Succeeded {
					t.Errorf("item %d is %v", i+1, state)
				}
			}
		})
	}
}

// StopOnError and its siblings do not cancel calls in flight either: their answers count.
func TestStopOnErrorLetsCallsEnd(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		option windrow.Option
		failed int // items that fail, one a second, before the run stops
	}{
		{"StopOnError", windrow.StopOnError(), 1},
		{"MaxFailures(0)", windrow.MaxFailures(0), 1},
		{"MaxFailures(2)", windrow.MaxFailures(2), 3},
		{"MaxFailureRate(0.5, 4)", windrow.MaxFailureRate(0.5, 4), 4},
		{"MaxFailureRate(0, 2)", windrow.MaxFailureRate(0, 2), 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, func(c *call) error {
					if i := slices.Index(ids(6), c.id()); i >= 0 {
						time.Sleep(time.Duration(i+1) * time.Second)
						return errServer
					}
					time.Sleep(time.Hour)
					return c.ctx.Err()
				})
				s := createVerb.run(t.Context(), f, ids(40), windrow.Concurrency(10), test.option)
				// Ten are in flight: those that fail, and the others, each of whose answers is waited for.
				if !errors.Is(s.cause, windrow.ErrTooManyFailures) {
					t.Errorf("the run was stopped by %v", s.cause)
				}
				sent := 10 + test.failed - 1 // whoever fails before makes room for another
				if len(f.calls) != sent {
					t.Errorf("%d calls, want %d", len(f.calls), sent)
				}
				if s.stats.Failed != 6 || s.stats.Succeeded != sent-6 || s.stats.NotAttempted != 40-sent {
					t.Errorf("%+v, want 6 failed, %d succeeded, %d not attempted", s.stats, sent-6, 40-sent)
				}
			})
		})
	}
}

// An item of which nobody knows how it ended counts as one that failed.
func TestStopOnErrorStopsAtAnUnknownItem(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(*call) error { return windrow.Ambiguous(errServer) })
		s := createVerb.run(t.Context(), f, ids(5), windrow.PreserveOrder(), windrow.StopOnError())
		if !errors.Is(s.cause, windrow.ErrTooManyFailures) || s.stats.Unknown != 1 || s.stats.NotAttempted != 4 || len(f.calls) != 1 {
			t.Errorf("stopped by %v after %d calls: %+v", s.cause, len(f.calls), s.stats)
		}
	})
}

// F40: a request that costs more than the burst could never leave. It is refused before anything is sent.
func TestF40BurstBelowCost(t *testing.T) {
	t.Parallel()
	costs := windrow.Capabilities{MaxItems: 5, Cost: func(n int) int { return 2 * n }}
	for _, test := range []struct {
		name    string
		options []windrow.Option
		refused bool
	}{
		{"too small", []windrow.Option{windrow.Rate(1000, time.Second), windrow.Burst(9)}, true},
		{"enough", []windrow.Option{windrow.Rate(1000, time.Second), windrow.Burst(10)}, false},
		{"by default", []windrow.Option{windrow.Rate(1, time.Second)}, false},
		{"before a rate is known", []windrow.Option{windrow.Burst(1)}, true},
		{"smaller batches", []windrow.Option{windrow.Rate(1000, time.Second), windrow.Burst(9), windrow.BatchSize(4)}, false},
		{"shared", []windrow.Option{windrow.WithLimiter(windrow.NewLimiter(windrow.Rate(1000, time.Second), windrow.Burst(9)))}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, nil)
				s := createVerb.with("costs", costs).runBulk(t.Context(), f, ids(20), test.options...)
				option, refused := errors.AsType[*windrow.OptionError](s.cause)
				if refused != test.refused || refused && option.Option != "Burst" {
					t.Errorf("refused with %v", s.cause)
				}
				if test.refused != (len(f.calls) == 0) {
					t.Errorf("%d calls", len(f.calls))
				}
			})
		})
	}
}

// F41: a long sleep does not save up more than a burst.
func TestF41NoCreditForSleep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := windrow.NewLimiter(windrow.Rate(10, time.Second), windrow.Burst(3))
		createVerb.run(t.Context(), newFake(t, nil), ids(1), windrow.WithLimiter(l))
		time.Sleep(10 * time.Hour)
		f := newFake(t, nil)
		createVerb.run(t.Context(), f, ids(33), windrow.WithLimiter(l))
		if took := time.Since(f.started); took < 3*time.Second-time.Millisecond || took > 3*time.Second+time.Millisecond {
			t.Errorf("33 calls at 10 a second, 3 of them at once, took %v", took)
		}
	})
}

// F42: each attempt of a chunk gets its items anew, whatever the client did with the slice before.
func TestF42FreshInputForEachAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, nil)
		in := ids(4)
		p := windrow.NewBatchProcessor[string, string](nil, fastRetries)
		p.Batch = func(_ context.Context, ids []string) ([]windrow.Outcome[string], error) {
			f.calls = append(f.calls, &call{ids: slices.Clone(ids)})
			out := outcomes(ids)
			for k := range ids {
				ids[k] = "scribble"
			}
			if len(f.calls) < 3 {
				return nil, windrow.Transient(errServer)
			}
			return out, nil
		}
		res, err := p.Run(t.Context(), in)
		summarize(t, 4, res, err)
		for _, c := range f.calls {
			if diff := cmp.Diff(ids(4), c.ids); diff != "" {
				t.Errorf("an attempt got other items (-want +got):\n%s", diff)
			}
		}
		if diff := cmp.Diff(ids(4), in); diff != "" {
			t.Errorf("the caller's slice was changed (-want +got):\n%s", diff)
		}
		for r := range res.All() {
			if r.Value != valueOf(r.Input) {
				t.Errorf("item %d has the value %q", r.Index, r.Value)
			}
		}
	})
}

// F43: after an outage the retries of all workers come neither together nor faster than the budget allows.
func TestF43NoRetryStorm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const outage = time.Minute
		f := newFake(t, func(c *call) error {
			if c.at < outage {
				return windrow.Transient(errServer)
			}
			return nil
		})
		s := createVerb.run(t.Context(), f, ids(1000), windrow.Concurrency(64), windrow.Retry(windrow.RetryPolicy{MaxAttempts: 100}))
		if diff := cmp.Diff(repeat(1000, windrow.Succeeded), s.states); diff != "" {
			t.Errorf("states (-want +got):\n%s; %v", diff, s.cause)
		}
		perSecond := map[time.Duration]int{}
		together := map[time.Duration]int{}
		retries := 0
		for _, c := range f.calls {
			if c.nth > 1 && c.at < outage {
				retries++
				perSecond[c.at/time.Second]++
				together[c.at]++
			}
		}
		// The default budget holds 100, and gets 10 a second.
		if most := 100 + 10*int(outage/time.Second); retries > most {
			t.Errorf("%d retries in %v of outage, want at most %d", retries, outage, most)
		}
		for at, n := range perSecond {
			if n > 111 {
				t.Errorf("%d retries in second %d", n, at)
			}
		}
		for at, n := range together {
			if n > 5 {
				t.Errorf("%d retries at the same instant, after %v", n, at)
			}
		}
	})
}

// F43: a server that throttled is tried by one call, again and again until one succeeds.
func TestF43HalfOpen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const outage = 30 * time.Second
		f := newFake(t, func(c *call) error {
			time.Sleep(50 * time.Millisecond)
			if c.at < outage {
				return windrow.Throttled(errServer, 0)
			}
			return nil
		})
		s := createVerb.run(t.Context(), f, ids(200), windrow.Concurrency(20))
		if diff := cmp.Diff(repeat(200, windrow.Succeeded), s.states); diff != "" {
			t.Errorf("states (-want +got):\n%s; %v", diff, s.cause)
		}
		var last *call
		for i, c := range f.calls[20:] {
			if last != nil && last.at < outage && c.at < last.end {
				t.Errorf("call %d was made after %v, while another one tried", 20+i, c.at)
			}
			last = c
		}
		if throttled := s.stats.Throttled; throttled > 20+20 {
			t.Errorf("%d calls were throttled", throttled)
		}
	})
}

// F45: what is done with equal keys. Two items with one key are never in flight together.
func TestF45Duplicates(t *testing.T) {
	t.Parallel()
	in := []string{"a1", "b1", "a2", "c1", "b2", "a3"}
	key := func(id string) string { return id[:1] }
	const s, d = windrow.Succeeded, windrow.Skipped
	for _, test := range []struct {
		name    string
		options []windrow.Option
		want    []windrow.State
		calls   []string
	}{
		{"by default", nil, nil, nil},
		{"reject", []windrow.Option{windrow.Duplicates(windrow.RejectDuplicates)}, nil, nil},
		{"first", []windrow.Option{windrow.Duplicates(windrow.KeepFirst)}, []windrow.State{s, s, d, s, d, d}, []string{"a1", "b1", "c1"}},
		{"last", []windrow.Option{windrow.Duplicates(windrow.KeepLast)}, []windrow.State{d, d, d, s, s, s}, []string{"a3", "b2", "c1"}},
		{"all", []windrow.Option{windrow.Duplicates(windrow.KeepAllInOrder)}, []windrow.State{s, s, s, s, s, s}, []string{"a1", "a2", "a3", "b1", "b2", "c1"}},
	} {
		for _, bulk := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, bulk %v", test.name, bulk), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := newFake(t, func(c *call) error {
						time.Sleep(time.Second)
						if c.nth == 1 { // an item that waits for its retry still holds its key
							return windrow.Transient(errServer)
						}
						return nil
					})
					f.batch = func(c *call) ([]windrow.Outcome[string], error) {
						seen := map[string]bool{}
						for _, id := range c.ids {
							if seen[key(id)] {
								t.Errorf("two items with one key in one chunk: %v", c.ids)
							}
							seen[key(id)] = true
						}
						if err := f.script(c); err != nil {
							return nil, err
						}
						return outcomes(c.ids), nil
					}
					var c windrow.Creator[string, string] = client{f, windrow.Capabilities{}}
					if bulk {
						c = bulkClient{client{f, windrow.Capabilities{}}}
					}
					p := windrow.NewCreateProcessor(c, append(test.options, windrow.Concurrency(8), fastRetries)...)
					p.Key = key
					res, err := p.Run(t.Context(), in)
					got := summarize(t, len(in), res, err)
					if test.want == nil {
						e, ok := errors.AsType[*windrow.DuplicateKeyError](got.cause)
						if !ok || !errors.Is(got.cause, windrow.ErrDuplicateKey) || !namesTwo(e, "a", 0, 2) {
							t.Errorf("the run was stopped by %v", got.cause)
						}
						if len(f.calls) > 0 {
							t.Errorf("%d calls", len(f.calls))
						}
						return
					}
					if diff := cmp.Diff(test.want, got.states); diff != "" {
						t.Errorf("states (-want +got):\n%s", diff)
					}
					for i, state := range got.states {
						if state == d && got.reasons[i] != windrow.ReasonDuplicate {
							t.Errorf("item %d was skipped since %v", i, got.reasons[i])
						}
					}
					checkKeys(t, f, key)
					sent := map[string]bool{}
					for _, c := range f.calls {
						for _, id := range c.ids {
							sent[id] = true
						}
					}
					if diff := cmp.Diff(test.calls, slices.Sorted(maps.Keys(sent))); diff != "" {
						t.Errorf("sent (-want +got):\n%s", diff)
					}
				})
			})
		}
	}
}

// F45: updates, deletes and reads of one id are made one after the other, in their order, without a Key.
func TestF45SameIDWithoutKey(t *testing.T) {
	t.Parallel()
	for _, bulk := range []bool{false, true} {
		for _, order := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				got := map[string][]int{}
				var all []int
				inFlight := map[string]bool{}
				update := func(u windrow.Update[string, int]) string {
					mu.Lock()
					if inFlight[u.ID] {
						t.Errorf("two updates of %s at once", u.ID)
					}
					inFlight[u.ID] = true
					mu.Unlock()
					time.Sleep(time.Duration(10-u.Data) * time.Second)
					mu.Lock()
					defer mu.Unlock()
					inFlight[u.ID] = false
					got[u.ID] = append(got[u.ID], u.Data)
					all = append(all, u.Data)
					return ""
				}
				options := []windrow.Option{windrow.Concurrency(8)}
				if bulk {
					options = append(options, windrow.BatchSize(3))
				}
				if order {
					options = append(options, windrow.PreserveOrder())
				}
				p := windrow.NewUpdateProcessor(windrow.UpdateFunc(func(_ context.Context, id string, data int) (string, error) {
					return update(windrow.Update[string, int]{ID: id, Data: data}), nil
				}), options...)
				if bulk {
					p.Batch = func(_ context.Context, in []windrow.Update[string, int]) ([]windrow.Outcome[string], error) {
						for _, u := range in {
							update(u)
						}
						return make([]windrow.Outcome[string], len(in)), nil
					}
				}
				var in []windrow.Update[string, int]
				for n, id := range []string{"a", "b", "a", "a", "c", "b", "d", "e"} {
					in = append(in, windrow.Update[string, int]{ID: id, Data: n})
				}
				res, err := p.Run(t.Context(), in)
				summarize(t, len(in), res, err)
				want := map[string][]int{"a": {0, 2, 3}, "b": {1, 5}, "c": {4}, "d": {6}, "e": {7}}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("bulk %v, in order %v (-want +got):\n%s", bulk, order, diff)
				}
				if order {
					if diff := cmp.Diff([]int{0, 1, 2, 3, 4, 5, 6, 7}, all); diff != "" {
						t.Errorf("bulk %v: PreserveOrder (-want +got):\n%s", bulk, diff)
					}
				}
			})
		}
	}
}

// PreserveOrder makes one call at a time, and sends nothing while an item waits for its retry, also where calls are
// fast and workers take several items at once.
func TestPreserveOrderWaitsForRetries(t *testing.T) {
	t.Parallel()
	for _, bulk := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			failing := []string{"i3", "i30", "i31", "i77"}
			f := newFake(t, func(c *call) error {
				if c.nth < 3 && slices.Contains(failing, c.id()) {
					return windrow.Transient(errServer)
				}
				return nil
			})
			f.batch = func(c *call) ([]windrow.Outcome[string], error) {
				if c.nth < 3 && slices.ContainsFunc(failing, func(id string) bool { return slices.Contains(c.ids, id) }) {
					return nil, windrow.Transient(errServer)
				}
				return outcomes(c.ids), nil
			}
			run := createVerb.run
			if bulk {
				run = createVerb.runBulk
			}
			s := run(t.Context(), f, ids(100), windrow.PreserveOrder(), windrow.BatchSize(7), fastRetries)
			if s.err != nil {
				t.Fatal(s.err)
			}
			var got []string
			for _, c := range f.calls {
				for _, id := range c.ids {
					if len(got) == 0 || !slices.Contains(got[max(0, len(got)-7):], id) {
						got = append(got, id)
					}
				}
			}
			if diff := cmp.Diff(ids(100), got); diff != "" {
				t.Errorf("bulk %v (-want +got):\n%s", bulk, diff)
			}
			if f.most != 1 {
				t.Errorf("%d calls at once", f.most)
			}
		})
	}
}

// checkKeys checks that no two calls for items with one key overlapped, and that those items were sent in the order of
// their ids.
func checkKeys(t *testing.T, f *fake, key func(string) string) {
	t.Helper()
	last := map[string]*call{}
	names := map[string]string{}
	for _, c := range f.calls {
		for _, id := range c.ids {
			k := key(id)
			if before := last[k]; before != nil && before.end > c.at {
				t.Errorf("%s was sent after %v, and another with its key ended after %v", id, c.at, before.end)
			}
			if names[k] > id {
				t.Errorf("%s was sent after %s", id, names[k])
			}
			last[k], names[k] = c, id
		}
	}
}

// A worker that took several items at once because calls were fast shares them when they turn out to be slow.
func TestSlowCallsBehindFastOnes(t *testing.T) {
	t.Parallel()
	for _, slow := range []int{8, 16, 60} {
		synctest.Test(t, func(t *testing.T) {
			const fast, workers = 400, 8
			f := newFake(t, func(c *call) error {
				if len(c.id()) == 4 && c.id() >= fmt.Sprint("i", fast) {
					time.Sleep(time.Second)
				}
				return nil
			})
			s := createVerb.run(t.Context(), f, ids(fast+slow), windrow.Concurrency(workers))
			if s.err != nil {
				t.Fatal(s.err)
			}
			// The first slow call of each worker comes as a surprise.
			if took, most := time.Since(f.started), time.Duration(slow/workers+2)*time.Second; took > most {
				t.Errorf("%d calls of a second with %d workers took %v, want at most %v", slow, workers, took, most)
			}
		})
	}
}
