package upload

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
)

// Match says how a file is recognized on the server. The zero Match of a file means the [Uploader]'s; that of an Uploader
// means [Never].
type Match uint8

// The matches. By SameName a file is skipped even if its content has changed.
const (
	AsUploader Match = iota // that of the Uploader
	Never                   // send each file, without looking for it
	SameName                // a file with the same name
	SameMD5                 // a file with the same content, by its MD5 checksum
	SameSHA1                // by its SHA-1 checksum
	SameSHA256              // by its SHA-256 checksum
)

var matchNames = [...]string{"default", "never", "name", "md5", "sha1", "sha256"}

// String returns the match in lower case.
func (m Match) String() string {
	if int(m) < len(matchNames) {
		return matchNames[m]
	}
	return fmt.Sprintf("match %d", uint8(m))
}

// hash returns the hash of the checksum, nil for a match that needs none.
func (m Match) hash() hash.Hash {
	switch m {
	case SameMD5:
		return md5.New()
	case SameSHA1:
		return sha1.New()
	case SameSHA256:
		return sha256.New()
	}
	return nil
}

// Query is what a [Finder] looks for.
type Query struct {
	// Match says how the file is recognized.
	Match Match
	// Name is the name of the file.
	Name string
	// Checksum is the checksum of the content, in lower-case hexadecimal; "" for SameName.
	Checksum string
}

// Finder is a [Client] that looks for a file on the server. ok is false if there is none. For a Match that the API does not
// support Find returns an error such as [errors.ErrUnsupported].
//
// Find is called before a file is sent, and after its response was lost.
type Finder[Out any] interface {
	Find(ctx context.Context, q Query) (found Out, ok bool, err error)
}

// Checksum returns the checksum of the file's content in lower-case hexadecimal, "" for a Match that has none. The content
// is read once; the checksum is cached.
func (t *Task) Checksum(ctx context.Context, by Match) (string, error) {
	h := by.hash()
	if h == nil {
		return "", nil
	}
	t.mu.Lock()
	sum, ok := t.sums[by]
	t.mu.Unlock()
	if ok {
		return sum, nil
	}
	content, err := t.File.open()
	if err != nil {
		return "", localError{err}
	}
	defer content.Close()
	if _, err := io.Copy(h, contextReader{ctx, content}); err != nil {
		return "", localError{err}
	}
	sum = hex.EncodeToString(h.Sum(nil))
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sums == nil {
		t.sums = map[Match]string{}
	}
	t.sums[by] = sum
	return sum, nil
}

// contextReader reads until the context ends.
type contextReader struct {
	ctx  context.Context
	from io.Reader
}

func (r contextReader) Read(b []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.from.Read(b)
}
