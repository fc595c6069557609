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
	_, _ = rand.Read(b[:]) // never fails: crypto/rand.Read aborts the program instead
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

// Scoped derives a key from a scope, an operation and a name.
func Scoped(scope, op, name string) string { return Hash(scoped, scope, op, name) }

// scoped is the first part of keys within a scope. Keys without a scope begin with an operation, none of which has this
// name.
const scoped = "in a scope"

// NewScoped returns a digest within a scope; without a scope it is [NewDigest].
func NewScoped(scope string) *Digest {
	d := NewDigest()
	if scope != "" {
		d.Add(scoped)
		d.Add(scope)
	}
	return d
}

// Digest derives a key as [Hash] does, from parts that are added one by one.
type Digest struct {
	hash hash.Hash
	data []byte // not yet hashed
}

// NewDigest returns a digest of no parts.
func NewDigest() *Digest { return &Digest{hash: sha256.New(), data: make([]byte, 0, 256)} }

// Add adds the next part.
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

// appendPart appends a part after its length, so that different lists of parts have different digests.
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
