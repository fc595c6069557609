package pages_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow/pages"
)

// catalog is a list of records, in their order, that a server gives out in pages. It remembers what it was asked for.
type catalog struct {
	delay  time.Duration
	most   int                            // records on a page, whatever the caller asks for; 0: as many as it asks for
	total  func(call int) int             // nil: the server does not say
	before func(call int) error           // called before each answer, with the list unlocked
	answer func(*pages.Page[string])      // changes a page on its way
	block  func(ctx context.Context) bool // whether this call waits for the end of its context

	mu      sync.Mutex
	records []string
	asked   []string
	now     int
	highest int // calls at once
}

// records returns the records r000, r001 and so on.
func records(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("r%03d", i)
	}
	return all
}

// page answers a call with limit records from a place that is found with the list locked.
func (c *catalog) page(ctx context.Context, asked string, limit int, place func(records []string) int) (pages.Page[string], error) {
	c.mu.Lock()
	call := len(c.asked)
	c.asked = append(c.asked, asked)
	c.now++
	c.highest = max(c.highest, c.now)
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.now--
		c.mu.Unlock()
	}()
	var page pages.Page[string]
	if c.before != nil {
		if err := c.before(call); err != nil {
			return page, err
		}
	}
	if c.block != nil && c.block(ctx) {
		<-ctx.Done()
		return page, fmt.Errorf("the call was cut off: %w", ctx.Err())
	}
	select {
	case <-time.After(c.delay):
	case <-ctx.Done():
		return page, ctx.Err()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.most > 0 {
		limit = min(limit, c.most)
	}
	from := min(place(c.records), len(c.records))
	to := min(from+limit, len(c.records))
	page.Items = slices.Clone(c.records[from:to])
	if to < len(c.records) {
		page.Next = strconv.Itoa(to)
	}
	if c.total != nil {
		page.Total = c.total(call)
	}
	if c.answer != nil {
		c.answer(&page)
	}
	return page, nil
}

func (c *catalog) byOffset(size int) *pages.Pager[string] {
	return pages.Offset(size, func(ctx context.Context, offset, limit int) (pages.Page[string], error) {
		return c.page(ctx, fmt.Sprintf("%d+%d", offset, limit), limit, func([]string) int { return offset })
	})
}

func (c *catalog) byNumber(first, size int) *pages.Pager[string] {
	return pages.Number(first, size, func(ctx context.Context, number, size int) (pages.Page[string], error) {
		served := size
		if c.most > 0 {
			served = min(size, c.most)
		}
		return c.page(ctx, fmt.Sprintf("#%d", number), size, func([]string) int { return (number - first) * served })
	})
}

func (c *catalog) byCursor(size int) *pages.Pager[string] {
	return pages.Cursor(func(ctx context.Context, cursor string) (pages.Page[string], error) {
		return c.page(ctx, "@"+cursor, size, func([]string) int { n, _ := strconv.Atoi(cursor); return n })
	})
}

func (c *catalog) byLink(size int) *pages.Pager[string] {
	return pages.Link("https://example.com/base/records?from=0", func(ctx context.Context, url string) (pages.Page[string], error) {
		page, err := c.page(ctx, url, size, func([]string) int {
			n, _ := strconv.Atoi(url[strings.LastIndex(url, "=")+1:])
			return n
		})
		if page.Next != "" {
			page.Next = "?from=" + page.Next
		}
		return page, err
	})
}

func (c *catalog) byKey(size int) *pages.Pager[string] {
	return pages.Keyset(self, func(ctx context.Context, after string) (pages.Page[string], error) {
		return c.page(ctx, ">"+after, size, func(records []string) int {
			n, found := slices.BinarySearch(records, after)
			if found {
				n++
			}
			return n
		})
	})
}

// remove removes a record from the list.
func (c *catalog) remove(record string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.records = slices.DeleteFunc(c.records, func(r string) bool { return r == record })
}

// kinds are the pagers of a list, with pages of ten records.
var kinds = []struct {
	name  string
	pager func(c *catalog) *pages.Pager[string]
}{
	{"offset", func(c *catalog) *pages.Pager[string] { return c.byOffset(10) }},
	{"number from 0", func(c *catalog) *pages.Pager[string] { return c.byNumber(0, 10) }},
	{"number from 1", func(c *catalog) *pages.Pager[string] { return c.byNumber(1, 10) }},
	{"cursor", func(c *catalog) *pages.Pager[string] { return c.byCursor(10) }},
	{"link", func(c *catalog) *pages.Pager[string] { return c.byLink(10) }},
	{"keyset", func(c *catalog) *pages.Pager[string] { return c.byKey(10) }},
}

// self is the key of a record that is its own key.
func self(record string) string { return record }

// collect reads a list to its end, checks that an error comes once and last, and returns it.
func collect(t testing.TB, ctx context.Context, pager *pages.Pager[string], opts ...pages.Option) ([]string, *pages.Error) {
	t.Helper()
	var items []string
	var ended *pages.Error
	for item, err := range pages.Read(ctx, pager, opts...) {
		if ended != nil {
			t.Fatalf("%q, %v after the error %v", item, err, ended)
		}
		if err == nil {
			items = append(items, item)
			continue
		}
		if ended, _ = errors.AsType[*pages.Error](err); ended == nil || item != "" {
			t.Fatalf("item %q with the error %T %v, want a *Error alone", item, err, err)
		}
	}
	return items, ended
}

// readAll reads a list that ends without an error.
func readAll(t testing.TB, pager *pages.Pager[string], opts ...pages.Option) []string {
	t.Helper()
	items, err := collect(t, t.Context(), pager, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return items
}

func same(t testing.TB, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// A66: items come one at a time, each range over the pages begins anew, and the same pager serves any number at once.
func TestA66PagesYieldItems(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			c := &catalog{records: records(35)}
			pager := kind.pager(c)
			list := pages.Read(t.Context(), pager)
			for item, err := range list {
				if item != "r000" || err != nil {
					t.Errorf("first item %q, %v", item, err)
				}
				break
			}
			for range 2 {
				n := 0
				for item, err := range list {
					if err != nil || item != c.records[n] {
						t.Fatalf("item %d is %q, %v", n, item, err)
					}
					n++
				}
				if n != 35 {
					t.Errorf("%d items, want 35", n)
				}
			}
			var both sync.WaitGroup
			for range 2 {
				both.Go(func() { same(t, "items", c.records, readAll(t, pager)) })
			}
			both.Wait()
		})
	}
}

// A27, A28, A67: pages of 100 are asked for at offsets 0, 100 and so on, or by their numbers; a short page is the last,
// and a full last page costs one more call.
func TestA28A67ShortPageEndsOffsetAndNumberPagers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ records, calls int }{{0, 1}, {1, 1}, {99, 1}, {100, 2}, {101, 2}, {250, 3}, {300, 4}} {
		for _, first := range []int{0, 1} {
			var offsets, numbers []string
			for i := range test.calls {
				offsets = append(offsets, fmt.Sprintf("%d+100", 100*i))
				numbers = append(numbers, fmt.Sprintf("#%d", first+i))
			}
			c := &catalog{records: records(test.records)}
			if got := readAll(t, c.byOffset(100)); len(got) != test.records {
				t.Errorf("by offset: %d items, want %d", len(got), test.records)
			}
			same(t, "offsets", offsets, c.asked)
			c.asked = nil
			if got := readAll(t, c.byNumber(first, 100)); len(got) != test.records {
				t.Errorf("by number: %d items, want %d", len(got), test.records)
			}
			same(t, "numbers", numbers, c.asked)
		}
	}
}

// A short page is not the end of a cursor, a link or a key, and the server's word that a page is the last one is.
func TestA67OnlyTheServerEndsACursor(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds[3:] {
		c := &catalog{records: records(35), most: 3}
		same(t, kind.name, c.records, readAll(t, kind.pager(c)))
	}
	for _, kind := range kinds {
		c := &catalog{records: records(30), answer: func(page *pages.Page[string]) { page.Last = page.Items[0] == "r020" }}
		same(t, kind.name, c.records, readAll(t, kind.pager(c)))
		if len(c.asked) != 3 {
			t.Errorf("%s: %d calls, want 3: the third page was said to be the last", kind.name, len(c.asked))
		}
	}
}

// F51: whatever the totals say, and however they change, the list is read to its end.
func TestF51TotalThatLies(t *testing.T) {
	t.Parallel()
	totals := map[string]func(call int) int{
		"right": func(int) int { return 95 }, "too small": func(int) int { return 12 }, "too large": func(int) int { return 400 },
		"negative": func(int) int { return -7 }, "falling": func(call int) int { return max(0, 95-40*call) },
		"rising": func(call int) int { return 10 * call }, "wild": func(call int) int { return 1000 * (call % 2) },
	}
	for name, total := range totals {
		for _, kind := range kinds {
			for _, parallel := range []int{1, 4} {
				if parallel > 1 && !strings.Contains(kind.name, "offset") && !strings.Contains(kind.name, "number") {
					continue
				}
				c := &catalog{records: records(95), total: total}
				got := readAll(t, kind.pager(c), pages.Parallel(parallel))
				same(t, fmt.Sprintf("%s, %s total, %d at once", kind.name, name, parallel), c.records, got)
				if most := 10 + 1 + 2*parallel; len(c.asked) > most {
					t.Errorf("%s, %s total, %d at once: %d calls, want at most %d", kind.name, name, parallel, len(c.asked), most)
				}
			}
		}
	}
}

// F51: servers cap the size of a page silently. If the total tells, nothing is lost.
func TestF51TotalOfAServerThatCapsPages(t *testing.T) {
	t.Parallel()
	for _, parallel := range []int{1, 4} {
		for _, kind := range kinds[:3] {
			c := &catalog{records: records(95), most: 4, total: func(int) int { return 95 }}
			got := readAll(t, kind.pager(c), pages.Parallel(parallel))
			same(t, fmt.Sprintf("%s, %d at once", kind.name, parallel), c.records, got)
			most := 25
			if kind.name == "offset" {
				most += parallel // what was thought to follow the first page, once
			}
			if len(c.asked) > most {
				t.Errorf("%s, %d at once: %d calls for 24 pages", kind.name, parallel, len(c.asked))
			}
		}
	}

	// What is not where it was thought to be is not waited for.
	synctest.Test(t, func(t *testing.T) {
		var got []int
		pager := pages.Offset(10, func(ctx context.Context, offset, _ int) (pages.Page[int], error) {
			if offset%7 != 0 {
				<-ctx.Done()
				return pages.Page[int]{}, ctx.Err()
			}
			time.Sleep(time.Second)
			if offset == 70 {
				return pages.Page[int]{}, nil
			}
			return pages.Page[int]{Items: make([]int, 7), Total: 90}, nil
		})
		for item, err := range pages.Read(t.Context(), pager, pages.Parallel(4)) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, item)
		}
		if len(got) != 70 {
			t.Errorf("%d items, want 70", len(got))
		}
	})
}

// F49: a cursor, a link or a key that comes again ends the reading, whether it leads back one page or many.
func TestF49RepeatedCursor(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name       string
		ahead, len int // pages before the circle, and in it
		most       int // calls
	}{
		{"the same again", 0, 1, 2}, {"the same again, later", 5, 1, 7}, {"there and back", 0, 2, 3},
		{"a round", 3, 200, 204}, {"a long round", 3, 1000, 3500},
	} {
		next := func(page int) int {
			if page++; page >= 1+test.ahead+test.len {
				page -= test.len
			}
			return page
		}
		number := func(text string) int {
			n, _ := strconv.Atoi(text[strings.LastIndexAny(text, "=k")+1:])
			return n
		}
		pagers := map[string]func(calls *int) *pages.Pager[int]{
			"cursor": func(calls *int) *pages.Pager[int] {
				return pages.Cursor(func(_ context.Context, cursor string) (pages.Page[int], error) {
					*calls++
					return pages.Page[int]{Items: []int{number(cursor)}, Next: strconv.Itoa(next(number(cursor)))}, nil
				})
			},
			"link": func(calls *int) *pages.Pager[int] {
				return pages.Link("/list?p=0", func(_ context.Context, url string) (pages.Page[int], error) {
					*calls++
					return pages.Page[int]{Items: []int{number(url)}, Next: fmt.Sprint("list?p=", next(number(url)))}, nil
				})
			},
			"keyset": func(calls *int) *pages.Pager[int] {
				key := func(item int) string { return fmt.Sprint("k", next(item)) }
				return pages.Keyset(key, func(_ context.Context, after string) (pages.Page[int], error) {
					*calls++
					return pages.Page[int]{Items: []int{number(after)}}, nil
				})
			},
		}
		for name, pager := range pagers {
			calls, items := 0, 0
			var last error
			for item, err := range pages.Read(t.Context(), pager(&calls)) {
				if last = err; err == nil {
					if items <= test.ahead+test.len && item != items {
						t.Fatalf("%s, %s: item %d is %d", name, test.name, items, item)
					}
					items++
				}
			}
			if !errors.Is(last, pages.ErrCursorLoop) {
				t.Errorf("%s, %s: error %v, want ErrCursorLoop", name, test.name, last)
			}
			if calls > test.most || items != calls {
				t.Errorf("%s, %s: %d calls brought %d items, want at most %d", name, test.name, calls, items, test.most)
			}
		}
	}

	// Back to where the reading began.
	c := &catalog{records: records(50), answer: func(page *pages.Page[string]) {
		if page.Next == "40" {
			page.Next = "20"
		}
	}}
	for name, pager := range map[string]*pages.Pager[string]{"cursor": c.byCursor(10), "link": c.byLink(10)} {
		c.asked = nil
		start := pages.Position{Cursor: "20"}
		if name == "link" {
			start.Cursor = "https://example.com/base/records?from=20"
		}
		got, err := collect(t, t.Context(), pager, pages.StartAt(start))
		same(t, name, c.records[20:40], got)
		if !errors.Is(err, pages.ErrCursorLoop) || len(c.asked) != 2 {
			t.Errorf("%s: %d calls and the error %v, want 2 and ErrCursorLoop", name, len(c.asked), err)
		}
	}
	// A record without a key would lead back to the beginning.
	keyless := pages.Keyset(func(string) string { return "" }, func(context.Context, string) (pages.Page[string], error) {
		return pages.Page[string]{Items: []string{"a", "b"}}, nil
	})
	if got, err := collect(t, t.Context(), keyless); len(got) != 2 || !errors.Is(err, pages.ErrCursorLoop) {
		t.Errorf("keyset: items %v and the error %v, want 2 and ErrCursorLoop", got, err)
	}
}

// F49: a server that sends one page for every offset or number is found out by the keys of its records.
func TestF49RepeatedRecords(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds[:3] {
		c := &catalog{records: records(500), answer: func(page *pages.Page[string]) { page.Items = records(10) }}
		pager := kind.pager(c)
		pager.Key = self
		got, err := collect(t, t.Context(), pager)
		if !errors.Is(err, pages.ErrEmpty) || len(got) != 10 {
			t.Errorf("%s: %d items and the error %v, want 10 and ErrEmpty", kind.name, len(got), err)
		}
	}
}

// F50: an empty page with a cursor for the next is not the end, unless there are too many in a row.
func TestF50EmptyPageWithNextCursor(t *testing.T) {
	t.Parallel()
	pager := func(empty int) *pages.Pager[string] {
		return pages.Cursor(func(_ context.Context, cursor string) (pages.Page[string], error) {
			n, _ := strconv.Atoi(cursor)
			page := pages.Page[string]{Next: strconv.Itoa(n + 1)}
			switch {
			case n%(empty+1) == 0:
				page.Items = []string{cursor}
			case n > 5*(empty+1):
				page.Next = ""
			}
			return page, nil
		})
	}
	for _, test := range []struct {
		empty int
		opts  []pages.Option
		want  int
		next  int // the page at which it ends early
	}{
		{1, nil, 6, 0}, {100, nil, 6, 0}, {101, nil, 1, 102},
		{2, []pages.Option{pages.MaxEmpty(2)}, 6, 0}, {3, []pages.Option{pages.MaxEmpty(2)}, 1, 4},
		{1, []pages.Option{pages.MaxEmpty(0)}, 1, 2}, {500, []pages.Option{pages.MaxEmpty(500)}, 6, 0},
	} {
		got, err := collect(t, t.Context(), pager(test.empty), test.opts...)
		if len(got) != test.want || (err != nil) != (test.next > 0) || err != nil && !errors.Is(err, pages.ErrEmpty) {
			t.Errorf("%d empty pages in a row: %d items and the error %v, want %d", test.empty, len(got), err, test.want)
		}
		if err != nil && err.Position.Page != test.next {
			t.Errorf("%d empty pages in a row: ended at %v, want page %d", test.empty, err.Position, test.next)
		}
	}
}

// F47: what is inserted in front while the list is read moves records to the next page. With a key they come once.
func TestF47InsertAtTheFront(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		for _, inserted := range []int{1, 9, 10, 25} {
			c := &catalog{records: records(60)}
			c.before = func(call int) error {
				if call < 4 && call > 0 {
					c.mu.Lock()
					for i := range inserted {
						c.records = slices.Insert(c.records, 0, fmt.Sprintf("new %d of %d", i, call))
					}
					c.mu.Unlock()
				}
				return nil
			}
			pager := kind.pager(c)
			pager.Key = self
			got := slices.DeleteFunc(readAll(t, pager), func(r string) bool { return strings.HasPrefix(r, "new") })
			same(t, fmt.Sprintf("%s, %d inserted", kind.name, inserted), records(60), got)
		}
	}
	for name, key := range map[string]func(string) string{"no key": nil, "empty keys": func(string) string { return "" }} {
		c := &catalog{records: records(60)}
		c.before = func(int) error { c.records = slices.Insert(c.records, 0, "new"); return nil }
		pager := c.byOffset(10)
		pager.Key = key
		if got := readAll(t, pager); len(got) != 67 {
			t.Errorf("%s: %d items, want 67: the first record is moved to each next page", name, len(got))
		}
	}
}

// F46, A36: a list that shrinks because the caller deletes what it reads. By key nothing is missed; by offset the
// records must be collected first; whatever is missed otherwise, nothing comes twice and the reading ends.
func TestF46A36ListThatShrinks(t *testing.T) {
	t.Parallel()
	for _, prefetch := range []int{0, 1, 3} {
		c := &catalog{records: records(95)}
		var got []string
		for item, err := range pages.Read(t.Context(), c.byKey(10), pages.Prefetch(prefetch)) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, item)
			c.remove(item)
		}
		same(t, "by key", records(95), got)
		same(t, "left", []string{}, c.records)

		c = &catalog{records: records(95)}
		same(t, "collected", records(95), readAll(t, c.byOffset(10), pages.Prefetch(prefetch)))

		got = nil
		for item, err := range pages.Read(t.Context(), c.byOffset(10), pages.Prefetch(prefetch)) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, item)
			c.remove(item)
		}
		if slices.Sort(got); len(got) >= 95 || len(slices.Compact(slices.Clone(got))) != len(got) {
			t.Errorf("by offset: %d items, %d of them different", len(got), len(slices.Compact(got)))
		}
	}
}

// Another reader removes records while the list is read by key: what was not removed comes, once.
func TestF46OthersRemove(t *testing.T) {
	t.Parallel()
	c := &catalog{records: records(60)}
	c.before = func(call int) error {
		c.remove(fmt.Sprintf("r%03d", 10*call-1)) // the last one that was read
		c.remove(fmt.Sprintf("r%03d", 10*call+5)) // one that was not
		return nil
	}
	want := slices.DeleteFunc(records(60), func(r string) bool { return strings.HasSuffix(r, "5") })
	same(t, "items", want, slices.DeleteFunc(readAll(t, c.byKey(10)), func(r string) bool { return strings.HasSuffix(r, "5") }))
	for _, r := range readAll(t, c.byKey(10)) {
		if strings.HasSuffix(r, "5") {
			t.Errorf("%s was removed", r)
		}
	}
}

// F48: a page that cannot be read is named, and the reading goes on from there.
func TestF48ErrorSaysWhereAndStartAtGoesOn(t *testing.T) {
	t.Parallel()
	boom := errors.New("410 gone")
	want := map[string]pages.Position{
		"offset": {Page: 2, Offset: 20}, "number from 0": {Page: 2, Offset: 20}, "number from 1": {Page: 2, Offset: 20},
		"cursor": {Page: 2, Offset: 20, Cursor: "20"}, "keyset": {Page: 2, Offset: 20, Cursor: "r019"},
		"link": {Page: 2, Offset: 20, Cursor: "https://example.com/base/records?from=20"},
	}
	for _, kind := range kinds {
		c := &catalog{records: records(35), before: func(call int) error {
			if call == 2 {
				return boom
			}
			return nil
		}}
		got, err := collect(t, t.Context(), kind.pager(c))
		if err == nil || !errors.Is(err, boom) || len(got) != 20 {
			t.Fatalf("%s: %d items and the error %v", kind.name, len(got), err)
		}
		same(t, kind.name, want[kind.name], err.Position)
		if text := err.Error(); !strings.Contains(text, "page 2, offset 20") || !strings.Contains(text, boom.Error()) {
			t.Errorf("%s: the error says %q", kind.name, text)
		}
		text, jsonErr := json.Marshal(err.Position)
		var stored pages.Position
		if jsonErr = errors.Join(jsonErr, json.Unmarshal(text, &stored)); jsonErr != nil {
			t.Fatal(jsonErr)
		}
		var at []pages.Info
		rest := readAll(t, kind.pager(c), pages.StartAt(stored), pages.OnPage(func(p pages.Info) { at = append(at, p) }))
		same(t, kind.name+": items", c.records, append(got, rest...))
		same(t, kind.name+": first page", want[kind.name], at[0].Position)
	}
}

// A32: each page is announced before its items, with its position, so that a killed program goes on with that page.
func TestA32OnPage(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		c := &catalog{records: records(25), total: func(int) int { return 25 }}
		var got []pages.Info
		next := 0
		read := pages.Read(t.Context(), kind.pager(c), pages.OnPage(func(p pages.Info) {
			if got = append(got, p); p.Position.Offset != next {
				t.Errorf("%s: page %v is announced after %d items", kind.name, p.Position, next)
			}
		}))
		for _, err := range read {
			if next++; err != nil {
				t.Fatal(err)
			}
		}
		want := []pages.Info{{Items: 10, Total: 25}, {Items: 10, Total: 25}, {Items: 5, Total: 25}}
		if kind.name == "keyset" {
			want = append(want, pages.Info{Total: 25}) // the empty one that ends the list
		}
		for i := range want {
			want[i].Position = got[i].Position
		}
		same(t, kind.name, want, got)

		middle := got[1].Position
		same(t, kind.name+" from the middle", c.records[10:], readAll(t, kind.pager(c), pages.StartAt(middle)))
	}
}

func TestLinkResolvesLinks(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ first, next, want string }{
		{"https://example.com/base/v1/items?page=1", "https://other.example.com/x?page=2", "https://other.example.com/x?page=2"},
		{"https://example.com/base/v1/items?page=1", "/base/v1/items?page=2", "https://example.com/base/v1/items?page=2"},
		{"https://example.com/base/v1/items?page=1", "items?page=2", "https://example.com/base/v1/items?page=2"},
		{"https://example.com/base/v1/items?page=1", "?page=2", "https://example.com/base/v1/items?page=2"},
		{"https://example.com/base/v1/items/", "more", "https://example.com/base/v1/items/more"},
		{"https://example.com/base/v1/items", "//cdn.example.com/2", "https://cdn.example.com/2"},
		{"https://example.com/base/v1/items", "../v2/items?a=b%20c", "https://example.com/base/v2/items?a=b%20c"},
		{"/base/items?page=1", "?page=2", "/base/items?page=2"},
	} {
		var asked []string
		pager := pages.Link(test.first, func(_ context.Context, url string) (pages.Page[string], error) {
			if asked = append(asked, url); len(asked) > 1 {
				return pages.Page[string]{}, nil
			}
			return pages.Page[string]{Next: test.next}, nil
		})
		readAll(t, pager)
		same(t, test.next, []string{test.first, test.want}, asked)
	}

	pager := pages.Link("/items", func(context.Context, string) (pages.Page[string], error) {
		return pages.Page[string]{Items: []string{"a"}, Next: "http://[::1/?token=secret"}, nil
	})
	got, err := collect(t, t.Context(), pager)
	if err == nil || len(got) != 1 || strings.Contains(err.Error(), "secret") {
		t.Errorf("a link that is none: items %v and the error %v", got, err)
	}
}
