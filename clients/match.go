package clients

import (
	"errors"
	"fmt"

	"github.com/windrow-go/windrow"
)

// MatchByID puts the results of a batch that come with ids, in any order, into the order of the items: ids are those of
// the items, and read tells the id and the outcome of a result. A result too many, or for an id that nobody asked for, is an
// error that matches [windrow.ErrProtocol], and means that nothing is known of any item. absent is what it means when there is no
// result for an id, such as [windrow.ErrNotFound] for a read; nil means that nobody knows what became of the item.
//
// Several items with one id get the results for it in their order. When these are fewer it is not known whose they are, and
// the items with that id are [windrow.ClassAmbiguous]; the others have their results.
func MatchByID[ID comparable, Res, Out any](ids []ID, results []Res, absent error, read func(Res) (ID, windrow.Outcome[Out])) ([]windrow.Outcome[Out], error) {
	if absent == nil {
		absent = windrow.Ambiguous(errNoResult)
	}
	first := make(map[ID]int, len(ids)) // the next item with an id for which there was no result
	next := make([]int, len(ids))       // and the one after it; -1 for the last
	out := make([]windrow.Outcome[Out], len(ids))
	for k := len(ids) - 1; k >= 0; k-- {
		next[k] = -1
		if later, twice := first[ids[k]]; twice {
			next[k] = later
		}
		first[ids[k]] = k
		out[k].Err = absent
	}
	some := make(map[ID]int) // where the results for an id began that several items have
	for _, res := range results {
		id, outcome := read(res)
		k, asked := first[id]
		switch {
		case !asked:
			return nil, fmt.Errorf("%w: it has a result for an id that no item has", windrow.ErrProtocol)
		case k < 0:
			return nil, fmt.Errorf("%w: it has two results for one id", windrow.ErrProtocol)
		}
		if _, began := some[id]; !began && next[k] >= 0 {
			some[id] = k
		}
		first[id], out[k] = next[k], outcome
	}
	for id, k := range some {
		if first[id] < 0 {
			continue // each has its own
		}
		for ; k >= 0; k = next[k] {
			out[k] = windrow.Outcome[Out]{Err: windrow.Ambiguous(errFewResults)}
		}
	}
	return out, nil
}

var (
	errNoResult   = errors.New("windrow: the answer has no result for this item")
	errFewResults = errors.New("windrow: the answer has fewer results for this id than there are items with it")
)

// MatchByCount makes outcomes for n items of an answer that says how many succeeded and how many failed, and not which.
// When all succeeded, so did each. Otherwise look has to find out, item by item, which were applied; those that were not
// are sent again alone, so that each gets its own error.
func MatchByCount[Out any](n, succeeded, failed int, look func() (applied []bool, err error)) ([]windrow.Outcome[Out], error) {
	out := make([]windrow.Outcome[Out], n)
	if failed == 0 && succeeded == n {
		return out, nil
	}
	applied, err := look()
	if err == nil && len(applied) != n {
		err = fmt.Errorf("%w: %d items were looked up and %d found out", windrow.ErrProtocol, n, len(applied))
	}
	for k := range out {
		switch {
		case err != nil:
			out[k].Err = windrow.Ambiguous(fmt.Errorf("the answer says that %d of %d items failed, and which could not be found out: %w", failed, n, err))
		case !applied[k]:
			out[k].Err = windrow.TooLarge(fmt.Errorf("it is one of the items of which the answer says that %d of %d succeeded", succeeded, n), 1)
		}
	}
	return out, nil
}
