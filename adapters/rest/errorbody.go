package rest

import (
	"bytes"
	"strings"
)

// isErrorBody reports whether an answer holds nothing but an error, although its status says success:
//
//	{"error": "…"}, {"errors": […]}                      and what envelopes have beside them, in any order
//	{"ok": false, "error": "…", "needed": "…"}           Slack; success in place of ok
//	{"success": false, "message": "…"}                   many
//	{"data": null, "errors": […], "extensions": {…}}     GraphQL, and {"data": {"create": null}, "errors": […]}
//	{"jsonrpc": "2.0", "id": 1, "error": {…}}            JSON-RPC
//
// What holds something else, too, is an answer, such as a record that has a field named error.
func isErrorBody(body []byte) bool {
	m := members{rest: body}
	if !m.begin() {
		return false
	}
	var cause, text, refused, more bool
	for m.next() {
		switch m.name {
		case "error", "errors":
			cause = !isNone(m.value()) || cause
		case "ok", "success":
			switch string(m.value()) {
			case "false":
				refused = true
			case "null":
			default:
				return false
			}
		case "message", "error_description", "detail", "description", "reason", "error_code", "errorCode":
			text = !isNone(m.value()) || text
		case "code", "statusCode", "extensions", "meta", "metadata", "response_metadata", "request_id", "requestId", "trace_id",
			"traceId", "timestamp", "path", "documentation_url", "messages", "warnings", "warning", "hint", "details", "jsonrpc":
			m.value()
		case "status":
			more = !isFailure(m.value()) || more
		case "data":
			if !m.nulls() {
				return false
			}
		case "id":
			if string(m.value()) != "null" && !bytes.Contains(body, []byte(`"jsonrpc"`)) {
				return false
			}
		default:
			if m.opens() && m.name != "parameters" {
				return false
			}
			more = string(m.value()) != "null" || more // which such as Slack tell beside an error
		}
		if more && !refused && !m.mayRefuse() {
			return false
		}
	}
	// What cannot be read is no error here, nor is what has something behind it.
	return m.ended() && (refused && (cause || text) || cause && !more)
}

// isNone reports whether a value is one of no error.
func isNone(value []byte) bool {
	switch string(value) {
	case "null", "[]", "{}", `""`, "false", "0":
		return true
	}
	return false
}

// isFailure reports whether a value of "status" is one of an error: a number, or a word for it. A job that has failed is a
// record.
func isFailure(value []byte) bool {
	if len(value) > 0 && value[0] != '"' {
		return value[0] != '{' && value[0] != '['
	}
	switch strings.ToLower(stringOf(value)) {
	case "error", "err", "fail", "failure", "ko":
		return true
	}
	return false
}

// members goes through the members of an object without making anything of their values: most answers show at their first
// member that they are no error.
type members struct {
	rest   []byte // what was not read yet; a value, after next
	name   string
	closed bool
}

// begin reports whether there is an object.
func (m *members) begin() bool {
	m.rest = bytes.TrimLeft(m.rest, space)
	if len(m.rest) == 0 || m.rest[0] != '{' {
		return false
	}
	m.rest = m.rest[1:]
	return true
}

// next goes to the next member. It returns false at the end, and where the text is no JSON. The value has to be read before
// it is called again.
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

// value reads the value. What is no JSON is nil.
func (m *members) value() []byte {
	n := valueLen(m.rest)
	value := m.rest[:n]
	m.rest = m.rest[n:]
	return value
}

// nulls reads the value, and reports whether it is null or an object all of whose members are, such as the data of a GraphQL
// request none of whose fields could be resolved. It reads no further than that shows.
func (m *members) nulls() bool {
	inner := members{rest: m.rest}
	if !inner.begin() {
		return string(m.value()) == "null"
	}
	some := false
	for inner.next() {
		if string(inner.value()) != "null" {
			return false
		}
		some = true
	}
	m.rest = inner.rest
	return some && inner.closed
}

// ended reports whether the object was read to its end, and nothing follows.
func (m *members) ended() bool { return m.closed && len(bytes.TrimLeft(m.rest, space)) == 0 }

// mayRefuse reports whether what is left may hold a member that is false: "ok" and "success" count wherever they stand.
func (m *members) mayRefuse() bool {
	return bytes.Contains(m.rest, []byte("false")) && (bytes.Contains(m.rest, []byte(`"ok"`)) || bytes.Contains(m.rest, []byte(`"success"`)))
}

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
				return i // of a number or a word before it
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
