package jobs

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds of a spec.
const (
	maxOperations = 100
	maxName       = 200
	maxText       = 10_000
	maxKey        = 255
	maxLabels     = 20
	maxPriority   = 1000
	maxConcurrent = 1000
	maxAttempts   = 100
	maxDelay      = time.Hour
	maxID         = 1000
)

// check returns what is wrong with a spec, or nil.
func (m *Manager) check(s *Spec) error {
	var found mistakes
	text := func(field, value string, most int) {
		switch {
		case len(value) > most:
			found.add(InvalidValue, field, "has %d bytes: at most %d are allowed", len(value), most)
		case !utf8.ValidString(value):
			found.add(InvalidValue, field, "is not valid UTF-8")
		}
	}
	text("type", s.Type, maxName)
	text("description", s.Description, maxText)
	text("idempotency_key", s.IdempotencyKey, maxKey)
	switch n := len(s.Operations); {
	case n == 0:
		found.add(InvalidValue, "operations", "is empty: a job needs at least one operation")
	case n > maxOperations:
		found.add(TooLarge, "operations", "has %d entries: at most %d are allowed", n, maxOperations)
		return found.err()
	}
	if !m.checkSize(&found, s) {
		return found.err() // without looking at what is too much
	}
	for k := range s.Operations {
		m.checkOperation(&found, fmt.Sprintf("operations[%d]", k), &s.Operations[k])
	}
	m.checkOptions(&found, &s.Options)
	if len(s.Labels) > maxLabels {
		found.add(TooLarge, "labels", "has %d entries: at most %d are allowed", len(s.Labels), maxLabels)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Labels)) {
		if name == "" {
			found.add(InvalidValue, "labels", "has an entry without a name")
		}
		text("labels."+shorten(name), name, maxName)
		text("labels."+shorten(name), s.Labels[name], maxName)
	}
	inRange(&found, "priority", s.Priority, -maxPriority, maxPriority)
	return found.err()
}

// checkSize checks how much a spec holds, and reports whether it is not too much.
func (m *Manager) checkSize(found *mistakes, s *Spec) bool {
	items, size := 0, 0
	for k := range s.Operations {
		op := &s.Operations[k]
		items += len(op.IDs) + len(op.Records)
	}
	if items > m.cfg.MaxRecords {
		found.add(TooLarge, "operations", "name %d records and ids in all: at most %d are allowed in a spec; select records by a filter, or make several jobs", items, m.cfg.MaxRecords)
		return false
	}
	for k := range s.Operations {
		op := &s.Operations[k]
		size += textBytes(map[string]any(op.Filter), 0) + textBytes(map[string]any(op.Update), 0) + textBytes(op.Records, 0)
		for _, id := range op.IDs {
			size += len(id)
		}
	}
	if size > m.cfg.MaxSpecBytes {
		m.tooLarge(found, size)
		return false
	}
	return true
}

func (m *Manager) tooLarge(found *mistakes, size int) {
	found.add(TooLarge, "operations", "make a spec of at least %d bytes: at most %d are allowed; select records by a filter, or make several jobs", size, m.cfg.MaxSpecBytes)
}

// textBytes returns how many bytes the texts of a value have, without looking into types of the application's.
func textBytes(v any, depth int) (n int) {
	if depth > 1000 { // it contains itself
		return 0
	}
	switch v := v.(type) {
	case string:
		return len(v)
	case json.RawMessage:
		return len(v)
	case json.Number:
		return len(v)
	case Fields:
		return textBytes(map[string]any(v), depth)
	case map[string]any:
		for name, value := range v {
			n += len(name) + textBytes(value, depth+1)
		}
	case []any:
		for _, value := range v {
			n += textBytes(value, depth+1)
		}
	}
	return n
}

// checkOperation checks one operation.
func (m *Manager) checkOperation(found *mistakes, at string, op *Operation) {
	r := m.resource(op.Resource)
	switch {
	case op.Resource == "":
		found.add(InvalidValue, at+".resource", "is missing")
	case r == nil:
		found.add(InvalidOperation, at+".resource", "Unknown resource: %s", shorten(op.Resource))
	}
	has := func(field string, given bool) {
		if given {
			found.add(InvalidField, at+"."+field, "does not go with an operation of type %s", op.Type)
		}
	}
	switch op.Type {
	case Create:
		has("filter", op.Filter != nil)
		has("ids", op.IDs != nil)
		has("update", op.Update != nil)
		if len(op.Records) == 0 {
			found.add(InvalidValue, at+".records", "is missing: a create needs the records")
		}
		for k, record := range op.Records {
			if err := isObject(record); err != nil {
				found.add(InvalidValue, fmt.Sprintf("%s.records[%d]", at, k), "%v", err)
			}
		}
	case Update:
		has("records", op.Records != nil)
		if len(op.Update) == 0 {
			found.add(InvalidValue, at+".update", "is missing: an update needs at least one field to change")
		} else if _, err := json.Marshal(op.Update); err != nil {
			found.add(InvalidValue, at+".update", "has no JSON form")
		}
		m.checkSelection(found, at, op, r)
	case Delete:
		has("records", op.Records != nil)
		has("update", op.Update != nil)
		m.checkSelection(found, at, op, r)
	case "":
		found.add(InvalidValue, at+".type", "is missing")
		return
	default:
		found.add(InvalidOperation, at+".type", "Unknown operation type: %s", shorten(string(op.Type)))
		return
	}
	if r != nil {
		if err := r.supports(op); err != nil {
			found.add(InvalidOperation, at+".type", "%v", err)
		} else if op.Type == Update && len(op.Update) > 0 {
			if err := r.checkPatch(op.Update); err != nil {
				found.add(InvalidValue, at+".update", "%v", err)
			}
		}
	}
}

// checkSelection checks how an operation selects records.
func (m *Manager) checkSelection(found *mistakes, at string, op *Operation, r resource) {
	switch {
	case op.Filter == nil && op.IDs == nil:
		found.add(InvalidValue, at+".filter", "is missing: give a filter or ids; {} selects all records")
	case op.Filter != nil && op.IDs != nil:
		found.add(InvalidField, at+".ids", "does not go with a filter: give one of the two")
	}
	if op.IDs != nil && len(op.IDs) == 0 {
		found.add(InvalidValue, at+".ids", "is empty")
	}
	first := make(map[string]int, len(op.IDs))
	for k, id := range op.IDs {
		field := fmt.Sprintf("%s.ids[%d]", at, k)
		before, twice := first[id]
		switch {
		case id == "":
			found.add(InvalidValue, field, "is empty")
		case len(id) > maxID:
			found.add(InvalidValue, field, "has %d bytes: at most %d are allowed", len(id), maxID)
		case !utf8.ValidString(id):
			found.add(InvalidValue, field, "is not valid UTF-8")
		case twice:
			found.add(InvalidValue, field, "is the same as ids[%d]: a record can be changed once by an operation", before)
		default:
			first[id] = k
		}
	}
	if r == nil {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(op.Filter)) {
		if !r.knows(name) {
			found.add(InvalidField, at+".filter."+shorten(name), "is no field of the resource %s%s", op.Resource, r.declares())
		} else if _, err := json.Marshal(op.Filter[name]); err != nil {
			found.add(InvalidValue, at+".filter."+shorten(name), "has no JSON form")
		}
	}
}

// checkOptions checks the options.
func (m *Manager) checkOptions(found *mistakes, o *Options) {
	inRange(found, "options.max_concurrent", o.MaxConcurrent, 0, maxConcurrent)
	inRange(found, "options.retry.attempts", o.Retry.Attempts, 0, maxAttempts)
	oneOf(found, "options.retry.backoff", o.Retry.Backoff, "", BackoffImmediate, BackoffLinear, BackoffExponential, BackoffCustom)
	switch b := o.Retry.Backoff; {
	case b == BackoffCustom && o.Retry.Custom == "":
		found.add(InvalidValue, "options.retry.custom", "is missing: name a strategy of the manager's Config")
	case b == BackoffCustom && m.cfg.Strategies[o.Retry.Custom] == nil:
		found.add(InvalidValue, "options.retry.custom", "Unknown strategy: %s", shorten(o.Retry.Custom))
	case b != BackoffCustom && o.Retry.Custom != "":
		found.add(InvalidField, "options.retry.custom", "goes with the backoff custom only")
	}
	if d := o.Retry.Delay; d < 0 || d > maxDelay {
		found.add(InvalidValue, "options.retry.delay", "is %v: it must be from 0 to %v", d, maxDelay)
	} else if d > 0 && o.Retry.Backoff != BackoffLinear && o.Retry.Backoff != BackoffExponential && o.Retry.Backoff != "" {
		found.add(InvalidField, "options.retry.delay", "goes with the backoffs linear and exponential only")
	}
	oneOf(found, "options.validation.mode", o.Validation.Mode, "", ValidationStrict, ValidationLenient, ValidationNone)
	oneOf(found, "options.validation.on_error", o.Validation.OnError, "", OnErrorSkip, OnErrorAbort)
	if d := o.AttemptTimeout; d < 0 || d > maxDelay {
		found.add(InvalidValue, "options.attempt_timeout", "is %v: it must be from 0, for %v, to %v", d, defaultAttemptTimeout, maxDelay)
	}
	if o.Sequential && o.MaxConcurrent > 1 {
		found.add(InvalidValue, "options.max_concurrent", "is %d: a job that is not parallel has 1 call in flight", o.MaxConcurrent)
	}
}

func inRange(found *mistakes, field string, n, least, most int) {
	if n < least || n > most {
		found.add(InvalidValue, field, "is %d: it must be from %d to %d", n, least, most)
	}
}

func oneOf[S ~string](found *mistakes, field string, value S, good ...S) {
	if slices.Contains(good, value) {
		return
	}
	var names strings.Builder
	for _, g := range good {
		if g != "" {
			names.WriteString(", " + string(g))
		}
	}
	found.add(InvalidValue, field, "is %q: it must be one of %s", shorten(string(value)), names.String()[2:])
}

// isObject returns what is wrong with a record whose JSON form is not an object.
func isObject(record any) error {
	if f, ok := record.(Fields); ok && f != nil {
		record = map[string]any(f)
	}
	if f, ok := record.(map[string]any); ok && f != nil {
		return nil // what it contains is found when it is stored
	}
	data, err := json.Marshal(record)
	switch {
	case err != nil:
		return errNoJSON
	case len(data) == 0 || data[0] != '{':
		return errNoObject
	}
	return nil
}

// shorten makes a name from outside fit into a message.
func shorten(s string) string {
	const most = 60
	if len(s) > most {
		cut := most
		for cut > most-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut] + "…"
	}
	q := fmt.Sprintf("%q", s)
	return q[1 : len(q)-1]
}
