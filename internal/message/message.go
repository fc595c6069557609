// Package message formats the text of an error for use inside another text.
package message

import "strings"

// Plain returns the text of an error on one line, without the prefix "windrow: ", which the outer text has.
func Plain(err error) string { return strings.TrimPrefix(ours.Replace(err.Error()), "windrow: ") }

var ours = strings.NewReplacer("\nwindrow: ", "; ", ": windrow: ", ": ", "\n", "; ")
