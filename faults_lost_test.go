package windrow_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

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
