// Package idem derives idempotency keys.
package idem

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// maxHeader is how long a key may be: Stripe's limit, the shortest known.
const maxHeader = 255

// RunID returns a new random name for a run.
func RunID() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // it never fails: crypto/rand.Read aborts the program instead
	return hex.EncodeToString(b[:])
}

// Fits reports whether a key can be sent in a header as it is: visible ASCII without quotes and backslashes, so that
// it is a valid structured-field string too (RFC 9651 section 3.3.3), and not too long.
func Fits(key string) bool {
	if key == "" || len(key) > maxHeader {
		return false
	}
	for _, c := range []byte(key) {
		if c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// Hash derives a key from the parts: the same parts always give the same key, in the form of a UUID of version 8
// (RFC 9562 section 5.8).
func Hash(parts ...string) string {
	h := sha256.New()
	for _, part := range parts { // lengths first, so that no two lists of parts read the same
		_ = binary.Write(h, binary.BigEndian, uint64(len(part)))
		h.Write([]byte(part))
	}
	u := h.Sum(nil)[:16]
	u[6] = u[6]&0x0f | 0x80
	u[8] = u[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}
