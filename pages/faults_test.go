package pages_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/pages"
)

// says is a list of 35 records in pages of ten whose server tells of each page whether more follow, where it can, and
// takes all records from r010 to r019, and every third behind them, out of its pages.
func says(c *catalog) *catalog {
	c.records = records(35)
	c.answer = func(page *pages.Page[string]) {
		last := page.Items[len(page.Items)-1]
		page.Items = slices.DeleteFunc(slices.Clone(page.Items), taken)
		page.More, page.Last = last != "r034", last == "r034"
	}
	return c
}

func taken(record string) bool {
	n, _ := strconv.Atoi(record[1:])
	return n >= 10 && (n < 20 || n%3 == 0)
}

// F76: a short or an empty page whose server says that more follow is not the last one, for any kind of list and
// however many pages are read ahead; one that is said to be the last is, though it is full.
func TestF76ShortAndEmptyPagesWithMore(t *testing.T) {
	t.Parallel()
	want := slices.DeleteFunc(records(35), taken)
	for _, kind := range kinds[:5] { // by key no page of this list would be empty
		for _, opts := range [][]pages.Option{{pages.Prefetch(0)}, nil, {pages.Prefetch(5)}, {pages.Parallel(4)}} {
			if len(opts) > 0 && strings.Contains("cursor link", kind.name) {
				opts = opts[:0]
			}
			for _, total := range []func(int) int{nil, func(int) int { return 35 }, func(int) int { return 3 }} {
				c := says(&catalog{total: total})
				pager := kind.pager(c)
				pager.Key = self // by offset, a server that takes records out sends some twice
				same(t, kind.name, want, readAll(t, pager, opts...))
			}
		}
	}
	// By offset, behind empty pages of a server that caps the size: nothing is stepped over.
	c := &catalog{records: records(40), most: 4}
	c.answer = func(page *pages.Page[string]) {
		first := page.Items[0]
		page.More, page.Last = first != "r036", first == "r036"
		if first == "r008" || first == "r012" {
			page.Items = nil
		}
	}
	same(t, "capped", append(records(8), records(40)[16:]...), readAll(t, c.byOffset(10)))
	c.answer = func(page *pages.Page[string]) { page.Last = page.Items[0] == "r020"; page.More = !page.Last }
	c.most = 0
	for _, kind := range kinds {
		same(t, kind.name+": last, and full", records(30), readAll(t, kind.pager(c)))
	}
}

// F76: a list that says that more follow, and gives no way to go on, ends with an error and not as if it were whole;
// and so does a page that contradicts itself, and a server that never stops to promise more.
func TestF76MoreThatCannotBeFollowed(t *testing.T) {
	t.Parallel()
	promise := func(page *pages.Page[string]) { page.More = true }
	for _, kind := range kinds {
		c := &catalog{records: records(20), answer: promise}
		got, err := collect(t, t.Context(), kind.pager(c))
		if err == nil || len(got) != 20 {
			t.Errorf("%s: %d items and the error %v, want 20 and an error", kind.name, len(got), err)
		}
		if sized := strings.Contains("offset number from 0 number from 1", kind.name); sized != errors.Is(err, pages.ErrEmpty) || len(c.asked) > 110 {
			t.Errorf("%s: the error %v after %d calls", kind.name, err, len(c.asked))
		}
		c = &catalog{records: records(20), answer: func(page *pages.Page[string]) { page.More, page.Last = true, true }}
		got, err = collect(t, t.Context(), kind.pager(c))
		if len(got) != 10 || err == nil || !strings.Contains(err.Error(), "is the last, and that more follow") {
			t.Errorf("%s: %d items and the error %v, want 10 and a contradiction", kind.name, len(got), err)
		}
	}
}

// again makes a list one that starts again behind its end, or one that repeats its last page there.
var again = map[string]func(size, offset int) int{
	"starts again":           func(size, offset int) int { return offset % size },
	"first page for all":     func(int, int) int { return 0 },
	"repeats its last page":  func(size, offset int) int { return min(offset, size-50) },
	"repeats its last piece": func(size, offset int) int { return min(offset, size-37) },
}

// F81: a list by offset or number whose server starts again behind the end, or repeats its last page, ends: where the
// total was reached without a word and with no record twice, and otherwise with an error, soon.
func TestF81ServerStartsAgainBehindTheEnd(t *testing.T) {
	t.Parallel()
	type record struct {
		ID   *int
		Tags map[string]any
		At   time.Time
	}
	for name, place := range again {
		for _, total := range []int{0, 200} {
			for _, keyed := range []bool{false, true} {
				for _, parallel := range []int{1, 4} {
					for _, numbered := range []bool{false, true} {
						var calls atomic.Int64
						page := func(at int) (pages.Page[record], error) {
							calls.Add(1)
							var items []record
							for n := place(200, at); len(items) < 50 && n < 200; n++ {
								items = append(items, record{ID: new(n), Tags: map[string]any{"n": n, "all": true}, At: time.Unix(1, 0)})
							}
							return pages.Page[record]{Items: items, Total: total}, nil
						}
						pager := pages.Offset(50, func(_ context.Context, offset, _ int) (pages.Page[record], error) { return page(offset) })
						if numbered {
							pager = pages.Number(1, 50, func(_ context.Context, n, _ int) (pages.Page[record], error) { return page(50 * (n - 1)) })
						}
						if keyed {
							pager.Key = func(r record) string { return strconv.Itoa(*r.ID) }
						}
						var ids []int
						var last error
						for r, err := range pages.Read(t.Context(), pager, pages.Parallel(parallel)) {
							if last = err; err == nil {
								ids = append(ids, *r.ID)
							}
						}
						at := fmt.Sprintf("%s, total %d, keyed %t, %d at once, numbered %t", name, total, keyed, parallel, numbered)
						slices.Sort(ids)
						different := len(slices.Compact(slices.Clone(ids)))
						whole := name != "first page for all"
						if whole && different != 200 || keyed && len(ids) != different {
							t.Errorf("%s: %d items, %d of them different", at, len(ids), different)
						}
						switch {
						case name == "repeats its last piece": // which is short, and the last
						case whole && total > 0:
							if last != nil || len(ids) != 200 {
								t.Errorf("%s: %d items and the error %v, want 200 and none", at, len(ids), last)
							}
						case name != "starts again" && keyed: // as when records are inserted in front: see MaxEmpty
							if !errors.Is(last, pages.ErrEmpty) {
								t.Errorf("%s: the error %v, want ErrEmpty", at, last)
							}
							continue
						case !errors.Is(last, pages.ErrCursorLoop) && (whole || total == 0):
							t.Errorf("%s: the error %v, want ErrCursorLoop", at, last)
						}
						if calls := calls.Load(); calls > 15 || len(ids) > 350 {
							t.Errorf("%s: %d calls and %d items", at, calls, len(ids))
						}
					}
				}
			}
		}
	}
}

// F81: a long list that starts again is found out by its first pages, a cursor that is new on each page by the pages
// themselves, and pages of one record, too.
func TestF81LongListsAndNewCursors(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ records, size, most int }{{20_000, 10, 20_030}, {7, 1, 11}, {1, 1, 4}, {3000, 1, 3010}} {
		all := records(test.records)
		pager := pages.Offset(test.size, func(_ context.Context, offset, limit int) (pages.Page[string], error) {
			return pages.Page[string]{Items: all[offset%test.records:][:limit]}, nil
		})
		got, err := collect(t, t.Context(), pager)
		if !errors.Is(err, pages.ErrCursorLoop) || len(got) < test.records || len(got) > test.most {
			t.Errorf("%+v: %d items and the error %v", test, len(got), err)
		}
	}
	calls := 0
	pager := pages.Cursor(func(_ context.Context, cursor string) (pages.Page[string], error) {
		calls++
		at := 10 * ((calls - 1) % 20)
		return pages.Page[string]{Items: records(200)[at : at+10], Next: fmt.Sprint("token of call ", calls)}, nil
	})
	if got, err := collect(t, t.Context(), pager); !errors.Is(err, pages.ErrCursorLoop) || len(got) > 230 {
		t.Errorf("new cursors: %d items and the error %v", len(got), err)
	}
}

// F51, F81: a total that lies low never ends a list, also where a full page reaches it, and items that cannot be told
// from each other are no loop; records that are inserted in front are none either.
func TestF81WhatIsNoLoop(t *testing.T) {
	t.Parallel()
	for total := range 110 {
		for _, kind := range kinds[:3] {
			for _, key := range []func(string) string{nil, self} {
				c := &catalog{records: records(100), total: func(int) int { return total }}
				pager := kind.pager(c)
				pager.Key = key
				same(t, fmt.Sprintf("%s, total %d", kind.name, total), c.records, readAll(t, pager))
			}
		}
	}
	n := 0
	for _, err := range pages.Read(t.Context(), pages.Offset(100, func(_ context.Context, offset, limit int) (pages.Page[struct{}], error) {
		return pages.Page[struct{}]{Items: make([]struct{}, min(limit, 50_001-offset)), Total: 100}, nil
	})) {
		if n++; err != nil {
			t.Fatal(err)
		}
	}
	if n != 50_001 {
		t.Errorf("%d items without content, want 50,001", n)
	}
	for _, inserted := range []int{10, 20} {
		c := &catalog{records: records(60)}
		c.before = func(call int) error {
			if call == 2 {
				for i := range inserted {
					c.records = slices.Insert(c.records, 0, fmt.Sprint("new ", i))
				}
			}
			return nil
		}
		got := readAll(t, c.byOffset(10))
		slices.Sort(got)
		if got = slices.DeleteFunc(slices.Compact(got), func(r string) bool { return strings.HasPrefix(r, "new") }); len(got) != 60 {
			t.Errorf("%d inserted: %d records, want 60", inserted, len(got))
		}
	}
}

// httpStatus is the error of an API's client.
type httpStatus int

func (s httpStatus) Error() string   { return "status " + strconv.Itoa(int(s)) }
func (s httpStatus) StatusCode() int { return int(s) }

// F88: a page that fails is fetched again by its run, through the limiter that the reading is told, for own fetchers
// too; what is wrong for good, and a panic, end the reading at once.
func TestF88PagesAreFetchedAgain(t *testing.T) {
	t.Parallel()
	for _, opts := range [][]pages.Option{{pages.Prefetch(0)}, nil, {pages.Parallel(4)}} {
		synctest.Test(t, func(t *testing.T) {
			limiter := windrow.NewLimiter(windrow.Concurrency(2))
			start := time.Now()
			c := &catalog{records: records(95), delay: 100 * time.Millisecond, total: func(int) int { return 95 }}
			c.before = func(int) error {
				if since := time.Since(start); since > 200*time.Millisecond && since < 2*time.Second {
					return windrow.Throttled(httpStatus(http.StatusServiceUnavailable), 2*time.Second-since)
				}
				return nil
			}
			same(t, "items", c.records, readAll(t, c.byOffset(10), append(opts, pages.Run(windrow.WithLimiter(limiter)))...))
			if took := time.Since(start); took < 2*time.Second || took > 5*time.Second || limiter.Stats().Throttled == 0 || c.highest > 2 {
				t.Errorf("took %v, %d throttles, %d calls at once", took, limiter.Stats().Throttled, c.highest)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		c := &catalog{records: records(30), before: func(call int) error {
			if call == 1 {
				return httpStatus(http.StatusNotFound)
			}
			return nil
		}}
		got, err := collect(t, t.Context(), c.byOffset(10), pages.Run())
		if status, _ := errors.AsType[httpStatus](err); status != http.StatusNotFound || len(got) != 10 || len(c.asked) != 2 {
			t.Errorf("%d items and the error %v after %d calls", len(got), err, len(c.asked))
		}
		_, err = collect(t, t.Context(), c.byOffset(10), pages.Run(windrow.Concurrency(-1)))
		if bad, ok := errors.AsType[*windrow.OptionError](err); !ok || bad.Option != "Concurrency" {
			t.Errorf("the error %v, want an OptionError", err)
		}
		c.before = func(int) error { panic("the fetch") }
		defer func() {
			if p, ok := recover().(*windrow.PanicError); !ok || p.Value != "the fetch" {
				t.Errorf("panic %v", p)
			}
		}()
		_, err = collect(t, t.Context(), c.byOffset(10), pages.Run())
		t.Errorf("the error %v, want a panic", err)
	})
}
