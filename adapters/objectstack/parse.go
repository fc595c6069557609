package objectstack

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/internal/jsonform"
)

// Type is one of the types of the batch protocol.
type Type interface {
	BatchConfig | BatchOperationResult | BatchOperationType | BatchOptions | BatchRecord |
		BatchUpdateRequest | BatchUpdateResponse | DeleteManyRequest | UpdateManyRequest
}

// Parse reads a value of the protocol from JSON, fills in the defaults, and checks required fields, types and the rules of
// the Validate methods. The error joins a [*windrow.FieldError] for each problem (see [windrow.FieldErrors]). Unknown fields
// are ignored.
//
// Where the defaults of servers differ it uses those since 17: Atomic is false. (It was true before, without a rollback.)
func Parse[T Type](data []byte) (T, error) {
	var value T
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber() // for Data, whose numbers must keep their digits
	if c, ok := any(&value).(*BatchConfig); ok {
		*c = DefaultConfig()
	}
	if err := decoder.Decode(&value); err != nil {
		var none T
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return none, &windrow.FieldError{Field: wrong.Field, Message: "must be " + kindOf(wrong.Type)}
		}
		return none, errors.New("objectstack: it is not JSON")
	}
	errs := missing(data, reflect.TypeFor[T]())
	if v, ok := any(value).(interface{ Validate() error }); ok {
		errs = append(errs, v.Validate())
	}
	return value, errors.Join(errs...)
}

// kindOf returns the JSON name of a type.
func kindOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "a boolean"
	case reflect.Int, reflect.Float64:
		return "a number"
	case reflect.String:
		return "a string"
	case reflect.Slice:
		return "a list"
	}
	return "an object"
}

// required are the fields that a value must have, by type.
var required = map[reflect.Type][]string{
	reflect.TypeFor[BatchUpdateRequest]():   {"operation", "records"},
	reflect.TypeFor[UpdateManyRequest]():    {"records"},
	reflect.TypeFor[DeleteManyRequest]():    {"ids"},
	reflect.TypeFor[BatchUpdateResponse]():  {"success", "total", "succeeded", "failed", "results"},
	reflect.TypeFor[BatchOperationResult](): {"success"},
}

// missing returns an error for each required field that is missing.
func missing(data []byte, t reflect.Type) []error {
	var object map[string]json.RawMessage
	_ = json.Unmarshal(data, &object) // anything but an object has no required fields
	var errs []error
	for _, name := range required[t] {
		if value, ok := object[name]; !ok || string(value) == "null" {
			errs = append(errs, &windrow.FieldError{Field: name, Message: "is required"})
		}
	}
	if t == reflect.TypeFor[BatchUpdateResponse]() {
		var results []json.RawMessage
		_ = json.Unmarshal(object["results"], &results)
		for i, result := range results {
			errs = append(errs, under(fmt.Sprintf("results[%d]", i), errors.Join(missing(result, reflect.TypeFor[BatchOperationResult]())...)))
		}
	}
	return errs
}

// under prefixes the fields of the field errors in err with a name.
func under(name string, err error) error {
	var errs []error
	for _, e := range windrow.FieldErrors(err) {
		errs = append(errs, &windrow.FieldError{Field: strings.TrimSuffix(name+"."+e.Field, "."), Code: e.Code, Message: e.Message})
	}
	return errors.Join(errs...)
}

func refuse(field, message string, args ...any) error {
	return &windrow.FieldError{Field: field, Message: fmt.Sprintf(message, args...)}
}

// DefaultConfig returns the default configuration of a deployment.
func DefaultConfig() BatchConfig {
	return BatchConfig{Enabled: true, MaxRecordsPerBatch: DefaultMaxRecords}
}

// Validate returns an error if the configuration is invalid.
func (c BatchConfig) Validate() error {
	if c.MaxRecordsPerBatch < 1 || c.MaxRecordsPerBatch > MaxRecords {
		return refuse("maxRecordsPerBatch", "must be from 1 to %d", MaxRecords)
	}
	return nil
}

// Admits returns an error if the deployment refuses a batch with that many records. An empty batch is allowed.
func (c BatchConfig) Admits(records int) error {
	switch {
	case !c.Enabled:
		return refuse("enabled", "is false: batches are switched off")
	case records > c.MaxRecordsPerBatch:
		return refuse("records", "are %d, where a batch holds at most %d", records, c.MaxRecordsPerBatch)
	}
	return nil
}

// Validate returns an error unless it is one of the four operations.
func (o BatchOperationType) Validate() error {
	if !slices.Contains([]BatchOperationType{OperationCreate, OperationUpdate, OperationUpsert, OperationDelete}, o) {
		return refuse("operation", "must be create, update, upsert or delete")
	}
	return nil
}

// Validate returns an error if the record lacks something for the operation.
func (r BatchRecord) Validate(operation BatchOperationType) error {
	var errs []error
	switch {
	case operation == OperationUpsert && r.ID == "" && r.ExternalID == "":
		errs = append(errs, refuse("externalId", "is required for upsert, or id: without either each repetition makes another record"))
	case (operation == OperationUpdate || operation == OperationDelete) && r.ID == "":
		errs = append(errs, refuse("id", "is required for %s", operation))
	}
	if operation != OperationDelete {
		errs = append(errs, r.validateData(operation))
	}
	return errors.Join(errs...)
}

// validateData returns an error if the data is not a record.
func (r BatchRecord) validateData(operation BatchOperationType) error {
	switch jsonform.Of(r.Data) {
	case jsonform.Object:
		return nil
	case jsonform.Null:
		return refuse("data", "is required for %s", operation)
	}
	return refuse("data", "must be an object")
}

// admits returns an error if a default deployment refuses a batch with that many records.
func admits(records int) error { return DefaultConfig().Admits(records) }

// validateRecords returns an error if records of a batch are invalid.
func validateRecords(records []BatchRecord, operation BatchOperationType) error {
	var errs []error
	for i, r := range records {
		errs = append(errs, under(fmt.Sprintf("records[%d]", i), r.Validate(operation)))
	}
	return errors.Join(errs...)
}

// Validate returns an error if the request is invalid for a deployment with the [DefaultConfig].
func (r BatchUpdateRequest) Validate() error {
	return errors.Join(admits(len(r.Records)), r.validate())
}

// validate is Validate without the bounds of a deployment.
func (r BatchUpdateRequest) validate() error {
	if err := r.Operation.Validate(); err != nil {
		return err
	}
	return validateRecords(r.Records, r.Operation)
}

// Validate returns an error if the request is invalid for a deployment with the [DefaultConfig].
func (r UpdateManyRequest) Validate() error {
	return errors.Join(admits(len(r.Records)), r.validate())
}

func (r UpdateManyRequest) validate() error { return validateRecords(r.Records, OperationUpdate) }

// Validate returns an error if the request is invalid for a deployment with the [DefaultConfig].
func (r DeleteManyRequest) Validate() error {
	return errors.Join(admits(len(r.IDs)), r.validate())
}

func (r DeleteManyRequest) validate() error {
	var errs []error
	for i, id := range r.IDs {
		if id == "" {
			errs = append(errs, refuse(fmt.Sprintf("ids[%d]", i), "is empty"))
		}
	}
	return errors.Join(errs...)
}

// Validate returns an error if the counts of the response do not fit: Succeeded and Failed must add up to Total, and match
// the results. Servers before 17 omit records from all but Total when a batch ends early, which is an error here, but not
// for a [Resource].
func (r BatchUpdateResponse) Validate() error {
	succeeded := 0
	for _, result := range r.Results {
		if result.Success {
			succeeded++
		}
	}
	var errs []error
	if r.Succeeded+r.Failed != r.Total {
		errs = append(errs, refuse("total", "is %d, which is not the sum of %d succeeded and %d failed", r.Total, r.Succeeded, r.Failed))
	}
	if len(r.Results) != r.Total {
		errs = append(errs, refuse("results", "has %d entries for %d records", len(r.Results), r.Total))
	}
	if succeeded != r.Succeeded {
		errs = append(errs, refuse("succeeded", "is %d, where %d results are a success", r.Succeeded, succeeded))
	}
	if r.Success != (r.Failed == 0) {
		errs = append(errs, refuse("success", "is %t with %d failed", r.Success, r.Failed))
	}
	return errors.Join(errs...)
}
