// Package datocmstest is a fake of DatoCMS for tests: the part of its Content Management API that package datocms uses, in
// memory.
//
//	server := datocmstest.New(datocmstest.Config{Models: []datocmstest.Model{{ID: "UZyfjdBES8y2W2ruMEHSoA", APIKey: "article"}}})
//	defer server.Close()
//	client, err := datocms.New("", server.Token(), server.Client())
//
// It is as strict as the real server about headers, parameters, bodies and the sizes of requests, counts requests against
// the documented limit, works in jobs, and returns only counts for bulk operations. [Server.Fault], [Server.Refuse] and
// [Server.FailJobs] inject faults. The client connects over pipes in memory, so that it also works with virtual time, as in
// a bubble of testing/synctest.
package datocmstest

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// defaultToken is the API token of a server whose Config has none.
const defaultToken = "0123456789abcdef-datocmstest"

// Config configures a server. The zero Config is DatoCMS as documented, without models.
type Config struct {
	// Token is the token of valid requests. See [Server.Token] for the default.
	Token string
	// Models are the models of the project.
	Models []Model
	// Environments are the names that X-Environment may have, beside the primary one. Each environment has its own records.
	Environments []string
	// Requests is how many requests are allowed in each Window of the server's clock. Defaults to 60; negative means no
	// limit.
	Requests int
	// Window defaults to 3 seconds.
	Window time.Duration
	// JobTime is how long a job takes. Defaults to 300 milliseconds.
	JobTime time.Duration
	// Latency returns how long a response takes; a throttle takes a quarter of it. Nil means no time.
	Latency func() time.Duration
}

// Model is a model of the project.
type Model struct {
	// ID is the id with which records are created.
	ID string
	// APIKey is another name of the model in filters.
	APIKey string
	// Fields are the fields of its records. None means that records may have any.
	Fields []Field
}

// Field is a field of a model.
type Field struct {
	APIKey   string // its name
	Required bool   // each record must have it
	Unique   bool   // two records cannot have the same value
}

// Seen is a request to which the server responded.
type Seen struct {
	Method string        // of the request
	Target string        // its path and query; for the bucket with the host
	Status int           // of the response; 0 if the connection was cut
	At     time.Duration // of its arrival, since the server started
}

// Server is a DatoCMS. Make one with [New]. Its methods may be called from many goroutines.
type Server struct {
	config Config
	began  time.Time
	pipe   *pipe
	web    *http.Server
	ended  chan struct{}
	client *http.Client

	asking sync.Mutex // held while the function of Fault runs

	mu       sync.Mutex
	projects map[string]*project // by environment
	jobs     map[string]*job
	grants   map[string]grant  // of places in the bucket, by path
	bucket   map[string][]byte // files, by path
	window   time.Time         // begin of the window at hand
	used     int               // requests in it
	made     int               // ids given so far
	refusals map[refusal]string
	fault    func(Request) *Fault
	failJob  func(Job) *JobFault
	seen     []Seen
	counts   map[string]int // requests by method and path
}

// project is an environment.
type project struct {
	items  map[string]*item
	order  []string // ids of items, in the order of their creation
	assets []*asset
}

// New returns a server, which runs until it is closed.
func New(config Config) *Server {
	config.Token = cmp.Or(config.Token, defaultToken)
	config.Requests = cmp.Or(config.Requests, 60)
	config.Window = cmp.Or(config.Window, 3*time.Second)
	config.JobTime = cmp.Or(config.JobTime, 300*time.Millisecond)
	s := &Server{
		config: config, began: time.Now(), pipe: newPipe(), ended: make(chan struct{}),
		projects: map[string]*project{}, jobs: map[string]*job{}, grants: map[string]grant{}, bucket: map[string][]byte{},
		refusals: map[refusal]string{}, counts: map[string]int{},
	}
	for _, name := range append([]string{""}, config.Environments...) {
		s.projects[name] = &project{items: map[string]*item{}}
	}
	s.web = &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	s.client = &http.Client{Transport: s.pipe.transport()}
	go func() {
		defer close(s.ended)
		_ = s.web.Serve(s.pipe) // it always ends with an error
	}()
	return s
}

// Token returns the API token that the server takes.
func (s *Server) Token() string { return s.config.Token }

// Client returns an HTTP client whose requests to any host, DatoCMS's and the bucket's, come to this server.
func (s *Server) Client() *http.Client { return s.client }

// Close ends the server and waits for it.
func (s *Server) Close() {
	s.client.CloseIdleConnections()
	_ = s.web.Close() // the listener has no error
	<-s.ended
	s.pipe.wait()
}

// Seen returns the requests to which the server has responded, in the order of the responses.
func (s *Server) Seen() []Seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

// Count returns how many requests had that method and a path with that prefix, without those that were throttled.
func (s *Server) Count(method, path string) (n int) {
	for _, r := range s.Seen() {
		if r.Method == method && strings.HasPrefix(r.Target, path) && r.Status != http.StatusTooManyRequests {
			n++
		}
	}
	return n
}

// Throttled returns how many requests were throttled.
func (s *Server) Throttled() (n int) {
	for _, r := range s.Seen() {
		if r.Status == http.StatusTooManyRequests {
			n++
		}
	}
	return n
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.pipe.busy.Add(1)
	defer s.pipe.busy.Done()
	content, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // the client has gone
	}
	at := time.Since(s.began)
	a := s.handle(r, content)
	if s.config.Latency != nil && r.Host != bucketHost {
		takes := s.config.Latency()
		if a.status == http.StatusTooManyRequests {
			takes /= 4
		}
		time.Sleep(takes)
	}
	target := r.URL.RequestURI()
	if r.Host == bucketHost {
		target = r.Host + r.URL.Path
	}
	if a.cut {
		a.status = 0
	}
	s.mu.Lock()
	s.seen = append(s.seen, Seen{Method: r.Method, Target: target, Status: a.status, At: at})
	s.mu.Unlock()
	if a.cut {
		panic(http.ErrAbortHandler)
	}
	maps.Copy(w.Header(), a.header)
	if a.kind != "" {
		w.Header().Set("Content-Type", a.kind)
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.text) // the client may have gone
}

// handle applies a request, and its fault if there is one.
func (s *Server) handle(r *http.Request, content []byte) response {
	fault := s.faultOf(r, content)
	if fault == nil {
		fault = &Fault{}
	}
	time.Sleep(fault.Delay)
	if fault.Lose {
		return response{cut: true}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Host == bucketHost {
		if fault.Status != 0 {
			return bucketFailure(fault.Status, cmp.Or(fault.Code, "InternalError"))
		}
		a := s.put(r, content)
		a.cut = fault.Cut
		return a
	}
	a, ok := s.admit(r)
	limits := a.header
	switch {
	case !ok:
	case fault.Status != 0:
		a = fault.response()
	default:
		s.settle()
		a = s.route(r, content)
	}
	a.cut = fault.Cut
	if a.header == nil {
		a.header = http.Header{}
	}
	maps.Copy(a.header, limits)
	return a
}

// admit counts a request, and refuses it if there are too many, or if it is invalid.
func (s *Server) admit(r *http.Request) (response, bool) {
	now := time.Now()
	if window := now.Truncate(s.config.Window); !window.Equal(s.window) {
		s.window, s.used = window, 0
	}
	limits := http.Header{}
	if s.config.Requests > 0 {
		s.used++
		limits.Set("X-RateLimit-Limit", strconv.Itoa(s.config.Requests))
		limits.Set("X-RateLimit-Remaining", strconv.Itoa(max(0, s.config.Requests-s.used)))
		if s.used > s.config.Requests {
			s.used = s.config.Requests
			left := s.window.Add(s.config.Window).Sub(now)
			limits.Set("X-RateLimit-Reset", strconv.Itoa(int((left+time.Second-1)/time.Second)))
			a := fail(http.StatusTooManyRequests, "RATE_LIMIT_EXCEEDED", nil)
			a.header = limits
			return a, false
		}
	}
	refused := func(status int, code string) (response, bool) {
		a := fail(status, code, nil)
		a.header = limits
		return a, false
	}
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	environment := r.Header.Get("X-Environment")
	switch {
	case len(r.URL.RequestURI()) > 8190:
		return response{status: http.StatusRequestURITooLong, header: limits, text: []byte("<html><h1>414 Request-URI Too Large</h1></html>"), kind: "text/html"}, false
	case r.Header.Get("Authorization") != "Bearer "+s.config.Token:
		return refused(http.StatusUnauthorized, "INVALID_AUTHORIZATION_HEADER")
	case r.Header.Get("Accept") != "application/json":
		return refused(http.StatusNotAcceptable, "INVALID_ACCEPT_HEADER")
	case r.Header.Get("X-Api-Version") != "3":
		return refused(http.StatusBadRequest, "INVALID_API_VERSION")
	case r.ContentLength != 0 && kind != "application/json" && kind != "application/vnd.api+json":
		return refused(http.StatusUnsupportedMediaType, "INVALID_CONTENT_TYPE_HEADER")
	case s.projects[environment] == nil:
		return refused(http.StatusUnprocessableEntity, "INVALID_ENVIRONMENT")
	}
	return response{header: limits}, true
}

// route finds the endpoint.
func (s *Server) route(r *http.Request, content []byte) response {
	c := &call{Server: s, project: s.projects[r.Header.Get("X-Environment")], query: r.URL.Query(), content: content}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	for k := range parts {
		if plain, err := url.PathUnescape(parts[k]); err == nil {
			parts[k] = plain
		}
	}
	at := func(k int) string {
		if k < len(parts) {
			return parts[k]
		}
		return ""
	}
	if r.Method != http.MethodGet && len(c.query) > 0 {
		return fail(http.StatusUnprocessableEntity, "INVALID_PARAMS", nil)
	}
	switch endpoint := fmt.Sprintf("%s %s %d", r.Method, at(0), len(parts)); {
	case endpoint == "POST items 1":
		return c.createItem()
	case endpoint == "GET items 1":
		return c.listItems()
	case endpoint == "GET items 2":
		return c.getItem(at(1))
	case endpoint == "PUT items 2":
		return c.updateItem(at(1))
	case endpoint == "DELETE items 2":
		return c.destroyItem(at(1))
	case endpoint == "PUT items 3" && (at(2) == "publish" || at(2) == "unpublish"):
		return c.changeItem(at(1), at(2))
	case endpoint == "POST items 3" && at(1) == "bulk":
		return c.bulkItems(at(2))
	case endpoint == "GET job-results 2":
		return c.jobResult(at(1))
	case endpoint == "POST upload-requests 1":
		return c.grantUpload()
	case endpoint == "POST uploads 1":
		return c.createUpload()
	case endpoint == "GET uploads 1":
		return c.listUploads()
	case endpoint == "GET uploads 2":
		return c.getUpload(at(1))
	case endpoint == "PUT uploads 2":
		return c.updateUpload(at(1))
	case endpoint == "DELETE uploads 2":
		return c.destroyUpload(at(1))
	case endpoint == "POST uploads 3" && at(1) == "bulk" && at(2) == "destroy":
		return c.bulkDestroyUploads()
	}
	return fail(http.StatusNotFound, "INVALID_ENDPOINT", nil)
}

var _ net.Listener = (*pipe)(nil)
