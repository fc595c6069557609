package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Listing is what [Resource.List] returns: one page of the collection.
type Listing[Out any] struct {
	// Items are the records of the page.
	Items []Out
	// Header is the response header: some APIs put the link to the next page there.
	Header http.Header
	// Body is the whole response body: most APIs put totals and cursors beside the items.
	Body json.RawMessage
}

// List reads one page of the collection, which the query selects in the API's own terms. For a whole list see
// [Resource.ByOffset] and its siblings.
func (r *Resource[In, Out]) List(ctx context.Context, query url.Values) (*Listing[Out], error) {
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
func (r *Resource[In, Out]) list(ctx context.Context, u *url.URL) (*Listing[Out], error) {
	page := pageReader[Out]{field: r.items, unmarshal: r.client.cfg.codec.Unmarshal}
	res, err := r.client.do(ctx, u, Request{}, &page)
	if err != nil {
		return nil, err
	}
	return &Listing[Out]{Items: page.items, Header: res.Header, Body: res.Body}, nil
}

// itemFields are the fields in which a page may have its items, unless [WithItemsField] names one.
var itemFields = []string{"items", "data", "results", "records"}

// itemsError is the error of a page without an array of items. It says which fields were tried.
type itemsError struct{ field string }

func (e *itemsError) Error() string {
	if e.field != "" {
		return fmt.Sprintf("the response has no array of items in the field %s, which WithItemsField names", e.field)
	}
	return fmt.Sprintf("the response has no array of items: it is not an array, and none of its fields %s holds one: "+
		"name the field with WithItemsField", strings.Join(itemFields, ", "))
}

// isMisread reports whether a complete response is not the page that was expected, so that a repetition would not help.
func isMisread(err error) bool {
	e, ok := err.(*Error) // not an error of the API's own classifier
	if !ok {
		return false
	}
	_, noItems := errors.AsType[*itemsError](e.Err)
	_, misfit := errors.AsType[*json.UnmarshalTypeError](e.Err)
	return noItems || misfit
}

// pageReader finds the items of a page.
type pageReader[Out any] struct {
	field     string
	unmarshal func([]byte, any) error
	items     []Out
}

// UnmarshalJSON implements [json.Unmarshaler].
func (p *pageReader[Out]) UnmarshalJSON(body []byte) error {
	items := bytes.TrimSpace(body)
	switch {
	case bytes.HasPrefix(items, []byte("{")):
		var fields object
		if err := p.unmarshal(body, &fields); err != nil {
			return err
		}
		items = p.find(fields)
	case p.field != "" || !bytes.HasPrefix(items, []byte("[")):
		items = nil
	}
	if items == nil {
		return &itemsError{p.field}
	}
	return p.unmarshal(items, &p.items)
}

// find returns the items. Null is an empty page: some servers write an empty list as null.
func (p *pageReader[Out]) find(fields object) json.RawMessage {
	if p.field != "" {
		value, _ := dig(fields, p.field)
		return arrayOf(value)
	}
	for _, name := range itemFields {
		if items := arrayOf(fields[name]); items != nil {
			return items
		}
	}
	return nil
}

// arrayOf returns value if it is an array or null, and nil otherwise.
func arrayOf(value json.RawMessage) json.RawMessage {
	value = bytes.TrimSpace(value)
	if bytes.HasPrefix(value, []byte("[")) || bytes.Equal(value, []byte("null")) {
		return value
	}
	return nil
}
