package pages_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/pages"
)

// Article is a record of a little content API.
type Article struct{ ID, Slug, Title string }

// APIError is the API's error. Its StatusCode is how windrow learns what to do about it.
type APIError struct {
	Status  int
	Message string
}

func (e *APIError) Error() string   { return fmt.Sprintf("%d: %s", e.Status, e.Message) }
func (e *APIError) StatusCode() int { return e.Status }

// Shelf is the client of a list of five articles that its server gives out in pages. Once, it refuses to give out the
// page at FailsAt.
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

// Retitle changes the title of an article.
func (s *Shelf) Retitle(_ context.Context, a Article) (Article, error) {
	a.Title = "On " + a.Slug
	return a, nil
}

func ExampleRead() {
	ctx := context.Background()
	shelf := &Shelf{}

	pager := pages.Offset(2, func(ctx context.Context, offset, limit int) (pages.Page[Article], error) {
		articles, total, err := shelf.List(ctx, offset, limit)
		return pages.Page[Article]{Items: articles, Total: total}, err
	})
	for article, err := range pages.Read(ctx, pager) {
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

// A server that leaves out of its pages what the caller may not see says by isLast whether a page is the last: a short
// or an empty one need not be. What fails for a while is fetched again by the run that Run makes of each page.
func ExamplePage_more() {
	type answer struct {
		IsLast bool
		Values []string
	}
	answers := []answer{{false, []string{"id-tea"}}, {false, nil}, {true, []string{"id-rice", "id-salt"}}}

	pager := pages.Number(0, 2, func(_ context.Context, number, _ int) (pages.Page[string], error) {
		a := answers[number]
		return pages.Page[string]{Items: a.Values, More: !a.IsLast, Last: a.IsLast}, nil
	})
	for id, err := range pages.Read(context.Background(), pager, pages.Run()) {
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
func ExampleRead_stream() {
	ctx := context.Background()
	shelf := &Shelf{}

	pager := pages.Cursor(func(ctx context.Context, cursor string) (pages.Page[Article], error) {
		page, next, err := shelf.Scan(ctx, cursor)
		return pages.Page[Article]{Items: page, Next: next}, err
	})
	retitle := windrow.NewBatchProcessor(shelf.Retitle)
	for r, err := range retitle.Stream(ctx, pages.Read(ctx, pager)).All() {
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

	pager := pages.Offset(2, func(ctx context.Context, offset, limit int) (pages.Page[Article], error) {
		articles, total, err := shelf.List(ctx, offset, limit)
		return pages.Page[Article]{Items: articles, Total: total}, err
	})
	read := func(opts ...pages.Option) (pages.Position, error) {
		for article, err := range pages.Read(ctx, pager, opts...) {
			if cut, ok := errors.AsType[*pages.Error](err); ok {
				return cut.Position, err
			}
			fmt.Println(article.ID)
		}
		return pages.Position{}, nil
	}
	position, err := read()
	fmt.Println(err)
	_, err = read(pages.StartAt(position))
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
func ExampleOffset_limiter() {
	ctx := context.Background()
	shelf := &Shelf{}
	account := windrow.NewLimiter(windrow.Concurrency(4))

	pager := pages.Offset(2, func(ctx context.Context, offset, limit int) (page pages.Page[Article], err error) {
		err = account.Do(ctx, 1, func(ctx context.Context) error {
			page.Items, page.Total, err = shelf.List(ctx, offset, limit)
			return err
		})
		return page, err
	})
	n := 0
	for _, err := range pages.Read(ctx, pager, pages.Parallel(2)) {
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
