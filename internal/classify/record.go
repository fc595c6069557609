package classify

import (
	"net/http"

	"github.com/windrow-go/windrow/internal/engine"
	"github.com/windrow-go/windrow/internal/neterr"
)

// ofItem is withRecord for the error of one item in the response to a request for many, since the record says nothing
// about single items. An unrecognised error is taken for the server's refusal of the item.
func (j Judgement) ofItem(a *engine.Attempt) Judgement {
	cut := a.Expired() || a.Err() != nil || a.Delivery() == engine.Sent
	switch {
	case j.Answered, j.NotFound, j.Exists:
		return j
	case j.Unrecognised && !cut:
		j.Unrecognised, j.Plain = false, true
		return j
	}
	return j.withRecord(a)
}

// mayThrottle reports whether the judged status is one that throttles together with a Retry-After.
func (j Judgement) mayThrottle() bool {
	switch j.Class {
	case engine.Fatal:
		return j.BeforeSuccess
	case engine.Permanent:
		return j.Kind == engine.Resource && !j.NotFound
	default:
		return j.Class == engine.Ambiguous && j.Kind == engine.System
	}
}

// withRecord applies what the transport recorded about the attempt.
func (j Judgement) withRecord(a *engine.Attempt) Judgement {
	if j.Marked {
		return j
	}
	if told, ok := a.Told().(Judgement); ok { // set by code that has seen the response itself
		j = told
		j.Marked, j.Unrecognised, j.Answered = false, false, true
	}
	cut := a.Expired() || a.Err() != nil
	if status := a.Status(); j.Unrecognised && status != 0 && !cut {
		unrecognised := j
		j = j.ofResponse(status, 0, neterr.None) // the error of an SDK that does not include the status
		j.Unrecognised = false
		if status < 300 {
			j = unrecognised
			j.Class, j.Unrecognised = engine.Ambiguous, false
		}
	}
	if j.Answered && a.Status() == http.StatusTooManyRequests && !cut && j.mayThrottle() {
		j.BeforeSuccess, j.Exists = false, false
		j = j.withStatus(a.Status(), j.After) // the error of an SDK that includes the status but not the headers
	}
	switch a.Delivery() {
	case engine.NotSent:
		j.Whole = j.Whole || j.Unrecognised && a.Status() == 0 // nothing was sent
		if j.Class == engine.Ambiguous && !j.Answered {
			j.Class = engine.Transient
		}
	case engine.Sent, engine.Answered:
		switch {
		case j.Unrecognised:
			if cut || a.Delivery() == engine.Sent {
				j.Class = engine.Ambiguous
			}
		case j.Class == engine.Fatal:
		case a.Beside(), j.Class == engine.Transient, j.Class == engine.Throttled && a.Status() < 500:
			j.Class = engine.Ambiguous
		}
	default:
		if j.Unrecognised && cut {
			j.Class = engine.Ambiguous
		}
	}
	if a.Expired() && j.Class == engine.Ambiguous {
		j.Kind = engine.Timeout
	}
	return j
}
