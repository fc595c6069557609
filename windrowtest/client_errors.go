package windrowtest

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/internal/contain"
	"github.com/windrow-go/windrow/internal/neterr"
)

// plain is an error with a status and a Retry-After only.
type plain struct {
	status int
	after  time.Duration
}

func (e plain) Error() string             { return fmt.Sprint("status ", e.status) }
func (e plain) StatusCode() int           { return e.status }
func (e plain) RetryAfter() time.Duration { return e.after }

// statuses: an error has the class of its status, and each call sends one request and does not wait.
func (r *clientRun[ID, In, Out]) statuses() {
	const wait = 7 * time.Second
	calls := r.calls()
	for _, test := range []struct {
		status int
		after  time.Duration
	}{
		{400, 0}, {401, 0}, {403, 0}, {409, 0}, {413, 0}, {422, 0}, {429, 0}, {429, wait}, {500, 0}, {502, 0}, {503, 0}, {503, wait}, {504, 0},
	} {
		a, ok := Status(test.status).Instead.(Answer)
		if r.ErrorBody != nil {
			a, ok = r.ErrorBody(test.status), true
		}
		if a.Status = test.status; test.after > 0 {
			a = a.Set("Retry-After", fmt.Sprint(int(test.after/time.Second)))
		}
		if !ok {
			r.Fatalf("no response for status %d", test.status)
		}
		r.server.Reset()
		r.server.Always(nil, Step{Instead: a})
		want := windrow.Classify(plain{test.status, test.after}).Class
		if class, other := r.Classes[test.status]; other {
			want = class
		}
		for _, c := range calls {
			what := fmt.Sprintf("%s with the status %d", c.name, test.status)
			if test.after > 0 {
				what += fmt.Sprintf(" and Retry-After: %v", test.after)
			}
			for _, err := range r.once(what, c) {
				r.classified(what, err, want, test.status)
				if got := windrow.Classify(err).After; err != nil && want == windrow.ClassThrottled && got != test.after {
					r.Errorf("%s: the error has a Retry-After of %v", what, got)
				}
			}
		}
	}
}

// once makes a call and checks that it sends a request, repeats none, and does not wait.
func (r *clientRun[ID, In, Out]) once(what string, c call) (errs []error) {
	r.Helper()
	before := len(r.server.Requests())
	if took := since(func() { errs = c.do(r.Context()) }); took > 0 {
		r.Errorf("%s takes %v: a client never waits", what, took)
	}
	requests := r.server.Requests()[before:]
	for i, q := range requests {
		for _, other := range requests[:i] {
			if q.Method == other.Method && q.Target == other.Target {
				r.Errorf("%s: %s %s was sent %d times: a client never sends again", what, q.Method, q.Target, len(requests))
				return errs
			}
		}
	}
	if len(requests) == 0 {
		r.Errorf("%s: nothing was sent", what)
	}
	return errs
}

// classified checks the class of an error.
func (r *clientRun[ID, In, Out]) classified(what string, err error, want windrow.Class, status int) {
	r.Helper()
	r.note(err)
	if err == nil {
		r.Errorf("%s: there is no error", what)
		return
	}
	if got := windrow.Classify(err).Class; got != want {
		r.Errorf("%s: the class of the error is %v, want %v: %v", what, got, want, err)
	}
	if got := neterr.Status(err); got != 0 && status != 0 && got != status {
		r.Errorf("%s: the error has the status %d", what, got)
	}
}

// lostResponses: a response that is missing, incomplete or not the API's is no success.
func (r *clientRun[ID, In, Out]) lostResponses() {
	calls := r.calls()
	for _, test := range []struct {
		name string
		step Step
	}{
		{"the connection ends without a response", LostRequest()},
		{"the connection ends in the header", Step{Instead: JSON(200, "{}"), Ending: CutHead, At: 20}},
		{"the body breaks off", Step{Instead: JSON(200, `{"id":"1","data":{"id":"1"}}`), Ending: CutBody, At: 9}},
		{"a proxy responds with 502 and HTML", HTML(http.StatusBadGateway)},
		{"a proxy responds with 200 and HTML", HTML(http.StatusOK)},
	} {
		r.server.Reset()
		r.server.Always(nil, test.step)
		for _, c := range calls {
			what := c.name + " when " + test.name
			for _, err := range r.once(what, c) {
				if r.returnsNothing(c) && err == nil && test.step.Ending == CutBody {
					continue // the status is enough
				}
				if c.op == windrow.OpGet && err != nil && test.step.Ending == Whole {
					r.note(err)
					continue // a read may be given up
				}
				r.classified(what, err, windrow.ClassAmbiguous, 0)
			}
		}
	}
}

// returnsNothing reports whether a call has no value to read from the response.
func (r *clientRun[ID, In, Out]) returnsNothing(c call) bool {
	_, nothing := any(*new(Out)).(struct{})
	return c.op == windrow.OpDelete || nothing && !c.batch
}

// refusedConnection: the error shows that nothing was sent.
func (r *clientRun[ID, In, Out]) refusedConnection() {
	calls := r.calls()
	r.server.Transport().CloseIdleConnections()
	synctest.Wait()
	for _, c := range calls {
		r.server.FailDials(1, nil)
		for _, err := range c.do(r.Context()) {
			r.classified(c.name+" when the connection is refused", err, windrow.ClassTransient, 0)
		}
		r.server.FailDials(0, nil)
	}
}

// cancel: a call ends as soon as its context does.
func (r *clientRun[ID, In, Out]) cancel() {
	const cancelAfter = 3 * time.Second
	calls := r.calls()
	for _, test := range []struct {
		name string
		step Step
	}{
		{"while it waits for the response", NeverAnswers(false)},
		{"while it reads the response", Step{Instead: JSON(200, strings.Repeat(" ", 100)+"{}"), Ending: StallBody, At: 50}},
	} {
		r.server.Reset()
		r.server.Always(nil, test.step)
		for _, c := range calls {
			if r.returnsNothing(c) && test.step.Ending == StallBody {
				continue // it need not read the body
			}
			what := c.name + " that is cancelled " + test.name
			for _, how := range []struct {
				ctx  func() (context.Context, context.CancelFunc)
				want error
			}{
				{func() (context.Context, context.CancelFunc) {
					ctx, cancel := context.WithCancel(r.Context())
					time.AfterFunc(cancelAfter, cancel)
					return ctx, cancel
				}, context.Canceled},
				{func() (context.Context, context.CancelFunc) {
					return context.WithTimeout(r.Context(), cancelAfter)
				}, context.DeadlineExceeded},
			} {
				ctx, end := how.ctx()
				var errs []error
				done := make(chan struct{})
				go func() {
					defer close(done)
					errs = c.do(ctx)
				}()
				took := since(func() {
					select {
					case <-done:
					case <-time.After(time.Hour):
						r.server.hangUp() // so that the call returns
						<-done
					}
				})
				if took != cancelAfter {
					r.Errorf("%s after %v returns after %v", what, cancelAfter, took)
				}
				end()
				for _, err := range errs {
					if r.note(err); !errors.Is(err, how.want) {
						r.Errorf("%s: the error is %v, which does not match %q", what, err, how.want)
					}
				}
			}
		}
	}
}

// secrets: the credentials are sent, and appear nowhere else. Every test searches its errors for them; this test also checks
// the client's printed form, and that the credentials are sent.
func (r *clientRun[ID, In, Out]) secrets() {
	for _, c := range r.calls() {
		for _, err := range c.do(r.Context()) {
			r.note(err)
		}
	}
	for i, secret := range r.Secrets {
		sent := false
		for _, q := range r.server.Requests() {
			all := fmt.Sprint(q.Target, q.Header, q.Body)
			sent = sent || strings.Contains(all, secret) || strings.Contains(all, base64.StdEncoding.EncodeToString([]byte(secret)))
		}
		if !sent {
			r.Errorf("Secrets[%d] is never sent: pass those that New gives to the client", i)
		}
	}
	for _, verb := range []string{"%v", "%+v"} {
		r.betrays("the client printed with "+verb, fmt.Sprintf(verb, r.client))
	}
}

// note searches an error for credentials.
func (r *clientRun[ID, In, Out]) note(err error) {
	r.Helper()
	if err == nil {
		return
	}
	r.betrays("the text of an error", err.Error())
	for e := err; e != nil; e = errors.Unwrap(e) {
		r.betrays(fmt.Sprintf("a %T printed with %%+v", e), fmt.Sprintf("%+v", e))
	}
}

// betrays fails if a text holds a credential. It does not show the text.
func (r *clientRun[ID, In, Out]) betrays(what, text string) {
	r.Helper()
	for i, secret := range r.Secrets {
		if secret != "" && (strings.Contains(text, secret) || strings.Contains(text, base64.StdEncoding.EncodeToString([]byte(secret)))) {
			r.Errorf("Secrets[%d] is in %s", i, what)
		}
	}
}

// bodies is an [http.RoundTripper] that counts open response bodies.
type bodies struct {
	base http.RoundTripper
	n    atomic.Int64
}

func (b *bodies) open() int64 { return b.n.Load() }

// RoundTrip implements [http.RoundTripper].
func (b *bodies) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := b.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	b.n.Add(1)
	res.Body = &body{ReadCloser: res.Body, of: b}
	return res, nil
}

// CloseIdleConnections is called by [http.Client.CloseIdleConnections].
func (b *bodies) CloseIdleConnections() {
	if c, ok := b.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

type body struct {
	io.ReadCloser
	of     *bodies
	closed atomic.Bool
}

// Close implements [io.Closer].
func (b *body) Close() error {
	if b.closed.CompareAndSwap(false, true) {
		b.of.n.Add(-1)
	}
	return b.ReadCloser.Close()
}

// bubble runs a test in a bubble. A leaked goroutine fails the test, not the whole program.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	var id string
	if value, _, ok := contain.Call(func() {
		synctest.Test(t, func(t *testing.T) {
			id = bubbleID()
			f(t)
		})
	}); !ok {
		t.Errorf("the client leaves goroutines behind (%v):\n%s", value, stacksIn(id))
	}
}

// bubbleID returns the mark of this bubble in the stacks of its goroutines.
func bubbleID() string {
	var buf [200]byte
	line, _, _ := strings.Cut(string(buf[:runtime.Stack(buf[:], false)]), "]")
	if i := strings.Index(line, "synctest bubble "); i >= 0 {
		return line[i:] + "]"
	}
	return ""
}

// stacksIn returns the stacks of the goroutines of a bubble.
func stacksIn(id string) string {
	buf := make([]byte, 1<<20)
	var found []string
	for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if head, _, _ := strings.Cut(stack, "\n"); id != "" && strings.Contains(head, id) {
			found = append(found, stack)
		}
	}
	return strings.Join(found, "\n\n")
}
