package journal

import (
	"encoding/hex"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/windrow-go/windrow"
)

// errForm says that a record is not in the canonical form.
var errForm = errors.New("not a record")

// parser reads the JSON of a record from left to right. After an error, which it keeps, it returns zero values.
type parser struct {
	rest     []byte
	keysOnly bool // strings other than keys are checked and not kept
	err      error
}

func (p *parser) fail() {
	p.err, p.rest = errForm, nil
}

// take skips s if it comes next.
func (p *parser) take(s string) bool {
	if len(p.rest) < len(s) || string(p.rest[:len(s)]) != s {
		return false
	}
	p.rest = p.rest[len(s):]
	return true
}

// want skips s, which must come next.
func (p *parser) want(s string) {
	if !p.take(s) {
		p.fail()
	}
}

// string reads a string. key says whether it is a key.
func (p *parser) string(key bool) string {
	p.want(`"`)
	for i, c := range p.rest {
		switch {
		case c == '"':
			text := p.rest[:i]
			p.rest = p.rest[i+1:]
			switch {
			case !utf8.Valid(text):
				p.fail()
				return ""
			case p.keysOnly && !key && i > 0:
				return "?"
			}
			return string(text)
		case c == '\\':
			return p.escaped()
		case c < ' ':
			p.fail()
			return ""
		}
	}
	p.fail()
	return ""
}

// escaped reads the rest of a string that has escapes, and checks that it is written as [appendString] writes it.
func (p *parser) escaped() string {
	var b strings.Builder
	all := p.rest
	for len(p.rest) > 0 {
		c := p.rest[0]
		if p.rest = p.rest[1:]; c == '"' {
			break
		}
		if c == '\\' {
			switch {
			case p.take("u"):
				c = p.control()
			case len(p.rest) > 0:
				c, p.rest = p.rest[0], p.rest[1:]
			}
		}
		b.WriteByte(c)
	}
	s := b.String()
	if len(s) > 1 && s[0] == binary[0] {
		bytes, err := hex.DecodeString(s[1:])
		if err != nil {
			p.fail()
			return ""
		}
		s = string(bytes)
	}
	written := all[:len(all)-len(p.rest)]
	if again := appendString(nil, s); p.err != nil || string(again[1:]) != string(written) {
		p.fail()
		return ""
	}
	return s
}

// control reads the four digits of an escaped control character.
func (p *parser) control() byte {
	if len(p.rest) < 4 {
		p.fail()
		return 0
	}
	n, err := strconv.ParseUint(string(p.rest[:4]), 16, 8)
	if err != nil {
		p.fail()
		return 0
	}
	p.rest = p.rest[4:]
	return byte(n)
}

// number reads a number that is not negative.
func (p *parser) number() int64 {
	n := int64(0)
	for i, c := range p.rest {
		if c < '0' || c > '9' {
			if i == 0 || p.rest[0] == '0' && i > 1 {
				break
			}
			p.rest = p.rest[i:]
			return n
		}
		if n > (math.MaxInt64-9)/10 {
			break
		}
		n = n*10 + int64(c-'0')
	}
	p.fail()
	return 0
}

// place reads the offset of a record; 0 is that of the header, and refused.
func (p *parser) place() int64 {
	n := p.number()
	if n == 0 {
		p.fail()
	}
	return n
}

// name reads one of the names and returns its index.
func (p *parser) name(names []string) int {
	end := slices.Index(p.rest, '"')
	if end < 0 {
		p.fail()
		return 0
	}
	i := slices.Index(names, string(p.rest[:end]))
	if i < 0 {
		p.fail()
		return 0
	}
	p.rest = p.rest[end+1:]
	return i
}

// filled reads a string that is not empty.
func (p *parser) filled(key bool) string {
	s := p.string(key)
	if s == "" {
		p.fail()
	}
	return s
}

var reasons = func() (names []string) {
	for r := windrow.NoReason; r <= windrow.ReasonDuplicate; r++ {
		names = append(names, r.String())
	}
	return names
}()

// parseRecord reads any record except the header.
func parseRecord(line []byte) (record, error) { return (&parser{rest: line}).record() }

func (p *parser) record() (r record, _ error) {
	if p.take(`{"t":"intent","k":[`) {
		p.intent(&r)
	} else {
		p.end(&r)
	}
	p.want("}")
	if len(p.rest) > 0 {
		p.fail()
	}
	if p.err != nil {
		return record{}, p.err
	}
	return r, nil
}

func (p *parser) end(r *record) {
	p.want(`{"t":"`)
	r.state = windrow.State(p.name(kinds[:]))
	p.want(`,"k":`)
	r.key = p.filled(true)
	if p.take(`,"r":"`) {
		if r.reason = windrow.Reason(p.name(reasons)); r.reason == windrow.NoReason {
			p.fail()
		}
	}
	if p.take(`,"id":`) {
		r.id = p.filled(false)
	}
	if p.take(`,"fp":`) {
		r.fingerprint = p.filled(false)
	}
	if p.take(`,"p":`) {
		r.previous = p.place()
	}
}

func (p *parser) intent(r *record) {
	r.intent, r.state = true, windrow.Unknown
	for {
		r.keys = append(r.keys, p.filled(true))
		if !p.take(",") {
			break
		}
	}
	p.want(`],"a":`)
	tries := p.number()
	if r.tries = int(tries); tries > maxTries {
		p.fail()
	}
	if p.take(`,"idem":`) {
		r.idem = p.filled(false)
	}
	if p.take(`,"h":`) {
		r.handle = p.filled(false)
	}
	if p.take(`,"i":`) {
		r.made = p.place()
	}
	if p.take(`,"p":[`) {
		p.before(r)
	}
}

func (p *parser) before(r *record) {
	some := false
	for i := range r.keys {
		if i > 0 {
			p.want(",")
		}
		before := int64(notMoved)
		if !p.take("-1") {
			before = p.number()
		}
		some = some || before != 0
		r.before = append(r.before, before)
	}
	if p.want("]"); !some {
		p.fail()
	}
}
