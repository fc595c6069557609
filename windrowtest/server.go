package windrowtest

import (
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Server is an HTTP server that injects faults between clients and an API. Make one with [NewServer]. It handles each
// request by a [Step]; without one it lets the API respond. Its methods may be called from many goroutines.
type Server struct {
	// URL is the URL of the server, such as "http://api.test".
	URL string

	api       http.Handler
	pipes     *pipes // nil for a server on the network
	transport *http.Transport
	closing   chan struct{}
	busy      sync.WaitGroup

	mu        sync.Mutex
	rules     []Rule
	seen      []Request
	jobs      int
	conns     map[net.Conn]bool // hijacked connections
	dialFails int
	dialErr   error
	cuts      int // requests to be cut
	cutAt     int // bytes of their bodies before the cut
}

// Request is a request as the server saw it.
type Request struct {
	Number int         // of the request, from 1
	Method string      // such as "POST"
	Target string      // path and query
	Header http.Header // all of it
	Body   string      // all of it, unless the connection ended before
	At     time.Time   // of its arrival
}

// Key returns the idempotency key of the request, without quotes; "" when it has none.
func (r *Request) Key() string { return strings.Trim(r.Header.Get("Idempotency-Key"), `"`) }

// Rule returns the step for a request. ok is false if the rule does not apply to it.
type Rule func(r *Request) (step Step, ok bool)

// NewServer starts a server in front of an API, which handles requests without a step; nil responds with 404. It ends with
// the test. Clients reach it by [Server.Client], [Server.Transport] or [Server.Dial] only: its connections are pipes, so it
// works inside a [testing/synctest] bubble, where its delays take no time.
func NewServer(tb testing.TB, api http.Handler) *Server {
	tb.Helper()
	p := newPipes()
	s := &Server{URL: "http://api.test", pipes: p}
	s.start(tb, api, p)
	return s
}

// NewLoopbackServer is like [NewServer], on a port of this machine that any client can reach, other processes too. It must
// not be used inside a bubble, and its delays take real time.
func NewLoopbackServer(tb testing.TB, api http.Handler) *Server {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("windrowtest: %v", err)
	}
	s := &Server{URL: "http://" + l.Addr().String()}
	s.start(tb, api, l)
	return s
}

func (s *Server) start(tb testing.TB, api http.Handler, l net.Listener) {
	if s.api = api; api == nil {
		s.api = http.NotFoundHandler()
	}
	s.closing, s.conns = make(chan struct{}), map[net.Conn]bool{}
	s.transport = &http.Transport{DialContext: s.Dial, MaxIdleConnsPerHost: 64}
	web := &http.Server{Handler: http.HandlerFunc(s.serve), ConnState: s.watch}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = web.Serve(l) // it always ends with an error
	}()
	tb.Cleanup(func() {
		close(s.closing)
		s.transport.CloseIdleConnections()
		_ = web.Close() // the test has ended
		s.hangUp()
		<-ended
		s.busy.Wait()
	})
}

// Client returns a client that reaches the server.
func (s *Server) Client() *http.Client { return &http.Client{Transport: s.transport} }

// Transport returns the transport of [Server.Client]. Its connections end with the test.
func (s *Server) Transport() *http.Transport { return s.transport }

// Dial connects to the server, whatever the address. Use it as the DialContext of other transports.
func (s *Server) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	s.mu.Lock()
	fails := s.dialFails > 0
	if fails {
		s.dialFails--
	}
	err := s.dialErr
	s.mu.Unlock()
	switch {
	case fails:
		return nil, err
	case s.pipes != nil:
		return s.pipes.dial(ctx)
	}
	var d net.Dialer
	return d.DialContext(ctx, "tcp", strings.TrimPrefix(s.URL, "http://"))
}

// FailDials makes the next n dials fail with err, such as a [net.DNSError]. Nil means that they are refused.
func (s *Server) FailDials(n int, err error) {
	if err == nil {
		err = dialError(syscall.ECONNREFUSED)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dialFails, s.dialErr = n, err
}

// CutRequests makes the server end the connections of the next n requests after that many bytes of their bodies. The API
// does not see those requests.
func (s *Server) CutRequests(n, bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cuts, s.cutAt = n, bytes
}

// Script sets the steps for the next requests, one for each in the order in which they arrive. [Pass] lets a request
// through. The steps of a further call come after those of the first.
func (s *Server) Script(steps ...Step) { s.On(nil, steps...) }

// On sets the steps for the next requests for which match returns true, one for each. Nil matches all.
func (s *Server) On(match func(r *Request) bool, steps ...Step) {
	steps = slices.Clone(steps)
	s.Add(func(r *Request) (Step, bool) {
		if len(steps) == 0 || match != nil && !match(r) {
			return Step{}, false
		}
		step := steps[0]
		steps = steps[1:]
		return step, true
	})
}

// Always sets the step for all requests for which match returns true. Nil matches all.
func (s *Server) Always(match func(r *Request) bool, step Step) {
	s.Add(func(r *Request) (Step, bool) { return step, match == nil || match(r) })
}

// Add adds a rule. The first rule that applies to a request, in the order in which they were added, decides. Rules are
// called one at a time, and must not call methods of the server.
func (s *Server) Add(rule Rule) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = append(s.rules, rule)
}

// Reset removes all rules: from now on the API responds.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules, s.dialFails, s.cuts = nil, 0, 0
}

// Requests returns the requests so far, in the order in which they arrived.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

// decide records a request and returns its step.
func (s *Server) decide(r *Request) Step {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.Number = len(s.seen) + 1
	s.seen = append(s.seen, *r)
	for _, rule := range s.rules {
		if step, ok := rule(r); ok {
			return step
		}
	}
	return Step{}
}

// hangUp closes the hijacked connections.
func (s *Server) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		_ = c.Close()
	}
}

// watch counts the connections that are being served.
func (s *Server) watch(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.busy.Add(1)
	case http.StateClosed, http.StateHijacked:
		s.busy.Done()
	}
}

// serve handles a request.
func (s *Server) serve(w http.ResponseWriter, req *http.Request) {
	body, ok := s.read(req.Body)
	if !ok {
		panic(http.ErrAbortHandler)
	}
	r := &Request{Method: req.Method, Target: req.URL.RequestURI(), Header: req.Header.Clone(), Body: body, At: time.Now()}
	step := s.decide(r)
	if step.Before != nil {
		step.Before()
	}
	if !s.sleep(step.Delay) {
		panic(http.ErrAbortHandler)
	}
	a := step.respond(s.api, req, body)
	if step.Ending == Whole {
		a.ServeHTTP(w, req)
		return
	}
	s.end(w, req, step, a)
}

// read reads the body of a request. ok is false if it broke off, or is to be cut.
func (s *Server) read(body io.Reader) (text string, ok bool) {
	s.mu.Lock()
	cut := s.cuts > 0
	if cut {
		s.cuts--
		body = io.LimitReader(body, int64(s.cutAt))
	}
	s.mu.Unlock()
	all, err := io.ReadAll(body)
	return string(all), err == nil && !cut
}

// sleep waits, even if the client has gone. It returns false if the server ends.
func (s *Server) sleep(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.closing:
		return false
	}
}

// end writes a response and ends it as step.Ending says.
func (s *Server) end(w http.ResponseWriter, req *http.Request, step Step, a *Answer) {
	s.busy.Add(1)
	defer s.busy.Done()
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	s.mu.Lock()
	s.conns[conn] = true
	s.mu.Unlock()
	defer func() {
		_ = conn.Close() // the client sees the error
		s.mu.Lock()
		delete(s.conns, conn)
		s.mu.Unlock()
	}()
	head, body := a.wire(req)
	switch step.Ending {
	case CutHead:
		_, _ = conn.Write(head[:min(step.At, len(head))])
	case CutBody:
		_, _ = conn.Write(append(head, body[:min(step.At, len(body))]...))
	case StallBody:
		_, _ = conn.Write(append(head, body[:min(step.At, len(body))]...))
		s.silence(conn)
	case Silence:
		s.silence(conn)
	case HangUp:
		_, _ = conn.Write(append(head, body...))
	}
}

// silence waits until the client closes the connection or the server ends.
func (s *Server) silence(conn net.Conn) {
	select {
	case <-s.closing:
	default:
		_, _ = io.Copy(io.Discard, conn) // ends when the connection does
	}
}
