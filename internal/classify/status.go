package classify

import (
	"net/http"
	"time"

	"github.com/windrow-go/windrow/internal/engine"
	"github.com/windrow-go/windrow/internal/neterr"
)

// Throttles reports whether a response is a throttle: by its status alone, or by a status that may mean a throttle
// together with a Retry-After (RFC 9110 section 10.2.3).
func Throttles(status int, after time.Duration) bool {
	switch status {
	case http.StatusTooManyRequests:
		return true
	case http.StatusForbidden, http.StatusConflict, http.StatusLocked, http.StatusServiceUnavailable:
		return after > 0
	}
	return false
}

// withStatus judges a response by its HTTP status.
func (j Judgement) withStatus(status int, after time.Duration) Judgement {
	j.After, j.Answered, j.Trouble = max(0, after), true, statusTrouble(status, after)
	switch {
	case Throttles(status, after) && !j.Exists: // Exists set by the client overrides the status
		j.Class, j.Kind = engine.Throttled, engine.System
	case status == http.StatusUnauthorized || status == http.StatusProxyAuthRequired:
		j.Class, j.Kind = engine.Fatal, engine.Resource
	case status == http.StatusForbidden:
		j.Class, j.Kind, j.BeforeSuccess = engine.Fatal, engine.Resource, true
	case status == http.StatusNotFound || status == http.StatusGone:
		j.Kind, j.NotFound = engine.Resource, true
	case status == http.StatusConflict:
		j.Kind, j.Exists = engine.Resource, true
	case status == http.StatusPreconditionFailed:
		j.Kind, j.Exists = engine.Validation, true // the response to If-None-Match: * when the record exists
	case status == http.StatusRequestEntityTooLarge, status == http.StatusRequestURITooLong, status == http.StatusRequestHeaderFieldsTooLarge:
		j.Class, j.Kind = engine.TooLarge, engine.Validation
	case status == http.StatusUnprocessableEntity: // some servers respond with 422 where others respond with 409
		j.Invalid = !j.Exists
		j.Kind, j.Exists = engine.Validation, true
	case status == http.StatusBadRequest: // others respond with 400, such as PocketBase, Parse and Strapi
		j.Kind, j.Invalid = engine.Validation, !j.Exists
	case status == http.StatusTooEarly: // RFC 8470 section 5.2: the server did not process it
		j.Class, j.Kind = engine.Transient, engine.System
	case status == http.StatusRequestTimeout || status == http.StatusGatewayTimeout:
		j.Class, j.Kind = engine.Ambiguous, engine.Timeout
	case status >= 500:
		j.Class, j.Kind = engine.Ambiguous, engine.System
	case status < 300: // an error with a success status: the response could not be read
		j.Class, j.Kind = engine.Ambiguous, engine.System
	case status == http.StatusLocked || status == http.StatusMethodNotAllowed:
		j.Kind = engine.Resource
	default:
		j.Kind = engine.Validation
	}
	return j
}

// ofResponse judges a response by its HTTP status, and sets what the status proves. cut is the network's fault while
// its body was read.
func (j Judgement) ofResponse(status int, after time.Duration, cut neterr.Fault) Judgement {
	j = j.withStatus(status, after)
	j.Conflict = status == http.StatusConflict || status == http.StatusPreconditionFailed
	j.Cut = status >= 400 && (cut == neterr.Timeout || cut == neterr.Broken || cut == neterr.Cut)
	switch status {
	case http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed,
		http.StatusProxyAuthRequired, http.StatusGone, http.StatusLengthRequired, http.StatusRequestURITooLong,
		http.StatusUnsupportedMediaType, http.StatusExpectationFailed, http.StatusMisdirectedRequest, http.StatusUpgradeRequired,
		http.StatusPreconditionRequired, http.StatusRequestHeaderFieldsTooLarge, http.StatusUnavailableForLegalReasons:
		j.Whole = true // the status refuses the request as a whole, not its items
	}
	return j
}
