package dialect

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"
)

// draft6 is the spelling of drafts -00 to -06.
var draft6 = family{prefix: "Ratelimit-", source: "RateLimit-*"}

// standard reads the fields of the drafts: what remains from the newest form in the header, with limits and windows from
// RateLimit-Policy.
func standard(h http.Header, c clock, pin Pin) []Policy {
	limits := serviceLimits(h["Ratelimit"])
	if len(limits) == 0 {
		limits = draft6.policies(h, c, pin)
	}
	quotas := quotaPolicies(h["Ratelimit-Policy"])
	for i := range limits {
		if j := slices.IndexFunc(quotas, func(q quota) bool { return q.covers(limits[i]) }); j >= 0 {
			limits[i] = quotas[j].complete(limits[i])
			quotas[j].used = true
		}
	}
	for _, q := range quotas {
		if !q.used {
			limits = append(limits, q.policy)
		}
	}
	return limits
}

// combined returns the value of a field: its lines except empty ones, joined as in RFC 9110 section 5.3.
func combined(lines []string) string {
	if len(lines) == 1 {
		return lines[0]
	}
	return strings.Join(slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return strings.Trim(line, " \t") == "" }), ", ")
}

// serviceLimits reads RateLimit. One malformed member makes the whole field malformed.
func serviceLimits(lines []string) []Policy {
	field := combined(lines)
	list, ok := parseList(field)
	if !ok {
		return draft7(field)
	}
	var limits []Policy
	for _, it := range list {
		p := Policy{Source: "RateLimit", Unit: Requests}
		if !identify(&p, it) {
			return nil
		}
		if p.Remaining, p.RemainingKnown = quantity(it.params["r"]); !p.RemainingKnown {
			return nil
		}
		if t, ok := it.params["t"]; ok && !resetIn(&p, t) {
			return nil
		}
		limits = append(limits, p)
	}
	return limits
}

// draft7 reads RateLimit as draft -07 has it (section 3.1). There reset is required, but express-rate-limit leaves it out
// when it does not know it.
func draft7(field string) []Policy {
	members, ok := parseDictionary(field)
	if !ok {
		return nil
	}
	p := Policy{Source: "RateLimit", Unit: Requests}
	if p.Limit, p.LimitKnown = quantity(members["limit"]); !p.LimitKnown {
		return nil
	}
	if remaining, ok := members["remaining"]; ok {
		if p.Remaining, p.RemainingKnown = quantity(remaining); !p.RemainingKnown {
			return nil
		}
	}
	if reset, ok := members["reset"]; ok && !resetIn(&p, reset) {
		return nil
	}
	return []Policy{p}
}

// A quota is a member of RateLimit-Policy.
type quota struct {
	policy Policy
	named  bool // draft -08 and later
	used   bool // a service limit matches it
}

// quotaPolicies reads RateLimit-Policy. Members are "name";q=100;w=60, or 100;w=60 up to draft -07; q is required, and w
// must be above 0 (draft -11 section 3.1). One malformed member makes the field malformed.
func quotaPolicies(lines []string) []quota {
	list, ok := parseList(combined(lines))
	if !ok {
		return nil
	}
	var quotas []quota
	for _, it := range list {
		q := quota{policy: Policy{Source: "RateLimit-Policy", Unit: Requests}}
		p := &q.policy
		if _, q.named = it.value.(sfString); q.named {
			if !identify(p, it) || !unitOf(p, it) {
				return nil
			}
			p.Limit, p.LimitKnown = quantity(it.params["q"])
		} else {
			p.Limit, p.LimitKnown = quantity(it.value)
		}
		if !p.LimitKnown {
			return nil
		}
		if w, ok := it.params["w"]; ok {
			seconds, ok := quantity(w)
			if !ok || seconds == 0 {
				return nil
			}
			p.Window = window(seconds)
		}
		quotas = append(quotas, q)
	}
	return quotas
}

// covers reports whether a service limit is one of this quota: by name and partition, or by the limit, which up to draft
// -07 no two policies may share (section 3.5).
func (q quota) covers(limit Policy) bool {
	if !q.named {
		return limit.LimitKnown && limit.Limit == q.policy.Limit
	}
	return limit.Name == q.policy.Name &&
		(limit.Partition == q.policy.Partition || limit.Partition == "" || q.policy.Partition == "")
}

// complete adds the values of the quota to a service limit.
func (q quota) complete(limit Policy) Policy {
	limit.Limit, limit.LimitKnown = q.policy.Limit, true
	limit.Window = cmp.Or(q.policy.Window, limit.Window)
	limit.Partition = cmp.Or(limit.Partition, q.policy.Partition)
	if q.named {
		limit.Unit = q.policy.Unit
	}
	return limit
}

// identify reads the name, which must be a String, and the partition key, which must be a Byte Sequence.
func identify(p *Policy, it item) bool {
	name, ok := it.value.(sfString)
	if !ok {
		return false
	}
	p.Name = string(name)
	if key, ok := it.params["pk"]; ok {
		partition, ok := key.(sfBytes)
		if !ok {
			return false
		}
		p.Partition = string(partition)
	}
	return true
}

// unitOf reads the quota unit, which must be a String, and name one. Draft -11 calls the default "requests" in section 3.1.2 and
// "request" in section 10.3.
func unitOf(p *Policy, it item) bool {
	value, ok := it.params["qu"]
	if !ok {
		return true
	}
	unit, ok := value.(sfString)
	if p.Unit = Unit(unit); unit == "request" {
		p.Unit = Requests
	}
	return ok && unit != ""
}

// quantity is a non-negative Integer.
func quantity(value any) (int64, bool) {
	n, ok := value.(int64)
	return max(0, n), ok && n >= 0
}

// resetIn sets a reset in whole seconds. It reports whether the value is well-formed; a well-formed value outside the sanity
// window is not used.
func resetIn(p *Policy, value any) bool {
	seconds, ok := quantity(value)
	if r, sane := (number{whole: seconds}).delay(time.Second); ok && sane {
		p.Reset, p.ResetUnit, p.ResetKnown = r.after, r.unit, true
	}
	return ok
}

// window returns a window of that many seconds, or 0 if it exceeds maxWindow.
func window(seconds int64) time.Duration {
	if seconds > int64(maxWindow/time.Second) {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
