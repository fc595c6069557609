package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/examples/internal/pocket"
	"github.com/windrow-go/windrow/jobs"
	"github.com/windrow-go/windrow/pages"
)

// Field is a record of the farm.
type Field struct {
	ID       string    `json:"id"`
	Status   string    `json:"status"`
	Enabled  bool      `json:"irrigation_enabled"`
	Schedule *Schedule `json:"irrigation_schedule"`
}

func (f Field) id() string { return f.ID }

// Patch is what an update changes.
type Patch struct {
	Schedule Schedule `json:"irrigation_schedule"`
}

// Schedule says when a field is watered.
type Schedule struct {
	Frequency string `json:"frequency"`
	Start     string `json:"start_time"`
	Minutes   int    `json:"duration_minutes"`
}

// farm is the client of the fields. Update is that of the resource.
type farm struct{ *rest.Resource[Patch, Field] }

// timeout is how long one request for a page may take.
const timeout = 30 * time.Second

// openFarm returns the fields of a server. All requests go through the limiter.
func openFarm(address, token string, limiter *windrow.Limiter) (*farm, error) {
	client, err := rest.New(address+"/api", rest.WithLimiter(limiter),
		rest.WithToken(token), rest.WithAuthScheme("")) // PocketBase takes the token bare
	if err != nil {
		return nil, err
	}
	return &farm{rest.NewResource[Patch, Field](client, "/collections/"+pocket.Farm+"/records")}, nil
}

// resource is the farm as jobs see it.
func (f *farm) resource(limiter *windrow.Limiter) jobs.Resource[Patch, Field] {
	return jobs.Resource[Patch, Field]{
		Client: f, Limiter: limiter, List: f.list, Count: f.count, ID: Field.id, Describe: describe,
	}
}

// list yields the fields that a filter selects, in the order of their ids. Each
// page begins behind the last id of the one before, not at an offset, so that
// fields may come and go meanwhile.
func (f *farm) list(ctx context.Context, filter jobs.Fields) iter.Seq2[Field, error] {
	selected, err := expression(filter)
	if err != nil {
		return func(yield func(Field, error) bool) { yield(Field{}, windrow.Permanent(err)) } // it would fail again
	}
	return pages.Read(ctx, f.ByKey(Field.id,
		rest.WithQuery(url.Values{"filter": {selected}, "sort": {"id"}, "skipTotal": {"1"}}),
		rest.WithParameters("after", "perPage"), rest.WithPageSize(200),
		rest.WithAfter(func(query url.Values, after string) { query.Set("filter", and(selected, "id > "+quote(after))) }),
		rest.WithPageRun(windrow.AttemptTimeout(timeout))))
}

// count returns how many fields a filter selects.
func (f *farm) count(ctx context.Context, filter jobs.Fields) (int, error) {
	selected, err := expression(filter)
	if err != nil {
		return 0, err
	}
	page, err := f.List(ctx, url.Values{"filter": {selected}, "perPage": {"1"}})
	if err != nil {
		return 0, err
	}
	var body struct {
		Total int `json:"totalItems"`
	}
	err = json.Unmarshal(page.Body, &body)
	return body.Total, err
}

// expression writes a filter in the language of PocketBase. The names are fields
// of a [Field], which the manager has checked; the values may be anything.
func expression(filter jobs.Fields) (string, error) {
	var terms []string
	for _, name := range slices.Sorted(maps.Keys(filter)) {
		var text string
		switch value := filter[name].(type) {
		case string:
			if strings.HasSuffix(value, `\`) {
				return "", fmt.Errorf("the filter of %s ends in a backslash, for which PocketBase has no notation", name)
			}
			text = quote(value)
		case bool, json.Number:
			text = fmt.Sprint(value)
		default:
			return "", fmt.Errorf("the filter of %s must be a text, a number or a boolean", name)
		}
		terms = append(terms, name+" = "+text)
	}
	return and(terms...), nil
}

func and(terms ...string) string {
	return strings.Join(slices.DeleteFunc(terms, func(term string) bool { return term == "" }), " && ")
}

// quote writes a text as PocketBase's filters take it. They know one escape, that
// of the quote; so a text that ends in a backslash would not end there.
func quote(s string) string { return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"` }

// describe makes the server's message that of the item. The text of the error has
// only the status, since a server's message may hold anything; this one's does not.
func describe(err error) (code, message string) {
	refused, ok := errors.AsType[*rest.Error](err)
	if !ok {
		return "", ""
	}
	var body struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(refused.Body, &body) != nil {
		return "", ""
	}
	return "", strings.TrimSuffix(body.Message, ".")
}
