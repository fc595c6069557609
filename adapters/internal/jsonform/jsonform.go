// Package jsonform determines the JSON form of a value, so that only objects are sent as records.
package jsonform

import (
	"bytes"
	"encoding"
	"encoding/json"
	"reflect"
)

// Form is the JSON form of a value.
type Form uint8

// The forms.
const (
	Other  Form = iota // a string, a list, a number, or a value without a JSON form
	Null               // such as that of a nil pointer or a nil map
	Object             // a record
)

// Of returns the form of a value. It encodes only values that write their own JSON; for others the type decides.
func Of(v any) Form {
	for value := reflect.ValueOf(v); ; value = value.Elem() {
		switch value.Kind() {
		case reflect.Invalid:
			return Null
		case reflect.Pointer, reflect.Interface, reflect.Map:
			if value.IsNil() {
				return Null
			}
		}
		switch own := value.Interface().(type) {
		case json.Marshaler:
			return written(own)
		case encoding.TextMarshaler:
			return Other
		}
		switch value.Kind() {
		case reflect.Struct, reflect.Map:
			return Object
		case reflect.Pointer, reflect.Interface:
		default:
			return Other
		}
	}
}

// written returns the form of a value's own JSON.
func written(v json.Marshaler) Form {
	text, err := json.Marshal(v)
	switch text = bytes.TrimSpace(text); {
	case err != nil || len(text) == 0:
		return Other
	case text[0] == '{':
		return Object
	case text[0] == 'n':
		return Null
	}
	return Other
}
