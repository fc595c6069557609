package jobs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime"
	"strings"
)

// guard calls a function of the application's, and returns its panic as an error.
func guard(name string, f func() error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = &panicError{name, value}
		}
	}()
	return f()
}

// panicError is the error of a function that panicked.
type panicError struct {
	name  string
	value any
}

// Error shows no value but that of a run-time error, since it may hold what an item holds.
func (e *panicError) Error() string {
	if err, ok := e.value.(runtime.Error); ok {
		return fmt.Sprintf("%s panicked: %v", e.name, err)
	}
	return fmt.Sprintf("%s panicked with a value of type %T", e.name, e.value)
}

// isNil reports whether a value is nil, or a nil pointer or function in an interface.
func isNil(v any) bool {
	if v == nil {
		return true
	}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Func, reflect.Slice, reflect.Chan:
		return r.IsNil()
	}
	return false
}

// decodeInto reads an input. strict refuses unknown fields. The error names the field, and does not show its content.
func decodeInto(data []byte, into any, strict bool) error {
	err := decodeOne(data, into, strict)
	switch err {
	case nil:
		return nil
	case errSecondValue:
		return errors.New("there is more than one JSON value")
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if e.Field == "" {
			return fmt.Errorf("the input must be %v, not a JSON %s", e.Type, kindOnly(e.Value))
		}
		return fmt.Errorf("the field %s must be %v, not a JSON %s", e.Field, e.Type, kindOnly(e.Value))
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return fmt.Errorf("unknown field %s", shorten(strings.Trim(name, `"`)))
	}
	return errors.New("the input cannot be read")
}

var errSecondValue = errors.New("is more than one JSON value")

// decodeOne reads exactly one JSON value. Numbers in an any keep their digits. strict refuses unknown fields.
func decodeOne(data []byte, into any, strict bool) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if strict {
		d.DisallowUnknownFields()
	}
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errSecondValue
	}
	return nil
}

// kindOnly leaves out the number that encoding/json shows.
func kindOnly(value string) string {
	kind, _, _ := strings.Cut(value, " ")
	return kind
}
