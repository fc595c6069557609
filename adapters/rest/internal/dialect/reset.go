package dialect

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxValue is how many bytes a value may have: twice those of a date that JavaScript writes.
const maxValue = 128

// A clock is the reference for points in time.
type clock struct {
	now   time.Time
	slack time.Duration // how much too early now may be
}

// A reset is a delay and its granularity.
type reset struct{ after, unit time.Duration }

// until returns the delay to a point in time. For the past it is 0 (coral issue 89).
func (c clock) until(t time.Time, unit time.Duration) (reset, bool) {
	d := t.Sub(c.now)
	if d > MaxReset || d < -MaxReset {
		return reset{}, false
	}
	return reset{max(0, d), unit + c.slack}, true
}

// delay returns a delay from a server, if it is within the sanity window.
func delay(d, unit time.Duration) (reset, bool) {
	return reset{d, unit}, 0 <= d && d <= MaxReset
}

// reset reads a value under a pin. A value that does not fit is absent, not an error and not 0.
func (c clock) reset(value string, pin Pin) (reset, bool) {
	value = strings.TrimSpace(value)
	if value == "" || len(value) > maxValue {
		return reset{}, false
	}
	number, numeric := parseNumber(value)
	switch {
	case pin == Auto && numeric:
		pin = guess(number.whole)
	case pin == Auto && '0' <= value[0] && value[0] <= '9':
		// Durations go before dates: both have letters.
		if r, ok := parseDuration(value); ok {
			return r, true
		}
		pin = Date
	case pin == Auto:
		pin = Date
	}
	switch pin {
	case DeltaSeconds, Standard, DeltaMillis, EpochSeconds, EpochMillis:
		if !numeric {
			return reset{}, false
		}
	}
	switch pin {
	case DeltaSeconds, Standard:
		return number.delay(time.Second)
	case DeltaMillis:
		return number.delay(time.Millisecond)
	case EpochSeconds:
		return c.until(time.Unix(number.whole, int64(number.fraction(time.Second))), number.unit(time.Second))
	case EpochMillis:
		return c.until(time.UnixMilli(number.whole).Add(number.fraction(time.Millisecond)), number.unit(time.Millisecond))
	case Duration:
		return parseDuration(value)
	case Date:
		if t, unit, ok := parseDate(value); ok {
			return c.until(t, unit)
		}
	}
	return reset{}, false
}

// guess returns the pin that fits a number.
func guess(n int64) Pin {
	switch {
	case n >= 100_000_000_000: // the year 5138 in seconds, 1973 in milliseconds
		return EpochMillis
	case n > 1_000_000_000: // 2001; as a delay 31 years
		return EpochSeconds
	default:
		return DeltaSeconds
	}
}

// A number is a decimal of any scale, kept exactly: epochs with a fraction do not fit a float64.
type number struct {
	whole  int64
	nanos  int64 // billionths, rounded up, at most 10^9
	places int   // digits after the point
}

// parseNumber reads digits, with a fraction or without. Signs, exponents and bare points are garbage.
func parseNumber(s string) (number, bool) {
	whole, fraction, point := strings.Cut(s, ".")
	if !digits(whole) || point && !digits(fraction) {
		return number{}, false
	}
	n := number{places: len(fraction)}
	var err error
	if n.whole, err = strconv.ParseInt(whole, 10, 64); err != nil {
		n.whole = math.MaxInt64 // outside every window
	}
	if len(fraction) > 9 {
		if strings.Trim(fraction[9:], "0") != "" {
			n.nanos = 1
		}
		fraction = fraction[:9]
	}
	for place := int64(100_000_000); fraction != ""; place /= 10 {
		n.nanos += int64(fraction[0]-'0') * place
		fraction = fraction[1:]
	}
	return n, true
}

// fraction returns the digits after the point, as a part of one.
func (n number) fraction(one time.Duration) time.Duration {
	scale := int64(time.Second / one)
	return time.Duration((n.nanos + scale - 1) / scale)
}

// unit returns the value of the last digit.
func (n number) unit(one time.Duration) time.Duration {
	for range n.places {
		one /= 10
	}
	return max(1, one)
}

func (n number) delay(one time.Duration) (reset, bool) {
	if n.whole > int64(MaxReset/one) {
		return reset{}, false
	}
	return delay(time.Duration(n.whole)*one+n.fraction(one), n.unit(one))
}

// parseDuration reads the form of time.Duration. Its granularity is that of the last digit, but not above a second: "6m" is
// six minutes and not something between five and six.
func parseDuration(s string) (reset, bool) {
	if s[0] < '0' || s[0] > '9' { // no signs
		return reset{}, false
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return reset{}, false
	}
	last := strings.LastIndexAny(s, "0123456789.") + 1
	one, err := time.ParseDuration("1" + s[last:])
	if err != nil { // a bare 0
		one = time.Second
	}
	places := 0
	if point := strings.LastIndexByte(s[:last], '.'); point >= 0 && digits(s[point+1:last]) {
		places = last - point - 1
	}
	return delay(d, min(number{places: places}.unit(one), time.Second))
}

// layouts are forms of dates that servers write beside those of net/http, with their granularity.
var layouts = []struct {
	layout string
	unit   time.Duration
}{
	{time.RFC3339, time.Second},
	{"2006-01-02T15:04Z07:00", time.Minute},            // Atlassian
	{"Mon Jan 02 2006 15:04:05 GMT-0700", time.Second}, // JavaScript's Date.toString: lemlist
}

// parseDate reads the three forms of HTTP (RFC 9110 section 5.6.7), RFC 3339, and the other layouts.
func parseDate(s string) (time.Time, time.Duration, bool) {
	if t, err := http.ParseTime(s); err == nil {
		return t, time.Second, true
	}
	s, _, _ = strings.Cut(s, " (") // JavaScript puts the name of the zone in brackets
	for _, l := range layouts {
		t, err := time.Parse(l.layout, s)
		if err != nil {
			continue
		}
		n := number{}
		if _, fraction, ok := strings.Cut(s, "."); ok {
			n.places = len(fraction) - len(strings.TrimLeft(fraction, "0123456789"))
		}
		return t, n.unit(l.unit), true
	}
	return time.Time{}, 0, false
}
