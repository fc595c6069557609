// Package identity derives idempotency keys from the keys of a run's items.
package identity

import (
	"strconv"

	"github.com/windrow-go/windrow/internal/engine"
	"github.com/windrow-go/windrow/internal/idem"
)

// Run is the data of a run that its attempts share.
type Run struct {
	Op          uint8
	OpName      string
	Atomic      bool
	StopOnError bool
	ID          string
	Scope       string // of the idempotency keys; "" when these are the items' Keys
	Keys        []string
	Mask        int                                    // item & Mask is the index of its key
	Unique      bool                                   // the keys are the caller's, and unique
	Revisions   map[int]int                            // by item: how often its input was corrected
	Limiter     any                                    // a *windrow.Limiter
	Save        func(a *engine.Attempt, handle string) // to the journal; nil when there is none
}

// Of returns the run of an attempt.
func Of(a *engine.Attempt) *Run { return a.Owner().(*Run) }

// KeyOf returns the key of the item of an attempt, "" when it has none or the attempt is of several.
func KeyOf(a *engine.Attempt) string {
	if len(a.Items()) > 1 {
		return ""
	}
	return Of(a).KeyOf(a.Item())
}

// Description is windrow.Attempt, which can be converted to it, with windrow.OpKind as Op.
type Description[Op ~uint8] struct {
	Op     Op
	Index  int
	Items  int
	Number int
	Key    string
}

// Describe returns what clients and observers see of an attempt.
func Describe[Op ~uint8](a *engine.Attempt) Description[Op] {
	return Description[Op]{Op: Op(Of(a).Op), Index: a.Item(), Items: max(1, len(a.Items())), Number: a.Number(), Key: KeyOf(a)}
}

// KeyOf returns the key of an item, "" when items have none.
func (r *Run) KeyOf(item int) string {
	if r.Keys == nil {
		return ""
	}
	return r.Keys[item&r.Mask]
}

// OwnKey returns the caller's unique key of an item, "" when there is none.
func (r *Run) OwnKey(item int) string {
	if !r.Unique {
		return ""
	}
	return r.KeyOf(item)
}

// plain reports whether an item is identified only by its index.
func (r *Run) plain(item int) bool { return r.OwnKey(item) == "" && r.Revisions[item] == 0 }

// itemKey returns the idempotency key of one item. A corrected input is another request and must not reuse the key; neither
// must a second update of one record, in this run or a later one.
func (r *Run) itemKey(item int) string {
	name := r.Name(item)
	if r.Scope == "" || r.OwnKey(item) == "" {
		return name
	}
	return idem.Scoped(r.Scope, r.OpName, name)
}

// Name returns a name of an item that does not depend on the scope. With a key of its own it is the same in every run.
// Journals and results from before scopes use it as the idempotency key.
func (r *Run) Name(item int) string {
	key, revision := r.OwnKey(item), r.Revisions[item]
	if revision == 0 && idem.Fits(key) {
		return key
	}
	if key == "" {
		key = r.ID + "/" + strconv.Itoa(item)
	}
	return idem.Hash(r.OpName, key, strconv.Itoa(revision))
}

// IdempotencyKey returns the idempotency key of the attempt's request.
func (r *Run) IdempotencyKey(a *engine.Attempt) string {
	if items := a.Items(); len(items) > 1 {
		return r.KeyFor(items)
	}
	return r.itemKey(a.Item())
}

// KeyFor returns the idempotency key of a request for exactly these items. A range of consecutive items without keys of
// their own is one part of it, since there may be many.
func (r *Run) KeyFor(items []int) string {
	if len(items) == 1 {
		return r.itemKey(items[0])
	}
	d := idem.NewScoped(r.Scope)
	d.Add(r.OpName)
	for k := 0; k < len(items); k++ {
		first := items[k]
		if !r.plain(first) {
			d.Add(r.Name(first))
			continue
		}
		for k+1 < len(items) && items[k+1] == items[k]+1 && r.plain(items[k+1]) {
			k++
		}
		d.Add(r.ID + "/" + strconv.Itoa(first) + "-" + strconv.Itoa(items[k]))
	}
	return d.Key()
}
