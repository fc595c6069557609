package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Difference is one field that an update changes.
type Difference struct {
	// Field is its name in the JSON form of the record; "" if that is not an object, and Before and After are the whole
	// record.
	Field string `json:"field"`
	// Before is its value in JSON; nil when there was no such field.
	Before json.RawMessage `json:"before,omitempty"`
	// After is its value in JSON; nil when the field is removed.
	After json.RawMessage `json:"after,omitempty"`
}

// Diff compares two records by their JSON form, as a plan does: field by field at the top level, in the order of the
// names. The order of keys, white space and the notation of numbers make no difference, and numbers keep all their
// digits. It returns nil when nothing differs. A record may be of any type, or JSON in an [encoding/json.RawMessage].
// The error is that of a record without a JSON form, and says nothing of its content.
func Diff(before, after any) ([]Difference, error) {
	from, err := encode(before)
	if err != nil {
		return nil, fmt.Errorf("plan: the record before: %w", err)
	}
	to, err := encode(after)
	if err != nil {
		return nil, fmt.Errorf("plan: the record after: %w", err)
	}
	return differences(from, to), nil
}

// differences compares two records field by field, in the order of the names. The order of keys, white space and the
// notation of numbers make no difference.
func differences(before, after json.RawMessage) []Difference {
	if bytes.Equal(before, after) {
		return nil
	}
	from, isObject := fieldsOf(before)
	to, staysObject := fieldsOf(after)
	if !isObject || !staysObject {
		if equal(before, after) {
			return nil
		}
		return []Difference{{Before: before, After: after}}
	}
	names := maps.Clone(from)
	maps.Copy(names, to)
	var found []Difference
	for _, name := range slices.Sorted(maps.Keys(names)) {
		was, wasThere := from[name]
		is, isThere := to[name]
		if wasThere && isThere && equal(was, is) {
			continue
		}
		found = append(found, Difference{Field: name, Before: was, After: is})
	}
	return found
}

// fieldsOf returns the fields of an object; false for any other value.
func fieldsOf(data json.RawMessage) (map[string]json.RawMessage, bool) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(data, &fields) != nil || fields == nil {
		return nil, false
	}
	return fields, true
}

// equal reports whether two JSON values are equal.
func equal(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var x, y any
	if decode(a, &x) != nil || decode(b, &y) != nil {
		return false
	}
	return equalValues(x, y)
}

func equalValues(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && maps.EqualFunc(a, b, equalValues)
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, equalValues)
	case json.Number:
		b, ok := b.(json.Number)
		return ok && equalNumbers(string(a), string(b))
	}
	return a == b // strings, booleans and null
}

// equalNumbers compares numbers by value, however many digits they have: 1, 1.0 and 10e-1 are equal, and two integers
// that differ in the last of twenty digits are not.
func equalNumbers(a, b string) bool {
	if a == b {
		return true
	}
	x, ok := parseNumber(a)
	y, fine := parseNumber(b)
	return ok && fine && x == y
}

// number is digits times ten to the exponent, with no zero at either end of the digits.
type number struct {
	negative bool
	digits   string
	exponent int64
}

func parseNumber(text string) (n number, ok bool) {
	text, n.negative = strings.CutPrefix(text, "-")
	if at := strings.IndexAny(text, "eE"); at >= 0 {
		var err error
		if n.exponent, err = strconv.ParseInt(text[at+1:], 10, 32); err != nil {
			return number{}, false
		}
		text = text[:at]
	}
	whole, fraction, _ := strings.Cut(text, ".")
	n.exponent -= int64(len(fraction))
	n.digits = strings.TrimLeft(whole+fraction, "0")
	short := strings.TrimRight(n.digits, "0")
	n.exponent += int64(len(n.digits) - len(short))
	n.digits = short
	if short == "" {
		return number{}, true // zero has no sign and no exponent
	}
	return n, true
}

// decode reads exactly one value. Numbers are [json.Number] in an any, and keep all their digits.
func decode(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return withoutContent(err)
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("there is more than one JSON value")
	}
	return nil
}

// encode writes a record as JSON.
func encode(record any) (json.RawMessage, error) {
	data, err := json.Marshal(record)
	return data, withoutContent(err)
}

// withoutContent returns an error of encoding/json without the values that it may show.
func withoutContent(err error) error {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return errors.New("the field " + strconv.Quote(e.Field) + " does not fit into " + typeName(e.Type))
	}
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return errors.New("no JSON at offset " + strconv.FormatInt(e.Offset, 10))
	}
	if e, ok := errors.AsType[*json.UnsupportedValueError](err); ok {
		return errors.New("a value of the type " + typeName(e.Value.Type()) + " has no JSON form")
	}
	return err
}

func typeName(t reflect.Type) string {
	if t == nil {
		return "its type"
	}
	return t.String()
}
