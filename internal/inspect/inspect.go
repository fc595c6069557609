// Package inspect examines the caller's values of unknown types: clients, ids and items.
package inspect

import (
	"encoding/json"
	"fmt"
	"reflect"
)

// IsNil reports whether a client is nil, or a nil pointer or function in an interface.
func IsNil(client any) bool {
	if client == nil {
		return true
	}
	v := reflect.ValueOf(client)
	switch v.Kind() {
	case reflect.Pointer, reflect.Func, reflect.Map, reflect.Slice, reflect.Chan:
		return v.IsNil()
	}
	return false
}

// Text returns an id as text. Different ids have different texts, unlike with fmt, whose forms of two structs may be equal.
func Text[ID comparable](id ID) string {
	switch v := any(id).(type) {
	case string:
		return v
	case fmt.Stringer:
		return v.String()
	}
	switch reflect.ValueOf(id).Kind() {
	case reflect.Struct, reflect.Array, reflect.Interface:
		return fmt.Sprintf("%#v", id)
	}
	return fmt.Sprint(id)
}

// JSONSize returns the length of an item's JSON form and a separator, 0 if it has none.
func JSONSize[In any](in In) int {
	data, err := json.Marshal(in)
	if err != nil {
		return 0 // the client will return the error
	}
	return len(data) + 1
}
