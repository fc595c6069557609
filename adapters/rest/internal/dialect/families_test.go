package dialect

import (
	"net/http"
	"testing"
	"time"
)

// The rows of the table of dialects.
func TestDialects(t *testing.T) {
	t.Parallel()
	const day, hour = 24 * time.Hour, time.Hour
	runParse(t, []parseTest{
		{name: "DatoCMS", lines: []string{"X-RateLimit-Limit: 60", "X-RateLimit-Remaining: 59"}, pin: DeltaSeconds, want: []known{
			{source: "X-RateLimit-*", limit: 60, remaining: 59},
		}},
		{name: "DatoCMS when limited", lines: []string{"X-RateLimit-Limit: 60", "X-RateLimit-Remaining: 0", "X-RateLimit-Reset: 3"}, pin: DeltaSeconds, want: []known{
			{source: "X-RateLimit-*", limit: 60, remaining: 0, reset: 3 * sec, resetUnit: sec},
		}},
		{name: "GitHub", lines: []string{"X-RateLimit-Limit: 5000", "X-RateLimit-Remaining: 4987", "X-RateLimit-Reset: 1795305600", "X-RateLimit-Used: 13", "X-RateLimit-Resource: core"}, want: []known{
			{source: "X-RateLimit-*", name: "core", limit: 5000, remaining: 4987, reset: 20 * time.Minute, resetUnit: sec},
		}},
		{name: "Twitter", lines: []string{"X-Rate-Limit-Limit: 900", "X-Rate-Limit-Remaining: 0", "X-Rate-Limit-Reset: 1795304437"}, pin: EpochSeconds, want: []known{
			{source: "X-Rate-Limit-*", limit: 900, reset: 37 * sec, resetUnit: sec},
		}},
		{name: "express-rate-limit", lines: []string{"Date: Sat, 21 Nov 2026 23:30:00 GMT", "X-RateLimit-Limit: 100", "X-RateLimit-Remaining: 99", "X-RateLimit-Reset: 1795303837"}, want: []known{
			{source: "X-RateLimit-*", limit: 100, remaining: 99, reset: 37 * sec, resetUnit: 2 * sec},
		}},
		{name: "Contentful", lines: []string{
			"X-Contentful-RateLimit-Hour-Limit: 36000", "X-Contentful-RateLimit-Hour-Remaining: 35999", "X-Contentful-RateLimit-Second-Limit: 10",
			"X-Contentful-RateLimit-Second-Remaining: 9", "X-Contentful-RateLimit-Reset: 0",
		}, want: []known{
			{source: "X-Contentful-RateLimit-*", limit: -1, remaining: -1, resetUnit: sec},
			{source: "X-Contentful-RateLimit-*", name: "hour", limit: 36000, remaining: 35999, window: hour},
			{source: "X-Contentful-RateLimit-*", name: "second", limit: 10, remaining: 9, window: sec},
		}},
		{name: "Contentful when limited", pin: EpochSeconds, lines: []string{
			"X-Contentful-RateLimit-Hour-Limit: 36000", "X-Contentful-RateLimit-Hour-Remaining: 35883", "X-Contentful-RateLimit-Second-Limit: 10",
			"X-Contentful-RateLimit-Second-Remaining: 0", "X-Contentful-RateLimit-Reset: 1",
		}, want: []known{
			{source: "X-Contentful-RateLimit-*", name: "hour", limit: 36000, remaining: 35883, window: hour},
			{source: "X-Contentful-RateLimit-*", name: "second", limit: 10, reset: sec, resetUnit: sec, window: sec},
		}},
		{name: "OpenAI", lines: []string{
			"x-ratelimit-limit-requests: 1000", "x-ratelimit-remaining-requests: 999", "x-ratelimit-reset-requests: 1m26.4s",
			"x-ratelimit-limit-tokens: 8000", "x-ratelimit-remaining-tokens: 7927", "x-ratelimit-reset-tokens: 547ms",
		}, want: []known{
			{source: "X-RateLimit-*", name: "requests", limit: 1000, remaining: 999, reset: 86400 * ms, resetUnit: 100 * ms},
			{source: "X-RateLimit-*", name: "tokens", unit: "tokens", limit: 8000, remaining: 7927, reset: 547 * ms, resetUnit: ms},
		}},
		{name: "Anthropic", pin: DeltaSeconds, lines: []string{
			"anthropic-ratelimit-requests-limit: 4000", "anthropic-ratelimit-requests-remaining: 3201", "anthropic-ratelimit-requests-reset: 2026-11-21T23:40:37Z",
			"anthropic-ratelimit-input-tokens-limit: 400000", "anthropic-ratelimit-input-tokens-remaining: 0", "anthropic-ratelimit-input-tokens-reset: 2026-11-21T23:40:15Z",
			"anthropic-ratelimit-unified-5h-reset: 1795304437", "anthropic-ratelimit-unified-status: allowed",
		}, want: []known{
			{source: "Anthropic-RateLimit-*", name: "input-tokens", unit: "input-tokens", limit: 400000, reset: 15 * sec, resetUnit: sec},
			{source: "Anthropic-RateLimit-*", name: "requests", limit: 4000, remaining: 3201, reset: 37 * sec, resetUnit: sec},
		}},
		{name: "Discord", lines: []string{
			"X-RateLimit-Limit: 5", "X-RateLimit-Remaining: 0", "X-RateLimit-Reset: 1795304437.250", "X-RateLimit-Reset-After: 36.850", "X-RateLimit-Bucket: abcd1234",
			"X-RateLimit-Scope: user", "X-RateLimit-Global: true",
		}, want: []known{
			{source: "X-RateLimit-*", name: "abcd1234", limit: 5, reset: 36850 * ms, resetUnit: ms},
		}},
		{name: "Discord without Reset-After", lines: []string{"X-RateLimit-Remaining: 0", "X-RateLimit-Reset: 1795304437.250", "X-RateLimit-Reset-After: soon"}, want: []known{
			{source: "X-RateLimit-*", limit: -1, reset: 37250 * ms, resetUnit: ms},
		}},
		{name: "HubSpot", lines: []string{
			"X-HubSpot-RateLimit-Interval-Milliseconds: 10000", "X-HubSpot-RateLimit-Max: 100", "X-HubSpot-RateLimit-Remaining: 98",
			"X-HubSpot-RateLimit-Daily: 250000", "X-HubSpot-RateLimit-Daily-Remaining: 249000",
			"X-HubSpot-RateLimit-Secondly: 10", "X-HubSpot-RateLimit-Secondly-Remaining: 0",
		}, want: []known{
			{source: "X-HubSpot-RateLimit-*", name: "interval", limit: 100, remaining: 98, window: 10 * sec},
			{source: "X-HubSpot-RateLimit-*", name: "daily", limit: 250000, remaining: 249000, window: day},
		}},
		{name: "HubSpot long ago", lines: []string{"X-HubSpot-RateLimit-Secondly: 10", "X-HubSpot-RateLimit-Secondly-Remaining: 9"}, want: []known{
			{source: "X-HubSpot-RateLimit-*", name: "secondly", limit: 10, remaining: 9, window: sec},
		}},
		{name: "HubSpot with an absurd interval", lines: []string{"X-HubSpot-RateLimit-Interval-Milliseconds: 999999999999999", "X-HubSpot-RateLimit-Max: 100"}, want: []known{
			{source: "X-HubSpot-RateLimit-*", name: "interval", limit: 100, remaining: -1},
		}},
		{name: "HubSpot with the longest interval", lines: []string{"X-HubSpot-RateLimit-Interval-Milliseconds: 31622400000", "X-HubSpot-RateLimit-Max: 100"}, want: []known{
			{source: "X-HubSpot-RateLimit-*", name: "interval", limit: 100, remaining: -1, window: maxWindow},
		}},
		{name: "Shopify", lines: []string{"X-Shopify-Shop-Api-Call-Limit: 32/40", "Retry-After: 2.0"}, want: []known{
			{source: "X-Shopify-Shop-Api-Call-Limit", limit: 40, remaining: 8},
		}},
		{name: "Shopify overfull", lines: []string{"X-Shopify-Shop-Api-Call-Limit: 41/40"}, want: []known{{source: "X-Shopify-Shop-Api-Call-Limit", limit: 40}}},
		{name: "Dataverse: do not steer by them", lines: []string{"x-ms-ratelimit-burst-remaining-xrm-requests: 5999", "x-ms-ratelimit-time-remaining-xrm-requests: 1,199.83", "Retry-After: 7"}},
		{name: "Kong", lines: []string{
			"X-RateLimit-Limit-Minute: 60", "X-RateLimit-Remaining-Minute: 59", "X-RateLimit-Limit-Month: 9000", "X-RateLimit-Remaining-Month: 8999", "X-RateLimit-Limit-Videos-Minute: 10",
		}, want: []known{
			{source: "X-RateLimit-*", name: "minute", limit: 60, remaining: 59, window: time.Minute},
			{source: "X-RateLimit-*", name: "month", limit: 9000, remaining: 8999},
			{source: "X-RateLimit-*", name: "videos-minute", unit: "videos-minute", limit: 10, remaining: -1},
		}},
		{name: "Linear", lines: []string{
			"X-RateLimit-Requests-Limit: 1500", "X-RateLimit-Requests-Remaining: 1499", "X-RateLimit-Requests-Reset: 1795304437250", "X-RateLimit-Complexity-Remaining: 9",
			"X-RateLimit-Endpoint-Requests-Remaining: 4",
		}, want: []known{
			{source: "X-RateLimit-*", name: "complexity", unit: "complexity", limit: -1, remaining: 9},
			{source: "X-RateLimit-*", name: "endpoint-requests", limit: -1, remaining: 4},
			{source: "X-RateLimit-*", name: "requests", limit: 1500, remaining: 1499, reset: 37250 * ms, resetUnit: ms},
		}},
		{name: "WHOOP", lines: []string{"X-RateLimit-Limit: 100, 100;window=60, 10000;window=86400", "X-RateLimit-Remaining: 98", "X-RateLimit-Reset: 3"}, want: []known{
			{source: "X-RateLimit-*", limit: 100, remaining: 98, reset: 3 * sec, resetUnit: sec, window: time.Minute},
			{source: "X-RateLimit-*", limit: 10000, remaining: -1, window: day},
		}},
		{name: "Reddit", lines: []string{"X-RateLimit-Used: 2", "X-RateLimit-Remaining: 598.0", "X-RateLimit-Reset: 370"}, want: []known{
			{source: "X-RateLimit-*", limit: -1, remaining: 598, reset: 370 * sec, resetUnit: sec},
		}},
		{name: "lemlist", lines: []string{"X-RateLimit-Limit: 20", "X-RateLimit-Remaining: 7", "X-RateLimit-Reset: Sun Nov 22 2026 00:40:02 GMT+0100 (Central European Standard Time)"}, want: []known{
			{source: "X-RateLimit-*", limit: 20, remaining: 7, reset: 2 * sec, resetUnit: sec},
		}},
		{name: "milliseconds want a pin", lines: []string{"X-Rate-Limit-Remaining: 0", "X-Rate-Limit-Reset: 600000"}, pin: DeltaMillis, want: []known{
			{source: "X-Rate-Limit-*", limit: -1, reset: 10 * time.Minute, resetUnit: ms},
		}},
		{name: "milliseconds without one are outside the window", lines: []string{"X-Rate-Limit-Remaining: 0", "X-Rate-Limit-Reset: 600000"}, want: []known{
			{source: "X-Rate-Limit-*", limit: -1},
		}},
	})
}

// A policy that is named after a window has it.
func TestWindowsByName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]time.Duration{
		"Second": sec, "Minute": time.Minute, "Hour": time.Hour, "Day": 24 * time.Hour, "Month": 0, "Year": 0,
		"Secondly": sec, "Minutely": time.Minute, "Hourly": time.Hour, "Daily": 24 * time.Hour, "Monthly": 0,
	} {
		r, ok := Parse(http.Header{"X-Ratelimit-Limit-" + name: {"60"}}, now, Auto)
		if !ok || len(r.Policies) != 1 || r.Policies[0].Window != want || r.Policies[0].Unit != Requests {
			t.Errorf("%s: %+v, want a window of %v", name, r.Policies, want)
		}
	}
}

// Of the limits in a list, those after the first count only with a window.
func TestFurtherLimitsNeedAWindow(t *testing.T) {
	t.Parallel()
	for list, want := range map[string]int{"100": 1, "100, 1000": 1, "100, 1000;w=0": 1, "100, 1000;w=3600": 2} {
		r, _ := Parse(http.Header{"X-Ratelimit-Limit": {list}}, now, Auto)
		if len(r.Policies) != want || r.Policies[0].Limit != 100 {
			t.Errorf("%s: %+v, want %d policies", list, r.Policies, want)
		}
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	x := func(limit, remaining int64, reset time.Duration) known {
		return known{source: "X-RateLimit-*", limit: limit, remaining: remaining, reset: reset, resetUnit: sec}
	}
	runParse(t, []parseTest{
		{name: "used in place of remaining", lines: []string{"X-RateLimit-Limit: 10", "X-RateLimit-Used: 4"}, want: []known{{source: "X-RateLimit-*", limit: 10, remaining: 6}}},
		{name: "more used than allowed", lines: []string{"X-RateLimit-Limit: 10", "X-RateLimit-Used: 14"}, want: []known{{source: "X-RateLimit-*", limit: 10}}},
		{name: "used of what", lines: []string{"X-RateLimit-Used: 14"}},
		{name: "more remains than allowed", lines: []string{"X-RateLimit-Limit: 10", "X-RateLimit-Remaining: 14"}, want: []known{{source: "X-RateLimit-*", limit: 10, remaining: 14}}},
		{name: "negative", lines: []string{"X-RateLimit-Limit: -1", "X-RateLimit-Remaining: -1", "X-RateLimit-Reset: -1"}},
		{name: "minus nothing", lines: []string{"X-RateLimit-Remaining: -0"}, want: []known{{source: "X-RateLimit-*", limit: -1}}},
		{name: "a fraction below zero", lines: []string{"X-RateLimit-Remaining: -0.5"}},
		{name: "cut", lines: []string{"X-RateLimit-Remaining: 0.9"}, want: []known{{source: "X-RateLimit-*", limit: -1}}},
		{name: "garbage", lines: []string{"X-RateLimit-Limit: 100 an hour", "X-RateLimit-Remaining: unlimited", "X-RateLimit-Reset: tomorrow"}},
		{name: "garbage spoils only itself", lines: []string{"X-RateLimit-Limit: 1000: 1000", "X-RateLimit-Remaining: 9", "X-RateLimit-Reset: 1e3"}, want: []known{{source: "X-RateLimit-*", limit: -1, remaining: 9}}},
		{name: "too big to be true", lines: []string{"X-RateLimit-Limit: 9223372036854775807", "X-RateLimit-Remaining: 5"}, want: []known{{source: "X-RateLimit-*", limit: -1, remaining: 5}}},
		{name: "spaces", lines: []string{"X-RateLimit-Limit:   60  ", "X-RateLimit-Remaining:  5 ", "X-RateLimit-Reset:  3 "}, want: []known{x(60, 5, 3*sec)}},
		{name: "the same twice", lines: []string{"X-RateLimit-Limit: 60", "X-RateLimit-Limit: 60", "X-RateLimit-Remaining: 5", "X-RateLimit-Remaining: 5"}, want: []known{{source: "X-RateLimit-*", limit: 60, remaining: 5}}},
		{name: "lines of a gateway and a server", lines: []string{
			"X-RateLimit-Limit: 1000", "X-RateLimit-Remaining: 999", "X-RateLimit-Reset: 60",
			"X-RateLimit-Limit: 10", "X-RateLimit-Remaining: 4", "X-RateLimit-Reset: 1",
		}, want: []known{x(1000, 999, time.Minute), x(10, 4, sec)}},
		{name: "the same in lists", lines: []string{"X-RateLimit-Limit: 1000, 10", "X-RateLimit-Remaining: 999, 4", "X-RateLimit-Reset: 60, 1"}, want: []known{x(1000, 999, time.Minute), x(10, 4, sec)}},
		{name: "lists with windows", lines: []string{"X-RateLimit-Limit: 1000;w=60, 10;w=1", "X-RateLimit-Remaining: 999, 4"}, want: []known{
			{source: "X-RateLimit-*", limit: 1000, remaining: 999, window: time.Minute},
			{source: "X-RateLimit-*", limit: 10, remaining: 4, window: sec},
		}},
		{name: "lists of dates", lines: []string{
			"X-RateLimit-Limit: 1000, 10", "X-RateLimit-Remaining: 999, 4", "X-RateLimit-Reset: Sat, 21 Nov 2026 23:41:00 GMT", "X-RateLimit-Reset: Sat, 21 Nov 2026 23:40:01 GMT",
		}, want: []known{x(1000, 999, time.Minute), x(10, 4, sec)}},
		{name: "lists that do not match: the safe side", lines: []string{"X-RateLimit-Limit: 1000", "X-RateLimit-Remaining: 999, 4, 50", "X-RateLimit-Reset: 60, 1"}, want: []known{x(1000, 4, time.Minute)}},
		{name: "one bad reset of two", lines: []string{"X-RateLimit-Remaining: 4", "X-RateLimit-Reset: 60, soon"}, want: []known{{source: "X-RateLimit-*", limit: -1, remaining: 4}}},
		{name: "one bad count of two", lines: []string{"X-RateLimit-Remaining: 4, -1", "X-RateLimit-Reset: 60"}, want: []known{x(-1, -1, time.Minute)}},
		{name: "the same in two spellings", lines: []string{"X-RateLimit-Remaining-Requests: 9", "X-RateLimit-Requests-Remaining: 4"}, want: []known{{source: "X-RateLimit-*", name: "requests", limit: -1, remaining: 4}}},
		{name: "a reset alone", lines: []string{"X-RateLimit-Reset: 60"}, want: []known{x(-1, -1, time.Minute)}},
		{name: "a reset of tokens alone says nothing", lines: []string{"X-RateLimit-Reset-Tokens: 60", "X-RateLimit-Reset-Date: 2026-11-21T23:40:37Z"}},
		{name: "a reset alone is of what is exhausted", lines: []string{
			"X-RateLimit-Reset: 9", "X-RateLimit-Remaining-Second: 0", "X-RateLimit-Remaining-Minute: 0", "X-RateLimit-Reset-Minute: 40", "X-RateLimit-Remaining-Hour: 5",
			"X-RateLimit-Limit-Day: 500", "X-RateLimit-Remaining-Tokens: 0",
		}, want: []known{
			{source: "X-RateLimit-*", name: "day", limit: 500, remaining: -1, window: 24 * time.Hour},
			{source: "X-RateLimit-*", name: "hour", limit: -1, remaining: 5, window: time.Hour},
			{source: "X-RateLimit-*", name: "minute", limit: -1, reset: 40 * sec, resetUnit: sec, window: time.Minute},
			{source: "X-RateLimit-*", name: "second", limit: -1, reset: 9 * sec, resetUnit: sec, window: sec},
			{source: "X-RateLimit-*", name: "tokens", unit: "tokens", limit: -1},
		}},
		{name: "a reset with a limit is of that", lines: []string{"X-RateLimit-Limit: 60", "X-RateLimit-Reset: 9", "X-RateLimit-Remaining-Second: 0"}, want: []known{
			x(60, -1, 9*sec), {source: "X-RateLimit-*", name: "second", limit: -1, window: sec},
		}},
		{name: "a reset with a remainder is of that", lines: []string{"X-RateLimit-Remaining: 6", "X-RateLimit-Reset: 9", "X-RateLimit-Remaining-Second: 0"}, want: []known{
			x(-1, 6, 9*sec), {source: "X-RateLimit-*", name: "second", limit: -1, window: sec},
		}},
		{name: "a reset with a name is of that", lines: []string{"X-RateLimit-Reset-Requests: 9", "X-RateLimit-Remaining-Second: 0"}, want: []known{
			{source: "X-RateLimit-*", name: "requests", limit: -1, remaining: -1, reset: 9 * sec, resetUnit: sec}, {source: "X-RateLimit-*", name: "second", limit: -1, window: sec},
		}},
		{name: "neither prefix is the other", lines: []string{"X-RateLimit: 5", "X-RateLimits-Remaining: 5", "X-RateLimit-: 5", "X-RateLimit-Interval-Seconds: 5"}},
		{name: "Shopify's garbage", lines: []string{"X-Shopify-Shop-Api-Call-Limit: 32"}},
		{name: "Shopify's garbage after the slash", lines: []string{"X-Shopify-Shop-Api-Call-Limit: 32/-40"}},
		{name: "Shopify's garbage before the slash", lines: []string{"X-Shopify-Shop-Api-Call-Limit: /40"}},
		{name: "Shopify's lists", lines: []string{"X-Shopify-Shop-Api-Call-Limit: 32, 33/40"}},
		{name: "Shopify twice", lines: []string{"X-Shopify-Shop-Api-Call-Limit: 32/40", "X-Shopify-Shop-Api-Call-Limit: 33/40"}},
	})
}
