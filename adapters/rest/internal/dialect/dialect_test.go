package dialect

import (
	"maps"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// now is the instant of the vectors.
var now = time.Date(2026, 11, 21, 23, 40, 0, 0, time.UTC)

// header makes a header of lines such as "X-RateLimit-Limit: 60".
func header(lines ...string) http.Header {
	h := http.Header{}
	for _, line := range lines {
		key, value, _ := strings.Cut(line, ":")
		h.Add(key, strings.Trim(value, " \t"))
	}
	return h
}

// known makes policies easier to write: what is set is known.
type known struct {
	source, name, partition string
	unit                    Unit
	limit, remaining        int64         // -1 when unknown
	reset, resetUnit        time.Duration // unknown when resetUnit is 0
	window                  time.Duration
}

func (k known) policy() Policy {
	p := Policy{Source: k.source, Name: k.name, Partition: k.partition, Unit: k.unit, Window: k.window}
	if p.Unit == "" {
		p.Unit = Requests
	}
	if k.limit >= 0 {
		p.Limit, p.LimitKnown = k.limit, true
	}
	if k.remaining >= 0 {
		p.Remaining, p.RemainingKnown = k.remaining, true
	}
	if k.resetUnit > 0 {
		p.Reset, p.ResetUnit, p.ResetKnown = k.reset, k.resetUnit, true
	}
	return p
}

func checkPolicies(t *testing.T, want []known, got []Policy) {
	t.Helper()
	var policies []Policy
	for _, k := range want {
		policies = append(policies, k.policy())
	}
	if diff := cmp.Diff(policies, got); diff != "" {
		t.Errorf("policies (-want +got):\n%s", diff)
	}
}

type parseTest struct {
	name  string
	lines []string
	pin   Pin
	want  []known
}

func runParse(t *testing.T, tests []parseTest) {
	t.Helper()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := header(test.lines...)
			before := maps.Clone(h)
			got, ok := Parse(h, now, test.pin)
			checkPolicies(t, test.want, got.Policies)
			if ok != (test.want != nil) {
				t.Errorf("ok = %v with policies %v", ok, got.Policies)
			}
			if diff := cmp.Diff(before, h); diff != "" {
				t.Errorf("the header was changed (-want +got):\n%s", diff)
			}
		})
	}
}

const sec = time.Second

func TestPrecedence(t *testing.T) {
	t.Parallel()
	structured := known{source: "RateLimit", name: "default", limit: -1, remaining: 50, reset: 30 * sec, resetUnit: sec}
	draft7 := known{source: "RateLimit", limit: 100, remaining: 25, reset: 5 * sec, resetUnit: sec}
	draft6 := known{source: "RateLimit-*", limit: 10, remaining: 1, reset: 7 * sec, resetUnit: sec}
	x := known{source: "X-RateLimit-*", limit: 60, remaining: 59, reset: 3 * sec, resetUnit: sec}
	older := []string{"RateLimit-Limit: 10", "RateLimit-Remaining: 1", "RateLimit-Reset: 7"}
	oldest := []string{"X-RateLimit-Limit: 60", "X-RateLimit-Remaining: 59", "X-RateLimit-Reset: 3"}
	with := func(lines ...string) []string { return append(append(lines, older...), oldest...) }
	bytes := known{source: "RateLimit", name: "bytes", unit: ContentBytes, limit: 1000, remaining: 900, reset: 9 * sec, resetUnit: sec, window: 10 * sec}
	plain := known{source: "RateLimit-Policy", name: "default", limit: 100, remaining: -1, window: 60 * sec}

	runParse(t, []parseTest{
		{name: "structured first", lines: with(`RateLimit: "default";r=50;t=30`), want: []known{structured}},
		{name: "draft 7 next", lines: with("RateLimit: limit=100, remaining=25, reset=5"), want: []known{draft7}},
		{name: "draft 6 next", lines: with(), want: []known{draft6}},
		{name: "X last", lines: oldest, want: []known{x}},
		{name: "malformed is absent", lines: with(`RateLimit: default;r=50`), want: []known{draft6}},
		{name: "bytes pace no requests", lines: append(oldest, `RateLimit: "bytes";r=900;t=9`, `RateLimit-Policy: "bytes";q=1000;w=10;qu="content-bytes"`), want: []known{bytes, x}},
		{name: "a policy says nothing of what remains", lines: append(oldest, `RateLimit-Policy: "default";q=100;w=60`), want: []known{plain, x}},
		{name: "a pin goes for Reset alone", lines: with(`RateLimit: "default";r=50;t=30`), pin: EpochSeconds, want: []known{structured}},
		{name: "standard without structured", lines: with(), pin: Standard, want: []known{draft6}},
		{name: "standard knows no X", lines: oldest, pin: Standard},
		{name: "off", lines: with(`RateLimit: "default";r=50;t=30`), pin: Off},
		{name: "no such pin", lines: with(`RateLimit: "default";r=50;t=30`), pin: Off + 1},
		{name: "nothing", lines: []string{"Content-Type: text/html", "X-Ms-Ratelimit-Burst-Remaining-Xrm-Requests: 5999"}},
	})
}

func TestCache(t *testing.T) {
	t.Parallel()
	for age, cached := range map[string]bool{
		"1": true, "0": false, "000": false, "3600": true, "99999999999999999999": true, " 7 ": true, "5, 0": true, "0, 5": false,
		"": false, "-1": false, "old": false, "1.5": false,
	} {
		h := header("RateLimit-Remaining: 5", "X-RateLimit-Remaining: 5")
		h["Age"] = []string{age}
		if _, ok := Parse(h, now, Auto); ok == cached {
			t.Errorf("Age %q: read = %v", age, ok)
		}
	}
}

// F12: the clock of the server counts, not the local one.
func TestDateCorrectsTheClock(t *testing.T) {
	t.Parallel()
	const date = "Date: Sat, 21 Nov 2026 23:40:00 GMT"
	for _, skew := range []time.Duration{0, 3 * time.Hour, -40 * time.Minute, 300 * 24 * time.Hour} {
		for _, test := range []struct {
			value string
			want  time.Duration
			unit  time.Duration
		}{
			{"1795304437", 37 * sec, 2 * sec},
			{"1795304437.5", 37*sec + 500*time.Millisecond, sec + 100*time.Millisecond},
			{"1795304437000", 37 * sec, sec + time.Millisecond},
			{"2026-11-21T23:40:37Z", 37 * sec, 2 * sec},
			{"1795304300", 0, 2 * sec},
			{"37", 37 * sec, sec}, // no clock, nothing to correct
		} {
			got, _ := Parse(header(date, "X-RateLimit-Remaining: 0", "X-RateLimit-Reset: "+test.value), now.Add(skew), Auto)
			checkPolicies(t, []known{{source: "X-RateLimit-*", limit: -1, reset: test.want, resetUnit: test.unit}}, got.Policies)
		}
	}
	t.Run("no date", func(t *testing.T) {
		for _, date := range []string{"", "Date: soon"} {
			got, _ := Parse(header(date, "X-RateLimit-Remaining: 0", "X-RateLimit-Reset: 1795304437"), now, Auto)
			checkPolicies(t, []known{{source: "X-RateLimit-*", limit: -1, reset: 37 * sec, resetUnit: sec}}, got.Policies)
		}
	})
}

func TestTightest(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, line, policy string
		want               string // "" for none
	}{
		{name: "one", line: `"a";r=5;t=1`, want: "a"},
		{name: "none left", line: `"a";r=5;t=1, "b";r=0;t=60`, want: "b"},
		{name: "runs out first", line: `"second";r=9;t=1, "day";r=50000;t=86000`, want: "second"},
		{name: "nearly used up", line: `"day";r=8;t=36000, "second";r=9;t=1`, want: "day"},
		{name: "resets last", line: `"a";r=0;t=5, "b";r=0;t=60, "c";r=0;t=6`, want: "b"},
		{name: "can be waited for", line: `"a";r=0, "b";r=0;t=60`, want: "b"},
		{name: "renewed already", line: `"a";r=0;t=0, "b";r=5;t=60`, want: "b"},
		{name: "renewed but the only one", line: `"a";r=0;t=0`, want: "a"},
		{name: "of equals the first", line: `"a";r=1;t=5, "b";r=1;t=5`, want: "a"},
		{name: "only requests", line: `"a";r=5;t=1, "b";r=0;t=60, "c";r=1;t=60`, policy: `"b";q=9;qu="content-bytes", "c";q=8;qu="concurrent-requests"`, want: "a"},
		{name: "no requests", line: `"b";r=0;t=60`, policy: `"b";q=9;qu="joules"`},
		{name: "nothing known to remain", policy: `"b";q=9;w=60`},
	} {
		h := header("RateLimit: "+test.line, "RateLimit-Policy: "+test.policy)
		reading, ok := Parse(h, now, Auto)
		if !ok {
			t.Errorf("%s: no policies", test.name)
		}
		got, ok := reading.Tightest()
		if got.Name != test.want || ok != (test.want != "") {
			t.Errorf("%s: tightest is %q, %v, want %q", test.name, got.Name, ok, test.want)
		}
	}
}

func TestPace(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, line, policy string
		want               float64 // -1 for none
	}{
		{"what remains until the reset", `"a";r=50;t=10`, ``, 5},
		{"the trap of draft -11 section 8.5", `"a";r=10000;t=10`, `"a";q=10000;w=1000`, 10},
		{"less remains than the policy allows", `"a";r=9;t=50`, `"a";q=100;w=60`, 0.18},
		{"nothing remains", `"a";r=0;t=50`, `"a";q=100;w=60`, 0},
		{"renewed already", `"a";r=0;t=0`, `"a";q=120;w=60`, 2},
		{"no reset: it has to last for the window", `"a";r=30`, `"a";q=120;w=60`, 0.5},
		{"a policy alone", ``, `"a";q=120;w=60`, 2},
		{"the slowest of several", `"second";r=9;t=1, "day";r=43200;t=86400`, `"second";q=10;w=1, "day";q=86400;w=86400`, 0.5},
		{"a quota of nothing", ``, `"a";q=0;w=60`, 0},
		{"no time", `"a";r=30`, `"a";q=120`, -1},
		{"bytes are no requests", `"a";r=300;t=60`, `"a";q=300;w=60;qu="content-bytes"`, -1},
		{"nor is concurrency", `"a";r=3;t=60`, `"a";q=8;qu="concurrent-requests"`, -1},
	} {
		reading, _ := Parse(header("RateLimit: "+test.line, "RateLimit-Policy: "+test.policy), now, Auto)
		got, ok := reading.Pace()
		if !ok {
			got = -1
		}
		if got != test.want {
			t.Errorf("%s: pace = %v, want %v", test.name, got, test.want)
		}
	}
}

func TestHint(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		lines []string
		want  time.Duration // 0 for none
	}{
		{"DatoCMS", []string{"X-RateLimit-Limit: 60", "X-RateLimit-Remaining: 0", "X-RateLimit-Reset: 3"}, 3 * sec},
		{"DatoCMS under load", []string{"X-RateLimit-Limit: 60", "X-RateLimit-Remaining: 41"}, 0},
		{"quota remains", []string{`RateLimit: "a";r=5;t=60`}, 0},
		{"the last of those that have none", []string{`RateLimit: "a";r=0;t=6, "b";r=0;t=60, "c";r=4;t=600`}, 60 * sec},
		{"another unit was violated", []string{`RateLimit: "a";r=4;t=6, "b";r=0;t=60`, `RateLimit-Policy: "b";q=9;qu="content-bytes"`}, 60 * sec},
		{"concurrency has no reset", []string{`RateLimit: "a";r=4;t=6, "b";r=0;t=60`, `RateLimit-Policy: "b";q=9;qu="concurrent-requests"`}, 0},
		{"Contentful's delivery API", []string{"X-Contentful-RateLimit-Second-Limit: 55", "X-Contentful-RateLimit-Reset: 1"}, sec},
		{"a reset alone", []string{"X-RateLimit-Reset: 4"}, 4 * sec},
		{"tokens are gone", []string{"X-RateLimit-Remaining-Tokens: 0", "X-RateLimit-Reset-Tokens: 7.66s", "X-RateLimit-Remaining-Requests: 5", "X-RateLimit-Reset-Requests: 1m"}, 7660 * time.Millisecond},
		{"in the past", []string{"X-RateLimit-Remaining: 0", "X-RateLimit-Reset: 1795304300"}, 0},
		{"nothing", nil, 0},
	} {
		reading, _ := Parse(header(test.lines...), now, Auto)
		got, ok := reading.Hint()
		if got != test.want || ok != (test.want > 0) {
			t.Errorf("%s: hint = %v, %v, want %v", test.name, got, ok, test.want)
		}
	}
}

// Layer 2 of the limiter intersects whole-second resets: 60 per 3 s, aligned to the server's clock.
func TestResetBetween(t *testing.T) {
	t.Parallel()
	truth := now.Add(1400 * time.Millisecond)
	earliest, latest := time.Time{}, now.Add(time.Hour)
	for _, at := range []time.Duration{0, 330, 350, 700, 1250} {
		sent := now.Add(at * time.Millisecond)
		answered, received := sent.Add(60*time.Millisecond), sent.Add(120*time.Millisecond)
		up := (truth.Sub(answered) + sec - 1) / sec
		reading, _ := Parse(header("X-RateLimit-Remaining: 7", "X-RateLimit-Reset: "+strconv.Itoa(int(up))), received, Auto)
		p, _ := reading.Tightest()
		from, to, ok := p.ResetBetween(sent, received)
		if !ok || p.ResetUnit != sec || !from.Before(truth) || to.Before(truth) {
			t.Fatalf("after %v: (%v, %v], %v, in units of %v, lacks %v", at, from, to, ok, p.ResetUnit, truth)
		}
		if from.After(earliest) {
			earliest = from
		}
		if to.Before(latest) {
			latest = to
		}
	}
	if spread := latest.Sub(earliest); spread > 200*time.Millisecond {
		t.Errorf("five answers leave %v", spread)
	}
	if _, _, ok := (Policy{}).ResetBetween(now, now); ok {
		t.Error("a policy without a reset has one")
	}
	if from, _, _ := (Policy{ResetUnit: sec, ResetKnown: true}).ResetBetween(now, now); !from.Equal(now) {
		t.Errorf("a reset that is due is at %v, before the request was sent", from)
	}
}
