package pages_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow/pages"
)

// A68, A74: what is read ahead is bounded, whatever the length of the list.
func TestA68A74PagesHeldAreBounded(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ prefetch, parallel, held, most, wasted int }{
		{0, 1, 0, 10, 0}, {1, 1, 1, 10, 0}, {3, 1, 3, 10, 0}, {1, 4, 4, 10, 0}, {6, 4, 6, 10, 0}, {0, 2, 2, 10, 0},
		{4, 4, 4, 5, 3}, // of pages of ten there are none behind the first
	} {
		synctest.Test(t, func(t *testing.T) {
			c := &catalog{records: records(400), delay: time.Millisecond, total: func(int) int { return 400 }, most: test.most}
			handled := 0
			read := pages.Read(t.Context(), c.byOffset(10), pages.Prefetch(test.prefetch), pages.Parallel(test.parallel))
			for item, err := range read {
				if err != nil || item != c.records[handled] {
					t.Fatalf("item %d is %q, %v", handled, item, err)
				}
				time.Sleep(time.Second) // whatever can be fetched is
				synctest.Wait()
				c.mu.Lock()
				ahead := len(c.asked) - test.wasted - handled/test.most - 1
				c.mu.Unlock()
				if ahead > test.held || ahead < test.held && handled < 400-10*test.held-10 {
					t.Fatalf("%+v: %d pages ahead at item %d", test, ahead, handled)
				}
				handled++
			}
			if handled != 400 || c.highest > max(1, test.parallel) {
				t.Errorf("%+v: %d items, %d calls at once", test, handled, c.highest)
			}
		})
	}
}

// While a page is handled the next is fetched: reading takes as long as fetching, or as handling.
func TestPrefetchOverlaps(t *testing.T) {
	t.Parallel()
	const fetch, item = 20 * time.Millisecond, 100 * time.Microsecond
	for _, test := range []struct {
		name     string
		prefetch int
		parallel int
		want     time.Duration
	}{
		{"none", 0, 1, 100 * (fetch + 100*item)},
		{"one page", 1, 1, 100*fetch + 100*item},
		{"three pages", 3, 1, 100*fetch + 100*item},
		{"four at once", 1, 4, fetch + 100*100*item + fetch - 10*time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := &catalog{records: records(100 * 100), delay: fetch, total: func(int) int { return 100 * 100 }}
			c.answer = func(page *pages.Page[string]) { page.Last = page.Items[0] == "r9900" }
			start := time.Now()
			for _, err := range pages.Read(t.Context(), c.byOffset(100), pages.Prefetch(test.prefetch), pages.Parallel(test.parallel)) {
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(item)
			}
			if got := time.Since(start); got != test.want {
				t.Errorf("%s: %v, want %v", test.name, got, test.want)
			}
		})
	}
}

// Pages that are fetched at the same time come in order, and no more of them than allowed.
func TestParallelPagesComeInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, kind := range kinds[:3] {
			c := &catalog{records: records(205), total: func(int) int { return 150 }}
			c.before = func(call int) error { time.Sleep(time.Duration(call*7%5) * time.Millisecond); return nil }
			same(t, kind.name, c.records, readAll(t, kind.pager(c), pages.Parallel(5)))
			if c.highest != 5 || len(c.asked) != 21 {
				t.Errorf("%s: %d calls, %d at once, want 21 and 5", kind.name, len(c.asked), c.highest)
			}
			c = &catalog{records: records(205), total: func(int) int { return 205 }}
			c.before = func(call int) error { time.Sleep(time.Duration(call) * time.Second); return nil }
			same(t, kind.name, c.records, readAll(t, kind.pager(c), pages.Parallel(5)))
			if c.highest != 5 || len(c.asked) != 21 {
				t.Errorf("%s: %d calls, %d at once, want 21 and 5: nothing lies behind the total", kind.name, len(c.asked), c.highest)
			}
		}
	})
}
