package windrow_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/windrow-go/windrow"
)

// Shelf is a list of five articles that its server gives out in pages. Once, it refuses to give out the page at
// FailsAt.
type Shelf struct{ FailsAt int }

// List returns some of the articles, and how many there are.
func (s *Shelf) List(_ context.Context, offset, limit int) ([]Article, int, error) {
	if s.FailsAt > 0 && s.FailsAt == offset {
		s.FailsAt = 0
		return nil, 0, &APIError{http.StatusBadGateway, "bad gateway"}
	}
	slugs := []string{"tea", "rice", "salt", "oats", "rye"}
	var page []Article
	for _, slug := range slugs[offset:min(offset+limit, len(slugs))] {
		page = append(page, Article{ID: "id-" + slug, Slug: slug})
	}
	return page, len(slugs), nil
}

// Scan returns the articles behind a cursor, and the cursor for those that follow, "" when there are none.
func (s *Shelf) Scan(ctx context.Context, cursor string) (page []Article, next string, err error) {
	offset, _ := strconv.Atoi(cursor)
	page, total, err := s.List(ctx, offset, 2)
	if offset += len(page); offset < total {
		next = strconv.Itoa(offset)
	}
	return page, next, err
}

func ExamplePages() {
	ctx := context.Background()
	shelf := &Shelf{}

	pager := windrow.OffsetPager(2, func(ctx context.Context, offset, limit int) (windrow.Page[Article], error) {
		articles, total, err := shelf.List(ctx, offset, limit)
		return windrow.Page[Article]{Items: articles, Total: total}, err
	})
	for article, err := range windrow.Pages(ctx, pager) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(article.ID)
	}
	// Output:
	// id-tea
	// id-rice
	// id-salt
	// id-oats
	// id-rye
}

// A server that leaves out of its pages what the caller may not see says by isLast whether a page is the last: a short or
// an empty one need not be. What fails for a while is fetched again by the run that PageRun makes of each page.
func ExamplePage_more() {
	type answer struct {
		IsLast bool
		Values []string
	}
	answers := []answer{{false, []string{"id-tea"}}, {false, nil}, {true, []string{"id-rice", "id-salt"}}}

	pager := windrow.PageNumberPager(0, 2, func(_ context.Context, number, _ int) (windrow.Page[string], error) {
		a := answers[number]
		return windrow.Page[string]{Items: a.Values, More: !a.IsLast, Last: a.IsLast}, nil
	})
	for id, err := range windrow.Pages(context.Background(), pager, windrow.PageRun()) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(id)
	}
	// Output:
	// id-tea
	// id-rice
	// id-salt
}

// A list that each page leads on from goes straight into a stream.
func ExamplePages_cursor() {
	ctx := context.Background()
	shelf := &Shelf{}
	articles := NewArticles("tea", "rice", "salt", "oats", "rye")

	pager := windrow.CursorPager(func(ctx context.Context, cursor string) (windrow.Page[Article], error) {
		page, next, err := shelf.Scan(ctx, cursor)
		return windrow.Page[Article]{Items: page, Next: next}, err
	})
	retitle := windrow.NewBatchProcessor(func(ctx context.Context, a Article) (Article, error) {
		return articles.Update(ctx, a.ID, Draft{Title: "On " + a.Slug})
	})
	for r, err := range retitle.Stream(ctx, windrow.Pages(ctx, pager)).All() {
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(r.Index, r.Value.Title)
	}
	// Output:
	// 0 On tea
	// 1 On rice
	// 2 On salt
	// 3 On oats
	// 4 On rye
}

// A reading that was cut off goes on with the page that it did not reach the end of.
func ExampleStartAt() {
	ctx := context.Background()
	shelf := &Shelf{FailsAt: 2}

	pager := windrow.OffsetPager(2, func(ctx context.Context, offset, limit int) (windrow.Page[Article], error) {
		articles, total, err := shelf.List(ctx, offset, limit)
		return windrow.Page[Article]{Items: articles, Total: total}, err
	})
	read := func(opts ...windrow.PageOption) (windrow.Position, error) {
		for article, err := range windrow.Pages(ctx, pager, opts...) {
			if cut, ok := errors.AsType[*windrow.PageError](err); ok {
				return cut.Position, err
			}
			fmt.Println(article.ID)
		}
		return windrow.Position{}, nil
	}
	position, err := read()
	fmt.Println(err)
	_, err = read(windrow.StartAt(position))
	fmt.Println(err)
	// Output:
	// id-tea
	// id-rice
	// windrow: page 1, offset 2: 502: bad gateway
	// id-salt
	// id-oats
	// id-rye
	// <nil>
}

// Page fetches share the account's limit with all else that uses the limiter.
func ExampleOffsetPager_limiter() {
	ctx := context.Background()
	shelf := &Shelf{}
	account := windrow.NewLimiter(windrow.Concurrency(4))

	pager := windrow.OffsetPager(2, func(ctx context.Context, offset, limit int) (page windrow.Page[Article], err error) {
		err = account.Do(ctx, 1, func(ctx context.Context) error {
			page.Items, page.Total, err = shelf.List(ctx, offset, limit)
			return err
		})
		return page, err
	})
	n := 0
	for _, err := range windrow.Pages(ctx, pager, windrow.ParallelPages(2)) {
		if err != nil {
			fmt.Println(err)
			return
		}
		n++
	}
	fmt.Println(n, "articles")
	// Output:
	// 5 articles
}
