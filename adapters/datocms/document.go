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

// Meta is what DatoCMS knows of a record beside its fields. A time is as DatoCMS writes it, "" for none.
type Meta struct {
	// CurrentVersion is the version of the record. An update whose data has one is refused when it is not the current
	// one any more: see [ErrStaleVersion].
	CurrentVersion string `json:"current_version,omitempty"`
	// Status is "draft", "updated" or "published".
	Status string `json:"status,omitempty"`
	// Stage is that of the record's workflow.
	Stage string `json:"stage,omitempty"`
	// IsValid says that the current version passes all validations.
	IsValid          bool   `json:"is_valid,omitempty"`
	CreatedAt        string `json:"created_at,omitempty"`         // when the record was made
	UpdatedAt        string `json:"updated_at,omitempty"`         // when it was last changed
	PublishedAt      string `json:"published_at,omitempty"`       // when it was last published
	FirstPublishedAt string `json:"first_published_at,omitempty"` // when it was first published
}

// Record is what all records have beside their fields. Embed it in a record type:
//
//	type Article struct {
//		datocms.Record
//		Title string `json:"title"`
//	}
//
// A record that is created keeps its ID, if it has one, its ItemType in place of the resource's, its Creator, and of its
// Meta CreatedAt and FirstPublishedAt. One that is updated only has the CurrentVersion sent along with the fields.
type Record struct {
	ID       string `json:"id,omitempty"`       // its id
	ItemType Ref    `json:"item_type,omitzero"` // its model
	Creator  Ref    `json:"creator,omitzero"`   // who made it
	Meta     Meta   `json:"meta,omitzero"`      // what else is known of it
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

// document is the form of an answer, and of the payload of a job.
type document struct {
	method, path string
	status       int

	job  string // the job that has begun, "" when that is none
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

// total returns how many records the whole list has, 0 when the answer does not say.
func (d *document) total() int {
	var meta struct {
		Total int `json:"total_count"`
	}
	_ = json.Unmarshal(d.meta, &meta) // a total is a hint
	return max(0, meta.Total)
}

// unreadableError is the error of a success whose answer is not what was expected. Its text does not show what it was.
type unreadableError struct {
	method, path string
	status       int
	err          error
}

func (e *unreadableError) Error() string {
	text := fmt.Sprintf("datocms: %s %s: status %d: the answer is not what was expected", e.method, e.path, e.status)
	if err, ok := errors.AsType[*json.UnmarshalTypeError](e.err); ok {
		text += fmt.Sprintf(": its %s does not fit into a %v", err.Field, err.Type)
	}
	return text
}

func (e *unreadableError) Unwrap() error { return e.err }

// StatusCode tells windrow that there was an answer, and that it said success.
func (e *unreadableError) StatusCode() int { return e.status }

func (d *document) unreadable() error { return d.unreadableFor(nil) }

func (d *document) unreadableFor(err error) error {
	return &unreadableError{method: d.method, path: d.path, status: d.status, err: err}
}

// one reads the record of an answer. An Out that is a struct{} takes any.
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

// many reads the records of an answer.
func many(d *document) ([]entity, error) {
	var list []entity
	if len(d.data) == 0 || json.Unmarshal(d.data, &list) != nil {
		return nil, d.unreadable()
	}
	return list, nil
}

// simple makes the caller's value of a record.
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
		o["meta"], _ = json.Marshal(e.Meta) // values that were read
	}
	return o
}

func quoted(text string) json.RawMessage {
	data, _ := json.Marshal(text) // a string has a JSON form
	return data
}

// complexify makes a record of the simplified form of a caller's value. What the form holds beside fields is taken out of
// it: relations by their names, id, type and meta.
func complexify(in any, kind string, relations ...string) (entity, error) {
	text, err := json.Marshal(in)
	if err != nil {
		return entity{}, invalid("the input cannot be turned into JSON")
	}
	e := entity{Type: kind, Relationships: map[string]linkage{}}
	if json.Unmarshal(text, &e.Attributes) != nil || e.Attributes == nil {
		return entity{}, invalid("the JSON form of the input is no object: use a struct or a map")
	}
	if id, there := e.Attributes["id"]; there && json.Unmarshal(id, &e.ID) != nil {
		return entity{}, invalid("the id of the input is no text")
	}
	if meta, there := e.Attributes["meta"]; there && json.Unmarshal(meta, &e.Meta) != nil {
		return entity{}, invalid("the meta of the input is no object")
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

// keep removes everything from an object but the names.
func keep(o object, names ...string) object {
	kept := object{}
	for _, name := range names {
		if value, there := o[name]; there && string(value) != "null" {
			kept[name] = value
		}
	}
	return kept
}
