package rest

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/windrow-go/windrow"
)

const (
	maxFields = 100
	maxCode   = 128
	space     = " \t\r\n"
)

type object = map[string]json.RawMessage

// readEnvelope finds the server's code and the fields that it names in the shapes that JSON APIs use:
//
//	{"code", "message"}                                       many
//	{"error": {"code", "details": [{"field", "code"}]}}       many; "type" or "status" in place of "code"
//	{"code", "details": {"field", "code"}}                    DatoCMS-like
//	{"error": "…", "code": "…", "fields": […]}                ObjectStack, OAuth
//	{"errors": [{"code", "source": {"pointer"}}]}             JSON:API, Stripe-like
//	{"errors": {"field": ["…"]}}                              Rails, Laravel, ASP.NET
//	{"detail": [{"loc", "type", "msg"}]}                      FastAPI
//	{"data": {"field": {"code", "message"}}}                  PocketBase
//	[{"errorCode", "fields"}]                                 Salesforce
//	{"type", "title", "errors": [{"pointer", "detail"}]}      RFC 9457
//
// It finds neither in other shapes.
func readEnvelope(body []byte, status int) (code string, fields []*windrow.FieldError) {
	var top object
	if list := listOf(body); len(list) > 0 {
		top = object{"errors": body}
	} else if json.Unmarshal(body, &top) != nil {
		return "", nil
	}
	inner := objectOf(top["error"])
	code = codeOf(inner, status)
	if code == "" {
		code = codeOf(top, status)
	}
	if code == "" {
		code = machine(stringOf(top["error"]))
	}
	for _, o := range []object{inner, top} {
		for _, name := range []string{"errors", "details", "detail", "fields", "fieldErrors", "invalid_params", "invalid-params"} {
			raw := o[name]
			if name == "details" && fieldOf(objectOf(raw)) != "" { // a single error, not an object of errors by field
				raw = slices.Concat(json.RawMessage("["), raw, json.RawMessage("]"))
			}
			found, first := fieldsOf(raw, status)
			fields = append(fields, found...)
			if code == "" {
				code = first
			}
		}
	}
	if data := objectOf(top["data"]); data != nil && top["message"] != nil {
		found, _ := fieldsOf(top["data"], status)
		fields = append(fields, found...)
	}
	return code, fields[:min(len(fields), maxFields)]
}

// codeOf returns the code of an error object. A number that only repeats the status is not a code.
func codeOf(o object, status int) string {
	for _, name := range []string{"code", "errorCode", "error_code", "type", "status", "name"} {
		text := stringOf(o[name])
		if text == "" {
			var number json.Number
			if json.Unmarshal(o[name], &number) == nil {
				text = number.String()
			}
		}
		if _, err := strconv.Atoi(text); err == nil && (name == "status" || text == strconv.Itoa(status) || text == "0") {
			continue
		}
		if text = machine(text); text != "" && text != "about:blank" && text != "error" {
			return text
		}
	}
	return ""
}

// machine returns text if it is a code for programs, and "" for a sentence, which may show the item's content.
func machine(text string) string {
	for _, c := range []byte(text) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && !strings.ContainsRune("_-.:/#", rune(c)) {
			return ""
		}
	}
	if len(text) > maxCode {
		return ""
	}
	return text
}

// fieldsOf reads a list or an object of errors. first is the code of the first error that names no field.
func fieldsOf(raw json.RawMessage, status int) (fields []*windrow.FieldError, first string) {
	if o := objectOf(raw); o != nil {
		for _, name := range slices.Sorted(maps.Keys(o)) {
			fields = append(fields, messagesOf(name, o[name], status)...)
		}
		return fields, ""
	}
	for _, item := range listOf(raw) {
		o := objectOf(item)
		if field := fieldOf(o); field != "" {
			fields = append(fields, &windrow.FieldError{Field: field, Code: codeOf(o, status), Message: messageOf(o)})
		} else if first == "" {
			first = codeOf(o, status)
		}
	}
	return fields, first
}

// messagesOf reads the value of one field in an object of errors: a text, an object with a code, or a list of these.
func messagesOf(field string, raw json.RawMessage, status int) []*windrow.FieldError {
	if text := stringOf(raw); text != "" {
		return []*windrow.FieldError{{Field: field, Message: text}}
	}
	if o := objectOf(raw); o != nil {
		e := &windrow.FieldError{Field: field, Code: codeOf(o, status), Message: messageOf(o)}
		if e.Code == "" && e.Message == "" {
			return nil
		}
		return []*windrow.FieldError{e}
	}
	var fields []*windrow.FieldError
	for _, item := range listOf(raw) {
		if len(listOf(item)) == 0 { // one level is enough
			fields = append(fields, messagesOf(field, item, status)...)
		}
	}
	return fields
}

// fieldOf returns the name of the field that an error object is about.
func fieldOf(o object) string {
	for _, name := range []string{"field", "path", "param", "parameter", "property", "pointer", "attribute", "loc"} {
		if text := stringOf(o[name]); text != "" {
			return text
		}
		var parts []string
		for _, part := range listOf(o[name]) {
			text := stringOf(part)
			if text == "" {
				text = string(part) // an index
			}
			parts = append(parts, text)
		}
		if len(parts) > 0 {
			return strings.Join(parts, ".")
		}
	}
	if source := objectOf(o["source"]); source != nil {
		return fieldOf(source)
	}
	return ""
}

func messageOf(o object) string {
	for _, name := range []string{"message", "detail", "msg", "title", "reason"} {
		if text := stringOf(o[name]); text != "" {
			return text
		}
	}
	return ""
}

func stringOf(raw json.RawMessage) (s string) {
	if len(raw) > 0 && raw[0] == '"' {
		_ = json.Unmarshal(raw, &s) // "" if it is not a string
	}
	return s
}

func objectOf(raw json.RawMessage) (o object) {
	if len(raw) > 0 && raw[0] == '{' {
		_ = json.Unmarshal(raw, &o) // nil if it is not an object
	}
	return o
}

func listOf(raw json.RawMessage) (list []json.RawMessage) {
	if raw = bytes.TrimLeft(raw, space); len(raw) > 0 && raw[0] == '[' {
		_ = json.Unmarshal(raw, &list) // nil if it is not a list
	}
	return list
}
