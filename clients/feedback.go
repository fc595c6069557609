package clients

import (
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/internal/gate"
	"github.com/windrow-go/windrow/internal/seam"
)

// Feedback is what one answer taught whoever saw it.
type Feedback struct {
	// Sent is when the request was sent. The zero time means now. Feedback about a request that was sent before the
	// last throttle is stale, and shuts nothing.
	Sent time.Time
	// Throttled says that the server refused the request because there were too many.
	Throttled bool
	// RetryAfter is how long the server asks to wait, 0 when it did not say.
	RetryAfter time.Duration
	// Failed says that there was no answer, or one that says nothing about whether the server can take more.
	Failed bool
	// Quotas is what the headers of the answer tell of the server's limits. The tightest is obeyed.
	Quotas []Quota
}

// Quota is what an answer tells of one limit of the server, which counts requests. Only what remains is steered by, so
// that a Quota without RemainingKnown changes nothing.
type Quota struct {
	// Name tells the limits of one server apart, and is the same in all answers. "" will do for the only one.
	Name string
	// Limit is how many requests a whole window has, or a bucket holds. 0 means that it is not known.
	Limit int64
	// Remaining is how many are left.
	Remaining int64
	// RemainingKnown says that Remaining was told, since it may be 0.
	RemainingKnown bool
	// Reset is how long after the answer some or all of the quota is renewed, as the server says.
	Reset time.Duration
	// ResetUnit is what Reset was rounded up to, such as a second: the truth lies in (Reset-ResetUnit, Reset]. 0 means
	// that no Reset was told.
	ResetUnit time.Duration
	// Window is how long Limit lasts. 0 means that it is not known.
	Window time.Duration
}

// Observe tells a limiter what the response to a request taught that was made outside a run. Within one use
// [Attempt.Observe]. A limiter whose options are wrong learns nothing.
func Observe(l *windrow.Limiter, f Feedback) { observe(l, f, gate.Subject{}) }

// observe tells a limiter what a response taught, and for what the request was made.
func observe(l *windrow.Limiter, f Feedback, of gate.Subject) {
	g := seam.Gate(l)
	if g == nil {
		return
	}
	s := gate.Signal{Sent: f.Sent, At: time.Now(), Throttled: f.Throttled, Hint: max(0, f.RetryAfter), Outside: true, Subject: of}
	for _, q := range f.Quotas {
		s.Quotas = append(s.Quotas, gate.Quota(q))
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
