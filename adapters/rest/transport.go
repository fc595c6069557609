package rest

import (
	"cmp"
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/internal/dialect"
)

// Transport is an [http.RoundTripper] that connects an HTTP client, such as that of an SDK, with windrow. The zero
// Transport is ready to use. It may be used from many goroutines, and must not be copied or changed after first use.
// Make one and keep it, as it keeps the connections. Do not put one into another.
//
// For a request that a run makes, which it knows by the request's context ([windrow.AttemptFrom]):
//   - It waits for the limiter's gate and rate, but never for a slot, since the attempt holds one. The first request
//     of an attempt is paid for, and passes at once, when the run uses the same limiter.
//   - It sends the item's idempotency key with POST and PATCH, unless the request has one. A second request to the same
//     URL has the same key, and one to another URL has another ([windrow.Attempt.IdempotencyKeyFor]).
//   - It records whether the request left and was answered, so that the run knows what an error means.
//
// Any other request takes a slot and a quota unit, as with [windrow.Limiter.Do], until the headers of its answer come.
//
// In both cases the limiter learns from the answer. A 429, and a 503 with Retry-After, throttle it for everybody
// (RFC 6585 section 4, RFC 9110 sections 10.2.3 and 15.6.4). What headers such as RateLimit and X-RateLimit-Remaining
// tell of the server's limits is handed to it too ([windrow.Feedback.Quotas]).
//
// The Timeout of an [http.Client] counts the time that its transport waits, too, which net/http knows nothing of: leave it
// out for an SDK that makes many requests at once. (A [Client] takes care of that.)
//
// Its errors are those of the base and of [windrow.Limiter.Wait]. It never changes the request that it is given.
type Transport struct {
	// Base makes the requests. Nil means one like that of [NewBase], with as many connections as the limiter allows
	// calls, 64 or more. A Base that does not honour [net/http/httptrace] is taken to have sent what it fails with.
	Base http.RoundTripper
	// Limiter is asked before each request, and learns from each answer. Nil means that of the run for the requests that
	// a run makes, and none for others.
	Limiter *windrow.Limiter
	// KeyHeader is the header that carries the idempotency key. "" means "Idempotency-Key", and "-" that none is sent.
	KeyHeader string
	// QuoteKey sends the key in quotes, as a structured field string. That is what the IETF draft
	// (draft-ietf-httpapi-idempotency-key-header-07) asks for; most APIs take the key bare.
	QuoteKey bool
	// Dialect is how the API's headers tell when a limit is renewed.
	Dialect Dialect
	// Window is how long the limit lasts that the headers tell, for an API whose manual says so and whose headers do not.
	// Zero means that the limiter has to find out.
	Window time.Duration

	once sync.Once
	own  http.RoundTripper

	units dialect.Units
}

// base returns what makes the requests.
func (t *Transport) base() http.RoundTripper {
	if t.Base != nil {
		return t.Base
	}
	t.once.Do(func() { t.own = NewBase(connectionsFor(t.Limiter)) })
	return t.own
}

// RoundTrip implements [http.RoundTripper].
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	attempt, ok := windrow.AttemptFrom(req.Context())
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

// within makes a request of an attempt.
func (t *Transport) within(attempt windrow.Attempt, req *http.Request) (*http.Response, error) {
	attempt.Engage()
	limiter := cmp.Or(t.Limiter, attempt.Limiter())
	if err := limiter.Wait(req.Context(), 1); err != nil {
		closeBody(req)
		return nil, err
	}
	sent := time.Now()
	r := record{attempt: attempt, changes: changes(req.Method)}
	timed, watch := startWatch(req)
	res, err := t.base().RoundTrip(t.outgoing(&r, timed))
	ended := timed.Context().Err() != nil
	res, err = watch.end(res, err)
	said := t.limits(res, err)
	if err != nil {
		r.failed(ended, t.base())
	} else {
		r.answered(res.StatusCode, said.throttled)
	}
	// The run counts what became of the attempt, but only at its end. What an SDK is refused and tries again by itself the
	// run never sees, nor headers; and an attempt of many requests must not keep shut what one of them has opened.
	if failed := tellsNothing(res, err); !failed || said.throttled || len(said.quotas) > 0 {
		limiter.Observe(windrow.Feedback{
			Sent: sent, Throttled: said.throttled, RetryAfter: said.after, Quotas: said.quotas, Failed: failed,
		})
	}
	return res, err
}

// alone makes a request that belongs to no attempt.
func (t *Transport) alone(req *http.Request) (res *http.Response, err error) {
	asked := false
	refused := t.Limiter.Do(req.Context(), 1, func(context.Context) error {
		asked = true
		sent := time.Now()
		timed, watch := startWatch(req)
		res, err = watch.end(t.base().RoundTrip(timed))
		said := t.limits(res, err)
		if len(said.quotas) > 0 { // what became of the request, Do tells
			t.Limiter.Observe(windrow.Feedback{Sent: sent, Failed: true, Quotas: said.quotas})
		}
		switch {
		case said.throttled:
			return windrow.Throttled(errAnswer, said.after)
		case err == nil && tellsNothing(res, err):
			return errAnswer
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

// answerError stands for an answer where the limiter wants an error.
type answerError struct{}

var errAnswer error = answerError{}

func (answerError) Error() string { return "rest: the server answered that it is busy" }

// Timeout makes [windrow.Classify] see no answer in it that could tell that the server takes more.
func (answerError) Timeout() bool { return true }

// limits is what the answer to a request says of the server's limits.
func (t *Transport) limits(res *http.Response, err error) limits {
	if err != nil {
		return limits{}
	}
	said := limitsOf(res.StatusCode, res.Header, time.Now(), t.Dialect, &t.units)
	for k := range said.quotas {
		said.quotas[k].Window = cmp.Or(said.quotas[k].Window, max(0, t.Window))
	}
	return said
}

// tellsNothing reports whether an answer says nothing about whether the server can take more.
func tellsNothing(res *http.Response, err error) bool {
	return err != nil || res.StatusCode >= 500 || res.StatusCode == http.StatusRequestTimeout
}

// changes reports whether a method may change something (RFC 9110 section 9.2.1).
func changes(method string) bool {
	switch method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return false
	}
	return true
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close() // of a request that is not sent
	}
}
