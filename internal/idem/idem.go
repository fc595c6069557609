// Package idem derives idempotency keys.
package idem

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
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
	data := make([]byte, 0, 256)
	for _, part := range parts {
		data = appendPart(data, part)
	}
	return form(sha256.Sum256(data))
}

// Scoped derives a key from a name within a scope: the same name in another scope, and for another operation, gives another.
func Scoped(scope, op, name string) string { return Hash(scoped, scope, op, name) }

// scoped begins the parts of what is derived within a scope. No operation has that name, with which the parts begin of what
// is derived without one.
const scoped = "in a scope"

// NewScoped returns a digest of parts within a scope; without one, as [NewDigest].
func NewScoped(scope string) *Digest {
	d := NewDigest()
	if scope != "" {
		d.Add(scoped)
		d.Add(scope)
	}
	return d
}

// Digest derives a key as [Hash] does, from any number of parts that come one by one.
type Digest struct {
	hash hash.Hash
	data []byte // not hashed yet
}

// NewDigest returns a digest of no parts.
func NewDigest() *Digest { return &Digest{hash: sha256.New(), data: make([]byte, 0, 256)} }

// Add takes the next part.
func (d *Digest) Add(part string) {
	if d.data = appendPart(d.data, part); len(d.data) > cap(d.data)/2 {
		d.hash.Write(d.data)
		d.data = d.data[:0]
	}
}

// Key returns the key of the parts so far.
func (d *Digest) Key() string {
	d.hash.Write(d.data)
	d.data = d.data[:0]
	return form([sha256.Size]byte(d.hash.Sum(nil)))
}

// appendPart appends a part after its length, so that no two lists of parts read the same.
func appendPart(data []byte, part string) []byte {
	data = binary.BigEndian.AppendUint64(data, uint64(len(part)))
	return append(data, part...)
}

// form writes a hash as a UUID.
func form(u [sha256.Size]byte) string {
	u[6] = u[6]&0x0f | 0x80
	u[8] = u[8]&0x3f | 0x80
	var key [36]byte
	at := 0
	for _, group := range [][]byte{u[:4], u[4:6], u[6:8], u[8:10], u[10:16]} {
		if at > 0 {
			key[at] = '-'
			at++
		}
		at += hex.Encode(key[at:], group)
	}
	return string(key[:])
}
