package datocmstest

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const dateForm = "2006-01-02T15:04:05.000-07:00"

// item is a record.
type item struct {
	id, model string
	creator   json.RawMessage
	fields    object // of the current version
	published object // of the published version; nil when there is none
	version   int
	stage     string
	created   string
	updated   string
	live      string // when it was last published
	first     string // when it was first published
}

func (i *item) status() string {
	switch {
	case i.published == nil:
		return "draft"
	case maps.EqualFunc(i.published, i.fields, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) }):
		return "published"
	}
	return "updated"
}

// form returns a record as the API writes it.
func (i *item) form(fields object) map[string]any {
	orNull := func(text string) any {
		if text == "" {
			return nil
		}
		return text
	}
	return map[string]any{
		"id": i.id, "type": "item", "attributes": fields,
		"relationships": map[string]any{
			"item_type": map[string]any{"data": ref{Type: "item_type", ID: i.model}},
			"creator":   map[string]any{"data": i.creator},
		},
		"meta": map[string]any{
			"created_at": i.created, "updated_at": i.updated, "published_at": orNull(i.live), "first_published_at": orNull(i.first),
			"publication_scheduled_at": nil, "unpublishing_scheduled_at": nil, "status": i.status(), "is_valid": true,
			"is_current_version_valid": true, "is_published_version_valid": nil, "current_version": strconv.Itoa(i.version),
			"stage": orNull(i.stage), "has_children": nil,
		},
	}
}

// Add creates a record in the primary environment, as an editor would, and returns its id. The values of its fields are
// JSON, or have a JSON form.
func (s *Server) Add(model string, fields map[string]any, published bool) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := &item{id: s.newID(), model: model, creator: json.RawMessage(`{"type":"account","id":"312"}`), fields: object{}}
	for name, value := range fields {
		i.fields[name] = mustJSON(value)
	}
	s.store(s.projects[""], i)
	if published {
		i.publish()
	}
	return i.id
}

func (s *Server) store(p *project, i *item) {
	s.made++
	i.version = 4000 + s.made
	now := time.Now().UTC().Format(dateForm)
	if i.created == "" {
		i.created = now
	}
	i.updated = now
	p.items[i.id] = i
	p.order = append(p.order, i.id)
}

func (i *item) publish() {
	i.published = maps.Clone(i.fields)
	i.live = time.Now().UTC().Format(dateForm)
	if i.first == "" {
		i.first = i.live
	}
}

func mustJSON(value any) json.RawMessage {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // a mistake of the test
	}
	return text
}

// Len returns how many records there are in an environment, "" for the primary one.
func (s *Server) Len(environment string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.projects[environment].items)
}

// Field returns the current value of a field of a record in the primary environment, in JSON; "" when there is no such
// record.
func (s *Server) Field(id, name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	if i := s.projects[""].items[id]; i != nil {
		return string(i.fields[name])
	}
	return ""
}

// Status returns "draft", "updated" or "published" for a record in the primary environment; "" when there is none.
func (s *Server) Status(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	if i := s.projects[""].items[id]; i != nil {
		return i.status()
	}
	return ""
}

// IDs returns the ids of the records in the primary environment, in the order in which they were created.
func (s *Server) IDs() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	return slices.Clone(s.projects[""].order)
}

// modelOf returns the model with that id or, if key is set, that API key.
func (s *Server) modelOf(name string, key bool) *Model {
	for k := range s.config.Models {
		if m := &s.config.Models[k]; m.ID == name || key && m.APIKey == name {
			return m
		}
	}
	return nil
}

// check refuses values that the model does not allow. It checks only those in fields, unless all is set.
func (c *call) check(m *Model, own *item, fields object, all bool) (response, bool) {
	if len(m.Fields) == 0 {
		return response{}, true
	}
	known := make([]string, len(m.Fields))
	for k, f := range m.Fields {
		known[k] = f.APIKey
		value, there := fields[f.APIKey]
		empty := !there || string(value) == "null" || string(value) == `""`
		if f.Required && empty && (there || all) {
			return invalidField(f.APIKey, "VALIDATION_REQUIRED"), false
		}
		if !f.Unique || empty {
			continue
		}
		for _, other := range c.project.items {
			if other != own && other.model == m.ID && bytes.Equal(other.fields[f.APIKey], value) {
				return invalidField(f.APIKey, "VALIDATION_UNIQUE"), false
			}
		}
	}
	if !only(fields, known...) {
		return fail(http.StatusUnprocessableEntity, "INVALID_ATTRIBUTES", nil), false
	}
	return response{}, true
}

func (c *call) createItem() response {
	e, ok := c.read("item")
	if !ok || !only(e.Meta, "created_at", "first_published_at") {
		return invalidFormat()
	}
	if len(c.content) > 300<<10 {
		return fail(http.StatusUnprocessableEntity, "ITEM_TOO_LARGE", nil)
	}
	var model ref
	for name := range e.Relationships {
		if name != "item_type" && name != "creator" {
			return invalidFormat()
		}
	}
	if json.Unmarshal(e.Relationships["item_type"].Data, &model) != nil || model.Type != "item_type" || c.modelOf(model.ID, false) == nil {
		return invalidField("item_type", "VALIDATION_INVALID")
	}
	if e.ID == "" {
		e.ID = c.newID()
	}
	switch {
	case !isID(e.ID):
		return invalidField("id", "VALIDATION_FORMAT")
	case c.project.items[e.ID] != nil:
		return invalidField("id", "VALIDATION_UNIQUE")
	}
	if a, ok := c.check(c.modelOf(model.ID, false), nil, e.Attributes, true); !ok {
		return a
	}
	i := &item{id: e.ID, model: model.ID, fields: e.Attributes, creator: json.RawMessage(`{"type":"access_token","id":"312"}`)}
	if i.fields == nil {
		i.fields = object{}
	}
	if creator := e.Relationships["creator"].Data; len(creator) > 0 {
		i.creator = creator
	}
	_ = json.Unmarshal(e.Meta["created_at"], &i.created) // otherwise it stays now
	_ = json.Unmarshal(e.Meta["first_published_at"], &i.first)
	c.store(c.project, i)
	return succeed(http.StatusOK, map[string]any{"data": i.form(i.fields), "included": []any{}})
}

func (c *call) getItem(id string) response {
	i := c.project.items[id]
	if i == nil {
		return notFound()
	}
	if !onlyParams(c.query, "nested", "version") {
		return fail(http.StatusUnprocessableEntity, "INVALID_PARAMS", nil)
	}
	return succeed(http.StatusOK, map[string]any{"data": i.form(i.fields), "included": []any{}})
}

func (c *call) updateItem(id string) response {
	e, ok := c.read("item")
	if !ok || e.ID != id || !only(e.Meta, "current_version", "created_at", "first_published_at", "stage") {
		return invalidFormat()
	}
	for name := range e.Relationships {
		if name != "item_type" && name != "creator" {
			return invalidFormat()
		}
	}
	i := c.project.items[id]
	if i == nil {
		return notFound()
	}
	if code := c.refusals[refusal{"update", id}]; code != "" {
		return fail(http.StatusUnprocessableEntity, code, nil)
	}
	if version := e.Meta["current_version"]; version != nil && string(version) != strconv.Quote(strconv.Itoa(i.version)) {
		return fail(http.StatusUnprocessableEntity, "STALE_ITEM_VERSION", nil)
	}
	if a, ok := c.check(c.modelOf(i.model, false), i, e.Attributes, false); !ok {
		return a
	}
	i.fields = maps.Clone(i.fields)
	maps.Copy(i.fields, e.Attributes)
	c.made++
	i.version = 4000 + c.made
	i.updated = time.Now().UTC().Format(dateForm)
	return succeed(http.StatusOK, map[string]any{"data": i.form(i.fields), "included": []any{}})
}

func (c *call) destroyItem(id string) response {
	if c.project.items[id] == nil {
		return notFound()
	}
	return c.begin("destroy", func() response {
		i := c.project.items[id]
		if i == nil {
			return notFound()
		}
		if a, ok := c.carryOut("destroy", i, ""); !ok {
			return a
		}
		return succeed(http.StatusOK, map[string]any{"data": i.form(i.fields)})
	})
}

// changeItem publishes or unpublishes one record.
func (c *call) changeItem(id, operation string) response {
	if len(c.content) > 0 { // a body, even {}, would select a part of the record
		return invalidFormat()
	}
	i := c.project.items[id]
	if i == nil {
		return notFound()
	}
	if a, ok := c.carryOut(operation, i, ""); !ok {
		return a
	}
	return succeed(http.StatusOK, map[string]any{"data": i.form(i.fields), "included": []any{}})
}

// bulkItems starts a job for many records.
func (c *call) bulkItems(operation string) response {
	if !slices.Contains([]string{"destroy", "publish", "unpublish", "move-to-stage"}, operation) {
		return fail(http.StatusNotFound, "INVALID_ENDPOINT", nil)
	}
	e, ok := c.read("item_bulk_" + strings.ReplaceAll(operation, "-", "_") + "_operation")
	ids, named := c.bulkIDs(e, "items", "item")
	if !ok || !named || e.ID != "" || e.Meta != nil {
		return invalidFormat()
	}
	stage := ""
	if operation == "move-to-stage" {
		if json.Unmarshal(e.Attributes["stage"], &stage) != nil || stage == "" || len(e.Attributes) != 1 {
			return invalidFormat()
		}
	} else if e.Attributes != nil {
		return invalidFormat()
	}
	return c.begin("bulk "+operation, func() response {
		successful := 0
		for _, id := range ids {
			if i := c.project.items[id]; i != nil {
				if _, ok := c.carryOut(operation, i, stage); ok {
					successful++
				}
			}
		}
		return counted(successful, len(ids)-successful)
	})
}

// carryOut applies an operation to one record, unless it is refused.
func (c *call) carryOut(operation string, i *item, stage string) (response, bool) {
	if code := c.refusals[refusal{operation, i.id}]; code != "" {
		return fail(http.StatusUnprocessableEntity, code, nil), false
	}
	switch operation {
	case "destroy":
		delete(c.project.items, i.id)
		c.project.order = slices.DeleteFunc(c.project.order, func(id string) bool { return id == i.id })
	case "publish":
		i.publish()
	case "unpublish":
		i.published, i.live = nil, ""
	case "move-to-stage":
		i.stage = stage
	}
	return response{}, true
}
