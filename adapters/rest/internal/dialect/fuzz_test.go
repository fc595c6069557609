package dialect

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// checkPolicy holds a policy to what its fields promise.
func checkPolicy(t *testing.T, p Policy) {
	t.Helper()
	if p.Limit < 0 || p.Remaining < 0 || p.Reset < 0 || p.Reset > MaxReset || p.ResetUnit < 0 || p.Window < 0 || p.Window > maxWindow {
		t.Errorf("out of bounds: %+v", p)
	}
	if !p.LimitKnown && p.Limit != 0 || !p.RemainingKnown && p.Remaining != 0 || !p.ResetKnown && p.Reset != 0 || p.ResetKnown != (p.ResetUnit > 0) {
		t.Errorf("unknown and yet there: %+v", p)
	}
	if p.Unit == "" || p.Source == "" {
		t.Errorf("of what, from where: %+v", p)
	}
	if pace, ok := p.Pace(); pace < 0 || ok && p.Unit != Requests || !ok && pace != 0 {
		t.Errorf("pace = %v, %v: %+v", pace, ok, p)
	}
	earliest, latest, ok := p.ResetBetween(now, now.Add(time.Second))
	if ok != p.ResetKnown || ok && (earliest.Before(now) || latest.Before(earliest)) {
		t.Errorf("resets between %v and %v, %v: %+v", earliest, latest, ok, p)
	}
}

// FuzzReset reads a value under a pin.
func FuzzReset(f *testing.F) {
	for pin, values := range map[Pin][]string{
		Auto:         {"37", "1795304437", "1795304437.5", "1795304437000", "1795304300", "6m30s", "120ms", "abc", "-1", "1e3", "2026-11-21T23:40:37Z"},
		DeltaSeconds: {"0.249", "99999999999999999999"},
		DeltaMillis:  {"600000"},
		EpochSeconds: {"1795304437.9999999999"},
		EpochMillis:  {"1795304437250.5"},
		Date:         {"Sat, 21 Nov 2026 23:40:37 GMT", "Sun Nov 22 2026 00:40:37 GMT+0100 (CET)", "2026-11-21T23:42Z", "2026-11-22T05:10:37.5+05:30"},
		Duration:     {"1m26.4s", "300µs", "5.s"},
	} {
		for _, value := range values {
			f.Add(value, uint8(pin))
		}
	}
	f.Fuzz(func(t *testing.T, value string, pin uint8) {
		for _, c := range []clock{{now: now}, {now: now, slack: time.Second}, {}} {
			r, ok := c.reset(value, Pin(pin))
			if !ok {
				continue
			}
			if r.after < 0 || r.after > MaxReset || r.unit <= 0 || r.unit > time.Minute+time.Second {
				t.Fatalf("%q under %d: %v in units of %v", value, pin, r.after, r.unit)
			}
			if again, _ := c.reset(value, Pin(pin)); again != r {
				t.Fatalf("%q under %d: %v and then %v", value, pin, r, again)
			}
			if again, ok := c.reset(r.after.String(), Duration); !ok || again.after != r.after {
				t.Fatalf("%q under %d: %v, written and read again: %v", value, pin, r.after, again.after)
			}
		}
	})
}

// FuzzList parses a structured field: what was parsed and is written again is parsed to the same.
func FuzzList(f *testing.F) {
	for _, field := range []string{
		`"default";r=50;t=30`, `"a";r=5;t=1, "b";r=0;t=60`, `"default";r=999;pk=:dHJpYWwxMjEzMjM=:`, `limit=100, remaining=25, reset=5`, `default;r=50`,
		`"d";r=1.5`, `100, 100;w=60;comment="fixed \"window\""`, `?1;a=@17;b=%"%c3%bc";c=*t/o:k;d=:iZ:`, `"a",`, `("a")`, "598.0",
	} {
		f.Add(field)
	}
	f.Fuzz(func(t *testing.T, field string) {
		if members, ok := parseDictionary(field); ok {
			for key, value := range members {
				if again, ok := parseDictionary(key + "=" + serializeBare(value)); !ok || !cmp.Equal(again[key], value) {
					t.Fatalf("%q: %s=%v becomes %v", field, key, value, again)
				}
			}
		}
		list, ok := parseList(field)
		if !ok {
			return
		}
		written := serialize(list)
		again, ok := parseList(written)
		if diff := cmp.Diff(list, again, cmp.AllowUnexported(item{})); diff != "" || !ok {
			t.Fatalf("%q, written as %q: %v (-first +again):\n%s", field, written, ok, diff)
		}
	})
}

// FuzzParse reads a block of header lines.
func FuzzParse(f *testing.F) {
	for _, block := range []string{
		"RateLimit: \"default\";r=50;t=30\nRateLimit-Policy: \"default\";q=100;w=60;qu=\"requests\"",
		"RateLimit: \"a\";r=5;t=1, \"b\";r=0;t=60\nRateLimit-Policy: \"b\";q=9;pk=:MQ==:\nAge: 0",
		"RateLimit: limit=100, remaining=25, reset=5\nRateLimit-Policy: 100;w=60, 1000;w=3600",
		"RateLimit-Limit: 100, 100;w=60, 1000;w=3600\nRateLimit-Remaining: 50\nRateLimit-Reset: 30",
		"Date: Sat, 21 Nov 2026 23:40:00 GMT\nX-RateLimit-Limit: 60\nX-RateLimit-Remaining: 0\nX-RateLimit-Reset: 1795304437",
		"X-RateLimit-Limit: 1000, 10\nX-RateLimit-Remaining: 999, 4\nX-RateLimit-Reset: 60, 1\nX-RateLimit-Reset-After: 0.5\nX-RateLimit-Bucket: abcd",
		"X-RateLimit-Remaining-Requests: 5\nX-RateLimit-Reset-Requests: 1m\nX-RateLimit-Remaining-Tokens: 0\nX-RateLimit-Reset-Tokens: 7.66s",
		"Anthropic-RateLimit-Requests-Remaining: 5\nAnthropic-RateLimit-Requests-Reset: 2026-11-21T23:40:37Z",
		"X-Contentful-RateLimit-Second-Limit: 10\nX-Contentful-RateLimit-Second-Remaining: 0\nX-Contentful-RateLimit-Reset: 1",
		"X-HubSpot-RateLimit-Interval-Milliseconds: 10000\nX-HubSpot-RateLimit-Max: 100\nX-HubSpot-RateLimit-Remaining: 98\nX-HubSpot-RateLimit-Daily: 9",
		"X-Shopify-Shop-Api-Call-Limit: 32/40\nX-Rate-Limit-Remaining: -1\nX-RateLimit-Limit: 10\nX-RateLimit-Used: 14",
	} {
		f.Add(block, uint8(Auto))
		f.Add(block, uint8(DeltaSeconds))
	}
	f.Fuzz(func(t *testing.T, block string, pin uint8) {
		h := http.Header{}
		for lines := bufio.NewScanner(strings.NewReader(block)); lines.Scan(); {
			key, value, _ := strings.Cut(lines.Text(), ":")
			h.Add(key, strings.Trim(value, " \t"))
		}
		before := maps.Clone(h)
		got, ok := Parse(h, now, Pin(pin))
		if ok != (len(got.Policies) > 0) {
			t.Fatalf("ok = %v with %d policies", ok, len(got.Policies))
		}
		for _, p := range got.Policies {
			checkPolicy(t, p)
		}
		again, _ := Parse(h, now, Pin(pin))
		if diff := cmp.Diff(got, again); diff != "" {
			t.Fatalf("not the same twice (-first +again):\n%s", diff)
		}
		if diff := cmp.Diff(before, h); diff != "" {
			t.Fatalf("the header was changed (-want +got):\n%s", diff)
		}
		tightest, ok := got.Tightest()
		if ok && (tightest.Unit != Requests || !tightest.RemainingKnown || !slices.Contains(got.Policies, tightest)) {
			t.Fatalf("%+v is tightest of %+v", tightest, got.Policies)
		}
		if pace, ok := got.Pace(); pace < 0 || !ok && pace != 0 {
			t.Fatalf("pace = %v, %v", pace, ok)
		}
		if hint, ok := got.Hint(); hint < 0 || hint > MaxReset || ok != (hint > 0) {
			t.Fatalf("hint = %v, %v", hint, ok)
		}
		checkRewritten(t, got)
	})
}

// checkRewritten writes policies as the standard has them, and reads them again.
func checkRewritten(t *testing.T, reading Reading) {
	t.Helper()
	h := http.Header{}
	var want []Policy
	for i, p := range reading.Policies {
		if !p.RemainingKnown || p.ResetKnown && p.Reset%time.Second != 0 || p.Window%time.Second != 0 || p.Limit >= 1e15 || strings.Trim(string(p.Unit), "abcdefghijklmnopqrstuvwxyz-") != "" {
			continue // the standard cannot say it
		}
		p.Source, p.Name = "RateLimit", fmt.Sprint("p", i)
		if p.Unit == "request" {
			p.Unit = Requests
		}
		if !p.LimitKnown {
			p.Window, p.Unit = 0, Requests
		}
		if p.ResetKnown {
			p.ResetUnit = time.Second
		}
		key := ":" + base64.StdEncoding.EncodeToString([]byte(p.Partition)) + ":"
		line := fmt.Sprintf("%q; r=%d; pk=%s", p.Name, p.Remaining, key)
		if p.ResetKnown {
			line += fmt.Sprintf("; t=%d", p.Reset/time.Second)
		}
		h.Add("RateLimit", line)
		if p.LimitKnown {
			line = fmt.Sprintf("%q;q=%d;pk=%s;qu=%q", p.Name, p.Limit, key, p.Unit)
			if p.Window > 0 {
				line += fmt.Sprintf(";w=%d", p.Window/time.Second)
			}
			h.Add("RateLimit-Policy", line)
		}
		want = append(want, p)
	}
	if len(want) == 0 || len(want) > maxMembers {
		return
	}
	got := standard(h, clock{now: now}, Auto)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("written as %q (-want +got):\n%s", h, diff)
	}
}
