package datocms

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/internal/segment"
	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/clients"
)

const (
	// maxBulk is how many records one bulk operation may name.
	maxBulk = 200
	// maxPage is how many records a page may have.
	maxPage = 500
	// maxIDs is how many records one request reads by their ids: each id needs 25 bytes of the URL.
	maxIDs = 300
	// maxURL is how many bytes the path and query of a request may have. Servers refuse more than 8 KiB in a request line.
	maxURL = 8000
)

// collection is the common part of Items and Uploads.
type collection struct {
	client *Client
	path   string     // such as "/items"
	kind   string     // such as "item"
	reads  url.Values // the query of every list
	err    error      // what is wrong with the arguments
}

func newCollection(client *Client, path, kind string, reads url.Values) collection {
	c := collection{client: client, path: path, kind: kind, reads: reads}
	if client == nil {
		c.err = errors.New("datocms: the client is nil: make one with New")
	}
	return c
}

// ready returns an error, which stops a run, if the collection is invalid.
func (c *collection) ready() error {
	if c.err == nil && c.client == nil {
		return windrow.Fatal(errors.New("datocms: the resource is empty: make it with NewItems or NewUploads"))
	}
	return windrow.Fatal(c.err)
}

// pathOf returns the path of a record.
func (c *collection) pathOf(id string) (string, error) {
	if err := c.ready(); err != nil {
		return "", err
	}
	if problem := segment.Problem(id); problem != "" {
		return "", invalid("the id " + problem)
	}
	return c.path + "/" + url.PathEscape(id), nil
}

// get reads a record.
func (c *collection) get(ctx context.Context, id string) (*document, error) {
	path, err := c.pathOf(id)
	if err != nil {
		return nil, err
	}
	return c.client.ask(ctx, rest.Request{Path: path})
}

// byIDs reads the records with those ids. Some may not exist.
func (c *collection) byIDs(ctx context.Context, ids []string) (*document, []entity, error) {
	if err := c.ready(); err != nil {
		return nil, nil, err
	}
	query := maps.Clone(c.reads)
	query.Set("filter[ids]", strings.Join(ids, ","))
	query.Set("page[limit]", strconv.Itoa(maxPage))
	if len(c.path)+len(query.Encode()) > maxURL && len(ids) > 1 {
		return nil, nil, windrow.TooLarge(errors.New("datocms: so many ids do not fit into a URL"), 0)
	}
	doc, err := c.client.ask(ctx, rest.Request{Path: c.path, Query: query})
	if err != nil {
		return nil, nil, err
	}
	list, err := many(doc)
	return doc, list, err
}

// find reads the records of the ids, and returns for each what applied says; a missing record is nil.
func (c *collection) find(ctx context.Context, ids []string, applied func(e *entity) bool) ([]bool, error) {
	found := make(map[string]*entity, len(ids))
	for part := range slices.Chunk(ids, maxIDs) {
		_, list, err := c.byIDs(ctx, part)
		if err != nil {
			return nil, err
		}
		for i := range list {
			found[list[i].ID] = &list[i]
		}
	}
	yes := make([]bool, len(ids))
	for k, id := range ids {
		yes[k] = applied(found[id])
	}
	return yes, nil
}

// delete deletes one record.
func (c *collection) delete(ctx context.Context, id string) error {
	path, err := c.pathOf(id)
	if err != nil {
		return err
	}
	_, err = c.client.request(ctx, rest.Request{Method: http.MethodDelete, Path: path})
	return err
}

// bulkOperation is the form of a bulk request.
type bulkOperation struct {
	Type          string             `json:"type"`
	Attributes    map[string]string  `json:"attributes,omitempty"`
	Relationships map[string]linkage `json:"relationships"`
}

// bulk applies a bulk operation such as "destroy". The response has only counts. If some failed the records are read again,
// and applied says which are done; it gets nil for a missing record.
func (c *collection) bulk(ctx context.Context, operation string, attributes map[string]string, ids []string, applied func(e *entity) bool) ([]windrow.Outcome[struct{}], error) {
	if err := c.ready(); err != nil {
		return nil, err
	}
	return named(ids, func(id string) error {
		if id == "" {
			return invalid("the id is empty")
		}
		return nil
	}, func(ids []string) ([]windrow.Outcome[struct{}], error) {
		return c.bulkNamed(ctx, operation, attributes, ids, applied)
	})
}

func (c *collection) bulkNamed(ctx context.Context, operation string, attributes map[string]string, ids []string, applied func(e *entity) bool) ([]windrow.Outcome[struct{}], error) {
	if len(ids) > maxBulk {
		return nil, windrow.TooLarge(errors.New("datocms: a bulk operation takes at most 200 ids"), maxBulk)
	}
	refs := make([]Ref, len(ids))
	for k, id := range ids {
		refs[k] = Ref{Type: c.kind, ID: id}
	}
	list, err := json.Marshal(refs)
	if err != nil {
		return nil, invalid("the ids cannot be turned into JSON")
	}
	doc, err := c.client.request(ctx, rest.Request{
		Method: http.MethodPost, Path: c.path + "/bulk/" + operation,
		In: body{bulkOperation{
			Type: c.kind + "_bulk_" + strings.ReplaceAll(operation, "-", "_") + "_operation", Attributes: attributes,
			Relationships: map[string]linkage{c.kind + "s": {Data: list}},
		}},
	})
	if err != nil {
		return nil, err
	}
	var counts struct {
		Successful *int `json:"successful"`
		Failed     *int `json:"failed"`
	}
	told := json.Unmarshal(doc.meta, &counts) == nil && counts.Successful != nil && counts.Failed != nil
	succeeded, failed := 0, len(ids) // without counts
	if told {
		succeeded, failed = *counts.Successful, *counts.Failed
	}
	var done []bool
	out, err := clients.MatchByCount[struct{}](len(ids), succeeded, failed, func() (_ []bool, err error) {
		done, err = c.find(ctx, ids, applied)
		return done, err
	})
	if told && operation == destroy && err == nil {
		tellMissing(out, done, succeeded)
	}
	return out, err
}

// tellMissing marks ids that are gone although the server has counted fewer deletes: if it counted none they were not found;
// otherwise they get a warning, since it is not known which were not found.
func tellMissing(out []windrow.Outcome[struct{}], gone []bool, deleted int) {
	n := 0
	for _, is := range gone {
		if is {
			n++
		}
	}
	if n <= deleted {
		return
	}
	for k, is := range gone {
		switch {
		case !is:
		case deleted == 0:
			out[k].Err = windrow.Permanent(windrow.ErrNotFound)
		default:
			out[k].Warnings = append(out[k].Warnings, fmt.Sprintf("DatoCMS deleted %d of the %d ids of one request that are gone now: the others were not there before", deleted, n))
		}
	}
}

// named calls do with the ids that pass check, and puts the errors of the others in their places.
func named[Out any](ids []string, check func(id string) error, do func(ids []string) ([]windrow.Outcome[Out], error)) ([]windrow.Outcome[Out], error) {
	out := make([]windrow.Outcome[Out], len(ids))
	var good []string
	var places []int
	for k, id := range ids {
		if out[k].Err = check(id); out[k].Err == nil {
			good, places = append(good, id), append(places, k)
		}
	}
	if len(good) == 0 {
		return out, nil
	}
	done, err := do(good)
	if err != nil {
		return nil, err
	}
	for k, outcome := range done {
		out[places[k]] = outcome
	}
	return out, nil
}

// destroy is the bulk operation that deletes.
const destroy = "destroy"

// isGone reports whether a record is missing.
func isGone(e *entity) bool { return e == nil }

// getBatch reads the records with those ids.
func getBatch[Out any](ctx context.Context, c *collection, ids []string) ([]windrow.Outcome[Out], error) {
	if err := c.ready(); err != nil {
		return nil, err
	}
	return named(ids, func(id string) error {
		if id == "" || strings.Contains(id, ",") {
			return windrow.TooLarge(invalid("the id is empty, or holds a comma"), 1) // a chunk of 1 is read by Get
		}
		return nil
	}, func(ids []string) ([]windrow.Outcome[Out], error) {
		doc, list, err := c.byIDs(ctx, ids)
		if err != nil {
			return nil, err
		}
		return clients.MatchByID(ids, list, windrow.ErrNotFound, func(e entity) (string, windrow.Outcome[Out]) {
			value, err := simple[Out](doc, e)
			return e.ID, windrow.Outcome[Out]{Value: value, Err: err}
		})
	})
}
