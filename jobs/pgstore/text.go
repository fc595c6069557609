package pgstore

import (
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

// escape begins texts that Postgres cannot hold as they are. Their bytes follow in hexadecimal form.
const escape = "\x01"

// textOf returns a text as it is stored. Two texts are stored alike only if they are equal.
func textOf(s string) string {
	if !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0 || strings.HasPrefix(s, escape) {
		return escape + hex.EncodeToString([]byte(s))
	}
	return s
}

// text is a text that is read.
type text struct{ to *string }

// read returns what a row is scanned into.
func read(to *string) *text { return &text{to} }

// Scan implements the Scanner of package database/sql.
func (t *text) Scan(from any) error {
	s, _ := from.(string) // "" for null
	if rest, ok := strings.CutPrefix(s, escape); ok {
		b, err := hex.DecodeString(rest)
		if err != nil {
			return err
		}
		s = string(b)
	}
	*t.to = s
	return nil
}
