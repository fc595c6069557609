package clients

import (
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/internal/adapt"
	"github.com/windrow-go/windrow/internal/seam"
)

// Feedback is what one response says about the server's load and limits.
type Feedback struct {
	// Sent is when the request was sent. The zero time means now. Feedback about a request that was sent before the last
	// throttle is stale, and starts no pause.
	Sent time.Time
	// Throttled says that the server refused the request because there were too many requests.
	Throttled bool
	// RetryAfter is how long the server asks to wait, 0 when it did not say.
	RetryAfter time.Duration
	// Failed says that there was no response, or one that does not show whether the server can take more requests.
	Failed bool
	// Quotas are the server's limits as the response headers tell them. The tightest is obeyed.
	Quotas []Quota
}

// Quota is one limit of the server on requests, as a response tells it. The limiter uses only what remains, so a Quota
// without RemainingKnown has no effect.
type Quota struct {
	// Name tells the limits of one server apart, and is the same in all responses. "" is fine if there is only one.
	Name string
	// Limit is the number of requests in a window, or the size of a bucket. 0 means that it is not known.
	Limit int64
	// Remaining is how many requests are left.
	Remaining int64
	// RemainingKnown says that the response has Remaining, which may be 0.
	RemainingKnown bool
	// Reset is the time from the response until some or all of the quota is renewed, as the server says.
	Reset time.Duration
	// ResetUnit is the unit to which Reset was rounded up, such as a second: the exact time is in (Reset-ResetUnit, Reset].
	// 0 means that the response has no Reset.
	ResetUnit time.Duration
	// Window is the length of the window to which Limit applies. 0 means that it is not known.
	Window time.Duration
}

// Observe reports the response to a request that was made outside a run. Within a run use [Attempt.Observe]. A limiter with
// invalid options ignores it.
func Observe(l *windrow.Limiter, f Feedback) { observe(l, f, adapt.Subject{}) }

// observe reports a response, and the item that the request was made for.
func observe(l *windrow.Limiter, f Feedback, of adapt.Subject) {
	g := seam.Gate(l)
	if g == nil {
		return
	}
	s := adapt.Signal{Sent: f.Sent, At: time.Now(), Throttled: f.Throttled, Hint: max(0, f.RetryAfter), Outside: true, Subject: of}
	for _, q := range f.Quotas {
		s.Quotas = append(s.Quotas, adapt.Quota(q))
	}
	if s.Sent.IsZero() {
		s.Sent = s.At
	} else {
		s.Latency = s.At.Sub(s.Sent)
	}
	if !f.Throttled && !f.Failed {
		s.Answered = 1
	}
	g.Observe(s)
}
