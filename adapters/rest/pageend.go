package rest

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/windrow-go/windrow/pages"
)

// follow returns a page with its total and with what it says about the next page.
func follow[Out any](c *pagerConfig, a *pageEnvelope, items []Out) (pages.Page[Out], error) {
	page := pages.Page[Out]{Items: items, Total: c.total(a)}
	page.Last, page.More = c.tells(a)
	next, err := c.next(a)
	if page.More || !slices.Contains(c.noNext, next) {
		page.Next = next
	}
	return page, err
}

// next returns the cursor of the next page or the link to it; "" when there is none.
func (c *pagerConfig) next(a *pageEnvelope) (string, error) {
	link := c.kind.name == byLink.name
	switch {
	case !c.kind.next:
		return "", nil
	case c.nextHead == "Link":
		return nextLink(a.header), nil
	case c.nextHead != "":
		return strings.TrimSpace(a.header.Get(c.nextHead)), nil
	case c.nextField != "":
		return a.text(c.nextField, link)
	}
	if next := nextLink(a.header); next != "" {
		return next, nil
	}
	for _, path := range linkPaths {
		if next, err := a.text(path, link); next != "" || err != nil {
			return next, err
		}
	}
	return "", nil
}

// linkPaths are the fields of the body in which servers put the link to the next page.
var linkPaths = []string{"links.next", "next"}

// total returns the server's number of records in the list, 0 when it does not say.
func (c *pagerConfig) total(a *pageEnvelope) int {
	text := a.header.Get(c.totalHead)
	if c.totalField != "" {
		text, _ = a.text(c.totalField, false)
	}
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// tells returns whether the server says that this page is the last, or that more follow; both are false if it does not say.
func (c *pagerConfig) tells(a *pageEnvelope) (last, more bool) {
	switch {
	case c.moreField != "":
		value, there := a.value(c.moreField)
		return there && isNo(value), there && !isNo(value)
	case c.lastField != "":
		value, there := a.value(c.lastField)
		there = there && string(value) != "null"
		return there && !isNo(value), there && isNo(value)
	case c.kind.given: // a page by offset or number that links to the next page
		return false, c.links(a)
	}
	return false, false
}

// links reports whether a page links to the next.
func (c *pagerConfig) links(a *pageEnvelope) bool {
	if nextLink(a.header) != "" {
		return true
	}
	for _, path := range linkPaths {
		value, _ := a.value(path)
		if href := objectOf(value)["href"]; href != nil {
			value = bytes.TrimSpace(href)
		}
		if link := stringOf(value); strings.ContainsAny(link, "/?") {
			return true
		}
	}
	return false
}

// isNo reports whether a value means false.
func isNo(value json.RawMessage) bool {
	switch strings.ToLower(stringOf(value)) {
	case "false", "null", "0":
		return true
	}
	return isNothing(value) || string(value) == "0"
}

// isNothing reports whether a value is absent, null, false or "".
func isNothing(value json.RawMessage) bool {
	switch string(value) {
	case "", "null", "false", `""`:
		return true
	}
	return false
}
