// Package schedule decides which items of a run are sent, and the order of items with equal keys.
package schedule

import "slices"

// Policy says how items with equal keys are handled.
type Policy uint8

// The policies.
const (
	Reject Policy = iota
	First
	Last
	InOrder
	Fail // send none of them
)

// Schedule is the items that a run sends.
type Schedule struct {
	Todo     int         // items to be sent
	Order    []int       // items that are no follower, in order; nil means every item
	Doubtful []int       // items that an earlier run may have applied
	Follower map[int]int // item to the next one with its key
	Twin     map[int]int // item to the next one that is not sent, but shares its outcome
	Losers   []int       // items that are replaced by another item with their key
	Clashes  []int       // with Fail: items that share their key with another, in order
	Twice    [2]int      // with Reject: the first two items with one key
	Rejected bool        // Twice is set
}

// Make returns the schedule of n items. pending says which are to be sent, nil means all; doubtful which of those an earlier
// run may have applied, nil means none. keys may be nil: then there are no duplicates; an item without a key is never one.
// In a serial run, which sends one item after the other, Order has all items.
func Make(n int, pending, doubtful []bool, keys []string, policy Policy, serial bool) Schedule {
	s := Schedule{Todo: n}
	is := func(i int) bool { return pending == nil || pending[i] }
	skip := make(map[int]bool) // pending items that are not in Order
	if keys != nil {
		s.duplicates(keys, is, policy, serial, skip)
		if s.Rejected {
			return s
		}
	}
	if len(skip) == 0 && !slices.Contains(pending, false) && !slices.Contains(doubtful, true) {
		return s // every item
	}
	s.Todo, s.Order = 0, make([]int, 0, n-len(skip))
	for i := range n {
		switch {
		case !is(i):
		case skip[i]:
			s.Todo++
		case doubtful != nil && doubtful[i] && !serial:
			s.Todo++
			s.Doubtful = append(s.Doubtful, i)
		default:
			s.Todo++
			s.Order = append(s.Order, i)
		}
	}
	s.Todo -= len(s.Losers) + len(s.Clashes)
	return s
}

// Share turns items that are the same as the previous item with their key into twins, which are not sent.
func (s *Schedule) Share(n int, same func(a, b int) bool) {
	twins := map[int]bool{}
	for item, next := range s.Follower {
		if same(item, next) {
			if s.Twin == nil {
				s.Twin = map[int]int{}
			}
			s.Twin[item], twins[next] = next, true
			delete(s.Follower, item)
		}
	}
	if len(twins) == 0 {
		return
	}
	if s.Order == nil {
		s.Order = make([]int, n)
		for i := range s.Order {
			s.Order[i] = i
		}
	}
	s.Order = slices.DeleteFunc(s.Order, func(i int) bool { return twins[i] })
}

// duplicates applies the policy to the items with equal keys.
func (s *Schedule) duplicates(keys []string, is func(int) bool, policy Policy, serial bool, skip map[int]bool) {
	latest := make(map[string]int, min(len(keys), inPart))
	suspect := suspicious(keys)
	if suspect == nil {
		return
	}
	for i, key := range keys {
		if key == "" || !is(i) || !suspect(i) {
			continue
		}
		before, twice := latest[key]
		latest[key] = i
		if !twice {
			continue
		}
		switch policy {
		case Reject:
			s.Twice, s.Rejected = [2]int{before, i}, true
			return
		case First:
			s.lose(i, skip)
			latest[key] = before
		case Last:
			s.lose(before, skip)
		case Fail:
			if !skip[before] {
				s.Clashes = append(s.Clashes, before)
			}
			s.Clashes = append(s.Clashes, i)
			skip[before], skip[i] = true, true
		case InOrder:
			if s.Follower == nil {
				s.Follower = map[int]int{}
			}
			s.Follower[before] = i
			if !serial {
				skip[i] = true
			}
		}
	}
}

func (s *Schedule) lose(i int, skip map[int]bool) {
	s.Losers = append(s.Losers, i)
	skip[i] = true
}
