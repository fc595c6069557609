package neterr

import "errors"

// Status returns the HTTP status that an error tells with a method StatusCode() int, 0 if it has none.
func Status(err error) int {
	if e, ok := errors.AsType[interface {
		error
		StatusCode() int
	}](err); ok {
		return e.StatusCode()
	}
	return 0
}
