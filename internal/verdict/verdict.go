// Package verdict judges errors by their HTTP status, by the fault of the network, and by what a transport recorded about
// the attempt.
package verdict

import (
	"fmt"
	"net/http"
	"time"

	"github.com/windrow-go/windrow/internal/adapt"
	"github.com/windrow-go/windrow/internal/engine"
	"github.com/windrow-go/windrow/internal/neterr"
)

// Verdict is the judgement of an error, and what it is based on.
type Verdict struct {
	engine.Judgement

	Unrecognised bool // the error says nothing, so the transport's record decides
	Answered     bool // the error has the status of a response
	Marked       bool // set explicitly, so the transport's record does not override it
}

// Throttles reports whether a response is a throttle: by its status alone, or by a status that may mean a throttle together
// with a Retry-After (RFC 9110 section 10.2.3).
func Throttles(status int, after time.Duration) bool {
	switch status {
	case http.StatusTooManyRequests:
		return true
	case http.StatusForbidden, http.StatusConflict, http.StatusLocked, http.StatusServiceUnavailable:
		return after > 0
	}
	return false
}

// WithStatus judges a response by its HTTP status.
func (v Verdict) WithStatus(status int, after time.Duration) Verdict {
	v.After, v.Answered, v.Trouble = max(0, after), true, troubleOf(status, after)
	switch {
	case Throttles(status, after) && !v.Exists: // Exists set by the client overrides the status
		v.Class, v.Kind = engine.Throttled, engine.System
	case status == http.StatusUnauthorized || status == http.StatusProxyAuthRequired:
		v.Class, v.Kind = engine.Fatal, engine.Resource
	case status == http.StatusForbidden:
		v.Class, v.Kind, v.BeforeSuccess = engine.Fatal, engine.Resource, true
	case status == http.StatusNotFound || status == http.StatusGone:
		v.Kind, v.NotFound = engine.Resource, true
	case status == http.StatusConflict:
		v.Kind, v.Exists = engine.Resource, true
	case status == http.StatusPreconditionFailed:
		v.Kind, v.Exists = engine.Validation, true // the response to If-None-Match: * when the record exists
	case status == http.StatusRequestEntityTooLarge, status == http.StatusRequestURITooLong, status == http.StatusRequestHeaderFieldsTooLarge:
		v.Class, v.Kind = engine.TooLarge, engine.Validation
	case status == http.StatusUnprocessableEntity: // some servers respond with 422 where others respond with 409
		v.Invalid = !v.Exists
		v.Kind, v.Exists = engine.Validation, true
	case status == http.StatusBadRequest: // others respond with 400, such as PocketBase, Parse and Strapi
		v.Kind, v.Invalid = engine.Validation, !v.Exists
	case status == http.StatusTooEarly: // RFC 8470 section 5.2: the server did not process it
		v.Class, v.Kind = engine.Transient, engine.System
	case status == http.StatusRequestTimeout || status == http.StatusGatewayTimeout:
		v.Class, v.Kind = engine.Ambiguous, engine.Timeout
	case status >= 500:
		v.Class, v.Kind = engine.Ambiguous, engine.System
	case status < 300: // an error with a success status: the response could not be read
		v.Class, v.Kind = engine.Ambiguous, engine.System
	case status == http.StatusLocked || status == http.StatusMethodNotAllowed:
		v.Kind = engine.Resource
	default:
		v.Kind = engine.Validation
	}
	return v
}

// OfAnswer judges a response by its HTTP status, and sets what the status proves. cut is the network's fault while its body
// was read.
func (v Verdict) OfAnswer(status int, after time.Duration, cut neterr.Fault) Verdict {
	v = v.WithStatus(status, after)
	v.Conflict = status == http.StatusConflict || status == http.StatusPreconditionFailed
	v.Cut = status >= 400 && (cut == neterr.Timeout || cut == neterr.Broken || cut == neterr.Cut)
	switch status {
	case http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed,
		http.StatusProxyAuthRequired, http.StatusGone, http.StatusLengthRequired, http.StatusRequestURITooLong,
		http.StatusUnsupportedMediaType, http.StatusExpectationFailed, http.StatusMisdirectedRequest, http.StatusUpgradeRequired,
		http.StatusPreconditionRequired, http.StatusRequestHeaderFieldsTooLarge, http.StatusUnavailableForLegalReasons:
		v.Whole = true // the status refuses the request as a whole, not its items
	}
	return v
}

// troubleOf returns what an HTTP status shows about the server. Cloudflare sends 520 to 530 when the server behind it does
// not respond (developers.cloudflare.com/support, "Cloudflare 5XX errors"); other proxies send 598 and 599.
func troubleOf(status int, after time.Duration) adapt.Trouble {
	switch {
	case status == http.StatusServiceUnavailable && after > 0: // a throttle
		return adapt.NoTrouble
	case status == http.StatusBadGateway, status == http.StatusServiceUnavailable, status == http.StatusGatewayTimeout,
		status >= 520 && status <= 530, status == 598, status == 599:
		return adapt.Unavailable
	case status >= 500, status < 300:
		return adapt.Erring
	default:
		return adapt.NoTrouble
	}
}

// Trouble returns what the type or the status of an error shows about the server, regardless of the error's class. An error
// that only says that nothing was sent, such as for an invalid header, shows nothing. detail describes the trouble without
// data of the item.
func Trouble(err error) (trouble adapt.Trouble, detail string) {
	if status := neterr.Status(err); status != 0 {
		return troubleOf(status, 0), fmt.Sprintf("status %d", status)
	}
	return faultTrouble(neterr.Of(err)), neterr.Detail(err)
}

func faultTrouble(f neterr.Fault) adapt.Trouble {
	switch f {
	case neterr.NotSent, neterr.Broken:
		return adapt.Unreachable
	case neterr.Timeout:
		return adapt.Silent
	default:
		return adapt.NoTrouble
	}
}

// WithFault judges an error by the fault of the network.
func (v Verdict) WithFault(f neterr.Fault) Verdict {
	v.Trouble = faultTrouble(f)
	switch f {
	case neterr.NotSent:
		v.Class = engine.Transient
	case neterr.NoSuchName:
		v.Class, v.StopWhenSpent = engine.Transient, true
	case neterr.Timeout:
		v.Class, v.Kind = engine.Ambiguous, engine.Timeout
	case neterr.Broken, neterr.Cut, neterr.Obscure:
		v.Class = engine.Ambiguous
	case neterr.Certificate, neterr.BadURL:
		v.Class = engine.Fatal
	default:
		v.Unrecognised = !v.NotFound && !v.Exists // unless the client has set one of these
	}
	return v
}

// OfItem is WithRecord for the error of one item in the response to a request for many, since the record says nothing about
// single items. An unrecognised error is taken for the server's refusal of the item.
func (v Verdict) OfItem(a *engine.Attempt) Verdict {
	cut := a.Expired() || a.Err() != nil || a.Delivery() == engine.Sent
	switch {
	case v.Answered, v.NotFound, v.Exists:
		return v
	case v.Unrecognised && !cut:
		v.Unrecognised, v.Plain = false, true
		return v
	}
	return v.WithRecord(a)
}

// mayThrottle reports whether the judged status is one that throttles together with a Retry-After.
func (v Verdict) mayThrottle() bool {
	switch v.Class {
	case engine.Fatal:
		return v.BeforeSuccess
	case engine.Permanent:
		return v.Kind == engine.Resource && !v.NotFound
	default:
		return v.Class == engine.Ambiguous && v.Kind == engine.System
	}
}

// WithRecord applies what the transport recorded about the attempt.
func (v Verdict) WithRecord(a *engine.Attempt) Verdict {
	if v.Marked {
		return v
	}
	if told, ok := a.Told().(Verdict); ok { // set by code that has seen the response itself
		v = told
		v.Marked, v.Unrecognised, v.Answered = false, false, true
	}
	cut := a.Expired() || a.Err() != nil
	if status := a.Status(); v.Unrecognised && status != 0 && !cut {
		unrecognised := v
		v = v.OfAnswer(status, 0, neterr.None) // the error of an SDK that does not include the status
		v.Unrecognised = false
		if status < 300 {
			v = unrecognised
			v.Class, v.Unrecognised = engine.Ambiguous, false
		}
	}
	if v.Answered && a.Status() == http.StatusTooManyRequests && !cut && v.mayThrottle() {
		v.BeforeSuccess, v.Exists = false, false
		v = v.WithStatus(a.Status(), v.After) // the error of an SDK that includes the status but not the headers
	}
	switch a.Delivery() {
	case engine.NotSent:
		v.Whole = v.Whole || v.Unrecognised && a.Status() == 0 // nothing was sent
		if v.Class == engine.Ambiguous && !v.Answered {
			v.Class = engine.Transient
		}
	case engine.Sent, engine.Answered:
		switch {
		case v.Unrecognised:
			if cut || a.Delivery() == engine.Sent {
				v.Class = engine.Ambiguous
			}
		case v.Class == engine.Fatal:
		case a.Beside(), v.Class == engine.Transient, v.Class == engine.Throttled && a.Status() < 500:
			v.Class = engine.Ambiguous
		}
	default:
		if v.Unrecognised && cut {
			v.Class = engine.Ambiguous
		}
	}
	if a.Expired() && v.Class == engine.Ambiguous {
		v.Kind = engine.Timeout
	}
	return v
}
