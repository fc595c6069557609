package rest

import "strings"

// tooMany reports whether the code of an error with status 400 says that the request is too large, in items or bytes.
func tooMany(code string) bool {
	switch strings.ToUpper(code) {
	case "BATCH_TOO_LARGE", "REQUEST_TOO_LARGE", "PAYLOAD_TOO_LARGE", "ENTITY_TOO_LARGE":
		return true
	}
	return false
}
