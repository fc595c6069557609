package datocmstest

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// condition is the name of a filter on a field.
var condition = regexp.MustCompile(`^filter\[fields\]\[([a-z0-9_]+)\]\[(eq|neq|matches)\]$`)

// onlyParams reports whether a query has no other parameters than those and, where allowed, conditions.
func onlyParams(query url.Values, names ...string) bool {
	for name, values := range query {
		if len(values) != 1 || !slices.Contains(names, name) && !(condition.MatchString(name) && slices.Contains(names, "filter[fields]")) {
			return false
		}
	}
	return true
}

// page returns the range of a list that a query selects.
func (c *call) page() (from, to func(total int) int, ok bool) {
	limit, offset := 30, 0
	for name, value := range map[string]*int{"page[limit]": &limit, "page[offset]": &offset} {
		if text := c.query.Get(name); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil || n < 0 {
				return nil, nil, false
			}
			*value = n
		}
	}
	from = func(total int) int { return min(offset, total) }
	to = func(total int) int { return min(offset+limit, total) }
	return from, to, limit <= 500
}

// ids returns the ids in a query, nil when it has none.
func (c *call) ids() []string {
	if !c.query.Has("filter[ids]") {
		return nil
	}
	return strings.Split(c.query.Get("filter[ids]"), ",")
}

// matches reports whether the fields of a record meet the conditions of a query.
func matches(query url.Values, field func(name string) json.RawMessage) bool {
	for name, values := range query {
		m := condition.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		text := textOf(field(m[1]))
		switch m[2] {
		case "eq":
			if text != values[0] {
				return false
			}
		case "neq":
			if text == values[0] {
				return false
			}
		case "matches":
			if !strings.Contains(strings.ToLower(text), strings.ToLower(values[0])) {
				return false
			}
		}
	}
	return true
}

// textOf returns a value as a query writes it.
func textOf(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil {
		return text
	}
	return string(value)
}

// listItems returns a page of records; without a version, only published ones.
func (c *call) listItems() response {
	from, to, ok := c.page()
	if !ok || !onlyParams(c.query, "filter[type]", "filter[ids]", "filter[fields]", "page[limit]", "page[offset]", "order_by", "version", "nested", "locale") {
		return fail(http.StatusUnprocessableEntity, "INVALID_PARAMS", nil)
	}
	version := cmp.Or(c.query.Get("version"), "published")
	if version != "published" && version != "current" || c.query.Has("filter[ids]") && c.query.Has("filter[type]") {
		return fail(http.StatusUnprocessableEntity, "INVALID_PARAMS", nil)
	}
	var model *Model
	if name := c.query.Get("filter[type]"); name != "" {
		if model = c.modelOf(name, true); model == nil {
			return fail(http.StatusUnprocessableEntity, "ITEM_TYPE_NOT_FOUND", nil)
		}
	}
	ids := c.ids()
	found := []map[string]any{}
	for _, id := range c.project.order {
		i := c.project.items[id]
		fields := i.fields
		if version == "published" {
			fields = i.published
		}
		if fields == nil || model != nil && i.model != model.ID || ids != nil && !slices.Contains(ids, id) {
			continue
		}
		if matches(c.query, func(name string) json.RawMessage { return fields[name] }) {
			found = append(found, i.form(fields))
		}
	}
	if order := c.query.Get("order_by"); order != "" {
		field, down := strings.CutSuffix(order, "_DESC")
		field = strings.TrimSuffix(field, "_ASC")
		slices.SortStableFunc(found, func(a, b map[string]any) int {
			x, y := textOf(a["attributes"].(object)[field]), textOf(b["attributes"].(object)[field])
			if field == "id" {
				x, y = a["id"].(string), b["id"].(string)
			}
			if down {
				x, y = y, x
			}
			return strings.Compare(x, y)
		})
	}
	return succeed(http.StatusOK, map[string]any{
		"data": found[from(len(found)):to(len(found))], "meta": map[string]int{"total_count": len(found)},
	})
}
