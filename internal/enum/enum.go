// Package enum converts enums to and from their names. The names of the enums of results are part of stored results.
package enum

import (
	"fmt"
	"slices"
	"strings"
)

// The enums of results.
var (
	States  = New("state", "not_attempted", "succeeded", "failed", "skipped", "unknown")
	Reasons = New("reason", "", "unchanged", "already_exists", "not_found", "done_before", "dry_run", "duplicate")
	Kinds   = New("kind", "system", "validation", "resource", "timeout")
)

// Enum holds the names of the values of an enum.
type Enum struct {
	what  string
	names []string
}

// New returns an enum whose values, from 0, have these names. what is the noun for errors, such as "state".
func New(what string, names ...string) Enum { return Enum{what, names} }

// Name returns the name of a value.
func (e Enum) Name(v uint8) string {
	if int(v) < len(e.names) {
		return e.names[v]
	}
	return fmt.Sprintf("%s %d", e.what, v)
}

// Text is [Enum.Name] for [encoding.TextMarshaler].
func (e Enum) Text(v uint8) ([]byte, error) { return []byte(e.Name(v)), nil }

// Read sets v to the value with that name, for [encoding.TextUnmarshaler].
func (e Enum) Read(text []byte, v *uint8) error {
	i := slices.Index(e.names, string(text))
	if i < 0 {
		return fmt.Errorf("windrow: unknown %s, want one of %s", e.what, strings.Join(e.names, ", "))
	}
	*v = uint8(i)
	return nil
}
