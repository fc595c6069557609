package rest

import (
	"bytes"
	"strings"
)

// isErrorBody reports whether a response holds nothing but an error, although its status says success:
//
//	{"error": "…"}, {"errors": […]}                      and what envelopes have beside them, in any order
//	{"error_code": 4, "error_msg": "…"}                  and what else begins with error; fault in its place
//	{"ok": false, "error": "…", "needed": "…"}           Slack; success or successful in place of ok
//	{"success": false, "message": "…"}                   many; 0 or "false" in place of false
//	{"status": "error", "message": "…"}                  many
//	{"status": "fail", "data": {…}}                      JSend
//	{"data": null, "errors": […], "extensions": {…}}     GraphQL, and {"data": {"create": null}, "errors": […]}
//	{"jsonrpc": "2.0", "id": 1, "error": {…}}            JSON-RPC
//
// A body that holds something else, too, such as a record with a field named error, is not an error body. A member that is
// null, "", {}, [] or a nesting of these does not count. The case of names does not matter.
func isErrorBody(body []byte) bool {
	m := members{rest: body}
	if !m.begin() {
		return false
	}
	var s signs
	for m.next() {
		if !s.see(&m, body) {
			return false
		}
	}
	// A body that is not one JSON object is not an error body.
	return m.ended() && s.error()
}

// signs are what the members of a body say about whether it is an error.
type signs struct {
	errors        bool // a member errors, possibly of a batch's items
	cause         bool // any other member for an error
	noError       bool // a member for an error that says "no error"
	text          bool // a message or a code
	refused       bool // ok or success is false, "false" or 0
	refusedByBool bool // it is the boolean false, beside which Slack and others put texts and numbers
	failed        bool // status is a word for an error
	jobWord       bool // status is "failed", which a record of a job has, too
	jsendFail     bool // status is "fail": in JSend data holds the error then
	data          bool // there is a member data
	dataHolds     bool // data is not empty
	emptyList     bool // an empty list, such as the records that a batch has created
	otherValue    bool // a number, a text or a boolean under another name
}

// see reads a member. It returns false when the body cannot be an error, whatever follows.
func (s *signs) see(m *members, body []byte) bool {
	kind := kindOf(m.name)
	s.data = s.data || kind == isData
	if nothing := m.nothing(); nothing != nil {
		s.emptyList = s.emptyList || (kind == isOther || kind == isRefusal) && bytes.IndexByte(nothing, '[') >= 0
		return true
	}
	switch kind {
	case isError:
		value := m.value()
		switch {
		case isFine(value):
			s.noError = true
		case strings.EqualFold(m.name, "errors"):
			s.errors = true
		default:
			s.cause = true
		}
	case isRefusal:
		switch word(m.value()) {
		case "false":
			s.refused, s.refusedByBool = true, true
		case `"false"`, "0":
			s.refused = true
		default:
			return false
		}
	case isText:
		s.text = !isNone(m.value()) || s.text
	case isBeside:
		m.value()
	case isStatus:
		return s.status(m, body)
	case isData:
		if !bytes.Contains(body, []byte(`"fail"`)) {
			return false
		}
		m.value()
		s.dataHolds = true
	case isID:
		return len(m.value()) > 0 && bytes.Contains(body, []byte(`"jsonrpc"`))
	default:
		if m.opens() && !strings.EqualFold(m.name, "parameters") {
			return false
		}
		m.value()
		return s.another(body)
	}
	return true
}

// status reads the member status. A number or a boolean does not count.
func (s *signs) status(m *members, body []byte) bool {
	if m.opens() {
		return false
	}
	value := m.value()
	if len(value) > 0 && value[0] != '"' {
		return true
	}
	switch strings.ToLower(stringOf(value)) {
	case "error", "err", "fail", "failure", "ko":
		s.failed, s.jsendFail = true, s.jsendFail || string(value) == `"fail"`
	case "failed":
		s.failed, s.jobWord = true, true
	default:
		return s.another(body)
	}
	return true
}

// another notes a value that may be a field of a record. With one, the body is an error only if ok or success is false.
func (s *signs) another(body []byte) bool {
	seen := s.otherValue
	s.otherValue = true
	return seen || mayRefuse(body)
}

// error reports whether the members make the body an error.
func (s *signs) error() bool {
	cause := s.errors || s.cause
	switch {
	case s.dataHolds:
		return s.jsendFail && !s.otherValue
	case s.otherValue:
		return s.refusedByBool && (cause || s.text)
	case s.refused:
		return true
	case s.jobWord && s.cause: // a record of a job, with the cause of its failure
		return false
	case s.failed && (cause || s.text || s.data):
		return true
	}
	return !s.noError && (s.cause || s.errors && !s.emptyList)
}

// kind is what a member is for, by its name.
type kind int

const (
	isOther kind = iota
	isError
	isRefusal
	isText
	isBeside // a member of the envelope
	isStatus
	isData
	isID
)

func kindOf(name string) kind {
	name = strings.ToLower(name)
	switch name {
	case "fault":
		return isError
	case "ok", "success", "successful":
		return isRefusal
	case "message", "msg", "detail", "description", "reason", "code":
		return isText
	case "statuscode", "extensions", "meta", "metadata", "response_metadata", "request_id", "requestid", "trace_id",
		"traceid", "timestamp", "path", "documentation_url", "messages", "warnings", "warning", "hint", "details", "jsonrpc":
		return isBeside
	case "status":
		return isStatus
	case "data":
		return isData
	case "id":
		return isID
	}
	if strings.HasPrefix(name, "error") {
		return isError
	}
	return isOther
}

// isFine reports whether the value of a member for an error, or its code, says "no error".
func isFine(value []byte) bool {
	if code := objectOf(value)["code"]; code != nil {
		value = code
	}
	return isNone(value)
}

// isNone reports whether a value stands for "no error".
func isNone(value []byte) bool {
	switch word(value) {
	case "false", `"false"`, "0", `"0"`, `"ok"`: // TikTok
		return true
	}
	return false
}

// word returns a value in lower case, and "" when it is longer than any word that is compared.
func word(value []byte) string {
	if len(value) > len(`"false"`) {
		return ""
	}
	return strings.ToLower(string(value))
}

// mayRefuse reports whether the text has an "ok", "success" or "successful" with the value false, at any depth.
func mayRefuse(body []byte) bool {
	for {
		before, after, found := bytes.Cut(body, []byte("false"))
		if !found {
			return false
		}
		name := bytes.TrimRight(before, space+":")
		for _, refusal := range []string{`"ok"`, `"success"`, `"successful"`} {
			if at := len(name) - len(refusal); at >= 0 && strings.EqualFold(string(name[at:]), refusal) {
				return true
			}
		}
		body = after
	}
}

// members iterates over the members of an object without decoding their values: for most responses the first member shows
// that they are no error.
type members struct {
	rest   []byte // not read yet; after next it begins with the value
	name   string
	closed bool
}

// begin reports whether the text is an object.
func (m *members) begin() bool {
	m.rest = bytes.TrimLeft(m.rest, space)
	if len(m.rest) == 0 || m.rest[0] != '{' {
		return false
	}
	m.rest = m.rest[1:]
	return true
}

// next goes to the next member. It returns false at the end, and where the text is not JSON. The value must be read before
// next is called again.
func (m *members) next() bool {
	m.rest = bytes.TrimLeft(m.rest, space+",")
	if len(m.rest) > 0 && m.rest[0] == '}' {
		m.rest, m.closed = m.rest[1:], true
		return false
	}
	n := valueLen(m.rest)
	if n < 2 || m.rest[0] != '"' {
		return false
	}
	m.name = string(m.rest[1 : n-1])
	m.rest = bytes.TrimLeft(m.rest[n:], space)
	if len(m.rest) == 0 || m.rest[0] != ':' {
		return false
	}
	m.rest = bytes.TrimLeft(m.rest[1:], space)
	return len(m.rest) > 0
}

// opens reports whether the value is an object or a list.
func (m *members) opens() bool {
	return m.rest[0] == '{' || m.rest[0] == '['
}

// value reads the value; empty if it is not JSON.
func (m *members) value() []byte {
	n := valueLen(m.rest)
	value := m.rest[:n]
	m.rest = m.rest[n:]
	return value
}

// nothing reads a value that is empty or a nesting of empty values, and returns it. For any other value it returns nil, and
// the value is still to be read.
func (m *members) nothing() []byte {
	n := nothingLen(m.rest)
	if n == 0 {
		return nil
	}
	value := m.rest[:n]
	m.rest = m.rest[n:]
	return value
}

// ended reports whether the object was read to its end, and nothing follows.
func (m *members) ended() bool { return m.closed && len(bytes.TrimLeft(m.rest, space)) == 0 }

// valueLen returns the length of the value at the beginning of a JSON text, 0 when there is none.
func valueLen(text []byte) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			end := stringEnd(text[i+1:])
			if end < 0 {
				return 0
			}
			if i += end + 1; depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < 0 {
				return i // the end of a number or a word
			}
			if depth == 0 {
				return i + 1
			}
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return i
			}
		}
	}
	if depth > 0 {
		return 0
	}
	return len(text)
}

// nothingLen returns the length of the value at the beginning of a JSON text if it is null, "", {}, [] or a nesting of
// these, and 0 otherwise.
func nothingLen(text []byte) int {
	depth := 0
	for i := 0; i < len(text); {
		switch text[i] {
		case '{', '[':
			depth++
			i++
		case '}', ']':
			if depth--; depth < 0 {
				return 0
			}
			i++
		case ',', ' ', '\t', '\r', '\n':
			i++
			continue
		case '"':
			if depth == 0 && !bytes.HasPrefix(text[i:], []byte(`""`)) {
				return 0 // its end does not matter
			}
			end := stringEnd(text[i+1:])
			if end < 0 {
				return 0
			}
			rest := bytes.TrimLeft(text[i+end+2:], space)
			if depth > 0 && len(rest) > 0 && rest[0] == ':' { // a name
				i = len(text) - len(rest) + 1
				continue
			}
			if end > 0 {
				return 0
			}
			i += 2
		default:
			if !bytes.HasPrefix(text[i:], []byte("null")) {
				return 0
			}
			i += len("null")
		}
		if depth == 0 {
			return i
		}
	}
	return 0
}

// stringEnd returns where the closing quote of a string is, -1 when there is none.
func stringEnd(text []byte) int {
	for at := 0; ; {
		i := bytes.IndexAny(text[at:], `"\`)
		if i < 0 {
			return -1
		}
		if at += i; text[at] == '"' {
			return at
		}
		if at += 2; at > len(text) {
			return -1
		}
	}
}
