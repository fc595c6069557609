package dialect

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// std is a service limit of which no policy is known.
func std(name string, remaining int64, reset time.Duration) known {
	return known{source: "RateLimit", name: name, limit: -1, remaining: remaining, reset: reset, resetUnit: sec}
}

// The vectors of the drafts, and those of their own examples.
func TestStandardVectors(t *testing.T) {
	t.Parallel()
	runParse(t, []parseTest{
		{name: "drafts 8 to 11", lines: []string{`RateLimit: "default";r=50;t=30`}, want: []known{std("default", 50, 30*sec)}},
		{name: "draft 8 with spaces", lines: []string{`RateLimit: "default"; r=50; t=30`}, want: []known{std("default", 50, 30*sec)}},
		{name: "no reset", lines: []string{`RateLimit: "default";r=999;pk=:dHJpYWwxMjEzMjM=:`}, want: []known{
			{source: "RateLimit", name: "default", partition: "trial121323", limit: -1, remaining: 999},
		}},
		{name: "several", lines: []string{`RateLimit: "a";r=5;t=1, "b";r=0;t=60`}, want: []known{std("a", 5, sec), std("b", 0, time.Minute)}},
		{name: "several lines", lines: []string{`RateLimit: "a";r=5;t=1`, `RateLimit: `, `RateLimit: "b";r=0;t=60`}, want: []known{std("a", 5, sec), std("b", 0, time.Minute)}},
		{name: "none left", lines: []string{`RateLimit: "problemPolicy";r=0;t=10`}, want: []known{std("problemPolicy", 0, 10*sec)}},
		{name: "draft 7", lines: []string{"RateLimit: limit=100, remaining=25, reset=5"}, want: []known{
			{source: "RateLimit", limit: 100, remaining: 25, reset: 5 * sec, resetUnit: sec},
		}},
		{name: "policies", lines: []string{`RateLimit-Policy: "burst";q=100;w=60,"daily";q=1000;w=86400`}, want: []known{
			{source: "RateLimit-Policy", name: "burst", limit: 100, remaining: -1, window: time.Minute},
			{source: "RateLimit-Policy", name: "daily", limit: 1000, remaining: -1, window: 24 * time.Hour},
		}},
		{name: "draft 8 in full", lines: []string{`RateLimit: "name"; r=50; t=30; pk=:NTA=:`, `RateLimit-Policy: "name"; q=100; w=60; pk=:NTA=:`}, want: []known{
			{source: "RateLimit", name: "name", partition: "50", limit: 100, remaining: 50, reset: 30 * sec, resetUnit: sec, window: time.Minute},
		}},
		{name: "draft 11 B.3.1", lines: []string{`RateLimit-Policy: "hour";q=1000;w=3600, "day";q=5000;w=86400`, `RateLimit: "day";r=100;t=36000`}, want: []known{
			{source: "RateLimit", name: "day", limit: 5000, remaining: 100, reset: 10 * time.Hour, resetUnit: sec, window: 24 * time.Hour},
			{source: "RateLimit-Policy", name: "hour", limit: 1000, remaining: -1, window: time.Hour},
		}},
		{name: "draft 11 3.2: bytes, and pad bits", lines: []string{`RateLimit-Policy: "peruser";q=65535;qu="content-bytes";w=10;pk=:sdfjLJUOUH==:`}, want: []known{
			{source: "RateLimit-Policy", name: "peruser", partition: "\xb1\xd7\xe3\x2c\x95\x0e\x50", unit: ContentBytes, limit: 65535, remaining: -1, window: 10 * sec},
		}},
		{name: "draft 11 FAQ: comments", lines: []string{`RateLimit-Policy: "sliding";q=100;w=60;burst=1000`, `RateLimit-Policy: "fixed";q=5000;w=3600;burst=0`, `RateLimit: "sliding";r=50;t=44`}, want: []known{
			{source: "RateLimit", name: "sliding", limit: 100, remaining: 50, reset: 44 * sec, resetUnit: sec, window: time.Minute},
			{source: "RateLimit-Policy", name: "fixed", limit: 5000, remaining: -1, window: time.Hour},
		}},
		{name: "draft 11 8.5: the trap", lines: []string{`RateLimit-Policy: "somepolicy";q=10000;w=1000`, `RateLimit: "somepolicy";r=10000;t=10`}, want: []known{
			{source: "RateLimit", name: "somepolicy", limit: 10000, remaining: 10000, reset: 10 * sec, resetUnit: sec, window: 1000 * sec},
		}},
		{name: "draft 7 with policies", lines: []string{"RateLimit-Policy: 10;w=1, 50;w=60, 1000;w=3600", "RateLimit: limit=50, remaining=9, reset=5"}, want: []known{
			{source: "RateLimit", limit: 50, remaining: 9, reset: 5 * sec, resetUnit: sec, window: time.Minute},
			{source: "RateLimit-Policy", limit: 10, remaining: -1, window: sec},
			{source: "RateLimit-Policy", limit: 1000, remaining: -1, window: time.Hour},
		}},
		{name: "draft 6", lines: []string{"RateLimit-Limit: 100", "RateLimit-Remaining: 25", "RateLimit-Reset: 5", "RateLimit-Policy: 100;w=60"}, want: []known{
			{source: "RateLimit-*", limit: 100, remaining: 25, reset: 5 * sec, resetUnit: sec, window: time.Minute},
		}},
		{name: "draft 1 3.1", lines: []string{"RateLimit-Limit: 10, 10;w=1;burst=1000, 1000;w=3600", "RateLimit-Remaining: 3", "RateLimit-Reset: 1"}, want: []known{
			{source: "RateLimit-*", limit: 10, remaining: 3, reset: sec, resetUnit: sec, window: sec},
			{source: "RateLimit-*", limit: 1000, remaining: -1, window: time.Hour},
		}},
	})
}

func TestStandard(t *testing.T) {
	t.Parallel()
	runParse(t, []parseTest{
		{name: "unknown parameters of every type", lines: []string{`RateLimit: "a";acme-burst;n=-1;d=1.5;s="x;r=9";t=30;b=?0;at=@17;disp=%"f%c3%bc";tok=*a/b:c;r=5`}, want: []known{std("a", 5, 30*sec)}},
		{name: "a limit in RateLimit is a comment", lines: []string{`RateLimit: "sliding";q=12;r=6;t=1`}, want: []known{std("sliding", 6, sec)}},
		{name: "the last of two counts", lines: []string{`RateLimit: "a";r=5;t=1;r=6`}, want: []known{std("a", 6, sec)}},
		{name: "no name", lines: []string{`RateLimit: "";r=5;t=1`}, want: []known{std("", 5, sec)}},
		{name: "quotes in a name", lines: []string{`RateLimit: "a\"b\\, c";r=5;t=1`}, want: []known{std(`a"b\, c`, 5, sec)}},
		{name: "a comma in a name that is split over lines", lines: []string{`RateLimit: "a`, `RateLimit: b";r=5;t=1`}, want: []known{std("a, b", 5, sec)}},
		{name: "bounds", lines: []string{`RateLimit: "a";r=999999999999999;t=90000`, `RateLimit-Policy: "a";q=999999999999999;w=31622400`}, want: []known{
			{source: "RateLimit", name: "a", limit: 999999999999999, remaining: 999999999999999, reset: MaxReset, resetUnit: sec, window: maxWindow},
		}},
		{name: "beyond the sanity window", lines: []string{`RateLimit: "a";r=0;t=90001`, `RateLimit-Policy: "a";q=100;w=31622401`}, want: []known{
			{source: "RateLimit", name: "a", limit: 100},
		}},
		{name: "a quota of requests, as the registry has it", lines: []string{`RateLimit-Policy: "a";q=1;qu="request"`}, want: []known{{source: "RateLimit-Policy", name: "a", limit: 1, remaining: -1}}},
		{name: "a unit nobody registered", lines: []string{`RateLimit-Policy: "a";q=1;qu="joules"`, `RateLimit: "a";r=1`}, want: []known{{source: "RateLimit", name: "a", unit: "joules", limit: 1, remaining: 1}}},
		{name: "one quota for each partition", lines: []string{`RateLimit: "a";r=5;pk=:MQ==:, "a";r=6;pk=:Mg==:`, `RateLimit-Policy: "a";q=20;pk=:Mg==:, "a";q=10;pk=:MQ==:`}, want: []known{
			{source: "RateLimit", name: "a", partition: "1", limit: 10, remaining: 5},
			{source: "RateLimit", name: "a", partition: "2", limit: 20, remaining: 6},
		}},
		{name: "one quota for all partitions", lines: []string{`RateLimit: "a";r=5;pk=:MQ==:, "a";r=6;pk=:Mg==:`, `RateLimit-Policy: "a";q=20`}, want: []known{
			{source: "RateLimit", name: "a", partition: "1", limit: 20, remaining: 5},
			{source: "RateLimit", name: "a", partition: "2", limit: 20, remaining: 6},
		}},
		{name: "another partition's quota", lines: []string{`RateLimit: "a";r=5;pk=:MQ==:`, `RateLimit-Policy: "a";q=20;pk=:Mg==:`}, want: []known{
			{source: "RateLimit", name: "a", partition: "1", limit: -1, remaining: 5},
			{source: "RateLimit-Policy", name: "a", partition: "2", limit: 20, remaining: -1},
		}},
		{name: "a malformed policy does not spoil RateLimit", lines: []string{`RateLimit: "a";r=5;t=1`, `RateLimit-Policy: "a";q=ten`}, want: []known{std("a", 5, sec)}},
		{name: "draft 7: no reset", lines: []string{"RateLimit: limit=100, remaining=50"}, want: []known{{source: "RateLimit", limit: 100, remaining: 50}}},
		{name: "draft 7: no remaining", lines: []string{"RateLimit: limit=100,reset=50"}, want: []known{{source: "RateLimit", limit: 100, remaining: -1, reset: 50 * sec, resetUnit: sec}}},
		{name: "draft 7: lines, parameters, unknown keys", lines: []string{"RateLimit: limit=100;w=60, acme=token", "RateLimit: remaining=50;x", "RateLimit: reset=3"}, want: []known{
			{source: "RateLimit", limit: 100, remaining: 50, reset: 3 * sec, resetUnit: sec},
		}},
		{name: "draft 7: what follows a semicolon is a parameter", lines: []string{"RateLimit: limit=100; remaining=5; reset=5"}, want: []known{{source: "RateLimit", limit: 100, remaining: -1}}},
		{name: "draft 6: only what is there", lines: []string{"RateLimit-Remaining: 0"}, want: []known{{source: "RateLimit-*", limit: -1}}},
		{name: "draft 6: another unit keeps it", lines: []string{"RateLimit-Limit-Tokens: 100", "RateLimit-Policy: 100;w=60"}, want: []known{
			{source: "RateLimit-*", name: "tokens", unit: "tokens", limit: 100, remaining: -1, window: time.Minute},
		}},
		{name: "draft 6: GitLab", lines: []string{
			"RateLimit-Limit: 60", "RateLimit-Name: throttle_authenticated_web", "RateLimit-Observed: 67", "RateLimit-Reset: 1795304437", "RateLimit-ResetTime: Sat, 21 Nov 2026 23:40:37 GMT",
		}, want: []known{{source: "RateLimit-*", name: "throttle_authenticated_web", limit: 60, remaining: 0, reset: 37 * sec, resetUnit: sec}}},
		{name: "draft 6: a reason is no policy", lines: []string{"RateLimit-Reason: jira-burst-based"}},
		{name: "empty", lines: []string{"RateLimit: ", "RateLimit-Policy: "}},
	})
}

// "Malformed RateLimit header fields MUST be ignored."
func TestMalformedIsIgnored(t *testing.T) {
	t.Parallel()
	var tests []parseTest
	add := func(field string, values ...string) {
		for _, value := range values {
			tests = append(tests, parseTest{name: field + " " + value, lines: []string{field + ": " + value}})
		}
	}
	limits := []string{
		`default;r=50`, `"d";r=-1`, `"d";r=1.5`, `"d"`, // the vectors
		`50;r=5`, `?1;r=5`, `:MQ==:;r=5`, `("d");r=5`, `"d";t=5`, `"d";r`, `"d";r="5"`, `"d";r=five`, `"d";R=5`,
		`"d";r=1000000000000000`, `"d";r=5;t=-1`, `"d";r=5;t=1.0`, `"d";r=5;t="1"`, `"d";r=5;t`, `"d";r=5;pk="1"`, `"d";r=5;pk=MQ`, `"d";r=5;pk=:M:`,
		`"d;r=5`, `"d" ;r=5`, `"d";r =5`, `"d";r= 5`, `"d";r=5;`, `"d";r=5,`, `,"d";r=5`, `"d";r=5 "e";r=5`, `"d";r=5,,"e";r=5`,
		`"dü";r=5`, "\"d\t\";r=5", `"d\n";r=5`, `'d';r=5`, `"d";r=5, e;r=5`, `"d";r=5, "e";r=-1`, `"d";r=5x`,
		`limit`, `limit=100;`, `limit=-1, reset=5`, `limit=100.0, reset=5`, `limit="100", reset=5`, `remaining=5, reset=5`,
		`limit=100, remaining=-1, reset=5`, `limit=100, remaining=5, reset=soon`, `limit=100, remaining=5, reset=-5`, `LIMIT=100`,
	}
	for i := range limits {
		if strings.HasPrefix(limits[i], `"d`) {
			add("RateLimit", strings.Replace(limits[i], `"d`, `"ok";r=5;t=5, "d`, 1)) // the rest of the field is lost too
		}
	}
	add("RateLimit", limits...)
	add("RateLimit-Policy",
		`default;q=50`, `"d"`, `"d";q=-1`, `"d";q=1.5`, `"d";w=60`, `"d";q=5;w=0`, `"d";q=5;w=-1`, `"d";q=5;w=1.5`, `"d";q=5;w="60"`, `"d";q=5;qu=requests`, `"d";q=5;qu=""`,
		`"d";q=5;pk=1`, `"ok";q=5, "d"`, `100;w=0`, `-100;w=60`, `100.5;w=60`, `100;w=60,`, `limit=100`,
	)
	many := make([]string, maxMembers+1)
	for i := range many {
		many[i] = fmt.Sprintf(`"p%d";r=5`, i)
	}
	tests = append(tests, parseTest{name: "too many members", lines: []string{"RateLimit: " + strings.Join(many, ",")}})
	runParse(t, tests)
	if got, _ := Parse(header("RateLimit: "+strings.Join(many[:maxMembers], ",")), now, Auto); len(got.Policies) != maxMembers {
		t.Errorf("%d of %d policies are read", len(got.Policies), maxMembers)
	}
}
