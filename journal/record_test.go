package journal

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
)

var golden = []struct {
	json string
	rec  record
}{
	{`{"t":"intent","k":["a1"],"a":1,"idem":"a1"}`, record{intent: true, keys: []string{"a1"}, tries: 1, idem: "a1", state: unknown}},
	{`{"t":"intent","k":["a","b","c"],"a":0,"h":"job","i":117,"p":[117,-1,0]}`,
		record{intent: true, keys: []string{"a", "b", "c"}, handle: "job", made: 117, before: []int64{117, notMoved, 0}, state: unknown}},
	{`{"t":"done","k":"a1","id":"4711","p":117}`, record{key: "a1", state: succeeded, id: "4711", previous: 117}},
	{`{"t":"fail","k":"a","fp":"9f"}`, record{key: "a", state: failed, fingerprint: "9f"}},
	{`{"t":"skip","k":"a","r":"not_found"}`, record{key: "a", state: skipped, reason: windrow.ReasonNotFound}},
	{`{"t":"unknown","k":"a"}`, record{key: "a", state: unknown}},
	{`{"t":"none","k":"a","r":"duplicate","id":"i","fp":"f","p":9223372036854775799}`,
		record{key: "a", state: none, reason: windrow.ReasonDuplicate, id: "i", fingerprint: "f", previous: math.MaxInt64 - 8}},
	{`{"t":"done","k":"\"\\/<&>'\u0001\u000a\u001fü` + "\x7f\u2028" + `"}`, record{key: "\"\\/<&>'\x01\n\x1fü\x7f\u2028", state: succeeded}},
	{`{"t":"done","k":"\u0000ff41"}`, record{key: "\xffA", state: succeeded}},
	{`{"t":"done","k":"\u000000"}`, record{key: "\x00", state: succeeded}},
	{`{"t":"done","k":"a\u0000"}`, record{key: "a\x00", state: succeeded}},
}

// The form of the file must never change: journals are kept.
func TestRecordForm(t *testing.T) {
	t.Parallel()
	for _, g := range golden {
		check(t, "written", g.json, string(appendRecord(nil, &g.rec)))
		got, err := parseRecord([]byte(g.json))
		if err != nil {
			t.Errorf("%s: %v", g.json, err)
			continue
		}
		if diff := cmp.Diff(g.rec, got, cmp.AllowUnexported(record{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", g.json, diff)
		}
	}
	check(t, "line", "7bf359e4 {\"t\":\"done\",\"k\":\"a\"}\n", string(seal([]byte(room+`{"t":"done","k":"a"}`), 0, 7)))
	h := header{1, "import \"x\"\xff", windrow.OpUpsert, "slug", 3, "", time.Date(2026, 11, 21, 23, 40, 0, 5e8, time.UTC)}
	line, err := appendHeader(nil, h)
	must(t, err)
	check(t, "header", `{"v":1,"job":"\u0000696d706f727420227822ff","verb":"upsert","keyScheme":"slug","version":3,"created":"2026-11-21T23:40:00.5Z"}`, string(line))
	back, err := parseHeader(line)
	must(t, err)
	check(t, "header", h, back)
}

// Each record can be written in one way only, so that nothing is read that was not written.
func TestRecordsThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, json := range []string{
		``, `{}`, `[]`, `null`, `{"t":"done"}`, `{"t":"done","k":""}`, `{"t":"done","k":1}`, `{"t":"done","k":"a"`, `{"t":"done","k":"a"}}`, `{"t":"done","k":"a"} `,
		` {"t":"done","k":"a"}`, `{"t": "done","k":"a"}`, `{"k":"a","t":"done"}`, `{"t":"gone","k":"a"}`, `{"t":"","k":"a"}`, `{"t":"done`, `{"t":"done","k":"a`, `{"t":"done","k":"a\`,
		`{"t":"done","k":"a","r":""}`, `{"t":"done","k":"a","r":"whim"}`, `{"t":"done","k":"a","id":""}`, `{"t":"done","k":"a","fp":""}`, `{"t":"done","k":"a","p":0}`,
		`{"t":"done","k":"a","p":-1}`, `{"t":"done","k":"a","p":01}`, `{"t":"done","k":"a","p":1.0}`, `{"t":"done","k":"a","p":}`, `{"t":"done","k":"a","p":9223372036854775808}`,
		`{"t":"done","k":"a","p":99999999999999999999}`, `{"t":"done","k":"a","p":1`, `{"t":"done","k":"a","fp":"f","id":"i"}`, `{"t":"done","k":"a","id":"i","id":"i"}`,
		`{"t":"done","k":"\n"}`, `{"t":"done","k":"\t"}`, `{"t":"done","k":"\/"}`, `{"t":"done","k":"\u0041"}`, `{"t":"done","k":"\u000A"}`, `{"t":"done","k":"\u00"}`, `{"t":"done","k":"\u00`,
		`{"t":"done","k":"\u001g"}`, `{"t":"done","k":"\u0100"}`, `{"t":"done","k":"\u0000"}`, `{"t":"done","k":"\u00004"}`, `{"t":"done","k":"\u000041"}`, `{"t":"done","k":"\u0000FF"}`,
		`{"t":"done","k":"\u0000zz"}`, "{\"t\":\"done\",\"k\":\"\xff\"}", "{\"t\":\"done\",\"k\":\"\\\\\xff\"}", "{\"t\":\"done\",\"k\":\"\n\"}", "{\"t\":\"done\",\"k\":\"\\\\\n\"}", `{"t":"done","k":"\"`,
		`{"t":"intent","k":[],"a":1}`, `{"t":"intent","k":[""],"a":1}`, `{"t":"intent","k":["a",],"a":1}`, `{"t":"intent","k":["a"]}`, `{"t":"intent","k":["a"],"a":-1}`,
		`{"t":"intent","k":["a"],"a":1073741825}`, `{"t":"intent","k":["a"],"a":1,"p":[0]}`, `{"t":"intent","k":["a"],"a":1,"p":[]}`, `{"t":"intent","k":["a"],"a":1,"p":[7,7]}`,
		`{"t":"intent","k":["a","b"],"a":1,"p":[7]}`, `{"t":"intent","k":["a","b"],"a":1,"p":[7,-2]}`, `{"t":"intent","k":["a","b"],"a":1,"p":[7 7]}`, `{"t":"intent","k":["a"],"a":1,"i":0}`,
		`{"t":"intent","k":["a"],"a":1,"idem":""}`, `{"t":"intent","k":["a"],"a":1,"h":""}`, `{"t":"intent","k":["a"],"a":1,"h":"h","idem":"i"}`, `{"t":"intent","k":"a","a":1}`,
		`{"t":"intent","k":["a"],"a":1,"p":[7]`, `{"t":"intent","k":["a"],"a":}`, `{"t":"intent","k":["a"],"a":,"h":"h"}`, `{"t":"intent","k":["a","b"],"a":1,"p":[,7]}`,
		`{"t":"intent","k":["a"],"a":01}`, `{"t":"intent","k":["a"],"a":`,
	} {
		if r, err := parseRecord([]byte(json)); err == nil {
			t.Errorf("%s is read as %+v", json, r)
		}
	}
	for _, json := range []string{
		``, `{}`, `{"v":0}`, `{"v":1}`, `{"v":1,"job":"x","verb":"fly","keyScheme":"","version":0,"created":"2026-11-21T23:40:00Z"}`,
		`{"v":1,"job":"x","verb":"do","keyScheme":"","version":0,"created":"2026-11-21T23:40:00Z","more":1}`, `{"v":1,"job":"x","verb":"do","keyScheme":"","version":0,"created":"today"}`,
		`{"v":0,"job":"x","verb":"do","keyScheme":"","version":0,"created":"2026-11-21T23:40:00Z"}`, `{"v":-1,"job":"x","verb":"do","keyScheme":"","version":0,"created":"2026-11-21T23:40:00Z"}`,
		`{"v":1,"job":"\u0041","verb":"do","keyScheme":"","version":0,"created":"2026-11-21T23:40:00Z"}`, `{"v":1,"job":"x","verb":"do","keyScheme":"","version":0.0,"created":"2026-11-21T23:40:00Z"}`,
		`{"job":"x","v":1,"verb":"do","keyScheme":"","version":0,"created":"2026-11-21T23:40:00Z"}`,
	} {
		if h, err := parseHeader([]byte(json)); err == nil {
			t.Errorf("%s is read as %+v", json, h)
		}
	}
	h, err := parseHeader([]byte(`{"v":1,"job":"x","verb":"do","keyScheme":"","version":0,"created":"2026-11-21T23:40:00Z"}`))
	check(t, "a good one", header{1, "x", windrow.OpDo, "", 0, "", time.Date(2026, 11, 21, 23, 40, 0, 0, time.UTC)}, h)
	must(t, err)
	if _, err := parseHeader([]byte(`{"v":17}`)); err != (errFormat{17}) {
		t.Error(err)
	}
}

// All strings come back as they were, and no two are written alike.
func TestStrings(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 1))
	seen := map[string]string{}
	for range 20_000 {
		raw := make([]byte, r.IntN(6))
		for i := range raw {
			raw[i] = []byte("\x00\x01\x1f \"\\/ab09u\x7f\xc3\xbc\xe2\x80\xa8\xff")[r.IntN(19)]
		}
		s := string(raw)
		written := string(appendString(nil, s))
		if !utf8.ValidString(written) || strings.ContainsAny(written, "\n\x00") {
			t.Fatalf("%q is written as %q", s, written)
		}
		if other, twice := seen[written]; twice && other != s {
			t.Fatalf("%q and %q are written as %s", s, other, written)
		}
		seen[written] = s
		p := parser{rest: []byte(written + "rest")}
		if got := p.string(true); p.err != nil || got != s || string(p.rest) != "rest" {
			t.Fatalf("%q is written as %s and read as %q, %v", s, written, got, p.err)
		}
		for range 3 { // other bytes are refused, or are another string's
			other := []byte(written)
			other[r.IntN(len(other))] = []byte("\x00\x01\" \\aAfF0u\xff")[r.IntN(12)]
			p := parser{rest: slices.Clone(other)}
			if got := p.string(true); p.err == nil && string(appendString(nil, got)) != string(other[:len(other)-len(p.rest)]) {
				t.Fatalf("%s is read as %q, which is not written so", other, got)
			}
		}
	}
}

// The checksum covers the number.
func TestUnseal(t *testing.T) {
	t.Parallel()
	line := seal([]byte("before"+room+"{}"), 6, 1<<40+3)
	if string(line[:6]) != "before" || line[len(line)-1] != '\n' {
		t.Fatalf("%q", line)
	}
	line = line[6 : len(line)-1]
	record, ok := unseal(line, 1<<40+3)
	if !ok || string(record) != "{}" {
		t.Errorf("%q, %v", record, ok)
	}
	for _, number := range []uint64{0, 3, 4, 1<<40 + 2, 1 << 40} {
		if _, ok := unseal(line, number); ok {
			t.Errorf("number %d passes", number)
		}
	}
	for size := range len(line) {
		if _, ok := unseal(line[:size], 1<<40+3); ok {
			t.Errorf("%d bytes pass", size)
		}
	}
}

// Texts that people read.
func TestErrorTexts(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err  error
		want string
	}{
		{&CorruptError{"j", 120, 3, "the checksum is wrong"}, "journal: j: at byte 120 (line 3): the checksum is wrong: put the file back from a backup; " +
			"to give up what was recorded from there on, cut it to 120 bytes and check with the server"},
		{&CorruptError{"j", 120, 0, "not a record"}, "journal: j: at byte 120: not a record: put the file back from a backup; " +
			"to give up what was recorded from there on, cut it to 120 bytes and check with the server"},
		{&CorruptError{"j", 0, 1, "it does not begin as a journal does"},
			"journal: j: at byte 0: it does not begin as a journal does: is it a journal? Name another file, or put the journal back from a backup"},
		{&MismatchError{"j", "job", `"a"`, `"b"`}, `journal: j: its job is "a", not "b": name another file, or remove this one if its records are no longer needed`},
		{&DiskError{"j", "read", errors.New("oh")}, "journal: j: read: oh"},
		{&DiskError{"j", "sync", errors.New("oh")}, "journal: j: sync: oh: nothing more is recorded; remove the cause and open it again"},
	} {
		check(t, "text", test.want, test.err.Error())
	}
}
