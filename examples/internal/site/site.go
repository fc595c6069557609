// Package site is a PocketBase that is filled with the documentation of the Go
// standard library, for the examples that change and delete records.
package site

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/examples/internal/pocket"
	"github.com/windrow-go/windrow/examples/internal/readback"
	"github.com/windrow-go/windrow/examples/internal/stdlib"
	"github.com/windrow-go/windrow/pages"
)

// Path is that of the records, below [Site.Client]'s base URL.
const Path = "/collections/" + pocket.Collection + "/records"

// PageSize is how many records a page of [Pager] has.
const PageSize = 100

// Site is a running server with records in it.
type Site struct {
	// Server is the server itself.
	Server *pocket.Server
	// Client makes requests to it.
	Client *rest.Client
	// Limiter is what everything that is sent to it shares.
	Limiter *windrow.Limiter
}

// Symbols reads the documentation of the Go installation, the deprecated
// symbols first, and returns the first n of it, or all if n is 0.
func Symbols(ctx context.Context, n int) ([]stdlib.Symbol, error) {
	library, err := stdlib.Read(ctx)
	if err != nil {
		return nil, err
	}
	rank := func(s stdlib.Symbol) int {
		if s.Deprecated {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(library.Symbols, func(a, b stdlib.Symbol) int { return rank(a) - rank(b) })
	if n == 0 {
		n = len(library.Symbols)
	}
	return library.Symbols[:min(n, len(library.Symbols))], nil
}

// Start starts a server that takes rate requests a second, any if rate is 0,
// and creates the records in it. When there is no error the site must be closed.
func Start(ctx context.Context, symbols []stdlib.Symbol, rate int) (_ *Site, err error) {
	server, err := pocket.Start(ctx, pocket.Config{Rate: rate})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, server.Close())
		}
	}()
	s := &Site{Server: server, Limiter: windrow.NewLimiter()}
	s.Client, err = rest.New(server.URL()+"/api", rest.WithLimiter(s.Limiter),
		rest.WithToken(server.Token()), rest.WithAuthScheme("")) // PocketBase takes the token bare
	if err != nil {
		return nil, err
	}
	resource := rest.NewResource[stdlib.Symbol, readback.Record](s.Client, Path)
	if _, err := windrow.CreateMany(ctx, resource, symbols, s.Options()); err != nil {
		return nil, fmt.Errorf("fill the server: %w", err)
	}
	return s, nil
}

// Close stops the server.
func (s *Site) Close() error { return s.Server.Close() }

// Options are those of every run against the site.
func (s *Site) Options() windrow.Option {
	return windrow.Options(windrow.WithLimiter(s.Limiter), windrow.AttemptTimeout(30*time.Second))
}

// Pager pages the records that match the filter, in the order in which they
// were created. A page that is throttled or lost is asked for again.
func Pager[T any](s *Site, filter string) *pages.Pager[T] {
	records := rest.NewResource[struct{}, T](s.Client, Path)
	page := windrow.GetFunc(func(ctx context.Context, number int) (*rest.Listing[T], error) {
		return records.List(ctx, url.Values{
			"page": {strconv.Itoa(number)}, "perPage": {strconv.Itoa(PageSize)},
			"filter": {filter}, "sort": {"@rowid"}, "skipTotal": {"1"},
		})
	})
	return pages.Number(1, PageSize, func(ctx context.Context, number, _ int) (pages.Page[T], error) {
		res, err := windrow.GetMany(ctx, page, []int{number}, s.Options())
		if err != nil {
			return pages.Page[T]{}, err
		}
		return pages.Page[T]{Items: res.At(0).Value.Items}, nil
	})
}

// Rows are records as the server sends them, by their ids.
type Rows map[string]json.RawMessage

// Rows reads every record, with every field that it has.
func (s *Site) Rows(ctx context.Context) (Rows, error) {
	rows := Rows{}
	for row, err := range pages.Read(ctx, Pager[json.RawMessage](s, "")) {
		if err != nil {
			return nil, err
		}
		var record struct {
			ID string `json:"id"`
		}
		if err := json.Unmarshal(row, &record); err != nil {
			return nil, err
		}
		rows[record.ID] = row
	}
	return rows, nil
}

// Differences returns the ids of the rows that are not the same in both, byte
// by byte, sorted: changed ones, and those that only one has.
func (r Rows) Differences(other Rows) []string {
	var ids []string
	for id, row := range r {
		if !bytes.Equal(row, other[id]) {
			ids = append(ids, id)
		}
	}
	for id := range maps.Keys(other) {
		if _, there := r[id]; !there {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}
