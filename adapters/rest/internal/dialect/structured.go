package dialect

import (
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bare items of a structured field (RFC 9651 section 3.3) are one of these, or an int64 for an Integer, a float64 for a
// Decimal, a bool for a Boolean.
type (
	sfString  string
	sfToken   string
	sfBytes   string
	sfDate    int64
	sfDisplay string
)

// maxMembers is how many members a list may have: as many as RFC 9651 section 3.1 wants to be supported.
const maxMembers = 1024

// An item is a bare item with its parameters; if a parameter is repeated the last is kept.
type item struct {
	value  any
	params map[string]any
}

// parseList parses a List of Items (RFC 9651 section 4.2.1). Inner Lists are refused: no field that is read here may
// have them. An empty field is an empty list.
func parseList(s string) ([]item, bool) {
	p := &parser{strings.Trim(s, " ")}
	var list []item
	for p.rest != "" {
		it, ok := p.item()
		if !ok || !p.comma() || len(list) == maxMembers {
			return nil, false
		}
		list = append(list, it)
	}
	return list, true
}

// parseDictionary parses a Dictionary of Items (RFC 9651 section 4.2.2), without the members' parameters. If a key is
// repeated the last is kept.
func parseDictionary(s string) (map[string]any, bool) {
	p := &parser{strings.Trim(s, " ")}
	members := map[string]any{}
	for p.rest != "" {
		key, value, ok := p.pair()
		if !ok {
			return nil, false
		}
		if _, ok = p.params(); !ok || !p.comma() {
			return nil, false
		}
		members[key] = value
	}
	return members, true
}

// A parser consumes a field. Its methods return false if it is malformed, and must not be called after that.
type parser struct{ rest string }

// next consumes c, if it comes next.
func (p *parser) next(c byte) bool {
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

// while consumes the bytes for which in holds.
func (p *parser) while(in func(byte) bool) string {
	n := 0
	for n < len(p.rest) && in(p.rest[n]) {
		n++
	}
	taken := p.rest[:n]
	p.rest = p.rest[n:]
	return taken
}

// comma consumes the comma after a member, which another member must follow, unless that was the last.
func (p *parser) comma() bool {
	p.rest = strings.TrimLeft(p.rest, " \t")
	if p.rest == "" {
		return true
	}
	if !p.next(',') {
		return false
	}
	p.rest = strings.TrimLeft(p.rest, " \t")
	return p.rest != ""
}

func (p *parser) item() (item, bool) {
	value, ok := p.bareItem()
	if !ok {
		return item{}, false
	}
	params, ok := p.params()
	return item{value, params}, ok
}

// params is section 4.2.3.2.
func (p *parser) params() (map[string]any, bool) {
	var params map[string]any
	for p.next(';') {
		p.rest = strings.TrimLeft(p.rest, " ")
		key, value, ok := p.pair()
		if !ok {
			return nil, false
		}
		if params == nil {
			params = map[string]any{}
		}
		params[key] = value
	}
	return params, true
}

// pair parses a key (section 4.2.3.3) and its value, which is true if there is none.
func (p *parser) pair() (key string, value any, ok bool) {
	if p.rest == "" || !lower(p.rest[0]) && p.rest[0] != '*' {
		return "", nil, false
	}
	key = p.while(func(c byte) bool { return lower(c) || digit(c) || strings.IndexByte("_-.*", c) >= 0 })
	if !p.next('=') {
		return key, true, true
	}
	value, ok = p.bareItem()
	return key, value, ok
}

// bareItem is section 4.2.3.1.
func (p *parser) bareItem() (any, bool) {
	if p.rest == "" {
		return nil, false
	}
	switch c := p.rest[0]; {
	case c == '-' || digit(c):
		return p.number()
	case c == '"':
		return p.string()
	case c == '*' || letter(c):
		return sfToken(p.while(func(c byte) bool {
			return letter(c) || digit(c) || strings.IndexByte("!#$%&'*+-.^_`|~:/", c) >= 0
		})), true
	case c == ':':
		return p.bytes()
	case c == '?':
		return p.boolean()
	case c == '@':
		p.next('@')
		value, ok := p.number()
		n, whole := value.(int64)
		return sfDate(n), ok && whole
	case c == '%':
		return p.display()
	default:
		return nil, false
	}
}

// number is section 4.2.4: 15 digits, or 12 before the point and 3 after it.
func (p *parser) number() (any, bool) {
	sign := ""
	if p.next('-') {
		sign = "-"
	}
	whole := p.while(digit)
	if !p.next('.') {
		n, err := strconv.ParseInt(sign+whole, 10, 64)
		return n, err == nil && len(whole) <= 15
	}
	fraction := p.while(digit)
	f, err := strconv.ParseFloat(sign+whole+"."+fraction, 64)
	return f, err == nil && whole != "" && len(whole) <= 12 && fraction != "" && len(fraction) <= 3
}

// string is section 4.2.5.
func (p *parser) string() (any, bool) {
	p.next('"')
	var text strings.Builder
	for p.rest != "" {
		c := p.rest[0]
		p.rest = p.rest[1:]
		switch {
		case c == '"':
			return sfString(text.String()), true
		case c == '\\':
			if p.rest == "" || p.rest[0] != '"' && p.rest[0] != '\\' {
				return nil, false
			}
			c = p.rest[0]
			p.rest = p.rest[1:]
		case c < ' ' || c > '~':
			return nil, false
		}
		text.WriteByte(c)
	}
	return nil, false
}

// bytes is section 4.2.7. Missing padding and nonzero pad bits are accepted, as the RFC recommends; an example of the draft
// has the latter.
func (p *parser) bytes() (any, bool) {
	p.next(':')
	text := p.while(func(c byte) bool { return letter(c) || digit(c) || strings.IndexByte("+/=", c) >= 0 })
	data, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	return sfBytes(data), p.next(':') && err == nil
}

// boolean is section 4.2.8.
func (p *parser) boolean() (any, bool) {
	p.next('?')
	value := p.next('1')
	return value, value || p.next('0')
}

// display is section 4.2.10: a Display String, which is percent-encoded UTF-8.
func (p *parser) display() (any, bool) {
	p.next('%')
	if !p.next('"') {
		return nil, false
	}
	var text strings.Builder
	for p.rest != "" {
		c := p.rest[0]
		p.rest = p.rest[1:]
		switch {
		case c == '"':
			return sfDisplay(text.String()), utf8.ValidString(text.String())
		case c == '%':
			if len(p.rest) < 2 || strings.ToLower(p.rest[:2]) != p.rest[:2] {
				return nil, false
			}
			b, err := hex.DecodeString(p.rest[:2])
			if err != nil {
				return nil, false
			}
			c = b[0]
			p.rest = p.rest[2:]
		case c < ' ' || c > '~':
			return nil, false
		}
		text.WriteByte(c)
	}
	return nil, false
}

func digit(c byte) bool  { return '0' <= c && c <= '9' }
func lower(c byte) bool  { return 'a' <= c && c <= 'z' }
func letter(c byte) bool { return lower(c) || 'A' <= c && c <= 'Z' }
