package proptest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/clients"
	"github.com/windrow-go/windrow/windrowtest"
)

// note is a record. Its key names it in the ledger.
type note struct {
	ID   string `json:"id,omitempty"`
	Key  string `json:"key"`
	Text string `json:"text,omitempty"`
	Bad  bool   `json:"bad,omitempty"`
}

const notes = "/notes"

// doer makes a request and reads the answer into out. The client of an SDK has one, and adapters/rest another.
type doer interface {
	do(ctx context.Context, method, path string, in, out any) error
}

// client makes of a doer a client of all verbs.
type client struct {
	doer
	can windrow.Capabilities
}

func (c client) Capabilities() windrow.Capabilities { return c.can }

func (c client) Create(ctx context.Context, in note) (out note, err error) {
	err = c.do(ctx, http.MethodPost, notes, in, &out)
	return out, err
}

func (c client) Update(ctx context.Context, id string, in note) (out note, err error) {
	err = c.do(ctx, http.MethodPatch, notes+"/"+id, in, &out)
	return out, err
}

func (c client) Upsert(ctx context.Context, in note) (out note, err error) {
	err = c.do(ctx, http.MethodPut, notes+"/"+in.Key, in, &out)
	return out, err
}

func (c client) Delete(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodDelete, notes+"/"+id, nil, nil)
}

func (c client) Get(ctx context.Context, id string) (out note, err error) {
	err = c.do(ctx, http.MethodGet, notes+"/"+id, nil, &out)
	return out, err
}

// batchClient is a client that has batches as well.
type batchClient struct{ client }

func (c batchClient) CreateBatch(ctx context.Context, in []note) ([]windrow.Outcome[note], error) {
	return c.batch(ctx, windrow.OpCreate, make([]string, len(in)), in)
}

func (c batchClient) UpsertBatch(ctx context.Context, in []note) ([]windrow.Outcome[note], error) {
	ids := make([]string, len(in))
	for i := range in {
		ids[i] = in[i].Key
	}
	return c.batch(ctx, windrow.OpUpsert, ids, in)
}

func (c batchClient) UpdateBatch(ctx context.Context, in []windrow.Update[string, note]) ([]windrow.Outcome[note], error) {
	ids, data := make([]string, len(in)), make([]note, len(in))
	for i := range in {
		ids[i], data[i] = in[i].ID, in[i].Data
	}
	return c.batch(ctx, windrow.OpUpdate, ids, data)
}

func (c batchClient) GetBatch(ctx context.Context, ids []string) ([]windrow.Outcome[note], error) {
	return c.batch(ctx, windrow.OpGet, ids, nil)
}

func (c batchClient) DeleteBatch(ctx context.Context, ids []string) ([]windrow.Outcome[struct{}], error) {
	outcomes, err := c.batch(ctx, windrow.OpDelete, ids, nil)
	deleted := make([]windrow.Outcome[struct{}], len(outcomes))
	for i := range outcomes {
		deleted[i].Err = outcomes[i].Err
	}
	return deleted, err
}

func (c batchClient) batch(ctx context.Context, op windrow.OpKind, ids []string, data []note) ([]windrow.Outcome[note], error) {
	type item struct {
		ID   string `json:"id,omitempty"`
		Data *note  `json:"data,omitempty"`
	}
	items := make([]item, len(ids))
	for i := range items {
		if items[i].ID = ids[i]; data != nil {
			items[i].Data = &data[i]
		}
	}
	var answer struct {
		Results []struct {
			Index  *int
			Record *note
			Error  *struct{ Status int }
		}
	}
	if err := c.do(ctx, http.MethodPost, notes+"/batch", map[string]any{"operation": op, "records": items}, &answer); err != nil {
		return nil, err
	}
	// By index where the server names it; an answer that does not fit is handed on as it is, for the run to judge.
	outcomes := make([]windrow.Outcome[note], len(answer.Results))
	seen := map[int]bool{}
	for i, result := range answer.Results {
		at := i
		if result.Index != nil {
			at = *result.Index
		}
		if at < 0 || at >= len(outcomes) || seen[at] || result.Index == nil {
			return nil, windrow.Ambiguous(errors.New("the answer does not name each item once"))
		}
		seen[at] = true
		if result.Record != nil {
			outcomes[at].Value = *result.Record
		}
		if result.Error != nil {
			outcomes[at].Err = &statusError{status: result.Error.Status}
		}
	}
	return outcomes, nil
}

// statusError is what an SDK returns.
type statusError struct {
	status int
	after  time.Duration
	err    error
}

func (e *statusError) Error() string             { return fmt.Sprintf("status %d: %v", e.status, e.err) }
func (e *statusError) StatusCode() int           { return e.status }
func (e *statusError) RetryAfter() time.Duration { return e.after }
func (e *statusError) Unwrap() error             { return e.err }

// sdk is a client as other people write them. It knows windrow only by the idempotency key, which it sends only if the
// server honours it.
type sdk struct {
	url   string
	http  *http.Client
	keyed bool
}

func (s sdk) do(ctx context.Context, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, s.url+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if a, ok := clients.AttemptFrom(ctx); ok && s.keyed {
		// In lower case: net/http sends a request again by itself that has one as it knows it, and the answer to that
		// says nothing of the first.
		req.Header["idempotency-key"] = []string{a.IdempotencyKey()}
	}
	res, err := s.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	failure := &statusError{status: res.StatusCode, err: err}
	if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil {
		failure.after = time.Duration(seconds) * time.Second
	}
	if res.StatusCode >= 300 {
		return failure
	}
	if len(text) > 0 && res.Header.Get("Content-Type") != "application/json" {
		err = errors.New("not JSON")
	}
	if out != nil && err == nil {
		err = json.Unmarshal(text, out)
	}
	if failure.err = err; err != nil {
		return failure
	}
	return nil
}

// adapter is adapters/rest.
type adapter struct{ *rest.Client }

func newAdapter(s *windrowtest.Server) (adapter, error) {
	c, err := rest.New(s.URL, rest.WithHTTPClient(s.Client()))
	return adapter{c}, err
}

func (a adapter) do(ctx context.Context, method, path string, in, out any) error {
	u, err := url.Parse(path)
	if err != nil {
		return err
	}
	_, err = a.Do(ctx, rest.Request{Method: method, Path: u.Path, In: in}, out)
	return err
}
