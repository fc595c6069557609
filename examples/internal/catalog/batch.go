package catalog

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/examples/internal/readback"
	"github.com/windrow-go/windrow/examples/internal/stdlib"
)

// Batch is a catalog whose records are created many at a time, by PocketBase's
// /api/batch: a request is carried out in order, and as a whole or not at all.
// A refusal names the first bad record and no other.
type Batch struct {
	Catalog
	client *rest.Client
	items  int // in one request, at most
}

// Capabilities implements [clients.Describer].
func (b Batch) Capabilities() windrow.Capabilities {
	return windrow.Capabilities{
		MaxItems: b.items, Atomicity: windrow.AtomicityAll, Ordered: true,
		Cost: func(n int) int { return n }, // the server counts each record
	}
}

// batchRequest is one request of a batch.
type batchRequest struct {
	Method string        `json:"method"`
	URL    string        `json:"url"`
	Body   stdlib.Symbol `json:"body"`
}

// batchAnswer is the answer to one of them.
type batchAnswer struct {
	Status int             `json:"status"`
	Body   readback.Record `json:"body"`
}

// CreateBatch implements [clients.BatchCreator].
func (b Batch) CreateBatch(ctx context.Context, symbols []stdlib.Symbol) ([]windrow.Outcome[readback.Record], error) {
	requests := make([]batchRequest, len(symbols))
	for i, symbol := range symbols {
		requests[i] = batchRequest{Method: http.MethodPost, URL: "/api" + path, Body: symbol}
	}
	var answers []batchAnswer
	_, err := b.client.Do(ctx, rest.Request{
		Method: http.MethodPost, Path: "/batch", In: map[string]any{"requests": requests},
	}, &answers)
	if err != nil {
		return nil, readRefusal(err)
	}
	out := make([]windrow.Outcome[readback.Record], len(answers))
	for i, answer := range answers {
		out[i].Value = answer.Body
	}
	return out, nil
}

// Refusal is why the server refused a record of a batch, and all others with it.
type Refusal struct {
	Status  int    // that a request of its own would have been answered with
	Message string // of the server
	Fields  []*windrow.FieldError
}

// Error implements error.
func (r *Refusal) Error() string { return fmt.Sprintf("status %d: %s", r.Status, r.Message) }

// Unwrap returns the fields.
func (r *Refusal) Unwrap() []error {
	errs := make([]error, len(r.Fields))
	for i, field := range r.Fields {
		errs[i] = field
	}
	return errs
}

// refusalBody is the body of a refused batch: by the index of the first bad
// request what was wrong with it, or one code for all when there are too many.
type refusalBody struct {
	Data struct {
		Requests map[string]json.RawMessage `json:"requests"`
	} `json:"data"`
}

// refusedRequest is what was wrong with a request of a batch.
type refusedRequest struct {
	Response struct {
		Status  int    `json:"status"`
		Message string `json:"message"`
		Data    map[string]struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"data"`
	} `json:"response"`
}

// readRefusal finds out what a refusal means: which record is to blame, or that
// the server throttles, which it says with the status 400 and a 429 inside.
func readRefusal(err error) error {
	answer, ok := errors.AsType[*rest.Error](err)
	if !ok || answer.Status != http.StatusBadRequest {
		return err
	}
	var body refusalBody
	if json.Unmarshal(answer.Body, &body) != nil {
		return err
	}
	for index, text := range body.Data.Requests {
		var request refusedRequest
		n, notIndex := strconv.Atoi(index)
		switch {
		case index == "code" && string(text) == `"validation_length_too_long"`:
			return windrow.TooLarge(err, 0)
		case notIndex != nil || json.Unmarshal(text, &request) != nil:
			continue
		}
		refusal := &Refusal{Status: request.Response.Status, Message: request.Response.Message}
		if refusal.Status == http.StatusTooManyRequests {
			return windrow.Throttled(refusal, 0)
		}
		for name, field := range request.Response.Data {
			refusal.Fields = append(refusal.Fields, &windrow.FieldError{Field: name, Code: field.Code, Message: field.Message})
		}
		slices.SortFunc(refusal.Fields, func(a, b *windrow.FieldError) int { return cmp.Compare(a.Field, b.Field) })
		return windrow.Classified(refusal, windrow.Classification{Kind: windrow.KindValidation, BadItem: n + 1})
	}
	return err
}
