package datocmstest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
)

// call is a request to an endpoint.
type call struct {
	*Server
	project *project
	query   url.Values
	content []byte
}

// object is one in JSON.
type object = map[string]json.RawMessage

// entity is the form of a record in a request.
type entity struct {
	ID            string `json:"id"`
	Type          string `json:"type"`
	Attributes    object `json:"attributes"`
	Relationships map[string]struct {
		Data json.RawMessage `json:"data"`
	} `json:"relationships"`
	Meta object `json:"meta"`
}

// ref names a record.
type ref struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

// read reads the body of a request, which is of that type and has nothing that the API does not know.
func (c *call) read(kind string) (entity, bool) {
	var form struct {
		Data *entity `json:"data"`
	}
	d := json.NewDecoder(bytes.NewReader(c.content))
	d.DisallowUnknownFields()
	if err := d.Decode(&form); err != nil || form.Data == nil || form.Data.Type != kind {
		return entity{}, false
	}
	return *form.Data, true
}

// only reports whether an object has no other names than those.
func only(o object, names ...string) bool {
	for name := range o {
		if !slices.Contains(names, name) {
			return false
		}
	}
	return true
}

// answer is what a request is answered with.
type answer struct {
	status int
	header http.Header
	text   []byte // the body
	kind   string // its content type
	cut    bool   // the connection is cut instead
}

// newID makes an id for a thing that the server names. It counts, in the form of a UUID of version 4.
func (s *Server) newID() string {
	s.made++
	return idOf(uint64(s.made))
}

// succeed answers with a document.
func succeed(status int, document any) answer {
	text, err := json.Marshal(document)
	if err != nil {
		panic(err) // it is made of what was read
	}
	return answer{status: status, text: text, kind: "application/json; charset=utf-8"}
}

// fail answers with an error.
func fail(status int, code string, details any) answer {
	return failAs(status, code, details, false)
}

func failAs(status int, code string, details any, transient bool) answer {
	return succeed(status, failure(code, details, transient))
}

// failure is the form of an error.
func failure(code string, details any, transient bool) map[string]any {
	if details == nil {
		details = map[string]any{}
	}
	attributes := map[string]any{"code": code, "details": details, "doc_url": "https://www.datocms.com/docs/content-management-api/errors#" + code}
	if transient {
		attributes["transient"] = true
	}
	return map[string]any{"data": []any{map[string]any{"id": "6b1e4f", "type": "api_error", "attributes": attributes}}}
}

// invalidField answers that a field is not valid.
func invalidField(field, code string) answer {
	return fail(http.StatusUnprocessableEntity, "INVALID_FIELD", map[string]string{"field": field, "code": code})
}

func notFound() answer { return fail(http.StatusNotFound, "NOT_FOUND", nil) }

func invalidFormat() answer { return fail(http.StatusUnprocessableEntity, "INVALID_FORMAT", nil) }
