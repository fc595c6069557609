package rest

import (
	"net/http"
	"strings"
)

// nextLink returns the target of the first link of the header Link whose relation is "next" (RFC 8288 section 3), ""
// when there is none. A link that has an anchor is about something other than the page, and is not taken.
func nextLink(h http.Header) string {
	for _, field := range h.Values("Link") {
		for field != "" {
			var link webLink
			if link, field = cutLink(field); link.next && !link.anchor {
				return link.target
			}
		}
	}
	return ""
}

// webLink is one value of the header Link.
type webLink struct {
	target string
	next   bool
	anchor bool
}

// cutLink reads the first link of a field, and returns what follows it. What it cannot read is skipped, as in RFC 8288
// appendix B.2.
func cutLink(field string) (link webLink, rest string) {
	_, field, opened := strings.Cut(field, "<")
	target, rest, closed := strings.Cut(field, ">")
	if !opened || !closed {
		return link, ""
	}
	link.target = strings.TrimSpace(target)
	related := false // the first rel counts
	for {
		rest = strings.TrimLeft(rest, " \t")
		if rest == "" || rest[0] == ',' {
			return link, strings.TrimPrefix(rest, ",")
		}
		if rest[0] != ';' { // not a link value: continue after the next comma
			_, rest = cutText(rest, ",")
			return webLink{}, strings.TrimPrefix(rest, ",")
		}
		var name, value string
		name, rest = cutText(strings.TrimLeft(rest[1:], " \t"), "=;,")
		if strings.HasPrefix(rest, "=") {
			value, rest = cutText(strings.TrimLeft(rest[1:], " \t"), ";,")
		}
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "rel":
			if !related {
				related = true
				for relation := range strings.FieldsSeq(value) {
					link.next = link.next || strings.EqualFold(relation, "next")
				}
			}
		case "anchor":
			link.anchor = true
		}
	}
}

// cutText returns a quoted string without its quotes (RFC 9110 section 5.6.4), or the text before one of the ends, and the
// rest.
func cutText(s, ends string) (text, rest string) {
	if !strings.HasPrefix(s, `"`) {
		i := strings.IndexAny(s, ends)
		if i < 0 {
			i = len(s)
		}
		return strings.TrimSpace(s[:i]), s[i:]
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:]
		case '\\':
			if i++; i == len(s) {
				return b.String(), ""
			}
		}
		b.WriteByte(s[i])
	}
	return b.String(), ""
}
