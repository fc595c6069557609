// Package message puts the text of an error into another text.
package message

import "strings"

// Plain returns the text of an error on one line, without the prefix of windrow, which the text around it has.
func Plain(err error) string { return strings.TrimPrefix(ours.Replace(err.Error()), "windrow: ") }

var ours = strings.NewReplacer("\nwindrow: ", "; ", ": windrow: ", ": ", "\n", "; ")
