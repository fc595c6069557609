// Package retryafter reads the Retry-After header field (RFC 9110 section 10.2.3), in the forms that servers send.
package retryafter

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// Max is the longest wait that is returned. Longer ones, and numbers that overflow, count as Max.
	Max = 365 * 24 * time.Hour
	// epochFrom is the number of seconds from which a value is a time instead of a delay, sent by mistake: 1,000,000,000
	// seconds are 31 years, and as a time they are the year 2001.
	epochFrom = 1_000_000_000
	// epochUntil is the end of the year 9999, the last that an HTTP date can name.
	epochUntil = 253_402_300_799
)

// Wait returns how long the header asks to wait, rounded up to the next millisecond, at most [Max]. Of several fields the
// longest counts. A time in the past is a wait of 0. present is false if there is no valid field; negative and empty ones
// are not valid.
//
// Times are relative to the header's own Date if there is one, so that a wrong local clock does not matter, and to now
// otherwise.
func Wait(h http.Header, now time.Time) (wait time.Duration, present bool) {
	fields := h.Values("Retry-After")
	if len(fields) == 0 {
		return 0, false
	}
	if date, ok := parseDate(strings.TrimSpace(h.Get("Date")), now); ok {
		now = date
	}
	for _, field := range fields {
		if d, ok := parse(strings.TrimSpace(field), now); ok {
			wait, present = max(wait, d), true
		}
	}
	return wait, present
}

// parse reads one field.
func parse(field string, now time.Time) (time.Duration, bool) {
	whole, fraction, decimal := strings.Cut(field, ".")
	if !isDigits(whole) || decimal && !isDigits(fraction) {
		at, ok := parseDate(field, now)
		return until(at, now), ok
	}
	nanoseconds, more := nanos(fraction)
	seconds, err := strconv.ParseInt(whole, 10, 64)
	switch {
	case err != nil || seconds > epochUntil: // err: overflow
		return Max, true
	case seconds > epochFrom:
		return until(time.Unix(seconds, nanoseconds+more), now), true
	default:
		return round(time.Duration(seconds)*time.Second + time.Duration(nanoseconds+more)), true
	}
}

// nanos reads the digits after the dot. more is 1 if a digit after the ninth is not zero.
func nanos(digits string) (nanoseconds, more int64) {
	if len(digits) > 9 {
		if strings.Trim(digits[9:], "0") != "" {
			more = 1
		}
		digits = digits[:9]
	}
	for i := range 9 {
		nanoseconds *= 10
		if i < len(digits) {
			nanoseconds += int64(digits[i] - '0')
		}
	}
	return nanoseconds, more
}

func isDigits(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return s != ""
}

// until returns the wait from now to a time. It relies on [time.Time.Sub], which saturates.
func until(at, now time.Time) time.Duration { return round(at.Sub(now)) }

// round rounds up to the next millisecond, within 0 and [Max]: a wait that ends too early is refused again.
func round(d time.Duration) time.Duration {
	switch {
	case d <= 0:
		return 0
	case d >= Max:
		return Max
	}
	return (d + time.Millisecond - 1).Truncate(time.Millisecond)
}

// rfc850 is [time.RFC850] with the only zone that HTTP allows.
const rfc850 = "Monday, 02-Jan-06 15:04:05 GMT"

// parseDate reads the three forms of an HTTP date (RFC 9110 section 5.6.7).
func parseDate(s string, now time.Time) (time.Time, bool) {
	for _, layout := range []string{http.TimeFormat, time.ANSIC} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	t, err := time.Parse(rfc850, s)
	if err != nil {
		return time.Time{}, false
	}
	// A year of two digits is the one within 50 years of now. RFC 9110 moves dates more than 50 years ahead to the past;
	// moving dates more than 50 years back to the future handles the turn of a century.
	now = now.UTC()
	t = t.AddDate(now.Year()/100*100+t.Year()%100-t.Year(), 0, 0)
	switch {
	case t.After(now.AddDate(50, 0, 0)):
		t = t.AddDate(-100, 0, 0)
	case !t.After(now.AddDate(-50, 0, 0)):
		t = t.AddDate(100, 0, 0)
	}
	return t, true
}
