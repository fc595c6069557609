package objectstack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/clients"
)

// CreateBatch creates many records with POST /data/{object}/batch.
func (r *Resource[In, Out]) CreateBatch(ctx context.Context, in []In) ([]windrow.Outcome[Out], error) {
	return r.batch(ctx, OperationCreate, r.creates(in))
}

// UpdateBatch changes fields of many records with POST /data/{object}/updateMany.
func (r *Resource[In, Out]) UpdateBatch(ctx context.Context, in []windrow.Update[string, In]) ([]windrow.Outcome[Out], error) {
	records := make([]BatchRecord, len(in))
	for i, u := range in {
		records[i] = BatchRecord{ID: u.ID, Data: u.Data}
	}
	return r.batch(ctx, OperationUpdate, records)
}

// UpsertBatch creates or updates many records with POST /data/{object}/batch.
func (r *Resource[In, Out]) UpsertBatch(ctx context.Context, in []In) ([]windrow.Outcome[Out], error) {
	return r.batch(ctx, OperationUpsert, r.upserts(in))
}

// DeleteBatch deletes many records with POST /data/{object}/deleteMany.
func (r *Resource[In, Out]) DeleteBatch(ctx context.Context, ids []string) ([]windrow.Outcome[struct{}], error) {
	records := make([]BatchRecord, len(ids))
	for i, id := range ids {
		records[i].ID = id
	}
	if err := r.ready(); err != nil {
		return nil, err
	}
	return send[struct{}](ctx, r.client, r.object, OperationDelete, records, BatchOptions{})
}

// DryRun asks the server to validate creates or upserts without writing. It returns an error unless [Client.VerifyDryRun]
// has verified that nothing is written.
func (r *Resource[In, Out]) DryRun(ctx context.Context, in []In) ([]error, error) {
	if err := r.ready(); err != nil {
		return nil, err
	}
	operation, records := OperationCreate, r.creates(in)
	if a, _ := clients.AttemptFrom(ctx); a.Op == windrow.OpUpsert {
		operation, records = OperationUpsert, r.upserts(in)
	}
	outcomes, err := send[struct{}](ctx, r.client, r.object, operation, records, BatchOptions{ValidateOnly: true})
	if err != nil {
		return nil, err
	}
	errs := make([]error, len(outcomes))
	for i := range outcomes {
		errs[i] = outcomes[i].Err
	}
	return errs, nil
}

func (r *Resource[In, Out]) creates(in []In) []BatchRecord {
	records := make([]BatchRecord, len(in))
	for i := range in {
		records[i].Data = in[i]
	}
	return records
}

func (r *Resource[In, Out]) upserts(in []In) []BatchRecord {
	records := r.creates(in)
	for i := range in {
		if r.ExternalID != nil {
			records[i].ExternalID = r.ExternalID(in[i])
		}
		if r.ID != nil {
			records[i].ID = r.ID(in[i])
		}
	}
	return records
}

func (r *Resource[In, Out]) batch(ctx context.Context, operation BatchOperationType, records []BatchRecord) ([]windrow.Outcome[Out], error) {
	if err := r.ready(); err != nil {
		return nil, err
	}
	return send[Out](ctx, r.client, r.object, operation, records, BatchOptions{ReturnRecords: r.whole})
}

var (
	errBefore  = fmt.Errorf("%w: an earlier record was refused, and the run stops there", windrow.ErrRolledBack)
	errWhole   = fmt.Errorf("%w: another record is not valid", windrow.ErrRolledBack)
	errOmitted = fmt.Errorf("%w: the server's response ends with an earlier record, which was refused", windrow.ErrRolledBack)
	errMissing = errors.New("objectstack: the response has no result for this record")
)

// send applies an operation to records, with the options of ctx's attempt, and returns one outcome for each. Records that
// are not valid are not sent.
func send[Out any](ctx context.Context, c *Client, object string, operation BatchOperationType, records []BatchRecord, options BatchOptions) ([]windrow.Outcome[Out], error) {
	attempt, _ := clients.AttemptFrom(ctx)
	options.Atomic = attempt.Atomic
	options.ContinueOnError = !attempt.Atomic && !attempt.StopOnError
	out := make([]windrow.Outcome[Out], len(records))
	places := make([]int, 0, len(records)) // in out, of the records that are sent
	sent := make([]BatchRecord, 0, len(records))
	refused := false
	for i, record := range records {
		err := record.Validate(operation)
		switch {
		case err != nil:
			refused, out[i].Err = true, invalid(err)
		case refused && attempt.StopOnError:
			out[i].Err = errBefore
		default:
			places, sent = append(places, i), append(sent, record)
		}
	}
	if refused && attempt.Atomic {
		for _, i := range places {
			out[i].Err = errWhole
		}
		return out, nil
	}
	response, err := c.send(ctx, object, operation, sent, options)
	if err != nil {
		return nil, err
	}
	rows, err := match(sent, response.Results, options)
	if err != nil {
		return nil, err
	}
	undone := options.Atomic && len(rows) > 0 && !allSucceeded(rows)
	for k, row := range rows {
		out[places[k]] = outcome[Out](row, options.Atomic)
		if err := c.askUser(object, row); err != nil {
			out[places[k]].Err = err
		}
		if undone && row.err == nil && row.result.Success {
			out[places[k]].Warnings = append(out[places[k]].Warnings, "the server kept it, although another record of the atomic batch was refused: it does not roll back")
		}
	}
	return out, nil
}

// send sends a batch to the endpoint of its operation.
func (c *Client) send(ctx context.Context, object string, operation BatchOperationType, records []BatchRecord, options BatchOptions) (BatchUpdateResponse, error) {
	switch {
	case operation == OperationUpdate:
		return c.updateMany(ctx, object, UpdateManyRequest{Records: records, Options: options})
	case operation == OperationDelete:
		ids := make([]string, len(records))
		for i, r := range records {
			ids[i] = r.ID
		}
		return c.deleteMany(ctx, object, DeleteManyRequest{IDs: ids, Options: options})
	}
	return c.batch(ctx, object, BatchUpdateRequest{Operation: operation, Records: records, Options: options})
}

// row is the result of one record in a response.
type row struct {
	result *BatchOperationResult // nil when the response has none
	err    error                 // set when result is nil
}

func allSucceeded(rows []row) bool {
	for _, r := range rows {
		if r.result == nil || !r.result.Success {
			return false
		}
	}
	return true
}

// match puts the results of a response into the order of the records. A result belongs to the record at its index, or at its
// own place if it has none. A response that does not fit is an error that matches [windrow.ErrProtocol].
func match(records []BatchRecord, results []BatchOperationResult, options BatchOptions) ([]row, error) {
	rows := make([]row, len(records))
	indexed := len(results) > 0
	for i := range results {
		result, k := &results[i], i
		if result.Index != nil {
			k = *result.Index
		} else {
			indexed = false
		}
		switch {
		case k < 0 || k >= len(records):
			return nil, fmt.Errorf("%w: it has %d results for %d records", windrow.ErrProtocol, len(results), len(records))
		case rows[k].result != nil:
			return nil, fmt.Errorf("%w: it has two results for one record", windrow.ErrProtocol)
		case records[k].ID != "" && result.ID != "" && result.ID != records[k].ID:
			return nil, fmt.Errorf("%w: a result is about another record than the one in its place", windrow.ErrProtocol)
		}
		rows[k].result = result
	}
	if len(results) == len(records) {
		return rows, nil
	}
	// Servers before 17 end the response with the record that ended the batch.
	n := len(results)
	ended := !options.ContinueOnError && n > 0 && rows[n-1].result != nil && !rows[n-1].result.Success
	if !ended && !indexed {
		return nil, fmt.Errorf("%w: it has %d results for %d records", windrow.ErrProtocol, n, len(records))
	}
	for k := range rows {
		switch {
		case rows[k].result != nil:
		case ended && k >= n:
			rows[k].err = errOmitted
		default:
			rows[k].err = windrow.Ambiguous(errMissing)
		}
	}
	return rows, nil
}

// outcome returns the outcome of a row.
func outcome[Out any](r row, atomic bool) (out windrow.Outcome[Out]) {
	switch {
	case r.result == nil:
		out.Err = r.err
	case !r.result.Success:
		out.Err = recordError(r.result.Errors, atomic)
	default:
		out.Value, out.Err = read[Out](r.result.Data, r.result.ID)
		out.Warnings = warnings(r.result.DroppedFields)
	}
	return out
}

// askUser returns the error of the user's classifier for a refused record, nil if it returns none.
func (c *Client) askUser(object string, r row) error {
	if c.user == nil || r.result == nil || r.result.Success || len(r.result.Errors) == 0 {
		return nil
	}
	e := r.result.Errors[0]
	if e.Is(windrow.ErrRolledBack) { // another record was refused
		return nil
	}
	body, _ := json.Marshal(e) // cannot fail: it was decoded from JSON
	path, _ := dataPath(object)
	return c.user.Ask(&rest.Error{Method: http.MethodPost, Path: path, Status: e.HTTPStatus, Code: e.Code, Fields: e.FieldErrors, Body: body})
}

// warnings returns which fields the server dropped, and why.
func warnings(dropped []DroppedFields) []string {
	var texts []string
	for _, d := range dropped {
		text := "the server dropped " + strings.Join(d.Fields, ", ")
		if d.Reason != "" {
			text += " (" + d.Reason + ")"
		}
		texts = append(texts, text)
	}
	return texts
}

// Inserter creates records with POST /data/{object}/createMany: all of a request or none. It is faster for the server than
// the batches of a [Resource], and has no results for single records. Make one with [Resource.Inserter].
type Inserter[In, Out any] struct{ resource *Resource[In, Out] }

// Inserter returns a client that creates records with createMany.
func (r *Resource[In, Out]) Inserter() *Inserter[In, Out] { return &Inserter[In, Out]{r} }

// Capabilities implements [clients.Describer].
func (i *Inserter[In, Out]) Capabilities() windrow.Capabilities {
	return windrow.Capabilities{MaxItems: i.resource.Capabilities().MaxItems, Atomicity: windrow.AtomicityAll, Ordered: true}
}

// Create creates one record with POST /data/{object}.
func (i *Inserter[In, Out]) Create(ctx context.Context, in In) (Out, error) {
	return i.resource.Create(ctx, in)
}

// CreateBatch creates all of the records or none. If one of them is not valid none is sent, and the errors of the others
// match [windrow.ErrRolledBack].
func (i *Inserter[In, Out]) CreateBatch(ctx context.Context, in []In) ([]windrow.Outcome[Out], error) {
	r := i.resource
	if err := r.ready(); err != nil {
		return nil, err
	}
	records, out := make([]any, len(in)), make([]windrow.Outcome[Out], len(in))
	refused := false
	for k := range in {
		records[k] = in[k]
		if err := (BatchRecord{Data: in[k]}).validateData(OperationCreate); err != nil {
			refused, out[k].Err = true, invalid(err)
		}
	}
	if refused {
		for k := range out {
			if out[k].Err == nil {
				out[k].Err = errWhole
			}
		}
		return out, nil
	}
	created, err := r.client.createMany(ctx, r.object, records)
	if err != nil {
		return nil, err
	}
	for k, record := range created {
		var id struct {
			ID string `json:"id"`
		}
		_ = json.Unmarshal(record, &id) // a record without one is read as it is
		if !r.whole {
			record = nil
		}
		out[k].Value, out[k].Err = read[Out](record, id.ID)
	}
	return out, nil
}

var (
	_ windrow.Creator[int, bool]      = (*Inserter[int, bool])(nil)
	_ clients.BatchCreator[int, bool] = (*Inserter[int, bool])(nil)
	_ clients.Describer               = (*Inserter[int, bool])(nil)
)
