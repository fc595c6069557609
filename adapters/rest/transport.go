package rest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/rest/internal/dialect"
	"github.com/windrow-go/windrow/clients"
	"github.com/windrow-go/windrow/internal/inspect"
)

// Transport is an [http.RoundTripper] that connects an HTTP client, such as that of an SDK, with windrow. The zero Transport
// is ready to use. It may be used from many goroutines, and must not be copied or changed after first use. Keep it for
// reuse, as it holds the connections. Do not put one into another.
//
// For a request of a run, which it recognizes by the request's context ([clients.AttemptFrom]):
//   - It waits for the limiter's pauses and rate, but never for a slot, since the attempt holds one. The first request of an
//     attempt passes at once if the run uses the same limiter, since the run has waited for it.
//   - It sends the item's idempotency key with POST and PATCH, unless the request has one. A second request to the same URL
//     has the same key, and a request to another URL has another key ([clients.Attempt.IdempotencyKeyFor]).
//   - It records whether the request left and got a response, so that the run knows what an error means.
//
// Any other request takes a slot and a quota unit, as with [windrow.Limiter.Do], until the headers of its response arrive.
//
// In both cases the limiter learns from the response. These responses pause all its runs: a 429; a 403, 409, 423 or 503 with
// Retry-After (RFC 6585 section 4, RFC 9110 sections 10.2.3 and 15.6.4); and a 403 that says that nothing remains of a limit
// and when it is renewed, as GitHub's does. The limiter also gets the limits in headers such as RateLimit and
// X-RateLimit-Remaining ([clients.Feedback.Quotas]). Set Classify where status and headers are not enough. Any other
// response counts as a success only when the attempt goes on or ends well ([clients.Attempt.Observe]).
//
// The Timeout of an [http.Client] includes the time that this transport waits for the limiter: do not set it for an SDK that
// makes many requests at once. (A [Client] takes care of that.)
//
// Its errors are those of the base and of [windrow.Limiter.Wait]. It never changes the caller's request.
type Transport struct {
	// Base sends the requests. Nil means a transport of [NewBase], with as many connections as the limiter allows calls, 64
	// or more. If a Base does not support [net/http/httptrace], a failed request counts as sent.
	Base http.RoundTripper
	// Limiter is waited for before each request, and learns from each response. Nil means the run's limiter for requests of
	// a run, and none for others.
	Limiter *windrow.Limiter
	// KeyHeader is the header that carries the idempotency key. "" means "Idempotency-Key", and "-" that none is sent. The
	// request's Header has it in lower case, where Header.Get does not find it: a Base reads req.Header["idempotency-key"].
	// Otherwise net/http itself would repeat the request when an idle connection breaks, which only the run may decide. To a
	// server the case makes no difference.
	KeyHeader string
	// QuoteKey sends the key in quotes, as a structured field string. That is what the IETF draft
	// (draft-ietf-httpapi-idempotency-key-header-07) asks for; most APIs take the key bare.
	QuoteKey bool
	// Dialect is how the API's headers say when a limit is renewed.
	Dialect Dialect
	// Classify says what a response means where status and headers do not, such as a throttle in a body:
	// windrow.Throttled(err, 0) and its siblings, or any error that [windrow.Classify] knows; or nil to leave the response
	// as it is. It is called with every response, from many goroutines at once, must not block, and must not change the
	// response. It may read the first 64 KiB of the body, unpacked if that is gzip; the caller still gets the whole body.
	// The class applies to the attempt's error, unless that was made by [windrow.Classified] or one of its short forms; the
	// text of the error is not used. A nil Classify leaves all responses as they are.
	Classify func(res *http.Response) error
	// Window is the length of the window of the limit in the headers, for an API that has it only in its manual. Zero means
	// that the limiter has to find out.
	Window time.Duration

	once sync.Once
	own  http.RoundTripper

	units dialect.Units
}

// base returns the transport that sends the requests.
func (t *Transport) base() http.RoundTripper {
	if t.Base != nil {
		if isNilBase(t.Base) {
			return noBase{}
		}
		return t.Base
	}
	t.once.Do(func() { t.own = NewBase(connectionsFor(t.Limiter)) })
	return t.own
}

// isNilBase reports whether a transport is a nil pointer in an interface.
func isNilBase(base http.RoundTripper) bool { return base != nil && inspect.IsNil(base) }

// noBase stands for a transport that is a nil pointer.
type noBase struct{}

func (noBase) RoundTrip(req *http.Request) (*http.Response, error) {
	closeBody(req)
	return nil, windrow.Fatal(errors.New("rest: the transport is a nil pointer: give one, or none"))
}

// RoundTrip implements [http.RoundTripper].
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if t == nil {
		return noBase{}.RoundTrip(req)
	}
	attempt, ok := clients.AttemptFrom(req.Context())
	switch {
	case ok:
		return t.within(attempt, req)
	case t.Limiter != nil:
		return t.alone(req)
	default:
		timed, watch := startWatch(req)
		return watch.end(t.base().RoundTrip(timed))
	}
}

// within sends a request of an attempt.
func (t *Transport) within(attempt clients.Attempt, req *http.Request) (*http.Response, error) {
	attempt.Engage()
	limiter := cmp.Or(t.Limiter, attempt.Limiter())
	if err := limiter.Wait(req.Context(), 1); err != nil {
		closeBody(req)
		return nil, err
	}
	sent := time.Now()
	r := tracker{attempt: attempt, changes: changes(req.Method)}
	timed, watch := startWatch(req)
	res, err := t.base().RoundTrip(t.outgoing(&r, timed))
	ended := timed.Context().Err() != nil
	res, err = watch.end(res, err)
	reading := t.read(req, res, err)
	if err != nil {
		r.failed(ended, t.base())
	} else {
		r.responded(res.StatusCode, reading)
	}
	// The run reports the attempt's outcome only at its end, and sees neither headers nor the retries of an SDK.
	attempt.Observe(limiter, clients.Feedback{
		Sent: sent, Throttled: reading.throttled, RetryAfter: reading.after, Quotas: reading.quotas, Failed: reading.inconclusive,
	})
	return res, err
}

// alone sends a request outside any attempt.
func (t *Transport) alone(req *http.Request) (res *http.Response, err error) {
	asked := false
	refused := t.Limiter.Do(req.Context(), 1, func(context.Context) error {
		asked = true
		sent := time.Now()
		timed, watch := startWatch(req)
		res, err = watch.end(t.base().RoundTrip(timed))
		reading := t.read(req, res, err)
		if len(reading.quotas) > 0 { // Do reports the outcome of the request
			clients.Observe(t.Limiter, clients.Feedback{Sent: sent, Failed: true, Quotas: reading.quotas})
		}
		switch {
		case reading.throttled:
			return windrow.Throttled(statusError(res.StatusCode), reading.after)
		case err == nil && reading.meaning != nil:
			return windrow.Classified(statusError(res.StatusCode), *reading.meaning)
		case err == nil && reading.inconclusive:
			return statusError(res.StatusCode)
		case err == nil && t.Limiter.Stats().Probing:
			// A throttle in the body of a success must not end the pause, so the client reads the body now.
			if x := exchangeOf(req.Context()); x != nil {
				return x.settle(res)
			}
			return nil
		default:
			return err
		}
	})
	if !asked {
		closeBody(req)
		return nil, refused
	}
	return res, err
}

// CloseIdleConnections closes the connections that no request uses, as [http.Client.CloseIdleConnections] does.
func (t *Transport) CloseIdleConnections() {
	if c, ok := t.base().(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// statusError is a response of that status, as an error for the limiter.
type statusError int

func (e statusError) Error() string {
	return fmt.Sprintf("rest: the server responded with status %d", int(e))
}

// StatusCode makes [windrow.Classify] classify the response by its status.
func (e statusError) StatusCode() int { return int(e) }

// changes reports whether a method may change something (RFC 9110 section 9.2.1).
func changes(method string) bool {
	switch method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return false
	}
	return true
}

// repeatable reports whether a method is idempotent (RFC 9110 section 9.2.2).
func repeatable(method string) bool {
	return !changes(method) || method == http.MethodPut || method == http.MethodDelete
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close() // the request is not sent
	}
}
