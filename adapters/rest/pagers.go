package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/internal/paging"
	"github.com/windrow-go/windrow/internal/refusal"
	"github.com/windrow-go/windrow/pages"
)

// ByOffset returns a pager of the collection by offset and limit, which are sent in the parameters offset and limit
// unless [WithParameters] names others; the first has the offset 0, or that of [WithFirstOffset]. See [pages.Offset]
// for where it ends, and [WithMoreField] and [WithLastField] for servers that say so. A page with a link to the next,
// in the header Link with the relation "next" or in the fields links.next or next of its body, is not the last. The
// collection must not change meanwhile; to change or delete the records that are read, use [Resource.ByKey].
//
// Each page is a run of one read through the client's limiter: a page that was throttled or lost is retried. See
// [WithPageRun]. Invalid arguments are the error of the first page, and nothing is sent.
func (r *Resource[In, Out]) ByOffset(size int, opts ...PagerOption) *pages.Pager[Out] {
	p := newPageSource(r, byOffset, opts)
	return pages.Offset(size, func(ctx context.Context, offset, limit int) (pages.Page[Out], error) {
		return p.sized(ctx, p.first+offset, limit)
	})
}

// ByNumber returns a pager of the collection by page number and size, which are sent in the parameters page and
// per_page unless [WithParameters] names others. The first page has the number first, 0 or 1. See [pages.Number] for
// where it ends, [WithMoreField] and [WithLastField] for servers that respond with an error after the last page, and
// [Resource.ByOffset] for the rest.
func (r *Resource[In, Out]) ByNumber(first, size int, opts ...PagerOption) *pages.Pager[Out] {
	p := newPageSource(r, byNumber, opts)
	return pages.Number(first, size, func(ctx context.Context, number, size int) (pages.Page[Out], error) {
		return p.sized(ctx, number, size)
	})
}

// ByCursor returns a pager of the collection by the cursor that each page has for the next. [WithNextField] or
// [WithNextHeader], one of which must be given, says where the cursor is. It is sent in the parameter cursor, and the
// size of [WithPageSize] in the parameter limit, unless [WithParameters] names others; the request of the first page
// has none. A page without a cursor is the last. See [pages.Cursor], and [Resource.ByOffset] for the rest.
func (r *Resource[In, Out]) ByCursor(opts ...PagerOption) *pages.Pager[Out] {
	p := newPageSource(r, byCursor, opts)
	return pages.Cursor(func(ctx context.Context, cursor string) (pages.Page[Out], error) {
		return p.after(ctx, cursor, func(query url.Values, cursor string) { query.Set(p.at, cursor) })
	})
}

// ByLink returns a pager of the collection by the link that each page has to the next: that of its header Link with the
// relation "next" (RFC 8288), or in its body links.next or next, a text or an object with the text href. [WithNextField] or
// [WithNextHeader] replaces these places. A page without a link is the last. The size of [WithPageSize] is sent in the
// parameter limit, unless [WithParameters] names another.
//
// Links may be relative to their page (RFC 3986 section 5). They are followed as they are: the query of [WithQuery] and
// the size are sent with the first page only. A link to another server than the base URL's ends the reading with
// [ErrOtherServer], unless [WithLinkBase] maps it to the base URL: credentials are never sent to another server. See
// [pages.Link], and [Resource.ByOffset] for the rest.
func (r *Resource[In, Out]) ByLink(opts ...PagerOption) *pages.Pager[Out] {
	p := newPageSource(r, byLink, opts)
	first := "/" // never sent
	if p.err == nil {
		u, err := r.client.url(r.path+r.slash, p.firstQuery())
		if p.err = err; err == nil {
			first = u.String()
		}
	}
	return pages.Link(first, func(ctx context.Context, link string) (pages.Page[Out], error) {
		if p.err != nil {
			return pages.Page[Out]{}, p.err
		}
		u, err := r.client.own(link, p.bases)
		if err != nil {
			return pages.Page[Out]{}, err
		}
		return p.read(ctx, u)
	})
}

// ByKey returns a pager of the collection by the key of the last record on each page, which is sent in the parameter
// after, unless [WithParameters] or [WithAfter] says otherwise; the request of the first page has none. The server must
// sort by that key, which is unique: ask for the order with [WithQuery]. The size of [WithPageSize] is sent in the
// parameter limit. It ends with an empty page, or by [WithMoreField]. Use it for records that are changed or deleted
// while they are read. See [pages.Keyset], and [Resource.ByOffset] for the rest.
func (r *Resource[In, Out]) ByKey(key func(record Out) string, opts ...PagerOption) *pages.Pager[Out] {
	p := newPageSource(r, byKey, opts)
	set := p.set
	if set == nil {
		set = func(query url.Values, after string) { query.Set(p.at, after) }
	}
	return pages.Keyset(key, func(ctx context.Context, after string) (pages.Page[Out], error) {
		return p.after(ctx, after, set)
	})
}

// ErrOtherServer is matched by the error of a page whose link to the next leads to another server.
var ErrOtherServer = errors.New("the link to the next page leads to another server")

// own returns the URL that a link leads to, on the server of the base URL and without a user name. A link with http to a
// server that the base URL names with https is followed with https: servers behind a proxy that ends TLS often send http
// links. A link below one of the bases is moved below the base URL.
func (c *Client) own(link string, bases []*url.URL) (*url.URL, error) {
	u, err := url.Parse(link)
	if err != nil {
		return nil, invalid(errors.New("rest: the link to the page is not a URL")) // without the link: it may hold a secret
	}
	for _, base := range bases {
		if rest, below := below(u, base); below {
			moved := c.root
			moved.RawPath, moved.RawQuery = c.base+rest, u.RawQuery
			if moved.Path, err = url.PathUnescape(moved.RawPath); err != nil {
				return nil, invalid(errors.New("rest: the link to the page is not a URL"))
			}
			return &moved, nil
		}
	}
	if u.Scheme == "http" && c.root.Scheme == "https" && u.Port() == "" {
		u.Scheme = "https"
	}
	if u.Scheme != c.root.Scheme || hostOf(u) != hostOf(&c.root) {
		return nil, invalid(fmt.Errorf("rest: %w: %s://%s, not %s://%s", ErrOtherServer, u.Scheme, u.Host, c.root.Scheme, c.root.Host))
	}
	u.Host, u.User, u.Fragment, u.RawFragment = c.root.Host, nil, "", ""
	return u, nil
}

// below returns the escaped path of a URL relative to a base, if the URL lies below the base.
func below(u, base *url.URL) (rest string, is bool) {
	if u.Scheme != base.Scheme || hostOf(u) != hostOf(base) {
		return "", false
	}
	rest, is = strings.CutPrefix(u.EscapedPath(), strings.TrimSuffix(base.EscapedPath(), "/"))
	return rest, is && (rest == "" || rest[0] == '/')
}

// pageSource reads the pages of the pagers of a resource. It is immutable.
type pageSource[In, Out any] struct {
	pagerConfig
	resource *Resource[In, Out]
	pages    *windrow.BatchProcessor[*pageRequest, *Listing[Out]]
	err      error // what is wrong with the arguments
}

// pageRequest is the item of the run that reads one page. It is a pointer, so that the item has an identity.
type pageRequest struct{ url *url.URL }

// String names the page in logs and errors, without its query.
func (r *pageRequest) String() string { return r.url.EscapedPath() }

func newPageSource[In, Out any](r *Resource[In, Out], kind pagerKind, opts []PagerOption) *pageSource[In, Out] {
	p := &pageSource[In, Out]{pagerConfig: newPagerConfig(kind, opts), resource: r}
	if p.err = errors.Join(r.ready(), p.pagerConfig.err); p.err != nil {
		p.err = windrow.Fatal(p.err)
		return p
	}
	var run []windrow.Option
	if limiter := r.client.Limiter(); limiter != nil {
		run = append(run, windrow.WithLimiter(limiter))
	}
	p.pages = windrow.NewGetProcessor(windrow.GetFunc(func(ctx context.Context, page *pageRequest) (*Listing[Out], error) {
		list, err := r.list(ctx, page.url)
		if isMisread(err) {
			return nil, windrow.Classified(err, windrow.Classification{})
		}
		return list, err
	}), append(run, refusal.ForRun(p.run)...)...)
	return p
}

// sized reads a page by its position, an offset or a number, and its size.
func (p *pageSource[In, Out]) sized(ctx context.Context, at, size int) (pages.Page[Out], error) {
	query := p.firstQuery()
	query.Set(p.at, strconv.Itoa(at))
	if p.size != "" {
		query.Set(p.size, strconv.Itoa(size))
	}
	return p.ask(ctx, query)
}

// after reads the page after a cursor or key, which set puts into the query; the first page if that is "".
func (p *pageSource[In, Out]) after(ctx context.Context, after string, set func(url.Values, string)) (pages.Page[Out], error) {
	query := p.firstQuery()
	if after != "" {
		set(query, after)
	}
	return p.ask(ctx, query)
}

// ask reads the page of the collection with a query.
func (p *pageSource[In, Out]) ask(ctx context.Context, query url.Values) (pages.Page[Out], error) {
	if p.err != nil {
		return pages.Page[Out]{}, p.err
	}
	u, err := p.resource.client.url(p.resource.path+p.resource.slash, query)
	if err != nil {
		return pages.Page[Out]{}, err
	}
	return p.read(ctx, u)
}

// read reads the page at a URL. Unless [WithPageRun] is given, it keeps trying during an outage.
func (p *pageSource[In, Out]) read(ctx context.Context, u *url.URL) (pages.Page[Out], error) {
	if len(p.run) > 0 {
		return p.once(ctx, u)
	}
	return paging.Persist(ctx, func() (pages.Page[Out], error) { return p.once(ctx, u) })
}

// once reads the page with one run.
func (p *pageSource[In, Out]) once(ctx context.Context, u *url.URL) (pages.Page[Out], error) {
	res, err := p.pages.Run(ctx, []*pageRequest{{u}})
	if err != nil {
		return pages.Page[Out]{}, errorOf(res.At(0), err)
	}
	page := res.At(0).Value
	if page == nil {
		return pages.Page[Out]{}, errors.New("rest: WithPageRun: the options keep the page from being read")
	}
	envelope := pageEnvelope{header: page.Header, body: page.Body, unmarshal: p.resource.client.cfg.codec.Unmarshal}
	told, err := follow(&p.pagerConfig, &envelope, page.Items)
	if err != nil {
		return pages.Page[Out]{}, invalid(fmt.Errorf("rest: %s %s: %w", http.MethodGet, u.EscapedPath(), err))
	}
	return told, nil
}

// errorOf returns why a page was not read: the page's own error, or the cause that stopped its run.
func errorOf[In, Out any](page windrow.Result[In, Out], err error) error {
	if page.State == windrow.Failed {
		return page.Err
	}
	if bulk, ok := errors.AsType[*windrow.BulkError](err); ok && bulk.Cause != nil {
		return bulk.Cause
	}
	return err
}
