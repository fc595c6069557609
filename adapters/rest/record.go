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

// record is what is known of one request of an attempt.
type record struct {
	attempt clients.Attempt
	changes bool // it may change something

	traced    atomic.Bool // the base tells what it does
	connected atomic.Bool // there was a connection
	sent      atomic.Bool // the request has begun to leave
}

// watch returns a context in which the base tells what it does, also of a [payload]. A trace that the caller has set is
// served too.
func (r *record) watch(ctx context.Context) context.Context {
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

// sending records, once, that the request has begun to leave.
func (r *record) sending() {
	if !r.sent.Swap(true) {
		r.attempt.Sending()
	}
}

// answered records that the answer has come, and what it means.
func (r *record) answered(status int, s said) {
	if r.changes {
		r.sending() // also when the base did not tell
	}
	switch {
	case s.meaning != nil:
		r.attempt.AnsweredAs(*s.meaning, status, r.changes)
		return
	case s.page:
		r.attempt.AnsweredAs(windrow.Classification{Class: windrow.ClassTransient}, status, r.changes)
		return
	case s.throttled:
		// A 503 that names a time to come back is a refusal, as a 429 is: nothing was carried out.
		status = http.StatusTooManyRequests
	}
	r.attempt.Answered(status, r.changes)
}

// failed records that there is no answer, and whether the request's context had ended. That the request never left is only claimed when it is certain.
func (r *record) failed(ended bool, base http.RoundTripper) {
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

// outgoing returns the request as it leaves: one that may change something is watched, and has the attempt's idempotency
// key if it takes one.
func (t *Transport) outgoing(r *record, req *http.Request) *http.Request {
	if !r.changes {
		return req
	}
	out := req.WithContext(r.watch(req.Context())) // a copy, whose header is still the caller's
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
	// In lower case on purpose: a request with an "Idempotency-Key" net/http sends again by itself when a kept
	// connection breaks. Not every server honours the key, and only the run knows.
	out.Header[strings.ToLower(name)] = []string{key}
	return out
}

// has reports whether a header field is there, however its name is written.
func has(h http.Header, name string) bool {
	for key := range h {
		if strings.EqualFold(key, name) {
			return true
		}
	}
	return false
}
