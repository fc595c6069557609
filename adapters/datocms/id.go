package datocms

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// NewID returns a random id for a new record: a UUID of version 4 (RFC 9562 section 5.4) as DatoCMS writes it, 22 characters
// of unpadded URL-safe base64 (RFC 4648 section 5).
func NewID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	return formatID(b)
}

// IDFor returns the id of a name, always the same. It has the form of [NewID], with bits of a SHA-256 checksum instead of
// random ones.
func IDFor(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return formatID([16]byte(sum[:16]))
}

func formatID(b [16]byte) string {
	b[6] = b[6]&0x0f | 0x40 // version 4
	b[8] = b[8]&0x3f | 0x80 // the variant of RFC 9562
	return base64.RawURLEncoding.EncodeToString(b[:])
}
