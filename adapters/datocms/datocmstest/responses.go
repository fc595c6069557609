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

// object is a JSON object.
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

// read reads the body of a request of that type, and refuses members that the API does not have.
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

// only reports whether an object has only members with those names.
func only(o object, names ...string) bool {
	for name := range o {
		if !slices.Contains(names, name) {
			return false
		}
	}
	return true
}

// response is a response of the server.
type response struct {
	status int
	header http.Header
	text   []byte // the body
	kind   string // its content type
	cut    bool   // cut the connection instead
}

// newID returns the next id, a counter in the form of a UUID of version 4.
func (s *Server) newID() string {
	s.made++
	return idOf(uint64(s.made))
}

// succeed returns a response with a document.
func succeed(status int, document any) response {
	text, err := json.Marshal(document)
	if err != nil {
		panic(err) // cannot happen: it was decoded from JSON
	}
	return response{status: status, text: text, kind: "application/json; charset=utf-8"}
}

// fail returns a response with an error.
func fail(status int, code string, details any) response {
	return failAs(status, code, details, false)
}

func failAs(status int, code string, details any, transient bool) response {
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

// invalidField returns the response for a field that is not valid.
func invalidField(field, code string) response {
	return fail(http.StatusUnprocessableEntity, "INVALID_FIELD", map[string]string{"field": field, "code": code})
}

func notFound() response { return fail(http.StatusNotFound, "NOT_FOUND", nil) }

func invalidFormat() response { return fail(http.StatusUnprocessableEntity, "INVALID_FORMAT", nil) }
