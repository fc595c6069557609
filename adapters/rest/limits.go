package rest

import (
	"net/http"
	"slices"
	"time"

	"github.com/windrow-go/windrow/clients"
	"github.com/windrow-go/windrow/internal/dialect"
	"github.com/windrow-go/windrow/internal/retryafter"
	"github.com/windrow-go/windrow/internal/verdict"
)

// Dialect is how an API writes the time at which a limit is renewed, in headers such as X-RateLimit-Reset. Pin it where
// the API's manual says: the value alone does not always tell. The zero Dialect is [DialectAuto].
type Dialect uint8

// The dialects.
const (
	// DialectAuto looks at the value: epoch milliseconds from 10^11 on, epoch seconds above 10^9, else seconds from now;
	// a Go duration, an HTTP date and RFC 3339 are what they look like. Seconds that fall a thousand times as fast as the
	// clock are milliseconds: after some answers a Transport takes them so.
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

// The dialects are the parser's pins, in the same order. It does not compile otherwise.
var _ = [1]int{}[int(DialectOff)-int(dialect.Off)]

// limits is what an answer says of the server's limits.
type limits struct {
	throttled bool
	after     time.Duration // how long the server asks to wait, 0 when it does not say
	quotas    []clients.Quota
}

// limitsOf reads an answer that came at now. units corrects what the values alone do not tell; nil where nothing is known.
func limitsOf(status int, h http.Header, now time.Time, d Dialect, units *dialect.Units) limits {
	l := limits{after: retryAfter(h, now)}
	l.throttled = verdict.Throttles(status, l.after)
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

// spent reports whether nothing is left of a limit that is renewed later: a 403 that says so is no refusal for good.
func spent(r dialect.Reading) bool {
	return slices.ContainsFunc(r.Policies, func(p dialect.Policy) bool {
		return p.RemainingKnown && p.Remaining == 0 && p.Reset > 0 && p.Unit != dialect.ConcurrentRequests
	})
}

// retryAfter returns what Retry-After says, 0 when there is none. A wait of 0 comes back as the shortest there is: the
// limiter makes its own least pause of it.
func retryAfter(h http.Header, now time.Time) time.Duration {
	wait, present := retryafter.Wait(h, now)
	if !present {
		return 0
	}
	return max(wait, 1)
}
