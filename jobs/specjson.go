package jobs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

var (
	errNoJSON   = errors.New("has no JSON form")
	errNoObject = errors.New("must be an object")
	errNoKey    = errors.New("has no key")
)

// ParseSpec reads a spec in its JSON form, the value of "batch" in the HTTP API:
//
//	{
//	  "type": "field_update",
//	  "description": "Update irrigation schedules for all active fields",
//	  "operations": [{
//	    "type": "update",
//	    "resource": "fields",
//	    "filter": {"status": "active"},
//	    "update": {"irrigation_schedule": {"frequency": "daily"}}
//	  }],
//	  "options": {
//	    "parallel": true,
//	    "max_concurrent": 5,
//	    "retry": {"attempts": 3, "backoff": "exponential"},
//	    "validation": {"mode": "strict", "on_error": "skip"}
//	  }
//	}
//
// Numbers keep their digits. Durations are texts such as "30s". The error is a [*SpecError] that names every field that
// is unknown or of the wrong type, or the error of text that is no JSON. What a spec means is checked by Submit.
func ParseSpec(data []byte) (Spec, error) {
	var s Spec
	var found mistakes
	var all map[string]json.RawMessage
	if err := decode(data, &all); err != nil {
		if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			err = errNoObject
		}
		return s, fmt.Errorf("jobs: the spec: %w", err)
	}
	p := parser{&found}
	for name, value := range p.fields(all) {
		switch name {
		case "type":
			p.text(name, value, &s.Type)
		case "description":
			p.text(name, value, &s.Description)
		case "idempotency_key":
			p.text(name, value, &s.IdempotencyKey)
		case "operations":
			for k, value := range p.list(name, value) {
				s.Operations = append(s.Operations, p.operation(fmt.Sprintf("operations[%d]", k), value))
			}
		case "options":
			s.Options = p.options(value)
		case "labels":
			read(p, name, value, &s.Labels, "an object of texts")
		case "priority":
			read(p, name, value, &s.Priority, "a whole number")
		default:
			p.unknown(name)
		}
	}
	return s, found.err()
}

// parser reads a spec and collects its mistakes.
type parser struct{ found *mistakes }

// fields yields the fields of an object in the order of their names.
func (p parser) fields(all map[string]json.RawMessage) func(yield func(string, json.RawMessage) bool) {
	return func(yield func(string, json.RawMessage) bool) {
		for _, name := range slices.Sorted(maps.Keys(all)) {
			if !yield(name, all[name]) {
				return
			}
		}
	}
}

// object reads an object, and yields its fields.
func (p parser) object(at string, data json.RawMessage) func(yield func(string, json.RawMessage) bool) {
	var all map[string]json.RawMessage
	read(p, at, data, &all, "an object")
	return p.fields(all)
}

func (p parser) list(at string, data json.RawMessage) (all []json.RawMessage) {
	read(p, at, data, &all, "a list")
	return all
}

func (p parser) text(at string, data json.RawMessage, into *string) {
	read(p, at, data, into, "a text")
}

func (p parser) unknown(at string) {
	p.found.add(InvalidField, shorten(at), "is no field of a spec")
}

// read reads one value. null is no value of any field.
func read[T any](p parser, at string, data json.RawMessage, into *T, what string) {
	if string(bytes.TrimSpace(data)) == "null" || decode(data, into) != nil {
		p.found.add(InvalidValue, at, "must be %s", what)
	}
}

func (p parser) duration(at string, data json.RawMessage, into *time.Duration) {
	var text string
	if decode(data, &text) == nil {
		if d, err := time.ParseDuration(text); err == nil {
			*into = d
			return
		}
	}
	p.found.add(InvalidValue, at, `must be a duration such as "30s" or "1m30s"`)
}

func (p parser) operation(at string, data json.RawMessage) (op Operation) {
	for name, value := range p.object(at, data) {
		field := at + "." + name
		switch name {
		case "type":
			read(p, field, value, &op.Type, "a text")
		case "resource":
			p.text(field, value, &op.Resource)
		case "filter":
			read(p, field, value, &op.Filter, "an object")
		case "ids":
			read(p, field, value, &op.IDs, "a list of texts")
		case "update":
			read(p, field, value, &op.Update, "an object")
		case "records":
			for k, value := range p.list(field, value) {
				var record Fields
				read(p, fmt.Sprintf("%s[%d]", field, k), value, &record, "an object")
				op.Records = append(op.Records, record)
			}
		default:
			p.unknown(field)
		}
	}
	return op
}

func (p parser) options(data json.RawMessage) (o Options) {
	for name, value := range p.object("options", data) {
		field := "options." + name
		switch name {
		case "parallel":
			parallel := true
			read(p, field, value, &parallel, "true or false")
			o.Sequential = !parallel
		case "max_concurrent":
			read(p, field, value, &o.MaxConcurrent, "a whole number")
			if o.MaxConcurrent == 0 {
				p.found.add(InvalidValue, field, "must be at least 1")
			}
		case "attempt_timeout":
			p.duration(field, value, &o.AttemptTimeout)
		case "retry":
			for name, value := range p.object(field, value) {
				switch field := field + "." + name; name {
				case "attempts":
					read(p, field, value, &o.Retry.Attempts, "a whole number")
					if o.Retry.Attempts == 0 {
						p.found.add(InvalidValue, field, "must be at least 1")
					}
				case "backoff":
					read(p, field, value, &o.Retry.Backoff, "a text")
				case "delay":
					p.duration(field, value, &o.Retry.Delay)
				case "custom":
					p.text(field, value, &o.Retry.Custom)
				default:
					p.unknown(field)
				}
			}
		case "validation":
			for name, value := range p.object(field, value) {
				switch field := field + "." + name; name {
				case "mode":
					read(p, field, value, &o.Validation.Mode, "a text")
				case "on_error":
					read(p, field, value, &o.Validation.OnError, "a text")
				default:
					p.unknown(field)
				}
			}
		default:
			p.unknown(field)
		}
	}
	return o
}

// decode reads exactly one JSON value. The error does not show the text.
func decode(data []byte, into any) error {
	err := decodeOne(data, into, false)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("is no JSON: at byte %d", syntax.Offset)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("is no JSON: it ends too early")
	}
	return err
}

// MarshalJSON implements [json.Marshaler]. Durations are texts; what has its zero value is left out.
func (s Spec) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Type           string            `json:"type,omitempty"`
		Description    string            `json:"description,omitempty"`
		IdempotencyKey string            `json:"idempotency_key,omitempty"`
		Operations     []Operation       `json:"operations"`
		Options        Options           `json:"options"`
		Labels         map[string]string `json:"labels,omitempty"`
		Priority       int               `json:"priority,omitempty"`
	}(s))
}

// UnmarshalJSON implements [json.Unmarshaler] by [ParseSpec].
func (s *Spec) UnmarshalJSON(data []byte) (err error) {
	*s, err = ParseSpec(data)
	return err
}

// MarshalJSON implements [json.Marshaler].
func (op Operation) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Type     OperationType `json:"type"`
		Resource string        `json:"resource"`
		Filter   Fields        `json:"filter,omitzero"`
		IDs      []string      `json:"ids,omitempty"`
		Update   Fields        `json:"update,omitempty"`
		Records  []any         `json:"records,omitempty"`
	}(op))
}

// MarshalJSON implements [json.Marshaler].
func (o Options) MarshalJSON() ([]byte, error) {
	type retry struct {
		Attempts int     `json:"attempts,omitempty"`
		Backoff  Backoff `json:"backoff,omitempty"`
		Delay    string  `json:"delay,omitempty"`
		Custom   string  `json:"custom,omitempty"`
	}
	type validation struct {
		Mode    ValidationMode `json:"mode,omitempty"`
		OnError OnError        `json:"on_error,omitempty"`
	}
	form := struct {
		Parallel       *bool      `json:"parallel,omitempty"`
		MaxConcurrent  int        `json:"max_concurrent,omitempty"`
		Retry          retry      `json:"retry,omitzero"`
		Validation     validation `json:"validation,omitzero"`
		AttemptTimeout string     `json:"attempt_timeout,omitempty"`
	}{
		MaxConcurrent: o.MaxConcurrent, Retry: retry{o.Retry.Attempts, o.Retry.Backoff, short(o.Retry.Delay), o.Retry.Custom},
		Validation: validation(o.Validation), AttemptTimeout: short(o.AttemptTimeout),
	}
	if o.Sequential {
		form.Parallel = new(bool)
	}
	return json.Marshal(form)
}

// short is a duration without the units that are zero: 20m, 1.2s, 1h5m; "" for 0.
func short(d time.Duration) string {
	if d == 0 {
		return ""
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
