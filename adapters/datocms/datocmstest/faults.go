package datocmstest

import (
	"cmp"
	"net/http"
	"net/url"
	"time"
)

// Request is what a fault is decided by.
type Request struct {
	// Method and Path are those of the request. Those of the bucket have its host before the path.
	Method, Path string
	// Query is that of the request.
	Query url.Values
	// Header is that of the request.
	Header http.Header
	// Body is what was sent.
	Body []byte
	// N counts the requests with this method and path, from 1.
	N int
}

// Fault is what goes wrong with a request. The zero Fault is nothing.
type Fault struct {
	// Delay is how long the server thinks before anything else.
	Delay time.Duration
	// Lose cuts the connection before the request is carried out.
	Lose bool
	// Cut cuts the connection after the request was carried out.
	Cut bool
	// Status is answered, and nothing is carried out. 0 means that it is.
	Status int
	// Code is that of the error. Defaults to EXCEPTION.
	Code string
	// Field and FieldCode are the details of the error, if there are any.
	Field, FieldCode string
	// Transient is what the error says.
	Transient bool
	// HTML answers with a page in place of JSON, as proxies do.
	HTML bool
}

// Fault has f decide what goes wrong with each request; it returns nil for one with which nothing does. It is called one
// at a time, and may use the server. Nil ends all faults.
func (s *Server) Fault(f func(Request) *Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

func (s *Server) faultOf(r *http.Request, content []byte) *Fault {
	path := r.URL.Path
	if r.Host == bucketHost {
		path = r.Host + path
	}
	s.asking.Lock()
	defer s.asking.Unlock()
	s.mu.Lock()
	key := r.Method + " " + path
	s.counts[key]++
	n, fault := s.counts[key], s.fault
	s.mu.Unlock()
	if fault == nil {
		return nil
	}
	return fault(Request{Method: r.Method, Path: path, Query: r.URL.Query(), Header: r.Header, Body: content, N: n})
}

// answer is what a fault answers with.
func (f *Fault) answer() answer {
	if f.HTML {
		return answer{status: f.Status, text: []byte("<html><h1>Something went wrong</h1></html>"), kind: "text/html"}
	}
	var details any
	if f.Field != "" {
		details = map[string]string{"field": f.Field, "code": f.FieldCode}
	}
	return failAs(f.Status, cmp.Or(f.Code, "EXCEPTION"), details, f.Transient)
}

// refusal is an operation on a record that the server refuses.
type refusal struct{ operation, id string }

// Refuse makes the server refuse an operation on records, alone and in bulk: "update", "destroy", "publish", "unpublish"
// or "move-to-stage". The code is that of the error of a single request, such as REQUIRED_BY_ASSOCIATION; "" ends it.
func (s *Server) Refuse(operation, code string, ids ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		s.refusals[refusal{operation, id}] = code
	}
}

// Job is what a fault of a job is decided by.
type Job struct {
	// ID is the job's.
	ID string
	// Operation is what it does, such as "destroy", "bulk destroy" or "create upload".
	Operation string
	// N counts the jobs with that operation, from 1.
	N int
}

// JobFault is what goes wrong with a job.
type JobFault struct {
	// Never lets it run for ever.
	Never bool
	// Status is the result's, and nothing is done. 0 means that it is.
	Status int
	// Code is that of the error. Defaults to EXCEPTION.
	Code string
	// Transient is what the error says.
	Transient bool
	// NoCounts leaves the counts out of the result of a bulk operation.
	NoCounts bool
	// Extra is how much longer it takes.
	Extra time.Duration
}

// FailJobs has f decide what goes wrong with each job, when it begins; it returns nil for one with which nothing does. It
// is called one at a time. Nil ends all such faults.
func (s *Server) FailJobs(f func(Job) *JobFault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failJob = f
}
