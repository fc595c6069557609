package datocms

import (
	"context"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strconv"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/internal/paging"
	"github.com/windrow-go/windrow/internal/refusal"
	"github.com/windrow-go/windrow/pages"
)

// defaultPage is the default page size, as in DatoCMS's guide. The server's own default is 30.
const defaultPage = 100

// Query selects records of a model, or assets. The zero Query selects all.
type Query struct {
	// PageSize is how many records a page has, from 1 to 500. Defaults to 100.
	PageSize int
	// Values are further parameters as DatoCMS writes them, such as filter[fields][title][eq], order_by, locale or nested.
	// "version" defaults to "current", which includes unpublished records, and filter[type] to the model.
	Values url.Values
	// Run are the options of the run that reads each page. By default a page that was throttled or whose response was lost
	// is retried. They need no windrow.WithLimiter if the client has one.
	Run []windrow.Option
}

// Where returns the query with a condition on a field, such as Where("title", "eq", "Hello").
func (q Query) Where(field, operator, value string) Query {
	if q.Values = maps.Clone(q.Values); q.Values == nil {
		q.Values = url.Values{}
	}
	q.Values.Set("filter[fields]["+field+"]["+operator+"]", value)
	return q
}

// Pager returns a pager of the records that the query selects. An invalid query is the error of the first page.
//
// Pages are read by offset: if the list changes meanwhile, records are missed. To change records, collect them first, as
// [Items.IDs] and package plan do.
func (s *Items[In, Out]) Pager(q Query) *pages.Pager[Out] {
	return pagerOf[Out](&s.collection, s.narrowed(q), defaultPage)
}

// IDs returns the ids of the records that the query selects, read in pages of 500 unless the query says otherwise.
func (s *Items[In, Out]) IDs(ctx context.Context, q Query) ([]string, error) {
	return idsOf(ctx, &s.collection, s.narrowed(q))
}

// narrowed restricts the query to the records of the model.
func (s *Items[In, Out]) narrowed(q Query) Query {
	if q.Values = maps.Clone(q.Values); q.Values == nil {
		q.Values = url.Values{}
	}
	if !q.Values.Has("filter[type]") && !q.Values.Has("filter[ids]") { // they exclude each other
		q.Values.Set("filter[type]", s.model)
	}
	return q
}

// Pager returns a pager of the assets that the query selects. See [Items.Pager].
func (s *Uploads[Out]) Pager(q Query) *pages.Pager[Out] {
	return pagerOf[Out](&s.collection, q, defaultPage)
}

// IDs returns the ids of the assets that the query selects. See [Items.IDs].
func (s *Uploads[Out]) IDs(ctx context.Context, q Query) ([]string, error) {
	return idsOf(ctx, &s.collection, q)
}

func idsOf(ctx context.Context, c *collection, q Query) (ids []string, err error) {
	seen := map[string]bool{}
	for ref, err := range pages.Read(ctx, pagerOf[Ref](c, q, maxPage)) {
		if err != nil {
			return nil, err
		}
		if !seen[ref.ID] { // a list that grows while it is read repeats some
			seen[ref.ID] = true
			ids = append(ids, ref.ID)
		}
	}
	return ids, nil
}

// page is the item of the run that reads one page.
type page struct {
	path  string
	query url.Values
}

// String names the page in logs and errors, without its query.
func (p *page) String() string { return p.path }

func pagerOf[Out any](c *collection, q Query, size int) *pages.Pager[Out] {
	if q.PageSize != 0 {
		size = q.PageSize
	}
	var opts []windrow.Option
	err := c.ready()
	if err == nil {
		opts = slices.Concat(c.client.runOptions(), refusal.ForRun(q.Run))
		err = q.check(size)
	}
	reads := windrow.NewGetProcessor(windrow.GetFunc(func(ctx context.Context, p *page) (*pages.Page[Out], error) {
		return readPage[Out](ctx, c, p)
	}), opts...)
	return pages.Offset(max(1, size), func(ctx context.Context, offset, limit int) (pages.Page[Out], error) {
		if err != nil {
			return pages.Page[Out]{}, err
		}
		query := maps.Clone(c.reads)
		maps.Copy(query, q.Values)
		query.Set("page[offset]", strconv.Itoa(offset))
		query.Set("page[limit]", strconv.Itoa(limit))
		once := func() (pages.Page[Out], error) { return readOnce(ctx, reads, &page{path: c.path, query: query}) }
		if len(q.Run) > 0 {
			return once()
		}
		return paging.Persist(ctx, once)
	})
}

// readOnce reads a page with one run.
func readOnce[Out any](ctx context.Context, reads *windrow.BatchProcessor[*page, *pages.Page[Out]], p *page) (pages.Page[Out], error) {
	res, err := reads.Run(ctx, []*page{p})
	first := res.At(0)
	switch {
	case err == nil && first.Value != nil:
		return *first.Value, nil
	case err == nil:
		return pages.Page[Out]{}, errors.New("datocms: Query.Run: the options keep the page from being read")
	case first.State == windrow.Failed:
		return pages.Page[Out]{}, first.Err
	}
	if bulk, ok := errors.AsType[*windrow.BulkError](err); ok && bulk.Cause != nil {
		return pages.Page[Out]{}, bulk.Cause
	}
	return pages.Page[Out]{}, err
}

// check returns an error if the query is invalid.
func (q Query) check(size int) error {
	switch {
	case size < 1 || size > maxPage:
		return invalid("Query.PageSize (%d) must be from 1 to %d", size, maxPage)
	case q.Values.Has("page[limit]") || q.Values.Has("page[offset]"):
		return invalid("Query.Values has page[limit] or page[offset], which the pager sets: use PageSize")
	case q.Values.Has("filter[ids]") && q.Values.Has("filter[type]"):
		return invalid("Query.Values has filter[ids] and filter[type], which exclude each other")
	}
	return nil
}

// readPage reads one page.
func readPage[Out any](ctx context.Context, c *collection, p *page) (*pages.Page[Out], error) {
	doc, err := c.client.ask(ctx, rest.Request{Path: p.path, Query: p.query})
	if err != nil {
		return nil, err
	}
	list, err := many(doc)
	if err != nil {
		return nil, err
	}
	out := &pages.Page[Out]{Items: make([]Out, len(list)), Total: doc.total()}
	for k := range list {
		if out.Items[k], err = simple[Out](doc, list[k]); err != nil {
			return nil, err
		}
	}
	return out, nil
}
