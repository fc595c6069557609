package rest

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/windrow-go/windrow"
)

// PagerOption configures a pager of a [Resource]. If several set the same thing, the last counts. An option that does not
// apply to the pager is refused.
type PagerOption interface{ applyToPager(*pagerConfig) }

type pagerOptionFunc func(*pagerConfig)

func (f pagerOptionFunc) applyToPager(c *pagerConfig) { f(c) }

// pagerKind is how a list is paged.
type pagerKind struct {
	name     string
	at, size string // default parameters
	next     bool   // it takes WithNextField and WithNextHeader
	given    bool   // the size is an argument
}

var (
	byOffset = pagerKind{name: "ByOffset", at: "offset", size: "limit", given: true}
	byNumber = pagerKind{name: "ByNumber", at: "page", size: "per_page", given: true}
	byCursor = pagerKind{name: "ByCursor", at: "cursor", size: "limit", next: true}
	byLink   = pagerKind{name: "ByLink", size: "limit", next: true}
	byKey    = pagerKind{name: "ByKey", at: "after", size: "limit"}
)

// pagerConfig is what the options of a pager set.
type pagerConfig struct {
	kind       pagerKind
	query      url.Values
	at, size   string // parameters
	items      int    // on a page; 0: the server decides
	totalField string
	totalHead  string
	nextField  string
	nextHead   string
	moreField  string
	lastField  string
	noNext     []string // cursors or links that mean that there is no next page
	first      int      // offset of the first record
	bases      []*url.URL
	set        func(query url.Values, after string)
	run        []windrow.Option
	err        error // what is wrong with the options
}

// WithQuery adds a query to the request of every page, such as filters and the order. [Resource.ByLink] sends it with the
// first page only, since links carry their own query. The parameters of the paging itself are refused.
func WithQuery(query url.Values) PagerOption {
	query = cloneQuery(query)
	return pagerOptionFunc(func(c *pagerConfig) { c.query = query })
}

// WithParameters names the query parameters of the paging: that of the position, which is the offset, the page's number, the
// cursor, or the key after which the page begins; and that of the page's size. For example "page[offset]" and "page[limit]",
// or "skip" and "take". With the size "" none is sent, and the size given to the pager must be the server's.
// [Resource.ByLink] has no parameter for the position: give "".
func WithParameters(position, size string) PagerOption {
	return pagerOptionFunc(func(c *pagerConfig) {
		c.at, c.size = position, size
		if position == "" && c.kind.at != "" {
			c.refuse("WithParameters (%q, %q) must name the parameter of the position", position, size)
		}
		if position != "" && c.kind.at == "" {
			c.refuse("WithParameters (%q, %q): the links have the position: leave its parameter empty", position, size)
		}
		if position != "" && position == size {
			c.refuse("WithParameters (%q, %q) must name two parameters", position, size)
		}
	})
}

// WithPageSize sets how many records to request for a page, at least 1. Without it the server decides. [Resource.ByOffset]
// and [Resource.ByNumber] have an argument for it.
func WithPageSize(n int) PagerOption {
	return pagerOptionFunc(func(c *pagerConfig) {
		if c.items = n; n < 1 {
			c.refuse("WithPageSize (%d) must be at least 1", n)
		}
		if c.kind.given {
			c.refuse("WithPageSize is not for %s, which is told the size by its argument", c.kind.name)
		}
	})
}

// WithTotalField says where in a page's body the number of records in the whole list is, such as "meta.total". Names
// are joined by dots; a name may have dots itself. Without it the total is that of the header X-Total-Count, if there
// is one. A total never ends the reading: it distinguishes a short page from the last one, and lets [pages.Parallel]
// look ahead.
func WithTotalField(path string) PagerOption {
	return pagerOptionFunc(func(c *pagerConfig) {
		if c.totalField = path; path == "" {
			c.refuse("WithTotalField must name a field")
		}
	})
}

// WithTotalHeader says which header of a page has the number of records in the whole list. See [WithTotalField].
// Defaults to X-Total-Count.
func WithTotalHeader(name string) PagerOption {
	return pagerOptionFunc(func(c *pagerConfig) {
		if c.totalHead = name; name == "" {
			c.refuse("WithTotalHeader must name a header")
		}
	})
}

// WithNextField says where in a page's body the cursor of the next page is, or the link to it: such as "meta.next_cursor",
// "links.next" or "@odata.nextLink". Names are joined by dots; a name may have dots itself. The last page has none there, or
// null, false, "", or one of the texts of [WithNoNext].
func WithNextField(path string) PagerOption {
	return pagerOptionFunc(func(c *pagerConfig) {
		if c.nextField = path; path == "" {
			c.refuse("WithNextField must name a field")
		}
		c.mustHaveNext("WithNextField")
	})
}

// WithNextHeader says which header of a page has the cursor of the next page, or the link to it. Link is read by RFC
// 8288, any other as it is.
func WithNextHeader(name string) PagerOption {
	return pagerOptionFunc(func(c *pagerConfig) {
		if c.nextHead = http.CanonicalHeaderKey(name); name == "" {
			c.refuse("WithNextHeader must name a header")
		}
		c.mustHaveNext("WithNextHeader")
	})
}

// WithNoNext sets which cursors or links mean that there is no next page, in addition to a missing one, null, false and "".
// Numbers are compared as text, 0.0 as 0. Defaults to "null" and "0"; with no texts every cursor is followed. If a page says
// by [WithMoreField] or [WithLastField] that more follow, its cursor is followed whatever it is.
func WithNoNext(texts ...string) PagerOption {
	texts = append([]string{}, texts...)
	return pagerOptionFunc(func(c *pagerConfig) {
		c.noNext = texts
		c.mustHaveNext("WithNoNext")
	})
}

// WithMoreField names the field of a page's body that says whether a page follows, such as "has_more". The page is the last
// if the field is false, null, 0 or "", or one of these as a text; with any other value a page follows, also after a short
// or an empty page. If the field is missing, the kind of pager decides, as it does without the option. WithMoreField and
// [WithLastField] exclude each other.
func WithMoreField(path string) PagerOption {
	return pagerOptionFunc(func(c *pagerConfig) {
		if c.moreField = path; path == "" {
			c.refuse("WithMoreField must name a field")
		}
	})
}

// WithLastField names the field of a page's body that says whether the page is the last, such as "isLast" or
// "meta.last_page". If the field is false, 0 or "", or one of these as a text, a page follows, also after a short or an
// empty page; with any other value none does. If the field is missing or null, the kind of pager decides, as it does without
// the option.
func WithLastField(path string) PagerOption {
	return pagerOptionFunc(func(c *pagerConfig) {
		if c.lastField = path; path == "" {
			c.refuse("WithLastField must name a field")
		}
	})
}

// WithFirstOffset sets the offset of the first record, 0 or 1, for [Resource.ByOffset]: SCIM and others count from 1.
// Defaults to 0.
func WithFirstOffset(n int) PagerOption {
	return pagerOptionFunc(func(c *pagerConfig) {
		if c.first = n; n != 0 && n != 1 {
			c.refuse("WithFirstOffset (%d) must be 0 or 1", n)
		}
		if c.kind.name != byOffset.name {
			c.refuse("WithFirstOffset is for ByOffset, not for %s", c.kind.name)
		}
	})
}

// WithLinkBase names the base URLs that a server behind a proxy puts into its links instead of the client's, such as
// "http://10.0.0.5:8080/v1". A link below one of them is followed below the client's base URL: nothing is sent to the host
// in the link. It is for [Resource.ByLink]. Without it such a link is [ErrOtherServer].
func WithLinkBase(bases ...string) PagerOption {
	bases = slices.Clone(bases)
	return pagerOptionFunc(func(c *pagerConfig) {
		c.bases = nil
		for _, base := range bases {
			u, err := url.Parse(base)
			if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" {
				c.refuse("WithLinkBase must have URLs with http or https, a host and no query")
				continue
			}
			c.bases = append(c.bases, u)
		}
		if len(bases) == 0 {
			c.refuse("WithLinkBase must have a URL")
		}
		if c.kind.name != byLink.name {
			c.refuse("WithLinkBase is for ByLink, not for %s", c.kind.name)
		}
	})
}

// WithAfter sets how [Resource.ByKey] requests the records after a key, where a parameter with the key is not enough. The
// function changes the query of each page except the first, such as
//
//	query.Set("filter", fmt.Sprintf("slug > %q", after))
//
// The query holds that of [WithQuery] and the size; the function must keep its filters. It is called from many goroutines at
// once.
func WithAfter(set func(query url.Values, after string)) PagerOption {
	return pagerOptionFunc(func(c *pagerConfig) {
		if c.set = set; set == nil {
			c.refuse("WithAfter (nil) must have a function")
		}
		if c.kind.name != byKey.name {
			c.refuse("WithAfter is for ByKey, not for %s", c.kind.name)
		}
	})
}

// WithPageRun sets the options of the run that reads each page; they come after the client's limiter. By default a page that
// was throttled or whose response was lost is retried by the zero [windrow.RetryPolicy], a page with status 502, 503 or 504
// for up to 5 minutes, and an attempt has no timeout.
func WithPageRun(opts ...windrow.Option) PagerOption {
	opts = slices.Clone(opts)
	return pagerOptionFunc(func(c *pagerConfig) { c.run = opts })
}

func newPagerConfig(kind pagerKind, opts []PagerOption) pagerConfig {
	c := pagerConfig{kind: kind, at: kind.at, size: kind.size, totalHead: "X-Total-Count", noNext: []string{"null", "0"}}
	for i, opt := range opts {
		if opt == nil {
			c.refuse("option %d is nil: remove it", i)
			continue
		}
		opt.applyToPager(&c)
	}
	if kind.name == byCursor.name && c.nextField == "" && c.nextHead == "" {
		c.refuse("say where the next cursor is: give WithNextField or WithNextHeader")
	}
	if c.nextField != "" && c.nextHead != "" {
		c.refuse("WithNextField and WithNextHeader exclude each other")
	}
	if c.moreField != "" && c.lastField != "" {
		c.refuse("WithMoreField and WithLastField exclude each other")
	}
	if c.items > 0 && c.size == "" {
		c.refuse("WithPageSize (%d) needs the parameter of the size: name it with WithParameters", c.items)
	}
	if c.query.Has(c.at) && c.at != "" && c.set == nil {
		c.refuse("WithQuery has the parameter %q, which the pager sets", c.at)
	}
	if c.query.Has(c.size) && c.size != "" && (c.items > 0 || kind.given) {
		c.refuse("WithQuery has the parameter %q, which the pager sets", c.size)
	}
	return c
}

// refuse adds what is wrong with an option to err.
func (c *pagerConfig) refuse(format string, args ...any) {
	c.err = errors.Join(c.err, fmt.Errorf("rest: "+c.kind.name+": "+format, args...))
}

func (c *pagerConfig) mustHaveNext(option string) {
	if !c.kind.next {
		c.refuse("%s is for ByCursor and ByLink", option)
	}
}

// firstQuery returns the query that the requests of all pages share.
func (c *pagerConfig) firstQuery() url.Values {
	query := cloneQuery(c.query)
	if c.items > 0 {
		query.Set(c.size, strconv.Itoa(c.items))
	}
	return query
}

func cloneQuery(query url.Values) url.Values {
	clone := make(url.Values, len(query)+2)
	for name, values := range maps.All(query) {
		clone[name] = slices.Clone(values)
	}
	return clone
}
