package paging

import "strconv"

const (
	// repeatedItems and repeatedPages are how many items, or pages, in a row must be repeated to be a loop. A few are
	// repeated if records are inserted at the front of a list that is read by offset.
	repeatedItems = 100
	repeatedPages = 3
	// dullPages is the same for pages with equal items, which a list may have many of.
	dullPages = 10_000
	// firstPages is how many of the first pages of a list by offset or number are always kept: a server that starts again
	// repeats them. Lists by cursor are checked by their cursors.
	firstPages = 8
)

// repeats detects that the server repeats earlier pages.
type repeats struct {
	keyed bool           // repeated items are dropped
	loops *loops         // of prints
	first map[print]bool // the first pages
	most  int            // capacity of first
	last  print
	pages int // repeated pages in a row
	items int // on these pages
	dull  int // repeated pages in a row that have equal items
}

func newRepeats(keyed, sized bool) *repeats {
	r := &repeats{keyed: keyed, loops: newLoops(), first: map[print]bool{}}
	if sized {
		r.most = firstPages
	}
	return r
}

// see adds a page. It reports whether the page is repeated, and whether that is a loop.
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
	case same && r.keyed: // shifted by new records; repeated items are dropped by key
	default:
		r.pages++
		r.items += p.items
	}
	return again && p.telling, r.pages >= repeatedPages || r.items >= repeatedItems || r.dull >= dullPages
}
