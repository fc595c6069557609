// Package saved is the JSON form of the items of a result. Its field names are part of the contract.
package saved

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/windrow-go/windrow/internal/engine"
	"github.com/windrow-go/windrow/internal/enum"
)

// Item is one item.
type Item[In, Out any] struct {
	Index    int      `json:"index"`
	Key      string   `json:"key,omitempty"`
	ID       string   `json:"id,omitempty"`
	State    state    `json:"state"`
	Reason   reason   `json:"reason,omitempty"`
	Attempts int      `json:"attempts"`
	Elapsed  int64    `json:"elapsed_ns"`
	Error    *failure `json:"error,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
	Revision int      `json:"revision,omitempty"`  // how often a corrected input was sent
	Corrects bool     `json:"corrected,omitempty"` // the input was corrected again, and not sent since
	Input    In       `json:"input"`
	Value    *Out     `json:"value,omitempty"`
}

type failure struct {
	Kind    kind   `json:"kind"`
	Message string `json:"message"`
	Resend  bool   `json:"resend"` // not refused: the same item may succeed later
}

type (
	state  engine.State
	reason engine.Reason
	kind   engine.Kind
)

// MarshalText implements [encoding.TextMarshaler], as the next two do.
func (s state) MarshalText() ([]byte, error)  { return enum.States.Text(uint8(s)) }
func (r reason) MarshalText() ([]byte, error) { return enum.Reasons.Text(uint8(r)) }
func (k kind) MarshalText() ([]byte, error)   { return enum.Kinds.Text(uint8(k)) }

// UnmarshalText implements [encoding.TextUnmarshaler], as the next two do.
func (s *state) UnmarshalText(text []byte) error  { return enum.States.Read(text, (*uint8)(s)) }
func (r *reason) UnmarshalText(text []byte) error { return enum.Reasons.Read(text, (*uint8)(r)) }
func (k *kind) UnmarshalText(text []byte) error   { return enum.Kinds.Read(text, (*uint8)(k)) }

// Result is the stored part of a result.
type Result[In, Out any] struct {
	Inputs    []In
	Values    []Out
	Table     *engine.Table // nil if there are no items
	Keys, IDs []string      // nil when there are none
	Corrected map[int]bool
	Revisions map[int]int
}

// Items returns the items. id returns the id of an item's result; the field IDs is not used.
func (r *Result[In, Out]) Items(id func(i int) string) []Item[In, Out] {
	all := make([]Item[In, Out], len(r.Inputs))
	for i := range all {
		slot, detail := r.Table.Slots[i], r.Table.Detail(i)
		item := Item[In, Out]{
			Index: i, ID: id(i), State: state(slot.State), Reason: reason(slot.Reason), Attempts: int(slot.Attempts),
			Elapsed: int64(slot.Elapsed), Warnings: detail.Warnings, Input: r.Inputs[i],
			Revision: r.Revisions[i], Corrects: r.Corrected[i],
		}
		if r.Keys != nil {
			item.Key = r.Keys[i]
		}
		if value := &r.Values[i]; slot.State == engine.Succeeded || slot.State == engine.Skipped && !reflect.ValueOf(value).Elem().IsZero() {
			item.Value = value
		}
		if detail.Err != nil {
			item.Error = &failure{Kind: kind(detail.Kind), Message: detail.Err.Error(), Resend: detail.Resend}
		}
		all[i] = item
	}
	return all
}

// Open is a request that ended as Unknown and stored a handle, such as that of a job on the server.
type Open struct {
	Items  []int  `json:"items"`
	Handle string `json:"handle"`
}

// Open returns the open requests of the result, in the order of their first items.
func (r *Result[In, Out]) Open() (all []Open) {
	seen := map[*engine.Replay]bool{}
	for i := range r.Inputs {
		if open := r.Table.Detail(i).Open; open != nil && !seen[open] {
			seen[open] = true
			all = append(all, Open(*open))
		}
	}
	return all
}

// Reopen adds the requests of an earlier [Result.Open] to a result.
func (r *Result[In, Out]) Reopen(all []Open) error {
	for k, open := range all {
		replay, some := engine.Replay(open), false
		for _, i := range open.Items {
			if i < 0 || i >= len(r.Inputs) {
				return fmt.Errorf("windrow: open request %d of the JSON names item %d, and there are %d", k, i, len(r.Inputs))
			}
			if slot := *r.Table.At(i); slot.State == engine.Unknown {
				detail := r.Table.Detail(i)
				detail.Open, some = &replay, true
				r.Table.Put(i, slot, detail)
			}
		}
		if !some {
			return fmt.Errorf("windrow: open request %d of the JSON names no item that is unknown", k)
		}
	}
	return nil
}

// Load returns the result of stored items. Errors have only their texts.
func Load[In, Out any](items []Item[In, Out]) (*Result[In, Out], error) {
	n := len(items)
	r := &Result[In, Out]{Inputs: make([]In, n), Values: make([]Out, n), Table: engine.NewTable(n)}
	for i, item := range items {
		if item.Index != i {
			return nil, fmt.Errorf("windrow: item %d of the JSON has index %d", i, item.Index)
		}
		r.Inputs[i] = item.Input
		if item.Value != nil {
			r.Values[i] = *item.Value
		}
		if item.Key != "" {
			if r.Keys == nil {
				r.Keys = make([]string, n)
			}
			r.Keys[i] = item.Key
		}
		if item.ID != "" {
			if r.IDs == nil {
				r.IDs = make([]string, n)
			}
			r.IDs[i] = item.ID
		}
		if item.Revision > 0 {
			if r.Revisions == nil {
				r.Revisions = map[int]int{}
			}
			r.Revisions[i] = item.Revision
		}
		if item.Corrects {
			if r.Corrected == nil {
				r.Corrected = map[int]bool{}
			}
			r.Corrected[i] = true
		}
		slot := engine.Slot{
			State: engine.State(item.State), Reason: engine.Reason(item.Reason),
			Attempts: engine.Attempts(item.Attempts), Elapsed: time.Duration(item.Elapsed),
		}
		detail := engine.Detail{Warnings: item.Warnings}
		switch {
		case item.Error != nil:
			detail.Err, detail.Kind, detail.Resend = errors.New(item.Error.Message), engine.Kind(item.Error.Kind), item.Error.Resend
		case slot.State == engine.Failed || slot.State == engine.Unknown:
			return nil, fmt.Errorf("windrow: item %d of the JSON is %s and has no error", i, enum.States.Name(uint8(slot.State)))
		}
		r.Table.Put(i, slot, detail)
	}
	return r, nil
}
