package objectstack

import (
	"encoding/json"
	"time"
)

// The sizes of a batch. How many records one may hold is the deployment's choice.
const (
	DefaultMaxRecords = 200  // of a deployment that chose nothing
	MaxRecords        = 1000 // the most that a deployment can choose
)

// BatchOperationType is what a batch does with its records.
type BatchOperationType string

// The operations.
const (
	OperationCreate BatchOperationType = "create"
	OperationUpdate BatchOperationType = "update"
	OperationUpsert BatchOperationType = "upsert"
	OperationDelete BatchOperationType = "delete"
)

// BatchConfig is how a deployment takes batches.
type BatchConfig struct {
	// Enabled says that it takes them. Defaults to true when it is parsed.
	Enabled bool `json:"enabled"`
	// MaxRecordsPerBatch is from 1 to MaxRecords. Defaults to DefaultMaxRecords when it is parsed.
	MaxRecordsPerBatch int `json:"maxRecordsPerBatch"`
	// DefaultOptions hold for batches without any. Nil means the server's own.
	DefaultOptions *BatchOptions `json:"defaultOptions,omitempty"`
}

// BatchOptions is what a batch does when a record is refused, and what it answers. All but ValidateOnly are sent with
// every request, also when they are false: servers do not agree on what the absence of one means.
type BatchOptions struct {
	// Atomic undoes all when one record is refused. It needs a server that can: see [Client.Probe].
	Atomic bool `json:"atomic"`
	// ReturnRecords has the answer hold the records, and not their ids alone.
	ReturnRecords bool `json:"returnRecords"`
	// ContinueOnError goes on after a record that was refused. Without it the batch ends there. It means nothing
	// beside Atomic.
	ContinueOnError bool `json:"continueOnError"`
	// ValidateOnly asks for a dry run. Servers since 17 refuse it, and those before ignore it and write: see
	// [Client.VerifyDryRun]. It is sent when it is true only.
	ValidateOnly bool `json:"validateOnly,omitempty"`
}

// BatchRecord is a record of a batch.
type BatchRecord struct {
	// ID names the record. An update and a delete need it, and an upsert that has no ExternalID.
	ID string `json:"id,omitempty"`
	// Data is the content: a struct, a map or something else whose JSON is an object. A create, an update and an
	// upsert need it.
	Data any `json:"data,omitempty"`
	// ExternalID is the caller's own id of the record, by which an upsert finds it.
	ExternalID string `json:"externalId,omitempty"`
}

// BatchUpdateRequest is the body of POST /data/{object}/batch.
type BatchUpdateRequest struct {
	Operation BatchOperationType `json:"operation"` // what is done
	Records   []BatchRecord      `json:"records"`   // with what
	Options   BatchOptions       `json:"options"`   // and how
}

// UpdateManyRequest is the body of POST /data/{object}/updateMany.
type UpdateManyRequest struct {
	Records []BatchRecord `json:"records"` // each with ID and Data
	Options BatchOptions  `json:"options"` // how
}

// DeleteManyRequest is the body of POST /data/{object}/deleteMany.
type DeleteManyRequest struct {
	IDs     []string     `json:"ids"`     // of the records
	Options BatchOptions `json:"options"` // how
}

// BatchOperationResult is what became of one record.
type BatchOperationResult struct {
	// ID is that of the record, if it succeeded; "" where the server does not tell.
	ID string `json:"id,omitempty"`
	// Success says that it was written.
	Success bool `json:"success"`
	// Errors say why not. The first one decides.
	Errors []*Error `json:"errors,omitempty"`
	// Data is the record, if that was asked for.
	Data json.RawMessage `json:"data,omitempty"`
	// Index is the place in the request. Nil means the place in the answer.
	Index *int `json:"index,omitempty"`
	// DroppedFields are those that the server left out of what it wrote.
	DroppedFields []DroppedFields `json:"droppedFields,omitempty"`
}

// DroppedFields are fields that the server left out of a record that it wrote.
type DroppedFields struct {
	Object string   `json:"object"` // the record's
	Fields []string `json:"fields"` // their names
	Reason string   `json:"reason"` // such as readonly, readonly_when
}

// BatchUpdateResponse is the answer to a batch. Success is false also when some records succeeded.
type BatchUpdateResponse struct {
	Success   bool                   `json:"success"`             // all records succeeded
	Error     *Error                 `json:"error,omitempty"`     // of the request
	Meta      *ResponseMeta          `json:"meta,omitempty"`      // about the answer
	Operation BatchOperationType     `json:"operation,omitempty"` // what was done
	Total     int                    `json:"total"`               // records in the request
	Succeeded int                    `json:"succeeded"`           // of them
	Failed    int                    `json:"failed"`              // of them
	Results   []BatchOperationResult `json:"results"`             // one for each record, or for those before the end
}

// ResponseMeta is what an answer says of itself.
type ResponseMeta struct {
	Timestamp time.Time `json:"timestamp"`           // when it was made
	Duration  float64   `json:"duration,omitempty"`  // in milliseconds
	RequestID string    `json:"requestId,omitempty"` // for the server's support
	TraceID   string    `json:"traceId,omitempty"`   // for the server's support
}

// UnmarshalJSON implements [json.Unmarshaler]. Servers before 17 call the data record, and an error is a text.
func (r *BatchOperationResult) UnmarshalJSON(data []byte) error {
	type plain BatchOperationResult
	got := struct {
		*plain
		Record json.RawMessage `json:"record"`
		Error  json.RawMessage `json:"error"`
	}{plain: (*plain)(r)}
	*r = BatchOperationResult{}
	if err := json.Unmarshal(data, &got); err != nil {
		return err
	}
	if len(r.Data) == 0 {
		r.Data = got.Record
	}
	if len(r.Errors) == 0 && len(got.Error) > 0 && string(got.Error) != "null" {
		e := &Error{}
		if err := json.Unmarshal(got.Error, &e.Message); err != nil {
			if err := json.Unmarshal(got.Error, e); err != nil {
				return err
			}
		}
		r.Errors = []*Error{e}
	}
	return nil
}
