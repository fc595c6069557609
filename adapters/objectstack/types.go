package objectstack

import (
	"encoding/json"
	"time"
)

// The sizes of a batch. The deployment configures how many records a batch may hold.
const (
	DefaultMaxRecords = 200  // the default of a deployment
	MaxRecords        = 1000 // the most that a deployment can configure
)

// BatchOperationType is the operation of a batch on its records.
type BatchOperationType string

// The operations.
const (
	OperationCreate BatchOperationType = "create"
	OperationUpdate BatchOperationType = "update"
	OperationUpsert BatchOperationType = "upsert"
	OperationDelete BatchOperationType = "delete"
)

// BatchConfig is the configuration of batches in a deployment.
type BatchConfig struct {
	// Enabled allows batches. Parse sets it to true by default.
	Enabled bool `json:"enabled"`
	// MaxRecordsPerBatch is from 1 to MaxRecords. Parse sets it to DefaultMaxRecords by default.
	MaxRecordsPerBatch int `json:"maxRecordsPerBatch"`
	// DefaultOptions apply to batches without options. Nil means the server's own.
	DefaultOptions *BatchOptions `json:"defaultOptions,omitempty"`
}

// BatchOptions says what a batch does when a record is refused, and what it returns. All except ValidateOnly are always
// sent, since the defaults of servers differ.
type BatchOptions struct {
	// Atomic rolls back the batch when a record is refused, if the server can: see [Client.Probe].
	Atomic bool `json:"atomic"`
	// ReturnRecords returns the records, not only their ids.
	ReturnRecords bool `json:"returnRecords"`
	// ContinueOnError goes on after a refused record. Without it the batch ends there. It has no effect with Atomic.
	ContinueOnError bool `json:"continueOnError"`
	// ValidateOnly asks for a dry run. Servers since 17 refuse it, and older servers ignore it and write: see
	// [Client.VerifyDryRun]. It is sent only when it is true.
	ValidateOnly bool `json:"validateOnly,omitempty"`
}

// BatchRecord is a record of a batch.
type BatchRecord struct {
	// ID is the id of the record. An update and a delete need it, and an upsert without ExternalID.
	ID string `json:"id,omitempty"`
	// Data is the content: a struct, a map or another value whose JSON is an object. A create, an update and an upsert need
	// it.
	Data any `json:"data,omitempty"`
	// ExternalID is the caller's own id of the record, by which an upsert finds it.
	ExternalID string `json:"externalId,omitempty"`
}

// BatchUpdateRequest is the body of POST /data/{object}/batch.
type BatchUpdateRequest struct {
	Operation BatchOperationType `json:"operation"` // the operation on each record
	Records   []BatchRecord      `json:"records"`   // the records
	Options   BatchOptions       `json:"options"`   // the options
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

// BatchOperationResult is the result of one record.
type BatchOperationResult struct {
	// ID is the id of the record, if it succeeded; "" if the server does not tell.
	ID string `json:"id,omitempty"`
	// Success says that the record was written.
	Success bool `json:"success"`
	// Errors are its errors. The first one decides.
	Errors []*Error `json:"errors,omitempty"`
	// Data is the record, with ReturnRecords.
	Data json.RawMessage `json:"data,omitempty"`
	// Index is the position in the request. Nil means the position in the response.
	Index *int `json:"index,omitempty"`
	// DroppedFields are fields that the server did not write.
	DroppedFields []DroppedFields `json:"droppedFields,omitempty"`
}

// DroppedFields are fields that the server did not write.
type DroppedFields struct {
	Object string   `json:"object"` // the record's
	Fields []string `json:"fields"` // their names
	Reason string   `json:"reason"` // such as readonly, readonly_when
}

// BatchUpdateResponse is the response to a batch. Success is false unless all records succeeded.
type BatchUpdateResponse struct {
	Success   bool                   `json:"success"`             // all records succeeded
	Error     *Error                 `json:"error,omitempty"`     // of the request
	Meta      *ResponseMeta          `json:"meta,omitempty"`      // about the response
	Operation BatchOperationType     `json:"operation,omitempty"` // what was done
	Total     int                    `json:"total"`               // records in the request
	Succeeded int                    `json:"succeeded"`           // of the records
	Failed    int                    `json:"failed"`              // of the records
	Results   []BatchOperationResult `json:"results"`             // one for each record, or for those before the end
}

// ResponseMeta is the metadata of a response.
type ResponseMeta struct {
	Timestamp time.Time `json:"timestamp"`           // of the response
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
