// Package dialect reads the server's rate limits from the headers of a response.
//
// There is one draft standard and there are many conventions. In the order of precedence:
//
//   - RateLimit and RateLimit-Policy as structured fields (draft-ietf-httpapi-ratelimit-headers-08 to -11);
//   - RateLimit as a dictionary (draft -07), then RateLimit-Limit, -Remaining and -Reset (drafts -00 to -06);
//   - X-RateLimit-* and X-Rate-Limit-* in all their meanings of Reset, and the headers of single vendors: Contentful,
//     Anthropic, HubSpot and Shopify.
//
// A kind is read only if the kinds before it have nothing by which requests can be paced. Headers that their vendor says not
// to rely on (x-ms-ratelimit-* of Dataverse) are not read at all.
//
// Retry-After is not read here, and takes precedence over all of these: "the Retry-After field MUST take precedence" (draft
// -11 section 7). A [Reading] is a hint and no promise: positive remaining quota does not mean that the next request is
// served, nor do later responses have to carry the same headers or any (section 7).
package dialect

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// MaxReset is the sanity window: a reset further away than this, in the future or in the past, is treated as a mistake, such
// as milliseconds read as seconds, and ignored. It is 25 hours, the day on which summer time ends, so that daily quotas
// pass. The drafts ask for such a bound (draft -11 section 8.5.1).
const MaxReset = 25 * time.Hour

// maxWindow is the sanity bound for the windows of policies: a leap year.
const maxWindow = 366 * 24 * time.Hour

// A Pin sets how an API writes its headers. Most forms can be distinguished by their values; others, such as a delay in
// milliseconds, need a pin. Pins apply to Reset in X-RateLimit-*, X-Rate-Limit-* and RateLimit-*; fields whose meaning a
// specification or a vendor fixes are read in the same way under each pin except [Standard] and [Off]. A value that does not
// fit the pin is ignored. An unknown pin matches no value.
type Pin uint8

const (
	// Auto looks at the value. A number is epoch milliseconds from 10^11 on, epoch seconds above 1,000,000,000, and else
	// seconds from now; a Go duration is one; other letters are a date. (The rule of ratelimit-header-parser, without
	// its faults.) It is the zero value.
	Auto         Pin = iota
	DeltaSeconds     // seconds from now: DatoCMS, Discord's Reset-After, the drafts
	DeltaMillis      // milliseconds from now
	EpochSeconds     // seconds since 1970: GitHub, Twitter, GitLab, express-rate-limit's legacy headers
	EpochMillis      // milliseconds since 1970: Linear
	Date             // an HTTP-date (RFC 9110 section 5.6.7) or RFC 3339: Atlassian, lemlist
	Duration         // as time.ParseDuration reads it: OpenAI and those like it
	Standard         // reads only what the drafts define, Reset in seconds from now
	Off              // reads nothing
)

// A Unit is what a policy counts. The units of the drafts have constants (draft -11 section 3.1.2); others are named as in
// the header, such as "tokens".
type Unit string

// Only policies in Requests may pace requests.
const (
	Requests           Unit = "requests"
	ContentBytes       Unit = "content-bytes"
	ConcurrentRequests Unit = "concurrent-requests"
)

// A Policy is one limit of the server. Values that it does not have are zero, with Known unset where zero is a valid value.
type Policy struct {
	Source    string // the header from which it was read, "X-RateLimit-*" for a family; for logs
	Name      string // the server's name, "" if there is none
	Partition string // bytes of the pk parameter (draft -11 section 4.1.3): the owner of the quota
	Unit      Unit

	Limit          int64 // quota of a whole window, never negative
	LimitKnown     bool
	Remaining      int64 // quota that is left, never negative
	RemainingKnown bool

	// Reset is how long after the response the quota is renewed, from 0, which a reset in the past is too, to MaxReset.
	// Servers round it up: the exact time is in (Reset-ResetUnit, Reset]. See [Policy.ResetBetween].
	Reset      time.Duration
	ResetUnit  time.Duration // granularity of Reset, above 0 if Reset is known
	ResetKnown bool

	Window time.Duration // window of Limit; 0 when unknown
}

// ResetBetween returns between which instants the quota is renewed, for a request sent and a response received at these: as
// whole seconds are rounded up, and the server counts from some instant in between, a Reset of T means (sent + T - 1 s,
// received + T]. Of several responses in one window the intersection holds. It reports false when Reset is not known.
func (p Policy) ResetBetween(sent, received time.Time) (earliest, latest time.Time, ok bool) {
	if !p.ResetKnown {
		return time.Time{}, time.Time{}, false
	}
	return sent.Add(max(0, p.Reset-p.ResetUnit)), received.Add(p.Reset), true
}

// Pace returns the highest steady rate, in requests a second, that neither exceeds what remains nor what the policy allows
// in the long run. Both count, since what remains divided by the reset alone is a trap (draft -11 section 8.5):
// q=10000;w=1000 with r=10000;t=10 is 10 a second and not 1000. Without a reset, what remains has to last for the window. ok
// is false for other units than [Requests], and if too little is known.
func (p Policy) Pace() (perSecond float64, ok bool) {
	if p.Unit != Requests {
		return 0, false
	}
	if p.LimitKnown && p.Window > 0 {
		perSecond, ok = float64(p.Limit)/p.Window.Seconds(), true
	}
	horizon := p.Window
	if p.ResetKnown {
		horizon = p.Reset
	}
	if p.RemainingKnown && horizon > 0 {
		if left := float64(p.Remaining) / horizon.Seconds(); !ok || left < perSecond {
			perSecond, ok = left, true
		}
	}
	return perSecond, ok
}

// A Reading is the limits in one response.
type Reading struct {
	// Policies has every policy found: structured ones in the order of the header, others by name.
	Policies []Policy
}

// Tightest returns the policy to obey: of those in [Requests] the one with the least left, since each request takes from all
// of them and that one runs out first (draft -01 section 4 has servers choose likewise); of equal ones the one that resets
// last. A policy whose reset is due has been renewed and comes after all others. ok is false if no policy says what remains.
func (r Reading) Tightest() (Policy, bool) {
	var tightest Policy
	found := false
	for _, p := range r.Policies {
		if p.Unit == Requests && p.RemainingKnown && (!found || tighter(p, tightest)) {
			tightest, found = p, true
		}
	}
	return tightest, found
}

func tighter(a, b Policy) bool {
	aDue, bDue := a.ResetKnown && a.Reset == 0, b.ResetKnown && b.Reset == 0
	switch {
	case aDue != bDue:
		return bDue
	case a.Remaining != b.Remaining:
		return a.Remaining < b.Remaining
	default:
		return a.Reset > b.Reset // 0 when unknown: a known reset goes first
	}
}

// Pace returns the lowest [Policy.Pace]: at this steady rate no policy runs out. It reports false when none has one.
func (r Reading) Pace() (perSecond float64, ok bool) {
	for _, p := range r.Policies {
		if pace, known := p.Pace(); known && (!ok || pace < perSecond) {
			perSecond, ok = pace, true
		}
	}
	return perSecond, ok
}

// Hint returns how long to wait after a refusal without Retry-After: until the last reset of the policies with nothing left,
// in any unit, since each may be the violated one; else until the reset of a policy in [Requests] that does not say what
// remains. ok is false without such a policy. If quota remains the refusal has other causes (DatoCMS also refuses under
// load).
func (r Reading) Hint() (time.Duration, bool) {
	var exhausted, unknown time.Duration
	for _, p := range r.Policies {
		switch {
		case p.RemainingKnown && p.Remaining == 0 && p.Unit != ConcurrentRequests:
			exhausted = max(exhausted, p.Reset)
		case !p.RemainingKnown && p.Unit == Requests:
			unknown = max(unknown, p.Reset)
		}
	}
	if exhausted > 0 {
		return exhausted, true
	}
	return unknown, unknown > 0
}

// Parse reads the headers of a response that was received at now. Keys must be canonical, as those of net/http are. It never
// fails: malformed values are ignored, a structured field as a whole ("Malformed RateLimit header fields MUST be ignored",
// draft -11 section 7). It reports false when it found no policy, and for responses from a cache, which are those with a
// positive Age (section 7.3). Points in time are compared with the Date of the response if there is one, so that the local
// clock does not matter; this costs another second of granularity.
func Parse(h http.Header, now time.Time, pin Pin) (Reading, bool) {
	if pin >= Off || !mentionsLimit(h) || fromCache(h["Age"]) {
		return Reading{}, false
	}
	c := clock{now: now}
	if dates := h["Date"]; len(dates) > 0 {
		if date, err := http.ParseTime(strings.TrimSpace(dates[0])); err == nil {
			c = clock{now: date, slack: time.Second} // Date is truncated to seconds
		}
	}
	policies := standard(h, c, pin)
	if pin != Standard && !slices.ContainsFunc(policies, paces) {
		for _, f := range families {
			policies = append(policies, f.policies(h, c, pin)...)
		}
		policies = append(policies, hubspot(h)...)
		policies = append(policies, shopify(h)...)
	}
	return Reading{Policies: policies}, len(policies) > 0
}

// mentionsLimit reports whether a header may have a limit: all such fields have Limit in their names, in any case. Most
// responses have none, and looking up each field is slow.
func mentionsLimit(h http.Header) bool {
	for name := range h {
		if strings.Contains(name, "limit") || strings.Contains(name, "Limit") {
			return true
		}
	}
	return false
}

// paces reports whether a policy can pace requests.
func paces(p Policy) bool {
	return p.Unit == Requests && (p.RemainingKnown || p.ResetKnown)
}

// fromCache reports whether the Age header is positive. It has one value; of a list the first counts, and one that is
// not a number is ignored (RFC 9111 section 5.1).
func fromCache(age []string) bool {
	if len(age) == 0 {
		return false
	}
	first, _, _ := strings.Cut(age[0], ",")
	first = strings.TrimSpace(first)
	return digits(first) && strings.Trim(first, "0") != ""
}

// digits reports whether s is a number without sign or point.
func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
