// Package catalog is the examples' client of the collection of symbols: the
// little that an application writes around a [rest.Resource] to suit its server,
// which is PocketBase here.
package catalog

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/examples/internal/pocket"
	"github.com/windrow-go/windrow/examples/internal/readback"
	"github.com/windrow-go/windrow/examples/internal/stdlib"
	"github.com/windrow-go/windrow/pages"
)

// Catalog is the collection on one server. Create, Update, Get, Delete and List
// are those of the resource.
type Catalog struct {
	*rest.Resource[stdlib.Symbol, readback.Record]
}

// path is that of the collection's records, below the base URL.
const path = "/collections/" + pocket.Collection + "/records"

// Open returns the collection on the server. All requests go through the
// limiter.
func Open(server *pocket.Server, limiter *windrow.Limiter) (Catalog, error) {
	return OpenAt(server.URL(), server.Token(), limiter)
}

// OpenAt is [Open] for a server in another process.
func OpenAt(address, token string, limiter *windrow.Limiter) (Catalog, error) {
	client, err := connect(address, token, limiter)
	if err != nil {
		return Catalog{}, err
	}
	return Catalog{rest.NewResource[stdlib.Symbol, readback.Record](client, path)}, nil
}

// OpenBatch is [Open] for a server that takes so many records in a request.
func OpenBatch(server *pocket.Server, limiter *windrow.Limiter, items int) (Batch, error) {
	client, err := connect(server.URL(), server.Token(), limiter)
	if err != nil {
		return Batch{}, err
	}
	return Batch{Catalog{rest.NewResource[stdlib.Symbol, readback.Record](client, path)}, client, items}, nil
}

// connect returns a client for the server.
func connect(address, token string, limiter *windrow.Limiter) (*rest.Client, error) {
	return rest.New(address+"/api", rest.WithLimiter(limiter),
		rest.WithToken(token), rest.WithAuthScheme("")) // PocketBase takes the token bare
}

// Timeout is how long one request may take.
const Timeout = 30 * time.Second

// Sorted returns a pager that reads the records in the order of their keys, so
// many a page (PocketBase gives 1,000 at most). What it reads may be changed and
// deleted meanwhile: each page begins behind the last key of the one before, not
// at an offset that such changes would move.
func (c Catalog) Sorted(pageSize int) *pages.Pager[readback.Record] {
	return c.ByKey(readback.Record.Key,
		rest.WithQuery(url.Values{"sort": {"key"}, "skipTotal": {"1"}}),
		rest.WithParameters("after", "perPage"), rest.WithPageSize(pageSize),
		rest.WithAfter(func(query url.Values, after string) { query.Set("filter", "key > "+quote(after)) }),
		rest.WithPageRun(windrow.AttemptTimeout(Timeout)))
}

// Written returns a pager that reads the records in the order in which they were
// written, so that none moves to another page when a late one comes.
func (c Catalog) Written(pageSize int) *pages.Pager[readback.Record] {
	return c.ByNumber(1, pageSize,
		rest.WithQuery(url.Values{"sort": {"@rowid"}, "skipTotal": {"1"}}),
		rest.WithParameters("page", "perPage"),
		rest.WithPageRun(windrow.AttemptTimeout(Timeout)))
}

// Upsert implements [windrow.Upserter]: it changes the record with that id, or
// without an id the one with the symbol's key, and creates the record when there
// is none.
func (c Catalog) Upsert(ctx context.Context, record readback.Record) (readback.Record, error) {
	if record.ID != "" {
		updated, err := c.Update(ctx, record.ID, record.Symbol)
		if !errors.Is(err, windrow.ErrNotFound) {
			return updated, err
		}
	}
	created, err := c.Create(ctx, record.Symbol)
	if !taken(err) {
		return created, err
	}
	// The record exists: this program may have created it, and lost the response.
	found, there, err := c.Reconcile(ctx, record.Symbol)
	if err != nil {
		return readback.Record{}, err
	}
	if !there {
		return readback.Record{}, fmt.Errorf("catalog: the key is taken, and no record has it")
	}
	return c.Update(ctx, found.ID, record.Symbol)
}

// Reconcile implements [clients.Reconciler]: it looks up the record with the
// symbol's key.
func (c Catalog) Reconcile(ctx context.Context, symbol stdlib.Symbol) (readback.Record, bool, error) {
	page, err := c.List(ctx, url.Values{
		"filter": {"key = " + quote(symbol.Key())}, "perPage": {strconv.Itoa(1)}, "skipTotal": {"1"},
	})
	if err != nil || len(page.Items) == 0 || page.Items[0].Key() != symbol.Key() {
		return readback.Record{}, false, err
	}
	return page.Items[0], true, nil
}

// Graver returns the one of a stream's errors that tells more: what ended the
// stream, which comes last, and otherwise the first of its items.
func Graver(before, next error) error {
	if _, stopped := errors.AsType[*windrow.StopError](next); stopped || before == nil {
		return next
	}
	return before
}

// taken reports whether a record could not be created since there is one with
// its key.
func taken(err error) bool {
	return slices.ContainsFunc(windrow.FieldErrors(err), func(e *windrow.FieldError) bool {
		return e.Field == "key" && e.Code == "validation_not_unique"
	})
}

// quote writes a text as PocketBase's filters take it. They know one escape, that
// of the quote.
func quote(s string) string { return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"` }
