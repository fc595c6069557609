// Package pipehttp serves HTTP over net.Pipe: within a test's bubble (see testing/synctest), where sockets do not work,
// and without a network.
package pipehttp

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
)

// URL is the address of every server.
const URL = "http://api.test"

// Request is a request as the server saw it.
type Request struct {
	Method string
	Target string // path and query
	Header http.Header
	Body   string
}

// Server is an HTTP server in memory. Make one with [Serve]. It may be used from many goroutines.
type Server struct {
	handler http.Handler
	base    *http.Transport
	conns   chan net.Conn
	done    chan struct{}
	busy    sync.WaitGroup

	mu        sync.Mutex
	closed    bool
	seen      []Request
	intercept func(*http.Request) http.HandlerFunc
}

// Serve runs a server until the test ends, which waits for its handlers.
func Serve(t testing.TB, handler http.Handler) *Server {
	t.Helper()
	s := &Server{handler: handler, conns: make(chan net.Conn), done: make(chan struct{})}
	s.base = &http.Transport{DialContext: s.dial, MaxIdleConnsPerHost: 64}
	web := &http.Server{Handler: http.HandlerFunc(s.serve)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = web.Serve(s) // it always ends with an error
	}()
	t.Cleanup(func() {
		s.base.CloseIdleConnections()
		_ = web.Close()
		<-ended
		s.busy.Wait()
	})
	return s
}

// Client returns a client whose every request goes to the server.
func (s *Server) Client() *http.Client { return &http.Client{Transport: s.base} }

// Intercept asks a function about each request before it is served. The handler that it returns answers in the server's
// place; nil lets the request pass. [Server.Pass] serves it from within such a handler.
func (s *Server) Intercept(f func(*http.Request) http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.intercept = f
}

// Pass serves a request as if it had not been intercepted.
func (s *Server) Pass(w http.ResponseWriter, req *http.Request) { s.handler.ServeHTTP(w, req) }

// Requests returns what the server has seen, in its order.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

// serve notes a request and has it answered.
func (s *Server) serve(w http.ResponseWriter, req *http.Request) {
	s.busy.Add(1)
	defer s.busy.Done()
	body, err := io.ReadAll(req.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // the client has gone
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	s.mu.Lock()
	s.seen = append(s.seen, Request{req.Method, req.URL.RequestURI(), req.Header.Clone(), string(body)})
	intercept := s.intercept
	s.mu.Unlock()
	if intercept != nil {
		if answer := intercept(req); answer != nil {
			answer(w, req)
			return
		}
	}
	s.Pass(w, req)
}

// HangUp is a handler that ends the connection without an answer.
func HangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func (s *Server) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	var err error
	select {
	case s.conns <- theirs:
		return ours, nil
	case <-s.done:
		err = net.ErrClosed
	case <-ctx.Done():
		err = ctx.Err()
	}
	return nil, &net.OpError{Op: "dial", Net: "pipe", Err: err}
}

// Accept implements [net.Listener].
func (s *Server) Accept() (net.Conn, error) {
	select {
	case c := <-s.conns:
		return c, nil
	case <-s.done:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener].
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		close(s.done)
	}
	return nil
}

// Addr implements [net.Listener].
func (s *Server) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }
