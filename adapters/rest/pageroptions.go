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

// PagerOption is a choice for a pager of a [Resource]. Of several for one thing the last counts. One that the pager has
// no use for is refused.
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

// pagerConfig is what the options of a pager say.
type pagerConfig struct {
	kind       pagerKind
	query      url.Values
	at, size   string // parameters
	items      int    // on a page; 0: as many as the server likes
	totalField string
	totalHead  string
	nextField  string
	nextHead   string
	moreField  string
	lastField  string
	noNext     []string // texts in the place of a cursor or link that say that there is none
	first      int      // offset of the first record
	bases      []*url.URL
	set        func(query url.Values, after string)
	run        []windrow.Option
	err        error // what is wrong with the options
}

// WithQuery is sent with every page, such as filters and the order. A [Resource.ByLink] sends it with the first: the
// links have what the server wants in them. The parameters of the paging itself are refused.
func WithQuery(query url.Values) PagerOption {
	query = cloneQuery(query)
	return pagerOptionFunc(func(c *pagerConfig) { c.query = query })
}

// WithParameters names the query parameters of the paging: that of the position, which is the offset, the page's
// number, the cursor, or the key after which the page begins; and that of the page's size. For example "page[offset]"
// and "page[limit]", or "skip" and "take". With the size "" none is sent, and the server's own must be the one that the
// pager is told. A [Resource.ByLink] has no parameter for the position: give "".
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

// WithPageSize is how many records a page is asked to have, at least 1. Without it the server decides. [Resource.ByOffset]
// and [Resource.ByNumber] are told by their arguments.
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
// is one. A total never ends the reading: it lets a short page be told from the last one, and
// [windrow.ParallelPages] look ahead.
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

// WithNextField says where in a page's body the cursor of the next page is, or the link to it: such as
// "meta.next_cursor", "links.next" or "@odata.nextLink". Names are joined by dots; a name may have dots itself. The
// last page has none there, or null, false, "", or what [WithNoNext] says.
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

// WithNoNext says which texts stand for no next page where [WithNextField], [WithNextHeader] or the place of a link holds
// one, beside none at all, null, false and "". Numbers are compared as text, 0.0 as 0. Defaults to "null" and "0"; with no
// texts every one is followed. A page that says by [WithMoreField] or [WithLastField] that more follow has its cursor
// followed whatever it is.
func WithNoNext(texts ...string) PagerOption {
	texts = append([]string{}, texts...)
	return pagerOptionFunc(func(c *pagerConfig) {
		c.noNext = texts
		c.mustHaveNext("WithNoNext")
	})
}

// WithMoreField says where in a page's body the server tells whether a page follows, such as "has_more". The page is the
// last when it has false, null, 0 or "" there, or one of these as a text; with anything else one follows, also behind a
// short or an empty page. A page that has nothing there does not say: the kind of pager decides, as it does without the
// option. WithMoreField and [WithLastField] exclude each other.
func WithMoreField(path string) PagerOption {
	return pagerOptionFunc(func(c *pagerConfig) {
		if c.moreField = path; path == "" {
			c.refuse("WithMoreField must name a field")
		}
	})
}

// WithLastField says where in a page's body the server tells whether the page is the last, such as "isLast" or
// "meta.last_page". With false, 0 or "" there, or one of these as a text, a page follows, also behind a short or an empty
// one; with anything else none does. A page that has nothing there, or null, does not say: the kind of pager decides, as
// it does without the option.
func WithLastField(path string) PagerOption {
	return pagerOptionFunc(func(c *pagerConfig) {
		if c.lastField = path; path == "" {
			c.refuse("WithLastField must name a field")
		}
	})
}

// WithFirstOffset is the offset of the first record, 0 or 1, in a list that [Resource.ByOffset] reads: SCIM and others
// count from 1. Defaults to 0.
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

// WithLinkBase says what the server takes the client's base URL for, where a proxy stands before it, such as
// "http://10.0.0.5:8080/v1"; several where several servers do. A link that lies below one of them is followed below the
// base URL in its place: nothing is sent to the host that it names. It is for [Resource.ByLink]. Without it such a link
// is [ErrOtherServer].
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

// WithAfter is how a [Resource.ByKey] asks for the records that follow a key, where a parameter that holds the key is
// not enough: the function changes the query of a page other than the first, such as
//
//	query.Set("filter", fmt.Sprintf("slug > %q", after))
//
// The query is that of [WithQuery] and the size; the function must keep what it filters by. It is called from many
// goroutines at once.
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

// WithPageRun is how each page is read: a run of one read, with these options. They follow the client's limiter. By
// default a page that was throttled or whose answer was lost is asked for again by the zero [windrow.RetryPolicy], one
// that is answered with status 502, 503 or 504 for up to 5 minutes, and an attempt may take any time.
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
		c.refuse("WithPageSize (%d) needs the parameter of the size: name it by WithParameters", c.items)
	}
	if c.query.Has(c.at) && c.at != "" && c.set == nil {
		c.refuse("WithQuery has the parameter %q, which the pager sets", c.at)
	}
	if c.query.Has(c.size) && c.size != "" && (c.items > 0 || kind.given) {
		c.refuse("WithQuery has the parameter %q, which the pager sets", c.size)
	}
	return c
}

// refuse notes what is wrong with an option.
func (c *pagerConfig) refuse(format string, args ...any) {
	c.err = errors.Join(c.err, fmt.Errorf("rest: "+c.kind.name+": "+format, args...))
}

func (c *pagerConfig) mustHaveNext(option string) {
	if !c.kind.next {
		c.refuse("%s is for ByCursor and ByLink", option)
	}
}

// firstQuery returns what every page is asked for with.
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
