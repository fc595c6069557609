package windrowtest_test

import (
	"context"
	"fmt"
	"slices"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/mixed"
)

// notesExecutor carries out operations, each kind with a request.
type notesExecutor struct{ notes *notesAPI }

func (e notesExecutor) Capabilities() windrow.Capabilities { return e.notes.can }

func (e notesExecutor) Execute(ctx context.Context, ops []mixed.Operation) ([]windrow.Outcome[any], error) {
	out := make([]windrow.Outcome[any], len(ops))
	for _, kind := range []windrow.OpKind{windrow.OpCreate, windrow.OpUpdate, windrow.OpUpsert, windrow.OpDelete, windrow.OpGet} {
		var places []int
		var ids []string
		var in []note
		for i, o := range ops {
			if o.Kind == kind {
				data, _ := o.Data.(note)
				places, ids, in = append(places, i), append(ids, o.ID), append(in, data)
			}
		}
		if len(ids) == 0 {
			continue
		}
		outcomes, err := e.notes.batch(ctx, kind, ids, in)
		if err != nil {
			return nil, err
		}
		for k, o := range outcomes {
			out[places[k]].Err = o.Err
			if kind != windrow.OpDelete && !e.notes.is("executes without values") {
				out[places[k]].Value = o.Value
			}
			if e.notes.is("executes into other values") {
				out[places[k]].Value = &o.Value
			}
		}
	}
	if e.notes.is("executes and sorts the response") {
		slices.SortStableFunc(out, func(a, b windrow.Outcome[any]) int { return len(fmt.Sprint(a.Value)) - len(fmt.Sprint(b.Value)) })
	}
	return out, nil
}
