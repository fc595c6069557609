package windrow

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/windrow-go/windrow/internal/engine"
	"github.com/windrow-go/windrow/internal/exact"
	"github.com/windrow-go/windrow/internal/message"
	"github.com/windrow-go/windrow/internal/saved"
)

// summaryLimit is how many failures a summary lists.
const summaryLimit = 100

// Summary writes a report for people: the totals, and the error and the data of each item that did not succeed. It
// lists the first 100 of them. The error is the writer's.
func (r *BulkResult[In, Out]) Summary(w io.Writer) error {
	s := r.stats
	var share float64
	if s.Total > 0 {
		share = 100 * float64(s.Succeeded) / float64(s.Total)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Total: %d\nSuccessful: %d (%.1f%%)\nFailed: %d\n", s.Total, s.Succeeded, share, s.Failed)
	lost := 0
	for res := range r.All(Failed) {
		if res.Resend {
			lost++
		}
	}
	if lost > 0 {
		fmt.Fprintf(&b, "  %d of them never got through, and may be sent again as they are\n", lost)
	}
	for _, line := range []struct {
		name string
		n    int
	}{{"Skipped", s.Skipped}, {"Unknown", s.Unknown}, {"Not attempted", s.NotAttempted}} {
		if line.n > 0 {
			fmt.Fprintf(&b, "%s: %d\n", line.name, line.n)
		}
	}
	if r.cause != nil {
		fmt.Fprintf(&b, "Stopped: %s\n", message.Plain(r.cause))
	}
	listed := 0
	for res := range r.All(Failed, Unknown) {
		if listed == summaryLimit {
			fmt.Fprintf(&b, "  and %d more\n", s.Failed+s.Unknown-listed)
			break
		}
		listed++
		fmt.Fprintf(&b, "  Item %d: %s\n    Data: %+v\n", res.Index, message.Plain(res.Err), res.Input)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

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

// recount counts the states from the slots.
func (r *BulkResult[In, Out]) recount() {
	var counts [engine.States]int
	slots := r.slots()
	for first := 0; first < len(slots); { // adjacent items mostly end in the same state
		state, end := slots[first].State, first+1
		for end < len(slots) && slots[end].State == state {
			end++
		}
		counts[state] += end - first
		first = end
	}
	r.stats.Total = len(r.slots())
	for s, n := range counts {
		*r.stats.count(State(s)) = n
	}
}
