package rest

import (
	"net/http"
	"slices"
	"time"

	"github.com/windrow-go/windrow/adapters/rest/internal/dialect"
	"github.com/windrow-go/windrow/adapters/rest/internal/retryafter"
	"github.com/windrow-go/windrow/clients"
	"github.com/windrow-go/windrow/internal/classify"
)

// Dialect is how an API writes the time at which a limit is renewed, in headers such as X-RateLimit-Reset. Pin it if the
// API's manual says: the value alone is not always clear. The zero Dialect is [DialectAuto].
type Dialect uint8

// The dialects.
const (
	// DialectAuto looks at the value: epoch milliseconds from 10^11 on, epoch seconds above 10^9, else seconds from now; a
	// Go duration, an HTTP date and RFC 3339 are what they look like. Values that fall a thousand times as fast as seconds
	// would are milliseconds: a Transport detects this after a few responses.
	DialectAuto         Dialect = iota
	DialectDeltaSeconds         // seconds from now: DatoCMS, Contentful
	DialectDeltaMillis          // milliseconds from now
	DialectEpochSeconds         // seconds since 1970: GitHub, GitLab
	DialectEpochMillis          // milliseconds since 1970
	DialectDate                 // an HTTP date or RFC 3339
	DialectDuration             // such as 6m30s: OpenAI and those like it
	DialectStandard             // reads only RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers) and their older forms
	DialectOff                  // reads no such header; Retry-After is read in any case
)

// The dialects must be the parser's pins, in the same order. This line does not compile otherwise.
var _ = [1]int{}[int(DialectOff)-int(dialect.Off)]

// limits is what a response says about the server's limits.
type limits struct {
	throttled bool
	after     time.Duration // how long the server asks to wait, 0 when it does not say
	quotas    []clients.Quota
}

// limitsOf reads a response that arrived at now. units corrects values whose unit is not clear; it may be nil.
func limitsOf(status int, h http.Header, now time.Time, d Dialect, units *dialect.Units) limits {
	l := limits{after: retryAfter(h, now)}
	l.throttled = classify.Throttles(status, l.after)
	reading, ok := dialect.Parse(h, now, dialect.Pin(d))
	if !ok {
		return l
	}
	if units != nil && d == DialectAuto {
		units.Correct(&reading, now)
	}
	l.throttled = l.throttled || status == http.StatusForbidden && spent(reading)
	if hint, ok := reading.Hint(); ok && l.throttled && l.after == 0 { // Retry-After takes precedence
		l.after = max(hint, 1)
	}
	for _, p := range reading.Policies {
		if p.Unit != dialect.Requests {
			continue // it counts something else
		}
		q := clients.Quota{Name: p.Source + "/" + p.Name, Remaining: p.Remaining, RemainingKnown: p.RemainingKnown, Window: p.Window}
		if p.LimitKnown {
			q.Limit = p.Limit
		}
		if p.ResetKnown {
			q.Reset, q.ResetUnit = p.Reset, p.ResetUnit
		}
		l.quotas = append(l.quotas, q)
	}
	return l
}

// spent reports whether nothing remains of a limit that is renewed later: a 403 that says so is a throttle.
func spent(r dialect.Reading) bool {
	return slices.ContainsFunc(r.Policies, func(p dialect.Policy) bool {
		return p.RemainingKnown && p.Remaining == 0 && p.Reset > 0 && p.Unit != dialect.ConcurrentRequests
	})
}

// retryAfter returns the wait of Retry-After, 0 when there is none. A wait of 0 becomes 1 ns: the limiter applies its own
// shortest pause.
func retryAfter(h http.Header, now time.Time) time.Duration {
	wait, present := retryafter.Wait(h, now)
	if !present {
		return 0
	}
	return max(wait, 1)
}
