package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
)

// Page is one page of a list.
type Page[Out any] struct {
	// Items are the records of the page.
	Items []Out
	// Header is that of the answer: some APIs put the link to the next page there.
	Header http.Header
	// Body is the whole answer: most APIs put totals and cursors beside the items.
	Body json.RawMessage
}

// List reads one page of the collection. The query says which; what it may hold is the API's business. For
// a whole list see [Resource.ByOffset] and its siblings.
func (r *Resource[In, Out]) List(ctx context.Context, query url.Values) (*Page[Out], error) {
	if err := r.ready(); err != nil {
		return nil, err
	}
	u, err := r.client.url(r.path+r.slash, query)
	if err != nil {
		return nil, err
	}
	return r.list(ctx, u)
}

// list reads the page at a URL.
func (r *Resource[In, Out]) list(ctx context.Context, u *url.URL) (*Page[Out], error) {
	page := pageReader[Out]{field: r.items, unmarshal: r.client.cfg.codec.Unmarshal}
	res, err := r.client.do(ctx, u, Request{}, &page)
	if err != nil {
		return nil, err
	}
	return &Page[Out]{Items: page.items, Header: res.Header, Body: res.Body}, nil
}

var errNoItems = errors.New("there is no array of items")

// pageReader finds the items of a page.
type pageReader[Out any] struct {
	field     string
	unmarshal func([]byte, any) error
	items     []Out
}

// UnmarshalJSON implements [json.Unmarshaler].
func (p *pageReader[Out]) UnmarshalJSON(body []byte) error {
	items := bytes.TrimSpace(body)
	if p.field != "" || !bytes.HasPrefix(items, []byte("[")) {
		var fields map[string]json.RawMessage
		if err := p.unmarshal(body, &fields); err != nil {
			return err
		}
		items = p.find(fields)
	}
	if items == nil {
		return errNoItems
	}
	return p.unmarshal(items, &p.items)
}

// find returns the items. Null is an empty page: some servers write an empty list so.
func (p *pageReader[Out]) find(fields map[string]json.RawMessage) json.RawMessage {
	names := []string{"items", "data", "results", "records"}
	if p.field != "" {
		names = []string{p.field}
	}
	for _, name := range names {
		value := bytes.TrimSpace(fields[name])
		if bytes.HasPrefix(value, []byte("[")) || bytes.Equal(value, []byte("null")) {
			return json.RawMessage(value)
		}
	}
	return nil
}
