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
	"github.com/windrow-go/windrow/clients"
	"github.com/windrow-go/windrow/internal/dialect"
	"github.com/windrow-go/windrow/internal/inspect"
)

// Transport is an [http.RoundTripper] that connects an HTTP client, such as that of an SDK, with windrow. The zero
// Transport is ready to use. It may be used from many goroutines, and must not be copied or changed after first use.
// Make one and keep it, as it keeps the connections. Do not put one into another.
//
// For a request that a run makes, which it knows by the request's context ([clients.AttemptFrom]):
//   - It waits for the limiter's gate and rate, but never for a slot, since the attempt holds one. The first request
//     of an attempt is paid for, and passes at once, when the run uses the same limiter.
//   - It sends the item's idempotency key with POST and PATCH, unless the request has one. A second request to the same
//     URL has the same key, and one to another URL has another ([clients.Attempt.IdempotencyKeyFor]).
//   - It records whether the request left and was answered, so that the run knows what an error means.
//
// Any other request takes a slot and a quota unit, as with [windrow.Limiter.Do], until the headers of its answer come.
//
// In both cases the limiter learns from the answer. These throttle it for everybody: a 429; a 403, 409, 423 or 503 with
// Retry-After (RFC 6585 section 4, RFC 9110 sections 10.2.3 and 15.6.4); and a 403 that says that nothing remains of a
// limit and when it is renewed, as GitHub's does. What headers such as RateLimit and X-RateLimit-Remaining tell of the
// server's limits is handed to it too ([clients.Feedback.Quotas]). What status and headers do not say, Classify does. That
// an answer is none of these counts only when the attempt goes on or ends well ([clients.Attempt.Observe]).
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
	// It is in the request's Header under its name in lower case, where Header.Get does not find it: a Base reads
	// req.Header["idempotency-key"]. A request with an "Idempotency-Key" net/http takes for one that it may repeat by itself when
	// a kept connection breaks, which only the run can know. To a server the case of a name makes no difference.
	KeyHeader string
	// QuoteKey sends the key in quotes, as a structured field string. That is what the IETF draft
	// (draft-ietf-httpapi-idempotency-key-header-07) asks for; most APIs take the key bare.
	QuoteKey bool
	// Dialect is how the API's headers tell when a limit is renewed.
	Dialect Dialect
	// Classify says what an answer means where status and headers do not, such as a throttle in a body:
	// windrow.Throttled(err, 0) and its siblings, or any error that [windrow.Classify] knows; or nil to leave the answer as it
	// is. It is called with every answer, from many goroutines at once, must not block, and must not change the answer. It
	// may read the body, of which it gets the first 64 KiB, unpacked if that is gzip: whoever made the request reads all
	// of it in any case. What it does not read is not waited for. The class is that of the attempt's error, unless
	// that was made by [windrow.Classified] or one of its short forms; the text of the error is not used.
	// Nil leaves all answers as they are.
	Classify func(res *http.Response) error
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

// within makes a request of an attempt.
func (t *Transport) within(attempt clients.Attempt, req *http.Request) (*http.Response, error) {
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
	said := t.read(req, res, err)
	if err != nil {
		r.failed(ended, t.base())
	} else {
		r.answered(res.StatusCode, said)
	}
	// The run counts what became of the attempt, but only at its end. What an SDK is refused and tries again by itself the
	// run never sees, nor headers.
	attempt.Observe(limiter, clients.Feedback{
		Sent: sent, Throttled: said.throttled, RetryAfter: said.after, Quotas: said.quotas, Failed: said.nothing,
	})
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
		said := t.read(req, res, err)
		if len(said.quotas) > 0 { // what became of the request, Do tells
			clients.Observe(t.Limiter, clients.Feedback{Sent: sent, Failed: true, Quotas: said.quotas})
		}
		switch {
		case said.throttled:
			return windrow.Throttled(answerError(res.StatusCode), said.after)
		case err == nil && said.meaning != nil:
			return windrow.Classified(answerError(res.StatusCode), *said.meaning)
		case err == nil && said.nothing:
			return answerError(res.StatusCode)
		case err == nil && t.Limiter.Stats().Probing:
			// A throttle in the body of a success must not open what it shuts. Who made the request reads it now.
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

// answerError stands for a response of that status where the limiter wants an error.
type answerError int

func (e answerError) Error() string {
	return fmt.Sprintf("rest: the server responded with status %d", int(e))
}

// StatusCode has [windrow.Classify] judge the response by its status.
func (e answerError) StatusCode() int { return int(e) }

// changes reports whether a method may change something (RFC 9110 section 9.2.1).
func changes(method string) bool {
	switch method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return false
	}
	return true
}

// repeatable reports whether making a request twice has the effect of making it once (RFC 9110 section 9.2.2).
func repeatable(method string) bool {
	return !changes(method) || method == http.MethodPut || method == http.MethodDelete
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close() // of a request that is not sent
	}
}
