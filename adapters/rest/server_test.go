package rest

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
)

// seen is a request as the server saw it.
type seen struct {
	Method string
	Target string // path and query
	Body   string
	Key    string // idempotency key
}

// server is an HTTP server over net.Pipe, which works inside a synctest bubble, as sockets do not.
type server struct {
	handler http.HandlerFunc
	base    *http.Transport // dials the server
	conns   chan net.Conn
	done    chan struct{}
	dials   atomic.Int32
	busy    sync.WaitGroup
	wrap    func(net.Conn) net.Conn // the client's end; nil leaves it as it is

	mu   sync.Mutex
	seen []seen
}

// serve runs a server until the test ends. Its host name is "cms.test".
func serve(t *testing.T, handler http.HandlerFunc) *server {
	t.Helper()
	s := &server{handler: handler, conns: make(chan net.Conn), done: make(chan struct{})}
	s.base = NewBase(8)
	s.base.Proxy = nil
	s.base.DialContext = s.dial
	web := &http.Server{Handler: s}
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

func (s *server) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	s.dials.Add(1)
	ours, theirs := net.Pipe()
	select {
	case s.conns <- theirs:
	case <-s.done:
		return nil, &net.OpError{Op: "dial", Net: "pipe", Err: net.ErrClosed}
	case <-ctx.Done():
		return nil, &net.OpError{Op: "dial", Net: "pipe", Err: ctx.Err()}
	}
	if s.wrap != nil {
		ours = s.wrap(ours)
	}
	return ours, nil
}

// Accept implements [net.Listener].
func (s *server) Accept() (net.Conn, error) {
	select {
	case c := <-s.conns:
		return c, nil
	case <-s.done:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener].
func (s *server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.done:
	default:
		close(s.done)
	}
	return nil
}

// Addr implements [net.Listener].
func (s *server) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

// ServeHTTP notes the request and calls the handler.
func (s *server) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	s.busy.Add(1)
	defer s.busy.Done()
	body, err := io.ReadAll(req.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	req.Body = io.NopCloser(strings.NewReader(string(body)))
	s.mu.Lock()
	s.seen = append(s.seen, seen{req.Method, req.URL.RequestURI(), string(body), req.Header.Get("Idempotency-Key")})
	s.mu.Unlock()
	s.handler(w, req)
}

// requests returns what the server has seen.
func (s *server) requests() []seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

// client returns a client of the server.
func (s *server) client(t *testing.T, opts ...Option) *Client {
	t.Helper()
	opts = append([]Option{WithHTTPClient(&http.Client{Transport: s.base})}, opts...)
	c, err := New("http://cms.test/api", opts...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// answer writes a JSON answer.
func answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if value != nil {
		_ = json.NewEncoder(w).Encode(value)
	}
}

// each answers the n-th request with the n-th function, and the rest with the last.
func each(answers ...http.HandlerFunc) http.HandlerFunc {
	var n atomic.Int32
	return func(w http.ResponseWriter, req *http.Request) {
		i := int(n.Add(1)) - 1
		answers[min(i, len(answers)-1)](w, req)
	}
}

// status answers with that status and header fields.
func status(code int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		answer(w, code, map[string]string{"code": "because"})
	}
}

type draft struct {
	Title string `json:"title"`
}

type article struct {
	ID    string `json:"id"`
	Title string `json:"title,omitempty"`
}

// end is how an item ended.
type end struct {
	State    windrow.State
	Attempts int
}

// ends returns how the items of a result ended.
func ends[In, Out any](res *windrow.BulkResult[In, Out]) []end {
	var all []end
	for r := range res.All() {
		all = append(all, end{r.State, r.Attempts})
	}
	return all
}

// again sends without delay what may be sent again.
var again = windrow.Retry(windrow.RetryPolicy{Strategy: windrow.Constant(0), MaxAttempts: 3})

// twice gives up before failures in a row are taken for an outage.
var twice = windrow.Retry(windrow.RetryPolicy{Strategy: windrow.Constant(0), MaxAttempts: 2})

// withKeys says that the API honours idempotency keys.
var withKeys = WithCapabilities(windrow.Capabilities{IdempotencyKeys: true})

// articlesOf returns the resource that most tests use.
func articlesOf(c *Client, opts ...ResourceOption) *Resource[draft, article] {
	return NewResource[draft, article](c, "/articles", opts...)
}

// verbs runs each verb for one item named "1" and returns how it ended: a create that must not be repeated, one that
// may be (by its idempotency key), an update, a delete and a read.
var verbs = []struct {
	name string
	run  func(ctx context.Context, c *Client, opts ...windrow.Option) (end, error)
}{
	{"create", func(ctx context.Context, c *Client, opts ...windrow.Option) (end, error) {
		res, err := windrow.CreateMany(ctx, articlesOf(c), []draft{{"a"}}, opts...)
		return ends(res)[0], err
	}},
	{"create with key", func(ctx context.Context, c *Client, opts ...windrow.Option) (end, error) {
		res, err := windrow.CreateMany(ctx, articlesOf(c, withKeys), []draft{{"a"}}, opts...)
		return ends(res)[0], err
	}},
	{"update", func(ctx context.Context, c *Client, opts ...windrow.Option) (end, error) {
		res, err := windrow.UpdateMany(ctx, articlesOf(c), []windrow.Update[string, draft]{{ID: "1", Data: draft{"a"}}}, opts...)
		return ends(res)[0], err
	}},
	{"delete", func(ctx context.Context, c *Client, opts ...windrow.Option) (end, error) {
		res, err := windrow.DeleteMany(ctx, articlesOf(c), []string{"1"}, opts...)
		return ends(res)[0], err
	}},
	{"get", func(ctx context.Context, c *Client, opts ...windrow.Option) (end, error) {
		res, err := windrow.GetMany(ctx, articlesOf(c), []string{"1"}, opts...)
		return ends(res)[0], err
	}},
}

// eachVerb runs every verb against servers of its own, and compares how the item ends with want, which is in the order
// of verbs. The options of the run follow again's.
func eachVerb(t *testing.T, want [5]end, start func(t *testing.T) *Client, opts ...windrow.Option) {
	t.Helper()
	for i, verb := range verbs {
		t.Run(verb.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got, err := verb.run(t.Context(), start(t), append([]windrow.Option{again}, opts...)...)
				if diff := cmp.Diff(want[i], got); diff != "" {
					t.Errorf("(-want +got):\n%s\n%v", diff, err)
				}
			})
		})
	}
}

// recovering returns a function that starts a server whose first answer is that of the handler, and whose later ones
// are good.
func recovering(first http.HandlerFunc, opts ...Option) func(t *testing.T) *Client {
	return func(t *testing.T) *Client {
		return serve(t, each(first, good)).client(t, opts...)
	}
}

// good answers any request well.
func good(w http.ResponseWriter, req *http.Request) {
	switch req.Method {
	case http.MethodPost:
		answer(w, http.StatusCreated, article{ID: "1"})
	case http.MethodDelete:
		w.WriteHeader(http.StatusNoContent)
	default:
		answer(w, http.StatusOK, article{ID: "1"})
	}
}

// hangUp ends the connection without an answer.
func hangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
