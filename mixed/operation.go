package mixed

import (
	"errors"

	"github.com/windrow-go/windrow"
)

// Operation is one of several kinds of work in one [Run].
type Operation struct {
	// Kind is what is done: [windrow.OpCreate], [windrow.OpUpdate], [windrow.OpUpsert], [windrow.OpDelete] or [windrow.OpGet].
	Kind windrow.OpKind `json:"kind"`
	// Resource is the kind of record: a collection, a table, a type. It may be "" where the client has but one.
	Resource string `json:"resource,omitempty"`
	// ID names the record. An update, a delete and a read need it.
	ID string `json:"id,omitempty"`
	// ExternalID is the caller's own id of the record, by which an upsert finds it.
	ExternalID string `json:"external_id,omitempty"`
	// Data is the content. A create, an update and an upsert need it.
	Data any `json:"data,omitempty"`
}

// Validate says what an operation of its kind lacks. It is the Validate of a processor made by [NewProcessor]; one
// that takes its place should call it.
func (o Operation) Validate() error {
	var errs []error
	refuse := func(field, message string) { errs = append(errs, &windrow.FieldError{Field: field, Message: message}) }
	switch o.Kind {
	case windrow.OpUpdate, windrow.OpDelete, windrow.OpGet:
		if o.ID == "" {
			refuse("ID", "is required for "+o.Kind.String())
		}
	case windrow.OpCreate, windrow.OpUpsert:
	default:
		refuse("Kind", "must be create, update, upsert, delete or get, not "+o.Kind.String())
		return errors.Join(errs...)
	}
	if o.Data == nil && o.Kind != windrow.OpDelete && o.Kind != windrow.OpGet {
		refuse("Data", "is required for "+o.Kind.String())
	}
	return errors.Join(errs...)
}

// identity names the record of an operation, "" when it names none.
func (o Operation) identity() string {
	id := o.ID
	if id == "" && o.ExternalID != "" {
		id = "external:" + o.ExternalID
	}
	if id == "" || o.Resource == "" {
		return id
	}
	return o.Resource + "/" + id
}
