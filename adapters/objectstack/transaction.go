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

// Transaction carries out operations on several objects as a whole with POST /batch: it is what [mixed.Run] takes,
// with the option [windrow.Atomic]. Make one with [Client.Transaction].
//
// The operations are create, update and delete; Resource is the object. An operation may refer to a record that an earlier
// one creates: the earlier one has an ExternalID, which is not sent, and the value of a field of the later one is a [Ref]
// to that. The value of a create and an update is a [json.RawMessage] that holds the record.
//
//	project := mixed.Operation{Kind: windrow.OpCreate, Resource: "project", ExternalID: "apollo", Data: …}
//	task := mixed.Operation{Kind: windrow.OpCreate, Resource: "task", Data: map[string]any{"project": objectstack.Ref("apollo")}}
//	res, err := mixed.Run(ctx, client.Transaction(), []mixed.Operation{project, task}, windrow.Atomic())
type Transaction struct{ client *Client }

// Transaction returns the client's executor of operations on several objects.
func (c *Client) Transaction() *Transaction { return &Transaction{c} }

// Ref is the value of a field that is to hold the id of a record which an earlier operation of the same transaction
// creates: the one with that ExternalID.
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

// operation is one of them on the wire.
type operation struct {
	Object string          `json:"object"`
	Action string          `json:"action"`
	ID     string          `json:"id,omitempty"`
	Data   json.RawMessage `json:"data,omitempty"`
}

// Execute carries out the operations, all or none. When one of them is not what a transaction can do, none is sent, and
// the others have an error that matches [windrow.ErrRolledBack].
//
// In a run without [windrow.Atomic], which may send the operations in parts, none of them may hold a [Ref].
func (t *Transaction) Execute(ctx context.Context, ops []mixed.Operation) ([]windrow.Outcome[any], error) {
	out := make([]windrow.Outcome[any], len(ops))
	wire := make([]operation, len(ops))
	made := map[string]int{} // where the record with that ExternalID is created
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
	var answer struct {
		Results []json.RawMessage
		Dropped []struct {
			DroppedFields
			Index int `json:"index"`
		} `json:"droppedFields"`
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return nil, errNoResults
	}
	if got := len(answer.Results); got != len(ops) {
		return nil, fmt.Errorf("%w: it has %d results for %d operations", windrow.ErrProtocol, got, len(ops))
	}
	for i, o := range ops {
		if o.Kind != windrow.OpDelete {
			out[i].Value = answer.Results[i]
		}
	}
	for _, d := range answer.Dropped {
		if d.Index >= 0 && d.Index < len(out) {
			out[d.Index].Warnings = append(out[d.Index].Warnings, warnings([]DroppedFields{d.DroppedFields})...)
		}
	}
	return out, nil
}

// encode returns an operation on the wire, or says what is wrong with it.
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

// resolve puts the places of operations where the data refers to them by their ExternalID.
func resolve(data []byte, made map[string]int) (json.RawMessage, error) {
	if !bytes.Contains(data, []byte(`"`+refKey+`"`)) {
		return data, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber() // no number is lost
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

// walk returns a value in which each reference by name was replaced.
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
