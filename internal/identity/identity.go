// Package identity names what a run sends: by the keys of the items, and by idempotency keys that are derived from them.
package identity

import (
	"strconv"

	"github.com/windrow-go/windrow/internal/engine"
	"github.com/windrow-go/windrow/internal/idem"
)

// Run is what the attempts of a run know of it.
type Run struct {
	Op          uint8
	OpName      string
	Atomic      bool
	StopOnError bool
	ID          string
	Scope       string // of the idempotency keys; "" when they are the items' own
	Keys        []string
	Mask        int                                    // item & Mask is the place of its key
	Unique      bool                                   // the keys are the caller's, and no two items have the same one
	Revisions   map[int]int                            // items whose input was corrected
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

// KeyOf returns the key of an item, "" when items have none.
func (r *Run) KeyOf(item int) string {
	if r.Keys == nil {
		return ""
	}
	return r.Keys[item&r.Mask]
}

// OwnKey returns the key that the caller gave an item and no other one, "" when there is none.
func (r *Run) OwnKey(item int) string {
	if !r.Unique {
		return ""
	}
	return r.KeyOf(item)
}

// plain reports whether an item is known by its index alone.
func (r *Run) plain(item int) bool { return r.OwnKey(item) == "" && r.Revisions[item] == 0 }

// itemKey returns the idempotency key of one item. A corrected input is another request, which must not have the key
// of the first one; nor must a second update of one record, today's or tomorrow's.
func (r *Run) itemKey(item int) string {
	name := r.Name(item)
	if r.Scope == "" || r.OwnKey(item) == "" {
		return name
	}
	return idem.Scoped(r.Scope, r.OpName, name)
}

// Name is what an item is called, whatever the scope. Where it has a key of its own that is the same in every run. Journals
// and results that are older than scopes have it as the idempotency key.
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

// IdempotencyKey returns that of a request of the attempt.
func (r *Run) IdempotencyKey(a *engine.Attempt) string {
	if items := a.Items(); len(items) > 1 {
		return r.KeyFor(items)
	}
	return r.itemKey(a.Item())
}

// KeyFor returns the idempotency key of a request for exactly these items. Those without a key of their own that follow
// each other in the run are one part of it, since there may be many.
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
