package dialect

import (
	"cmp"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"
)

// A family is a set of headers with one prefix, such as X-RateLimit-Limit, X-RateLimit-Remaining and X-RateLimit-Reset,
// with the name of a policy before or after that word or without one: X-RateLimit-Remaining-Tokens and
// X-RateLimit-Limit-Minute, but Anthropic-RateLimit-Tokens-Remaining.
type family struct {
	prefix string // canonical
	source string
	fixed  bool // the vendor fixes what Reset means
	pin    Pin  // if fixed
}

// families are the headers that are not in a draft. Names of X-RateLimit headers are in "RateLimit header fields currently
// used on the web" of the drafts.
var families = []family{
	{prefix: "X-Ratelimit-", source: "X-RateLimit-*"},
	{prefix: "X-Rate-Limit-", source: "X-Rate-Limit-*"},
	// Reset is when the next request can be made, for all policies.
	{prefix: "X-Contentful-Ratelimit-", source: "X-Contentful-RateLimit-*", fixed: true, pin: DeltaSeconds},
	// RFC 3339.
	{prefix: "Anthropic-Ratelimit-", source: "Anthropic-RateLimit-*", fixed: true, pin: Auto},
}

// windows are the names of policies that tell the length of their window, as gateways (Kong) write them. A month and a year
// have no fixed length.
var windows = map[string]time.Duration{
	"second": time.Second, "minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour, "month": 0, "year": 0,
	"secondly": time.Second, "minutely": time.Minute, "hourly": time.Hour, "daily": 24 * time.Hour, "monthly": 0,
}

// fields are the lines of the headers of one policy.
type fields struct{ limit, remaining, used, reset, resetAfter []string }

// policies reads a family.
func (f family) policies(h http.Header, c clock, pin Pin) []Policy {
	var keys []string
	for key := range h {
		if strings.HasPrefix(key, f.prefix) {
			keys = append(keys, key)
		}
	}
	if keys == nil {
		return nil
	}
	slices.Sort(keys) // for a result that does not depend on the order of a map
	byName := map[string]*fields{}
	for _, key := range keys {
		word, name := split(strings.ToLower(key[len(f.prefix):]))
		if word == "" {
			continue
		}
		if byName[name] == nil {
			byName[name] = &fields{}
		}
		byName[name].add(word, h[key])
	}
	if f.fixed {
		pin = f.pin
	}
	var policies []Policy
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		p := Policy{Source: f.source, Name: name, Unit: unitNamed(name), Window: windows[name]}
		if name == "" {
			p.Name = strings.TrimSpace(cmp.Or( // Discord, GitHub, GitLab
				combined(h[f.prefix+"Bucket"]), combined(h[f.prefix+"Resource"]), combined(h[f.prefix+"Name"])))
		}
		policies = append(policies, byName[name].policies(p, c, pin)...)
	}
	return giveReset(policies)
}

// split finds the word that says what a header holds. The other words are the name of the policy.
func split(rest string) (word, name string) {
	words := strings.Split(rest, "-")
	for i, w := range words {
		switch w {
		case "limit", "remaining", "used", "observed", "reset":
			name = strings.Join(slices.Delete(words, i, i+1), "-")
			if w == "reset" && name == "after" {
				return "reset-after", ""
			}
			return w, name
		}
	}
	return "", ""
}

// add adds lines to a field, which a server may send twice: as X-RateLimit-Limit-Requests and as X-RateLimit-Requests-Limit.
func (f *fields) add(word string, lines []string) {
	switch word {
	case "limit":
		f.limit = append(f.limit, lines...)
	case "remaining":
		f.remaining = append(f.remaining, lines...)
	case "used", "observed": // GitHub, GitLab
		f.used = append(f.used, lines...)
	case "reset":
		f.reset = append(f.reset, lines...)
	case "reset-after": // Discord
		f.resetAfter = append(f.resetAfter, lines...)
	}
}

// unitNamed returns what a policy counts, by its name: requests if it has no name, its name has requests
// (X-RateLimit-Limit-Requests, X-RateLimit-Endpoint-Requests-Limit), or it is named after a window.
func unitNamed(name string) Unit {
	_, timed := windows[name]
	if name == "" || timed || name == "requests" || strings.HasSuffix(name, "-requests") {
		return Requests
	}
	return Unit(name)
}

// policies reads the headers of one policy into p. A limit may list more, with their windows, after the one that is
// nearest (100, 100;w=60, 1000;w=3600: drafts -00 to -02 section 3.1). If all headers have as many values, as when a
// gateway and the server behind it both write them, the values belong together in order; otherwise the least that remains
// and the latest reset count.
func (f *fields) policies(p Policy, c clock, pin Pin) []Policy {
	limits, lengths := counts(f.limit)
	remaining, _ := counts(f.remaining)
	used, _ := counts(f.used)
	resets := c.resets(f.resetAfter, DeltaSeconds) // preferred to Reset: it needs no clock
	if resets == nil {
		resets = c.resets(f.reset, pin)
	}
	if n := len(remaining); n > 1 && len(limits) == n && (len(resets) == n || len(resets) == 0) {
		var policies []Policy
		for i := range n {
			each := p
			each.Limit, each.LimitKnown, each.Window = limits[i], true, max(p.Window, lengths[i])
			each.Remaining, each.RemainingKnown = remaining[i], true
			if resets != nil {
				each.setReset(resets[i])
			}
			policies = append(policies, each)
		}
		return slices.Compact(policies)
	}
	var others []Policy
	if limits != nil {
		p.Limit, p.LimitKnown = limits[0], true
		p.Window = max(p.Window, lengths[0])
		for i := 1; i < len(limits); i++ {
			switch {
			case limits[i] == p.Limit && p.Window == 0:
				p.Window = lengths[i]
			case limits[i] != p.Limit && lengths[i] > 0:
				others = append(others, Policy{Source: p.Source, Unit: p.Unit, Limit: limits[i], LimitKnown: true, Window: lengths[i]})
			}
		}
	}
	switch {
	case remaining != nil:
		p.Remaining, p.RemainingKnown = slices.Min(remaining), true
	case p.LimitKnown && used != nil:
		p.Remaining, p.RemainingKnown = max(0, p.Limit-slices.Max(used)), true
	}
	if resets != nil {
		p.setReset(slices.MaxFunc(resets, func(a, b reset) int { return cmp.Compare(a.after, b.after) }))
	}
	if p.LimitKnown || p.RemainingKnown || p.ResetKnown && p.Unit == Requests {
		return append([]Policy{p}, others...)
	}
	return nil
}

func (p *Policy) setReset(r reset) { p.Reset, p.ResetUnit, p.ResetKnown = r.after, r.unit, true }

// giveReset assigns a reset without a policy of its own to the policies that are exhausted. Contentful sends one reset for
// all.
func giveReset(policies []Policy) []Policy {
	from := slices.IndexFunc(policies, func(p Policy) bool { return p.Name == "" && p.ResetKnown && !p.LimitKnown && !p.RemainingKnown })
	if from < 0 {
		return policies
	}
	given := false
	for i, p := range policies {
		if p.Unit == Requests && p.RemainingKnown && p.Remaining == 0 && !p.ResetKnown {
			policies[i].setReset(reset{policies[from].Reset, policies[from].ResetUnit})
			given = true
		}
	}
	if given {
		return slices.Delete(policies, from, from+1)
	}
	return policies
}

// counts reads numbers and the windows beside them. Fractions (Reddit) are truncated. One value that is not a number, or is
// negative, makes the header absent: -1 is "unlimited" for some and "overdrawn" for others.
func counts(lines []string) (numbers []int64, lengths []time.Duration) {
	list, ok := parseList(combined(lines))
	if !ok {
		return nil, nil
	}
	for _, it := range list {
		n, ok := it.value.(int64)
		if f, decimal := it.value.(float64); decimal {
			n, ok = int64(math.Floor(f)), true
		}
		if !ok || n < 0 {
			return nil, nil
		}
		seconds, ok := quantity(it.params["w"])
		if !ok {
			seconds, _ = quantity(it.params["window"]) // WHOOP
		}
		numbers, lengths = append(numbers, n), append(lengths, window(seconds))
	}
	return numbers, lengths
}

// resets reads one reset a line, or several in a list. Dates have commas too, so the whole line is tried first. One
// value that cannot be read makes the header absent.
func (c clock) resets(lines []string, pin Pin) []reset {
	var resets []reset
	for _, line := range lines {
		values := []string{line}
		if _, ok := c.reset(line, pin); !ok {
			values = strings.Split(line, ",")
		}
		for _, value := range values {
			r, ok := c.reset(value, pin)
			if !ok {
				return nil
			}
			resets = append(resets, r)
		}
	}
	return resets
}

// hubspot reads X-HubSpot-RateLimit-*: -Max and -Remaining are of a rolling window of -Interval-Milliseconds, -Daily ends at
// midnight in the time zone of the account. -Secondly is deprecated and no longer enforced, so it counts only if nothing
// else is sent.
func hubspot(h http.Header) []Policy {
	const prefix = "X-Hubspot-Ratelimit-"
	read := func(name, limit, remaining string, window time.Duration) []Policy {
		f := fields{limit: h[prefix+limit], remaining: h[prefix+remaining]}
		return f.policies(Policy{Source: "X-HubSpot-RateLimit-*", Name: name, Unit: Requests, Window: window}, clock{}, Auto)
	}
	var interval time.Duration
	if millis, _ := counts(h[prefix+"Interval-Milliseconds"]); millis != nil && millis[0] <= int64(maxWindow/time.Millisecond) {
		interval = time.Duration(millis[0]) * time.Millisecond
	}
	policies := read("interval", "Max", "Remaining", interval)
	policies = append(policies, read("daily", "Daily", "Daily-Remaining", 24*time.Hour)...)
	if policies == nil {
		policies = read("secondly", "Secondly", "Secondly-Remaining", time.Second)
	}
	return policies
}

// shopify reads X-Shopify-Shop-Api-Call-Limit, which says how full a leaky bucket is: 32/40. How fast it leaks depends on
// the plan and is not known.
func shopify(h http.Header) []Policy {
	lines := h["X-Shopify-Shop-Api-Call-Limit"]
	if len(lines) != 1 {
		return nil
	}
	full, size, ok := strings.Cut(strings.TrimSpace(lines[0]), "/")
	used, _ := counts([]string{full})
	limit, _ := counts([]string{size})
	if !ok || len(used) != 1 || len(limit) != 1 {
		return nil
	}
	return []Policy{{
		Source: "X-Shopify-Shop-Api-Call-Limit", Unit: Requests,
		Limit: limit[0], LimitKnown: true, Remaining: max(0, limit[0]-used[0]), RemainingKnown: true,
	}}
}
