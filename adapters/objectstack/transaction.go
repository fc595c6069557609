package objectstack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/clients"
	"github.com/windrow-go/windrow/mixed"
)

// Transaction applies operations on several objects as a whole with POST /batch. It is a client for [mixed.Run] with
// the option [windrow.Atomic]. Make one with [Client.Transaction].
//
// The operations are create, update and delete; Resource is the object. An operation may refer to a record that an earlier
// operation creates: set the ExternalID of the earlier one, which is not sent, and a field of the later one to a [Ref] with
// it. The value of a create and an update is the record as a [json.RawMessage].
//
//	project := mixed.Operation{Kind: windrow.OpCreate, Resource: "project", ExternalID: "apollo", Data: …}
//	task := mixed.Operation{Kind: windrow.OpCreate, Resource: "task", Data: map[string]any{"project": objectstack.Ref("apollo")}}
//	res, err := mixed.Run(ctx, client.Transaction(), []mixed.Operation{project, task}, windrow.Atomic())
type Transaction struct{ client *Client }

// Transaction returns the client's executor of operations on several objects.
func (c *Client) Transaction() *Transaction { return &Transaction{c} }

// Ref is the value of a field that refers to a record of an earlier operation of the same transaction, by its ExternalID.
// The server replaces it with the record's id.
type Ref string

// MarshalJSON implements [json.Marshaler].
func (r Ref) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{refKey: string(r)})
}

const refKey = "$ref"

// Capabilities implements [clients.Describer].
func (t *Transaction) Capabilities() windrow.Capabilities {
	return windrow.Capabilities{MaxItems: t.client.maxRecords(MaxRecords), Atomicity: windrow.AtomicityAll, Ordered: true}
}

// operation is an operation on the wire.
type operation struct {
	Object string          `json:"object"`
	Action string          `json:"action"`
	ID     string          `json:"id,omitempty"`
	Data   json.RawMessage `json:"data,omitempty"`
}

// Execute applies the operations, all or none. If one of them is not valid in a transaction, none is sent, and the errors of
// the others match [windrow.ErrRolledBack].
//
// In a run without [windrow.Atomic], which may send the operations in parts, none of them may hold a [Ref].
func (t *Transaction) Execute(ctx context.Context, ops []mixed.Operation) ([]windrow.Outcome[any], error) {
	out := make([]windrow.Outcome[any], len(ops))
	wire := make([]operation, len(ops))
	made := map[string]int{} // by ExternalID: the operation that creates the record
	attempt, running := clients.AttemptFrom(ctx)
	refused := false
	for i, o := range ops {
		var err error
		wire[i], err = encode(o, made)
		if err == nil && running && !attempt.Atomic && bytes.Contains(wire[i].Data, []byte(`"`+refKey+`"`)) {
			err = refuse("Data", "holds a Ref, which needs the option windrow.Atomic: otherwise the operations may be sent in parts")
		}
		if err != nil {
			refused, out[i].Err = true, invalid(err)
		}
		if o.Kind == windrow.OpCreate && o.ExternalID != "" {
			made[o.ExternalID] = i
		}
	}
	if refused {
		for i := range out {
			if out[i].Err == nil {
				out[i].Err = errWhole
			}
		}
		return out, nil
	}
	if len(ops) == 0 {
		return out, nil
	}
	data, err := t.client.do(ctx, http.MethodPost, "/batch", map[string]any{"operations": wire, "atomic": true})
	if err != nil {
		return nil, err
	}
	var response struct {
		Results []json.RawMessage
		Dropped []struct {
			DroppedFields
			Index int `json:"index"`
		} `json:"droppedFields"`
	}
	if err := json.Unmarshal(data, &response); err != nil {
		return nil, errNoResults
	}
	if got := len(response.Results); got != len(ops) {
		return nil, fmt.Errorf("%w: it has %d results for %d operations", windrow.ErrProtocol, got, len(ops))
	}
	for i, o := range ops {
		if o.Kind != windrow.OpDelete {
			out[i].Value = response.Results[i]
		}
	}
	for _, d := range response.Dropped {
		if d.Index >= 0 && d.Index < len(out) {
			out[d.Index].Warnings = append(out[d.Index].Warnings, warnings([]DroppedFields{d.DroppedFields})...)
		}
	}
	return out, nil
}

// encode returns an operation in its wire form.
func encode(o mixed.Operation, made map[string]int) (operation, error) {
	wire := operation{Object: o.Resource, Action: o.Kind.String(), ID: o.ID}
	switch o.Kind {
	case windrow.OpCreate, windrow.OpUpdate, windrow.OpDelete:
	default:
		return wire, refuse("Kind", "must be create, update or delete in a transaction, not %v", o.Kind)
	}
	err := o.Validate()
	if o.Resource == "" {
		err = errors.Join(err, refuse("Resource", "is required: the name of the object"))
	}
	if err != nil || o.Kind == windrow.OpDelete {
		return wire, err
	}
	data, encodeErr := json.Marshal(o.Data)
	if encodeErr != nil || len(data) == 0 || data[0] != '{' {
		return wire, refuse("Data", "must be something whose JSON is an object")
	}
	wire.Data, err = resolve(data, made)
	return wire, err
}

// resolve replaces each reference by ExternalID in data with the index of the operation.
func resolve(data []byte, made map[string]int) (json.RawMessage, error) {
	if !bytes.Contains(data, []byte(`"`+refKey+`"`)) {
		return data, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber() // numbers keep their digits
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, refuse("Data", "must be something whose JSON is an object")
	}
	var unresolved error
	value = walk(value, func(name string) any {
		place, ok := made[name]
		if !ok {
			unresolved = refuse("Data", "holds a Ref to what no earlier create of the transaction has as its ExternalID")
		}
		return place
	})
	if unresolved != nil {
		return nil, unresolved
	}
	return json.Marshal(value)
}

// walk returns a value with each reference replaced.
func walk(value any, place func(name string) any) any {
	switch v := value.(type) {
	case map[string]any:
		if name, ok := v[refKey].(string); ok && len(v) == 1 {
			return map[string]any{refKey: place(name)}
		}
		for key := range v {
			v[key] = walk(v[key], place)
		}
	case []any:
		for i := range v {
			v[i] = walk(v[i], place)
		}
	}
	return value
}

var (
	_ mixed.Executor    = (*Transaction)(nil)
	_ clients.Describer = (*Transaction)(nil)
)
