package rest

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/clients"
)

// tracker records what happens to one request of an attempt.
type tracker struct {
	attempt clients.Attempt
	changes bool // the method may change something

	traced    atomic.Bool // the base supports httptrace
	connected atomic.Bool // there was a connection
	sent      atomic.Bool // the request has begun to leave
}

// watch returns a context with a trace of what the base does, also with a [payload]. A trace of the caller stays active.
func (r *tracker) watch(ctx context.Context) context.Context {
	var body *payload
	if x := exchangeOf(ctx); x != nil {
		body = x.body
	}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn:      func(string) { r.traced.Store(true) },
		GotConn:      func(httptrace.GotConnInfo) { r.connected.Store(true) },
		WroteHeaders: r.sending,
		WroteRequest: func(info httptrace.WroteRequestInfo) {
			if body != nil && info.Err == nil {
				body.written.Add(1)
			}
		},
	})
}

// sending reports, once, that the request has begun to leave.
func (r *tracker) sending() {
	if !r.sent.Swap(true) {
		r.attempt.Sending()
	}
}

// responded reports that the response has arrived, and what it means.
func (r *tracker) responded(status int, s reading) {
	if r.changes {
		r.sending() // also if the base does not support httptrace
	}
	switch {
	case s.meaning != nil:
		r.attempt.AnsweredAs(*s.meaning, status, r.changes)
		return
	case s.notFoundPage:
		r.attempt.AnsweredAs(windrow.Classification{Class: windrow.ClassTransient}, status, r.changes)
		return
	case s.throttled:
		// A 503 with Retry-After is a refusal, as a 429 is: nothing was applied.
		status = http.StatusTooManyRequests
	}
	r.attempt.Answered(status, r.changes)
}

// failed reports that there is no response. ended says whether the request's context had ended. Only if it is certain that
// the request never left is it reported as not sent.
func (r *tracker) failed(ended bool, base http.RoundTripper) {
	if !r.changes {
		return
	}
	_, tells := base.(*http.Transport)
	tells = tells || r.traced.Load()
	// On HTTP/2 a cancelled request may still be on its way out when RoundTrip returns.
	leaving := r.connected.Load() && ended
	if !tells || leaving {
		r.sending()
	}
}

const (
	defaultKeyHeader = "Idempotency-Key"
	noKeyHeader      = "-"
)

// outgoing returns the request to send: one that may change something is traced, and gets the attempt's idempotency key if
// its method takes one.
func (t *Transport) outgoing(r *tracker, req *http.Request) *http.Request {
	if !r.changes {
		return req
	}
	out := req.WithContext(r.watch(req.Context())) // a copy that shares the caller's header
	name := t.KeyHeader
	if name == "" {
		name = defaultKeyHeader
	}
	if name == noKeyHeader || req.Method != http.MethodPost && req.Method != http.MethodPatch || has(req.Header, name) {
		return out
	}
	key := r.attempt.IdempotencyKeyFor(req.Method + " " + req.URL.String())
	if t.QuoteKey {
		key = `"` + key + `"`
	}
	out.Header = make(http.Header, len(req.Header)+1)
	maps.Copy(out.Header, req.Header)
	// In lower case on purpose: net/http itself repeats a request with an "Idempotency-Key" when an idle connection breaks.
	// Not every server honours the key, and only the run knows whether this one does.
	out.Header[strings.ToLower(name)] = []string{key}
	return out
}

// has reports whether a header has a field, in any case of its name.
func has(h http.Header, name string) bool {
	for key := range h {
		if strings.EqualFold(key, name) {
			return true
		}
	}
	return false
}
