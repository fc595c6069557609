// Package segment keeps ids and names within one segment of a URL's path. Servers such as nginx decode a path before they
// tidy it: what is escaped may be a slash and two dots by then, and name something outside the resource.
package segment

import (
	"net/url"
	"strings"
)

// What is wrong with an id.
const (
	empty   = "is empty: it would name the whole collection"
	slashes = "holds nothing but slashes: it would name the whole collection"
	dots    = "is a dot segment: it would name another path (RFC 3986 section 5.2.4)"
	within  = "holds a dot segment between slashes: it would name another path, since servers decode paths before they tidy them"
)

// Problem says why an id cannot be one segment of a path, escaped with [url.PathEscape], without the id. "" means that it
// can. A backslash counts as a slash, as some servers take it for one.
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

// HasDots reports whether a path that was decoded has a dot segment.
func HasDots(decoded string) bool {
	for part := range strings.FieldsFuncSeq(decoded, isSlash) {
		if part == "." || part == ".." {
			return true
		}
	}
	return false
}

func isSlash(r rune) bool { return r == '/' || r == '\\' }

// Escape returns a path in which what cannot stand in one is escaped, and nothing else: what is escaped stays so. It is a
// path that [url.URL.EscapedPath] leaves as it is. The path must be one that [url.PathUnescape] can read.
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

// mustEscape reports whether a byte is none of those that RFC 3986 section 3.3 lets stand in a path. A percent sign
// begins an escape.
func mustEscape(c rune) bool {
	switch {
	case 'a' <= c|0x20 && c|0x20 <= 'z' && c < 0x80, '0' <= c && c <= '9':
		return false
	}
	return !strings.ContainsRune("-._~!$&'()*+,;=:@/%", c)
}
