// Package segment keeps ids and names within one segment of a URL's path. Servers such as nginx decode a path before they
// resolve dot segments: an escaped slash and two dots would lead outside the resource.
package segment

import (
	"net/url"
	"strings"
)

// The problems of an id.
const (
	empty   = "is empty: it would name the whole collection"
	slashes = "holds nothing but slashes: it would name the whole collection"
	dots    = "is a dot segment: it would name another path (RFC 3986 section 5.2.4)"
	within  = "holds a dot segment between slashes: it would name another path, since servers decode paths before they tidy them"
)

// Problem returns why an id, escaped with [url.PathEscape], cannot be one segment of a path; "" if it can. The text does not
// hold the id. A backslash counts as a slash, as it does for some servers.
func Problem(id string) string {
	switch id {
	case "":
		return empty
	case ".", "..":
		return dots
	}
	switch {
	case HasDots(id):
		return within
	case strings.Trim(id, `/\`) == "":
		return slashes
	}
	return ""
}

// HasDots reports whether a decoded path has a dot segment.
func HasDots(decoded string) bool {
	for part := range strings.FieldsFuncSeq(decoded, isSlash) {
		if part == "." || part == ".." {
			return true
		}
	}
	return false
}

func isSlash(r rune) bool { return r == '/' || r == '\\' }

// Escape escapes the characters that a path must not contain, and keeps existing escapes. [url.URL.EscapedPath] does not
// change the result. The path must be valid for [url.PathUnescape].
func Escape(path string) string {
	if !strings.ContainsFunc(path, mustEscape) {
		return path
	}
	var b strings.Builder
	for i := range len(path) {
		if c := path[i]; mustEscape(rune(c)) {
			b.WriteString(url.PathEscape(path[i : i+1]))
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// mustEscape reports whether RFC 3986 section 3.3 does not allow a byte in a path. A percent sign begins an escape.
func mustEscape(c rune) bool {
	switch {
	case 'a' <= c|0x20 && c|0x20 <= 'z' && c < 0x80, '0' <= c && c <= '9':
		return false
	}
	return !strings.ContainsRune("-._~!$&'()*+,;=:@/%", c)
}
