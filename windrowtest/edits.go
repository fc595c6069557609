package windrowtest

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// The edits below change the API's response to a batch: the first array in its JSON, which is the whole body or a field such
// as "results", "records" or "data". A response without an array stays as it is.

// Short drops the last n results.
func Short(n int) Step {
	return editResults(func(results []any) []any { return results[:max(0, len(results)-n)] })
}

// Long adds n results, which repeat the last one.
func Long(n int) Step {
	return editResults(func(results []any) []any {
		if len(results) == 0 {
			return results
		}
		return append(results, slices.Repeat(results[len(results)-1:], n)...)
	})
}

// Shuffled reverses the order of the results.
func Shuffled() Step {
	return editResults(func(results []any) []any {
		slices.Reverse(results)
		return results
	})
}

// WithoutID removes the fields "id" and "index" from a result.
func WithoutID(position int) Step {
	return editResult(position, func(_ []any, result map[string]any) {
		delete(result, "id")
		delete(result, "index")
	})
}

// SameID gives the result at position the ids of the result at from.
func SameID(position, from int) Step {
	return editResult(position, func(results []any, result map[string]any) {
		if other, ok := results[from].(map[string]any); ok {
			for _, name := range []string{"id", "index"} {
				if id, ok := other[name]; ok {
					result[name] = id
				}
			}
		}
	})
}

// ItemStatus refuses the item at a position of a batch with a status, such as 429 or 503, inside a successful response. The
// API does not see the item, so do not use it for the repetition of a request that the API has applied under its idempotency
// key. The field "index" of the other results is adjusted.
func ItemStatus(position, status int) Step {
	var taken bool
	step := editResults(func(results []any) []any {
		if !taken || position > len(results) {
			return results
		}
		for _, result := range results {
			if fields, ok := result.(map[string]any); ok {
				if index, ok := fields["index"].(json.Number); ok {
					if n, err := index.Int64(); err == nil && n >= int64(position) {
						fields["index"] = n + 1
					}
				}
			}
		}
		return slices.Insert(results, position, any(map[string]any{
			"index": position, "status": status, "success": false, "error": map[string]any{"status": status, "code": "ITEM_STATUS"},
		}))
	})
	step.EditRequest = func(body string) string {
		items := findArray(body)
		if items == nil || position >= len(items.array) {
			return body
		}
		text, err := json.Marshal(items.replace(slices.Delete(items.array, position, position+1)))
		if err != nil {
			return body
		}
		taken = true
		return string(text)
	}
	return step
}

func editResult(position int, edit func(results []any, result map[string]any)) Step {
	return editResults(func(results []any) []any {
		if position < len(results) {
			if result, ok := results[position].(map[string]any); ok {
				edit(results, result)
			}
		}
		return results
	})
}

func editResults(edit func(results []any) []any) Step {
	return Step{Edit: func(a *Answer) {
		found := findArray(a.Body)
		if found == nil {
			return
		}
		doc := found.replace(edit(found.array))
		if text, err := json.Marshal(doc); err == nil {
			a.Body = string(text)
		}
	}}
}

// found is an array in a JSON document.
type found struct {
	array   []any
	replace func(array []any) (doc any)
}

// findArray returns the document if it is an array, else the first of its fields, by name, that is an array; nil if there is
// none.
func findArray(text string) *found {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber() // ids may be large
	var doc any
	if d.Decode(&doc) != nil {
		return nil
	}
	switch doc := doc.(type) {
	case []any:
		return &found{doc, func(array []any) any { return array }}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(doc)) {
			if array, ok := doc[name].([]any); ok {
				return &found{array, func(array []any) any {
					doc[name] = array
					return doc
				}}
			}
		}
	}
	return nil
}
