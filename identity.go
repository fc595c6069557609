package windrow

import (
	"cmp"
	"strconv"

	"github.com/windrow-go/windrow/internal/engine"
	"github.com/windrow-go/windrow/internal/idem"
)

// owner is what the attempts of a run know of it.
type owner struct {
	op          OpKind
	atomic      bool
	stopOnError bool
	runID       string
	scope       string // of the idempotency keys; "" when they are the items' own
	keys        []string
	mask        int         // item & mask is the place of its key
	unique      bool        // the keys are the caller's, and no two items have the same one
	revisions   map[int]int // items whose input was corrected
	limiter     *Limiter
	save        func(a *engine.Attempt, handle string) // to the journal; nil when there is none
}

// owner returns what the attempts of a run that fills res know of it.
func (p *BatchProcessor[In, Out]) owner(res *BulkResult[In, Out]) *owner {
	return &owner{
		op: p.op, runID: res.runID, scope: res.scope, keys: res.keys, mask: res.mask, revisions: res.revisions, limiter: p.limiter,
		unique: p.Key != nil && p.opts.duplicates != KeepAllInOrder,
		atomic: p.opts.atomic, stopOnError: p.opts.maxFailures == 0,
	}
}

func ownerOf(a *engine.Attempt) *owner { return a.Owner().(*owner) }

// keyOf returns what names items: the Key, or the id of a verb that has one; nil when there is neither.
func (p *BatchProcessor[In, Out]) keyOf() func(In) string {
	if p.Key != nil {
		return p.Key
	}
	return p.identity
}

func (o *owner) keyOf(item int) string {
	if o.keys == nil {
		return ""
	}
	return o.keys[item&o.mask]
}

// ownKey returns the key that the caller gave an item and no other one, "" when there is none.
func (o *owner) ownKey(item int) string {
	if !o.unique {
		return ""
	}
	return o.keyOf(item)
}

// plain reports whether an item is known by its index alone.
func (o *owner) plain(item int) bool { return o.ownKey(item) == "" && o.revisions[item] == 0 }

// itemKey returns the idempotency key of one item. A corrected input is another request, which must not have the key
// of the first one; nor must a second update of one record, today's or tomorrow's.
func (o *owner) itemKey(item int) string {
	name := o.name(item)
	if o.scope == "" || o.ownKey(item) == "" {
		return name
	}
	return idem.Scoped(o.scope, o.op.String(), name)
}

// name is what an item is called, whatever the scope. Where it has a key of its own that is the same in every run. Journals
// and results that are older than scopes have it as the idempotency key.
func (o *owner) name(item int) string {
	key, revision := o.ownKey(item), o.revisions[item]
	if revision == 0 && idem.Fits(key) {
		return key
	}
	if key == "" {
		key = o.runID + "/" + strconv.Itoa(item)
	}
	return idem.Hash(o.op.String(), key, strconv.Itoa(revision))
}

func (o *owner) idempotencyKey(a *engine.Attempt) string {
	if items := a.Items(); len(items) > 1 {
		return o.keyFor(items)
	}
	return o.itemKey(a.Item())
}

// keyFor returns the idempotency key of a request for exactly these items. Those without a key of their own that follow
// each other in the run are one part of it, since there may be many.
func (o *owner) keyFor(items []int) string {
	if len(items) == 1 {
		return o.itemKey(items[0])
	}
	d := idem.NewScoped(o.scope)
	d.Add(o.op.String())
	for k := 0; k < len(items); k++ {
		first := items[k]
		if !o.plain(first) {
			d.Add(o.name(first))
			continue
		}
		for k+1 < len(items) && items[k+1] == items[k]+1 && o.plain(items[k+1]) {
			k++
		}
		d.Add(o.runID + "/" + strconv.Itoa(first) + "-" + strconv.Itoa(items[k]))
	}
	return d.Key()
}

// scopeOf returns the scope of the idempotency keys of a run with that id. A journal has its own.
func (p *BatchProcessor[In, Out]) scopeOf(runID string) string {
	p.once.Do(p.prime) // it may be a literal
	return cmp.Or(p.opts.scope, runID)
}
