// Package verdict judges errors: by the HTTP status that they tell, by what the network says, and by what a transport
// recorded of the attempt.
package verdict

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/windrow-go/windrow/internal/engine"
	"github.com/windrow-go/windrow/internal/gate"
	"github.com/windrow-go/windrow/internal/neterr"
)

// Verdict is what is made of an error, and how sure that is.
type Verdict struct {
	engine.Judgement

	Unrecognised bool // nothing is known: the record of the transport decides
	Answered     bool // the error tells the status of an answer
	Marked       bool // said in so many words: the record of the transport does not overrule it
}

// Throttles reports whether a response says that the server takes no more for now: by its status alone, or by one that can
// mean that and the time after which the request is to be made again (RFC 9110 section 10.2.3).
func Throttles(status int, after time.Duration) bool {
	switch status {
	case http.StatusTooManyRequests:
		return true
	case http.StatusForbidden, http.StatusConflict, http.StatusLocked, http.StatusServiceUnavailable:
		return after > 0
	}
	return false
}

// WithStatus judges an answer by its HTTP status.
func (v Verdict) WithStatus(status int, after time.Duration) Verdict {
	v.After, v.Answered, v.Trouble = max(0, after), true, troubleOf(status, after)
	switch {
	case Throttles(status, after) && !v.Exists: // unless the client says so itself
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
		v.Kind, v.Exists = engine.Validation, true // what If-None-Match: * makes of a record that is there
	case status == http.StatusRequestEntityTooLarge, status == http.StatusRequestURITooLong, status == http.StatusRequestHeaderFieldsTooLarge:
		v.Class, v.Kind = engine.TooLarge, engine.Validation
	case status == http.StatusUnprocessableEntity: // some answer 422 where others answer 409
		v.Invalid = !v.Exists
		v.Kind, v.Exists = engine.Validation, true
	case status == http.StatusBadRequest: // and some answer 400, PocketBase, Parse and Strapi among them
		v.Kind, v.Invalid = engine.Validation, !v.Exists
	case status == http.StatusTooEarly: // RFC 8470 section 5.2: the server did not process it
		v.Class, v.Kind = engine.Transient, engine.System
	case status == http.StatusRequestTimeout || status == http.StatusGatewayTimeout:
		v.Class, v.Kind = engine.Ambiguous, engine.Timeout
	case status >= 500:
		v.Class, v.Kind = engine.Ambiguous, engine.System
	case status < 300: // an error beside a success: the answer could not be read
		v.Class, v.Kind = engine.Ambiguous, engine.System
	case status == http.StatusLocked || status == http.StatusMethodNotAllowed:
		v.Kind = engine.Resource
	default:
		v.Kind = engine.Validation
	}
	return v
}

// OfAnswer judges an answer by its HTTP status, and says what the status proves. cut is what the network says of its
// body.
func (v Verdict) OfAnswer(status int, after time.Duration, cut neterr.Fault) Verdict {
	v = v.WithStatus(status, after)
	v.Conflict = status == http.StatusConflict || status == http.StatusPreconditionFailed
	v.Cut = status >= 400 && (cut == neterr.Timeout || cut == neterr.Broken || cut == neterr.Cut)
	switch status {
	case http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed,
		http.StatusProxyAuthRequired, http.StatusGone, http.StatusLengthRequired, http.StatusRequestURITooLong,
		http.StatusUnsupportedMediaType, http.StatusExpectationFailed, http.StatusMisdirectedRequest, http.StatusUpgradeRequired,
		http.StatusPreconditionRequired, http.StatusRequestHeaderFieldsTooLarge, http.StatusUnavailableForLegalReasons:
		v.Whole = true // it is about the request, not about what is in it
	}
	return v
}

// troubleOf is what an HTTP status shows of the server. 520 to 530 are what Cloudflare says of a server that does not answer
// it (developers.cloudflare.com/support, "Cloudflare 5XX errors"), and 598 and 599 what other proxies say.
func troubleOf(status int, after time.Duration) gate.Trouble {
	switch {
	case status == http.StatusServiceUnavailable && after > 0: // a throttle
		return gate.NoTrouble
	case status == http.StatusBadGateway, status == http.StatusServiceUnavailable, status == http.StatusGatewayTimeout,
		status >= 520 && status <= 530, status == 598, status == 599:
		return gate.Unavailable
	case status >= 500, status < 300:
		return gate.Erring
	default:
		return gate.NoTrouble
	}
}

// Trouble is what an error shows of the server, whatever class somebody has given it: its type or its status tells. An
// error that only says that nothing was sent, such as of a header that cannot be sent, shows nothing. detail says it in
// words that hold nothing of the item.
func Trouble(err error) (trouble gate.Trouble, detail string) {
	if e, ok := errors.AsType[interface {
		error
		StatusCode() int
	}](err); ok && e.StatusCode() != 0 {
		return troubleOf(e.StatusCode(), 0), fmt.Sprintf("status %d", e.StatusCode())
	}
	return faultTrouble(neterr.Of(err)), neterr.Detail(err)
}

func faultTrouble(f neterr.Fault) gate.Trouble {
	switch f {
	case neterr.NotSent, neterr.Broken:
		return gate.Unreachable
	case neterr.Timeout:
		return gate.Silent
	default:
		return gate.NoTrouble
	}
}

// WithFault judges an error of the network.
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
		v.Unrecognised = !v.NotFound && !v.Exists // which the client says
	}
	return v
}

// OfItem is WithRecord for the error of one item in the answer to a request for many: the record tells of the request,
// and says nothing of its items. What nobody recognises is the server's refusal of the item.
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

// mayThrottle reports whether the status that was judged is one that throttles when a header says how long.
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

// WithRecord applies what the transport knows of the attempt.
func (v Verdict) WithRecord(a *engine.Attempt) Verdict {
	if v.Marked {
		return v
	}
	if told, ok := a.Told().(Verdict); ok { // by one that has seen the response itself
		v = told
		v.Marked, v.Unrecognised, v.Answered = false, false, true
	}
	cut := a.Expired() || a.Err() != nil
	if status := a.Status(); v.Unrecognised && status != 0 && !cut {
		unrecognised := v
		v = v.OfAnswer(status, 0, neterr.None) // the error of an SDK that does not tell its status
		v.Unrecognised = false
		if status < 300 {
			v = unrecognised
			v.Class, v.Unrecognised = engine.Ambiguous, false
		}
	}
	if v.Answered && a.Status() == http.StatusTooManyRequests && !cut && v.mayThrottle() {
		v.BeforeSuccess, v.Exists = false, false
		v = v.WithStatus(a.Status(), v.After) // the error of an SDK that tells the status and not the headers
	}
	switch a.Delivery() {
	case engine.NotSent:
		v.Whole = v.Whole || v.Unrecognised && a.Status() == 0 // nothing has left
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
