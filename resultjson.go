package windrow

import (
	"encoding/json"
	"errors"

	"github.com/windrow-go/windrow/internal/exact"
	"github.com/windrow-go/windrow/internal/saved"
)

// bulkJSON is the JSON form of a result. Its field names are part of the contract, as are those of its items.
type bulkJSON[In, Out any] struct {
	Operation OpKind                `json:"operation"`
	RunID     string                `json:"run_id"`
	Scope     string                `json:"idempotency_scope,omitempty"` // absent in older forms
	Stats     RunStats              `json:"stats"`
	Cause     string                `json:"cause,omitempty"`
	Items     []saved.Item[In, Out] `json:"items"`
	Open      []saved.Open          `json:"open,omitempty"` // handles on the server that Unknown items left
}

// MarshalJSON implements [json.Marshaler]. The form is stable, and holds the inputs and what the server returned. It
// can be read back and given to [BatchProcessor.Rerun]; errors come back as texts. Numbers keep all their digits: a
// number in an interface, as in a map[string]any, comes back as a [json.Number], which is written as it was.
func (r *BulkResult[In, Out]) MarshalJSON() ([]byte, error) {
	s := &saved.Result[In, Out]{
		Inputs: r.inputs, Values: r.values, Table: r.table, Keys: r.keys, Corrected: r.corrected, Revisions: r.revisions,
	}
	out := bulkJSON[In, Out]{
		Operation: r.op, RunID: r.runID, Scope: r.scope, Stats: r.stats, Items: s.Items(func(i int) string { return r.At(i).ID }), Open: s.Open(),
	}
	if r.cause != nil {
		out.Cause = r.cause.Error()
	}
	return json.Marshal(out)
}

// UnmarshalJSON implements [json.Unmarshaler].
func (r *BulkResult[In, Out]) UnmarshalJSON(data []byte) error {
	var in bulkJSON[In, Out]
	if err := exact.Unmarshal(data, &in); err != nil {
		return err
	}
	s, err := saved.Load(in.Items)
	if err == nil {
		err = s.Reopen(in.Open)
	}
	if err != nil {
		return err
	}
	*r = BulkResult[In, Out]{
		op: in.Operation, runID: in.RunID, scope: in.Scope, stats: in.Stats, inputs: s.Inputs, ownInputs: true, values: s.Values,
		table: s.Table, mask: -1, keys: s.Keys, ids: s.IDs, corrected: s.Corrected, revisions: s.Revisions, stored: true,
	}
	if in.Cause != "" {
		r.cause = errors.New(in.Cause)
	}
	r.recount()
	return nil
}
