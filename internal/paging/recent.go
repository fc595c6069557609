package paging

const (
	// recentPages is for how many pages the keys of items are kept.
	recentPages = 32
	// recentCursors is how many cursors are kept. Longer cycles are detected later.
	recentCursors = 256
)

// recent keeps the keys of the last pages.
type recent struct {
	page  int
	last  map[string]int // the page on which a key was seen last
	pages [][]string     // the keys of each page, in a ring
}

func newRecent(pages int) *recent {
	return &recent{last: map[string]int{}, pages: make([][]string, pages)}
}

// turn begins a page, and drops the keys that were last seen too many pages ago.
func (r *recent) turn() {
	r.page++
	keys := &r.pages[r.page%len(r.pages)]
	for _, key := range *keys {
		if r.last[key] == r.page-len(r.pages) {
			delete(r.last, key)
		}
	}
	clear(*keys)
	*keys = (*keys)[:0]
}

// again adds a key of the page, and reports whether it was kept already. An empty key is never equal to another.
func (r *recent) again(key string) bool {
	if key == "" {
		return false
	}
	page, known := r.last[key]
	if !known || page != r.page {
		r.last[key] = r.page
		keys := &r.pages[r.page%len(r.pages)]
		*keys = append(*keys, key)
	}
	return known
}

// loops detects cycles of cursors in bounded memory: short cycles at once, longer ones within three turns by Brent's
// algorithm.
type loops struct {
	recent *recent
	mark   string // a cursor that a cycle repeats
	steps  int    // since the mark was set
	limit  int    // steps after which mark is replaced
}

func newLoops() *loops { return &loops{recent: newRecent(recentCursors), limit: 1} }

// closed reports whether a cursor was seen before.
func (l *loops) closed(cursor string) bool {
	l.recent.turn()
	if l.recent.again(cursor) || cursor == l.mark && l.mark != "" {
		return true
	}
	if l.steps++; l.steps == l.limit {
		l.mark, l.steps, l.limit = cursor, 0, 2*l.limit
	}
	return false
}
