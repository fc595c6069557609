package datocmstest

import (
	"cmp"
	"net/http"
	"net/url"
	"time"
)

// Request is the request that the function of Fault gets.
type Request struct {
	// Method and Path are those of the request. For the bucket Path begins with its host.
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

// Fault is a fault of one request. The zero Fault has no effect.
type Fault struct {
	// Delay is how long the server waits before anything else.
	Delay time.Duration
	// Lose cuts the connection before the request is applied.
	Lose bool
	// Cut cuts the connection after the request was applied.
	Cut bool
	// Status is the status of the response, and the request is not applied. 0 applies it.
	Status int
	// Code is the code of the error. Defaults to EXCEPTION.
	Code string
	// Field and FieldCode are the details of the error, if there are any.
	Field, FieldCode string
	// Transient is the member transient of the error.
	Transient bool
	// HTML responds with HTML instead of JSON, as proxies do.
	HTML bool
}

// Fault calls f with each request; f returns its fault, nil for none. f is called one at a time, and may use the server. A
// nil f ends all faults.
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

// response returns the response of a fault.
func (f *Fault) response() response {
	if f.HTML {
		return response{status: f.Status, text: []byte("<html><h1>Something went wrong</h1></html>"), kind: "text/html"}
	}
	var details any
	if f.Field != "" {
		details = map[string]string{"field": f.Field, "code": f.FieldCode}
	}
	return failAs(f.Status, cmp.Or(f.Code, "EXCEPTION"), details, f.Transient)
}

// refusal is an operation on a record that the server refuses.
type refusal struct{ operation, id string }

// Refuse makes the server refuse an operation on records, alone and in bulk: "update", "destroy", "publish", "unpublish" or
// "move-to-stage". The code is that of the error of a single request, such as REQUIRED_BY_ASSOCIATION; "" allows the
// operation again.
func (s *Server) Refuse(operation, code string, ids ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		s.refusals[refusal{operation, id}] = code
	}
}

// Job is the job that the function of FailJobs gets.
type Job struct {
	// ID is the id of the job.
	ID string
	// Operation is its operation, such as "destroy", "bulk destroy" or "create upload".
	Operation string
	// N counts the jobs with that operation, from 1.
	N int
}

// JobFault is a fault of a job.
type JobFault struct {
	// Never makes the job run forever.
	Never bool
	// Status is the status of the result, and the job is not applied. 0 applies it.
	Status int
	// Code is the code of the error. Defaults to EXCEPTION.
	Code string
	// Transient is the member transient of the error.
	Transient bool
	// NoCounts omits the counts from the result of a bulk operation.
	NoCounts bool
	// Extra is how much longer the job takes.
	Extra time.Duration
}

// FailJobs calls f with each job when it begins; f returns its fault, nil for none. f is called one at a time. A nil f ends
// all such faults.
func (s *Server) FailJobs(f func(Job) *JobFault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failJob = f
}
