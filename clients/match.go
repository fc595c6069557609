package clients

import (
	"errors"
	"fmt"

	"github.com/windrow-go/windrow"
)

// MatchByID puts results that carry ids, in any order, into the order of the items. ids are the ids of the items; read
// returns the id and the outcome of a result. An extra result, or one for an id that is not in ids, is an error that matches
// [windrow.ErrProtocol]: then nothing is known of any item. absent is the error of an item without a result, such as
// [windrow.ErrNotFound] for a read; nil means an [windrow.Ambiguous] one.
//
// Several items with one id get the results for that id in order. If there are fewer results than such items, all of these
// items are [windrow.ClassAmbiguous]; items with other ids keep their results.
func MatchByID[ID comparable, Res, Out any](ids []ID, results []Res, absent error, read func(Res) (ID, windrow.Outcome[Out])) ([]windrow.Outcome[Out], error) {
	if absent == nil {
		absent = windrow.Ambiguous(errNoResult)
	}
	first := make(map[ID]int, len(ids)) // by id: the next item without a result
	next := make([]int, len(ids))       // by item: the next item with the same id; -1 for the last
	out := make([]windrow.Outcome[Out], len(ids))
	for k := len(ids) - 1; k >= 0; k-- {
		next[k] = -1
		if later, twice := first[ids[k]]; twice {
			next[k] = later
		}
		first[ids[k]] = k
		out[k].Err = absent
	}
	some := make(map[ID]int) // by id that several items have: the first of these items
	for _, res := range results {
		id, outcome := read(res)
		k, asked := first[id]
		switch {
		case !asked:
			return nil, fmt.Errorf("%w: the response has a result for an id that no item has", windrow.ErrProtocol)
		case k < 0:
			return nil, fmt.Errorf("%w: the response has more results for an id than there are items with it", windrow.ErrProtocol)
		}
		if _, began := some[id]; !began && next[k] >= 0 {
			some[id] = k
		}
		first[id], out[k] = next[k], outcome
	}
	for id, k := range some {
		if first[id] < 0 {
			continue // each item has its own result
		}
		for ; k >= 0; k = next[k] {
			out[k] = windrow.Outcome[Out]{Err: windrow.Ambiguous(errFewResults)}
		}
	}
	return out, nil
}

var (
	errNoResult   = errors.New("windrow: the response has no result for this item")
	errFewResults = errors.New("windrow: the response has fewer results for this id than there are items with it")
)

// MatchByCount makes the outcomes of n items from a response that says how many succeeded and failed, but not which. If all
// succeeded, look is not called. Otherwise look finds out which items were applied; the others are sent again one by one, so
// that each gets its own error.
func MatchByCount[Out any](n, succeeded, failed int, look func() (applied []bool, err error)) ([]windrow.Outcome[Out], error) {
	out := make([]windrow.Outcome[Out], n)
	if failed == 0 && succeeded == n {
		return out, nil
	}
	applied, err := look()
	if err == nil && len(applied) != n {
		err = fmt.Errorf("%w: %d items were looked up, and the look-up returned %d", windrow.ErrProtocol, n, len(applied))
	}
	for k := range out {
		switch {
		case err != nil:
			out[k].Err = windrow.Ambiguous(fmt.Errorf("the response says that %d of %d items failed, and the look-up did not tell which: %w", failed, n, err))
		case !applied[k]:
			out[k].Err = windrow.TooLarge(fmt.Errorf("the response says that %d of %d items succeeded, and this item was not applied", succeeded, n), 1)
		}
	}
	return out, nil
}
