package paging

import (
	"fmt"
	"testing"
)

// What is remembered is bounded, however many pages there are.
func TestRecentForgets(t *testing.T) {
	t.Parallel()
	r := newRecent(3)
	for page := range 1000 {
		r.turn()
		for i := range 10 {
			if r.again(fmt.Sprint(page, ":", i)) {
				t.Fatalf("item %d of page %d was not there before", i, page)
			}
		}
		if page >= 2 && !r.again(fmt.Sprint(page-2, ":", 0)) {
			t.Fatalf("page %d was forgotten within three pages", page-2)
		}
		if page >= 5 && r.again(fmt.Sprint(page-5, ":", 1)) {
			t.Fatalf("page %d is still remembered", page-5)
		}
		if r.again("") {
			t.Fatal("no key is the same as no key")
		}
	}
	if len(r.last) > 3*12 {
		t.Errorf("%d keys are remembered", len(r.last))
	}
}

// A key that comes again and again stays remembered.
func TestRecentKeepsWhatComesAgain(t *testing.T) {
	t.Parallel()
	r := newRecent(3)
	for page := range 100 {
		r.turn()
		if known := r.again("same"); known != (page > 0) {
			t.Fatalf("page %d: known %t", page, known)
		}
		if !r.again("same") {
			t.Fatalf("page %d: not known on the same page", page)
		}
		r.turn()
	}
}

// Every circle is found: a short one as soon as it closes, a long one within three turns. What never repeats is none.
func TestLoopsFindsCircles(t *testing.T) {
	t.Parallel()
	for _, lead := range []int{0, 1, 7, 300, 5000} {
		for _, length := range []int{1, 2, 3, 255, 256, 257, 1000, 4096} {
			l, steps := newLoops(), 0
			for at := 0; !l.closed(fmt.Sprint(at)); steps++ {
				if at++; at == lead+length {
					at = lead
				}
				if steps > 3*(lead+length)+1 {
					t.Fatalf("a circle of %d after %d: not found in %d steps", length, lead, steps)
				}
			}
			if steps < lead+length || length < recentCursors && steps > lead+length {
				t.Errorf("a circle of %d after %d: found in step %d", length, lead, steps)
			}
		}
	}
	l := newLoops()
	for at := range 100_000 {
		if l.closed(fmt.Sprint(at)) {
			t.Fatalf("cursor %d was not there before", at)
		}
	}
	if len(l.recent.last) > recentCursors {
		t.Errorf("%d cursors are remembered", len(l.recent.last))
	}
}
