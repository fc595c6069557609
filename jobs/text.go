package jobs

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/windrow-go/windrow"
)

const (
	maxMessage = 500 // bytes of an error's message that are kept
	// durationUnit is what durations for people are rounded to.
	durationUnit = 100 * time.Millisecond
)

// clean makes a text from outside fit for a row and a screen: valid, on one line, without control characters, and not
// longer than most bytes.
func clean(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\ufffd"))
	if len(text) <= most {
		return text
	}
	cut := most - len("…")
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}

// Codes of the errors of items, by their kind. They are those of the batch API.
const (
	CodeValidation = "VALIDATION_ERROR" // the input is wrong
	CodeResource   = "RESOURCE_ERROR"   // the record does not exist, or must not be changed
	CodeSystem     = "SYSTEM_ERROR"     // the network, the server, or a panic
	CodeTimeout    = "TIMEOUT_ERROR"    // there was no response in time
)

// describe returns the code and the message of an item's error, "" for none.
func describe(e windrow.JournalEntry) (code, message string) {
	if e.Err == nil {
		return "", ""
	}
	code = CodeSystem
	switch e.Kind {
	case windrow.KindValidation:
		code = CodeValidation
	case windrow.KindResource:
		code = CodeResource
	case windrow.KindTimeout:
		code = CodeTimeout
	}
	return code, clean(strings.TrimPrefix(e.Err.Error(), "windrow: "), maxMessage)
}
