package schedule

// Group is the items with one key.
type Group struct {
	Items []int // the first of them, in order
	Count int   // all of them
}

// The bounds of Groups: keys, and items of each key.
const (
	maxGroups  = 100
	maxMembers = 10
)

// shared returns the first keys that several of the pending items have, in the order in which the second of each comes,
// and how many such keys there are. pending is as for [Make].
func shared(keys []string, pending []bool) (groups []Group, total int) {
	suspect := suspicious(keys)
	if suspect == nil {
		return nil, 0
	}
	first := make(map[string]int, min(len(keys), inPart))
	group := map[string]int{} // by key, in the order of their second items
	for i, key := range keys {
		if key == "" || pending != nil && !pending[i] || !suspect(i) {
			continue
		}
		before, twice := first[key]
		if !twice {
			first[key] = i
			continue
		}
		g, known := group[key]
		if !known {
			g = len(group)
			if group[key] = g; g < maxGroups {
				groups = append(groups, Group{Items: []int{before}, Count: 1})
			}
		}
		if g >= maxGroups {
			continue
		}
		if groups[g].Count++; len(groups[g].Items) < maxMembers {
			groups[g].Items = append(groups[g].Items, i)
		}
	}
	return groups, len(group)
}

// suspicious returns which items may have the key of another one; nil when none has.
func suspicious(keys []string) func(i int) bool {
	if len(keys) <= inPart {
		return func(int) bool { return true }
	}
	hashes, repeated := suspects(keys)
	if len(repeated) == 0 {
		return nil
	}
	return func(i int) bool { return repeated[hashes[i]] }
}
