package pages

import "strconv"

const (
	// repeatedItems and repeatedPages are how many items, or pages, must come again one after the other to be a loop. A
	// few come again where records are inserted in front of a list that is read by offset.
	repeatedItems = 100
	repeatedPages = 3
	// dullPages is the same for pages whose items cannot be told from each other, of which a list may be full.
	dullPages = 10_000
	// firstPages is how many of the first pages of a list by offset or number are remembered for good: one that starts
	// again begins with them. What has cursors is found to go round by these.
	firstPages = 8
)

// repeats finds out whether the server sends pages again that it had sent before.
type repeats struct {
	keyed bool           // what comes again is dropped
	loops *loops         // of prints
	first map[print]bool // the first pages
	most  int            // of them
	last  print
	pages int // in a row that came before
	items int // on them
	dull  int // pages in a row that came before, and cannot be told from others
}

func newRepeats(keyed, sized bool) *repeats {
	r := &repeats{keyed: keyed, loops: newLoops(), first: map[print]bool{}}
	if sized {
		r.most = firstPages
	}
	return r
}

// see notes a page. It reports whether it came before, and whether that is a loop.
func (r *repeats) see(p print) (again, loop bool) {
	if p.items == 0 {
		return false, false
	}
	same := p == r.last
	again = same || r.first[p]
	if !same {
		again = r.loops.closed(strconv.FormatUint(p.sum, 16)) || again
	}
	if len(r.first) < r.most {
		r.first[p] = true
	}
	r.last = p
	switch {
	case !again:
		r.pages, r.items, r.dull = 0, 0, 0
	case !p.telling:
		r.dull++
	case same && r.keyed: // moved by records in front: with keys nothing comes twice
	default:
		r.pages++
		r.items += p.items
	}
	return again && p.telling, r.pages >= repeatedPages || r.items >= repeatedItems || r.dull >= dullPages
}
