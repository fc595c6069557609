package datocms

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"github.com/windrow-go/windrow/internal/exact"
)

// Ref names something in DatoCMS by its type and id.
type Ref struct {
	// Type is such as "item_type", "account" or "upload".
	Type string `json:"type"`
	// ID is its id.
	ID string `json:"id"`
}

// Meta is the metadata of a record. A time is as DatoCMS writes it, "" for none.
type Meta struct {
	// CurrentVersion is the version of the record. An update whose data has an outdated one is refused: see
	// [ErrStaleVersion].
	CurrentVersion string `json:"current_version,omitempty"`
	// Status is "draft", "updated" or "published".
	Status string `json:"status,omitempty"`
	// Stage is the stage of the record in its workflow.
	Stage string `json:"stage,omitempty"`
	// IsValid says that the current version passes all validations.
	IsValid          bool   `json:"is_valid,omitempty"`
	CreatedAt        string `json:"created_at,omitempty"`         // when the record was created
	UpdatedAt        string `json:"updated_at,omitempty"`         // when it was last changed
	PublishedAt      string `json:"published_at,omitempty"`       // when it was last published
	FirstPublishedAt string `json:"first_published_at,omitempty"` // when it was first published
}

// Record has the members that all records have beside their fields. Embed it in a record type:
//
//	type Article struct {
//		datocms.Record
//		Title string `json:"title"`
//	}
//
// A create sends the fields, the ID if there is one, the ItemType if there is one, the Creator, and CreatedAt and
// FirstPublishedAt of the Meta. An update sends the fields and the CurrentVersion.
type Record struct {
	ID       string `json:"id,omitempty"`       // its id
	ItemType Ref    `json:"item_type,omitzero"` // its model
	Creator  Ref    `json:"creator,omitzero"`   // who made it
	Meta     Meta   `json:"meta,omitzero"`      // its metadata
}

type object = map[string]json.RawMessage

// linkage is a relationship in JSON:API.
type linkage struct {
	Data json.RawMessage `json:"data"`
}

// entity is a record or an asset as the API writes it.
type entity struct {
	ID            string             `json:"id,omitempty"`
	Type          string             `json:"type"`
	Attributes    object             `json:"attributes,omitempty"`
	Relationships map[string]linkage `json:"relationships,omitempty"`
	Meta          object             `json:"meta,omitempty"`
}

// body is the form of a request.
type body struct {
	Data any `json:"data"`
}

// document is the form of a response, and of the payload of a job.
type document struct {
	method, path string
	status       int

	job  string // id of the job that has begun, "" if there is none
	data json.RawMessage
	meta json.RawMessage
}

// UnmarshalJSON implements [json.Unmarshaler].
func (d *document) UnmarshalJSON(text []byte) error {
	var form struct {
		Data json.RawMessage `json:"data"`
		Meta json.RawMessage `json:"meta"`
	}
	if err := json.Unmarshal(text, &form); err != nil {
		return err
	}
	d.data, d.meta = form.Data, form.Meta
	if bytes.HasPrefix(form.Data, []byte("{")) {
		var ref Ref
		if err := json.Unmarshal(form.Data, &ref); err != nil {
			return err
		}
		if ref.Type == "job" {
			if d.job = ref.ID; d.job == "" {
				return errors.New("a job without an id")
			}
		}
	}
	return nil
}

// total returns how many records the whole list has, 0 if the response does not say.
func (d *document) total() int {
	var meta struct {
		Total int `json:"total_count"`
	}
	_ = json.Unmarshal(d.meta, &meta) // a total is a hint
	return max(0, meta.Total)
}

// unreadableError is the error of a success with an unexpected body. Its text does not show the body.
type unreadableError struct {
	method, path string
	status       int
	err          error
}

func (e *unreadableError) Error() string {
	text := fmt.Sprintf("datocms: %s %s: status %d: the response is not what was expected", e.method, e.path, e.status)
	if err, ok := errors.AsType[*json.UnmarshalTypeError](e.err); ok {
		text += fmt.Sprintf(": its %s does not fit into a %v", err.Field, err.Type)
	}
	return text
}

func (e *unreadableError) Unwrap() error { return e.err }

// StatusCode tells windrow that there was a response, with a status of success.
func (e *unreadableError) StatusCode() int { return e.status }

func (d *document) unreadable() error { return d.unreadableFor(nil) }

func (d *document) unreadableFor(err error) error {
	return &unreadableError{method: d.method, path: d.path, status: d.status, err: err}
}

// one reads the record of a response. An Out that is a struct{} ignores it.
func one[Out any](d *document) (out Out, err error) {
	if _, none := any(out).(struct{}); none {
		return out, nil
	}
	var e entity
	if len(d.data) == 0 || json.Unmarshal(d.data, &e) != nil {
		return out, d.unreadable()
	}
	return simple[Out](d, e)
}

// many reads the records of a response.
func many(d *document) ([]entity, error) {
	var list []entity
	if len(d.data) == 0 || json.Unmarshal(d.data, &list) != nil {
		return nil, d.unreadable()
	}
	return list, nil
}

// simple converts a record to the caller's type.
func simple[Out any](d *document, e entity) (out Out, err error) {
	text, err := json.Marshal(e.simplify())
	if err == nil {
		err = exact.Unmarshal(text, &out)
	}
	if err != nil {
		var none Out
		return none, d.unreadableFor(err)
	}
	return out, nil
}

// simplify returns the simplified form: fields, relationships, id, type and meta side by side.
func (e entity) simplify() object {
	o := make(object, len(e.Attributes)+len(e.Relationships)+3)
	maps.Copy(o, e.Attributes)
	for relation, to := range e.Relationships {
		o[relation] = to.Data
	}
	o["id"], o["type"] = quoted(e.ID), quoted(e.Type)
	if e.Meta != nil {
		o["meta"], _ = json.Marshal(e.Meta) // cannot fail: the values were decoded from JSON
	}
	return o
}

func quoted(text string) json.RawMessage {
	data, _ := json.Marshal(text) // cannot fail for a string
	return data
}

// complexify converts a caller's value in the simplified form to a record. Relations, id, type and meta are moved out of the
// fields.
func complexify(in any, kind string, relations ...string) (entity, error) {
	text, err := json.Marshal(in)
	if err != nil {
		return entity{}, invalid("the input cannot be turned into JSON")
	}
	e := entity{Type: kind, Relationships: map[string]linkage{}}
	if json.Unmarshal(text, &e.Attributes) != nil || e.Attributes == nil {
		return entity{}, invalid("the JSON form of the input is not an object: use a struct or a map")
	}
	if id, there := e.Attributes["id"]; there && json.Unmarshal(id, &e.ID) != nil {
		return entity{}, invalid("the id of the input is not a string")
	}
	if meta, there := e.Attributes["meta"]; there && json.Unmarshal(meta, &e.Meta) != nil {
		return entity{}, invalid("the meta of the input is not an object")
	}
	for _, relation := range relations {
		if to, there := e.Attributes[relation]; there && string(to) != "null" {
			e.Relationships[relation] = linkage{Data: to}
		}
		delete(e.Attributes, relation)
	}
	for _, name := range []string{"id", "type", "meta"} {
		delete(e.Attributes, name)
	}
	return e, nil
}

// keep returns the members of an object with those names, except null.
func keep(o object, names ...string) object {
	kept := object{}
	for _, name := range names {
		if value, there := o[name]; there && string(value) != "null" {
			kept[name] = value
		}
	}
	return kept
}
