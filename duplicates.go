package windrow

import (
	"fmt"
	"strings"

	"github.com/windrow-go/windrow/internal/engine"
	"github.com/windrow-go/windrow/internal/enum"
	"github.com/windrow-go/windrow/internal/schedule"
)

// DuplicatePolicy says how items with equal keys are handled. The zero value is the default: [RejectDuplicates] for items
// with a Key, and [KeepAllInOrder] for updates, deletes and reads without a Key, which go by their id. In a stream it is
// KeepAllInOrder for all items.
type DuplicatePolicy uint8

// The policies. A stream does not know later items, so it takes only KeepAllInOrder and refuses the others by name.
const (
	duplicatesDefault DuplicatePolicy = iota
	// RejectDuplicates refuses the whole run with a [*DuplicateKeyError] before anything is sent. A stream refuses it,
	// since it has sent earlier items by then.
	RejectDuplicates
	// KeepFirst sends the first item with a key; the others end as Skipped. A stream refuses it, since it would have to
	// remember every key.
	KeepFirst
	// KeepLast sends the last item with a key; the others end as Skipped. A stream refuses it, since the last item is
	// not known before its end.
	KeepLast
	// KeepAllInOrder sends all of them, one after the other in the order of the input. Reads of one id are sent once,
	// and the outcome of the first is that of the others. A stream orders only items that are in its [Window] together;
	// an earlier item has ended before a later one outside the window is pulled, so the order is the same. Beside
	// [WithJournal] it is RejectDuplicates in a run, and in a stream the later item is Failed, or Skipped when the
	// first is done.
	KeepAllInOrder
	// FailDuplicates sends none of the items that share a key: each ends as Failed, with a [*DuplicateKeyError] that
	// names it and the first other one. The other items are sent. A [BatchProcessor.Rerun] sends an item that no longer
	// shares its key. A stream refuses it, since the first item has been sent when the second comes.
	FailDuplicates
)

var policies = enum.New("policy", "Default", "RejectDuplicates", "KeepFirst", "KeepLast", "KeepAllInOrder", "FailDuplicates")

// String returns the name of the policy.
func (p DuplicatePolicy) String() string { return policies.Name(uint8(p)) }

// DuplicateKeyError is the Cause of a run that is refused because items have the same key, and the error of an item
// that is not sent because another item has its key. It names all such keys, up to a limit, and matches
// [ErrDuplicateKey]. The text of the run's [*BulkError] lists the first ten keys.
type DuplicateKeyError struct {
	// Keys are the first 100 keys that several items have, in the order in which the second item of each comes.
	Keys []DuplicateKey
	// Total is how many such keys there are.
	Total int
}

// DuplicateKey is a key that several items have.
type DuplicateKey struct {
	Key     string // of the items
	Indexes []int  // of the first 10 items with the key, in the order of the input; in an item's error, of that item and another one
	Items   int    // how many items have it; 2 in an item's error
}

// Error implements error. It names the first two items with one key.
func (e *DuplicateKeyError) Error() string {
	if len(e.Keys) == 0 || len(e.Keys[0].Indexes) < 2 {
		return ErrDuplicateKey.Error()
	}
	first := e.Keys[0]
	return fmt.Sprintf("windrow: items %d and %d have the same key %q: remove one, or choose with the option Duplicates",
		first.Indexes[0], first.Indexes[1], first.Key)
}

// Unwrap makes the error match [ErrDuplicateKey].
func (e *DuplicateKeyError) Unwrap() error { return ErrDuplicateKey }

// sameKey returns the error of two items with one key.
func sameKey(key string, first, second int) error {
	return &DuplicateKeyError{Keys: []DuplicateKey{{Key: key, Indexes: []int{first, second}, Items: 2}}, Total: 1}
}

// listedKeys is how many keys a text lists.
const listedKeys = 10

// list returns a short text with the keys, "" when the text of the error has them all.
func (e *DuplicateKeyError) list() string {
	if e.Total < 2 && (len(e.Keys) == 0 || e.Keys[0].Items <= 2) {
		return ""
	}
	var keys []string
	for _, key := range e.Keys[:min(len(e.Keys), listedKeys)] {
		items := strings.Trim(strings.ReplaceAll(fmt.Sprint(key.Indexes), " ", ", "), "[]")
		if left := key.Items - len(key.Indexes); left > 0 {
			items += fmt.Sprintf(" and %d more", left)
		}
		keys = append(keys, fmt.Sprintf("%q (items %s)", key.Key, items))
	}
	text := "keys that several items have: " + strings.Join(keys, ", ")
	if left := e.Total - len(keys); left > 0 {
		text += fmt.Sprintf(" and %d more", left)
	}
	return text
}

// duplicateKeys returns the error of a rejected plan.
func duplicateKeys(keys []string, plan *schedule.Plan) error {
	e := &DuplicateKeyError{Total: plan.Shared}
	for _, group := range plan.Groups {
		e.Keys = append(e.Keys, DuplicateKey{Key: keys[group.Items[0]], Indexes: group.Items, Items: group.Count})
	}
	return e
}

// failDuplicates ends items that share keys, in order, as Failed. A Rerun sends an item when the others were corrected.
func (r *BulkResult[In, Out]) failDuplicates(items []int) {
	pairs := map[string][2]int{} // the first two items with each key
	for _, i := range items {
		switch pair, known := pairs[r.keys[i]]; {
		case !known:
			pairs[r.keys[i]] = [2]int{i, -1}
		case pair[1] < 0:
			pairs[r.keys[i]] = [2]int{pair[0], i}
		}
	}
	for _, i := range items {
		pair := pairs[r.keys[i]]
		err := sameKey(r.keys[i], pair[0], max(i, pair[1])) // the first item and this one, or the first two
		r.table.Put(i, engine.Slot{State: engine.Failed}, engine.Detail{Err: err, Kind: engine.Validation, Resend: true})
	}
}
