package pages

const (
	// recentPages is for how many pages the keys of items are remembered.
	recentPages = 32
	// recentCursors is how many cursors are remembered. Longer cycles are found as well, but later.
	recentCursors = 256
)

// recent remembers the keys of the last pages.
type recent struct {
	page  int
	last  map[string]int // the page on which a key was seen last
	pages [][]string     // the keys of each page, in a ring
}

func newRecent(pages int) *recent {
	return &recent{last: map[string]int{}, pages: make([][]string, pages)}
}

// turn begins a page, and forgets the keys that were not seen for too long.
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

// again notes a key of the page, and reports whether it is remembered. No key is never the same as another.
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

// loops finds out whether cursors go round in circles, in bounded memory: at once if the circle is short, and by
// Brent's algorithm within three turns if it is not.
type loops struct {
	recent *recent
	mark   string // a cursor to wait for
	steps  int    // since the mark was set
	limit  int    // steps after which it is set anew
}

func newLoops() *loops { return &loops{recent: newRecent(recentCursors), limit: 1} }

// closed reports whether a cursor has been there before.
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
