package windrowtest

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"
)

// Dialect is a way in which APIs say in a header when a limit is renewed.
type Dialect struct {
	Name   string      // of an API that uses it, or of the standard
	Header http.Header // of a response with status 429
	Tells  bool        // it says when; otherwise the client has to find out
}

// Dialects returns the headers with which APIs say at now that the limit is renewed after wait, rounded to seconds. (The
// clock of a bubble begins in 2000, when epoch seconds are small enough for a delay: sleep to a later date first.)
func Dialects(now time.Time, wait time.Duration) []Dialect {
	wait = wait.Round(time.Second)
	seconds, at := strconv.Itoa(int(wait/time.Second)), now.Add(wait)
	epoch := strconv.FormatInt(at.Unix(), 10)
	h := func(pairs ...string) http.Header {
		header := http.Header{}
		for i := 0; i < len(pairs); i += 2 {
			header.Set(pairs[i], pairs[i+1])
		}
		return header
	}
	const limit, remaining, reset, after = "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "Retry-After"
	return []Dialect{
		{"nothing", h(), false},
		{"Retry-After", h(after, seconds), true},
		{"DatoCMS", h(limit, "60", remaining, "0", reset, seconds), true},
		{"GitHub", h(limit, "60", remaining, "0", reset, epoch), true},
		{"Twitter", h("X-Rate-Limit-Limit", "60", "X-Rate-Limit-Remaining", "0", "X-Rate-Limit-Reset", epoch), true},
		{"milliseconds", h(remaining, "0", reset, strconv.FormatInt(at.UnixMilli(), 10)), true},
		{"Contentful", h("X-Contentful-RateLimit-Second-Limit", "7", "X-Contentful-RateLimit-Second-Remaining", "0", "X-Contentful-RateLimit-Reset", seconds), true},
		{"OpenAI", h("X-RateLimit-Remaining-Requests", "0", "X-RateLimit-Reset-Requests", wait.String()), true},
		{"Anthropic", h("Anthropic-RateLimit-Requests-Remaining", "0", "Anthropic-RateLimit-Requests-Reset", at.UTC().Format(time.RFC3339)), true},
		{"Discord", h(limit, "5", remaining, "0", reset, fmt.Sprintf("%d.500", at.Unix()), "X-RateLimit-Reset-After", seconds+".500"), true},
		{"HubSpot", h("X-HubSpot-RateLimit-Max", "100", "X-HubSpot-RateLimit-Remaining", "0", "X-HubSpot-RateLimit-Interval-Milliseconds", "10000"), false},
		{"Shopify", h("X-Shopify-Shop-Api-Call-Limit", "40/40", after, seconds+".0"), true},
		{"Dataverse", h("x-ms-ratelimit-burst-remaining-xrm-requests", "0", after, seconds), true},
		{"draft 6", h("RateLimit-Limit", "60", "RateLimit-Remaining", "0", "RateLimit-Reset", seconds, "RateLimit-Policy", "60;w=60"), true},
		{"draft 7", h("RateLimit", "limit=60, remaining=0, reset="+seconds, "RateLimit-Policy", "60;w=60"), true},
		{"draft 10", h("RateLimit", `"default";r=0;t=`+seconds, "RateLimit-Policy", `"default";q=60;w=60`), true},
	}
}

// RetryForm is a form of the Retry-After field.
type RetryForm struct {
	Name  string // of the form
	Value string // of the field
	Tells bool   // it has the wait; otherwise treat it as absent, or as longer than any caller waits
}

// RetryAfters returns the forms of the field at now for a wait, rounded to seconds: the three dates and the seconds of RFC
// 9110 section 10.2.3, and others that APIs send.
func RetryAfters(now time.Time, wait time.Duration) []RetryForm {
	wait = wait.Round(time.Second)
	at := now.Add(wait).UTC()
	seconds := int(wait / time.Second)
	return []RetryForm{
		{"seconds", strconv.Itoa(seconds), true},
		{"decimal", fmt.Sprintf("%d.0", seconds), true},
		{"date", at.Format(http.TimeFormat), true},
		{"date of RFC 850", at.Format("Monday, 02-Jan-06 15:04:05 GMT"), true},
		{"date of asctime", at.Format(time.ANSIC), true},
		{"epoch", strconv.FormatInt(at.Unix(), 10), true},
		{"past", now.Add(-wait).UTC().Format(http.TimeFormat), false},
		{"huge", strconv.FormatInt(math.MaxInt64, 10) + "0", false},
		{"negative", strconv.Itoa(-seconds), false},
		{"zero", "0", false},
		{"nothing", "", false},
		{"words", "soon", false},
	}
}
