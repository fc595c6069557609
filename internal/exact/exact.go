// Package exact decodes JSON without loss: a number in an interface, as in a map[string]any, keeps all its digits.
package exact

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"sync"
)

// Unmarshal is like [json.Unmarshal], except that a number in an interface is a [json.Number]. As a float64 it would lose
// its last digits above 2^53.
func Unmarshal(data []byte, into any) error {
	if !loses(reflect.TypeOf(into)) {
		return json.Unmarshal(data, into)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	err := d.Decode(into)
	if _, wrong := errors.AsType[*json.UnmarshalTypeError](err); wrong {
		return err
	}
	if err != nil || len(bytes.TrimLeft(data[d.InputOffset():], " \t\r\n")) > 0 {
		var none any
		if plain := json.Unmarshal(data, &none); plain != nil {
			return plain // its error distinguishes truncated data from the end of a connection
		}
	}
	return err
}

// As converts a value that was decoded from JSON into an any to a T. It returns v unchanged if it is nil, is a T already, or
// does not fit.
func As[T any](v any) any {
	if _, is := v.(T); is || v == nil {
		return v
	}
	var out T
	data, err := json.Marshal(v)
	if err != nil || Unmarshal(data, &out) != nil {
		return v
	}
	return out
}

// known caches, by type, whether it loses digits.
var known sync.Map

// loses reports whether a value of the type may hold a number in an interface.
func loses(t reflect.Type) bool {
	if t == nil {
		return false
	}
	if answer, ok := known.Load(t); ok {
		return answer.(bool)
	}
	answer := holdsInterface(t, map[reflect.Type]bool{})
	known.Store(t, answer)
	return answer
}

// holdsInterface reports whether a type contains an interface. seen are the types that are being inspected, against
// recursion.
func holdsInterface(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] {
		return false
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Interface:
		return true
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return holdsInterface(t.Elem(), seen)
	case reflect.Struct:
		for f := range t.Fields() {
			if (f.IsExported() || f.Anonymous) && holdsInterface(f.Type, seen) {
				return true
			}
		}
	}
	return false
}
