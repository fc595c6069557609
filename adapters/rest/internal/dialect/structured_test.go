package dialect

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// bare makes an item without parameters.
func bare(value any) item { return item{value: value} }

func TestParseList(t *testing.T) {
	t.Parallel()
	for field, want := range map[string][]item{
		"":                   nil,
		"   ":                nil,
		"sugar, tea, rum":    {bare(sfToken("sugar")), bare(sfToken("tea")), bare(sfToken("rum"))},
		"a\t,\t b":           {bare(sfToken("a")), bare(sfToken("b"))},
		" a ":                {bare(sfToken("a"))},
		"a,b":                {bare(sfToken("a")), bare(sfToken("b"))},
		"5; foo=bar":         {{int64(5), map[string]any{"foo": sfToken("bar")}}},
		"5;a;  b=?0":         {{int64(5), map[string]any{"a": true, "b": false}}},
		"5;a=1;a=2":          {{int64(5), map[string]any{"a": int64(2)}}},
		"5;*k_-.*9=1":        {{int64(5), map[string]any{"*k_-.*9": int64(1)}}},
		"999999999999999":    {bare(int64(999999999999999))},
		"-999999999999999":   {bare(int64(-999999999999999))},
		"-0, 042":            {bare(int64(0)), bare(int64(42))},
		"4.5, -0.125":        {bare(4.5), bare(-0.125)},
		"123456789012.123":   {bare(123456789012.123)},
		`"a\"\\b"`:           {bare(sfString(`a"\b`))},
		`""`:                 {bare(sfString(""))},
		`" ~"`:               {bare(sfString(" ~"))},
		"foo123/456:*":       {bare(sfToken("foo123/456:*"))},
		"*foo!#$%&'+-.^_`|~": {bare(sfToken("*foo!#$%&'+-.^_`|~"))},
		":cHJldGVuZCB0aGlzIGlzIGJpbmFyeSBjb250ZW50Lg==:": {bare(sfBytes("pretend this is binary content."))},
		":aGVsbG8:, ::, :iZ==:, :+/+/:":                  {bare(sfBytes("hello")), bare(sfBytes("")), bare(sfBytes("\x89")), bare(sfBytes("\xfb\xff\xbf"))},
		"?1, ?0":                                         {bare(true), bare(false)},
		"@1659578233, @-62":                              {bare(sfDate(1659578233)), bare(sfDate(-62))},
		`%"This is intended for display to %c3%bcsers."`: {bare(sfDisplay("This is intended for display to üsers."))},
		`%"", %"%22%25"`:                                 {bare(sfDisplay("")), bare(sfDisplay(`"%`))},
		`%" ~"`:                                          {bare(sfDisplay(" ~"))},
	} {
		got, ok := parseList(field)
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(item{})); diff != "" || !ok {
			t.Errorf("%q: ok = %v (-want +got):\n%s", field, ok, diff)
		}
	}
	for _, field := range []string{
		",", "a,", "a,  ", ",a", "a,,b", "a b", "a;", "a; ", "a;=1", "a;B", "a;1=1", "a;b=", "a ;b", "a;b =1", "a;b= 1", "\ta",
		"1000000000000000", "-", "--1", "1.", ".1", "-.1", "1.2345", "1234567890123.1", "1.-2", "1e5", "+1", "5x",
		`"a`, `"`, `"\`, `"\a"`, "\"\x7f\"", "\"\x00\"", `"é"`, "é",
		":aGVsbG8=", ":aGVs bG8=:", ":a:", ":aG=VsbG8=:", ":aGVs\nbG8=:", ":-_:", ":====:x",
		"?", "?2", "?t", "?10", "@", "@1.5", "@x", "%", "%x", `%"`, `%"%`, `%"%c3"`, `%"%C3%BC"`, `%"%c`, `%"%zz"`, "%\"\x01\"",
		"()", "(a b)", "(", "[a]", "{}", "=a", ";a",
	} {
		if got, ok := parseList(field); ok {
			t.Errorf("%q is malformed, and read as %v", field, got)
		}
	}
}

func TestParseDictionary(t *testing.T) {
	t.Parallel()
	for field, want := range map[string]map[string]any{
		"":                                 {},
		"a=1,b=2;x=1;y=2":                  {"a": int64(1), "b": int64(2)},
		`en="Applepie", da=:w4Z0ZXJ0w6Y=:`: {"en": sfString("Applepie"), "da": sfBytes("Ætertæ")},
		"a=?0, b, c; foo=bar":              {"a": false, "b": true, "c": true},
		"a=1 , a=2":                        {"a": int64(2)},
		" *a=b/c ":                         {"*a": sfToken("b/c")},
	} {
		got, ok := parseDictionary(field)
		if diff := cmp.Diff(want, got); diff != "" || !ok {
			t.Errorf("%q: ok = %v (-want +got):\n%s", field, ok, diff)
		}
	}
	for _, field := range []string{"A=1", "1=1", "a=", "a=1,", "a==1", "a=1 b=2", "a = 1", "=1", "a=1;", "a=(1 2)", "a=1;B", `"a"=1`} {
		if got, ok := parseDictionary(field); ok {
			t.Errorf("%q is malformed, and read as %v", field, got)
		}
	}
}

// serialize writes a list as RFC 9651 section 4.1 does.
func serialize(list []item) string {
	var members []string
	for _, it := range list {
		var text strings.Builder
		text.WriteString(serializeBare(it.value))
		for _, key := range slices.Sorted(maps.Keys(it.params)) {
			text.WriteString(";" + key)
			if value := it.params[key]; value != true {
				text.WriteString("=" + serializeBare(value))
			}
		}
		members = append(members, text.String())
	}
	return strings.Join(members, ", ")
}

func serializeBare(value any) string {
	switch v := value.(type) {
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		text := strconv.FormatFloat(v, 'f', 3, 64)
		for strings.HasSuffix(text, "0") && !strings.HasSuffix(text, ".0") {
			text = text[:len(text)-1]
		}
		return text
	case bool:
		if v {
			return "?1"
		}
		return "?0"
	case sfString:
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(string(v)) + `"`
	case sfToken:
		return string(v)
	case sfBytes:
		return ":" + base64.StdEncoding.EncodeToString([]byte(v)) + ":"
	case sfDate:
		return "@" + strconv.FormatInt(int64(v), 10)
	case sfDisplay:
		var text strings.Builder
		text.WriteString(`%"`)
		for _, b := range []byte(v) {
			if b < ' ' || b > '~' || b == '"' || b == '%' {
				fmt.Fprintf(&text, "%%%02x", b)
			} else {
				text.WriteString(string(rune(b)))
			}
		}
		return text.String() + `"`
	default:
		return fmt.Sprintf("(%T)", value)
	}
}
