package jobs

import (
	"bytes"
	"encoding/json"
	"maps"

	"github.com/windrow-go/windrow/plan"
)

// merge applies a merge patch to a record, both in JSON (RFC 7396). Numbers keep their digits.
func merge(record, patch []byte) ([]byte, error) {
	var target, change any
	if err := decode(record, &target); err != nil {
		return nil, err
	}
	if err := decode(patch, &change); err != nil {
		return nil, err
	}
	return json.Marshal(mergeValue(target, change))
}

func mergeValue(target, patch any) any {
	change, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	from, _ := target.(map[string]any)
	merged := make(map[string]any, len(from)+len(change))
	maps.Copy(merged, from)
	for name, value := range change {
		if value == nil {
			delete(merged, name)
			continue
		}
		merged[name] = mergeValue(merged[name], value)
	}
	return merged
}

// selection compares records with a filter, and with a patch.
type selection struct {
	filter map[string]json.RawMessage
	patch  []byte
	fields map[string]json.RawMessage // of the patch
}

func newSelection(op *Operation) (*selection, error) {
	s := &selection{filter: map[string]json.RawMessage{}}
	for name, value := range op.Filter {
		data, err := json.Marshal(value)
		if err != nil {
			return nil, errNoJSON
		}
		s.filter[name] = data
	}
	if op.Type == Update {
		var err error
		if s.patch, err = json.Marshal(op.Update); err != nil {
			return nil, errNoJSON
		}
		if err := json.Unmarshal(s.patch, &s.fields); err != nil {
			return nil, errNoObject
		}
	}
	return s, nil
}

// needsForm reports whether records have to be compared.
func (s *selection) needsForm() bool { return len(s.filter) > 0 || s.patch != nil }

// compare returns the first field in which a record differs from the filter, "" if there is none, and whether the patch
// would change nothing of the record. A patch of a field that the listed record lacks is taken for a change, since lists
// may show a part of each record.
func (s *selection) compare(record json.RawMessage) (differs string, unchanged bool, err error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(record, &fields); err != nil {
		return "", false, errNoObject
	}
	for name, want := range s.filter {
		got, ok := fields[name]
		if !ok || !same(got, want) {
			if differs == "" || name < differs {
				differs = name
			}
		}
	}
	if s.patch == nil || differs != "" {
		return differs, false, nil
	}
	for name, change := range s.fields {
		now, ok := fields[name]
		if !ok {
			return "", false, nil
		}
		if same(now, change) {
			continue
		}
		after, err := merge(now, change)
		if err != nil || string(change) == "null" || !same(now, after) {
			return "", false, err
		}
	}
	return "", true, nil
}

// same reports whether two JSON values are equal.
func same(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return true
	}
	changes, err := plan.Diff(a, b)
	return err == nil && len(changes) == 0
}
